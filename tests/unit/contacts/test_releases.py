"""Declared releases: which of them may still do something."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from builders import EARLIER, LATER, NOW, list_spec
from contact_files import table_rows
from reconciler.contacts.engine import Engine
from reconciler.contacts.releases import compile_releases
from reconciler.model import Defaults, Place, Problem, ReleaseSpec, Table
from reconciler.times import parse_time

WITHIN = timedelta(days=14)


def release(line: int = 20, *, days: int = 3, **changes: Any) -> ReleaseSpec:
    """A release that was asked for three days ago."""
    made = ReleaseSpec(
        place=Place(path="specs/us-dnc.yaml", line=line, column=7),
        email="user1@example.com",
        phone=None,
        basis="written re-consent",
        ticket="LEGAL-1",
        requested_by="privacy@example.com",
        requested_at=NOW - timedelta(days=days),
    )
    return replace(made, **changes)


def released(
    engine: Engine,
    folder: Path,
    *releases: ReleaseSpec,
    spent: tuple[str, ...] = (),
) -> tuple[Table, tuple[Place, ...], tuple[Problem, ...]]:
    """Compile releases of which none is in doubt."""
    table, done, doubtful, problems = compile_releases(
        engine,
        list_spec(releases=releases, defaults=Defaults(region="US")),
        as_of=NOW,
        release_within=WITHIN,
        spent=spent,
        into=folder / "cache",
    )
    assert () == doubtful
    return table, done, problems


def seconds(moment: datetime) -> int:
    """Return whole seconds since 1970."""
    return int(moment.timestamp())


def test_a_release_is_one_row_an_address(engine: Engine, tmp_path: Path) -> None:
    """With its ground, its place and a key that is its own under the installation's key."""
    asked = seconds(NOW) - 3 * 86_400
    shorten = release(30, email=None, phone="(555) 123-4567", suppress_until=LATER)

    table, spent, problems = released(engine, tmp_path, release(), shorten)

    facts = {
        "basis": "written re-consent",
        "ticket": "LEGAL-1",
        "requested_by": "privacy@example.com",
        "requested_at": asked,
        "source": "specs/us-dnc.yaml",
    }
    keys = {
        address: engine.pseudonym(f"us-dnc|{address}|{asked}")
        for address in ("+15551234567", "user1@example.com")
    }
    phone = {"address": "+15551234567", "channel": "phone", "until": seconds(LATER), "line": 30}
    email = {"address": "user1@example.com", "channel": "email", "until": None, "line": 20}
    assert [
        row | facts | {"release_key": keys[str(row["address"])]} for row in (phone, email)
    ] == table_rows(table)
    assert 2 == table.rows
    assert not spent
    assert not problems


def test_a_release_is_spent_once_done(engine: Engine, tmp_path: Path) -> None:
    """The ledger's key takes it out, and its place is told."""
    (row,) = table_rows(released(engine, tmp_path, release())[0])

    table, spent, _ = released(engine, tmp_path, release(), spent=(row["release_key"],))

    assert 0 == table.rows
    assert (release().place,) == spent


def test_other_words_do_not_revive_a_spent_release(engine: Engine, tmp_path: Path) -> None:
    """It is the same one as long as it is of the same address and was asked for at that time."""
    (row,) = table_rows(released(engine, tmp_path, release())[0])
    reworded = release(basis="consent, in writing", ticket="LEGAL-2", suppress_until=LATER)

    table, spent, _ = released(engine, tmp_path, reworded, spent=(row["release_key"],))

    assert (0, (reworded.place,)) == (table.rows, spent)


@pytest.mark.parametrize(
    ("asked", "alive"),
    [
        (parse_time(f"{NOW:%Y-%m-%d}"), True),
        (parse_time(f"{NOW:%Y-%m-%d}") + timedelta(seconds=1), False),
        (parse_time(f"{NOW + timedelta(days=1):%Y-%m-%d}"), False),
        (NOW + timedelta(days=365 * 30), False),
    ],
)
def test_a_release_asked_for_in_the_future_is_a_problem(
    engine: Engine, tmp_path: Path, *, asked: datetime, alive: bool
) -> None:
    """It would never run out; today is not the future, at any hour."""
    table, spent, problems = released(engine, tmp_path, release(), release(30, requested_at=asked))

    codes = [(problem.place.line, problem.code, problem.severity) for problem in problems]
    assert ([] if alive else [(30, "SPEC-123", "error")]) == codes
    assert [30 if alive else 20] == [row["line"] for row in table_rows(table)]
    assert ([20] if alive else []) == [place.line for place in spent]


@pytest.mark.parametrize(("days", "rows"), [(13, 1), (14, 0), (15, 0)])
def test_a_release_is_spent_by_time(
    engine: Engine, tmp_path: Path, *, days: int, rows: int
) -> None:
    """Whether it was done or not."""
    table, spent, _ = released(engine, tmp_path, release(days=days))

    assert rows == table.rows
    assert 1 - rows == len(spent)


def test_of_one_address_only_the_newest_release_counts(engine: Engine, tmp_path: Path) -> None:
    """An older one does nothing, and does not come back once the newest is spent."""
    older, newer = release(20, days=5), release(30, days=2, email="USER1@example.com")
    table, first, _ = released(engine, tmp_path, older, newer)
    (row,) = table_rows(table)

    after, second, _ = released(engine, tmp_path, older, newer, spent=(row["release_key"],))

    assert (30, (older.place,)) == (row["line"], first)
    assert (0, (older.place, newer.place)) == (after.rows, second)


def test_of_two_releases_as_new_the_one_that_releases_less_counts(
    engine: Engine, tmp_path: Path
) -> None:
    """A shortening before a release, and a later end before an earlier one."""
    asked = (
        release(20),
        release(21, suppress_until=EARLIER),
        release(22, suppress_until=LATER),
    )

    table, _, _ = released(engine, tmp_path, *asked)

    assert [seconds(LATER)] == [row["until"] for row in table_rows(table)]


def test_a_release_of_no_address_is_a_problem(engine: Engine, tmp_path: Path) -> None:
    """At its place; what it says is not told."""
    wrong = (release(20, email="user1"), release(30, email=None, phone="12"))

    table, _, problems = released(engine, tmp_path, *wrong)

    assert 0 == table.rows
    assert [
        "specs/us-dnc.yaml:20:7 SPEC-121 the release's identifier is not an email address",
        "specs/us-dnc.yaml:30:7 SPEC-121 the release's identifier is not a phone number",
    ] == [str(problem) for problem in problems]


def test_the_digest_is_of_who_and_until_when(engine: Engine, tmp_path: Path) -> None:
    """Not of the ground: two tables may share a digest and not a file."""
    first, _, _ = released(engine, tmp_path, release())
    second, _, _ = released(engine, tmp_path, release(ticket="LEGAL-2"))

    assert engine.pseudonym("user1@example.com||\n") == first.digest
    assert first.digest == second.digest
    assert first.path != second.path
