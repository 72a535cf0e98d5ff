"""The rows of a CSV file, each with the line it begins on.

Lines that can only be read in one way are read all at once, which is the rule; the others one by
one. It must never lose a row: what is no contact is a row with a fault.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from reconciler.contacts.blocks import BLOCK, Readable, Tape, blocks
from reconciler.contacts.delimited_bulk import taken
from reconciler.contacts.delimited_rows import CsvRows
from reconciler.contacts.lines import BOM, FEED, Bulk, starts
from reconciler.contacts.rows import LIMITS, Limits, Row, batch_of_columns, batches_of


def csv_batches(
    stream: Readable,
    columns: Mapping[str, str],
    *,
    limits: Limits = LIMITS,
    size: int = BLOCK,
    singly: Callable[[int], object] = int,
) -> Iterator[Any]:
    """Yield a CSV file's rows as ``ROWS``, block by block; in a block they are in no order.

    Args:
        stream: the file's bytes.
        columns: their names of columns for ours.
        limits: what a row may be.
        size: bytes of a block, about.
        singly: told of rows that are read one by one, how many.

    Raises:
        UnreadableError: the header cannot be used, or nearly everything is a fault.
    """
    tape = Tape(blocks(stream, size=size, ends=b"\n\r"))
    tape.at = len(BOM) if tape.rest().startswith(BOM) else 0
    rows = CsvRows(tape, limits)
    form = rows.header(columns)
    while block := tape.rest():
        line = rows.line
        bulk = taken(block, form, limits)
        odd = _Odd(tape, rows, bulk)
        for batch in batches_of(chain.from_iterable(odd.rows())):
            singly(len(batch))
            yield batch
        if bulk and len(bulk.at):
            yield odd.batch(bulk, line)


class _Odd:
    """Reads what was not taken of a block, and tells what became of the other lines meanwhile.

    A row that begins on an odd line may go on over lines that were taken, and below the block.
    """

    def __init__(self, tape: Tape, rows: CsvRows, bulk: Bulk | None) -> None:
        self._tape = tape
        self._rows = rows
        self._block = tape.block
        self._turns = tape.turns
        self._bulk = bulk
        self._runs: list[tuple[int, int, int]] = []
        """Lines that were read one by one, as the first and the one below the last; and by how
        much the lines below these were counted short until then."""

    def rows(self) -> Iterator[Sequence[Row]]:
        """Yield rows, and leave the tape where the rows below the block begin."""
        yield from self._some(self._bulk) if self._bulk else self._all()

    def batch(self, bulk: Bulk, line: int) -> Any:
        """Return what was taken, without what belongs to rows that began above it.

        Args:
            bulk: what was taken.
            line: the first of the block.
        """
        columns, at = bulk.columns, bulk.at
        if self._runs:
            first, below, more = np.array(self._runs).T
            run = np.searchsorted(first, at, "right") - 1
            kept = (run < 0) | (at >= below[run])
            columns = {name: column.filter(pa.array(kept)) for name, column in columns.items()}
            at = (at + np.where(run < 0, 0, more[run]))[kept]
        return batch_of_columns(columns, pa.array(at + line))

    def _all(self) -> Iterator[Sequence[Row]]:
        while self._is_inside() and self._tape.at < len(self._block):
            yield self._rows.row() or ()

    def _some(self, bulk: Bulk) -> Iterator[Sequence[Row]]:
        """Read rows from each odd line on, until one ends where a line begins that is not odd."""
        tape, rows, line = self._tape, self._rows, self._rows.line
        begins = starts(self._block) if len(bulk.odd) else bulk.odd
        odd, places = bulk.odd.tolist(), begins[bulk.odd].tolist()
        more = index = 0
        while index < len(odd) and self._is_inside():
            first = odd[index]
            tape.at, rows.line = places[index], line + first + more
            while self._is_inside() and (tape.at in places[index : index + 1] or self._is_within()):
                yield rows.row() or ()
                while index < len(odd) and places[index] < tape.at:
                    index += 1
            below = int(np.searchsorted(begins, tape.at)) if self._is_inside() else bulk.count
            more = rows.line - line - below
            self._runs.append((first, below, more))
        if self._is_inside():
            tape.at, rows.line = len(self._block), line + bulk.count + more

    def _is_inside(self) -> bool:
        """Tell whether the tape is still in the block."""
        return self._tape.turns == self._turns

    def _is_within(self) -> bool:
        """Tell whether the tape is behind a carriage return, within what counts as one line."""
        return 0 < self._tape.at < len(self._block) and self._block[self._tape.at - 1] != FEED
