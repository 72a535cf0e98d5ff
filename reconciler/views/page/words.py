"""Sentences for somebody who has never seen a terminal; pure.

One person here is one address on one list: an email or a phone number. What counts for a limit
counts here too: whoever is released or shortened may be called or mailed again.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from reconciler.model import Drift, Failure, Op, Plan, Receipt
from reconciler.views import counting
from reconciler.views.counting import Again
from reconciler.views.wording import plural

DONE_TO: Final = MappingProxyType(
    {
        Op.SUPPRESS: "Newly protected",
        Op.AMEND: "Protected for longer, or for another reason",
        Op.SHORTEN: "Protected for less time",
        Op.RELEASE: "Released",
        Op.SURPLUS: "Protected, though not declared",
        Op.LONGER: "Protected for longer than declared",
    }
)
"""What becomes of contacts, in plain words; the symbol and its word stand beside it."""

_SPAN: Final = re.compile(r"P(\d+)([YMWD])")
_UNITS: Final = MappingProxyType({"Y": "year", "M": "month", "W": "week", "D": "day"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a page says first: one sentence, and one of what it leaves open."""

    first: str
    then: str


def planned(made: Plan) -> Opening:
    """Say in one sentence how many people may be called or mailed again, and how many no longer."""
    counts = counting.planned(made)
    again = counting.again(made)
    refused, unread = _refused(len(made.refusals)), _unread(made.failures)
    if again.endings:
        otherwise = _otherwise(counts.amend) if counts.amend else ""
        return _with_lists(again, counts.suppress, otherwise, refused, unread)
    if made.empty:
        told = "Nothing would be done" if made.refusals else "Nothing changes"
        if not made.refusals and not made.failures:
            told += ": the service matches the specs"
    elif again.alone or counts.suppress or not counts.amend:
        told = f"{_again(again.alone)}, {_protected(counts.suppress)}"
    else:
        told = f"Nobody may be called or mailed again, {_otherwise(counts.amend)}"
    return _opening(told, refused, unread)


def applied(done: Receipt, made: Plan | None = None) -> Opening:
    """Say likewise what a run has done, by the plan that it carried out."""
    if counting.nothing_done(done):
        return _opening("Nothing was to be done: the service matches the specs")
    counts = counting.applied(done.outcomes)
    again = counting.again_done(done, made)
    told = f"{_again(again.alone)}, {_protected(counts.suppressed)}"
    rejected = f"{counts.rejected:,} not accepted" if counts.rejected else ""
    others = (rejected, _refused(len(done.refusals)), _unread(done.failures))
    if again.endings or again.unclear:
        return _with_lists(again, counts.suppressed, *others)
    return _opening(told, *others)


def drifted(found: Drift) -> Opening:
    """Say whether everybody is protected who should be."""
    counts = counting.drifted(found)
    doubt = _unread(found.failures) or _half_read(found)
    if counts.missing:
        who = "1 person is" if counts.missing == 1 else f"{counts.missing:,} people are"
        told = f"{who} not protected who should be"
    elif doubt:
        told = "Nobody is known to be unprotected, but it is not all clear"
    elif counts.differ or counts.surplus or counts.longer:
        told = "Everybody is protected who should be, though not all as declared"
    else:
        told = "Everybody is protected as declared"
    return _opening(told, doubt)


def missing(found: Drift) -> str:
    """Say what it means that so many, or none, are missing."""
    if counting.drifted(found).missing:
        return "Declared, and not on the list: they may be called or mailed against their will."
    if found.failures or _half_read(found):
        return "None in what could be read, which is not everything."
    return "Everybody who is declared was found on their list."


def again_parts(again: Again) -> str:
    """Say how those may be called or mailed again."""
    if again.nobody:
        return "Nobody is released, and nobody is protected for less time."
    told = [f"{_whole(again)}."] if again.endings or again.unclear else []
    if again.alone:
        told.append(f"{again.released:,} released, {again.shortened:,} protected for less time.")
    return " ".join(told)


def age(as_of: datetime | None, now: datetime) -> str:
    """Say how old something is, in whole days."""
    if as_of is None:
        return "not told"
    return plural((now - as_of).days, "day") if now >= as_of else "dated ahead"


def span(limit: str | None) -> str:
    """Spell an ISO 8601 duration of one unit in words; any other stays as it is written."""
    if limit is None:
        return "no limit"
    match = _SPAN.fullmatch(limit.strip())
    return plural(int(match[1]), _UNITS[match[2]]) if match else limit


def day(moment: datetime) -> str:
    """Spell a time for people: ``23 November 2026, 10:15 UTC``."""
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"


def _with_lists(again: Again, protected: int, *others: str) -> Opening:
    """Say first that whole lists end, and then who else may be called or mailed again."""
    alone = _again(again.alone) if again.alone else ""
    return _opening(_whole(again), alone, _protected(protected), *others)


def _whole(again: Again) -> str:
    if not again.endings:
        return f"The own end of {plural(len(again.unclear), 'list')} was changed"
    if len(again.endings) == 1:
        (one,) = again.endings
        people = plural(one.contacts, "person", "people")
        return f"The whole list {one.key} ends earlier, with its {people}"
    people = plural(sum(each.contacts for each in again.endings), "person", "people")
    return f"{len(again.endings):,} whole lists end earlier, with their {people}"


def _again(count: int) -> str:
    who = {0: "Nobody", 1: "1 person"}.get(count, f"{count:,} people")
    return f"{who} may be called or mailed again"


def _protected(count: int) -> str:
    who = {0: "nobody is", 1: "1 is"}.get(count, f"{count:,} are")
    return f"{who} newly protected"


def _otherwise(count: int) -> str:
    return f"{count:,} {'is' if count == 1 else 'are'} protected for longer or for another reason"


def _refused(count: int) -> str:
    if not count:
        return ""
    return "1 thing is refused" if count == 1 else f"{count:,} things are refused"


def _unread(failures: Iterable[Failure]) -> str:
    count = len({failure.key for failure in failures})
    return f"{plural(count, 'list')} could not be worked on" if count else ""


def _half_read(found: Drift) -> str:
    count = sum(not listed.complete for listed in found.lists)
    return f"{plural(count, 'list')} could not be read whole" if count else ""


def _opening(first: str, *others: str) -> Opening:
    told = ", ".join(filter(None, others))
    return Opening(first=f"{first}.", then=f"{told[0].upper()}{told[1:]}." if told else "")
