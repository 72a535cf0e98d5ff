"""Holds: somebody's word that evidence stays until it is taken back, written into the ledger.

A hold keeps every run it may be about, those to come among them; in doubt it keeps more. It removes
nothing and knows nothing of ages.
"""

import secrets
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson

from reconciler import chronicle, ledger
from reconciler.artifacts import Run
from reconciler.chronicle import Line
from reconciler.errors import EvidenceError, SettingError
from reconciler.masking import scrub
from reconciler.schema import nearest
from reconciler.store import Store
from reconciler.times import parse_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a hold keeps; what is empty narrows nothing down."""

    lists: frozenset[str] = frozenset()
    run: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def covers(self, of: Sequence[Line]) -> bool:
        """Tell whether a run is under it; one of which that cannot be told is.

        Args:
            of: all lines of the run.
        """
        if self.run and self.run != of[0].run:
            return False
        keys = frozenset[str]().union(*(line.lists for line in of))
        if self.lists and keys and not self.lists & keys:
            return False
        began = min((line.started for line in of if line.started), default=None)
        ended = max((line.finished for line in of if line.finished), default=None)
        late = self.until and began and began > self.until
        return not (late or (self.since and ended and ended < self.since))


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Somebody's word that evidence stays, until it is taken back."""

    id: str
    scope: Scope
    reason: str
    by: str | None
    at: datetime | None
    number: int
    """Of its line in the ledger."""
    released: Line | None = None
    """The line that took it back."""

    @property
    def released_because(self) -> str:
        """Why it was taken back; empty where it was not."""
        return str(self.released.said["hold"]["reason"]) if self.released else ""

    @property
    def released_by(self) -> str | None:
        """By whom."""
        return self.released.said["hold"]["by"] if self.released else None


def holds(told: Iterable[Line]) -> tuple[Hold, ...]:
    """Return every hold that was ever placed, in the order of their lines.

    Raises:
        EvidenceError: what a line says of one cannot be believed, so what is held is not known.
    """
    found: dict[str, Hold] = {}
    for line in told:
        try:
            if line.outcome == "held":
                made = _hold(line)
                found[made.id] = made
            elif line.outcome == "hold-released":
                taken_back = found[line.said["hold"]["id"]]
                found[taken_back.id] = replace(taken_back, released=line)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise EvidenceError(
                f"what ledger file {line.number} says of a hold cannot be believed",
                hint="audit verify says what was altered; restore it from a backup",
            ) from error
    return tuple(found.values())


def in_force(told: Iterable[Line]) -> tuple[Hold, ...]:
    """Return the holds that nobody has taken back."""
    return tuple(hold for hold in holds(told) if not hold.released)


def place(run: Run, scope: Scope, *, reason: str) -> Hold:
    """Write a hold into the ledger.

    Args:
        run: the run that does so.
        scope: what is held.
        reason: why; without an address.

    Raises:
        SettingError: no run was about one of its lists.
        EvidenceError: the ledger cannot be read or written.
    """
    told = chronicle.lines(run.store)
    chronicle.known(chronicle.with_lists(run.store, told) if scope.lists else told, scope.lists)
    name = _unused({hold.id for hold in holds(told)})
    said = {
        "id": name,
        "lists": sorted(scope.lists),
        "run": scope.run or None,
        "from": scope.since,
        "to": scope.until,
        "reason": reason,
        "by": _actor(run),
    }
    number = ledger.note(run, "held", hold=said)
    return _named(run.store, number, name)


def release(run: Run, name: str, *, reason: str) -> Hold:
    """Take a hold back, which is written into the ledger too.

    Args:
        run: the run that does so.
        name: the id of the hold.
        reason: why; without an address.

    Raises:
        SettingError: there is no such hold, or it was taken back already.
        EvidenceError: the ledger cannot be read or written.
    """
    made = {hold.id: hold for hold in holds(chronicle.lines(run.store))}
    if name not in made:
        close = nearest(name, made)
        raise SettingError(
            f"there is no hold {scrub(name)!r}",
            hint=f"did you mean {close}?" if close else "audit hold list shows them",
        )
    if made[name].released:
        raise SettingError(f"the hold {name} was released already", hint="audit hold list --all")
    said = {"id": name, "reason": reason, "by": _actor(run)}
    number = ledger.note(run, "hold-released", hold=said)
    return _named(run.store, number, name)


def _actor(run: Run) -> str | None:
    """Return who started a run, as it wrote down itself."""
    path = run.folder / "run.json"
    try:
        found = orjson.loads(path.read_bytes()).get("actor")
    except (OSError, AttributeError, orjson.JSONDecodeError) as error:
        raise EvidenceError(f"{path} cannot be believed") from error
    return str(found) if found else None


def _named(store: Store, number: int, name: str) -> Hold:
    """Return a hold as the ledger tells it now."""
    told = [line for line in chronicle.lines(store) if line.number <= number]
    return next(hold for hold in holds(told) if hold.id == name)


def _unused(taken: Collection[str]) -> str:
    while (name := f"hold-{secrets.token_hex(4)}") in taken:
        pass
    return name


def _hold(line: Line) -> Hold:
    said = line.said["hold"]
    since, until = (parse_time(said[name]) if said[name] else None for name in ("from", "to"))
    lists = frozenset(map(str, said["lists"]))
    return Hold(
        id=str(said["id"]),
        scope=Scope(lists=lists, run=str(said["run"] or ""), since=since, until=until),
        reason=str(said["reason"]),
        by=said.get("by"),
        at=line.finished,
        number=line.number,
    )


def facts(hold: Hold) -> dict[str, Any]:
    """Return a hold as plain values."""
    return {
        "id": hold.id,
        "lists": sorted(hold.scope.lists),
        "run": hold.scope.run or None,
        "from": hold.scope.since,
        "to": hold.scope.until,
        "reason": scrub(hold.reason),
        "by": hold.by and scrub(hold.by),
        "at": hold.at,
        "number": hold.number,
        "released_at": hold.released.finished if hold.released else None,
        "released_by": hold.released_by and scrub(hold.released_by),
        "released_because": scrub(hold.released_because) or None,
    }
