"""The journal of one apply: a line before each request and one after, on disk before we go on.

Each line carries the length and checksum of its content, so a torn one is known as such. It is
evidence, never state: nothing is skipped on its word. It never holds an address.
"""

import hashlib
import os
import threading
from collections.abc import Iterator, Mapping
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
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._number = 0
        self._size = 0
        """Bytes of the lines that are whole."""

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
        with self._lock:
            number = self._number + 1
            line = seal(orjson.dumps({"number": number, **facts}))
            try:
                _write_whole(self._file, line)
                os.fsync(self._file)
            except OSError as error:
                self._cut()
                raise EvidenceError(f"{self._path} cannot be written: {error.strerror}") from error
            self._number, self._size = number, self._size + len(line)
            return number

    def _cut(self) -> None:
        """Take a torn line away, so that a later one can be read."""
        with suppress(OSError):
            os.ftruncate(self._file, self._size)


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
