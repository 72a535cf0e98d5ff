"""Surplus as a contact file, down to the rows."""

import csv
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from contact_tables import AS_OF, UNREADABLE, Contact, at, measure, release, wanted
from reconciler.contacts.capture import Captured, capture
from reconciler.contacts.engine import Engine
from reconciler.errors import SettingError
from reconciler.times import zulu

A, B, P = "a@example.com", "b@example.com", "+12125550100"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Yield an open engine."""
    with Engine(key=b"key", spill=tmp_path / "spill") as opened:
        yield opened


def lines(path: Path) -> list[list[str]]:
    """Return the cells of a file, its head aside."""
    with path.open(encoding="utf-8", newline="") as file:
        return [*csv.reader(file)][1:]


def test_an_address_has_one_row_however_often_it_is_held(engine: Engine, tmp_path: Path) -> None:
    """With the latest end, and of equal ends the strongest reason."""
    held = [
        Contact(email=A, reason="BOUNCE", until=at(9)),
        Contact(email=A.title(), reason="DNC", until=at(9)),
        Contact(email=A.upper(), reason="COMPLIANCE", until=at(2)),
        Contact(email=B, phone=P, reason="UNSUBSCRIBE"),
    ]
    gap = measure(engine, tmp_path, observed=held)

    made = capture(engine, gap.rows, tmp_path / "surplus.csv")

    assert Captured(contacts=3, unreasoned=0, unreadable=0, declared=0) == made
    assert [
        ["", P, "UNSUBSCRIBE", "never"],
        [A, "", "DNC", zulu(AS_OF + timedelta(days=9))],
        [B, "", "UNSUBSCRIBE", "never"],
    ] == lines(tmp_path / "surplus.csv")


def test_only_what_is_surplus_is_captured(engine: Engine, tmp_path: Path) -> None:
    """Nobody who is wanted, to be let go by a release, lapsed, or not to be read."""
    held = [
        Contact(email=A, reason="BOUNCE"),
        Contact(email=B),
        Contact(phone=P, until=at(-1)),
        Contact(phone="+12125550101", until=UNREADABLE),
        Contact(phone="12"),
    ]
    gap = measure(engine, tmp_path, desired=[wanted(A)], observed=held, releases=[release(B)])

    made = capture(engine, gap.rows, tmp_path / "surplus.csv")

    assert Captured(contacts=0, unreasoned=0, unreadable=0, declared=1) == made
    assert not (tmp_path / "surplus.csv").exists()


def test_a_file_that_came_meanwhile_stays_as_it_is(engine: Engine, tmp_path: Path) -> None:
    """And nothing of ours is left beside it."""
    gap = measure(engine, tmp_path, observed=[Contact(email=A)])
    path = tmp_path / "out" / "surplus.csv"
    path.parent.mkdir()
    path.write_bytes(b"mine")

    with pytest.raises(SettingError, match="is there already"):
        capture(engine, gap.rows, path)

    assert [(path, b"mine")] == [(each, each.read_bytes()) for each in path.parent.iterdir()]


def test_a_folder_that_is_gone_is_told(engine: Engine, tmp_path: Path) -> None:
    """With what to do about it."""
    gap = measure(engine, tmp_path, observed=[Contact(email=A)])

    with pytest.raises(SettingError, match="cannot be written") as told:
        capture(engine, gap.rows, tmp_path / "gone" / "surplus.csv")

    assert told.value.hint.startswith("name a file in a folder that is there")
