"""Decide what to do: desired and observed state in, a plan out; pure.

The plan alone decides what is applied. It works on counts and digests, never on contacts, and
never reads a clock. The order of a list's actions is the safety of the program: suppress first,
release last.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, assert_never

from reconciler import drift
from reconciler.masking import scrub
from reconciler.model import (
    SKILLS,
    Action,
    Amend,
    Change,
    CreateList,
    Desired,
    DesiredList,
    Direction,
    Ground,
    ListPlan,
    ListSpec,
    Observed,
    ObservedList,
    Op,
    Overrides,
    Plan,
    Policy,
    Refusal,
    Release,
    Shorten,
    Suppress,
    UpdateList,
)
from reconciler.policy import Case, judge

_RELEASING: Final = frozenset({Direction.RELEASE, Direction.SETTINGS, Direction.ALL})
_SETTING: Final = frozenset({Direction.SETTINGS, Direction.ALL})
_LETS_GO: Final[Mapping[Op, type[Action]]] = MappingProxyType(
    {Op.SHORTEN: Shorten, Op.RELEASE: Release}
)
_SUPPRESSING: Final = frozenset({Direction.SUPPRESS, Direction.ALL})
_NO_SKILLS: Final[Mapping[str, Any]] = MappingProxyType(
    {"scrubbed_skills": (), "contributing_skills": ()}
)
"""What a list that is to be made does not have yet."""


def plan(
    desired: Desired,
    observed: Observed,
    *,
    policy: Policy,
    as_of: datetime,
    overrides: Overrides = Overrides(),  # noqa: B008 - frozen
    preview: bool = False,
) -> Plan:
    """Return what makes the service agree with the specs, within policy.

    Args:
        desired: clean tables, one a list.
        observed: the same lists as read, each gap measured against the desired table.
        policy: the operator's bounds.
        as_of: the time for which is decided who has lapsed, aware UTC.
        overrides: what the command line allows once.
        preview: whether ``as_of`` is another time than now; such a plan is never applied.

    Raises:
        ValueError: a gap was measured against another table than the desired one.
    """
    rivals = _rivals(desired, observed)
    lists = tuple(
        _list_plan(
            wanted,
            observed.lists[wanted.spec.name],
            policy=policy,
            overrides=overrides,
            as_of=as_of,
            rivals=rivals[wanted.spec.name],
        )
        for wanted in desired.lists
        if wanted.spec.name in observed.lists
    )
    return Plan(
        id=digest(lists),
        as_of=as_of,
        preview=preview,
        lists=lists,
        failures=observed.failures,
        policy=policy,
        overrides=overrides,
        problems=tuple(problem for wanted in desired.lists for problem in wanted.warnings),
    )


def suppress_only(made: Plan) -> Plan:
    """Return the part of a plan that lets nobody go and changes no setting."""
    lists = tuple(
        replace(
            listed,
            actions=tuple(
                action
                for action in listed.actions
                if isinstance(action, CreateList | Suppress | Amend) and not _parts(action)
            ),
        )
        for listed in made.lists
    )
    left = sum(len(listed.actions) for listed in made.lists) - sum(
        len(listed.actions) for listed in lists
    )
    return replace(made, id=digest(lists), lists=tuple(map(_resized, lists)), postponed=left)


def within(made: Plan, approved: Plan) -> Plan:
    """Return what of a plan stands in an approved one too, with the refusals of the first."""
    allowed = {listed.key: listed.actions for listed in approved.lists}
    lists = tuple(
        replace(
            listed,
            actions=tuple(
                action for action in listed.actions if action in allowed.get(listed.key, ())
            ),
        )
        for listed in made.lists
    )
    return replace(
        made,
        id=digest(lists),
        lists=tuple(map(_resized, lists)),
        postponed=approved.postponed,
    )


def _rivals(desired: Desired, observed: Observed) -> Mapping[str, tuple[str, ...]]:
    """Return, for each list, the other specs that turn out to be the same list."""
    places: dict[tuple[str, str, str], list[str]] = {}
    for wanted in desired.lists:
        seen = observed.lists.get(wanted.spec.name)
        if seen:
            named = ("", str(wanted.spec.settings.name))
            where = (seen.remote.id, "") if seen.remote else named
            places.setdefault((wanted.tenant.service, *where), []).append(wanted.spec.name)
    return {
        name: tuple(other for other in names if other != name)
        for names in places.values()
        for name in names
    }


def digest(lists: tuple[ListPlan, ...]) -> str:
    """Return the plan id: what will be done and to whom, and nothing else."""
    content = [
        [listed.key, listed.remote_id, [_content(action) for action in listed.actions]]
        for listed in sorted(lists, key=lambda listed: listed.key)
        if listed.actions
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _content(action: Action) -> list[object]:
    kind = type(action).__name__
    match action:
        case CreateList(settings=settings):
            return [kind, drift.values(settings)]
        case UpdateList(changes=moved):
            return [kind, [[change.field, change.old, change.new] for change in moved]]
        case Suppress(rows=rows) | Amend(rows=rows) | Shorten(rows=rows) | Release(rows=rows):
            return [kind, rows.op, rows.digest]
        case _:
            assert_never(action)


def _list_plan(
    desired: DesiredList,
    observed: ObservedList,
    *,
    policy: Policy,
    overrides: Overrides,
    as_of: datetime,
    rivals: tuple[str, ...],
) -> ListPlan:
    gap = observed.gap
    if gap.against != desired.table.digest:
        raise ValueError(f"the gap of {observed.key} was measured against another desired table")
    remote = observed.remote
    held = remote.settings if remote else replace(desired.spec.settings, **_NO_SKILLS)
    moved = drift.changes(desired.spec.settings, held)
    case = Case(
        desired=desired,
        observed=observed,
        changes=moved,
        policy=policy,
        overrides=overrides,
        as_of=as_of,
        rivals=rivals,
    )
    refusals = judge(case)
    actions = tuple(_actions(case, refusals))
    made = ListPlan(
        key=observed.key,
        tenant=desired.tenant.name,
        service=desired.tenant.service,
        remote_id=remote.id if remote else None,
        version=remote.version if remote else "",
        actions=actions,
        refusals=refusals,
        gap=gap,
        counts=desired.counts,
        observed=remote.settings if remote else None,
        observed_table=observed.table,
        complete=observed.complete,
        size_before=observed.size,
        size_after=observed.size,
        region=desired.spec.defaults.region,
        batch_reason=desired.spec.batch_reason,
        feeds=desired.feeds,
        grounds=tuple(_grounds(desired.spec, gap.grounds)),
        notes=tuple(_notes(case)),
    )
    return _resized(made)


def _actions(case: Case, refusals: tuple[Refusal, ...]) -> Iterator[Action]:
    """Yield what is not withheld, suppressions first and releases last."""
    withheld = {refusal.direction for refusal in refusals}
    gap = case.observed.gap
    suppressing = not withheld & _SUPPRESSING
    releasing = not withheld & _RELEASING
    if case.observed.remote is None and Direction.ALL not in withheld:
        yield CreateList(settings=case.desired.spec.settings)
    if not withheld & _SETTING:
        yield from _updates(change for change in case.changes if not change.shortens)
    missing = gap.parts.get(Op.SUPPRESS) if case.observed.complete else gap.endless_missing
    if suppressing and missing and missing.rows:
        yield Suppress(rows=missing)
    amended = gap.parts.get(Op.AMEND)
    if case.observed.complete and Direction.ALL not in withheld and amended and amended.rows:
        yield Amend(rows=amended)
    if releasing:
        yield from _letting_go(case)


def _letting_go(case: Case) -> Iterator[Action]:
    """Yield what lets anybody go; pairs are parted before either of the two may leave."""
    parts = {op: part for op, part in case.observed.gap.parts.items() if part.rows}
    if Op.PART in parts:
        yield Amend(rows=parts[Op.PART])
    yield from _updates(change for change in case.changes if change.shortens)
    if Op.SHORTEN in parts:
        yield Shorten(rows=parts[Op.SHORTEN])
    if Op.RELEASE in parts:
        yield Release(rows=parts[Op.RELEASE])


def _updates(changes: Iterable[Change]) -> Iterator[UpdateList]:
    """Yield changes as actions: settings, and apart from them each kind of skills."""
    parted: dict[str, list[Change]] = {}
    for change in changes:
        parted.setdefault(change.field if change.field in SKILLS else "", []).append(change)
    yield from (UpdateList(changes=tuple(parted[kind])) for kind in sorted(parted))


def _grounds(spec: ListSpec, known: tuple[Ground, ...]) -> Iterator[Ground]:
    """Yield why contacts are let go, with what the declaration says of it."""
    declared = {(one.place.path, one.place.line): one for one in spec.releases}
    for ground in known:
        one = declared.get((ground.source, ground.line))
        if one:
            ticket, asked_by = scrub(one.ticket), scrub(one.requested_by)
            yield replace(ground, ticket=ticket, requested_by=asked_by)
        else:  # owned: the whole list says why
            place = spec.place
            yield replace(
                ground, source=ground.source or place.path, line=ground.line or place.line
            )


def _notes(case: Case) -> Iterator[str]:
    yield from case.desired.idle_releases
    if not case.desired.wanted:
        yield "the spec declares no contact"
    if drift.unscrubbed(case.observed) and not any(
        change.field == "scrubbedSkills" for change in case.changes
    ):
        yield drift.UNSCRUBBED
    if case.observed.occupied is not None:
        yield _fullness(case.observed.occupied, case)
    if case.observed.lapsed and any(change.field == "suppressUntil" for change in case.changes):
        yield f"the list has lapsed: its new end suppresses {case.desired.wanted:,} contacts again"
    if case.observed.cut_short:
        yield (
            f"{case.observed.cut_short:,} contacts are wanted for longer than the list's own end, "
            "which the spec does not manage; declare list.suppressUntil"
        )
    if case.observed.gap.opaque:
        yield (
            f"{case.observed.gap.opaque:,} contacts on the service cannot be read (address or end) "
            "and are left alone, unless somebody they name is wanted"
        )


def _fullness(occupied: int, case: Case) -> str:
    """Say how much room the account's lists have together."""
    capacity = case.desired.tenant.capabilities.capacity or 0
    used = f"{occupied:,} of {capacity:,} contacts of tenant {case.desired.tenant.name} are in use"
    over = occupied + case.observed.gap.missing - capacity
    return f"{used}: there is no room for {over:,} of those that are missing" if over > 0 else used


def _parts(action: Action) -> bool:
    return isinstance(action, Amend) and action.rows.op == Op.PART


def _resized(listed: ListPlan) -> ListPlan:
    """Return a list's plan with the size that its actions lead to, and why they let anybody go."""
    kinds = {type(action) for action in listed.actions}
    known = (*listed.grounds, *listed.held_back)
    return replace(
        listed,
        size_after=listed.size_before + _suppressed(listed) - _released(listed),
        grounds=tuple(one for one in known if _LETS_GO[one.op] in kinds),
        held_back=tuple(one for one in known if _LETS_GO[one.op] not in kinds),
    )


def _suppressed(listed: ListPlan) -> int:
    """Addresses that the plan's suppressions add; without an end only, after a partial read."""
    for action in listed.actions:
        if isinstance(action, Suppress):
            return listed.gap.missing if listed.complete else action.rows.rows
    return 0


def _released(listed: ListPlan) -> int:
    return sum(listed.gap.released for action in listed.actions if isinstance(action, Release))
