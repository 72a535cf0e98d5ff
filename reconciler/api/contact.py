"""A contact of dialect ``lists`` between JSON and columns, a page or a batch at a time.

The plain case is ``columnar``'s; here is the long way, which takes whatever can be taken. Values
cross as they are spelled; nothing is normalised, and no contact is ever part of a message.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
import pyarrow as pa

from reconciler.api import columnar
from reconciler.api.columnar import CONTACTS, EMAIL, PHONE, REASON, TEXTS, UNTIL, VERSION
from reconciler.api.port import PAGE
from reconciler.times import zulu


def page(body: bytes) -> Any:
    """Return a page's JSON, its ``contacts`` as columns (schema ``PAGE``) where that is possible.

    Raises:
        orjson.JSONDecodeError: the body is cut off, or no JSON.
    """
    return columnar.page(body) or orjson.loads(body)


def batch(rows: pa.Table) -> bytes:
    """Write a batch (schema ``BATCH``) as the body the service reads, absent values left out."""
    return columnar.batch(rows) or orjson.dumps({CONTACTS: contacts(rows)})


def columns(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Turn a page's contacts into columns of schema ``PAGE``; unknown keys are ignored.

    An empty text is no identifier and no reason. An empty end stays as it is: it is not certain
    to mean that there is none.

    Raises:
        ValueError: a value is not of a kind the API promises; the message does not hold it.
    """
    made: dict[str, list[Any]] = {
        column: [each or None for each in _texts([row.get(key) for row in rows])]
        for key, column in TEXTS
    }
    made["until"] = _texts([row.get(UNTIL) for row in rows])
    made["version"] = _versions([row.get(VERSION) for row in rows])
    try:
        return pa.table(made, schema=PAGE)
    except (pa.ArrowException, ValueError, OverflowError):
        raise ValueError("a contact with a value out of range") from None  # it quotes the value


def contacts(rows: pa.Table) -> list[Mapping[str, Any]]:
    """Turn a batch (schema ``BATCH``) into what the service reads, contact by contact."""
    names = (EMAIL, PHONE, REASON, UNTIL, VERSION)
    ends = [None if end is None else _spelled(end) for end in rows.column("until").to_pylist()]
    texts = (rows.column(column).to_pylist() for _, column in TEXTS)
    found = zip(*texts, ends, rows.column("version").to_pylist(), strict=True)
    return [
        {name: value for name, value in zip(names, row, strict=True) if value is not None}
        for row in found
    ]


def text(value: Any) -> str | None:
    """Return a scalar as text, as JSON writes it; ``None`` where there is none."""
    if value is None or isinstance(value, str):
        return value
    return orjson.dumps(value).decode() if isinstance(value, bool | int | float) else None


def _texts(values: list[Any]) -> list[str | None]:
    if all(each is None or isinstance(each, str) for each in values):
        return values
    if any(isinstance(each, dict | list) for each in values):
        raise ValueError("a contact with an object or a list where a text belongs")
    return [text(each) for each in values]


def _versions(values: list[Any]) -> list[int | None]:
    if all(each is None or type(each) is int for each in values):
        return values
    try:
        return [None if each is None else _whole(each) for each in values]
    except (TypeError, ValueError):
        raise ValueError(f"a contact whose {VERSION} is no whole number") from None  # likewise


def _whole(value: str | float) -> int:
    whole = int(value)
    if isinstance(value, float) and whole != value:
        raise ValueError("not a whole number")
    return whole


def _spelled(seconds: int) -> str:
    return zulu(datetime.fromtimestamp(seconds, UTC))
