"""The journal of one apply: a line before each request and one after, on disk before we go on.

Each line carries the length and checksum of its content, so a torn one is known as such. It is
evidence, never state: nothing is skipped on its word. It never holds an address.
"""

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from reconciler import disk
from reconciler.errors import EvidenceError


class Journal:
    """An open journal; safe to write from several threads.

    Args:
        path: a file that does not exist yet.
        fsync: brings what was written to an open file to disk; that of ``os`` by default.
    """

    def __init__(self, path: Path, *, fsync: Callable[[int], None] | None = None) -> None:
        self._path = path
        self._fsync = fsync or os.fsync
        self._lock = threading.Lock()
        """Held while a line is written."""
        self._settling = threading.Lock()
        """Held while lines are brought to disk; taken before the other."""
        self._number = 0
        self._size = 0
        """Bytes of the lines that are whole."""
        self._settled = (0, 0)
        """The last line that is on disk, and where it ends."""
        self._age = 0
        """How often lines were taken back."""

    def __enter__(self) -> Self:
        try:
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND
            self._file = os.open(self._path, flags, 0o600)
            disk.settle(self._path.parent)
        except OSError as error:
            raise EvidenceError(f"{self._path} cannot be made: {error.strerror}") from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._file)

    def intent(self, facts: Mapping[str, object]) -> int:
        """Write down what is about to be sent; returns the line's number for its outcome.

        Raises:
            EvidenceError: it cannot be written; then nothing may be sent.
        """
        return self._append({"event": "intent", **facts})

    def outcome(self, intent: int, facts: Mapping[str, object]) -> None:
        """Write down what came of an intent.

        Raises:
            EvidenceError: it cannot be written.
        """
        self._append({"event": "outcome", "intent": intent, **facts})

    def _append(self, facts: Mapping[str, object]) -> int:
        """Write a line, and return its number once it is on disk."""
        with self._lock:
            number = self._number + 1
            line = seal(orjson.dumps({"number": number, **facts}))
            try:
                _write_whole(self._file, line)
            except OSError as error:
                self._cut(self._size)
                raise self._unwritten(error) from error
            self._number, self._size = number, self._size + len(line)
            age = self._age
        self._settle(number, age)
        return number

    def _settle(self, number: int, age: int) -> None:
        """Wait until a line is on disk; one thread's fsync is that of all who wait for it.

        Raises:
            EvidenceError: the line is gone: it, or one before it, could not be brought to disk.
        """
        with self._settling:
            with self._lock:
                if age != self._age:
                    raise EvidenceError(f"{self._path} cannot be written: a line before it failed")
                written = self._number, self._size
            if self._settled[0] >= number:
                return
            try:
                self._fsync(self._file)
            except OSError as error:
                with self._lock:
                    self._number, self._size = self._settled
                    self._age += 1
                    self._cut(self._size)
                raise self._unwritten(error) from error
            self._settled = written

    def _unwritten(self, error: OSError) -> EvidenceError:
        return EvidenceError(f"{self._path} cannot be written: {error.strerror}")

    def _cut(self, size: int) -> None:
        """Take away what is not certain to be whole, so that a later line can be read."""
        with suppress(OSError):
            os.ftruncate(self._file, size)


def seal(content: bytes) -> bytes:
    """Return a journal line around JSON content."""
    checksum = hashlib.sha256(content).hexdigest()
    return b'{"length":%d,"sha256":"%s","line":%s}\n' % (len(content), checksum.encode(), content)


def replay(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the lines that are whole, up to the first that is torn, altered or not there.

    Raises:
        EvidenceError: there is no journal, or it cannot be read.
    """
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                line = _line(raw)
                if line is None or line.get("number") != number:
                    return
                yield line
    except OSError as error:
        raise EvidenceError(f"{path} cannot be read: {error.strerror}") from error


def _line(raw: bytes) -> Mapping[str, Any] | None:
    """Return what a line says, if it is exactly as it was written."""
    try:
        line = orjson.loads(raw)["line"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return line if isinstance(line, dict) and seal(orjson.dumps(line)) == raw else None


def _write_whole(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
