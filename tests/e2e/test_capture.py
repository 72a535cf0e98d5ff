"""``drift --capture``: opt-outs that others took become contact files that a spec can name."""

import csv
from pathlib import Path

import pytest

from program import LIST, Workplace, now, workplace

ANN, BOB, CYD = (f"+12125550{number}" for number in range(101, 104))
ZOE = "zoe@example.com"
END = "2099-01-01T00:00:00Z"
NAMED = "  sources: [{path: surplus.csv}]\n"


@pytest.fixture
def work(tmp_path: Path) -> Workplace:
    """Return a folder whose list wants one of four; the defaults of its spec end, theirs not."""
    work = workplace(tmp_path)
    work.have((ANN, "DNC", None), (CYD, "COMPLIANCE", END), (ZOE, "BOUNCE", None))
    work.have((BOB, "CUSTOMER_REQUEST", None))
    work.embed()
    declare(work)
    return work


def declare(work: Workplace, *, more: str = "") -> None:
    """Want one."""
    work.declare(f'phoneNumber: "{ANN}"', more=more)


def rows(path: Path) -> list[dict[str, str]]:
    """Return what a file says."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_what_was_captured_and_declared_is_surplus_no_more(work: Workplace) -> None:
    """One row an address, sorted, with reason and end; the file is its owner's alone."""
    path = work.folder / "specs" / "surplus.csv"
    captured = work.run("drift", "--capture", str(path))
    declare(work, more=NAMED)

    after = work.call("drift", "--fail-on", "any")

    assert 0 == captured.code
    assert "Drift: 0 missing (critical), 3 surplus, 0 differ." == captured.last
    assert f"us-dnc: 3 surplus contacts captured in {path}, to be declared as a source" in (
        captured.err
    )
    assert [
        {"email": "", "phoneNumber": BOB, "reason": "CUSTOMER_REQUEST", "suppressUntil": "never"},
        {"email": "", "phoneNumber": CYD, "reason": "COMPLIANCE", "suppressUntil": END},
        {"email": ZOE, "phoneNumber": "", "reason": "BOUNCE", "suppressUntil": "never"},
    ] == rows(path)
    assert 0o600 == path.stat().st_mode & 0o777
    assert (0, "Drift: 0 missing (critical), 0 surplus, 0 differ.") == (after.code, after.last)


def test_a_file_that_is_there_is_never_written_over(work: Workplace) -> None:
    """Nor waited for: it is said before the service is asked."""
    path = work.folder / "surplus.csv"
    path.write_text("mine", encoding="utf-8")

    ran = work.call("drift", "--capture", "surplus.csv")

    assert (7, "", "mine") == (ran.code, ran.out, path.read_text("utf-8"))
    assert "surplus.csv is there already, and is not written over" in ran.err
    assert "hint: name another file" in ran.err


@pytest.mark.parametrize(
    ("name", "said"),
    [("surplus.txt", "ends in .csv, found 'surplus.txt'"), ("no/surplus.csv", "does not exist")],
)
def test_a_name_that_will_not_do_is_refused(work: Workplace, name: str, said: str) -> None:
    """Before anything is asked of the service."""
    ran = work.call("drift", "--capture", name)

    assert (7, "") == (ran.code, ran.out)
    assert said in ran.err


def test_of_several_lists_each_has_a_file_of_its_own(work: Workplace) -> None:
    """Named after it, so that each can be a source of its spec; none where there is no surplus."""
    for name in ("eu-dnc", "optouts"):
        work.have(list_id=name, name=name)
        work.declare(f'phoneNumber: "{ANN}"', name=name, identity=f"listId: {name}")
    work.have((BOB, "DNC", None), list_id="eu-dnc", name="eu-dnc")

    ran = work.call("drift", "--capture", "surplus.csv")

    assert ["surplus-eu-dnc.csv", "surplus-us-dnc.csv"] == sorted(
        path.name for path in work.folder.glob("*.csv")
    )
    assert [BOB] == [row["phoneNumber"] for row in rows(work.folder / "surplus-eu-dnc.csv")]
    assert "eu-dnc: 1 surplus contact captured in surplus-eu-dnc.csv" in ran.err
    assert "optouts: no surplus to capture" in ran.err


def test_what_cannot_be_declared_is_left_out_and_told(work: Workplace) -> None:
    """Nobody knows who an opaque contact is, and who is to be let go is not declared again."""
    ground = "basis: written re-consent, ticket: LEGAL-1, requestedBy: privacy"
    release = f'{{phoneNumber: "{BOB}", {ground}, requestedAt: {now():%Y-%m-%d}}}'
    declare(work, more=f"  releases: [{release}]\n")
    work.have(("12", "DNC", None), ("+12125550109", "HEARSAY", None))

    ran = work.call("drift", "--capture", "surplus.csv")

    found = {
        row["phoneNumber"] or row["email"]: row["reason"]
        for row in rows(work.folder / "surplus.csv")
    }
    assert {"+12125550109": "", CYD: "COMPLIANCE", ZOE: "BOUNCE"} == found
    assert "us-dnc: 1 of them without a reason that a spec can declare" in ran.err
    assert "us-dnc: 1 surplus left out: not to be read as an address" in ran.err
    assert "us-dnc: 1 surplus left out: a declared release is to let them go" in ran.err


def test_what_exclusive_ownership_would_release_can_be_saved(work: Workplace) -> None:
    """It is surplus all the same, and this is the way to keep it."""
    owned = "  ownership: exclusive\n  releaseBasis: the CRM decides\n"
    declare(work, more=owned)
    work.call("drift", "--capture", "specs/surplus.csv")
    declare(work, more=owned + NAMED)

    assert "Drift: 0 missing (critical), 0 surplus, 0 differ." == work.call("drift").last


def test_a_list_that_was_not_read_whole_is_not_captured(work: Workplace) -> None:
    """Half of it would look like all of it."""
    with work.service("bump@GET contacts"):
        ran = work.call("drift", "--capture", "surplus.csv")

    assert 1 == ran.code
    assert "us-dnc: nothing captured: it could not be read whole" in ran.err
    assert [] == [*work.folder.glob("*.csv")]
    assert LIST not in ran.err
