"""The changes of many runs as one table: how many of what, on which grounds, to what effect.

It reads ``changes.parquet`` files in the engine, whatever columns an older one lacks. It sees
pseudonyms only, and writes nothing.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from reconciler.attestation import Counted, LetGo
from reconciler.contacts.engine import Engine, execute
from reconciler.contacts.ingest import literal

MOST: Final = 1_000
"""Rows of a kind that are named one by one; how many there are is always counted."""

YEAR_ONE: Final = datetime(1, 1, 1, tzinfo=UTC)
"""A Monday. Times are seconds since then here, so that none is negative."""
_SHIFT: Final = 62_135_596_800_000_000
"""Microseconds from there to 1970."""


_RUNS: Final = pa.schema(
    [
        ("number", pa.int64()),
        ("run", pa.string()),
        ("file", pa.string()),
        ("ended", pa.int64()),
        ("within", pa.bool_()),
    ]
)
_TICKETS: Final = pa.schema(
    [
        ("number", pa.int64()),
        ("list", pa.string()),
        ("op", pa.string()),
        ("source", pa.string()),
        ("line", pa.int64()),
        ("ticket", pa.string()),
    ]
)

_TOLD: Final = f"""
CREATE TEMP VIEW told AS
WITH shape AS (
    SELECT NULL::VARCHAR AS pseudonym, NULL::VARCHAR AS list, NULL::VARCHAR AS op,
        NULL::VARCHAR AS basis, NULL::VARCHAR AS ticket, NULL::VARCHAR AS source,
        NULL::BIGINT AS line, NULL::VARCHAR AS status, NULL::TIMESTAMPTZ AS requested_at,
        NULL::TIMESTAMPTZ AS at, NULL::VARCHAR AS filename
    WHERE false)
SELECT runs.number, runs.run, runs.within, pseudonym, list, op, basis, ticket, source, line, status,
    (epoch_us(requested_at) + {_SHIFT}) // 1000000 AS requested,
    coalesce((epoch_us(held."at") + {_SHIFT}) // 1000000, runs.ended) AS done,
    held."at" IS NULL AS untimed
FROM (SELECT * FROM shape {{}}) AS held
JOIN runs ON held.filename = runs.file
WHERE len(getvariable('lists')) = 0 OR list_contains(getvariable('lists'), list)
"""  # noqa: S608 - a constant of ours
# Older files lack columns: by name, and beside no rows of all of them, they read as null.

_STORED: Final = """
UNION ALL BY NAME
SELECT * FROM read_parquet(getvariable('files'), union_by_name := true, filename := true)
"""

_COUNTS: Final = """
SELECT list, count(*) FILTER (status = 'done' AND op = 'suppress'),
    count(*) FILTER (status = 'done' AND op = 'amend'),
    count(*) FILTER (status = 'done' AND op = 'part'),
    count(*) FILTER (status = 'done' AND op = 'shorten'),
    count(*) FILTER (status = 'done' AND op = 'release'),
    count(*) FILTER (status = 'rejected'),
    count(DISTINCT pseudonym) FILTER (status = 'rejected'),
    count(*) FILTER (status = 'withheld'),
    count(*) FILTER (status IN ('failed', 'uncertain')),
    count(*) FILTER (status = 'done' AND requested IS NULL AND op <> 'part'),
    count(*) FILTER (status = 'done' AND untimed)
FROM told WHERE within AND op <> 'found' GROUP BY list ORDER BY list
"""

_GROUNDS: Final = """
WITH let_go AS (
    SELECT told.list, told.op, coalesce(told.basis, '') AS basis,
        coalesce(told.ticket, tickets.ticket, '') AS ticket
    FROM told LEFT JOIN tickets ON told.number = tickets.number AND told.list = tickets.list
        AND told.op = tickets.op AND told.source = tickets.source AND told.line = tickets.line
    WHERE told.within AND told.status = 'done' AND told.op IN ('shorten', 'release'))
SELECT list, op, basis, ticket, count(*) AS contacts FROM let_go
GROUP BY ALL ORDER BY contacts DESC, list, op, basis, ticket
"""

_EFFECTS: Final = """
SELECT number, list, count(DISTINCT pseudonym) FILTER (op = 'suppress'),
    count(DISTINCT pseudonym) FILTER (op = 'release')
FROM told WHERE status = 'done' AND list_contains($numbers::BIGINT[], number) GROUP BY ALL
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """One applied run: the lists that it compared whole, and its changes at rest."""

    run: str
    path: Path | None
    """``None`` where it changed nothing."""
    looked: tuple[str, ...]
    ended: datetime
    """When the run had its last word: when a row was done that does not say so itself."""
    within: bool
    """Whether it is a run of the period; an earlier one only tells what was met before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """The ticket of a declared release, as the plan of a run names it."""

    run: str
    list: str
    op: str
    source: str
    line: int
    ticket: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The changes of many runs, open to be asked as the view ``told``; made by ``reading``."""

    session: duckdb.DuckDBPyConnection
    runs: Sequence[Changed]

    @property
    def numbers(self) -> Mapping[str, int]:
        """The place of each run in their order."""
        return {each.run: number for number, each in enumerate(self.runs)}

    def counts(self) -> Mapping[str, Counted]:
        """Return what became of the rows of the period's runs, by list."""
        found = execute(self.session, _COUNTS).fetchall()
        return {key: Counted(**dict(zip(_COUNTED, row, strict=True))) for key, *row in found}

    def let_go(self, tickets: Iterable[Ticket]) -> tuple[LetGo, ...]:
        """Return on which grounds contacts were released and shortened, the largest first.

        Args:
            tickets: where the plans of these runs name a ticket.
        """
        numbers = self.numbers
        rows = [{**asdict(each), "number": numbers.get(each.run)} for each in tickets]
        self.session.register("tickets", pa.Table.from_pylist(rows, schema=_TICKETS))
        found = execute(self.session, _GROUNDS).fetchmany(MOST)
        return tuple(
            LetGo(key=key, op=op, basis=basis, ticket=ticket, contacts=count)
            for key, op, basis, ticket, count in found
        )

    def effects(self, runs: Collection[str]) -> Mapping[tuple[str, str], int]:
        """Return by how much some runs made a list larger, by run and list."""
        names = {number: run for run, number in self.numbers.items() if run in runs}
        found = execute(self.session, _EFFECTS, {"numbers": [*names]}).fetchall()
        return {(names[number], key): more - less for number, key, more, less in found}


@contextmanager
def reading(
    engine: Engine, runs: Sequence[Changed], *, lists: Collection[str] = ()
) -> Iterator[Changes]:
    """Open the changes of many runs.

    Args:
        engine: an open engine; its key does not matter.
        runs: in the order in which they began, those before the period included: they tell what
            had been met by then.
        lists: the keys of the lists that count; all where none is named.

    Raises:
        EngineError: a file cannot be read.
    """
    held = [
        {
            "number": number,
            "run": each.run,
            "file": str(each.path),
            "ended": seconds(each.ended),
            "within": each.within,
        }
        for number, each in enumerate(runs)
        if each.path
    ]
    with engine.session(ordered=False) as session:
        session.register("runs", pa.Table.from_pylist(held, schema=_RUNS))
        execute(session, "SET VARIABLE lists = $lists::VARCHAR[]", {"lists": [*lists]})
        files = [literal(each.path) for each in runs if each.path]
        execute(session, "SET VARIABLE files = $files::VARCHAR[]", {"files": files})
        execute(session, _TOLD.format(_STORED if files else ""))
        yield Changes(session=session, runs=runs)


_COUNTED: Final = tuple(field.name for field in fields(Counted))


def seconds(moment: datetime) -> int:
    """Return a time as the queries count it."""
    return (moment - YEAR_ONE) // timedelta(seconds=1)
