"""How far the work is, told to a stream while it goes on.

Bars on a terminal, plain lines elsewhere, and neither for work that takes less than a second. It
is told counts and names of tasks, never contacts, and it may be told from any thread.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol, Self, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from reconciler.masking import clean

PATIENCE: Final = 1.0
"""Seconds of silence at the start."""
INTERVAL: Final = 2.0
"""Seconds between plain lines, at least."""


class Tell(Protocol):
    """What the work calls as it goes on; from any thread."""

    def __call__(self, task: str, done: int, total: int | None = None) -> None:
        """Say how much of a task is done; ``total`` is ``None`` where nobody knows yet."""

    def notice(self, text: str) -> None:
        """Say one thing at once, such as that the service asked us to wait."""

    def rest(self) -> None:
        """Take bars off the screen until the next task, so that others can write there."""


@contextmanager
def progress(
    *,
    stream: TextIO,
    enabled: bool = True,
    bars: bool = True,
    color: bool = True,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Tell]:
    """Yield what the work reports to, and clean up behind it.

    Args:
        stream: where to write, standard error as a rule.
        enabled: ``False`` swallows everything.
        bars: whether bars are wanted at all; they need a terminal besides.
        color: whether bars may be coloured.
        clock: seconds from any fixed start, never going back.
    """
    if not enabled:
        yield _Silence()
    elif bars and stream.isatty():
        with _Bars(stream, color=color, clock=clock) as tell:
            yield tell
    else:
        yield _Lines(stream, clock)


class _Silence:
    """Says nothing."""

    def __call__(self, task: str, done: int, total: int | None = None) -> None:
        """Say nothing."""

    def notice(self, text: str) -> None:
        """Say nothing."""

    def rest(self) -> None:
        """Rest."""


class _Lines:
    """Plain lines, a few a minute, for logs that are read later."""

    def __init__(self, stream: TextIO, clock: Callable[[], float]) -> None:
        self._stream = stream
        self._clock = clock
        self._lock = threading.Lock()
        self._begun: dict[str, tuple[float, int]] = {}
        self._shown: set[str] = set()
        self._last = clock() + PATIENCE - INTERVAL

    def __call__(self, task: str, done: int, total: int | None = None) -> None:
        """Write a line if it is time for one, and always for the end of a task shown before."""
        with self._lock:
            now = self._clock()
            began, first = self._begun.setdefault(task, (now, done))
            finished = total is not None and done >= total
            if now - self._last >= INTERVAL or (finished and task in self._shown):
                self._last = now
                self._shown.add(task)
                rate = (done - first) / (now - began) if now > began else 0.0
                self._write(_line(task, done, total, rate))
            if finished:
                self._shown.discard(task)

    def notice(self, text: str) -> None:
        """Write a line at once."""
        with self._lock:
            self._write(text)

    def rest(self) -> None:
        """Rest: lines are in nobody's way."""

    def _write(self, text: str) -> None:
        self._stream.write(clean(text) + "\n")
        self._stream.flush()


class _Bars:
    """A bar a task in work, shown once all of it has taken a second."""

    def __init__(self, stream: TextIO, *, color: bool, clock: Callable[[], float]) -> None:
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(),
            console=Console(
                file=stream, force_terminal=True, color_system="auto" if color else None
            ),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._clock = clock
        self._lock = threading.Lock()
        self._tasks: dict[str, TaskID] = {}
        self._began = clock()
        self._running = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.rest()

    def __call__(self, task: str, done: int, total: int | None = None) -> None:
        """Move a task's bar; it goes when the task is done."""
        with self._lock:
            if task not in self._tasks:
                self._tasks[task] = self._bars.add_task(clean(task), total=total)
            open_still = total is None or done < total
            self._bars.update(self._tasks[task], completed=done, total=total, visible=open_still)
            if not self._running and self._clock() - self._began >= PATIENCE:
                self._running = True
                self._bars.start()

    def notice(self, text: str) -> None:
        """Write a line above the bars."""
        with self._lock:
            self._bars.console.print(clean(text), soft_wrap=True, highlight=False, markup=False)

    def rest(self) -> None:
        """Take the bars away and forget them."""
        with self._lock:
            if self._running:
                self._bars.stop()
            for task in self._tasks.values():
                self._bars.remove_task(task)
            self._tasks.clear()
            self._running = False
            self._began = self._clock()


class _Rate(ProgressColumn):
    """How many a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "")


def _line(task: str, done: int, total: int | None, rate: float) -> str:
    """Return ``reading us-dnc: 40,000 of 120,000 (33%), 20,000/s, 4 s left``."""
    parts = [f"{task}: {done:,}"]
    if total:
        parts[0] += f" of {total:,} ({100 * done // total}%)"
    if rate > 0:
        parts.append(f"{rate:,.0f}/s")
        if total and total > done:
            parts.append(f"{(total - done) / rate:,.0f} s left")
    return ", ".join(parts)
