"""One list's inline contacts and sources become its desired table: one row an address.

Every identifier that comes in is a row, was merged into one, or is invalid, and is counted; none
disappears. Who wins a merge never depends on the order of files and rows. No message or sample
here holds an address.

What can be wrong with contacts (a code never changes its meaning):

* ``SPEC-101`` a source's file cannot be read, ``-102`` its kind is unknown, ``-103`` a column is
  missing, there twice or not text, ``-104`` it has no column with an identifier, ``-105`` its
  content is not what ``sha256`` pins.
* ``SPEC-106`` a row is no contact at all (fields, JSON, UTF-8), ``-107`` it has no identifier,
  ``-108`` no email address, ``-109`` no phone number, ``-110`` no reason, ``-111`` an unknown
  reason, ``-112`` an end that cannot be read, ``-113`` a duration with nothing to count from,
  ``-114`` a ``requestedAt`` that cannot be read.
* ``SPEC-115`` an address is declared twice where that is an error, ``-116`` how many rows are
  invalid, or too many to set aside, ``-117`` warning: rows were set aside.
* ``SPEC-118`` warning: times without an offset, ``-119`` the list's own end has passed,
  ``-120`` warning: contacts would outlive their list, ``-121`` a release's address cannot be
  read, ``-122`` a ``maxAge`` that leads nowhere, ``-123`` a release asked for in the future.
* ``SPEC-124`` a file, a line or another part of it is larger than contacts need, ``-125`` a file
  changed while it was read, ``-126`` warning: a file holds not a single contact.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from reconciler import disk
from reconciler.contacts import cells, findings, normalise, sources
from reconciler.contacts.engine import Engine
from reconciler.contacts.ingest import FOREVER, at_rest, literal, scalar, seconds
from reconciler.errors import STATE_HINT, EngineError, Place, Problem
from reconciler.model import REASONS, Counts, Feed, ListSpec, Sample, Source, Table
from reconciler.times import NEVER, add_duration

_TIMED: Final = """
CREATE TEMP TABLE timed AS
WITH tidied AS (
  SELECT tidy(email) AS email, tidy(phone) AS phone,
    upper(coalesce(tidy(reason), tidy($reason))) AS reason,
    coalesce(tidy(until), tidy($until)) AS until,
    tidy(requested_at) AS requested_at, line, fault, text, source, feed
  FROM raw),
started AS (
  SELECT tidied.*, end_seconds(requested_at) AS requested, feeds.as_of,
    until IS NULL OR lower(until) = $never AS endless,
    NOT endless AND is_duration(until) AS lasting
  FROM tidied LEFT JOIN feeds USING (feed)),
ended AS (
  SELECT *, CASE
    WHEN endless THEN NULL
    WHEN lasting THEN duration_end(coalesce(requested, as_of), until)
    ELSE end_seconds(until) END AS ends
  FROM started)
SELECT * EXCLUDE (as_of, endless, lasting),
  CAST(is_naive(until) AS INTEGER) + CAST(is_naive(requested_at) AS INTEGER) AS naive,
  CASE
    WHEN fault IS NOT NULL THEN 'SPEC-106'
    WHEN email IS NULL AND phone IS NULL THEN 'SPEC-107'
    WHEN reason IS NULL THEN 'SPEC-110'
    WHEN NOT list_contains($reasons, reason) THEN 'SPEC-111'
    WHEN requested_at IS NOT NULL AND requested IS NULL THEN 'SPEC-114'
    WHEN lasting AND requested IS NULL AND as_of IS NULL THEN 'SPEC-113'
    WHEN NOT endless AND ends IS NULL THEN 'SPEC-112' END AS code
FROM ended
"""
"""A row's reason and times, each its own or else the default, and what is wrong with them."""

_JUDGED: Final = """
CREATE TEMP TABLE judged AS
WITH identifiers AS (
  SELECT 'email' AS channel, email AS written, email_address(email) AS address, *
  FROM timed WHERE email IS NOT NULL
  UNION ALL
  SELECT 'phone', phone, phone_address(phone, $region), * FROM timed WHERE phone IS NOT NULL
  UNION ALL
  SELECT NULL, NULL, NULL, * FROM timed WHERE email IS NULL AND phone IS NULL)
SELECT * EXCLUDE (code), CASE
    WHEN code IN ('SPEC-106', 'SPEC-107') OR address IS NOT NULL THEN code
    WHEN channel = 'email' THEN 'SPEC-108'
    ELSE 'SPEC-109' END AS code
FROM identifiers
"""
"""One row an identifier; a row without any stays one row, so that it counts."""

_RANKED: Final = """
CREATE TEMP TABLE ranked AS
SELECT address, channel, reason, ends AS until, requested AS requested_at, source, line,
  row_number() OVER best AS place,
  first_value(source) OVER best AS winner_source, first_value(line) OVER best AS winner_line
FROM judged WHERE code IS NULL
WINDOW best AS (PARTITION BY address ORDER BY ends DESC NULLS FIRST,
  list_position($reasons, reason), requested NULLS LAST, source, line)
"""
"""The row of an address that suppresses longest, for the strongest reason, is in place 1."""

_CLEAN: Final = """
SELECT address, channel, reason, until, requested_at, source, line FROM ranked WHERE place = 1
ORDER BY address
"""

_LINES: Final = """
SELECT concat_ws('|', address, coalesce(reason, ''), coalesce(CAST(until AS VARCHAR), '')) AS text
FROM ranked WHERE place = 1 ORDER BY text
"""

_PLACES: Final = """
SELECT replace(concat_ws('|', address, coalesce(CAST(requested_at AS VARCHAR), ''), source,
  CAST(line AS VARCHAR)), chr(10), ' ') AS text
FROM ranked WHERE place = 1 ORDER BY text
"""

_COUNTS: Final = """
SELECT (SELECT count(*) FROM judged),
  (SELECT count(*) FROM judged WHERE code IS NOT NULL),
  (SELECT count(*) FROM ranked WHERE place > 1),
  (SELECT count(*) FROM ranked WHERE place = 1 AND until <= $as_of),
  (SELECT coalesce(sum(naive), 0) FROM timed),
  (SELECT count(*) FROM ranked WHERE place = 1 AND coalesce(until, $list_end + 1) > $list_end)
"""

_OUTLIVING: Final = f"""
SELECT count(*) FROM (SELECT coalesce(until, {FOREVER}) AS ends FROM read_parquet($path))
WHERE ends > $as_of AND ends > $end
"""  # noqa: S608 - a constant of ours

_ALL_INVALID: Final = """
COPY (
  SELECT cell(source) AS source, line, code, cell(fault) AS fault, channel,
    cell(written) AS written, cell(reason) AS reason, cell(until) AS until,
    cell(requested_at) AS requested_at, cell(text) AS text
  FROM judged WHERE code IS NOT NULL ORDER BY judged.source, judged.line, judged.channel
) TO $into (FORMAT csv, HEADER, USE_TMP_FILE false)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """What compiling one list came to; worth nothing if a problem is an error."""

    table: Table
    counts: Counts
    feeds: tuple[Feed, ...]
    samples: Mapping[str, tuple[Sample, ...]]
    """Masked samples of ``merged`` and ``invalid`` rows."""
    problems: tuple[Problem, ...]
    """Warnings too."""


def compile_list(
    engine: Engine,
    spec: ListSpec,
    *,
    base: Path,
    as_of: datetime,
    into: Path,
    invalid_into: Callable[[], Path],
) -> Compiled:
    """Read, normalise, judge and merge one list's contacts.

    Args:
        engine: an open engine.
        spec: the list's declaration.
        base: the folder that names of source files are relative to.
        as_of: the time for which lapsed rows are counted and ends of lists are judged; the table
            itself does not depend on it.
        into: the folder for the table, which is named by its content and its places.
        invalid_into: says where the rows that are invalid go, as a CSV file with their raw
            values; asked only if there are any.

    Returns:
        A table of address, channel, reason, until, requested_at (both seconds since 1970 UTC,
        null for none), source and line, sorted by address.

    Raises:
        EngineError: out of memory or disk, or a file cannot be written.
    """
    with engine.session() as session:
        readings = _judge(session, spec, base=base)
        table = keep(
            engine,
            session,
            rows=_CLEAN,
            lines=_LINES,
            places=_PLACES,
            into=into,
            kind="desired",
        )
        counts = _counts(session, spec, as_of)
        feeds, wrong = _feeds(spec, readings, as_of)
        problems = (*wrong, *findings.of_list(spec, counts, as_of=as_of))
        if counts.invalid:
            path = invalid_into()
            _write_invalid(session, path)
            problems += findings.of_invalid(session, spec, counts, path=path)
        return Compiled(
            table=table,
            counts=counts,
            feeds=feeds,
            samples=findings.samples(session),
            problems=problems + findings.of_merged(session, spec),
        )


def outliving(engine: Engine, table: Table, *, end: datetime, as_of: datetime) -> int:
    """Count the contacts of a desired table that are wanted for longer than ``end``.

    Args:
        engine: an open engine.
        table: as ``compile_list`` made it.
        end: where their list ends, aware; a contact without an end outlives any.
        as_of: contacts that ended by then are not wanted any more.
    """
    with engine.session() as session:
        values = {"path": literal(table.path), "end": seconds(end), "as_of": seconds(as_of)}
        return scalar(session, _OUTLIVING, **values)


def keep(
    engine: Engine,
    session: duckdb.DuckDBPyConnection,
    *,
    rows: str,
    lines: str,
    places: str,
    into: Path,
    kind: str,
) -> Table:
    """Write a table; one with equal content from equal places, whole or damaged, is replaced.

    Args:
        engine: for the digests.
        session: holds what the queries ask for.
        rows: selects the table, sorted.
        lines: selects its content for the digest, one text a row, sorted.
        places: selects, likewise, what else must be equal for a file to be used again.
        into: the folder for the file.
        kind: begins the file's name: empty tables of two kinds have one digest, not one schema.
    """
    digest = engine.digest(session.sql(lines))
    path = into / f"{kind}-{digest}-{engine.digest(session.sql(places))[:16]}.parquet"
    _private(into)
    count = at_rest(session, rows, path)
    return Table(path=path, rows=count, digest=digest)


def _judge(
    session: duckdb.DuckDBPyConnection, spec: ListSpec, *, base: Path
) -> tuple[sources.Reading, ...]:
    """Read everything and settle what each identifier is."""
    normalise.register(session)
    session.execute(sources.RAW)
    sources.read_inline(session, spec.contacts)
    readings = tuple(
        sources.read(session, source, feed=number, base=base)
        for number, source in enumerate(spec.sources)
    )
    given = [source.as_of and seconds(source.as_of) for source in spec.sources]
    numbers = pa.array(range(len(given)), pa.int32())
    session.register("feeds", pa.table({"feed": numbers, "as_of": pa.array(given, pa.int64())}))
    defaults = spec.defaults
    told = {"reason": defaults.reason, "until": defaults.suppress_until, "never": NEVER}
    session.execute(_TIMED, {**told, "reasons": list(REASONS)})
    session.execute("DROP TABLE raw")
    session.execute(_JUDGED, {"region": defaults.region})
    session.execute(_RANKED, {"reasons": list(REASONS)})
    return readings


def _counts(session: duckdb.DuckDBPyConnection, spec: ListSpec, as_of: datetime) -> Counts:
    end = spec.settings.suppress_until
    list_end = seconds(end) if isinstance(end, datetime) else FOREVER - 1
    found = session.execute(_COUNTS, {"as_of": seconds(as_of), "list_end": list_end}).fetchone()
    read, invalid, merged, lapsed, naive, past = found or (0,) * 6
    return Counts(
        read=read,
        invalid=invalid,
        merged=merged,
        lapsed=lapsed,
        naive=int(naive),
        past_list_end=past if isinstance(end, datetime) else 0,
    )


def _feeds(
    spec: ListSpec, readings: Iterable[sources.Reading], as_of: datetime
) -> tuple[tuple[Feed, ...], tuple[Problem, ...]]:
    """Say what each source was, and what is wrong with it as a whole."""
    feeds = []
    problems: list[Problem] = []
    for source, reading in zip(spec.sources, readings, strict=True):
        problems += reading.problems
        problems += map(_empty, reading.empty_files)
        if source.sha256 and source.sha256.lower() != reading.sha256 and not reading.problems:
            seen = f"its content is {reading.sha256}, not the pinned {source.sha256}"
            problems.append(Problem(place=source.place, code="SPEC-105", message=seen))
        stale = False
        try:
            stale = _is_stale(source, as_of)
        except ValueError as error:
            wrong = f"its maxAge cannot be counted from its asOf: {error}"
            problems.append(Problem(place=source.place, code="SPEC-122", message=wrong))
        feeds.append(
            Feed(
                path=source.path,
                files=reading.files,
                empty_files=reading.empty_files,
                rows=reading.rows,
                sha256=reading.sha256,
                as_of=source.as_of,
                stale=stale,
                max_age=source.max_age,
                place=source.place,
            )
        )
    return tuple(feeds), tuple(problems)


def _empty(name: str) -> Problem:
    """Warn of a file that was read and is of no effect: nobody is suppressed by it.

    It is no error: an export of no news is a header alone, and must not stop other suppressions.
    """
    said = "it holds not a single contact; expected some, unless there is no news"
    return Problem(place=Place(path=name), code="SPEC-126", message=said, severity="warning")


def _is_stale(source: Source, as_of: datetime) -> bool:
    if source.as_of is None or source.max_age is None:
        return False
    return as_of > add_duration(source.as_of, source.max_age)


def _write_invalid(session: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Write every invalid row for those who may see it, in cells that do nothing."""
    session.execute(cells.MACRO)
    _private(path.parent)
    try:
        with disk.draft(path) as held:
            session.execute(_ALL_INVALID, {"into": str(held)})
            disk.adopt(held, path)
    except OSError as error:
        raise EngineError(f"cannot write {path}: {error.strerror}", hint=STATE_HINT) from error


def _private(folder: Path) -> None:
    try:
        disk.private(folder)
    except OSError as error:
        raise EngineError(
            f"cannot make the folder {folder}: {error.strerror}", hint=STATE_HINT
        ) from error
