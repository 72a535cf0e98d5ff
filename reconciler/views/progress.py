"""How far the work is, told to a stream while it goes on.

Bars on a terminal, plain lines elsewhere, and neither for work that takes less than a second. It
is told counts and names of tasks, never contacts, and it may be told from any thread.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from typing import Final, Protocol, TextIO

from reconciler.masking import clean

PATIENCE: Final = 1.0
"""Seconds of silence at the start."""
INTERVAL: Final = 2.0
"""Seconds between plain lines, at least, however many tasks there are."""
TICK: Final = 0.5
"""Seconds between looks at the clock while nothing is told: a long phase must be seen too."""
SHOWN: Final = 3
"""Tasks in one line, at most: those that have been in work for longest."""


class Tell(Protocol):
    """What the work calls as it goes on; from any thread."""

    def __call__(self, task: str, done: int, total: int | None = None) -> None:
        """Say how much of a task is done.

        Args:
            task: ``subject: phase``, such as ``us-dnc: comparing``, or a word for all there is,
                such as ``lists read``. A subject is in one phase at a time: the next takes the
                place of the one before.
            done: how much, in the unit that the task names; 0 where there is nothing to count.
            total: of how much; ``None`` where nobody knows yet. A task of which that much is
                done has ended, and is shown no more.
        """

    def notice(self, text: str) -> None:
        """Say one thing at once, such as that the service asked us to wait."""

    def rest(self) -> None:
        """Take bars off the screen until the next task, so that others can write there."""


class Shown(Tell, Protocol):
    """What shows that."""

    def look(self) -> None:
        """Show what is due by now, though nothing was told."""


@contextmanager
def progress(
    *,
    stream: TextIO,
    enabled: bool = True,
    bars: bool = True,
    color: bool = True,
    clock: Callable[[], float] = time.monotonic,
    tick: float | None = TICK,
) -> Iterator[Tell]:
    """Yield what the work reports to, and clean up behind it.

    Args:
        stream: where to write, standard error as a rule.
        enabled: ``False`` swallows everything.
        bars: whether bars are wanted at all; they need a terminal besides.
        color: whether bars may be coloured.
        clock: seconds from any fixed start, never going back.
        tick: seconds between looks at the clock while nothing is told; ``None`` is never.
    """
    if not enabled:
        yield _Silence()
        return
    shown = _shown(stream, bars=bars and stream.isatty(), color=color, clock=clock)
    with _ticking(shown.look, tick):
        try:
            yield shown
        finally:
            shown.rest()


def _shown(stream: TextIO, *, bars: bool, color: bool, clock: Callable[[], float]) -> Shown:
    if not bars:
        return _Lines(stream, clock)
    from reconciler.views.bars import Bars  # noqa: PLC0415 - where no terminal is, nor is rich

    return Bars(stream, color=color, clock=clock)


@contextmanager
def _ticking(look: Callable[[], None], tick: float | None) -> Iterator[None]:
    """Call a function every so often, from a thread of its own."""
    over = threading.Event()

    def ticks() -> None:
        while not over.wait(tick):
            with suppress(OSError, ValueError):  # a stream that is gone is the work's to notice
                look()

    thread = threading.Thread(target=ticks, name="progress", daemon=True)
    if tick is not None:
        thread.start()
    try:
        yield
    finally:
        over.set()
        if tick is not None:
            thread.join()


class _Silence:
    """Says nothing."""

    def __call__(self, task: str, done: int, total: int | None = None) -> None:
        """Say nothing."""

    def notice(self, text: str) -> None:
        """Say nothing."""

    def rest(self) -> None:
        """Rest."""


@dataclass(slots=True)
class Standing:
    """One subject's phase in work."""

    task: str
    began: float
    first: int
    done: int
    total: int | None

    @property
    def over(self) -> bool:
        """Whether all of it is done."""
        return self.total is not None and self.done >= self.total


class Board:
    """What is in work, by subject, oldest first; not safe for threads by itself."""

    def __init__(self) -> None:
        self._standing: dict[str, Standing] = {}

    def take(self, task: str, done: int, total: int | None, now: float) -> tuple[str, Standing]:
        """Take what is told, and return the subject and how it stands."""
        subject = subject_of(task)
        held = self._standing.get(subject)
        if held is None or held.task != task:
            held = Standing(task, now, done, done, total)
            self._standing[subject] = held
        held.done, held.total = done, total
        return subject, held

    def drop(self, subject: str) -> None:
        """Forget a subject."""
        self._standing.pop(subject, None)

    def oldest(self, most: int) -> list[tuple[str, Standing]]:
        """Return what has been in work for longest."""
        return list(islice(self._standing.items(), most))

    def __len__(self) -> int:
        return len(self._standing)


def subject_of(task: str) -> str:
    """Return what a task is about: ``us-dnc`` of ``us-dnc: comparing``."""
    return task.partition(": ")[0]


class _Lines:
    """Plain lines, a few a minute, for logs that are read later."""

    def __init__(self, stream: TextIO, clock: Callable[[], float]) -> None:
        self._stream = stream
        self._clock = clock
        self._lock = threading.Lock()
        self._board = Board()
        self._last = clock() + PATIENCE - INTERVAL

    def __call__(self, task: str, done: int, total: int | None = None) -> None:
        """Take it, and write a line if it is time for one."""
        with self._lock:
            subject, standing = self._board.take(task, done, total, self._clock())
            self._line_if_due()
            if standing.over:
                self._board.drop(subject)

    def look(self) -> None:
        """Write a line if it is time for one."""
        with self._lock:
            self._line_if_due()

    def notice(self, text: str) -> None:
        """Write a line at once."""
        with self._lock:
            self._write(text)

    def rest(self) -> None:
        """Rest: lines are in nobody's way."""

    def _line_if_due(self) -> None:
        now = self._clock()
        told = [line(standing, now) for _, standing in self._board.oldest(SHOWN)]
        if told and now - self._last >= INTERVAL:
            self._last = now
            more = len(self._board) - len(told)
            self._write("; ".join(told) + (f"; and {more:,} more" if more else ""))

    def _write(self, text: str) -> None:
        self._stream.write(clean(text) + "\n")
        self._stream.flush()


def line(standing: Standing, now: float) -> str:
    """Return ``us-dnc: reading: 40,000 of 120,000 (33%), 20,000/s, 4 s left``."""
    done, total, took = standing.done, standing.total, now - standing.began
    if not done and not total:
        return standing.task + (f", for {took:,.0f} s" if took >= 1 else "")
    parts = [f"{standing.task}: {done:,}"]
    if total:
        parts[0] += f" of {total:,} ({100 * done // total}%)"
    rate = (done - standing.first) / took if took > 0 else 0.0
    if rate > 0:
        parts.append(f"{rate:,.0f}/s")
        if total and total > done:
            parts.append(f"{(total - done) / rate:,.0f} s left")
    return ", ".join(parts)
