"""One list's inline contacts and sources become its desired table: one row an address.

Every identifier that comes in is a row, was merged into one, or is invalid, and is counted; none
disappears. Who wins a merge never depends on the order of files and rows. No message or sample
here holds an address.

What can be wrong with contacts is told in ``codes``.
"""

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

import duckdb

from reconciler import disk
from reconciler.contacts import cells, findings
from reconciler.contacts.engine import Engine
from reconciler.contacts.ingest import FOREVER, literal, private, scalar, seconds, written
from reconciler.contacts.judging import CLEAN, judge, tally
from reconciler.contacts.kept import Inputs, Made, inputs, link
from reconciler.contacts.sources import Intake, Reading, ignored
from reconciler.errors import STATE_HINT, EngineError, Place, Problem
from reconciler.model import CHANNELS, Counts, Feed, ListSpec, Sample, Source, Table
from reconciler.times import add_duration

_KEEP: Final = "COPY ({}) TO $into (FORMAT parquet, USE_TMP_FILE false)"
_SPEAKABLE: Final = f"SELECT * FROM ({CLEAN}) WHERE channel IN {{}}"  # noqa: S608 - ours

CONTENT: Final = "address, reason, until"
"""What the digest of a desired table is of."""

_ENDS: Final = """
SELECT count(*) FILTER (until <= $as_of),
  count(*) FILTER (coalesce(until, $list_end + 1) > $list_end)
FROM read_parquet($path)
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
    channels: tuple[str, ...] = CHANNELS,
    fresh: bool = False,
    seen: Callable[[int, int | None], None] = ignored,
) -> Compiled:
    """Read, normalise, judge and merge one list's contacts, unless that was done before.

    Args:
        engine: an open engine.
        spec: the list's declaration.
        base: the folder that names of source files are relative to.
        as_of: the time for which lapsed rows are counted and ends of lists are judged; the table
            itself does not depend on it.
        into: the folder for the table and for what is remembered of it.
        invalid_into: says where the rows that are invalid go, as a CSV file with their raw
            values; asked only if there are any.
        channels: those that the tenant's dialect has a place for; contacts of others are problems,
            or left out and counted, as the spec says.
        fresh: whether what is remembered is not to be used.
        seen: told, as the reading goes on, how many bytes of how many were read.

    Returns:
        A table of address, channel, reason, until, requested_at (both seconds since 1970 UTC,
        null for none), source and line, in no order.

    Raises:
        EngineError: out of memory or disk, or a file cannot be written.
    """
    private(into)
    known = inputs(engine, spec, base=base, into=into, channels=channels)
    made = known.recall() if known and not fresh else None
    if made is None:
        made = _made(
            engine,
            spec,
            base=base,
            into=into,
            known=known,
            invalid_into=invalid_into,
            channels=channels,
            seen=seen,
        )
        if known:
            known.remember(made)
    elif made.invalid_rows:
        made = replace(made, invalid_rows=_again(made.invalid_rows, invalid_into()))
    counts = _counts(engine, spec, made, as_of)
    feeds, wrong = _feeds(spec, made.readings, as_of, engine=engine)
    problems = (*wrong, *findings.of_list(spec, counts, as_of=as_of), *made.problems)
    if made.invalid_rows and not made.problems:
        problems += findings.of_aside(spec, counts, path=made.invalid_rows)
    return Compiled(
        table=made.table, counts=counts, feeds=feeds, samples=made.samples, problems=problems
    )


def _made(
    engine: Engine,
    spec: ListSpec,
    *,
    base: Path,
    into: Path,
    known: Inputs | None,
    invalid_into: Callable[[], Path],
    channels: tuple[str, ...],
    seen: Callable[[int, int | None], None],
) -> Made:
    """Compile what is not remembered.

    The table is named after what was digested only where that is what was read: others may know
    a table of that name, and a gap to it.
    """
    with engine.turn(), engine.session(ordered=False) as session, engine.draft() as draft:
        intake = Intake(spec.contacts, spec.sources, base=base, seen=seen)
        judge(session, spec, intake, draft=draft)
        read, invalid, merged, naive = tally(session)
        problems = findings.of_merged(session, spec)
        mute, speechless = findings.of_channels(session, spec, channels=channels)
        problems += speechless
        aside = invalid_into() if invalid else None
        if aside:
            _write_invalid(session, aside)
            problems += findings.of_invalid(session, spec, invalid=invalid, read=read, path=aside)
        same = known and known.read_as(intake.readings)
        name = known.key if known and same else secrets.token_hex(16)
        return Made(
            table=_kept(engine, session, into / f"desired-{name}.parquet", channels=channels),
            read=read,
            invalid=invalid,
            merged=merged,
            naive=naive,
            unsupported=mute,
            samples=findings.samples(session),
            readings=intake.readings,
            problems=(*(one for each in intake.readings for one in each.problems), *problems),
            invalid_rows=aside,
        )


def _kept(
    engine: Engine, session: duckdb.DuckDBPyConnection, path: Path, *, channels: tuple[str, ...]
) -> Table:
    """Write the table, of these channels."""
    chosen = CLEAN if channels == CHANNELS else _SPEAKABLE.format([*channels])
    with written(path) as held:
        rows = scalar(session, _KEEP.format(chosen), into=str(held))
        digest = engine.fold(session, CONTENT, "read_parquet($path)", path=literal(held))
        held.replace(path)  # not put on disk first: its bytes are compared when it is used again
    return Table(path=path, rows=rows, digest=digest)


def _again(rows: Path, path: Path) -> Path:
    """Put the invalid rows of an earlier compiling where those of this run belong."""
    private(path.parent)
    try:
        link(rows, path)
    except OSError as error:
        raise EngineError(f"cannot write {path}: {error.strerror}", hint=STATE_HINT) from error
    return path


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


def _counts(engine: Engine, spec: ListSpec, made: Made, as_of: datetime) -> Counts:
    end = spec.settings.suppress_until
    ends = seconds(end) if isinstance(end, datetime) else FOREVER - 1
    values = {"path": literal(made.table.path), "as_of": seconds(as_of), "list_end": ends}
    with engine.session() as session:
        lapsed, past = session.execute(_ENDS, values).fetchall()[0]
    return Counts(
        read=made.read,
        invalid=made.invalid,
        merged=made.merged,
        lapsed=lapsed,
        naive=made.naive,
        past_list_end=past if isinstance(end, datetime) else 0,
        unsupported=made.unsupported,
    )


def _feeds(
    spec: ListSpec, readings: Iterable[Reading], as_of: datetime, *, engine: Engine
) -> tuple[tuple[Feed, ...], tuple[Problem, ...]]:
    """Say what each source was, and what is wrong with it as a whole."""
    feeds = []
    problems: list[Problem] = []
    for source, reading in zip(spec.sources, readings, strict=True):
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
                sha256=engine.pseudonym(reading.sha256),
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
    private(path.parent)
    try:
        with disk.draft(path) as held:
            session.execute(_ALL_INVALID, {"into": str(held)})
            disk.adopt(held, path)
    except OSError as error:
        raise EngineError(f"cannot write {path}: {error.strerror}", hint=STATE_HINT) from error
