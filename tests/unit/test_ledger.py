"""Evidence across runs: a chain that grows by whole files, also where runs end together."""

import hashlib
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any

import orjson
import pytest

from builders import NOW
from reconciler import ledger
from reconciler.artifacts import plain
from reconciler.errors import EvidenceError
from reconciler.model import Overrides
from reconciler.store import DirectoryStore
from worlds import running

WRITER = dedent(
    """
    import sys, threading, time
    from datetime import UTC, datetime
    from pathlib import Path
    from types import SimpleNamespace
    from reconciler import ledger
    from reconciler.locks import FileLocks
    from reconciler.store import DirectoryStore
    from reconciler.artifacts import Run

    state, name = Path(sys.argv[1]), sys.argv[2]
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(int(sys.argv[3])):
        run = Run(
            id=f"{name}-{number}", command="test", state=state,
            store=DirectoryStore(state),
            locks=FileLocks(folder=state / "locks", run="test"), started=datetime.now(UTC),
            engine=SimpleNamespace(fingerprint="0123"), meter=None,
            clock=lambda: datetime.now(UTC), stop=threading.Event(), tell=print, progress=print,
        )
        ledger.append(run, outcome="done", exit_code=0, spent=[run.id])
    """
)


def files(state: Path) -> list[Path]:
    """The ledger's files in the order of their numbers."""
    return sorted((state / "ledger").iterdir())


def read(path: Path) -> Any:
    """What a ledger file says."""
    return orjson.loads(path.read_bytes())


def test_a_run_is_told_with_the_digest_of_each_of_its_artifacts(tmp_path: Path) -> None:
    """Those in folders of their own, too."""
    with running(folder=tmp_path) as run:
        run.write("receipt.json", {"a": 1})
        run.write("specs.json", {"policy": {"max_suppressions": 7}})
        told = read(run.folder / "run.json")
        (run.tables("us-dnc") / "gap.parquet").write_bytes(b"rows")

        number = ledger.append(
            run,
            outcome="partly",
            exit_code=6,
            lists={"us-dnc": "7f3e2c"},
            spent=["b", "a"],
            batch_reasons={"us-dnc": "sweep"},
            overrides=Overrides(max_releases=2, reason="approved by legal"),
            list_ends={"us-dnc": datetime(2027, 1, 1, tzinfo=UTC), "eu": None},
        )
        keyed = run.engine.pseudonym(hashlib.sha256(b"rows").hexdigest())

    (path,) = files(tmp_path)
    held = read(path)
    artifacts, digest, origin = (held.pop(name) for name in ("artifacts", "digest", "origin"))
    assert 1 == number
    assert "00000001.json" == path.name
    assert 0o600 == path.stat().st_mode & 0o777
    assert 0o700 == path.parent.stat().st_mode & 0o777
    assert {
        "number": 1,
        "previous": "0" * 64,
        "format": ledger.FORMAT,
        "run": run.id,
        "command": "test",
        "started": "2026-11-23T10:15:00Z",
        "finished": "2026-11-23T10:15:00Z",
        "outcome": "partly",
        "key": run.engine.fingerprint,
        "exit_code": 6,
        "lists": {"us-dnc": "7f3e2c"},
        "spent": ["a", "b"],
        "batch_reasons": {"us-dnc": "sweep"},
        "overrides": plain(Overrides(max_releases=2, reason="approved by legal")),
        "list_ends": {"us-dnc": "2027-01-01T00:00:00Z", "eu": None},
        "policy": {"max_suppressions": 7},
    } == held
    assert hashlib.sha256(ledger.canonical(read(path))).hexdigest() == digest
    assert {"run", "command", "started"} | origin.keys() == told.keys()
    names = ["receipt.json", "run.json", "specs.json", "tables/us-dnc/gap.parquet"]
    assert names == [*artifacts]
    assert keyed == artifacts["tables/us-dnc/gap.parquet"]


def test_each_file_names_the_digest_of_the_one_before(tmp_path: Path) -> None:
    """So none can be changed or taken out unseen."""
    numbers = []
    for code in (0, 4, 1):
        with running(folder=tmp_path) as run:
            numbers.append(ledger.append(run, outcome="x", exit_code=code))

    one, two, three = files(tmp_path)
    assert [1, 2, 3] == numbers
    assert [
        "0" * 64,
        hashlib.sha256(one.read_bytes()).hexdigest(),
        hashlib.sha256(two.read_bytes()).hexdigest(),
    ] == [read(path)["previous"] for path in (one, two, three)]


def test_runs_that_end_together_take_numbers_of_their_own(tmp_path: Path) -> None:
    """From several processes: no number twice, none left out, one unbroken chain."""
    writers = [
        subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", WRITER, str(tmp_path), name, "8"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for name in ("a", "b", "c")
    ]

    for writer in writers:
        assert writer.stdout
        writer.stdout.readline()
    for writer in writers:
        writer.communicate(b"go\n", timeout=30)

    paths = files(tmp_path)
    before = ["0" * 64, *(hashlib.sha256(path.read_bytes()).hexdigest() for path in paths)]
    assert [0, 0, 0] == [writer.returncode for writer in writers]
    assert [f"{number:08d}.json" for number in range(1, 25)] == [path.name for path in paths]
    assert before[:-1] == [read(path)["previous"] for path in paths]
    spent = ledger.past(DirectoryStore(tmp_path)).spent
    assert {f"{name}-{number}" for name in "abc" for number in range(8)} == spent


def test_a_release_is_told_as_soon_as_it_is_carried_out(tmp_path: Path) -> None:
    """The run that dies after it has still spent it; its own line comes later, if ever."""
    with running(folder=tmp_path) as run:
        first = ledger.released(run, ["b", "a"])
        spent = ledger.past(DirectoryStore(tmp_path)).spent
        second = ledger.append(run, outcome="done", exit_code=0, spent=["a", "b"])

    early, late = map(read, files(tmp_path))
    assert (1, 2) == (first, second)
    assert {"a", "b"} == spent == ledger.past(DirectoryStore(tmp_path)).spent
    assert (run.id, "released", ["a", "b"]) == (early["run"], early["outcome"], early["spent"])
    assert hashlib.sha256(files(tmp_path)[0].read_bytes()).hexdigest() == late["previous"]
    assert {} == ledger.past(DirectoryStore(tmp_path)).known


def test_a_release_about_to_be_sent_is_in_doubt_until_it_is_told_of(tmp_path: Path) -> None:
    """Ten minutes long the list tells what became of it; after that nothing does."""
    with running(folder=tmp_path) as run:
        ledger.releasing(run, {"done", "kept", "lost"})
        ledger.released(run, {"done"}, kept={"kept"})

    early = ledger.past(DirectoryStore(tmp_path)).doubted(NOW + timedelta(minutes=10, seconds=-1))
    late = ledger.past(DirectoryStore(tmp_path)).doubted(NOW + timedelta(minutes=10))
    assert (set(), {"lost"}) == (set(early), set(late))
    assert {"done"} == ledger.past(DirectoryStore(tmp_path)).spent


def test_a_doubt_ends_when_the_release_is_carried_out_after_all(tmp_path: Path) -> None:
    """By a later run; a new attempt begins a new doubt."""
    later = NOW + timedelta(days=1)
    with running(folder=tmp_path) as run:
        ledger.releasing(run, {"one", "two"})
    with running(folder=tmp_path) as run:
        ledger.released(run, {"one"})
    with running(folder=tmp_path, clock=lambda: later) as run:
        ledger.releasing(run, {"two"})

    assert frozenset() == ledger.past(DirectoryStore(tmp_path)).doubted(later)
    assert {"two"} == ledger.past(DirectoryStore(tmp_path)).doubted(later + timedelta(minutes=10))


def test_a_run_has_ended_with_its_last_line_only(tmp_path: Path) -> None:
    """What it wrote on its way is not the end of it."""
    with running(folder=tmp_path) as over:
        ledger.append(over, outcome="failed", exit_code=1)
    with running(folder=tmp_path) as under_way:
        ledger.releasing(under_way, {"key"})
        ledger.released(under_way, {"key"})

    assert {over.id} == ledger.past(DirectoryStore(tmp_path)).ended


def test_spent_releases_and_known_lists_are_told_from_all_runs(tmp_path: Path) -> None:
    """What was spent stays spent; a list is where it was seen last."""
    for lists, spent in (
        ({"us": "1", "eu": "2"}, ["x"]),
        ({}, []),
        ({"eu": "3"}, ["y", "x"]),
    ):
        with running(folder=tmp_path) as run:
            ledger.append(run, outcome="done", exit_code=0, lists=lists, spent=spent)

    assert {"x", "y"} == ledger.past(DirectoryStore(tmp_path)).spent
    assert {"us": "1", "eu": "3"} == ledger.past(DirectoryStore(tmp_path)).known


def test_the_last_run_that_applied_a_list_is_known(tmp_path: Path) -> None:
    """It has a receipt; and one under another key tells nothing of what it applied."""
    with running(folder=tmp_path) as run:
        key = run.engine.fingerprint
        run.write("receipt.json", {})
        ledger.append(run, outcome="partly", exit_code=6, lists={"us": "1", "eu": "2"})
        ledger.append(replace(run, id="planned"), outcome="done", exit_code=0, lists={"us": "1"})
    with running(folder=tmp_path) as later:
        later.write("receipt.json", {})
        ledger.append(later, outcome="done", exit_code=0, lists={"eu": "2"})

        assert {"us": run.id, "eu": later.id} == ledger.past(
            DirectoryStore(tmp_path), key=key
        ).applied
        assert {} == ledger.past(DirectoryStore(tmp_path), key="another").applied


def test_without_a_ledger_nothing_is_known(tmp_path: Path) -> None:
    """The first run of an installation, which is no reason for doubt."""
    assert ledger.Past() == ledger.past(DirectoryStore(tmp_path))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b"\xff",
        b"{}",
        b'{"spent":[]}',
        b'{"spent":null,"lists":{}}',
        b'{"spent":[],"lists":["us"]}',
        b'{"spent":[],"lists":3}',
    ],
)
def test_a_file_that_cannot_be_believed_leaves_a_doubt(tmp_path: Path, content: bytes) -> None:
    """It may say that a release was carried out; what the others say counts all the same."""
    for key in ("one", "two", "three"):
        with running(folder=tmp_path) as run:
            ledger.append(run, outcome="done", exit_code=0, spent=[key], lists={key: key})
    files(tmp_path)[1].write_bytes(content)

    past = ledger.past(DirectoryStore(tmp_path))

    assert f"the ledger file {files(tmp_path)[1]} cannot be believed" == past.doubt
    assert ["one", "three"] == sorted(past.spent) == [*past.known]


@pytest.mark.parametrize("gone", [0, 1])
def test_a_file_that_is_missing_leaves_a_doubt(tmp_path: Path, gone: int) -> None:
    """Each names the one before, so a gap shows."""
    for _ in range(3):
        with running(folder=tmp_path) as run:
            ledger.append(run, outcome="done", exit_code=0)
    files(tmp_path)[gone].unlink()

    doubt = ledger.past(DirectoryStore(tmp_path)).doubt

    assert f"the ledger file {files(tmp_path)[gone]} does not follow the one before it" == doubt


def test_a_file_that_was_altered_leaves_a_doubt(tmp_path: Path) -> None:
    """However well it reads."""
    for _ in range(2):
        with running(folder=tmp_path) as run:
            ledger.append(run, outcome="done", exit_code=0, spent=[run.id])
    first = files(tmp_path)[0]
    first.write_bytes(first.read_bytes().replace(b'"done"', b'"gone"'))

    past = ledger.past(DirectoryStore(tmp_path))

    assert past.doubt.endswith("00000002.json does not follow the one before it")
    assert 2 == len(past.spent)


@pytest.mark.parametrize(
    ("key", "since", "doubtful"),
    [
        ("another", NOW, True),
        ("another", None, True),
        ("another", NOW + timedelta(seconds=1), False),
        ("", NOW, False),
    ],
)
def test_releases_under_another_key_leave_a_doubt(
    tmp_path: Path, key: str, since: datetime | None, doubtful: bool
) -> None:
    """They cannot be known again, which matters for as long as they have not run out."""
    with running(folder=tmp_path) as run:
        ledger.append(run, outcome="done", exit_code=0)
        ledger.releasing(run, ["x"])
        mine = ledger.past(DirectoryStore(tmp_path), key=run.engine.fingerprint, since=NOW)

    other = ledger.past(DirectoryStore(tmp_path), key=key, since=since)

    assert ("", "", "") == (mine.doubt, mine.strange, other.doubt)
    assert "ledger file 2 was written under another pseudonym key" * doubtful == other.strange


def test_releases_under_our_own_key_leave_none_however_many_follow(tmp_path: Path) -> None:
    """Each file is held against the key in use, never against what an earlier one names."""
    with running(folder=tmp_path) as run:
        for release in ("x", "y"):
            ledger.releasing(run, [release])
            ledger.released(run, [release])
        ledger.append(run, outcome="done", exit_code=0, spent=["x", "y"])

    past = ledger.past(DirectoryStore(tmp_path), key=run.engine.fingerprint, since=NOW)

    assert ("", frozenset({"x", "y"})) == (past.doubt, past.spent)


def test_files_of_others_are_not_the_ledgers(tmp_path: Path) -> None:
    """Drafts of a process that died, copies, notes."""
    (tmp_path / "ledger").mkdir()
    for name in (".00000007.json.ab12", "9.json", "00000009.json~", "2026-11-23.json", "99notes"):
        (tmp_path / "ledger" / name).write_bytes(b"?")

    with running(folder=tmp_path) as run:
        number = ledger.append(run, outcome="done", exit_code=0, spent=["x"])

    assert 1 == number
    assert {"x"} == ledger.past(DirectoryStore(tmp_path)).spent


def test_a_corrupt_file_does_not_end_the_chain(tmp_path: Path) -> None:
    """The run that finds it is evidence too, and names the digest of what it found."""
    (tmp_path / "ledger").mkdir()
    (tmp_path / "ledger" / "00000001.json").write_bytes(b"{")

    with running(folder=tmp_path) as run:
        ledger.append(run, outcome="failed", exit_code=1)

    assert hashlib.sha256(b"{").hexdigest() == read(files(tmp_path)[1])["previous"]


def test_a_ledger_that_cannot_be_written_or_read_is_told(tmp_path: Path) -> None:
    """The run must not look as if it stood in it."""
    with running(folder=tmp_path) as run:
        (tmp_path / "ledger").write_bytes(b"")
        with pytest.raises(EvidenceError, match="ledger cannot be written"):
            ledger.append(run, outcome="done", exit_code=0)

        (tmp_path / "ledger").unlink()
        (tmp_path / "ledger" / "00000001.json").mkdir(parents=True)
        with pytest.raises(EvidenceError, match="no free number"):
            ledger.append(run, outcome="done", exit_code=0)


def test_a_ledger_whose_numbers_are_all_taken_is_told(tmp_path: Path) -> None:
    """A name that cannot be seen and cannot be had: after many tries it is an error, not a loop."""
    with running(folder=tmp_path) as run:
        (tmp_path / "ledger").mkdir()
        (tmp_path / "ledger" / "99999999.json").write_bytes(b"{}")
        (tmp_path / "ledger" / "100000000.json").write_bytes(b"{}")

        with pytest.raises(EvidenceError, match="no free number"):
            ledger.append(run, outcome="done", exit_code=0)


def test_a_run_without_artifacts_is_told_too(tmp_path: Path) -> None:
    """Its folder is gone; the ledger still says that it was."""
    with running(folder=tmp_path) as run:
        (run.folder / "run.json").unlink()
        run.folder.rmdir()

        ledger.append(run, outcome="failed", exit_code=1)

    assert {} == read(files(tmp_path)[0])["artifacts"]
    assert NOW == run.started
