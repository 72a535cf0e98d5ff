"""What digits of a pattern begin with, and numbers that begin otherwise."""

import re

import pytest

from reconciler.contacts.beginnings import NOTHING, beginnings, numbers


@pytest.mark.parametrize(
    ("pattern", "length", "expected"),
    [
        ("0|180020", None, {"0", "180"}),
        ("0|180020", 6, {"180"}),
        ("[1-3]4", None, {"14", "24", "34"}),
        ("(?:0|90)(?:(1[245])(2{2}))?", None, {"0", "90", "012", "014", "015", "901"}),
        ("1{2,4}", 4, {"111"}),
        ("5?6", None, {"56", "6"}),
        ("(12$)|3", None, {"12", "3"}),
        ("", None, {""}),
        ("1+", 7, {""}),
        ("1(?!2)", 9, {""}),
        ("1??", 9, {""}),
    ],
)
def test_beginnings_are_all_there_can_be(
    pattern: str, length: int | None, expected: set[str]
) -> None:
    """A pattern that cannot be read may begin with anything, in any length."""
    assert expected == beginnings(pattern, length)


def test_numbers_leave_out_what_begins_in_barred_ways() -> None:
    """Each length has its own; a number too short to be told is left out."""
    pattern = numbers({4, 5, 6, 7}, lambda length: {"0", "180"} if length < 7 else {""})
    closed = re.compile(pattern.replace("~", "").replace("!", ""))

    found = [text for text in TEXTS if closed.fullmatch(text)]

    assert ["1799", "17999", "18100", "279999"] == found
    assert NOTHING == numbers((), lambda _: ())


TEXTS = ["179", "1799", "1800", "1810", "0799", "17999", "18000", "18100", "279999", "2799999"]
