"""Webhooks: what the CRM hears of an apply, signed so that it can be believed."""

from pathlib import Path

import pytest

from program import LIST, Workplace, workplace
from receivers import SAID, SECRET, hooks, receiving

PHONES = ("+12125550101", "+12125550102")


@pytest.fixture
def work(tmp_path: Path) -> Workplace:
    """Return two lists of which one has somebody to suppress."""
    work = workplace(tmp_path)
    work.have((PHONES[0], "DNC", None))
    work.have((PHONES[0], "DNC", None), list_id="same", name="Same")
    work.declare(*(f'phoneNumber: "{phone}"' for phone in PHONES), more="  batchReason: Sweep\n")
    work.declare(f'phoneNumber: "{PHONES[0]}"', name="same", identity="listId: same")
    work.environment["HOOK"] = SECRET
    return work


def test_each_changed_list_is_told_once_and_signed(work: Workplace) -> None:
    """Again under the same id where the receiver failed; a list that did not change is silent."""
    with receiving(503, 204) as crm:
        work.embed(more=hooks(crm.url))
        first = work.run("apply", "--auto-approve")
        receipt = work.artifact("receipt.json")
        first_run = work.newest.name
        work.have().remove(LIST, PHONES[1])
        work.have(list_id="same").remove("same", PHONES[0])
        second = work.call("apply", "--auto-approve")
        nothing = work.call("apply", "--auto-approve")

    (event, again, *others) = crm.events
    assert [0, 0, 0] == [first.code, second.code, nothing.code]
    assert event == again
    assert crm.ids[0] == crm.ids[1]
    assert 3 == len(set(crm.ids))
    assert {"us-dnc", "same"} == {each["list"] for each in others}
    assert {
        "event": "SUPPRESSION_LIST_UPDATED",
        "list_id": LIST,
        "list": "us-dnc",
        "contact_count": 2,
        "errors": [],
        "run_id": first_run,
        "plan_id": receipt["plan"],
        "batch_reason": "Sweep",
        "suppressed": 1,
        "amended": 0,
        "shortened": 0,
        "released": 0,
    } == {key: value for key, value in event.items() if key != "timestamp"}
    (told,) = receipt["webhooks"]
    assert (True, 2, crm.ids[0]) == (told["delivered"], told["attempts"], told["event_id"])


def test_an_event_that_nobody_takes_is_in_the_receipt_and_fails_nothing(work: Workplace) -> None:
    """A receiver that says no, one that points elsewhere, a secret that is not there."""
    with receiving(410) as gone, receiving(307) as moved, receiving(204) as fine:
        work.embed(more=hooks(gone.url, moved.url, fine.url))
        ran = work.run("apply", "--auto-approve")
        told = work.artifact("receipt.json")["webhooks"]
        work.have().remove(LIST, PHONES[1])
        work.embed(more=hooks(fine.url, reference="env:ABSENT"))
        unsigned = work.call("apply", "--auto-approve", "--format", "json")

    assert (0, 0) == (ran.code, unsigned.code)
    assert [False, False, True] == [each["delivered"] for each in told]
    assert [1, 1, 1] == [each["attempts"] for each in told]
    assert f"Webhook undelivered: us-dnc to {gone.url} after 1 attempt: " in ran.out
    assert (1, 1, 1) == tuple(len(crm.events) for crm in (gone, moved, fine))
    (unsent,) = unsigned.document["webhooks"]
    assert (False, 0) == (unsent["delivered"], unsent["attempts"])
    assert "env:ABSENT" in unsent["detail"]
    assert not [path for path in work.state.rglob("*.*") if SAID in path.read_bytes()]


def test_rejected_rows_are_told_in_counts(work: Workplace) -> None:
    """By code and field, without an address."""
    with (
        receiving(204) as crm,
        work.service("reject:LANDLINE@POST /api/v2/lists/*/contacts") as url,
    ):
        work.declare(f'phoneNumber: "{PHONES[1]}"', more="  list: {name: Renamed}\n")
        work.reach(url, more=hooks(crm.url))
        ran = work.call("apply", "--auto-approve")

    (event,) = crm.events
    assert 6 == ran.code
    assert 0 == event["suppressed"]
    assert [("LANDLINE", 1)] == [(each["code"], each["count"]) for each in event["errors"]]
    assert set(event["errors"][0]) == {"code", "field", "count"}
