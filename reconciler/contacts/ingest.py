"""Observed contacts, page by page, into one normalised table named by its content.

The lowest floor of the folder: how rows come to rest in a file and how their content is digested
stands here too. It never judges whether a list was read completely, and never drops a contact
that it cannot read: such a row is opaque.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa

from reconciler import disk
from reconciler.api.port import PAGE
from reconciler.contacts import normalise
from reconciler.contacts.engine import Engine, execute
from reconciler.contacts.passing import passing
from reconciler.errors import STATE_HINT, EngineError
from reconciler.model import Table
from reconciler.regular import sha256

FOREVER: Final = 9_223_372_036_854_775_807
"""No end, where ends are compared; it never reaches a file."""

_LATEST: Final = FOREVER - 9
"""The highest version that is told apart from higher ones: a write has to send a higher one still,
and one further where it writes twice."""

_NUMBER: Final = pa.field("number", pa.int64())
_STREAM: Final = PAGE.append(_NUMBER)

_COPY: Final = "COPY ({}) TO $into (FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)"

_OBSERVED: Final = f"""
COPY (
WITH tidied AS (
    SELECT part, number,
        CASE WHEN is_there(email) THEN email END AS email,
        CASE WHEN is_there(phone) THEN phone END AS phone, bare_phone(phone) AS dialled,
        CASE WHEN is_there(reason) THEN reason END AS reason,
        end_seconds(until) AS until, is_there(until) AS written,
        CASE WHEN version > {_LATEST} THEN {_LATEST} ELSE version END AS version
    FROM stream),
identifiers AS (
    SELECT *, gapless_phone(dialled) AS gapless, written AND until IS NULL AS unreadable,
        part > 0 AND email IS NOT NULL AND phone IS NOT NULL AS joined,
        CASE WHEN part = 2 THEN phone ELSE coalesce(email, phone) END AS spelling,
        CASE
            WHEN part < 2 AND email IS NOT NULL THEN 'email'
            WHEN phone IS NOT NULL THEN 'phone' END AS channel
    FROM tidied
    WHERE part = 0 OR part = 1 AND (email IS NOT NULL OR phone IS NULL)
        OR part = 2 AND phone IS NOT NULL),
found AS (
    SELECT *, CASE channel
        WHEN 'email' THEN email_address(email)
        WHEN 'phone' THEN dialled_address(dialled, gapless) END AS found
    FROM identifiers)
SELECT CASE WHEN NOT unreadable THEN found END AS address, channel, reason, until, version,
    spelling, CASE WHEN joined THEN number END AS pair, unreadable OR found IS NULL AS opaque,
    CASE WHEN unreadable THEN found END AS shadow,
    CASE WHEN joined THEN CASE WHEN part = 1 THEN phone ELSE email END END AS mate
FROM found
) TO $into (FORMAT parquet, USE_TMP_FILE false)
"""  # noqa: S608 - a constant of ours
"""One statement from the pages to the file: no row waits in memory for another one."""

_EMPTY: Final = """
COPY (SELECT NULL::VARCHAR AS address, NULL::VARCHAR AS channel, NULL::VARCHAR AS reason,
    NULL::BIGINT AS until, NULL::BIGINT AS version, NULL::VARCHAR AS spelling, NULL::BIGINT AS pair,
    NULL::BOOLEAN AS opaque, NULL::VARCHAR AS shadow, NULL::VARCHAR AS mate WHERE false)
TO $into (FORMAT parquet, USE_TMP_FILE false)
"""

_CONTENT: Final = "address, channel, reason, until, version, spelling, opaque, shadow, mate"
"""All that a row says; ``pair`` is only a number that its two rows have in common."""

_LINES: Final = """
SELECT DISTINCT replace(coalesce(address, spelling, '') || '|' || CASE WHEN op = 'release' THEN '|'
    ELSE coalesce(reason, '') || '|' || coalesce(until::VARCHAR, '') END || CASE
    WHEN op NOT IN ('release', 'shorten') THEN ''
    ELSE '|' || coalesce(observed_reason, '') || '|' || coalesce(observed_until::VARCHAR, '')
        || '|' || coalesce(observed_version::VARCHAR, '') END, chr(10), ' ') AS line
FROM read_parquet($path)
WHERE $op = ''
    OR op = split_part($op, ':', 1) AND (until IS NULL OR NOT ends_with($op, ':endless'))
ORDER BY line
"""

_SHARED: Final = """
CREATE TEMP TABLE shared AS
SELECT hash({column}) AS hashed FROM read_parquet($path) WHERE {column} IS NOT NULL
GROUP BY hashed HAVING count(*) > 1
"""
"""The hashes of what stands in several rows, and maybe some others: few where lists are clean, so
that only these rows need to be grouped by what they are."""

_REPEATED: Final = """
SELECT coalesce(sum(times - 1), 0) FROM (
    SELECT count(*) AS times FROM read_parquet($path)
    WHERE hash(spelling) IN (FROM shared) AND (pair IS NULL OR channel = 'email')
    GROUP BY channel, spelling, mate, reason, until, version)
"""

_LIVE: Final = """
SELECT count(*) FROM read_parquet($path) WHERE until IS NULL OR until > $as_of
"""

_TWICE: Final = """
SELECT count(address) - count(DISTINCT address) FROM read_parquet($path)
WHERE (until IS NULL OR until > $as_of) AND hash(address) IN (FROM shared)
"""


def ingest(engine: Engine, pages: Iterable[pa.Table], *, region: str | None, into: Path) -> Table:
    """Turn a list's pages into its observed table.

    Equal lists have equal digests, in whatever order and pages they were read. Their files may
    differ, in the order of rows and in what numbers pairs have; each has a name of its own then,
    since somebody may be looking at the other one, and it never changes. A contact with two
    identifiers becomes two rows of one ``pair``; where only one of them can be normalised, the
    other is an opaque row of that pair. A contact whose end cannot be read is opaque, and its
    ``shadow`` says whose it is: a write to that address would end it at a time that nobody
    compared.

    Args:
        engine: an open engine.
        pages: Arrow tables of schema ``PAGE``; taken one at a time.
        region: the region of phone numbers written without a country; ``None`` for none.
        into: the folder for the file.

    Returns:
        One row a contact and identifier, in no order: address, channel, reason, until (seconds
        since 1970 UTC, null for no end), version, spelling, pair, opaque, shadow (the address of
        an opaque row where only the end is unreadable), mate (how the contact's other identifier
        is spelled).
    """
    with engine.session(ordered=False) as session:
        normalise.register(session, region=region)
        with written(into / "observed.parquet") as held:
            with passing(session, _numbered(pages), schema=_STREAM):
                rows = scalar(session, _OBSERVED, into=str(held))
            source = "read_parquet($path)"
            digest = engine.fold(session, _CONTENT, source, path=literal(held))
            path = _named(held, digest, into)
            held.replace(path)  # not put on disk: its bytes are compared when it is used again
    return Table(path=path, rows=rows, digest=digest)


def _named(held: Path, digest: str, into: Path) -> Path:
    """Return the name of a table: after its content, and after the very bytes of its file."""
    return into / f"observed-{digest}-{sha256(held)[:16]}.parquet"


def _numbered(pages: Iterable[pa.Table]) -> Iterator[Any]:
    """Yield pages as batches whose contacts are numbered from 1."""
    first = 1
    for page in pages:
        numbers = pa.array(np.arange(first, first + page.num_rows))
        yield from page.append_column(_NUMBER, numbers).combine_chunks().to_batches()
        first += page.num_rows


def empty(engine: Engine, into: Path) -> Table:
    """Return the observed table of a list without contacts."""
    digest = engine.pseudonym("0:0:0")
    with engine.session() as session, written(into / "observed.parquet") as held:
        execute(session, _EMPTY, {"into": str(held)})
        path = _named(held, digest, into)
        held.replace(path)
    return Table(path=path, rows=0, digest=digest)


def suppressed(engine: Engine, observed: Table, *, as_of: datetime) -> int:
    """Count the addresses that are suppressed at ``as_of``, opaque rows each for itself."""
    values = {"path": literal(observed.path), "as_of": seconds(as_of)}
    with engine.session() as session:
        live = scalar(session, _LIVE, **values)
        twice = _share(session, observed, "address") and scalar(session, _TWICE, **values)
        return live - twice


def live(engine: Engine, observed: Table, *, as_of: datetime) -> int:
    """Count the rows of an observed table that suppress somebody at ``as_of``."""
    with engine.session() as session:
        values = {"path": literal(observed.path), "as_of": seconds(as_of)}
        return scalar(session, _LIVE, **values)


def repeated(engine: Engine, observed: Table) -> int:
    """Count the contacts that came again exactly as before, beyond the first of each."""
    with engine.session() as session:
        if not _share(session, observed, "spelling"):
            return 0
        return scalar(session, _REPEATED, path=literal(observed.path))


def _share(session: duckdb.DuckDBPyConnection, observed: Table, column: str) -> int:
    share(session, literal(observed.path), column)
    return scalar(session, "SELECT count(*) FROM shared")


def share(session: duckdb.DuckDBPyConnection, path: str, column: str) -> None:
    """Make the table ``shared``: hashes of what may stand in several rows of a file's column."""
    execute(session, _SHARED.format(column=column), {"path": path})


def slice_digest(
    engine: Engine, session: duckdb.DuckDBPyConnection, path: Path, op: str = ""
) -> str:
    """Return the digest of a gap's content, or of one ``op`` in it: who, why and until when.

    Of whom is to be let go it is also as what they were seen: who has asked for it anew since is
    not the one that was meant.
    """
    return engine.digest(session.sql(_LINES, params={"path": literal(path), "op": op}))


def at_rest(session: duckdb.DuckDBPyConnection, query: str, path: Path, /, **values: object) -> int:
    """Write what a query selects to a Parquet file that appears whole or not at all.

    Returns:
        How many rows it holds.

    Raises:
        EngineError: the file cannot be written.
    """
    with written(path) as held:
        rows = scalar(session, _COPY.format(query), into=str(held), **values)
        disk.adopt(held, path)
    return rows


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """Yield a draft to be filled and adopted.

    Raises:
        EngineError: it cannot be written.
    """
    try:
        with disk.draft(path) as held:
            yield held
    except OSError as error:
        raise EngineError(f"cannot write {path}: {error.strerror}", hint=STATE_HINT) from error


def private(folder: Path) -> None:
    """Make a folder that only its owner may enter.

    Raises:
        EngineError: it cannot be made.
    """
    try:
        disk.private(folder)
    except OSError as error:
        raise EngineError(
            f"cannot make the folder {folder}: {error.strerror}", hint=STATE_HINT
        ) from error


def scalar(session: duckdb.DuckDBPyConnection, query: str, /, **values: object) -> int:
    """Return the one number that a query selects."""
    found = execute(session, query, values).fetchall()  # all, or the session stays in use
    return int(found[0][0]) if found else 0


def literal(path: Path) -> str:
    """Spell a path so that nothing in its name is taken for a pattern."""
    return re.sub(r"([\[*?])", r"[\1]", str(path))


def seconds(moment: datetime) -> int:
    """Return whole seconds since 1970 UTC, rounded down: an end is past it if it is greater."""
    return (moment - datetime.fromtimestamp(0, UTC)) // timedelta(seconds=1)
