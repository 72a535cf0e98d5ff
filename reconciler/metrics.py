"""What one run's calls cost: how many, how long, how often tried again.

It holds numbers by the names of kinds, never an address, a list's content or a text of the
service, and it never decides anything.
"""

import math
import threading
import time
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

_COUNTERS = ("retries", "waits", "conflicts", "errors", "validation_errors", "rows_sent")
"""Always present in a snapshot, so that a reader never wonders whether nought was measured."""


class Meter:
    """Counts and times, from any number of threads.

    Args:
        clock: seconds from any fixed start, never going back.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._calls: defaultdict[str, array[float]] = defaultdict(lambda: array("d"))
        self._counts: Counter[str] = Counter(dict.fromkeys(_COUNTERS, 0))
        self._waited = 0.0

    @contextmanager
    def call(self, kind: str) -> Iterator[None]:
        """Time what is done inside as one call of this kind, also where it fails."""
        start = self._clock()
        try:
            yield
        finally:
            self.observe(kind, self._clock() - start)

    def observe(self, kind: str, seconds: float) -> None:
        """Note one call of this kind that took so many seconds."""
        with self._lock:
            self._calls[kind].append(seconds)

    def count(self, name: str, n: int = 1) -> None:
        """Add to a counter."""
        with self._lock:
            self._counts[name] += n

    def waited(self, seconds: float) -> None:
        """Note one wait that the service, or trouble on the way to it, made necessary."""
        with self._lock:
            self._counts["waits"] += 1
            self._waited += seconds

    def snapshot(self) -> Mapping[str, object]:
        """Return everything so far, ready for JSON, in a fixed order.

        Returns:
            The counters by name, ``wait_seconds``, and ``calls``: by kind its ``count`` and its
            ``total_seconds``, ``max_seconds``, ``p50_seconds`` and ``p95_seconds`` (nearest
            rank). A wait is not part of a call.
        """
        with self._lock:
            calls = {kind: _summary(took) for kind, took in sorted(self._calls.items())}
            counts = dict(sorted(self._counts.items()))
            return {**counts, "wait_seconds": round(self._waited, 3), "calls": calls}


def _summary(took: "array[float]") -> dict[str, float]:
    ranked = sorted(took)
    return {
        "count": len(ranked),
        "total_seconds": round(math.fsum(ranked), 6),
        "max_seconds": round(ranked[-1], 6),
        "p50_seconds": round(_percentile(ranked, 50), 6),
        "p95_seconds": round(_percentile(ranked, 95), 6),
    }


def _percentile(ranked: list[float], percent: int) -> float:
    """Return the smallest value that at least ``percent`` of all do not exceed."""
    return ranked[-(-percent * len(ranked) // 100) - 1]
