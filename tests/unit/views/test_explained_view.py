"""How one address is explained to people and to programs."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from builders import LATER, NOW, PAST, place
from reconciler.model import DeclaredRelease, Explanation, HeldContact, ListExplanation
from reconciler.views import explained

SHOWN = "+1•••••••101"
RELEASE = DeclaredRelease(
    place=place(line=30),
    basis="asked",
    ticket="LEGAL-1",
    requested_by="privacy",
    requested_at=PAST,
    until=None,
    runs_out=LATER,
    state="open",
)
HELD = HeldContact(spelling=SHOWN, as_normalised=True, reason="DNC", until=None, suppresses=True)


def told(**changes: Any) -> Explanation:
    """One list of which this is known, and two that have nothing to do with it."""
    listed = ListExplanation(key="us-dnc", tenant="acme", address=SHOWN, **changes)
    return Explanation(as_of=NOW, lists=(listed,), others=("eu-dnc", "uk-dnc"))


def body(found: Explanation) -> str:
    """What is shown of a list, blanks as one."""
    return "\n".join(" ".join(line.split()) for line in explained.text(found).plain.splitlines())


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        (RELEASE, "lets go asked LEGAL-1 privacy open until 2027-11-23T00:00:00Z"),
        (
            replace(RELEASE, state="doubtful", until=LATER),
            "shortens to 2027-11-23T00:00:00Z asked LEGAL-1 privacy may have been carried out",
        ),
        (replace(RELEASE, state="spent"), "spent: it does nothing, delete this line"),
    ],
)
def test_a_release_says_what_it_still_does(release: DeclaredRelease, expected: str) -> None:
    """Open, in doubt or spent."""
    assert f"{expected}" in body(told(releases=(release,)))


@pytest.mark.parametrize(
    ("contact", "expected"),
    [
        (HELD, f"held {SHOWN} DNC without end since unknown"),
        (
            replace(HELD, until=PAST, suppresses=False, as_normalised=False, mate="a•••@b.example"),
            "suppresses nobody since unknown in a spelling of its own shares a contact with a•••@b",
        ),
        (
            replace(HELD, unreadable=True, suppresses=False),
            f"held {SHOWN} DNC its end cannot be read, so it counts for nothing",
        ),
    ],
)
def test_what_is_held_says_whether_it_suppresses(contact: HeldContact, expected: str) -> None:
    """Also where it does not look like it."""
    assert expected in body(told(held=(contact,)))


def test_lists_without_a_word_to_say_are_one_line() -> None:
    """However many there are; lists in doubt are counted apart."""
    found = told(held=(HELD,), doubt="it changed while it was read")
    many = replace(found, lists=(), others=tuple(f"list-{number}" for number in range(12)))

    assert "On none of the other 2 lists: eu-dnc, uk-dnc" in body(found)
    assert body(found).endswith(
        "Explained: wanted on 0 of 3 lists, suppressed on 1 now. Not certain for 1 list."
    )
    assert "On none of the 12 lists: list-0, list-1" in body(many)
    assert "list-7 and 4 more" in body(many)


def test_a_list_that_suppresses_nobody_says_so() -> None:
    """Nothing to do would be the wrong thing to say of it."""
    shown = body(told(held=(replace(HELD, suppresses=False),), idle="its own end has passed"))

    assert "note the list suppresses nobody: its own end has passed" in shown
    assert "nothing to do" not in shown


def test_programs_are_told_the_same() -> None:
    """With the exit code, and in counts."""
    found = told(held=(HELD,), releases=(RELEASE,), doubt="it changed while it was read")

    document = orjson.loads(explained.document(found, exit_code=1))

    assert ("explanation", 1) == (document["kind"], document["exit_code"])
    assert {"lists": 3, "wanted": 0, "suppressed": 1, "doubted": 1} == document["counts"]
    assert ["eu-dnc", "uk-dnc"] == document["others"]
    assert document["lists"][0]["suppressed"]
    assert "open" == document["lists"][0]["releases"][0]["state"]
