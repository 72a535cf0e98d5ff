"""What one run's calls cost: how many, how long, how often tried again.

It holds numbers by the names of kinds, never an address, a list's content or a text of the
service, and it never decides anything. Its memory does not grow with the number of calls: a time
is kept to three figures, and equal ones are counted.
"""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context
from types import MappingProxyType
from typing import Final

BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds; the upper bounds of a histogram's buckets, each with all that is below it."""

_COUNTERS: Final = ("retries", "waits", "conflicts", "errors", "validation_errors", "rows_sent")
"""Always present in a snapshot, so that a reader never wonders whether nought was measured."""

_FIGURES: Final = Context(prec=3, rounding=ROUND_CEILING)
"""Upwards, so that what is said to take no longer does not; no bound has more figures."""

_LEAST: Final = 1e-6
"""Seconds; whatever is shorter counts as this, so that times have no more decades than matter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """All calls of one kind, in seconds."""

    count: int
    total: float
    longest: float
    p50: float
    p95: float
    """By nearest rank, to three figures, rounded up."""
    buckets: Mapping[float, int]
    """How many took no longer than each of ``BOUNDS``."""


class Meter:
    """Counts and times, from any number of threads.

    Args:
        clock: seconds from any fixed start, never going back.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._calls: defaultdict[str, _Times] = defaultdict(_Times)
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
            self._calls[kind].add(seconds)

    def count(self, name: str, n: int = 1) -> None:
        """Add to a counter."""
        with self._lock:
            self._counts[name] += n

    def waited(self, seconds: float) -> None:
        """Note one wait that the service, or trouble on the way to it, made necessary."""
        with self._lock:
            self._counts["waits"] += 1
            self._waited += seconds

    def calls(self) -> Mapping[str, Calls]:
        """Return what calls took so far, by their kind; a wait is not part of a call."""
        with self._lock:
            return {kind: times.told() for kind, times in sorted(self._calls.items())}

    def counts(self) -> Mapping[str, float]:
        """Return the counters by name, and ``wait_seconds``."""
        with self._lock:
            return {**dict(sorted(self._counts.items())), "wait_seconds": round(self._waited, 3)}

    def snapshot(self) -> Mapping[str, object]:
        """Return everything so far, ready for JSON, in a fixed order.

        Returns:
            The counters by name, ``wait_seconds``, and ``calls``: by kind its ``count``, its
            ``total_seconds``, ``max_seconds``, ``p50_seconds`` and ``p95_seconds`` (nearest
            rank, three figures), and ``buckets``: by upper bound in seconds how many took no
            longer.
        """
        return {**self.counts(), "calls": {kind: _json(one) for kind, one in self.calls().items()}}


class _Times:
    """How long calls took: each time to three figures, and how often it came."""

    def __init__(self) -> None:
        self._often = Counter[float]()
        self._total = self._longest = 0.0

    def add(self, seconds: float) -> None:
        self._often[float(_FIGURES.create_decimal(repr(max(seconds, _LEAST))))] += 1
        self._total += seconds
        self._longest = max(self._longest, seconds)

    def told(self) -> Calls:
        ranked = sorted(self._often.items())
        up_to = {most: sum(n for took, n in ranked if took <= most) for most in BOUNDS}
        return Calls(
            count=self._often.total(),
            total=self._total,
            longest=self._longest,
            p50=self._percentile(ranked, 50),
            p95=self._percentile(ranked, 95),
            buckets=MappingProxyType(up_to),
        )

    def _percentile(self, ranked: list[tuple[float, int]], percent: int) -> float:
        """Return the smallest time that at least ``percent`` of all do not exceed."""
        left = -(-percent * self._often.total() // 100)
        for took, often in ranked:
            left -= often
            if left <= 0:
                return min(took, self._longest)
        return self._longest


def _json(told: Calls) -> Mapping[str, object]:
    return {
        "count": told.count,
        "total_seconds": round(told.total, 6),
        "max_seconds": round(told.longest, 6),
        "p50_seconds": round(told.p50, 6),
        "p95_seconds": round(told.p95, 6),
        "buckets": {f"{most:g}": often for most, often in told.buckets.items()},
    }
