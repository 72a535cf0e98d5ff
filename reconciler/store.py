"""Where ledger, evidence, outbox and locks live: names and bytes that outlive a run.

A store is a directory, or a bucket that many machines share; what is kept in it never names a
contact's address. A name is taken by creating it, so two writers cannot both have it. It knows
nothing of what it keeps.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from filelock import FileLock

from reconciler import disk
from reconciler.errors import EvidenceError
from reconciler.regular import sha256

_CHANGING: Final = ".changing.lock"
"""Held while a file of a directory is compared and put in place of another."""


class NameTakenError(EvidenceError):
    """A file of that name is there already."""


class ChangedError(EvidenceError):
    """What was to be replaced is not any more what was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What stands under a name."""

    data: bytes
    mark: str
    """Changes whenever the bytes are written anew; never empty."""
    modified: datetime
    """When they were written, by the clock of the store; aware."""


class Store(Protocol):
    """Names such as ``ledger/00000001.json``, and the bytes under them.

    Every method raises ``EvidenceError`` where the store cannot be reached or used.
    """

    @property
    def place(self) -> str:
        """Where it is, for people: a path or a URL without anything secret."""

    @property
    def shared(self) -> bool:
        """Whether other machines may use it too: then locks and signs of life live in it."""

    def create(self, name: str, data: bytes) -> None:
        """Put bytes under a name that nobody had, whole.

        Raises:
            NameTakenError: somebody has it, with other bytes.
        """

    def keep(self, name: str, path: Path) -> None:
        """Put a file's bytes under a name that nobody else uses, however many they are."""

    def replace(self, name: str, data: bytes, *, seen: str) -> None:
        """Put bytes under a name in place of those that were seen there.

        Args:
            name: of the bytes.
            data: the new ones.
            seen: the mark of what is to be replaced; empty where it does not matter.

        Raises:
            ChangedError: something else stands there by now, or nothing.
        """

    def read(self, name: str) -> Held | None:
        """Return what stands under a name; ``None`` where nothing does."""

    def fetch(self, name: str) -> Path | None:
        """Return a file here with what stands under a name that is never written anew.

        What was fetched once is not asked for again. ``None`` where nothing stands there.
        """

    def digest(self, name: str) -> str | None:
        """Return the sha256 of what stands under a name now, never of a copy; ``None`` if nothing.

        It is not held in memory, however many bytes it is.
        """

    def names(self, folder: str, *, after: str = "") -> Sequence[str]:
        """Return all names below ``folder``, sorted; only those past ``after`` if it is given."""

    def remove(self, name: str) -> None:
        """Take a name away; one that nobody has is no error."""


class Locks(Protocol):
    """What one run holds so that no other does the same: its lists, and that it is alive.

    Every method raises ``EvidenceError`` where what holds them cannot be reached or used.
    """

    @property
    def lost(self) -> bool:
        """Whether others may take this run for dead by now; then it begins nothing more."""

    def living(self) -> AbstractContextManager[frozenset[str]]:
        """Yield the ids of the runs that live."""

    def claim(self, run: str) -> bool:
        """Take over a run that does not live; whether it is ours now, and nobody else's."""

    def forget(self, run: str) -> None:
        """Let a run that was claimed be forgotten, once it is written down as what it was."""

    def held(
        self, key: str, *, since: datetime, timeout: float, note: Callable[[str], None]
    ) -> AbstractContextManager[None]:
        """Hold the lock of one list.

        Args:
            key: our name of the list.
            since: now.
            timeout: seconds to wait for another holder.
            note: told for whom this waits, and when the lock of a holder that died is taken over.

        Raises:
            LockHeldError: another run still holds it after ``timeout``.
        """


@dataclass(frozen=True, slots=True)
class DirectoryStore:
    """A store in a folder that its owner alone may enter.

    Args:
        folder: made when something is first put into it.
        shared: whether other machines have it mounted too.
    """

    folder: Path
    shared: bool = False

    @property
    def place(self) -> str:
        """The folder."""
        return str(self.folder)

    def create(self, name: str, data: bytes) -> None:
        """Put bytes under a name that nobody had, on disk before this returns."""
        path = self.folder / name
        _private(path.parent)
        try:
            disk.create(path, data)
        except FileExistsError as error:
            raise NameTakenError(f"{path} is there already") from error
        except OSError as error:
            raise _unwritable(path, error) from error

    def keep(self, name: str, path: Path) -> None:
        """Copy a file, unless it stands there already under this very name."""
        into = self.folder / name
        try:
            if into.exists() and into.samefile(path):
                return
            _private(into.parent)
            disk.copy(path, into)
        except OSError as error:
            raise _unwritable(into, error) from error

    def replace(self, name: str, data: bytes, *, seen: str) -> None:
        """Put bytes in place whole; nobody else replaces anything meanwhile."""
        path = self.folder / name
        _private(path.parent)
        try:
            with FileLock(self.folder / _CHANGING, mode=0o600):
                if seen and not (path.exists() and _mark(path.stat()) == seen):
                    raise ChangedError(f"{path} was changed by somebody else")
                disk.replace(path, data)
        except OSError as error:
            raise _unwritable(path, error) from error

    def read(self, name: str) -> Held | None:
        """Return a file's bytes; its modification time stands for the clock of the store."""
        path = self.folder / name
        try:
            with path.open("rb") as file:
                return _held(file.fileno(), file.read())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise EvidenceError(f"{path} cannot be read: {error.strerror}") from error

    def fetch(self, name: str) -> Path | None:
        """Return the file itself."""
        path = self.folder / name
        return path if path.is_file() else None

    def digest(self, name: str) -> str | None:
        """Return the sha256 of a file as it is now; what is no file has none."""
        path = self.folder / name
        try:
            return sha256(path)
        except OSError as error:
            if path.is_file():
                raise EvidenceError(f"{path} cannot be read: {error.strerror}") from error
            return None

    def names(self, folder: str, *, after: str = "") -> Sequence[str]:
        """Return the names of all whole files below a folder."""
        found = (
            (Path(at) / name).relative_to(self.folder)
            for at, _, names in os.walk(self.folder / folder)  # which passes over what goes
            for name in names
        )
        shown = (name.as_posix() for name in found if not _hidden(name))
        return sorted(name for name in shown if name > after)

    def remove(self, name: str) -> None:
        """Take a file away; its folder stays, since somebody may be about to write into it."""
        path = self.folder / name
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise _unwritable(path, error) from error


def _hidden(name: Path) -> bool:
    """Whether a file is not whole yet, or only keeps two writers apart."""
    return bool(disk.DRAFT.fullmatch(name.name)) or name.name == _CHANGING


def _mark(state: os.stat_result) -> str:
    return f"{state.st_ino}-{state.st_mtime_ns}-{state.st_size}"


def _held(handle: int, data: bytes) -> Held:
    state = os.fstat(handle)
    modified = datetime.fromtimestamp(state.st_mtime, UTC)
    return Held(data=data, mark=_mark(state), modified=modified)


def _private(folder: Path) -> None:
    try:
        disk.private(folder)
    except OSError as error:
        raise _unwritable(folder, error) from error


def _unwritable(path: Path, error: OSError) -> EvidenceError:
    return EvidenceError(f"{path} cannot be written: {error.strerror}")
