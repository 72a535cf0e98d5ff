"""A Parquet file's columns that we read, batch by batch, as text.

What the file says about itself is looked at before any of it is unpacked: a few bytes may stand
for a billion rows. It never judges what a value says.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from reconciler.contacts.rows import NOT_UTF8, Limits, UnreadableError, batch_of_columns, choose
from reconciler.contacts.streams import Opened
from reconciler.contacts.texts import is_text, text

_BATCH: Final = 120_000
_BATCH_BYTES: Final = 32 << 20
_TAIL: Final = 8
"""Bytes at a Parquet file's end that say how long its footer is, and that it is one."""


def parquet(opened: Opened, columns: Mapping[str, str]) -> Iterator[Any]:
    """Yield a Parquet file's rows, each with its number for a line, as ``ROWS``.

    Args:
        opened: the file.
        columns: their names of columns for ours.

    Raises:
        UnreadableError: a column is missing, there twice or no text, or the file is too large.
    """
    count = 0
    file = opened.binary()
    _check_footer(file, opened)
    with pq.ParquetFile(file, pre_buffer=False) as found:
        names = found.schema_arrow.names
        chosen = choose(names, columns, limits=opened.limits)
        kinds = {column: found.schema_arrow.field(at).type for column, at in chosen.items()}
        for column, kind in kinds.items():
            _check_type(column, kind)
        wanted = {column: names[at] for column, at in chosen.items()}
        size = _check_amount(found, set(wanted.values()), opened)
        for batch in _batches(opened, wanted, kinds, size=size):
            yield _as_text(batch, count + 1)
            count += len(batch)


def _as_text(batch: Any, line: int) -> Any:
    """Write a batch as text; a row that cannot be is a fault."""
    texts = {name: text(batch.column(name)) for name in batch.schema.names}
    lost = pa.scalar(False)  # noqa: FBT003 - a value, not a flag
    for name, column in texts.items():
        lost = pc.or_(lost, pc.and_(column.is_null(), batch.column(name).is_valid()))
    fault = pc.if_else(lost, NOT_UTF8, pa.scalar(None, pa.string()))
    return batch_of_columns(texts, pa.array(np.arange(line, line + len(batch))), fault)


def _check_footer(file: Any, opened: Opened) -> None:
    """See to it that what the file says about itself fits into memory."""
    if opened.size < _TAIL:
        return
    file.seek(-_TAIL, 2)
    size = int.from_bytes(file.read(_TAIL)[:4], "little")
    file.seek(0)
    if opened.limits.footer < size < opened.size:
        raise UnreadableError("SPEC-124", f"its footer is larger than {opened.limits.footer:,}")


def _check_type(column: str, kind: Any) -> None:
    """See to it that a column holds what can be written as text without doubt."""
    plain = _plain_type(kind)
    readable = is_text(plain) or any(
        check(plain)
        for check in (
            pa.types.is_integer,
            pa.types.is_float32,
            pa.types.is_float64,
            pa.types.is_decimal128,
            pa.types.is_date,
            pa.types.is_timestamp,
            pa.types.is_null,
        )
    )
    if not readable:
        raise UnreadableError("SPEC-103", f"its column for {column} is of type {plain}, not text")


def _plain_type(kind: Any) -> Any:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _check_amount(found: Any, wanted: set[str], opened: Opened) -> int:
    """See to it that no more comes out of a file than contacts need.

    Returns:
        Bytes of our columns, unpacked, by what the file says.
    """
    limits, rows = opened.limits, found.metadata.num_rows
    if rows > limits.rows or rows > limits.slack + opened.size * limits.expansion:
        raise UnreadableError("SPEC-124", f"it has {rows:,} rows, too many for its size; split it")
    at = [number for number, name in enumerate(found.schema) if name.path in wanted]
    groups = map(found.metadata.row_group, range(found.metadata.num_row_groups))
    sizes = [group.column(one).total_uncompressed_size for group in groups for one in at]
    if max(sizes, default=0) > limits.page or sum(sizes) > limits.file:
        said = f"a column of it unpacks to {max(sizes):,} bytes at once; write smaller row groups"
        raise UnreadableError("SPEC-124", said)
    return sum(sizes)


def _batches(
    opened: Opened, wanted: Mapping[str, str], kinds: Mapping[str, Any], *, size: int
) -> Iterator[Any]:
    """Yield batches of our columns under our names.

    Texts are read as dictionaries, so that one long text that stands for many rows is seen
    before it is written out for each of them.
    """
    texts = [name for column, name in wanted.items() if is_text(_plain_type(kinds[column]))]
    with pq.ParquetFile(
        opened.binary(), read_dictionary=texts, pre_buffer=False, buffer_size=1 << 20
    ) as file:
        rows = file.metadata.num_rows
        most = max(1, min(_BATCH, _BATCH_BYTES * rows // size if size > 0 else _BATCH))
        for batch in file.iter_batches(batch_size=most, columns=list(wanted.values())):
            arrays = [
                _plain(batch.column(name), column, opened.limits) for column, name in wanted.items()
            ]
            yield pa.record_batch(arrays, names=list(wanted))


def _plain(column: Any, name: str, limits: Limits) -> Any:
    """Undo dictionaries, and take text as bytes."""
    if not pa.types.is_dictionary(column.type):
        return column.cast(pa.large_binary()) if is_text(column.type) else column
    values = column.dictionary
    if is_text(values.type):
        values = values.cast(pa.large_binary())
        if (pc.max(pc.binary_length(values)).as_py() or 0) > limits.field:
            said = f"its {name} holds a text that is longer than {limits.field:,} bytes"
            raise UnreadableError("SPEC-124", said)
    return values.take(column.indices)
