"""The lines of a block of bytes, all at once: where they begin, and which of them are no text.

A line is what ends with a line feed here, and lines count from 0. Nothing here knows what one says.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

Array = np.ndarray[Any, np.dtype[Any]]

BOM: Final = b"\xef\xbb\xbf"
FEED: Final = ord("\n")
_ASCII: Final = 127


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulk:
    """What was taken of a block all at once."""

    count: int
    """Lines of the block."""
    columns: Mapping[str, Any]
    """Our columns that are there, a value each row."""
    at: Array
    """The line of each row."""
    odd: Array
    """The lines that were not taken, ascending."""


def as_bytes(block: bytes) -> Array:
    """Return a block as an array of its bytes."""
    return np.frombuffer(block, np.uint8)


def count(block: bytes) -> int:
    """Return how many lines a block has."""
    return feeds(block) + (not block.endswith(b"\n"))


def feeds(block: bytes) -> int:
    """Return how many line feeds are in a block; ``bytes.count`` takes five times as long."""
    return int(np.count_nonzero(as_bytes(block) == FEED))


def starts(block: bytes) -> Array:
    """Return the byte that each line of a block begins with."""
    begins = np.concatenate([[0], np.flatnonzero(as_bytes(block) == FEED) + 1])
    return begins[:-1] if begins[-1] == len(block) else begins


def line_of(at: Array, begins: Array) -> Array:
    """Return the line of each byte of some, by the bytes that lines begin with."""
    return np.searchsorted(begins, at, "right") - 1


def only(block: bytes, begins: Array, good: Array) -> bytes:
    """Return a block without the lines that are not good."""
    if good.all():
        return block
    kept: Array = as_bytes(block)[np.repeat(good, np.diff(begins, append=len(block)))]
    return kept.tobytes()


def is_utf8(block: bytes) -> bool:
    """Tell whether a block is UTF-8 in whole, without a text being made of it."""
    if block.isascii():
        return True
    bounds = pa.array([0, len(block)], pa.int64()).buffers()[1]
    whole = pa.LargeStringArray.from_buffers(1, bounds, pa.py_buffer(block))
    try:
        whole.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def not_text(block: bytes, begins: Array) -> Array:
    """Return the lines of a block that are not UTF-8, or hold a NUL; some more than once."""
    found = as_bytes(block)
    wrong = line_of(np.flatnonzero(found == 0), begins)
    if is_utf8(block):
        return wrong
    foreign = np.unique(line_of(np.flatnonzero(found > _ASCII), begins))
    ends = np.append(begins, len(block))
    broken = [not is_utf8(block[ends[line] : ends[line + 1]]) for line in foreign]
    return np.concatenate([wrong, foreign[broken]])
