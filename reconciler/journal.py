"""The journal of one apply: a line before each request and one after, on disk before we go on.

Each line carries the length and checksum of its content, so a torn one is known as such. It is
evidence, never state: nothing is skipped on its word. It never holds an address.
"""

import hashlib
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

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

    def __enter__(self) -> Self:
        try:
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND
            self._file = os.open(self._path, flags, 0o600)
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
        """Write down what came of an intent."""
        self._append({"event": "outcome", "intent": intent, **facts})

    def _append(self, facts: Mapping[str, object]) -> int:
        with self._lock:
            self._number += 1
            content = orjson.dumps({"number": self._number, **facts})
            try:
                _write_whole(self._file, seal(content))
                os.fsync(self._file)
            except OSError as error:
                raise EvidenceError(f"{self._path} cannot be written: {error.strerror}") from error
            return self._number


def seal(content: bytes) -> bytes:
    """Return a journal line around JSON content."""
    checksum = hashlib.sha256(content).hexdigest()
    return b'{"length":%d,"sha256":"%s","line":%s}\n' % (len(content), checksum.encode(), content)


def replay(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the lines that are whole, up to the first that is torn or altered."""
    with path.open("rb") as file:
        for raw in file:
            try:
                line: Mapping[str, Any] = orjson.loads(raw)["line"]
            except (orjson.JSONDecodeError, KeyError, TypeError):
                return
            if seal(orjson.dumps(line)) != raw:
                return
            yield line


def _write_whole(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
