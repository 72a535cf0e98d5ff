"""A list's inline contacts and contact files as Arrow batches; only their form is judged here.

It must never lose a row: what cannot be read as a contact is a row with a fault, its file and its
line. Everything is streamed in blocks, so that the size of a file never matters to memory.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from reconciler.contacts.delimited import csv_batches
from reconciler.contacts.ndjson import json_batches
from reconciler.contacts.parquet import parquet
from reconciler.contacts.rows import LIMITS, ROWS, Limits, UnreadableError
from reconciler.contacts.streams import Opened, reading
from reconciler.errors import Place, Problem
from reconciler.masking import printable
from reconciler.model import InlineContact, Source

BLOCK: Final = pa.schema([*ROWS, ("file", pa.int32()), ("feed", pa.int32())])
"""All as written. ``line`` counts from 1 (of a Parquet file: its row); ``fault`` says why a row is
no contact at all, and ``text`` is then the row; ``file`` is the number of its file, and ``feed``
that of its source, or -1."""

_FEW: Final = 120_000
"""Rows of a batch that is not worth joining with others."""
_MANY: Final = 250_000
"""Rows of a batch, at most."""
_LARGE: Final = 16 << 20
"""Bytes of small batches that are not held back any longer."""


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


def ignored(_done: int, _total: int | None) -> None:
    """Tell nobody how far the reading is."""


class Intake:
    """Everything a list is made of, read once, as batches.

    A file that cannot be read is a problem of its source. Some of its rows may have been given
    away before that was seen: it is in ``broken`` then, and they must not be used.

    Args:
        contacts: those that stand in the spec itself.
        sources: columns and files.
        base: the folder that the names of files are relative to.
        limits: what one file may be.
        seen: told, as the reading goes on, how many bytes of how many were read.
    """

    def __init__(
        self,
        contacts: Iterable[InlineContact],
        sources: Sequence[Source],
        *,
        base: Path,
        limits: Limits = LIMITS,
        seen: Callable[[int, int | None], None] = ignored,
    ) -> None:
        self.names: list[str] = []
        """Of each file, by its number, what it is called."""
        self.readings: tuple[Reading, ...] = ()
        """What each source came to; there once the batches were."""
        self.broken: set[int] = set()
        """The numbers of files whose rows must not be used."""
        self.singly = 0
        """How many rows had to be read one by one."""
        self._contacts = contacts
        self._sources = sources
        self._base = base
        self._limits = limits
        self._seen = seen
        self._done = 0
        self._total = sum(_size(path) for source in sources for path in source.files)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield all rows as ``BLOCK``: inline ones first, then each source's files by name.

        Within a file they are in hardly any order.
        """
        yield from _gathered(self._all())

    def _all(self) -> Iterator[pa.RecordBatch]:
        yield from self._inline()
        for feed, source in enumerate(self._sources):
            yield from self._source(source, feed)

    def _inline(self) -> Iterator[pa.RecordBatch]:
        numbers: dict[str, int] = {}
        contacts = iter(self._contacts)
        while part := list(islice(contacts, _FEW)):
            for contact in part:
                if contact.place.path not in numbers:
                    numbers[contact.place.path] = len(self.names)
                    self.names.append(contact.place.path)
            columns = [
                [contact.email for contact in part],
                [contact.phone for contact in part],
                [contact.reason for contact in part],
                [contact.suppress_until for contact in part],
                [contact.requested_at for contact in part],
                [contact.place.line for contact in part],
                [None] * len(part),
                [None] * len(part),
                [numbers[contact.place.path] for contact in part],
                [-1] * len(part),
            ]
            arrays = [
                pa.array(values, kind) for values, kind in zip(columns, BLOCK.types, strict=True)
            ]
            yield pa.record_batch(arrays, schema=BLOCK)

    def _count(self, rows: int) -> None:
        self.singly += rows

    def _source(self, source: Source, feed: int) -> Iterator[pa.RecordBatch]:
        problems: list[Problem] = []
        digest = hashlib.sha256()
        counts: dict[str, int] = {}
        named = files(source, self._base)
        for name, path in named:
            number = len(self.names)
            self.names.append(name)
            count = 0
            try:
                with reading(), Opened(path, digest.update, limits=self._limits) as file:
                    for batch in _rows(file, source, name, self._count):
                        count += len(batch)
                        yield _placed(batch, number, feed)
                        self._seen(self._done + file.taken, self._total)
                counts[name] = count
            except UnreadableError as error:
                place = Place(path=name, line=error.line)
                problems.append(Problem(place=place, code=error.code, message=str(error)))
                if count:
                    self.broken.add(number)
            self._done += _size(path)
        self.readings += (
            Reading(
                files=tuple(name for name, _ in named),
                empty_files=tuple(name for name, rows in counts.items() if not rows),
                rows=sum(counts.values()),
                sha256=digest.hexdigest(),
                problems=tuple(problems),
            ),
        )


def files(source: Source, base: Path) -> list[tuple[str, Path]]:
    """Return a source's files, each with the name it is called by, in the order of names."""
    return sorted((_name(path, base), path) for path in source.files)


def _gathered(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Join batches that are small, and cut those that are large."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        if batch.num_rows >= _FEW:
            yield from (batch.slice(at, _MANY) for at in range(0, batch.num_rows, _MANY))
            continue
        held.append(batch)
        if sum(map(len, held)) >= _FEW or sum(one.nbytes for one in held) >= _LARGE:
            yield pa.concat_batches(held)
            held = []
    if held:
        yield pa.concat_batches(held)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _name(path: Path, base: Path) -> str:
    return printable(Path(os.path.relpath(path, base)).as_posix())


def _placed(batch: Any, file: int, feed: int) -> Any:
    """Say of each row which file and source it is of."""
    arrays = [
        *batch.columns,
        pa.array(np.full(len(batch), file, np.int32)),
        pa.array(np.full(len(batch), feed, np.int32)),
    ]
    return pa.record_batch(arrays, schema=BLOCK)


def _rows(
    file: Opened, source: Source, name: str, singly: Callable[[int], object]
) -> Iterator[Any]:
    """Yield one file's rows, read by what its name says it is."""
    limits, columns = file.limits, source.columns
    bare = name.lower().removesuffix(".gz").removesuffix(".zst")
    match bare.rpartition(".")[2]:
        case "csv":
            text = file.text(ends=b"\r\n")
            yield from csv_batches(text, columns, limits=limits, singly=singly)
        case "ndjson" | "jsonl":
            text = file.text(ends=b"\n")
            yield from json_batches(text, columns, limits=limits, singly=singly)
        case "parquet" if name.lower() == bare:
            yield from parquet(file, columns)
        case _:
            raise UnreadableError(
                "SPEC-102",
                "its kind is unknown; expected .csv, .ndjson or .jsonl (each also with .gz or "
                ".zst) or .parquet",
            )
