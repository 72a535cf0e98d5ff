"""What pages are put together from, whatever noun they show; pure.

Values that a template only has to place: every foreign text in them is scrubbed where somebody
else may have written an address into it. Templates escape them and take out what cannot be seen.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal, TypeAlias

from reconciler.masking import scrub
from reconciler.model import (
    Change,
    Failure,
    Feed,
    Op,
    Overrides,
    Problem,
    Refusal,
    Sample,
)
from reconciler.times import zulu
from reconciler.views import counting, wording
from reconciler.views.page import words

Tone: TypeAlias = Literal["release", "protect", "amend", "keep", "warn", "calm"]
"""How loud something is; a template makes a colour of it, always beside words."""

TONES: Final[Mapping[Op, Tone]] = {
    Op.SUPPRESS: "protect",
    Op.AMEND: "amend",
    Op.PART: "amend",
    Op.SHORTEN: "release",
    Op.RELEASE: "release",
    Op.SURPLUS: "keep",
    Op.LONGER: "keep",
    Op.CONFLICT: "warn",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One number to see first."""

    label: str
    number: str
    text: str
    tone: Tone = "calm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something to know before anything else is read."""

    title: str
    lines: tuple[str, ...]
    tone: Tone = "warn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One refusal: what is held back, why, and what would allow it once."""

    key: str
    withholds: str
    rule: str
    message: str
    override: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Age:
    """One source of contacts, with its age."""

    key: str
    path: str
    rows: int
    files: int
    as_of: str
    age: str
    limit: str
    stale: bool
    accepted: bool
    """Whether it may be too old for once: the command line says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One setting, before and after."""

    field: str
    old: str
    new: str
    shortens: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Some contacts of one op, masked."""

    symbol: str
    word: str
    title: str
    tone: Tone
    rows: tuple[Mapping[str, str], ...]
    more: int
    """How many more there are; 0 also where nobody counted."""


def again(counted: counting.Again) -> Tile:
    """Return the tile of who may be called or mailed again, or sooner."""
    return Tile(
        label="May be called or mailed again",
        number=f"{counted.contacts:,}",
        text=words.again_parts(counted),
        tone="calm" if counted.nobody else "release",
    )


def held(refusals: Iterable[Refusal]) -> tuple[Held, ...]:
    """Return refusals in the order in which they were made."""
    return tuple(
        Held(
            key=each.key,
            withholds=wording.WITHHELD[each.direction],
            rule=each.rule,
            message=each.message,
            override=_override(each),
        )
        for each in refusals
    )


def ages(
    feeds: Iterable[tuple[str, Feed]], now: datetime, *, accepted: Sequence[str] = ()
) -> tuple[Age, ...]:
    """Return feeds with their ages, those that are too old first."""
    found = [
        Age(
            key=key,
            path=feed.path,
            rows=feed.rows,
            files=len(feed.files),
            as_of=zulu(feed.as_of) if feed.as_of else "not told",
            age=words.age(feed.as_of, now),
            limit=words.span(feed.max_age),
            stale=feed.stale,
            accepted=key in accepted,
        )
        for key, feed in feeds
    ]
    return tuple(sorted(found, key=lambda each: not each.stale))


def moves(changes: Iterable[Change], *, new: bool = False) -> Iterator[Move]:
    """Yield settings as they are spelled everywhere.

    Args:
        changes: the settings.
        new: whether the list is to be made, so that there is nothing before.
    """
    for change in changes:
        yield Move(
            field=change.field,
            old="" if new else wording.setting(change, change.old),
            new=wording.setting(change, change.new),
            shortens=change.shortens and not new,
        )


def shown(samples: Mapping[Op, Sequence[Sample]], totals: Mapping[Op, int]) -> Iterator[Shown]:
    """Yield masked samples, op by op.

    Args:
        samples: some contacts of each op.
        totals: the ops to show, in that order, with how many contacts each has; 0 is not counted.
    """
    for op, total in totals.items():
        symbol, word, _ = wording.SYMBOLS[op]
        rows = tuple(map(_row, samples.get(op, ())))
        if rows:
            yield Shown(
                symbol=symbol,
                word=word,
                title=words.DONE_TO.get(op, word),
                tone=TONES[op],
                rows=rows,
                more=max(total - len(rows), 0),
            )


def alerts(
    failures: Sequence[Failure] = (),
    stale: Sequence[Age] = (),
    problems: Sequence[Problem] = (),
    overrides: Overrides | None = None,
) -> Iterator[Alert]:
    """Yield what any page must say first: what is unknown, too old, or was allowed by hand."""
    if failures:
        lines = tuple(
            f"{each.key}: {each.message}" + (f" ({each.hint})" if each.hint else "")
            for each in failures
        )
        yield Alert(title="Not all clear: these lists could not be worked on", lines=lines)
    if stale:
        lines = tuple(
            f"{each.key}: {each.path} is {each.age} old, at most {each.limit} is allowed"
            + (": accepted by hand for this run" if each.accepted else ": nobody is released")
            for each in stale
        )
        yield Alert(title="Feeds that are too old", lines=lines)
    if overrides and overrides.given:
        given = wording.overrides(replace(overrides, reason=scrub(overrides.reason)))
        yield Alert(title="Limits were lifted by hand for this run", lines=(given,))
    if problems:
        lines = tuple(str(each) for each in sorted(problems))
        yield Alert(title="Warnings about the specs", lines=lines, tone="calm")


def _override(refused: Refusal) -> str:
    if not refused.override or "--reason" in refused.override:
        return refused.override
    return f'{refused.override} --reason "…"'


def _row(sample: Sample) -> Mapping[str, str]:
    safe = wording.masked(sample)
    return {
        "address": safe.address,
        "reason": safe.reason or "",
        "end": wording.end(safe.until),
        "place": wording.declared_at(safe.source, safe.line),
        "note": safe.note,
    }
