"""Files of ours that appear whole or not at all, in folders that only their owner may enter.

A file is written under a name that begins with a dot, put on disk, and then given its own: nobody
ever reads half of it, and what a dying process leaves can be told by its name. It translates no
error: what a failure means is the caller's to say.
"""

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

DRAFT: Final = re.compile(r"\..+\.[0-9a-f]{8}")
"""Names that files have until they are whole."""


def private(folder: Path) -> Path:
    """Make a folder, and those above it, that only their owner may enter, and return it.

    Raises:
        OSError: it cannot be made.
    """
    for missing in reversed([one for one in (folder, *folder.parents) if not one.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def create(path: Path, data: bytes) -> None:
    """Put a new file in place whole, under a name that nobody had.

    Raises:
        FileExistsError: somebody has it.
        OSError: it cannot be written.
    """
    with draft(path) as held:
        _write(held, data)
        _name(held, path)


def replace(path: Path, data: bytes) -> None:
    """Put a file in place whole, also where there is one of that name.

    Raises:
        OSError: it cannot be written.
    """
    with draft(path) as held:
        _write(held, data)
        adopt(held, path)


def copy(path: Path, into: Path) -> None:
    """Put a copy of a file in place whole, also where there is one of that name.

    Raises:
        OSError: it cannot be read or written.
    """
    with draft(into) as held:
        shutil.copyfile(path, held)
        adopt(held, into)


@contextmanager
def draft(path: Path) -> Iterator[Path]:
    """Yield an empty file beside ``path`` to be written and adopted; nothing of it is left over.

    Raises:
        OSError: it cannot be made.
    """
    held = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        os.close(os.open(held, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        yield held
    finally:
        with suppress(OSError):
            held.unlink(missing_ok=True)


def adopt(held: Path, path: Path) -> None:
    """Give a draft its name, once all of it is on disk.

    Raises:
        OSError: it cannot be moved or put on disk.
    """
    settle(held)
    held.replace(path)
    settle(path.parent)


def claim(held: Path, path: Path) -> None:
    """Give a draft a name that nobody has, once all of it is on disk.

    Raises:
        FileExistsError: somebody has it.
        OSError: it cannot be named so or put on disk.
    """
    settle(held)
    _name(held, path)


def _name(held: Path, path: Path) -> None:
    os.link(held, path)
    settle(path.parent)


def settle(path: Path) -> None:
    """Wait until a file, or a folder's list of names, has reached the disk.

    Without its folder a new file is lost, however whole.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
