"""Measure the gap between an observed and a desired table, entirely in SQL.

``verdicts`` settles what becomes of whom; here the rows are numbered, counted and written. It never
decides whether a row may be sent.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

import duckdb

from reconciler.contacts.engine import Engine, execute
from reconciler.contacts.ingest import (
    FOREVER,
    at_rest,
    literal,
    scalar,
    seconds,
    slice_digest,
)
from reconciler.contacts.tallies import all_of, ends, grounds, tallies
from reconciler.contacts.verdicts import settle
from reconciler.masking import mask, scrub
from reconciler.model import Ends, Gap, Op, Sample, Table

ENDLESS_MISSING: Final = "suppress:endless"
"""The ``op`` of a table of those missing rows that have no end."""

_SAMPLES: Final = 5
_HIDDEN: Final = "•••"
"""Shown for what cannot be read as an address, and so cannot be masked with care either."""

_FIRSTS: Final = """
SET VARIABLE firsts = (
    SELECT map_from_entries(array_agg((op, before)))
    FROM (SELECT op, coalesce(sum(rows) OVER (
            ORDER BY list_position(getvariable('ops'), op)
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)::BIGINT AS before
        FROM (SELECT op, count(*) AS rows FROM draft GROUP BY op)))
"""

_GAP: Final = f"""
WITH written AS (
    SELECT *, coalesce(address, spelling) AS identity,
        op IN ('amend', 'part') AND pair IS NOT NULL AS joined
    FROM draft WHERE op IN ('amend', 'part', 'shorten', 'release')),
couples AS (
    SELECT op, pair, max(identity) FILTER (channel = 'email') AS email,
        max(identity) FILTER (channel = 'phone') AS phone
    FROM written WHERE joined GROUP BY op, pair),
counted AS (
    SELECT op, pair, row_number() OVER (PARTITION BY op, email ORDER BY pair) AS nth_of_email,
        row_number() OVER (PARTITION BY op, phone ORDER BY pair) AS nth_of_phone
    FROM couples),
couple_waves AS (
    SELECT op, pair,
        dense_rank() OVER (PARTITION BY op ORDER BY nth_of_email, nth_of_phone) - 1 AS wave
    FROM counted),
after_couples AS (SELECT op, max(wave) + 1 AS wave FROM couple_waves GROUP BY op),
ranked AS (
    SELECT *, row_number() OVER (
            PARTITION BY op, identity, joined
            ORDER BY spelling, observed_ends, observed_reason, observed_version, pair) - 1 AS nth,
        bool_or(joined) OVER (PARTITION BY op, identity) AS mixed
    FROM written),
placed AS (
    SELECT ranked.* EXCLUDE (identity, nth, mixed), CASE
            WHEN joined THEN couple_waves.wave
            WHEN mixed THEN after_couples.wave + nth
            ELSE nth END AS wave
    FROM ranked LEFT JOIN couple_waves USING (op, pair) LEFT JOIN after_couples USING (op)
    UNION ALL
    SELECT *, false, 0 FROM draft WHERE op NOT IN ('amend', 'part', 'shorten', 'release')),
ordered AS (
    SELECT * FROM placed
    ORDER BY list_position(getvariable('ops'), op), wave, joined DESC,
        CASE WHEN joined THEN pair END, address, spelling, pair,
        observed_ends, observed_reason, observed_version)
SELECT op, row_number() OVER () - 1 - getvariable('firsts')[op] AS "row", wave, pair, address,
    channel, spelling, reason, nullif(ends, {FOREVER}) AS until, version,
    observed_reason, nullif(observed_ends, {FOREVER}) AS observed_until, observed_version,
    source, line, requested_at, basis, extended, recoded, owned, release_key, unread
FROM ordered
"""  # noqa: S608 - a constant of ours
"""The draft in waves. Two rows of one address never share a wave. Couples come first and stay
together: where an address is in several of them, each gets a wave of its own."""

_NEXT_END: Final = f"""
SELECT coalesce(min(until), {FOREVER}) FROM read_parquet($path) WHERE until > $after
"""  # noqa: S608 - a constant of ours

_COUNTS: Final = """
SELECT op, count(*), count(DISTINCT address), count(DISTINCT address) FILTER (extended),
    count(DISTINCT address) FILTER (recoded),
    count(DISTINCT address) FILTER (extended OR recoded),
    count(DISTINCT address) FILTER (owned), count(*) FILTER (address IS NULL),
    count(*) FILTER (until IS NULL)
FROM read_parquet($path) GROUP BY op
"""

_SAMPLE: Final = """
SELECT address, reason, until, coalesce(source, ''), coalesce(line, 0), CASE
    WHEN unread THEN 'its end on the service cannot be read'
    WHEN address IS NULL THEN 'not to be read as an address'
    WHEN op = 'part' OR op = 'amend' AND NOT extended AND NOT recoded THEN 'shares a contact'
    WHEN extended AND recoded THEN 'later end, other reason'
    WHEN extended THEN 'later end'
    WHEN recoded THEN 'other reason'
    ELSE '' END AS note, coalesce(basis, '')
FROM read_parquet($path) WHERE op = $op AND wave = 0 ORDER BY "row" LIMIT $samples
"""


def compare(  # noqa: PLR0913 - each is a fact that the gap depends on
    engine: Engine,
    *,
    desired: Table,
    observed: Table,
    releases: Table,
    as_of: datetime,
    window_end: datetime,
    exclusive: bool,
    recode: bool,
    release_basis: str,
    into: Path,
) -> Gap:
    """Settle, address by address, what has to become of it.

    A contact that shares two identifiers is written as two: a write names one identifier and
    replaces the contact, so the other would be lost. Its row comes along, as ``amend`` where
    something is amended and as ``part`` before something is shortened or released.

    A contact whose end cannot be read counts as surplus and never as a suppression. Where somebody
    it names is wanted, it is written over without an end: as ``suppress``, or as ``amend`` with
    its other identifier where it has two. From then on it is held, for ever.

    Args:
        engine: an open engine.
        desired: one row an address; lapsed rows count as absent.
        observed: as ``ingest`` made it.
        releases: the declared releases, one row an address.
        as_of: who has lapsed is judged at this time, aware.
        window_end: what ends until then is on its way out and left alone.
        exclusive: whether what is not declared is to be released.
        recode: whether contacts have reasons that count.
        release_basis: why exclusive ownership may release.
        into: path of the gap's file.
    """
    values: dict[str, object] = {
        "desired": literal(desired.path),
        "observed": literal(observed.path),
        "releases": literal(releases.path),
        "as_of": seconds(as_of),
        "window_end": seconds(window_end),
        "exclusive": exclusive,
        "recode": recode,
        "basis": release_basis,
        "ops": [str(op) for op in Op],
    }
    with engine.turn(), engine.session() as session:
        for name, value in values.items():
            execute(session, f"SET VARIABLE {name} = $1", [value])
        settle(session)
        execute(session, _FIRSTS)
        at_rest(session, _GAP, into)
        held = ends(session, observed, as_of=as_of)
        return _measured(engine, session, path=into, against=desired.digest, held=held)


def next_end(engine: Engine, tables: Iterable[Path], *, after: datetime) -> int:
    """Return the earliest end after a time among all rows of some tables, in seconds since 1970.

    Until then they mean what they mean now; where nothing ends it is the end of time.
    """
    with engine.session() as session:
        paths = [literal(path) for path in tables]
        return min(scalar(session, _NEXT_END, path=path, after=seconds(after)) for path in paths)


class _Count(NamedTuple):
    """What there is of one ``op``: rows, addresses, and addresses that are this or that."""

    rows: int = 0
    addresses: int = 0
    extended: int = 0
    recoded: int = 0
    amended: int = 0
    owned: int = 0
    opaque: int = 0
    endless: int = 0


def _measured(
    engine: Engine, session: duckdb.DuckDBPyConnection, *, path: Path, against: str, held: Ends
) -> Gap:
    """Read off a gap's file what planning has to know of it."""
    found = session.execute(_COUNTS, {"path": literal(path)}).fetchall()
    counts = dict.fromkeys(Op, _Count()) | {Op(op): _Count(*rest) for op, *rest in found}

    def cut(rows: int, op: str = "") -> Table:
        return Table(path=path, rows=rows, digest=slice_digest(engine, session, path, op), op=op)

    there = [op for op in Op if counts[op].rows]
    endless = counts[Op.SUPPRESS].endless
    return Gap(
        against=against,
        size=all_of(held),
        rows=cut(sum(count.rows for count in counts.values())),
        parts=MappingProxyType({op: cut(counts[op].rows, op) for op in there}),
        missing=counts[Op.SUPPRESS].addresses,
        amended=counts[Op.AMEND].amended,
        extended=counts[Op.AMEND].extended,
        recoded=counts[Op.AMEND].recoded,
        shortened=counts[Op.SHORTEN].addresses,
        surplus=counts[Op.SURPLUS].addresses + counts[Op.SURPLUS].opaque,
        opaque=counts[Op.SURPLUS].opaque,
        longer=counts[Op.LONGER].addresses,
        released=counts[Op.RELEASE].addresses,
        owned_releases=counts[Op.RELEASE].owned + counts[Op.SHORTEN].owned,
        endless_missing=cut(endless, ENDLESS_MISSING) if endless else None,
        samples=MappingProxyType({op: _samples(session, path, op) for op in there}),
        tallies=tallies(session, literal(path)) if there else (),
        grounds=grounds(session, literal(path)) if {Op.SHORTEN, Op.RELEASE} & {*there} else (),
        ends=held,
    )


def _samples(session: duckdb.DuckDBPyConnection, path: Path, op: Op) -> tuple[Sample, ...]:
    values = {"path": literal(path), "op": op, "samples": _SAMPLES}
    return tuple(
        Sample(
            address=mask(address) if address else _HIDDEN,
            reason=scrub(reason) if reason else None,
            until=datetime.fromtimestamp(until, UTC) if until is not None else None,
            source=source,
            line=line,
            note=note or scrub(basis),
        )
        for address, reason, until, source, line, note, basis in execute(
            session, _SAMPLE, values
        ).fetchall()
    )
