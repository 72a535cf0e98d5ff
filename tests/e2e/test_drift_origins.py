"""Drift as a user has it: who made it, what comes off by itself, which feeds are too old."""

import shutil
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from program import LIST, Workplace, now, workplace

ANN, BOB, CYD, DAN, EVE, FAY, GIL = (f"+12125550{number}" for number in range(101, 108))
NOTHING = {"pending": 0, "outside": 0, "unknown": 0}


@pytest.fixture
def work(tmp_path: Path) -> Workplace:
    """Return a folder whose list is empty at the service."""
    work = workplace(tmp_path)
    work.have()
    work.embed()
    return work


def declare(work: Workplace, *phones: str, more: str = "") -> None:
    """Want these."""
    work.declare(*(f'phoneNumber: "{phone}"' for phone in phones), more=more)


def applied(work: Workplace, *phones: str) -> None:
    """Declare and apply."""
    declare(work, *phones)
    assert 0 == work.call("apply", "--auto-approve").code


def told(work: Workplace, *words: str) -> Any:
    """Return what a report says of the one list."""
    ran = work.call("drift", "--format", "json", *words)
    (listed,) = ran.document["lists"]
    for way in ("missing", "differ", "surplus", "longer"):
        assert listed[way] == sum(listed["origins"][way].values())
    return listed


def origin(**parts: int) -> Mapping[str, int]:
    """Return an origin as JSON spells it."""
    return NOTHING | parts


def test_who_made_a_list_differ_is_told_by_direction(work: Workplace) -> None:
    """A stranger at the service, or an edit since the last apply; of settings too."""
    more = "  list: {{name: US Do Not Call, description: {}}}\n"
    ending = 'phoneNumber: "{}", suppressUntil: {}-01-01T00:00:00Z'
    kept = tuple(f'phoneNumber: "{phone}"' for phone in (ANN, CYD))
    gone = f'phoneNumber: "{BOB}"'
    first = (*kept, gone, f'phoneNumber: "{DAN}"', ending.format(GIL, 2099))
    work.declare(*first, more=more.format("As we say"))
    assert 0 == work.call("apply", "--auto-approve").code
    other = work.have((EVE, "DNC", None), (DAN, "BOUNCE", None), (GIL, "DNC", None))
    other.remove(LIST, ANN)
    other.set(LIST, "name", "Renamed by a stranger")
    outside = told(work)

    edited = (f'phoneNumber: "{DAN}", reason: COMPLIANCE', ending.format(GIL, 2098))
    work.declare(*kept, f'phoneNumber: "{FAY}"', *edited, more=more.format("As we say now"))
    both = told(work)
    text = work.run("drift")

    assert {
        "missing": origin(outside=1),
        "differ": origin(outside=2),
        "surplus": origin(outside=1),
        "longer": origin(outside=1),
    } == outside["origins"]
    assert {
        "missing": origin(pending=1, outside=1),
        "differ": origin(pending=2, outside=1),
        "surplus": origin(pending=1, outside=1),
        "longer": origin(pending=1),
    } == both["origins"]
    assert "critical" == both["severity"]
    assert "Drift: 2 missing (critical), 2 surplus, 3 differ." == text.last
    assert (
        "2 (critical): 1 pending (the spec changed, or the last apply left it undone), "
        "1 outside (the service changed)"
    ) in text.out
    assert "1 in end or reason, 2 settings (warning): 2 pending" in text.out
    assert [] == work.leaks()


def test_who_was_refused_is_pending(work: Workplace) -> None:
    """The service did not take them, so nobody else has taken them off."""
    declare(work, ANN, BOB)
    with work.service("reject:CARRIER_BLOCKED;ending=0102@POST contacts"):
        work.call("apply", "--auto-approve")
        work.have().remove(LIST, ANN)

        assert origin(pending=1, outside=1) == told(work)["origins"]["missing"]


def test_a_release_that_policy_withholds_is_pending(work: Workplace) -> None:
    """Whoever is to be let go, and could not be."""
    work.policy("maxReleases: {share: 1%, count: 1}")
    work.have(*((phone, "DNC", None) for phone in (ANN, BOB, CYD, DAN, EVE)))
    declare(work, ANN, BOB, CYD, more="  ownership: exclusive\n  releaseBasis: the CRM decides\n")
    assert 4 == work.call("apply", "--auto-approve").code
    work.have((FAY, "DNC", None))

    assert origin(pending=2, outside=1) == told(work)["origins"]["surplus"]


def test_without_an_applied_run_nobody_knows(work: Workplace) -> None:
    """It is counted, and said why; planning is no applying."""
    declare(work, ANN)
    work.have((BOB, "DNC", None))
    work.call("plan")

    found = told(work)
    text = work.call("drift")
    markdown = work.call("drift", "--format", "markdown")

    assert "no applied run is remembered here" == found["untold"]
    assert origin(unknown=1) == found["origins"]["missing"] == found["origins"]["surplus"]
    for shown in (text.out, markdown.out):
        assert "cannot be told apart: no applied run is remembered here" in shown


def test_what_is_kept_no_more_or_cannot_be_read_leaves_it_open(work: Workplace) -> None:
    """The report itself does not suffer, and what did not change needs no old table."""
    declare(work, ANN)
    work.call("apply", "--auto-approve")
    work.have().remove(LIST, ANN)
    shutil.rmtree(work.state / "cache")
    same = told(work)
    other_key = {"RECONCILER_PSEUDONYM_KEY": "env:OTHER", "OTHER": "another key, long enough"}
    foreign = work.call("drift", "--format", "json", settings=other_key)
    declare(work, ANN, BOB)
    shutil.rmtree(work.state / "cache")
    changed = told(work)
    for path in (work.state / "runs").glob("*/specs.json"):
        path.write_bytes(b"{")
    unread = told(work)

    assert origin(outside=1) == same["origins"]["missing"]
    assert "no applied run is remembered here" == foreign.document["lists"][0]["untold"]
    assert origin(unknown=2) == changed["origins"]["missing"] == unread["origins"]["missing"]
    assert changed["untold"].startswith("the contacts that run ")
    assert "cannot be read" in unread["untold"]


def test_on_a_lapsed_list_who_was_declared_since_is_pending(work: Workplace) -> None:
    """Everybody is missing there, and the rest was declared before."""
    applied(work, ANN, BOB)
    work.have().set(LIST, "suppressUntil", now() - timedelta(days=1))
    declare(work, ANN, BOB, CYD)

    assert origin(pending=1, outside=2) == told(work)["origins"]["missing"]


def test_who_comes_off_before_long_is_counted(work: Workplace) -> None:
    """Thirty days ahead, declared or not; all of them where the list itself ends."""
    soon, late = (now() + timedelta(days=days) for days in (20, 40))
    work.declare(f'phoneNumber: "{ANN}"')
    other = work.have(
        (ANN, "DNC", f"{soon:%Y-%m-%dT%H:%M:%SZ}"), (BOB, "DNC", f"{late:%Y-%m-%dT%H:%M:%SZ}")
    )
    text, markdown = work.call("drift"), work.call("drift", "--format", "markdown")
    other.set(LIST, "suppressUntil", soon)

    assert "1 comes off by itself within 30 days" in text.out
    assert "| lapsing soon |" in markdown.out
    assert 2 == told(work)["lapsing"]


@pytest.mark.parametrize(("day", "code"), [("2026-01-01", 4), ("{:%Y-%m-%d}", 0)])
def test_the_age_of_a_feed_is_told_and_loud_where_it_is_too_old(
    work: Workplace, day: str, code: int
) -> None:
    """In every view and in the exit code, also where nobody is missing."""
    work.write("contacts.csv", f"phoneNumber\n{ANN}\n")
    source = f"{{path: contacts.csv, asOf: {day.format(now())}, maxAge: P31D}}"
    work.declare(more=f"  sources: [{source}]\n")
    work.have((ANN, "DNC", None))

    text = work.call("drift")
    markdown = work.call("drift", "--format", "markdown")
    document = work.call("drift", "--format", "json").document

    (feed,) = document["lists"][0]["feeds"]
    old = code == 4
    assert [code] * 3 == [text.code, markdown.code, document["exit_code"]]
    assert old == (text.last == "Feeds too old, nobody is released: us-dnc (contacts.csv).")
    assert old == ("days old, at most P31D: too old to let anybody go" in text.out)
    assert "contacts.csv: 1 row in 1 file, as of " in text.out
    assert old == ("**Feeds too old**" in markdown.out)
    assert (old, old) == (feed["stale"], feed["age_days"] > 31)
    assert ("warning" if old else None) == document["severity"]
