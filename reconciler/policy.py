"""The rules that say no: each looks at one list and yields refusals; pure.

A refusal is a value that withholds one direction of one list, never an exception, and all of
them are found at once. Whatever is in doubt is not released; nothing in doubt stops a
suppression. It never looks at a clock: time is an argument.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, Decimal

from reconciler.model import (
    Change,
    DesiredList,
    Direction,
    Freeze,
    ObservedList,
    Op,
    Overrides,
    Ownership,
    Policy,
    Refusal,
)
from reconciler.times import add_duration, zulu


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One list before the rules: what is wanted, what is, and what would change."""

    desired: DesiredList
    observed: ObservedList
    changes: tuple[Change, ...]
    policy: Policy
    overrides: Overrides
    as_of: datetime
    rivals: tuple[str, ...] = ()
    """Other specs' names of the very same list at the service."""

    @property
    def key(self) -> str:
        """Our name of the list."""
        return self.desired.spec.name

    @property
    def releases(self) -> int:
        """Contacts that would be let go or end earlier; all of them if the list itself would."""
        if any(change.shortens for change in self.changes):
            return self.observed.size
        return self.observed.gap.released + self.observed.gap.shortened

    @property
    def lets_go(self) -> bool:
        """Whether anything would end earlier."""
        return self.releases > 0 or any(change.shortens for change in self.changes)


def judge(case: Case) -> tuple[Refusal, ...]:
    """Return every refusal for one list, in the order of the rules."""
    return tuple(refusal for rule in _RULES for refusal in rule(case))


def _list_type(case: Case) -> Iterator[Refusal]:
    """A list of another type is never written."""
    remote = case.observed.remote
    if remote and remote.type != "suppression":
        yield _refusal(
            case,
            Direction.ALL,
            "list-type",
            f"list {remote.id} is of type {remote.type!r}, expected 'suppression'",
        )


def _rivals(case: Case) -> Iterator[Refusal]:
    """Two specs of one list would undo each other for ever."""
    if case.rivals:
        yield _refusal(
            case,
            Direction.ALL,
            "same-list",
            f"{' and '.join(sorted((case.key, *case.rivals)))} are one and the same list at the "
            "service; declare it once",
        )


def _gone(case: Case) -> Iterator[Refusal]:
    """A list that was there once is not made anew behind everybody's back."""
    if case.observed.remote is None and case.observed.known_id:
        yield _refusal(
            case,
            Direction.ALL,
            "list-gone",
            f"the ledger knows {case.key} as list {case.observed.known_id}, which the service no "
            "longer has; find out who removed it, then pin a listId or rename the spec",
        )


def _ledger(case: Case) -> Iterator[Refusal]:
    """Without a whole ledger nobody knows which releases are spent, and which lists were there."""
    if case.observed.ledger_doubt:
        absent = case.observed.remote is None
        yield _refusal(
            case,
            Direction.ALL if absent else Direction.RELEASE,
            "ledger",
            f"{case.observed.ledger_doubt}, so nobody knows "
            + ("whether this list was there before" if absent else "which releases are spent")
            + "; restore it from a backup, or take all releases out of the specs and move the "
            "ledger away",
        )


def _incomplete(case: Case) -> Iterator[Refusal]:
    """What was not read whole may hold anybody."""
    if not case.observed.complete:
        yield _refusal(
            case,
            Direction.SETTINGS,
            "incomplete-read",
            f"the list could not be read whole ({case.observed.incomplete_because}); only contacts "
            "without an end are suppressed",
        )


def _lapsed_list(case: Case) -> Iterator[Refusal]:
    """A list past its end suppresses nobody, and contacts cannot mend that."""
    revived = any(change.field == "suppressUntil" for change in case.changes)
    if case.observed.lapsed and not revived:
        yield _refusal(
            case,
            Direction.ROWS,
            "list-lapsed",
            f"the list's own end has passed, so its {case.desired.wanted:,} contacts are not "
            f"suppressed; declare list.suppressUntil ({case.desired.spec.place})",
        )


def _empty(case: Case) -> Iterator[Refusal]:
    """An empty desired list is far more often an accident than a wish."""
    allowed = case.key in (*case.policy.allow_empty, *case.overrides.allow_empty)
    if case.desired.wanted or allowed or not (case.changes or case.lets_go):
        return
    yield _refusal(
        case,
        Direction.SETTINGS,
        "allow-empty",
        f"{case.key} declares no contact, and is not in allowEmpty{_where(case, 'allowEmpty')}",
        override=f"--allow-empty {case.key}",
    )


def _owned(case: Case) -> Iterator[Refusal]:
    """Exclusive ownership lets nobody go on the word of an incomplete spec."""
    kept = case.observed.gap.surplus - case.observed.gap.opaque + case.observed.gap.longer
    if case.desired.spec.ownership is Ownership.EXCLUSIVE and not case.desired.whole and kept:
        yield _refusal(
            case,
            Direction.ROWS,
            "exclusive-whole",
            f"{kept:,} contacts the spec lacks are kept: {case.desired.counts.invalid:,} rows are "
            "quarantined, or a source or a file of it is empty",
        )


def _wanted(case: Case) -> Iterator[Refusal]:
    """Wanted wins over a release."""
    part = case.observed.gap.parts.get(Op.CONFLICT)
    if part:
        samples = case.observed.gap.samples.get(Op.CONFLICT, ())
        shown = ", ".join(f"{sample.address} ({sample.source}:{sample.line})" for sample in samples)
        yield _refusal(
            case,
            Direction.ROWS,
            "wanted",
            f"{part.rows:,} declared to be released and still wanted: {shown}; take each out of "
            "the contacts or delete its release",
        )


def _stale_feed(case: Case) -> Iterator[Refusal]:
    """A feed that is too old cannot say who may be let go."""
    if case.key in case.overrides.accept_stale_feed:
        return
    for feed in case.desired.feeds:
        if feed.as_of and feed.max_age and add_duration(feed.as_of, feed.max_age) < case.as_of:
            yield _refusal(
                case,
                Direction.RELEASE,
                "stale-feed",
                f"the feed {feed.path} is as of {zulu(feed.as_of)}, older than its maxAge "
                f"{feed.max_age} ({feed.place})",
                override=f"--accept-stale-feed {case.key}",
            )


def _freeze(case: Case) -> Iterator[Refusal]:
    """In a freeze nobody is let go."""
    if case.overrides.ignore_freeze or not case.lets_go:
        return
    for window in case.policy.freeze:
        if _covers(window, case.as_of):
            yield _refusal(
                case,
                Direction.RELEASE,
                "freeze",
                f"{_releases(case.releases)} in the freeze until {zulu(window.end)}, "
                f"{window.why} ({window.place})",
                override="--ignore-freeze",
            )


def _max_releases(case: Case) -> Iterator[Refusal]:
    """Both bounds bind, the share and the count; an override replaces both."""
    value, size = case.releases, case.observed.size
    override = case.overrides.max_releases
    where = _where(case, "maxReleases")
    flags = f"--max-releases {value}"
    if override is not None:
        if value > override:
            text = f"{_releases(value)} is over --max-releases {override:,}"
            yield _refusal(case, Direction.RELEASE, "max-releases", text, override=flags)
        return
    share = case.policy.max_release_share
    if value > (share * size).to_integral_value(ROUND_CEILING):
        text = f"{_releases(value)} is {_percent(value, size)} of {size:,}, over maxReleases "
        text += f"{_plain(share * 100)}%{where}"
        yield _refusal(case, Direction.RELEASE, "max-releases", text, override=flags)
    elif value > case.policy.max_release_count:
        text = f"{_releases(value)} is over maxReleases {case.policy.max_release_count:,}{where}"
        yield _refusal(case, Direction.RELEASE, "max-releases", text, override=flags)


def _max_suppressions(case: Case) -> Iterator[Refusal]:
    """A list that suddenly grows past this bound is looked at first."""
    gap = case.observed.gap
    endless = gap.endless_missing.rows if gap.endless_missing else 0
    value = gap.missing if case.observed.complete else endless
    override = case.overrides.max_suppressions
    limit = case.policy.max_suppressions if override is None else override
    if value > limit:
        source = "--max-suppressions" if override is not None else "maxSuppressions"
        yield _refusal(
            case,
            Direction.SUPPRESS,
            "max-suppressions",
            f"{value:,} to suppress is over {source} {limit:,}{_where(case, 'maxSuppressions')}",
            override=f"--max-suppressions {value}",
        )


_RULES = (
    _list_type,
    _rivals,
    _gone,
    _ledger,
    _incomplete,
    _lapsed_list,
    _empty,
    _owned,
    _wanted,
    _stale_feed,
    _freeze,
    _max_releases,
    _max_suppressions,
)


def _refusal(
    case: Case, direction: Direction, rule: str, message: str, *, override: str = ""
) -> Refusal:
    return Refusal(key=case.key, direction=direction, rule=rule, message=message, override=override)


def _covers(window: Freeze, moment: datetime) -> bool:
    return window.start <= moment <= window.end


def _where(case: Case, bound: str) -> str:
    place = case.policy.places.get(bound)
    return f" ({place.path}:{place.line})" if place else " (the default)"


def _releases(count: int) -> str:
    return f"{count:,} release{'s' * (count != 1)}"


def _percent(value: int, size: int) -> str:
    return f"{100 * value / size:.1f}%" if size else "all"


def _plain(number: Decimal) -> str:
    """Write a decimal without an exponent or trailing zeros."""
    return f"{number.normalize():f}"
