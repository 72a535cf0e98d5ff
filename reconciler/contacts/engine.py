"""The engine's connection, its memory and spill bounds, and keyed digests of content.

Nothing here knows what a list is. Errors of DuckDB never leave this folder.
"""

import hashlib
import hmac
import re
import secrets
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import duckdb
import pyarrow as pa
from filelock import FileLock, Timeout

from reconciler.errors import EngineError
from reconciler.masking import scrub

_BLOCK: Final = 64
"""Bytes of a SHA-256 block: HMAC pads its key to it."""

_AT_ONCE: Final = 2
"""Pieces of work over whole lists at a time."""

_PART: Final = re.compile(r"reconciler-[0-9a-f]{8}")
"""What our parts of a spill folder are called: all else in it is somebody else's."""

_read: Final[dict[str, list[duckdb.Statement]]] = {}
"""What ``execute`` has read: to read a script can take as long as to do it."""

_INNER: Final = re.compile(r'"exception_message":"(?P<message>(?:[^"\\]|\\.)*)"')

_SETTINGS: Final = """
SET memory_limit = '{memory}';
SET temp_directory = '{spill}';
SET TimeZone = 'UTC';
SET autoinstall_known_extensions = false;
SET autoload_known_extensions = false;
"""

_ORDER: Final = "SET SESSION preserve_insertion_order = {}"
_INNER_PAD: Final = "SET VARIABLE ipad = $1"
_OUTER_PAD: Final = "SET VARIABLE opad = $1"

_FOLD: Final = """
SELECT count(*), coalesce(sum(hash(1, {columns})), 0), coalesce(sum(hash({columns}, 2)), 0)
FROM {source}
"""
"""Two sums of 64-bit hashes: sums do not depend on the order, and two do not meet by chance."""

PSEUDONYM: Final = "sha256(getvariable('opad') || unhex(sha256(getvariable('ipad') || encode({}))))"
"""HMAC-SHA256 of a text column under the installation's key, as lower-case hex, in SQL."""


class Engine:
    """An open DuckDB with this installation's pseudonym key.

    Use as a context manager. Threads each take a ``session``; they share memory and spill bounds.

    Args:
        key: the pseudonym key.
        former: those that were in use before, so that what was written under them is known again.
        spill: a folder for what does not fit into memory. It may hold addresses, so what a dead
            process left there is removed at opening, and our own part at closing.
        memory: DuckDB's ``memory_limit``, such as ``1GB``.

    Raises:
        EngineError: the engine could not be opened.
    """

    def __init__(
        self, *, key: bytes, spill: Path, memory: str = "1GB", former: Sequence[bytes] = ()
    ) -> None:
        self._key = key
        self._former = tuple(former)
        self._spill = spill
        self._memory = memory
        self._turns = threading.BoundedSemaphore(_AT_ONCE)

    def __enter__(self) -> Self:
        self._own = _own_part(self._spill)
        with translated():
            self._root = duckdb.connect(":memory:")
            quoted = str(self._own.folder).replace("'", "''")
            self._root.execute(_SETTINGS.format(memory=self._memory, spill=quoted))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._root.close()
        self._own.remove()

    @contextmanager
    def session(self, *, ordered: bool = True) -> Iterator[duckdb.DuckDBPyConnection]:
        """Yield a connection of its own for one piece of work, temporary tables included.

        Args:
            ordered: whether rows keep their order where a query names none; without it every
                thread writes what it has, twice as fast.
        """
        with translated():
            cursor = self._root.cursor()
            execute(cursor, _ORDER.format(str(ordered).lower()))
            key = hashlib.sha256(self._key).digest() if len(self._key) > _BLOCK else self._key
            padded = key.ljust(_BLOCK, b"\0")
            execute(cursor, _INNER_PAD, [bytes(byte ^ 0x36 for byte in padded)])
            execute(cursor, _OUTER_PAD, [bytes(byte ^ 0x5C for byte in padded)])
            try:
                yield cursor
            finally:
                cursor.close()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until there is room for work that may need much memory, and do it.

        Lists are worked on side by side; what compares or merges whole ones is not, beyond what
        the memory limit has room for.
        """
        with self._turns:
            yield

    @contextmanager
    def draft(self) -> Iterator[Path]:
        """Yield the path of a file that lives as long as the block; it may hold addresses."""
        path = self._own.folder / f"{secrets.token_hex(8)}.parquet"
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    @property
    def fingerprint(self) -> str:
        """A name for the installation's key that does not give it away."""
        return fingerprint(self._key)

    @property
    def fingerprints(self) -> frozenset[str]:
        """The names of all keys that are known, former ones too."""
        return frozenset(map(fingerprint, (self._key, *self._former)))

    def pseudonym(self, text: str) -> str:
        """Return the HMAC-SHA256 of a text under the installation's key, as hex."""
        return _hmac(self._key, text)

    def pseudonyms(self, text: str) -> Mapping[str, str]:
        """Return what stands for a text under each key that is known, by the keys' names."""
        return {fingerprint(key): _hmac(key, text) for key in (self._key, *self._former)}

    def fold(
        self, session: duckdb.DuckDBPyConnection, columns: str, source: str, /, **values: object
    ) -> str:
        """Return a keyed digest of rows in whatever order; of equal rows each counts.

        It tells apart what was read or compiled, at the cost of one scan; it is no proof against
        somebody who makes up contents to be taken for one another.

        Args:
            session: where to ask.
            columns: what is digested of a row.
            source: what follows ``FROM``.
            **values: parameters of ``source``.
        """
        fold = _FOLD.format(columns=columns, source=source)
        found = execute(session, fold, values).fetchall()
        return self.pseudonym(":".join(map(str, found[0])))

    def digest(self, rows: duckdb.DuckDBPyRelation) -> str:
        """Return the keyed digest of a relation of one text column, in its order.

        Every row must be free of line feeds. No Python object is made for a row, and the digest
        does not depend on how the rows are cut into blocks.
        """
        made = hmac.new(self._key, digestmod=hashlib.sha256)
        lines = rows.project("#1 || chr(10)")
        for block in _reader(lines):
            column = block.column(0).cast(pa.large_string())
            offsets, data = column.buffers()[1:3]
            bounds = memoryview(offsets).cast("q")[column.offset : column.offset + len(column) + 1]
            made.update(memoryview(data)[bounds[0] : bounds[-1]] if data else b"")
        return made.hexdigest()


def execute(
    session: duckdb.DuckDBPyConnection, script: str, values: object = None
) -> duckdb.DuckDBPyConnection:
    """Execute the statements of a constant script, which is read once a process.

    Args:
        session: where.
        script: no value is written into it, or the readings of all of them would be kept.
        values: the parameters of each statement.
    """
    statements = _read.get(script)
    if statements is None:
        statements = _read[script] = session.extract_statements(script)
    for statement in statements:
        session.execute(statement, values)
    return session


def fingerprint(key: bytes) -> str:
    """Return a name for a pseudonym key that does not give it away."""
    return _hmac(key, "fingerprint of this key")[:16]


def _hmac(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One process's part of the spill folder, locked for as long as the process lives."""

    folder: Path
    lock: FileLock

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        Path(self.lock.lock_file).unlink(missing_ok=True)
        self.lock.release()


def _own_part(spill: Path) -> _Part:
    """Clear away what dead processes left, and make a part of our own."""
    try:
        spill.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in sorted(path for path in spill.iterdir() if _PART.fullmatch(path.name)):
            part = _Part(folder=left, lock=_lock(spill, left.name))
            with suppress(Timeout):
                part.lock.acquire()
                part.remove()
        name = f"reconciler-{secrets.token_hex(4)}"
        own = _Part(folder=spill / name, lock=_lock(spill, name))
        own.lock.acquire()
        own.folder.mkdir(mode=0o700)
    except OSError as error:
        raise EngineError(
            f"the spill folder {spill} cannot be used: {error.strerror}",
            hint="choose one that can be written: RECONCILER_SPILL_DIR, or --state-dir DIR",
        ) from error
    return own


def _lock(spill: Path, name: str) -> FileLock:
    return FileLock(spill / f"{name}.lock", timeout=0, mode=0o600)


def _reader(rows: duckdb.DuckDBPyRelation) -> Iterator[Any]:
    """Stream a relation in Arrow blocks."""
    yield from rows.to_arrow_reader(100_000)


@contextmanager
def translated() -> Iterator[None]:
    """Turn DuckDB's errors into ours, without an address in the message."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise EngineError(
            "the contact engine ran out of memory or of room to spill",
            hint="raise RECONCILER_MEMORY_LIMIT, or free disk space where it spills "
            "(RECONCILER_SPILL_DIR, else the state directory)",
        ) from error
    except duckdb.IOException as error:
        raise EngineError(
            f"the contact engine could not read or write: {_first(error)}",
            hint="check the space and the rights of the state directory, and those of the sources",
        ) from error
    except duckdb.Error as error:
        raise EngineError(f"the contact engine failed: {_first(error)}") from error


def _first(error: Exception) -> str:
    """Return an error's first line, scrubbed; of one that wraps another as JSON, the inner one."""
    line = str(error).partition("\n")[0]
    inner = _INNER.search(line)
    return scrub(inner["message"].replace('\\"', '"') if inner else line)
