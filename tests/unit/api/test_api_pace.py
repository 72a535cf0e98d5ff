import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from scripted import HandClock

from reconciler.api.pace import Clock, Pace
from reconciler.errors import InterruptedRunError
from reconciler.metrics import Meter


def paced(hand: HandClock, *, rate: float = 1e9, stop: threading.Event | None = None) -> Pace:
    """Return a pace on a hand-moved clock."""
    return Pace(
        requests_per_second=rate,
        parallelism=2,
        stop=stop or threading.Event(),
        clock=hand.clock,
        meter=Meter(),
    )


def test_requests_are_spaced_evenly() -> None:
    """At four a second, the first goes at once and each next one a quarter second later."""
    hand = HandClock()
    pace = paced(hand, rate=4)

    for _ in range(3):
        with pace.turn():
            pass

    assert [0.25, 0.25] == hand.waits


def test_a_pause_holds_back_every_thread() -> None:
    """When one is told to wait, all wait: no request starts before the pause ends."""
    hand = HandClock()
    pace = paced(hand)
    started = []

    def ask(_: int) -> None:
        with pace.turn():
            started.append(hand.seconds)

    pace.pause(30)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, range(8)))

    assert 8 == len(started)
    assert min(started) >= 30


def test_a_pause_at_the_same_time_adds_only_what_is_longer() -> None:
    """Who is put off together waits once, however many they are."""
    hand = HandClock()
    pace = paced(hand)

    before = pace.longer_by(30)
    pace.pause(30)
    within = [pace.longer_by(30), pace.longer_by(20), pace.longer_by(50)]
    hand.seconds += 40

    assert (30, [0, 0, 20], 30) == (before, within, pace.longer_by(30))


def test_a_shorter_pause_never_ends_a_longer_one() -> None:
    """The latest end of all pauses counts."""
    hand = HandClock()
    pace = paced(hand)

    pace.pause(30)
    pace.pause(5)
    with pace.turn():
        started = hand.seconds

    assert 30 == started


def test_no_more_requests_run_at_once_than_allowed() -> None:
    """The third of two has to wait for a place."""
    pace = paced(HandClock())
    running, most = 0, 0
    lock = threading.Lock()

    def ask(_: int) -> None:
        nonlocal running, most
        with pace.turn():
            with lock:
                running += 1
                most = max(most, running)
            time.sleep(0.002)
            with lock:
                running -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(16)))

    assert most <= 2


def test_no_request_starts_after_the_stop() -> None:
    """Once the run is to stop, asking for a turn says so."""
    stop = threading.Event()
    pace = paced(HandClock(), stop=stop)

    stop.set()

    with pytest.raises(InterruptedRunError), pace.turn():
        pytest.fail("a request started")


def test_the_stop_ends_a_real_wait_at_once() -> None:
    """Ctrl-C does not sit out an hour."""
    stop = threading.Event()
    pace = Pace(requests_per_second=1, parallelism=1, stop=stop, clock=Clock(), meter=Meter())
    start = time.monotonic()
    threading.Timer(0.02, stop.set).start()

    with pytest.raises(InterruptedRunError):
        pace.wait(3600)

    assert time.monotonic() - start < 5
