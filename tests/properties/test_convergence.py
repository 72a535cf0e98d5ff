"""What holds of every world: convergence, safety at every stop, order, and refusals."""

from contextlib import suppress
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from builders import NOW, tenant
from reconciler import pipeline
from reconciler.model import (
    CAPABILITIES,
    Direction,
    ListSpec,
    Op,
    Policy,
    Suppress,
)
from strategies import ADDRESSES, OPEN, held, lists, policies, worldly
from worlds import Contact, KilledError, World, prepare, running, spec_of

FOREVER = datetime.max.replace(tzinfo=NOW.tzinfo)


DIALECTS = pytest.mark.parametrize("dialect", CAPABILITIES)
"""Of every dialect there is."""


def spoken(dialect: str, spec: ListSpec, contacts: list[Contact]) -> tuple[ListSpec, list[Contact]]:
    """Return what a dialect has a place for."""
    if "email" in CAPABILITIES[dialect].channels:
        return spec, contacts
    phones = tuple(one for one in spec.contacts if one.phone)
    left = tuple(one for one in spec.releases if one.phone)
    held = [replace(one, email=None, reason=None, version=1) for one in contacts if one.phone]
    return replace(spec, contacts=phones, releases=left), held


def blocked(contacts: tuple[Contact, ...] | list[Contact]) -> dict[str, datetime]:
    """Who is suppressed, and until when."""
    found: dict[str, datetime] = {}
    for one in contacts:
        end = one.until or FOREVER
        for identifier in (one.email, one.phone):
            if identifier and end > NOW:
                found[identifier] = max(end, found.get(identifier, end))
    return found


def wanted(spec: ListSpec) -> set[str]:
    """Who is to be suppressed now."""
    return {
        str(one.email or one.phone)
        for one in spec.contacts
        if one.suppress_until == "never" or str(one.suppress_until) > f"{NOW:%Y-%m-%dT%H:%M:%SZ}"
    }


def may_shorten(spec: ListSpec) -> set[str]:
    """Whose end the spec itself may move to an earlier time."""
    if spec.ownership.value == "exclusive":
        return set(ADDRESSES)
    return {str(one.email or one.phone) for one in spec.releases} - wanted(spec)


@DIALECTS
@worldly
@given(spec=lists(), contacts=held())
def test_apply_then_plan_is_empty(dialect: str, spec: ListSpec, contacts: list[Contact]) -> None:
    """What was applied is not planned again."""
    spec, contacts = spoken(dialect, spec, contacts)
    assume(spec.contacts and wanted(spec))
    world = World(capabilities=CAPABILITIES[dialect], contacts=contacts)
    declared = spec_of(tenant(dialect=dialect), spec, policy=OPEN)
    with running() as run:
        made = prepare(declared, world, run).plan(as_of=NOW)
        done = pipeline.execute(made, tenants=declared.tenants, writer=lambda _: world, run=run)

    with running() as run:
        again = prepare(declared, world, run).plan(as_of=NOW)

    assert not [one for one in done.outcomes if one.exit_code]
    assert again.empty, again.lists[0].actions


@DIALECTS
@worldly
@given(
    spec=lists(),
    contacts=held(),
    policy=policies,
    cut=st.integers(0, 6),
    effect=st.booleans(),
)
def test_a_stop_anywhere_never_releases_a_wanted_contact(
    dialect: str, spec: ListSpec, contacts: list[Contact], policy: Policy, cut: int, effect: bool
) -> None:
    """After every write, also the last before the end, everyone who should stay blocked is."""
    spec, contacts = spoken(dialect, spec, contacts)
    before = blocked(contacts)
    world = World(
        capabilities=CAPABILITIES[dialect],
        contacts=contacts,
        writes_left=cut,
        effect_before_end=effect,
    )
    declared = spec_of(tenant(dialect=dialect), spec, policy=policy)
    with running() as run:
        made = prepare(declared, world, run).plan(as_of=NOW)
        with suppress(KilledError):
            pipeline.execute(made, tenants=declared.tenants, writer=lambda _: world, run=run)

    for state in world.states:
        after = blocked(state)
        assert wanted(spec) & before.keys() <= after.keys()
        for address in before.keys() - may_shorten(spec):
            assert after.get(address, NOW) >= before[address]


@DIALECTS
@worldly
@given(spec=lists(), contacts=held(), cut=st.integers(0, 5), effect=st.booleans())
def test_running_again_finishes_what_was_cut_off(
    dialect: str, spec: ListSpec, contacts: list[Contact], cut: int, effect: bool
) -> None:
    """Crash recovery is running again: nothing is skipped, and the end is the same."""
    spec, contacts = spoken(dialect, spec, contacts)
    assume(wanted(spec))
    world = World(
        capabilities=CAPABILITIES[dialect],
        contacts=contacts,
        writes_left=cut,
        effect_before_end=effect,
    )
    declared = spec_of(tenant(dialect=dialect), spec, policy=OPEN)
    for _ in range(2):
        with running() as run:
            made = prepare(declared, world, run).plan(as_of=NOW)
            try:
                pipeline.execute(made, tenants=declared.tenants, writer=lambda _: world, run=run)
            except KilledError:
                world.writes_left = None

    with running() as run:
        again = prepare(declared, world, run).plan(as_of=NOW)

    assert again.empty
    assert wanted(spec) <= blocked(world.contacts).keys()


@worldly
@given(spec=lists(), contacts=held(), data=st.data())
def test_order_does_not_change_the_plan_id(
    spec: ListSpec, contacts: list[Contact], data: st.DataObject
) -> None:
    """Rows may come in any order on either side."""
    shuffled = replace(
        spec,
        contacts=tuple(data.draw(st.permutations(spec.contacts))),
        releases=tuple(data.draw(st.permutations(spec.releases))),
    )
    other = data.draw(st.permutations(contacts))
    with running() as run:
        first = prepare(spec_of(tenant(), spec, policy=OPEN), World(contacts=contacts), run)
        second = prepare(spec_of(tenant(), shuffled, policy=OPEN), World(contacts=other), run)

        assert first.plan(as_of=NOW).id == second.plan(as_of=NOW).id


@worldly
@given(spec=lists(), contacts=held(), policy=policies)
def test_a_refused_action_is_never_sent_and_never_holds_back_a_suppression(
    spec: ListSpec, contacts: list[Contact], policy: Policy
) -> None:
    """A refusal withholds its own direction only."""
    declared = spec_of(tenant(), spec, policy=policy)
    world = World(contacts=contacts)
    with running() as run:
        made = prepare(declared, world, run).plan(as_of=NOW)
        done = pipeline.execute(made, tenants=declared.tenants, writer=lambda _: world, run=run)
    (listed,) = made.lists
    refused = {one.direction for one in listed.refusals}
    sent = {one.action for one in done.outcomes if one.taken}

    if Direction.RELEASE in refused or Direction.SETTINGS in refused:
        assert not sent & {"Release", "Shorten", "UpdateList"}
        assert blocked(contacts).keys() <= blocked(world.contacts).keys()
    if Direction.SUPPRESS in refused:
        assert "Suppress" not in sent
    else:
        assert wanted(spec) <= blocked(world.contacts).keys()


@worldly
@given(spec=lists(), contacts=held())
def test_nothing_is_released_after_an_incomplete_read(
    spec: ListSpec, contacts: list[Contact]
) -> None:
    """Only contacts without an end are suppressed, and nothing else is done."""
    assume(contacts)
    world = World(contacts=contacts, moves_while_read=True)
    with running() as run:
        made = prepare(spec_of(tenant(), spec, policy=OPEN), world, run).plan(as_of=NOW)
    (listed,) = made.lists

    assert not listed.complete
    assert all(isinstance(action, Suppress) for action in listed.actions)
    for action in listed.actions:
        assert isinstance(action, Suppress)
        assert action.rows == listed.gap.endless_missing


@worldly
@given(spec=lists(), contacts=held())
def test_no_identifier_stands_twice_in_a_batch(spec: ListSpec, contacts: list[Contact]) -> None:
    """A batch with an identifier twice would be refused whole."""
    world = World(contacts=contacts)
    declared = spec_of(tenant(), spec, policy=OPEN)
    with running() as run:
        made = prepare(declared, world, run).plan(as_of=NOW)
        pipeline.execute(made, tenants=declared.tenants, writer=lambda _: world, run=run)

    for batch in world.sent:
        assert len(set(batch)) == len(batch)


@worldly
@given(
    spec=lists(),
    contacts=held(),
    refuse=st.frozensets(st.sampled_from(ADDRESSES), min_size=1, max_size=3),
)
def test_nobody_is_let_go_while_a_suppression_of_the_list_has_failed(
    spec: ListSpec, contacts: list[Contact], refuse: frozenset[str]
) -> None:
    """A row that the service refuses withholds every release of its list."""
    world = World(contacts=contacts, refuse=refuse)
    declared = spec_of(tenant(), spec, policy=OPEN)
    with running() as run:
        made = prepare(declared, world, run).plan(as_of=NOW)
        done = pipeline.execute(made, tenants=declared.tenants, writer=lambda _: world, run=run)
    failed = [
        one
        for one in done.outcomes
        if one.rejections and one.op in (Op.SUPPRESS, Op.AMEND, Op.PART)
    ]

    if failed:
        let_go = [one for one in done.outcomes if one.action in ("Release", "Shorten")]
        assert not sum(one.taken for one in let_go)
        assert done.exit_code in (4, 6)
