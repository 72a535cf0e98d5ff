"""Contacts passing into the engine: Arrow batches as one stream, a row an identifier.

A statement reads the stream once, in several threads, while the next batch is still being made:
nothing is kept of what has passed. It never judges what a value says.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

_PART: Final = pa.field("part", pa.int8())


@contextmanager
def passing(
    session: duckdb.DuckDBPyConnection, batches: Iterable[pa.RecordBatch], *, schema: pa.Schema
) -> Iterator[None]:
    """Let one statement of this block read the batches as the relation ``stream``.

    Besides the columns of ``schema`` there is ``part``: a contact that may have both identifiers
    comes twice, as parts 1 (its email) and 2 (its phone number), every other as part 0.

    Args:
        session: where the statement is executed.
        batches: taken one at a time, from any thread of the engine.
        schema: of the batches; among its columns ``email`` and ``phone``.

    Raises:
        Exception: whatever making the batches raised, and not what the engine makes of it.
    """
    raised: list[BaseException] = []

    def relayed() -> Iterator[pa.RecordBatch]:
        try:
            for batch in batches:
                yield from _parts(batch)
        except BaseException as error:  # noqa: BLE001 - raised below: the engine would make it text
            raised.append(error)

    reader = pa.RecordBatchReader.from_batches(schema.append(_PART), relayed())
    session.register("stream", reader)
    try:
        yield
    finally:
        session.unregister("stream")
        if raised:
            raise raised[0]


def _parts(batch: Any) -> Iterator[Any]:
    """Yield a batch with the number of each row's part, and after it the second parts."""
    both = pc.and_(_there(batch.column("email")), _there(batch.column("phone")))
    first = pc.cast(both, pa.int8())
    yield batch.append_column(_PART, first)
    if pc.any(both).as_py():
        again = batch.filter(both)
        yield again.append_column(_PART, pa.array([2] * again.num_rows, pa.int8()))


def _there(column: Any) -> Any:
    """Tell of each text whether it is there; blanks count, since nobody looked at them yet."""
    return pc.fill_null(pc.not_equal(column, ""), fill_value=False)
