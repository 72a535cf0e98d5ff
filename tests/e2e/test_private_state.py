"""What a run leaves behind is its owner's alone, whatever rights files get by default."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from program import Workplace, workplace
from reconciler.commands import frame, main

LIST = "create: true\n  list: {name: US Do Not Call}"


@pytest.fixture(params=[0o000, 0o077, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """Have the user's files get these rights less."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.fixture
def work(tmp_path: Path) -> Workplace:
    """Return a folder to work in."""
    return workplace(tmp_path)


def declare(work: Workplace) -> None:
    """Declare a list with a contact in the spec, and one that is no contact in a file."""
    before = os.umask(0o022)
    work.embed()
    rows = "email\nann@example.com\nno address\n"
    work.write("c.csv", rows)
    more = "  sources: [{path: c.csv}]\n  invalid: quarantine\n  maxInvalid: 90%\n"
    work.declare("email: bob@example.com", identity=LIST, more=more)
    os.umask(before)


def modes(state: Path) -> dict[str, set[str]]:
    """Return the rights that folders and files below a folder have, itself included."""
    found: dict[str, set[str]] = {"folders": set(), "files": set()}
    for path in (state, *state.rglob("*")):
        kind = "folders" if path.is_dir() else "files"
        found[kind].add(oct(stat.S_IMODE(path.lstat().st_mode)))
    return found


PRIVATE = {"folders": {"0o700"}, "files": {"0o600"}}


def test_a_whole_run_is_private_whatever_the_umask(work: Workplace, umask: int) -> None:
    """Key, locks, ledger, journal, tables, database, what DuckDB writes; the plan is the user's."""
    declare(work)

    codes = [
        work.call("validate").code,
        work.call("plan", "--out", "plan.json").code,
        work.call("apply", "--auto-approve").code,
        work.call("drift").code,
    ]

    assert [0, 0, 0, 0] == codes
    assert PRIVATE == modes(work.state)
    names = {path.name for path in work.state.rglob("*")}
    assert {"pseudonym.key", "sandbox.db", "journal.jsonl", "us-dnc.lock", "invalid"} <= names
    assert 0o666 & ~umask == stat.S_IMODE((work.folder / "plan.json").lstat().st_mode)


def test_a_process_of_its_own_is_private_too(work: Workplace) -> None:
    """As a user has it, where everybody may do everything by default."""
    declare(work)

    applied = work.run("apply", "--auto-approve", umask=0)

    assert 0 == applied.code
    assert PRIVATE == modes(work.state)


def test_what_a_crash_leaves_is_private(tmp_path: Path, umask: int) -> None:
    """Also the folders above it, of which none was there."""

    @click.command("go")
    @frame.global_options
    def go() -> None:
        raise ValueError("odd")

    code = main(["go", "--state-dir", str(tmp_path / "a" / "b")], group=click.Group(commands=[go]))

    assert 1 == code
    assert umask == os.umask(umask)
    assert PRIVATE == modes(tmp_path / "a")


def test_a_state_that_was_open_is_closed_and_that_is_said(work: Workplace) -> None:
    """Whatever stands in a folder that nobody else may enter is safe again."""
    declare(work)
    work.call("apply", "--auto-approve")
    for path in (work.state, *work.state.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)

    first = work.call("drift")
    second = work.call("drift")

    assert f"others could look into {work.state} until now; it is closed to them" in first.err
    assert "others" not in second.err
    assert 0o700 == stat.S_IMODE(work.state.stat().st_mode)
    assert all(
        not stat.S_IMODE(path.stat().st_mode) & 0o077
        for path in work.state.iterdir()
        if path.name != ".gitignore"
    )


def test_a_folder_that_is_not_ours_keeps_its_rights(work: Workplace) -> None:
    """It may be one that others need; what is ours in it is closed all the same."""
    declare(work)
    shared = work.folder / "shared"
    shared.mkdir()
    shared.chmod(0o755)
    (shared / "theirs").touch()
    (shared / "theirs").chmod(0o644)

    ended = work.call("apply", "--auto-approve", "--state-dir", "shared")

    assert 0 == ended.code
    assert f"others may see which files are in {shared}; chmod 700 closes it" in ended.err
    assert 0o755 == stat.S_IMODE(shared.stat().st_mode)
    assert 0o644 == stat.S_IMODE((shared / "theirs").stat().st_mode)
    ours = [path for path in shared.iterdir() if path.name != "theirs"]
    assert all(not stat.S_IMODE(path.stat().st_mode) & 0o077 for path in ours)
