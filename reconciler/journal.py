"""The journal of one apply: a line before each request and one after, on disk before we go on.

Each line carries the length and checksum of its content, so a torn one is known as such. It is
evidence, never state: nothing is skipped on its word. It never holds an address.
"""

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import orjson

from reconciler import disk
from reconciler.artifacts import Run, kept
from reconciler.errors import EvidenceError, ReconcilerError
from reconciler.times import zulu

NAME: Final = "journal.jsonl"
"""Of a journal in its run's folder."""
PARTS: Final = "journal"
"""The folder beside it with what was mirrored into a store: numbered pieces of whole lines."""


class Journal:
    """An open journal; safe to write from several threads.

    Args:
        path: a file that does not exist yet.
        fsync: brings what was written to an open file to disk; that of ``os`` by default.
        clock: tells when each line was written; without it no line says.
        mirror: takes the name of a piece, below the run's folder, and its lines, to keep them where
            they outlive this machine. It hears of an action on a list before the first request of
            it is sent, and of everything else after each answer.
    """

    def __init__(
        self,
        path: Path,
        *,
        fsync: Callable[[int], None] | None = None,
        clock: Callable[[], datetime] | None = None,
        mirror: Callable[[str, bytes], None] | None = None,
    ) -> None:
        self._path = path
        self._fsync = fsync or os.fsync
        self._clock = clock
        self._mirror = mirror
        self._mirroring = threading.Lock()
        """Held while a piece is mirrored; taken before the others."""
        self._mirrored = (0, 0)
        """How many pieces are, and how many bytes."""
        self._begun = set[tuple[object, object]]()
        """The lists, each with an action, of which the mirror has heard."""
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
            flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND
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
        number = self._append({"event": "intent", **facts})
        about = facts.get("list"), facts.get("op", facts.get("action"))
        if self._mirror and about not in self._begun:
            self._keep(self._mirror)
            self._begun.add(about)
        return number

    def outcome(self, intent: int, facts: Mapping[str, object]) -> None:
        """Write down what came of an intent.

        Raises:
            EvidenceError: it cannot be written.
        """
        self._append({"event": "outcome", "intent": intent, **facts})
        if self._mirror:
            with suppress(ReconcilerError):  # the next piece has these lines, too
                self._keep(self._mirror)

    def _keep(self, mirror: Callable[[str, bytes], None]) -> None:
        """Mirror what is on disk and was not yet; one thread's piece has the lines of all."""
        with self._mirroring:
            with self._settling:
                end = self._settled[1]
            pieces, start = self._mirrored
            if end > start:
                mirror(f"{PARTS}/{pieces + 1:08d}.jsonl", os.pread(self._file, end - start, start))
                self._mirrored = pieces + 1, end

    def _append(self, facts: Mapping[str, object]) -> int:
        """Write a line, and return its number once it is on disk."""
        at = {"at": zulu(self._clock())} if self._clock else {}
        with self._lock:
            number = self._number + 1
            line = seal(orjson.dumps({"number": number, **at, **facts}))
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


def journal_of(run: Run) -> Journal:
    """Return the journal of a run; its lines are mirrored where others have to read them."""

    def mirror(name: str, lines: bytes) -> None:
        run.store.create(kept(run.id, name), lines)

    return Journal(run.folder / NAME, clock=run.clock, mirror=mirror if run.store.shared else None)


def seal(content: bytes) -> bytes:
    """Return a journal line around JSON content."""
    checksum = hashlib.sha256(content).hexdigest()
    return b'{"length":%d,"sha256":"%s","line":%s}\n' % (len(content), checksum.encode(), content)


def replay(*parts: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the lines that are whole, up to the first that is torn, altered or not there.

    Args:
        *parts: the journal, or the pieces that were mirrored of it, in their order.

    Raises:
        EvidenceError: there is no journal, or it cannot be read.
    """
    for number, raw in enumerate(_raw(parts), start=1):
        line = _line(raw)
        if line is None or line.get("number") != number:
            return
        yield line


def _raw(parts: Iterable[Path]) -> Iterator[bytes]:
    for path in parts:
        try:
            with path.open("rb") as file:
                yield from file
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
