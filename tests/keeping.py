"""A list as one would keep it by hand: a few dictionaries, and what a run does to them.

The model of the stateful property: nothing of the program is used here, so that the two can
disagree. It knows single identifiers only, no contact that carries two.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from builders import NOW
from wire import Row

END = "suppressUntil"
MOST_RELEASES = 2
"""Of one list in one run, by the policy."""
ALLOWED_EMPTY = "us"
"""The list that may be empty, by the policy."""
AHEAD, WINDOW = timedelta(minutes=10), timedelta(minutes=11)
RELEASE_WITHIN = timedelta(days=14)
NEVER_ENDS = datetime.max.replace(tzinfo=NOW.tzinfo)

Rows = Mapping[str, Row]
Settings = dict[str, str | datetime | None]


@dataclass(frozen=True, kw_only=True)
class Declared:
    """A release as a spec declares it."""

    asked: datetime
    until: datetime | None


@dataclass(kw_only=True)
class Kept:
    """One list: what the spec says of it, and what is to be found at the service."""

    key: str
    wants: dict[str, Row] = field(default_factory=dict)
    releases: dict[str, Declared] = field(default_factory=dict)
    managed: Settings = field(default_factory=dict)
    held: dict[str, Row] = field(default_factory=dict)
    settings: Settings = field(default_factory=dict)
    spent: set[tuple[str, datetime]] = field(default_factory=set)
    """Releases that were carried out, by address and when they were asked for."""
    doubted: dict[tuple[str, datetime], datetime] = field(default_factory=dict)
    """Releases that were sent and never answered, and when."""

    def wanted(self, now: datetime) -> dict[str, Row]:
        """Who is to be suppressed."""
        return live(self.wants, now)

    def may_go(self, now: datetime) -> dict[str, Declared]:
        """Whose release still does something."""
        return {
            who: each
            for who, each in self.releases.items()
            if (who, each.asked) not in self.spent
            and now < each.asked + RELEASE_WITHIN
            and now < self.doubted.get((who, each.asked), now) + AHEAD
        }

    def let_go(self, as_of: datetime, now: datetime) -> dict[str, datetime | None]:
        """Who is to be let go, or shortened to when."""
        found = {}
        for who, each in self.may_go(now).items():
            end = end_of(live(self.held, as_of).get(who, ("", as_of)))
            until = each.until if each.until and each.until > as_of + WINDOW else None
            if who not in self.wanted(as_of) and end > as_of + WINDOW and (until or NOW) < end:
                found[who] = until
        return found


def live(rows: Rows, now: datetime) -> dict[str, Row]:
    """Return the rows that suppress somebody."""
    return {who: row for who, row in rows.items() if end_of(row) > now}


def end_of(row: Row) -> datetime:
    """Return when a row ends, as a time that can be compared."""
    return row[1] or NEVER_ENDS


@dataclass(frozen=True, kw_only=True)
class Upshot:
    """What a run leaves behind on one list beside what it did."""

    missed: bool
    """Somebody was turned away."""
    refused: bool
    """Policy said no to something."""


def carry_out(kept: Kept, unwelcome: Collection[str], as_of: datetime, now: datetime) -> Upshot:
    """Do to a list what a whole run does to it."""
    wanted, going = kept.wanted(as_of), kept.let_go(as_of, now)
    moved = {name: new for name, new in kept.managed.items() if kept.settings[name] != new}
    shrinks = _shrinks(kept, moved)
    lapsed = list_end(kept.settings) <= as_of
    size = 0 if lapsed else len(live(kept.held, as_of))
    count = size if shrinks else len(going)
    empty = not wanted and kept.key != ALLOWED_EMPTY and bool(moved or going)
    crowd = count > min(MOST_RELEASES, size)
    torn = bool(wanted.keys() & kept.may_go(now).keys())
    refused = empty or crowd or torn or (lapsed and END not in moved)
    missed = _suppress(kept, as_of, now, unwelcome)
    if not empty:
        kept.settings |= {name: new for name, new in moved.items() if name != END or not shrinks}
    if not (missed or empty or crowd):
        kept.settings |= moved
        missed = _release(kept, going, unwelcome, now)
    return Upshot(missed=missed, refused=refused)


def _suppress(kept: Kept, as_of: datetime, now: datetime, unwelcome: Collection[str]) -> bool:
    there = live(kept.held, as_of)
    missed = False
    for who, (reason, end) in live(kept.wanted(as_of), now).items():
        row = (
            max((reason, end), (reason, there[who][1]), key=end_of)
            if who in there
            else (reason, end)
        )
        if there.get(who) != row:
            missed |= who in unwelcome
            kept.held |= {who: row} if who not in unwelcome else {}
    return missed


def _release(
    kept: Kept, going: Mapping[str, datetime | None], unwelcome: Collection[str], now: datetime
) -> bool:
    for who, until in going.items():
        release = (who, kept.releases[who].asked)
        kept.doubted.pop(release, None)
        if who not in unwelcome:
            kept.held[who] = (kept.held[who][0], until or now + AHEAD)
            kept.spent.add(release)
    return bool(going.keys() & set(unwelcome))


def _shrinks(kept: Kept, moved: Settings) -> bool:
    return END in moved and list_end(moved) < list_end(kept.settings)


def list_end(settings: Settings) -> datetime:
    """Return a list's own end, as a time that can be compared."""
    end = settings[END]
    return end if isinstance(end, datetime) else NEVER_ENDS


@dataclass(kw_only=True)
class Watch:
    """One list while a run is at work on it: what may never be, whatever happens."""

    kept: Kept
    now: datetime
    before: dict[str, Row] = field(init=False)
    wanted: dict[str, Row] = field(init=False)
    may_go: dict[str, Declared] = field(init=False)
    end: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.before = live(self.kept.held, self.now)
        self.wanted = self.kept.wanted(self.now)
        self.may_go = self.kept.may_go(self.now)
        self.end = list_end(self.kept.settings)

    def judge(self, rows: Rows, found: Settings) -> None:
        """Look at the list as it is right now."""
        shortened = {
            who: rows.get(who)
            for who, row in self.before.items()
            if end_of(rows.get(who, ("", self.now))) < end_of(row)
        }
        assert not shortened.keys() & self.wanted.keys(), "somebody wanted was let go"
        assert shortened.keys() <= self.may_go.keys(), "somebody was let go whom nobody declared"
        assert len(shortened) <= MOST_RELEASES
        for who, row in shortened.items():
            assert row is not None
            until = self.may_go[who].until
            assert end_of(row) == max(until or self.now, self.now + AHEAD) or end_of(row) == until
        cut = list_end(found) < self.end
        assert not cut or found[END] == self.kept.managed.get(END)
        if shortened or cut:
            for who, row in self.wanted.items():
                assert end_of(rows.get(who, ("", self.now))) >= end_of(row), (
                    "release before suppress"
                )
