from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.errors import ReconcilerError, SettingError
from reconciler.laying import NewFile, free, laid, text

UMASK = 0o022


def rights(path: Path) -> int:
    """Return who may do what with a file or folder."""
    return path.stat().st_mode & 0o777


def test_files_and_their_folders_get_the_rights_of_the_users_own(tmp_path: Path) -> None:
    """What is private is its owner's alone."""
    files = (
        text(tmp_path / "a" / "b" / "open.txt", "é\n"),
        text(tmp_path / "a" / "closed.txt", "x", private=True),
    )

    with laid(files, umask=UMASK):
        pass

    assert "é\n".encode() == files[0].path.read_bytes()
    assert [0o644, 0o600, 0o755] == [
        *(rights(file.path) for file in files),
        rights(tmp_path / "a"),
    ]
    assert {"open.txt", "closed.txt", "b"} == {path.name for path in tmp_path.glob("a/**/*")}


def test_a_name_that_is_taken_leaves_nothing(tmp_path: Path) -> None:
    """Each is named, a link to nowhere among them, and none is touched."""
    (tmp_path / "one").write_text("mine", encoding="utf-8")
    (tmp_path / "two").symlink_to("nowhere")
    files = [text(tmp_path / name, "new") for name in ("new/file", "one", "two")]

    with pytest.raises(SettingError, match=r"one, .*two are there already"), laid(files, umask=0):
        pytest.fail("nothing is in place")

    assert "mine" == (tmp_path / "one").read_text(encoding="utf-8")
    assert {"one", "two"} == {path.name for path in tmp_path.iterdir()}


def test_a_name_that_is_taken_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    """Somebody was quicker: all of ours goes again, and theirs stays."""

    def quicker(held: Path) -> None:
        held.write_text("ours", encoding="utf-8")
        (tmp_path / "b").write_text("theirs", encoding="utf-8")

    files = [text(tmp_path / "a", "ours"), NewFile(path=tmp_path / "b", fill=quicker)]

    with pytest.raises(SettingError, match="b is in the way"), laid(files, umask=0):
        pytest.fail("nothing is in place")

    assert ["theirs"] == [path.read_text(encoding="utf-8") for path in tmp_path.iterdir()]


def _full(_held: Path) -> None:
    raise OSError(28, "No space left on device")


def _below_a_file(held: Path) -> None:
    (held / "x").write_text("", encoding="utf-8")


@pytest.mark.parametrize("fill", [_full, _below_a_file])
def test_a_file_that_cannot_be_written_takes_the_others_with_it(
    tmp_path: Path, fill: Callable[[Path], None]
) -> None:
    """Not even a folder is left."""
    files = [
        text(tmp_path / "new" / "a", "ours"),
        NewFile(path=tmp_path / "new" / "deep" / "b", fill=fill),
    ]

    with pytest.raises(ReconcilerError, match=r"written: .*b cannot be made"), laid(files, umask=0):
        pytest.fail("nothing is in place")

    assert [] == [*tmp_path.iterdir()]


def test_what_fails_afterwards_takes_all_of_it_away(tmp_path: Path) -> None:
    """But for a folder that somebody has put something into meanwhile."""
    files = [text(tmp_path / name, "ours") for name in ("new/a", "shared/b")]

    def interrupted() -> None:
        with laid(files, umask=0):
            assert all(file.path.is_file() for file in files)
            (tmp_path / "shared" / "theirs").write_text("", encoding="utf-8")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert {"shared", "shared/theirs"} == found


def test_names_that_are_free_are_fine(tmp_path: Path) -> None:
    """Nothing is made by asking."""
    free([tmp_path / "a", tmp_path / "b" / "c"])

    assert [] == [*tmp_path.iterdir()]
