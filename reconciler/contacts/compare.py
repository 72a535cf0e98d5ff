"""Measure the gap between an observed and a desired table, entirely in SQL.

It settles what each row is and numbers the rows; it never decides whether a row may be sent. No
row of ``suppress``, ``amend`` or ``part`` ends earlier than what was observed of its address; a
row that takes the place of a contact whose end could not be read has no end.
"""

from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

import duckdb

from reconciler.contacts.engine import Engine
from reconciler.contacts.ingest import FOREVER, at_rest, literal, seconds, slice_digest
from reconciler.masking import mask, scrub
from reconciler.model import Gap, Op, Sample, Table

ENDLESS_MISSING: Final = "suppress:endless"
"""The ``op`` of a table of those missing rows that have no end."""

_SAMPLES: Final = 5
_HIDDEN: Final = "•••"
"""Shown for what cannot be read as an address, and so cannot be masked with care either."""

_VIEWS: Final = f"""
CREATE TEMP VIEW wanted AS
SELECT address, channel, reason, coalesce(until, {FOREVER}) AS ends,
    requested_at, source, line
FROM read_parquet(getvariable('desired'))
WHERE until IS NULL OR until > getvariable('as_of');

CREATE TEMP VIEW declared AS
SELECT * FROM (SELECT NULL::VARCHAR AS release_key WHERE false)
UNION ALL BY NAME SELECT * FROM read_parquet(getvariable('releases'));

CREATE TEMP VIEW seen AS
SELECT *, shadow IS NOT NULL AS unread, coalesce(until, {FOREVER}) AS ends,
    until IS NULL OR until > getvariable('as_of') AS live
FROM read_parquet(getvariable('observed'));

CREATE TEMP VIEW held AS
SELECT address, any_value(channel) AS channel, max(ends) AS ends,
    min(coalesce(reason, '')) AS first_reason, max(coalesce(reason, '')) AS last_reason
FROM seen WHERE live AND NOT opaque GROUP BY address;

CREATE TEMP VIEW past AS
SELECT address, max(version) AS version,
    max_by(spelling, (coalesce(version, 0), spelling)) AS spelling,
    max_by(reason, (coalesce(version, 0), spelling)) AS reason,
    max_by(until, (coalesce(version, 0), spelling)) AS until
FROM seen WHERE NOT live AND NOT opaque GROUP BY address;

CREATE TEMP VIEW veiled AS
SELECT shadow AS address, max(ends) AS ends, bool_or(pair IS NOT NULL) AS shared,
    max(version) AS version,
    max_by(spelling, (coalesce(version, 0), spelling)) AS spelling,
    max_by(reason, (coalesce(version, 0), spelling)) AS reason
FROM seen WHERE unread GROUP BY shadow;
"""  # noqa: S608 - a constant of ours
"""Both sides as they are at ``as_of``. ``held`` is one row an address, ``past`` what has lapsed,
``veiled`` what has an end that cannot be read and so counts as none."""

_JUDGE: Final = """
CREATE TEMP TABLE judged AS
WITH facts AS (
    SELECT address, coalesce(wanted.channel, held.channel) AS channel,
        wanted.address IS NOT NULL AS is_wanted,
        held.address IS NOT NULL AS is_held,
        declared.address IS NOT NULL AS let_go,
        wanted.reason AS wanted_reason, wanted.ends AS wanted_ends, held.ends AS held_ends,
        wanted.requested_at, wanted.source, wanted.line,
        CASE WHEN declared.until > getvariable('window_end') THEN declared.until END AS given,
        declared.basis, declared.release_key, declared.requested_at AS release_requested_at,
        declared.source AS release_source, declared.line AS release_line,
        coalesce(wanted.ends > held.ends, false) AS extended,
        coalesce(wanted.ends < held.ends, false) AS later,
        coalesce(held.ends > getvariable('window_end'), false) AS stays,
        is_wanted AND is_held AND getvariable('recode')
            AND (first_reason <> coalesce(wanted.reason, '')
                OR last_reason <> coalesce(wanted.reason, '')) AS recoded
    FROM wanted FULL JOIN held USING (address) LEFT JOIN declared USING (address)),
verdicts AS (
    SELECT *,
        is_wanted AND NOT is_held AS suppress,
        (extended OR recoded) AND NOT (later AND getvariable('exclusive')) AS amend,
        later AND getvariable('exclusive')
            OR NOT is_wanted AND stays AND let_go AND coalesce(given < held_ends, false) AS shorten,
        later AND NOT getvariable('exclusive') AS longer,
        NOT is_wanted AND stays AND (
            let_go AND given IS NULL OR NOT let_go AND getvariable('exclusive')) AS release,
        NOT is_wanted AND stays AND NOT let_go AND NOT getvariable('exclusive') AS surplus,
        is_wanted AND let_go AS conflict
    FROM facts)
SELECT * FROM verdicts
WHERE suppress OR amend OR shorten OR longer OR release OR surplus OR conflict
"""
"""What each address is that is not simply in order. A release to an end that is as good as now
is a letting go, since the service cannot end a contact any sooner."""

_HITS: Final = """
CREATE TEMP TABLE hits AS
SELECT judged.*, seen.spelling, seen.pair, seen.version,
    seen.reason AS own_reason, seen.ends AS own_ends
FROM seen JOIN judged USING (address)
WHERE seen.live AND NOT seen.opaque
"""

_TORN: Final = """
CREATE TEMP TABLE torn AS
SELECT pair, CASE WHEN bool_or(amend) THEN 'amend' ELSE 'part' END AS op
FROM hits WHERE pair IS NOT NULL AND (amend OR shorten OR release) GROUP BY pair
"""
"""Contacts with two identifiers of which one is to be written: the write would lose the other."""

_CLAIMED: Final = """
CREATE TEMP TABLE claimed AS
SELECT DISTINCT pair FROM seen JOIN judged ON shadow = judged.address
WHERE suppress AND pair IS NOT NULL
"""
"""Likewise those whose end cannot be read: to suppress one identifier would lose the other."""

_DRAFT: Final = """
CREATE TEMP TABLE draft (
    op VARCHAR, pair BIGINT, address VARCHAR, channel VARCHAR, spelling VARCHAR, reason VARCHAR,
    ends BIGINT, version BIGINT, observed_reason VARCHAR, observed_ends BIGINT,
    observed_version BIGINT, source VARCHAR, line BIGINT, requested_at BIGINT,
    basis VARCHAR, release_key VARCHAR,
    extended BOOLEAN DEFAULT false, recoded BOOLEAN DEFAULT false, owned BOOLEAN DEFAULT false,
    unread BOOLEAN DEFAULT false)
"""

_FILL: Final = (
    """
INSERT INTO draft BY NAME
SELECT 'suppress' AS op, judged.address, channel,
    coalesce(veiled.spelling, past.spelling, judged.address) AS spelling, wanted_reason AS reason,
    greatest(wanted_ends, veiled.ends) AS ends,
    coalesce(veiled.version, past.version, 0) + 1 AS version,
    CASE WHEN veiled.ends IS NULL THEN past.reason ELSE veiled.reason END AS observed_reason,
    coalesce(veiled.ends, past.until) AS observed_ends,
    CASE WHEN veiled.ends IS NULL THEN past.version ELSE veiled.version END AS observed_version,
    source, line, requested_at, veiled.ends IS NOT NULL AS unread
FROM judged LEFT JOIN past USING (address) LEFT JOIN veiled USING (address)
WHERE suppress AND NOT coalesce(shared, false)
""",
    """
INSERT INTO draft BY NAME
SELECT 'amend' AS op, pair, shadow AS address, seen.channel, spelling,
    CASE WHEN wanted.address IS NOT NULL AND getvariable('recode')
        THEN wanted.reason ELSE seen.reason END AS reason,
    seen.ends, coalesce(version, 0) + 1 AS version, seen.reason AS observed_reason,
    seen.ends AS observed_ends, version AS observed_version,
    wanted.source, wanted.line, wanted.requested_at,
    coalesce(judged.suppress, false) AS extended, unread
FROM seen JOIN claimed USING (pair) LEFT JOIN wanted ON shadow = wanted.address
    LEFT JOIN judged ON shadow = judged.address
""",
    """
INSERT INTO draft BY NAME
SELECT 'amend' AS op, pair, address, channel, spelling,
    CASE WHEN getvariable('recode') THEN wanted_reason ELSE own_reason END AS reason,
    greatest(wanted_ends, held_ends) AS ends, coalesce(version, 0) + 1 AS version,
    own_reason AS observed_reason, own_ends AS observed_ends, version AS observed_version,
    source, line, requested_at, extended, recoded
FROM hits WHERE amend
""",
    """
INSERT INTO draft BY NAME
SELECT torn.op, pair, address, seen.channel, spelling,
    CASE WHEN torn.op = 'amend' AND wanted.address IS NOT NULL AND getvariable('recode')
        THEN wanted.reason ELSE seen.reason END AS reason,
    greatest(seen.ends, wanted.ends) AS ends, coalesce(version, 0) + 1 AS version,
    seen.reason AS observed_reason, seen.ends AS observed_ends, version AS observed_version,
    wanted.source, wanted.line, wanted.requested_at
FROM seen JOIN torn USING (pair) LEFT JOIN wanted USING (address) LEFT JOIN judged USING (address)
WHERE NOT (torn.op = 'amend' AND coalesce(judged.amend, false))
""",
    """
INSERT INTO draft BY NAME
SELECT 'shorten' AS op, pair, address, channel, spelling,
    CASE WHEN is_wanted AND getvariable('recode') THEN wanted_reason ELSE own_reason END AS reason,
    CASE WHEN is_wanted THEN wanted_ends ELSE given END AS ends,
    coalesce(version, 0) + 1 + (pair IS NOT NULL)::BIGINT AS version,
    own_reason AS observed_reason, own_ends AS observed_ends, version AS observed_version,
    CASE WHEN is_wanted THEN source ELSE release_source END AS source,
    CASE WHEN is_wanted THEN line ELSE release_line END AS line,
    CASE WHEN is_wanted THEN requested_at ELSE release_requested_at END AS requested_at,
    CASE WHEN is_wanted THEN getvariable('basis') ELSE basis END AS basis,
    CASE WHEN NOT is_wanted THEN release_key END AS release_key,
    recoded, is_wanted AS owned
FROM hits WHERE shorten
""",
    """
INSERT INTO draft BY NAME
SELECT 'release' AS op, pair, address, channel, spelling, own_reason AS reason,
    coalesce(version, 0) + 1 + (pair IS NOT NULL)::BIGINT AS version,
    own_reason AS observed_reason, own_ends AS observed_ends, version AS observed_version,
    release_source AS source, release_line AS line, release_requested_at AS requested_at,
    CASE WHEN let_go THEN basis ELSE getvariable('basis') END AS basis, release_key,
    NOT let_go AS owned
FROM hits WHERE release
""",
    """
INSERT INTO draft BY NAME
SELECT unnest(CASE WHEN surplus THEN ['surplus'] ELSE ['longer'] END) AS op,
    pair, address, channel, spelling, own_reason AS reason, own_ends AS ends,
    coalesce(version, 0) + 1 AS version, own_reason AS observed_reason,
    own_ends AS observed_ends, version AS observed_version, source, line, requested_at
FROM hits WHERE surplus OR longer
""",
    """
INSERT INTO draft BY NAME
SELECT 'surplus' AS op, pair, channel, spelling, reason, ends,
    coalesce(version, 0) + 1 AS version, reason AS observed_reason, ends AS observed_ends,
    version AS observed_version, unread
FROM seen WHERE live AND opaque
""",
    """
INSERT INTO draft BY NAME
SELECT 'conflict' AS op, address, channel, address AS spelling, wanted_reason AS reason,
    wanted_ends AS ends, 1 AS version, release_source AS source, release_line AS line,
    release_requested_at AS requested_at, basis, release_key
FROM judged WHERE conflict
""",
)
"""One statement a kind of row. A released or shortened row that shared its contact has been
written once before, as a row of its own, so its version is one further. An opaque row is written
only to keep it, where its contact's other identifier is, or in the place of a contact of somebody
who is wanted, since then it would be lost or cut short at a time that nobody compared."""

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
    with engine.session() as session:
        for name, value in values.items():
            session.execute(f"SET VARIABLE {name} = $1", [value])
        for statement in (_VIEWS, _JUDGE, _HITS, _TORN, _CLAIMED, _DRAFT, *_FILL, _FIRSTS):
            session.execute(statement)
        at_rest(session, _GAP, into)
        return _measured(engine, session, path=into, against=desired.digest)


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
    engine: Engine, session: duckdb.DuckDBPyConnection, *, path: Path, against: str
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
        for address, reason, until, source, line, note, basis in session.execute(
            _SAMPLE, values
        ).fetchall()
    )
