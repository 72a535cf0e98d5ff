"""The numbers that every view shows, counted in one place; pure.

It never formats: text, JSON and Markdown must not be able to disagree about a number.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Self

from reconciler.model import (
    SEVERITIES,
    Amend,
    CreateList,
    Drift,
    ListDrift,
    ListPlan,
    Op,
    Origin,
    Outcome,
    Plan,
    Receipt,
    Release,
    Shorten,
    Status,
    Suppress,
    Tally,
    UpdateList,
    Way,
    op_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sum:
    """Counts that add up field by field."""

    @classmethod
    def of(cls, parts: Iterable[Self]) -> Self:
        """Return the sums of all parts; all zeros where there are none."""
        held = tuple(parts)
        return cls(**{f.name: sum(getattr(part, f.name) for part in held) for f in fields(cls)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned(_Sum):
    """What a plan would do, in contacts; what is refused is not counted."""

    suppress: int
    amend: int
    shorten: int
    release: int
    before: int
    after: int
    surplus: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied(_Sum):
    """What a run did, in rows taken by the service, and the batches it took."""

    suppressed: int
    amended: int
    separated: int
    shortened: int
    released: int
    rejected: int
    batches: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifted(_Sum):
    """How far the service is from the specs, by direction."""

    missing: int
    surplus: int
    differ: int
    longer: int
    lapsing: int


def planned(made: Plan) -> Planned:
    """Count a whole plan."""
    return Planned.of(planned_list(listed) for listed in made.lists)


def planned_list(listed: ListPlan) -> Planned:
    """Count one list's actions; amendments are contacts, not rows written."""
    gap = listed.gap
    suppress = amend = shorten = release = 0
    for action in listed.actions:
        match action:
            case Suppress(rows=rows):
                suppress = gap.missing if listed.complete else rows.rows
            case Amend() if op_of(action) is Op.AMEND:
                amend = gap.amended
            case Shorten():
                shorten = gap.shortened
            case Release():
                release = gap.released
    return Planned(
        suppress=suppress,
        amend=amend,
        shorten=shorten,
        release=release,
        before=listed.size_before,
        after=listed.size_after,
        surplus=listed.kept,
    )


def ends_earlier(listed: ListPlan) -> bool:
    """Tell whether the list as a whole is to end earlier, and with it everybody on it."""
    return any(isinstance(action, UpdateList) and action.shortens for action in listed.actions)


def touched(listed: ListPlan) -> bool:
    """Tell whether there is anything to say of a list: something to do, or refused."""
    return bool(listed.actions or listed.refusals)


def done_to(listed: ListPlan, by: str) -> tuple[Tally, ...]:
    """Return the tallies of one kind (``reason``, ``source``) of what is done, not of what stays.

    They add up to what ``planned_list`` counts, but for a list that was not read whole.
    """
    ops = {op_of(act) for act in listed.actions if not isinstance(act, CreateList | UpdateList)}
    return tuple(tally for tally in listed.gap.tallies if tally.by == by and tally.op in ops)


def without_ground(listed: ListPlan) -> int:
    """Count who is let go on grounds that are not listed, since there are too many of them."""
    counts = planned_list(listed)
    return counts.shorten + counts.release - sum(why.contacts for why in listed.grounds)


def applied(outcomes: Iterable[Outcome]) -> Applied:
    """Count outcomes, of one list or of many."""
    return Applied.of(_outcome(outcome) for outcome in outcomes)


def rejected(outcome: Outcome) -> int:
    """Count the rows that the service looked at and did not take."""
    if outcome.rejections or outcome.status is not Status.REJECTED:
        return len(outcome.rejections)
    return max(outcome.rows - outcome.taken - outcome.lapsed - len(outcome.changed), 0)


def drifted(found: Drift) -> Drifted:
    """Count a whole report."""
    return Drifted.of(drifted_list(listed) for listed in found.lists)


def drifted_list(listed: ListDrift) -> Drifted:
    """Count one list."""
    return Drifted(
        missing=listed.missing,
        surplus=listed.surplus,
        differ=listed.differ,
        longer=listed.longer,
        lapsing=listed.lapsing,
    )


def origins(found: Drift) -> Mapping[Way, Origin]:
    """Count who made a whole report's contacts and settings differ, by direction."""
    told = {way: [x.origins[way] for x in found.lists if way in x.origins] for way in SEVERITIES}
    return {
        way: Origin(
            pending=sum(each.pending for each in held),
            outside=sum(each.outside for each in held),
            unknown=sum(each.unknown for each in held),
        )
        for way, held in told.items()
    }


def keys(receipt: Receipt) -> tuple[str, ...]:
    """Return the keys of the lists that a receipt speaks of, sorted."""
    parts = (receipt.outcomes, receipt.refusals, receipt.failures, receipt.webhooks)
    return tuple(sorted({each.key for part in parts for each in part} | set(receipt.created)))


def nothing_done(receipt: Receipt) -> bool:
    """Tell whether the run had nothing to do, and nothing was refused or failed either."""
    told = receipt.refusals or receipt.failures or receipt.created or receipt.postponed
    return not told and all(
        outcome.action == "ReadBack" and outcome.status is Status.DONE
        for outcome in receipt.outcomes
    )


def _outcome(outcome: Outcome) -> Applied:
    def taken(op: Op) -> int:
        return outcome.taken if outcome.op == op else 0

    return Applied(
        suppressed=taken(Op.SUPPRESS),
        amended=taken(Op.AMEND),
        separated=taken(Op.PART),
        shortened=taken(Op.SHORTEN),
        released=taken(Op.RELEASE),
        rejected=rejected(outcome),
        batches=int(outcome.batch > 0 and outcome.status is not Status.WITHHELD),
    )
