"""The example specs: valid, made up throughout, and far from running out."""

import csv
import re
from datetime import UTC, datetime
from pathlib import Path

import orjson
import phonenumbers
import pytest

from reconciler import model, spec, times

ROOT = Path(__file__).parents[2] / "specs"
LASTS_UNTIL = datetime(2029, 1, 1, tzinfo=UTC)
LAPSED_SINCE = datetime(2025, 1, 1, tzinfo=UTC)
FIELDS = {
    "mail": "email",
    "phone": "phoneNumber",
    "code": "reason",
    "until": "suppressUntil",
    "since": "requestedAt",
}
FICTIONAL = re.compile(r"\+1[2-9]\d\d55501\d\d")


def examples() -> model.Spec:
    """Load the example specs."""
    return spec.load(model.Selection(root=ROOT))


def rows() -> list[dict[str, str]]:
    """Return every contact of the examples, inline or in a file, under our field names."""
    inline = [
        {
            "phoneNumber": contact.phone or "",
            "email": contact.email or "",
            "reason": contact.reason or "",
            "suppressUntil": contact.suppress_until or "",
            "requestedAt": contact.requested_at or "",
        }
        for one in examples().lists
        for contact in one.contacts
    ]
    read = []
    for path in sorted((ROOT / "contacts").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            read += [{FIELDS[k]: v for k, v in row.items()} for row in csv.DictReader(file)]
    for path in sorted((ROOT / "contacts").glob("*.ndjson")):
        read += [orjson.loads(line) for line in path.read_bytes().splitlines()]
    return inline + read


def end(row: dict[str, str]) -> datetime | None:
    """Return when a row's suppression ends; a duration counts from the row, else the feed."""
    spelt = row.get("suppressUntil", "")
    if spelt in {"", "never"}:
        return None
    if times.is_duration(spelt):
        return times.add_duration(times.parse_time(row.get("requestedAt") or "2026-11-01"), spelt)
    return times.parse_time(spelt)


def test_the_examples_are_valid_without_a_warning() -> None:
    """One embedded tenant, two lists that need no preparation, one policy."""
    found = examples()

    assert () == found.warnings
    assert ["sandbox"] == [one.name for one in found.tenants.values() if one.embedded]
    assert [("marketing-optouts", True, None), ("us-dnc", True, None)] == [
        (one.name, one.create, one.list_id) for one in found.lists
    ]
    assert "policy.yaml" in found.digests
    assert [()] * 2 == [one.releases for one in found.lists]


@pytest.mark.parametrize("path", sorted(ROOT.glob("*.yaml")), ids=lambda path: path.name)
def test_an_example_opens_with_its_schema(path: Path) -> None:
    """An editor that knows the modeline explains every key."""
    first = path.read_text(encoding="utf-8").partition("\n")[0]

    prefix, _, named = first.partition("$schema=")

    assert "# yaml-language-server: " == prefix
    assert (path.parent / named).is_file()


def test_every_example_contact_is_made_up() -> None:
    """Numbers are of the fictional 555-01xx kind, addresses of the example domains."""
    for row in rows():
        phone, email = row.get("phoneNumber"), row.get("email")
        assert phone or email
        if phone:
            number = phonenumbers.parse(phone, "US")
            spelt = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
            assert FICTIONAL.fullmatch(spelt)
            assert phonenumbers.is_possible_number(number)
        if email:
            assert email.lower().endswith(("@example.com", "@example.org", "@example.net"))


def test_every_example_contact_is_valid_and_does_not_run_out() -> None:
    """Reasons are the service's; an end lies far ahead, or has long passed."""
    found = rows()
    ends = [moment for row in found if (moment := end(row))]

    assert {row.get("reason") or "DNC" for row in found} == set(model.REASONS)
    assert all(moment >= LASTS_UNTIL or moment < LAPSED_SINCE for moment in ends)
    assert all(times.parse_time(row["requestedAt"]) for row in found if row.get("requestedAt"))


def test_the_examples_show_what_compiling_has_to_cope_with() -> None:
    """A few thousand rows with duplicates across files, lapsed ends, durations, two identifiers."""
    found = rows()
    emails = [row["email"].lower() for row in found if row.get("email")]

    assert 3000 < len(found) < 6000
    assert len(set(emails)) < len(emails)
    assert any(moment < LAPSED_SINCE for row in found if (moment := end(row)))
    assert any(row.get("suppressUntil", "").startswith("P") for row in found)
    assert any(row.get("email") and row.get("phoneNumber") for row in found)
