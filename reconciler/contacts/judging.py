"""Everything a list is declared to hold, judged identifier by identifier, and who wins a merge.

One statement streams all sources into one file, good rows and bad; what follows looks only at the
few rows that are bad, or share an address. It never drops a row: each is kept, merged into another
or invalid, and counted.
"""

from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from reconciler.contacts import normalise
from reconciler.contacts.engine import execute
from reconciler.contacts.ingest import literal, scalar, seconds, share
from reconciler.contacts.passing import passing
from reconciler.contacts.sources import BLOCK, Intake
from reconciler.model import REASONS, ListSpec
from reconciler.times import NEVER

_SETTINGS: Final = (
    "SET VARIABLE default_reason = tidy($1)",
    "SET VARIABLE default_until = tidy($1)",
)

_JUDGED: Final = f"""
WITH tidied AS (
  SELECT part, line, fault, text, file, feed,
    email, is_there(email) AS mailed,
    phone, is_there(phone) AS called, bare_phone(phone) AS dialled,
    CASE WHEN reason IN {REASONS} THEN reason
      ELSE upper(coalesce(tidy(reason), getvariable('default_reason'))) END AS reason,
    CASE WHEN coalesce(until, '') = '' THEN getvariable('default_until')
      ELSE coalesce(tidy(until), getvariable('default_until')) END AS until,
    CASE WHEN requested_at <> '' THEN tidy(requested_at) END AS requested_at
  FROM stream),
started AS (
  SELECT tidied.*, end_seconds(requested_at) AS requested, feeds.as_of,
    until IS NULL OR lower(until) = '{NEVER}' AS endless,
    NOT endless AND starts_with(until, 'P') AS lasting
  FROM tidied LEFT JOIN feeds USING (feed)),
ended AS (
  SELECT *, CASE
    WHEN endless THEN NULL
    WHEN lasting THEN duration_end(coalesce(requested, as_of), until)
    ELSE end_seconds(until) END AS ends
  FROM started),
timed AS (
  SELECT * EXCLUDE (as_of, endless, lasting),
    CASE WHEN part = 2 AND mailed THEN 0
      ELSE CAST(is_naive(until) AS INTEGER) + CAST(is_naive(requested_at) AS INTEGER) END AS naive,
    CASE
      WHEN fault IS NOT NULL THEN 'SPEC-106'
      WHEN NOT mailed AND NOT called THEN 'SPEC-107'
      WHEN reason IS NULL THEN 'SPEC-110'
      WHEN reason NOT IN {REASONS} THEN 'SPEC-111'
      WHEN requested_at IS NOT NULL AND requested IS NULL THEN 'SPEC-114'
      WHEN lasting AND requested IS NULL AND as_of IS NULL THEN 'SPEC-113'
      WHEN NOT endless AND ends IS NULL THEN 'SPEC-112' END AS wrong
  FROM ended),
identifiers AS (
  SELECT *, gapless_phone(dialled) AS gapless,
    CASE WHEN part < 2 AND mailed THEN 'email' WHEN called THEN 'phone' END AS channel
  FROM timed
  WHERE part = 0 OR part = 1 AND (mailed OR NOT called) OR part = 2 AND called),
addressed AS (
  SELECT *, CASE channel
    WHEN 'email' THEN email_address(email)
    WHEN 'phone' THEN dialled_address(dialled, gapless) END AS address
  FROM identifiers),
coded AS (
  SELECT *, CASE
    WHEN wrong IN ('SPEC-106', 'SPEC-107') OR address IS NOT NULL THEN wrong
    WHEN channel = 'email' THEN 'SPEC-108'
    ELSE 'SPEC-109' END AS code
  FROM addressed)
SELECT CASE WHEN code IS NULL THEN address END AS address, channel, reason, ends, requested,
  file, line, naive, code, CASE WHEN code IS NOT NULL THEN [fault, text,
    tidy(CASE channel WHEN 'email' THEN email ELSE phone END), until, requested_at] END AS wrong
FROM coded
"""  # noqa: S608 - constants of ours
"""A row's reason and times, each its own or else the default; its address; what is wrong with it,
and then its values as they are written, in one column since hardly any row has them. A row without
any identifier stays a row."""

_COPY: Final = "COPY ({}) TO $into (FORMAT parquet, COMPRESSION uncompressed, USE_TMP_FILE false)"
"""The file is read once or twice and gone, so packing it does not pay."""

_ALL: Final = _COPY.format(_JUDGED)
_ONLY: Final = _COPY.format(f"{_JUDGED} WHERE coded.address = $only")
"""Rows of one address, those that are invalid for another fault included."""

BEST: Final = f"""
ends DESC NULLS FIRST, list_position({list(REASONS)}, reason), requested NULLS LAST, source, line
"""
"""The order of rows of one address: the one that suppresses longest, for the strongest reason,
asked for first; the places decide in the end, so that the order of rows never does."""

_VIEW: Final = """
CREATE TEMP VIEW judged AS
SELECT judged.* EXCLUDE (file, wrong), files.source, wrong[1] AS fault, wrong[2] AS text,
  wrong[3] AS written, wrong[4] AS until, wrong[5] AS requested_at
FROM read_parquet(getvariable('judged')) AS judged JOIN files USING (file)
"""
"""Rows of files that turned out to be unreadable have no source, and so are left out."""

_RANKED: Final = f"""
CREATE TEMP TABLE ranked AS
SELECT address, channel, reason, ends AS until, requested AS requested_at, source, line,
  row_number() OVER best AS place,
  first_value(source) OVER best AS winner_source, first_value(line) OVER best AS winner_line
FROM judged WHERE code IS NULL AND hash(address) IN (FROM shared)
WINDOW best AS (PARTITION BY address ORDER BY {BEST})
"""  # noqa: S608 - a constant of ours
"""Of the addresses that may stand in several rows: the best is in place 1."""

CLEAN: Final = """
SELECT address, channel, reason, ends AS until, requested AS requested_at, source, line
FROM judged WHERE code IS NULL AND hash(address) NOT IN (FROM shared)
UNION ALL
SELECT address, channel, reason, until, requested_at, source, line FROM ranked WHERE place = 1
"""
"""One row an address."""

_READ: Final = "SELECT count(*), count(code), coalesce(sum(naive), 0) FROM judged"
_MERGED: Final = "SELECT count(*) FROM ranked WHERE place > 1"


def judge(
    session: duckdb.DuckDBPyConnection,
    spec: ListSpec,
    intake: Intake,
    *,
    draft: Path,
    only: str | None = None,
) -> None:
    """Read everything and settle what each identifier is.

    It leaves behind ``judged``, one row an identifier (of those that are invalid also what was
    written), and ``ranked``, the rows of addresses that may stand in several.

    Args:
        session: of its own, unordered.
        spec: the list's declaration.
        intake: its contacts; afterwards it knows its readings.
        draft: the file for all rows; it has to stay as long as they are asked for.
        only: an address; rows of no other are kept.
    """
    normalise.register(session, region=spec.defaults.region)
    given = (spec.defaults.reason, spec.defaults.suppress_until)
    for statement, value in zip(_SETTINGS, given, strict=True):
        execute(session, statement, [value])
    ages = [source.as_of and seconds(source.as_of) for source in spec.sources]
    numbers = pa.array(range(len(ages)), pa.int32())
    session.register("feeds", pa.table({"feed": numbers, "as_of": pa.array(ages, pa.int64())}))
    with passing(session, intake.batches(), schema=BLOCK):
        if only is None:
            execute(session, _ALL, {"into": str(draft)})
        else:
            execute(session, _ONLY, {"into": str(draft), "only": only})
    whole = [number for number in range(len(intake.names)) if number not in intake.broken]
    names = pa.array([intake.names[number] for number in whole], pa.string())
    session.register("files", pa.table({"file": pa.array(whole, pa.int32()), "source": names}))
    execute(session, "SET VARIABLE judged = $1", [literal(draft)])
    execute(session, _VIEW)
    share(session, literal(draft), "address")
    execute(session, _RANKED)


def tally(session: duckdb.DuckDBPyConnection) -> tuple[int, int, int, int]:
    """Return how many identifiers were read, invalid and merged, and times taken as UTC."""
    read, invalid, naive = execute(session, _READ).fetchall()[0]
    return read, invalid, scalar(session, _MERGED), int(naive)
