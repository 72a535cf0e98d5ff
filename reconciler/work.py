"""One list's work under way: its state, what became of its steps, and the list read again.

It sends nothing and decides nothing; ``apply`` and ``listing`` do, and write down here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.api.port import Writer
from reconciler.artifacts import Run
from reconciler.cache import Shelf
from reconciler.contacts import evidence
from reconciler.contacts.fates import columns, fates
from reconciler.contacts.ingest import suppressed
from reconciler.errors import ServiceError, VersionConflictError
from reconciler.journal import Journal
from reconciler.model import (
    RELEASE_AHEAD,
    RELEASE_SLACK,
    ListPlan,
    Outcome,
    RemoteList,
    RowAction,
    Status,
    op_of,
)
from reconciler.reading import Reading, read


@dataclass(slots=True, kw_only=True)
class Work:
    """One list's work under way."""

    listed: ListPlan
    writer: Writer
    run: Run
    journal: Journal
    list_id: str = ""
    remote: RemoteList | None = None
    """The list as last looked at before the first write; ``None`` where it was to be made."""
    versions: frozenset[str] = frozenset()
    """The list's version as the plan, or our own last write, left it; of writes that were in flight
    together any may have been the last."""
    doubted: set[str] = field(default_factory=set)
    """Keys of the releases that were sent, or are about to be, and may or may not be in effect."""
    lessons: set[bool] = field(default_factory=set)
    """Whether our writes of contacts moved the version."""
    given: dict[str, str | None] = field(default_factory=dict)
    """The settings that this run gave the list, by field, as the service spells them."""
    outcomes: list[Outcome] = field(default_factory=list)
    doubt: str = ""
    """Why nobody is let go any more; empty while nothing speaks against it."""
    doubt_code: int = 0
    moved: Reading | None = None
    """The list as it is, where it may not be what the plan was made for."""
    batches: int = 0
    smallest: int | None = None
    """The fewest addresses the list was seen to suppress since the plan."""

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


def withheld(
    action: RowAction,
    work: Work,
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
        op=op_of(action),
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


def changed_rows(action: RowAction, work: Work, rows: tuple[int, ...]) -> Outcome:
    """Rows left alone because somebody changed their contact since the plan."""
    why = "somebody changed these contacts since the plan"
    code = VersionConflictError.exit_code
    return withheld(action, work, rows=len(rows), why=why, changed=rows, code=code)


def read_again(work: Work) -> Reading:
    """Read the list as it is now, whole or with the doubt about it."""
    return reread(work, work.writer.get(work.list_id))


def reread(work: Work, remote: RemoteList) -> Reading:
    """Read the contacts of a list whose metadata was just read; how many it holds is noted."""
    again = read(work.run, work.writer, remote, key=work.listed.key, region=work.listed.region)
    if again.complete:
        held = suppressed(work.run.engine, again.table, as_of=work.now())
        end = again.remote.settings.suppress_until
        size = 0 if isinstance(end, datetime) and end <= work.now() else held
        work.smallest = size if work.smallest is None else min(work.smallest, size)
    return again


def verified(work: Work, again: Reading) -> Mapping[str, int]:
    """Count who is missing on the list, or on it for longer, against what was written so far."""
    return evidence.verify(
        work.run.engine,
        gap=work.listed.gap.rows,
        observed=again.table,
        as_of=work.now(),
        window_end=work.now() + RELEASE_AHEAD + RELEASE_SLACK,
        **columns(fates(work.outcomes, endless=not work.listed.complete)),
    )


def doubtful(again: Reading) -> tuple[str, int]:
    """Say why a reading is not whole, and with which exit code: a failure, or a list that moves."""
    code = ServiceError.exit_code if again.failed else VersionConflictError.exit_code
    return f"the list could not be read again whole: {again.doubt}", code
