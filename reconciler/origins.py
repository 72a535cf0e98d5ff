"""Who made a list differ from its spec, as far as the folders of earlier runs tell.

What the last apply carried out is set beside what is declared now: a row that is declared as it
was then, and was carried out then, was changed at the service since, by somebody else. It asks
the service nothing and changes nothing, and says so where it cannot tell.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson

from reconciler import drift
from reconciler.artifacts import Run
from reconciler.contacts import moved
from reconciler.drift import Trace
from reconciler.errors import EngineError
from reconciler.model import (
    UNMANAGED,
    Desired,
    DesiredList,
    Observed,
    ObservedList,
    Op,
    Settings,
    Status,
    Way,
)
from reconciler.times import parse_time

NO_RUN: Final = "no applied run is remembered here"

_WAYS: Final[Mapping[Op, Way]] = {
    Op.SUPPRESS: "missing",
    Op.AMEND: "differ",
    Op.SHORTEN: "differ",
    Op.SURPLUS: "surplus",
    Op.RELEASE: "surplus",
    Op.LONGER: "longer",
}


def trace(
    desired: Desired,
    observed: Observed,
    *,
    applied: Mapping[str, str],
    as_of: datetime,
    run: Run,
) -> Mapping[str, Trace]:
    """Return, for every list that was read, how much of its drift the specs or we have made.

    Args:
        desired: what should be.
        observed: what is.
        applied: the run that last applied each list, by key, as the ledger knows it.
        as_of: the time for which is judged who has lapsed.
        run: for the engine, and for the folders of earlier runs.
    """
    return {
        wanted.spec.name: _list(wanted, observed.lists[wanted.spec.name], applied, as_of, run)
        for wanted in desired.lists
        if wanted.spec.name in observed.lists
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Applied:
    """What an apply left behind of one list."""

    digest: str
    """Of the desired table."""
    table: str
    """The name of its file."""
    declared: Settings
    held: Settings | None
    """As the list was seen; ``None`` where it was still to be made."""
    settings_done: int
    """Changes of settings that were carried out: what grows first, then what shortens."""
    settings_undone: bool
    """Whether any was sent in vain."""


class _UntoldError(Exception):
    """It cannot be told who made a list differ; the message says why."""


def _list(
    wanted: DesiredList, seen: ObservedList, applied: Mapping[str, str], as_of: datetime, run: Run
) -> Trace:
    idle = as_of if drift.idle(seen) else None
    changes = drift.settings_of(wanted, seen)
    if not (seen.gap.rows.rows or changes or idle):
        return Trace()
    try:
        was = _was(wanted.spec.name, applied, run)
        rows = _rows(wanted, seen, was, idle=idle, folder=_folder(run, applied, wanted), run=run)
    except _UntoldError as error:
        return Trace(untold=str(error))
    undone = _undone(wanted, was)
    pending: dict[Way, int] = {}
    for op, count in rows.items():
        pending[_WAYS[op]] = pending.get(_WAYS[op], 0) + count
    pending["differ"] = pending.get("differ", 0) + sum(one.field in undone for one in changes)
    return Trace(pending=pending)


def _rows(
    wanted: DesiredList,
    seen: ObservedList,
    was: _Applied,
    *,
    idle: datetime | None,
    folder: Path,
    run: Run,
) -> Mapping[Op, int]:
    before = None
    try:
        if was.digest != wanted.table.digest:
            before = run.cache / was.table
            if not (was.table and moved.holds(run.engine, before, was.digest)):
                raise _UntoldError(f"the contacts that run {folder.name} applied are kept no more")
        changes = folder / "changes.parquet"
        return moved.pending(
            run.engine,
            seen.gap.rows,
            key=wanted.spec.name,
            desired=wanted.table,
            before=before,
            changes=changes if changes.exists() else None,
            idle=idle,
        )
    except EngineError as error:
        raise _UntoldError(f"what run {folder.name} applied cannot be read") from error


def _undone(wanted: DesiredList, was: _Applied) -> frozenset[str]:
    """Return the settings that are declared otherwise than they were, or were not carried out."""
    then, now = drift.values(was.declared), drift.values(drift.unnamed(wanted.spec.settings))
    fields = {name for name, value in now.items() if name not in then or then[name] != value}
    left = drift.changes(was.declared, was.held) if was.held else ()
    kinds = sorted({change.shortens for change in left})
    done = [] if was.settings_undone else kinds[: was.settings_done]
    return frozenset(fields | {change.field for change in left if change.shortens not in done})


def _folder(run: Run, applied: Mapping[str, str], wanted: DesiredList) -> Path:
    return run.state / "runs" / applied[wanted.spec.name]


def _was(key: str, applied: Mapping[str, str], run: Run) -> _Applied:
    if key not in applied:
        raise _UntoldError(NO_RUN)
    folder = run.state / "runs" / applied[key]
    try:
        declared = _own(_document(folder / "specs.json")["lists"], key)
        seen = _own(_document(folder / "observed.json")["lists"], key)
        outcomes = [
            one["status"] == Status.DONE
            for one in _document(folder / "receipt.json")["outcomes"]
            if one["key"] == key and one["action"] == "UpdateList"
        ]
        return _Applied(
            digest=declared["table"]["digest"],
            table=Path(declared["table_file"]).name,
            declared=_settings(declared["settings"]),
            held=_settings(seen["settings"]) if seen["settings"] else None,
            settings_done=sum(outcomes),
            settings_undone=not all(outcomes),
        )
    except (OSError, KeyError, TypeError, ValueError, StopIteration) as error:
        raise _UntoldError(f"what run {folder.name} applied cannot be read") from error


def _own(lists: Iterable[Mapping[str, Any]], key: str) -> Mapping[str, Any]:
    return next(listed for listed in lists if listed["key"] == key)


def _settings(said: Mapping[str, Any]) -> Settings:
    """Return settings as ``specs.json`` and ``observed.json`` spell them."""
    read = {name: UNMANAGED if value == UNMANAGED else value for name, value in said.items()}
    end = read["suppress_until"]
    if isinstance(end, str) and end is not UNMANAGED:
        read["suppress_until"] = parse_time(end)
    return Settings(**read)


def _document(path: Path) -> Any:
    return orjson.loads(path.read_bytes())
