"""Arrow values as text: what a contact's column says where its file holds more than text.

Equal values are equal texts whatever their type: a number loses no digit and gains none. It never
fails on a value that its type can hold.
"""

import re
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reconciler.contacts.rows import WHOLE_BELOW

_PLAIN_BELOW: Final = 1e15
"""Below this a number of any type is the same one as a float."""
_YEAR: Final = re.compile(r"(-?\d+)(-\d\d-\d\d)")


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


def text(values: Any) -> Any:
    """Return a column as strings.

    Args:
        values: text as bytes, numbers, dates, times, or nothing but nulls.

    Returns:
        An array of strings; null for a null, and for bytes that are no UTF-8.
    """
    kind = values.type
    if is_text(kind):
        return _decoded(values)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _number(values)
    if pa.types.is_date(kind):
        return _replaced(values.cast(pa.string()), _is_early, _early)
    if pa.types.is_timestamp(kind):
        return _time(values)
    return values.cast(pa.string())


def _decoded(values: Any) -> Any:
    try:
        return values.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array(map(_utf8, values.to_pylist()), pa.string())


def _utf8(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def _number(values: Any) -> Any:
    """Write a number without a fraction as the whole number it is, any other as Python does."""
    kind = values.type
    wide = pa.decimal256(76, kind.scale) if pa.types.is_decimal(kind) else kind  # room for trunc
    whole = pc.equal(values.cast(wide), pc.trunc(values.cast(wide)))
    plain = pc.and_(whole, pc.less(pc.abs(values.cast(pa.float64())), _PLAIN_BELOW))
    plain = pc.fill_null(plain, False)  # noqa: FBT003 - a value, not a flag
    nothing = pa.scalar(None, kind)
    written = pc.if_else(plain, values, nothing).cast(pa.int64()).cast(pa.string())
    odd = pc.if_else(plain, nothing, values)
    if odd.null_count == len(odd):
        return written
    one_by_one = [None if value is None else _one(value, kind) for value in odd.to_pylist()]
    return pc.coalesce(written, pa.array(one_by_one, pa.string()))


def _one(value: Any, kind: Any) -> str:
    """Write one number that has a fraction, is large, or is none at all."""
    if abs(value) < WHOLE_BELOW and value == int(value):
        return str(int(value))
    if pa.types.is_decimal(kind):
        return format(value, "f")
    if pa.types.is_float32(kind):
        return repr(float(str(np.float32(value))))
    return repr(value)


def _time(values: Any) -> Any:
    """Write a time to its last digit that is no zero; one of a zone is in UTC and says so."""
    kind = values.type
    written = values.cast(pa.timestamp(kind.unit)).cast(pa.string())
    if kind.unit != "s":
        written = pc.utf8_rtrim(pc.utf8_rtrim(written, "0"), ".")
    written = _replaced(written, _is_early, _early)
    return pc.binary_join_element_wise(written, "+00", "") if kind.tz else written


def _is_early(texts: Any) -> Any:
    return pc.or_(pc.starts_with(texts, "-"), pc.starts_with(texts, "0000-"))


def _early(written: str) -> str:
    """Write a year before the first as it is counted backwards."""
    return _YEAR.sub(lambda found: f"{1 - int(found[1]):04}{found[2]} (BC)", written, count=1)


def _replaced(texts: Any, which: Callable[[Any], Any], how: Callable[[str], str]) -> Any:
    """Write some texts otherwise, of which there are next to none."""
    some = pc.fill_null(which(texts), False)  # noqa: FBT003 - a value, not a flag
    if not pc.any(some).as_py():
        return texts
    replacing = [how(one) for one in texts.filter(some).to_pylist()]
    return pc.replace_with_mask(texts, some, pa.array(replacing, pa.string()))
