"""The numbers that every view shows, counted in one place; pure.

It never formats: text, JSON and Markdown must not be able to disagree about a number.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Self

from reconciler.model import (
    SEVERITIES,
    Amend,
    Change,
    CreateList,
    Drift,
    Ends,
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
from reconciler.times import parse_time


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A whole list that ends earlier, and with it everybody on it."""

    key: str
    contacts: int
    until: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """Who may be called or mailed again, or sooner: by themselves, or with their whole list."""

    released: int
    shortened: int
    endings: tuple[Ending, ...]
    contacts: int
    """All of them; who is let go of a list that ends earlier counts once."""
    unclear: tuple[str, ...] = ()
    """Lists whose own end moved, nobody knows which way: no plan stands beside the receipt."""

    @property
    def alone(self) -> int:
        """Contacts that are let go by themselves."""
        return self.released + self.shortened

    @property
    def nobody(self) -> bool:
        """Whether it may be said that nobody is let go."""
        return not (self.alone or self.endings or self.unclear)


def again(made: Plan) -> Again:
    """Count who could be called or mailed again, or sooner, by a plan."""
    counts = {listed.key: planned_list(listed) for listed in made.lists}
    endings = tuple(
        _ending(listed, change)
        for listed in made.lists
        for action in listed.actions
        if isinstance(action, UpdateList)
        for change in action.changes
        if change.shortens
    )
    return _again({key: (each.release, each.shorten) for key, each in counts.items()}, endings)


def again_done(done: Receipt, made: Plan | None) -> Again:
    """Count who may be called or mailed again, or sooner, by what a run did.

    Args:
        done: the receipt.
        made: the plan it carried out, which knows how large a list was and which way its end moved.
    """
    counts = {key: applied(x for x in done.outcomes if x.key == key) for key in keys(done)}
    gone = {key: (each.released, each.shortened) for key, each in counts.items()}
    plans = {listed.key: listed for listed in made.lists} if made else {}
    endings = tuple(
        _ending(plans[key], change)
        for key, changes in settings_done(done, made)
        for change in changes
        if change.shortens
    )
    moved = {x.key for x in done.outcomes if _moved_settings(x) and "suppressUntil" in x.detail}
    return _again(gone, endings, unclear=tuple(sorted(moved - plans.keys())))


def settings_done(done: Receipt, made: Plan | None) -> tuple[tuple[str, tuple[Change, ...]], ...]:
    """Return the settings that a run has changed, by the key of their list, as they were planned.

    What a run says of it is the names of the fields only; the values stand in the plan.
    """
    fields = {(each.key, each.detail) for each in done.outcomes if _moved_settings(each)}
    return tuple(
        (listed.key, action.changes)
        for listed in (made.lists if made else ())
        for action in listed.actions
        if isinstance(action, UpdateList) and (listed.key, action.named) in fields
    )


def ends(listed: ListPlan, *, as_of: datetime) -> Ends:
    """Return when the contacts of a list come off it: by themselves, or all with the list.

    The list's own end is the one that the plan gives it, or else the one that it has.
    """
    own = listed.observed.suppress_until if listed.observed else None
    end = own if isinstance(own, datetime) else None
    for action in listed.actions:
        for change in action.changes if isinstance(action, UpdateList) else ():
            if change.field == "suppressUntil":
                end = parse_time(change.new) if change.new else None
    return listed.gap.ends.until(end, as_of=as_of)


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


def _ending(listed: ListPlan, change: Change) -> Ending:
    return Ending(key=listed.key, contacts=listed.size_before, until=change.new or "")


def _again(
    gone: Mapping[str, tuple[int, int]],
    endings: tuple[Ending, ...],
    *,
    unclear: tuple[str, ...] = (),
) -> Again:
    """Sum up those released and shortened, by the key of their list, and whole lists."""
    whole = {each.key for each in endings}
    return Again(
        released=sum(released for released, _ in gone.values()),
        shortened=sum(shortened for _, shortened in gone.values()),
        endings=endings,
        contacts=sum(each.contacts for each in endings)
        + sum(sum(each) for key, each in gone.items() if key not in whole),
        unclear=unclear,
    )


def _moved_settings(outcome: Outcome) -> bool:
    return outcome.action == "UpdateList" and outcome.status is Status.DONE


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
