"""Which files a source's pattern names, and which it may not."""

import hashlib
import os
from pathlib import Path

import pytest

from reconciler.spec import Code, sources


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository with a spec folder and contact files, and files outside it."""
    for name in (
        "outside.csv",
        "repository/specs/a.csv",
        "repository/specs/b.csv.gz",
        "repository/specs/.hidden.csv",
        "repository/specs/data/c.ndjson",
        "repository/specs/data/deep/d.parquet",
        "repository/specs/data/.cache/e.csv",
        "repository/specs/data/notes.txt",
        "repository/specs/odd[1].csv",
        "repository/feeds/f.jsonl.zst",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "repository/specs/linked.csv").symlink_to(tmp_path / "outside.csv")
    (tmp_path / "repository/specs/folder.csv").mkdir()
    (tmp_path / "repository/specs/loop.csv").symlink_to("loop.csv")
    (tmp_path / "repository/specs/odd/pipe.csv").parent.mkdir()
    os.mkfifo(tmp_path / "repository/specs/odd/pipe.csv")
    (tmp_path / "repository/specs/odd/gone.csv").symlink_to("nowhere")
    (tmp_path / "repository/specs/odd/inner").mkdir()
    return tmp_path / "repository"


def found(pattern: str, repository: Path) -> list[str]:
    """Return what a pattern matches, relative to the repository."""
    files = sources.find(pattern, base=repository / "specs", repository=repository)
    assert all(file.is_absolute() for file in files)
    return [file.relative_to(repository).as_posix() for file in files]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a.csv", ["specs/a.csv"]),
        ("./a.csv", ["specs/a.csv"]),
        ("[ab].csv*", ["specs/a.csv", "specs/b.csv.gz"]),
        ("odd[1].csv", ["specs/odd[1].csv"]),
        ("data/*.ndjson", ["specs/data/c.ndjson"]),
        ("data/**/*.[np]*[nt]", ["specs/data/c.ndjson", "specs/data/deep/d.parquet"]),
        (".hidden.csv", ["specs/.hidden.csv"]),
        (".hid*.csv", ["specs/.hidden.csv"]),
        ("../feeds/*.zst", ["feeds/f.jsonl.zst"]),
    ],
)
def test_a_pattern_names_files(repository: Path, pattern: str, expected: list[str]) -> None:
    """Sorted, inside the repository, folders and hidden files left out."""
    if pattern.startswith("data/**"):
        (repository / "specs/data/notes.txt").unlink()

    assert expected == found(pattern, repository)


@pytest.mark.parametrize(
    ("pattern", "code"),
    [
        ("none.csv", Code.SOURCE_MISSING),
        ("data", Code.SOURCE_MISSING),
        ("x/*.csv", Code.SOURCE_MISSING),
        ("**a.csv", Code.SOURCE_MISSING),
        ("a\0.csv", Code.SOURCE_MISSING),
        ("x" * 400, Code.SOURCE_MISSING),
        ("a/" * 250, Code.SOURCE_MISSING),
        ("/etc/*.csv", Code.SOURCE_OUTSIDE),
        ("../../outside.csv", Code.SOURCE_OUTSIDE),
        ("../../*.csv", Code.SOURCE_OUTSIDE),
        ("*/../../../*.csv", Code.SOURCE_OUTSIDE),
        ("linked.csv", Code.SOURCE_OUTSIDE),
        ("li*.csv", Code.SOURCE_OUTSIDE),
        ("data/*.txt", Code.SOURCE_FORMAT),
        ("folder.csv", Code.SOURCE_MISSING),
        ("loop.csv", Code.SOURCE_MISSING),
        ("odd/*.csv", Code.SOURCE_MISSING),
    ],
)
def test_a_pattern_that_cannot_be_used_has_a_code(
    repository: Path, pattern: str, code: Code
) -> None:
    """Nothing is read from outside the repository, not even through a link."""
    with pytest.raises(sources.SourceError) as raised:
        found(pattern, repository)

    assert code is raised.value.code


def test_a_slip_in_a_name_is_answered_with_the_nearest_file(repository: Path) -> None:
    """The hint stays in the folder that the pattern names."""
    with pytest.raises(sources.SourceError, match=r"did you mean `c.ndjson`\?"):
        found("data/d.ndjson", repository)


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("a.csv", True),
        ("a.CSV", True),
        ("us.dnc.csv.gz", True),
        ("a.csv.zst", True),
        ("a.ndjson.gz", True),
        ("a.jsonl", True),
        ("a.parquet", True),
        ("a.parquet.gz", False),
        ("a.csv.bz2", False),
        ("a.gz", False),
        ("a.json", False),
        ("csv", False),
    ],
)
def test_the_name_says_the_format(tmp_path: Path, name: str, allowed: bool) -> None:
    """Guessing from the content would read a wrong file as contacts."""
    (tmp_path / name).touch()

    try:
        files = sources.find(name, base=tmp_path, repository=tmp_path)
    except sources.SourceError as error:
        files = (Path(error.code),)

    assert (tmp_path / name if allowed else Path(Code.SOURCE_FORMAT),) == files


def test_a_pin_holds_one_file_to_one_content(repository: Path) -> None:
    """The digest is over the file's bytes; upper case is fine."""
    files = sources.find("a.csv", base=repository / "specs", repository=repository)
    right = hashlib.sha256(b"repository/specs/a.csv").hexdigest()

    sources.check_pin(files, right.upper())

    with pytest.raises(
        sources.SourceError, match=f"sha256 is {right[:12]}…, expected 000"
    ) as raised:
        sources.check_pin(files, "0" * 64)
    assert Code.SOURCE_PIN is raised.value.code


def test_a_pin_stands_for_exactly_one_file(repository: Path) -> None:
    """Two files have no one digest, and a file that vanished has none."""
    files = sources.find("[ab].csv*", base=repository / "specs", repository=repository)

    with pytest.raises(sources.SourceError, match="the pattern matches 2"):
        sources.check_pin(files, "0" * 64)
    with pytest.raises(sources.SourceError, match="cannot be read"):
        sources.check_pin((repository / "gone.csv",), "0" * 64)


def test_links_in_circles_end(repository: Path) -> None:
    """A folder linked into itself does not keep a pattern busy."""
    (repository / "specs/loop").symlink_to(repository / "specs", target_is_directory=True)

    assert "specs/data/c.ndjson" in found("**/c.ndjson", repository)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("folder.csv", "`folder.csv` is a folder: expected a file; name the files in it"),
        ("loop.csv", "`loop.csv` is a link that leads nowhere, expected a file"),
        (
            "odd/*",
            "`gone.csv` is a link that leads nowhere; `pipe.csv` is a named pipe: expected a file",
        ),
    ],
)
def test_what_is_named_as_a_contact_file_and_is_none_is_told(
    repository: Path, pattern: str, said: str
) -> None:
    """Passed over, the contacts that were meant to be in it would be missing without a word."""
    with pytest.raises(sources.SourceError) as raised:
        found(pattern, repository)

    assert said == str(raised.value)


def test_a_pattern_matches_a_bounded_number_of_files(repository: Path) -> None:
    """Whoever has more puts them together."""
    base = repository / "specs"

    with pytest.raises(sources.SourceError, match="matches over 1 files") as raised:
        sources.find("[ab].csv*", base=base, repository=repository, most=1)

    assert Code.TOO_MANY is raised.value.code


@pytest.mark.parametrize(
    "name", ["jane.doe@example.com.csv", "of +1 212 555 0100.csv", "+12125550100/all.csv"]
)
def test_a_file_is_not_named_after_somebody(repository: Path, name: str) -> None:
    """Reports, comments and evidence name their sources."""
    path = repository / "specs" / "people" / name
    path.parent.mkdir(parents=True)
    path.touch()

    with pytest.raises(sources.SourceError) as caught:
        found("people/**/*.csv", repository)

    assert Code.SOURCE_NAME == caught.value.code
    assert "jane.doe" not in str(caught.value)
    assert "212" not in str(caught.value)


@pytest.mark.parametrize("name", ["20261101.csv", "dnc-2026-11-01.csv", "a+b.csv", "n+1.csv"])
def test_a_date_in_a_name_is_nobody(repository: Path, name: str) -> None:
    """Nor is a plus sign."""
    path = repository / "specs" / "dated" / name
    path.parent.mkdir()
    path.touch()

    assert [f"specs/dated/{name}"] == found("dated/*.csv", repository)
