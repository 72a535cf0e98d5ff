"""Contact files, read row by row into one raw relation; only their form is judged here.

It must never lose a row: what cannot be read as a contact is a row with a fault, its file and its
line. CSV and NDJSON are streamed in blocks, so that the size of a file never matters to memory.
"""

import hashlib
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from reconciler.contacts.delimited import csv_rows
from reconciler.contacts.ndjson import json_rows
from reconciler.contacts.parquet import is_text, parquet
from reconciler.contacts.rows import (
    FIELDS,
    LIMITS,
    WHOLE_BELOW,
    Limits,
    Row,
    UnreadableError,
)
from reconciler.contacts.streams import Opened, reading
from reconciler.errors import Place, Problem
from reconciler.masking import printable
from reconciler.model import InlineContact, Source

RAW: Final = """
CREATE OR REPLACE TEMP TABLE raw (
  email VARCHAR, phone VARCHAR, reason VARCHAR, until VARCHAR, requested_at VARCHAR,
  line BIGINT, fault VARCHAR, text VARCHAR, source VARCHAR, feed INTEGER)
"""
"""All as written. ``line`` counts from 1 (of a Parquet file: its row); ``fault`` says why a row is
no contact at all, and ``text`` is then the row; ``feed`` is the number of its source, or -1."""

_INSERT: Final = "INSERT INTO raw SELECT *, $source, $feed FROM block"

_INSERT_PARQUET: Final = """
INSERT INTO raw BY NAME
SELECT {columns}, line, CASE WHEN {broken} THEN 'it is not UTF-8' END AS fault,
  $source AS source, $feed AS feed
FROM block
"""

_BLOCK: Final = 50_000
_BLOCK_BYTES: Final = 32 << 20
_PART: Final = 500
_SCHEMA: Final = pa.schema(
    [
        *((column, pa.string()) for column in FIELDS.values()),
        ("line", pa.int64()),
        ("fault", pa.string()),
        ("text", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What reading one source came to; ``sha256`` is of the bytes of all its files.

    ``empty_files`` could be read and have not a single row.
    """

    files: tuple[str, ...]
    empty_files: tuple[str, ...]
    rows: int
    sha256: str
    problems: tuple[Problem, ...]


def read(
    session: duckdb.DuckDBPyConnection,
    source: Source,
    *,
    feed: int,
    base: Path,
    limits: Limits = LIMITS,
) -> Reading:
    """Read one source's files, in the order of their names, into the raw relation.

    A file that cannot be read is a problem, and then none of its rows are in the relation.

    Args:
        session: has the raw relation.
        source: its columns and files.
        feed: the number of the source, kept with every row.
        base: the folder that the names of files are relative to.
        limits: what one file may be.
    """
    problems: list[Problem] = []
    digest = hashlib.sha256()
    counts: dict[str, int] = {}
    named = sorted((_name(path, base), path) for path in source.files)
    for name, path in named:
        try:
            with reading(), Opened(path, digest.update, limits=limits) as file:
                counts[name] = _read_file(session, file, source, name=name, feed=feed)
        except UnreadableError as error:
            session.execute("DELETE FROM raw WHERE source = $1 AND feed = $2", [name, feed])
            place = Place(path=name, line=error.line)
            problems.append(Problem(place=place, code=error.code, message=str(error)))
            counts.pop(name, None)
    return Reading(
        files=tuple(name for name, _ in named),
        empty_files=tuple(name for name, rows in counts.items() if not rows),
        rows=sum(counts.values()),
        sha256=digest.hexdigest(),
        problems=tuple(problems),
    )


def read_inline(session: duckdb.DuckDBPyConnection, contacts: Iterable[InlineContact]) -> None:
    """Put the contacts that stand in a spec itself into the raw relation."""
    by_file: dict[str, list[Row]] = {}
    for contact in contacts:
        row = Row(
            email=contact.email,
            phone=contact.phone,
            reason=contact.reason,
            until=contact.suppress_until,
            requested_at=contact.requested_at,
            line=contact.place.line,
        )
        by_file.setdefault(contact.place.path, []).append(row)
    for path, rows in by_file.items():
        _insert(session, rows, source=path, feed=-1)


def _name(path: Path, base: Path) -> str:
    return printable(Path(os.path.relpath(path, base)).as_posix())


def _read_file(
    session: duckdb.DuckDBPyConnection, file: Opened, source: Source, *, name: str, feed: int
) -> int:
    """Read one file by what its name says it is; return how many rows it has."""
    limits, columns = file.limits, source.columns
    bare = name.lower().removesuffix(".gz").removesuffix(".zst")
    match bare.rpartition(".")[2]:
        case "csv":
            lines = io.TextIOWrapper(
                file.text(ends=b"\r\n"), encoding="utf-8-sig", errors="surrogateescape", newline=""
            )
            found = csv_rows(lines, columns, limits=limits)
        case "ndjson" | "jsonl":
            found = json_rows(file.text(ends=b"\n"), columns, limits=limits)
        case "parquet" if name.lower() == bare:
            return _insert_parquet(session, file, columns, source=name, feed=feed)
        case _:
            raise UnreadableError(
                "SPEC-102",
                "its kind is unknown; expected .csv, .ndjson or .jsonl (each also with .gz or "
                ".zst) or .parquet",
            )
    count = 0
    for block in _blocks(found, lambda: file.unpacked):
        _insert(session, block, source=name, feed=feed)
        count += len(block)
    return count


def _blocks(rows: Iterator[Row], position: Callable[[], int]) -> Iterator[list[Row]]:
    """Cut rows into blocks that are bounded in number and in the bytes they were read from."""
    block: list[Row] = []
    start = position()
    while part := list(islice(rows, _PART)):
        block += part
        if len(block) >= _BLOCK or position() - start > _BLOCK_BYTES:
            yield block
            block, start = [], position()
    if block:
        yield block


def _insert(
    session: duckdb.DuckDBPyConnection, block: Sequence[Row], *, source: str, feed: int
) -> None:
    columns = zip(zip(*block, strict=True), _SCHEMA.types, strict=True)
    arrays = [pa.array(values, kind) for values, kind in columns]
    session.register("block", pa.table(arrays, schema=_SCHEMA))
    session.execute(_INSERT, {"source": source, "feed": feed})
    session.unregister("block")


def _insert_parquet(
    session: duckdb.DuckDBPyConnection,
    opened: Opened,
    columns: Mapping[str, str],
    *,
    source: str,
    feed: int,
) -> int:
    """Put a Parquet file's rows into the raw relation; return how many."""
    count = 0
    with parquet(opened, columns) as (kinds, batches):
        texts = {column: _parquet_text(column, kind) for column, kind in kinds.items()}
        broken = [f"({column} IS NOT NULL AND {text} IS NULL)" for column, text in texts.items()]
        insert = _INSERT_PARQUET.format(
            columns=", ".join(f"{text} AS {column}" for column, text in texts.items()),
            broken=" OR ".join(broken),
        )
        for batch in batches:
            lines = pa.array(range(count + 1, count + 1 + len(batch)), pa.int64())
            session.register("block", batch.append_column("line", lines))
            session.execute(insert, {"source": source, "feed": feed})
            session.unregister("block")
            count += len(batch)
    return count


def _parquet_text(column: str, kind: Any) -> str:
    """Return the SQL that writes a Parquet column as text."""
    if is_text(kind):
        return f"try(decode({column}))"
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return (
            f"CASE WHEN abs({column}) < {WHOLE_BELOW} AND {column} = trunc({column}) "
            f"THEN CAST(CAST({column} AS BIGINT) AS VARCHAR) ELSE CAST({column} AS VARCHAR) END"
        )
    return f"CAST({column} AS VARCHAR)"
