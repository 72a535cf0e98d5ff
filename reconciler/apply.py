"""Do what a plan says, list by list, in its order, and say what came of it.

It never plans: it sends the rows of the plan's actions or withholds them, and nothing else. At
every instant everybody wanted before and after stays suppressed; where anything is in doubt,
suppressions go on and nobody is let go.
"""

import traceback
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, assert_never

from reconciler import spending
from reconciler.api.port import Writer
from reconciler.artifacts import Run
from reconciler.contacts import batches
from reconciler.errors import (
    EvidenceError,
    Exit,
    InterruptedRunError,
    ReconcilerError,
    VersionConflictError,
)
from reconciler.journal import Journal
from reconciler.listing import change, create, forgotten, update
from reconciler.masking import scrub
from reconciler.model import (
    Action,
    Amend,
    CreateList,
    ListPlan,
    Op,
    Outcome,
    Plan,
    Release,
    RowAction,
    Shorten,
    Status,
    Suppress,
    UpdateList,
)
from reconciler.reading import Reading
from reconciler.sending import send
from reconciler.side_by_side import side_by_side
from reconciler.work import (
    Work,
    changed_rows,
    doubtful,
    read_again,
    reread,
    verified,
    withheld,
)

_SUPPRESSING: Final = frozenset({Op.SUPPRESS, Op.AMEND, Op.PART})


def apply(
    plan: Plan, *, writers: Mapping[str, Writer], run: Run, journal: Journal
) -> tuple[Outcome, ...]:
    """Carry out a plan; lists side by side, each list's actions in order.

    A list that fails never stops another. Ctrl-C ends each list after the batch in flight.

    Args:
        plan: what to do.
        writers: by the tenant's name.
        run: whose engine, clock and folder are used.
        journal: where every request is written down.

    Returns:
        One outcome a batch, and one for each step without rows, by list.
    """
    busy = [listed for listed in plan.lists if listed.actions]

    def done_of(listed: ListPlan) -> list[Outcome]:
        with run.phase(f"{listed.key}: applying"):
            return _list(listed, writers[listed.tenant], run, journal)

    done = side_by_side(
        done_of,
        busy,
        tenant=lambda listed: listed.tenant,
        told=run.counting("lists applied"),
    )
    return tuple(outcome for outcomes in done for outcome in outcomes)


def _list(listed: ListPlan, writer: Writer, run: Run, journal: Journal) -> list[Outcome]:
    work = Work(
        listed=listed, writer=writer, run=run, journal=journal, list_id=listed.remote_id or ""
    )
    step = "Check"
    try:
        if work.list_id:
            _check_version(work)
        for action in listed.actions:
            step = type(action).__name__
            if run.stopping:
                raise InterruptedRunError("interrupted")  # noqa: TRY301 - one way out of the list
            _do(action, work)
        step = "ReadBack"
        _read_back(work)
    except InterruptedRunError as error:
        work.note(step, Status.WITHHELD, detail="interrupted", code=error.exit_code)
    except ReconcilerError as error:
        work.note(step, Status.FAILED, detail=str(error), code=error.exit_code)
    except Exception as error:  # noqa: BLE001 - what was sent so far must not be forgotten
        _keep_trace(error, work)
        detail = f"something unexpected happened: {type(error).__name__}"
        work.note(step, Status.FAILED, detail=detail, code=ReconcilerError.exit_code)
    spending.look(work)
    return work.outcomes


def _keep_trace(error: Exception, work: Work) -> None:
    """Put the traceback of what nobody expected into the run folder, scrubbed."""
    text = scrub("".join(traceback.format_exception(error)))
    with suppress(EvidenceError):
        work.run.write(f"crash-{work.listed.key}.txt", text.encode())


def _do(action: Action, work: Work) -> None:
    match action:
        case CreateList(settings=settings):
            create(settings, work)
        case UpdateList() if not action.shortens:
            change(action, work)
        case Amend() if action.rows.op == Op.PART:
            _part(action, work)
        case Suppress() | Amend():
            _look_again(work)
            send(action, work, skip=_longer_now(action, work))
        case UpdateList() | Shorten() | Release():
            _let_go(action, work)
        case _:
            assert_never(action)


def _check_version(work: Work) -> None:
    """Compare the list with the one the plan was made for, before the first write.

    A version proves nothing where it is not known to move with contacts: then the contacts are
    compared.
    """
    work.remote = work.writer.get(work.list_id)
    work.versions = frozenset({work.listed.version})
    if work.remote.version == work.listed.version and work.shelf.moves:
        return
    again = reread(work, work.remote)
    work.remote = again.remote
    if (again.remote.version, again.doubt, again.table.digest) == (
        work.listed.version,
        "",
        work.listed.observed_table.digest,
    ):
        return
    work.moved = again
    work.versions = frozenset({again.remote.version})
    if again.doubt:
        work.stand_back(*doubtful(again))
    else:
        why = "the list has changed since it was read"
        work.stand_back(why, VersionConflictError.exit_code)
    work.run.tell(f"{work.listed.key}: {work.doubt}")


def _look_again(work: Work) -> None:
    """Before contacts are written: read the list again, unless nobody else can have changed it."""
    if work.remote is None or not _written(work):
        return  # just made, or just compared
    remote = work.writer.get(work.list_id)
    if remote.version not in work.versions or not work.shelf.moves:
        work.moved = reread(work, remote)
        work.versions = frozenset({work.moved.remote.version})


def _written(work: Work) -> bool:
    """Whether this run has written contacts yet: until then the first comparison stands."""
    return any(outcome.batch for outcome in work.outcomes)


def _longer_now(action: Suppress | Amend, work: Work) -> frozenset[int]:
    """Rows that may not be sent: the list now suppresses them, or who shares their contact, longer.

    A write never shortens what it did not see, so after a partial read only rows without an end
    are sent, and of those none that shared a contact with somebody when the list was last whole.
    """
    seen = [(work.moved.table, work.moved.complete)] if work.moved else []
    last = None if work.listed.complete else work.shelf.last
    seen += [(last, True)] if last else []
    longer = sorted(
        {
            row
            for table, whole in seen
            for row in batches.longer(
                work.run.engine, action.rows, table, complete=whole, as_of=work.now()
            )
        }
    )
    if longer:
        why = "the list has changed, and a write might shorten what it now suppresses"
        if last:
            why = "the list was not read whole, and a write might drop who shares these contacts"
        code = VersionConflictError.exit_code
        work.outcomes.append(
            withheld(action, work, rows=len(longer), why=why, changed=tuple(longer), code=code)
        )
    return frozenset(longer)


def _part(action: Amend, work: Work) -> None:
    """Give contacts that share one a contact of their own, where they are still as planned."""
    again = _again_and_sure(action, work)
    if again is None:
        return
    stirred = batches.stirred(work.run.engine, action.rows, again.table)
    if stirred:
        work.outcomes.append(changed_rows(action, work, stirred))
    send(action, work, skip=frozenset(stirred))


def _may_let_go(action: UpdateList | RowAction, work: Work) -> bool:
    """Whether anybody may be let go; where not, that is an outcome."""
    lost = sum(
        outcome.rows - outcome.taken
        for outcome in work.outcomes
        if outcome.op in _SUPPRESSING and outcome.status is not Status.WITHHELD
    )
    if lost:
        work.stand_back(
            f"{lost:,} contacts of the list could not be suppressed or amended", Exit.PARTLY
        )
    if not work.doubt:
        return True
    if isinstance(action, UpdateList):
        work.note("UpdateList", Status.WITHHELD, detail=work.doubt, code=work.doubt_code)
    else:
        rows = action.rows.rows
        work.outcomes.append(
            withheld(action, work, rows=rows, why=work.doubt, code=work.doubt_code)
        )
    return False


def _let_go(action: UpdateList | Shorten | Release, work: Work) -> None:
    """Shorten settings, or send the rows whose contact is still what the plan saw."""
    again = _again_and_sure(action, work)
    if again is None:
        return
    if isinstance(action, UpdateList):
        update(action, work, seen=again.remote)
        return
    changed = batches.changed(
        work.run.engine, action.rows, again.table, separated=True, as_of=work.now()
    )
    if changed:
        work.outcomes.append(changed_rows(action, work, changed))
    send(action, work, skip=frozenset(changed))


def _again_and_sure(action: UpdateList | RowAction, work: Work) -> Reading | None:
    """Read the list again before anybody is let go, if anybody may be.

    Returns:
        The list, whole, with everything in place that this run wrote; else ``None``, and an
        outcome that says why.
    """
    if not _may_let_go(action, work):
        return None
    again = read_again(work)
    if again.doubt:
        work.stand_back(*doubtful(again))
    elif lost := verified(work, again)["missing"]:
        work.stand_back(f"{lost:,} contacts that were written are not on the list", Exit.PARTLY)
    return again if not work.doubt or _may_let_go(action, work) else None


def _read_back(work: Work) -> None:
    """Compare the list with what was written; a difference is an outcome."""
    again = read_again(work)
    if again.doubt:
        why, code = doubtful(again)
        work.note("ReadBack", Status.FAILED, detail=why, code=code)
        return
    work.shelf.remember(again.remote, again.table, now=work.run.clock())
    spending.look(work, again)
    size = again.remote.count if again.remote.count is not None else again.table.rows
    found = {**verified(work, again), "of its settings": forgotten(again.remote, work)}
    differs = ", ".join(f"{count:,} {what}" for what, count in found.items() if count)
    work.outcomes.append(
        Outcome(
            key=work.listed.key,
            action="ReadBack",
            op="",
            batch=0,
            first=0,
            last=0,
            rows=size,
            taken=size,
            status=Status.DIFFERS if differs else Status.DONE,
            smallest=min(work.listed.size_before, work.smallest or 0),
            detail=differs and f"the list read back differs from what was written: {differs}",
            exit_code=Exit.PARTLY if differs else Exit.DONE,
        )
    )
    if work.lessons:
        work.shelf.learn(moves=all(work.lessons))
