"""Tell the CRM of every list that an apply changed, once an event id.

A webhook never fails an apply: what could not be delivered is said in the receipt, and stays in
the outbox for the next run. Receivers are told side by side, and one that is in trouble keeps
nobody waiting twice. Events hold counts and ids, never an address.
"""

import base64
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from standardwebhooks import Webhook as Signer
from standardwebhooks.webhooks import EmptyWebhookSecretError

from reconciler import events, outbox
from reconciler.api import webhook
from reconciler.artifacts import Run
from reconciler.config import secret
from reconciler.errors import ReconcilerError, SettingError
from reconciler.model import ListPlan, Outcome, Plan, Status, Tenant, Webhook, WebhookResult
from reconciler.outbox import Notice, Receiver
from reconciler.side_by_side import side_by_side

TRACE: Final = "webhooks.json"
"""The artifact that says what became of events of earlier runs."""
_PREFIX: Final = "whsec_"
_SETTING: Final = frozenset({"CreateList", "UpdateList"})
_TROUBLE: Final = frozenset({0, outbox.GONE, webhook.THROTTLED, *range(500, 600)})
"""Statuses after which the receiver's next event would fare no better."""
_NOT_TRIED: Final = "not tried: this receiver could not be reached just before"
_NO_TIME: Final = "not tried: there was no time left"
_NO_HOOK: Final = "the specs have no such webhook any more"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How hard receivers are tried."""

    tries: int = webhook.TRIES
    timeout: float = 10.0
    """Seconds for each step of one try."""
    budget: float | None = None
    """Seconds after which no event is begun; ``None`` where it takes what it takes."""
    clock: Callable[[], float] = time.monotonic


THOROUGH: Final = Effort()
"""For the events of the run itself, and where a person asks."""
IN_PASSING: Final = Effort(tries=1, timeout=5.0, budget=10.0)
"""For what earlier runs have left: the run has work of its own, and there will be another."""
_AT_MOST: Final = 500
"""Events of earlier runs that one run looks at; which of more, is left to chance."""


def notify(
    plan: Plan,
    outcomes: Sequence[Outcome],
    *,
    tenants: Mapping[str, Tenant],
    run: Run,
) -> tuple[WebhookResult, ...]:
    """Send one event for each changed list to each webhook of its tenant.

    Args:
        plan: what was to be done.
        outcomes: what was done.
        tenants: by name.
        run: its id, with the list's key, fixes the event's id.
    """
    owed = tuple(_owed(plan, outcomes, tenants=tenants, run=run))
    try:
        outbox.put(owed, run=run.id, store=run.store)
    except ReconcilerError as error:
        run.tell(f"webhooks cannot be kept for a later run: {error}")
    return deliver(owed, tenants=tenants, run=run)


def _owed(
    plan: Plan, outcomes: Sequence[Outcome], *, tenants: Mapping[str, Tenant], run: Run
) -> Iterator[Notice]:
    for listed in plan.lists:
        mine = [outcome for outcome in outcomes if outcome.key == listed.key]
        told = outbox.receivers(tenants[listed.tenant], run)
        if told and any(map(_changed, mine)):
            yield outbox.notice(
                listed,
                event=events.event_id(run.id, listed.key),
                body=_body(listed, mine, plan=plan, run=run),
                receivers=told,
                run=run,
            )


def _changed(outcome: Outcome) -> bool:
    """Whether it left the list other than it was; reading a list back did not."""
    if outcome.action in _SETTING:
        return outcome.status is Status.DONE
    return bool(outcome.op and outcome.taken)


def _body(listed: ListPlan, outcomes: Sequence[Outcome], *, plan: Plan, run: Run) -> str:
    taken = Counter[str]()
    for outcome in outcomes:
        taken[outcome.op] += outcome.taken
    created = (one.detail for one in outcomes if one.action == "CreateList" and _changed(one))
    held = (
        outcome.rows
        for outcome in outcomes
        if outcome.action == "ReadBack" and outcome.status in (Status.DONE, Status.DIFFERS)
    )
    return events.body(
        key=listed.key,
        list_id=listed.remote_id or next(created, None),
        contact_count=next(held, None),
        errors=Counter(
            (rejection.code, rejection.field)
            for outcome in outcomes
            for rejection in outcome.rejections
        ),
        now=run.clock(),
        run=run.id,
        plan=plan.id,
        batch_reason=listed.batch_reason,
        taken=taken,
    )


# ---------------------------------------------------------------- what earlier runs have left


def leftovers(
    run: Run, tenants: Callable[[], Mapping[str, Tenant]], *, living: Collection[str]
) -> None:
    """Deliver what earlier runs could not, in passing; whatever comes of it, the run goes on.

    Args:
        run: the run that has just begun; what became of them stands among its artifacts.
        tenants: returns them by name; asked only where there is something to deliver.
        living: the ids of runs that may be delivering theirs right now.
    """
    try:
        held = outbox.waiting(run.store, aside=False, at_most=_AT_MOST)
        due = sorted(
            (one for one in held if one.run not in living), key=lambda one: (one.since, one.event)
        )
        if due:
            told = deliver(due, tenants=tenants(), run=run, effort=IN_PASSING)
            trace(run, due, told)
            _say(run, told)
    except ReconcilerError as error:
        run.tell(f"webhooks of earlier runs have to wait: {error}")


def trace(run: Run, notices: Sequence[Notice], told: Sequence[WebhookResult]) -> None:
    """Write down among a run's artifacts what became of the events of earlier ones.

    Raises:
        EvidenceError: it cannot be written.
    """
    runs = {notice.event: notice.run for notice in notices}
    shown = [{"run": runs[one.event_id], "result": one} for one in told if one.attempts]
    if shown:
        run.write(TRACE, {"webhooks": shown})


def _say(run: Run, told: Sequence[WebhookResult]) -> None:
    delivered = sum(one.delivered for one in told)
    left = len(told) - delivered
    if delivered:
        run.tell(f"webhooks of earlier runs: {delivered:,} delivered")
    if left:
        run.tell(f"webhooks of earlier runs: {left:,} undelivered; see reconciler notify list")


# ---------------------------------------------------------------- delivering


@dataclass(frozen=True, slots=True, kw_only=True)
class _Letter:
    """One event for one receiver; without a hook where the specs have none for it any more."""

    notice: Notice
    receiver: Receiver
    hook: Webhook | None


@dataclass(slots=True, kw_only=True)
class _Round:
    """What is known while letters go out side by side."""

    run: Run
    effort: Effort
    until: float
    lock: threading.Lock = field(default_factory=threading.Lock)
    down: set[str] = field(default_factory=set)
    """The receivers that are in trouble, by digest."""
    left: dict[str, dict[str, Receiver | None]] = field(default_factory=dict)
    """By event: of each receiver that had its turn what is left of it."""


def deliver(
    notices: Sequence[Notice],
    *,
    tenants: Mapping[str, Tenant],
    run: Run,
    effort: Effort = THOROUGH,
    insist: bool = False,
) -> tuple[WebhookResult, ...]:
    """Deliver events to whoever has not taken them yet, and write down what became of them.

    Args:
        notices: the events.
        tenants: by name, with their webhooks.
        run: on whose behalf.
        effort: how hard to try.
        insist: whether receivers that were given up are tried, too.

    Returns:
        One result an event and receiver, in the order of the events.
    """
    made = _Round(run=run, effort=effort, until=effort.clock() + (effort.budget or 0.0))
    letters = [
        _Letter(
            notice=notice,
            receiver=receiver,
            hook=outbox.hook_of(receiver, tenants.get(notice.tenant), run),
        )
        for notice in notices
        for receiver in notice.receivers
    ]
    return side_by_side(
        lambda letter: _turn(letter, made, insist=insist),
        letters,
        tenant=lambda letter: letter.receiver.digest,
    )


def _turn(letter: _Letter, made: _Round, *, insist: bool) -> WebhookResult:
    """Give one letter its turn; after the last of an event the outbox knows what became of it."""
    given_up = "" if insist else letter.notice.given_up(letter.receiver, made.run.clock())
    why = given_up or _hindrance(letter, made)
    done = webhook.Delivery(delivered=False, attempts=0, detail=why)
    if not why and letter.hook:
        done = _send(letter.notice, letter.hook, run=made.run, effort=made.effort)
    with made.lock:
        if done.attempts and not done.delivered and done.status in _TROUBLE:
            made.down.add(letter.receiver.digest)
        left = made.left.setdefault(letter.notice.event, {})
        left[letter.receiver.digest] = _left(letter.receiver, done, made.run.clock())
        last = len(left) == len(letter.notice.receivers)
    if last:
        _settle(letter.notice, left, made.run)
    return WebhookResult(
        key=letter.notice.key,
        url=letter.receiver.origin,
        event_id=letter.notice.event,
        delivered=done.delivered,
        attempts=done.attempts,
        detail=done.detail,
    )


def _hindrance(letter: _Letter, made: _Round) -> str:
    if letter.hook is None:
        return _NO_HOOK
    if letter.receiver.digest in made.down:
        return _NOT_TRIED
    late = made.effort.budget is not None and made.effort.clock() >= made.until
    return _NO_TIME if late else ""


def _left(receiver: Receiver, done: webhook.Delivery, now: datetime) -> Receiver | None:
    if done.delivered:
        return None
    if not done.attempts:
        kept = receiver.detail if receiver.attempts else done.detail
        return replace(receiver, detail=kept)
    return replace(
        receiver,
        attempts=receiver.attempts + done.attempts,
        status=done.status,
        detail=done.detail,
        tried=now,
    )


def _settle(notice: Notice, left: Mapping[str, Receiver | None], run: Run) -> None:
    now = run.clock()
    unchanged = all(left[one.digest] == one for one in notice.receivers)
    waits = notice.aside or not all(notice.given_up(one, now) for one in notice.receivers)
    if unchanged and waits:
        return
    try:
        outbox.settle(notice, left, now=now, store=run.store)
    except ReconcilerError as error:
        run.tell(f"event {notice.event} may be sent once more: {error}")


def _send(notice: Notice, hook: Webhook, *, run: Run, effort: Effort) -> webhook.Delivery:
    """Deliver one event; its signature is as young as the attempt, whoever was waited for."""
    now = run.clock()
    try:
        headers = {
            "content-type": "application/json",
            "webhook-id": notice.event,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": _signature(hook, notice, now),
        }
        return webhook.post(
            hook.url,
            body=notice.body.encode(),
            headers=headers,
            timeout=effort.timeout,
            tries=effort.tries,
            meter=run.meter,
            on_wait=run.tell,
            stop=run.stop,
        )
    except ReconcilerError as error:
        return webhook.Delivery(delivered=False, attempts=0, detail=str(error))


def _signature(hook: Webhook, notice: Notice, now: datetime) -> str:
    """Sign as the Standard Webhooks specification says.

    Raises:
        SettingError: the secret is not there, is not base64, or is empty.
    """
    key = secret(hook.secret).removeprefix(_PREFIX)
    padded = key + "=" * (-len(key) % 4)
    try:
        signer = Signer(base64.b64decode(padded, validate=True))
    except (ValueError, EmptyWebhookSecretError) as error:
        raise SettingError(
            f"the webhook secret {hook.secret} is not base64, or is empty",
            hint=f"Standard Webhooks secrets are base64, with or without {_PREFIX} before it",
        ) from error
    return signer.sign(notice.event, now.astimezone(UTC), notice.body)
