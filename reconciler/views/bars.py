"""Progress as bars on a terminal; what ``views.progress`` shows where there is one."""

import threading
from collections.abc import Callable
from typing import Final, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from reconciler.masking import clean
from reconciler.views.progress import PATIENCE, Board

_BARS: Final = 8
"""Bars at a time: those of what has been in work for longest."""


class Bars:
    """A bar a subject in work, shown once all of it has taken a second."""

    def __init__(self, stream: TextIO, *, color: bool, clock: Callable[[], float]) -> None:
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            _Count(),
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
        self._board = Board()
        self._tasks: dict[str, tuple[str, TaskID]] = {}
        self._began = clock()
        self._running = False

    def __call__(self, task: str, done: int, total: int | None = None) -> None:
        """Move a subject's bar; it goes when the task is done."""
        with self._lock:
            subject, standing = self._board.take(task, done, total, self._clock())
            if standing.over:
                self._board.drop(subject)
                self._remove(subject)
            self._show(subject)

    def look(self) -> None:
        """Show the bars if it is time for them."""
        with self._lock:
            self._start_if_due()

    def notice(self, text: str) -> None:
        """Write a line above the bars."""
        with self._lock:
            self._bars.console.print(clean(text), soft_wrap=True, highlight=False, markup=False)

    def rest(self) -> None:
        """Take the bars away and forget them."""
        with self._lock:
            if self._running:
                self._bars.stop()
            for subject in list(self._tasks):
                self._remove(subject)
            self._board = Board()
            self._running = False
            self._began = self._clock()

    def _show(self, told: str) -> None:
        """Bring the bar of what was told up to date, and fill a place that has come free."""
        for subject, standing in self._board.oldest(_BARS):
            if subject == told or subject not in self._tasks:
                task = self._task(subject, standing.task)
                self._bars.update(task, completed=standing.done, total=standing.total)
        self._start_if_due()

    def _task(self, subject: str, task: str) -> TaskID:
        """Return the bar of a subject's phase; a new phase is a new bar, with its own rate."""
        shown = self._tasks.get(subject)
        if shown is None or shown[0] != task:
            self._remove(subject)
            self._tasks[subject] = shown = (task, self._bars.add_task(clean(task), total=None))
        return shown[1]

    def _remove(self, subject: str) -> None:
        if subject in self._tasks:
            self._bars.remove_task(self._tasks.pop(subject)[1])

    def _start_if_due(self) -> None:
        if not self._running and self._tasks and self._clock() - self._began >= PATIENCE:
            self._running = True
            self._bars.start()


class _Count(ProgressColumn):
    """How many, and of how many."""

    def render(self, task: Task) -> Text:
        if not task.completed and not task.total:
            return Text("")
        return Text(f"{task.completed:,.0f}" + (f"/{task.total:,.0f}" if task.total else ""))


class _Rate(ProgressColumn):
    """How many a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "")
