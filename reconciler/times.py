"""Points in time and durations as the specs and the service write them; pure.

One rule for all of them: ISO 8601; a time without an offset is UTC; a bare date is the *end* of
that day UTC; everything is stored in UTC, whole seconds, rounded up. It never reads a clock.
"""

import re
from datetime import UTC, date, datetime, time, timedelta

import isodate

NEVER = "never"

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?([Zz]|[+-]\d{2}(:?\d{2})?)?"
)
_DURATION = re.compile(
    r"P(?=\d|T\d)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+([.,]\d+)?S)?)?"
)
END_OF_DAY = time(23, 59, 59, tzinfo=UTC)


def parse_time(text: str) -> datetime:
    """Read a date or a time.

    A bare date is the end of that day, so that a suppression never ends earlier than its author
    could have meant.

    Args:
        text: ``2027-12-31``, ``2027-12-31T23:59:59Z``, ``2027-12-31 23:59:59.5+02:00``.

    Returns:
        An aware UTC time in whole seconds, rounded up.

    Raises:
        ValueError: the text is neither; the message names what was expected, not the text.
    """
    stripped = text.strip()
    try:
        if _DATE.fullmatch(stripped):
            return datetime.combine(date.fromisoformat(stripped), END_OF_DAY)
        if _TIME.fullmatch(stripped):
            return whole_seconds(_fromisoformat(stripped))
    except (ValueError, OverflowError) as error:
        raise ValueError("not a date or time that exists") from error
    raise ValueError("expected a date such as 2027-12-31 or a time such as 2027-12-31T23:59:59Z")


def is_naive(text: str) -> bool:
    """Tell whether a time was written without an offset, and so was taken as UTC."""
    match = _TIME.fullmatch(text.strip())
    return match is not None and match[3] is None


def is_duration(text: str) -> bool:
    """Tell whether a text is meant as an ISO 8601 duration such as ``P90D``."""
    return text.strip().startswith("P")


def add_duration(start: datetime, text: str) -> datetime:
    """Return ``start`` plus an ISO 8601 duration; months and years move by the calendar.

    Raises:
        ValueError: the text is not a duration of whole units.
    """
    stripped = text.strip()
    if not _DURATION.fullmatch(stripped):
        raise ValueError("expected an ISO 8601 duration such as P90D or P1Y")
    try:
        end: datetime = start + isodate.parse_duration(stripped)
        return whole_seconds(end)
    except (ValueError, OverflowError, ArithmeticError) as error:
        raise ValueError("a duration that leaves the calendar") from error


def whole_seconds(moment: datetime) -> datetime:
    """Return a time in UTC, rounded up to whole seconds."""
    utc = moment.astimezone(UTC)
    return utc.replace(microsecond=0) + timedelta(seconds=bool(utc.microsecond))


def zulu(moment: datetime) -> str:
    """Write a time the way the service and our files do: ``2027-12-31T23:59:59Z``."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def _fromisoformat(text: str) -> datetime:
    """Read an ISO time; no offset means UTC; digits past microseconds round up, not off."""
    head, _, fraction = text.replace(",", ".").upper().partition(".")
    offset = fraction.lstrip("0123456789")
    base = datetime.fromisoformat(head + offset)
    aware = base.replace(tzinfo=base.tzinfo or UTC)
    return aware + timedelta(seconds=bool(fraction.removesuffix(offset).strip("0")))
