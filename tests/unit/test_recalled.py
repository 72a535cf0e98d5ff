"""The evidence of many runs on one address: all of it, whatever the indexes are like."""

from pathlib import Path

import pytest

from past_runs import Past, wants
from reconciler import recalled
from reconciler.artifacts import RUNS
from reconciler.contacts.engine import Engine
from reconciler.recalled import Recalled, recall
from reconciler.store import DirectoryStore
from worlds import Contact, World, running

ADA, BOB, CYD = "ada@example.com", "bob@example.com", "cyd@example.com"


@pytest.fixture
def past(tmp_path: Path) -> Past:
    """Have a service with one contact, and no run yet."""
    return Past(state=tmp_path / "state", world=World(contacts=[Contact(email=CYD)]))


@pytest.fixture(autouse=True)
def _two_runs_fill_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recalled, "_FULL_RUNS", 2)


def runs(past: Past) -> None:
    """Let five runs want one more each time, the first two of them for good."""
    for count in range(1, 6):
        past.declare(*wants(ADA, BOB, *(f"more-{number}@example.com" for number in range(count))))
        past.apply()


def told(past: Past, address: str) -> Recalled:
    """Recall an address."""
    state = past.state
    with running(folder=state) as run:
        return recall(
            address,
            store=DirectoryStore(state),
            engine=run.engine,
            folder=state / "history",
            progress=lambda *_: None,
        )


def shape(found: Recalled) -> list[tuple[str, str]]:
    """Return what happened."""
    return [(one.op, one.status) for one in found.events.get("us-dnc", ())]


def indexes(past: Past) -> set[str]:
    """Return the indexes that are there."""
    return {path.name for path in (past.state / "history").glob("*.parquet")}


def test_everything_that_runs_did_or_found_is_there(past: Past) -> None:
    """From parts that are full and from the newest runs alike."""
    runs(past)

    ada, cyd, last, nobody = (
        told(past, each) for each in (ADA, CYD, "more-4@example.com", "nobody@example.com")
    )

    assert [("suppress", "done")] == shape(ada) == shape(last)
    assert [("found", "found")] == shape(cyd)
    assert [] == shape(nobody)
    assert {"us-dnc"} == {*ada.known}
    assert ((), ()) == (ada.missing, ada.unkeyed)
    assert 2 == len(indexes(past))


def test_an_index_is_made_once_and_again_where_it_is_not_as_it_was_made(past: Past) -> None:
    """Whatever happened to it, the answer is the same."""
    runs(past)
    before = told(past, ADA)
    made = sorted((past.state / "history").glob("*.parquet"))
    kept = {path: path.stat().st_mtime_ns for path in made}

    again = told(past, ADA)
    untouched = {path: path.stat().st_mtime_ns for path in made}
    made[0].write_bytes(b"not what it was")
    made[1].with_suffix(".sha256").unlink()
    after = told(past, ADA)

    assert kept == untouched
    assert before == again == after
    assert made == sorted((past.state / "history").glob("*.parquet"))


def test_rows_that_are_gone_are_told_and_their_index_with_them(past: Past) -> None:
    """What was pruned cannot be searched; nobody may believe that there was nothing."""
    runs(past)
    state = past.state
    told(past, ADA)
    before = indexes(past)
    oldest = min((state / RUNS).glob("*/changes.parquet"))
    oldest.unlink()

    found = told(past, CYD)

    assert (oldest.parent.name,) == found.missing
    assert [] == shape(found)
    assert not before & indexes(past)


def test_what_was_written_under_another_key_is_found_where_that_is_known(
    past: Past, tmp_path: Path
) -> None:
    """Else it is said that there are such runs."""
    runs(past)
    with running(folder=past.state) as run:
        former, name = run.engine._key, run.engine.fingerprint  # noqa: SLF001 - the world's own

    def search(*keys: bytes) -> Recalled:
        with Engine(key=b"a new key, as long", former=keys, spill=tmp_path / "spill") as engine:
            return recall(
                ADA,
                store=DirectoryStore(past.state),
                engine=engine,
                folder=past.state / "history",
                progress=lambda *_: None,
            )

    known, unknown = search(former), search()

    assert ([("suppress", "done")], ()) == (shape(known), known.unkeyed)
    assert ([], (name,)) == (shape(unknown), unknown.unkeyed)
