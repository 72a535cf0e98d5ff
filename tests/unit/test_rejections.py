"""What is still refused, as the folders of past runs tell."""

from pathlib import Path

import orjson
import pytest

from past_runs import Past, wants, who
from reconciler.errors import EvidenceError
from worlds import Contact, World

ADA, BOB, CYD = "ada@example.com", "bob@example.com", "cyd@example.com"
ADA_SHOWN, BOB_SHOWN, CYD_SHOWN = (f"{name}•••@example.com" for name in "abc")


@pytest.fixture
def past(tmp_path: Path) -> Past:
    """Return a list that wants Ada, Bob and Cyd, at a service that refuses Ada and Bob."""
    made = Past(state=tmp_path / "state", world=World(refuse=frozenset({ADA, BOB})))
    made.declare(*wants(ADA, BOB, CYD))
    return made


def folders(past: Past) -> list[Path]:
    """Return the run folders, oldest first."""
    return sorted((past.state / "runs").iterdir())


def test_before_the_first_run_nothing_is_refused(past: Past) -> None:
    """There is no state directory yet, and none is made for it."""
    assert () == past.rejected().lists
    assert not (past.state / "runs").exists()


def test_who_is_refused_stands_until_accepted(past: Past) -> None:
    """Across runs, with the file that holds the addresses."""
    past.apply()
    past.apply()
    (listed,) = past.rejected().lists
    past.world.refuse = frozenset({BOB})
    past.apply()

    assert ("us-dnc", "acme", 2, {"REFUSED": 2}) == (
        listed.key,
        listed.tenant,
        listed.contacts,
        listed.codes,
    )
    assert (folders(past)[1] / "tables" / "us-dnc" / "rejected.parquet",) == listed.files
    assert listed.files[0].is_file()
    assert {BOB_SHOWN: 3} == who(past.rejected())


def test_who_is_on_the_list_by_somebody_else_leaves_with_the_next_plan(past: Past) -> None:
    """Also with one that found nothing to do, and kept no tables."""
    past.apply()
    past.world.contacts += [Contact(email=ADA), Contact(email=BOB)]
    before = who(past.rejected())

    past.plan()

    assert {ADA_SHOWN: 1, BOB_SHOWN: 1} == before
    assert not (folders(past)[1] / "tables").exists()
    assert () == past.rejected().lists


def test_a_plan_that_still_has_rows_to_send_takes_nobody_away(past: Past) -> None:
    """It kept no tables, so nobody knows which."""
    past.apply()
    past.world.contacts.append(Contact(email=ADA))

    past.plan()

    assert {ADA_SHOWN: 1, BOB_SHOWN: 1} == who(past.rejected())


def test_an_edit_of_the_specs_is_enough(past: Past) -> None:
    """No run is needed for somebody who is not wanted any more."""
    past.apply()

    past.declare(*wants(BOB, CYD))

    assert {BOB_SHOWN: 1} == who(past.rejected())


def test_a_preview_says_nothing(past: Past) -> None:
    """By the time it is made for everybody may have lapsed."""
    past.declare(*wants(ADA, until="2027-01-01"))
    past.apply()

    past.plan(preview=True, days=1000)

    assert {ADA_SHOWN: 1} == who(past.rejected())


def test_a_run_that_died_changes_nothing_for_those_it_had_to_send(past: Past) -> None:
    """It had one more to suppress, and not Bob any more."""
    past.apply()
    past.world.contacts.append(Contact(email=BOB))
    past.declare(*wants(ADA, BOB, CYD, "dan@example.com"))

    past.apply_and_die(after=0, effect=True)

    assert not (folders(past)[1] / "receipt.json").exists()
    assert {ADA_SHOWN: 1} == who(past.rejected())


def test_a_list_that_was_read_in_part_keeps_those_it_lacks(past: Past) -> None:
    """Only who was accepted leaves; who ends some day is not sent after such a reading."""
    past.declare(*wants(ADA), *wants(BOB, until="2027-01-01"), *wants(CYD))
    past.apply()
    past.world.refuse = frozenset()
    past.world.contacts.clear()
    past.world.contacts.append(Contact(phone="+12125550101"))

    past.apply_after_reading_in_part()

    assert {BOB_SHOWN: 1} == who(past.rejected())


def test_of_two_runs_the_one_that_planned_later_spoke_last(past: Past) -> None:
    """Though it began first, and waited."""
    past.apply()
    past.world.refuse = frozenset()
    past.apply()
    refused, accepted = folders(past)

    accepted.rename(accepted.with_name("20261123T000000Z-0b5e55"))

    assert () == past.rejected().lists
    assert refused.is_dir()


def test_what_others_left_among_the_runs_is_passed_over(past: Past) -> None:
    """A stray file, a folder without a plan, a list that is not selected."""
    past.apply()
    runs = past.state / "runs"
    (runs / "99991231T000000Z-notes.txt").write_text("by hand")
    (runs / "99991231T000000Z-000000").mkdir()
    other = folders(past)[0] / "tables" / "eu-dnc"
    other.mkdir()
    (other / "rejected.parquet").write_bytes(b"of another list")

    assert {ADA_SHOWN: 1, BOB_SHOWN: 1} == who(past.rejected())


@pytest.mark.parametrize("name", ["plan.json", "receipt.json"])
@pytest.mark.parametrize("content", [b"{", b"[]", b'{"preview": false, "outcomes": [{}]}'])
def test_an_artifact_that_cannot_be_believed_is_an_error(
    past: Past, name: str, content: bytes
) -> None:
    """To pass it over might hide somebody who is still refused."""
    past.apply()
    path = folders(past)[0] / name

    path.write_bytes(content)

    with pytest.raises(EvidenceError, match="cannot be believed") as caught:
        past.rejected()
    assert str(path) in str(caught.value)
    assert "move its run folder" in caught.value.hint


def test_receipts_of_another_version_may_say_less(past: Past) -> None:
    """What came to be written down later has a value for before."""
    past.apply()
    path = folders(past)[0] / "receipt.json"
    held = orjson.loads(path.read_bytes())
    for outcome in held["outcomes"]:
        outcome.pop("smallest", None)

    path.write_bytes(orjson.dumps(held))

    assert {ADA_SHOWN: 1, BOB_SHOWN: 1} == who(past.rejected())
