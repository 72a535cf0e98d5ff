"""``history`` and a new pseudonym key, as a user meets them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from program import LIST, Workplace, workplace

PHONE, OTHER = "+12125550123", "+12125550124"


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    """Have a list with one contact that nobody declares."""
    made = workplace(tmp_path)
    made.have((OTHER, "CUSTOMER_REQUEST", None))
    made.embed()
    made.declare(f"phoneNumber: '{PHONE}'", "email: ada@example.com")
    return made


def release(place: Workplace) -> None:
    """Declare that whoever was declared may be called again."""
    at = datetime.now(UTC).date().isoformat()
    more = (
        f"  releases:\n    - {{phoneNumber: '{PHONE}', basis: written re-consent, ticket: T-1, "
        f"requestedBy: privacy, requestedAt: {at}}}\n"
    )
    place.declare("email: ada@example.com", more=more)
    place.policy("maxReleases: {share: 100%, count: 10}")


def states(place: Workplace, address: str, *more: str) -> dict[str, str]:
    """Return how an address stands, by list."""
    ran = place.call("history", address, "--format", "json", *more)
    assert 0 == ran.code
    return {one["list"]: one["state"] for one in ran.document["lists"]}


def test_one_number_on_one_day(place: Workplace) -> None:
    """Suppressed by a run, found by it, released, and before anybody knew."""
    place.call("apply", "--auto-approve")
    declared, found = (states(place, each) for each in (PHONE, OTHER))
    release(place)
    place.call("apply", "--auto-approve")

    told = place.call("history", "(212) 555-0123", "--region", "US")
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()

    assert {"us-dnc": "suppressed"} == declared == found
    assert {"us-dnc": "not suppressed"} == states(place, PHONE)
    assert {"us-dnc": "unknown"} == states(place, PHONE, "--at", yesterday)
    assert {"us-dnc": "not suppressed"} == states(place, "nobody@example.com")
    assert "release done" in told.out
    assert "written re-consent" in told.out
    assert "specs/us-dnc.yaml:9" in told.out
    assert told.last.startswith("History: +1•••••••123 was suppressed on 0 of 1 list at ")
    assert [] == place.leaks()


def test_an_address_comes_on_standard_input_too(place: Workplace) -> None:
    """So that it stands in no shell's history."""
    place.call("apply", "--auto-approve")

    told = place.run("history", "-", typed=f"{PHONE}\n")

    assert 0 == told.code
    assert "suppress done" in told.out


def test_what_is_no_address_is_misuse(place: Workplace) -> None:
    """It is not repeated."""
    told = place.call("history", "2125550123")

    assert 64 == told.code
    assert "neither an email address nor a phone number" in told.err
    assert "2125550123" not in told.err


def test_where_no_run_was_made_nobody_can_be_looked_up(place: Workplace) -> None:
    """And no key is made for it."""
    told = place.call("history", PHONE)

    assert 7 == told.code
    assert "no pseudonym key" in told.err
    assert not (place.state / "pseudonym.key").exists()


def test_a_new_key_forgets_nothing(place: Workplace) -> None:
    """History is searched under both keys, and no spent release is carried out again."""
    place.call("apply", "--auto-approve")
    release(place)
    place.call("apply", "--auto-approve")
    before = (place.state / "pseudonym.key").read_bytes()

    rotated = place.call("audit", "rotate-key")
    place.have().add(LIST, email=None, phone=PHONE, reason="CUSTOMER_REQUEST", until=None)
    after = place.call("apply", "--auto-approve")

    assert (0, 0) == (rotated.code, after.code)
    assert before != (place.state / "pseudonym.key").read_bytes()
    assert [before] == [path.read_bytes() for path in (place.state / "former-keys").iterdir()]
    assert "0 released" in after.out or "No changes" in after.out
    assert ("CUSTOMER_REQUEST", None) == place.held()[PHONE]
    events = place.call("history", PHONE, "--format", "json").document["lists"][0]["events"]
    assert {"suppress", "release", "found"} == {one["op"] for one in events}


def test_a_key_that_was_lost_is_never_replaced_in_silence(place: Workplace) -> None:
    """Under another nobody would know which releases are spent."""
    place.call("apply", "--auto-approve")
    (place.state / "pseudonym.key").unlink()

    told = place.call("plan")

    assert 7 == told.code
    assert "evidence was written under it" in told.err


def test_a_key_that_is_given_is_rotated_where_it_is_given(place: Workplace) -> None:
    """And a store of its own needs one."""
    key = {"RECONCILER_PSEUDONYM_KEY": "env:KEY_OF_ALL", "KEY_OF_ALL": "0123456789abcdef"}

    given = place.call("audit", "rotate-key", settings=key)
    store = place.call("plan", settings={"RECONCILER_STORE": str(place.folder / "store")})

    assert (7, 7) == (given.code, store.code)
    assert "RECONCILER_FORMER_PSEUDONYM_KEYS" in given.err
    assert "export RECONCILER_PSEUDONYM_KEY" in store.err
