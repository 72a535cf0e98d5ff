"""The bytes of a contact file on their way to whoever reads rows: unpacked, digested, bounded.

The digest is of the very bytes that were read. A file that changes meanwhile, unpacks without
end or has a line without end is of no use and says so. Nothing here knows what a row is.
"""

import gzip
import hashlib
import io
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import pyarrow as pa

from reconciler import regular
from reconciler.contacts.rows import LIMITS, Limits, UnreadableError

_CHUNK: Final = 1 << 16
_READ: Final = 1 << 20
"""Bytes that are unpacked at once, at most."""
_MARKS: Final = (
    (b"\xff\xfe\0\0", "UTF-32 text"),
    (b"\0\0\xfe\xff", "UTF-32 text"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
    (b"\x1f\x8b", "packed with gzip"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd"),
    (b"PAR1", "a Parquet file"),
    (b"PK\x03\x04", "a zip file or a spreadsheet"),
    (b"\xd0\xcf\x11\xe0", "a spreadsheet"),
)
"""What a file begins with that is no text as we read it."""


@contextmanager
def reading() -> Iterator[None]:
    """Turn what reading a file raises into ours, without the words, which might quote the file.

    Raises:
        UnreadableError: the file is of no use.
    """
    try:
        yield
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise UnreadableError("SPEC-101", "its compressed data are damaged or cut off") from error
    except pa.ArrowException as error:
        raise UnreadableError("SPEC-101", "it is not what its name says, or damaged") from error
    except OSError as error:
        why = error.strerror or "its data are damaged or cut off"
        raise UnreadableError("SPEC-101", f"it cannot be read: {why}") from error


@dataclass(slots=True)
class _Taken:
    """How much of a file went by."""

    packed: int = 0
    plain: int = 0


class Opened:
    """A contact file that is open; a context manager.

    What is there when it was opened has to be there still when it is closed.

    Args:
        path: the file.
        digest: is given every byte that is read.
        limits: what a file may be.

    Raises:
        UnreadableError: on leaving, where the file changed meanwhile.
        OSError: it cannot be opened, or is no regular file.
    """

    def __init__(
        self, path: Path, digest: Callable[[Any], object], *, limits: Limits = LIMITS
    ) -> None:
        self._path = path
        self._digest = digest
        self.limits = limits
        self._taken = _Taken()
        self._packed: io.RawIOBase | None = None
        self._whole = b""

    def __enter__(self) -> Self:
        self._file = regular.opened(self._path)
        self._state = self._seen()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._check_unchanged()
        finally:
            self._file.close()

    @property
    def size(self) -> int:
        """Bytes of the file as it was opened."""
        return self._state[0]

    @property
    def taken(self) -> int:
        """Bytes of the file that were read so far."""
        return self._taken.packed

    @property
    def unpacked(self) -> int:
        """Bytes that went to the reader so far."""
        return self._taken.plain

    def text(self, *, ends: bytes) -> "io.BufferedReader[_Plain]":
        """Return the file's bytes, unpacked as its name says.

        Args:
            ends: the bytes that end a line for whoever reads.

        Raises:
            UnreadableError: its first bytes are no UTF-8 text; or, while it is read: it is too
                large, unpacks to too much, or a line is too long.
        """
        self._packed = _Packed(self._file, self._digest, self._taken, self.limits)
        plain = _Plain(self._unpacked(self._packed), self._taken, self.limits, ends=ends)
        buffered = io.BufferedReader(plain, _CHUNK)
        _check_text(buffered.peek(4))
        return buffered

    def binary(self) -> Any:
        """Return the file itself for whoever reads here and there; all of it is digested now.

        It is digested once more at the end: a clock is too coarse to tell of every change.
        """
        self._check_size()
        self._whole = self._sha256(self._digest)
        return self._file

    def _unpacked(self, packed: io.RawIOBase) -> Any:
        match self._path.suffix.lower():
            case ".gz":
                return gzip.GzipFile(fileobj=io.BufferedReader(packed, _CHUNK))
            case ".zst":
                return pa.input_stream(io.BufferedReader(packed, _CHUNK), compression="zstd")
            case _:
                self._check_size()
                return packed

    def _check_size(self) -> None:
        if self.size > self.limits.file:
            raise UnreadableError(
                "SPEC-124", f"it is larger than {_size(self.limits.file)}; split it"
            )

    def _sha256(self, take: Callable[[bytes], object]) -> bytes:
        """Return the digest of the whole file, and give its bytes to another one too."""
        made = hashlib.sha256()
        self._file.seek(0)
        while block := self._file.read(1 << 20):
            take(block)
            made.update(block)
        self._file.seek(0)
        return made.digest()

    def _check_unchanged(self) -> None:
        """See to it that the bytes digested are all there are, and were there all the time."""
        while self._packed and self._packed.read(_CHUNK):
            pass
        whole = self._whole and self._sha256(len)
        if self._state != self._seen() or self._whole != whole:
            raise UnreadableError("SPEC-125", "it changed while it was read; run it again")

    def _seen(self) -> tuple[int, int, int]:
        state = os.fstat(self._file.fileno())
        return state.st_size, state.st_mtime_ns, state.st_ctime_ns


class _Packed(io.RawIOBase):
    """A file's bytes as they stand there, digested as they go by."""

    def __init__(
        self, file: Any, digest: Callable[[Any], object], taken: _Taken, limits: Limits
    ) -> None:
        self._file = file
        self._digest = digest
        self._taken = taken
        self._limits = limits

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._file.readinto(buffer) or 0
        self._digest(memoryview(buffer)[:count])
        self._taken.packed += count
        if self._taken.packed > self._taken.plain + self._limits.slack:
            raise UnreadableError("SPEC-124", "its compressed data hold next to nothing")
        return count


class _Plain(io.RawIOBase):
    """A file's bytes unpacked, counted as they go by."""

    def __init__(self, source: Any, taken: _Taken, limits: Limits, *, ends: bytes) -> None:
        self._source = source
        self._taken = taken
        self._limits = limits
        self._ends = [bytes([end]) for end in ends]
        self._line = 1
        self._begun = 0
        """Bytes of the line that goes on."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)[:_READ]
        count: int = self._source.readinto(view) or 0
        self._taken.plain += count
        self._check_amount()
        data = bytes(view[:count])
        step = self._limits.line
        for at in range(0, count, step):
            self._check_line(data, at, min(at + step, count))
        return count

    def _check_amount(self) -> None:
        packed, plain, limits = self._taken.packed, self._taken.plain, self._limits
        if plain > limits.file:
            raise UnreadableError("SPEC-124", f"it unpacks to over {_size(limits.file)}; split it")
        if plain > limits.slack and plain > packed * limits.expansion:
            raise UnreadableError(
                "SPEC-124",
                f"it unpacks to over {limits.expansion} times its size, which contacts never do",
            )

    def _check_line(self, data: bytes, at: int, end: int) -> None:
        """Look at a part of data that is no longer than a line may be."""
        ends = [found for mark in self._ends if (found := data.find(mark, at, end)) >= 0]
        if self._begun + (min(ends) if ends else end) - at > self._limits.line:
            said = f"a line is longer than {_size(self._limits.line)}"
            raise UnreadableError("SPEC-124", said, line=self._line)
        if ends:
            self._begun = end - 1 - max(data.rfind(mark, at, end) for mark in self._ends)
            part = np.frombuffer(data, np.uint8, end - at, at)  # counted five times as fast so
            self._line += max(int(np.count_nonzero(part == mark[0])) for mark in self._ends)
        else:
            self._begun += end - at


def _check_text(head: bytes) -> None:
    """See to it that a file does not begin as something else than UTF-8 text."""
    for mark, what in _MARKS:
        if head.startswith(mark):
            raise UnreadableError("SPEC-101", f"it is {what}, expected text in UTF-8", line=1)
    if len(head) >= 8 and (not any(head[1:8:2]) or not any(head[0:8:2])) and any(head[:8]):  # noqa: PLR2004 - four characters of two bytes each
        raise UnreadableError("SPEC-101", "it looks like UTF-16 text, expected UTF-8", line=1)


def _size(count: int) -> str:
    """Return ``4 GiB``, ``256 KiB`` or ``12 bytes``."""
    for unit, word in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if count >= unit:
            return f"{count / unit:g} {word}"
    return f"{count} bytes"
