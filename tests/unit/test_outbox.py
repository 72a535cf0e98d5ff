"""Events stay until everybody has taken them; several machines may try at once."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from builders import (
    NOW,
    desired,
    desired_list,
    gap,
    list_spec,
    observed,
    observed_list,
    remote,
    tenant,
)
from reconciler import outbox
from reconciler.artifacts import Run
from reconciler.model import Op, Plan, Webhook
from reconciler.outbox import Notice, Receiver
from reconciler.plan import plan
from reconciler.store import DirectoryStore
from strategies import OPEN
from worlds import running

CRM = Webhook(url="https://user:pass@crm.example.com/hooks/T0K3N?key=hush", secret="env:HOOK")
BI = Webhook(url="https://bi.example.com:8443/in", secret="env:HOOK")
ONE = Receiver(digest="1", origin="https://crm.example.com")
TWO = Receiver(digest="2", origin="https://bi.example.com:8443")
NOTICE = Notice(
    event="msg_1",
    run="20261123T101500Z-3f9a1c",
    key="us-dnc",
    tenant="acme",
    since=NOW,
    receivers=(ONE, TWO),
    body='{"event": "it was"}',
)


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    """Return an empty store."""
    return DirectoryStore(tmp_path)


def decided(*keys: str, parts: dict[Op, int]) -> Plan:
    """A plan for these lists."""
    return plan(
        desired(*(desired_list(key, spec=list_spec(key, batch_reason="sweep")) for key in keys)),
        observed(
            *(
                observed_list(key, remote=remote(id=f"id of {key}"), gap=gap(key, parts=parts))
                for key in keys
            )
        ),
        policy=OPEN,
        as_of=NOW,
    )


def waiting(store: DirectoryStore) -> list[Notice]:
    """All events there are."""
    return [*outbox.waiting(store, aside=True)]


def intended(run: Run, made: Plan, *hooks: Webhook) -> outbox.Intent | None:
    """What a run may owe after it said so."""
    outbox.intend(made, {"acme": tenant(webhooks=hooks)}, run)
    return outbox.intent(run.store, run.id)


def test_before_the_first_write_it_is_said_what_may_be_owed() -> None:
    """All that the events will need and no journal knows."""
    made = decided("us-dnc", "eu", parts={Op.SUPPRESS: 2})
    with running() as run:
        found = intended(run, made, CRM, BI, BI)
        named = outbox.intents(run.store)

    assert found
    assert [run.id] == named
    assert (run.id, made.id, NOW) == (found.run, found.plan, found.since)
    assert {("us-dnc", "acme", "id of us-dnc", "sweep"), ("eu", "acme", "id of eu", "sweep")} == {
        (one.key, one.tenant, one.list_id, one.batch_reason) for one in found.lists
    }
    origins = ["https://crm.example.com", "https://bi.example.com:8443"]
    assert [origins, origins] == [
        [receiver.origin for receiver in one.receivers] for one in found.lists
    ]


@pytest.mark.parametrize(("parts", "hooks"), [({}, (CRM,)), ({Op.SUPPRESS: 2}, ())])
def test_nothing_is_said_where_nobody_will_hear_anything(
    parts: dict[Op, int], hooks: tuple[Webhook, ...]
) -> None:
    """A plan that does nothing, a tenant without receivers."""
    with running() as run:
        found = intended(run, decided("us-dnc", parts=parts), *hooks)

        assert found is None
        assert [] == run.store.names("outbox")


def test_nothing_in_the_outbox_is_a_secret(tmp_path: Path) -> None:
    """A URL may hold one: of it only the origin is kept, and a keyed digest."""
    with running(folder=tmp_path) as run:
        intended(run, decided("us-dnc", parts={Op.SUPPRESS: 2}), CRM)
        one = replace(
            NOTICE, receivers=outbox.receivers(tenant(webhooks=(CRM,)), run), body="counts"
        )
        outbox.put([one], run="another", store=run.store)

    held = b"".join(path.read_bytes() for path in (tmp_path / "outbox").rglob("*.json"))
    assert 2 == held.count(b"https://crm.example.com")
    assert not any(part in held for part in (b"T0K3N", b"hush", b"user", b"pass", b"env:"))


def test_events_take_the_place_of_what_was_said(store: DirectoryStore) -> None:
    """Those of lists that were not changed never come."""
    store.create(f"outbox/intents/{NOTICE.run}.json", b"{}")

    outbox.put([NOTICE], run=NOTICE.run, store=store)

    assert ["outbox/events/msg_1.json"] == store.names("outbox")
    assert [NOTICE] == waiting(store)


def test_whoever_did_so_before_and_died_is_completed(store: DirectoryStore) -> None:
    """The event that is there stays as it is."""
    outbox.put([NOTICE], run=NOTICE.run, store=store)
    store.create(f"outbox/intents/{NOTICE.run}.json", b"{}")

    other = replace(NOTICE, event="msg_2")
    outbox.put([replace(NOTICE, body="known worse"), other], run=NOTICE.run, store=store)

    assert [NOTICE, other] == waiting(store)
    assert [] == outbox.intents(store)


def test_an_event_goes_once_everybody_has_taken_it(store: DirectoryStore) -> None:
    """Not before."""
    outbox.put([NOTICE], run=NOTICE.run, store=store)
    tried = replace(TWO, attempts=3, status=503, detail="answered 503", tried=NOW)

    outbox.settle(NOTICE, {"1": None, "2": tried}, now=NOW, store=store)
    left = waiting(store)
    outbox.settle(left[0], {"2": None}, now=NOW, store=store)

    assert [replace(NOTICE, receivers=(tried,))] == left
    assert [] == store.names("outbox")


def test_two_machines_that_try_at_once_lose_nothing(store: DirectoryStore) -> None:
    """Each delivered to one receiver, of the two that both had read of."""
    outbox.put([NOTICE], run=NOTICE.run, store=store)
    missed = [replace(one, attempts=1, status=500) for one in (ONE, TWO)]

    outbox.settle(NOTICE, {"1": None, "2": missed[1]}, now=NOW, store=store)
    between = [one.receivers for one in waiting(store)]
    outbox.settle(NOTICE, {"1": missed[0], "2": None}, now=NOW, store=store)

    assert [(missed[1],)] == between
    assert [] == store.names("outbox")


def test_what_another_machine_has_delivered_is_not_put_back(store: DirectoryStore) -> None:
    """It is gone, whatever became of it here."""
    outbox.settle(NOTICE, {"1": None, "2": TWO}, now=NOW, store=store)

    assert [] == store.names("outbox")


@pytest.mark.parametrize(
    ("receivers", "later", "folder"),
    [
        ((replace(ONE, status=410), replace(TWO, status=503)), 0, "events"),
        ((replace(ONE, status=410), replace(TWO, status=410)), 0, "aside"),
        ((replace(ONE, status=503), TWO), 6, "events"),
        ((replace(ONE, status=503), TWO), 7, "aside"),
    ],
)
def test_an_event_is_set_aside_where_no_run_is_to_try_it(
    store: DirectoryStore, receivers: tuple[Receiver, ...], later: int, folder: str
) -> None:
    """Everybody who has not taken it wants no more, or a week has passed."""
    outbox.put([NOTICE], run=NOTICE.run, store=store)
    now = NOW + timedelta(days=later)

    outbox.settle(NOTICE, {one.digest: one for one in receivers}, now=now, store=store)

    assert [f"outbox/{folder}/msg_1.json"] == store.names("outbox")
    assert [receivers] == [one.receivers for one in waiting(store)]
    assert int(folder == "events") == len([*outbox.waiting(store, aside=False)])


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"held": {"event": 5}}', b'{"held": 1}'])
def test_what_is_none_of_ours_is_passed_over(store: DirectoryStore, data: bytes) -> None:
    """Nobody can deliver it."""
    store.create("outbox/events/strange.json", data)
    store.create("outbox/intents/strange.json", data)
    outbox.put([NOTICE], run=NOTICE.run, store=store)

    assert [NOTICE] == waiting(store)
    assert outbox.intent(store, "strange") is None


def test_of_very_many_events_some_are_taken(store: DirectoryStore) -> None:
    """No more than one run can look at; never one twice."""
    many = [replace(NOTICE, event=f"msg_{number}") for number in range(9)]
    outbox.put(many, run=NOTICE.run, store=store)

    found = [one.event for one in outbox.waiting(store, aside=False, at_most=4)]

    assert 4 == len({*found}) == len(found)


def test_a_webhook_is_found_again_by_its_url_and_secret_else_by_its_place() -> None:
    """Unless several are at that place."""
    with running() as run:
        (kept,) = outbox.receivers(tenant(webhooks=(CRM,)), run)
        there = replace(CRM, url="https://crm.example.com/other")
        elsewhere = replace(CRM, url="https://crm.example.com:444/hooks/T0K3N")
        found = [
            outbox.hook_of(kept, tenant(webhooks=hooks), run)
            for hooks in ((there, CRM), (BI, there), (there, replace(there, secret="env:B")))
        ]
        gone = [
            outbox.hook_of(kept, tenant(webhooks=(elsewhere, BI)), run),
            outbox.hook_of(kept, None, run),
        ]

    assert [CRM, there, None] == found
    assert [None, None] == gone
