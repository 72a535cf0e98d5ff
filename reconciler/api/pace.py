"""How hard one tenant is asked: a rate, so many requests at once, and one pause for all.

It knows no HTTP: it sends nothing and never decides whether to try again.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from reconciler.errors import InterruptedRunError
from reconciler.metrics import Meter


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Time as this folder sees it; tests hand in their own."""

    now: Callable[[], float] = time.time
    """Seconds since 1970 UTC."""
    monotonic: Callable[[], float] = time.monotonic
    wait: Callable[[threading.Event, float], bool] = threading.Event.wait
    """Wait so many seconds or until the event is set; return whether it is."""


class Pace:
    """One tenant's pace, shared by every thread that asks it.

    Args:
        requests_per_second: requests are spaced evenly, never sent in a burst.
        parallelism: requests in flight at once, at most.
        stop: ends every wait at once, and no request starts after it.
        clock: what the time is and how to wait.
        meter: told of pauses; the even spacing is no wait.
    """

    def __init__(
        self,
        *,
        requests_per_second: float,
        parallelism: int,
        stop: threading.Event,
        clock: Clock,
        meter: Meter,
    ) -> None:
        self.at_once: Final = parallelism
        self._interval = 1 / requests_per_second
        self._slots = threading.BoundedSemaphore(parallelism)
        self._stop = stop
        self._clock = clock
        self._meter = meter
        self._lock = threading.Lock()
        self._free = clock.monotonic()
        self._paused = self._free

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until a request may start, and hold its place until it is answered.

        Raises:
            InterruptedRunError: the run is to stop; nothing was sent.
        """
        with self._slots:
            while seconds := self._until_free():
                self.wait(seconds)
            if self._stop.is_set():
                raise interrupted()
            yield

    def pause(self, seconds: float) -> None:
        """Let no request of this tenant start for so many seconds."""
        with self._lock:
            self._paused = max(self._paused, self._clock.monotonic() + seconds)

    def longer_by(self, seconds: float) -> float:
        """Return the seconds that such a pause would add to the one there is."""
        with self._lock:
            now = self._clock.monotonic()
            return max(now + seconds - max(self._paused, now), 0.0)

    def wait(self, seconds: float) -> None:
        """Wait.

        Raises:
            InterruptedRunError: the run is to stop.
        """
        if self._clock.wait(self._stop, seconds):
            raise interrupted()

    def _until_free(self) -> float:
        """Take the next place and return 0, or return the seconds until one may be free."""
        with self._lock:
            now = self._clock.monotonic()
            if self._paused > now:
                self._meter.waited(self._paused - now)
                return self._paused - now
            if self._free > now:
                return self._free - now
            self._free = max(self._free, now - self._interval) + self._interval
            return 0.0


def interrupted() -> InterruptedRunError:
    """Return what ends a run that is to stop, between two requests or in the middle of a read."""
    return InterruptedRunError(
        "interrupted before the next request to the service",
        hint="run it again: what was done stays done, and the rest is found anew",
    )
