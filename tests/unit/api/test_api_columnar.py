from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.api import columnar, contact
from reconciler.api.port import BATCH, PAGE

EARLIEST, LATEST = -62_135_596_800, 253_402_300_799
PLAIN = [
    {"row": 0, "email": "zoë@example.com", "reason": "DNC", "until": 1830297599, "version": 1},
    {"row": 1, "phone": "+15555550123", "version": 2**62},
    {"row": 2, "email": "a@example.com", "reason": "", "until": 0, "version": -1},
]

texts = st.none() | st.text() | st.sampled_from(['"', "\\", "\x00", "\x1f", "\x7f", "é", "\u2028"])
written = st.fixed_dictionaries(
    {"row": st.just(0)},
    optional={
        "email": texts,
        "phone": texts,
        "reason": texts,
        "until": st.none() | st.integers(EARLIEST, LATEST),
        "version": st.none() | st.integers(-(2**63), 2**63 - 1),
    },
)
scalars = (
    st.none()
    | st.text()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
)
shown = st.dictionaries(
    st.sampled_from(["email", "phoneNumber", "reason", "suppressUntil", "version", "other"]),
    texts | scalars | st.lists(scalars, max_size=2),
)


def batch(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return rows as a batch."""
    return pa.Table.from_pylist(list(rows), schema=BATCH)


def the_long_way(rows: pa.Table) -> bytes:
    """Write a batch contact by contact."""
    return orjson.dumps({"contacts": contact.contacts(rows)})


# ---------------------------------------------------------------- what is written


@given(st.lists(written, max_size=5))
@example([{**PLAIN[0], "email": 'a"b'}])
@example([{**PLAIN[0], "until": LATEST}, {**PLAIN[1], "until": EARLIEST}])
def test_a_batch_is_the_same_bytes_either_way(rows: list[dict[str, Any]]) -> None:
    """Whatever stands in it: escapes, no values, times before 1970."""
    made = batch(rows)

    assert the_long_way(made) == contact.batch(made)


@given(st.lists(st.sampled_from(PLAIN), min_size=1), st.data())
def test_a_plain_batch_is_written_by_columns(
    rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    """However it was put together or cut, none of its contacts becomes an object."""
    at = data.draw(st.integers(0, len(rows) - 1))
    whole = pa.concat_tables([batch(rows[:at]), batch(rows)])
    made = whole.slice(data.draw(st.integers(0, len(rows) - 1)))

    assert the_long_way(made) == columnar.batch(made)


@pytest.mark.parametrize(
    "other",
    [
        {"email": 'a"b@example.com'},
        {"email": "a\\b@example.com"},
        {"reason": "a\nb"},
        {"phone": "+15555550123"},
        {"email": None},
        {"version": None},
        {"until": -1},
        {"until": LATEST + 1},
    ],
    ids=repr,
)
def test_an_unusual_batch_is_left_to_the_long_way(other: dict[str, Any]) -> None:
    """Rather no answer than one that might differ."""
    assert columnar.batch(batch([*PLAIN, {**PLAIN[0], **other}])) is None


# ---------------------------------------------------------------- what is read


@given(st.lists(shown, max_size=4), scalars, st.booleans())
def test_a_page_is_the_same_columns_either_way(
    rows: list[dict[str, Any]],
    total: object,
    spaced: bool,
) -> None:
    """Where the quick way answers it answers as the long way does, to the last value."""
    option = orjson.OPT_INDENT_2 if spaced else 0
    body = orjson.dumps({"contacts": rows, "totalRecords": total}, option=option)

    found = columnar.page(body)

    if found is not None:
        read = orjson.loads(body)
        assert contact.columns(read["contacts"]) == found["contacts"]
        assert read["totalRecords"] == found["totalRecords"]


@given(st.lists(written, max_size=5))
def test_a_plain_page_is_read_by_columns(rows: list[dict[str, Any]]) -> None:
    """What a service answers that holds what was written to it, escapes and all."""
    sent = contact.contacts(batch(rows))

    found = columnar.page(orjson.dumps({"totalRecords": 7, "contacts": sent, "more": [{}]}))

    assert found is not None
    assert PAGE == found["contacts"].schema
    assert contact.columns(sent) == found["contacts"]
    assert 7 == found["totalRecords"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"contacts":null}',
        b'{"contacts":{}}',
        b'{"contacts":[null]}',
        b'{"contacts":[7]}',
        b'{"contacts":[{"email":"a"}]',
        b'{"contacts":[{"email":"a"}]}}',
        b'{"contacts":[]}{"contacts":[]}',
        b'{"contacts":[]}\n{}',
        b'{"contacts":[],"contacts":[]}',
        b'{"contacts":[{"email":"a","email":"b"}]}',
        b'{"contacts":[{"email":7}]}',
        b'{"contacts":[{"email":["a"]}]}',
        b'{"contacts":[{"email":"\\ud800"}]}',
        b'{"contacts":[{"email":"\xff"}]}',
        b'{"contacts":[{"other":"\xff"}]}',
        b'{"contacts":[{"email":"a\nb"}]}',
        b'{"contacts":[{"version":"1"}]}',
        b'{"contacts":[{"version":1.0}]}',
        b'{"contacts":[{"version":true}]}',
        b'{"contacts":[{"version":9223372036854775808}]}',
        b'{"contacts":[],"totalRecords":"7"}',
        b'{"contacts":[],"totalRecords":NaN}',
        b'\xef\xbb\xbf{"contacts":[]}',
        b"<html></html>",
    ],
    ids=repr,
)
def test_an_unusual_page_is_left_to_the_long_way(body: bytes) -> None:
    """It knows what to make of it, or how to refuse it."""
    assert columnar.page(body) is None


def test_what_is_cut_off_is_never_a_page() -> None:
    """Wherever a body ends too early."""
    body = orjson.dumps({"totalRecords": 3, "contacts": contact.contacts(batch(PLAIN))})

    assert {None} == {columnar.page(body[:end]) and end for end in range(len(body))}
