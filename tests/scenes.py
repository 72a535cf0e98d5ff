"""One list's plan carried out in a world that a test meddles with."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from builders import NOW, list_spec, place, tenant
from reconciler import journal as journals
from reconciler.apply import apply
from reconciler.artifacts import Run
from reconciler.cache import Shelf
from reconciler.journal import Journal
from reconciler.model import InlineContact, Outcome, Plan, ReleaseSpec, Settings, Spec
from reconciler.times import zulu
from strategies import OPEN
from worlds import LIST, Contact, World, prepare, spec_of

ADA, BOB, CYD, DAN = "ada@example.com", "bob@example.com", "cyd@example.com", "dan@example.com"
P, Q = "+12125550101", "+12125550102"
NAME = Settings(name="US Do Not Call")


@dataclass(slots=True)
class Clock:
    """A clock that a test moves."""

    time: datetime = NOW

    def __call__(self) -> datetime:
        """Tell the time."""
        return self.time


@dataclass(slots=True)
class Meddler:
    """Does something at the nth request of a kind; a hook for a world."""

    acts: dict[tuple[str, int], Callable[[], None]] = field(default_factory=dict)
    counted: dict[str, int] = field(default_factory=dict)

    def __call__(self, request: str) -> None:
        """Count a request and do what is due."""
        self.counted[request] = self.counted.get(request, 0) + 1
        for number in (self.counted[request], 0):
            act = self.acts.get((request, number))
            if act:
                act()


def on(request: str, act: Callable[[], None], *, nth: int = 1) -> Meddler:
    """A meddler who acts once; ``nth=0`` is every time."""
    return Meddler({(request, nth): act})


def raises(error: BaseException) -> Callable[[], None]:
    """What raises an error."""

    def act() -> None:
        raise error

    return act


def wants(
    *identifiers: str, until: datetime | None = None, reason: str = "DNC"
) -> tuple[InlineContact, ...]:
    """Contacts that a spec declares."""
    return tuple(
        InlineContact(
            place=place(line=10),
            email=one if "@" in one else None,
            phone=None if "@" in one else one,
            reason=reason,
            suppress_until=zulu(until) if until else "never",
        )
        for one in identifiers
    )


def frees(*identifiers: str, until: datetime | None = None) -> tuple[ReleaseSpec, ...]:
    """Releases that a spec declares; shortenings where there is an end."""
    return tuple(
        ReleaseSpec(
            place=place(line=50),
            email=one if "@" in one else None,
            phone=None if "@" in one else one,
            basis="written re-consent",
            ticket="LEGAL-1",
            requested_by="privacy",
            requested_at=NOW - timedelta(days=1),
            suppress_until=until,
        )
        for one in identifiers
    )


@dataclass(slots=True, kw_only=True)
class Play:
    """One world, one list's declaration, one run."""

    world: World
    run: Run
    spec: Spec

    def plan(self) -> Plan:
        """Plan, and from here on meddle no more with what was asked so far."""
        return prepare(self.spec, self.world, self.run).plan(as_of=NOW)

    def apply(self, made: Plan) -> tuple[Outcome, ...]:
        """Carry a plan out."""
        with Journal(self.run.folder / "journal.jsonl") as journal:
            return apply(made, writers={"acme": self.world}, run=self.run, journal=journal)

    def journal(self) -> list[Any]:
        """What the journal says."""
        return list(journals.replay(self.run.folder / "journal.jsonl"))

    def ends(self) -> dict[str, datetime | None]:
        """Ends by identifier, as the service holds them."""
        return {
            identifier: one.until
            for one in self.world.contacts
            for identifier in (one.email, one.phone)
            if identifier
        }


Scene = Callable[..., Play]
"""Sets the scene: contacts held, a world, and a list's declaration."""


def scenes(run: Run) -> Scene:
    """Return what sets a scene for one run."""

    def scene(*held: Contact, world: World | None = None, **declared: Any) -> Play:
        declared = {"list_id": LIST, "create": False, "settings": NAME, **declared}
        made = world or World()
        made.contacts = list(held)
        shelf(run).learn(moves=True)
        spec = spec_of(tenant(), list_spec(**declared), policy=OPEN)
        return Play(world=made, run=run, spec=spec)

    return scene


def shelf(run: Run) -> Shelf:
    """What is remembered of the list."""
    return Shelf(folder=run.cache, tenant="acme", service="", list_id=LIST, region=None)
