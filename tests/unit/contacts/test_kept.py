"""Desired tables that are used again, and everything that makes them not be."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from builders import NOW, PAST, list_spec
from contact_files import compiled, csv_file, inline, source, table_rows
from reconciler.contacts import normalise
from reconciler.contacts.compile import Compiled, compile_list
from reconciler.contacts.engine import Engine
from reconciler.contacts.judging import judge
from reconciler.model import Defaults


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Hear of every list whose contacts are read rather than remembered."""
    heard: list[str] = []

    def heeding(session: Any, spec: Any, intake: Any, **rest: Any) -> None:
        heard.append(spec.name)
        judge(session, spec, intake, **rest)

    monkeypatch.setattr("reconciler.contacts.compile.judge", heeding)
    return heard


def declared(folder: Path) -> dict[str, Any]:
    """A list of a file, an inline contact and a row that is set aside."""
    rows = ("a@example.com,,DNC,2027-01-01,", "A@example.com,,BOUNCE,,", "nobody,,DNC,,")
    path = csv_file(folder, *rows, "b@example.com,,DNC,2026-01-01T00:00:00,")
    return {
        "sources": (source(path),),
        "contacts": (inline(email="c@example.com"),),
        "invalid": "quarantine",
        "max_invalid": 1,
    }


def note(folder: Path) -> Path:
    """The file that says what is remembered."""
    (path,) = (folder / "cache").glob("desired-*.json")
    return path


def test_what_has_not_changed_is_not_read_again(
    engine: Engine, tmp_path: Path, reads: list[str]
) -> None:
    """And comes to exactly the same, the rows set aside included."""
    first = compiled(engine, tmp_path, **declared(tmp_path))
    aside = (tmp_path / "run" / "invalid.csv").read_bytes()
    (tmp_path / "run" / "invalid.csv").unlink()

    again = compiled(engine, tmp_path, **declared(tmp_path))

    assert ["us-dnc"] == reads
    assert first == again
    assert aside == (tmp_path / "run" / "invalid.csv").read_bytes()


@pytest.mark.parametrize(
    "changes",
    [
        {"defaults": Defaults(reason="BOUNCE", region="US")},
        {"defaults": Defaults(reason="DNC", region="GB")},
        {"contacts": (inline(10, email="c@example.com"),)},
        {"contacts": ()},
        {"max_invalid": 0},
        {"name": "other"},
    ],
)
def test_a_changed_declaration_is_read(
    engine: Engine, tmp_path: Path, reads: list[str], changes: dict[str, Any]
) -> None:
    """Whatever of it goes into the table, or into what is said of it."""
    compiled(engine, tmp_path, **declared(tmp_path))

    compiled(engine, tmp_path, **(declared(tmp_path) | changes))

    assert 2 == len(reads)


@pytest.mark.parametrize("keep_times", [True, False])
def test_a_changed_file_is_read_whatever_its_times_say(
    engine: Engine, tmp_path: Path, reads: list[str], *, keep_times: bool
) -> None:
    """Times of files mean nothing in a checkout: the bytes do."""
    given = declared(tmp_path)
    compiled(engine, tmp_path, **given)
    (path,) = given["sources"][0].files
    before = path.stat()
    path.write_text(path.read_text().replace("a@example.com", "z@example.com"))
    if keep_times:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    made = compiled(engine, tmp_path, **given)

    assert 2 == len(reads)
    assert "z@example.com" in {row["address"] for row in table_rows(made.table)}


def test_other_rules_read_everything_anew(
    engine: Engine, tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another version of a library may make another address out of the same words."""
    compiled(engine, tmp_path, **declared(tmp_path))
    monkeypatch.setattr(normalise, "RULES", "others")

    compiled(engine, tmp_path, **declared(tmp_path))

    assert 2 == len(reads)


def test_who_has_lapsed_meanwhile_is_counted_anew(
    engine: Engine, tmp_path: Path, reads: list[str]
) -> None:
    """The table is the same; what it means is of the hour."""

    def at(days: int) -> Compiled:
        spec = list_spec(defaults=Defaults(reason="DNC", region="US"))
        rows = (inline(email="a@example.com", suppress_until="2026-12-01T00:00:00Z"),)
        return compile_list(
            engine,
            spec if not rows else list_spec(defaults=spec.defaults, contacts=rows),
            base=tmp_path,
            as_of=NOW + timedelta(days=days),
            into=tmp_path / "cache",
            invalid_into=lambda: tmp_path / "invalid.csv",
        )

    counts = [at(days).counts.lapsed for days in (0, 365)]

    assert [0, 1] == counts
    assert 1 == len(reads)


def test_a_feed_grows_stale_while_nothing_changes(
    engine: Engine, tmp_path: Path, reads: list[str]
) -> None:
    """Its age is of the hour too."""
    path = csv_file(tmp_path, "a@example.com,,DNC,,")
    given: dict[str, Any] = {"sources": (source(path, as_of=PAST, max_age="P9999D"),)}
    compiled(engine, tmp_path, **given)
    stale: dict[str, Any] = {"sources": (source(path, as_of=PAST, max_age="PT1S"),)}

    made = compiled(engine, tmp_path, **stale)

    assert made.feeds[0].stale
    assert reads


@pytest.mark.parametrize("fault", ["table", "aside", "note", "gone", "nonsense"])
def test_what_is_damaged_is_made_anew(
    engine: Engine, tmp_path: Path, reads: list[str], fault: str
) -> None:
    """Whichever of its files it is, the result is right."""
    first = compiled(engine, tmp_path, **declared(tmp_path))
    path = note(tmp_path)
    match fault:
        case "table":
            first.table.path.write_bytes(first.table.path.read_bytes()[:-1] + b"?")
        case "aside":
            path.with_name(path.stem.replace("desired", "invalid") + ".csv").write_text("x")
        case "note":
            path.write_bytes(path.read_bytes()[:-5])
        case "gone":
            first.table.path.unlink()
        case _:
            path.write_bytes(orjson.dumps({"file": 7}))

    again = compiled(engine, tmp_path, **declared(tmp_path))

    assert 2 == len(reads)
    assert first == again
    assert 3 == len(table_rows(again.table))


def test_a_file_written_meanwhile_takes_nobody_s_place(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table's name says what was digested, and gaps to it are known by that name."""
    given: dict[str, Any] = {"sources": (source(csv_file(tmp_path, "a@example.com,,DNC,,")),)}
    first = compiled(engine, tmp_path, **given)
    note(tmp_path).unlink()

    def late(*args: Any, **rest: Any) -> None:
        csv_file(tmp_path, "z@example.com,,DNC,,")
        judge(*args, **rest)

    monkeypatch.setattr("reconciler.contacts.compile.judge", late)

    other = compiled(engine, tmp_path, **given)

    assert [["a@example.com"], ["z@example.com"]] == [
        [row["address"] for row in table_rows(made.table)] for made in (first, other)
    ]
    assert not list((tmp_path / "cache").glob("desired-*.json"))


def test_errors_are_not_remembered(engine: Engine, tmp_path: Path, reads: list[str]) -> None:
    """They are told again each time, with their places."""
    path = csv_file(tmp_path, "nobody,,DNC,,")

    made = [compiled(engine, tmp_path, sources=(source(path),)) for _ in range(2)]

    assert 2 == len(reads)
    assert made[0].problems == made[1].problems
    assert not list((tmp_path / "cache").glob("*.json"))


def test_without_memory_everything_is_read(
    engine: Engine, tmp_path: Path, reads: list[str]
) -> None:
    """Whoever asks for it afresh gets it so."""
    spec = list_spec(contacts=(inline(email="a@example.com"),), defaults=Defaults(reason="DNC"))

    for _ in range(2):
        compile_list(
            engine,
            spec,
            base=tmp_path,
            as_of=NOW,
            into=tmp_path / "cache",
            invalid_into=lambda: tmp_path / "invalid.csv",
            fresh=True,
        )

    assert 2 == len(reads)
