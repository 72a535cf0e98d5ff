"""One lock a list, so that two runs never write it at once.

The operating system holds it: it is gone with its process, however that ends. What stands beside
it only tells people who holds it and since when, and is never believed about anything else.
"""

import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import orjson
from filelock import FileLock, Timeout

from reconciler.artifacts import private
from reconciler.errors import EvidenceError, LockHeldError
from reconciler.times import zulu


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds a lock."""

    run: str
    host: str
    pid: int
    since: str

    def __str__(self) -> str:
        return f"run {self.run} (pid {self.pid} on {self.host}, since {self.since})"


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
        note: told when the lock of a holder that died is taken over.

    Raises:
        LockHeldError: another run still holds it after ``timeout``.
        EvidenceError: the lock, or the sign of who holds it, cannot be written.
    """
    sign = private(folder) / f"{key}.json"
    lock = FileLock(folder / f"{key}.lock", timeout=timeout, mode=0o600)
    try:
        lock.acquire()
    except Timeout as error:
        raise LockHeldError(
            f"list {key} is locked by {_read(sign) or 'another run'}",
            hint="wait for it, or give --lock-timeout more seconds",
        ) from error
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
