"""What the ledger hears of declared releases: before one is sent, and once it is known what came.

A release is spent once. One that was sent without an answer stays in doubt until the list itself
shows what became of it; a run that dies meanwhile leaves the doubt behind. It sends nothing.
"""

from collections.abc import Collection
from contextlib import suppress

import pyarrow as pa

from reconciler import ledger
from reconciler.contacts import batches, evidence
from reconciler.contacts.fates import columns, fates
from reconciler.delivery import Delivery
from reconciler.errors import ReconcilerError, ServiceError
from reconciler.model import RELEASE_AHEAD, RELEASE_SLACK, Release, RowAction, Shorten
from reconciler.reading import Reading
from reconciler.work import Work, read_again


def doubt(action: RowAction, batch: pa.Table, work: Work) -> frozenset[str]:
    """Write down the declared releases of a batch that is about to be sent.

    Returns:
        Their keys; none where the batch suppresses, or nobody declared these releases.

    Raises:
        EvidenceError: the ledger cannot be written; then the batch may not be sent.
    """
    if not isinstance(action, Shorten | Release):
        return frozenset()
    numbers = batch.column("row").to_pylist()
    keys = evidence.keys(work.run.engine, work.listed.gap.rows, op=action.rows.op, rows=numbers)
    if keys:
        ledger.releasing(work.run, keys)
        work.doubted |= keys
    return keys


def settle(keys: Collection[str], made: Delivery, work: Work) -> None:
    """Write down what became of a batch's releases, as far as its answer tells."""
    if not keys:
        return
    told = columns(fates(work.outcomes))
    spent = set(evidence.release_keys(work.run.engine, work.listed.gap.rows, **told))
    known = made.error is None or (not made.taken and _untouched(made.error))
    _tell(work, spent=spent, kept=set(keys) - spent if known else set())


def look(work: Work, again: Reading | None = None) -> None:
    """See on the list what became of the releases still in doubt; what cannot be seen stays so.

    Args:
        work: the list's work.
        again: the list as read after the last write, where it was.
    """
    if not work.doubted:
        return
    with suppress(ReconcilerError):
        again = again or read_again(work)
        if again.complete:
            _tell(work, spent=_gone(work, again), kept=_unchanged(work, again))


def _untouched(error: ReconcilerError) -> bool:
    return isinstance(error, ServiceError) and error.untouched


def _tell(work: Work, *, spent: Collection[str], kept: Collection[str]) -> None:
    """Let the ledger know, and doubt these no more."""
    spent = work.doubted.intersection(spent)
    kept = work.doubted.intersection(kept) - spent
    if spent or kept:
        ledger.released(work.run, spent, kept=kept)
        work.doubted -= spent | kept


def _gone(work: Work, again: Reading) -> frozenset[str]:
    """Keys of releases that have come into effect, or will within the minutes they take."""
    return evidence.let_go(
        work.run.engine,
        gap=work.listed.gap.rows,
        observed=again.table,
        as_of=work.now(),
        window_end=work.now() + RELEASE_AHEAD + RELEASE_SLACK,
    )


def _unchanged(work: Work, again: Reading) -> frozenset[str]:
    """Keys of releases of which every contact is still exactly as the plan saw it."""
    engine, gap = work.run.engine, work.listed.gap.rows
    same, other = set[str](), set[str]()
    for action in work.listed.actions:
        if not isinstance(action, Shorten | Release):
            continue
        changed = batches.changed(engine, action.rows, again.table, separated=True)
        mine = evidence.keys(engine, gap, op=action.rows.op, rows=range(action.rows.rows))
        other |= evidence.keys(engine, gap, op=action.rows.op, rows=changed)
        same |= mine
    return frozenset(same - other)
