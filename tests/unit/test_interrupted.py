"""Runs that ended without a word are named; those that live and those that ended are not."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent
from typing import Any

import orjson
import pytest

from builders import NOW
from reconciler import artifacts, interrupted, ledger, locks
from reconciler import remains as remaining
from reconciler.artifacts import Run
from reconciler.journal import Journal
from reconciler.store import DirectoryStore
from worlds import running

DEAD = "20261123T090000Z-0a0b0c"
ASKED = {"list": "us-dnc", "action": "Suppress", "op": "suppress", "batch": 1, "first": 0}
TAKEN = {"taken": True, "errors": 0, "unnamed": 0, "version": '"2"'}

LIVES = dedent(
    """
    import sys
    from pathlib import Path
    from reconciler import locks

    with locks.alive(Path(sys.argv[1]), sys.argv[2]):
        print("alive", flush=True)
        sys.stdin.readline()
    """
)


@contextmanager
def living(state: Path, run: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A process in which a run lives until it is killed."""
    words = [sys.executable, "-c", LIVES, str(state / "locks"), run]
    with subprocess.Popen(  # noqa: S603 - our own interpreter
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert b"alive\n" == process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def looking(state: Path) -> Iterator[tuple[Run, list[str]]]:
    """A run that lives, and what it was told."""
    told: list[str] = []
    with running(folder=state) as run, locks.alive(state / "locks", run.id):
        yield replace(run, tell=told.append), told


def left_behind(state: Path) -> Run:
    """A run without a last line, as one leaves it that is killed."""
    with running(folder=state) as run:
        shutil.rmtree(run.folder)
        dead = replace(run, id=DEAD, command="apply")
        artifacts.start(dead, root=state)
        return dead


def settled(state: Path) -> list[str]:
    """Settle as the next run does; returns what it was told."""
    with looking(state) as (run, told):
        interrupted.settle(run)
    return told


def lines(state: Path) -> list[Any]:
    """What the ledger says of the dead run."""
    held = [orjson.loads(path.read_bytes()) for path in sorted((state / "ledger").glob("*.json"))]
    return [line for line in held if line["run"] == DEAD]


def remains(state: Path) -> Any:
    """What was found of the dead run."""
    return orjson.loads((state / "runs" / DEAD / "interrupted.json").read_bytes())


def test_a_run_that_was_killed_is_named_in_the_ledger_and_to_whoever_watches(
    tmp_path: Path,
) -> None:
    """With the digests of what it left, and without an exit code, since it had none."""
    left_behind(tmp_path)

    told = settled(tmp_path)

    (line,) = lines(tmp_path)
    assert [f"run {DEAD} (apply) was interrupted: it had changed nothing"] == told
    assert ("interrupted", None, "apply") == (line["outcome"], line["exit_code"], line["command"])
    assert ["interrupted.json", "run.json"] == [*line["artifacts"]]


def test_it_is_named_once(tmp_path: Path) -> None:
    """The run after the next has nothing to say about it."""
    left_behind(tmp_path)
    settled(tmp_path)

    again = settled(tmp_path)

    assert [] == [text for text in again if DEAD in text]
    assert 1 == len(lines(tmp_path))


def test_what_the_journal_knows_is_counted_by_list_and_op(tmp_path: Path) -> None:
    """Taken, refused by name or alone, and in doubt for want of an answer."""
    dead = left_behind(tmp_path)
    with Journal(dead.folder / "journal.jsonl") as journal:
        journal.outcome(journal.intent({**ASKED, "rows": 100}), TAKEN)
        journal.outcome(journal.intent({**ASKED, "rows": 50}), {**TAKEN, "errors": 3})
        unnamed = {**TAKEN, "taken": False, "unnamed": 1}
        journal.outcome(journal.intent({**ASKED, "rows": 2}), unnamed)
        journal.outcome(journal.intent({**ASKED, "rows": 1}), unnamed)
        journal.outcome(journal.intent({**ASKED, "rows": 1}), TAKEN)
        journal.outcome(journal.intent({**ASKED, "rows": 7}), {"error": "ServiceError"})
        journal.intent({**ASKED, "op": "amend", "rows": 9})

    told = settled(tmp_path)

    assert {
        "us-dnc": {
            "suppress": {"taken": 148, "rejected": 4, "in_doubt": 7},
            "amend": {"taken": 0, "rejected": 0, "in_doubt": 9},
        }
    } == remains(tmp_path)["lists"]
    assert told[0].endswith("was interrupted: us-dnc: 148 suppress, 0 amend, 16 in doubt")


def test_settings_are_told_and_a_list_that_was_made_is_known(tmp_path: Path) -> None:
    """Or the next run would make it again."""
    dead = left_behind(tmp_path)
    with Journal(dead.folder / "journal.jsonl") as journal:
        made = journal.intent({"list": "us-dnc", "action": "CreateList"})
        journal.outcome(made, {"id": "7f3e2c", "version": '"1"'})
        journal.intent({"list": "us-dnc", "action": "UpdateList", "fields": ["name"]})

    told = settled(tmp_path)

    assert {"us-dnc": "7f3e2c"} == ledger.past(DirectoryStore(tmp_path)).known
    assert {
        "us-dnc": [
            {"action": "CreateList", "done": True},
            {"action": "UpdateList", "done": False},
        ]
    } == remains(tmp_path)["settings"]
    assert told[0].endswith("us-dnc: CreateList, a setting in doubt")


def test_lists_it_had_seen_are_known(tmp_path: Path) -> None:
    """One that is gone by the next run is not made behind everybody's back."""
    dead = left_behind(tmp_path)
    dead.write("observed.json", {"lists": [{"key": "us", "id": "1"}, {"key": "eu", "id": None}]})

    settled(tmp_path)

    assert {"us": "1"} == ledger.past(DirectoryStore(tmp_path)).known


def test_a_run_that_lives_is_let_be(tmp_path: Path) -> None:
    """Also its files that are not whole yet; once it is killed it is named."""
    dead = left_behind(tmp_path)
    draft = dead.folder / ".plan.json.0a1b2c3d"
    elsewhere = tmp_path / ".gitignore.0a1b2c3d"
    for path in (draft, elsewhere):
        path.write_bytes(b"half")

    with living(tmp_path, DEAD) as process:
        while_alive = settled(tmp_path)
        kept = draft.exists() and elsewhere.exists()
        process.kill()
        process.wait()
    told = settled(tmp_path)

    assert [] == [text for text in while_alive if DEAD in text]
    assert kept
    assert 1 == len([text for text in told if DEAD in text])
    assert not draft.exists()


def test_files_that_never_became_whole_are_removed(tmp_path: Path) -> None:
    """They may hold addresses; nothing else with a dot before its name is touched."""
    dead = left_behind(tmp_path)
    folders = (tmp_path, tmp_path / "ledger", tmp_path / "cache", dead.tables("us-dnc"))
    drafts = [artifacts.private(folder) / ".gap.parquet.0a1b2c3d" for folder in folders]
    theirs = tmp_path / ".gitkeep"
    for path in (*drafts, theirs):
        path.write_bytes(b"half")

    settled(tmp_path)

    assert [] == [path for path in drafts if path.exists()]
    assert theirs.exists()
    assert (tmp_path / ".gitignore").exists()


def test_a_folder_without_a_beginning_is_removed(tmp_path: Path) -> None:
    """The run that made it was killed before it could do anything."""
    folder = artifacts.private(tmp_path / "runs" / DEAD)
    (folder / ".run.json.0a1b2c3d").write_bytes(b"half")

    told = settled(tmp_path)

    assert not folder.exists()
    assert ([], []) == (told, lines(tmp_path))


@pytest.mark.parametrize("content", [b"", b"[]", b'{"started": 5}', b'{"run'])
def test_a_damaged_beginning_stops_nobody(tmp_path: Path, content: bytes) -> None:
    """What it was is lost; that it was is told."""
    dead = left_behind(tmp_path)
    (dead.folder / "run.json").write_bytes(content)

    told = settled(tmp_path)

    assert [f"run {DEAD} (unknown) was interrupted: it had changed nothing"] == told
    assert ["interrupted"] == [line["outcome"] for line in lines(tmp_path)]


def test_a_run_that_lost_its_beginning_is_named_by_what_is_left(tmp_path: Path) -> None:
    """Its journal counts all the same; one that cannot be read is as none."""
    dead = left_behind(tmp_path)
    with Journal(dead.folder / "journal.jsonl") as journal:
        journal.outcome(journal.intent({**ASKED, "rows": 100}), TAKEN)
    (dead.folder / "run.json").unlink()

    told = settled(tmp_path)

    assert [f"run {DEAD} (unknown) was interrupted: us-dnc: 100 suppress"] == told


def test_a_journal_that_cannot_be_read_stops_nobody(tmp_path: Path) -> None:
    """The run is named without it."""
    dead = left_behind(tmp_path)
    (dead.folder / "journal.jsonl").mkdir()

    told = settled(tmp_path)

    assert [f"run {DEAD} (apply) was interrupted: it had changed nothing"] == told


def test_whoever_names_it_may_be_interrupted_too(tmp_path: Path) -> None:
    """The one after finds the remains written and adds the line."""
    dead = left_behind(tmp_path)
    dead.write("interrupted.json", {"found": NOW})

    settled(tmp_path)

    assert ["interrupted"] == [line["outcome"] for line in lines(tmp_path)]


def test_a_run_with_a_line_under_way_only_is_interrupted(tmp_path: Path) -> None:
    """Releases stand in the ledger before the run has ended."""
    dead = left_behind(tmp_path)
    ledger.releasing(dead, ["key"])
    ledger.released(dead, ["key"])

    settled(tmp_path)

    assert ["releasing", "released", "interrupted"] == [line["outcome"] for line in lines(tmp_path)]


def test_the_ends_of_lists_it_did_not_touch_are_known(tmp_path: Path) -> None:
    """Those of which it tried to change a setting may be anything by now."""
    end = "2027-01-01T00:00:00Z"
    lists = [
        {"key": "us", "id": "1", "settings": {"suppress_until": end}},
        {"key": "eu", "id": "2", "settings": {"suppress_until": None}},
        {"key": "asia", "id": "3", "settings": None},
    ]
    (tmp_path / "observed.json").write_bytes(orjson.dumps({"lists": lists}))

    made = remaining.remains(tmp_path)
    made.settings["eu"] = [{"action": "UpdateList", "done": False}]

    assert {"us": datetime(2027, 1, 1, tzinfo=UTC)} == made.list_ends
