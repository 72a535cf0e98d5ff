"""Contact files in every form, and what is wrong with them."""

import gzip
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contact_bytes import zst
from contact_files import csv_file, inline, source
from intakes import taken_in
from reconciler.contacts.sources import BLOCK, Intake, Reading


def read(folder: Path, *files: Path, **columns: str) -> tuple[Reading, list[dict[str, Any]]]:
    """Read files; return what came of it, and what each row has, in the order of places."""
    made, rows = taken_in(*files, base=folder, columns=columns)
    return made, [{name: value for name, value in row.items() if value is not None} for row in rows]


def lines(rows: list[dict[str, Any]]) -> list[tuple[int, str]]:
    """Return where each row stands and who it is, or what is wrong with it."""
    return [
        (row["line"], row.get("fault") or row.get("email") or row.get("phone", "")) for row in rows
    ]


TEXT = b"email,reason\na@example.com,DNC\nb@example.com,\n"
JSON = b'{"email": "a@example.com", "reason": "DNC"}\n{"email": "b@example.com", "reason": ""}\n'


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", TEXT),
        ("A.CSV", TEXT),
        ("a.b.csv.gz", gzip.compress(TEXT, mtime=0)),
        ("a.csv.zst", zst(TEXT)),
        ("a.csv", b"\xef\xbb\xbf" + TEXT),
        ("a.csv", TEXT.replace(b"\n", b"\r\n")),
        ("a.csv", b"EMAIL , Reason\n" + TEXT.partition(b"\n")[2]),
        ("a.ndjson", JSON),
        ("a.jsonl", b"\xef\xbb\xbf" + JSON),
        ("a.ndjson.gz", gzip.compress(JSON, mtime=0)),
        ("a.jsonl.zst", zst(JSON)),
    ],
)
def test_every_kind_of_file_holds_the_same_contacts(
    tmp_path: Path, name: str, content: bytes
) -> None:
    """Packed or not, with a BOM, in any case of names and line ends."""
    path = tmp_path / name
    path.write_bytes(content)

    made, rows = read(tmp_path, path)

    assert (name,) == made.files
    assert not made.problems
    assert [("a@example.com", "DNC"), ("b@example.com", "")] == [
        (row["email"], row["reason"]) for row in rows
    ]


def test_a_parquet_file_is_read_as_text(tmp_path: Path) -> None:
    """Numbers lose no digit and gain none, times become text, rows count from 1."""
    path = tmp_path / "a.parquet"
    table = {
        "phoneNumber": pa.array([15551230000.0, None]),
        "Email": pa.array([None, "b@example.com"]).dictionary_encode(),
        "suppressUntil": pa.array([date(2027, 1, 1), None]),
        "requestedAt": pa.array([datetime(2026, 1, 1, tzinfo=UTC), None]),
        "reason": pa.array([b"DNC", b"\xff"]),
        "other": pa.array([[1], [2]]),
    }
    pq.write_table(pa.table(table), path)

    made, rows = read(tmp_path, path)

    place = {"source": "a.parquet", "feed": 0}
    first = {
        "phone": "15551230000",
        "until": "2027-01-01",
        "requested_at": "2026-01-01 00:00:00+00",
        "reason": "DNC",
        "line": 1,
    }
    second = {"email": "b@example.com", "line": 2, "fault": "it is not UTF-8"}
    assert [first | place, second | place] == rows
    assert made.rows == 2


def test_a_parquet_text_that_is_not_utf8_is_one_invalid_row(tmp_path: Path) -> None:
    """Parquet does not look at what it is told is text."""
    path = tmp_path / "a.parquet"
    bad = pa.array([b"\xff@example.com", b"b@example.com"]).view(pa.string())
    pq.write_table(pa.table({"email": bad}), path)

    _, rows = read(tmp_path, path)

    assert [(1, "it is not UTF-8"), (2, "b@example.com")] == lines(rows)


def test_a_line_is_the_one_an_editor_shows(tmp_path: Path) -> None:
    """Blank lines and quoted line ends move the rows below them."""
    path = tmp_path / "a.csv"
    path.write_bytes(
        b'\nemail,note\n\na@example.com,"one\ntwo\r\nthree"\n,\nb@example.com,\r\nc@example.com,x'
    )

    made, rows = read(tmp_path, path)

    assert [(4, "a@example.com"), (8, "b@example.com"), (9, "c@example.com")] == lines(rows)
    assert made.rows == 3


def test_a_broken_csv_row_is_a_fault_and_the_rest_goes_on(tmp_path: Path) -> None:
    """Each has its line and says why; nothing is lost."""
    path = tmp_path / "a.csv"
    path.write_bytes(
        b"email,note\na@example.com\nb@example.com,1,2\n\xff@example.com,\n\0@example.com,\n"
        b'"c@example.com"x,\nd@example.com,\n'
    )

    _, rows = read(tmp_path, path)

    assert [
        (2, "it has 1 fields instead of 2"),
        (3, "it has 3 fields instead of 2"),
        (4, "it is not UTF-8"),
        (5, "it holds a NUL"),
        (6, "it is not CSV: ',' expected after '\"'"),
        (7, "d@example.com"),
    ] == lines(rows)
    assert rows[2]["text"] == "\\xff@example.com,"


def test_a_quote_never_closed_makes_every_line_below_it_invalid(tmp_path: Path) -> None:
    """It swallowed contacts, and each of them has to count."""
    path = csv_file(tmp_path, "a@example.com,,,,", 'b@example.com,,"DNC,,', "c@example.com,,,,")

    _, rows = read(tmp_path, path)

    assert [
        (2, "a@example.com"),
        (3, "it is not CSV: a quote is opened and never closed"),
        (4, "it is taken into the row of line 3"),
    ] == lines(rows)


def test_a_broken_json_line_is_a_fault_and_the_rest_goes_on(tmp_path: Path) -> None:
    """Numbers become text; anything else that is not text is no contact."""
    path = tmp_path / "a.ndjson"
    path.write_bytes(
        b'{"phoneNumber": 15551230000}\n{"phoneNumber": 15551230000.0}\n\n{"email":\n[]\n'
        b'{"email": ["a@example.com"]}\n{"phoneNumber": true}\n{"email": "a", "Email": "b"}\n'
        b'{"email": "\xff"}\n{"email": "\\ud800"}\n{"email": null}\n{"other": 1}'
    )

    _, rows = read(tmp_path, path)

    assert [
        (1, "15551230000"),
        (2, "15551230000"),
        (4, "it is not JSON"),
        (5, "it is not a JSON object"),
        (6, "its email is neither text nor a number"),
        (7, "its phone is neither text nor a number"),
        (8, "it has more than one value for email"),
        (9, "it is not JSON"),
        (10, "it is not JSON"),
        (11, ""),
        (12, ""),
    ] == lines(rows)


def test_columns_tell_their_names_for_ours(tmp_path: Path) -> None:
    """In any case; a column of our own name then means nothing."""
    path = tmp_path / "a.csv"
    path.write_text("Mobile,email,code,reason\n+15551230000,a@example.com,DNC,by phone\n")

    _, rows = read(tmp_path, path, phoneNumber="mobile", reason="CODE")

    (row,) = rows
    assert ("+15551230000", "a@example.com", "DNC") == (row["phone"], row["email"], row["reason"])


@pytest.mark.parametrize(
    ("name", "content", "code", "said"),
    [
        ("a.csv", b"", "SPEC-104", "it is empty"),
        ("a.csv", b"name,reason\nx,DNC\n", "SPEC-104", "its columns are: name, reason"),
        ("a.csv", b"u1@example.com,+15551230000\n", "SPEC-104", "u•••@example.com, +1•••••••000"),
        ("a.csv", b"email,Email\n", "SPEC-103", "more than one column 'email'"),
        ("a.csv", b"\xffemail\n", "SPEC-101", "header line"),
        ("a.csv", b'"email\n', "SPEC-101", "header line is not CSV"),
        ("a.ndjson", b'{"mail": "a@example.com"}\n', "SPEC-104", "its columns are: mail"),
        ("a.csv.gz", gzip.compress(TEXT, mtime=0)[:-4], "SPEC-101", "cut off"),
        ("a.csv.gz", TEXT, "SPEC-101", "damaged"),
        ("a.csv.zst", zst(TEXT)[:-4], "SPEC-101", "cut off"),
        ("a.ndjson.zst", JSON, "SPEC-101", "damaged"),
        ("a.parquet", TEXT, "SPEC-101", "not what its name says"),
        ("a.txt", TEXT, "SPEC-102", "kind is unknown"),
        ("a.parquet.gz", TEXT, "SPEC-102", "kind is unknown"),
    ],
)
def test_a_file_of_no_use_is_a_problem(
    tmp_path: Path, name: str, content: bytes, *, code: str, said: str
) -> None:
    """It is named, none of its rows count, and nothing of what it holds is told."""
    path = tmp_path / name
    path.write_bytes(content)

    made, rows = read(tmp_path, path)

    (problem,) = made.problems
    assert (name, code) == (problem.place.path, problem.code)
    assert said in problem.message
    assert not rows


def test_a_mapped_column_that_is_missing_is_a_problem(tmp_path: Path) -> None:
    """With the columns there are, in either kind of file."""
    first = csv_file(tmp_path, "a@example.com,,,,")
    second = tmp_path / "b.ndjson"
    second.write_bytes(JSON)

    made, rows = read(tmp_path, first, second, reason="code")

    assert ["a.csv", "b.ndjson"] == [problem.place.path for problem in made.problems]
    assert "it has no column 'code'; its columns are: email, reason" == made.problems[1].message
    assert not rows


def test_a_parquet_column_of_lists_is_a_problem(tmp_path: Path) -> None:
    """What is no text cannot be read as text."""
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"email": pa.array([["a@example.com"]])}), path)

    made, _ = read(tmp_path, path)

    assert ["SPEC-103"] == [problem.code for problem in made.problems]


@pytest.mark.parametrize(
    "spoil", [lambda path: path.unlink(), lambda path: (path.unlink(), path.mkdir())]
)
def test_a_file_that_cannot_be_opened_is_a_problem(
    tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    """It may have gone since the pattern was matched."""
    path = csv_file(tmp_path, "a@example.com,,,,")
    spoil(path)

    made, _ = read(tmp_path, path)

    assert ["SPEC-101"] == [problem.code for problem in made.problems]


def test_names_of_files_are_relative_and_in_order(tmp_path: Path) -> None:
    """Also where a source lies beside the folder that names are told from."""
    folder = tmp_path / "specs"
    folder.mkdir()
    files = [csv_file(tmp_path, name="b.csv"), csv_file(folder, name="c.csv")]

    made, _ = read(folder, *reversed(files))

    assert ("../b.csv", "c.csv") == made.files


def test_inline_contacts_come_first_each_with_its_place(tmp_path: Path) -> None:
    """They are of no source, and of the spec that they stand in."""
    contacts = [inline(9, email="a@example.com"), inline(10, phone="+15551230000", reason="DNC")]
    files = csv_file(tmp_path, "b@example.com,,,,")

    intake = Intake(contacts, (source(files),), base=tmp_path)
    (batch,) = intake.batches()

    assert BLOCK == batch.schema
    assert ["specs/us-dnc.yaml", "a.csv"] == intake.names
    assert [
        ("a@example.com", None, None, 9, 0, -1),
        (None, "+15551230000", "DNC", 10, 0, -1),
        ("b@example.com", "", "", 2, 1, 0),
    ] == [
        (row["email"], row["phone"], row["reason"], row["line"], row["file"], row["feed"])
        for row in batch.to_pylist()
    ]


def test_a_file_that_breaks_midway_is_named(tmp_path: Path) -> None:
    """What was given away of it before must not be used."""
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(TEXT * 300_000, mtime=0)[:-4])

    intake = Intake((), (source(path),), base=tmp_path)
    given = {row for batch in intake.batches() for row in batch.column("file").to_pylist()}

    assert {0} == given == intake.broken
    assert ["SPEC-101"] == [problem.code for problem in intake.readings[0].problems]
    assert 0 == intake.readings[0].rows


def test_progress_is_told_in_bytes_of_all_files(tmp_path: Path) -> None:
    """It ends where everything was read."""
    files = [csv_file(tmp_path, "a@example.com,,,,", name=name) for name in ("a.csv", "b.csv")]
    told: list[tuple[int, int | None]] = []

    intake = Intake((), (source(*files),), base=tmp_path, seen=lambda *seen: told.append(seen))
    list(intake.batches())

    size = files[0].stat().st_size
    assert [(size, 2 * size), (2 * size, 2 * size)] == told
