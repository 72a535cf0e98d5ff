"""Gaps that are used again, and what makes them be measured anew."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from contact_tables import (
    AS_OF,
    DESIRED,
    RELEASES,
    WINDOW_END,
    Contact,
    at,
    observe,
    release,
    rows,
    store,
    wanted,
)
from reconciler.contacts import compare
from reconciler.contacts.engine import Engine
from reconciler.gaps import Question
from reconciler.model import Gap


def question(engine: Engine, folder: Path, *, soon: int | None = None) -> Question:
    """A gap of every kind; ``soon`` is an end on the service."""
    cache = folder / "cache"
    cache.mkdir(exist_ok=True)
    seen = [
        Contact(email="b@example.com", reason="BOUNCE"),
        Contact(email="c@example.com", until=soon),
        Contact(email="d@example.com", phone="+15551234567"),
        Contact(phone="call me"),
    ]
    desired = [wanted("a@example.com"), wanted("b@example.com", at(400)), wanted("e@example.com")]
    return Question(
        engine=engine,
        desired=store(cache / "desired.parquet", desired, DESIRED),
        observed=observe(engine, cache, seen),
        releases=store(cache / "releases.parquet", [release("d@example.com")], RELEASES),
        ways=(False, True, ""),
        as_of=AS_OF,
        window_end=WINDOW_END,
        cache=cache,
    )


def measured(asked: Question, into: Path) -> Gap:
    """The gap as the engine measures it."""
    return compare.compare(
        asked.engine,
        desired=asked.desired,
        observed=asked.observed,
        releases=asked.releases,
        as_of=asked.as_of,
        window_end=asked.window_end,
        exclusive=False,
        recode=True,
        release_basis="",
        into=into,
    )


def remembered(engine: Engine, folder: Path, *, soon: int | None = None) -> tuple[Question, Gap]:
    """A gap that was measured and kept."""
    asked = question(engine, folder, soon=soon)
    gap = measured(asked, folder / "gap.parquet")
    asked.remember(gap)
    return asked, gap


def test_a_gap_is_what_measuring_would_come_to(engine: Engine, tmp_path: Path) -> None:
    """Counts, digests, samples and rows, at the path of the run that asks."""
    asked, gap = remembered(engine, tmp_path)
    into = tmp_path / "again.parquet"

    known = asked.recall(into)

    assert measured(asked, into) == known
    assert rows(gap.rows) == rows(known.rows) if known else False


@pytest.mark.parametrize(
    ("later", "known"),
    [
        (timedelta(), True),
        (timedelta(days=30) - timedelta(minutes=11), True),
        (timedelta(days=30) - timedelta(minutes=10), False),
        (timedelta(days=31), False),
        (timedelta(seconds=-1), False),
    ],
)
def test_a_gap_is_forgotten_when_somebody_s_end_comes_near(
    engine: Engine, tmp_path: Path, later: timedelta, *, known: bool
) -> None:
    """Until then nobody lapses, and nobody is about to; for an earlier time it was not measured."""
    asked, _ = remembered(engine, tmp_path, soon=at(30))
    moved = replace(asked, as_of=AS_OF + later, window_end=WINDOW_END + later)

    found = moved.recall(tmp_path / "again.parquet")

    assert known is (found is not None)


def test_a_gap_is_not_kept_where_somebody_is_about_to_end(engine: Engine, tmp_path: Path) -> None:
    """It would be wrong in minutes."""
    asked, _ = remembered(engine, tmp_path, soon=at(0) + 60)

    assert asked.recall(tmp_path / "again.parquet") is None


@pytest.mark.parametrize("field", ["desired", "observed", "releases", "ways"])
def test_of_other_tables_nothing_is_known(engine: Engine, tmp_path: Path, field: str) -> None:
    """Nor where ownership is another one."""
    asked, _ = remembered(engine, tmp_path)
    other: Any = (True, True, "")
    if field != "ways":
        held = getattr(asked, field)
        other = replace(held, path=held.path.with_name("other.parquet"), digest="other")

    found = replace(asked, **{field: other}).recall(tmp_path / "again.parquet")

    assert found is None


@pytest.mark.parametrize("fault", ["rows", "note", "nonsense"])
def test_what_is_damaged_is_forgotten(engine: Engine, tmp_path: Path, fault: str) -> None:
    """The rows, or what is said of them."""
    asked, _ = remembered(engine, tmp_path)
    (note,) = asked.cache.glob("gap-*.json")
    match fault:
        case "rows":
            path = note.with_suffix(".parquet")
            data = path.read_bytes()
            path.unlink()
            path.write_bytes(data[:-1] + b"?")
        case "note":
            note.write_bytes(note.read_bytes()[:-3])
        case _:
            note.write_bytes(orjson.dumps([1]))

    assert asked.recall(tmp_path / "again.parquet") is None
