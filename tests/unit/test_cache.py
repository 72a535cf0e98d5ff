"""Tables remembered between runs, and everything that makes them not be believed."""

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from builders import NOW, remote
from reconciler.cache import Shelf, evict, size
from reconciler.model import RemoteList, Table

SERVICE = "https://acme.example/api/v2"


def shelved(folder: Path) -> Shelf:
    """Where a list's table would be remembered."""
    return Shelf(folder=folder, tenant="acme", service=SERVICE, list_id="7f3e2c", region="US")


def kept(folder: Path, seen: RemoteList | None = None, **changes: Any) -> tuple[Shelf, Table]:
    """A table as remembered of a list of a tenant that moves its versions."""
    shelf = shelved(folder)
    folder.mkdir(exist_ok=True)
    table = Table(path=folder / "observed.parquet", rows=3, digest="d")
    table.path.write_bytes(b"three rows")
    shelf.learn(moves=True)
    shelf.remember(seen or remote(), table, now=NOW)
    return replace(shelf, **changes), table


def note(folder: Path) -> Path:
    """The file that says what is remembered of the list."""
    (path,) = folder.glob("observed-*.json")
    return path


@pytest.mark.parametrize("later", [timedelta(), timedelta(hours=24) - timedelta(seconds=1)])
def test_an_unchanged_list_is_remembered_for_a_day(tmp_path: Path, later: timedelta) -> None:
    """Same version, same count, a file that is as it was."""
    shelf, table = kept(tmp_path)

    assert table == shelf.recall(remote(), now=NOW + later)


def test_nothing_is_remembered_of_a_list_never_read(tmp_path: Path) -> None:
    """The first run reads it."""
    shelf = shelved(tmp_path / "cache")

    assert shelf.moves is None
    assert shelf.recall(remote(), now=NOW) is None


@pytest.mark.parametrize(
    "now", [remote(version='"2"'), remote(count=999), remote(count=None), remote(version="")]
)
def test_a_list_that_is_not_certainly_the_same_is_read(tmp_path: Path, now: RemoteList) -> None:
    """Another version or count, or none that says anything."""
    shelf, _ = kept(tmp_path)

    assert shelf.recall(now, now=NOW) is None


@pytest.mark.parametrize("seen", [remote(count=None), remote(version="")])
def test_a_list_without_count_or_version_is_always_read(tmp_path: Path, seen: RemoteList) -> None:
    """Two answers that say nothing agree on nothing."""
    shelf, _ = kept(tmp_path, seen)

    assert shelf.recall(seen, now=NOW) is None


@pytest.mark.parametrize("now", [NOW + timedelta(hours=24), NOW - timedelta(seconds=1)])
def test_a_table_of_another_day_is_not_believed(tmp_path: Path, now: datetime) -> None:
    """Too old, or of a time that is still to come."""
    shelf, _ = kept(tmp_path)

    assert shelf.recall(remote(), now=now) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"tenant": "other"},
        {"service": "embedded"},
        {"list_id": "8"},
        {"region": "DE"},
        {"region": None},
    ],
    ids=str,
)
def test_a_table_of_another_list_is_not_believed(tmp_path: Path, changes: dict[str, Any]) -> None:
    """Nor one of another service, nor one whose numbers were read as another country's."""
    shelf, _ = kept(tmp_path, **changes)
    shelf.learn(moves=True)

    assert shelf.recall(remote(), now=NOW) is None


def test_a_tenant_that_does_not_move_versions_is_always_read(tmp_path: Path) -> None:
    """Or that has not shown yet that it does; one that once did not stays doubtful."""
    shelf, table = kept(tmp_path)
    before = (shelf.moves, shelf.recall(remote(), now=NOW))

    shelf.learn(moves=False)
    after = (shelf.moves, shelf.recall(remote(), now=NOW))
    shelf.learn(moves=True)

    assert (True, table) == before
    assert (False, None) == after == (shelf.moves, shelf.recall(remote(), now=NOW))
    for lesson in tmp_path.glob("tenant-*.json"):
        lesson.unlink()
    assert (None, None) == (shelf.moves, shelf.recall(remote(), now=NOW))


def test_a_lesson_is_of_one_tenant_and_all_its_lists(tmp_path: Path) -> None:
    """What one service does says nothing of another."""
    shelf, table = kept(tmp_path)
    other = replace(shelf, tenant="other")

    other.remember(remote(), table, now=NOW)

    assert other.recall(remote(), now=NOW) is None
    replace(other, list_id="8").learn(moves=True)
    assert table == other.recall(remote(), now=NOW)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b"other rows"),
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
        lambda path: (path.unlink(), path.mkdir()),
    ],
)
def test_a_table_that_is_not_as_it_was_is_not_believed(
    tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    """Altered, emptied, gone, or something else."""
    shelf, table = kept(tmp_path)

    spoil(table.path)

    assert shelf.recall(remote(), now=NOW) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b"null", b'"x"', b"{}", b"\xff"])
def test_notes_nobody_can_read_are_forgotten(tmp_path: Path, content: bytes) -> None:
    """The list is read again; nothing fails."""
    shelf, _ = kept(tmp_path)
    lesson = next(tmp_path.glob("tenant-*.json"))
    good = lesson.read_bytes()

    lesson.write_bytes(content)
    without_lesson = shelf.recall(remote(), now=NOW)
    lesson.write_bytes(good)
    note(tmp_path).write_bytes(content)

    assert without_lesson is None
    assert shelf.recall(remote(), now=NOW) is None


@pytest.mark.parametrize("field", ["version", "count", "read", "file", "rows", "digest", "sha256"])
@pytest.mark.parametrize("value", [7, None, [], "x", ...])
def test_a_note_with_an_odd_value_is_forgotten(tmp_path: Path, field: str, value: Any) -> None:
    """Each fact is needed, and none is guessed; what speaks of content speaks through sha256."""
    shelf, _ = kept(tmp_path)
    held = orjson.loads(note(tmp_path).read_bytes()) | {field: value}
    path = note(tmp_path)

    path.write_bytes(orjson.dumps({key: one for key, one in held.items() if one is not ...}))

    found = shelf.recall(remote(), now=NOW)
    assert found is None or (field in {"rows", "digest"} and value is not ...)


def test_what_is_remembered_is_for_its_owner_alone(tmp_path: Path) -> None:
    """And every file appears whole: no draft is left."""
    kept(tmp_path / "cache")

    notes = [*(tmp_path / "cache").glob("*.json")]
    assert 2 == len(notes)
    assert {0o600} == {path.stat().st_mode & 0o777 for path in notes}
    assert [] == [*(tmp_path / "cache").glob(".*")]


def test_a_memory_that_cannot_be_kept_costs_the_memory_alone(tmp_path: Path) -> None:
    """A full disk, a table that is gone, a file in the folder's place: the run goes on."""
    shelf, table = kept(tmp_path / "cache")
    table.path.unlink()
    shelf.remember(remote(version='"2"'), table, now=NOW)
    (tmp_path / "file").write_bytes(b"")
    nowhere = replace(shelf, folder=tmp_path / "file" / "cache")

    nowhere.remember(remote(), replace(table, path=tmp_path / "file"), now=NOW)
    nowhere.learn(moves=True)

    assert shelf.recall(remote(version='"2"'), now=NOW) is None
    assert nowhere.recall(remote(), now=NOW) is None


def test_the_last_whole_reading_is_known_however_old_it_is(tmp_path: Path) -> None:
    """It says who was there, not who is."""
    shelf, table = kept(tmp_path)

    assert table == shelf.last
    assert shelved(tmp_path / "elsewhere").last is None


@pytest.mark.parametrize("content", [b"", b"[]", b'{"file": 3}', b"two rows"])
def test_a_last_reading_that_is_damaged_is_none(tmp_path: Path, content: bytes) -> None:
    """Its note or its table."""
    shelf, table = kept(tmp_path)
    damaged = table.path if content == b"two rows" else note(tmp_path)
    damaged.write_bytes(content)

    assert shelf.last is None


def aged(folder: Path, name: str, days: float, *, content: bytes = b"0123456789") -> Path:
    """A file of ten bytes that was last used so many days ago."""
    path = folder / name
    path.write_bytes(content)
    used = (NOW - timedelta(days=days)).timestamp()
    os.utime(path, (used, used))
    return path


@pytest.mark.parametrize(
    ("limit", "left"), [(30, "abc"), (29, "bc"), (20, "bc"), (19, "c"), (10, "c"), (0, "c")]
)
def test_what_was_not_used_for_longest_goes_first(tmp_path: Path, limit: int, left: str) -> None:
    """As much as has to, and never what a run that lives may use."""
    for name, days in (("b", 2), ("a", 3), ("c", 0)):
        aged(tmp_path, f"desired-{name}.parquet", days)

    evict(tmp_path, limit=limit, since=NOW - timedelta(days=1))

    assert [*left] == sorted(path.stem[-1] for path in tmp_path.iterdir())
    assert 10 * len(left) == size(tmp_path)


def test_what_a_list_was_when_last_read_whole_stays(tmp_path: Path) -> None:
    """A write after a partial read is judged by it; what it was before that goes."""
    shelf, table = kept(tmp_path)
    older = aged(tmp_path, "observed-older.parquet", 3)
    for path in tmp_path.iterdir():
        os.utime(path, (0, 0))

    evict(tmp_path, limit=0, since=NOW)

    assert table == shelf.last
    assert shelf.moves
    assert not older.exists()
