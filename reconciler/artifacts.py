"""The run folder: what one run leaves behind, each file written once.

A file appears under its name only when it is whole and on disk. Addresses may stand in the
folder's ``tables/`` and nowhere else; every other file holds counts, digests and pseudonyms.
It never changes a file that is there.
"""

import os
import re
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, Final, get_args

import orjson

from reconciler import disk, provenance
from reconciler.contacts.engine import Engine
from reconciler.errors import EvidenceError
from reconciler.masking import INVISIBLE, scrub
from reconciler.metrics import Meter
from reconciler.model import Action, Change, RowAction, Settings, Table
from reconciler.signing import Signer
from reconciler.store import Locks, NameTakenError, Store
from reconciler.times import zulu

RUNS: Final = "runs"
"""The folder of all runs, in the state directory and in the store."""
INTENDED: Final = "intended.parquet"
"""The rows that a run is about to send; gone once ``CHANGES`` says what became of them."""
CHANGES: Final = "changes.parquet"
ORIGIN: Final = "run.json"
"""The first artifact of a run: which it is, and where it comes from."""
_TABLES: Final = "tables"
"""The folder of a run with addresses in it, which never leaves this machine."""
_KINDS: Final = (*get_args(Action), *get_args(RowAction))
_MOMENT: Final = "%Y%m%dT%H%M%SZ"
_UNSEEN: Final = re.compile(f"(?!\\n)[{INVISIBLE}]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run: its name, its folder, the engine and the clock it uses, the way to stop it."""

    id: str
    command: str
    state: Path
    """The state directory of this machine."""
    store: Store
    """Where evidence outlives the run, and perhaps the machine."""
    locks: Locks
    """Which lists are ours alone, and which runs live."""
    started: datetime
    engine: Engine
    meter: Meter
    clock: Callable[[], datetime]
    stop: threading.Event
    tell: Callable[[str], None]
    """Takes a line of talk for whoever watches."""
    progress: Callable[[str, int, int | None], None]
    """Takes a task's name, how much of it is done, and of how much, as ``views.progress`` says."""
    signer: Signer | None = None
    """Signs what stands in the ledger, where a key is given."""
    signalled: Callable[[], int] = int
    """Returns the exit code of the signal that came, 0 while none has."""

    @property
    def folder(self) -> Path:
        """Where this run's artifacts stand."""
        return self.state / RUNS / self.id

    @property
    def stopping(self) -> bool:
        """Whether nothing new is to be begun: told to stop, or not sure any more to be alone."""
        return self.stop.is_set() or self.locks.lost

    @property
    def cache(self) -> Path:
        """Where desired and observed tables live once, named by digest."""
        return self.state / "cache"

    @contextmanager
    def phase(self, task: str) -> Iterator[None]:
        """Show a task, such as ``us-dnc: comparing``, whose end is all that can be told of it."""
        self.progress(task, 0, None)
        try:
            yield
        finally:
            self.progress(task, 0, 0)

    def counting(self, task: str) -> Callable[[int, int], None]:
        """Return what shows how many are done of many; of one its own phases say more."""

        def told(done: int, total: int) -> None:
            if total > 1:
                self.progress(task, done, total)

        return told

    def tables(self, key: str) -> Path:
        """Return the folder for one list's tables; made when first asked for."""
        return private(self.folder / _TABLES / key)

    def evidence(self) -> Sequence[str]:
        """Return the names, below the run's folder, of all its artifacts that name nobody."""
        return [name for name in named(self.folder) if not name.startswith(f"{_TABLES}/")]

    def keep(self) -> None:
        """Put what is evidence of this run into the store; its tables stay on this machine.

        Raises:
            EvidenceError: the store cannot be written.
        """
        for name in self.evidence():
            self.store.keep(kept(self.id, name), self.folder / name)

    def write(self, name: str, content: object) -> Path:
        """Write one artifact: bytes as they are, anything else as JSON.

        Raises:
            EvidenceError: it is there already, or cannot be written.
        """
        data = content if isinstance(content, bytes) else dumps(content)
        return write_once(private(self.folder) / name, data)


def kept(run: str, name: str) -> str:
    """Return the name in the store of an artifact of a run."""
    return f"{RUNS}/{run}/{name}"


def named(folder: Path) -> Sequence[str]:
    """Return the names of all whole files below a run's folder, sorted."""
    found = (path for path in folder.rglob("*") if path.is_file())
    names = (path.relative_to(folder).as_posix() for path in found)
    return sorted(name for name in names if not disk.DRAFT.fullmatch(name.rpartition("/")[2]))


def new_id(now: datetime) -> str:
    """Return a name for a run that begins now, such as ``20261123T101500Z-3f9a1c``."""
    return f"{now.astimezone(UTC):{_MOMENT}}-{secrets.token_hex(3)}"


def began(name: str) -> datetime:
    """Return when a run began, by its id; one that has none of ours began at the dawn of time.

    So whatever bears a foreign name is taken to have been there all along.
    """
    try:
        return datetime.strptime(name.partition("-")[0], _MOMENT).replace(tzinfo=UTC)
    except ValueError:
        return datetime.fromtimestamp(0, UTC)


def start(run: Run, *, root: Path) -> None:
    """Open a run's folder and write ``run.json``: versions, actor, commit, command.

    Args:
        run: not yet on disk, but for the sign that it is alive.
        root: the specs root, for the commit it stands on.

    Raises:
        EvidenceError: the state directory cannot be written.
    """
    private(run.state)
    _ignored(run.state)
    told = {"run": run.id, "command": run.command, "started": run.started}
    run.write(ORIGIN, told | provenance.provenance(root))


def _ignored(state: Path) -> None:
    """Keep the state out of git wherever it lies: it holds addresses and the pseudonym key."""
    with suppress(NameTakenError):
        write_once(state / ".gitignore", b"*\n")


def private(folder: Path) -> Path:
    """Make a folder, and those above it, that only their owner can enter, and return it.

    Raises:
        EvidenceError: it cannot be made.
    """
    try:
        return disk.private(folder)
    except OSError as error:
        raise _unwritable(folder, error) from error


def write_once(path: Path, data: bytes) -> Path:
    """Put a new file in place whole, under a name that nobody had.

    Raises:
        NameTakenError: the file exists.
        EvidenceError: it cannot be written.
    """
    try:
        disk.create(path, data)
    except FileExistsError as error:
        raise NameTakenError(f"{path} is there already") from error
    except OSError as error:
        raise _unwritable(path, error) from error
    return path


def replace(path: Path, data: bytes) -> Path:
    """Write a file of the user's own whole, in place of one that may be there.

    What is no plain file, such as ``/dev/stdout``, is written to and never replaced.

    Raises:
        EvidenceError: it cannot be written.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        if path.is_symlink() or (path.exists() and not path.is_file()):
            _write_through(path, data)
        else:
            draft.write_bytes(data)
            draft.replace(path)
    except OSError as error:
        raise EvidenceError(
            f"{path} cannot be written: {error.strerror}",
            hint="name a file in a folder that is there and can be written",
        ) from error
    finally:
        with suppress(OSError):
            draft.unlink()
    return path


def _write_through(path: Path, data: bytes) -> None:
    """Write to what is no plain file, such as a pipe; one that nobody reads is not waited for."""
    how = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK | os.O_CLOEXEC
    handle = os.open(path, how, 0o666)
    os.set_blocking(handle, True)
    with os.fdopen(handle, "wb") as file:
        file.write(data)


def dumps(content: object) -> bytes:
    """Return the JSON form of nouns and plain values, indented, ending in a line feed.

    What would move a cursor or turn text round is escaped: people read these on terminals.
    """
    held = orjson.dumps(plain(content), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    return _UNSEEN.sub(_spelt, held.decode()).encode()


def _spelt(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be").hex()
    return "".join(rf"\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def plain(value: Any) -> Any:  # noqa: PLR0911 - one return a kind of value
    """Return a noun as plain JSON values.

    Actions carry their ``kind``; a table is its rows, digest and op, never its path; times are
    UTC with ``Z``.
    """
    match value:
        case Enum():
            return value.value
        case str():
            return value.encode(errors="backslashreplace").decode()  # a name may be no text
        case datetime():
            return zulu(value)
        case Change() | Settings():
            return {field.name: _shown(getattr(value, field.name)) for field in fields(value)}
        case Table():
            return {"rows": value.rows, "digest": value.digest, "op": value.op}
        case Mapping():
            return {str(plain(key)): plain(held) for key, held in value.items()}
        case tuple() | list() | frozenset():
            return [plain(held) for held in value]
        case Decimal() | Path():
            return plain(str(value))
    if is_dataclass(value) and not isinstance(value, type):
        kind = {"kind": type(value).__name__} if isinstance(value, _KINDS) else {}
        held = {field.name: plain(getattr(value, field.name)) for field in fields(value)}
        return {**kind, **held}
    return value.total_seconds() if hasattr(value, "total_seconds") else value


def _shown(value: Any) -> Any:
    """Free a list's own name or description of anything like an address."""
    return scrub(value) if isinstance(value, str) and not isinstance(value, Enum) else plain(value)


def _unwritable(path: Path, error: OSError) -> EvidenceError:
    return EvidenceError(
        f"{path} cannot be written: {error.strerror}",
        hint="check the space and the rights of the state directory, or choose another: "
        "--state-dir DIR",
    )
