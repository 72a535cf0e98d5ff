"""One batch to the service, whatever it takes: named rows set aside, unnamed ones found.

A bad row never costs the others. Every request has a journal line before it and one after. It
sends exactly the rows it is given and never decides which those are.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import pyarrow as pa

from reconciler.api.port import Sent
from reconciler.errors import ReconcilerError, ServiceError
from reconciler.journal import Journal
from reconciler.model import Rejection

Ask = Callable[[str, pa.Table], Sent]
"""A ``port.Writer``'s way to send the rows of a batch to a list."""

_HOPELESS: Final = 20
"""Rows refused one by one, and none taken, after which the fault is not in the rows."""


@dataclass(slots=True, kw_only=True)
class Delivery:
    """What became of one batch's rows."""

    taken: int = 0
    rejections: list[Rejection] = field(default_factory=list)
    failed: int = 0
    """Rows of which it is not known whether they are in place."""
    error: ReconcilerError | None = None
    """What ended the delivery before its last row."""
    at: datetime | None = None
    """When it was over."""
    version: str = ""
    """The list's version after the last request that said one."""


def deliver(
    rows: pa.Table, *, ask: Ask, list_id: str, journal: Journal, facts: Mapping[str, object]
) -> Delivery:
    """Send one batch until each of its rows is taken, refused, or known to be in doubt.

    Args:
        rows: schema ``BATCH``; rows that share a ``pair`` stand next to each other.
        ask: sends rows to a list and returns what the service says of them.
        list_id: the service's id of the list.
        journal: where each request is written down.
        facts: what the journal lines say of the batch.

    Returns:
        What became of the rows. An error, of the journal too, ends the delivery and is booked
        with what was settled before it.
    """
    made = Delivery()
    waiting = [rows]
    enough = _HOPELESS
    while waiting and made.error is None:
        piece = waiting.pop()
        try:
            sent = _sent(piece, ask=ask, list_id=list_id, journal=journal, facts=facts)
        except ReconcilerError as error:
            made.error = error
            waiting.append(piece)
            break
        made.version = sent.version or made.version
        waiting += _settle(piece, sent, made)
        if made.taken or sent.errors or not waiting or len(made.rejections) < enough:
            continue
        if enough == _HOPELESS:
            waiting, enough = _sampled(waiting, made)
        else:
            made.error = _hopeless(made)
    made.failed = sum(piece.num_rows for piece in waiting)
    return made


def _sent(
    piece: pa.Table, *, ask: Ask, list_id: str, journal: Journal, facts: Mapping[str, object]
) -> Sent:
    """Send rows once, with a journal line before and one after."""
    numbers = piece.column("row")
    ends = {"first": numbers[0].as_py(), "last": numbers[-1].as_py()}
    intent = journal.intent({**facts, "rows": piece.num_rows, **ends})
    try:
        sent = ask(list_id, piece)
    except ReconcilerError as error:
        journal.outcome(intent, {"error": type(error).__name__})
        raise
    refused = sorted(numbers[error.index].as_py() for error in sent.errors)
    told = {
        "taken": sent.taken,
        "errors": len(sent.errors),
        "unnamed": len(sent.unnamed),
        "version": sent.version,
    }
    journal.outcome(intent, told | ({"refused": refused} if refused else {}))
    return sent


def _sampled(waiting: list[pa.Table], made: Delivery) -> tuple[list[pa.Table], int]:
    """Let the last row of each piece that waits go first: bad rows often stand side by side.

    Returns:
        The pieces, and the number of rejections at which nothing is left to hope for.
    """
    cuts = [_last_row(piece) for piece in waiting]
    rest = [piece.slice(0, at) for piece, at in zip(waiting, cuts, strict=True) if at]
    samples = [piece.slice(at) for piece, at in zip(waiting, cuts, strict=True)]
    return rest + samples, len(made.rejections) + sum(sample.num_rows for sample in samples)


def _last_row(rows: pa.Table) -> int:
    """Return where the last row begins, or the last two where they share a contact."""
    size: int = rows.num_rows
    pairs = rows.column("pair").slice(max(size - 2, 0)).to_pylist()
    joined = len(pairs) > 1 and pairs[0] is not None and pairs[0] == pairs[1]
    return size - 1 - joined


def _hopeless(made: Delivery) -> ServiceError:
    return ServiceError(
        f"the service refused {len(made.rejections)} rows one by one and took none: "
        f"{made.rejections[-1].code}",
        hint="the fault is not in single rows; nothing more of this batch was sent",
    )


def _settle(rows: pa.Table, sent: Sent, made: Delivery) -> list[pa.Table]:
    """Book what an answer settles and return the pieces that are still to be sent."""
    if sent.taken and not sent.errors and not sent.unnamed:
        made.taken += rows.num_rows
        return []
    numbers = rows.column("row").to_pylist()
    named = {error.index: error for error in sent.errors}
    made.rejections += [
        Rejection(row=numbers[at], code=error.code, field=error.field, message=error.message)
        for at, error in sorted(named.items())
    ]
    rest = [at for at in range(rows.num_rows) if at not in named]
    if sent.taken and not sent.unnamed:
        made.taken += len(rest)
        return []
    if named and not sent.taken:
        return _without_torn_pairs(rows, rest, named.keys(), made)
    return _halved(rows.take(rest), sent, made)


def _without_torn_pairs(
    rows: pa.Table, rest: list[int], named: Iterable[int], made: Delivery
) -> list[pa.Table]:
    """Return the rows nobody complained of; the other half of a refused pair stays out too."""
    pairs = rows.column("pair").to_pylist()
    numbers = rows.column("row").to_pylist()
    torn = {pairs[at] for at in named} - {None}
    made.rejections += [
        Rejection(row=numbers[at], code="PAIR_REJECTED", message="its pair was refused")
        for at in rest
        if pairs[at] in torn
    ]
    kept = [at for at in rest if pairs[at] not in torn]
    return [rows.take(kept)] if kept else []


def _halved(rows: pa.Table, sent: Sent, made: Delivery) -> list[pa.Table]:
    """Return two halves to be sent, or book the refusal where there is nothing to halve."""
    middle = _middle(rows)
    if middle:
        return [rows.slice(middle), rows.slice(0, middle)]
    code = next(iter(sent.unnamed), "REFUSED")
    made.rejections += [
        Rejection(row=number, code=code, message=sent.detail)
        for number in rows.column("row").to_pylist()
    ]
    return []


def _middle(rows: pa.Table) -> int:
    """Return where to cut so that no pair is torn; 0 where there is no such place."""
    pairs = rows.column("pair").to_pylist()
    half = len(pairs) // 2
    for at in sorted(range(1, len(pairs)), key=lambda at: abs(at - half)):
        if pairs[at] is None or pairs[at] != pairs[at - 1]:
            return at
    return 0
