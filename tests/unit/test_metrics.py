import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from reconciler.metrics import Meter


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
    }
    assert {"read page": expected} == meter.snapshot()["calls"]


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
