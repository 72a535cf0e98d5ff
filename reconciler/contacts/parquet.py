"""A Parquet file's columns that we read, batch by batch, as plain Arrow.

What the file says about itself is looked at before any of it is unpacked: a few bytes may stand
for a billion rows. It never judges what a value says.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from reconciler.contacts.rows import Limits, UnreadableError, choose
from reconciler.contacts.streams import Opened

_BATCH: Final = 50_000
_BATCH_BYTES: Final = 32 << 20
_TAIL: Final = 8
"""Bytes at a Parquet file's end that say how long its footer is, and that it is one."""


@contextmanager
def parquet(
    opened: Opened, columns: Mapping[str, str]
) -> Iterator[tuple[Mapping[str, Any], Iterator[Any]]]:
    """Open a Parquet file.

    Args:
        opened: the file.
        columns: their names of columns for ours.

    Yields:
        The type of each of our columns that is there, and batches with these columns: text as
        bytes, since nobody checked that it is UTF-8.

    Raises:
        UnreadableError: a column is missing, there twice or no text, or the file is too large.
    """
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
        plain = {column: _plain_type(kind) for column, kind in kinds.items()}
        yield plain, _batches(opened, wanted, kinds, size=size)


def is_text(kind: Any) -> bool:
    """Tell whether a column holds text, or bytes that may be text."""
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
