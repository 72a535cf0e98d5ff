"""What the service still refuses, as people and programs read it."""

from dataclasses import replace
from pathlib import Path

import orjson
from view_nouns import BARE_EMAIL, BARE_PHONE, END, NOW

from reconciler.model import ListRejected, Op, Rejected, RejectedContact
from reconciler.views import machine
from reconciler.views import rejected as view

ONE = RejectedContact(
    op=Op.SUPPRESS,
    address="+1•••••••567",
    reason="DNC",
    until=END,
    code="BLOCKED",
    field="phoneNumber",
    message="on hold",
    first_refused_at=NOW,
    last_refused_at=NOW,
    times=1,
    run="20261123T101500Z-3f9a1c",
    source="contacts/us.csv",
    line=12,
)
FILES = tuple(Path(f"/state/runs/{run}/tables/us-dnc/rejected.parquet") for run in ("b", "a"))


def listed(key: str = "us-dnc", **codes: int) -> ListRejected:
    """A list on which so many contacts were refused by each code, of which one is shown."""
    return ListRejected(
        key=key,
        tenant="acme",
        contacts=sum(codes.values()),
        codes=codes,
        samples={code: (replace(ONE, code=code),) for code in codes},
        files=FILES[:1],
    )


def found(*lists: ListRejected) -> Rejected:
    """What is refused of these lists."""
    return Rejected(as_of=NOW, lists=lists)


def test_the_summary_counts_contacts_of_all_lists_by_code() -> None:
    """Most frequent first; those of equal count by name."""
    made = found(listed(BLOCKED=1, INVALID_EMAIL=1_200), listed("eu-dnc", BLOCKED=2, AGE=3))

    told = view.summary(made).plain

    assert (
        "Rejected: 1,206 contacts are still refused (1,200 INVALID_EMAIL, 3 AGE, 3 BLOCKED)."
    ) == told


def test_one_contact_is_one_and_none_is_none() -> None:
    """Words follow numbers."""
    assert "Rejected: none." == view.text(found()).plain
    assert (
        "Rejected: 1 contact is still refused (1 BLOCKED)."
        == view.summary(found(listed(BLOCKED=1))).plain
    )


def test_a_block_tells_codes_samples_and_where_the_addresses_stand() -> None:
    """What is not shown is counted; an earlier run's file is counted too."""
    again = replace(ONE, times=3, until=None, source="", line=0, reason=None)
    made = replace(listed(BLOCKED=7), samples={"BLOCKED": (ONE, again)}, files=FILES)

    told = view.text(found(made)).plain

    assert [
        "us-dnc at acme: 7 contacts",
        "  ! rejected   7 BLOCKED (phoneNumber): on hold",
        (
            "      +1•••••••567  suppress  DNC  until 2027-12-31T23:59:59Z  contacts/us.csv:12  "
            "refused 2026-11-23T10:15:00Z"
        ),
        "      +1•••••••567  suppress  without end  refused 3 times since 2026-11-23T10:15:00Z",
        "      and 5 more",
        f"    addresses  {FILES[0]} (and of 1 earlier run)",
        "",
        "Rejected: 7 contacts are still refused (7 BLOCKED).",
    ] == told.split("\n")


def test_what_the_service_wrote_names_nobody_and_moves_no_cursor() -> None:
    """In text and in JSON."""
    foreign = replace(
        ONE, address=BARE_PHONE, message=f"{BARE_EMAIL}\x1b[2J is\non hold", source="a\rb.csv"
    )
    made = found(replace(listed(BLOCKED=1), samples={"BLOCKED": (foreign,)}))

    text = view.text(made).plain
    document = machine.rejected(made).decode()

    for told in (text, document):
        assert BARE_EMAIL not in told
        assert BARE_PHONE not in told
        assert "\x1b" not in told
        assert "\r" not in told
    assert "s•••@example.com [2J is on hold" in text


def test_as_json_it_is_one_document_with_the_same_numbers() -> None:
    """Lists, codes and contacts are arrays: no key depends on what the service says."""
    told = orjson.loads(machine.rejected(found(listed(BLOCKED=7))))

    assert ("reconciler/v1", "rejected", "2026-11-23T10:15:00Z", 0) == (
        told["format"],
        told["kind"],
        told["as_of"],
        told["exit_code"],
    )
    assert {"contacts": 7} == told["counts"]
    (only,) = told["lists"]
    (code,) = only["codes"]
    assert ("us-dnc", "acme", 7, [str(FILES[0])]) == (
        only["key"],
        only["tenant"],
        only["contacts"],
        only["files"],
    )
    assert ("BLOCKED", 7) == (code["code"], code["contacts"])
    assert {
        "op": "suppress",
        "address": "+1•••••••567",
        "reason": "DNC",
        "until": "2027-12-31T23:59:59Z",
        "code": "BLOCKED",
        "field": "phoneNumber",
        "message": "on hold",
        "first_refused_at": "2026-11-23T10:15:00Z",
        "last_refused_at": "2026-11-23T10:15:00Z",
        "times": 1,
        "run": "20261123T101500Z-3f9a1c",
        "source": "contacts/us.csv",
        "line": 12,
    } == code["samples"][0]
