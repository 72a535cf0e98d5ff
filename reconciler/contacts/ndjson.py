"""The rows of a file with a JSON object a line.

Lines that can only be read in one way are read all at once, which is the rule; the others one by
one. It must never lose a row: what is no contact is a row with a fault.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BytesIO
from typing import Any, Final

import numpy as np
import pyarrow as pa

from reconciler.contacts.blocks import BLOCK, Readable, blocks
from reconciler.contacts.lines import BOM, Bulk, count, starts
from reconciler.contacts.ndjson_bulk import JsonBulk
from reconciler.contacts.ndjson_rows import JsonRows
from reconciler.contacts.rows import LIMITS, Limits, batch_of_columns, batches_of

_PARTS: Final = (BLOCK // 16, BLOCK // 256)
"""Bytes of the parts that are tried in place of a block, if nothing is taken of it in whole."""


def json_batches(
    stream: Readable,
    columns: Mapping[str, str],
    *,
    limits: Limits = LIMITS,
    size: int = BLOCK,
    parts: Sequence[int] = _PARTS,
    singly: Callable[[int], object] = int,
) -> Iterator[Any]:
    """Yield a file's rows as ``ROWS``, block by block; in a block they are in no order.

    Args:
        stream: the file's bytes.
        columns: their names of columns for ours.
        limits: what a row may be.
        size: bytes of a block, about.
        parts: bytes of what is tried in place of a block that is not taken, one after another.
        singly: told of rows that are read one by one, how many.

    Raises:
        UnreadableError: a column the spec names is nowhere, or nearly everything is a fault.
    """
    rows = JsonRows(columns, limits)
    bulk = JsonBulk(rows, limits)
    line = 1
    for found in blocks(stream, ends=b"\n", size=size):
        block = found.removeprefix(BOM) if line == 1 else found
        for part, first, taken in _taken(bulk, block, line, parts):
            for batch in batches_of(rows.rows(_odd(part, first, taken))):
                singly(len(batch))
                yield batch
            if taken and len(taken.at):
                yield batch_of_columns(taken.columns, pa.array(taken.at + first))
        line += count(found)
    rows.check()


def _taken(
    bulk: JsonBulk, block: bytes, line: int, sizes: Sequence[int]
) -> Iterator[tuple[bytes, int, Bulk | None]]:
    """Yield a block, or else its parts, each with its first line and what was taken of it."""
    taken = bulk.taken(block, line)
    if taken or not sizes:
        yield block, line, taken
        return
    for part in blocks(BytesIO(block), ends=b"\n", size=sizes[0]):
        yield from _taken(bulk, part, line, sizes[1:])
        line += count(part)


def _odd(block: bytes, line: int, taken: Bulk | None) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a block that were not taken, each with its number in the file."""
    if not taken:
        yield from enumerate(BytesIO(block), line)
    elif len(taken.odd):
        begins = starts(block)
        ends = np.append(begins[1:], len(block))
        for one in taken.odd.tolist():
            yield line + one, block[begins[one] : ends[one]]
