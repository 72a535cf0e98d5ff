"""Observed contacts, page by page, into one normalised table named by its content.

The lowest floor of the folder: how rows come to rest in a file and how their content is digested
stands here too. It never judges whether a list was read completely, and never drops a contact
that it cannot read: such a row is opaque.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from reconciler import disk
from reconciler.contacts import normalise
from reconciler.contacts.engine import Engine
from reconciler.errors import STATE_HINT, EngineError
from reconciler.model import Table

FOREVER: Final = 9_223_372_036_854_775_807
"""No end, where ends are compared; it never reaches a file."""

_LATEST: Final = FOREVER - 9
"""The highest version that is told apart from higher ones: a write has to send a higher one still,
and one further where it writes twice."""

_COPY: Final = "COPY ({}) TO $into (FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)"

_STAGE: Final = """
CREATE TEMP TABLE staged (
    email_spelling VARCHAR, phone_spelling VARCHAR, email VARCHAR, phone VARCHAR,
    reason VARCHAR, until BIGINT, version BIGINT, unreadable BOOLEAN)
"""

_TAKE: Final = f"""
INSERT INTO staged
SELECT email_spelling, phone_spelling, email_address(email_spelling),
    phone_address(phone_spelling, $region), reason, ends, version, written AND ends IS NULL
FROM (
    SELECT
        CASE WHEN tidy(email) IS NOT NULL THEN email END AS email_spelling,
        CASE WHEN tidy(phone) IS NOT NULL THEN phone END AS phone_spelling,
        CASE WHEN tidy(reason) IS NOT NULL THEN reason END AS reason,
        end_seconds(until) AS ends, tidy(until) IS NOT NULL AS written,
        CASE WHEN version > {_LATEST} THEN {_LATEST} ELSE version END AS version
    FROM page)
"""  # noqa: S608 - a constant of ours

_ARRANGE: Final = """
CREATE TEMP TABLE arranged AS
WITH contacts AS (
    SELECT *, NULL::BIGINT AS pair FROM staged
    WHERE email_spelling IS NULL OR phone_spelling IS NULL
    UNION ALL
    SELECT *, row_number() OVER (
        ORDER BY email, phone, email_spelling, phone_spelling, reason, until, version, unreadable)
    FROM staged
    WHERE email_spelling IS NOT NULL AND phone_spelling IS NOT NULL),
identifiers AS (
    SELECT email AS found, 'email' AS channel, email_spelling AS spelling, * FROM contacts
    WHERE email_spelling IS NOT NULL
    UNION ALL
    SELECT phone, 'phone', phone_spelling, * FROM contacts
    WHERE phone_spelling IS NOT NULL
    UNION ALL
    SELECT NULL, NULL, NULL, * FROM contacts
    WHERE email_spelling IS NULL AND phone_spelling IS NULL)
SELECT CASE WHEN NOT unreadable THEN found END AS address, channel, reason, until, version,
    spelling, pair, unreadable OR found IS NULL AS opaque,
    CASE WHEN unreadable THEN found END AS shadow
FROM identifiers
"""

_OBSERVED: Final = """
SELECT * FROM arranged
ORDER BY address NULLS LAST, channel, spelling, pair, reason, until, version, shadow
"""

_OBSERVED_LINES: Final = """
SELECT replace(concat_ws('|', coalesce(address, ''), coalesce(reason, ''),
    coalesce(until::VARCHAR, ''), coalesce(version::VARCHAR, ''), coalesce(spelling, ''),
    coalesce(pair::VARCHAR, ''), coalesce(channel, ''), opaque::VARCHAR,
    coalesce(shadow, '')), chr(10), ' ') AS line
FROM arranged ORDER BY line
"""

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

_REPEATED: Final = """
WITH contacts AS (
    SELECT channel || '|' || spelling AS who, reason, until, version
    FROM read_parquet($path) WHERE pair IS NULL AND spelling IS NOT NULL
    UNION ALL
    SELECT string_agg(spelling, '|' ORDER BY channel), any_value(reason), any_value(until),
        any_value(version)
    FROM read_parquet($path) WHERE pair IS NOT NULL GROUP BY pair)
SELECT coalesce(sum(times - 1), 0)
FROM (SELECT who, reason, until, version, count(*) AS times FROM contacts GROUP BY ALL)
"""

_SUPPRESSED: Final = """
SELECT count(DISTINCT address) + count(*) FILTER (opaque)
FROM read_parquet($path) WHERE until IS NULL OR until > $as_of
"""


def ingest(engine: Engine, pages: Iterable[pa.Table], *, region: str | None, into: Path) -> Table:
    """Turn a list's pages into its observed table.

    The file is named by a digest of all it holds, so equal lists share one file, in whatever
    order and pages they were read. A contact with two identifiers becomes two rows of one
    ``pair``; where only one of them can be normalised, the other is an opaque row of that pair.
    A contact whose end cannot be read is opaque, and its ``shadow`` says whose it is: a write to
    that address would end it at a time that nobody compared.

    Args:
        engine: an open engine.
        pages: Arrow tables of schema ``PAGE``; taken one at a time.
        region: the region of phone numbers written without a country; ``None`` for none.
        into: the folder for the file.

    Returns:
        One row a contact and identifier: address, channel, reason, until (seconds since 1970
        UTC, null for no end), version, spelling, pair, opaque, shadow (the address of an opaque
        row where only the end is unreadable).
    """
    with engine.session() as session:
        normalise.register(session)
        session.execute(_STAGE)
        for page in pages:
            session.register("page", page)
            session.execute(_TAKE, {"region": region})
            session.unregister("page")
        session.execute(_ARRANGE)
        digest = engine.digest(session.sql(_OBSERVED_LINES))
        path = into / f"observed-{digest}.parquet"
        at_rest(session, _OBSERVED, path)  # also in place of one of that name: it may be damaged
        rows = scalar(session, "SELECT count(*) FROM arranged")
    return Table(path=path, rows=rows, digest=digest)


def empty(engine: Engine, into: Path) -> Table:
    """Return the observed table of a list without contacts."""
    return ingest(engine, (), region=None, into=into)


def suppressed(engine: Engine, observed: Table, *, as_of: datetime) -> int:
    """Count the addresses that are suppressed at ``as_of``, opaque rows each for itself."""
    with engine.session() as session:
        values = {"path": literal(observed.path), "as_of": seconds(as_of)}
        return scalar(session, _SUPPRESSED, **values)


def repeated(engine: Engine, observed: Table) -> int:
    """Count the contacts that came again exactly as before, beyond the first of each."""
    with engine.session() as session:
        return scalar(session, _REPEATED, path=literal(observed.path))


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
    try:
        with disk.draft(path) as held:
            rows = scalar(session, _COPY.format(query), into=str(held), **values)
            disk.adopt(held, path)
    except OSError as error:
        raise EngineError(f"cannot write {path}: {error.strerror}", hint=STATE_HINT) from error
    return rows


def scalar(session: duckdb.DuckDBPyConnection, query: str, /, **values: object) -> int:
    """Return the one number that a query selects."""
    found = session.execute(query, values).fetchall()  # all, or the session stays in use
    return int(found[0][0]) if found else 0


def literal(path: Path) -> str:
    """Spell a path so that nothing in its name is taken for a pattern."""
    return re.sub(r"([\[*?])", r"[\1]", str(path))


def seconds(moment: datetime) -> int:
    """Return whole seconds since 1970 UTC, rounded down: an end is past it if it is greater."""
    return (moment - datetime.fromtimestamp(0, UTC)) // timedelta(seconds=1)
