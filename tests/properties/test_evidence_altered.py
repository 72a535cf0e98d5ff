"""Whatever is done to one file of the evidence, verifying names that very file."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines import KEY
from reconciler import ledger
from reconciler.contacts.engine import fingerprint
from reconciler.store import DirectoryStore
from reconciler.verifying import verify
from worlds import running

KEYS: Mapping[str, bytes] = {fingerprint(KEY): KEY}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the state of a few runs, one of which let somebody go."""
    state = tmp_path_factory.mktemp("evidence")
    for number in range(3):
        with running(folder=state) as run:
            run.write("plan.json", {"number": number})
            run.write("receipt.json", {"run": run.id})
            (run.tables("us-dnc") / "gap.parquet").write_bytes(b"rows of %d" % number)
            if number == 1:
                ledger.releasing(run, ["x"])
                ledger.released(run, ["x"])
            ledger.append(run, outcome="done", exit_code=0, lists={"us-dnc": "1"})
    return state


def files(state: Path) -> list[str]:
    """Return every file of the evidence."""
    found = (path for folder in ("ledger", "runs") for path in (state / folder).rglob("*"))
    return ["head.json", *sorted(str(path.relative_to(state)) for path in found if path.is_file())]


def named(state: Path) -> set[str]:
    """Return the files that verifying finds fault with."""
    return {one.file for one in verify(DirectoryStore(state), state, keys=KEYS).findings}


def test_what_nobody_touched_is_whole(world: Path) -> None:
    """Every file of it."""
    found = verify(DirectoryStore(world), world, keys=KEYS)

    assert ((), 5, 3, 12) == (found.findings, found.lines, found.runs, found.artifacts)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_one_altered_file_is_named_and_no_other(world: Path, data: st.DataObject) -> None:
    """A byte flipped, the end cut off, the whole of it gone."""
    with TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        shutil.copytree(world, state)
        name = data.draw(st.sampled_from(files(state)))
        held = (state / name).read_bytes()
        way = data.draw(st.sampled_from(["flip", "cut", "delete"]))
        at = data.draw(st.integers(0, len(held) - 1))

        if way == "delete":
            (state / name).unlink()
        elif way == "cut":
            (state / name).write_bytes(held[:at])
        else:
            other = data.draw(st.integers(1, 255))
            (state / name).write_bytes(held[:at] + bytes([held[at] ^ other]) + held[at + 1 :])

        assert {name} == named(state)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("kind", ["ledger/", "runs/"])
def test_two_files_with_each_others_content_are_named(
    world: Path, kind: str, data: st.DataObject
) -> None:
    """Reordered lines, and artifacts of another run."""
    with TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        shutil.copytree(world, state)
        one, two = data.draw(st.permutations([name for name in files(state) if kind in name]))[:2]
        first, second = (state / one).read_bytes(), (state / two).read_bytes()
        (state / one).write_bytes(second)
        (state / two).write_bytes(first)

        assert {one, two} == named(state)


@pytest.mark.parametrize(
    "name", ["ledger/notes.txt", "runs/{run}/more.json", "runs/{run}/.more", "runs/new/run.json"]
)
def test_a_file_that_was_added_is_named(world: Path, tmp_path: Path, name: str) -> None:
    """In the ledger, beside a run's own files, or as a run that never was."""
    state = tmp_path / "state"
    shutil.copytree(world, state)
    path = state / name.format(run=min((state / "runs").iterdir()).name)
    path.parent.mkdir(exist_ok=True)

    path.write_bytes(b"{}")

    added = path.parent if path.parent.name == "new" else path
    assert {str(added.relative_to(state))} == named(state)


@pytest.mark.parametrize("count", [1, 2, 4, 5])
@pytest.mark.parametrize("head", [True, False])
def test_lines_taken_from_the_end_are_missed(
    world: Path, tmp_path: Path, count: int, *, head: bool
) -> None:
    """With the witness there, each by its name; without it, the witness itself or the runs."""
    state = tmp_path / "state"
    shutil.copytree(world, state)
    gone = sorted((state / "ledger").iterdir())[-count:]
    for path in gone:
        path.unlink()
    if not head:
        (state / "head.json").unlink()

    found = named(state)

    expected = {f"ledger/{path.name}" for path in gone} if head else {"head.json"}
    assert expected <= found or (count == 5 and any(one.startswith("runs/") for one in found))
