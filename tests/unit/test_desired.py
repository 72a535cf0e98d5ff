"""All lists of a spec become tables, or all their problems are told at once."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from builders import NOW, list_spec, tenant
from contact_files import csv_file, inline, source, table_rows
from reconciler import desired
from reconciler.contacts.engine import Engine
from reconciler.errors import SpecError
from reconciler.model import (
    Defaults,
    Desired,
    ListSpec,
    Place,
    Policy,
    ReleaseSpec,
    Settings,
    Spec,
)
from reconciler.times import zulu

ASKED = NOW - timedelta(days=3)


def listed(name: str, **changes: Any) -> ListSpec:
    """A list with a default reason."""
    return replace(list_spec(name), defaults=Defaults(reason="DNC", region="US"), **changes)


def release(line: int, email: str) -> ReleaseSpec:
    """A release of three days ago."""
    return ReleaseSpec(
        place=Place(path="specs/us-dnc.yaml", line=line),
        email=email,
        phone=None,
        basis="re-consent",
        ticket="LEGAL-1",
        requested_by="privacy",
        requested_at=ASKED,
    )


def compiled(
    engine: Engine,
    folder: Path,
    *lists: ListSpec,
    spent: tuple[str, ...] = (),
    days: int = 14,
    now: datetime | None = None,
) -> Desired:
    """Compile lists of one spec."""
    spec = Spec(
        root=folder / "specs",
        tenants={"acme": tenant()},
        lists=lists,
        policy=Policy(release_within=timedelta(days=days)),
    )
    return desired.compile(
        spec,
        engine=engine,
        as_of=NOW,
        now=now,
        spent=spent,
        into=folder / "cache",
        invalid_into=lambda name: folder / "run" / name / "invalid.csv",
    )


def test_every_list_has_its_tables_in_order(engine: Engine, tmp_path: Path) -> None:
    """Contacts, releases, counts, feeds and the tenant, each list its own."""
    folder = tmp_path / "specs"
    folder.mkdir()
    path = csv_file(folder, "b@example.com,,,,", "b@example.com,,,,")
    first = listed(
        "a", contacts=(inline(email="a@example.com"),), releases=(release(7, "x@x.com"),)
    )
    second = listed("b", sources=(source(path),))

    made = compiled(engine, tmp_path, first, second)

    one, two = made.lists
    assert ("a", "b", tenant()) == (one.spec.name, two.spec.name, one.tenant)
    assert [["a@example.com"], ["b@example.com"]] == [
        [row["address"] for row in table_rows(each.table)] for each in made.lists
    ]
    assert [1, 0] == [each.releases.rows for each in made.lists]
    assert ("specs/a.csv",) == two.feeds[0].files
    assert 1 == two.counts.merged
    assert two.samples["merged"]


def test_spent_releases_are_left_out_by_key_and_by_policy(engine: Engine, tmp_path: Path) -> None:
    """Their places are told."""
    key = engine.pseudonym(f"a|x@x.com|{int(ASKED.timestamp())}")
    spec = listed("a", releases=(release(7, "x@x.com"), release(8, "y@x.com")))

    one = compiled(engine, tmp_path, spec, spent=(key,)).lists[0]
    none = compiled(engine, tmp_path, spec, days=3).lists[0]

    assert (1, [7]) == (one.releases.rows, [place.line for place in one.spent_releases])
    assert (0, [7, 8]) == (none.releases.rows, [place.line for place in none.spent_releases])


def test_releases_run_out_by_the_clock_and_contacts_lapse_at_the_as_of(
    engine: Engine, tmp_path: Path
) -> None:
    """A plan applied later lets nobody go whose release has run out since."""
    lapsing = inline(email="a@example.com", suppress_until=zulu(NOW + timedelta(days=1)))
    spec = listed("a", contacts=(lapsing,), releases=(release(7, "x@x.com"),))

    made = [
        compiled(engine, tmp_path, spec, now=now).lists[0]
        for now in (None, ASKED + timedelta(days=14, seconds=-1), ASKED + timedelta(days=14))
    ]

    assert [1, 1, 0] == [one.releases.rows for one in made]
    assert [0, 0, 0] == [one.counts.lapsed for one in made]


def test_warnings_stay_with_their_list(engine: Engine, tmp_path: Path) -> None:
    """They never fail a run."""
    naive = inline(email="a@example.com", suppress_until="2027-01-01T00:00")

    made = compiled(engine, tmp_path, listed("a", contacts=(naive,)), listed("b"))

    assert [["SPEC-118"], []] == [[each.code for each in one.warnings] for one in made.lists]


def test_problems_of_all_lists_are_told_at_once(engine: Engine, tmp_path: Path) -> None:
    """In the order of their places, warnings among them, each list's invalid rows in its file."""
    ended = replace(listed("a"), settings=Settings(suppress_until=NOW))
    naive = inline(4, email="nobody", requested_at="2026-01-01T00:00")
    broken = listed("b", contacts=(naive,), releases=(release(9, "nobody"),))

    with pytest.raises(SpecError, match="4 problems") as caught:
        compiled(engine, tmp_path, ended, broken)

    assert ["SPEC-116", "SPEC-118", "SPEC-119", "SPEC-108", "SPEC-121"] == [
        problem.code for problem in caught.value.problems
    ]
    assert ["b"] == [path.name for path in (tmp_path / "run").iterdir()]
