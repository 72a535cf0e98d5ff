"""Business days and limits, held against counting the days one by one."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler import clocks
from reconciler.clocks import Limit, business_days, parse_holidays, parse_limit

MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants naive bounds
HOLIDAYS = st.frozensets(st.dates(date(2026, 1, 1), date(2027, 3, 31)), max_size=12).map(
    lambda found: tuple(sorted(found))
)
XMAS = (date(2026, 12, 25),)


def at(text: str) -> datetime:
    """A time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def slowly(requested: datetime, done: datetime, holidays: tuple[date, ...]) -> int:
    """Walk from day to day; the end of each one that is worked on is another day."""
    day, count = requested.date(), 0
    while day < done.date():
        day += timedelta(days=1)
        worked = day.weekday() < 5 and day not in holidays
        count += worked or day == done.date()
    return count


def ends(requested: datetime, days: int, holidays: tuple[date, ...]) -> datetime:
    """The last second of the last day that a limit allows, by walking."""
    day = requested.date()
    while days:
        day += timedelta(days=1)
        days -= day.weekday() < 5 and day not in holidays
    return datetime.combine(day, time(23, 59, 59), UTC)


@pytest.mark.parametrize(
    ("requested", "done", "holidays", "days"),
    [
        ("2026-11-20T09:00", "2026-11-20T23:59:59", (), 0),  # a Friday
        ("2026-11-20T09:00", "2026-11-19T09:00", (), 0),
        ("2026-11-20T09:00", "2026-11-21T00:00", (), 1),
        ("2026-11-20T09:00", "2026-11-22T23:00", (), 1),
        ("2026-11-20T23:59:59", "2026-11-23T00:00", (), 1),
        ("2026-11-20T09:00", "2026-11-24T09:00", (), 2),
        ("2026-11-21T09:00", "2026-11-21T10:00", (), 0),
        ("2026-11-21T09:00", "2026-11-22T10:00", (), 1),
        ("2026-11-20T09:00", "2026-12-04T23:59:59", (), 10),
        ("2026-11-20T09:00", "2026-12-05T00:00", (), 11),
        ("2026-12-24T09:00", "2026-12-25T09:00", XMAS, 1),
        ("2026-12-24T09:00", "2026-12-28T09:00", XMAS, 1),
        ("2026-12-24T09:00", "2026-12-28T09:00", (), 2),
    ],
)
def test_a_request_is_met_by_the_end_of_a_business_day(
    requested: str, done: str, holidays: tuple[date, ...], days: int
) -> None:
    """The day of the request is not counted; a weekend belongs to the day that follows it."""
    assert days == business_days(at(requested), at(done), holidays=holidays)


@given(MOMENTS, MOMENTS, HOLIDAYS)
def test_business_days_are_those_that_walking_counts(
    requested: datetime, done: datetime, holidays: tuple[date, ...]
) -> None:
    """Whatever lies between, and also where the request came after."""
    assert slowly(requested, done, holidays) == business_days(requested, done, holidays=holidays)


@given(MOMENTS, MOMENTS, HOLIDAYS, st.integers(0, 15))
def test_what_is_late_is_what_is_after_the_deadline(
    requested: datetime, done: datetime, holidays: tuple[date, ...], days: int
) -> None:
    """A count of days and a last moment say the same."""
    limit = Limit(business_days=days, holidays=holidays)
    second = done.replace(microsecond=0)

    assert ends(requested, days, holidays) == limit.deadline(requested)
    assert limit.late(requested, second) is (second > limit.deadline(requested))


@given(MOMENTS, st.timedeltas(timedelta(), timedelta(days=40)), MOMENTS)
def test_a_span_runs_through_weekends(requested: datetime, span: timedelta, done: datetime) -> None:
    """Calendar time knows no holiday."""
    limit = Limit(span=span, holidays=XMAS)

    assert requested + span == limit.deadline(requested)
    assert limit.late(requested, done) is (done > requested + span)


def test_days_are_those_of_utc() -> None:
    """A request that a clock further west still calls Friday came on Saturday."""
    evening = datetime.fromisoformat("2026-11-20T20:00:00-05:00")

    assert 0 == business_days(evening, at("2026-11-21T23:00"))
    assert at("2026-11-23T23:59:59") == Limit(business_days=1).deadline(evening)


@pytest.mark.parametrize(
    ("text", "said", "limit"),
    [
        ("10bd", "10bd", clocks.TEN_BUSINESS_DAYS),
        (" 3 BD ", "3bd", Limit(business_days=3)),
        ("0bd", "0bd", Limit(business_days=0)),
        ("P14D", "P14D", Limit(span=timedelta(days=14))),
        ("P2W", "P14D", Limit(span=timedelta(days=14))),
        ("PT36H", "P1DT12H", Limit(span=timedelta(hours=36))),
        ("PT90M", "PT1H30M", Limit(span=timedelta(minutes=90))),
        ("PT0H", "P0D", Limit(span=timedelta())),
    ],
)
def test_a_limit_is_read_and_said(text: str, said: str, limit: Limit) -> None:
    """As business days, or as time."""
    assert limit == parse_limit(text)
    assert said == str(limit)


@pytest.mark.parametrize(
    "text", ["", "10", "bd", "-1bd", "1.5bd", "1000bd", "P1M", "P1Y", "P", "PT", "P14", "ten days"]
)
def test_what_is_no_limit_is_refused(text: str) -> None:
    """A month has no length of its own; the message says what has."""
    with pytest.raises(ValueError, match="expected business days such as 10bd, or a duration"):
        parse_limit(text)


def test_a_deadline_beyond_the_calendar_is_an_overflow() -> None:
    """Nobody waits for it."""
    with pytest.raises(OverflowError):
        clocks.TEN_BUSINESS_DAYS.deadline(at("9999-12-31T00:00"))


def test_holidays_are_one_a_line() -> None:
    """Sorted, each once; notes and empty lines are left out."""
    text = "# US 2026\n2026-12-25  # a Friday\n\n2026-07-03\n2026-12-25\n"

    assert (date(2026, 7, 3), date(2026, 12, 25)) == parse_holidays(text)


@pytest.mark.parametrize("line", ["25 December", "20261225", "2026-02-30", "2026-W10-1", "2026-12"])
def test_a_holiday_that_is_no_date_is_told_with_its_line(line: str) -> None:
    """Counting on without it would make a request look late, or a late one look well."""
    with pytest.raises(ValueError, match=r"^2: expected one date a line, such as 2026-12-25$"):
        parse_holidays(f"2026-01-01\n{line}\n")
