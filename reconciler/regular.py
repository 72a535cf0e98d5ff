"""A file that somebody else named, opened only if it is a regular one, and never waited for.

A pipe without a writer would hold a run up for ever, and a device has no end: neither is opened.
It reads nothing into memory beyond a bound, and knows nothing of what a file is for.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import Final

_KINDS: Final[tuple[tuple[Callable[[int], bool], str], ...]] = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def opened(path: Path) -> FileIO:
    """Open a regular file for reading bytes, without a buffer.

    What is looked at is what was opened, so that nobody can put a pipe in its place in between.

    Raises:
        OSError: it cannot be opened or is no regular file; ``strerror`` says which of them.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    if kind := _kind(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, f"it is {kind}, not a file")
    return FileIO(handle)


def read(path: Path, *, limit: int) -> bytes:
    """Return a regular file's content.

    Args:
        path: the file.
        limit: bytes it may have.

    Raises:
        OSError: as ``opened``; ``errno.EFBIG`` where the file is longer.
    """
    with opened(path) as file:
        parts, left = [], limit + 1
        while left and (part := file.read(left)):
            parts.append(part)
            left -= len(part)
    if not left:
        raise OSError(errno.EFBIG, f"it is larger than {limit:,} bytes")
    return b"".join(parts)


def sha256(path: Path) -> str:
    """Return the sha256 of a regular file's bytes, as hex.

    Raises:
        OSError: as ``opened``; what that means is the caller's to say.
    """
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def odd(path: Path) -> str:
    """Say what stands at a path in place of a regular file; empty for one, or for nothing."""
    try:
        return _kind(path.stat().st_mode)
    except (OSError, RuntimeError, ValueError):  # RuntimeError: links in a circle, before 3.13
        return "a link that leads nowhere" if os.path.islink(path) else ""  # noqa: PTH114 - never raises


def _kind(mode: int) -> str:
    if stat.S_ISREG(mode):
        return ""
    return next((word for test, word in _KINDS if test(mode)), "of an unknown kind")
