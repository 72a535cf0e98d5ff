"""Ctrl-C and SIGTERM, seen once and remembered for the exit code.

Both become ``KeyboardInterrupt``, unless the work in hand asked to finish its batch first. It
never ends the process by itself.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, Self, TypeAlias

from reconciler.errors import Exit

_CODES: Final = {signal.SIGINT: Exit.INTERRUPTED, signal.SIGTERM: Exit.TERMINATED}
_FINISHING: Final = b"\nFinishing what is in flight. Once more to stop at once.\n"
_Before: TypeAlias = dict[signal.Signals, object]


class Signals:
    """The handlers of one run of the command line; a context manager.

    ``code`` is the exit code of the first signal that came, 0 before. Outside the main thread,
    which no signal reaches, it does nothing.
    """

    def __init__(self) -> None:
        self.code = 0
        self._stop: threading.Event | None = None
        self._before: _Before = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {each: signal.signal(each, self._arrived) for each in _CODES}
        return self

    def __exit__(self, *_: object) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)  # type: ignore[arg-type] # as the system gave it

    @contextmanager
    def finishing(self) -> Iterator[threading.Event]:
        """Yield an event that the first signal sets instead of interrupting; the second does."""
        self._stop = threading.Event()
        try:
            yield self._stop
        finally:
            self._stop = None

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """Let the first signal interrupt again, as while a question waits for its answer."""
        stop, self._stop = self._stop, None
        try:
            yield
        finally:
            self._stop = stop

    def _arrived(self, number: int, _frame: FrameType | None) -> None:
        self.code = self.code or _CODES[signal.Signals(number)]
        if self._stop is None or self._stop.is_set():
            raise KeyboardInterrupt
        self._stop.set()
        os.write(2, _FINISHING)  # a stream may be in the middle of a write: not to be entered again
