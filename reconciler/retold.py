"""What the ledger and the kept artifacts of a run say, as far as they are there.

Nothing is taken for granted: a line that cannot be believed is counted, and an artifact that the
ledger names and the store has not, or that is no document, is named. It judges nothing, changes
nothing, and needs neither specs nor a service.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import orjson

from reconciler import chronicle
from reconciler.artifacts import kept
from reconciler.contacts.changed import Ticket
from reconciler.store import Store
from reconciler.times import parse_time

CHANGES: Final = "changes.parquet"
RECEIPT: Final = "receipt.json"
OBSERVED: Final = "observed.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The last line of one run in the ledger."""

    number: int
    run: str
    command: str
    started: datetime
    finished: datetime
    outcome: str
    key: str
    """Fingerprint of the pseudonym key it was written under."""
    artifacts: frozenset[str]
    overrides: Mapping[str, Any] | None
    origin: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def applied(self) -> bool:
        """Whether it carried out a plan to its end."""
        return RECEIPT in self.artifacts

    @property
    def wrote(self) -> bool:
        """Whether it carried out a plan, be it to its end or not."""
        return self.applied or CHANGES in self.artifacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """The whole ledger."""

    runs: tuple[Line, ...]
    """In the order in which they began; of those that began at once, in which they ended."""
    under_way: frozenset[str]
    """Runs that have not had their last word."""
    unreadable: int
    """Files that nobody can make sense of."""
    files: int
    """All of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one run saw of one list."""

    key: str
    complete: bool
    size: int
    missing: int | None = None
    """``None`` where it did not compare the list with its spec."""
    outside: int | None = None
    """Of them by somebody else's doing; ``None`` where nobody told."""
    surplus: int | None = None
    healed: bool = False
    """Whether the run has put all who were missing on the list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedUse:
    """One source as one run used it."""

    key: str
    path: str
    as_of: datetime | None
    max_age: str | None
    stale: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What the artifacts of one run say."""

    line: Line
    looks: tuple[Look, ...] = ()
    feeds: tuple[FeedUse, ...] = ()
    refusals: tuple[Mapping[str, Any], ...] = ()
    tickets: tuple[Ticket, ...] = ()
    hooks: tuple[Mapping[str, Any], ...] = ()
    """What became of each event for each receiver."""
    origin: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """Versions, actor, commit and what else ``run.json`` says."""
    in_doubt: int = 0
    absent: tuple[str, ...] = ()
    """Artifacts that the ledger names, and that nobody can read any more."""


def lines(store: Store) -> Lines:
    """Read the last line of every run; verifying the chain is not done here."""
    told = chronicle.lines(store)
    held = [line for line in told if line.outcome != chronicle.UNREADABLE and line.started]
    runs = {line.run: _line(line) for line in held if line.last}
    return Lines(
        runs=tuple(sorted(runs.values(), key=lambda one: (one.started, one.number))),
        under_way=frozenset(line.run for line in held) - runs.keys(),
        unreadable=len(told) - len(held),
        files=len(told),
    )


def story(store: Store, line: Line) -> Story:
    """Read what one run of the period left behind."""
    papers = _Papers(store, line)
    planned, drifted = papers.read("plan.json"), papers.read("drift.json")
    receipt = papers.read(RECEIPT)
    preview = bool(planned.get("preview"))
    looks = () if preview else _each(_looks, papers.read(OBSERVED), planned, drifted, receipt)
    lists = planned.get("lists", ())
    return Story(
        line=line,
        looks=looks,
        feeds=() if preview else _each(_feeds, papers.read("specs.json")),
        refusals=_each(lambda: (one for listed in lists for one in listed["refusals"])),
        tickets=_each(_tickets, line.run, lists) if receipt else (),
        hooks=_each(lambda: iter(receipt.get("webhooks", ()))),
        origin=papers.read("run.json") | dict(line.origin),
        in_doubt=_in_doubt(papers.read("interrupted.json")),
        absent=tuple(papers.absent),
    )


def looked(store: Store, line: Line) -> tuple[str, ...]:
    """Return the lists that a run compared whole and worked on to its end."""
    if not line.applied:
        return ()
    seen = _Papers(store, line).read(OBSERVED)
    return tuple(one.key for one in _each(_looks, seen, {}, {}, {}) if one.complete)


def changes(store: Store, line: Line) -> Path | None:
    """Return a run's changes at rest; ``None`` where it has none, or they are not there."""
    return store.fetch(kept(line.run, CHANGES)) if CHANGES in line.artifacts else None


class _Papers:
    """The documents of one run; what cannot be read is noted."""

    def __init__(self, store: Store, line: Line) -> None:
        self._store = store
        self._line = line
        self.absent: list[str] = []

    def read(self, name: str) -> dict[str, Any]:
        """Return a document; empty where the run wrote none, or it is not there any more."""
        if name not in self._line.artifacts:
            return {}
        try:
            path = self._store.fetch(kept(self._line.run, name))
            held = orjson.loads(path.read_bytes() if path else b"")
        except (OSError, ValueError):
            held = None
        if isinstance(held, dict):
            return held
        self.absent.append(name)
        return {}


def _line(told: chronicle.Line) -> Line:
    """Return the last line of a run, as reports count with it."""
    assert told.started and told.finished  # of those alone which can be read  # noqa: PT018, S101
    said = told.said.get("overrides")
    return Line(
        number=told.number,
        run=told.run,
        command=told.command,
        started=told.started,
        finished=told.finished,
        outcome=told.outcome,
        key=str(told.said.get("key", "")),
        artifacts=frozenset(told.artifacts),
        overrides=said if isinstance(said, dict) else None,
        origin=told.origin,
    )


def _each(make: Callable[..., Iterable[Any]], *documents: Any) -> tuple[Any, ...]:
    """Return what documents hold, as far as they are what a run writes."""
    made: list[Any] = []
    try:
        made.extend(make(*documents))
    except (AttributeError, KeyError, TypeError, ValueError):
        return tuple(made)
    return tuple(made)


def _looks(
    observed: Mapping[str, Any],
    planned: Mapping[str, Any],
    drifted: Mapping[str, Any],
    receipt: Mapping[str, Any],
) -> Iterator[Look]:
    plans = {one["key"]: one for one in planned.get("lists", ())}
    drifts = {one["key"]: one for one in drifted.get("lists", ())}
    for seen in observed.get("lists", ()):
        key = seen["key"]
        told: dict[str, Any] = {}
        if key in plans:
            told = _of_plan(plans[key]) | {"healed": _healed(plans[key], receipt)}
        elif key in drifts:
            told = _of_drift(drifts[key])
        yield Look(key=key, complete=bool(seen["complete"]), size=int(seen["size"]), **told)


def _of_plan(listed: Mapping[str, Any]) -> dict[str, Any]:
    gap = listed["gap"]
    lets_go = any(action["kind"] == "Release" for action in listed["actions"])
    kept_ones = gap["surplus"] + (0 if lets_go else gap["released"])
    return {"missing": int(gap["missing"]), "surplus": int(kept_ones)}


def _of_drift(listed: Mapping[str, Any]) -> dict[str, Any]:
    origin = (listed.get("origins") or {}).get("missing")
    return {
        "missing": int(listed["missing"]),
        "surplus": int(listed["surplus"]),
        "outside": int(origin["outside"]) if origin else None,
    }


def _healed(listed: Mapping[str, Any], receipt: Mapping[str, Any]) -> bool:
    """Tell whether an applied run has put everybody on the list who was missing."""
    mine = [
        one
        for one in receipt.get("outcomes", ())
        if one["key"] == listed["key"] and one["op"] == "suppress"
    ]
    done = sum(one["taken"] + one["lapsed"] for one in mine)
    return bool(receipt) and bool(listed["complete"]) and done >= listed["gap"]["missing"]


def _feeds(specs: Mapping[str, Any]) -> Iterator[FeedUse]:
    for listed in specs.get("lists", ()):
        for feed in listed["feeds"]:
            yield FeedUse(
                key=listed["key"],
                path=feed["path"],
                as_of=parse_time(feed["as_of"]) if feed["as_of"] else None,
                max_age=feed["max_age"],
                stale=bool(feed["stale"]),
            )


def _tickets(run: str, lists: Iterable[Mapping[str, Any]]) -> Iterator[Ticket]:
    for listed in lists:
        seen = set[tuple[str, str, int]]()
        for ground in listed["grounds"]:
            place = ground["op"], ground["source"], ground["line"]
            if ground["ticket"] and place not in seen:
                seen.add(place)
                op, source, line = place
                yield Ticket(
                    run=run,
                    list=listed["key"],
                    op=op,
                    source=source,
                    line=line,
                    ticket=ground["ticket"],
                )


def _in_doubt(document: Mapping[str, Any]) -> int:
    def counts() -> Iterator[int]:
        for steps in document.get("lists", {}).values():
            for step in steps.values():
                yield int(step["in_doubt"])

    return sum(_each(counts))
