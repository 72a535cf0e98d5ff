"""Everything about one address: who declares it, what the service holds, what a plan would do.

It looks up tables that a run has made already and decides nothing: what would be done, and what
withholds it, is read off a plan. The address itself goes into lookups and never comes out: what is
returned is masked.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial

from reconciler.artifacts import Run
from reconciler.contacts import lookup
from reconciler.errors import UsageError
from reconciler.masking import mask, scrub
from reconciler.model import (
    UNMANAGED,
    Action,
    Amend,
    Change,
    DeclaredRelease,
    Desired,
    DesiredList,
    Direction,
    Explanation,
    ListExplanation,
    ListPlan,
    ListSpec,
    Observed,
    ObservedList,
    Op,
    Plan,
    PlannedStep,
    Refusal,
    RejectedContact,
    Release,
    ReleaseSpec,
    Shorten,
    Spec,
    Suppress,
    UpdateList,
)
from reconciler.rejections import rejected

_EXPECTED = "ADDRESS is an email address, or a phone number with + and its country code"
_ACTIONS: Mapping[Op, type[Suppress | Amend | Shorten | Release]] = {
    Op.SUPPRESS: Suppress,
    Op.AMEND: Amend,
    Op.PART: Amend,
    Op.SHORTEN: Shorten,
    Op.RELEASE: Release,
}
_WITHHELD_BY: Mapping[Op, frozenset[Direction]] = {
    Op.SUPPRESS: frozenset({Direction.SUPPRESS, Direction.ALL}),
    Op.AMEND: frozenset({Direction.ALL}),
    **dict.fromkeys(
        (Op.PART, Op.SHORTEN, Op.RELEASE),
        frozenset({Direction.RELEASE, Direction.SETTINGS, Direction.ALL}),
    ),
}
_KEPT_BY: Mapping[Op, str] = {
    Op.CONFLICT: "wanted",
    Op.SURPLUS: "exclusive-whole",
    Op.LONGER: "exclusive-whole",
}
"""The rule that speaks of a row which no action is for."""


def addresses(written: str, spec: Spec) -> Mapping[str, str]:
    """Return what is an address by the names of lists: a national number is another one elsewhere.

    Args:
        written: as somebody spells it.
        spec: the selected lists; one in whose region this is no address is left out.

    Raises:
        UsageError: it is an address on none of them; the message does not repeat it.
    """
    found = {
        listed.name: address
        for listed in spec.lists
        if (address := lookup.normalised(written, region=listed.defaults.region))
    }
    if not written.strip():
        raise UsageError("ADDRESS is empty", hint=_EXPECTED)
    if spec.lists and not found:
        raise UsageError(
            "ADDRESS is neither an email address nor a phone number on any selected list; found "
            f"{len(written):,} character{'s' * (len(written) != 1)}",
            hint=f"{_EXPECTED}; without them it is read by defaults.region of each list",
        )
    return found


def explain(
    named: Mapping[str, str],
    *,
    spec: Spec,
    desired: Desired,
    observed: Observed,
    made: Plan,
    run: Run,
) -> Explanation:
    """Look an address up on every list.

    Args:
        named: what ``addresses`` returned.
        spec: as loaded.
        desired: its lists, compiled.
        observed: the same lists, as read.
        made: what would be done.
        run: whose engine and state directory are used.

    Raises:
        EvidenceError: an artifact of an earlier run cannot be believed.
        EngineError: a table cannot be read.
    """
    refused = rejected(
        desired, engine=run.engine, state=run.state, as_of=made.as_of, only=named
    ).lists
    still = {
        listed.key: one for listed in refused for shown in listed.samples.values() for one in shown
    }
    plans = {listed.key: listed for listed in made.lists}
    failures = {failure.key: failure.message for failure in observed.failures}
    told = tuple(
        _with_service(
            _declared(wanted, named[name], spec=spec, as_of=made.as_of, run=run),
            wanted.spec,
            observed.lists.get(name),
            plans.get(name),
            address=named[name],
            failure=failures.get(name, ""),
            refused=still.get(name),
            as_of=made.as_of,
            run=run,
        )
        for wanted in desired.lists
        if (name := wanted.spec.name) in named
    )
    return Explanation(
        as_of=made.as_of,
        lists=tuple(listed for listed in told if not listed.silent),
        others=tuple(listed.key for listed in told if listed.silent),
        unreadable=tuple(listed.name for listed in spec.lists if listed.name not in named),
    )


def _declared(
    wanted: DesiredList, address: str, *, spec: Spec, as_of: datetime, run: Run
) -> ListExplanation:
    """Return what the specs say."""
    key = wanted.spec.name
    lines = lookup.declarations(
        run.engine,
        wanted,
        address,
        base=spec.root.parent,
        as_of=as_of,
        seen=partial(run.progress, f"{key}: reading files, bytes"),
    )
    return ListExplanation(
        key=key,
        tenant=wanted.tenant.name,
        address=mask(address),
        declarations=lines,
        releases=tuple(_releases(wanted, address, spec=spec, run=run)),
    )


def _releases(
    wanted: DesiredList, address: str, *, spec: Spec, run: Run
) -> Iterator[DeclaredRelease]:
    alive = lookup.alive(run.engine, wanted.releases, address)
    for one in wanted.spec.releases:
        if address not in _addresses_of(one, wanted.spec):
            continue
        doubtful = one.place in wanted.doubtful_releases
        open_ = (one.place.path, one.place.line) in alive
        yield DeclaredRelease(
            place=one.place,
            basis=scrub(one.basis),
            ticket=scrub(one.ticket),
            requested_by=scrub(one.requested_by),
            requested_at=one.requested_at,
            until=one.suppress_until,
            runs_out=one.requested_at + spec.policy.release_within,
            state="open" if open_ else "doubtful" if doubtful else "spent",
        )


def _addresses_of(release: ReleaseSpec, listed: ListSpec) -> Iterator[str | None]:
    region = listed.defaults.region
    return (
        lookup.normalised(written, region=region)
        for written in (release.email, release.phone)
        if written
    )


def _with_service(
    told: ListExplanation,
    declared: ListSpec,
    seen: ObservedList | None,
    planned: ListPlan | None,
    *,
    address: str,
    failure: str,
    refused: RejectedContact | None,
    as_of: datetime,
    run: Run,
) -> ListExplanation:
    """Add what the service holds and what would be done about it."""
    if seen is None or planned is None:
        return replace(told, doubt=failure or "it was not read", refused=refused)
    idle = _idle(seen)
    list_end = _list_end(declared, seen)
    own = next((one.until for one in told.declarations if one.counts), None)
    return replace(
        told,
        list_end=list_end,
        ends=min((end for end in (own, list_end) if end), default=None),
        held=lookup.held(run.engine, seen.table, address, as_of=as_of, idle=bool(idle)),
        steps=tuple(
            _decided(step, planned) for step in lookup.steps(run.engine, seen.gap.rows, address)
        ),
        list_change=_end_moved(planned),
        refused=refused,
        absent=seen.remote is None,
        idle=idle,
        cached=seen.cached,
        doubt="" if seen.complete else failure or seen.incomplete_because,
    )


def _idle(seen: ObservedList) -> str:
    if seen.remote and seen.remote.type != "suppression":
        return f"it is of type {seen.remote.type!r}"
    return "its own end has passed" if seen.lapsed else ""


def _end_moved(planned: ListPlan) -> Change | None:
    moved = (
        change
        for action in planned.actions
        if isinstance(action, UpdateList)
        for change in action.changes
    )
    return next((change for change in moved if change.field == "suppressUntil"), None)


def _list_end(declared: ListSpec, seen: ObservedList) -> datetime | None:
    """Return when a list ends: as declared, or else as the service has it."""
    end = declared.settings.suppress_until
    if end is UNMANAGED and seen.remote:
        end = seen.remote.settings.suppress_until
    return end if isinstance(end, datetime) else None


def _decided(step: PlannedStep, planned: ListPlan) -> PlannedStep:
    """Say of a step whether the plan does it, and what keeps it back where it does not."""
    if any(_does(action, step) for action in planned.actions) and (
        planned.complete or step.op is not Op.SUPPRESS or step.until is None
    ):
        return replace(step, done=True)
    return replace(step, withheld=tuple(_keeping(step, planned)))


def _does(action: Action, step: PlannedStep) -> bool:
    """Whether an action is the one that takes a step; what only separates a contact is no other."""
    kind = _ACTIONS.get(step.op)
    if kind is None or not isinstance(action, kind):
        return False
    return not isinstance(action, Amend) or (action.rows.op == Op.PART) == (step.op is Op.PART)


def _keeping(step: PlannedStep, planned: ListPlan) -> Iterator[Refusal]:
    directions = _WITHHELD_BY.get(step.op, frozenset())
    rules = {_KEPT_BY.get(step.op, "")}
    if step.op in {Op.SUPPRESS, Op.AMEND}:
        rules.add("incomplete-read")
    for refusal in planned.refusals:
        if refusal.direction in directions or refusal.rule in rules:
            yield refusal
