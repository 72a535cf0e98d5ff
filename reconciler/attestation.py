"""The nouns of a report over a period: what was done, how fast, and what nobody can tell any more.

Values only, deeply frozen. No address is ever among them: contacts are counts, and where one has
to be told from another, the first characters of its pseudonym.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Literal, TypeAlias

State: TypeAlias = Literal["met", "withdrawn", "open"]
"""What became of a request: a change is in effect; a later run had nothing left to do, since it
was in place already or nobody asked any more; neither by the end of the period."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCount:
    """How many runs of one command came to one outcome."""

    command: str
    outcome: str
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many contacts a list suppressed, as one run knew it."""

    contacts: int
    at: datetime
    run: str
    counted: bool
    """Read by that run, and what it changed counted in; else as it was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What became of one list's rows in the period; a row refused in two runs counts twice."""

    suppressed: int = 0
    amended: int = 0
    separated: int = 0
    shortened: int = 0
    released: int = 0
    rejected: int = 0
    rejected_contacts: int = 0
    """Different ones."""
    withheld: int = 0
    failed: int = 0
    """Sent, and not known to be in place."""
    without_request: int = 0
    """Done, without a time at which it was asked for: no clock can be held against them."""
    without_time: int = 0
    """Done by a run that did not write down when; its end stands for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How long requests took; the spread is that of those met in the period.

    A percentile is the smallest value that so many percent do not exceed; ``None`` where no
    request was met.
    """

    met: int = 0
    met_late: int = 0
    withdrawn: int = 0
    withdrawn_late: int = 0
    open: int = 0
    open_late: int = 0
    """Open at the end of the period, with the limit past."""
    median_days: int | None = None
    p95_days: int | None = None
    worst_days: int | None = None
    """Business days."""
    median_hours: float | None = None
    p95_hours: float | None = None
    worst_hours: float | None = None

    @property
    def late(self) -> int:
        """Every breach."""
        return self.met_late + self.withdrawn_late + self.open_late


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """One request that took longer than the limit, or is open past it."""

    key: str
    pseudonym: str
    """Its first 12 characters."""
    state: State
    requested: datetime
    deadline: datetime | None
    """``None`` where it lies beyond the calendar."""
    ended: datetime | None
    """When it was met or withdrawn; ``None`` where it is open."""
    business_days: int
    hours: float
    """From the request to its end, or to that of the period."""
    op: str
    status: str
    """Of the row that met it, or of the last attempt."""
    source: str
    line: int
    run: str
    """That row's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListReport:
    """One list over the period."""

    key: str
    runs: int
    """Those that looked at it."""
    first: Size | None
    """The last that was known before the period, or else the first within it."""
    last: Size | None
    surplus: int | None
    """Kept though not declared, by the last run that told."""
    counts: Counted
    clocks: Spread
    found: int
    """Requests of contacts that were on the list before we ever wrote it: no clock is held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedAge:
    """How old one source was when runs used it."""

    key: str
    path: str
    runs: int
    untold: int
    """Runs in which nobody had said how old it is."""
    worst_days: int | None
    """Whole days, at its worst; ``None`` where nobody ever said."""
    worst_run: str
    beyond: int
    """Runs in which it was older than 31 days."""
    stale: int
    """Runs in which it was older than its own ``maxAge``."""
    max_age: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unprotected:
    """A time in which contacts were known to be missing on a list, from run to run."""

    key: str
    seen: datetime
    run: str
    command: str
    contacts: int
    """Missing when first seen."""
    most: int
    runs: int
    """Those that saw it."""
    outside: int | None
    """Of them by somebody else's doing, where a drift report told."""
    closed: datetime | None
    """``None`` where it was open at the end of the period."""
    closed_by: str
    hours: float
    """Until it was closed, or until the end of the period."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What the command line allowed one run, and why."""

    run: str
    at: datetime
    what: tuple[str, ...]
    """The overrides as flags."""
    reason: str
    actor: str
    approver: str
    commit: str
    ci_run: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LetGo:
    """Contacts released, or shortened, on one ground."""

    key: str
    op: str
    basis: str
    ticket: str
    """Empty where none is told: by ownership, or beyond those that a plan lists."""
    contacts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """What one rule refused of one list."""

    key: str
    rule: str
    direction: str
    runs: int
    last: datetime
    message: str
    """Of the last time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undelivered:
    """An event that a receiver did not take from the run that made it."""

    key: str
    url: str
    event_id: str
    run: str
    at: datetime
    detail: str
    waiting: bool
    """Whether it still lies in the outbox; else somebody took it since, or a person dropped it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted:
    """A run that ended without a word."""

    run: str
    command: str
    started: datetime
    in_doubt: int
    """Contacts it sent, or was about to, without an answer that was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What verifying the ledger, and perhaps the artifacts it names, came to."""

    whole: bool
    findings: tuple[str, ...] = ()
    count: int = 0
    """Of findings, those included that are not listed."""
    artifacts: bool = False
    """Whether every artifact of every run was recomputed, too; else the ledger's chain alone."""
    signatures: str = ""
    """What was found of signatures; empty where no key was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """Something that this report cannot tell, and of how much."""

    what: str
    """A stable word."""
    count: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation:
    """A period, as its evidence tells it."""

    start: datetime
    end: datetime
    """The last second of it."""
    made: datetime
    tool: str
    store: str
    chosen: tuple[str, ...]
    """The lists that were asked for; empty for all."""
    limit: str
    """As it was given: ``10bd``, ``P14D``."""
    holidays: int
    runs: tuple[RunCount, ...]
    versions: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Runs by the version of this tool that made them."""
    lists: tuple[ListReport, ...] = ()
    clocks: Spread = Spread()
    breaches: tuple[Breach, ...] = ()
    """The worst of them; ``clocks.late`` counts them all."""
    feeds: tuple[FeedAge, ...] = ()
    unprotected: tuple[Unprotected, ...] = ()
    overrides: tuple[Allowed, ...] = ()
    let_go: tuple[LetGo, ...] = ()
    """The largest grounds; the counts of the lists tell of all."""
    refusals: tuple[Refused, ...] = ()
    undelivered: tuple[Undelivered, ...] = ()
    interrupted: tuple[Interrupted, ...] = ()
    verified: Verified | None = None
    """``None`` where nobody verified it."""
    unknown: tuple[Unknown, ...] = ()

    @property
    def in_order(self) -> bool:
        """Whether no clock was breached, and verification found nothing or was not asked for."""
        return not self.clocks.late and (self.verified is None or self.verified.whole)
