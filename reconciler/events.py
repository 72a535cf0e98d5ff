"""What the CRM hears of one list that a run changed: the body of an event, and its id.

Counts and ids, never an address. It sends nothing and keeps nothing.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import orjson

from reconciler.model import Op
from reconciler.times import zulu

EVENT: Final = "SUPPRESSION_LIST_UPDATED"


def event_id(run: str, key: str) -> str:
    """Return the id of a run's event of one list: the same whoever sends it, however often."""
    return "msg_" + hashlib.sha256(f"{run}|{key}".encode()).hexdigest()[:32]


def body(
    *,
    key: str,
    list_id: str | None,
    contact_count: int | None,
    errors: Mapping[tuple[str, str], int],
    now: datetime,
    run: str,
    plan: str,
    batch_reason: str,
    taken: Mapping[str, int],
) -> str:
    """Return an event as the text that is signed and sent.

    Args:
        key: of the list.
        list_id: its id at the service; ``None`` where it is not known.
        contact_count: how many contacts it holds; ``None`` where that is not known.
        errors: contacts that were not taken, by code and field.
        now: when the event came about.
        run: whose event it is.
        plan: the id of what was carried out.
        batch_reason: as the list's spec gives it.
        taken: contacts by op.
    """
    told = {
        "event": EVENT,
        "list_id": list_id,
        "list": key,
        "contact_count": contact_count,
        "errors": [
            {"code": code, "field": field, "count": count}
            for (code, field), count in sorted(errors.items())
        ],
        "timestamp": zulu(now),
        "run_id": run,
        "plan_id": plan,
        "batch_reason": batch_reason,
        "suppressed": taken.get(Op.SUPPRESS, 0),
        "amended": taken.get(Op.AMEND, 0),
        "shortened": taken.get(Op.SHORTEN, 0),
        "released": taken.get(Op.RELEASE, 0),
    }
    return orjson.dumps(told).decode()
