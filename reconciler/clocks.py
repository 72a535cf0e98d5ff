"""How long a request may take, and how long one took, in business days; pure.

A business day is a Monday to Friday, UTC, that is no holiday. The day of the request is not
counted: what is in effect on that day took 0 days, what is in effect by the end of the first
business day after it took 1. A request on a bare date counts from the end of that day. It never
reads a clock or a file.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from reconciler.times import END_OF_DAY, add_duration

_BUSINESS: Final = re.compile(r"([0-9]{1,3})\s*bd", re.IGNORECASE)
_EXACT: Final = re.compile(r"P(?=\d|T\d)(\d{1,5}W)?(\d{1,5}D)?(T(?=\d)(\d{1,5}H)?(\d{1,5}M)?)?")
"""A duration whose length does not depend on the calendar."""
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_START: Final = datetime(2000, 1, 1, tzinfo=UTC)
_WEEKEND: Final = 5
"""The first day of a week, from 0, on which nobody works."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How long a request may take: so many business days, or else so much time."""

    business_days: int | None = None
    span: timedelta | None = None
    """Counts at every hour, weekends and holidays included."""
    holidays: tuple[date, ...] = ()
    """Sorted, each once."""

    def __str__(self) -> str:
        if self.business_days is not None:
            return f"{self.business_days}bd"
        days, rest = divmod(self.span or timedelta(), timedelta(days=1))
        hours, rest = divmod(rest, timedelta(hours=1))
        minutes = rest // timedelta(minutes=1)
        time = f"{hours}H" * bool(hours) + f"{minutes}M" * bool(minutes)
        return "P" + (f"{days}D" if days or not time else "") + (f"T{time}" if time else "")

    def deadline(self, requested: datetime) -> datetime:
        """Return the last moment, aware UTC, at which a request is met in time.

        Raises:
            OverflowError: it lies after the year 9999.
        """
        if self.business_days is None:
            return requested + (self.span or timedelta())
        day, left = requested.astimezone(UTC).date(), self.business_days
        while left:
            day += timedelta(days=1)
            left -= is_business(day, self.holidays)
        return datetime.combine(day, END_OF_DAY)

    def late(self, requested: datetime, done: datetime) -> bool:
        """Tell whether a request that was met then, or was still open then, took too long."""
        if self.business_days is None:
            return done - requested > (self.span or timedelta())
        return business_days(requested, done, holidays=self.holidays) > self.business_days


TEN_BUSINESS_DAYS: Final = Limit(business_days=10)
"""What is asked of whoever is told not to call or mail somebody any more."""

FEED_AGE: Final = timedelta(days=31)
"""How old a source of addresses that must not be called may be at most, whatever a spec says."""


def is_business(day: date, holidays: tuple[date, ...] = ()) -> bool:
    """Tell whether a day is a Monday to Friday and no holiday."""
    return day.weekday() < _WEEKEND and day not in holidays


def business_days(requested: datetime, done: datetime, *, holidays: tuple[date, ...] = ()) -> int:
    """Return how many business days after its day a request was met; 0 on that day or before.

    What is met on a day that is none counts with the next that is one.

    Args:
        requested: when it was asked for, aware.
        done: when it was in effect, aware.
        holidays: sorted, each once.
    """
    first, last = requested.astimezone(UTC).date(), done.astimezone(UTC).date()
    if last <= first:
        return 0
    between = _weekdays(last) - _weekdays(first)
    between -= sum(first < day <= last and day.weekday() < _WEEKEND for day in holidays)
    return between + (not is_business(last, holidays))


def parse_limit(text: str, *, holidays: tuple[date, ...] = ()) -> Limit:
    """Read a limit such as ``10bd`` (business days) or ``P14D``.

    Raises:
        ValueError: it is neither; the message says what was expected.
    """
    stripped = text.strip()
    if found := _BUSINESS.fullmatch(stripped):
        return Limit(business_days=int(found[1]), holidays=holidays)
    if _EXACT.fullmatch(stripped):
        return Limit(span=add_duration(_START, stripped) - _START, holidays=holidays)
    raise ValueError(
        "expected business days such as 10bd, or a duration of weeks, days, hours or minutes "
        "such as P14D"
    )


def parse_holidays(text: str) -> tuple[date, ...]:
    """Read holidays: one ISO date a line; empty lines and what follows a ``#`` are left out.

    Returns:
        The dates, sorted, each once.

    Raises:
        ValueError: a line holds something else; the message begins with its number.
    """
    return tuple(sorted(set(_dates(text))))


def _dates(text: str) -> Iterator[date]:
    for number, line in enumerate(text.splitlines(), start=1):
        held = line.partition("#")[0].strip()
        if not held:
            continue
        try:
            yield date.fromisoformat(held if _DAY.fullmatch(held) else "")
        except ValueError:
            raise ValueError(f"{number}: expected one date a line, such as 2026-12-25") from None


def _weekdays(day: date) -> int:
    """Count the Mondays to Fridays up to and with a day, since the first Monday of all."""
    weeks, rest = divmod(day.toordinal(), 7)
    return _WEEKEND * weeks + min(rest, _WEEKEND)
