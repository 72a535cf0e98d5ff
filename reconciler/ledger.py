"""Evidence across runs: numbered files, each naming the digest of the one before.

A number is taken by creating its file, so two writers cannot take the same one. Each file names
the digest of every artifact of its run. Refused, failed and interrupted runs stand in it too.
A release stands in it before it is sent and again after it, so that one of which nobody knows
what became is known as such. It never changes a file, and never holds an address.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson

from reconciler.artifacts import NameTakenError, Run, dumps, private, sha256, write_once
from reconciler.errors import EvidenceError
from reconciler.model import RELEASE_AHEAD, Overrides
from reconciler.times import parse_time

FORMAT: Final = 1
_FIRST: Final = "0" * 64
_TRIES: Final = 100
_NAMES: Final = "[0-9]" * 8 + ".json"
_UNDER_WAY: Final = frozenset({"releasing", "released"})
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
        "artifacts": _digests(run.folder),
    }
    return _take_number(private(run.state / "ledger"), content)


def releasing(run: Run, keys: Collection[str]) -> int:
    """Write down releases that are about to be sent: until ``released`` they are in doubt.

    Args:
        run: the run, still under way.
        keys: of the releases.

    Raises:
        EvidenceError: the ledger cannot be written; then nobody may be let go.
    """
    content = {**_head(run, "releasing"), "lists": {}, "spent": [], "doubted": sorted(keys)}
    return _take_number(private(run.state / "ledger"), content)


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
    return _take_number(private(run.state / "ledger"), {**_head(run, "released"), **told})


def _head(run: Run, outcome: str) -> dict[str, object]:
    return {
        "format": FORMAT,
        "run": run.id,
        "command": run.command,
        "started": run.started,
        "finished": run.clock(),
        "outcome": outcome,
    }


def _take_number(folder: Path, content: Mapping[str, object]) -> int:
    """Write a ledger file under the next number that nobody has."""
    for _ in range(_TRIES):
        number, previous = _last(folder)
        held = dumps({"number": number + 1, "previous": previous, **content})
        try:
            write_once(folder / f"{number + 1:08d}.json", held)
        except NameTakenError:
            continue
        return number + 1
    raise EvidenceError(f"no free number in {folder}: too many runs end at the same time")


def spent(state: Path) -> frozenset[str]:
    """Return the keys of every release that was ever carried out."""
    return frozenset(key for held in _files(state) for key in held["spent"])


def doubted(state: Path, *, now: datetime) -> frozenset[str]:
    """Return the keys of releases that were sent, nobody knows with what effect, and too long ago.

    For as long as a release takes to come into effect the list itself tells whether it was
    carried out. After that a contact that is suppressed may have asked for it anew.
    """
    sent: dict[str, datetime] = {}
    for held in _files(state):
        for key in (*held["spent"], *held["kept"]):
            sent.pop(key, None)
        sent |= dict.fromkeys(held["doubted"], held["finished"])
    return frozenset(key for key, since in sent.items() if now >= since + RELEASE_AHEAD)


def ended(state: Path) -> frozenset[str]:
    """Return the ids of the runs that have their last line, whatever became of them."""
    return frozenset(held["run"] for held in _files(state) if held["outcome"] not in _UNDER_WAY)


def known(state: Path) -> Mapping[str, str]:
    """Return the remote id under which each of our lists was last seen."""
    return {key: remote for held in _files(state) for key, remote in held["lists"].items()}


def _files(state: Path) -> Iterator[Mapping[str, Any]]:
    """Yield every ledger file in the order of its number.

    Raises:
        EvidenceError: one cannot be read; what it says may withhold a release, so it is not
            passed over.
    """
    for path in sorted((state / "ledger").glob(_NAMES)):
        try:
            held = orjson.loads(path.read_bytes())
            yield {
                "run": str(held["run"]),
                "outcome": str(held["outcome"]),
                "finished": parse_time(held["finished"]),
                "spent": tuple(held["spent"]),
                "kept": tuple(held.get("kept", ())),
                "doubted": tuple(held.get("doubted", ())),
                "lists": {**held["lists"]},
            }
        except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
            raise EvidenceError(
                f"the ledger file {path} cannot be believed",
                hint="restore it from a backup; releases carried out before are known from it",
            ) from error


def _last(folder: Path) -> tuple[int, str]:
    """Return the highest number taken and the digest of its file."""
    newest = max(folder.glob(_NAMES), default=None)
    return (int(newest.stem), _sha256(newest)) if newest else (0, _FIRST)


def _digests(folder: Path) -> dict[str, str]:
    """Return the sha256 of every artifact, by its name below the run folder."""
    return {
        path.relative_to(folder).as_posix(): _sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _sha256(path: Path) -> str:
    try:
        return sha256(path)
    except OSError as error:
        raise EvidenceError(f"{path} cannot be read: {error.strerror}") from error
