"""The words, symbols and safe spellings that views share; pure.

Every foreign text passes ``clean`` and every sample ``masked``: no control character reaches a
terminal from here, and no address that is not masked.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Final

from reconciler.masking import clean, mask, scrub
from reconciler.model import (
    LAPSING_SOON,
    UNMANAGED,
    Change,
    Direction,
    Drift,
    Feed,
    Ground,
    Op,
    Origin,
    Outcome,
    Overrides,
    Plan,
    Policy,
    Receipt,
    Refusal,
    RejectedContact,
    Sample,
    Settings,
    Way,
)
from reconciler.times import zulu
from reconciler.views import counting

MATCHES: Final = "No changes. The service matches the specs. Surplus kept: {surplus:,}."

SYMBOLS: Final[Mapping[Op, tuple[str, str, str]]] = MappingProxyType(
    {
        Op.SUPPRESS: ("+", "suppress", "green"),
        Op.AMEND: ("~", "amend", "yellow"),
        Op.PART: ("~", "separate", "yellow"),
        Op.SHORTEN: (">", "shorten", "magenta"),
        Op.RELEASE: ("-", "release", "bold red"),
        Op.SURPLUS: ("?", "surplus", "cyan"),
        Op.LONGER: ("?", "longer", "cyan"),
        Op.CONFLICT: ("!", "conflict", "red"),
    }
)
"""Symbol, word and style of each op; the word always stands beside the symbol."""

WITHHELD: Final[Mapping[Direction, str]] = MappingProxyType(
    {
        Direction.SUPPRESS: "suppressions",
        Direction.RELEASE: "shortenings and releases",
        Direction.SETTINGS: "settings, shortenings and releases",
        Direction.ALL: "the whole list",
        Direction.ROWS: "these contacts only",
    }
)
"""What each direction of a refusal holds back, in words."""


def masked(sample: Sample) -> Sample:
    """Return the sample, its address masked if whoever made it forgot to."""
    return sample if "•" in sample.address else replace(sample, address=mask(sample.address))


def scrubbed(outcome: Outcome) -> Outcome:
    """Return the outcome with everything the service wrote freed of addresses."""
    rejections = tuple(
        replace(rejection, message=scrub(rejection.message)) for rejection in outcome.rejections
    )
    return replace(outcome, detail=scrub(outcome.detail), rejections=rejections)


def unnamed(one: RejectedContact) -> RejectedContact:
    """Return a refused contact with what the service wrote freed of addresses, and masked."""
    address = one.address if "•" in one.address else mask(one.address)
    return replace(one, address=address, message=scrub(one.message))


def plural(count: int, one: str, many: str = "") -> str:
    """Return ``1 file``, ``2 files``, ``1,234 files``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def end(until: datetime | None) -> str:
    """Say until when."""
    return "without end" if until is None else f"until {zulu(until)}"


def setting(change: Change, value: str | None) -> str:
    """Spell the old or the new value of a setting."""
    if change.field == "suppressUntil":
        return value or "never"
    return "(none)" if value is None else f'"{clean(scrub(value))}"'


def declared(settings: Settings) -> tuple[Change, ...]:
    """Return the settings of a list to be made, as changes from nothing."""
    until = settings.suppress_until
    values = {
        "name": settings.name,
        "description": settings.description,
        "suppressUntil": zulu(until) if isinstance(until, datetime) else until,
    }
    return tuple(
        Change(field=field, old=None, new=values[field])
        for field in ("name", "description", "suppressUntil")
        if values[field] is not UNMANAGED
    )


def refusal(refused: Refusal) -> str:
    """Return the summary line of a refusal, with the exact flags that allow it once."""
    line = f"Refused: {clean(refused.message).rstrip('.')}"
    if not refused.override:
        return f"{line}."
    reason = "" if "--reason" in refused.override else ' --reason "…"'
    return f"{line}. To allow it once: {clean(refused.override)}{reason}"


def plainly(made: Plan) -> str:
    """Say what a plan comes to for people, in whole sentences and without a term of ours."""
    counts = counting.planned(made)
    unread = len({failure.key for failure in made.failures})
    told = [f"What becomes of {plural(unread, 'list')} is not known."] if unread else []
    told += _again(counting.again(made), than="until now", unread=unread)
    told += [
        _people(counts.suppress, "will no longer be called or mailed"),
        _people(counts.amend, "on a list already {get} a later end or another reason"),
    ]
    if made.refusals:
        told.append(f"Policy refuses {plural(len(made.refusals), 'thing')}, which is left undone.")
    return " ".join(part for part in told if part)


def plainly_done(done: Receipt, made: Plan | None = None) -> str:
    """Say what a run came to for people, likewise.

    Args:
        done: the receipt.
        made: the plan it carried out, which says how large a list is that ends earlier.
    """
    counts = counting.applied(done.outcomes)
    unread = len({failure.key for failure in done.failures})
    told = [f"What became of {plural(unread, 'list')} is not known."] if unread else []
    told += _again(counting.again_done(done, made), than="before", unread=unread)
    told += [
        _people(counts.suppressed, "will no longer be called or mailed"),
        _people(counts.amended, "on a list already got a later end or another reason"),
        _people(counts.rejected, "could not be put in place: the service refused them"),
    ]
    if done.refusals:
        told.append(f"Policy refused {plural(len(done.refusals), 'thing')}, which was left undone.")
    return " ".join(part for part in told if part)


def _again(let_go: counting.Again, *, than: str, unread: int) -> list[str]:
    """Say who may be called again, whole lists first; that nobody may only where it is so."""
    if let_go.nobody:
        return [_nobody(unread)]
    return [
        *(
            f"The whole list {clean(each.key)} ends earlier, with its "
            f"{plural(each.contacts, 'contact')}."
            for each in let_go.endings
        ),
        *(f"The own end of the list {clean(key)} was changed." for key in let_go.unclear),
        _people(let_go.released, "may be called or mailed again"),
        _people(let_go.shortened, f"may be called or mailed sooner than {than}"),
    ]


def _nobody(unread: int) -> str:
    which = "of the other lists " if unread else ""
    return f"Nobody {which}may be called or mailed again."


def _people(count: int, what: str) -> str:
    """Say of how many contacts something is so; nothing of none."""
    verb = "gets" if count == 1 else "get"
    return f"{plural(count, 'contact')} {what.format(get=verb)}." if count else ""


def postponed(actions: int) -> str:
    """Say what was left out because only suppressions were asked for; empty where nothing was."""
    if not actions:
        return ""
    what = "change of settings, shortening or release waits"
    many = "changes of settings, shortenings or releases wait"
    return f"{plural(actions, what, many)} for a run without --suppress-only."


def ground(why: Ground) -> str:
    """Say why contacts are let go: the basis, the ticket, and who asked for it."""
    ticket = f" ({clean(why.ticket)})" if why.ticket else ""
    asked = f", asked for by {clean(why.requested_by)}" if why.requested_by else ""
    return f"{clean(why.basis) or 'no basis given'}{ticket}{asked}"


def declared_at(path: str, line: int) -> str:
    """Spell where something is declared."""
    return clean(f"{path}:{line}" if path and line else path)


def policy(bounds: Policy, *, as_of: datetime) -> str:
    """Spell the bounds that a plan was held to, and where they are set."""
    share = f"{(bounds.max_release_share * 100).normalize():f}"
    told = [
        f"maxReleases {share}% and {bounds.max_release_count:,} a list",
        f"maxSuppressions {bounds.max_suppressions:,} a list",
        f"releaseWithin {plural(bounds.release_within.days, 'day')}",
        *(
            f"freeze until {zulu(each.end)} ({clean(each.why)})"
            for each in bounds.freeze
            if each.end >= as_of
        ),
    ]
    where = clean(str(bounds.place)) if bounds.place else "the defaults"
    return f"{', '.join(told)} ({where})"


_PENDING: Final[Mapping[Way, str]] = MappingProxyType(
    {
        "missing": "pending (the spec changed, or the last apply left it undone)",
        "differ": "pending (the spec changed, or the last apply left it undone)",
        "surplus": "no longer declared, or with a release to come",
        "longer": "declared otherwise by now",
    }
)
"""What it means that our side made contacts differ: who is kept is not about to go."""


def origin(made: Origin, way: Way = "missing") -> str:
    """Say who made contacts differ in one direction; empty where nobody asked."""
    told = {
        _PENDING[way]: made.pending,
        "outside (the service changed)": made.outside,
        "of unknown origin": made.unknown,
    }
    return ", ".join(f"{count:,} {word}" for word, count in told.items() if count)


def lapsing(contacts: int) -> str:
    """Say how many contacts come off their list by themselves before long."""
    what = "comes off by itself" if contacts == 1 else "come off by themselves"
    return f"{contacts:,} {what} within {LAPSING_SOON.days} days"


def stale(found: Drift) -> str:
    """Name the feeds of a report that are too old; empty where none is."""
    told = [f"{x.key} ({feed.path})" for x in found.lists for feed in x.stale_feeds]
    return f"Feeds too old, nobody is released: {clean(', '.join(told))}." if told else ""


def untold(why: str) -> str:
    """Say why nobody knows who made contacts differ."""
    return f"what is pending and what changed outside cannot be told apart: {why}"


def feed(read: Feed, *, as_of: datetime | None) -> str:
    """Return one line on a source: rows, files, and how old it is."""
    line = f"{clean(read.path)}: {plural(read.rows, 'row')} in {plural(len(read.files), 'file')}"
    if read.as_of:
        line += f", as of {zulu(read.as_of)}"
    if read.as_of and as_of and as_of >= read.as_of:
        line += f", {plural((as_of - read.as_of).days, 'day')} old"
    if read.max_age:
        line += f", at most {read.max_age}"
    return f"{line}: too old to let anybody go, unless it is accepted" if read.stale else line


def overrides(given: Overrides) -> str:
    """Spell overrides as the flags they were given with."""
    flags = [
        *([f"--max-releases {given.max_releases}"] if given.max_releases is not None else []),
        *(
            [f"--max-suppressions {given.max_suppressions}"]
            if given.max_suppressions is not None
            else []
        ),
        *(f"--allow-empty {key}" for key in given.allow_empty),
        *(["--ignore-freeze"] if given.ignore_freeze else []),
        *(f"--accept-stale-feed {key}" for key in given.accept_stale_feed),
    ]
    return clean(" ".join([*flags, f'--reason "{given.reason}"']))


def effort(metrics: Mapping[str, object]) -> str:
    """Say how hard a run had to try: retries, waits and version conflicts; empty where none."""
    retries, waits, conflicts = (_number(metrics, key) for key in ("retries", "waits", "conflicts"))
    told = [
        plural(int(retries), "retry", "retries") if retries else "",
        f"{plural(int(waits), 'wait')} of {_number(metrics, 'wait_seconds'):.1f} s"
        if waits
        else "",
        plural(int(conflicts), "version conflict") if conflicts else "",
    ]
    told = [part for part in told if part]
    return f"Effort: {', '.join(told)}." if told else ""


def _number(metrics: Mapping[str, object], key: str) -> float:
    """Return a measured number, added up where metrics stand by tenant."""
    found = metrics.get(key)
    if isinstance(found, int | float):
        return found
    return sum(_number(held, key) for held in metrics.values() if isinstance(held, Mapping))
