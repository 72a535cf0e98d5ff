"""Events on their way to the CRM, kept in the store until every receiver has taken them.

Before a run's first write it says which lists it may change; after it each event lies here until
it is delivered, by this run or by any later one on any machine. Whoever dies in between leaves
enough for the next to send the event, under the same id. No secret and no full URL is kept.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from reconciler.artifacts import Run, dumps
from reconciler.errors import ReconcilerError
from reconciler.model import ListPlan, Plan, Tenant, Webhook
from reconciler.store import ChangedError, NameTakenError, Store
from reconciler.times import parse_time

FOLDER: Final = "outbox"
INTENTS: Final = f"{FOLDER}/intents"
"""One file a run under way: which events it may owe."""
EVENTS: Final = f"{FOLDER}/events"
"""One file an event that some receiver has not taken yet."""
ASIDE: Final = f"{FOLDER}/aside"
"""Likewise, but no run tries it any more: it waits for a person."""
PATIENCE: Final = timedelta(days=7)
"""After which an event that nobody takes is given up."""
GONE: Final = 410
"""The status of a receiver that wants no more events."""
_FORMAT: Final = 1
_TRIES: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """One of those who have not taken an event yet, and how often it was tried."""

    digest: str
    """By which its webhook is found again in the specs."""
    origin: str
    """For people: scheme, host and port."""
    attempts: int = 0
    status: int = 0
    """As last answered; 0 where nobody answered."""
    detail: str = ""
    """Why it was not delivered, in a few words."""
    tried: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One event: its body, whole, and who is still to hear of it."""

    event: str
    run: str
    key: str
    tenant: str
    since: datetime
    receivers: tuple[Receiver, ...]
    body: str = ""
    """Empty while its run is under way: what it will say is not known yet."""
    aside: bool = False
    """Whether no run tries it any more."""

    def given_up(self, receiver: Receiver, now: datetime) -> str:
        """Say why a receiver is not tried by runs any more; empty while it is."""
        if receiver.status == GONE:
            return "it wants no more events"
        return f"given up after {PATIENCE.days} days" if now >= self.since + PATIENCE else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """What a run may owe for one list: all that its event says and a journal does not know."""

    key: str
    tenant: str
    list_id: str | None
    batch_reason: str
    receivers: tuple[Receiver, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """The events that a run may owe."""

    run: str
    plan: str
    since: datetime
    lists: tuple[Owed, ...]


# ---------------------------------------------------------------- what a run does


def intend(plan: Plan, tenants: Mapping[str, Tenant], run: Run) -> None:
    """Write down, before anything is written to a list, which events may come of it.

    Raises:
        EvidenceError: the store cannot be written.
    """
    lists = tuple(
        Owed(
            key=listed.key,
            tenant=listed.tenant,
            list_id=listed.remote_id,
            batch_reason=listed.batch_reason,
            receivers=receivers(tenants[listed.tenant], run),
        )
        for listed in plan.lists
        if listed.actions and tenants[listed.tenant].webhooks
    )
    if lists:
        made = Intent(run=run.id, plan=plan.id, since=run.clock(), lists=lists)
        run.store.create(_intent_name(run.id), _document(made))


def notice(
    listed: ListPlan | Owed, *, event: str, body: str, receivers: tuple[Receiver, ...], run: Run
) -> Notice:
    """Return the event of one list."""
    return Notice(
        event=event,
        run=run.id,
        key=listed.key,
        tenant=listed.tenant,
        since=run.clock(),
        receivers=receivers,
        body=body,
    )


def put(notices: Sequence[Notice], *, run: str, store: Store) -> None:
    """Keep the events that a run owes, in place of what it said it may owe.

    Args:
        notices: all of its events; none of a list that it did not change.
        run: its id.
        store: where the outbox is.

    Raises:
        EvidenceError: the store cannot be written; what the run may owe still stands there.
    """
    for one in notices:
        with suppress(NameTakenError):  # whoever did this before did not come to its end
            store.create(_event_name(one), _document(one))
    store.remove(_intent_name(run))


def receivers(tenant: Tenant, run: Run) -> tuple[Receiver, ...]:
    """Return who is to hear of a tenant's lists; each once."""
    made = (Receiver(digest=_digest(hook, run), origin=shown(hook.url)) for hook in tenant.webhooks)
    return tuple(dict.fromkeys(made))


def hook_of(receiver: Receiver, tenant: Tenant | None, run: Run) -> Webhook | None:
    """Return the webhook of a receiver as the specs have it now; ``None`` where they have none.

    One whose URL or secret was replaced is known by its place, if it is the only one there.
    """
    hooks = tenant.webhooks if tenant else ()
    there = [hook for hook in hooks if shown(hook.url) == receiver.origin]
    same = [hook for hook in there if _digest(hook, run) == receiver.digest]
    return same[0] if same else there[0] if len(there) == 1 else None


def _digest(hook: Webhook, run: Run) -> str:
    return run.engine.pseudonym(f"receiver|{hook.url}|{hook.secret}")


def shown(url: str) -> str:
    """Name a receiver without what may be a secret: no user, path or query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


# ---------------------------------------------------------------- what is there


def intents(store: Store) -> list[str]:
    """Return the ids of the runs that may still owe events."""
    names = store.names(INTENTS)
    return [name.removeprefix(f"{INTENTS}/").removesuffix(".json") for name in names]


def intent(store: Store, run: str) -> Intent | None:
    """Return what a run may owe; ``None`` where it owes nothing any more."""
    held = store.read(_intent_name(run))
    return _parsed_intent(held.data) if held else None


def waiting(store: Store, *, aside: bool, at_most: int | None = None) -> Iterator[Notice]:
    """Yield the events that are still to be delivered.

    Args:
        store: where the outbox is.
        aside: whether those that no run tries any more are wanted, too.
        at_most: how many, whichever they are.
    """
    names = [name for folder in (EVENTS, ASIDE)[: 1 + aside] for name in store.names(folder)]
    if at_most is not None and len(names) > at_most:
        names = secrets.SystemRandom().sample(names, at_most)
    for name in names:
        held = store.read(name)
        found = _parsed(held.data, name) if held else None
        if found:
            yield found


def settle(
    seen: Notice, tried: Mapping[str, Receiver | None], *, now: datetime, store: Store
) -> None:
    """Write down what became of an event: it goes once everybody has taken it.

    Args:
        seen: the event as it was read.
        tried: what is left of each receiver that was tried, by digest; ``None`` where it took it.
        now: the time.
        store: where the outbox is.

    Raises:
        EvidenceError: the store cannot be written; then it may be delivered once more.
    """
    name = _event_name(seen)
    if all(tried.get(one.digest, one) is None for one in seen.receivers):
        store.remove(name)
        return
    for _ in range(_TRIES):
        held = store.read(name)
        left = _parsed(held.data, name) if held else None
        if held is None or left is None:
            return  # somebody else has delivered it
        kept = (tried.get(one.digest, one) for one in left.receivers)
        left = replace(left, receivers=tuple(one for one in kept if one))
        with suppress(ChangedError):
            _put_back(left, name, held.mark, now=now, store=store)
            return


def _put_back(left: Notice, name: str, mark: str, *, now: datetime, store: Store) -> None:
    """Keep an event with who is left; aside, where no run is to try any of them."""
    if not left.receivers:
        store.remove(name)
    elif left.aside or not all(left.given_up(one, now) for one in left.receivers):
        store.replace(name, _document(left), seen=mark)
    else:
        moved = replace(left, aside=True)
        with suppress(NameTakenError):  # by another run that did the same
            store.create(_event_name(moved), _document(moved))
        store.remove(name)


def _event_name(one: Notice) -> str:
    return f"{ASIDE if one.aside else EVENTS}/{one.event}.json"


def _intent_name(run: str) -> str:
    return f"{INTENTS}/{run}.json"


# ---------------------------------------------------------------- documents


def _document(held: Notice | Intent) -> bytes:
    return dumps({"format": _FORMAT, "held": held})


def _parsed(data: bytes, name: str) -> Notice | None:
    """Return an event; ``None`` where this is none of ours."""
    with suppress(orjson.JSONDecodeError, KeyError, TypeError, ValueError, ReconcilerError):
        held = orjson.loads(data)["held"]
        return Notice(
            event=str(held["event"]),
            run=str(held["run"]),
            key=str(held["key"]),
            tenant=str(held["tenant"]),
            since=parse_time(held["since"]),
            receivers=_parsed_receivers(held),
            body=str(held["body"]),
            aside=name.startswith(f"{ASIDE}/"),
        )
    return None


def _parsed_intent(data: bytes) -> Intent | None:
    with suppress(orjson.JSONDecodeError, KeyError, TypeError, ValueError, ReconcilerError):
        held = orjson.loads(data)["held"]
        return Intent(
            run=str(held["run"]),
            plan=str(held["plan"]),
            since=parse_time(held["since"]),
            lists=tuple(
                Owed(
                    key=str(one["key"]),
                    tenant=str(one["tenant"]),
                    list_id=one["list_id"],
                    batch_reason=str(one["batch_reason"]),
                    receivers=_parsed_receivers(one),
                )
                for one in held["lists"]
            ),
        )
    return None


def _parsed_receivers(held: Mapping[str, Any]) -> tuple[Receiver, ...]:
    return tuple(
        Receiver(
            digest=str(one["digest"]),
            origin=str(one["origin"]),
            attempts=int(one["attempts"]),
            status=int(one["status"]),
            detail=str(one["detail"]),
            tried=parse_time(one["tried"]) if one["tried"] else None,
        )
        for one in held["receivers"]
    )
