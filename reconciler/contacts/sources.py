"""Contact files, read row by row into one raw relation; only their form is judged here.

It must never lose a row: what cannot be read as a contact is a row with a fault, its file and its
line. CSV and NDJSON are streamed in blocks, so that the size of a file never matters to memory.
"""

import gzip
import hashlib
import io
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from reconciler.contacts.rows import (
    FIELDS,
    WHOLE_BELOW,
    Row,
    UnreadableError,
    choose,
    csv_rows,
    json_rows,
)
from reconciler.errors import Place, Problem
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


def read(session: duckdb.DuckDBPyConnection, source: Source, *, feed: int, base: Path) -> Reading:
    """Read one source's files, in the order of their names, into the raw relation.

    A file that cannot be read is a problem, and then none of its rows are in the relation.

    Args:
        session: has the raw relation.
        source: its columns and files.
        feed: the number of the source, kept with every row.
        base: the folder that the names of files are relative to.
    """
    problems: list[Problem] = []
    digest = hashlib.sha256()
    counts: dict[str, int] = {}
    named = sorted((_name(path, base), path) for path in source.files)
    for name, path in named:
        try:
            with _readable():
                _take_bytes(path, digest.update)
                counts[name] = _read_file(session, path, source.columns, source=name, feed=feed)
        except UnreadableError as error:
            session.execute("DELETE FROM raw WHERE source = $1 AND feed = $2", [name, feed])
            problems.append(Problem(place=Place(path=name), code=error.code, message=str(error)))
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
    return Path(os.path.relpath(path, base)).as_posix()


def _take_bytes(path: Path, take: Callable[[bytes], object]) -> None:
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            take(block)


@contextmanager
def _readable() -> Iterator[None]:
    """Turn what reading a file raises into ours, without the words, which might quote the file."""
    try:
        yield
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise UnreadableError("SPEC-101", "its compressed data are damaged or cut off") from error
    except pa.ArrowException as error:
        raise UnreadableError("SPEC-101", "it is not what its name says, or damaged") from error
    except OSError as error:
        why = error.strerror or "its data are damaged or cut off"
        raise UnreadableError("SPEC-101", f"it cannot be read: {why}") from error


def _read_file(
    session: duckdb.DuckDBPyConnection,
    path: Path,
    columns: Mapping[str, str],
    *,
    source: str,
    feed: int,
) -> int:
    """Read one file by what its name says it is; return how many rows it has."""
    bare = path.name.lower().removesuffix(".gz").removesuffix(".zst")
    match bare.rpartition(".")[2]:
        case "csv":
            with _unpacked(path) as file:
                text = io.TextIOWrapper(
                    file, encoding="utf-8-sig", errors="surrogateescape", newline=""
                )
                return _insert_all(session, csv_rows(text, columns), source=source, feed=feed)
        case "ndjson" | "jsonl":
            with _unpacked(path) as file:
                return _insert_all(session, json_rows(file, columns), source=source, feed=feed)
        case "parquet" if path.name.lower() == bare:
            with pq.ParquetFile(path) as file:
                return _insert_parquet(session, file, columns, source=source, feed=feed)
        case _:
            raise UnreadableError(
                "SPEC-102",
                "its kind is unknown; expected .csv, .ndjson or .jsonl (each also with .gz or "
                ".zst) or .parquet",
            )


@contextmanager
def _unpacked(path: Path) -> Iterator[Any]:
    """Open a file for reading bytes."""
    match path.suffix.lower():
        case ".gz":
            with gzip.open(path) as file:
                yield file
        case ".zst":
            with pa.input_stream(str(path), compression="zstd") as stream:
                yield io.BufferedReader(stream)
        case _:
            with path.open("rb") as file:
                yield file


def _insert_all(
    session: duckdb.DuckDBPyConnection, rows: Iterator[Row], *, source: str, feed: int
) -> int:
    count = 0
    while block := list(islice(rows, _BLOCK)):
        _insert(session, block, source=source, feed=feed)
        count += len(block)
    return count


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
    file: Any,
    columns: Mapping[str, str],
    *,
    source: str,
    feed: int,
) -> int:
    """Put a Parquet file's rows into the raw relation; return how many."""
    names = file.schema_arrow.names
    chosen = choose(names, columns)
    kinds = {column: file.schema_arrow.field(at).type for column, at in chosen.items()}
    texts = {column: _parquet_text(column, kind) for column, kind in kinds.items()}
    broken = [f"({column} IS NOT NULL AND {text} IS NULL)" for column, text in texts.items()]
    insert = _INSERT_PARQUET.format(
        columns=", ".join(f"{text} AS {column}" for column, text in texts.items()),
        broken=" OR ".join(broken),
    )
    count = 0
    for batch in file.iter_batches(batch_size=_BLOCK):
        block = {column: _plain(batch.column(at)) for column, at in chosen.items()}
        block["line"] = pa.array(range(count + 1, count + 1 + len(batch)), pa.int64())
        session.register("block", pa.table(block))
        session.execute(insert, {"source": source, "feed": feed})
        session.unregister("block")
        count += len(batch)
    return count


def _plain(column: Any) -> Any:
    """Undo dictionaries, and take text as bytes, since nobody checked that it is UTF-8."""
    plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    return plain.cast(pa.large_binary()) if _is_text(plain.type) else plain


def _is_text(kind: Any) -> bool:
    return any(
        check(kind)
        for check in (
            pa.types.is_string,
            pa.types.is_large_string,
            pa.types.is_string_view,
            pa.types.is_binary,
            pa.types.is_large_binary,
        )
    )


def _parquet_text(column: str, kind: Any) -> str:
    """Return the SQL that writes a Parquet column as text."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if _is_text(kind):
        return f"try(decode({column}))"
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return (
            f"CASE WHEN abs({column}) < {WHOLE_BELOW} AND {column} = trunc({column}) "
            f"THEN CAST(CAST({column} AS BIGINT) AS VARCHAR) ELSE CAST({column} AS VARCHAR) END"
        )
    if pa.types.is_integer(kind) or pa.types.is_temporal(kind) or pa.types.is_null(kind):
        return f"CAST({column} AS VARCHAR)"
    raise UnreadableError("SPEC-103", f"its column for {column} is of type {kind}, not text")
