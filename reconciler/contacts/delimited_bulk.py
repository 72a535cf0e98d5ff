"""The lines of a block of CSV that can only be read in one way, all at once.

What it does not take is odd: whoever reads rows one by one has to judge it. It takes a line only
where both ways of reading come to the same, and so it knows every way in which they differ.
"""

import csv
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from reconciler.contacts.lines import (
    BOM,
    FEED,
    Array,
    Bulk,
    as_bytes,
    count,
    is_utf8,
    line_of,
    not_text,
    only,
    starts,
)
from reconciler.contacts.rows import Limits

_RETURN: Final = ord("\r")
_QUOTE: Final = ord('"')
_ODD: Final = 100_000
"""Lines of a block that are odd at most; with more of them, all are."""
_SHARE: Final = 4
"""One line in so many may be odd; with more of them, all are."""


def _table(characters: str) -> Array:
    return np.isin(np.arange(256), [ord(one) for one in characters])


_BEFORE_OPENING: Final = _table(',\n"')
_BEHIND_CLOSING: Final = _table(',\n\r"')
"""What may stand beside a quote: two of them inside a quoted field are one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What a file's header says about its rows."""

    width: int
    chosen: Mapping[str, int]
    """The position of each of our columns that is there."""


def taken(block: bytes, form: Form, limits: Limits) -> Bulk | None:
    """Take what is certain out of a block.

    Args:
        block: whole lines; the first is not inside a quoted field.
        form: of its rows.
        limits: of its fields.

    Returns:
        What was taken; none if that is hardly anything.
    """
    bound = min(csv.field_size_limit(), limits.row)
    bulk = None
    if _is_plain(block, bound):
        bulk = _parsed(block, form, limits, good=np.ones(count(block), bool))
    if bulk is None:
        begins = starts(block)
        good = ~_bad_lines(block, begins, bound)
        if not _is_much(len(good) - int(good.sum()), len(good)):
            bulk = _parsed(only(block, begins, good), form, limits, good=good)
    return bulk if bulk and not _is_much(len(bulk.odd), bulk.count) else None


def _is_much(odd: int, lines: int) -> bool:
    return odd > min(lines // _SHARE, _ODD)


# ---------------------------------------------------------------- by bytes


def _is_plain(block: bytes, bound: int) -> bool:
    """Tell whether no byte of a block makes a line odd.

    A line feed inside quotes is not seen here; it makes fewer rows than lines.
    """
    return (
        is_utf8(block)
        and b"\0" not in block
        and not block.startswith(BOM)
        and (b"\r" not in block or not len(_returns_alone(as_bytes(block))))
        and not _has_long_line(block, bound)
        and (b'"' not in block or _is_well_quoted(as_bytes(block)))
    )


def _has_long_line(block: bytes, bound: int) -> bool:
    """Tell whether a line may be longer than a bound: no line end in half of it is a sign."""
    step = max(1, bound // 2)
    return any(block.find(b"\n", at, at + step) < 0 for at in range(0, len(block) - step, step))


def _returns_alone(found: Array) -> Array:
    """Return where a carriage return has no line feed behind it."""
    at = np.flatnonzero(found == _RETURN)
    alone: Array = at[found[np.minimum(at + 1, len(found) - 1)] != FEED]
    return alone


def _is_well_quoted(found: Array) -> bool:
    """Tell whether quotes open where fields begin, and close where they end."""
    at = np.flatnonzero(found == _QUOTE)
    return len(at) % 2 == 0 and not (_is_misplaced(found, at[0::2], at[1::2])).any()


def _is_misplaced(found: Array, opening: Array, closing: Array) -> Array:
    """Tell of pairs of quotes whether one of them is not where it has to be."""
    before = np.where(opening > 0, found[opening - 1], FEED)
    behind = found[np.minimum(closing + 1, len(found) - 1)]
    well: Array = _BEFORE_OPENING[before] & (_BEHIND_CLOSING[behind] | (closing == len(found) - 1))
    return ~well


def _bad_lines(block: bytes, begins: Array, bound: int) -> Array:
    """Tell of each line whether a byte of it makes it odd, whatever the lines above it are."""
    found = as_bytes(block)
    bad = np.diff(begins, append=len(block)) > bound
    bad |= found[begins] == BOM[0]  # the first line that is parsed loses a byte order mark
    bad[not_text(block, begins)] = True
    bad[line_of(_returns_alone(found), begins)] = True
    _mark_quotes(bad, found, begins)
    return bad


def _mark_quotes(bad: Array, found: Array, begins: Array) -> None:
    """Mark lines whose quotes are not pairs, each where it has to be."""
    at = np.flatnonzero(found == _QUOTE)
    line = line_of(at, begins)
    count = np.bincount(line, minlength=len(begins))
    bad |= count % 2 == 1
    in_pairs = ~bad[line]
    at, line = at[in_pairs], line[in_pairs]
    bad[line[0::2][_is_misplaced(found, at[0::2], at[1::2])]] = True


# ---------------------------------------------------------------- by rows


def _parsed(data: bytes, form: Form, limits: Limits, *, good: Array) -> Bulk | None:
    """Parse lines of which no byte is odd.

    Args:
        data: their bytes.
        form: of their rows.
        limits: of their fields.
        good: of each line of the block, whether it is one of them.

    Returns:
        The rows, and what else of their lines is odd; none if a line is not one row.
    """
    skipped = array("q")

    def skip(row: Any) -> str:
        skipped.append(row.number - 1)
        return "skip" if len(skipped) <= _ODD else "error"

    names = [str(number) for number in range(form.width)]
    wanted = {column: names[at] for column, at in form.chosen.items()}
    try:
        table = pa_csv.read_csv(
            pa.BufferReader(pa.py_buffer(data)),
            pa_csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=names),
            pa_csv.ParseOptions(ignore_empty_lines=False, invalid_row_handler=skip),
            pa_csv.ConvertOptions(
                include_columns=list(wanted.values()),
                column_types=dict.fromkeys(wanted.values(), pa.string()),
                check_utf8=False,
            ),
        )
    except pa.ArrowInvalid:
        return None
    at = np.flatnonzero(good)
    if len(table) + len(skipped) != len(at):
        return None
    columns = {column: table.column(name).combine_chunks() for column, name in wanted.items()}
    if _has_blank_fields(data):
        columns = {name: pc.utf8_ltrim(column, " ") for name, column in columns.items()}
    at = np.delete(at, skipped)
    certain = ~_doubtful(columns, limits)
    if not certain.all():
        columns = {name: column.filter(pa.array(certain)) for name, column in columns.items()}
        at = at[certain]
    odd = np.ones(len(good), bool)
    odd[at] = False
    return Bulk(count=len(good), columns=columns, at=at, odd=np.flatnonzero(odd))


def _has_blank_fields(data: bytes) -> bool:
    """Tell whether a field begins with a blank, which the other way of reading leaves out."""
    return data.startswith(b" ") or b", " in data or b"\n " in data


def _doubtful(columns: Mapping[str, Any], limits: Limits) -> Array:
    """Tell of each row whether our fields are all empty, or one of them is very long."""
    empty: Any = True
    long: Any = False
    for column in columns.values():
        size = np.diff(np.frombuffer(column.buffers()[1], np.int32)[: len(column) + 1])
        empty = empty & (size == 0)
        long = long | (size > limits.field)
    doubtful: Array = empty | long
    return doubtful
