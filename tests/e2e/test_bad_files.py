"""Specs and contact files that somebody broke, as a user meets them: all at once, exit code 7."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from contact_bytes import GOOD, HEAD, gz, parquet, zst
from program import Workplace, workplace

FILES: dict[str, bytes] = {
    "empty.csv": b"",
    "bomb.csv.gz": gz(HEAD + b"\0" * 20_000_000),
    "bomb.ndjson.zst": zst(b"\0" * 20_000_000),
    "bytes.csv": GOOD.decode().encode("utf-16"),
    "column.csv": b"name\nann\n",
    "cut.csv.gz": gz(GOOD * 1_000)[:-9],
    "line.ndjson": b'{"email": "' + b"x" * 300_000,
    "nul.csv": HEAD + b"a\0@example.com,,,,\n",
    "quote.csv": HEAD + b'"a@example.com,,,,\n' * 3 + b"b@example.com,,,,\n",
    "type.parquet": parquet({"email": [["a@example.com"]]}),
}
SPECS: dict[str, bytes] = {
    "aliases.yaml": b"a: &a x\nb: [" + b"*a, " * 100_000 + b"]\n",
    "latin.yaml": b"a: \xe9\n",
    "many.yaml": b"a: 1\n--- b: [\n",
    "nested.yaml": b"[" * 1_000_000,
    "object.yaml": b"!!python/object/apply:os.system [id]\n",
    "tabs.yaml": b"a:\n\tb: 1\n",
    "twice.yaml": b"a: 1\na: 2\n",
    "\x1b[2J\udcff.yaml": b"a: *a\n",
}


@pytest.fixture
def work(tmp_path: Path) -> Workplace:
    """Return a folder to work in."""
    made = workplace(tmp_path)
    made.embed()
    return made


def declare(work: Workplace, name: str) -> None:
    """Declare a list whose contacts stand in this file."""
    key = name.replace(".", "-")
    more = f"  sources: [{{path: {name}}}]\n"
    work.declare(name=key, identity=f"listId: {key}", more=more)


def told(work: Workplace, files: set[str]) -> dict[str, str]:
    """Return the code of the first problem of each of these files, as text and JSON tell it."""
    text = work.call("validate")
    ran = work.call("validate", "--format", "json")
    problems = ran.document["problems"]
    found = {one["place"]["path"]: one["code"] for one in reversed(problems)}
    assert (7, 7) == (text.code, ran.code)
    assert len(problems) == len(text.out.splitlines()) - 1
    assert "\x1b" not in text.out
    return {path: code for path, code in found.items() if path.removeprefix("specs/") in files}


def test_every_bad_contact_file_is_told_beside_the_others(work: Workplace) -> None:
    """None hides another, and the good one among them is read."""
    for name, content in FILES.items():
        (work.folder / "specs" / name).write_bytes(content)
        declare(work, name)

    found = told(work, set(FILES))

    assert {
        "specs/empty.csv": "SPEC-104",
        "specs/bomb.csv.gz": "SPEC-124",
        "specs/bomb.ndjson.zst": "SPEC-124",
        "specs/bytes.csv": "SPEC-101",
        "specs/column.csv": "SPEC-104",
        "specs/cut.csv.gz": "SPEC-101",
        "specs/line.ndjson": "SPEC-124",
        "specs/nul.csv": "SPEC-106",
        "specs/quote.csv": "SPEC-106",
        "specs/type.parquet": "SPEC-103",
    } == found


def test_every_bad_spec_is_told_beside_the_others(work: Workplace) -> None:
    """Also one whose name is no text."""
    for name, content in SPECS.items():
        (work.folder / "specs" / name).write_bytes(content)
    os.mkfifo(work.folder / "specs" / "pipe.yaml")
    (work.folder / "specs" / "folder.yaml").mkdir()
    (work.folder / "specs" / "link.yaml").symlink_to("/etc/passwd")
    shown = r"\x1b[2J\xff.yaml"

    found = told(work, {*SPECS, "pipe.yaml", "folder.yaml", "link.yaml", shown})

    assert {
        "specs/aliases.yaml": "SPEC-007",
        "specs/latin.yaml": "SPEC-003",
        "specs/many.yaml": "SPEC-010",
        "specs/nested.yaml": "SPEC-008",
        "specs/object.yaml": "SPEC-006",
        "specs/tabs.yaml": "SPEC-004",
        "specs/twice.yaml": "SPEC-010",
        "specs/pipe.yaml": "SPEC-001",
        "specs/folder.yaml": "SPEC-001",
        "specs/link.yaml": "SPEC-035",
        f"specs/{shown}": "SPEC-004",
    } == found


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (os.mkfifo, "SPEC-034"),
        (lambda path: path.mkdir(), "SPEC-034"),
        (lambda path: path.symlink_to("gone"), "SPEC-034"),
        (lambda path: path.symlink_to("/etc/passwd"), "SPEC-035"),
        (lambda path: path.symlink_to("/dev/zero"), "SPEC-035"),
    ],
)
def test_a_source_that_is_no_file_is_told_where_it_is_named(
    work: Workplace, make: Callable[[Path], object], code: str
) -> None:
    """It is not waited for."""
    make(work.folder / "specs" / "a.csv")
    declare(work, "a.csv")

    ran = work.call("validate", "--format", "json")

    (problem,) = ran.document["problems"]
    assert code == problem["code"]
    assert ("specs/a-csv.yaml", 8) == (problem["place"]["path"], problem["place"]["line"])


def test_a_header_alone_is_a_warning(work: Workplace) -> None:
    """An export without news must not stop anybody's suppression, but it is told."""
    (work.folder / "specs" / "a.csv").write_bytes(HEAD)
    declare(work, "a.csv")

    ran = work.call("validate")

    assert 0 == ran.code
    assert "specs/a.csv SPEC-126 warning: it holds not a single contact" in ran.out


def test_a_name_that_is_no_text_stops_nothing(work: Workplace) -> None:
    """Contacts are read from it, and every format tells of it."""
    name = os.fsencode(work.folder / "specs") + b"/\xff\x1b]0;x\x07.csv"
    Path(os.fsdecode(name)).write_bytes(HEAD + b"ann@example.com,,,,\nno address,,,,\n")
    more = "  sources: [{path: '*.csv'}]\n  invalid: quarantine\n  maxInvalid: 50%\n"
    work.declare(identity="create: true\n  list: {name: US}", more=more)

    planned = work.call("plan")
    applied = work.call("apply", "--auto-approve", "--format", "json")
    absent = work.call("plan", os.fsdecode(b"\xff\x1b[2J"), "--format", "json")

    assert (0, 0, 7) == (planned.code, applied.code, absent.code)
    assert r"specs/\xff\x1b]0;x\x07.csv" in planned.out
    assert "\x1b" not in planned.out + applied.out + applied.err + absent.out + absent.err
