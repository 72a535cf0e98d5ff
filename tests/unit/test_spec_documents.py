"""YAML as we read it: values, places, and what is refused, by each loader alike."""

import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.spec import documents

LOADERS = pytest.mark.parametrize(
    "loader", documents.LOADERS, ids=[one.__name__ for one in documents.LOADERS]
)


def read(content: str | bytes, loader: Any = documents.LOADERS[0]) -> tuple[Any, list[str]]:
    """Return the data of each document, and each problem as place and code."""
    raw = content.encode() if isinstance(content, str) else content
    found, problems = documents.parse(raw, file=Path("/x.yaml"), shown="x", loader=loader)
    return [one.data for one in found], [f"{one.place} {one.code}" for one in problems]


def messages(content: str | bytes) -> list[str]:
    """Return the message of each problem."""
    raw = content.encode() if isinstance(content, str) else content
    return [one.message for one in documents.parse(raw, file=Path("/x"), shown="x")[1]]


@LOADERS
@pytest.mark.parametrize(
    ("spelt", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("FALSE", False),
        ("yes", "yes"),
        ("off", "off"),
        ("7", 7),
        ("-7", -7),
        ("0", 0),
        ("007", "007"),
        ("0o17", "0o17"),
        ("0x1f", "0x1f"),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("15551234567", 15551234567),
        ("+15551234567", "+15551234567"),
        ("+1 555 123 4567", "+1 555 123 4567"),
        ("9" * 5000, "9" * 5000),
        ("1.5", 1.5),
        ("1e5", "1e5"),
        ("7e3", "7e3"),
        (".inf", ".inf"),
        ("2027-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("2027-01-01", "2027-01-01"),
        ("'7'", "7"),
        ('"true"', "true"),
        ("!!str 7", "7"),
        ("! 7", "7"),
        ("!!int 7", 7),
        ("!!null ''", None),
        ("=", "="),
    ],
)
def test_a_scalar_is_a_text_unless_it_is_beyond_doubt_something_else(
    loader: Any, spelt: str, value: object
) -> None:
    """Dates, numbers with a plus or a zero ahead, yes and no keep their spelling."""
    found, problems = read(f"a: {spelt}\n", loader)

    assert [{"a": value}] == found
    assert [] == problems


@LOADERS
def test_everything_has_its_place(loader: Any) -> None:
    """A scalar stands where it begins, what spans lines where its key does."""
    content = b"# first\na:\n  - {b: 1, c: [x, 'y']}\n  - d\nempty:\n---\nsecond: z\n"
    (found, second), _ = documents.parse(content, file=Path("/x"), shown="x", loader=loader)
    paths: tuple[tuple[str | int, ...], ...] = (
        (),
        ("a",),
        ("a", 0),
        ("a", 0, "b"),
        ("a", 0, "c"),
        ("a", 0, "c", 1),
        ("a", 1),
        ("empty",),
        ("a", 0, "none"),
        ("a", 9, "none"),
        ("a", 1, "none"),
    )

    places = [str(found.place(path)) for path in paths]

    assert [
        "x:2:1",
        "x:2:1",
        "x:3:5",
        "x:3:9",
        "x:3:12",
        "x:3:19",
        "x:4:5",
        "x:5:1",
        "x:3:5",
        "x:2:1",
        "x:4:5",
    ] == places
    assert "x:3:6" == str(found.key_place(("a", 0, "b")))
    assert "x:7:9" == str(second.place(("second",)))


@LOADERS
def test_the_items_of_a_list_have_their_places_at_once(loader: Any) -> None:
    """The same as one by one, also where an item is repeated by alias or its like was refused."""
    content = b"a:\n  - &x {b: 1, b: [2], c: [3]}\n  - *x\n  - - d\n    - e\n  -  f\n"
    (found,), _ = documents.parse(content, file=Path("/x"), shown="x", loader=loader)

    places = [*found.item_places(found.data["a"])]

    assert [found.place(("a", index)) for index in range(4)] == places
    assert ["x:2:5", "x:3:5", "x:4:5", "x:6:6"] == [str(one) for one in places]
    assert "x:2:23" == str(found.key_place(("a", 0, "c")))


@LOADERS
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a: \xff", "x:1:4 SPEC-003"),
        (b"ok: 1\n\xc3\xa9: \xe2\x82", "x:2:4 SPEC-003"),
        ("a: b".encode("utf-16"), "x:1:1 SPEC-003"),
        (b"a: 1\nb: x\x00y", "x:2:5 SPEC-003"),
        (b'a: "\\0"', "x:1:4 SPEC-003"),
        (b"", "x:1:1 SPEC-009"),
        (b"# nothing\n", "x:1:1 SPEC-009"),
        (b"---\n---\n", "x:1:1 SPEC-009"),
        (b"\xef\xbb\xbf", "x:1:1 SPEC-009"),
        (b"a: 1\n\tb: 2\n", "x:2:1 SPEC-004"),
        (b"a: 'open\n", "x:2:1 SPEC-004"),
        (b"a: b: c\n", "x:1:5 SPEC-004"),
        (b"a: 1\nb: 2\na: 3\n", "x:3:1 SPEC-005"),
        (b"? {a: 1}\n: x\n", "x:1:3 SPEC-006"),
        (b"? [a]\n: {b: [c]}\n", "x:1:3 SPEC-006"),
        (b"x: &x [1]\n*x : y\n", "x:2:1 SPEC-006"),
        (b"a: !!python/object:os.system x\n", "x:1:4 SPEC-006"),
        (b"a: !!timestamp 2027-01-01\n", "x:1:4 SPEC-006"),
        (b"a: !!omap []\n", "x:1:4 SPEC-006"),
        (b"a: &x [*x]\n", "x:1:8 SPEC-007"),
        (b"a: &x {b: &y {c: *x}}\n", "x:1:18 SPEC-007"),
        (b"a: *x\n", "x:1:4 SPEC-004"),
        (b"a: &x 1\n---\nb: *x\n", "x:3:4 SPEC-004"),
        (b"[" * 100_000, "x:1:65 SPEC-008"),
        (b"{a: " * 100_000, "x:1:257 SPEC-008"),
        (b"- " * 100_000, "x:1:129 SPEC-008"),
    ],
)
def test_what_is_wrong_with_a_file_has_a_code_and_a_place(
    loader: Any, content: bytes, expected: str
) -> None:
    """Both loaders agree on the first thing that is wrong."""
    assert expected == read(content, loader)[1][0]


def test_a_message_helps() -> None:
    """It says what was found, and never more of it than is harmless."""
    assert ["found the byte 0xff, expected UTF-8"] == messages(b"a: \xff")
    assert ["the key `a` stands twice, first at 1:1"] == messages("a: 1\na: 2")
    assert "tabs may not indent" in messages("\ta: 1")[0]
    assert "that begins on line 1" in messages("a: [b\nc: d\n")[0]
    assert ["merge keys (<<) are not supported"] == messages("<<: {a: 1}")
    assert "user@" not in messages("user@example.com: 1\nuser@example.com: 2")[0]


@LOADERS
def test_aliases_stand_for_what_they_refer_to(loader: Any) -> None:
    """Scalars, mappings and keys may be repeated by alias; a place is where the alias stands."""
    content = "base: &b {reason: DNC}\nword: &w key\nlist:\n  - *b\n  - *b\n*w : *b\n"

    found, problems = read(content, loader)

    one = {"reason": "DNC"}
    assert [{"base": one, "word": "key", "list": [one, one], "key": one}] == found
    assert [] == problems


@LOADERS
def test_aliases_expand_to_a_bound_and_no_further(loader: Any) -> None:
    """Nine lines that stand for a billion values are refused at once."""
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
    )
    flat = "a: &a [" + "x, " * 98 + "x]\nb: [" + "*a, " * 99

    began = time.monotonic()
    found, problems = read(bomb, loader)

    assert [] == found
    assert ["x:4:45 SPEC-007"] == problems
    assert time.monotonic() - began < 5
    assert [] == read(flat + "*a]\n", loader)[1]
    assert ["x:2:405 SPEC-007"] == read(flat + "*a, *a]\n", loader)[1]


def test_documents_before_a_broken_one_are_kept() -> None:
    """What can be judged is judged."""
    found, problems = read("a: 1\n---\nb: 2\n---\nc: [\n")

    assert [{"a": 1}, {"b": 2}] == found
    assert ["x:6:1 SPEC-004"] == problems


def test_a_value_below_a_refused_key_is_left_out() -> None:
    """The first of two keys counts, and the rest of the mapping is read."""
    found, problems = read("a: 1\na: {b: [2]}\n[x]: {y: 1}\nc: 3\n")

    assert [{"a": 1, "c": 3}] == found
    assert ["x:2:1 SPEC-005", "x:3:1 SPEC-006"] == problems


@LOADERS
def test_an_escape_of_no_character_is_no_yaml(loader: Any) -> None:
    """A loader that stumbles over it with an error of its own is translated, too."""
    _, problems = read(b'a: "\\UFFFFFFFF"\n', loader)

    assert ["SPEC-004"] == [problem.split()[-1] for problem in problems]


plain = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**17), 10**17),
        st.text(),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text("abc<=~", max_size=3), inner)
    ),
    max_leaves=12,
)


@LOADERS
@settings(deadline=None)
@given(value=st.dictionaries(st.sampled_from(["a", "b"]), plain, min_size=1))
def test_what_is_written_is_read(loader: Any, value: dict[str, Any]) -> None:
    """Data written as YAML in quotes, without aliases, comes back as it was."""
    spelt = yaml.safe_dump(value, default_style='"', allow_unicode=False, width=10**6)

    found, problems = read(spelt, loader)

    hidden = any(code.endswith("SPEC-003") for code in problems)
    assert hidden or ([value], []) == (found, problems)


@LOADERS
@settings(deadline=None)
@given(content=st.one_of(st.binary(), st.text(st.characters(codec="utf-8"))))
def test_nothing_a_file_holds_makes_it_raise(loader: Any, content: str | bytes) -> None:
    """The answer is documents or problems, never an exception, never neither."""
    found, problems = read(content, loader)

    assert found or problems


@LOADERS
@pytest.mark.parametrize(
    "content", [b"[[], [], []]", b"{a: b, c: d}", b"[a, b, c, d]", b"- &x a\n- *x\n- *x\n- b"]
)
def test_a_file_has_a_bounded_number_of_values(loader: Any, content: bytes) -> None:
    """Keys, values, mappings, lists and aliases, wherever they stand."""

    def problems(most: int) -> list[str]:
        found = documents.parse(content, file=Path("/x"), shown="x", loader=loader, most=most)[1]
        return [one.code for one in found]

    assert ["SPEC-002"] == problems(6)
    assert [] == problems(9)


def test_a_file_has_a_bounded_number_of_documents() -> None:
    """A list each: nobody has as many."""
    found, problems = read(b"--- {a: 1}\n" * 10_001)

    assert 10_000 == len(found)
    assert ["x:10001:5 SPEC-044"] == problems
