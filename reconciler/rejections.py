"""What the service still refuses, told from the folders that runs left behind.

It reads plans, receipts and tables; it asks the service nothing and changes nothing. Which of two
runs spoke last is decided by when they planned, not by when they began: one may have waited.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson

from reconciler.contacts.engine import Engine
from reconciler.contacts.fates import fates
from reconciler.contacts.standing import Attempt, standing
from reconciler.errors import EvidenceError
from reconciler.model import (
    Desired,
    DesiredList,
    ListRejected,
    Outcome,
    Ownership,
    Rejected,
    Rejection,
    Status,
)
from reconciler.times import parse_time

_FILE: Final = "rejected.parquet"


def rejected(
    desired: Desired,
    *,
    engine: Engine,
    state: Path,
    as_of: datetime,
    only: Mapping[str, str] | None = None,
) -> Rejected:
    """Return, for every list, the contacts that were refused last and are still wanted.

    Args:
        desired: the lists as the specs are now.
        engine: an open engine; its key does not matter.
        state: the state directory.
        as_of: the time for which is judged who has lapsed.
        only: the one address that is looked for, by the names of the lists to look at.

    Raises:
        EvidenceError: an artifact of a run cannot be believed.
        EngineError: a table of a run cannot be read.
    """
    runs = state / "runs"
    names = {wanted.spec.name for wanted in desired.lists}
    planned = _planned(runs, names if only is None else names & only.keys())
    of = only or {}
    lists = (
        _list(wanted, engine, planned[wanted.spec.name], runs=runs, as_of=as_of, only=of)
        for wanted in desired.lists
        if wanted.spec.name in planned
    )
    return Rejected(as_of=as_of, lists=tuple(listed for listed in lists if listed.contacts))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    """What a run meant to do with one list."""

    folder: Path
    at: datetime
    written: int
    """When its file was, in nanoseconds: two runs may plan within a second."""
    complete: bool
    ops: tuple[str, ...]

    def order(self) -> tuple[datetime, int, str]:
        """Return what sorts plans by when they were made."""
        return self.at, self.written, self.folder.name


def _list(
    wanted: DesiredList,
    engine: Engine,
    planned: Iterable[_Planned],
    *,
    runs: Path,
    as_of: datetime,
    only: Mapping[str, str],
) -> ListRejected:
    key = wanted.spec.name
    found = standing(
        engine,
        (_attempt(each, key) for each in sorted(planned, key=_Planned.order)),
        desired=wanted.table,
        releases=wanted.releases,
        exclusive=wanted.spec.ownership is Ownership.EXCLUSIVE and wanted.whole,
        as_of=as_of,
        only=only.get(key),
    )
    return ListRejected(
        key=key,
        tenant=wanted.tenant.name,
        contacts=sum(found.codes.values()),
        codes=found.codes,
        samples=found.samples,
        files=tuple(_rejected(runs / run, key) for run in found.runs),
    )


def _planned(runs: Path, keys: Collection[str]) -> Mapping[str, list[_Planned]]:
    """Return what was planned for lists of which a row was refused, from that run on.

    An earlier run that changed nothing has nothing to say of it.
    """
    refusing = sorted(runs.glob(f"*/tables/*/{_FILE}"), reverse=True)
    named = {path.parent.name: path.parents[2].name for path in refusing}
    first = {key: run for key, run in named.items() if key in keys}
    found: dict[str, list[_Planned]] = {key: [] for key in first}
    for folder in runs.iterdir() if first else ():
        if folder.name >= min(first.values()) or (folder / "tables").is_dir():
            for key, planned in _plans(folder):
                if key in found:
                    found[key].append(planned)
    return found


def _plans(folder: Path) -> Iterator[tuple[str, _Planned]]:
    """Yield what a run planned by list; nothing where it came to no plan, or to a preview."""
    path = folder / "plan.json"
    held = _document(path)
    try:
        if not held or held["preview"]:
            return
        for listed in held["lists"]:
            yield (
                listed["key"],
                _Planned(
                    folder=folder,
                    at=parse_time(held["as_of"]),
                    written=path.stat().st_mtime_ns,
                    complete=listed["complete"],
                    ops=tuple(listed["gap"]["parts"]),
                ),
            )
    except (KeyError, TypeError, ValueError) as error:
        raise _unbelievable(path) from error


def _attempt(planned: _Planned, key: str) -> Attempt:
    gap = planned.folder / "tables" / key / "gap.parquet"
    refused = _rejected(planned.folder, key)
    outcomes = _outcomes(planned.folder / "receipt.json", key)
    return Attempt(
        run=planned.folder.name,
        at=planned.at,
        complete=planned.complete,
        ops=planned.ops,
        gap=gap if gap.exists() else None,
        rejected=refused if refused.exists() else None,
        told=fates(outcomes, endless=not planned.complete),
    )


def _outcomes(path: Path, key: str) -> tuple[Outcome, ...]:
    """Return what a receipt says of one list; nothing where the run did not come to one."""
    try:
        return tuple(
            Outcome(**{**each, **_read(each)})
            for each in _document(path).get("outcomes", ())
            if each["key"] == key
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _unbelievable(path) from error


def _read(outcome: Mapping[str, Any]) -> dict[str, Any]:
    """Return those fields of an outcome that JSON spells in its own way."""
    lapse_after, at = outcome["lapse_after"], outcome.get("at")
    return {
        "status": Status(outcome["status"]),
        "rejections": tuple(Rejection(**each) for each in outcome["rejections"]),
        "changed": tuple(outcome["changed"]),
        "lapse_after": parse_time(lapse_after) if lapse_after else None,
        "at": parse_time(at) if at else None,
    }


def _rejected(folder: Path, key: str) -> Path:
    return folder / "tables" / key / _FILE


def _document(path: Path) -> Mapping[str, Any]:
    """Return a JSON artifact; empty where the run did not come so far as to write it.

    Raises:
        EvidenceError: it cannot be read, or is no document.
    """
    try:
        held = orjson.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, orjson.JSONDecodeError) as error:
        raise _unbelievable(path) from error
    if not isinstance(held, dict):
        raise _unbelievable(path)
    return held


def _unbelievable(path: Path) -> EvidenceError:
    return EvidenceError(
        f"{path} cannot be believed, so what is still refused is not known",
        hint="restore it from a backup, or move its run folder out of the state directory",
    )
