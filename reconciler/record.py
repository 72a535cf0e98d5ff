"""What a run leaves as evidence: what was declared, seen, planned and done, and the ledger's line.

Counts, digests and pseudonyms; addresses only in the run folder's ``tables/``. It changes
nothing at the service and decides nothing.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from reconciler import ledger, measures
from reconciler.artifacts import Run, plain
from reconciler.contacts import evidence
from reconciler.contacts.fates import Fates, columns, fates
from reconciler.errors import Exit, worst
from reconciler.model import (
    UNMANAGED,
    CreateList,
    Desired,
    ListPlan,
    Observed,
    Op,
    Outcome,
    Plan,
    Receipt,
    Spec,
    Status,
    Unmanaged,
    UpdateList,
    WebhookResult,
)
from reconciler.times import parse_time

FORMAT: Final = 1
"""Of ``receipt.json``; moves when a reader of it would have to change."""

_NAMES: Final[Mapping[int, str]] = {
    Exit.DONE: "done",
    Exit.CHANGES: "done",
    Exit.DRIFT: "drift",
    Exit.REFUSED: "refused",
    Exit.STALE: "conflict",
    Exit.PARTLY: "partly",
    Exit.INTERRUPTED: "interrupted",
    Exit.TERMINATED: "interrupted",
}

_TO_SEND: Final = frozenset({Op.SUPPRESS, Op.AMEND, Op.PART, Op.SHORTEN, Op.RELEASE})
"""What becomes of these rows is told also where all of them were withheld."""


def observation(spec: Spec, desired: Desired, observed: Observed, *, run: Run) -> None:
    """Write ``specs.json`` and ``observed.json``: digests and counts of both sides."""
    run.write(
        "specs.json",
        {
            "files": spec.digests,
            "policy": spec.policy,
            "lists": [
                {
                    "key": wanted.spec.name,
                    "declaration": wanted.spec.digest,
                    "settings": wanted.spec.settings,
                    "table": wanted.table,
                    "table_file": wanted.table.path.name,
                    "releases": wanted.releases,
                    "counts": wanted.counts,
                    "feeds": wanted.feeds,
                    "spent_releases": wanted.spent_releases,
                    "doubtful_releases": wanted.doubtful_releases,
                }
                for wanted in desired.lists
            ],
        },
    )
    run.write(
        "observed.json",
        {
            "lists": [
                {
                    "key": seen.key,
                    "id": seen.remote.id if seen.remote else None,
                    "version": seen.remote.version if seen.remote else None,
                    "settings": seen.remote.settings if seen.remote else None,
                    "complete": seen.complete,
                    "incomplete_because": seen.incomplete_because,
                    "cached": seen.cached,
                    "lapsed": seen.lapsed,
                    "size": seen.size,
                    "table": seen.table,
                }
                for seen in observed.lists.values()
            ],
            "failures": observed.failures,
        },
    )


def receipt(
    plan: Plan,
    outcomes: Sequence[Outcome],
    hooks: Sequence[WebhookResult],
    *,
    run: Run,
    applied: Collection[str] = (),
) -> Receipt:
    """Write what was done: ``changes.parquet``, rejected rows, and ``receipt.json``.

    Args:
        plan: what was to be done.
        outcomes: what was done.
        hooks: whom it was told.
        run: where artifacts go.
        applied: keys of lists that earlier runs worked on; of others it is written down, too, who
            was suppressed on them before.
    """
    told = _by_list(outcomes)
    for listed in plan.lists:
        _rejected(listed, told[listed.key], run=run)
    parts = [
        _changes(listed, told[listed.key], run=run)
        for listed in plan.lists
        if listed.actions or _TO_SEND & listed.gap.parts.keys()
    ]
    parts += [
        _found(listed, run=run)
        for listed in plan.lists
        if listed.key not in applied and listed.observed_table.rows
    ]
    if parts:
        evidence.collect(run.engine, parts, run.folder / "changes.parquet")
        for part in parts:
            part.unlink()
    made = Receipt(
        run=run.id,
        plan=plan.id,
        started=run.started,
        finished=run.clock(),
        outcomes=tuple(outcomes),
        refusals=plan.refusals,
        failures=plan.failures,
        webhooks=tuple(hooks),
        metrics=measures.of_receipt(
            plan, outcomes, hooks, cost=run.meter.snapshot(), now=run.clock()
        ),
        created={
            one.key: one.detail
            for one in outcomes
            if one.action == "CreateList" and one.status is Status.DONE
        },
        batch_reasons={listed.key: listed.batch_reason for listed in plan.lists},
        surplus=sum(listed.kept for listed in plan.lists),
        overrides=plan.overrides,
        postponed=plan.postponed,
        exit_code=run.signalled() or exit_code(plan, outcomes),
    )
    run.write("receipt.json", {"format": FORMAT, "kind": "Receipt", **plain(made)})
    return made


def exit_code(plan: Plan, outcomes: Sequence[Outcome] = ()) -> int:
    """Return the exit code that a plan and what became of it call for."""
    codes = [failure.exit_code for failure in plan.failures]
    codes += [outcome.exit_code for outcome in outcomes]
    return worst(codes + [Exit.REFUSED] * bool(plan.refusals))


def close(run: Run, *, code: int, plan: Plan | None = None, done: Receipt | None = None) -> None:
    """End a run: drop the tables of one that changed nothing, and write the ledger's line.

    Args:
        run: the run.
        code: its exit code.
        plan: what was planned, where it came so far.
        done: what was done, where anything was.
    """
    outcomes = done.outcomes if done else ()
    lists = plan.lists if plan else ()
    seen = {listed.key: listed.remote_id for listed in lists if listed.remote_id}
    told = _by_list(outcomes)
    spent = [key for listed in lists for key in _spent(listed, told[listed.key], run=run)]
    if not _asked_to_change(run):
        _drop_tables(run)
    run.keep()
    ledger.append(
        run,
        outcome=_NAMES.get(code, "failed"),
        exit_code=code,
        lists={**seen, **(done.created if done else {})},
        spent=spent,
        batch_reasons=done.batch_reasons if done else None,
        overrides=plan.overrides if plan and plan.overrides.given else None,
        list_ends={listed.key: end for listed in lists for end in _end(listed, told[listed.key])},
    )


def _end(listed: ListPlan, own: Sequence[Outcome]) -> Iterator[datetime | None]:
    """Yield a list's own end as the run leaves it; nothing where that is not known."""
    done = [one.status is Status.DONE for one in own if one.action in {"CreateList", "UpdateList"}]
    end = listed.observed.suppress_until if listed.observed else UNMANAGED
    for action in listed.actions if done else ():
        if isinstance(action, CreateList):
            declared = action.settings.suppress_until
            end = None if declared is UNMANAGED else declared
        for change in action.changes if isinstance(action, UpdateList) else ():
            if change.field == "suppressUntil":
                end = parse_time(change.new) if change.new else None
    if all(done) and not isinstance(end, Unmanaged):
        yield end


def _by_list(outcomes: Sequence[Outcome]) -> Mapping[str, list[Outcome]]:
    """Outcomes by the key of their list; none where there is none."""
    own = defaultdict[str, list[Outcome]](list)
    for outcome in outcomes:
        own[outcome.key].append(outcome)
    return own


def _told(listed: ListPlan, own: Sequence[Outcome]) -> Fates:
    """One list's outcomes as columns."""
    return fates(own, endless=not listed.complete)


def _rejected(listed: ListPlan, own: Sequence[Outcome], *, run: Run) -> None:
    """Keep the rows the service did not take, with its reasons."""
    told = _told(listed, own)
    if told.rejections.num_rows:
        into = run.tables(listed.key) / "rejected.parquet"
        evidence.rejected(run.engine, listed.gap.rows, told.rejections, into)


def _changes(listed: ListPlan, own: Sequence[Outcome], *, run: Run) -> Path:
    """Write one list's changes, to be collected."""
    told = _told(listed, own)
    into = run.tables(listed.key) / "changes.parquet"
    evidence.changes(run.engine, listed.gap.rows, key=listed.key, into=into, **columns(told))
    return into


def _found(listed: ListPlan, *, run: Run) -> Path:
    """Write who was suppressed on a list when it was first worked on, to be collected."""
    into = run.tables(listed.key) / "found.parquet"
    seen = listed.observed_table
    evidence.found(run.engine, seen, key=listed.key, at=run.started, into=into)
    return into


def _spent(listed: ListPlan, own: Sequence[Outcome], *, run: Run) -> tuple[str, ...]:
    """The keys of this list's declared releases that were carried out."""
    told = _told(listed, own)
    if not told.statuses.num_rows:
        return ()
    return evidence.release_keys(run.engine, listed.gap.rows, **columns(told))


def _asked_to_change(run: Run) -> bool:
    """Whether the service was asked to change anything, whatever came of it."""
    journal = run.folder / "journal.jsonl"
    return journal.exists() and journal.stat().st_size > 0


def _drop_tables(run: Run) -> None:
    """Remove the gaps of a run that changed nothing; invalid rows stay to be looked at."""
    for gap in run.folder.glob("tables/*/gap.parquet"):
        gap.unlink()
        with suppress(OSError):
            gap.parent.rmdir()
    with suppress(OSError):
        (run.folder / "tables").rmdir()
