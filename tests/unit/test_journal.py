"""What was asked and what came of it, on disk before anything goes on."""

import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import dedent

import pytest

from builders import NOW
from reconciler.errors import EvidenceError
from reconciler.journal import Journal, replay, seal

PATIENCE = 20.0
FULL = dedent(
    """
    import resource, sys
    from pathlib import Path
    from reconciler.errors import EvidenceError
    from reconciler.journal import Journal

    most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, most))
    with Journal(Path(sys.argv[1])) as journal:
        written = 0
        try:
            while True:
                journal.intent({"of": written})
                written += 1
        except EvidenceError as error:
            print(error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        journal.intent({"of": "after"})
    print(written)
    """
)


def three(path: Path) -> Path:
    """A journal of an intent, its outcome, and an intent that nothing came of."""
    with Journal(path) as journal:
        number = journal.intent({"list": "us-dnc", "rows": 3})
        journal.outcome(number, {"taken": 3, "rate": 0.5, "version": '"2"'})
        journal.intent({"list": "us-dnc", "rows": 1})
    return path


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    """Each line with its number; an outcome names its intent."""
    path = three(tmp_path / "journal.jsonl")

    expected = [
        {"number": 1, "event": "intent", "list": "us-dnc", "rows": 3},
        {
            "number": 2,
            "event": "outcome",
            "intent": 1,
            "taken": 3,
            "rate": 0.5,
            "version": '"2"',
        },
        {"number": 3, "event": "intent", "list": "us-dnc", "rows": 1},
    ]
    assert expected == list(replay(path))
    assert 0o600 == path.stat().st_mode & 0o777


def test_a_line_is_on_disk_before_it_is_answered_for(tmp_path: Path) -> None:
    """Nothing waits in a buffer for the journal to be closed."""
    path = tmp_path / "journal.jsonl"

    with Journal(path) as journal:
        journal.intent({"rows": 1})

        assert 1 == len(list(replay(path)))


def test_a_torn_line_ends_the_replay(tmp_path: Path) -> None:
    """Wherever the file is cut, the whole lines before are read and nothing else."""
    whole = three(tmp_path / "journal.jsonl").read_bytes()
    torn = tmp_path / "torn.jsonl"

    for cut in range(len(whole)):
        torn.write_bytes(whole[:cut])

        assert whole[:cut].count(b"\n") == len(list(replay(torn)))


def test_an_altered_line_ends_the_replay(tmp_path: Path) -> None:
    """Whichever of its bytes is another."""
    first, second, third = three(tmp_path / "journal.jsonl").read_bytes().splitlines(keepends=True)
    altered = tmp_path / "altered.jsonl"

    for at in range(len(second)):
        other = second[:at] + bytes([second[at] ^ 1]) + second[at + 1 :]
        altered.write_bytes(first + other + third)

        assert 1 == len(list(replay(altered)))


@pytest.mark.parametrize(
    "line",
    [
        seal(b'{"number":9,"event":"intent"}'),
        seal(b'{"event":"intent"}'),
        seal(b"[2]"),
        seal(b"2"),
        b"\n",
        b"null\n",
        b"[]\n",
        b'"line"\n',
        b'{"line":{"number":2}}\n',
        b"\xff\n",
    ],
)
def test_a_line_that_was_never_written_ends_the_replay(line: bytes, tmp_path: Path) -> None:
    """One that is out of turn, too: the one before it is gone."""
    first, _, third = three(tmp_path / "journal.jsonl").read_bytes().splitlines(keepends=True)
    path = tmp_path / "odd.jsonl"

    path.write_bytes(first + line + third)

    assert [1] == [each["number"] for each in replay(path)]


def test_a_line_taken_out_ends_the_replay(tmp_path: Path) -> None:
    """Each line is whole, and one is missing."""
    first, _, third = three(tmp_path / "journal.jsonl").read_bytes().splitlines(keepends=True)
    path = tmp_path / "short.jsonl"

    path.write_bytes(first + third)

    assert [1] == [each["number"] for each in replay(path)]


def test_an_empty_journal_has_no_lines(tmp_path: Path) -> None:
    """An apply that asked for nothing leaves one."""
    with Journal(tmp_path / "journal.jsonl"):
        pass

    assert [] == list(replay(tmp_path / "journal.jsonl"))


def test_a_journal_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """It is not one in which nothing happened."""
    with pytest.raises(EvidenceError, match=r"journal\.jsonl cannot be read"):
        list(replay(tmp_path / "journal.jsonl"))


def test_a_journal_is_never_written_over(tmp_path: Path) -> None:
    """One run, one journal."""
    path = three(tmp_path / "journal.jsonl")

    with pytest.raises(EvidenceError, match="cannot be made: File exists"), Journal(path):
        pytest.fail("it was opened")

    assert 3 == len(list(replay(path)))


def test_a_journal_needs_its_folder(tmp_path: Path) -> None:
    """Whoever opens it has made the run's folder before."""
    with (
        pytest.raises(EvidenceError, match="cannot be made: No such file"),
        Journal(tmp_path / "nowhere" / "journal.jsonl"),
    ):
        pytest.fail("it was opened")


def test_a_full_disk_is_told_and_leaves_whole_lines(tmp_path: Path) -> None:
    """What could not be written may not be done; what is written afterwards can be read."""
    path = tmp_path / "journal.jsonl"

    ended = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=True
    )

    said, written = ended.stdout.splitlines()
    lines = list(replay(path))
    assert f"{path} cannot be written: File too large" == said
    assert [*range(int(written)), "after"] == [line["of"] for line in lines]
    assert path.read_bytes().count(b"\n") == len(lines) == int(written) + 1 > 3


def test_a_closed_journal_takes_nothing(tmp_path: Path) -> None:
    """A line that is lost without a word would be evidence of nothing."""
    with Journal(tmp_path / "journal.jsonl") as journal:
        pass

    with pytest.raises(EvidenceError, match="cannot be written"):
        journal.intent({})


def test_threads_share_a_journal(tmp_path: Path) -> None:
    """No line tears another, and each outcome finds its own intent."""
    path = tmp_path / "journal.jsonl"

    with Journal(path) as journal, ThreadPoolExecutor(8) as pool:

        def work(name: int) -> None:
            for _ in range(5):
                journal.outcome(journal.intent({"of": name}), {"of": name})

        list(pool.map(work, range(8)))

    lines = list(replay(path))
    intents = {line["number"]: line["of"] for line in lines if line["event"] == "intent"}
    assert [*range(1, 81)] == [line["number"] for line in lines]
    assert all(
        line["of"] == intents[line["intent"]] for line in lines if line["event"] == "outcome"
    )


class Disk:
    """A disk that brings lines to safety when it is let, as often as it is asked to."""

    def __init__(self, *, broken: bool = False) -> None:
        self.broken = broken
        self.asked = 0
        self.reached = threading.Event()
        self.let = threading.Event()

    def fsync(self, handle: int) -> None:
        """Wait to be let; the first time it may fail."""
        self.asked += 1
        self.reached.set()
        assert self.let.wait(PATIENCE)
        if self.broken and self.asked == 1:
            raise OSError(errno.EIO, "Input/output error")
        os.fsync(handle)


def test_threads_that_wait_share_one_trip_to_the_disk(tmp_path: Path) -> None:
    """Four lines are written while the first is brought to disk; one more trip is for them all."""
    path, disk = tmp_path / "journal.jsonl", Disk()

    with Journal(path, fsync=disk.fsync) as journal, ThreadPoolExecutor(5) as pool:
        made = [pool.submit(journal.intent, {"of": 0})]
        assert disk.reached.wait(PATIENCE)
        made += [pool.submit(journal.intent, {"of": name}) for name in range(1, 5)]
        _until(lambda: path.read_bytes().count(b"\n") == 5)
        answered_before = [each for each in made if each.done()]
        disk.let.set()
        numbers = [each.result() for each in made]

    assert [] == answered_before
    assert [1, 2, 3, 4, 5] == sorted(numbers)
    assert 2 == disk.asked


def test_what_cannot_be_brought_to_disk_is_told_to_all_who_wait(tmp_path: Path) -> None:
    """Their lines are taken back, and what is written afterwards can be read."""
    path, disk = tmp_path / "journal.jsonl", Disk(broken=True)

    with Journal(path, fsync=disk.fsync) as journal, ThreadPoolExecutor(3) as pool:
        made = [pool.submit(journal.intent, {"of": 0})]
        assert disk.reached.wait(PATIENCE)
        made += [pool.submit(journal.intent, {"of": name}) for name in (1, 2)]
        _until(lambda: path.read_bytes().count(b"\n") == 3)
        disk.let.set()
        errors = [str(each.exception()) for each in made]
        journal.intent({"of": "after"})

    assert f"{path} cannot be written: Input/output error" == errors[0]
    assert all(f"{path} cannot be written" in each for each in errors)
    assert [(1, "after")] == [(line["number"], line["of"]) for line in replay(path)]


def _until(seen: Callable[[], bool]) -> None:
    """Wait for what another thread is about to do."""
    for _ in range(int(PATIENCE * 1000)):
        if seen():
            return
        time.sleep(0.001)
    pytest.fail("it never came")


# ---------------------------------------------------------------- where others can read it


class Mirror:
    """Keeps pieces; fails while it is told to."""

    def __init__(self, folder: Path) -> None:
        (folder / "journal").mkdir()
        self.folder = folder
        self.fails = False

    def __call__(self, name: str, lines: bytes) -> None:
        """Keep a piece."""
        if self.fails:
            raise EvidenceError("the store cannot be written")
        with (self.folder / name).open("xb") as file:
            file.write(lines)

    @property
    def pieces(self) -> list[Path]:
        """All of them, in their order."""
        return sorted(self.folder.glob("journal/*"))

    @property
    def lines(self) -> int:
        """How many lines they hold."""
        return len(list(replay(*self.pieces)))


def test_others_hear_of_an_action_before_it_begins_and_of_every_answer(tmp_path: Path) -> None:
    """What was not mirrored of a list and an action was never begun."""
    mirror = Mirror(tmp_path)
    heard = []
    with Journal(tmp_path / "journal.jsonl", mirror=mirror) as journal:
        for facts in ({"op": "suppress"}, {"op": "suppress"}, {"op": "amend"}, {"list": "eu"}):
            number = journal.intent({"list": "us-dnc", **facts})
            heard.append(mirror.lines)
            journal.outcome(number, {"taken": True})
            heard.append(mirror.lines)

    assert [1, 2, 2, 4, 5, 6, 7, 8] == heard
    assert "00000001.jsonl" == mirror.pieces[0].name
    assert list(replay(tmp_path / "journal.jsonl")) == list(replay(*mirror.pieces))


def test_an_action_of_which_nobody_can_hear_is_not_begun(tmp_path: Path) -> None:
    """Whoever calls has not sent anything yet."""
    mirror = Mirror(tmp_path)
    mirror.fails = True
    with (
        Journal(tmp_path / "journal.jsonl", mirror=mirror) as journal,
        pytest.raises(EvidenceError, match="the store cannot be written"),
    ):
        journal.intent({"list": "us-dnc", "op": "suppress"})


def test_an_answer_of_which_nobody_could_hear_comes_with_the_next(tmp_path: Path) -> None:
    """It is on disk, and what it tells of is done."""
    mirror = Mirror(tmp_path)
    with Journal(tmp_path / "journal.jsonl", mirror=mirror) as journal:
        for fails in (True, False):
            number = journal.intent({"list": "us-dnc", "op": "suppress"})
            mirror.fails = fails
            journal.outcome(number, {"taken": True})

    assert [path.read_bytes().count(b"\n") for path in mirror.pieces] == [1, 3]
    assert 4 == mirror.lines


def test_threads_mirror_each_line_once(tmp_path: Path) -> None:
    """Pieces behind each other are the journal."""
    path, mirror = tmp_path / "journal.jsonl", Mirror(tmp_path)

    def batch(number: int) -> None:
        journal.outcome(journal.intent({"list": f"list-{number % 3}"}), {"taken": True})

    with Journal(path, mirror=mirror) as journal, ThreadPoolExecutor(8) as pool:
        list(pool.map(batch, range(40)))

    assert path.read_bytes() == b"".join(piece.read_bytes() for piece in mirror.pieces)


def test_a_line_says_when_it_was_written_by_the_clock_it_was_given(tmp_path: Path) -> None:
    """So that each row of a run that died has its time."""
    with Journal(tmp_path / "journal.jsonl", clock=lambda: NOW) as journal:
        journal.intent({"list": "us-dnc"})

    (line,) = replay(tmp_path / "journal.jsonl")
    assert "2026-11-23T10:15:00Z" == line["at"]
