"""Contact files that somebody broke, or made to break us: each a problem with its place."""

import os
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contact_bytes import GOOD, HEAD, JSON, ROW, gz, parquet, zst
from intakes import taken_in
from reconciler.contacts.rows import Limits
from reconciler.contacts.sources import Reading

SMALL = Limits(
    file=20_000,
    slack=2_000,
    expansion=20,
    line=1_000,
    row=1_500,
    columns=10,
    field=100,
    rows=1_000,
    page=10_000,
    footer=5_000,
    faults=20,
    blanks=50,
)
"""What makes small files hostile."""


def read(*paths: Path, limits: Limits = SMALL) -> tuple[Reading, list[dict[str, Any]]]:
    """Read files; return what came of it and the rows in the order of places."""
    return taken_in(*paths, base=paths[0].parent, limits=limits)


def put(folder: Path, name: str, content: bytes) -> Path:
    """Write a file."""
    path = folder / name
    path.write_bytes(content)
    return path


def told(made: Reading) -> list[str]:
    """Return place and code of each problem."""
    return [f"{problem.place} {problem.code}" for problem in made.problems]


WIDE = b",".join([b"email", *(b"c%d" % number for number in range(10))]) + b"\n"
PARQUET = parquet({"email": [f"u{number}@example.com" for number in range(200)]})


@pytest.mark.parametrize(
    ("name", "content", "place", "said"),
    [
        ("a.csv", b"", "a.csv SPEC-104", "it is empty"),
        ("a.csv.gz", gz(b""), "a.csv.gz SPEC-104", "it is empty"),
        ("a.csv", b"\xef\xbb\xbf", "a.csv SPEC-104", "it is empty"),
        ("a.csv", b"\n" * 40, "a.csv SPEC-104", "it is empty"),
        ("a.csv", b"\n" * 60, "a.csv:51 SPEC-124", "over 50 rows are blank"),
        ("a.csv", b"\r" * 60, "a.csv:51 SPEC-124", "over 50 rows are blank"),
        ("a.csv", HEAD + b"\n" * 60, "a.csv:52 SPEC-124", "over 50 rows are blank"),
        ("a.ndjson", b"\n" * 60, "a.ndjson:51 SPEC-124", "over 50 rows are blank"),
        ("a.csv", HEAD + b"b\n" * 30, "a.csv:22 SPEC-124", "over 20 rows are no contacts"),
        ("a.ndjson", b"{\n" * 30, "a.ndjson:21 SPEC-124", "over 20 rows are no contacts"),
        ("a.csv", b"\n\nname\n", "a.csv:3 SPEC-104", "its columns are: name"),
        ("a.csv", b'\n"email\n', "a.csv:2 SPEC-101", "a quote is opened and never closed"),
        ("a.csv", GOOD.decode().encode("utf-16"), "a.csv:1 SPEC-101", "it is UTF-16 text"),
        ("a.csv", GOOD.decode().encode("utf-16-le"), "a.csv:1 SPEC-101", "looks like UTF-16"),
        ("a.csv", GOOD.decode().encode("utf-16-be"), "a.csv:1 SPEC-101", "looks like UTF-16"),
        ("a.csv", GOOD.decode().encode("utf-32"), "a.csv:1 SPEC-101", "it is UTF-32 text"),
        ("a.ndjson", JSON.decode().encode("utf-16"), "a.ndjson:1 SPEC-101", "it is UTF-16"),
        ("a.csv", gz(GOOD), "a.csv:1 SPEC-101", "it is packed with gzip"),
        ("a.csv.gz", gz(gz(GOOD)), "a.csv.gz:1 SPEC-101", "it is packed with gzip"),
        ("a.csv", zst(GOOD), "a.csv:1 SPEC-101", "it is packed with zstd"),
        ("a.csv", PARQUET, "a.csv:1 SPEC-101", "it is a Parquet file"),
        ("a.csv", b"PK\x03\x04" + GOOD, "a.csv:1 SPEC-101", "a spreadsheet"),
        ("a.csv.gz", gz(GOOD) + b"garbage", "a.csv.gz SPEC-101", "damaged"),
        ("a.csv.gz", b"\x1f\x8b", "a.csv.gz SPEC-101", "damaged"),
        ("a.csv.zst", zst(GOOD) + b"garbage", "a.csv.zst SPEC-101", "damaged"),
        ("a.csv", WIDE, "a.csv:1 SPEC-124", "it has 11 columns, expected at most 10"),
        ("a.csv", HEAD + b"x" * 1_100, "a.csv:2 SPEC-124", "a line is longer than 1000 bytes"),
        ("a.csv", GOOD + b"x" * 99_000, "a.csv SPEC-124", "larger than 19.5312 KiB"),
        ("a.ndjson", JSON + b'{"email": "' + b"x" * 1_100, "a.ndjson:2 SPEC-124", "a line is"),
        ("a.ndjson", b"\r" * 1_100, "a.ndjson:1 SPEC-124", "a line is longer"),
        ("a.csv.gz", gz(HEAD + b"\0" * 3_000), "a.csv.gz SPEC-124", "over 20 times its size"),
        ("a.csv.gz", gz(HEAD + ROW * 500), "a.csv.gz SPEC-124", "over 20 times its size"),
        ("a.csv.zst", zst(HEAD + ROW * 500), "a.csv.zst SPEC-124", "over 20 times its size"),
        ("a.csv.gz", gz(HEAD) + gz(b"") * 200, "a.csv.gz SPEC-124", "hold next to nothing"),
        ("a.parquet", b"", "a.parquet SPEC-101", "not what its name says"),
        ("a.parquet", PARQUET[:-4] + b"PARE", "a.parquet SPEC-101", "damaged"),
        ("a.parquet", PARQUET[:900], "a.parquet SPEC-101", "not what its name says"),
        ("a.parquet", b"\0" * 6_000 + b"\x88\x13\0\0PAR1", "a.parquet SPEC-101", "damaged"),
        ("a.parquet", b"\0" * 9_000 + b"\x89\x13\0\0PAR1", "a.parquet SPEC-124", "footer"),
        ("a.parquet", parquet({"email": ["a"] * 1_001}), "a.parquet SPEC-124", "1,001 rows"),
        ("a.parquet", parquet({"email": ["x" * 101, "a"]}), "a.parquet SPEC-124", "longer than"),
        (
            "a.parquet",
            parquet({"email": [f"{number:0100}" for number in range(200)]}, compression="zstd"),
            "a.parquet SPEC-124",
            "write smaller row groups",
        ),
        (
            "a.parquet",
            parquet({"email": ["a"], **{f"c{number}": [1] for number in range(10)}}),
            "a.parquet SPEC-124",
            "it has 11 columns",
        ),
    ],
)
def test_a_hostile_file_is_one_problem_with_its_place(
    tmp_path: Path, name: str, content: bytes, place: str, said: str
) -> None:
    """None of its rows count, and the file beside it is read all the same."""
    bad, good = put(tmp_path, name, content), put(tmp_path, "b.csv", GOOD)

    made, rows = read(bad, good)

    assert [place] == told(made)
    assert said in made.problems[0].message
    assert ["a@example.com"] == [row["email"] for row in rows]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", GOOD.replace(b"\n", b"\r")),
        ("a.csv.gz", gz(HEAD) + gz(ROW)),
        ("a.csv.gz", gz(GOOD) + b"\0" * 512),
        ("a.csv.zst", zst(HEAD) + zst(ROW)),
        ("a.csv", HEAD.replace(b"email", b'\xef\xbb\xbf"Email "') + ROW),
        ("a.csv", HEAD + b"\n" * 45 + ROW),
        ("a.csv", b"email,note\na@example.com," + b"x" * 900 + b"\n"),
        ("a.ndjson", b'{"email":"a@example.com","note":"' + b"\\u0041" * 150 + b'"}\n'),
        ("a.ndjson", b'{"email":"a@example.com","note":"\\"email\\":"}\n'),
        ("a.ndjson", b'{"email":"a@example.com","notes":{"email":"b"}}\n'),
    ],
)
def test_what_is_only_odd_is_read(tmp_path: Path, name: str, content: bytes) -> None:
    """Members one after another, padding, line ends of old, blank lines, long notes."""
    made, rows = read(put(tmp_path, name, content))

    assert not made.problems
    assert ["a@example.com"] == [row["email"].strip() for row in rows]


@pytest.mark.parametrize(
    ("name", "content", "faults"),
    [
        ("a.csv", HEAD + b"x" * 101 + b",,,,\n", {2: "its email is longer than 100 characters"}),
        ("a.csv", HEAD + b"j\xf6rg@example.com,,,,\n", {2: "it is not UTF-8"}),
        ("a.csv", HEAD + b"\xed\xa0\x80@example.com,,,,\n", {2: "it is not UTF-8"}),
        (
            "a.csv",
            HEAD + b'"b@example.com,,,,\nc@example.com,,,,\n',
            {
                2: "it is not CSV: a quote is opened and never closed",
                3: "it is taken into the row of line 2",
            },
        ),
        (
            "a.csv",
            HEAD + (b'"' + b"b" * 790 + b"\n" + b"c" * 790 + b"\n"),
            {
                2: "it is not CSV: it is longer than 1,500 characters",
                3: "it is taken into the row of line 2",
            },
        ),
        ("a.ndjson", b'{"email":"b","email":"c"}\n', {1: "it has a name twice"}),
        ("a.ndjson", b'{"email":"b","x":{"y":1,"y":2}}\n', {1: "it has a name twice"}),
        ("a.ndjson", b'{"email":"' + b"b" * 101 + b'"}\n', {1: "its email is longer than 100"}),
        ("a.ndjson", b"[" * 900 + b"\n", {1: "it is not JSON"}),
        ("a.ndjson", b'[{"email":"b"},\n{"email":"c"}]\n', {1: "it is not JSON", 2: "it is not"}),
        ("a.ndjson", b'{"phoneNumber":' + b"9" * 500 + b"}\n", {1: "it is not JSON"}),
        ("a.ndjson", b'{"phoneNumber":NaN}\n', {1: "it is not JSON"}),
    ],
)
def test_a_hostile_row_is_a_fault_and_those_below_are_read(
    tmp_path: Path, name: str, content: bytes, faults: dict[int, str]
) -> None:
    """Nothing is lost, and nothing of a row is kept that nobody needs."""
    good = ROW if name.endswith("csv") else JSON
    swallowing = "never closed" in str(faults)
    path = put(tmp_path, name, content + good * (not swallowing))

    made, rows = read(path)

    seen = {row["line"]: row["fault"] for row in rows if row["fault"]}
    assert not made.problems
    assert list(faults) == list(seen)
    assert all(seen[line].startswith(fault) for line, fault in faults.items())
    assert swallowing or "a@example.com" == rows[-1]["email"]


def test_deep_nesting_is_a_fault(tmp_path: Path) -> None:
    """Also where one reader bears it and the other does not."""
    content = b'{"email":"b","x":' + b'["a",' * 1_000 + b"1" + b"]" * 1_000 + b"}\n"
    path = put(tmp_path, "a.ndjson", content)

    _, rows = read(path, limits=Limits())

    assert [1] == [row["line"] for row in rows]
    assert rows[0]["fault"] in {"it is nested too deeply", "it is not JSON"}


def test_a_long_fault_is_kept_in_part(tmp_path: Path) -> None:
    """Enough to find it by."""
    path = put(tmp_path, "a.csv", HEAD + b"x" * 5_000 + b"\n")

    _, rows = read(path, limits=Limits())

    assert "x" * 1_000 + "…" == rows[0]["text"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (pa.array([{"a": 1}]), "struct<a: int64>"),
        (pa.array([[1]]), "list<"),
        (pa.array([True]), "bool"),
        (pa.array([1.0], pa.float16()), "halffloat"),
        (pa.array([timedelta(1)]), "duration[us]"),
        (pa.array([1], pa.time32("ms")), "time32[ms]"),
        (pa.array([b"ab"], pa.binary(2)), "fixed_size_binary[2]"),
        (pa.array([Decimal(1)], pa.decimal256(50)), "decimal256(50, 0)"),
        (pa.array([[("a", "b")]], pa.map_(pa.string(), pa.string())), "map<string, string"),
    ],
)
@pytest.mark.parametrize("column", ["phoneNumber", "suppressUntil"])
def test_a_parquet_column_of_another_type_is_a_problem(
    tmp_path: Path, values: Any, said: str, column: str
) -> None:
    """What cannot be text, a number or a time is not guessed at."""
    ours = {"phoneNumber": "phone", "suppressUntil": "until"}[column]
    content = parquet({"email": ["a@example.com"], column: values})

    made, rows = read(put(tmp_path, "a.parquet", content), limits=Limits())

    assert ["a.parquet SPEC-103"] == told(made)
    assert made.problems[0].message.startswith(f"its column for {ours} is of type {said}")
    assert not rows


@pytest.mark.parametrize(
    "values",
    [
        pa.array([15551234567]),
        pa.array([15551234567], pa.uint64()),
        pa.array([15551234567.0]),
        pa.array([Decimal("15551234567.00")]),
        pa.array([15551234567]).dictionary_encode(),
        pa.array(["15551234567"]).dictionary_encode(),
        pa.array(["15551234567"], pa.string_view()),
        pa.array([b"15551234567"], pa.large_binary()),
    ],
)
def test_a_parquet_phone_may_be_a_number(tmp_path: Path, values: Any) -> None:
    """It loses no digit and gains none."""
    path = put(tmp_path, "a.parquet", parquet({"phoneNumber": values}))

    made, rows = read(path)

    assert not made.problems
    assert ["15551234567"] == [row["phone"] for row in rows]


def test_a_damaged_page_is_a_problem(tmp_path: Path) -> None:
    """Also where batches before it were read already."""
    content = parquet(
        {"email": [f"u{n}@example.com" for n in range(120_000)]}, row_group_size=60_000
    )
    middle = len(content) * 2 // 3
    path = put(tmp_path, "a.parquet", content[:middle] + b"\xff" * 99 + content[middle + 99 :])

    made, rows = read(path, limits=Limits())

    assert ["a.parquet SPEC-101"] == told(made)
    assert not rows


# ---------------------------------------------------------------- what is no file


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (os.mkfifo, "it is a named pipe, not a file"),
        (lambda path: path.mkdir(), "it is a folder, not a file"),
        (lambda path: path.symlink_to("/dev/zero"), "it is a device, not a file"),
        (lambda path: path.symlink_to("gone"), "No such file"),
        (lambda path: path.symlink_to(path.name), "symbolic links"),
    ],
)
@pytest.mark.parametrize("name", ["a.csv", "a.ndjson.gz", "a.jsonl.zst", "a.parquet"])
def test_what_took_a_files_place_is_not_waited_for(
    tmp_path: Path, make: Callable[[Path], object], said: str, name: str
) -> None:
    """The pattern matched a file; what is there when it is read may be something else."""
    path = tmp_path / name
    make(path)

    made, _ = read(path)

    assert [f"{name} SPEC-101"] == told(made)
    assert said in made.problems[0].message


class Meddled(Limits):
    """Limits that meddle with a file as soon as somebody looks at them, which is while reading."""

    def __init__(self, meddle: Callable[[], object]) -> None:
        super().__init__()
        object.__setattr__(self, "meddle", meddle)

    def __getattribute__(self, name: str) -> Any:
        if name == "columns":
            object.__getattribute__(self, "meddle")()
        return object.__getattribute__(self, name)


@pytest.mark.parametrize(
    "meddle",
    [
        lambda path: path.write_bytes(path.read_bytes() + ROW),
        lambda path: path.write_bytes(b""),
        lambda path: os.truncate(path, 60),
        lambda path: path.write_bytes(b"x" + path.read_bytes()[1:]),
        lambda path: path.with_name("n").write_bytes(b"x") and path.with_name("n").replace(path),
        lambda path: path.unlink(),
    ],
    ids=["grows", "is emptied", "shrinks", "is written to", "is replaced", "vanishes"],
)
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet"])
def test_a_file_that_changes_while_it_is_read_is_a_problem(
    tmp_path: Path, meddle: Callable[[Path], object], name: str
) -> None:
    """Whatever was read of it may be half of one content and half of another."""
    content = {"csv": GOOD * 9, "gz": gz(GOOD * 9), "parquet": PARQUET}[name.rpartition(".")[2]]
    path = put(tmp_path, name, content)
    os.utime(path, (1, 1))

    made, rows = read(path, limits=Meddled(lambda: meddle(path)))

    assert {"SPEC-101", "SPEC-125"} >= {problem.code for problem in made.problems}
    assert 1 == len(made.problems)
    assert not rows


# ---------------------------------------------------------------- anything at all


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    name=st.sampled_from(
        ["a.csv", "a.ndjson", "a.csv.gz", "a.ndjson.zst", "a.parquet", "a.jsonl.gz"]
    ),
    content=st.binary(max_size=200)
    | st.text(alphabet='a,"\n\r\0@{}[]:é\u2028 ', max_size=80).map(str.encode),
    packed=st.booleans(),
    behind=st.binary(max_size=20),
)
def test_no_bytes_at_all_make_it_raise(
    tmp_path: Path,
    *,
    name: str,
    content: bytes,
    packed: bool,
    behind: bytes,
) -> None:
    """Rows, faults or one problem: nothing else comes of a file."""
    if packed and name.endswith((".gz", ".zst")):
        content = (gz if name.endswith(".gz") else zst)(HEAD + content)
    if packed and name.endswith(".parquet"):
        at = len(behind) * 40 % len(PARQUET)
        content = PARQUET[:at] + content + PARQUET[at + len(content) :]

    made, rows = read(put(tmp_path, name, content + behind * packed))

    assert len(made.problems) <= 1
    assert not (made.problems and rows)
