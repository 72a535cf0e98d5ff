"""One signed event for each changed list and receiver; none that can fail a run."""

import base64
import hashlib
import hmac
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest
from standardwebhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from builders import (
    NOW,
    desired,
    desired_list,
    gap,
    list_spec,
    observed,
    observed_list,
    tenant,
)
from reconciler import outbox
from reconciler.artifacts import Run
from reconciler.contacts.engine import Engine
from reconciler.errors import SettingError
from reconciler.locks import FileLocks
from reconciler.metrics import Meter
from reconciler.model import (
    Op,
    Outcome,
    Plan,
    Rejection,
    Status,
    Webhook,
    WebhookResult,
)
from reconciler.notify import IN_PASSING, TRACE, deliver, leftovers, notify
from reconciler.plan import plan
from reconciler.store import DirectoryStore
from strategies import OPEN

KEY = base64.b64encode(b"twenty-four bytes of key").decode()
PARTS = {Op.SUPPRESS: 2, Op.AMEND: 1, Op.SHORTEN: 1, Op.RELEASE: 1}


@dataclass(slots=True)
class Crm:
    """A receiver that keeps what it gets and answers with these statuses, the last for ever."""

    statuses: Sequence[int]
    url: str = ""
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def events(self) -> list[Any]:
        """What it was told, parsed."""
        return [orjson.loads(body) for _, body in self.got]


@contextmanager
def receiving(*statuses: int) -> Iterator[Crm]:
    """Receive on a free port of loopback until the block ends."""
    crm = Crm(statuses or (204,))

    class Conversation(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            crm.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(crm.statuses[min(len(crm.got), len(crm.statuses)) - 1])
            self.send_header("retry-after", "0")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Conversation)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    crm.url = f"http://127.0.0.1:{server.server_address[1]}/hooks"
    try:
        yield crm
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Give the receivers their secrets, and the outbox a place."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOOK", KEY)
    monkeypatch.setenv("PREFIXED", f"whsec_{KEY}")
    monkeypatch.setenv("UNPADDED", base64.b64encode(b"a key of 22 bytes only").decode().rstrip("="))


def decided(*keys: str) -> Plan:
    """A plan for lists with something of everything to do."""
    keys = keys or ("us-dnc",)
    return plan(
        desired(*(desired_list(key, spec=list_spec(key, batch_reason="sweep")) for key in keys)),
        observed(*(observed_list(key, gap=gap(key, parts=PARTS)) for key in keys)),
        policy=OPEN,
        as_of=NOW,
    )


def outcome(action: str, op: str = "", *, taken: int = 0, **changes: Any) -> Outcome:
    """What became of a batch, or of a step without rows."""
    made = Outcome(
        key="us-dnc",
        action=action,
        op=op,
        batch=int(bool(op)),
        first=0,
        last=taken,
        rows=taken,
        taken=taken,
        status=Status.DONE,
    )
    return replace(made, **changes)


SUPPRESSED = outcome("Suppress", Op.SUPPRESS, taken=2)
READ_BACK = outcome("ReadBack", taken=1002)


def running(clock: Callable[[], datetime] = lambda: NOW) -> Run:
    """A run in a folder of this test, whose engine stays closed."""
    return Run(
        id="20261123T101500Z-3f9a1c",
        command="apply",
        state=Path("nowhere"),
        store=DirectoryStore(Path("nowhere")),
        locks=FileLocks(folder=Path("nowhere") / "locks", run="test"),
        started=NOW,
        engine=Engine(key=b"k" * 32, spill=Path("nowhere")),
        meter=Meter(),
        clock=clock,
        stop=threading.Event(),
        tell=lambda _: None,
        progress=lambda *_: None,
    )


def told(
    *outcomes: Outcome,
    hooks: Sequence[Webhook],
    made: Plan | None = None,
    run: Run | None = None,
) -> tuple[WebhookResult, ...]:
    """Notify of a run; returns what came of it."""
    run = run or running(lambda: datetime.now(UTC))
    acme = tenant(webhooks=tuple(hooks))
    return notify(made or decided(), outcomes, tenants={"acme": acme}, run=run)


def left_by_others(run: Run, *hooks: Webhook, living: Sequence[str] = ()) -> list[str]:
    """Deliver what earlier runs have left, in a run of its own; returns what it was told."""
    said: list[str] = []
    run = replace(run, id="20261124T000000Z-000000", tell=said.append)
    leftovers(run, lambda: {"acme": tenant(webhooks=hooks)}, living=living)
    return said


def kept() -> list[str]:
    """The names of all that is in the outbox."""
    return [*running().store.names("outbox")]


def interrupted() -> Run:
    """A run that was asked to stop."""
    run = running()
    run.stop.set()
    return run


def test_an_event_says_what_was_done_to_a_list() -> None:
    """In counts: what was taken by direction, what was rejected by code and field."""
    rejections = (
        Rejection(row=0, code="BAD_PHONE", field="phoneNumber", message="no"),
        Rejection(row=4, code="BAD_PHONE", field="phoneNumber"),
        Rejection(row=5, code="BAD_EMAIL"),
    )
    outcomes = (
        SUPPRESSED,
        outcome("Suppress", Op.SUPPRESS, taken=3, status=Status.PARTLY, rejections=rejections),
        outcome("Amend", Op.AMEND, taken=4),
        outcome("Amend", Op.PART, taken=100),
        outcome("Shorten", Op.SHORTEN, taken=5),
        outcome("Release", Op.RELEASE, taken=6),
        READ_BACK,
    )
    made = decided()

    with receiving() as crm:
        (result,) = told(
            *outcomes,
            hooks=[Webhook(url=crm.url, secret="env:HOOK")],
            made=made,
            run=running(),
        )

    expected = {
        "event": "SUPPRESSION_LIST_UPDATED",
        "list_id": "7f3e2c",
        "list": "us-dnc",
        "contact_count": 1002,
        "errors": [
            {"code": "BAD_EMAIL", "field": "", "count": 1},
            {"code": "BAD_PHONE", "field": "phoneNumber", "count": 2},
        ],
        "timestamp": "2026-11-23T10:15:00Z",
        "run_id": "20261123T101500Z-3f9a1c",
        "plan_id": made.id,
        "batch_reason": "sweep",
        "suppressed": 5,
        "amended": 4,
        "shortened": 5,
        "released": 6,
    }
    assert [expected] == crm.events
    assert (True, 1, "us-dnc", crm.url.removesuffix("/hooks"), "") == (
        result.delivered,
        result.attempts,
        result.key,
        result.url,
        result.detail,
    )


@pytest.mark.parametrize("reference", ["env:HOOK", "env:PREFIXED", "env:UNPADDED"])
def test_an_event_is_signed_as_receivers_verify_it(reference: str) -> None:
    """With a library that is not ours; another secret does not do."""
    with receiving() as crm:
        told(SUPPRESSED, READ_BACK, hooks=[Webhook(url=crm.url, secret=reference)])

    ((headers, body),) = crm.got
    secret = KEY
    if reference == "env:UNPADDED":
        secret = base64.b64encode(b"a key of 22 bytes only").decode()
    assert "us-dnc" == Verifier(secret).verify(body, headers)["list"]
    assert "application/json" == headers["content-type"]
    with pytest.raises(WebhookVerificationError):
        Verifier(base64.b64encode(b"of somebody else").decode()).verify(body, headers)


def test_the_id_of_an_event_is_fixed_by_run_and_list() -> None:
    """A receiver that drops what it knows sees one event, however often it is delivered."""
    both = (SUPPRESSED, replace(SUPPRESSED, key="eu"))
    run = running()
    with receiving() as crm:
        twice = Webhook(url=crm.url, secret="env:HOOK")
        hooks = (twice, twice, Webhook(url=crm.url, secret="env:PREFIXED"))
        tenants = {"acme": tenant(webhooks=hooks)}
        made = decided("us-dnc", "eu")

        first = notify(made, both, tenants=tenants, run=run)
        again = notify(made, both, tenants=tenants, run=run)
        other = notify(made, both, tenants=tenants, run=replace(run, id="another"))

    ids = [[result.event_id for result in results] for results in (first, again, other)]
    us, _, eu, _ = ids[0]
    assert [us, us, eu, eu] == ids[0] == ids[1]
    assert 4 == len({us, eu, *ids[2]})
    sent = [head["webhook-id"] for head, _ in crm.got]
    assert sorted(each for one in ids for each in one) == sorted(sent)


@pytest.mark.parametrize(
    "outcomes",
    [
        (),
        (READ_BACK,),
        (outcome("Suppress", Op.SUPPRESS, status=Status.REJECTED, rows=2), READ_BACK),
        (outcome("UpdateList", status=Status.WITHHELD), READ_BACK),
        (outcome("UpdateList", status=Status.FAILED),),
        (outcome("CreateList", status=Status.FAILED, detail="the service failed"),),
        (outcome("Check", status=Status.FAILED),),
        (replace(SUPPRESSED, key="eu"),),
    ],
)
def test_a_list_that_was_not_changed_is_no_event(outcomes: tuple[Outcome, ...]) -> None:
    """Reading it, failing at it, and changing another list are not changing it."""
    with receiving() as crm:
        found = told(*outcomes, hooks=[Webhook(url=crm.url, secret="env:HOOK")])

    assert () == found
    assert [] == crm.got


@pytest.mark.parametrize("action", ["UpdateList", "CreateList"])
def test_a_change_of_the_list_itself_is_an_event(action: str) -> None:
    """Also where no contact changed; a list that could not be read back has no count."""
    done = outcome(action, detail="9a")
    unread = outcome("ReadBack", status=Status.FAILED)
    fresh = plan(desired(), observed(observed_list(remote=None, size=0)), policy=OPEN, as_of=NOW)

    with receiving() as crm:
        told(done, unread, hooks=[Webhook(url=crm.url, secret="env:HOOK")], made=fresh)

    (event,) = crm.events
    assert ("9a" if action == "CreateList" else None) == event["list_id"]
    assert (None, 0, []) == (event["contact_count"], event["suppressed"], event["errors"])


def test_every_receiver_of_the_tenant_is_told_and_no_other() -> None:
    """One that fails is nothing to the next."""
    with receiving(410) as bad, receiving() as good, receiving() as others:
        hooks = [Webhook(url=crm.url, secret="env:HOOK") for crm in (bad, good)]
        tenants = {
            "acme": tenant(webhooks=tuple(hooks)),
            "other": tenant(name="other", webhooks=(Webhook(url=others.url, secret="env:HOOK"),)),
        }
        found = notify(decided(), [SUPPRESSED], tenants=tenants, run=running())

    assert [(False, "answered 410"), (True, "")] == [(one.delivered, one.detail) for one in found]
    assert [1, 1, 0] == [len(crm.got) for crm in (bad, good, others)]


def test_a_receiver_in_trouble_is_asked_again() -> None:
    """With the same event under the same id."""
    with receiving(503, 429, 200) as crm:
        (result,) = told(SUPPRESSED, hooks=[Webhook(url=crm.url, secret="env:HOOK")])

    assert (True, 3) == (result.delivered, result.attempts)
    assert 1 == len({(head["webhook-id"], body) for head, body in crm.got})


def test_a_receiver_that_stays_in_trouble_is_reported() -> None:
    """After a few tries, in a few words, without what it answered."""
    with receiving(500) as crm:
        (result,) = told(SUPPRESSED, hooks=[Webhook(url=crm.url, secret="env:HOOK")])

    assert not result.delivered
    assert len(crm.got) == result.attempts > 1
    assert "answered 500" in result.detail


def test_an_event_is_signed_when_it_is_sent() -> None:
    """A receiver refuses old signatures, and what an earlier run left may be days old."""
    times = iter([NOW - timedelta(days=3)] * 3)
    with receiving(503, 503, 503, 503, 204) as crm:
        hook = Webhook(url=crm.url, secret="env:HOOK")
        told(SUPPRESSED, hooks=[hook], run=running(lambda: next(times, NOW)))
        again = running(lambda: datetime.now(UTC))
        left_by_others(again, hook)

    (headers, body) = crm.got[-1]
    assert crm.got[0][1] == body
    assert Verifier(KEY).verify(body, headers)


def test_a_signature_is_what_the_specification_says() -> None:
    """Computed here by hand: id, time and body, under the key itself, as base64."""
    with receiving() as crm:
        told(SUPPRESSED, hooks=[Webhook(url=crm.url, secret="env:PREFIXED")])

    ((headers, body),) = crm.got
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    made = hmac.new(b"twenty-four bytes of key", signed, hashlib.sha256).digest()
    assert f"v1,{base64.b64encode(made).decode()}" == headers["webhook-signature"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "env:BAD is not set or empty"),
        ("", "env:BAD is not set or empty"),
        ("whsec_", "env:BAD is not base64, or is empty"),
        ("no base64!", "env:BAD is not base64, or is empty"),
        ("whsec_ä", "env:BAD is not base64, or is empty"),
        ("QUJD QUJD", "env:BAD is not base64, or is empty"),
    ],
)
def test_a_bad_secret_is_reported_and_nothing_is_sent(
    value: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not shown, and the run goes on: the change is made already."""
    if value is not None:
        monkeypatch.setenv("BAD", value)

    with receiving() as crm:
        (result,) = told(SUPPRESSED, hooks=[Webhook(url=crm.url, secret="env:BAD")])

    assert [] == crm.got
    assert (False, 0) == (result.delivered, result.attempts)
    assert expected in result.detail
    assert not value or value not in result.detail or value == "whsec_"


@pytest.mark.parametrize("secret", [KEY, "file:/nowhere/at/all"])
def test_a_secret_that_cannot_be_had_is_reported(secret: str) -> None:
    """One that stands in the spec itself is not repeated."""
    (result,) = told(SUPPRESSED, hooks=[Webhook(url="http://127.0.0.1:9/", secret=secret)])

    assert (False, 0) == (result.delivered, result.attempts)
    assert KEY not in result.detail


@pytest.mark.parametrize("url", ["http://crm.example.com/hooks", "crm", "https://"])
def test_clear_text_never_leaves_this_machine(url: str) -> None:
    """And a URL that is none fails nothing."""
    (result,) = told(SUPPRESSED, hooks=[Webhook(url=url, secret="env:HOOK")], run=interrupted())

    assert not result.delivered
    assert result.detail


def test_an_interrupted_run_says_what_it_did_not_deliver() -> None:
    """Nobody waits for a receiver after Ctrl-C."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"

    (result,) = told(SUPPRESSED, hooks=[Webhook(url=url, secret="env:HOOK")], run=interrupted())

    assert (False, url) == (result.delivered, result.url)


def test_a_tenant_without_receivers_is_fine() -> None:
    """Nobody is told."""
    assert () == told(SUPPRESSED, READ_BACK, hooks=[])


# ---------------------------------------------------------------- what is left for a later run


def test_what_was_delivered_leaves_nothing() -> None:
    """Neither the event nor that it was owed."""
    with receiving() as crm:
        told(SUPPRESSED, READ_BACK, hooks=[Webhook(url=crm.url, secret="env:HOOK")])

    assert [] == kept()


def test_what_nobody_took_is_delivered_by_a_later_run() -> None:
    """The same body under the same id; what became of it stands among that run's artifacts."""
    with receiving(500, 500, 500, 500, 204) as crm:
        hook = Webhook(url=crm.url, secret="env:HOOK")
        (missed,) = told(SUPPRESSED, READ_BACK, hooks=[hook])
        before = kept()
        run = running(lambda: datetime.now(UTC))
        said = left_by_others(run, hook)

    trace = orjson.loads((run.state / f"runs/20261124T000000Z-000000/{TRACE}").read_bytes())
    (shown,) = trace["webhooks"]
    assert [f"outbox/events/{missed.event_id}.json"] == before
    assert 1 == len({(head["webhook-id"], body) for head, body in crm.got})
    assert ["webhooks of earlier runs: 1 delivered"] == said
    assert ("20261123T101500Z-3f9a1c", True) == (shown["run"], shown["result"]["delivered"])
    assert [] == kept()


def test_only_who_has_not_taken_an_event_is_told_again() -> None:
    """It waits for the others alone."""
    with receiving() as good, receiving(503, 503, 503, 503, 204) as bad:
        hooks = [Webhook(url=crm.url, secret="env:HOOK") for crm in (good, bad)]
        told(SUPPRESSED, hooks=hooks)
        left_by_others(running(), *hooks)

    assert [1, 5] == [len(crm.got) for crm in (good, bad)]
    assert [] == kept()


def test_a_later_run_tries_each_receiver_once_in_passing() -> None:
    """It has work of its own; it says that something is left."""
    with receiving(500) as crm:
        hook = Webhook(url=crm.url, secret="env:HOOK")
        told(SUPPRESSED, hooks=[hook])
        before = len(crm.got)
        said = left_by_others(running(), hook)

    assert before + 1 == len(crm.got)
    assert ["webhooks of earlier runs: 1 undelivered; see reconciler notify list"] == said
    assert 1 == len(kept())


def test_a_receiver_in_trouble_holds_up_nobody() -> None:
    """Of many events only those that are under way at once are tried; all of them are kept."""
    keys = [f"list-{number}" for number in range(40)]
    with receiving(500) as crm:
        found = told(
            *(replace(SUPPRESSED, key=key) for key in keys),
            hooks=[Webhook(url=crm.url, secret="env:HOOK")],
            made=decided(*keys),
        )

    untried = [one for one in found if not one.attempts]
    assert 40 == len(kept()) == len(found)
    assert {"not tried: this receiver could not be reached just before"} == {
        one.detail for one in untried
    }
    assert len(untried) >= 40 - 8


def test_no_event_of_an_earlier_run_is_begun_once_the_time_is_up() -> None:
    """It stays for the next run."""
    times = iter([0.0, 10.0])
    with receiving() as crm:
        hook = Webhook(url=crm.url, secret="env:ABSENT")
        told(SUPPRESSED, hooks=[hook])
        notice = next(outbox.waiting(running().store, aside=False))
        (late,) = deliver(
            [notice],
            tenants={"acme": tenant(webhooks=(replace(hook, secret="env:HOOK"),))},
            run=running(),
            effort=replace(IN_PASSING, clock=lambda: next(times)),
        )

    assert (0, "not tried: there was no time left") == (late.attempts, late.detail)
    assert [] == crm.got
    assert 1 == len(kept())


def test_a_receiver_that_is_gone_is_not_tried_by_runs_any_more() -> None:
    """Its event is set aside until a person asks for it."""
    with receiving(410, 204) as crm:
        hook = Webhook(url=crm.url, secret="env:HOOK")
        (gone,) = told(SUPPRESSED, hooks=[hook])
        aside = kept()
        left_by_others(running(), hook)
        before = len(crm.got)
        (notice,) = outbox.waiting(running().store, aside=True)
        tenants = {"acme": tenant(webhooks=(hook,))}
        (taken,) = deliver([notice], tenants=tenants, run=running(), insist=True)

    assert [f"outbox/aside/{gone.event_id}.json"] == aside
    assert 1 == before
    assert taken.delivered
    assert [] == kept()


def test_an_event_that_nobody_takes_is_given_up_after_a_week() -> None:
    """It is tried until then, and set aside after."""
    hook = Webhook(url="http://127.0.0.1:9/", secret="env:ABSENT")
    told(SUPPRESSED, hooks=[hook], run=running())

    left_by_others(running(lambda: NOW + timedelta(days=6)), hook)
    young = kept()
    left_by_others(running(lambda: NOW + timedelta(days=7)), hook)

    assert ["outbox/events", "outbox/aside"] == [
        name.rpartition("/")[0] for name in (*young, *kept())
    ]


def test_a_webhook_that_the_specs_have_no_more_is_not_tried() -> None:
    """Its event waits: the specs may be those of a branch."""
    with receiving(500, 500, 500, 500, 204) as crm, receiving() as other:
        hook = Webhook(url=crm.url, secret="env:HOOK")
        told(SUPPRESSED, hooks=[hook])
        left_by_others(running(), Webhook(url=other.url, secret="env:HOOK"))
        before = len(crm.got), len(kept())
        left_by_others(running(), hook)

    assert ((4, 1), 5, 0) == (before, len(crm.got), len(other.got))
    assert [] == kept()


def test_a_webhook_whose_path_or_secret_was_replaced_is_known_again() -> None:
    """By its place, where it is the only one there; the new secret signs."""
    with receiving(500, 500, 500, 500, 204) as crm:
        told(SUPPRESSED, hooks=[Webhook(url=crm.url, secret="env:HOOK")])
        moved = Webhook(url=f"{crm.url}/new", secret="env:UNPADDED")
        left_by_others(running(lambda: datetime.now(UTC)), moved)

    headers, body = crm.got[-1]
    secret = base64.b64encode(b"a key of 22 bytes only").decode()
    assert "us-dnc" == Verifier(secret).verify(body, headers)["list"]
    assert [] == kept()


def test_a_run_that_lives_delivers_its_own() -> None:
    """Another does not send it at the same time."""
    with receiving(500, 500, 500, 500, 204) as crm:
        hook = Webhook(url=crm.url, secret="env:HOOK")
        told(SUPPRESSED, hooks=[hook])
        left_by_others(running(), hook, living=["20261123T101500Z-3f9a1c"])

    assert 4 == len(crm.got)


def test_what_earlier_runs_left_never_fails_a_run() -> None:
    """Whatever is wrong with the specs."""
    said: list[str] = []
    told(SUPPRESSED, hooks=[Webhook(url="http://127.0.0.1:9/", secret="env:ABSENT")])

    def broken() -> Any:
        raise SettingError("the specs cannot be read")

    leftovers(replace(running(), tell=said.append), broken, living=())

    assert ["webhooks of earlier runs have to wait: the specs cannot be read"] == said


def test_an_outbox_that_cannot_be_written_is_told_and_the_event_sent() -> None:
    """The change is made already."""
    said: list[str] = []
    run = running()
    (run.state / "outbox").parent.mkdir(parents=True)
    (run.state / "outbox").write_bytes(b"in the way")

    with receiving() as crm:
        run = replace(run, tell=said.append)
        hook = Webhook(url=crm.url, secret="env:HOOK")
        (sent,) = told(SUPPRESSED, hooks=[hook], run=run)

    assert sent.delivered
    assert said[0].startswith("webhooks cannot be kept for a later run: ")
