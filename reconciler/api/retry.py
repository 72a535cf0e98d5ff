"""When a request is tried again, and after how long.

One ``Retries`` a tenant, shared by its threads: its budget of waiting is for the whole run. It
never repeats what is not safe to repeat, and nothing it says holds more than a status and a
list's id.
"""

import email.utils
import re
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final, Literal, TypeVar

import tenacity

from reconciler.api.pace import Clock, Pace
from reconciler.errors import ServiceError
from reconciler.metrics import Meter

T = TypeVar("T")

TRIES: Final = 8
"""Of one request, where the service or the way to it fails."""
TOKEN_TRIES: Final = 3
"""Of the token call within one request."""
THROTTLED_TRIES: Final = 30
"""Of one request that the service puts off; with an honest Retry-After few are needed."""
BUDGET: Final = 300.0
"""Seconds one run waits for one tenant's failures; pauses that the service asks for are free."""
LONGEST: Final = 900.0
"""Seconds; a service that asks for a longer pause, or for so much in all before it takes a request
that it has put off, is not waited for."""

_JITTER: Final = tenacity.wait_random_exponential(multiplier=0.5, max=30)
"""Full jitter: anything from nought to 0.5, 1, 2, 4 … 30 seconds."""
_SECONDS: Final = re.compile(r"\d{1,9}(\.\d{1,6})?")

Kind = Literal["fault", "throttled", "token"]


class TransientError(Exception):
    """Something that another try may mend; it never leaves this folder.

    Args:
        reason: what happened, in a few words.
        kind: whose number of tries it counts against.
        wait: seconds the service asked for; ``None`` where it did not.
        harmless: whether the service certainly did nothing.
    """

    def __init__(
        self,
        reason: str,
        *,
        kind: Kind = "fault",
        wait: float | None = None,
        harmless: bool = False,
    ) -> None:
        super().__init__(reason)
        self.kind = kind
        self.wait = wait
        self.harmless = harmless


class Retries:
    """The trying again of one tenant's requests.

    Args:
        pace: paused for all when the service asks one to wait.
        meter: told of each retry and each wait.
        on_wait: told of each wait, before it, in words.
        budget: seconds of waiting for failures, in all.
        tries: of one request that fails.
    """

    def __init__(
        self,
        *,
        pace: Pace,
        meter: Meter,
        on_wait: Callable[[str], None],
        budget: float = BUDGET,
        tries: int = TRIES,
    ) -> None:
        self._pace = pace
        self._meter = meter
        self._on_wait = on_wait
        self._left = budget
        self._asked = 0.0
        self._lock = threading.Lock()
        self._tries = {"fault": tries, "throttled": THROTTLED_TRIES, "token": TOKEN_TRIES}

    def run(self, attempt: Callable[[], T], *, what: str, once: bool = False) -> T:
        """Return what ``attempt`` returns, trying again while it raises ``TransientError``.

        Args:
            attempt: one try.
            what: the request, for messages.
            once: try again only after failures that are certainly harmless.

        Raises:
            ServiceError: it failed too often, or the budget is spent; or, under ``once``, it is
                not known whether it was done.
            InterruptedRunError: the run is to stop.
        """
        tally = Counter[str]()
        tries = tenacity.Retrying(
            retry=tenacity.retry_if_exception(partial(_again, once=once)),
            wait=_seconds,
            stop=partial(self._give_up, tally),
            before_sleep=partial(self._announce, what),
            sleep=self._pace.wait,
            reraise=True,
        )
        try:
            done = tries(attempt)
        except TransientError as error:
            made = tries.statistics["attempt_number"]
            untouched = error.harmless and tally["harmless"] == made
            raise _failure(error, what, made, once=once, untouched=untouched) from error
        if tally["throttled"]:
            self._asked = 0.0  # it does let through what it has put off
        return done

    def _give_up(self, tally: Counter[str], state: tenacity.RetryCallState) -> bool:
        """Tell whether to stop trying; where not, take the coming wait from the budget."""
        error, seconds = _error(state), state.upcoming_sleep
        tally[error.kind] += 1
        tally["harmless"] += error.harmless
        if tally[error.kind] >= self._tries[error.kind] or seconds > LONGEST:
            return True
        with self._lock:
            if error.kind == "throttled" and error.wait is not None:
                self._asked += self._pace.longer_by(seconds)
                if self._asked > LONGEST:
                    return True
                self._pace.pause(seconds)  # at once: who is put off at the same time waits with us
                return False
            if seconds > self._left:
                return True
            self._left -= seconds
            return False

    def _announce(self, what: str, state: tenacity.RetryCallState) -> None:
        """Tell of a wait before it, and where the service asked for it let all wait."""
        error, seconds = _error(state), state.upcoming_sleep
        if error.kind == "throttled" or error.wait is not None:
            self._pace.pause(seconds)
        self._meter.count("retries")
        self._meter.waited(seconds)
        self._on_wait(f"waiting {seconds:.1f} s: {what}: {error}")


def retry_after(value: str | None, *, date: str | None, clock: Clock) -> float | None:
    """Return the seconds a Retry-After header asks for; ``None`` where it says nothing usable.

    Args:
        value: the header: seconds, or an HTTP date.
        date: the same answer's Date header: a date is counted from it, so that a difference of
            clocks does not matter.
        clock: what to count from without it.
    """
    if value is None:
        return None
    if _SECONDS.fullmatch(value.strip()):
        return float(value)
    at = http_date(value)
    if at is None:
        return None
    start = http_date(date or "")
    return max(at - (clock.now() if start is None else start), 0.0)


def http_date(text: str) -> float | None:
    """Return an HTTP date as seconds since 1970 UTC; ``None`` where it is none."""
    try:
        moment: datetime = email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _again(error: BaseException, *, once: bool) -> bool:
    return isinstance(error, TransientError) and (error.harmless or not once)


def _seconds(state: tenacity.RetryCallState) -> float:
    asked = _error(state).wait
    return _JITTER(state) if asked is None else asked


def _error(state: tenacity.RetryCallState) -> TransientError:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, TransientError)  # noqa: S101 - for the type; _again let nothing else by
    return error


def _failure(
    error: TransientError, what: str, tries: int, *, once: bool, untouched: bool
) -> ServiceError:
    if once and not error.harmless:
        return ServiceError(
            f"{what}: {error}; it is not known whether it was done",
            hint="it is not repeated blindly: look at the service first",
        )
    asked = f"; it asks to wait {error.wait:.0f} s" if error.wait else ""
    return ServiceError(
        f"{what}: {error}, after {tries} {'try' if tries == 1 else 'tries'}{asked}",
        hint="the service or the way to it is in trouble; run again later",
        untouched=untouched,
    )
