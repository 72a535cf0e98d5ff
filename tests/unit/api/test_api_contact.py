from typing import Any

import pyarrow as pa
import pytest

from reconciler.api.contact import columns, contacts, text
from reconciler.api.port import BATCH, PAGE

ADDRESS = "jane.doe@example.com"


def test_a_page_becomes_columns_as_it_is_spelled() -> None:
    """Nothing is normalised, unknown keys are ignored, absent values are null."""
    rows: list[dict[str, Any]] = [
        {"email": " Jane@Example.COM ", "reason": "DNC", "suppressUntil": "2027-01-01", "x": []},
        {"phoneNumber": "(555) 555-0123", "version": 7, "email": None},
    ]

    page = columns(rows)

    assert page.schema == PAGE
    expected = {
        "email": [" Jane@Example.COM ", None],
        "phone": [None, "(555) 555-0123"],
        "reason": ["DNC", None],
        "until": ["2027-01-01", None],
        "version": [None, 7],
    }
    assert expected == page.to_pydict()


def test_an_empty_page_has_the_same_columns() -> None:
    """Nobody has to ask whether there are rows before asking for a column."""
    assert columns([]).schema == PAGE


def test_scalars_of_another_kind_are_taken_as_they_are_written() -> None:
    """A phone sent as a number is its digits; a version sent as text is its number."""
    rows = [{"phoneNumber": 15555550123, "email": "", "reason": "", "version": "3"}]

    page = columns([*rows, {"phoneNumber": True, "version": 4.0}])

    assert ["15555550123", "true"] == page.column("phone").to_pylist()
    assert [3, 4] == page.column("version").to_pylist()
    assert [None, None] == page.column("email").to_pylist()
    assert [None, None] == page.column("reason").to_pylist()


def test_an_empty_end_is_not_read_as_no_end() -> None:
    """It might mean anything, so it stays for somebody to doubt."""
    page = columns([{"email": ADDRESS, "suppressUntil": ""}])

    assert [""] == page.column("until").to_pylist()


@pytest.mark.parametrize(
    "row",
    [
        {"email": [ADDRESS]},
        {"email": {"value": ADDRESS}},
        {"version": ADDRESS},
        {"version": 1.5},
        {"version": {"of": ADDRESS}},
        {"version": 2**63},
    ],
    ids=repr,
)
def test_what_is_no_contact_is_refused_without_showing_it(row: dict[str, object]) -> None:
    """The message says what kind of thing is wrong, and not what stood there."""
    with pytest.raises(ValueError, match="a contact") as caught:
        columns([{"email": "ok@example.com"}, row])

    assert ADDRESS not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_batch_becomes_what_the_service_reads() -> None:
    """One identifier a contact, ends as ISO 8601 with Z, absent values left out."""
    batch = pa.Table.from_pylist(
        [
            {"row": 0, "email": ADDRESS, "reason": "DNC", "until": 1830297599, "version": 1},
            {"row": 1, "phone": "+15555550123", "reason": "BOUNCE", "version": 4},
        ],
        schema=BATCH,
    )

    written = contacts(batch)

    assert [
        {
            "email": ADDRESS,
            "reason": "DNC",
            "suppressUntil": "2027-12-31T23:59:59Z",
            "version": 1,
        },
        {"phoneNumber": "+15555550123", "reason": "BOUNCE", "version": 4},
    ] == written


@pytest.mark.parametrize(
    ("value", "expected"),
    [("a", "a"), (None, None), (7, "7"), (True, "true"), (1.5, "1.5"), ([], None), ({}, None)],
)
def test_only_scalars_are_texts(value: object, expected: str | None) -> None:
    """Anything deeper is not one."""
    assert expected == text(value)
