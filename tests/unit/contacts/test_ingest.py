import stat
from pathlib import Path

import pytest

from contact_tables import AS_OF, UNREADABLE, Contact, at, observe, page, rows
from reconciler.api.port import PAGE
from reconciler.contacts import ingest
from reconciler.contacts.engine import Engine
from reconciler.errors import EngineError

CONTACTS = (
    Contact(email="A@Example.com", phone="(555) 123-4567", until=at(30), version=3),
    Contact(email="b@example.com", reason=None),
    Contact(phone="+15550100199", until=at(-1)),
)


def test_a_contact_with_both_identifiers_is_two_rows_of_one_pair(
    engine: Engine, tmp_path: Path
) -> None:
    """Both keep the contact's facts and the service's own spelling."""
    table = observe(engine, tmp_path, CONTACTS[:1])

    found = rows(table)

    facts = {"reason": "DNC", "until": at(30), "version": 3, "pair": 1, "opaque": False}
    facts["shadow"] = None
    phone = {"address": "+15551234567", "channel": "phone", "spelling": "(555) 123-4567"}
    email = {"address": "a@example.com", "channel": "email", "spelling": "A@Example.com"}
    phone["mate"], email["mate"] = email["spelling"], phone["spelling"]
    assert [phone | facts, email | facts] == found
    assert table.rows == 2


def test_what_cannot_be_read_is_opaque_and_stays(engine: Engine, tmp_path: Path) -> None:
    """An unreadable end, an unreadable identifier and no identifier at all: none is dropped."""
    odd = page([Contact(email="a@example.com"), Contact(phone="call me"), Contact()])
    odd = odd.set_column(3, PAGE.field("until"), [["31/12/2027", None, None]])

    table = ingest.ingest(engine, [odd], region="US", into=tmp_path)

    found = {(row["address"], row["spelling"], row["opaque"]) for row in rows(table)}
    assert {(None, "a@example.com", True), (None, "call me", True), (None, None, True)} == found


def test_a_contact_without_a_readable_end_still_says_whose_it_is(
    engine: Engine, tmp_path: Path
) -> None:
    """It is opaque, each identifier under its address; what is no address has none."""
    odd = [
        Contact(email="A@Example.com", phone="12", until=UNREADABLE),
        Contact(phone="(555) 123-4567", until=UNREADABLE),
    ]

    found = rows(observe(engine, tmp_path, odd))

    assert {
        (None, "A@Example.com", "a@example.com", 1, True),
        (None, "12", None, 1, True),
        (None, "(555) 123-4567", "+15551234567", None, True),
    } == {
        (row["address"], row["spelling"], row["shadow"], row["pair"], row["opaque"])
        for row in found
    }


def test_whose_a_contact_is_is_part_of_the_digest(engine: Engine, tmp_path: Path) -> None:
    """Read for another region it is nobody's: another table."""
    odd = page([Contact(phone="(555) 123-4567", until=UNREADABLE)])

    tables = [ingest.ingest(engine, [odd], region=each, into=tmp_path) for each in ("US", None)]

    assert ["+15551234567", None] == [row["shadow"] for table in tables for row in rows(table)]


def test_a_version_at_the_end_of_its_range_is_capped(engine: Engine, tmp_path: Path) -> None:
    """So that a write has a higher one to send; an absent one stays absent."""
    full = page([Contact(email="a@example.com", version=2**63 - 1), Contact(email="b@example.com")])
    full = full.set_column(4, PAGE.field("version"), [[2**63 - 1, None]])

    table = ingest.ingest(engine, [full], region=None, into=tmp_path)

    assert [2**63 - 10, None] == [row["version"] for row in rows(table)]


def test_the_unreadable_half_of_a_contact_keeps_its_pair(engine: Engine, tmp_path: Path) -> None:
    """The other half is an address like any other; a write to it has to carry this one along."""
    table = observe(engine, tmp_path, [Contact(email="a@example.com", phone="12")])

    found = [(row["address"], row["spelling"], row["pair"], row["opaque"]) for row in rows(table)]

    assert [("a@example.com", "a@example.com", 1, False), (None, "12", 1, True)] == found


def test_blank_identifiers_reasons_and_ends_are_absent(engine: Engine, tmp_path: Path) -> None:
    """Blank text is nothing: no opaque half, no reason, no end."""
    blank = page([Contact(email="a@example.com", phone=" ", reason="")])
    blank = blank.set_column(3, PAGE.field("until"), [[" \t"]])

    table = ingest.ingest(engine, [blank], region=None, into=tmp_path)

    found = [(row["address"], row["reason"], row["until"], row["opaque"]) for row in rows(table)]
    assert [("a@example.com", None, None, False)] == found


def test_the_digest_does_not_depend_on_pages_or_order(engine: Engine, tmp_path: Path) -> None:
    """Equal lists are equal tables, however they were read."""
    couple = Contact(email="z@example.com", phone="+15550100100")
    whole = observe(engine, tmp_path, [*CONTACTS, couple])

    pages = [page([contact]) for contact in (couple, *reversed(CONTACTS))]
    paged = ingest.ingest(engine, pages, region="US", into=tmp_path)

    assert (whole.rows, whole.digest) == (paged.rows, paged.digest)


def test_a_table_stays_as_it_is_when_an_equal_list_is_read(engine: Engine, tmp_path: Path) -> None:
    """Rows and numbers of pairs stand otherwise in the file of the other: it is another file."""
    couples = [Contact(email=f"{name}@example.com", phone="+15550100100") for name in "az"]
    table = observe(engine, tmp_path, couples)
    before = table.path.read_bytes()

    other = observe(engine, tmp_path, reversed(couples))

    assert table.digest == other.digest
    assert before == table.path.read_bytes()
    assert before != other.path.read_bytes()


@pytest.mark.parametrize(
    "other",
    [
        Contact(email="a@example.com", phone="+15550100100", version=2),
        Contact(email="A@example.com", phone="+15550100100"),
        Contact(email="a@example.com", phone="+15550100100", reason="BOUNCE"),
        Contact(email="a@example.com", phone="+15550100100", until=at(1)),
    ],
)
def test_the_digest_covers_all_a_row_holds(engine: Engine, tmp_path: Path, other: Contact) -> None:
    """Another version, spelling, reason or end is another table."""
    one = observe(engine, tmp_path, [Contact(email="a@example.com", phone="+15550100100")])

    two = observe(engine, tmp_path, [other])

    assert one.digest != two.digest


def test_two_contacts_are_not_one_with_both_identifiers(engine: Engine, tmp_path: Path) -> None:
    """Who shares a contact with whom is part of the digest."""
    both = observe(engine, tmp_path, [Contact(email="a@example.com", phone="+15550100100")])

    apart = observe(
        engine, tmp_path, [Contact(email="a@example.com"), Contact(phone="+15550100100")]
    )

    assert both.digest != apart.digest


def test_the_file_is_its_owner_s_alone_and_nothing_else_is_left(
    engine: Engine, tmp_path: Path
) -> None:
    """Addresses stand in it."""
    folder = tmp_path / "cache [1]"
    folder.mkdir()

    table = observe(engine, folder, CONTACTS)

    assert stat.S_IMODE(table.path.stat().st_mode) == 0o600
    assert [table.path] == list(folder.iterdir())


def test_an_empty_list_has_a_table(engine: Engine, tmp_path: Path) -> None:
    """No rows, and yet a file with all columns."""
    table = ingest.empty(engine, tmp_path)

    assert table.rows == 0
    assert rows(table) == []


def test_suppressed_counts_addresses_once_and_opaque_rows_each(
    engine: Engine, tmp_path: Path
) -> None:
    """Lapsed contacts suppress nobody; what cannot be read is counted in doubt."""
    more = [Contact(email="a@example.com"), Contact(phone="no"), Contact(phone="12")]
    table = observe(engine, tmp_path, [*CONTACTS, *more])

    counted = ingest.suppressed(engine, table, as_of=AS_OF)

    assert counted == 5


def test_a_folder_that_is_not_there_is_an_error_of_ours(engine: Engine, tmp_path: Path) -> None:
    """The message names the place, never an address."""
    with pytest.raises(EngineError, match="absent") as caught:
        observe(engine, tmp_path / "absent", CONTACTS)

    assert "example.com" not in str(caught.value)
