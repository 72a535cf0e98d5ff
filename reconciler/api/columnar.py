"""The plain case of a page or a batch: from JSON to columns and back, a column at a time.

No contact becomes a Python object here. What is in any way unusual gets no answer, and
``contact`` does it one by one; both ways agree wherever both have one. No message, no error.
"""

from collections.abc import Mapping
from struct import pack
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json

from reconciler.api.port import PAGE

CONTACTS: Final = "contacts"
TOTAL: Final = "totalRecords"
EMAIL: Final = "email"
PHONE: Final = "phoneNumber"
REASON: Final = "reason"
UNTIL: Final = "suppressUntil"
VERSION: Final = "version"

TEXTS: Final = ((EMAIL, "email"), (PHONE, "phone"), (REASON, "reason"))
"""The service's names, and the names of our columns."""

_CONTACT: Final = pa.struct(
    [(name, pa.string()) for name in (EMAIL, PHONE, REASON, UNTIL)] + [(VERSION, pa.int64())]
)
_PARSING: Final = json.ParseOptions(
    explicit_schema=pa.schema([(CONTACTS, pa.list_(_CONTACT)), (TOTAL, pa.int64())]),
    newlines_in_values=True,
    unexpected_field_behavior="ignore",
)
_LARGEST: Final = 2**30
"""Bytes of a body that is read in one piece."""
_ESCAPED: Final = b'"\\' + bytes(range(0x20))
_LAST_SECOND: Final = 253_402_300_799
"""9999-12-31T23:59:59Z, in seconds since 1970."""

_NONE: Final = pa.scalar("")
_NO_BYTES: Final = pa.scalar(b"")
_NO_TEXT: Final = pa.scalar(None, pa.string())
_OPEN: Final = pa.scalar("{")
_LAST: Final = pa.scalar(f'"{VERSION}":')
_CLOSE: Final = pa.scalar("},")
_BEGIN: Final = {name: pa.scalar(f'"{name}":"') for name in (EMAIL, PHONE, REASON, UNTIL)}
_END: Final = {**dict.fromkeys(_BEGIN, pa.scalar('",')), UNTIL: pa.scalar('Z",')}
"""Values made once: pyarrow looks for an optional library each time it is given one of Python's."""


def page(body: bytes) -> Mapping[str, Any] | None:
    """Read the body of a page whose values are all of the kinds the API promises.

    Returns:
        ``contacts``, a table of schema ``PAGE``, and ``totalRecords``, a number or ``None``;
        ``None`` where the body is anything else, or not certain to be whole.
    """
    if not body.startswith(b"{") or len(body) > _LARGEST or not _is_utf8(body):
        return None
    reading = json.ReadOptions(use_threads=False, block_size=len(body) + 1)
    try:
        found = json.read_json(pa.BufferReader(body), reading, _PARSING)
    except pa.ArrowException:
        return None
    if found.num_rows != 1 or found.column(CONTACTS).null_count:
        return None
    rows = found.column(CONTACTS).combine_chunks().flatten()
    if rows.null_count:
        return None
    email, phone, reason, until, version = rows.flatten()
    texts = [_without_empty(each) for each in (email, phone, reason)]
    contacts = pa.Table.from_arrays([*texts, until, version], schema=PAGE)
    return {CONTACTS: contacts, TOTAL: found.column(TOTAL)[0].as_py()}


def batch(rows: pa.Table) -> bytes | None:
    """Write a batch (schema ``BATCH``) as the body the service reads, absent values left out.

    Returns:
        The very bytes that the long way writes; ``None`` where a text needs an escape, a contact
        has two identifiers or none, no version, or an end that is no ordinary time.
    """
    email, phone, reason, until, version = (
        rows.column(name) for name in ("email", "phone", "reason", "until", "version")
    )
    by_email = pc.is_valid(email)
    named_once = pc.all(pc.xor(by_email, pc.is_valid(phone))).as_py()
    if not named_once or version.null_count or not _ordinary(until):
        return None
    identifier = pc.coalesce(email, phone)
    if not _plain(identifier) or not _plain(pa.chunked_array([pc.unique(reason)])):
        return None
    written = pc.binary_join_element_wise(
        _OPEN,
        pc.if_else(by_email, _BEGIN[EMAIL], _BEGIN[PHONE]),
        identifier,
        _END[EMAIL],
        *_member(REASON, reason),
        *_member(UNTIL, _iso(until)),
        _LAST,
        version.cast(pa.string()),
        _CLOSE,
        _NONE,
        null_handling="replace",
    )
    return b'{"%s":[%s]}' % (CONTACTS.encode(), memoryview(_joined(written))[:-1])


def _is_utf8(body: bytes) -> bool:
    if body.isascii():
        return True
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _without_empty(texts: pa.Array) -> pa.Array:
    """Return texts with null for an empty one, which is no identifier and no reason."""
    empty = pc.equal(texts, _NONE)
    return pc.if_else(empty, _NO_TEXT, texts) if pc.any(empty).as_py() else texts


def _member(name: str, values: pa.ChunkedArray) -> list[pa.ChunkedArray | pa.Scalar]:
    """Return what makes a member of each row's object, and nothing where the value is null."""
    pieces = [_BEGIN[name], values, _END[name]]
    if values.null_count == len(values):
        return []
    return [pc.binary_join_element_wise(*pieces, _NONE)] if values.null_count else pieces


def _ordinary(ends: pa.ChunkedArray) -> bool:
    """Tell whether all ends are times from 1970 to 9999, or none."""
    span = pc.min_max(ends).as_py()
    return span["min"] is None or (span["min"] >= 0 and span["max"] <= _LAST_SECOND)


def _iso(ends: pa.ChunkedArray) -> pa.ChunkedArray:
    """Spell seconds since 1970 UTC as ISO 8601, without the Z; far faster than strftime."""
    spaced = ends.cast(pa.timestamp("s")).cast(pa.string())
    return pc.binary_replace_slice(spaced, 10, 11, "T")


def _plain(texts: pa.ChunkedArray) -> bool:
    """Tell whether all texts stand in JSON as they are."""
    raw = _joined(texts)
    return len(raw.translate(None, _ESCAPED)) == len(raw) and _is_utf8(raw)


def _joined(texts: pa.ChunkedArray) -> bytes:
    """Return the texts of a column, end to end."""
    given = texts.cast(pa.binary()).drop_null().combine_chunks()
    ends = pa.Array.from_buffers(pa.int32(), 2, [None, pa.py_buffer(pack("=ii", 0, len(given)))])
    whole = pa.ListArray.from_arrays(ends, given)
    return bytes(pc.binary_join(whole, _NO_BYTES)[0].as_buffer())
