"""What has to become of whom: both sides joined, and each row that is not in order drafted.

It decides nothing about numbers, waves and batches. No row of ``suppress``, ``amend`` or ``part``
ends earlier than what was observed of its address; a row that takes the place of a contact whose
end could not be read has no end.
"""

from typing import Final

import duckdb

from reconciler.contacts.engine import execute
from reconciler.contacts.ingest import FOREVER, scalar

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
"""  # noqa: S608 - a constant of ours
"""Both sides as they are at ``as_of``."""

_CANDIDATES: Final = """
CREATE TEMP TABLE candidates AS
SELECT address
FROM (SELECT address, ends, coalesce(reason, '') AS reason FROM wanted) AS one
FULL JOIN (SELECT address, ends, coalesce(reason, '') AS reason FROM seen
    WHERE live AND NOT opaque) AS other USING (address)
WHERE one.ends IS NULL OR other.ends IS NULL OR one.ends <> other.ends
    OR getvariable('recode') AND one.reason <> other.reason
UNION ALL
SELECT address FROM declared;

CREATE TEMP TABLE few_wanted AS SELECT * FROM wanted WHERE address IN (FROM candidates);

CREATE TEMP TABLE few_seen AS
SELECT * FROM seen WHERE live AND NOT opaque AND address IN (FROM candidates);
"""
"""Everybody goes through one join, which carries no more than it compares. What is equal on both
sides is in order, however often it is there; only the others are looked at closely."""

_FORMER: Final = """
CREATE TEMP VIEW past AS
SELECT address, version, newest.* FROM (
    SELECT address, max(version) AS version, max_by(
        {spelling: spelling, reason: reason, until: until},
        (coalesce(version, 0), spelling, coalesce(reason, ''), ends)) AS newest
    FROM seen WHERE NOT live AND NOT opaque AND address IN (FROM candidates) GROUP BY address);

CREATE TEMP VIEW veiled AS
SELECT address, ends, shared, version, newest.* FROM (
    SELECT shadow AS address, max(ends) AS ends, bool_or(pair IS NOT NULL) AS shared,
        max(version) AS version, max_by(
        {spelling: spelling, reason: reason},
        (coalesce(version, 0), spelling, coalesce(reason, ''))) AS newest
    FROM seen WHERE unread GROUP BY shadow);
"""
"""``past`` is what has lapsed of them, ``veiled`` what has an end that cannot be read and so counts
as none."""

_JUDGE: Final = """
CREATE TEMP TABLE judged AS
WITH held AS (
    SELECT address, any_value(channel) AS channel, max(ends) AS ends,
        min(coalesce(reason, '')) AS first_reason, max(coalesce(reason, '')) AS last_reason
    FROM few_seen GROUP BY address),
facts AS (
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
    FROM few_wanted AS wanted FULL JOIN held USING (address)
        LEFT JOIN declared USING (address)),
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
FROM few_seen AS seen JOIN judged USING (address)
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

_FILL_CLAIMED: Final = """
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
"""

_FILL_TORN: Final = """
INSERT INTO draft BY NAME
SELECT torn.op, pair, address, seen.channel, spelling,
    CASE WHEN torn.op = 'amend' AND wanted.address IS NOT NULL AND getvariable('recode')
        THEN wanted.reason ELSE seen.reason END AS reason,
    greatest(seen.ends, wanted.ends) AS ends, coalesce(version, 0) + 1 AS version,
    seen.reason AS observed_reason, seen.ends AS observed_ends, version AS observed_version,
    wanted.source, wanted.line, wanted.requested_at
FROM seen JOIN torn USING (pair) LEFT JOIN wanted USING (address) LEFT JOIN judged USING (address)
WHERE NOT (torn.op = 'amend' AND coalesce(judged.amend, false))
"""
"""These two look through the whole list, and are only asked where there are such contacts."""

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
SELECT 'amend' AS op, pair, address, channel, spelling,
    CASE WHEN getvariable('recode') THEN wanted_reason ELSE own_reason END AS reason,
    greatest(wanted_ends, held_ends) AS ends, coalesce(version, 0) + 1 AS version,
    own_reason AS observed_reason, own_ends AS observed_ends, version AS observed_version,
    source, line, requested_at, extended, recoded
FROM hits WHERE amend
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

_COUPLES: Final = (
    """
CREATE TEMP TABLE couples AS
SELECT pair, row_number() OVER (ORDER BY max(address) FILTER (channel = 'email'),
        max(address) FILTER (channel = 'phone'), max(spelling) FILTER (channel = 'email'),
        max(spelling) FILTER (channel = 'phone'), max(reason), max(ends), max(version),
        bool_or(unread), pair) AS number
FROM seen WHERE pair IN (SELECT pair FROM draft) GROUP BY pair
""",
    """
UPDATE draft SET pair = couples.number FROM couples WHERE draft.pair = couples.pair
""",
)
"""Contacts with two identifiers are numbered anew, by what they are: in the observed table their
numbers go by the order in which they were read."""


def settle(session: duckdb.DuckDBPyConnection) -> None:
    """Settle what is to become of whom, as the table ``draft``: one row a contact and ``op``.

    Args:
        session: has the variables desired, observed and releases (paths), as_of and window_end
            (seconds since 1970), exclusive, recode and basis.
    """
    for statement in (_VIEWS, _CANDIDATES, _FORMER, _JUDGE, _HITS, _TORN, _CLAIMED, _DRAFT, *_FILL):
        execute(session, statement)
    for there, statements in (
        ("SELECT count(*) FROM claimed", (_FILL_CLAIMED,)),
        ("SELECT count(*) FROM torn", (_FILL_TORN,)),
        ("SELECT count(pair) FROM draft", _COUPLES),
    ):
        for statement in statements if scalar(session, there) else ():
            execute(session, statement)
