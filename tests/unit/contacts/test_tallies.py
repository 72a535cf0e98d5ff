from pathlib import Path

from contact_tables import Contact, at, measure, release, wanted
from reconciler.contacts.engine import Engine
from reconciler.model import Op


def test_the_largest_sources_are_named_and_the_rest_is_summed_up(
    engine: Engine, tmp_path: Path
) -> None:
    """A list of a thousand small files does not fill a page, and loses nobody."""
    desired = [
        wanted(f"{number}@example.com") | {"source": f"{file:02}.csv"}
        for number, file in enumerate([0] * 3 + [1] * 2 + list(range(2, 20)))
    ]

    gap = measure(engine, tmp_path, desired=desired)

    told = [(one.value, one.contacts) for one in gap.tallies if one.by == "source"]
    assert [("00.csv", 3), ("01.csv", 2), ("02.csv", 1)] == told[:3]
    assert (("", 8), 13) == (told[-1], len(told))


def test_a_contact_without_a_reason_is_told_as_one(engine: Engine, tmp_path: Path) -> None:
    """It is no reason to leave it out."""
    held = [Contact(email="a@example.com", reason=None), Contact(email="b@example.com")]

    gap = measure(engine, tmp_path, observed=held)

    told = [(one.op, one.value, one.contacts) for one in gap.tallies]
    assert [(Op.SURPLUS, "(none)", 1), (Op.SURPLUS, "DNC", 1)] == told


def test_a_ground_names_its_basis_and_its_place_once(engine: Engine, tmp_path: Path) -> None:
    """One release of somebody who stands there in two spellings lets one person go."""
    held = [Contact(email="a@example.com"), Contact(email="A@example.com")]

    gap = measure(engine, tmp_path, observed=held, releases=[release("a@example.com")])

    told = [(one.op, one.basis, one.source, one.line, one.contacts) for one in gap.grounds]
    assert [(Op.RELEASE, "written re-consent", "specs/us-dnc.yaml", 9, 1)] == told


def test_ends_more_than_a_year_ahead_are_told_together(engine: Engine, tmp_path: Path) -> None:
    """A time line of a year has its days; what lies behind it is one number."""
    held = [
        Contact(phone=f"+1555010010{number}", until=until)
        for number, until in enumerate([at(1), at(1), at(300), at(400), None, at(-1)])
    ]

    gap = measure(engine, tmp_path, observed=held)

    assert {"2026-11-24": 2, "2027-09-19": 1} == dict(gap.ends.days)
    assert (1, 1, 5) == (gap.ends.later, gap.ends.endless, gap.size)
