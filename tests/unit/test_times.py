from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.times import (
    add_duration,
    is_duration,
    is_naive,
    parse_time,
    whole_seconds,
    zulu,
)

offsets = st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(
    lambda apart: timezone(timedelta(minutes=apart // timedelta(minutes=1)))
)
moments = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=offsets)  # noqa: DTZ001 - bounds are naive


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2027-12-31", "2027-12-31T23:59:59Z"),
        (" 2027-12-31\n", "2027-12-31T23:59:59Z"),
        ("9999-12-31", "9999-12-31T23:59:59Z"),
        ("2027-12-31T10:00:00Z", "2027-12-31T10:00:00Z"),
        ("2027-12-31t10:00:00z", "2027-12-31T10:00:00Z"),
        ("2027-12-31T10:00Z", "2027-12-31T10:00:00Z"),
        ("2027-12-31 10:00:00", "2027-12-31T10:00:00Z"),
        ("2027-12-31T10:00:00+02:00", "2027-12-31T08:00:00Z"),
        ("2027-12-31T10:00:00+0200", "2027-12-31T08:00:00Z"),
        ("2027-12-31T10:00:00-02", "2027-12-31T12:00:00Z"),
        ("2027-12-31T23:59:59.5+02:00", "2027-12-31T22:00:00Z"),
        ("2027-12-31T10:00:00.000", "2027-12-31T10:00:00Z"),
        ("2027-12-31T10:00:00,000001Z", "2027-12-31T10:00:01Z"),
        ("2027-12-31T10:00:00.000000001Z", "2027-12-31T10:00:01Z"),
        ("2028-02-29", "2028-02-29T23:59:59Z"),
    ],
)
def test_dates_and_times_are_read_as_utc_in_whole_seconds(text: str, expected: str) -> None:
    """A bare date is its end, no offset is UTC, a part of a second is the next second."""
    assert expected == zulu(parse_time(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "never",
        "31.12.2028",
        "2028-1-1",
        "20281231",
        "2028-12-31T",
        "2028-12-31T10Z",
        "2028-12-31T10:00:00.Z",
        "2028-12-31T10:00:00 Z",
        "1798700000",
        "P90D",
    ],
)
def test_other_texts_are_not_times(text: str) -> None:
    """The message says what was expected, and never quotes what was found."""
    with pytest.raises(ValueError, match="expected a date") as caught:
        parse_time(text)

    assert not text or text not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "2027-02-29",
        "2027-13-01",
        "2027-12-31T25:00:00Z",
        "2027-12-31T10:00:00+25:00",
        "9999-12-31T23:59:59.5Z",
        "0001-01-01T00:00:00+10:00",
    ],
)
def test_times_outside_the_calendar_do_not_exist(text: str) -> None:
    """Well written is not enough, and the calendar's ends are no crash."""
    with pytest.raises(ValueError, match="not a date or time that exists"):
        parse_time(text)


@given(moments)
def test_what_is_written_is_read_back(moment: datetime) -> None:
    """Every time of the calendar, whatever its offset, to the second and never earlier."""
    whole = whole_seconds(moment)

    assert whole == parse_time(zulu(whole))
    assert whole == parse_time(moment.isoformat())
    assert timedelta() <= whole - moment < timedelta(seconds=1)


@given(moments, moments)
def test_written_times_sort_as_times_do(one: datetime, other: datetime) -> None:
    """Texts are compared where two ends are: also in the year 33."""
    one, other = whole_seconds(one), whole_seconds(other)

    assert (one < other) == (zulu(one) < zulu(other))


@pytest.mark.parametrize(
    ("text", "naive"),
    [
        ("2027-12-31T10:00:00", True),
        ("2027-12-31 10:00", True),
        ("2027-12-31T10:00:00Z", False),
        ("2027-12-31T10:00:00+00:00", False),
        ("2027-12-31", False),
        ("never", False),
    ],
)
def test_only_a_time_without_an_offset_is_naive(text: str, naive: bool) -> None:
    """A bare date has no hour that an offset could move."""
    assert naive == is_naive(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("P90D", "2028-05-29T12:00:00Z"),
        ("P1Y", "2029-02-28T12:00:00Z"),
        ("P1M", "2028-03-29T12:00:00Z"),
        ("P1W", "2028-03-07T12:00:00Z"),
        ("P1DT1H30M", "2028-03-01T13:30:00Z"),
        ("PT0.5S", "2028-02-29T12:00:01Z"),
        ("P0D", "2028-02-29T12:00:00Z"),
        (" P1D ", "2028-03-01T12:00:00Z"),
    ],
)
def test_durations_move_by_the_calendar(text: str, expected: str) -> None:
    """A year from a leap day is the last of February."""
    start = datetime(2028, 2, 29, 12, tzinfo=UTC)

    assert expected == zulu(add_duration(start, text))
    assert is_duration(text)


@pytest.mark.parametrize("text", ["P", "PT", "P1", "P1.5Y", "-P1D", "p1d", "90D", "P1DT", "Please"])
def test_other_texts_are_not_durations(text: str) -> None:
    """Only whole units that ISO 8601 knows."""
    with pytest.raises(ValueError, match="expected an ISO 8601 duration"):
        add_duration(datetime(2028, 1, 1, tzinfo=UTC), text)


@pytest.mark.parametrize("text", ["P9999Y", "P99999999999D", "P999999999999999999999Y"])
def test_a_duration_may_not_leave_the_calendar(text: str) -> None:
    """However long it is."""
    with pytest.raises(ValueError, match="leaves the calendar"):
        add_duration(datetime(2028, 1, 1, tzinfo=UTC), text)
