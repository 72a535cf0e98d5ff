"""The ledger as people ask about it: every line of it, and which run they mean.

What cannot be believed stands there as such; proving that nothing was altered is not done here.
It reads and never writes, and needs neither specs nor a service.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby
from types import MappingProxyType
from typing import Any, Final

import orjson

from reconciler import ledger
from reconciler.artifacts import RUNS, kept
from reconciler.errors import SettingError
from reconciler.masking import scrub
from reconciler.schema import nearest
from reconciler.store import Store
from reconciler.times import parse_time

UNREADABLE: Final = "unreadable"
"""The outcome of a line that cannot be believed."""
ON_THE_WAY: Final = frozenset({"releasing", "released"})
"""Outcomes of lines about releases that a run writes before its last one."""
DECIDED: Final = frozenset({"held", "hold-released", "pruned"})
"""Outcomes of lines about evidence itself, likewise."""
OUTCOMES: Final = (
    *("done", "drift", "refused", "conflict", "partly", "failed", "interrupted"),
    *("held", "hold-released", "pruned", "releasing", "released", UNREADABLE),
)
"""Every outcome that a line can have."""
LATEST: Final = "latest"
TABLES: Final = "tables/"
"""How names of artifacts with addresses begin, below the folder of their run."""
NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
_NUMBERED: Final = re.compile(rf"{ledger.FOLDER}/\d{{8}}\.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One file of the ledger."""

    number: int
    run: str = ""
    command: str = ""
    outcome: str = UNREADABLE
    started: datetime | None = None
    finished: datetime | None = None
    """When it was written."""
    lists: frozenset[str] = frozenset()
    """Keys of all lists it speaks of."""
    artifacts: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    """Digests by name below the run's folder."""
    origin: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    said: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    """The whole file."""

    @property
    def last(self) -> bool:
        """Whether it is the last one of its run."""
        return self.outcome not in ON_THE_WAY | DECIDED | {UNREADABLE}

    @property
    def applied(self) -> bool:
        """Whether its run carried out a plan."""
        return "receipt.json" in self.artifacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which lines are asked for; what is empty narrows nothing down."""

    lists: Collection[str] = ()
    since: datetime | None = None
    until: datetime | None = None
    outcomes: Collection[str] = ()
    limit: int | None = None
    all: bool = False
    """Also those that a run writes on its way, and its end where a decision says it already."""


def lines(store: Store) -> tuple[Line, ...]:
    """Read the whole ledger, in the order of its numbers."""
    names = filter(_NUMBERED.fullmatch, store.names(ledger.FOLDER))
    return tuple(_line(store, name) for name in names)


def chosen(told: Sequence[Line], wanted: Wanted) -> tuple[Line, ...]:
    """Return the lines that are asked for, the newest first.

    Raises:
        SettingError: a list is asked for of which no line speaks.
    """
    known(told, wanted.lists)
    decided = {line.run for line in told if line.outcome in DECIDED}
    found = [line for line in reversed(told) if _fits(line, wanted, decided)]
    return tuple(found[: wanted.limit])


def known(told: Sequence[Line], names: Collection[str]) -> None:
    """See to it that some line speaks of each list.

    Raises:
        SettingError: none does, so nothing would be found and nothing held.
    """
    keys = {key for line in told for key in line.lists}
    for name in names:
        if name not in keys:
            close = nearest(name, keys)
            raise SettingError(
                f"no run in the ledger was about a list {scrub(name)!r}",
                hint=f"did you mean {close}?" if close else "audit log shows what there is",
            )


def find(told: Sequence[Line], text: str) -> str:
    """Return the id of the run that is meant.

    Args:
        told: the whole ledger.
        text: an id or the beginning of one, a number of the ledger, or ``latest``.

    Raises:
        SettingError: none is meant, or more than one.
    """
    runs = tuple(dict.fromkeys(line.run for line in told if line.run))
    if text == LATEST and runs:
        return next(line.run for line in reversed(told) if line.run)
    number = text.removeprefix("#")
    if number.isascii() and number.isdigit():
        for line in told:
            if line.number == int(number) and line.run:
                return line.run
    found = [run for run in runs if text and run.startswith(text)]
    if text in runs or len(found) == 1:
        return text if text in runs else found[0]
    if found:
        few = ", ".join(found[-3:])
        raise SettingError(
            f"{len(found)} runs begin with {scrub(text)!r}", hint=f"give more of it, as in {few}"
        )
    close = nearest(text, runs)
    raise SettingError(
        f"no run in the ledger is called {scrub(text)!r}",
        hint=f"did you mean {close}?" if close else "audit log shows what there is",
    )


def of_run(told: Sequence[Line], run: str) -> tuple[Line, ...]:
    """Return all lines of one run, in their order."""
    return tuple(line for line in told if line.run == run)


def with_origin(store: Store, line: Line) -> Line:
    """Return a line that says where its run comes from, if not itself then by ``run.json``."""
    if line.origin or not line.run:
        return line
    return replace(line, origin=document(store, kept(line.run, "run.json")))


def with_lists(store: Store, told: Iterable[Line]) -> tuple[Line, ...]:
    """Return lines that say which lists they are about, if not themselves then by what was seen.

    A run that only looked names none in its line.
    """
    return tuple(
        replace(line, lists=_observed(store, line.run))
        if not line.lists and "observed.json" in line.artifacts
        else line
        for line in told
    )


def _observed(store: Store, run: str) -> frozenset[str]:
    listed = document(store, kept(run, "observed.json")).get("lists", ())
    try:
        return frozenset(str(one["key"]) for one in listed)
    except (KeyError, TypeError):
        return frozenset()


def document(store: Store, name: str) -> Mapping[str, Any]:
    """Return what a JSON file in the store says; empty where it is not, or is no document."""
    path = store.fetch(name)
    try:
        return _mapping(orjson.loads(path.read_bytes() if path else b"{}"))
    except (OSError, orjson.JSONDecodeError):
        return {}


def present(store: Store) -> Mapping[str, frozenset[str]]:
    """Return the names of the artifacts that are there, below each run's folder, by run."""
    parts = (name.split("/", 2) for name in store.names(RUNS))
    sorted_parts = sorted(part[1:] for part in parts if len(part) > 2)  # noqa: PLR2004 - runs/<id>/<name>
    return {
        run: frozenset(name for _, name in held)
        for run, held in groupby(sorted_parts, key=lambda part: part[0])
    }


def _fits(line: Line, wanted: Wanted, decided: Collection[str]) -> bool:
    told_already = line.outcome == "done" and line.run in decided
    if not (wanted.all or wanted.outcomes) and (line.outcome in ON_THE_WAY or told_already):
        return False
    if wanted.outcomes and line.outcome not in wanted.outcomes:
        return False
    if wanted.lists and not line.lists & set(wanted.lists):
        return False
    at = line.finished
    if at is None:
        return wanted.since is None and wanted.until is None
    return (wanted.since is None or at >= wanted.since) and (
        wanted.until is None or at <= wanted.until
    )


def _line(store: Store, name: str) -> Line:
    """Return one file of the ledger, or that it cannot be believed."""
    number = int(name.removesuffix(".json")[-8:])
    held = document(store, name)
    try:
        artifacts = {str(key): str(digest) for key, digest in held.get("artifacts", {}).items()}
        _check(held)
        return Line(
            number=number,
            run=str(held["run"]),
            command=scrub(str(held.get("command", "unknown"))),
            outcome=str(held["outcome"]),
            started=parse_time(held["started"]) if held.get("started") else None,
            finished=parse_time(held["finished"]),
            lists=_keys(held, artifacts),
            artifacts=artifacts,
            origin=_mapping(held.get("origin")),
            said=held,
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return Line(number=number)


def _check(held: Mapping[str, Any]) -> None:
    """See to it that what a line decided about evidence can be read.

    Raises:
        TypeError: it cannot.
    """
    for name in ("hold", "removed"):
        if not isinstance(held.get(name, {}), dict):
            raise TypeError(name)


def _keys(held: Mapping[str, Any], artifacts: Collection[str]) -> frozenset[str]:
    tables = (name.split("/")[1] for name in artifacts if name.startswith(TABLES))
    hold = _mapping(held.get("hold")).get("lists", ())
    return frozenset(
        map(str, {*(held["lists"] or ()), *(held.get("batch_reasons") or ()), *tables, *hold})
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
