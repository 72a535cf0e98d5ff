"""Who made a list differ from its spec, as far as the folders of earlier runs tell.

What the last apply carried out is set beside what is declared now: a row that is declared as it
was then, and was carried out then, was changed at the service since, by somebody else. It asks
the service nothing and changes nothing, and says so where it cannot tell.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import orjson

from reconciler import drift
from reconciler.artifacts import Run, kept
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
    Skill,
    Status,
    Way,
)
from reconciler.side_by_side import side_by_side
from reconciler.store import Store
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
    look = _Look(run=run, applied=applied, as_of=as_of, read=cache(partial(_document, run.store)))
    read = [wanted for wanted in desired.lists if wanted.spec.name in observed.lists]
    traces = side_by_side(
        lambda wanted: _list(wanted, observed.lists[wanted.spec.name], look),
        read,
        tenant=lambda _: "",
        told=run.counting("lists compared with what was applied"),
    )
    return {wanted.spec.name: made for wanted, made in zip(read, traces, strict=True)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What all lists have in common."""

    run: Run
    applied: Mapping[str, str]
    as_of: datetime
    read: Callable[[str, str], Any]
    """Returns what a JSON artifact of a run says; read once, however many lists it speaks of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Applied:
    """What an apply left behind of one list."""

    run: str
    """Its id."""
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


def _list(wanted: DesiredList, seen: ObservedList, look: _Look) -> Trace:
    changes = drift.settings_of(wanted, seen)
    if not (seen.gap.rows.rows or changes or drift.idle(seen)):
        return Trace()
    try:
        was = _was(wanted.spec.name, look)
        rows = _rows(wanted, seen, was, look)
    except _UntoldError as error:
        return Trace(untold=str(error))
    undone = _undone(wanted, was)
    pending: dict[Way, int] = {"differ": sum(change.field in undone for change in changes)}
    for op, count in rows.items():
        pending[_WAYS[op]] = pending.get(_WAYS[op], 0) + count
    return Trace(pending=pending)


def _was(key: str, look: _Look) -> _Applied:
    if key not in look.applied:
        raise _UntoldError(NO_RUN)
    run = look.applied[key]
    try:
        declared = _own(look.read(run, "specs.json")["lists"], key)
        seen = _own(look.read(run, "observed.json")["lists"], key)
        outcomes = [
            one["status"] == Status.DONE
            for one in look.read(run, "receipt.json")["outcomes"]
            if one["key"] == key and one["action"] == "UpdateList"
        ]
        return _Applied(
            run=run,
            digest=declared["table"]["digest"],
            table=Path(declared["table_file"]).name,
            declared=_settings(declared["settings"]),
            held=_settings(seen["settings"]) if seen["settings"] else None,
            settings_done=sum(outcomes),
            settings_undone=not all(outcomes),
        )
    except (OSError, KeyError, TypeError, ValueError, StopIteration) as error:
        raise _unread(run) from error


def _rows(wanted: DesiredList, seen: ObservedList, was: _Applied, look: _Look) -> Mapping[Op, int]:
    """Count, by op, what the specs or we have made of the rows that differ.

    Raises:
        _UntoldError: the table that was applied, where it is another one, or what became of its
            rows is not there any more.
    """
    changes = look.run.store.fetch(kept(was.run, "changes.parquet"))
    try:
        return moved.pending(
            look.run.engine,
            seen.gap.rows,
            key=wanted.spec.name,
            desired=wanted.table,
            before=_before(was, look) if was.digest != wanted.table.digest else None,
            changes=changes,
            idle=look.as_of if drift.idle(seen) else None,
        )
    except EngineError as error:
        raise _unread(was.run) from error


def _before(was: _Applied, look: _Look) -> Path:
    """Return the desired table as it was applied, and see to it that it is kept on."""
    path = look.run.cache / was.table
    if not (was.table and moved.holds(look.run.engine, path, was.digest)):
        raise _UntoldError(f"the contacts that run {was.run} applied are kept no more")
    with suppress(OSError):
        os.utime(path)
    return path


def _undone(wanted: DesiredList, was: _Applied) -> frozenset[str]:
    """Return the settings that are declared otherwise than they were, or were not carried out."""
    then, now = drift.values(was.declared), drift.values(drift.unnamed(wanted.spec.settings))
    fields = {name for name, value in now.items() if name not in then or then[name] != value}
    left = drift.changes(was.declared, was.held) if was.held else ()
    kinds = sorted({change.shortens for change in left})
    done = [] if was.settings_undone else kinds[: was.settings_done]
    return frozenset(fields | {change.field for change in left if change.shortens not in done})


def _own(lists: Iterable[Mapping[str, Any]], key: str) -> Mapping[str, Any]:
    return next(listed for listed in lists if listed["key"] == key)


def _settings(said: Mapping[str, Any]) -> Settings:
    """Return settings as ``specs.json`` and ``observed.json`` spell them."""
    read = {name: UNMANAGED if value == UNMANAGED else value for name, value in said.items()}
    end = read["suppress_until"]
    if isinstance(end, str) and end is not UNMANAGED:
        read["suppress_until"] = parse_time(end)
    for field in ("scrubbed_skills", "contributing_skills"):
        skills = read.get(field, UNMANAGED)
        if isinstance(skills, list):
            read[field] = tuple(Skill(**each) for each in skills)
    return Settings(**read)


def _unread(run: str) -> _UntoldError:
    return _UntoldError(f"what run {run} applied cannot be read")


def _document(store: Store, run: str, name: str) -> Any:
    path = store.fetch(kept(run, name))
    if path is None:
        raise FileNotFoundError(name)
    return orjson.loads(path.read_bytes())
