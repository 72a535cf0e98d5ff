"""Do what a plan says, list by list, in its order, and say what came of it.

It never plans: it sends the rows of the plan's actions or withholds them, and nothing else. At
every instant everybody wanted before and after stays suppressed; where anything is in doubt,
suppressions go on and nobody is let go.
"""

import secrets
import traceback
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Final, assert_never

import pyarrow as pa

from reconciler import drift, ledger
from reconciler.api.port import Writer
from reconciler.artifacts import Run
from reconciler.cache import Shelf
from reconciler.contacts import batches, evidence
from reconciler.contacts.fates import columns, fates
from reconciler.delivery import Delivery, deliver
from reconciler.errors import (
    EvidenceError,
    InterruptedRunError,
    ReconcilerError,
    RequestRefusedError,
    ServiceError,
    VersionConflictError,
)
from reconciler.journal import Journal
from reconciler.masking import scrub
from reconciler.model import (
    RELEASE_AHEAD,
    RELEASE_SLACK,
    Action,
    Amend,
    Change,
    CreateList,
    ListPlan,
    Op,
    Outcome,
    Plan,
    Release,
    RemoteList,
    RowAction,
    Settings,
    Shorten,
    Status,
    Suppress,
    UpdateList,
)
from reconciler.reading import Reading, read
from reconciler.times import whole_seconds

_SIDE_BY_SIDE: Final = 8
_REBASES: Final = 3
"""How often a guarded write is tried again on a list that moved in fields we do not touch."""
_JITTER: Final = 0.1
"""Seconds; before such a write is tried again, anything up to this, then twice and four times."""
_CREATIONS: Final = 3
_SUPPRESSION: Final = "suppression"
_SUPPRESSING: Final = frozenset({Op.SUPPRESS, Op.AMEND, Op.PART})


@dataclass(slots=True, kw_only=True)
class _Work:
    """One list's work under way."""

    listed: ListPlan
    writer: Writer
    run: Run
    journal: Journal
    list_id: str = ""
    remote: RemoteList | None = None
    """The list as it was before the first write; ``None`` where it was to be made."""
    version: str = ""
    """The list's version as the plan, or our own last write, left it."""
    spent: set[str] = field(default_factory=set)
    """Keys of the releases that the ledger knows to be carried out."""
    lessons: set[bool] = field(default_factory=set)
    """Whether our writes of contacts moved the version."""
    outcomes: list[Outcome] = field(default_factory=list)
    doubt: str = ""
    """Why nobody is let go any more; empty while nothing speaks against it."""
    doubt_code: int = 0
    moved: Reading | None = None
    """The list as it is, where it may not be what the plan was made for."""
    batches: int = 0

    def now(self) -> datetime:
        """The service's time."""
        return self.run.clock() + self.writer.skew

    @property
    def shelf(self) -> Shelf:
        """What is remembered of this list and its tenant."""
        return Shelf(
            folder=self.run.cache,
            tenant=self.listed.tenant,
            service=self.listed.service,
            list_id=self.list_id,
            region=self.listed.region,
        )

    def stand_back(self, why: str, code: int) -> None:
        """Let nobody go from here on; the first reason stays."""
        self.doubt = self.doubt or why
        self.doubt_code = self.doubt_code or code

    def note(self, action: str, status: Status, *, detail: str = "", code: int = 0) -> None:
        """Write down what became of a step without rows."""
        self.outcomes.append(
            Outcome(
                key=self.listed.key,
                action=action,
                op="",
                batch=0,
                first=0,
                last=0,
                rows=0,
                taken=0,
                status=status,
                detail=detail,
                exit_code=code,
            )
        )


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
    with ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="apply") as pool:
        done = pool.map(lambda listed: _list(listed, writers[listed.tenant], run, journal), busy)
        return tuple(outcome for outcomes in done for outcome in outcomes)


def _list(listed: ListPlan, writer: Writer, run: Run, journal: Journal) -> list[Outcome]:
    work = _Work(
        listed=listed, writer=writer, run=run, journal=journal, list_id=listed.remote_id or ""
    )
    step = "Check"
    try:
        if work.list_id:
            _check_version(work)
        for action in listed.actions:
            step = type(action).__name__
            if run.stop.is_set():
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
    return work.outcomes


def _keep_trace(error: Exception, work: _Work) -> None:
    """Put the traceback of what nobody expected into the run folder, scrubbed."""
    text = scrub("".join(traceback.format_exception(error)))
    with suppress(EvidenceError):
        work.run.write(f"crash-{work.listed.key}.txt", text.encode())


def _do(action: Action, work: _Work) -> None:
    match action:
        case CreateList(settings=settings):
            _create(settings, work)
        case UpdateList(changes=changes) if not action.shortens:
            _change(changes, work)
        case Amend() if action.rows.op == Op.PART:
            _part(action, work)
        case Suppress() | Amend():
            _look_again(work)
            _send(action, work, skip=_longer_now(action, work))
        case UpdateList() | Shorten() | Release():
            _let_go(action, work)
        case _:
            assert_never(action)


def _check_version(work: _Work) -> None:
    """Compare the list with the one the plan was made for, before the first write.

    A version proves nothing where it is not known to move with contacts: then the contacts are
    compared.
    """
    work.remote = work.writer.get(work.list_id)
    work.version = work.listed.version
    if work.remote.version == work.version and work.shelf.moves:
        return
    again = _read(work, work.remote)
    work.remote = again.remote
    if (again.remote.version, again.doubt, again.table.path) == (
        work.version,
        "",
        work.listed.observed_table.path,
    ):
        return
    work.moved = again
    work.version = again.remote.version
    if again.doubt:
        work.stand_back(*_doubtful(again))
    else:
        why = "the list has changed since it was read"
        work.stand_back(why, VersionConflictError.exit_code)
    work.run.tell(f"{work.listed.key}: {work.doubt}")


def _look_again(work: _Work) -> None:
    """Before contacts are written: read the list again, unless nobody else can have changed it."""
    if work.remote is None or not _written(work):
        return  # just made, or just compared
    remote = work.writer.get(work.list_id)
    if remote.version != work.version or not work.shelf.moves:
        work.moved = _read(work, remote)
        work.version = work.moved.remote.version


def _written(work: _Work) -> bool:
    """Whether this run has written contacts yet: until then the first comparison stands."""
    return any(outcome.batch for outcome in work.outcomes)


def _create(settings: Settings, work: _Work) -> None:
    """Make the list; where it is not known whether it was made, look before trying again."""
    name = str(settings.name)
    if work.writer.find(name):
        raise VersionConflictError(f"a list named {name!r} has appeared since the plan")
    facts = {"list": work.listed.key, "action": "CreateList"}
    for attempt in range(1, _CREATIONS + 1):
        try:
            remote = _written_down(work, facts, partial(work.writer.create, settings))
        except ServiceError:
            found = work.writer.find(name)
            if found is None and attempt == _CREATIONS:
                raise
            if found is None:
                continue
            remote = found
        break
    if remote.type != _SUPPRESSION:
        raise VersionConflictError(f"the list {remote.id} came out as type {remote.type!r}")
    work.list_id, work.version = remote.id, remote.version
    work.note("CreateList", Status.DONE, detail=remote.id)


def _written_down(
    work: _Work, facts: Mapping[str, object], ask: Callable[[], RemoteList]
) -> RemoteList:
    """Ask for a change of the list itself, with a journal line before and one after."""
    intent = work.journal.intent(facts)
    try:
        remote = ask()
    except ReconcilerError as error:
        work.journal.outcome(intent, {"error": type(error).__name__})
        raise
    work.journal.outcome(intent, {"id": remote.id, "version": remote.version})
    return remote


def _change(changes: tuple[Change, ...], work: _Work) -> None:
    """Change settings, unless the list has moved and cannot be read whole."""
    if work.moved and not work.moved.complete:
        work.note("UpdateList", Status.WITHHELD, detail=work.doubt, code=work.doubt_code)
    elif work.remote:
        _update(changes, work, seen=work.remote)


def _update(changes: tuple[Change, ...], work: _Work, *, seen: RemoteList) -> None:
    """Change settings; where that fails nobody is let go, and suppressions go on."""
    names = ", ".join(one.field for one in changes)
    try:
        done = _patched(changes, work, seen=seen)
    except (RequestRefusedError, ServiceError) as error:
        work.stand_back("its settings could not be changed", error.exit_code)
        work.note("UpdateList", Status.FAILED, detail=str(error), code=error.exit_code)
        return
    if done:
        work.note("UpdateList", Status.DONE, detail=names)
        return
    code = VersionConflictError.exit_code
    work.stand_back("its settings were changed by somebody else", code)
    work.note(
        "UpdateList", Status.WITHHELD, detail=f"somebody else changed the list: {names}", code=code
    )


def _patched(changes: tuple[Change, ...], work: _Work, *, seen: RemoteList) -> bool:
    """Send the changes, guarded by the version; rebased as long as our fields are untouched.

    Returns:
        Whether the list holds them now.
    """
    facts = {"list": work.listed.key, "action": "UpdateList", "fields": [c.field for c in changes]}
    for attempt in range(_REBASES + 1):
        state = _holds(changes, seen)
        if state != "old":
            return state == "new"
        _jitter(work, attempt)
        send = partial(work.writer.update, work.list_id, changes, version=seen.version)
        try:
            work.version = _written_down(work, facts, send).version
        except VersionConflictError:
            seen = work.writer.get(work.list_id)
        else:
            return True
    return _holds(changes, seen) == "new"


def _jitter(work: _Work, attempt: int) -> None:
    """Let whoever else is at work finish; no wait before the first attempt."""
    most = _JITTER * 2 ** (attempt - 1) if attempt else 0.0
    if work.run.stop.wait(secrets.SystemRandom().uniform(0, most)):
        raise InterruptedRunError("interrupted")


def _holds(changes: tuple[Change, ...], remote: RemoteList) -> str:
    """Say whether the list holds the ``old`` values, the ``new`` ones, or ``other`` ones."""
    held = drift.values(remote.settings)
    if all(held[one.field] == one.new for one in changes):
        return "new"
    return "old" if all(held[one.field] == one.old for one in changes) else "other"


def _longer_now(action: Suppress | Amend, work: _Work) -> frozenset[int]:
    """Rows that may not be sent since the list moved: it now suppresses them for longer.

    A write never shortens what it did not see, so after a partial read only rows without an end
    are sent.
    """
    if work.moved is None:
        return frozenset()
    engine, moved = work.run.engine, work.moved
    longer = batches.longer(
        engine, action.rows, moved.table, complete=moved.complete, as_of=work.now()
    )
    if longer:
        why = "the list has changed, and a write might shorten what it now suppresses"
        code = VersionConflictError.exit_code
        work.outcomes.append(
            _withheld(action, work, rows=len(longer), why=why, changed=longer, code=code)
        )
    return frozenset(longer)


def _part(action: Amend, work: _Work) -> None:
    """Give contacts that share one a contact of their own, where they are still as planned."""
    again = _again_and_sure(action, work)
    if again is None:
        return
    stirred = batches.stirred(work.run.engine, action.rows, again.table)
    if stirred:
        work.outcomes.append(_changed(action, work, stirred))
    _send(action, work, skip=frozenset(stirred))


def _may_let_go(action: Action, work: _Work) -> bool:
    """Whether anybody may be let go; where not, that is an outcome."""
    lost = sum(
        outcome.rows - outcome.taken
        for outcome in work.outcomes
        if outcome.op in _SUPPRESSING and outcome.status is not Status.WITHHELD
    )
    if lost:
        work.stand_back(f"{lost:,} contacts of the list could not be suppressed or amended", 6)
    if not work.doubt:
        return True
    if isinstance(action, UpdateList):
        work.note("UpdateList", Status.WITHHELD, detail=work.doubt, code=work.doubt_code)
    elif not isinstance(action, CreateList):
        rows = action.rows.rows
        work.outcomes.append(
            _withheld(action, work, rows=rows, why=work.doubt, code=work.doubt_code)
        )
    return False


def _let_go(action: UpdateList | Shorten | Release, work: _Work) -> None:
    """Shorten settings, or send the rows whose contact is still what the plan saw."""
    again = _again_and_sure(action, work)
    if again is None:
        return
    if isinstance(action, UpdateList):
        _update(action.changes, work, seen=again.remote)
        return
    changed = batches.changed(
        work.run.engine, action.rows, again.table, separated=True, as_of=work.now()
    )
    if changed:
        work.outcomes.append(_changed(action, work, changed))
    _send(action, work, skip=frozenset(changed))


def _changed(action: RowAction, work: _Work, rows: tuple[int, ...]) -> Outcome:
    """Rows left alone because somebody changed their contact since the plan."""
    why = "somebody changed these contacts since the plan"
    code = VersionConflictError.exit_code
    return _withheld(action, work, rows=len(rows), why=why, changed=rows, code=code)


def _again_and_sure(action: UpdateList | RowAction, work: _Work) -> Reading | None:
    """Read the list again before anybody is let go, if anybody may be.

    Returns:
        The list, whole, with everything in place that this run wrote; else ``None``, and an
        outcome that says why.
    """
    if not _may_let_go(action, work):
        return None
    again = _again(work)
    if again.doubt:
        work.stand_back(*_doubtful(again))
    elif lost := _verified(work, again)["missing"]:
        work.stand_back(f"{lost:,} contacts that were written are not on the list", 6)
    return again if not work.doubt or _may_let_go(action, work) else None


def _doubtful(again: Reading) -> tuple[str, int]:
    """Say why a reading is not whole, and with which exit code: a failure, or a list that moves."""
    code = ServiceError.exit_code if again.failed else VersionConflictError.exit_code
    return f"the list could not be read again whole: {again.doubt}", code


def _doubtful(again: Reading) -> int:
    """The exit code of a reading in doubt: the service failed, or somebody moves the list."""
    return ServiceError.exit_code if again.failed else VersionConflictError.exit_code


def _again(work: _Work) -> Reading:
    return _read(work, work.writer.get(work.list_id))


def _read(work: _Work, remote: RemoteList) -> Reading:
    return read(work.run, work.writer, remote, key=work.listed.key, region=work.listed.region)


def _send(action: RowAction, work: _Work, *, skip: Collection[int] = frozenset()) -> None:
    """Send an action's rows in batches; a batch that fails does not keep back the next."""
    letting_go = isinstance(action, Release)
    lapse_after = work.now()
    for batch in batches.batches(
        work.run.engine,
        action.rows,
        size=work.writer.capabilities.batch,
        lapse_after=lapse_after,
        release_until=lapse_after + RELEASE_AHEAD if letting_go else None,
        channels=work.writer.capabilities.channels,
        skip=skip,
    ):
        if work.run.stop.is_set():
            raise InterruptedRunError("interrupted")
        work.batches += 1
        facts = {
            "list": work.listed.key,
            "action": type(action).__name__,
            "op": _op(action),
            "batch": work.batches,
            "first": batch.column("row")[0].as_py(),
        }
        made = deliver(
            _timed(batch, work) if letting_go else batch,
            writer=work.writer,
            list_id=work.list_id,
            journal=work.journal,
            facts=facts,
        )
        _learn(made, work)
        work.outcomes.append(_of_batch(action, work, batch, made, lapse_after))
        _write_down_releases(action, work)
        done = work.outcomes[-1].last + 1
        work.run.progress(f"{work.listed.key}: {action.rows.op}", done, action.rows.rows)
        if made.error and not isinstance(made.error, ServiceError | RequestRefusedError):
            raise made.error
    lapsed = batches.lapsed(work.run.engine, action.rows, lapse_after=lapse_after)
    if lapsed:
        why = "lapsed before they could be sent"
        work.outcomes.append(replace(_withheld(action, work, rows=lapsed, why=why), lapsed=lapsed))


def _timed(batch: pa.Table, work: _Work) -> pa.Table:
    """Give a batch of releases its end, counted from now."""
    end = int(whole_seconds(work.now() + RELEASE_AHEAD).timestamp())
    at = batch.schema.get_field_index("until")
    return batch.set_column(at, batch.schema.field(at), pa.array([end] * batch.num_rows))


def _of_batch(
    action: RowAction, work: _Work, batch: pa.Table, made: Delivery, lapse_after: datetime
) -> Outcome:
    status, code = Status.DONE, 0
    if made.error:
        status, code = Status.FAILED, made.error.exit_code
    elif made.rejections:
        status, code = (Status.PARTLY if made.taken else Status.REJECTED), 6
    numbers = batch.column("row")
    return Outcome(
        key=work.listed.key,
        action=type(action).__name__,
        op=_op(action),
        batch=work.batches,
        first=numbers[0].as_py(),
        last=numbers[-1].as_py(),
        rows=batch.num_rows,
        taken=made.taken,
        status=status,
        rejections=tuple(made.rejections),
        lapse_after=lapse_after,
        detail=str(made.error or ""),
        exit_code=code,
    )


def _withheld(
    action: RowAction,
    work: _Work,
    *,
    rows: int,
    why: str,
    changed: tuple[int, ...] = (),
    code: int = 0,
) -> Outcome:
    """Rows that were planned and not sent; all of the action's where ``changed`` names none."""
    return Outcome(
        key=work.listed.key,
        action=type(action).__name__,
        op=_op(action),
        batch=0,
        first=0,
        last=action.rows.rows - 1,
        rows=rows,
        taken=0,
        status=Status.WITHHELD,
        changed=changed,
        detail=why,
        exit_code=code,
    )


def _read_back(work: _Work) -> None:
    """Compare the list with what was written; a difference is an outcome."""
    again = _again(work)
    if again.doubt:
        detail = f"not read back whole: {again.doubt}"
        work.note("ReadBack", Status.FAILED, detail=detail, code=_doubtful(again))
        return
    size = again.remote.count if again.remote.count is not None else again.table.rows
    found = _verified(work, again)
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
            detail=differs and f"the list read back differs from what was written: {differs}",
            exit_code=6 if differs else 0,
        )
    )
    if work.lessons:
        work.shelf.learn(moves=all(work.lessons))


def _verified(work: _Work, again: Reading) -> Mapping[str, int]:
    """Count who is missing on the list, or on it for longer, against what was written so far."""
    return evidence.verify(
        work.run.engine,
        gap=work.listed.gap.rows,
        observed=again.table,
        as_of=work.now(),
        window_end=work.now() + RELEASE_AHEAD + RELEASE_SLACK,
        **columns(fates(work.outcomes)),
    )


def _learn(made: Delivery, work: _Work) -> None:
    """Notice whether a write of contacts moved the list's version."""
    if made.taken and made.version and work.version:
        work.lessons.add(made.version != work.version)
    work.version = made.version or work.version


def _write_down_releases(action: RowAction, work: _Work) -> None:
    """Let the ledger know of releases at once: a run that dies must not make them anew."""
    if not isinstance(action, Shorten | Release):
        return
    told = columns(fates(work.outcomes))
    keys = evidence.release_keys(work.run.engine, work.listed.gap.rows, **told)
    fresh = sorted(set(keys) - work.spent)
    if fresh:
        ledger.released(work.run, fresh)
        work.spent.update(fresh)


def _op(action: RowAction) -> str:
    """The action's op, also where its rows are only some of that op."""
    return action.rows.op.partition(":")[0]
