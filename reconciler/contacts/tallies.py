"""What readers of a plan or a report ask of many contacts at once, counted in SQL.

By reason, by the file that declares them, by the ground on which they are let go, by the day on
which they come off by themselves. Counts only: no address leaves here, and nothing is decided.
"""

from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Final

import duckdb

from reconciler.contacts.engine import execute
from reconciler.contacts.ingest import FOREVER, literal, seconds, share
from reconciler.masking import scrub
from reconciler.model import ENDS_AHEAD, Ends, Ground, Op, Table, Tally

UNGIVEN: Final = "(none)"
"""Stands for the reason of contacts that have none."""

_LARGEST: Final = 12
"""Values of one kind that are told apart; the others are summed up."""
_GROUNDS: Final = 50
_DAY: Final = 86_400

_TALLIES: Final = """
WITH contacts AS (
    SELECT op, min(coalesce(nullif(reason, ''), $ungiven)) AS reason, min(source) AS source
    FROM read_parquet($path)
    WHERE op NOT IN ('part', 'conflict') AND (op <> 'amend' OR extended OR recoded)
    GROUP BY op, coalesce(address, op || "row")),
counted AS (
    SELECT op, 'reason' AS kind, reason AS value, count(*) AS contacts FROM contacts GROUP BY ALL
    UNION ALL
    SELECT op, 'source', source, count(*) FROM contacts WHERE source IS NOT NULL GROUP BY ALL),
ranked AS (
    SELECT *, row_number() OVER (
        PARTITION BY op, kind ORDER BY contacts DESC, value) > $largest AS small
    FROM counted),
summed AS (
    SELECT op, kind, CASE WHEN small THEN '' ELSE value END AS value,
        sum(contacts)::BIGINT AS contacts
    FROM ranked GROUP BY ALL)
SELECT * FROM summed
ORDER BY list_position(getvariable('ops'), op), kind, value = '', contacts DESC, value
"""
"""A contact counts once, however many spellings of it are written; one that cannot be read as an
address counts for itself, as everywhere."""

_WHY: Final = """
WITH contacts AS (
    SELECT op, min({basis: coalesce(basis, ''), source: coalesce(source, ''),
        line: coalesce(line, 0)}) AS why
    FROM read_parquet($path) WHERE op IN ('shorten', 'release') GROUP BY op, address),
counted AS (
    SELECT op, why.basis AS basis, why.source AS source, why.line AS line, count(*) AS contacts
    FROM contacts GROUP BY ALL)
SELECT op, basis, contacts, source, line FROM counted
QUALIFY row_number() OVER (PARTITION BY op ORDER BY contacts DESC, source, line, basis) <= $most
ORDER BY list_position(getvariable('ops'), op), contacts DESC, source, line, basis
"""

_ENDS: Final = f"""
WITH living AS (
    SELECT address, coalesce(until, {FOREVER}) AS ends FROM read_parquet($path)
    WHERE until IS NULL OR until > $as_of),
held AS (
    SELECT ends FROM living WHERE address IS NULL OR hash(address) NOT IN (FROM shared)
    UNION ALL
    SELECT max(ends) FROM living WHERE address IS NOT NULL AND hash(address) IN (FROM shared)
    GROUP BY address)
SELECT CASE WHEN ends < $ahead THEN ends // {_DAY} WHEN ends < {FOREVER} THEN -1 END AS day,
    count(*) FROM held GROUP BY day ORDER BY day
"""  # noqa: S608 - constants of ours
"""An address that stands in several rows is on the list until the last of them ends. Only what may
stand in several is grouped by what it is."""


def tallies(session: duckdb.DuckDBPyConnection, gap: str) -> tuple[Tally, ...]:
    """Count a gap's contacts by reason and by source, op by op, the largest first.

    Args:
        session: has the variable ``ops``, all ops in order.
        gap: path of the gap's file, spelled for SQL.
    """
    values = {"path": gap, "largest": _LARGEST, "ungiven": UNGIVEN}
    return tuple(
        Tally(op=Op(op), by=kind, value=scrub(value), contacts=contacts)
        for op, kind, value, contacts in execute(session, _TALLIES, values).fetchall()
    )


def grounds(session: duckdb.DuckDBPyConnection, gap: str) -> tuple[Ground, ...]:
    """Return why contacts are let go or shortened: basis and place, the first of them only.

    Args:
        session: as for ``tallies``.
        gap: likewise.
    """
    values = {"path": gap, "most": _GROUNDS}
    return tuple(
        Ground(op=Op(op), basis=scrub(basis), contacts=contacts, source=source, line=line)
        for op, basis, contacts, source, line in execute(session, _WHY, values).fetchall()
    )


def ends(session: duckdb.DuckDBPyConnection, observed: Table, *, as_of: datetime) -> Ends:
    """Count the addresses that an observed table suppresses at a time, by the day of their end.

    Contacts that cannot be read as an address count each for itself.
    """
    path = literal(observed.path)
    share(session, path, "address")
    values = {"path": path, "as_of": seconds(as_of), "ahead": seconds(as_of + ENDS_AHEAD)}
    found = dict(execute(session, _ENDS, values).fetchall())
    later, endless = found.pop(-1, 0), found.pop(None, 0)
    days = {_date(day): count for day, count in sorted(found.items())}
    return Ends(days=MappingProxyType(days), later=later, endless=endless)


def all_of(counted: Ends) -> int:
    """Return how many contacts a count of ends speaks of."""
    return sum(counted.days.values()) + counted.later + counted.endless


def _date(day: int) -> str:
    """Spell a day since 1970 UTC."""
    return (date(1970, 1, 1) + timedelta(days=day)).isoformat()
