"""``kill -9`` anywhere: the next run completes it, and nobody is lost between the two."""

import random
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from killing import Killer, Point, campaign, copied, family, furnish, hearing, killer, sample
from surviving import EVERYBODY, Whole, disturbed, finished, held, losses, whole

from program import Workplace

PARTS = 4
SHARE = 4
"""Of the points that stand for the others, one in so many; the complete campaign has them all."""
_APPROVED = ("apply", "plan.json")


@pytest.fixture(scope="module", name="warm")
def _warm() -> Iterator[Killer]:
    """Keep one warm process for all runs of this file."""
    with killer() as warm:
        yield warm


@pytest.fixture(scope="module")
def known(warm: Killer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    """Return a world, and what an undisturbed run makes of it."""
    folder = tmp_path_factory.mktemp("killed") / "template"
    folder.mkdir()
    with hearing() as crm:
        yield whole(warm, furnish(folder, hook=crm.url), crm)


@pytest.mark.parametrize("part", range(PARTS))
def test_a_run_that_is_killed_is_completed_by_the_next(
    warm: Killer, known: Whole, tmp_path: Path, part: int
) -> None:
    """At a step of every kind, and after every write of contacts whose answer was not seen."""
    points = sample(known.points)[part :: PARTS * SHARE]

    wrong = [
        one
        for point in points
        for one in disturbed(warm, known, point, folder=tmp_path / str(point.number))
    ]

    assert points
    assert [] == wrong


@pytest.mark.scale
def test_a_run_may_be_killed_anywhere(warm: Killer, known: Whole, tmp_path: Path) -> None:
    """Before, in the middle of and after every request and every step of writing a file."""
    wrong = campaign(tmp_path, [partial(disturbed, warm, known, point) for point in known.points])

    assert [] == wrong


@pytest.mark.scale
def test_the_run_that_heals_may_be_killed_too(warm: Killer, known: Whole, tmp_path: Path) -> None:
    """Somewhere of its own; the third completes what both have left."""
    dice = random.Random(9)  # noqa: S311 - the same pairs every time
    pairs = [(point, dice.choice(known.points)) for point in dice.sample(known.points, 60)]

    wrong = campaign(tmp_path, [partial(disturbed, warm, known, *pair) for pair in pairs])

    assert [] == wrong


@pytest.mark.scale
def test_lists_that_are_done_side_by_side_may_be_killed_too(
    warm: Killer, known: Whole, tmp_path: Path
) -> None:
    """With several requests under way at once; which, is another matter each time."""
    points = known.points[::9]

    wrong = campaign(
        tmp_path, [partial(disturbed, warm, known, point, side_by_side=True) for point in points]
    )

    assert [] == wrong


# ---------------------------------------------------------------- two deaths, and an approval


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("answer", "POST /api/v2/lists"), ("answer", "POST /api/v2/lists/*/contacts")),
        (("os.link", False, "ledger", False), ("write", True, "ledger", False)),
    ],
    ids=["at the service", "at the ledger"],
)
def test_a_run_that_heals_and_is_killed_is_healed_too(
    warm: Killer,
    known: Whole,
    tmp_path: Path,
    first: tuple[object, ...],
    second: tuple[object, ...],
) -> None:
    """The third run completes what two have left, and both stand in the ledger."""
    last = {family(point): point for point in known.points}
    early = {family(point): point for point in reversed(known.points)}

    wrong = disturbed(warm, known, last[first], early[second], folder=tmp_path / "work")

    assert [] == wrong


@pytest.fixture(scope="module")
def approved(
    warm: Killer, known: Whole, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Workplace, list[Point]]:
    """Return a world with a saved plan, and the writes that carry it out, in their order."""
    folder = tmp_path_factory.mktemp("approved")
    template = copied(known.template, folder / "template")
    work = copied(template, folder / "whole")
    for each in (template, work):
        assert 0 == warm.run(each, "plan", "--out", "plan.json").ran.code
    points = warm.run(work, *_APPROVED).points
    return template, [
        point
        for point in points
        if point.kind == "answer" and re.match(r"(POST|PATCH) /api/v2/", point.what)
    ]


@pytest.mark.parametrize("at", [5, 7, -1])
def test_an_approved_plan_that_was_killed_is_finished_by_safer_and_by_a_new_one(
    warm: Killer,
    known: Whole,
    approved: tuple[Workplace, list[Point]],
    tmp_path: Path,
    at: int,
) -> None:
    """Its suppressions need no new approval; what is left of its releases does."""
    template, writes = approved
    work = copied(template, tmp_path / "work")
    killed = warm.run(work, *_APPROVED, at=writes[at].number)
    lost = losses(known.before, held(work))

    again = warm.run(work, *_APPROVED).ran
    safer = warm.run(work, *_APPROVED, "--accept-safer").ran
    missing = EVERYBODY - held(work).keys()
    renewed = warm.run(work, "plan", "--out", "new.json").ran
    last = warm.run(work, "apply", "new.json").ran

    assert killed.killed
    assert [] == lost
    assert 5 == again.code
    assert safer.code in {0, 4}, safer
    assert not missing
    assert 0 == renewed.code
    assert [] == finished(known, work, last)
