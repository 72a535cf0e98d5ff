"""What became of each row, as tables: rejected rows, the lasting evidence, and the read-back.

Evidence names nobody: a keyed pseudonym stands for the address. Only ``rejected`` writes
addresses, for a file that never leaves the machine.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from reconciler.contacts.engine import PSEUDONYM, Engine, execute
from reconciler.contacts.ingest import FOREVER, at_rest, literal, scalar, seconds
from reconciler.model import Table

ENDLESS: Final = ":endless"
"""Behind the op of a batch: of its rows only those without an end were sent."""

STATUSES: Final = pa.schema(
    [
        ("op", pa.string()),
        ("batch", pa.int64()),
        ("first", pa.int64()),
        ("last", pa.int64()),
        ("status", pa.string()),
        ("lapse_after", pa.int64()),
        ("at", pa.timestamp("us", tz="UTC")),
    ]
)
"""One row a batch that was sent: the numbers of its first and last row, what became of it
(``model.Status``), the time, in seconds since 1970 UTC, up to which rows had lapsed and were
left out, null where none was, and when it was answered."""

REJECTIONS: Final = pa.schema(
    [
        ("op", pa.string()),
        ("row", pa.int64()),
        ("code", pa.string()),
        ("field", pa.string()),
        ("message", pa.string()),
    ]
)
"""One row a complaint of the service about a row, which so was not taken."""

WITHHELD: Final = pa.schema([("op", pa.string()), ("row", pa.int64())])
"""One row a row that was not sent although its neighbours were."""

_REJECTED: Final = """
SELECT coalesce(gap.address, gap.spelling) AS address, gap.channel, gap.reason, gap.until, gap.op,
    gap.source, gap.line, complaint.code, complaint.field, complaint.message
FROM read_parquet($path) AS gap
JOIN rejections AS complaint
    ON gap.op = split_part(complaint.op, ':', 1) AND gap."row" = complaint."row"
ORDER BY list_position(['suppress', 'amend', 'part', 'shorten', 'release'], gap.op), gap."row",
    complaint.code, complaint.field, complaint.message
"""

_REJECTED_LINES: Final = """
SELECT DISTINCT replace(concat_ws('|', coalesce(address, ''), coalesce(reason, ''),
    coalesce(until::VARCHAR, '')), chr(10), ' ') AS line
FROM read_parquet($path) ORDER BY line
"""

_SETTLE: Final = """
CREATE TEMP TABLE settled AS
WITH sent AS (
    SELECT * REPLACE (split_part(op, ':', 1) AS op), ends_with(op, ':endless') AS endless
    FROM statuses),
complaints AS (SELECT DISTINCT split_part(op, ':', 1) AS op, "row", true AS yes FROM rejections),
kept_back AS (SELECT DISTINCT split_part(op, ':', 1) AS op, "row", true AS yes FROM withheld),
gap AS (
    SELECT * FROM read_parquet($path)
    WHERE op IN ('suppress', 'amend', 'part', 'shorten', 'release'))
SELECT gap.op, gap."row", gap.address, gap.spelling, gap.reason, gap.until, gap.basis,
    gap.source, gap.line, gap.requested_at, gap.release_key, gap.pair, gap.observed_until,
    CASE WHEN gap."row" <= sent.last THEN sent.batch END AS batch, sent.at AS answered,
    CASE
        WHEN complaints.yes THEN 'rejected'
        WHEN kept_back.yes OR sent.last IS NULL OR gap."row" > sent.last THEN 'withheld'
        WHEN gap.op <> 'release' AND gap.until <= sent.lapse_after THEN 'lapsed'
        WHEN sent.endless AND gap.until IS NOT NULL THEN 'withheld'
        WHEN sent.status = 'partly' THEN 'done'
        ELSE sent.status END AS status
FROM gap
ASOF LEFT JOIN sent ON gap.op = sent.op AND gap."row" >= sent.first
LEFT JOIN complaints ON gap.op = complaints.op AND gap."row" = complaints."row"
LEFT JOIN kept_back ON gap.op = kept_back.op AND gap."row" = kept_back."row"
"""

_CHANGES: Final = f"""
SELECT {PSEUDONYM.format("coalesce(address, spelling, '')")} AS pseudonym, $key::VARCHAR AS list,
    op, reason, CASE WHEN op <> 'release' THEN to_timestamp(until) END AS until, basis, source,
    line, to_timestamp(requested_at) AS requested_at, batch, status,
    CASE WHEN status NOT IN ('withheld', 'lapsed') THEN answered END AS at
FROM settled
ORDER BY op, pseudonym, batch, status, reason, until
"""  # noqa: S608 - a constant of ours

_FOUND: Final = f"""
SELECT {PSEUDONYM.format("coalesce(address, spelling, '')")} AS pseudonym, $key::VARCHAR AS list,
    'found' AS op, reason, to_timestamp(until) AS until, NULL::VARCHAR AS basis,
    NULL::VARCHAR AS source, NULL::BIGINT AS line, NULL::TIMESTAMPTZ AS requested_at,
    NULL::BIGINT AS batch, 'found' AS status, to_timestamp($at) AS at
FROM read_parquet($path) WHERE until IS NULL OR until > $at
"""  # noqa: S608 - a constant of ours

_NO_CHANGES: Final = """
SELECT NULL::VARCHAR AS pseudonym, NULL::VARCHAR AS list, NULL::VARCHAR AS op,
    NULL::VARCHAR AS reason, NULL::TIMESTAMPTZ AS until, NULL::VARCHAR AS basis,
    NULL::VARCHAR AS source, NULL::BIGINT AS line, NULL::TIMESTAMPTZ AS requested_at,
    NULL::BIGINT AS batch, NULL::VARCHAR AS status, NULL::TIMESTAMPTZ AS at
WHERE false
"""

_COLLECTED: Final = "SELECT * FROM read_parquet($parts::VARCHAR[])"

_CHANGES_LINES: Final = """
SELECT replace(concat_ws('|', list, op, pseudonym, coalesce(reason, ''),
    coalesce(epoch(until)::BIGINT::VARCHAR, ''), coalesce(status, '')), chr(10), ' ') AS line
FROM read_parquet($path) ORDER BY line
"""

_RELEASE_KEYS: Final = """
SELECT release_key FROM settled
WHERE op IN ('shorten', 'release') AND release_key IS NOT NULL
GROUP BY release_key HAVING bool_and(status = 'done') ORDER BY release_key
"""

_KEYS: Final = """
SELECT DISTINCT release_key FROM read_parquet($path)
WHERE op = split_part($op, ':', 1) AND release_key IS NOT NULL
    AND "row" IN (SELECT unnest($rows::BIGINT[]))
"""

_LET_GO: Final = f"""
WITH held AS (
    SELECT address, max(coalesce(until, {FOREVER})) AS ends FROM read_parquet($observed)
    WHERE NOT opaque AND (until IS NULL OR until > $as_of) GROUP BY address)
SELECT release_key FROM read_parquet($path) AS gap LEFT JOIN held USING (address)
WHERE op IN ('shorten', 'release') AND release_key IS NOT NULL
GROUP BY release_key
HAVING bool_and(held.ends IS NULL
    OR held.ends <= CASE WHEN op = 'release' THEN $window_end ELSE gap.until END)
"""  # noqa: S608 - a constant of ours

_READ_BACK: Final = f"""
CREATE TEMP TABLE held AS
SELECT address, max(coalesce(until, {FOREVER})) AS ends
FROM read_parquet($observed)
WHERE NOT opaque AND (until IS NULL OR until > $as_of)
    AND address IN (SELECT address FROM settled)
GROUP BY address
"""  # noqa: S608 - a constant of ours

_GONE: Final = f"""
WITH let_go AS (
    SELECT address FROM settled
    WHERE op IN ('shorten', 'release') AND address IS NOT NULL
        AND status NOT IN ('withheld', 'rejected', 'lapsed')),
due AS (
    SELECT address, CASE WHEN status = 'done' THEN until ELSE observed_until END AS until
    FROM settled
    WHERE op IN ('suppress', 'amend', 'part') AND (status = 'done'
        OR op <> 'suppress' AND pair IS NOT NULL AND status IN ('rejected', 'failed'))),
written AS (
    SELECT address, max(coalesce(until, {FOREVER})) AS ends FROM due
    WHERE address IS NOT NULL AND (until IS NULL OR until > $as_of)
        AND address NOT IN (FROM let_go)
    GROUP BY address)
SELECT count(*) FROM written LEFT JOIN held USING (address)
WHERE held.ends IS NULL OR held.ends < written.ends
"""  # noqa: S608 - a constant of ours

_STILL: Final = """
SELECT count(DISTINCT address) FROM settled JOIN held USING (address)
WHERE status = 'done' AND (op = 'release' AND held.ends > $window_end
    OR op = 'shorten' AND held.ends > settled.until)
"""


def rejected(engine: Engine, gap: Table, rejections: pa.Table, into: Path) -> Table:
    """Write the rows the service did not take, with what it said, to the file ``into``.

    Args:
        engine: an open engine.
        gap: all rows of the gap.
        rejections: of schema ``REJECTIONS``.
        into: path of the file; it holds addresses.

    Returns:
        One row a complaint: address, channel, reason, until (seconds), op, source, line, code,
        field, message.
    """
    with engine.session() as session:
        session.register("rejections", rejections)
        rows = at_rest(session, _REJECTED, into, path=literal(gap.path))
        return _table(engine, session, lines=_REJECTED_LINES, path=into, rows=rows)


def changes(
    engine: Engine,
    gap: Table,
    *,
    key: str,
    statuses: pa.Table,
    rejections: pa.Table,
    withheld: pa.Table,
    into: Path,
) -> Table:
    """Write what became of every row that was to be sent, under pseudonyms.

    Rows of no batch are ``withheld``; rows that had lapsed when their batch was cut are
    ``lapsed``; a row of a batch taken in part is ``done`` unless it was rejected.

    Args:
        engine: an open engine.
        gap: all rows of the gap.
        key: of the list.
        statuses: of schema ``STATUSES``; batches of one op do not overlap.
        rejections: of schema ``REJECTIONS``.
        withheld: of schema ``WITHHELD``.
        into: path of the file.

    Returns:
        One row a row: pseudonym, list, op, reason, until (a time in UTC), basis, source, line,
        requested_at (a time in UTC), batch, status, at (when the batch was answered; null where
        the row was not sent).
    """
    with engine.session() as session:
        settle(session, gap.path, statuses=statuses, rejections=rejections, withheld=withheld)
        rows = at_rest(session, _CHANGES, into, key=key)
        return _table(engine, session, lines=_CHANGES_LINES, path=into, rows=rows)


def found(engine: Engine, observed: Table, *, key: str, at: datetime, into: Path) -> None:
    """Write who is suppressed on a list before it is worked on, under pseudonyms.

    Columns are those of ``changes``; op and status are ``found``, and there is no source.

    Args:
        engine: an open engine.
        observed: the list as read.
        key: of the list.
        at: when it was read, aware.
        into: path of the file.
    """
    with engine.session(ordered=False) as session:
        values = {"path": literal(observed.path), "key": key, "at": seconds(at)}
        at_rest(session, _FOUND, into, **values)


def collect(engine: Engine, parts: Sequence[Path], into: Path) -> Table:
    """Write the changes of several lists, in the order given, into one file."""
    with engine.session() as session:
        if parts:
            rows = at_rest(session, _COLLECTED, into, parts=[literal(part) for part in parts])
        else:
            rows = at_rest(session, _NO_CHANGES, into)
        return _table(engine, session, lines=_CHANGES_LINES, path=into, rows=rows)


def release_keys(
    engine: Engine,
    gap: Table,
    *,
    statuses: pa.Table,
    rejections: pa.Table,
    withheld: pa.Table,
) -> tuple[str, ...]:
    """Return the keys of declared releases that were carried out on every spelling."""
    with engine.session() as session:
        settle(session, gap.path, statuses=statuses, rejections=rejections, withheld=withheld)
        return tuple(key for (key,) in execute(session, _RELEASE_KEYS).fetchall())


def keys(engine: Engine, gap: Table, *, op: str, rows: Collection[int]) -> frozenset[str]:
    """Return the keys of the declared releases that these rows of one op carry out."""
    with engine.session() as session:
        values = {"path": literal(gap.path), "op": op, "rows": list(rows)}
        return frozenset(key for (key,) in execute(session, _KEYS, values).fetchall())


def let_go(
    engine: Engine, *, gap: Table, observed: Table, as_of: datetime, window_end: datetime
) -> frozenset[str]:
    """Return the keys of declared releases after which nobody is held longer than they allow.

    Args:
        engine: an open engine.
        gap: all rows of the gap.
        observed: the list as read after them.
        as_of: the time of that reading, aware; who ended by then is not held.
        window_end: released contacts have to end by then.
    """
    with engine.session() as session:
        values = {
            "path": literal(gap.path),
            "observed": literal(observed.path),
            "as_of": seconds(as_of),
            "window_end": seconds(window_end),
        }
        return frozenset(key for (key,) in execute(session, _LET_GO, values).fetchall())


def verify(
    engine: Engine,
    *,
    gap: Table,
    observed: Table,
    as_of: datetime,
    window_end: datetime,
    statuses: pa.Table,
    rejections: pa.Table,
    withheld: pa.Table,
) -> Mapping[str, int]:
    """Compare the list as read back with what was written to it.

    Only rows that were done count. Whoever was to be let go in the same run is not expected to
    be held.

    Args:
        engine: an open engine.
        gap: all rows of the gap.
        observed: the list as read afterwards.
        as_of: the time of that reading, aware.
        window_end: released contacts have to end by then.
        statuses: of schema ``STATUSES``.
        rejections: of schema ``REJECTIONS``.
        withheld: of schema ``WITHHELD``.

    Returns:
        ``missing``: addresses not suppressed for as long as was written, or, where a write to
        the other half of their contact may have dropped them, as they were. ``longer``: addresses
        still suppressed for longer than a shortening or release allows.
    """
    with engine.session() as session:
        settle(session, gap.path, statuses=statuses, rejections=rejections, withheld=withheld)
        now = seconds(as_of)
        execute(session, _READ_BACK, {"observed": literal(observed.path), "as_of": now})
        return {
            "missing": scalar(session, _GONE, as_of=now),
            "longer": scalar(session, _STILL, window_end=seconds(window_end)),
        }


def settle(
    session: duckdb.DuckDBPyConnection,
    gap: Path,
    *,
    statuses: pa.Table,
    rejections: pa.Table,
    withheld: pa.Table,
) -> None:
    """Put next to each row that was to be written what became of it, as the table ``settled``."""
    for name, held in (
        ("statuses", statuses),
        ("rejections", rejections),
        ("withheld", withheld),
    ):
        session.register(name, held)
    execute(session, _SETTLE, {"path": literal(gap)})


def _table(
    engine: Engine, session: duckdb.DuckDBPyConnection, *, lines: str, path: Path, rows: int
) -> Table:
    digest = engine.digest(session.sql(lines, params={"path": literal(path)}))
    return Table(path=path, rows=rows, digest=digest)
