"""Pictures as numbers: how long a bar is and where a column stands; pure.

Every picture carries its figures beside the lengths, so that a template can always write them out:
nobody has to see a picture to know what it says. It never decides about colours or words.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from reconciler.model import Ends

MOST: Final = 12
"""Bars of one picture; the others are summed up."""
WIDTH: Final = 720
HEIGHT: Final = 150
"""Of the time line's drawing area, in its own units."""
_MONTHS: Final = 13
"""A year ahead, from the middle of a month to the middle of a month."""
_LEAST: Final = 0.6
"""A bar's length in percent at least: what is there is seen."""
_SHORT: Final = 100_000
_UNITS: Final = ((1_000_000_000, "bn"), (1_000_000, "m"), (1_000, "k"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One figure with its length, in percent of the longest."""

    label: str
    count: int
    length: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """A list's size before and after, as two bars."""

    key: str
    before: Bar
    after: Bar

    @property
    def change(self) -> int:
        """How many more it suppresses afterwards."""
        return self.after.count - self.before.count


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One month of a time line: its bar for narrow pages, and its column for wide ones."""

    bar: Bar
    short: str
    tick: str
    year: str
    """Under the first column, and where a year begins."""
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLine:
    """When contacts come off their lists by themselves."""

    columns: tuple[Column, ...]
    within: int
    """Contacts that end in these months."""
    later: int
    endless: int

    @property
    def told(self) -> int:
        """Contacts that it speaks of."""
        return self.within + self.later + self.endless


def bars(counts: Mapping[str, int], *, others: str, total: int | None = None) -> tuple[Bar, ...]:
    """Return the largest counts as bars, the others summed up in a last one.

    Args:
        counts: by label; what stands under an empty label is one of the others.
        others: the label of the last one.
        total: what the bars must add up to; what is missing is among the others.
    """
    ranked = sorted(
        ((label, count) for label, count in counts.items() if label and count),
        key=lambda each: (-each[1], each[0]),
    )[:MOST]
    rest = (sum(counts.values()) if total is None else total) - sum(count for _, count in ranked)
    ranked += [(others, rest)] if rest > 0 else []
    longest = max((count for _, count in ranked), default=0)
    return tuple(bar(label, count, longest) for label, count in ranked)


def sizes(before_after: Iterable[tuple[str, int, int]]) -> tuple[Size, ...]:
    """Return the lists that change most, and the largest of those that change alike."""
    ranked = sorted(before_after, key=lambda each: (-abs(each[2] - each[1]), -each[2], each[0]))
    shown = ranked[:MOST]
    longest = max((max(before, after) for _, before, after in shown), default=0)
    return tuple(
        Size(key=key, before=bar("before", old, longest), after=bar("after", new, longest))
        for key, old, new in shown
    )


def time_line(ends: Iterable[Ends], *, as_of: datetime) -> TimeLine:
    """Return the ends of many lists by month, the month of ``as_of`` first."""
    held = tuple(ends)
    by_month: Counter[str] = Counter()
    for each in held:
        for day, count in each.days.items():
            by_month[day[:7]] += count
    months = tuple(_months(as_of))
    columns = tuple(_columns(months, by_month))
    within = sum(column.bar.count for column in columns)
    beyond = by_month.total() - within
    return TimeLine(
        columns=columns,
        within=within,
        later=sum(each.later for each in held) + beyond,
        endless=sum(each.endless for each in held),
    )


def compact(count: int) -> str:
    """Spell a number that must be short: ``99,999``, ``1.2m``."""
    if count < _SHORT:
        return f"{count:,}"
    size, unit = next(each for each in _UNITS if count >= each[0])
    return f"{count / size:.1f}".removesuffix(".0") + unit


def bar(label: str, count: int, longest: int) -> Bar:
    """Return one bar; what is there at all can be seen."""
    length = max(100 * count / longest, _LEAST) if count and longest else 0.0
    return Bar(label=label, count=count, length=round(length, 1))


def _months(as_of: datetime) -> Iterator[date]:
    first = as_of.year * 12 + as_of.month - 1
    for month in range(first, first + _MONTHS):
        yield date(month // 12, month % 12 + 1, 1)


def _columns(months: tuple[date, ...], by_month: Mapping[str, int]) -> Iterator[Column]:
    step = WIDTH / len(months)
    highest = max((by_month.get(f"{month:%Y-%m}", 0) for month in months), default=0)
    for number, month in enumerate(months):
        count = by_month.get(f"{month:%Y-%m}", 0)
        column = bar(f"{month:%B %Y}", count, highest)
        height = round(HEIGHT * column.length / 100, 1)
        yield Column(
            bar=column,
            short=compact(count) if count else "",
            tick=f"{month:%b}",
            year=str(month.year) if not number or month.month == 1 else "",
            x=round(number * step + step * 0.18, 1),
            y=round(HEIGHT - height, 1),
            width=round(step * 0.64, 1),
            height=height,
        )
