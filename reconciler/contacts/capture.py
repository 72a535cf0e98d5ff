"""Surplus contacts as a contact file: what a list holds and no spec declares, ready to be declared.

One row an address, sorted, with the reason and the end that the service knows. The file holds
addresses, is its owner's alone, and is never put in the place of another one.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from reconciler import disk
from reconciler.contacts import normalise
from reconciler.contacts.engine import Engine
from reconciler.contacts.export import COPY
from reconciler.contacts.ingest import FOREVER, literal, scalar
from reconciler.errors import SettingError
from reconciler.model import REASONS, Table

_HELD: Final = f"""
CREATE TEMP TABLE held AS
WITH seen AS (
    SELECT address, channel, observed_reason AS reason,
        coalesce(observed_until, {FOREVER}) AS ends,
        coalesce(list_position($reasons::VARCHAR[], observed_reason), 99) AS rank
    FROM read_parquet($path)
    WHERE address IS NOT NULL AND (op = 'surplus' OR op = 'release' AND owned)),
addresses AS (
    SELECT address, any_value(channel) AS channel, max(ends) AS ends,
        min_by(CASE WHEN rank < 99 THEN reason END, (-ends, rank)) AS reason
    FROM seen GROUP BY address)
SELECT address, channel, reason, CASE WHEN ends = {FOREVER} THEN 'never'
    ELSE strftime(make_timestamp(ends * 1000000), '%Y-%m-%dT%H:%M:%SZ') END AS until, CASE
    WHEN coalesce(CASE channel WHEN 'email' THEN email_address(address)
            WHEN 'phone' THEN phone_address(address) END, '') <> address
        OR ends < {FOREVER} AND coalesce(end_seconds(until), 0) <> ends THEN 'unreadable'
    ELSE 'written' END AS fate
FROM addresses
"""  # noqa: S608 - constants of ours
"""Of several rows of one address the one that suppresses longest, as where one is declared twice;
and no end is spelled, since the spec may have another default. Whoever is to be let go by a release
of their own is not declared again. What is written has to be read back as what it was."""

_COUNTS: Final = """
SELECT count(*) FILTER (fate = 'written'),
    count(*) FILTER (fate = 'written' AND reason IS NULL),
    count(*) FILTER (fate <> 'written')
FROM held
"""

_DECLARED: Final = """
SELECT count(DISTINCT address) FROM read_parquet($path) WHERE op = 'release' AND NOT owned
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """What was written of one list's surplus, in addresses."""

    contacts: int
    unreasoned: int
    """Of them, those with a reason that no spec can declare, or none: the cell is empty."""
    unreadable: int
    """Left out: a contact file could not say them."""
    declared: int
    """Left out: a declared release is to let them go."""


def capture(engine: Engine, gap: Table, into: Path) -> Captured:
    """Write a gap's surplus contacts as CSV; no file where there are none.

    Opaque contacts are left out: nobody knows what to declare of them.

    Args:
        engine: an open engine.
        gap: all rows of the gap.
        into: a name that no file has; its columns are those of a contact file.

    Raises:
        SettingError: there is a file of that name, or none can be made there.
        EngineError: out of memory or disk.
    """
    with engine.turn(), engine.session() as session:
        normalise.register(session, region=None)
        session.execute(_HELD, {"path": literal(gap.path), "reasons": list(REASONS)})
        contacts, unreasoned, unreadable = session.execute(_COUNTS).fetchall()[0]
        declared = scalar(session, _DECLARED, path=literal(gap.path))
        if contacts:
            _write(session, into)
    return Captured(
        contacts=contacts, unreasoned=unreasoned, unreadable=unreadable, declared=declared
    )


def taken(path: Path) -> SettingError:
    """Return what is said where a file would be lost."""
    return SettingError(
        f"{path} is there already, and is not written over",
        hint="name another file, or move this one away once it is declared",
    )


def _write(session: duckdb.DuckDBPyConnection, into: Path) -> None:
    try:
        with disk.draft(into) as held:
            session.execute(COPY, {"into": str(held)})
            disk.claim(held, into)
    except FileExistsError as error:
        raise taken(into) from error
    except OSError as error:
        raise SettingError(
            f"{into} cannot be written: {error.strerror}",
            hint="name a file in a folder that is there and can be written",
        ) from error
