"""What is about to be sent, row by row, and what became of it where only a journal tells.

Written before a run's first write, so that the rows of one that dies can still be named. It names
nobody: a keyed pseudonym stands for the address.
"""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa

from reconciler.contacts.engine import PSEUDONYM, Engine
from reconciler.contacts.evidence import ENDLESS
from reconciler.contacts.ingest import at_rest, literal

UNCERTAIN: Final = "uncertain"
"""The status of a row that was sent, nobody knows with what effect."""

FATES: Final = pa.schema(
    [
        ("list", pa.string()),
        ("op", pa.string()),
        ("first", pa.int64()),
        ("last", pa.int64()),
        ("batch", pa.int64()),
        ("size", pa.int64()),
        ("status", pa.string()),
        ("answered", pa.timestamp("us", tz="UTC")),
    ]
)
"""One row a stretch of rows that were sent together; stretches of one op do not overlap. ``size``
is how many the whole batch had: where fewer or more lie between its ends, a ``done`` is in doubt.
``answered`` is when that was, or else when they were sent."""

REFUSED: Final = pa.schema([("list", pa.string()), ("op", pa.string()), ("row", pa.int64())])
"""One row a row that the service refused by name."""

_INTENDED: Final = f"""
SELECT {PSEUDONYM.format("coalesce(address, spelling, '')")} AS pseudonym, $key::VARCHAR AS list,
    op, "row", reason, CASE WHEN op <> 'release' THEN to_timestamp(until) END AS until, basis,
    source, line, to_timestamp(requested_at) AS requested_at
FROM read_parquet($path)
WHERE op IN (SELECT unnest($ops::VARCHAR[]))
    AND (until IS NULL OR op NOT IN (SELECT unnest($endless::VARCHAR[])))
"""  # noqa: S608 - a constant of ours
"""In whatever order, since each row has its number: nothing is sorted before the first write."""

_TOGETHER: Final = "SELECT * FROM read_parquet($parts::VARCHAR[])"

_TOLD: Final = """
WITH placed AS (
    SELECT intended.*, coalesce(intended."row" <= fates.last, false) AS sent,
        CASE WHEN sent THEN fates.batch END AS batch,
        CASE WHEN sent THEN fates.status END AS status,
        CASE WHEN sent THEN fates.answered END AS answered, fates.size
    FROM read_parquet($path) AS intended
    ASOF LEFT JOIN fates ON intended.list = fates.list AND intended.op = fates.op
        AND intended."row" >= fates.first),
holed AS (
    SELECT list, op, batch, true AS yes FROM placed WHERE sent
    GROUP BY list, op, batch HAVING count(*) <> any_value(size)),
begun AS (SELECT DISTINCT list, op, true AS yes FROM fates),
complaints AS (SELECT DISTINCT list, op, "row", true AS yes FROM refused),
settled AS (
    SELECT placed.* EXCLUDE (status), CASE
        WHEN complaints.yes THEN 'rejected'
        WHEN status = 'done' AND holed.yes THEN 'uncertain'
        WHEN sent THEN status
        WHEN $partial AND begun.yes THEN 'uncertain'
        ELSE 'withheld' END AS status
    FROM placed
    LEFT JOIN holed USING (list, op, batch)
    LEFT JOIN begun USING (list, op)
    LEFT JOIN complaints USING (list, op, "row"))
SELECT pseudonym, list, op, reason, until, basis, source, line, requested_at, batch, status,
    CASE WHEN status <> 'withheld' THEN answered END AS at
FROM settled
ORDER BY list, op, pseudonym, batch, status, reason, until
"""


def intended(engine: Engine, gap: Path, *, key: str, ops: Collection[str], into: Path) -> None:
    """Write the rows of one list that are about to be sent.

    Args:
        engine: an open engine.
        gap: path of all rows of the gap.
        key: of the list.
        ops: those whose rows go out; with ``evidence.ENDLESS`` behind it only those without an end.
        into: path of the file.
    """
    with engine.session(ordered=False) as session:
        at_rest(
            session,
            _INTENDED,
            into,
            path=literal(gap),
            key=key,
            ops=[op.removesuffix(ENDLESS) for op in ops],
            endless=[op.removesuffix(ENDLESS) for op in ops if op.endswith(ENDLESS)],
        )


def collect(engine: Engine, parts: Sequence[Path], into: Path) -> None:
    """Write what is intended for several lists into one file.

    Columns: pseudonym, list, op, row (its number within the op), reason, until (a time in UTC,
    null for a release), basis, source, line, requested_at (a time in UTC).
    """
    with engine.session(ordered=False) as session:
        at_rest(session, _TOGETHER, into, parts=[literal(part) for part in parts])


def told(
    engine: Engine,
    path: Path,
    *,
    fates: pa.Table,
    refused: pa.Table,
    partial: bool,
    into: Path,
) -> None:
    """Write what became of every row that was intended, as far as a journal tells.

    A row of no batch was ``withheld``: never sent. Where the journal may end too early, rows of an
    op that was begun are ``uncertain`` instead.

    Args:
        engine: an open engine.
        path: of what was intended, as ``collect`` writes it.
        fates: of schema ``FATES``.
        refused: of schema ``REFUSED``.
        partial: whether the journal may lack its last lines.
        into: path of the file, of the columns of ``changes.parquet``.
    """
    with engine.session() as session:
        session.register("fates", fates)
        session.register("refused", refused)
        at_rest(session, _TOLD, into, path=literal(path), partial=partial)
