"""New files of the user's own, put in place together or not at all.

It never overwrites: a name that is taken ends it before anything is in place. What was put in
place goes again if what follows fails.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reconciler import disk
from reconciler.errors import ReconcilerError, SettingError
from reconciler.masking import printable

_FOLDER: Final = 0o777
_FILE: Final = 0o666


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """A file that is to be made."""

    path: Path
    fill: Callable[[Path], object]
    """Writes its content to the path it is given."""
    private: bool = False
    """Whether its owner alone may read it."""


def text(path: Path, content: str, *, private: bool = False) -> NewFile:
    """Return a file of this content, in UTF-8 and with line feeds as they are."""
    return NewFile(path=path, fill=lambda held: held.write_bytes(content.encode()), private=private)


@contextmanager
def laid(files: Sequence[NewFile], *, umask: int) -> Iterator[None]:
    """Put files in place, and their folders; they stay unless the block fails.

    All are written under other names first, so that a disk that is full leaves nothing.

    Args:
        files: in folders that may be made.
        umask: the rights that others are not to have.

    Raises:
        SettingError: a name is taken.
        ReconcilerError: a file cannot be written.
    """
    free(file.path for file in files)
    made: list[Path] = []
    try:
        _lay(files, umask=umask, made=made)
        yield
    except BaseException:
        for path in reversed(made):
            with suppress(OSError):  # a folder that is not empty is somebody's
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        raise


def free(paths: Iterable[Path]) -> None:
    """See to it that nothing is there under any of these names.

    Raises:
        SettingError: something is; all of it is named.
    """
    there = [path for path in paths if os.path.lexists(path)]
    if there:
        named = ", ".join(printable(str(path)) for path in there)
        raise SettingError(
            f"nothing was written: {named} {'is' if len(there) == 1 else 'are'} there already",
            hint="nothing is ever overwritten; choose another folder or name, or move it away",
        )


def _lay(files: Sequence[NewFile], *, umask: int, made: list[Path]) -> None:
    """Write all drafts, then give each its name; ``made`` is what has to go if that fails."""
    at = files[0].path if files else Path()
    try:
        with ExitStack() as drafts:
            held = []
            for file in files:
                at = file.path
                _folders(at.parent, umask=umask, made=made)
                held.append(drafts.enter_context(disk.draft(at)))
                file.fill(held[-1])
                if not file.private:
                    held[-1].chmod(_FILE & ~umask)
                disk.settle(held[-1])
            for file, draft in zip(files, held, strict=True):
                at = file.path
                os.link(draft, at)  # unlike a rename it never takes another's place
                made.append(at)
        for folder in {file.path.parent for file in files}:
            disk.settle(folder)
    except FileExistsError as error:
        raise SettingError(
            f"nothing was written: {printable(str(at))} is in the way",
            hint="nothing is ever overwritten; choose another folder or name, or move it away",
        ) from error
    except OSError as error:
        raise ReconcilerError(
            f"nothing was written: {printable(str(at))} cannot be made: {error.strerror}",
            hint="check the space and the rights of that folder, or choose another",
        ) from error


def _folders(folder: Path, *, umask: int, made: list[Path]) -> None:
    """Make a folder and those above it."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir()
        made.append(one)
        one.chmod(_FOLDER & ~umask)
