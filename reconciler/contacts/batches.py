"""Cut the rows of one action into batches, and tell which contacts changed since the plan.

Everything is numbered in SQL. A batch never holds an address twice and never parts two rows of
one contact; what is not sent is left out before the cut, never after.
"""

from collections.abc import Collection, Generator, Iterable, Iterator
from datetime import datetime
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from reconciler.api.port import BATCH
from reconciler.contacts.engine import Engine, execute
from reconciler.contacts.ingest import FOREVER, literal, scalar, seconds
from reconciler.model import CHANNELS, Table
from reconciler.times import whole_seconds

_SLICE: Final = """
CREATE TEMP TABLE slice AS
SELECT * FROM read_parquet($path)
WHERE op = split_part($op, ':', 1) AND (until IS NULL OR NOT ends_with($op, ':endless'))
"""

_CUT: Final = """
CREATE TEMP TABLE cut AS
WITH skipped AS (SELECT unnest($skip::BIGINT[]) AS "row"),
torn AS (
    SELECT pair FROM slice
    WHERE op IN ('amend', 'part') AND pair IS NOT NULL AND "row" IN (FROM skipped)),
kept AS (
    SELECT "row", wave, channel, spelling, reason, version,
        CASE WHEN op = 'release' THEN $release_until ELSE until END AS until,
        CASE WHEN op IN ('amend', 'part') THEN pair END AS pair
    FROM slice
    WHERE channel IN (SELECT unnest($channels::VARCHAR[]))
        AND "row" NOT IN (FROM skipped)
        AND (op NOT IN ('amend', 'part') OR pair IS NULL OR pair NOT IN (FROM torn))
        AND (op = 'release' OR until IS NULL OR until > $lapse_after)),
coupled AS (
    SELECT *, pair IS NOT NULL AS joined,
        pair IS NOT NULL AND count(*) OVER (PARTITION BY pair) = 1 AS lone
    FROM kept),
slotted AS (
    SELECT *, sum(CASE WHEN lone THEN 2 ELSE 1 END) OVER (
            PARTITION BY wave ORDER BY "row" ROWS UNBOUNDED PRECEDING) - 1 AS slot,
        bool_or(joined) OVER (PARTITION BY wave) AS even
    FROM coupled)
SELECT "row", wave, CASE WHEN NOT lone THEN pair END AS pair, channel, spelling, reason, until,
    version, slot // (CASE WHEN even THEN $size - $size % 2 ELSE $size END) AS number
FROM slotted ORDER BY "row"
"""
"""A row whose other half has lapsed takes two places, so that the halves after it stay together."""

_BATCH: Final = """
"row", pair, CASE WHEN channel = 'email' THEN spelling END AS email,
    CASE WHEN channel = 'phone' THEN spelling END AS phone, reason, until, version
"""

_CUT_ROWS: Final = f"""
SELECT {_BATCH}, wave::BIGINT * 4294967296 + number AS number FROM cut ORDER BY "row"
"""  # noqa: S608 - a constant of ours

_PLAIN: Final = f"""
WITH kept AS (
    SELECT * REPLACE (NULL::BIGINT AS pair) FROM read_parquet($path)
    WHERE op = 'suppress' AND (until IS NULL OR $op <> 'suppress:endless')
        AND channel IN (SELECT unnest($channels::VARCHAR[]))
        AND "row" NOT IN (SELECT unnest($skip::BIGINT[]))
        AND (until IS NULL OR until > $lapse_after))
SELECT {_BATCH}, (row_number() OVER () - 1) // $size AS number FROM kept
"""  # noqa: S608 - likewise
"""Who is missing has one row and shares no contact, so there is one wave and nothing to keep
together; a gap's rows stand in its file in their order, so nothing is sorted and nothing held."""

_BLOCK: Final = 10_240
"""Rows that are taken from the engine at a time."""

_LAPSED: Final = """
SELECT count(*) FROM read_parquet($path)
WHERE op = split_part($op, ':', 1) AND op <> 'release' AND until <= $lapse_after
    AND NOT ends_with($op, ':endless')
"""

_CHANGED: Final = """
WITH written AS (
    SELECT address, pair, spelling, reason, until FROM read_parquet($path)
    WHERE $separated AND op IN ('amend', 'part') AND pair IS NOT NULL),
expected AS (
    SELECT slice.address, slice.spelling, written.pair IS NOT NULL AS rewritten,
        CASE WHEN written.pair IS NULL THEN observed_reason ELSE written.reason END AS reason,
        CASE WHEN written.pair IS NULL THEN observed_until ELSE written.until END AS until,
        observed_version AS version
    FROM slice LEFT JOIN written USING (address, pair, spelling)),
found AS (
    SELECT *, until IS NULL OR $as_of IS NULL OR until > $as_of AS live
    FROM read_parquet($observed) WHERE address IN (SELECT address FROM slice)),
moved AS (
    SELECT address FROM expected WHERE NOT EXISTS (
        SELECT 1 FROM found
        WHERE found.address = expected.address AND found.spelling = expected.spelling
            AND found.reason IS NOT DISTINCT FROM expected.reason
            AND found.until IS NOT DISTINCT FROM expected.until
            AND (rewritten OR found.version IS NOT DISTINCT FROM expected.version)
            AND found.pair IS NULL)
    UNION
    SELECT address FROM found WHERE live AND NOT EXISTS (
        SELECT 1 FROM expected
        WHERE found.address = expected.address AND found.spelling = expected.spelling
            AND found.reason IS NOT DISTINCT FROM expected.reason
            AND found.until IS NOT DISTINCT FROM expected.until
            AND (rewritten OR found.version IS NOT DISTINCT FROM expected.version)
            AND found.pair IS NULL))
SELECT "row" FROM slice WHERE address IN (FROM moved) ORDER BY "row"
"""
"""An address is unchanged if each of its contacts is as expected and none has come in addition."""

_STIRRED: Final = """
SELECT "row" FROM slice WHERE NOT EXISTS (
    SELECT 1 FROM read_parquet($observed) AS found
    WHERE found.spelling = slice.spelling
        AND found.address IS NOT DISTINCT FROM slice.address
        AND found.reason IS NOT DISTINCT FROM slice.observed_reason
        AND found.until IS NOT DISTINCT FROM slice.observed_until
        AND found.version IS NOT DISTINCT FROM slice.observed_version)
ORDER BY "row"
"""

_LONGER: Final = f"""
WITH found AS (
    SELECT * REPLACE (coalesce(address, shadow) AS address), coalesce(until, {FOREVER}) AS ends,
        coalesce(until, {FOREVER}) > coalesce($as_of, {FOREVER}) AS live
    FROM read_parquet($observed)),
longer AS (
    SELECT slice.address FROM slice JOIN found USING (address)
    WHERE found.ends > coalesce(slice.until, {FOREVER})),
couples AS (
    SELECT one.address, coalesce(other.address, other.spelling) AS partner
    FROM found AS one JOIN found AS other USING (pair)
    WHERE one.channel <> other.channel AND one.live AND one.address IN (SELECT address FROM slice)),
known AS (
    SELECT one.address, coalesce(other.address, other.spelling) AS partner
    FROM slice AS one JOIN slice AS other USING (pair) WHERE one.channel <> other.channel),
doubtful AS (
    SELECT "row", pair FROM slice
    WHERE NOT $complete AND until IS NOT NULL OR address IN (FROM longer)
        OR address IN (SELECT address FROM couples ANTI JOIN known USING (address, partner)))
SELECT "row" FROM slice
WHERE "row" IN (SELECT "row" FROM doubtful)
    OR pair IN (SELECT pair FROM doubtful WHERE pair IS NOT NULL)
ORDER BY "row"
"""  # noqa: S608 - a constant of ours


def batches(
    engine: Engine,
    rows: Table,
    *,
    size: int,
    lapse_after: datetime,
    release_until: datetime | None,
    channels: Collection[str] = CHANNELS,
    skip: Collection[int] = (),
) -> Generator[pa.Table, None, None]:
    """Yield the rows of one action in batches, in the order of their numbers.

    Row numbers of one batch are all lower than those of the next. Where a row of two that share a
    contact is skipped, the other stays behind too.

    Args:
        engine: an open engine.
        rows: one part of a gap.
        size: rows in a batch, at most.
        lapse_after: rows that end at or before this are left out, releases excepted.
        release_until: the end that released rows get; ``None`` where releasing needs none.
        channels: the kinds of identifier that may be sent.
        skip: numbers of rows to leave out.

    Yields:
        Tables of schema ``BATCH``; the identifier is spelled as the service spells it.

    Raises:
        ValueError: ``size`` has no room for two rows that belong together.
    """
    values: dict[str, object] = {
        "size": size,
        "lapse_after": seconds(lapse_after),
        "channels": list(channels),
        "skip": list(skip),
    }
    if size < 1:
        raise ValueError("batches of no rows")
    with engine.session() as session:
        if rows.op.startswith("suppress"):
            plain = {"path": literal(rows.path), "op": rows.op, **values}
            yield from _parted(session.sql(_PLAIN, params=plain).to_arrow_reader(_BLOCK))
            return
        execute(session, _SLICE, {"path": literal(rows.path), "op": rows.op})
        coupled = "SELECT count(*) FROM slice WHERE op IN ('amend', 'part') AND pair IS NOT NULL"
        if size == 1 and scalar(session, coupled):
            raise ValueError(f"batches of {size} have no room for two rows that belong together")
        until = seconds(whole_seconds(release_until)) if release_until else None
        execute(session, _CUT, {**values, "release_until": until})
        yield from _parted(session.sql(_CUT_ROWS).to_arrow_reader(_BLOCK))


def _parted(blocks: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Yield the rows of each number, which stand together, as one table."""
    held: list[pa.Table] = []
    current = None
    for block in blocks:
        table = pa.table(block)
        runs = pc.run_end_encode(block.column("number"))
        start = 0
        for number, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
            if held and number != current:
                yield _joined(held)
                held = []
            held.append(table.slice(start, end - start))
            current, start = number, end
    if held:
        yield _joined(held)


def _joined(pieces: list[pa.Table]) -> pa.Table:
    return pa.concat_tables(pieces).combine_chunks().drop_columns("number").cast(BATCH)


def lapsed(engine: Engine, rows: Table, *, lapse_after: datetime) -> int:
    """Count the rows that ``batches`` leaves out because they have lapsed by ``lapse_after``."""
    values = {"path": literal(rows.path), "op": rows.op, "lapse_after": seconds(lapse_after)}
    with engine.session() as session:
        return scalar(session, _LAPSED, **values)


def changed(
    engine: Engine,
    rows: Table,
    observed: Table,
    *,
    separated: bool,
    as_of: datetime | None = None,
) -> tuple[int, ...]:
    """Return the numbers of rows whose contact is no longer what the plan was made for.

    Reason, end, spelling and version have to be equal, and the contact must carry no second
    identifier. One that has gone, or come in addition, is a change of its address.

    Args:
        engine: an open engine.
        rows: the part of a gap that shortens or releases.
        observed: the list as read just now.
        separated: whether the gap's ``amend`` and ``part`` rows were written since: contacts that
            shared two identifiers are then expected as those rows left them, at any version.
        as_of: contacts that ended by then and were not in the gap are no addition; without it
            every contact counts.
    """
    with engine.session() as session:
        execute(session, _SLICE, {"path": literal(rows.path), "op": rows.op})
        values = {
            "path": literal(rows.path),
            "observed": literal(observed.path),
            "separated": separated,
            "as_of": seconds(as_of) if as_of else None,
        }
        return tuple(row for (row,) in execute(session, _CHANGED, values).fetchall())


def stirred(engine: Engine, rows: Table, observed: Table) -> tuple[int, ...]:
    """Return the numbers of rows whose contact is not exactly there any more.

    For rows that write what was observed back, as a contact of its own: reason, end, spelling and
    version have to be what the gap saw, or something newer would be undone.

    Args:
        engine: an open engine.
        rows: the ``part`` rows of a gap.
        observed: the list as read just now.
    """
    with engine.session() as session:
        execute(session, _SLICE, {"path": literal(rows.path), "op": rows.op})
        found = execute(session, _STIRRED, {"observed": literal(observed.path)}).fetchall()
        return tuple(row for (row,) in found)


def longer(
    engine: Engine,
    rows: Table,
    observed: Table,
    *,
    complete: bool,
    as_of: datetime | None = None,
) -> tuple[int, ...]:
    """Return the numbers of rows that would take suppression away from a list that has moved.

    An end that cannot be read counts as none.
    With one row of a couple goes the other: they are sent together or not at all.

    Args:
        engine: an open engine.
        rows: the part of a gap that suppresses or amends.
        observed: the list as read just now.
        complete: whether that reading is whole; if not, every row that has an end is in doubt.
        as_of: the time of that reading. With it a row counts, too, whose contact now carries an
            identifier that it did not carry in the gap: the write would lose that one.
    """
    with engine.session() as session:
        execute(session, _SLICE, {"path": literal(rows.path), "op": rows.op})
        values = {
            "observed": literal(observed.path),
            "complete": complete,
            "as_of": seconds(as_of) if as_of else None,
        }
        return tuple(row for (row,) in execute(session, _LONGER, values).fetchall())
