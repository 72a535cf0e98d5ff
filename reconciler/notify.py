"""Tell the CRM of every list that an apply changed, once an event id.

A webhook never fails an apply: what could not be delivered is said in the receipt. Events hold
counts and ids, never an address.
"""

import base64
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import orjson
from standardwebhooks import Webhook as Signer
from standardwebhooks.webhooks import EmptyWebhookSecretError

from reconciler.api import webhook
from reconciler.artifacts import Run
from reconciler.config import secret
from reconciler.errors import ReconcilerError, SettingError
from reconciler.model import ListPlan, Op, Outcome, Plan, Status, Tenant, Webhook, WebhookResult
from reconciler.times import zulu

EVENT: Final = "SUPPRESSION_LIST_UPDATED"
_PREFIX: Final = "whsec_"
_TIMEOUT: Final = 10.0
_SETTING: Final = frozenset({"CreateList", "UpdateList"})


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
    now = run.clock()
    return tuple(
        _send(listed, hook, body, run=run)
        for listed, body in _events(plan, outcomes, run=run.id, now=now)
        for hook in tenants[listed.tenant].webhooks
    )


def _events(
    plan: Plan, outcomes: Sequence[Outcome], *, run: str, now: datetime
) -> Iterator[tuple[ListPlan, bytes]]:
    for listed in plan.lists:
        mine = [outcome for outcome in outcomes if outcome.key == listed.key]
        if any(map(_changed, mine)):
            yield listed, orjson.dumps(_event(listed, mine, plan=plan, run=run, now=now))


def _changed(outcome: Outcome) -> bool:
    """Whether it left the list other than it was; reading a list back did not."""
    if outcome.action in _SETTING:
        return outcome.status is Status.DONE
    return bool(outcome.op and outcome.taken)


def _event(
    listed: ListPlan, outcomes: Sequence[Outcome], *, plan: Plan, run: str, now: datetime
) -> dict[str, object]:
    errors = Counter(
        (rejection.code, rejection.field)
        for outcome in outcomes
        for rejection in outcome.rejections
    )
    taken = Counter[str]()
    for outcome in outcomes:
        taken[outcome.op] += outcome.taken
    created = (one.detail for one in outcomes if one.action == "CreateList" and _changed(one))
    held = (
        outcome.rows
        for outcome in outcomes
        if outcome.action == "ReadBack" and outcome.status in (Status.DONE, Status.DIFFERS)
    )
    return {
        "event": EVENT,
        "list_id": listed.remote_id or next(created, None),
        "list": listed.key,
        "contact_count": next(held, None),
        "errors": [
            {"code": code, "field": field, "count": count}
            for (code, field), count in sorted(errors.items())
        ],
        "timestamp": zulu(now),
        "run_id": run,
        "plan_id": plan.id,
        "batch_reason": listed.batch_reason,
        "suppressed": taken[Op.SUPPRESS],
        "amended": taken[Op.AMEND],
        "shortened": taken[Op.SHORTEN],
        "released": taken[Op.RELEASE],
    }


def _send(listed: ListPlan, hook: Webhook, body: bytes, *, run: Run) -> WebhookResult:
    """Deliver one event; its signature is as young as the attempt, whoever was waited for."""
    now = run.clock()
    event = "msg_" + hashlib.sha256(f"{run.id}|{listed.key}".encode()).hexdigest()[:32]
    try:
        headers = {
            "content-type": "application/json",
            "webhook-id": event,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": _signature(hook, event, now, body),
        }
        delivered, attempts, detail = webhook.post(
            hook.url,
            body=body,
            headers=headers,
            timeout=_TIMEOUT,
            meter=run.meter,
            on_wait=run.tell,
            stop=run.stop,
        )
    except ReconcilerError as error:
        delivered, attempts, detail = False, 0, str(error)
    return WebhookResult(
        key=listed.key,
        url=_shown(hook.url),
        event_id=event,
        delivered=delivered,
        attempts=attempts,
        detail=detail,
    )


def _shown(url: str) -> str:
    """Name a receiver without what may be a secret: no user, path or query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _signature(hook: Webhook, event: str, now: datetime, body: bytes) -> str:
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
    return signer.sign(event, now.astimezone(UTC), body.decode())
