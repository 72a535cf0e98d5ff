"""Files of ours are whole or not there, and nobody else's to look into."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler import disk


@pytest.fixture(autouse=True)
def _wide_open() -> Iterator[None]:
    """Let files get all the rights they ask for."""
    before = os.umask(0)
    yield
    os.umask(before)


def rights(path: Path) -> int:
    """Who may do what."""
    return stat.S_IMODE(path.stat().st_mode)


def test_folders_are_made_for_their_owner_alone(tmp_path: Path) -> None:
    """Those above too; one that is there keeps its rights."""
    (tmp_path / "there").mkdir(mode=0o755)

    made = disk.private(tmp_path / "there" / "a" / "b")

    assert [0o755, 0o700, 0o700] == [rights(path) for path in (*made.parents[:2][::-1], made)]
    assert made == disk.private(made)


def test_a_draft_takes_no_name_that_somebody_has(tmp_path: Path) -> None:
    """A free one it gets, with its owner's rights alone; nothing of its making is left."""
    for name, free in (("new", True), ("mine", False)):
        path = tmp_path / name
        if not free:
            path.write_bytes(b"mine")
        with disk.draft(path) as held:
            held.write_bytes(b"rows")
            if free:
                disk.claim(held, path)
            else:
                with pytest.raises(FileExistsError):
                    disk.claim(held, path)

    assert [b"mine", b"rows"] == [path.read_bytes() for path in sorted(tmp_path.iterdir())]
    assert 0o600 == rights(tmp_path / "new")


@pytest.mark.parametrize("put", [disk.create, disk.replace])
def test_a_file_is_there_whole_and_alone(
    tmp_path: Path, put: Callable[[Path, bytes], None]
) -> None:
    """Nothing of its making is left."""
    path = tmp_path / "plan.json"

    put(path, b"all of it")

    assert (b"all of it", 0o600) == (path.read_bytes(), rights(path))
    assert [path] == [*tmp_path.iterdir()]


def test_a_name_that_is_taken_is_left_to_whoever_has_it(tmp_path: Path) -> None:
    """Creating never replaces; replacing does."""
    path = tmp_path / "1.json"
    disk.create(path, b"first")

    with pytest.raises(FileExistsError):
        disk.create(path, b"second")

    assert b"first" == path.read_bytes()
    disk.replace(path, b"third")
    assert b"third" == path.read_bytes()
    assert [path] == [*tmp_path.iterdir()]


def test_a_draft_that_is_not_adopted_is_gone(tmp_path: Path) -> None:
    """Whatever went wrong; while it is written its name says what it is."""
    seen: list[Path] = []

    def broken_off() -> None:
        with disk.draft(tmp_path / "gap.parquet") as held:
            held.write_bytes(b"half")
            seen.extend(tmp_path.iterdir())
            raise KeyError

    with pytest.raises(KeyError):
        broken_off()

    assert [True] == [bool(disk.DRAFT.fullmatch(path.name)) for path in seen]
    assert [] == [*tmp_path.iterdir()]


def test_no_file_of_ours_is_taken_for_a_draft() -> None:
    """Only a name that was made up for one is."""
    ours = ("plan.json", ".gitignore", ".gate.lock", ".20261123T101500Z-3f9a1c.lock", "sandbox.db")

    assert [] == [name for name in ours if disk.DRAFT.fullmatch(name)]
