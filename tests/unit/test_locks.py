"""One run a list: who holds it is told, and a dead holder holds nothing."""

import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any

import orjson
import pytest

from builders import NOW
from reconciler import locks
from reconciler.errors import EvidenceError, LockHeldError

OTHER = dedent(
    """
    import sys
    from datetime import UTC, datetime
    from pathlib import Path
    from reconciler import locks

    since = datetime(2026, 11, 23, tzinfo=UTC)
    with locks.held(
        Path(sys.argv[1]), "us-dnc", run="other", since=since, timeout=0, note=print
    ):
        print("held", flush=True)
        sys.stdin.readline()
    """
)


@contextmanager
def another(folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that holds the lock of us-dnc until it is written to, or killed."""
    with subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", OTHER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin
        assert process.stdout
        assert b"held\n" == process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def taken(folder: Path, key: str = "us-dnc", **changes: Any) -> list[str]:
    """Take the lock and let it go; returns what was noted."""
    notes: list[str] = []
    given: dict[str, Any] = {"run": "mine", "since": NOW, "timeout": 0, "note": notes.append}
    with locks.held(folder, key, **given | changes):
        pass
    return notes


def test_a_lock_says_who_holds_it_and_is_gone_afterwards(tmp_path: Path) -> None:
    """Readable by nobody else, in a folder of its own."""
    folder = tmp_path / "state" / "locks"

    with locks.held(folder, "us-dnc", run="mine", since=NOW, timeout=0, note=pytest.fail):
        sign = folder / "us-dnc.json"
        held = orjson.loads(sign.read_bytes())
        modes = {path.stat().st_mode & 0o777 for path in folder.iterdir()}

    assert ("mine", "2026-11-23T10:15:00Z") == (held["run"], held["since"])
    assert {0o600} == modes
    assert 0o700 == folder.stat().st_mode & 0o777
    assert not sign.exists()
    assert [] == taken(folder)


def test_a_lock_is_let_go_however_the_work_ends(tmp_path: Path) -> None:
    """The next run does not take over from anybody."""
    with (
        pytest.raises(KeyError),
        locks.held(tmp_path, "us-dnc", run="mine", since=NOW, timeout=0, note=pytest.fail),
    ):
        raise KeyError

    assert [] == taken(tmp_path)


def test_a_second_process_is_told_who_holds_it(tmp_path: Path) -> None:
    """Its run, process, host and since when; lists of another name are free."""
    with another(tmp_path) as process:
        with pytest.raises(LockHeldError) as caught:
            taken(tmp_path)
        assert [] == taken(tmp_path, "eu")

    told = str(caught.value)
    assert told.startswith(f"list us-dnc is locked by run other (pid {process.pid} on ")
    assert told.endswith(", since 2026-11-23T00:00:00Z)")
    assert "--lock-timeout" in caught.value.hint
    assert 5 == caught.value.exit_code


def test_whoever_waits_long_enough_gets_it(tmp_path: Path) -> None:
    """The other run lets go of it in the meantime; for whom it waits is told before."""
    with another(tmp_path) as process:
        assert process.stdin
        ends = threading.Timer(0.2, process.stdin.close)
        ends.start()

        told = taken(tmp_path, timeout=20)
        ends.join()

    who = f"list us-dnc is locked by run other (pid {process.pid} on "
    assert [f"waiting up to 20 s: {who}"] == [line[: len(who) + 20] for line in told]


def test_the_lock_of_a_killed_process_is_taken_over_with_a_note(tmp_path: Path) -> None:
    """The system lets go of it; the sign it left says whose it was."""
    with another(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()

    (note,) = taken(tmp_path)

    assert note.startswith(f"the lock of us-dnc is taken over from run other (pid {process.pid} on")
    assert note.endswith("which ended without releasing it")
    assert [] == taken(tmp_path)


@pytest.mark.parametrize("left", [b"", b"{", b"[]", b'{"run": "x"}', b"\xff", b"7"])
def test_a_sign_nobody_can_read_is_no_hindrance(tmp_path: Path, left: bytes) -> None:
    """It is for people only: the system's lock decides."""
    (tmp_path / "us-dnc.json").write_bytes(left)

    assert [] == taken(tmp_path)


def test_a_holder_without_a_sign_still_holds_it(tmp_path: Path) -> None:
    """Somebody took the sign away."""
    with another(tmp_path):
        (tmp_path / "us-dnc.json").unlink()

        with pytest.raises(LockHeldError, match="us-dnc is locked by another run"):
            taken(tmp_path)


def test_one_process_does_not_hold_a_list_twice(tmp_path: Path) -> None:
    """Two runs of one process are two runs."""
    with (
        locks.held(tmp_path, "us-dnc", run="first", since=NOW, timeout=0, note=pytest.fail),
        pytest.raises(LockHeldError, match="locked by run first"),
    ):
        taken(tmp_path)


@pytest.mark.parametrize("name", ["us-dnc.lock", "us-dnc.json"])
def test_a_lock_that_cannot_be_taken_is_told(tmp_path: Path, name: str) -> None:
    """A folder stands where the file should be; afterwards the lock is free."""
    (tmp_path / name).mkdir()

    with pytest.raises(EvidenceError, match=r"cannot be (taken|written)"):
        taken(tmp_path)

    (tmp_path / name).rmdir()
    assert [] == taken(tmp_path)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """With what to look at."""
    (tmp_path / "state").write_bytes(b"")

    with pytest.raises(EvidenceError, match="locks cannot be written"):
        taken(tmp_path / "state" / "locks")


@contextmanager
def few_files() -> Iterator[None]:
    """Let this process open no more files than a shell on a desktop does."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_as_many_lists_can_be_locked_as_there_are(tmp_path: Path) -> None:
    """Each lock is an open file, and a shell allows few: room is made for them."""
    with few_files(), ExitStack() as stack:
        locks.make_room(400)
        for key in map("list-{}".format, range(400)):
            stack.enter_context(
                locks.held(tmp_path, key, run="mine", since=NOW, timeout=0, note=lambda _: None)
            )

        assert 400 == len(list(tmp_path.glob("list-*.json")))
