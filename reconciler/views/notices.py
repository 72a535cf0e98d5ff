"""Webhooks that nobody has taken yet, for people and for programs; pure.

A receiver is shown by its origin alone: its path may be a secret. Nothing that a receiver said is
shown but its status.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from rich.text import Text

from reconciler.artifacts import dumps
from reconciler.masking import clean
from reconciler.model import WebhookResult
from reconciler.outbox import Intent, Notice, Receiver
from reconciler.times import zulu
from reconciler.views import lines
from reconciler.views.machine import FORMAT
from reconciler.views.wording import plural

_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def text(found: Sequence[Notice], owing: Sequence[Intent], *, now: datetime) -> Text:
    """Show each event and receiver on a line, and the summary line."""
    told = [_line(notice, receiver, now) for notice, receiver in _each(found)]
    told += [_owing(intent, now) for intent in owing]
    return lines.join([*told, lines.bold(_summary(found, now))])


def document(found: Sequence[Notice], owing: Sequence[Intent], *, now: datetime) -> bytes:
    """Return the same as JSON."""
    rows = [_row(notice, receiver, now) for notice, receiver in _each(found)]
    content = {
        "as_of": now,
        "counts": {
            "undelivered": len(rows),
            "given_up": sum(bool(row["given_up"]) for row in rows),
            "runs_owing": len(owing),
        },
        "webhooks": rows,
        "owing": [
            {"run": one.run, "since": one.since, "lists": [each.key for each in one.lists]}
            for one in owing
        ],
    }
    return _document("notices", content, exit_code=0)


def told(results: Sequence[WebhookResult]) -> Text:
    """Show what became of each event that was tried, and the summary line."""
    shown = []
    for one in results:
        what = f"{one.event_id}  {clean(one.key)} to {clean(one.url)}"
        if one.delivered:
            shown.append(lines.line("green", f"delivered    {what}"))
        else:
            shown.append(lines.line("yellow", f"undelivered  {what}: {clean(one.detail)}"))
    delivered = sum(one.delivered for one in results)
    left = len(results) - delivered
    summary = Text(f"Webhooks: {delivered:,} delivered, {left:,} undelivered.")
    return lines.join([*shown, lines.bold(summary)])


def results(made: Sequence[WebhookResult], *, exit_code: int) -> bytes:
    """Return the same as JSON."""
    delivered = sum(one.delivered for one in made)
    counts = {"delivered": delivered, "undelivered": len(made) - delivered}
    return _document("notified", {"counts": counts, "webhooks": tuple(made)}, exit_code=exit_code)


def _document(kind: str, content: Mapping[str, object], *, exit_code: int) -> bytes:
    return dumps({"format": FORMAT, "kind": kind, **content, "exit_code": exit_code})


def _each(found: Sequence[Notice]) -> Iterator[tuple[Notice, Receiver]]:
    for notice in found:
        for receiver in notice.receivers:
            yield notice, receiver


def _line(notice: Notice, receiver: Receiver, now: datetime) -> Text:
    gone = notice.given_up(receiver, now)
    parts = [
        notice.event,
        f"{clean(notice.key)} to {clean(receiver.origin)}",
        f"run {clean(notice.run)}",
        f"{_age(now - notice.since)} old",
        plural(receiver.attempts, "attempt"),
        f"last {receiver.status}" if receiver.status else "",
        clean(receiver.detail),
        gone,
    ]
    return lines.line("red" if gone else "yellow", "  ".join(part for part in parts if part))


def _owing(intent: Intent, now: datetime) -> Text:
    lists = plural(len(intent.lists), "list")
    since = f"{zulu(intent.since)}, {_age(now - intent.since)} ago"
    return lines.line("dim", f"run {clean(intent.run)} may owe events of {lists} (since {since})")


def _row(notice: Notice, receiver: Receiver, now: datetime) -> dict[str, object]:
    return {
        "event_id": notice.event,
        "run": notice.run,
        "list": notice.key,
        "tenant": notice.tenant,
        "receiver": receiver.origin,
        "since": notice.since,
        "age_seconds": int((now - notice.since).total_seconds()),
        "attempts": receiver.attempts,
        "last_status": receiver.status or None,
        "last_tried": receiver.tried,
        "detail": receiver.detail,
        "given_up": notice.given_up(receiver, now),
    }


def _summary(found: Sequence[Notice], now: datetime) -> Text:
    rows = [*_each(found)]
    if not rows:
        return lines.line("green", "Webhooks: none undelivered.")
    gone = sum(bool(notice.given_up(receiver, now)) for notice, receiver in rows)
    return Text(f"Webhooks: {len(rows):,} undelivered, {gone:,} of them given up.")


def _age(passed: timedelta) -> str:
    """Return a time that passed in its largest unit: ``3 d``."""
    seconds = max(int(passed.total_seconds()), 0)
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), _UNITS[-1])
    return f"{seconds // size} {unit}"
