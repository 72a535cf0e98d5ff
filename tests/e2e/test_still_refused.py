"""``rejected`` as a user has it: what the service still refuses, across runs, offline."""

from pathlib import Path

import pytest

from program import Workplace, workplace

PHONES = tuple(f"+12125550{number}" for number in range(101, 105))
BLOCKED = "reject:CARRIER_BLOCKED;ending=0103@POST contacts"
NONE = "Rejected: none."


@pytest.fixture
def work(tmp_path: Path) -> Workplace:
    """Return a folder whose list wants four."""
    work = workplace(tmp_path)
    work.have()
    declare(work, *PHONES)
    return work


def declare(work: Workplace, *phones: str) -> None:
    """Want these."""
    work.declare(*(f'phoneNumber: "{phone}"' for phone in phones))


def count(work: Workplace, *words: str) -> int:
    """Return how many are still refused."""
    return int(work.call("rejected", "--format", "json", *words).document["counts"]["contacts"])


def test_who_is_refused_is_shown_until_accepted(work: Workplace) -> None:
    """By the next runs, which send what is missing; a plan is enough where somebody else was."""
    with work.service(BLOCKED, "reject:BAD;ending=0104@POST contacts#1"):
        before = work.run("rejected")
        first = work.call("apply", "--auto-approve")
        both = work.run("rejected")
        work.call("apply", "--auto-approve")
        one = work.run("rejected")
        work.have((PHONES[2], "DNC", None))
        work.call("plan")
        none = work.call("rejected")

    assert ["Rejected: none."] == before.out.splitlines()
    assert [0] * 4 == [ran.code for ran in (before, both, one, none)]
    assert 6 == first.code
    assert "Rejected: 2 contacts are still refused (1 BAD, 1 CARRIER_BLOCKED)." == both.last
    assert "Rejected: 1 contact is still refused (1 CARRIER_BLOCKED)." == one.last
    assert "refused 2 times since " in one.out
    assert NONE == none.last
    assert [] == work.leaks()


def test_it_needs_no_service_no_secret_and_changes_nothing(work: Workplace) -> None:
    """It looks at files, under any key, and leaves no run behind."""
    with work.service(BLOCKED):
        work.call("apply", "--auto-approve")
    files = {path: path.read_bytes() for path in work.state.rglob("*") if path.is_file()}
    for name in ("CXONE_CLIENT_ID", "CXONE_CLIENT_SECRET"):
        del work.environment[name]

    ran = work.run("rejected", settings={"RECONCILER_PSEUDONYM_KEY": "env:NOT_HERE"})

    assert "Rejected: 1 contact is still refused (1 CARRIER_BLOCKED)." == ran.last
    named = next(line for line in ran.out.splitlines() if " addresses " in line)
    assert Path(named.split()[-1]) in files
    assert files == {path: path.read_bytes() for path in work.state.rglob("*") if path.is_file()}


def test_who_is_no_longer_wanted_leaves_with_the_edit(work: Workplace) -> None:
    """And is back with the line, until a run has sent it."""
    with work.service(BLOCKED):
        work.call("apply", "--auto-approve")
    here = count(work)
    declare(work, *PHONES[:2])
    gone = count(work)
    declare(work, *PHONES)

    assert (1, 0, 1) == (here, gone, count(work))


def test_lists_are_selected_as_everywhere(work: Workplace) -> None:
    """By path, name or label."""
    work.have(list_id="other", name="Other")
    for name, identity in (("us-dnc", "listId: 7f3e2c"), ("other", "listId: other")):
        work.declare(f'phoneNumber: "{PHONES[2]}"', name=name, identity=identity)
    with work.service(BLOCKED):
        work.call("apply", "--auto-approve")

    found = [
        count(work, *words)
        for words in ((), ("--list", "other"), ("--label", "region=us"), ("specs/us-dnc.yaml",))
    ]

    assert [2, 1, 2, 1] == found


def test_specs_that_are_wrong_are_told_of_first(work: Workplace) -> None:
    """What is still wanted cannot be known then."""
    with work.service(BLOCKED):
        work.call("apply", "--auto-approve")
    declare(work, "12")

    ran = work.run("rejected")

    assert (7, "") == (ran.code, ran.out)
    assert "SPEC-" in ran.err


def test_a_batch_that_is_refused_without_a_name_ends_in_single_rows(work: Workplace) -> None:
    """They stand as refused, and leave once the service is itself again."""
    with work.service("status:422@POST contacts"):
        work.call("apply", "--auto-approve")
        all_of_them = work.call("rejected")
    with work.service():
        work.call("apply", "--auto-approve")

    assert all_of_them.last.startswith("Rejected: 4 contacts are still refused (4 ")
    assert NONE == work.call("rejected").last


def test_an_artifact_that_cannot_be_believed_is_named(work: Workplace) -> None:
    """Rather than somebody being left out."""
    with work.service(BLOCKED):
        work.call("apply", "--auto-approve")
    path = work.newest / "plan.json"

    path.write_bytes(b"{")

    ran = work.run("rejected", "--format", "json")
    assert 1 == ran.code
    assert str(path) in ran.document["error"]
