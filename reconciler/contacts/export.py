"""An observed table as a contact file, straight from the engine: no contact becomes an object.

It leaves out, and counts, whom a spec could not declare without changing what the service holds.
It never judges whether a list was read completely.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from reconciler.contacts import normalise
from reconciler.contacts.engine import Engine
from reconciler.contacts.ingest import FOREVER, literal, scalar, seconds
from reconciler.model import REASONS, Table

_HELD: Final = f"""
CREATE TEMP TABLE held AS
WITH seen AS (
    SELECT address, channel, coalesce(reason, '') AS reason, coalesce(until, {FOREVER}) AS ends
    FROM read_parquet($path)
    WHERE NOT opaque AND (until IS NULL OR until > $as_of)),
addresses AS (
    SELECT address, any_value(channel) AS channel, min(reason) AS reason, max(reason) AS other,
        max(ends) AS ends
    FROM seen GROUP BY address),
spelled AS (
    SELECT *, CASE WHEN ends < {FOREVER}
        THEN strftime(make_timestamp(ends * 1000000), '%Y-%m-%dT%H:%M:%SZ') END AS until
    FROM addresses)
SELECT address, channel, reason, until, CASE
    WHEN ends <= $soon THEN 'lapsed'
    WHEN reason <> other THEN 'torn'
    WHEN reason NOT IN {REASONS} THEN 'reasonless'
    WHEN coalesce(CASE channel WHEN 'email' THEN email_address(address)
            WHEN 'phone' THEN phone_address(address) END, '') <> address
        OR until IS NOT NULL AND coalesce(end_seconds(until), 0) <> ends THEN 'unreadable'
    ELSE 'written' END AS fate
FROM spelled
"""  # noqa: S608 - constants of ours
"""One row an address, as comparing would see it: the latest end of its spellings, and whether they
agree on a reason. What is written has to be read back as what it was."""

_FATES: Final = "SELECT fate, count(*) FROM held GROUP BY fate"

_PAST: Final = """
SELECT count(DISTINCT address) FROM read_parquet($path)
WHERE NOT opaque AND until <= $as_of AND address NOT IN (SELECT address FROM held)
"""

_OPAQUE: Final = """
SELECT count(*) FROM read_parquet($path) WHERE opaque AND (until IS NULL OR until > $as_of)
"""

COPY: Final = """
COPY (
    SELECT CASE channel WHEN 'email' THEN address END AS email,
        CASE channel WHEN 'phone' THEN address END AS "phoneNumber",
        reason, until AS "suppressUntil"
    FROM held WHERE fate = 'written' ORDER BY address
) TO $into (FORMAT csv, HEADER, USE_TMP_FILE false)
"""
"""In the order of addresses, so that whoever exports again sees only what moved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """How many addresses were written, and how many were left out, by why."""

    written: int
    lapsed: int
    """Their end has passed, or is as good as now."""
    torn: int
    """Several contacts name them, for different reasons."""
    reasonless: int
    """They have no reason, or none that a spec can declare."""
    opaque: int
    """Rows that cannot be read as an address and an end; nobody knows whether two are one."""


def export(
    engine: Engine,
    observed: Table,
    *,
    region: str | None,
    as_of: datetime,
    soon: datetime,
    into: Path,
) -> Exported:
    """Write whom a list suppresses as CSV: email, phoneNumber, reason, suppressUntil.

    Compiled with the same region, the file holds each address as the list does, so there is
    nothing to suppress, amend, shorten or release.

    Args:
        engine: an open engine.
        observed: as ``ingest`` made it.
        region: by which it was read.
        as_of: who has ended by then is not suppressed.
        soon: who ends by then is as good as let go.
        into: the file.
    """
    values = {"path": literal(observed.path), "as_of": seconds(as_of)}
    with engine.turn(), engine.session() as session:
        normalise.register(session, region=region)
        session.execute(_HELD, {**values, "soon": seconds(soon)})
        fates = dict(session.execute(_FATES).fetchall())
        past = scalar(session, _PAST, **values)
        opaque = scalar(session, _OPAQUE, path=values["path"], as_of=values["as_of"])
        session.execute(COPY, {"into": str(into)})
    return Exported(
        written=fates.get("written", 0),
        lapsed=fates.get("lapsed", 0) + past,
        torn=fates.get("torn", 0),
        reasonless=fates.get("reasonless", 0),
        opaque=opaque + fates.get("unreadable", 0),
    )
