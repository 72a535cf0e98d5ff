"""What the evidence tells of one address on one list at a time: suppressed, since when, by whom.

It is decided from what runs did and found, in the order in which they did it, and from nothing
else. What the evidence cannot tell is said to be in doubt or unknown, never guessed. Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import takewhile
from typing import Final

from reconciler.model import RELEASE_AHEAD, Op, Status

FOUND: Final = "found"
"""Op and status of what was on a list before a run first worked on it."""
UNCERTAIN: Final = "uncertain"
"""Status of a row that was sent by a run that died, nobody knows with what effect."""
_OTHERS: Final = "what others did since does not stand in the evidence"
_FOUND: Final = f"it was there already when the first run looked; {_OTHERS}"
_NEVER: Final = (
    f"no run has put it there, and it was not there when the first one looked; {_OTHERS}"
)
_DONE: Final = str(Status.DONE)
_LOST: Final = frozenset({str(Status.FAILED), UNCERTAIN})
_ADDING: Final = frozenset({str(Op.SUPPRESS), str(Op.AMEND), str(Op.PART)})


class State(StrEnum):
    """What is known of an address on a list at a time."""

    SUPPRESSED = "suppressed"
    NOT_SUPPRESSED = "not suppressed"
    IN_DOUBT = "in doubt"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What one run did, or found, to one address on one list."""

    run: str
    at: datetime
    """When it was answered or found; where nobody answered, when its run ended."""
    number: int = 0
    """Of the run's last line in the ledger: what happened in one second happened in this order."""
    op: str
    status: str
    reason: str = ""
    until: datetime | None = None
    basis: str = ""
    source: str = ""
    line: int = 0
    requested_at: datetime | None = None
    command: str = ""
    commit: str = ""
    actor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known of an address on one list at one time."""

    key: str
    state: State
    since: datetime | None = None
    """From when on it was so; of a contact that was found, when it was."""
    until: datetime | None = None
    """Until when, as far as was known at that time; ``None`` for no end."""
    by: Event | None = None
    """What made it so."""
    why: str = ""
    """What there is to say about it beside that."""
    events: tuple[Event, ...] = ()
    """All that the evidence holds, later ones too, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the ledger tells of one list."""

    begins: datetime
    """When a run first carried something out on it."""
    ends: Sequence[tuple[datetime, datetime | None]] = ()
    """The list's own end as runs left it: since when, and which; in order."""
    gaps: Sequence[datetime] = ()
    """When runs worked on it of which it is not known any more what they did to whom."""


def standing(key: str, events: Iterable[Event], known: Known, *, at: datetime) -> Standing:
    """Say how an address stood on a list at a time.

    Args:
        key: of the list.
        events: all of the address on this list, in any order.
        known: of the list.
        at: the time that is asked for, aware.
    """
    told = tuple(sorted(events, key=lambda event: (event.at, event.number)))
    now = Standing(key=key, state=State.UNKNOWN, events=told)
    if at < known.begins:
        return replace(now, why="this is before the first run that worked on the list")
    now = replace(
        now,
        state=State.NOT_SUPPRESSED,
        since=known.begins,
        why=_NEVER,
    )
    for event in takewhile(lambda event: event.at <= at, told):
        now = _after(now, event)
    now = _ended(now, known, at=at)
    return _forgotten(_missed(now, at=at), known, at=at)


def _after(now: Standing, event: Event) -> Standing:
    """Return how it stands after one more event."""
    if event.status in _LOST:
        return _lost(now, event)
    if event.status not in (_DONE, FOUND):
        return now  # rejected, withheld or lapsed: nothing was written
    if event.op == Op.RELEASE:
        return replace(
            now,
            state=State.NOT_SUPPRESSED,
            since=event.at,
            until=None,
            by=event,
            why=f"released; it takes effect within {RELEASE_AHEAD.seconds // 60} minutes at most",
        )
    held = now.state is State.SUPPRESSED and not _over(now, event.at)
    if event.op == FOUND and held:
        return now
    return replace(
        now,
        state=State.SUPPRESSED,
        since=now.since if held and event.op != Op.SUPPRESS else event.at,
        until=event.until,
        by=event,
        why=_FOUND if event.op == FOUND else "",
    )


def _lost(now: Standing, event: Event) -> Standing:
    """Return how it stands after something was sent, nobody knows with what effect."""
    held = now.state is State.SUPPRESSED and not _over(now, event.at)
    if held and event.op in _ADDING:
        return now  # what was to make it longer did not make it shorter
    why = "this was sent, and nobody knows with what effect"
    return replace(now, state=State.IN_DOUBT, since=event.at, until=None, by=event, why=why)


def _over(now: Standing, at: datetime) -> bool:
    return now.until is not None and now.until <= at


def _ended(now: Standing, known: Known, *, at: datetime) -> Standing:
    """Take into account that suppressions end, with the contact or with the whole list."""
    if now.state is not State.SUPPRESSED:
        return now
    told = [end for since, end in known.ends if since <= at]
    whole = told[-1] if told else None
    ends = min((end for end in (now.until, whole) if end), default=None)
    if ends is None or ends > at:
        return replace(now, until=ends)
    whose = "the list itself" if ends == whole else "it"
    return replace(now, state=State.NOT_SUPPRESSED, since=ends, until=None, why=f"{whose} ended")


def _missed(now: Standing, *, at: datetime) -> Standing:
    """Take into account that a later run had to suppress it anew: somebody had taken it off."""
    if now.state is not State.SUPPRESSED:
        return now
    later = [event for event in now.events if event.at > at and event.status == _DONE]
    if not later or later[0].op != Op.SUPPRESS:
        return now
    if now.until is not None and now.until <= later[0].at:
        return now  # it had ended by then
    return replace(
        now,
        state=State.IN_DOUBT,
        why=f"run {later[0].run} found it missing: somebody else took it off, nobody knows when",
    )


def _forgotten(now: Standing, known: Known, *, at: datetime) -> Standing:
    """Take into account that runs since may have done something of which the rows are gone."""
    said = now.by.at if now.by else known.begins
    gaps = sum(said <= gap <= at for gap in known.gaps)
    if not gaps:
        return now
    return replace(
        now,
        state=State.UNKNOWN,
        since=None,
        until=None,
        why=f"the rows of {gaps:,} runs on this list by then are not in the evidence any more",
    )


def by_list(
    events: Mapping[str, Sequence[Event]], known: Mapping[str, Known], *, at: datetime
) -> tuple[Standing, ...]:
    """Say how an address stood on every list that the ledger knows, those with events first."""
    keys = sorted({*known, *events}, key=lambda key: (not events.get(key), key))
    nowhere = Known(begins=datetime.max.replace(tzinfo=at.tzinfo))
    return tuple(
        standing(
            key,
            events.get(key, ()),
            known.get(key) or _begun(events.get(key, ()), nowhere),
            at=at,
        )
        for key in keys
    )


def _begun(events: Sequence[Event], otherwise: Known) -> Known:
    """Return what is known of a list of which only these events tell."""
    return Known(begins=min(event.at for event in events)) if events else otherwise
