"""The run folder: written once, whole, for its owner alone; and how nouns become JSON."""

import getpass
import os
import stat
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from threading import Event
from types import MappingProxyType
from typing import Any

import orjson
import pytest

from builders import LATER, NOW, place, table
from reconciler import __version__, artifacts
from reconciler.artifacts import Run, dumps, plain, private, replace, write_once
from reconciler.contacts.engine import Engine
from reconciler.errors import EvidenceError
from reconciler.locks import FileLocks
from reconciler.metrics import Meter
from reconciler.model import (
    UNMANAGED,
    Amend,
    Change,
    CreateList,
    Op,
    Overrides,
    Release,
    Settings,
    Shorten,
    Suppress,
    UpdateList,
)
from reconciler.store import DirectoryStore, NameTakenError

CI = (
    "GITHUB_ACTOR",
    "GITLAB_USER_LOGIN",
    "GITHUB_SHA",
    "CI_COMMIT_SHA",
    "RECONCILER_CI_RUN",
    "CI_JOB_URL",
)


@pytest.fixture(autouse=True)
def _outside_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide what the CI that runs these tests says of itself."""
    for name in CI:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def open_umask() -> Iterator[None]:
    """Give new files every right the system lets them have."""
    before = os.umask(0)
    yield
    os.umask(before)


def started(state: Path, root: Path) -> Run:
    """A run as ``artifacts`` opens it; its engine stays closed."""
    run = Run(
        id=artifacts.new_id(NOW),
        command="plan",
        state=state,
        store=DirectoryStore(state),
        locks=FileLocks(folder=state / "locks", run="test"),
        started=NOW,
        engine=Engine(key=b"k" * 32, spill=state / "spill"),
        meter=Meter(),
        clock=lambda: NOW,
        stop=Event(),
        tell=lambda _: None,
        progress=lambda *_: None,
    )
    artifacts.start(run, root=root)
    return run


def said(run: Run) -> Any:
    """What ``run.json`` says."""
    return orjson.loads((run.folder / "run.json").read_bytes())


def modes(folder: Path) -> tuple[set[int], set[int]]:
    """The rights of all folders and of all files below one, itself included."""
    paths = [folder, *folder.rglob("*")]
    return (
        {stat.S_IMODE(path.stat().st_mode) for path in paths if path.is_dir()},
        {stat.S_IMODE(path.stat().st_mode) for path in paths if path.is_file()},
    )


def test_a_run_says_what_it_is(tmp_path: Path) -> None:
    """Its name sorts by time; versions, who, where and when."""
    run = started(tmp_path / "state", tmp_path)

    assert run.id.startswith("20261123T101500Z-")
    assert tmp_path / "state" / "runs" / run.id == run.folder
    assert tmp_path / "state" / "cache" == run.cache
    held = said(run)
    assert (run.id, "plan", "2026-11-23T10:15:00Z", __version__) == (
        held["run"],
        held["command"],
        held["started"],
        held["reconciler"],
    )
    assert (getpass.getuser(), None, None) == (held["actor"], held["commit"], held["ci_run"])


def test_two_runs_of_one_second_are_two(tmp_path: Path) -> None:
    """Neither writes into the other's folder."""
    first, second = started(tmp_path, tmp_path), started(tmp_path, tmp_path)

    assert first.id != second.id


def test_in_ci_the_run_says_whose_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What CI says wins over what the machine says."""
    monkeypatch.setenv("GITHUB_ACTOR", "")
    monkeypatch.setenv("GITLAB_USER_LOGIN", "ada")
    monkeypatch.setenv("CI_COMMIT_SHA", "c0ffee")
    monkeypatch.setenv("CI_JOB_URL", "https://ci.example/1")

    held = said(started(tmp_path / "state", tmp_path))

    expected = ("ada", "c0ffee", "https://ci.example/1")
    assert expected == (held["actor"], held["commit"], held["ci_run"])


def test_the_commit_is_that_of_the_specs(tmp_path: Path) -> None:
    """None where there is no commit yet, or no repository."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    (tmp_path / "specs").mkdir()
    subprocess.run([*git, "init", "--quiet"], check=True)  # noqa: S603 - fixed words

    without = said(started(tmp_path / "state", tmp_path / "specs"))["commit"]
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "x"], check=True)  # noqa: S603 - likewise
    commit = said(started(tmp_path / "state", tmp_path / "specs"))["commit"]

    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)  # noqa: S603 - likewise
    assert without is None
    assert head.stdout.strip() == commit


def test_a_machine_without_git_and_users_can_run_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a container neither has to be there."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 4_000_000_000)

    held = said(started(tmp_path / "state", tmp_path))

    assert (None, None) == (held["actor"], held["commit"])


@pytest.mark.usefixtures("open_umask")
def test_everything_a_run_writes_is_its_owners_alone(tmp_path: Path) -> None:
    """Folders 0700, files 0600, whatever the umask."""
    run = started(tmp_path / "made" / "state", tmp_path)

    run.write("plan.json", {"a": 1})
    (run.tables("us-dnc") / "gap.parquet").touch(mode=0o600)

    assert ({0o700}, {0o600}) == modes(tmp_path / "made")


@pytest.mark.usefixtures("open_umask")
def test_a_folder_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    """The user's own folders are not closed to others behind their back."""
    (tmp_path / "mine").mkdir(mode=0o755)

    made = private(tmp_path / "mine" / "a" / "b")

    assert made == private(made)
    assert 0o755 == stat.S_IMODE((tmp_path / "mine").stat().st_mode)
    assert ({0o700}, set()) == modes(tmp_path / "mine" / "a")


def test_folders_made_together_are_all_there(tmp_path: Path) -> None:
    """Threads that make the same folder do not trip over each other."""
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(private, [tmp_path / "a" / "b" / "c"] * 32))

    assert {tmp_path / "a" / "b" / "c"} == made


@pytest.mark.parametrize("below", ["file", "file/folder", "file/folder/deep"])
def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, below: str) -> None:
    """With the flag that chooses another."""
    (tmp_path / "file").touch()

    with pytest.raises(EvidenceError, match="cannot be written") as caught:
        private(tmp_path / below)

    assert "--state-dir" in caught.value.hint


def test_a_file_is_written_once(tmp_path: Path) -> None:
    """What stands there stays, and no draft is left."""
    path = write_once(tmp_path / "a.json", b"first")

    with pytest.raises(NameTakenError, match=r"a\.json is there already"):
        write_once(path, b"second")

    assert b"first" == path.read_bytes()
    assert [path] == [*tmp_path.iterdir()]
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)


def test_one_of_many_writers_has_the_name(tmp_path: Path) -> None:
    """And its content is whole."""
    contents = [bytes([number]) * 10_000 for number in range(16)]

    def attempt(content: bytes) -> bytes | None:
        try:
            write_once(tmp_path / "a", content)
        except NameTakenError:
            return None
        return content

    with ThreadPoolExecutor(8) as pool:
        won = [content for content in pool.map(attempt, contents) if content]

    assert won == [(tmp_path / "a").read_bytes()]
    assert 1 == len([*tmp_path.iterdir()])


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """And nothing of it is left."""
    with pytest.raises(EvidenceError, match="cannot be written: No such file"):
        write_once(tmp_path / "nowhere" / "a", b"x")
    with pytest.raises(EvidenceError, match="cannot be written"):
        write_once(tmp_path / ("a" * 300), b"x")

    assert [] == [*tmp_path.iterdir()]


def test_a_users_own_file_is_replaced_whole(tmp_path: Path) -> None:
    """With the rights files usually have: it is made to be handed on."""
    path = tmp_path / "plan.json"

    replace(path, b"first")
    replace(path, b"second")

    assert b"second" == path.read_bytes()
    assert [path] == [*tmp_path.iterdir()]
    with pytest.raises(EvidenceError, match="cannot be written"):
        replace(tmp_path / "nowhere" / "plan.json", b"x")
    with pytest.raises(EvidenceError, match="cannot be written"):
        replace(tmp_path, b"x")


def test_what_is_no_plain_file_is_written_to(tmp_path: Path) -> None:
    """A device is not replaced by a file of its name, a link leads where it led."""
    (tmp_path / "link").symlink_to(tmp_path / "plan.json")

    replace(Path(os.devnull), b"x")
    replace(tmp_path / "link", b"plan")

    assert not Path(os.devnull).is_file()
    assert b"plan" == (tmp_path / "plan.json").read_bytes()
    assert (tmp_path / "link").is_symlink()


def test_a_pipe_that_nobody_reads_is_not_waited_for(tmp_path: Path) -> None:
    """It would hold the run up for ever."""
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(EvidenceError, match="cannot be written"):
        replace(tmp_path / "pipe", b"x")


@dataclass(frozen=True, slots=True, kw_only=True)
class Noun:
    """Any of ours."""

    name: str
    rows: object


BERLIN = timezone(timedelta(hours=1))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (0.5, 0.5),
        ("text", "text"),
        (Op.RELEASE, "release"),
        (UNMANAGED, "unmanaged"),
        (NOW, "2026-11-23T10:15:00Z"),
        (datetime(2026, 11, 23, 11, 15, tzinfo=BERLIN), "2026-11-23T10:15:00Z"),
        (datetime(33, 4, 3, tzinfo=UTC), "0033-04-03T00:00:00Z"),
        (timedelta(days=14), 1_209_600.0),
        (Decimal("0.010"), "0.010"),
        (Path("specs/a.yaml"), "specs/a.yaml"),
        ((1, (NOW,)), [1, ["2026-11-23T10:15:00Z"]]),
        (frozenset({"a"}), ["a"]),
        (MappingProxyType({Op.AMEND: (Decimal(1),)}), {"amend": ["1"]}),
        ({1: 2}, {"1": 2}),
        (place(), {"path": "specs/us-dnc.yaml", "line": 4, "column": 3}),
        (Noun(name="x", rows=[Path("y")]), {"name": "x", "rows": ["y"]}),
        (table(3, "d", Op.AMEND), {"rows": 3, "digest": "d", "op": "amend"}),
        (
            Settings(name="US"),
            {
                "name": "US",
                "description": "unmanaged",
                "suppress_until": "unmanaged",
                "scrubbed_skills": "unmanaged",
                "contributing_skills": "unmanaged",
            },
        ),
    ],
    ids=repr,
)
def test_values_become_plain_json(value: object, expected: object) -> None:
    """Times in UTC, tables without their path, numbers that must be exact as text."""
    assert expected == plain(value)
    assert expected == orjson.loads(dumps(value))


@pytest.mark.parametrize(
    "odd", ["\x9b2J", "\x7f", "\u202egnp.exe", "\ufeff", "\U000e0041", "\x1b["]
)
def test_what_moves_a_cursor_or_turns_text_round_is_escaped_in_json(odd: str) -> None:
    """A document is printed on terminals; a program reads the same text from it."""
    held = dumps({"old": odd, "plain": "Büro\n1"})

    assert odd[0] not in held.decode()
    assert "Büro" in held.decode()
    assert {"old": odd, "plain": "Büro\n1"} == orjson.loads(held)


ROWS = table(1, "d", "op")
HELD = {"rows": 1, "digest": "d", "op": "op"}


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (Suppress(rows=ROWS), {"kind": "Suppress", "rows": HELD}),
        (Amend(rows=ROWS), {"kind": "Amend", "rows": HELD}),
        (Shorten(rows=ROWS), {"kind": "Shorten", "rows": HELD}),
        (Release(rows=ROWS), {"kind": "Release", "rows": HELD}),
        (
            UpdateList(changes=(Change(field="name", old=None, new="US"),)),
            {"kind": "UpdateList", "changes": [{"field": "name", "old": None, "new": "US"}]},
        ),
        (
            CreateList(settings=Settings(name="US", description=None, suppress_until=LATER)),
            {
                "kind": "CreateList",
                "settings": {
                    "name": "US",
                    "description": None,
                    "suppress_until": "2027-11-23T00:00:00Z",
                    "scrubbed_skills": "unmanaged",
                    "contributing_skills": "unmanaged",
                },
            },
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_action_says_which_it_is(action: object, expected: object) -> None:
    """Two actions with the same rows are not the same."""
    assert expected == plain(action)


def test_json_is_written_for_people_and_for_diffs() -> None:
    """Indented, in the order of the nouns, ending in a line feed."""
    expected = b'{\n  "max_releases": 7,\n  "max_suppressions": null,\n'

    text = dumps(Overrides(max_releases=7))

    assert text.startswith(expected)
    assert text.endswith(b"}\n")


def test_a_run_writes_bytes_as_they_are_and_values_as_json(tmp_path: Path) -> None:
    """Each under a name of its own, once."""
    run = started(tmp_path, tmp_path)

    report = run.write("report.md", b"# Run\n")
    values = run.write("values.json", {"a": Decimal(1)})

    assert (b"# Run\n", b'{\n  "a": "1"\n}\n') == (report.read_bytes(), values.read_bytes())
    with pytest.raises(NameTakenError):
        run.write("report.md", b"again")
