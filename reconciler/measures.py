"""What a run comes to in numbers, of each list and of all of it: for the receipt, for monitoring.

Counts and ages by the names of lists, sources and codes; never an address. It decides nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final

from reconciler.masking import scrub
from reconciler.metrics import Calls
from reconciler.model import (
    Drift,
    Feed,
    ListDrift,
    ListPlan,
    Op,
    Outcome,
    Plan,
    Status,
    UpdateList,
    Way,
    WebhookResult,
)

_WRITTEN: Final = (Op.SUPPRESS, Op.AMEND, Op.PART, Op.SHORTEN, Op.RELEASE)
"""What can be done to a contact: told also where it was done to nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What was done to one list."""

    updates: Mapping[str, int]
    """Rows in place, by op."""
    settings_updated: int
    rejected_codes: Mapping[str, int]
    """Rows the service did not take, by its code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListMeasures:
    """One list in numbers."""

    tenant: str
    complete: bool
    """Whether it was provably read whole; else the numbers are of what was read."""
    size_before: int
    """Addresses it suppressed when it was read."""
    size_after: int | None
    """Likewise once all has taken effect that was done, or is planned; ``None`` if not known."""
    drift: Mapping[Way, int]
    """Contacts that differed from the spec when it was read, by direction."""
    drift_settings: int
    """Settings of the list that differed and are not left alone."""
    feed_age_seconds: Mapping[str, float]
    """By source, as the spec names it: how old it says it is; one that says nothing is absent."""
    done: Done | None = None
    """``None`` where nothing was to be done, or it is not known what was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMeasures:
    """One run in numbers, as far as it is known."""

    command: str
    exit_code: int
    started: datetime
    finished: datetime
    succeeded: float | None
    """When a run of this command last did (Unix seconds); ``None`` if that is not known."""
    counts: Mapping[str, float]
    calls: Mapping[str, Calls]
    lists: Mapping[str, ListMeasures] = field(default_factory=lambda: MappingProxyType({}))
    failed_lists: int = 0
    refusals: int = 0
    webhooks_undelivered: int = 0


def of_plan(
    made: Plan, outcomes: Sequence[Outcome] | None, *, now: datetime, applying: bool
) -> Mapping[str, ListMeasures]:
    """Return the numbers of each list of a plan.

    Args:
        made: the plan.
        outcomes: what became of it, where that is known.
        now: when the age of feeds is told.
        applying: whether it was to be carried out: then only outcomes tell what is there now.
    """
    own = defaultdict[str, list[Outcome]](list)
    for outcome in outcomes or ():
        own[outcome.key].append(outcome)
    return {
        listed.key: _of_listed(
            listed,
            done=None if outcomes is None else _done(own[listed.key]),
            planned=None if applying else listed.size_after,
            now=now,
        )
        for listed in made.lists
    }


def _of_listed(
    listed: ListPlan, *, done: Done | None, planned: int | None, now: datetime
) -> ListMeasures:
    gap = listed.gap
    moved = (action.changes for action in listed.actions if isinstance(action, UpdateList))
    return ListMeasures(
        tenant=listed.tenant,
        complete=listed.complete,
        size_before=listed.size_before,
        size_after=_after(listed.size_before, done) if done else planned,
        drift={
            "missing": gap.missing,
            "differ": gap.amended + gap.shortened,
            "surplus": gap.surplus + gap.released,
            "longer": gap.longer,
        },
        drift_settings=sum(map(len, moved)),
        feed_age_seconds=_ages(listed.feeds, now),
        done=done,
    )


def of_drift(found: Drift, *, now: datetime) -> Mapping[str, ListMeasures]:
    """Return the numbers of each list of a report; ``now`` is when the age of feeds is told."""
    return {listed.key: _of_report(listed, now) for listed in found.lists}


def _of_report(listed: ListDrift, now: datetime) -> ListMeasures:
    return ListMeasures(
        tenant=listed.tenant,
        complete=listed.complete,
        size_before=listed.size,
        size_after=listed.size,
        drift={
            "missing": listed.missing,
            "differ": listed.differ - len(listed.changes),
            "surplus": listed.surplus,
            "longer": listed.longer,
        },
        drift_settings=len(listed.changes),
        feed_age_seconds=_ages(listed.feeds, now),
    )


def of_receipt(
    made: Plan,
    outcomes: Sequence[Outcome],
    hooks: Sequence[WebhookResult],
    *,
    cost: Mapping[str, object],
    now: datetime,
) -> Mapping[str, object]:
    """Return what a receipt tells in numbers, ready for JSON.

    Args:
        made: the plan that was carried out.
        outcomes: what became of it.
        hooks: who was told.
        cost: what the calls cost, as the meter has it.
        now: when the age of feeds is told.
    """
    sent = sum(outcome.rows for outcome in outcomes if outcome.batch)
    rejected = sum(len(outcome.rejections) for outcome in outcomes)
    return {
        **cost,
        "updates": sum(outcome.taken for outcome in outcomes if outcome.batch),
        "settings_updated": sum(map(_changed_settings, outcomes)),
        "rejected_rows": rejected,
        "rejected_codes": _codes(outcomes),
        "validation_error_rate": rejected / sent if sent else 0.0,
        "webhooks_undelivered": undelivered(hooks),
        "lists": of_plan(made, outcomes, now=now, applying=True),
    }


def undelivered(hooks: Sequence[WebhookResult]) -> int:
    """Count the events that did not reach their receiver."""
    return sum(not hook.delivered for hook in hooks)


def _done(own: Sequence[Outcome]) -> Done:
    taken = Counter[str]({str(op): 0 for op in _WRITTEN})
    for outcome in own:
        if outcome.batch:
            taken[outcome.op] += outcome.taken
    return Done(
        updates=taken,
        settings_updated=sum(map(_changed_settings, own)),
        rejected_codes=_codes(own),
    )


def _changed_settings(outcome: Outcome) -> bool:
    return outcome.action == "UpdateList" and outcome.status is Status.DONE


def _codes(outcomes: Sequence[Outcome]) -> Mapping[str, int]:
    return Counter(rejection.code for outcome in outcomes for rejection in outcome.rejections)


def _after(before: int, done: Done) -> int:
    return before + done.updates[Op.SUPPRESS] - done.updates[Op.RELEASE]


def _ages(feeds: Sequence[Feed], now: datetime) -> Mapping[str, float]:
    """Return the ages of feeds by their source; of two by one name the older one's."""
    ages: dict[str, float] = {}
    for feed in feeds:
        if feed.as_of:
            age, name = max((now - feed.as_of).total_seconds(), 0.0), scrub(feed.path)
            ages[name] = max(age, ages.get(name, 0.0))
    return ages
