import json
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from math import nextafter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.metrics import BOUNDS, Meter


def test_a_new_meter_shows_every_counter_at_nought() -> None:
    """A reader never wonders whether nothing happened or nothing was measured."""
    snapshot = Meter().snapshot()

    expected = {
        "conflicts": 0,
        "errors": 0,
        "retries": 0,
        "rows_sent": 0,
        "validation_errors": 0,
        "waits": 0,
        "wait_seconds": 0.0,
        "calls": {},
    }
    assert expected == snapshot


def test_a_kind_of_call_shows_its_percentiles_by_nearest_rank() -> None:
    """Of the seconds 1 to 20, half are at most 10 and 95 of a hundred at most 19."""
    meter = Meter()

    for seconds in range(20, 0, -1):
        meter.observe("read page", float(seconds))

    expected = {
        "count": 20,
        "total_seconds": 210.0,
        "max_seconds": 20.0,
        "p50_seconds": 10.0,
        "p95_seconds": 19.0,
        "buckets": {
            **dict.fromkeys(("0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5"), 0),
            "1": 1,
            "2.5": 2,
            "5": 5,
            "10": 10,
            "30": 20,
            "60": 20,
        },
    }
    assert {"read page": expected} == meter.snapshot()["calls"]


@given(st.lists(st.floats(min_value=0.0, max_value=100.0), min_size=1, max_size=50))
@example([bound for most in BOUNDS for bound in (most, nextafter(most, 0), nextafter(most, 61))])
def test_times_are_told_to_three_figures_and_no_call_leaves_its_bucket(times: list[float]) -> None:
    """A percentile is never less than the true one, nor more than 1 % above it, nor the longest."""
    meter = Meter()

    for seconds in times:
        meter.observe("read page", seconds)

    told = meter.calls()["read page"]
    ranked = sorted(times)
    expected = {most: sum(max(took, 1e-6) <= most for took in times) for most in BOUNDS}
    assert expected == told.buckets
    assert (len(times), ranked[-1]) == (told.count, told.longest)
    for percent, shown in ((50, told.p50), (95, told.p95)):
        true = ranked[-(-percent * len(ranked) // 100) - 1]
        assert true <= shown <= min(max(true * 1.0101, 1e-6), told.longest)


def test_memory_does_not_grow_with_the_number_of_calls() -> None:
    """Of thirty thousand different times between 10 and 99 ms some hundred are kept."""
    meter = Meter()

    tracemalloc.start()
    for number in range(30_000):
        meter.observe("read page", 0.01 + number * 3e-6)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert 30_000 == meter.calls()["read page"].count
    assert held < 200_000


def test_a_call_is_timed_also_where_it_fails() -> None:
    """A failing request took its time too."""
    ticks = iter((1.0, 3.5))
    meter = Meter(clock=lambda: next(ticks))

    with pytest.raises(KeyError), meter.call("get list"):
        raise KeyError

    assert '"max_seconds": 2.5' in json.dumps(meter.snapshot())


def test_waits_are_counted_and_added_up() -> None:
    """Two waits are two, and their seconds are one sum."""
    meter = Meter()

    meter.waited(1.25)
    meter.waited(2)
    meter.count("retries")
    meter.count("rows", 10_000)

    snapshot = meter.snapshot()
    assert [2, 3.25, 1, 10_000] == [
        snapshot[name] for name in ("waits", "wait_seconds", "retries", "rows")
    ]


def test_no_count_is_lost_between_threads() -> None:
    """Every thread's counts and calls arrive."""
    meter = Meter()

    def work(_: int) -> None:
        for _ in range(500):
            meter.count("errors")
            meter.observe("token", 0.0)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))

    assert 4_000 == meter.snapshot()["errors"]
    assert '"count": 4000' in json.dumps(meter.snapshot()["calls"])
