"""Events reach the CRM whatever dies in between: a receiver, a process, a whole machine."""

import os
import re
import time
from pathlib import Path
from shutil import rmtree

import orjson
import pytest

from program import PATIENCE, Ran, Workplace, soon, workplace
from receivers import SAID, SECRET, Crm, hooks, receiving
from reconciler import journal

PHONES = ("+12125550101", "+12125550102", "+12125550103")
APPLY = ("apply", "--auto-approve")
_UNDER_WAY = 0.2
"""Seconds from the journal's line to a request that the service has."""


@pytest.fixture
def work(tmp_path: Path) -> Workplace:
    """Return a list of which two are missing, and a store that machines share."""
    work = workplace(tmp_path)
    work.have((PHONES[0], "DNC", None))
    work.embed()
    work.declare(*(f'phoneNumber: "{phone}"' for phone in PHONES))
    work.environment |= {
        "HOOK": SECRET,
        "RECONCILER_STORE": str(tmp_path / "store"),
        "RECONCILER_PSEUDONYM_KEY": "env:KEY",
        "KEY": "a key that all machines have",
    }
    return work


def on(work: Workplace, machine: str, *words: str) -> Ran:
    """Run the program on a machine, whose disk is a folder."""
    settings = {"RECONCILER_STATE_DIR": str(work.folder / machine)}
    return work.call(*words, settings=settings)


def store(work: Workplace) -> Path:
    """Where the machines meet."""
    return work.folder / "store"


def kept(work: Workplace) -> bytes:
    """All that is in the store."""
    return b"".join(path.read_bytes() for path in store(work).rglob("*") if path.is_file())


def once(crm: Crm) -> dict[tuple[str, str], str]:
    """What a receiver that knows ids makes of it: the one id of each run and list."""
    found = {
        (each["run_id"], each["list"]): name for name, each in zip(crm.ids, crm.events, strict=True)
    }
    assert len(found) == len(set(crm.ids)) == len(set(found.values()))
    return found


def test_a_machine_that_dies_and_is_no_more_owes_nothing(work: Workplace) -> None:
    """Its event comes from another, under its own id, with what can be known of it."""
    work.environment["RECONCILER_STATE_DIR"] = str(work.folder / "a")
    slow = "slow:2@POST /api/v2/lists/*/contacts#1"
    with receiving(204) as crm, work.service(slow, more=hooks(crm.url)):
        with work.started(*APPLY) as running:
            soon(lambda: _sent(work))
            time.sleep(_UNDER_WAY)
            running.kill()
            running.wait(PATIENCE)
        (dead,) = [path.stem for path in (store(work) / "open").iterdir()]
        _grow_old(store(work) / "open")
        rmtree(work.folder / "a")
        healed = on(work, "b", *APPLY)
        heard = once(crm)
    verified = on(work, "c", "audit", "verify")

    assert 0 == healed.code, healed.err
    assert f"run {dead} (apply) was interrupted: us-dnc: 0 suppress, 2 in doubt" in healed.err
    assert 0 == verified.code, verified.out
    assert (dead, "us-dnc") in heard
    (event,) = [each for each in crm.events if each["run_id"] == dead]
    assert (None, 0) == (event["contact_count"], event["suppressed"])
    assert [{"code": "IN_DOUBT", "field": "", "count": 2}] == event["errors"]
    assert [] == [*(store(work) / "outbox").rglob("*.json")]
    assert (store(work) / "runs" / dead / "changes.parquet").exists()
    assert not re.search(rb"\+1\d{10}", kept(work))


def _sent(work: Workplace) -> bool:
    """Whether a request is on its way, as far as the journal tells."""
    files = [*work.folder.glob("a/runs/*/journal.jsonl")]
    return bool(files) and any(True for _ in journal.replay(files[0]))


def _grow_old(folder: Path) -> None:
    """Let signs of life be as old as those of the dead: nobody waits for minutes here."""
    for path in folder.iterdir():
        os.utime(path, (path.stat().st_mtime - 600,) * 2)


def test_what_a_receiver_did_not_take_another_machine_delivers(work: Workplace) -> None:
    """And says so; a person can see what is left and of whom, but no secret."""
    with receiving(500, 500, 500, 500, 503, 204) as crm, work.service(more=hooks(crm.url)):
        first = on(work, "a", *APPLY)
        rmtree(work.folder / "a")
        shown = on(work, "b", "notify", "list")
        document = on(work, "b", "notify", "list", "--format", "json").document
        again = on(work, "b", *APPLY)
        last = on(work, "c", "plan")
        empty = on(work, "c", "notify", "list")

    (row,) = document["webhooks"]
    assert [0, 0, 0] == [each.code for each in (first, again, last)]
    assert "webhooks of earlier runs: 1 undelivered; see reconciler notify list" in again.err
    assert "webhooks of earlier runs: 1 delivered" in last.err
    assert 6 == len(crm.ids)
    assert 1 == len(once(crm))
    assert ("us-dnc", crm.url, 4, 500) == (
        row["list"],
        row["receiver"],
        row["attempts"],
        row["last_status"],
    )
    assert crm.ids[0] == row["event_id"]
    assert f"{row['event_id']}  us-dnc to {crm.url}  run {row['run']}" in shown.out
    assert "Webhooks: 1 undelivered, 0 of them given up." == shown.last
    assert "Webhooks: none undelivered." == empty.last
    assert not any(part in shown.out for part in ("/hook", SECRET))
    assert SAID not in kept(work)
    assert b"/hook" not in kept(work)


def test_a_person_can_have_events_delivered(work: Workplace) -> None:
    """One by its id, also if it was given up; exit 1 as long as something is left."""
    with receiving(410, 503, 503, 503, 503, 204) as crm, work.service(more=hooks(crm.url)):
        on(work, "a", *APPLY)
        (event,) = crm.ids
        listed = on(work, "a", "notify", "list").last
        unasked = on(work, "a", "notify", "retry")
        failed = on(work, "a", "notify", "retry", "--all", "--format", "json")
        done = on(work, "a", "notify", "retry", event)
        nothing = on(work, "a", "notify", "retry", "--all")

    assert "Webhooks: 1 undelivered, 1 of them given up." == listed
    assert [0, 1, 0, 0] == [each.code for each in (unasked, failed, done, nothing)]
    assert {"delivered": 0, "undelivered": 1} == failed.document["counts"]
    assert f"delivered    {event}  us-dnc to {crm.url}" in done.out
    assert "Webhooks: 1 delivered, 0 undelivered." == done.last
    assert "Webhooks: 0 delivered, 0 undelivered." == nothing.last
    assert {event} == set(crm.ids)
    commands = [
        orjson.loads(path.read_bytes())["command"]
        for path in sorted((store(work) / "ledger").iterdir())
    ]
    assert ["apply", *["notify"] * 4] == commands


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("retry", "msg_0"), "no event 'msg_0' waits to be delivered"),
        (("retry", "msg_0", "--all"), "name events, or ask for all of them: not both"),
        (("send",), "No such command 'send'."),
        ((), "Usage: reconciler notify"),
    ],
)
def test_what_makes_no_sense_is_misuse(
    work: Workplace, words: tuple[str, ...], expected: str
) -> None:
    """With a line that says what was expected."""
    ran = on(work, "a", "notify", *words)

    assert 64 == ran.code
    assert expected in ran.err


def test_a_spec_that_cannot_be_read_is_told_and_nothing_is_tried(work: Workplace) -> None:
    """URLs and secrets stand there."""
    with receiving(503) as crm, work.service(more=hooks(crm.url)):
        on(work, "a", *APPLY)
        before = len(crm.ids)
        work.write("tenant.yaml", "kind: Nothing\n")
        ran = on(work, "a", "notify", "retry")

    assert 7 == ran.code
    assert before == len(crm.ids)
