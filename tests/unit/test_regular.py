"""Files that somebody else named: opened only if regular, never waited for."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from reconciler import regular


@contextmanager
def socket_at(path: Path) -> Iterator[None]:
    """Have a socket at a path."""
    with closing(socket.socket(socket.AF_UNIX)) as made:
        before = Path.cwd()
        os.chdir(path.parent)  # the name of a socket may not be long
        made.bind(path.name)
        os.chdir(before)
        yield


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda path: path.mkdir(), "a folder"),
        (os.mkfifo, "a named pipe"),
        (lambda path: path.symlink_to("/dev/zero"), "a device"),
        (lambda path: path.symlink_to("nowhere"), "a link that leads nowhere"),
        (lambda path: path.symlink_to(path.name), "a link that leads nowhere"),
    ],
)
def test_what_is_no_regular_file_is_named_and_not_opened(
    tmp_path: Path, make: Callable[[Path], object], kind: str
) -> None:
    """Nobody waits for a writer that may never come, nor reads a device without end."""
    path = tmp_path / "x.csv"
    make(path)

    told = regular.odd(path)

    assert kind == told
    with pytest.raises(OSError):  # noqa: PT011 - which of them depends on what is there
        regular.opened(path)


@pytest.mark.enable_socket
def test_a_socket_is_no_file(tmp_path: Path) -> None:
    """It is named where it can be seen, and not opened."""
    path = tmp_path / "x.csv"
    with socket_at(path):
        assert "a socket" == regular.odd(path)
        with pytest.raises(OSError, match="No such device"):
            regular.opened(path)


@pytest.mark.parametrize("make", [Path.touch, str])
def test_a_file_and_nothing_at_all_are_nothing_odd(
    tmp_path: Path, make: Callable[[Path], object]
) -> None:
    """Whether a file is there is for others to say."""
    path = tmp_path / "x.csv"
    make(path)

    assert not regular.odd(path)


def test_a_file_is_read_up_to_a_bound(tmp_path: Path) -> None:
    """One byte more is an error, not a part of the file."""
    path = tmp_path / "x"
    path.write_bytes(b"12345")

    assert b"12345" == regular.read(path, limit=5)
    with pytest.raises(OSError, match="larger than 4 bytes"):
        regular.read(path, limit=4)
