"""Evidence across runs: numbered files, each naming the digest of the one before.

A number is taken by creating its file, so two writers cannot take the same one. Beside them a
witness names the newest, so that one taken away from the end is missed. Each file names the
digest of every artifact of its run. Refused, failed and interrupted runs stand in it too.
A release stands in it before it is sent and again after it, so that one of which nobody knows
what became is known as such. It never changes a file, and never holds an address.
"""

import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import orjson

from reconciler.artifacts import ORIGIN, Run, dumps, named, plain
from reconciler.errors import EvidenceError
from reconciler.model import RELEASE_AHEAD, Overrides
from reconciler.regular import sha256
from reconciler.signing import Signer
from reconciler.store import ChangedError, NameTakenError, Store
from reconciler.times import parse_time

FORMAT: Final = 2
"""Of a ledger file. From 2 on a witness names the newest file."""
FOLDER: Final = "ledger"
ADDRESSES: Final = "tables/"
"""How names of artifacts with addresses begin; from format 2 on their digests are keyed."""
WITNESS: Final = "head.json"
"""Names the newest file and its digest; stands beside the ledger, and is written anew."""
FIRST: Final = "0" * 64
_NOBODY: Final = (0, FIRST)
_TRIES: Final = 100
NUMBERED: Final = re.compile(rf"{FOLDER}/(\d{{8}})\.json")
_WITNESSED: Final = 2
"""The format from which on there is a witness."""
_UNDER_WAY: Final = frozenset({"releasing", "released", "held", "hold-released", "pruned"})
"""Outcomes of lines that a run writes before its last one."""


def append(
    run: Run,
    *,
    outcome: str,
    exit_code: int | None,
    lists: Mapping[str, str] | None = None,
    spent: Sequence[str] = (),
    batch_reasons: Mapping[str, str] | None = None,
    overrides: Overrides | None = None,
    list_ends: Mapping[str, datetime | None] | None = None,
) -> int:
    """Add this run to the ledger and return the number it took.

    Args:
        run: the run; every artifact in its folder is named with its digest.
        outcome: what became of it in one word (``done``, ``refused``, ``failed``, …).
        exit_code: as returned to the shell; ``None`` where the run never came to return one.
        lists: remote ids by our key, of lists that exist on the service.
        spent: keys of the releases this run carried out.
        batch_reasons: why each list was worked on, by our key.
        overrides: what the command line allowed, and why.
        list_ends: each list's own end as it is now, by our key, where it is known; ``None`` for
            one that does not end.

    Raises:
        EvidenceError: the ledger cannot be written.
    """
    content = {
        **_head(run, outcome),
        "exit_code": exit_code,
        "lists": dict(lists or {}),
        "spent": sorted(spent),
        "batch_reasons": dict(batch_reasons or {}),
        "overrides": overrides,
        "list_ends": dict(list_ends or {}),
        "policy": _written(run, "specs.json").get("policy"),
        "artifacts": _digests(run),
    }
    return _take_number(run, content)


def releasing(run: Run, keys: Collection[str]) -> int:
    """Write down releases that are about to be sent: until ``released`` they are in doubt.

    Args:
        run: the run, still under way.
        keys: of the releases.

    Raises:
        EvidenceError: the ledger cannot be written; then nobody may be let go.
    """
    content = {**_head(run, "releasing"), "lists": {}, "spent": [], "doubted": sorted(keys)}
    return _take_number(run, content)


def released(run: Run, spent: Collection[str], *, kept: Collection[str] = ()) -> int:
    """Write down what became of releases as soon as it is known, whatever becomes of the run.

    Args:
        run: the run, still under way.
        spent: keys of the releases that were carried out.
        kept: keys of those that certainly were not.

    Raises:
        EvidenceError: the ledger cannot be written.
    """
    told = {"lists": {}, "spent": sorted(spent), "kept": sorted(kept)}
    return _take_number(run, {**_head(run, "released"), **told})


def note(run: Run, outcome: str, **facts: object) -> int:
    """Write down a decision about evidence itself, as soon as it is taken.

    What is to be removed is named before it is, so that its absence is known to be meant.

    Args:
        run: the run, still under way.
        outcome: ``held``, ``hold-released`` or ``pruned``.
        facts: what was decided, under a name of its own; without an address.

    Raises:
        EvidenceError: the ledger cannot be written; then nothing may be removed.
    """
    return _take_number(run, {**_head(run, outcome), "lists": {}, "spent": [], **facts})


def _head(run: Run, outcome: str) -> dict[str, object]:
    return {
        "format": FORMAT,
        "run": run.id,
        "command": run.command,
        "started": run.started,
        "finished": run.clock(),
        "outcome": outcome,
        "key": run.engine.fingerprint,
        "origin": _origin(run),
    }


def _origin(run: Run) -> dict[str, object]:
    """Return where a run comes from, as its own first artifact says, whoever writes the line."""
    told = _written(run, ORIGIN)
    return {name: said for name, said in told.items() if name not in {"run", "command", "started"}}


def _written(run: Run, name: str) -> Mapping[str, Any]:
    """Return a document that a run left; empty where it left none, or none that can be read."""
    try:
        held = orjson.loads((run.folder / name).read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return held if isinstance(held, dict) else {}


def _take_number(run: Run, content: Mapping[str, object]) -> int:
    """Write a ledger file under the next number that nobody has."""
    store, after = run.store, 0
    for _ in range(_TRIES):
        number, previous = _last(store, after)
        _begin_witness(store, number, previous)
        held = _sealed({"number": number + 1, "previous": previous, **content}, run.signer)
        try:
            store.create(name(number + 1), held)
        except NameTakenError:
            after = number
            continue
        _witness(store, number + 1, held)
        return number + 1
    raise EvidenceError(f"no free number in {store.place}: too many runs end at the same time")


def _sealed(content: Mapping[str, object], signer: Signer | None) -> bytes:
    """Return a ledger file with its own digest, so that it can be told apart which one is wrong."""
    told = plain(content) | ({"signed_by": signer.fingerprint} if signer else {})
    data = canonical(told)
    signature = {"signature": signer.sign(data)} if signer else {}
    return dumps({**told, "digest": hashlib.sha256(data).hexdigest(), **signature})


def canonical(held: Mapping[str, Any]) -> bytes:
    """Return what of a file is digested and signed: all but digest and signature, sorted."""
    said = {name: told for name, told in held.items() if name not in {"digest", "signature"}}
    return orjson.dumps(said, option=orjson.OPT_SORT_KEYS)


def _begin_witness(store: Store, number: int, digest: str) -> None:
    """Put a witness in place before the first file that needs one.

    Where files need one and it is gone, it is not put back: somebody took it away, and perhaps
    files with it.
    """
    if store.read(WITNESS) is not None:
        return
    newest = store.read(name(number)) if number else None
    if newest is None or _format(newest.data) < _WITNESSED:
        with suppress(NameTakenError):
            store.create(WITNESS, witness(number, digest))


def _format(data: bytes) -> int:
    try:
        return int(orjson.loads(data)["format"])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return _WITNESSED  # what cannot be read is not taken for old


def _witness(store: Store, number: int, data: bytes) -> None:
    """Let the witness name a file just written, unless it names a newer one already."""
    told = witness(number, hashlib.sha256(data).hexdigest())
    for _ in range(_TRIES):
        with suppress(ChangedError):
            held = store.read(WITNESS)
            if held and (_witnessed(held.data) or _NOBODY)[0] < number:
                store.replace(WITNESS, told, seen=held.mark)
            return
    raise EvidenceError(f"{WITNESS} in {store.place} cannot be written: too many runs end at once")


def witness(number: int, digest: str) -> bytes:
    """Return the file that names the newest one; its own digest tells whether it was altered."""
    own = hashlib.sha256(f"{number}:{digest}".encode()).hexdigest()
    return dumps({"number": number, "digest": digest, "own": own})


def _witnessed(data: bytes) -> tuple[int, str] | None:
    """Return the number and digest a witness names; ``None`` where it cannot be believed."""
    try:
        held = orjson.loads(data)
        return int(held["number"]), str(held["digest"])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return None


def name(number: int) -> str:
    """Return the name of the file of a number."""
    return f"{FOLDER}/{number:08d}.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What the ledger knows of all runs before this one."""

    spent: frozenset[str] = frozenset()
    """Keys of every release that was ever carried out."""
    sent: Mapping[str, datetime] = field(default_factory=lambda: MappingProxyType({}))
    """Keys of releases that were sent, nobody knows with what effect, and when."""
    ended: frozenset[str] = frozenset()
    """Ids of the runs that have their last line, whatever became of them."""
    known: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """The remote id under which each of our lists was last seen."""
    applied: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """The run that last applied each of our lists, to its end and under the key in use."""
    doubt: str = ""
    """Why the ledger may not be whole; then it is not known which releases are spent."""
    strange: str = ""
    """Why what it says of releases cannot be read, however whole it is."""

    def doubted(self, now: datetime) -> frozenset[str]:
        """Return the keys of releases of which nothing tells any more what became of them.

        For as long as a release takes to come into effect the list itself tells. After that a
        contact that is suppressed may have asked for it anew.
        """
        return frozenset(key for key, at in self.sent.items() if now >= at + RELEASE_AHEAD)


def past(
    store: Store,
    *,
    key: str = "",
    keys: Collection[str] = (),
    since: datetime | None = None,
) -> Past:
    """Read the whole ledger, checking that it is an unbroken chain.

    What can be read counts also where something else cannot: the more releases are known to be
    spent, the better. Those that were written under another pseudonym key cannot be known again.

    Args:
        store: where the ledger is.
        key: fingerprint of the pseudonym key in use; empty where no release is asked about.
        keys: fingerprints of the former keys that are at hand too.
        since: releases that were spent before have run out in any case.
    """
    spent, ended = set[str](), set[str]()
    sent: dict[str, datetime] = {}
    known: dict[str, str] = {}
    applied: dict[str, str] = {}
    doubts: list[str] = []
    strange = ""
    for held in _links(store, doubts.append):
        spent.update(held["spent"])
        if key and _foreign(held, {key, *keys}, since):
            strange = f"ledger file {held['number']} was written under another pseudonym key"
        known |= held["lists"]
        if held["applied"]:
            mine = held["key"] == key
            applied |= dict.fromkeys(held["lists"], held["run"] if mine else "")
        for release in (*held["spent"], *held["kept"]):
            sent.pop(release, None)
        sent |= dict.fromkeys(held["doubted"], held["finished"])
        if held["outcome"] not in _UNDER_WAY:
            ended.add(held["run"])
    return Past(
        spent=frozenset(spent),
        sent=sent,
        ended=frozenset(ended),
        known=known,
        applied={name: by for name, by in applied.items() if by},
        doubt=next(iter(doubts), ""),
        strange=strange,
    )


def _foreign(held: Mapping[str, Any], keys: Collection[str], since: datetime | None) -> bool:
    """Whether a file names releases that still count, by pseudonyms of a key not at hand."""
    recent = since is None or held["finished"] >= since
    return held["key"] not in ("", *keys) and recent and bool(held["spent"] or held["doubted"])


def _links(store: Store, doubt: Callable[[str], None]) -> Iterator[Mapping[str, Any]]:
    """Yield what each file says, in the order of numbers; ``doubt`` is told what is wrong."""
    before, number, digests = FIRST, 0, {0: FIRST}
    witness = store.read(WITNESS)
    for number, name in enumerate(_numbered(store), start=1):
        path = store.fetch(name)
        try:
            data = path.read_bytes() if path else b""
            held = _believed(data)
        except (OSError, AttributeError, KeyError, TypeError, ValueError):
            doubt(f"the ledger file {store.place}/{name} cannot be believed")
            data, held = b"", None
        if held and (held["number"], held["previous"]) != (number, before):
            doubt(f"the ledger file {store.place}/{name} does not follow the one before it")
        before = digests[number] = hashlib.sha256(data).hexdigest()
        if held:
            yield held
            if held["format"] >= _WITNESSED and witness is None:
                doubt(f"{store.place}/{WITNESS}, which names the newest ledger file, is missing")
    if witness:
        at, digest = _witnessed(witness.data) or (-1, "")
        if digests.get(at) != digest:
            doubt(f"{store.place}/{WITNESS} names another newest ledger file than is there")


def _numbered(store: Store, after: int = 0) -> list[str]:
    """Return the names of all ledger files past a number, in their order."""
    names = store.names(FOLDER, after=name(after) if after else "")
    return [name for name in names if NUMBERED.fullmatch(name)]


def _believed(data: bytes) -> Mapping[str, Any]:
    """Return what a file says, if it is what this program writes."""
    held = orjson.loads(data)
    return {
        "format": int(held["format"]),
        "number": held["number"],
        "previous": held["previous"],
        "run": str(held["run"]),
        "outcome": str(held["outcome"]),
        "finished": parse_time(held["finished"]),
        "key": str(held.get("key", "")),
        "spent": tuple(map(str, held["spent"])),
        "kept": tuple(map(str, held.get("kept", ()))),
        "doubted": tuple(map(str, held.get("doubted", ()))),
        "lists": {str(key): str(remote) for key, remote in held["lists"].items()},
        "applied": "receipt.json" in held.get("artifacts", ()),
    }


def _last(store: Store, after: int = 0) -> tuple[int, str]:
    """Return the highest number taken and the digest of its file.

    Args:
        store: where the ledger is.
        after: a number that is taken for certain.
    """
    newest = max(_numbered(store, max(after - 1, 0)), default=None)
    if newest is None:
        return _NOBODY
    held = store.read(newest)
    if held is None:
        raise EvidenceError(f"{newest} in {store.place} is gone while it is read")
    return int(newest.removesuffix(".json")[-8:]), hashlib.sha256(held.data).hexdigest()


def _digests(run: Run) -> dict[str, str]:
    """Return the sha256 of every artifact, by its name below the run folder.

    That of a file that holds addresses is keyed: a plain one of few addresses can be guessed.
    """
    found = {name: _sha256(run.folder / name) for name in named(run.folder)}
    return {
        name: run.engine.pseudonym(digest) if name.startswith(ADDRESSES) else digest
        for name, digest in found.items()
    }


def _sha256(path: Path) -> str:
    try:
        return sha256(path)
    except OSError as error:
        raise EvidenceError(f"{path} cannot be read: {error.strerror}") from error
