"""Whether the evidence is what was written: every digest of ledger and artifacts, computed anew.

What stands in the store is looked at, never a copy of it on this machine; tables with addresses
are looked at where they are here. It changes nothing, and holds no file in memory but the
ledger's own.
"""

import hashlib
import hmac
import platform
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from reconciler import ledger
from reconciler.artifacts import RUNS, kept, named
from reconciler.regular import sha256
from reconciler.signing import Checker
from reconciler.store import Store

_AT_ONCE: Final = 8
"""Files looked at side by side."""
_KEYED: Final = 2
"""The format from which on lines have a digest of their own, and tables a keyed one."""
_ON_THE_WAY: Final = frozenset({"releasing", "released", "held", "hold-released", "pruned"})
"""Outcomes of lines that a run writes before its last one."""
_CRASH: Final = "crash-"
"""How a traceback is called that was written after the run had its last line."""
_NOTHING: Final = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Finding:
    """One file that is not as it should be."""

    file: str
    """Its name in the store."""
    what: str
    """``altered``, ``missing``, ``added``, ``moved``, ``unsigned`` or ``unproven``."""
    expected: str = ""
    found: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What verifying came to."""

    findings: tuple[Finding, ...]
    lines: int
    runs: int
    artifacts: int
    pruned: int
    """Artifacts that are gone, as a later line says."""
    elsewhere: int
    """Tables that are not on this machine."""
    other_key: int
    """Tables on this machine of which the pseudonym key is not at hand."""
    alive: int
    """Runs under way."""
    signed: int
    unsigned_before: int
    """Lines before the first one that is signed."""
    checked: bool
    """Whether signatures were checked."""

    @property
    def whole(self) -> bool:
        """Whether everything is as it was written."""
        return not self.findings


@dataclass(slots=True)
class _Told:
    """What the lines of the ledger say, as far as they can be read."""

    artifacts: dict[str, dict[str, str]] = field(default_factory=dict)
    plain_tables: set[str] = field(default_factory=set)
    """Runs whose tables have plain digests."""
    keys: dict[str, str] = field(default_factory=dict)
    hosts: dict[str, str] = field(default_factory=dict)
    removed: dict[str, str] = field(default_factory=dict)
    lines: int = 0
    lost: int = 0
    """Lines that are missing or cannot be believed."""
    signed: int = 0
    unsigned_before: int = 0


def verify(
    store: Store,
    state: Path,
    *,
    keys: Mapping[str, bytes],
    checkers: Sequence[Checker] = (),
    living: Callable[[], Collection[str]] = tuple,
) -> Verification:
    """Recompute everything.

    Args:
        store: where ledger and evidence are.
        state: the state directory of this machine, for the tables in it.
        keys: the pseudonym keys at hand, by fingerprint.
        checkers: public keys; without one signatures are not checked.
        living: returns the ids of the runs that are under way.

    Raises:
        EvidenceError: the store cannot be reached.
    """
    there = store.names(RUNS)  # before the ledger: whoever ends meanwhile stands in it
    alive = frozenset(living())
    told, findings = _Told(), list[Finding]()
    findings += _chain(store, told, checkers)
    names = [name for name in there if not _of(name)[1].startswith(ledger.ADDRESSES)]
    findings += _artifacts(store, told)
    findings += _added(names, told, alive)
    tables = Counter[str]()
    findings += _tables(state / RUNS, told, keys, tables)
    return Verification(
        findings=tuple(sorted(findings)),
        lines=told.lines,
        runs=len(told.artifacts),
        artifacts=sum(map(len, told.artifacts.values())),
        pruned=_pruned(told),
        elsewhere=tables["elsewhere"],
        other_key=tables["other_key"],
        alive=len(alive & {_of(name)[0] for name in names}),
        signed=told.signed,
        unsigned_before=told.unsigned_before,
        checked=bool(checkers),
    )


# ---------------------------------------------------------------- the chain


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """One file of the ledger."""

    name: str
    number: int
    digest: str
    """Of its bytes."""
    held: Mapping[str, Any] | None
    """``None`` where it cannot be read, or its own digest is not that of what it says."""


def _chain(store: Store, told: _Told, checkers: Sequence[Checker]) -> Iterator[Finding]:
    """Yield what is wrong with the ledger, and note what its lines say."""
    head = store.read(ledger.WITNESS)  # first: lines may be added meanwhile, and never taken away
    names = store.names(ledger.FOLDER)
    numbered = [name for name in names if ledger.NUMBERED.fullmatch(name)]
    for name in set(names) - set(numbered):
        yield Finding(file=name, what="added")
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        lines = {line.number: line for line in pool.map(lambda name: _line(store, name), numbered)}
    told.lines = len(lines)
    witnessed, wrong = _head(head.data if head else None, lines)
    yield from wrong
    newest = max([*lines, witnessed[0] if witnessed else 0])
    for number in range(1, newest + 1):
        line = lines.get(number)
        told.lost += line is None or line.held is None
        if line is None:
            yield Finding(file=ledger.name(number), what="missing")
            continue
        expected = _named(lines.get(number + 1))
        if witnessed and witnessed[0] == number:
            expected = witnessed[1]
        yield from _judged(line, expected)
        if line.held is not None:
            _note(line.held, told)
    if checkers:
        yield from _signatures([lines[number] for number in sorted(lines)], told, checkers)


def _line(store: Store, name: str) -> _Line:
    got = store.read(name)
    data = got.data if got else b""
    number = int(name.removesuffix(".json")[-8:])
    return _Line(
        name=name, number=number, digest=hashlib.sha256(data).hexdigest(), held=_believed(data)
    )


def _believed(data: bytes) -> Mapping[str, Any] | None:
    """Return what a line says, if its own digest is that of what it says."""
    try:
        held = orjson.loads(data)
        if int(held["format"]) < _KEYED:
            return dict(held)
        own = hashlib.sha256(ledger.canonical(held)).hexdigest()
        return dict(held) if hmac.compare_digest(own, str(held["digest"])) else None
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _head(
    data: bytes | None, lines: Mapping[int, _Line]
) -> tuple[tuple[int, str] | None, list[Finding]]:
    """Return the number and digest that the witness names, where it can be believed."""
    if data is None:
        demanded = any(
            line.held is None or line.held["format"] >= _KEYED for line in lines.values()
        )
        return None, [Finding(file=ledger.WITNESS, what="missing")] * demanded
    try:
        told = orjson.loads(data)
        number, digest = int(told["number"]), str(told["digest"])
        if data == ledger.witness(number, digest):
            return (number, digest), []
    except (AttributeError, KeyError, TypeError, ValueError):
        pass
    return None, [Finding(file=ledger.WITNESS, what="altered")]


def _named(following: _Line | None) -> str:
    """Return the digest that the line after one names; empty where it cannot be believed."""
    if not following or not following.held or following.held.get("number") != following.number:
        return ""
    return str(following.held.get("previous", ""))


def _judged(line: _Line, expected: str) -> Iterator[Finding]:
    """Yield what is wrong with one line."""
    if line.held is not None and line.held.get("number") != line.number:
        yield Finding(
            file=line.name,
            what="moved",
            expected=f"number {line.number}",
            found=f"number {line.held.get('number')}",
        )
    elif line.held is None or (expected and expected != line.digest):
        yield Finding(
            file=line.name, what="altered", expected=expected or "its own digest", found=line.digest
        )
    elif line.number == 1 and line.held.get("previous") != ledger.FIRST:
        yield Finding(file=line.name, what="altered", expected="the first line", found=line.digest)


def _note(held: Mapping[str, Any], told: _Told) -> None:
    """Remember what a line says of a run and of what was removed."""
    run = str(held.get("run", ""))
    removed = held.get("removed")
    if held.get("outcome") == "pruned" and isinstance(removed, dict):
        told.removed |= {str(name): str(digest) for name, digest in removed.items()}
    if held.get("outcome") in _ON_THE_WAY:
        return
    artifacts = held.get("artifacts")
    told.artifacts[run] = dict(artifacts) if isinstance(artifacts, dict) else {}
    told.keys[run] = str(held.get("key", ""))
    origin = held.get("origin")
    told.hosts[run] = str(origin.get("host", "")) if isinstance(origin, dict) else ""
    if held["format"] < _KEYED:
        told.plain_tables.add(run)


def _signatures(
    lines: Sequence[_Line], told: _Told, checkers: Sequence[Checker]
) -> Iterator[Finding]:
    """Yield the lines that are not signed by one of the keys."""
    known = {one.fingerprint: one for one in checkers}
    for line in lines:
        held = line.held
        if held is None:  # it is a finding already
            continue
        if "signature" not in held:
            told.unsigned_before += not told.signed
            if told.signed:
                yield Finding(file=line.name, what="unsigned")
            continue
        told.signed += 1
        by = str(held.get("signed_by", ""))
        if by not in known or not known[by].fits(str(held["signature"]), ledger.canonical(held)):
            why = "another key" if by not in known else "a signature that does not fit"
            given = ", ".join(name[:12] for name in sorted(known))
            yield Finding(
                file=line.name, what="unproven", expected=f"key {given}", found=f"{why} {by[:12]}"
            )
    if lines and not told.signed:
        yield Finding(file=ledger.FOLDER, what="unsigned", expected="a signed line")


# ---------------------------------------------------------------- the artifacts


def _of(name: str) -> tuple[str, str]:
    """Return the run of a name in the store, and the name below its folder."""
    _, run, *rest = name.split("/", 2)
    return run, "".join(rest)


def _artifacts(store: Store, told: _Told) -> Iterator[Finding]:
    """Yield artifacts that are not what their line says."""
    wanted = {
        kept(run, name): digest
        for run, artifacts in told.artifacts.items()
        for name, digest in artifacts.items()
        if not name.startswith(ledger.ADDRESSES)
    }
    homes: dict[str, list[str]] = defaultdict(list)
    for name, digest in wanted.items():
        homes[digest].append(name)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for (name, digest), found in zip(
            wanted.items(), pool.map(store.digest, wanted), strict=True
        ):
            if found == digest or (found is None and told.removed.get(name) == digest):
                continue
            yield _different(name, digest, found, homes)


def _different(
    name: str, digest: str, found: str | None, homes: Mapping[str, Sequence[str]]
) -> Finding:
    if found is None:
        return Finding(file=name, what="missing", expected=digest, found=_NOTHING)
    if homes.get(found):
        return Finding(file=name, what="moved", expected=digest, found=f"that of {homes[found][0]}")
    return Finding(file=name, what="altered", expected=digest, found=found)


def _added(names: Sequence[str], told: _Told, alive: Collection[str]) -> Iterator[Finding]:
    """Yield files that no line names, and runs that no line knows.

    A run whose line may be one of those that are lost is not named beside them.
    """
    unknown = set[str]()
    for name in names:
        run, below = _of(name)
        if run in alive:
            continue
        if run not in told.artifacts or not below:
            unknown.add(run)
        elif below not in told.artifacts[run] and not below.startswith(_CRASH):
            yield Finding(file=name, what="added")
    for run in unknown if len(unknown) > told.lost else ():
        yield Finding(
            file=f"{RUNS}/{run}", what="added", expected="a line of the ledger", found=_NOTHING
        )


def _pruned(told: _Told) -> int:
    """Count what is gone because a later line says so."""
    return sum(
        kept(run, name) in told.removed
        for run, artifacts in told.artifacts.items()
        for name in artifacts
    )


def _tables(
    runs: Path, told: _Told, keys: Mapping[str, bytes], counts: Counter[str]
) -> Iterator[Finding]:
    """Yield tables on this machine that are not what their line says; count what is not here."""
    for run, artifacts in told.artifacts.items():
        here = {
            name
            for name in (named(runs / run) if (runs / run).is_dir() else ())
            if name.startswith(ledger.ADDRESSES)
        }
        expected = {
            name: digest
            for name, digest in artifacts.items()
            if name.startswith(ledger.ADDRESSES) and not _gone(runs, run, name, digest, told)
        }
        for name in sorted(here - artifacts.keys()):
            yield Finding(file=kept(run, name), what="added")
        local = bool(here) or (runs / run / "tables").is_dir() or _ours(runs, run, told)
        for name, digest in expected.items():
            if name not in here:
                counts["elsewhere"] += not local
                if local:
                    yield Finding(
                        file=kept(run, name), what="missing", expected=digest, found=_NOTHING
                    )
                continue
            found = _keyed(runs / run / name, run, told, keys)
            counts["other_key"] += found is None
            if found not in {None, digest}:
                yield Finding(
                    file=kept(run, name), what="altered", expected=digest, found=str(found)
                )


def _ours(runs: Path, run: str, told: _Told) -> bool:
    """Whether a run was made on this machine, so that its tables should be here."""
    return (runs / run).is_dir() and told.hosts.get(run) == platform.node()


def _gone(runs: Path, run: str, name: str, digest: str, told: _Told) -> bool:
    return told.removed.get(kept(run, name)) == digest and not (runs / run / name).exists()


def _keyed(path: Path, run: str, told: _Told, keys: Mapping[str, bytes]) -> str | None:
    """Return the digest of a table as its line has it; ``None`` where the key is not at hand."""
    try:
        found = sha256(path)
    except OSError as error:
        return str(error.strerror)
    if run in told.plain_tables:
        return found
    key = keys.get(told.keys[run])
    return hmac.new(key, found.encode(), hashlib.sha256).hexdigest() if key else None
