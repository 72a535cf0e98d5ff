"""A record of dialect ``dnc-groups`` between JSON and columns, a page or a batch at a time.

A number crosses here between E.164 and the digits that this service keeps: ten of the North
American plan without their 1, all others with their country's. No number is ever a float, and
none is part of a message.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from reconciler.api.port import PAGE
from reconciler.times import zulu

RECORDS: Final = "dncGroupRecords"
PHONE: Final = "phoneNumber"
UNTIL: Final = "expiredDate"

_NORTH_AMERICAN: Final = 10
"""Digits of a number that this service takes to be of the North American plan."""
_DIGITS: Final = re.compile(r"[1-9]\d{6,14}")
_OURS: Final = re.compile(r"\+1 ?\d{10}|\+[1-9]\d{6,14}")


def columns(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Turn a page's records into columns of schema ``PAGE``; unknown keys are ignored.

    Raises:
        ValueError: a value is not of a kind the API promises; the message does not hold it.
    """
    nothing = pa.nulls(len(rows))
    made = {
        "email": nothing,
        "phone": [inward(row.get(PHONE)) for row in rows],
        "reason": nothing,
        "until": [_text(row.get(UNTIL)) for row in rows],
        "version": nothing,
    }
    return pa.table(made, schema=PAGE)


def taken(rows: pa.Table, *, as_text: bool) -> bytes:
    """Write a batch (schema ``BATCH``) as the body the service reads.

    Args:
        rows: of phones that ``outward`` knows.
        as_text: whether numbers are texts, and ends left out, as for taking records away.
    """
    numbers = [outward(each) for each in rows.column("phone").to_pylist()]
    if as_text:
        return orjson.dumps({RECORDS: [{PHONE: each} for each in numbers]})
    ends = rows.column("until").to_pylist()
    return orjson.dumps(
        {
            RECORDS: [
                {PHONE: int(number)} | ({} if end is None else {UNTIL: _spelled(end)})
                for number, end in zip(numbers, ends, strict=True)
            ]
        }
    )


def sayable(rows: pa.Table) -> list[bool]:
    """Tell of each row of a batch whether this service can keep its number and no other."""
    return [each is not None and _sayable(each) for each in rows.column("phone").to_pylist()]


def inward(given: Any) -> str | None:
    """Return a number as the service keeps it in our spelling.

    The spelling tells the service's own form: ``+1 8012440005`` with a space is a number that is
    kept with its 1 although those of the North American plan usually are not.

    Raises:
        ValueError: it is neither a text nor a whole number.
    """
    if given is None or isinstance(given, bool | float | dict | list):
        if given is None:
            return None
        raise ValueError(f"a record whose {PHONE} is no whole number")
    kept = str(given).strip()
    if not _DIGITS.fullmatch(kept):
        return kept or None
    if len(kept) == _NORTH_AMERICAN:
        return f"+1{kept}"
    return f"+1 {kept[1:]}" if len(kept) == _NORTH_AMERICAN + 1 and kept[0] == "1" else f"+{kept}"


def outward(ours: str) -> str:
    """Return a number in our spelling as the service keeps it, digits alone."""
    if ours.startswith("+1") and len(ours) == len("+1") + _NORTH_AMERICAN:
        return ours[2:]
    return ours.translate({ord(each): None for each in "+ "})


def _sayable(ours: str) -> bool:
    """Tell whether a number is not taken for another.

    Ten digits with another country's code would be a number of the North American plan.
    """
    if not _OURS.fullmatch(ours):
        return False
    return ours.startswith("+1") or len(outward(ours)) != _NORTH_AMERICAN


def first(page: pa.Table) -> pa.Table | None:
    """Return the first record of a page that can be told from others."""
    named = pc.is_valid(page.column("phone"))
    at = pc.index(named, value=True).as_py()
    return page.slice(at, 1) if at >= 0 else None


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise ValueError(f"a record whose {UNTIL} is no text")


def _spelled(seconds: int) -> str:
    return zulu(datetime.fromtimestamp(seconds, UTC))
