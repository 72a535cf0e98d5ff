"""Every noun of the program, deeply frozen, in the order a run makes them.

Values only: nothing here reads a clock, a file, a socket or a database, and no contact ever
becomes one of these objects; contacts stay in a ``Table``.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, Self, TypeAlias, assert_never

from reconciler.errors import Place, Problem

__all__ = [
    "CAPABILITIES",
    "CHANNELS",
    "DNC_GROUPS",
    "ENDS_AHEAD",
    "LAPSING_SOON",
    "LISTS",
    "REASONS",
    "RELEASE_AHEAD",
    "RELEASE_SLACK",
    "SEVERITIES",
    "SKILLS",
    "SKILL_JOINT",
    "UNMANAGED",
    "Action",
    "Amend",
    "Capabilities",
    "Change",
    "Check",
    "Counts",
    "CreateList",
    "Credentials",
    "Declaration",
    "DeclaredRelease",
    "Defaults",
    "Desired",
    "DesiredList",
    "Direction",
    "Drift",
    "Ends",
    "Explanation",
    "Failure",
    "Feed",
    "Freeze",
    "Gap",
    "Ground",
    "HeldContact",
    "InlineContact",
    "Limits",
    "ListDrift",
    "ListExplanation",
    "ListPlan",
    "ListRejected",
    "ListSpec",
    "Observed",
    "ObservedList",
    "Op",
    "Origin",
    "Outcome",
    "Overrides",
    "Ownership",
    "Place",
    "Plan",
    "PlannedStep",
    "Policy",
    "Problem",
    "Receipt",
    "Refusal",
    "Rejected",
    "RejectedContact",
    "Rejection",
    "Release",
    "ReleaseSpec",
    "RemoteList",
    "RowAction",
    "Sample",
    "Selection",
    "Settings",
    "Severity",
    "Shorten",
    "Skill",
    "Source",
    "Spec",
    "Status",
    "Suppress",
    "Table",
    "Tally",
    "Tenant",
    "Unmanaged",
    "UpdateList",
    "Way",
    "Webhook",
    "WebhookResult",
    "joined",
    "op_of",
]

# ---------------------------------------------------------------- what a dialect can do

REASONS: Final = ("COMPLIANCE", "DNC", "UNSUBSCRIBE", "CUSTOMER_REQUEST", "BOUNCE")
"""The service's reason codes, strongest first: of two equal suppressions the first one wins."""

CHANNELS: Final = ("email", "phone")
"""The kinds of identifier a contact can carry."""

RELEASE_AHEAD: Final = timedelta(minutes=10)
"""How far ahead a release by expiry sets the end, since the service refuses past dates."""

ENDS_AHEAD: Final = timedelta(days=366)
"""How far ahead ends are told apart by their day."""

LAPSING_SOON: Final = timedelta(days=30)
"""How far ahead a drift report looks for contacts that come off their list by themselves."""

RELEASE_SLACK: Final = timedelta(minutes=1)
"""How much later than that a contact may end and still count as let go: clocks are in between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What one dialect of the service can do; planning reads this and never the dialect."""

    batch: int
    """Contacts in one write, at most."""
    channels: tuple[str, ...]
    reasons: tuple[str, ...]
    """Reason codes it stores; empty where a contact has no reason."""
    release: Literal["expire", "delete"]
    """How a contact is let go: written with an end minutes ahead, or deleted."""
    versioned: bool
    """Whether a list carries a version that guards writes."""
    parallel_reads: bool
    """Whether pages of one list may be fetched side by side."""
    counts_lapsed: bool
    """Whether the number of contacts that a list tells includes those that have lapsed."""
    ends: bool
    """Whether a list has an end of its own."""
    skills: bool
    """Whether a list works for some skills only: with no scrubbed one it suppresses nobody."""
    capacity: int | None
    """Contacts that all lists of an account hold together, at most; ``None`` where not known."""


LISTS: Final = Capabilities(
    batch=10_000,
    channels=CHANNELS,
    reasons=REASONS,
    release="expire",
    versioned=True,
    parallel_reads=True,
    counts_lapsed=True,
    ends=True,
    skills=False,
    capacity=None,
)

DNC_GROUPS: Final = Capabilities(
    batch=4_500,
    channels=("phone",),
    reasons=(),
    release="delete",
    versioned=False,
    parallel_reads=False,
    counts_lapsed=False,
    ends=False,
    skills=True,
    capacity=1_000_000,
)

CAPABILITIES: Final[Mapping[str, Capabilities]] = MappingProxyType(
    {"lists": LISTS, "dnc-groups": DNC_GROUPS}
)
"""Capabilities by the name of the dialect, as a Tenant spells it."""


# ---------------------------------------------------------------- load: what the specs say


class Unmanaged(StrEnum):
    """The type of ``UNMANAGED``."""

    UNMANAGED = "unmanaged"


SKILLS: Final = ("scrubbedSkills", "contributingSkills")
"""A list's settings that are skills, as a spec spells them."""
SKILL_JOINT: Final = ", "
"""Between the skills of one setting; no spelling of a skill has a comma."""

UNMANAGED: Final = Unmanaged.UNMANAGED
"""The value of a setting that a spec leaves to others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill:
    """A skill at the service; declared: both are what the spec spells, an id or a name."""

    id: str
    name: str

    def spelled(self, ways: Collection[str]) -> str:
        """Return it the way somebody else spells it, who knows it by id or name; else its id."""
        return self.name if self.name in ways and self.id not in ways else self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A list's own fields. Declared: an absent key is ``UNMANAGED``. Observed: always a value.

    ``suppress_until`` is the list's own end, aware UTC; ``None`` is no end. Do not read it as the
    end of a contact: a contact ends at the earlier of its own end and this one.
    """

    name: str | Unmanaged = UNMANAGED
    description: str | Unmanaged | None = UNMANAGED
    suppress_until: datetime | Unmanaged | None = UNMANAGED
    scrubbed_skills: tuple[Skill, ...] | Unmanaged = UNMANAGED
    """Whose calls the list keeps back; ``UNMANAGED`` also where the dialect knows none."""
    contributing_skills: tuple[Skill, ...] | Unmanaged = UNMANAGED


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """References (``env:NAME``, ``file:PATH``), never the secrets themselves."""

    client_id: str
    client_secret: str
    access_key_id: str = ""
    """Of dialects that sign in with a person's access key; else empty."""
    access_key_secret: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How hard one tenant may be asked; shared by every thread that talks to it."""

    requests_per_second: float = 10.0
    parallelism: int = 4
    timeout_seconds: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Where to tell the CRM; ``secret`` is a reference, never the secret itself."""

    url: str
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """One account at the service and the way to it."""

    name: str
    place: Place
    dialect: str
    embedded: bool
    base_url: str
    """Without a trailing slash; empty where ``embedded``, or to be found by its configuration."""
    token_url: str
    credentials: Credentials | None
    """``None`` only where ``embedded``."""
    limits: Limits = Limits()
    compress_requests: bool = False
    """Whether larger bodies go out as gzip."""
    webhooks: tuple[Webhook, ...] = ()

    @property
    def capabilities(self) -> Capabilities:
        """What this tenant's dialect can do."""
        return CAPABILITIES[self.dialect]

    @property
    def service(self) -> str:
        """What tells its service from others; empty where ``embedded``."""
        if self.base_url or self.credentials is None:
            return self.base_url
        return f"{self.token_url}|{self.credentials.access_key_id}"


class Ownership(StrEnum):
    """Whether contacts that the spec lacks are kept (additive) or released (exclusive)."""

    ADDITIVE = "additive"
    EXCLUSIVE = "exclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What a contact has where its own row says nothing. ``suppress_until`` is as written."""

    reason: str | None = None
    region: str | None = None
    suppress_until: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InlineContact:
    """A contact as a spec spells it, nothing normalised yet; one with both identifiers is two."""

    place: Place
    email: str | None = None
    phone: str | None = None
    reason: str | None = None
    suppress_until: str | None = None
    requested_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Contact files. ``path`` is the pattern as written, ``base`` the folder it is relative to."""

    place: Place
    path: str
    base: Path
    files: tuple[Path, ...]
    """What the pattern matched at loading, absolute, sorted, all inside the repository."""
    columns: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Our field name to the file's column name, where they differ."""
    sha256: str | None = None
    as_of: datetime | None = None
    max_age: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseSpec:
    """A declared release: who may be contacted again, and on what ground."""

    place: Place
    email: str | None
    phone: str | None
    basis: str
    ticket: str
    requested_by: str
    requested_at: datetime
    suppress_until: datetime | None = None
    """Where given the contact is not released but shortened to this end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSpec:
    """The desired state of one list, as declared; its contacts are not read yet."""

    name: str
    """Our stable key of the list, in every plan, lock and artifact."""
    place: Place
    tenant: str
    list_id: str | None
    create: bool
    settings: Settings
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    batch_reason: str = ""
    defaults: Defaults = Defaults()
    contacts: tuple[InlineContact, ...] = ()
    sources: tuple[Source, ...] = ()
    releases: tuple[ReleaseSpec, ...] = ()
    ownership: Ownership = Ownership.ADDITIVE
    release_basis: str = ""
    duplicates: Literal["longest", "error"] = "longest"
    invalid: Literal["fail", "quarantine"] = "fail"
    max_invalid: Decimal = Decimal(0)
    """The share of rows (0 to 1) that quarantine may set aside before the spec fails."""
    unsupported: Literal["fail", "skip"] = "fail"
    """What becomes of contacts that the tenant's dialect has no place for."""
    digest: str = ""
    """sha256 over the declaration itself, for evidence; never a digest of contacts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """A time in which nothing is released."""

    start: datetime
    end: datetime
    why: str
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The operator's bounds; what is missing in the spec has these defaults."""

    place: Place | None = None
    """Where the Policy stands; ``None`` where no spec declares one."""
    max_release_share: Decimal = Decimal("0.01")
    """Of the contacts now suppressed on the list, rounded up to whole contacts."""
    max_release_count: int = 100
    max_suppressions: int = 1_000_000
    allow_empty: tuple[str, ...] = ()
    freeze: tuple[Freeze, ...] = ()
    release_within: timedelta = timedelta(days=14)
    places: Mapping[str, Place] = field(default_factory=lambda: MappingProxyType({}))
    """Where each bound is set, by its key in the spec (``maxReleases``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """What the command line allows once, with the reason that is recorded."""

    max_releases: int | None = None
    max_suppressions: int | None = None
    allow_empty: tuple[str, ...] = ()
    ignore_freeze: bool = False
    accept_stale_feed: tuple[str, ...] = ()
    reason: str = ""

    @property
    def given(self) -> bool:
        """Whether anything is overridden at all."""
        return replace(self, reason="") != Overrides()


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which lists of the specs root a command works on."""

    root: Path
    """The folder whose Tenants and Policy are always loaded."""
    paths: tuple[Path, ...] = ()
    """Files and folders that narrow the lists down; none means all of the root."""
    lists: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """All that was loaded: valid, named uniquely, in the order of names."""

    root: Path
    tenants: Mapping[str, Tenant]
    lists: tuple[ListSpec, ...]
    """The selected lists, sorted by name."""
    policy: Policy
    warnings: tuple[Problem, ...] = ()
    digests: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """sha256 of every spec file that was read, by its path below the root."""


# ---------------------------------------------------------------- compile: clean tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Contacts at rest: the rows of an immutable Parquet file, or those of one ``op`` in it.

    ``digest`` is keyed and of the content alone: not of the file's bytes, versions, places or
    order. Of a gap's rows, which plans and evidence name, it is an HMAC-SHA256 (hex) of the sorted
    content, address, reason and end; of contacts to be let go also of what they were seen as,
    version included. Of a whole list, desired or observed, it only tells contents apart.
    """

    path: Path
    rows: int
    digest: str
    op: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One contact as a person may see it."""

    address: str
    """Masked."""
    reason: str | None
    until: datetime | None
    source: str
    line: int
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What compiling one list did with the rows it was given."""

    read: int = 0
    """Identifiers found in the inline contacts and sources, invalid ones included."""
    invalid: int = 0
    merged: int = 0
    """Rows that gave way to another row of the same address."""
    lapsed: int = 0
    """Rows of the clean table whose end has passed at the run's as-of."""
    naive: int = 0
    """Times without an offset, taken as UTC."""
    past_list_end: int = 0
    """Contacts that wish to outlive the list's own declared end."""
    unsupported: int = 0
    """Contacts that the tenant's dialect has no place for; not in the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """One source's files, as read."""

    path: str
    files: tuple[str, ...]
    rows: int
    sha256: str
    """Of the files' bytes, in the order of their names; keyed, since few addresses are guessed."""
    as_of: datetime | None = None
    stale: bool = False
    """Older than its ``maxAge`` at the run's as-of."""
    max_age: str | None = None
    place: Place | None = None
    empty_files: tuple[str, ...] = ()
    """Of ``files``, those without a single row; a file cut off after its header looks like that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredList:
    """One list's desired state with its contacts as one clean table."""

    spec: ListSpec
    tenant: Tenant
    table: Table
    """One row an address; lapsed rows are in it and are filtered when tables are compared."""
    releases: Table
    """The declared releases that are not spent; one row an address."""
    counts: Counts
    feeds: tuple[Feed, ...] = ()
    spent_releases: tuple[Place, ...] = ()
    """Releases that do nothing any more: delete these lines."""
    doubtful_releases: tuple[Place, ...] = ()
    """Releases that may have been carried out, and so are not carried out again."""
    samples: Mapping[str, tuple[Sample, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """Masked samples of ``merged`` and ``invalid`` rows."""
    warnings: tuple[Problem, ...] = ()

    @property
    def wanted(self) -> int:
        """How many contacts are to be suppressed at the run's as-of."""
        return self.table.rows - self.counts.lapsed

    @property
    def idle_releases(self) -> tuple[str, ...]:
        """A sentence for each declared release that does nothing any more."""
        spent = (
            f"{place}: this release is spent, delete this line" for place in self.spent_releases
        )
        doubtful = (
            f"{place}: this release was sent by a run that saw no answer, and may have been "
            "carried out; if it is still to be, declare it again with a new requestedAt"
            for place in self.doubtful_releases
        )
        return (*spent, *doubtful)

    @property
    def whole(self) -> bool:
        """Whether every row arrived: nothing set aside, no source and no file of one empty."""
        full = all(feed.rows and not feed.empty_files for feed in self.feeds)
        return full and not self.counts.invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """What should be, over all selected lists, in the order of names."""

    lists: tuple[DesiredList, ...]


# ---------------------------------------------------------------- observe: what is


class Op(StrEnum):
    """What the comparison of two tables says of one row."""

    SUPPRESS = "suppress"  # wanted, and not there or lapsed there
    AMEND = "amend"  # there with an earlier end or another reason
    PART = "part"  # shares a contact with a row to shorten or release: gets one of its own first
    SHORTEN = "shorten"  # to end earlier
    RELEASE = "release"  # to be let go
    SURPLUS = "surplus"  # there, not declared, kept
    LONGER = "longer"  # there with a later end than declared, kept
    CONFLICT = "conflict"  # a release of somebody who is wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many contacts of one op have something in common that a reader asks for."""

    op: Op
    by: Literal["reason", "source"]
    value: str
    """The reason, or the file that declares them; empty for what is in none of the largest."""
    contacts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Why contacts are let go or end earlier: one declared release, or exclusive ownership."""

    op: Op
    basis: str
    contacts: int
    source: str = ""
    line: int = 0
    """Where it is declared."""
    ticket: str = ""
    requested_by: str = ""
    """Masked: whoever asks may ask for themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """When the contacts that a list suppresses come off it by themselves."""

    days: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Contacts by the UTC date (ISO 8601) of their end, in order, as far as a year ahead."""
    later: int = 0
    endless: int = 0

    def until(self, end: datetime | None, *, as_of: datetime) -> Self:
        """Return the ends on a list that as a whole ends then: whoever ends later ends with it.

        Args:
            end: the list's own end; ``None`` is no end.
            as_of: the time they were counted for; a list that has ended by then holds nobody.
        """
        if end is None:
            return self
        if end <= as_of:
            return type(self)()
        if end >= as_of + ENDS_AHEAD:
            return replace(self, later=self.later + self.endless, endless=0)
        last = end.date().isoformat()
        days = {day: count for day, count in self.days.items() if day < last}
        rest = sum(self.days.values()) - sum(days.values()) + self.later + self.endless
        days |= {last: rest} if rest else {}
        return type(self)(days=MappingProxyType(days))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """The difference between one observed and one desired table, by direction.

    ``against`` is the digest of the desired table it was measured against; a gap says nothing
    about any other. The counts are of rows; a row both ``extended`` and ``recoded`` counts once
    in ``amended``.
    """

    against: str
    rows: Table
    """All rows of the gap; each row's ``op`` says what it is."""
    parts: Mapping[Op, Table]
    """The rows by what is to become of them; an absent op has no rows."""
    missing: int
    amended: int
    extended: int
    recoded: int
    shortened: int
    surplus: int
    """There and not declared, and kept; opaque ones included."""
    opaque: int
    """There, but not to be read as an address: never touched."""
    longer: int
    released: int
    owned_releases: int
    """Of ``released`` and ``shortened``, those that only exclusive ownership asks for."""
    size: int = 0
    """Addresses that the observed table suppresses, opaque contacts included."""
    endless_missing: Table | None = None
    """The missing rows without an end: all that may be sent after an incomplete read."""
    samples: Mapping[Op, tuple[Sample, ...]] = field(default_factory=lambda: MappingProxyType({}))
    tallies: tuple[Tally, ...] = ()
    """The gap's contacts by reason and by source, the largest first within each op."""
    grounds: tuple[Ground, ...] = ()
    """Why some are let go, as far as a table knows: basis and place; the first of them only."""
    ends: Ends = Ends()
    """Of the contacts that the observed table suppresses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteList:
    """A list's metadata as the service returned it."""

    id: str
    settings: Settings
    type: str
    """The service's ``listType``; anything but ``suppression`` is never written."""
    count: int | None
    """Contacts the service says it holds; never trusted alone."""
    version: str
    """Opaque; changes when the list does. The ETag as received."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedList:
    """One list as the service has it, and how it differs from what is desired."""

    key: str
    remote: RemoteList | None
    """``None`` where the service has no such list."""
    complete: bool
    """Whether every contact was provably read; without it nothing is released."""
    table: Table
    size: int
    """Addresses suppressed at the run's as-of, opaque contacts included."""
    gap: Gap
    lapsed: bool = False
    """The list's own end has passed: it suppresses nobody."""
    cut_short: int = 0
    """Contacts that are wanted for longer than the list's own end, which is nobody's to move."""
    incomplete_because: str = ""
    cached: bool = False
    occupied: int | None = None
    """Contacts that count against the account's capacity; ``None`` where there is no such bound."""
    known_id: str | None = None
    """The id under which the ledger knows this list, if it does."""
    ledger_doubt: str = ""
    """Why the ledger may not be whole; then nobody knows which releases are spent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A list, or a step of it, that could not be worked on; it never stops another list."""

    key: str
    message: str
    hint: str = ""
    exit_code: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What is, over all lists that could be read."""

    lists: Mapping[str, ObservedList]
    failures: tuple[Failure, ...] = ()


# ---------------------------------------------------------------- plan: what will be done


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One setting that moves; values are as the service spells them (``None`` is no end).

    Skills are ids, or names where the spec names them, sorted and joined by ``", "``.
    """

    field: Literal["name", "description", "suppressUntil", "scrubbedSkills", "contributingSkills"]
    old: str | None
    new: str | None

    @property
    def shortens(self) -> bool:
        """Whether it lets the whole list end earlier, or no longer keep back some calls."""
        if self.field == "scrubbedSkills":
            return not joined(self.old) <= joined(self.new)
        if self.field != "suppressUntil" or self.new is None:
            return False
        return self.old is None or self.new < self.old


def joined(skills: str | None) -> frozenset[str]:
    """Return the skills that a change names, each as it is spelled there."""
    return frozenset((skills or "").split(SKILL_JOINT)) - {""}


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateList:
    """Make the list; the only action that is never repeated without looking first."""

    settings: Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateList:
    """Change settings, guarded by the list's version."""

    changes: tuple[Change, ...]

    @property
    def named(self) -> str:
        """What it changes, as outcomes tell it."""
        return ", ".join(
            f"fewer {change.field}" if change.field in SKILLS and change.shortens else change.field
            for change in self.changes
        )

    @property
    def shortens(self) -> bool:
        """Whether it makes the whole list end earlier."""
        return any(change.shortens for change in self.changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppress:
    """Put missing contacts on the list."""

    rows: Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Amend:
    """Give contacts another reason or a later end, or a row of their own; never an earlier end."""

    rows: Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Shorten:
    """Give contacts an earlier end."""

    rows: Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Let contacts go; their end is computed when they are sent."""

    rows: Table


RowAction: TypeAlias = Suppress | Amend | Shorten | Release
Action: TypeAlias = CreateList | UpdateList | RowAction
"""Everything that can be done to a list, and nothing else."""


def op_of(action: RowAction) -> Op:
    """Return what an action does to its contacts; an ``Amend`` may only separate them."""
    match action:
        case Suppress():
            return Op.SUPPRESS
        case Amend(rows=rows):
            return Op.PART if rows.op == Op.PART else Op.AMEND
        case Shorten():
            return Op.SHORTEN
        case Release():
            return Op.RELEASE
        case _:
            assert_never(action)


class Direction(StrEnum):
    """What a refusal withholds of one list."""

    SUPPRESS = "suppress"
    RELEASE = "release"  # settings that shorten, shortenings and releases
    SETTINGS = "settings"  # all of RELEASE, and every other change of a setting
    ALL = "all"
    ROWS = "rows"  # only the rows it speaks of


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A rule's no: it withholds one direction of one list and nothing else."""

    key: str
    direction: Direction
    rule: str
    message: str
    override: str = ""
    """The exact flags that allow it once; empty where nothing does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPlan:
    """What will be done to one list, in this order, and what will not and why."""

    key: str
    tenant: str
    remote_id: str | None
    version: str
    """Of the list the plan was made for; not part of the plan's id."""
    actions: tuple[Action, ...]
    refusals: tuple[Refusal, ...]
    gap: Gap
    counts: Counts
    observed: Settings | None
    observed_table: Table
    complete: bool
    size_before: int
    size_after: int
    service: str = ""
    """Where the tenant is served; empty where it is embedded."""
    region: str | None = None
    """By which the list's national numbers are read."""
    batch_reason: str = ""
    feeds: tuple[Feed, ...] = ()
    grounds: tuple[Ground, ...] = ()
    """Why those are let go or shortened whom the actions let go; the first of them only."""
    held_back: tuple[Ground, ...] = ()
    """Likewise of those whom nothing lets go, though it was asked for."""
    notes: tuple[str, ...] = ()
    """What a reader should know and nobody has to decide."""

    @property
    def kept(self) -> int:
        """Surplus that stays: all that is not declared, and whoever is not let go after all."""
        lets_go = any(isinstance(action, Release) for action in self.actions)
        return self.gap.surplus + (0 if lets_go else self.gap.released)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What will be done to whom; ``id`` digests that and nothing else."""

    id: str
    as_of: datetime
    preview: bool
    """Made for another time than now: to be read, never applied."""
    lists: tuple[ListPlan, ...]
    failures: tuple[Failure, ...]
    policy: Policy
    overrides: Overrides
    problems: tuple[Problem, ...] = ()
    """Warnings of the specs."""
    postponed: int = 0
    """Actions left out because only suppressions were asked for; they wait for another run."""

    @property
    def empty(self) -> bool:
        """Whether nothing would be sent."""
        return not any(listed.actions for listed in self.lists)

    @property
    def suppresses_only(self) -> bool:
        """Whether it changes no setting, shortens nothing and releases nobody."""
        return not any(
            isinstance(action, UpdateList | Shorten | Release)
            for listed in self.lists
            for action in listed.actions
        )

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """Every refusal of every list."""
        return tuple(refusal for listed in self.lists for refusal in listed.refusals)


# ---------------------------------------------------------------- apply: what was done


class Status(StrEnum):
    """What became of an action or a batch."""

    DONE = "done"
    PARTLY = "partly"  # some rows were rejected, the others are in place
    REJECTED = "rejected"  # none was taken
    WITHHELD = "withheld"  # never sent
    FAILED = "failed"  # sent, and it is not known to be in place
    DIFFERS = "differs"  # the list read back is not what was written


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A row the service did not take. ``row`` is its number within its action's table."""

    row: int
    code: str
    field: str = ""
    message: str = ""
    """As the service wrote it, scrubbed of anything like an address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one batch, or of one action without rows."""

    key: str
    action: str
    """The action's class name, or ``ReadBack``."""
    op: str
    batch: int
    """Counts from 1 within the list's run; 0 for what is no batch."""
    first: int
    """The number of the batch's first row within its action's table, and of its last."""
    last: int
    rows: int
    taken: int
    status: Status
    rejections: tuple[Rejection, ...] = ()
    lapsed: int = 0
    """Rows that lapsed between plan and sending, and so were not sent."""
    lapse_after: datetime | None = None
    """Rows that end by then were left out of the batch, since they had lapsed."""
    changed: tuple[int, ...] = ()
    """Rows withheld because somebody changed the contact since the plan."""
    smallest: int | None = None
    """Of a list that was read back: the fewest addresses it was seen to suppress in this run."""
    at: datetime | None = None
    """When a batch was answered, or given up."""
    detail: str = ""
    exit_code: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookResult:
    """What became of one event for one receiver."""

    key: str
    url: str
    event_id: str
    delivered: bool
    attempts: int
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What one run did, as evidence: counts and outcomes, never an address."""

    run: str
    plan: str
    started: datetime
    finished: datetime
    outcomes: tuple[Outcome, ...]
    refusals: tuple[Refusal, ...]
    failures: tuple[Failure, ...]
    webhooks: tuple[WebhookResult, ...]
    metrics: Mapping[str, object]
    created: Mapping[str, str]
    """Ids of the lists this run made, by key; pin them in the specs."""
    batch_reasons: Mapping[str, str]
    surplus: int
    exit_code: int
    overrides: Overrides = Overrides()
    """What the command line allowed for this run, and why."""
    postponed: int = 0
    """Actions of the plan that wait for another run, since only suppressions were asked for."""


# ---------------------------------------------------------------- drift and ping: reports


class Severity(StrEnum):
    """How bad it is that a list and its spec differ, worst first."""

    CRITICAL = "critical"  # somebody may be contacted against their will, or nobody knows
    WARNING = "warning"  # whoever is wanted is suppressed, but not as declared
    INFO = "info"  # whoever is wanted is suppressed as declared, and others are too


Way: TypeAlias = Literal["missing", "differ", "surplus", "longer"]
"""A direction in which a list and its spec differ, as ``ListDrift`` counts it."""

SEVERITIES: Final[Mapping[Way, Severity]] = MappingProxyType(
    {
        "missing": Severity.CRITICAL,
        "differ": Severity.WARNING,
        "surplus": Severity.INFO,
        "longer": Severity.INFO,
    }
)
"""How bad each direction is; in the order in which a report names them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who made one direction of one list differ; the three add up to what the list counts of it."""

    pending: int = 0
    """The spec says otherwise than when it was last applied, or that apply left them undone."""
    outside: int = 0
    """Declared as they were when last applied: somebody else has changed the service since."""
    unknown: int = 0
    """No run that is remembered here tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListDrift:
    """How one list differs from its spec, by direction; addresses masked."""

    key: str
    tenant: str
    missing: int
    """Wanted and not suppressed: critical."""
    differ: int
    """Contacts with an earlier end, another reason or, if owned, a later end; and settings."""
    surplus: int
    """Suppressed and not declared, or declared to be released."""
    longer: int
    """Suppressed longer than declared, and kept so."""
    changes: tuple[Change, ...]
    size: int
    complete: bool
    lapsed: bool
    absent: bool
    samples: Mapping[Op, tuple[Sample, ...]]
    notes: tuple[str, ...] = ()
    opaque: int = 0
    """Of ``surplus``, contacts that cannot be read as an address."""
    origins: Mapping[Way, Origin] = field(default_factory=lambda: MappingProxyType({}))
    """Who made them differ, for every direction; empty only where nobody asked."""
    untold: str = ""
    """Why that cannot be told, where it cannot."""
    lapsing: int = 0
    """Contacts that come off the list by themselves within ``LAPSING_SOON``."""
    ends: Ends = Ends()
    """When contacts come off the list: by themselves, or all with the list."""
    feeds: tuple[Feed, ...] = ()

    @property
    def severity(self) -> Severity | None:
        """How bad the worst of it is; ``None`` where all is in order.

        A list that was not read whole may lack anybody.
        """
        found = {grade for way, grade in SEVERITIES.items() if getattr(self, way)}
        if not self.complete:
            found.add(Severity.CRITICAL)
        if self.stale_feeds:
            found.add(Severity.WARNING)
        return _worst(found)

    @property
    def stale_feeds(self) -> tuple[Feed, ...]:
        """The feeds that are older than they may be."""
        return tuple(feed for feed in self.feeds if feed.stale)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How the service differs from the specs."""

    as_of: datetime
    lists: tuple[ListDrift, ...]
    failures: tuple[Failure, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def severity(self) -> Severity | None:
        """How bad the worst of it is; of a list that could not be read nobody knows."""
        found = {listed.severity for listed in self.lists if listed.severity}
        return _worst(found | ({Severity.CRITICAL} if self.failures else set()))


def _worst(found: Collection[Severity]) -> Severity | None:
    return next((grade for grade in Severity if grade in found), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing ``ping`` looked at. ``subject`` is a tenant or a list's key."""

    subject: str
    name: str
    ok: bool
    detail: str = ""
    exit_code: int = 0


# ---------------------------------------------------------------- rejected: what is still refused


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedContact:
    """One contact that the service refused at the last attempt, and that is still wanted there."""

    op: Op
    address: str
    """Masked."""
    reason: str | None
    until: datetime | None
    """Reason and end as they were refused; the spec may say otherwise by now."""
    code: str
    field: str
    message: str
    """As the service wrote it, scrubbed."""
    first_refused_at: datetime
    last_refused_at: datetime
    times: int
    """Runs in which it was refused since it was last accepted or not wanted."""
    run: str
    """The last of them."""
    source: str
    line: int
    """Where it is declared now; empty and 0 where no line names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRejected:
    """What the service still refuses of one list; a contact counts once, under one code."""

    key: str
    tenant: str
    contacts: int
    codes: Mapping[str, int]
    """Contacts by the code of their refusal, most frequent first."""
    samples: Mapping[str, tuple[RejectedContact, ...]]
    """Some of each code."""
    files: tuple[Path, ...] = ()
    """Where the addresses stand, newest run first; nothing else holds them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """What the service still refuses, by list."""

    as_of: datetime
    lists: tuple[ListRejected, ...]


# ---------------------------------------------------------------- explain: one address


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """One line that declares an address; of several the first of a list's counts."""

    source: str
    line: int
    reason: str | None
    until: datetime | None
    """As it says, or as its defaults do."""
    requested_at: datetime | None
    counts: bool
    """Whether it is the one that is desired, the others having merged into it."""
    lapsed: bool
    note: str = ""
    """Why it counts or does not, where there is more than one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredRelease:
    """One declared release of an address. ``runs_out`` is when it is spent by time alone."""

    place: Place
    basis: str
    """This, ticket and requester: scrubbed."""
    ticket: str
    requested_by: str
    requested_at: datetime
    until: datetime | None
    """Where given it shortens to this end."""
    runs_out: datetime
    state: Literal["open", "spent", "doubtful"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldContact:
    """One contact of the service that carries an address; nobody knows since when."""

    spelling: str
    """Masked, as its mate is."""
    as_normalised: bool
    """Whether the service spells it as we would."""
    reason: str | None
    until: datetime | None
    suppresses: bool
    """Whether it does now, its list's own end included."""
    mate: str = ""
    """The contact's other identifier, where it has two."""
    unreadable: bool = False
    """Its end cannot be read: it counts as no suppression, and is left alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """What a comparison asks for an address on one list, and whether a plan would do it."""

    op: Op
    reason: str | None
    until: datetime | None
    basis: str
    source: str
    line: int
    """Where it is declared; empty and 0 where no line says so."""
    done: bool
    """Whether a plan made now would do it; what is kept is never done."""
    withheld: tuple[Refusal, ...] = ()
    """What keeps it back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListExplanation:
    """All there is to say of one address on one list."""

    key: str
    tenant: str
    address: str
    """Masked; a national number is another one in another region."""
    declarations: tuple[Declaration, ...] = ()
    ends: datetime | None = None
    """When the declaration that counts ends, its list's own end included; ``None`` for never."""
    list_end: datetime | None = None
    """Of the list itself, as declared or else as the service has it."""
    releases: tuple[DeclaredRelease, ...] = ()
    held: tuple[HeldContact, ...] = ()
    steps: tuple[PlannedStep, ...] = ()
    refused: RejectedContact | None = None
    """As the service last refused it, if it still does."""
    absent: bool = False
    """The service has no such list: it is to be created."""
    list_change: Change | None = None
    """What a plan made now would do to the list's own end, and so to everybody on it."""
    idle: str = ""
    """Why the list as a whole suppresses nobody, whoever is on it."""
    cached: bool = False
    """The list certainly has not changed since it was read, so it was not read again."""
    doubt: str = ""
    """Why what the service holds is not known, or not known for certain."""

    @property
    def wanted(self) -> bool:
        """Whether it is to be suppressed now."""
        return any(one.counts and not one.lapsed for one in self.declarations)

    @property
    def suppressed(self) -> bool:
        """Whether it is, as far as anybody knows."""
        return any(one.suppresses for one in self.held)

    @property
    def silent(self) -> bool:
        """Whether this list certainly has nothing to do with the address."""
        told = self.declarations or self.releases or self.held or self.steps or self.refused
        return not told and not self.doubt


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Everything about one address, over all selected lists."""

    as_of: datetime
    lists: tuple[ListExplanation, ...]
    """Those that declare, hold or release it, or of which that is not known."""
    others: tuple[str, ...] = ()
    """Names of those that certainly have nothing to do with it."""
    unreadable: tuple[str, ...] = ()
    """Names of those in whose region it is no address at all."""
