"""Reading blocks of lines all at once comes to what reading rows one by one comes to."""

import gzip
import io
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contact_bytes import HEAD
from contact_files import source
from reconciler.contacts.blocks import blocks
from reconciler.contacts.delimited import csv_batches
from reconciler.contacts.delimited_rows import CsvRows
from reconciler.contacts.ndjson import json_batches
from reconciler.contacts.ndjson_rows import JsonRows
from reconciler.contacts.rows import FIELDS, Limits, Row, UnreadableError
from reconciler.contacts.sources import Intake

SMALL = Limits(field=20, row=60, faults=15, blanks=10)
Outcome = list[tuple[Any, ...]] | tuple[str, str, int]
Rows = Callable[[bytes, Mapping[str, str], Limits], Iterator[Row]]


def csv_rows(content: bytes, columns: Mapping[str, str], limits: Limits) -> Iterator[Row]:
    """Read a whole CSV file row by row."""
    lines = io.TextIOWrapper(
        io.BytesIO(content), encoding="utf-8-sig", errors="surrogateescape", newline=""
    )
    rows = CsvRows(lines, limits)
    rows.header(columns)
    while (found := rows.row()) is not None:
        yield from found


def json_rows(content: bytes, columns: Mapping[str, str], limits: Limits) -> Iterator[Row]:
    """Read a whole file of JSON objects line by line."""
    rows = JsonRows(columns, limits)
    yield from rows.rows(enumerate(io.BytesIO(content.removeprefix(b"\xef\xbb\xbf")), 1))
    rows.check()


def slowly(rows: Rows, content: bytes, columns: Mapping[str, str], limits: Limits) -> Outcome:
    """Return a file's rows, or why it is of no use."""
    try:
        return [known(row) for row in rows(content, columns, limits)]
    except UnreadableError as error:
        return error.code, str(error), error.line


def quickly(batches: Any, content: bytes, **how: Any) -> tuple[Outcome, int]:
    """Return a file's rows in order, or why it is of no use; and how many were read singly."""
    singly: list[int] = []
    try:
        found = [*batches(io.BytesIO(content), singly=singly.append, **how)]
    except UnreadableError as error:
        return (error.code, str(error), error.line), sum(singly)
    rows = (Row(**row) for batch in found for row in batch.to_pylist())
    return sorted((known(row) for row in rows), key=lambda row: int(row[5])), sum(singly)


def known(row: Row) -> tuple[Any, ...]:
    """Return a row without the blanks that its fields may begin with, which mean nothing."""
    ours = (getattr(row, column) for column in FIELDS.values())
    return (*(field and field.lstrip(" ") for field in ours), *row[len(FIELDS) :])


# ---------------------------------------------------------------- any file

FIELD = st.sampled_from([b"a@example.com", b"+1555", b"b", b"", b'"q"', b'""', b'"a,b"', b'"a""b"'])
ODD_FIELD = st.sampled_from(
    [
        *(b' "a"', b'"a"b', b'"a" ', b'a"b', b'"', b'"x\ny"', b'"x\r\n\r\ny"', b"\r", b" ", b" a"),
        *(b"\0", b"\xff", b"\xed\xa0\x80", "é".encode(), "é".encode() * 15, "\u2028".encode()),
        *(b"\xef\xbb\xbf", b"\t", b"x" * 25, b"x" * 70, b"1,2"),
    ]
)
END = st.sampled_from([b"\n", b"\r\n"])
ODD_END = st.sampled_from([b"\r", b"\n\n", b"", b"\n\r"])


@st.composite
def csv_files(draw: st.DrawFn) -> bytes:
    """Rows of one width with a few that are odd."""
    names = draw(st.permutations([b"email", b"phoneNumber", b"note"]))[: draw(st.integers(1, 3))]
    end = draw(END)
    content = (
        draw(st.sampled_from([b"", b"", b"\xef\xbb\xbf", b"\n", b"\r"])) + b",".join(names) + end
    )
    for odd in draw(st.lists(st.sampled_from([0, 0, 0, 0, 1, 2]), max_size=25)):
        width = len(names) if odd < 2 else draw(st.integers(0, 4))
        fields = [draw(ODD_FIELD if odd and draw(st.booleans()) else FIELD) for _ in range(width)]
        content += b",".join(fields) + (draw(ODD_END) if odd and draw(st.booleans()) else end)
    return content


VALUE = st.sampled_from(['"a@example.com"', '""', '"+1555"', "null", "1", "15551230000", "2.0"])
ODD_VALUE = st.sampled_from(
    [
        *("-0", "1.5", "1e3", "1e400", "9007199254740993", "18446744073709551615", "true", "[]"),
        *("{}", '{"a":1,"a":2}', '["x",1]', '"\\u0041"', '"\\ud800"', '"\t"', '"é"', '"email"'),
        *("01", "NaN", '"2020-01-01"', '{"b":1}', "1e-7", '"' + "x" * 30 + '"'),
    ]
)
NAME = st.sampled_from(["email", "phoneNumber", "note", "id", "Email", " email"])
ODD_LINE = st.sampled_from(
    [
        *(b"", b" ", b"{", b"}", b"[]", b'{"email"}', b"{}", b"{} ", b" {}", b"{}{}", b"\r"),
        *(b'{"email":"\xff"}', b'{"email":"\0"}', b"\xef\xbb\xbf{}", b'{"email":"a",}'),
        *(b'{"email":"a"}{"email":"b"}', b'{"note":{}', b"{}}", b'{"note":[{}'),
    ]
)


@st.composite
def json_files(draw: st.DrawFn) -> bytes:
    """Objects that are alike with a few that are odd."""
    names = draw(st.lists(NAME, min_size=1, max_size=4, unique=True))
    content = draw(st.sampled_from([b"", b"", b"\xef\xbb\xbf"]))
    for odd in draw(st.lists(st.sampled_from([0, 0, 0, 0, 1, 2, 3]), max_size=25)):
        there = names if odd < 2 else draw(st.lists(NAME, max_size=4))
        values = [draw(ODD_VALUE if odd and draw(st.booleans()) else VALUE) for _ in there]
        line = ",".join(f'"{name}":{value}' for name, value in zip(there, values, strict=True))
        content += draw(ODD_LINE) if odd == 3 else b"{%s}" % line.encode()
        content += draw(END)
    return content


@settings(max_examples=150)
@given(
    content=csv_files(),
    size=st.sampled_from([1, 3, 10, 40, 150, 10_000]),
    limits=st.sampled_from([Limits(), SMALL]),
)
def test_any_csv_file_has_the_same_rows_either_way(
    content: bytes, size: int, limits: Limits
) -> None:
    """Wherever a block ends: in a quoted field, at an odd row, above the header."""
    expected = slowly(csv_rows, content, {}, limits)

    actual, _ = quickly(csv_batches, content, columns={}, limits=limits, size=size)

    assert expected == actual


@settings(max_examples=100)
@given(
    content=json_files(),
    size=st.sampled_from([1, 30, 200, 10_000]),
    parts=st.sampled_from([(), (50,), (300, 20)]),
    limits=st.sampled_from([Limits(), SMALL]),
    columns=st.sampled_from([{}, {"email": "note"}, {"reason": "code"}]),
)
def test_any_json_file_has_the_same_rows_either_way(
    content: bytes, *, size: int, parts: tuple[int, ...], limits: Limits, columns: dict[str, str]
) -> None:
    """Whatever an object says, and whichever part of a block is tried again."""
    expected = slowly(json_rows, content, columns, limits)

    actual, _ = quickly(
        json_batches, content, columns=columns, limits=limits, size=size, parts=parts
    )

    assert expected == actual


@given(
    content=st.text(alphabet="ab\r\n", max_size=60).map(str.encode),
    size=st.sampled_from([1, 5, 20]),
)
def test_blocks_are_whole_lines_and_nothing_is_lost(content: bytes, size: int) -> None:
    """A block ends where a line ends, and never between the two halves of a line's end."""
    found = [*blocks(io.BytesIO(content), ends=b"\n\r", size=size)]

    assert content == b"".join(found)
    assert all(block.endswith((b"\n", b"\r")) for block in found[:-1])
    assert not any(
        above.endswith(b"\r") and below.startswith(b"\n") for above, below in pairwise(found)
    )


def test_a_block_of_short_lines_is_cut() -> None:
    """Next to nothing but line ends must not become large."""
    found = [*blocks(io.BytesIO(b"\n" * 3_000_000), ends=b"\n")]

    assert 3_000_000 == sum(map(len, found))
    assert max(map(len, found)) <= 260_000


# ---------------------------------------------------------------- ordinary files

COUNT = 3_000
PLAIN = [b"a%d@example.com,+1555%07d,DNC,,2026-01-01" % (n, n) for n in range(COUNT)]
OBJECTS = [
    orjson.dumps({"email": f"a{n}@example.com", "phoneNumber": None, "id": n, "tags": ["x"]})
    for n in range(COUNT)
]


def quoted(line: bytes) -> bytes:
    """Return a row with quotes around each of its fields."""
    return b",".join(b'"%s"' % field for field in line.split(b","))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", HEAD + b"\n".join(PLAIN)),
        ("a.csv", HEAD + b"\n".join(map(quoted, PLAIN)) + b"\n"),
        ("a.csv", (HEAD + b"\n".join(PLAIN)).replace(b"\n", b"\r\n")),
        ("a.csv", b"\xef\xbb\xbf" + (HEAD + b"\n".join(PLAIN)).replace(b",", b", ")),
        ("a.csv", HEAD + b"\n".join(PLAIN).replace(b"DNC", 'Größe ""'.encode().join([b'"', b'"']))),
        ("a.csv.gz", gzip.compress(HEAD + b"\n".join(PLAIN))),
        ("a.ndjson", b"\n".join(OBJECTS)),
        ("a.ndjson", b"\xef\xbb\xbf" + b"\r\n".join(OBJECTS) + b"\r\n"),
        ("a.ndjson", b"\n".join(OBJECTS).replace(b"null", b"15551230000").replace(b":", b" : ")),
        ("a.ndjson", b"\n".join(OBJECTS).replace(b"null", b"15551230000.0")),
    ],
)
def test_no_row_of_an_ordinary_file_is_read_singly(
    tmp_path: Path, name: str, content: bytes
) -> None:
    """Quotes around every field, other line ends, blanks, letters of any language."""
    path = tmp_path / name
    path.write_bytes(content)

    intake = Intake((), (source(path),), base=tmp_path)
    rows = sum(batch.num_rows for batch in intake.batches())

    assert COUNT == rows == intake.readings[0].rows
    assert 0 == intake.singly


@pytest.mark.parametrize(
    ("name", "content", "odd", "most"),
    [
        ("a.csv", HEAD + b"\n".join([*PLAIN[:500], b"x", *PLAIN[500:]]), 1, 1),
        ("a.csv", HEAD + b"\n".join([*PLAIN[:500], b"\xff,,,,", *PLAIN[500:]]), 1, 1),
        ("a.csv", HEAD + b"\n".join([*PLAIN[:500], b'b,,"x\ny",,', *PLAIN[500:]]), 1, 1),
        ("a.csv", HEAD + b"\n".join([*PLAIN[:500], b'b,,"x",,\rc,,,,', *PLAIN[500:]]), 2, 2),
        ("a.csv", HEAD + b"\n".join([*PLAIN[:500], b"", b",,,,", *PLAIN[500:]]), 0, 2),
        ("a.ndjson", b"\n".join([*OBJECTS[:500], b"{}}", b"\xff", *OBJECTS[500:]]), 2, 700),
        ("a.ndjson", b"\n".join([*OBJECTS[:500], b'{"email":"\\u0061"}', *OBJECTS[500:]]), 1, 1),
    ],
)
def test_only_what_is_odd_is_read_singly(
    tmp_path: Path, name: str, content: bytes, *, odd: int, most: int
) -> None:
    """One broken row does not make a large file slow; a blank one is no row at all."""
    path = tmp_path / name
    path.write_bytes(content)

    intake = Intake((), (source(path),), base=tmp_path)
    rows = sum(batch.num_rows for batch in intake.batches())

    assert COUNT + odd == rows
    assert odd <= intake.singly <= most
