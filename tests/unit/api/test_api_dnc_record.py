"""Records of the published dialect between JSON and columns."""

import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.api import dnc_record
from reconciler.api.port import BATCH


def batch(*phones: str | None, until: int | None = None) -> pa.Table:
    """Return rows to be written."""
    return pa.Table.from_pylist(
        [{"row": row, "phone": phone, "until": until} for row, phone in enumerate(phones)],
        schema=BATCH,
    )


@pytest.mark.parametrize(
    ("kept", "ours"),
    [
        (8012440005, "+18012440005"),
        ("8012440005", "+18012440005"),
        ("18012440005", "+1 8012440005"),
        (442071838750, "+442071838750"),
        (" 442071838750 ", "+442071838750"),
        ("not a number", "not a number"),
        ("", None),
        (None, None),
    ],
)
def test_a_number_is_read_in_our_spelling(kept: object, ours: str | None) -> None:
    """Ten digits are North American; a number kept with its 1 stays known as such."""
    assert ours == dnc_record.inward(kept)


@pytest.mark.parametrize("kept", [8012440005.0, True, {}, []])
def test_a_number_is_never_read_from_something_else(kept: object) -> None:
    """A float may have lost digits."""
    with pytest.raises(ValueError, match="no whole number"):
        dnc_record.inward(kept)


@given(st.from_regex(r"\A[1-9]\d{6,14}\Z"))
def test_every_form_of_a_number_is_written_back_as_it_was_kept(kept: str) -> None:
    """What is let go is the very record that was seen."""
    ours = dnc_record.inward(kept)

    assert ours is not None
    assert kept == dnc_record.outward(ours)


def test_a_number_that_would_be_taken_for_another_cannot_be_said() -> None:
    """Ten digits with the code of Norway are a number in Michigan."""
    rows = batch("+4712345678", "+18012440005", "+1 8012440005", "+442071838750", None, "x")

    assert [False, True, True, True, False, False] == dnc_record.sayable(rows)


def test_a_batch_is_written_as_whole_numbers_with_their_ends() -> None:
    """Taken away it is written as texts, without."""
    rows = batch("+18012440005", "+442071838750", until=1_795_428_900)

    written = orjson.loads(dnc_record.taken(rows, as_text=False))
    removed = orjson.loads(dnc_record.taken(rows, as_text=True))

    assert {
        "dncGroupRecords": [
            {"phoneNumber": 8012440005, "expiredDate": "2026-11-23T10:15:00Z"},
            {"phoneNumber": 442071838750, "expiredDate": "2026-11-23T10:15:00Z"},
        ]
    } == written
    assert {
        "dncGroupRecords": [{"phoneNumber": "8012440005"}, {"phoneNumber": "442071838750"}]
    } == removed
