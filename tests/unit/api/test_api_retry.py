import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from scripted import START, HandClock

from reconciler.api.pace import Pace
from reconciler.api.retry import (
    BUDGET,
    LONGEST,
    THROTTLED_TRIES,
    TOKEN_TRIES,
    TRIES,
    Retries,
    TransientError,
    http_date,
    retry_after,
)
from reconciler.errors import InterruptedRunError, ServiceError
from reconciler.metrics import Meter

NOW = "Mon, 23 Nov 2026 10:15:00 GMT"
LATER = "Mon, 23 Nov 2026 10:15:12 GMT"


@dataclass
class Room:
    """Retries on a hand-moved clock, and what they did."""

    hand: HandClock = field(default_factory=HandClock)
    stop: threading.Event = field(default_factory=threading.Event)
    meter: Meter = field(default_factory=Meter)
    waits: list[str] = field(default_factory=list)
    budget: float = BUDGET

    def retries(self) -> Retries:
        """Return the retries of one tenant."""
        pace = Pace(
            requests_per_second=1e9,
            parallelism=4,
            stop=self.stop,
            clock=self.hand.clock,
            meter=self.meter,
        )
        return Retries(pace=pace, meter=self.meter, on_wait=self.waits.append, budget=self.budget)


def failing(*errors: Exception, calls: list[int] | None = None) -> Callable[[], str]:
    """Return an attempt that raises these errors in turn and then succeeds."""
    left = list(errors)

    def attempt() -> str:
        if calls is not None:
            calls.append(1)
        if left:
            raise left.pop(0)
        return "done"

    return attempt


def always(error: Exception, calls: list[int]) -> Callable[[], str]:
    """Return an attempt that never succeeds."""
    return failing(*[error] * 1_000, calls=calls)


@pytest.mark.parametrize(
    ("value", "date", "expected"),
    [
        ("12", None, 12.0),
        (" 1.5 ", None, 1.5),
        ("0", None, 0.0),
        (LATER, None, 12.0),
        (LATER, "Mon, 23 Nov 2026 10:15:10 GMT", 2.0),
        ("Monday, 23-Nov-26 10:15:12 GMT", NOW, 12.0),
        ("Mon Nov 23 10:15:12 2026", NOW, 12.0),
        (NOW, LATER, 0.0),
        (LATER, "nonsense", 12.0),
        ("soon", None, None),
        ("-5", None, None),
        ("", None, None),
        (None, None, None),
    ],
)
def test_retry_after_is_read_in_both_forms(
    value: str | None, date: str | None, expected: float | None
) -> None:
    """Seconds as they are; a date from the answer's own clock, else from ours."""
    seconds = retry_after(value, date=date, clock=HandClock().clock)

    assert expected == seconds


def test_an_http_date_is_seconds_since_1970() -> None:
    """The test's own start is the date it claims to be."""
    assert http_date(NOW) == START


def test_an_asked_wait_is_kept_announced_and_metered() -> None:
    """The service's 12 seconds are waited, told beforehand and counted."""
    room = Room()

    result = room.retries().run(
        failing(TransientError("slow down", kind="throttled", wait=12.0)), what="get list"
    )

    assert result == "done"
    assert [12.0] == room.hand.waits
    assert ["waiting 12.0 s: get list: slow down"] == room.waits
    snapshot = room.meter.snapshot()
    assert (1, 1, 12.0) == tuple(snapshot[key] for key in ("retries", "waits", "wait_seconds"))


@pytest.mark.parametrize(
    ("error", "shared"),
    [
        (TransientError("x", kind="throttled", wait=30.0), True),
        (TransientError("x", wait=30.0), True),
        (TransientError("x"), False),
    ],
)
def test_a_wait_the_service_asks_for_is_everybodys(error: TransientError, *, shared: bool) -> None:
    """While one thread is told to wait no other sends; our own backing off holds up nobody."""
    hand, meter, started = HandClock(), Meter(), list[float]()
    pace = Pace(
        requests_per_second=1e9,
        parallelism=4,
        stop=threading.Event(),
        clock=hand.clock,
        meter=meter,
    )

    def another_thread_asks(_text: str) -> None:
        with pace.turn():
            started.append(hand.seconds)

    retries = Retries(pace=pace, meter=meter, on_wait=another_thread_asks)
    retries.run(failing(error), what="get list")

    assert [30.0 if shared else 0.0] == started


def test_without_an_asked_wait_it_grows_with_full_jitter() -> None:
    """Each wait lies between nought and twice the bound of the one before, 30 s at most."""
    room = Room()
    calls: list[int] = []

    with pytest.raises(ServiceError, match="after 8 tries"):
        room.retries().run(always(TransientError("answered 503"), calls), what="get list")

    bounds = (0.5, 1, 2, 4, 8, 16, 30)
    assert len(calls) == TRIES
    assert all(0 <= wait <= bound for wait, bound in zip(room.hand.waits, bounds, strict=True))


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (TransientError("x", kind="token", harmless=True), TOKEN_TRIES),
        (TransientError("x", kind="throttled", wait=1.0, harmless=True), THROTTLED_TRIES),
    ],
)
def test_each_kind_of_failure_has_its_own_number_of_tries(
    error: TransientError, tries: int
) -> None:
    """A token call is tried three times; being put off is borne for longer."""
    calls: list[int] = []

    with pytest.raises(ServiceError):
        Room().retries().run(always(error, calls), what="get list")

    assert tries == len(calls)


def test_the_budget_of_waiting_is_one_for_all_requests() -> None:
    """What one request spent, the next has no more; being throttled costs nothing."""
    room = Room(budget=10)
    retries = room.retries()

    retries.run(failing(TransientError("x", wait=6.0)), what="a")
    retries.run(failing(TransientError("x", kind="throttled", wait=60.0)), what="b")
    with pytest.raises(ServiceError, match="after 1 try; it asks to wait 6 s"):
        retries.run(failing(TransientError("x", wait=6.0)), what="c")

    assert [6.0, 60.0] == room.hand.waits


def test_nobody_waits_longer_than_the_longest_wait() -> None:
    """A service that asks for hours is given up at once."""
    room = Room()
    error = TransientError("x", kind="throttled", wait=LONGEST + 1)

    with pytest.raises(ServiceError, match="901"):
        room.retries().run(failing(error), what="get list")

    assert [] == room.hand.waits


def test_a_service_that_puts_off_for_ever_is_given_up() -> None:
    """However short its pauses; what it has let through meanwhile does not count against it."""
    pause = TransientError("x", kind="throttled", wait=LONGEST / 3, harmless=True)
    room = Room()
    retries = room.retries()

    for _ in range(3):
        retries.run(failing(pause, pause), what="goes through at last")
    with pytest.raises(ServiceError, match="after 4 tries"):
        retries.run(always(pause, []), what="never goes through")
    with pytest.raises(ServiceError, match="after 1 try"):
        retries.run(always(pause, []), what="the next")

    assert 3 * 2 + 3 == len(room.hand.waits)


class Standing(HandClock):
    """A clock that nobody's waiting moves: all that wait do so at the same time."""

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Note a wait."""
        self.waits.append(seconds)
        return stop.is_set()


def test_requests_that_are_put_off_together_wait_once() -> None:
    """Four tries in a row, each for half of what is borne in all, within one and the same wait."""
    pause = TransientError("x", kind="throttled", wait=LONGEST / 2, harmless=True)
    retries = Room(hand=Standing()).retries()

    ended = retries.run(failing(pause, pause, pause, pause), what="goes through at last")

    assert "done" == ended


def test_being_put_off_without_a_time_is_charged_to_the_budget() -> None:
    """Nobody said how long it takes, so it is a failure like any other."""
    room = Room(budget=20)
    pause = TransientError("x", kind="throttled", harmless=True)

    with pytest.raises(ServiceError):
        room.retries().run(always(pause, []), what="get list")

    assert sum(room.hand.waits) <= 20


def test_once_is_repeated_only_where_nothing_can_have_been_done() -> None:
    """A request that was never handled goes again; one of unknown effect does not."""
    calls: list[int] = []
    harmless = TransientError("no connection", harmless=True)
    unknown = TransientError("the connection broke")

    with pytest.raises(ServiceError, match="not known whether it was done"):
        Room().retries().run(failing(harmless, unknown, calls=calls), what="create", once=True)

    assert 2 == len(calls)


def test_other_errors_pass_at_once() -> None:
    """Only what may mend is tried again."""
    calls: list[int] = []

    with pytest.raises(KeyError):
        Room().retries().run(failing(KeyError(), calls=calls), what="x")

    assert 1 == len(calls)


def test_the_stop_ends_the_trying() -> None:
    """A wait cut short by Ctrl-C is no failure of the service."""
    room = Room()
    room.stop.set()

    with pytest.raises(InterruptedRunError):
        room.retries().run(failing(TransientError("x")), what="x")


@pytest.mark.parametrize(
    ("errors", "untouched"),
    [
        ([True] * TRIES, True),
        ([False] * TRIES, False),
        ([False] + [True] * (TRIES - 1), False),
        ([True] * (TRIES - 1) + [False], False),
    ],
)
def test_a_failure_says_whether_the_service_can_have_done_anything(
    errors: list[bool], *, untouched: bool
) -> None:
    """One attempt of which nobody knows is enough."""
    attempt = failing(*(TransientError("trouble", harmless=harmless) for harmless in errors))

    with pytest.raises(ServiceError) as failed:
        Room().retries().run(attempt, what="send")

    assert untouched == failed.value.untouched
