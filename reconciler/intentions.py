"""What a run leaves before its first write, so that whoever finds it dead can tell what it was at.

Which rows it is about to send, under pseudonyms; which events it may owe; and, where the store is
not on this machine, all evidence so far. Once the run knows what it did, none of that is needed.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from reconciler import journal, outbox
from reconciler.artifacts import INTENDED, Run, kept
from reconciler.contacts import intended
from reconciler.errors import EvidenceError
from reconciler.model import ListPlan, Plan, RowAction, Tenant, op_of


def declare(plan: Plan, *, tenants: Mapping[str, Tenant], run: Run) -> None:
    """Write down what is about to be done, before any of it is.

    Args:
        plan: what.
        tenants: by name.
        run: whose.

    Raises:
        EvidenceError: it cannot be written; then nothing may be done.
    """
    _write_rows([listed for listed in plan.lists if _ops(listed)], run)
    if run.store.shared and any(listed.actions for listed in plan.lists):
        run.keep()
    outbox.intend(plan, tenants, run)


def fulfilled(run: Run) -> None:
    """Take away what only a run that dies leaves, once its artifacts say what it did.

    Raises:
        EvidenceError: the store or the run's folder cannot be written.
    """
    rows = run.folder / INTENDED
    if run.store.shared:
        run.keep()
        for name in run.store.names(kept(run.id, journal.PARTS)):
            run.store.remove(name)
        if rows.exists():
            run.store.remove(kept(run.id, INTENDED))
    try:
        rows.unlink(missing_ok=True)
    except OSError as error:
        raise EvidenceError(f"{rows} cannot be removed: {error.strerror}") from error


def _ops(listed: ListPlan) -> tuple[str, ...]:
    """Return the ops of the rows that go out, as their tables name them."""
    return tuple(
        action.rows.op or op_of(action)
        for action in listed.actions
        if isinstance(action, RowAction)
    )


def _write_rows(lists: Sequence[ListPlan], run: Run) -> None:
    """Write the rows of these lists into one file."""
    into = run.folder / INTENDED
    if len(lists) == 1:
        _rows(lists[0], into, run)
    elif lists:
        parts = [run.tables(listed.key) / INTENDED for listed in lists]
        for listed, part in zip(lists, parts, strict=True):
            _rows(listed, part, run)
        intended.collect(run.engine, parts, into)
        for part in parts:
            part.unlink()


def _rows(listed: ListPlan, into: Path, run: Run) -> None:
    ops = _ops(listed)
    intended.intended(run.engine, listed.gap.rows.path, key=listed.key, ops=ops, into=into)
