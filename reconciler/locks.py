"""One lock a list, so that two runs never write it at once, and one a run while it lives.

The operating system holds them: they are gone with their process, however that ends. What stands
beside a list's only tells people who holds it and since when, and is never believed about
anything else.
"""

import os
import platform
import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import orjson
from filelock import BaseFileLock, FileLock, Timeout

from reconciler.artifacts import private
from reconciler.errors import EvidenceError, LockHeldError
from reconciler.times import zulu

_GATE: Final = ".gate.lock"
"""Held while a run comes to life, and while the dead are counted."""
_PATIENCE: Final = 60.0
"""Seconds to wait at the gate; who is there does not stay."""
_OTHERS: Final = 256
"""Files that a run has open besides its locks, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds a lock."""

    run: str
    host: str
    pid: int
    since: str

    def __str__(self) -> str:
        return f"run {self.run} (pid {self.pid} on {self.host}, since {self.since})"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLocks:
    """The locks of one run among those of this machine; ``store.Locks``.

    A run of this machine that does not live is ours as long as no other comes to life.
    """

    folder: Path
    run: str
    lost: bool = False

    def living(self) -> AbstractContextManager[frozenset[str]]:
        """Yield the ids of the runs that live; no other comes to life meanwhile."""
        return counted(self.folder)

    def claim(self, run: str) -> bool:
        """Take over a run that does not live, while ``living``."""
        del run
        return True

    def forget(self, run: str) -> None:
        """Do nothing: what told of its life is gone with it."""

    def held(
        self, key: str, *, since: datetime, timeout: float, note: Callable[[str], None]
    ) -> AbstractContextManager[None]:
        """Hold the lock of one list."""
        return held(self.folder, key, run=self.run, since=since, timeout=timeout, note=note)


def make_room(count: int) -> None:
    """Let this process hold so many locks at once, as far as it may.

    Each is an open file, of which a shell allows 256 or 1,024 unless it is asked for more.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + _OTHERS
    if resource.RLIM_INFINITY != soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


@contextmanager
def held(
    folder: Path,
    key: str,
    *,
    run: str,
    since: datetime,
    timeout: float,
    note: Callable[[str], None],
) -> Iterator[None]:
    """Hold the lock of one list.

    Args:
        folder: where locks live.
        key: our name of the list.
        run: who asks.
        since: now.
        timeout: seconds to wait for another holder.
        note: told for whom this waits, and when the lock of a holder that died is taken over.

    Raises:
        LockHeldError: another run still holds it after ``timeout``.
        EvidenceError: the lock, or the sign of who holds it, cannot be written.
    """
    sign = private(folder) / f"{key}.json"
    lock = FileLock(folder / f"{key}.lock", timeout=timeout, mode=0o600)
    try:
        _acquire(lock, sign, key=key, note=note)
    except OSError as error:
        raise EvidenceError(f"the lock of {key} cannot be taken: {error.strerror}") from error
    try:
        left = _read(sign)
        if left:
            note(f"the lock of {key} is taken over from {left}, which ended without releasing it")
        me = Holder(run=run, host=platform.node(), pid=os.getpid(), since=zulu(since))
        _write(sign, me)
        yield
    finally:
        with suppress(OSError):
            sign.unlink()
        lock.release()


def _acquire(lock: BaseFileLock, sign: Path, *, key: str, note: Callable[[str], None]) -> None:
    """Take a lock, at once or within its own timeout; a wait is told before it begins."""
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        holder = f"list {key} is locked by {_read(sign) or 'another run'}"
        if lock.timeout > 0:
            note(f"waiting up to {lock.timeout:g} s: {holder}")
        try:
            lock.acquire()
        except Timeout:
            raise LockHeldError(
                holder, hint="wait for it, or give --lock-timeout more seconds"
            ) from error


@contextmanager
def alive(folder: Path, run: str) -> Iterator[None]:
    """Hold the sign that a run lives, from before it writes its first file.

    Raises:
        EvidenceError: the sign cannot be written.
        LockHeldError: others come to life for longer than is plausible.
    """
    sign = FileLock(private(folder) / f".{run}.lock", timeout=0, mode=0o600)
    with _at_the_gate(folder):
        _taken(sign)
    try:
        yield
    finally:
        with suppress(OSError):
            Path(sign.lock_file).unlink()
        sign.release()


@contextmanager
def counted(folder: Path) -> Iterator[frozenset[str]]:
    """Yield the ids of the runs that live; no other comes to life meanwhile.

    Raises:
        EvidenceError: a sign cannot be looked at.
        LockHeldError: others come to life for longer than is plausible.
    """
    with _at_the_gate(folder):
        signs = (sign for sign in folder.glob(".*.lock") if sign.name != _GATE)
        yield frozenset(sign.name[1:].removesuffix(".lock") for sign in signs if _lives(sign))


@contextmanager
def _at_the_gate(folder: Path) -> Iterator[None]:
    gate = FileLock(private(folder) / _GATE, timeout=_PATIENCE, mode=0o600)
    _taken(gate)
    try:
        yield
    finally:
        gate.release()


def _taken(lock: FileLock) -> None:
    try:
        lock.acquire()
    except Timeout as error:
        raise LockHeldError(f"{lock.lock_file} is held by another run that is starting") from error
    except OSError as error:
        raise EvidenceError(f"{lock.lock_file} cannot be locked: {error.strerror}") from error


def _lives(sign: Path) -> bool:
    """Tell whether a run lives, and take away the sign of one that does not."""
    lock = FileLock(sign, timeout=0, mode=0o600)
    try:
        lock.acquire()
    except Timeout:
        return True
    except OSError as error:
        raise EvidenceError(f"{sign} cannot be locked: {error.strerror}") from error
    with suppress(OSError):
        sign.unlink()
    lock.release()
    return False


def _write(sign: Path, holder: Holder) -> None:
    flags = os.O_CREAT | os.O_TRUNC | os.O_WRONLY
    try:
        with os.fdopen(os.open(sign, flags, 0o600), "wb") as file:
            file.write(orjson.dumps(asdict(holder)))
    except OSError as error:
        raise EvidenceError(f"{sign} cannot be written: {error.strerror}") from error


def _read(sign: Path) -> Holder | None:
    try:
        return Holder(**orjson.loads(sign.read_bytes()))
    except (OSError, orjson.JSONDecodeError, TypeError):
        return None
