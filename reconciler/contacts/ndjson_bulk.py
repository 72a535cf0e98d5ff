"""The lines of a block that hold one plain JSON object each, all at once.

What it does not take is odd: whoever reads lines one by one has to judge it. It takes a line only
where both ways of reading come to the same, and so it knows every way in which they differ.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pa_json

from reconciler.contacts.lines import FEED, Array, Bulk, as_bytes, line_of, not_text, only, starts
from reconciler.contacts.ndjson_rows import JsonRows
from reconciler.contacts.rows import Limits, folded
from reconciler.contacts.texts import text

_SAMPLE: Final = 30
"""Lines of a block that are looked at for what its objects are made of."""
_VALUES: Final = 8_000_000
"""Values of a block, with those that are not there: each of them takes memory."""
_NAMES: Final = 256
"""Names that objects have which are alike."""
_DEPTH: Final = 8
"""How deep lists and objects go in each other that are worth it."""
_EXACT: Final = 2**53
"""Below this a whole number is itself as a float."""
_PLAIN: Final = (pa.string(), pa.int64(), pa.float64(), pa.null())
"""The types of our columns that are text or numbers."""
_RETURN: Final = ord("\r")
_ESCAPE: Final = ord("\\")
_OPENS: Final = ord("{")
_CLOSES: Final = ord("}")


class JsonBulk:
    """Takes blocks of one file, whose objects are more or less alike.

    Args:
        rows: knows our names, and remembers which of them there are.
        limits: what a row may be.
    """

    def __init__(self, rows: JsonRows, limits: Limits) -> None:
        self._rows = rows
        self._limits = limits
        self._kept = pa.schema([])

    def taken(self, block: bytes, line: int) -> Bulk | None:
        """Take what is certain out of a block.

        Args:
            block: whole lines.
            line: the first of them in the file.

        Returns:
            What was taken; none if its lines are not alike, or one of them is wrong.
        """
        begins = starts(block)
        good = _whole(block, begins)
        at = np.flatnonzero(good)
        sample = _sample(block, begins, at)
        if not any(sample):
            return Bulk(columns={}, at=at[:0], odd=np.arange(len(begins)), count=len(begins))
        columns = self._columns(only(block, begins, good), sample, len(at))
        if columns is None:
            return None
        self._meet(block, begins, at, line)
        return Bulk(columns=columns, at=at, odd=np.flatnonzero(~good), count=len(begins))

    def _columns(
        self, data: bytes, sample: list[dict[str, Any]], count: int
    ) -> Mapping[str, Any] | None:
        """Return our columns of lines, if each of them is one object like those of the sample."""
        schema = self._schema(sample)
        wanted = self._wanted(schema)
        if wanted is None or not schema.names or count * _width(schema) > _VALUES:
            return None
        try:
            table = pa_json.read_json(
                pa.BufferReader(data),
                pa_json.ReadOptions(use_threads=False, block_size=len(data) + 1),
                pa_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
            )
        except (pa.ArrowException, ValueError):
            return None
        found = {name: table.column(name).combine_chunks() for name in wanted}
        if len(table) != count or not all(map(self._is_certain, found.values())):
            return None
        named = set().union(*sample)
        there = {name for name in wanted if name in named or found[name].null_count < count}
        if any(b'"%s"' % name.encode() in data for name in wanted.keys() - there):
            return None
        self._rows.seen |= {wanted[name] for name in there}
        return {column: text(found[name]) for name, column in wanted.items()}

    def _schema(self, sample: list[dict[str, Any]]) -> Any:
        """Return what a sample is made of, and those before it too if they fit together."""
        if len(set().union(*sample)) > _NAMES or not _is_shallow(sample, _DEPTH):
            return pa.schema([])
        try:
            seen = pa.schema(list(pa.infer_type(sample)))
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            return pa.schema([])
        try:
            both = pa.unify_schemas([self._kept, seen], promote_options="permissive")
        except pa.ArrowException:
            both = seen
        unlike = len(both) > _NAMES or self._wanted(both) is None
        self._kept = seen if unlike else both
        return pa.schema(
            (field.name, pa.string() if pa.types.is_null(field.type) else field.type)
            for field in self._kept
        )

    def _wanted(self, schema: Any) -> Mapping[str, str] | None:
        """Return our column of each name that is one; none if it cannot be told."""
        wanted = {name: self._rows.ours.get(folded(name)) for name in schema.names}
        ours = {name: column for name, column in wanted.items() if column}
        plain = all(schema.field(name).type in _PLAIN for name in ours)
        return ours if plain and len(set(ours.values())) == len(ours) else None

    def _is_certain(self, column: Any) -> bool:
        """Tell whether values are themselves as text, and none of them is very long."""
        if pa.types.is_string(column.type):
            return (pc.max(pc.binary_length(column)).as_py() or 0) <= self._limits.field
        if pa.types.is_floating(column.type):
            return (pc.max(pc.abs(column)).as_py() or 0) < _EXACT
        return True

    def _meet(self, block: bytes, begins: Array, at: Array, line: int) -> None:
        """Remember the names of the first object that has any, if nobody did before."""
        if self._rows.has_met:
            return
        for one in at:
            if found := _object(block, begins, one):
                self._rows.met(line + int(one), found)
                return


def _whole(block: bytes, begins: Array) -> Array:
    """Tell of each line whether it is text in braces without an escape."""
    found = as_bytes(block)
    last = np.append(begins, len(block))[1:] - 1
    last -= (found[last] == FEED) & (last > begins)
    last -= (found[last] == _RETURN) & (last > begins)
    good: Array = (found[begins] == _OPENS) & (found[last] == _CLOSES)
    good[not_text(block, begins)] = False
    if b"\\" in block:
        good[line_of(np.flatnonzero(found == _ESCAPE), begins)] = False
    return good


def _sample(block: bytes, begins: Array, at: Array) -> list[dict[str, Any]]:
    some = at[np.unique(np.linspace(0, len(at) - 1, _SAMPLE).astype(int))] if len(at) else at
    return [_object(block, begins, line) for line in some]


def _object(block: bytes, begins: Array, line: int) -> dict[str, Any]:
    """Return a line's object; an empty one if it is none."""
    end = begins[line + 1] if line + 1 < len(begins) else len(block)
    try:
        found: dict[str, Any] = orjson.loads(block[begins[line] : end])
    except ValueError:
        return {}
    return found


def _is_shallow(value: Any, depth: int) -> bool:
    if not isinstance(value, dict | list):
        return True
    parts = value.values() if isinstance(value, dict) else value
    return depth > 0 and all(_is_shallow(part, depth - 1) for part in parts)


def _width(kind: Any) -> int:
    """Return how many values an object takes."""
    if isinstance(kind, pa.Schema) or pa.types.is_struct(kind):
        return 1 + sum(_width(field.type) for field in kind)
    return 1
