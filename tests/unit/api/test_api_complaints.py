import pytest

from reconciler.api.complaints import complaints
from reconciler.api.port import RowError

EMAILS = ("ann@example.com", None, "o'neil@example.com", None)
PHONES = (None, "+15555550123", None, "+15555550177")


def read(document: dict[str, object]) -> tuple[tuple[RowError, ...], tuple[str, ...]]:
    """Read the complaints about a batch of four."""
    return complaints(document, identifiers=(EMAILS, PHONES))


ONE = {"index": 1, "code": "INVALID_PHONE", "field": "phoneNumber", "message": "not a phone"}
NAMED = (RowError(index=1, code="INVALID_PHONE", field="phoneNumber", message="not a phone"),)


@pytest.mark.parametrize(
    "given",
    [
        [ONE],
        ONE,
        {"errors": [ONE]},
        {"errors": ONE, "message": "one error"},
        {"1": ONE},
        {"1": {key: value for key, value in ONE.items() if key != "index"}},
        {"1": [{key: value for key, value in ONE.items() if key != "index"}]},
        [{**ONE, "index": "1"}],
        [{**ONE, "index": " 1 "}],
        [{**ONE, "index": None, "identifier": "+15555550123"}],
        [{**ONE, "index": 99, "identifier": "+1 (555) 555-0123"}],
        [{**ONE, "index": -1, "phoneNumber": "15555550123"}],
        [{**ONE, "identifier": "no such row"}],
        [{**ONE, "identifier": "+1 555 555 0123"}],
        [[ONE]],
        [ONE, {"index": 1, "code": "ANOTHER"}],
    ],
    ids=repr,
)
def test_a_complaint_is_understood_in_any_shape(given: object) -> None:
    """By index, else by identifier; alone, in a list, in a box, or by position."""
    named, unnamed = read({"validationErrors": given})

    assert named == NAMED
    assert unnamed == ()


@pytest.mark.parametrize("key", ["validationErrors", "errors"])
def test_the_array_may_have_either_name(key: str) -> None:
    """An empty one of the other name is no answer."""
    assert (NAMED, ()) == read({"validationErrors": [], key: [ONE]})


@pytest.mark.parametrize("given", [None, [], {}, ""])
def test_no_complaint_is_none(given: object) -> None:
    """Nothing said, nothing wrong."""
    assert ((), ()) == read({"validationErrors": given})


@pytest.mark.parametrize(
    ("given", "codes"),
    [
        ([{"code": "INVALID_EMAIL"}], ("INVALID_EMAIL",)),
        (["INVALID_EMAIL", "BAD"], ("INVALID_EMAIL", "BAD")),
        ([{"index": 4, "code": "X"}], ("X",)),
        ([{"index": True, "code": "X"}], ("X",)),
        ([{"message": "ann@example.com is bad"}], ("UNSPECIFIED",)),
        ([{}], ("UNSPECIFIED",)),
        (["ann@example.com is bad"], ("UNSPECIFIED",)),
        ({"count": 2, "code": 1001}, ("1001",)),
        (3, ("3",)),
    ],
)
def test_a_complaint_that_names_no_row_is_a_code(given: object, codes: tuple[str, ...]) -> None:
    """Somebody was not taken, and it is not said who."""
    named, unnamed = read({"validationErrors": given})

    assert named == ()
    assert codes == unnamed


def test_an_identifier_wins_over_an_index_that_names_another_row() -> None:
    """A service that counts from one must not cost the wrong row."""
    complaint = {"index": 2, "identifier": "+15555550123", "code": "X"}

    named, _ = read({"validationErrors": [complaint]})

    assert [1] == [each.index for each in named]


def test_named_rows_come_in_their_order() -> None:
    """However the service lists them."""
    given = [{"index": 3, "code": "B"}, {"identifier": "ANN@example.com", "code": "A"}]

    named, _ = read({"validationErrors": given})

    assert [(0, "A"), (3, "B")] == [(each.index, each.code) for each in named]


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (0, "ann@example.com is taken"),
        (0, "ANN@EXAMPLE.COM is taken"),
        (2, "o'neil@example.com is taken"),
        (2, "somebody.else@example.com has it"),
        (3, "+15555550177 and (555) 555-0123"),
    ],
)
def test_no_address_is_in_what_is_passed_on(index: int, message: str) -> None:
    """Not the row's own, and nothing else that looks like one."""
    given = {"index": index, "code": message, "field": message, "message": message}

    named, unnamed = read({"validationErrors": [given]})

    shown = repr((named, unnamed)).lower()
    leaks = ("ann@", "neil@", "somebody.else", "5555550177", "555-0123")
    assert [] == [each for each in leaks if each in shown]


def test_a_long_message_is_cut() -> None:
    """A receipt is no place for an essay."""
    named, _ = read({"validationErrors": [{"index": 0, "message": "so " * 500}]})

    assert 200 == len(named[0].message)
