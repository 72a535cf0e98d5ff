"""What is decided, in which order, what is withheld, and what a plan's id stands for."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from builders import (
    EARLIER,
    LATER,
    NOW,
    PAST,
    desired,
    desired_list,
    gap,
    list_spec,
    observed,
    observed_list,
    place,
    remote,
    table,
    tenant,
)
from reconciler.model import (
    Action,
    Amend,
    Change,
    CreateList,
    Direction,
    Failure,
    Feed,
    Freeze,
    Ground,
    ListPlan,
    Op,
    Overrides,
    Plan,
    Policy,
    Problem,
    Release,
    ReleaseSpec,
    RemoteList,
    Sample,
    Settings,
    Shorten,
    Skill,
    Suppress,
    UpdateList,
)
from reconciler.plan import digest, plan, suppress_only, within
from strategies import OPEN

EVERY = {
    Op.RELEASE: 1,
    Op.SHORTEN: 2,
    Op.PART: 1,
    Op.AMEND: 3,
    Op.SUPPRESS: 4,
    Op.SURPLUS: 5,
    Op.LONGER: 6,
}
RENAMED = Settings(name="Old name", description=None, suppress_until=None)
"""A list that is to be renamed and, where the spec declares an end, to be shortened."""
NAME = "UpdateList name"
END = "UpdateList suppressUntil"


def busy(**changes: Any) -> Plan:
    """Decide about a list for which there is one of everything to do."""
    spec = list_spec(settings=Settings(name="US Do Not Call", suppress_until=LATER))
    wanted = replace(desired_list(spec=spec), **changes.pop("wanted", {}))
    seen = observed_list(gap=gap(parts=EVERY), remote=remote(settings=RENAMED))
    seen = replace(seen, **changes.pop("seen", {}))
    given: dict[str, Any] = {"policy": OPEN, "as_of": NOW} | changes
    return plan(desired(wanted), observed(seen), **given)


def steps(made: Plan) -> list[str]:
    """Each action of the first list, in words."""
    return [_step(action) for action in made.lists[0].actions]


def _step(action: Action) -> str:
    match action:
        case CreateList():
            return "CreateList"
        case UpdateList(changes=moved):
            return " ".join(["UpdateList", *(change.field for change in moved)])
        case _:
            return f"{type(action).__name__} {action.rows.op}"


def test_a_list_that_agrees_has_nothing_done_to_it() -> None:
    """And what is surplus, longer, opaque or in conflict is never an action."""
    kept = {Op.SURPLUS: 3, Op.LONGER: 2, Op.CONFLICT: 1, Op.SUPPRESS: 0, Op.RELEASE: 0}
    seen = observed_list(gap=gap(parts=kept, opaque=1))

    made = plan(desired(), observed(seen), policy=OPEN, as_of=NOW)

    assert made.empty
    assert made.suppresses_only
    assert [] == steps(made)
    assert digest(()) == made.id


def test_suppressions_come_first_and_releases_last() -> None:
    """What keeps somebody suppressed is in place before anybody is let go."""
    expected = [
        NAME,
        "Suppress suppress",
        "Amend amend",
        "Amend part",
        END,
        "Shorten shorten",
        "Release release",
    ]

    assert expected == steps(busy())


def test_a_list_is_made_before_it_is_filled() -> None:
    """Nothing can differ on a list that is not there."""
    seen = observed_list(remote=None, size=0, gap=gap(parts={Op.SUPPRESS: 4}))

    made = plan(desired(), observed(seen), policy=OPEN, as_of=NOW)

    assert ["CreateList", "Suppress suppress"] == steps(made)
    assert (None, "", None) == (
        made.lists[0].remote_id,
        made.lists[0].version,
        made.lists[0].observed,
    )


def test_a_longer_end_of_the_list_comes_before_its_contacts() -> None:
    """It suppresses everybody on it; only a shorter end lets go."""
    spec = list_spec(settings=Settings(suppress_until=LATER))
    held = remote(settings=Settings(name="US", description=None, suppress_until=EARLIER))
    seen = observed_list(remote=held, gap=gap(parts={Op.SUPPRESS: 1}))

    made = plan(desired(desired_list(spec=spec)), observed(seen), policy=OPEN, as_of=NOW)

    assert [END, "Suppress suppress"] == steps(made)


FROZEN = replace(OPEN, freeze=(Freeze(start=PAST, end=LATER, why="audit", place=place()),))


@pytest.mark.parametrize(
    ("direction", "how", "left"),
    [
        (Direction.RELEASE, {"policy": FROZEN}, [NAME, "Suppress suppress", "Amend amend"]),
        (
            Direction.SETTINGS,
            {"wanted": {"table": table(0, "desired-us-dnc")}},
            ["Suppress suppress", "Amend amend"],
        ),
        (
            Direction.SUPPRESS,
            {"policy": replace(OPEN, max_suppressions=3)},
            [NAME, "Amend amend", "Amend part", END, "Shorten shorten", "Release release"],
        ),
        (Direction.ALL, {"seen": {"remote": remote(type="calling", settings=RENAMED)}}, []),
        (
            Direction.ROWS,
            {"seen": {"gap": gap(parts=EVERY | {Op.CONFLICT: 1})}},
            steps(busy()),
        ),
    ],
    ids=str,
)
def test_a_refusal_withholds_its_direction_and_nothing_else(
    direction: Direction, how: dict[str, Any], left: list[str]
) -> None:
    """The list's other directions go on as if nothing had been said."""
    made = busy(**how)

    assert [direction] == [refusal.direction for refusal in made.refusals]
    assert left == steps(made)


def test_a_refusal_of_one_list_is_nothing_to_another() -> None:
    """Each list is judged alone."""
    other = observed_list("eu", remote=remote(id="8"), gap=gap("eu", parts={Op.RELEASE: 1}))
    bad = observed_list(remote=remote(type="calling"), gap=gap(parts={Op.SUPPRESS: 1}))

    made = plan(
        desired(desired_list(), desired_list("eu")), observed(bad, other), policy=OPEN, as_of=NOW
    )

    assert [("us-dnc", 0), ("eu", 1)] == [(one.key, len(one.actions)) for one in made.lists]


@pytest.mark.parametrize(
    ("seen", "alone"),
    [
        (remote(), False),
        (remote(id="8"), True),
        (None, False),
    ],
    ids=["one list", "two lists", "one to be made"],
)
def test_two_specs_of_one_list_are_refused(seen: RemoteList | None, alone: bool) -> None:
    """They would undo each other for ever; a name that two specs would make is one list, too."""
    first = remote() if seen else None
    lists = [
        observed_list(key, remote=held, gap=gap(key, parts={Op.SUPPRESS: 1}))
        for key, held in (("us-dnc", first), ("eu", seen))
    ]

    made = plan(
        desired(desired_list(), desired_list("eu")), observed(*lists), policy=OPEN, as_of=NOW
    )

    assert alone == (not made.empty)
    assert alone == (not made.refusals)


def test_the_same_id_at_another_service_is_another_list() -> None:
    """Ids are the service's own."""
    elsewhere = desired_list("eu", tenant=tenant(name="other", base_url="https://b.example"))

    made = plan(
        desired(desired_list(), elsewhere),
        observed(observed_list(), observed_list("eu")),
        policy=OPEN,
        as_of=NOW,
    )

    assert () == made.refusals
    assert ["", "https://b.example"] == [listed.service for listed in made.lists]


def test_a_list_that_is_gone_is_not_made_anew() -> None:
    """The ledger knows it: somebody is to find out who removed it."""
    seen = observed_list(remote=None, known_id="7f3e2c", gap=gap(parts={Op.SUPPRESS: 4}))

    made = plan(desired(), observed(seen), policy=OPEN, as_of=NOW)

    assert [] == steps(made)
    assert ["list-gone"] == [refusal.rule for refusal in made.refusals]


@pytest.mark.parametrize("endless", [0, 2, None])
def test_after_an_incomplete_read_only_rows_without_an_end_are_sent(endless: int | None) -> None:
    """They cannot shorten what was not seen; a row with an end might."""
    rows = None if endless is None else table(endless, "endless", Op.SUPPRESS)
    partial = {"complete": False, "gap": gap(parts=EVERY, endless_missing=rows)}

    made = busy(seen=partial)

    (listed,) = made.lists
    assert (["Suppress suppress"] if endless else []) == steps(made)
    assert (1000, 1000 + (endless or 0)) == (listed.size_before, listed.size_after)
    assert not listed.complete


def test_the_size_after_counts_addresses_and_not_what_is_withheld() -> None:
    """Four come, one goes; where its release is withheld nobody goes."""
    whole, frozen = busy(), busy(policy=FROZEN)

    assert (1000, 1003) == (whole.lists[0].size_before, whole.lists[0].size_after)
    assert 1004 == frozen.lists[0].size_after


def test_a_gap_measured_against_another_table_is_refused() -> None:
    """A plan over it would release whoever the two tables do not share."""
    with pytest.raises(ValueError, match="gap of us-dnc was measured against another"):
        busy(seen={"gap": gap(against="desired yesterday")})


def test_a_list_that_could_not_be_read_is_a_failure_and_not_planned() -> None:
    """It is not taken for an empty one."""
    seen = replace(observed(observed_list("eu")), failures=(Failure(key="us-dnc", message="no"),))

    made = plan(desired(desired_list(), desired_list("eu")), seen, policy=OPEN, as_of=NOW)

    assert ["eu"] == [listed.key for listed in made.lists]
    assert seen.failures == made.failures


def test_a_plan_carries_what_it_was_made_from() -> None:
    """What a reader, the apply and the evidence need, without asking again."""
    warning = Problem(place=place(), code="SPEC-001", message="x", severity="warning")
    feed = Feed(path="a.csv", files=("a.csv",), rows=1, sha256="")
    spec = list_spec(batch_reason="sweep", settings=Settings())
    wanted = desired_list(spec=spec, warnings=(warning,), feeds=(feed,))
    allowed = Overrides(ignore_freeze=True, reason="agreed")

    made = plan(
        desired(wanted), observed(), policy=OPEN, as_of=NOW, overrides=allowed, preview=True
    )

    (listed,) = made.lists
    assert (NOW, True, OPEN, allowed, (warning,)) == (
        made.as_of,
        made.preview,
        made.policy,
        made.overrides,
        made.problems,
    )
    assert ("acme", "7f3e2c", '"1"', "sweep", (feed,)) == (
        listed.tenant,
        listed.remote_id,
        listed.version,
        listed.batch_reason,
        listed.feeds,
    )
    assert (remote().settings, 10, 1000) == (
        listed.observed,
        listed.counts.read,
        listed.observed_table.rows,
    )


def test_notes_say_what_nobody_has_to_decide() -> None:
    """Spent releases, an empty spec, a list that suppresses again, contacts nobody can read."""
    spec = list_spec(settings=Settings(suppress_until=None))
    empty = desired_list(spec=spec, rows=0, spent_releases=(place(line=9),))
    held = remote(settings=Settings(name="US", description=None, suppress_until=PAST))
    seen = observed_list(remote=held, lapsed=True, size=0, cut_short=1300, gap=gap(opaque=1200))

    (listed,) = plan(desired(empty), observed(seen), policy=OPEN, as_of=NOW).lists

    assert (
        "specs/us-dnc.yaml:9:3: this release is spent, delete this line",
        "the spec declares no contact",
        "the list has lapsed: its new end suppresses 0 contacts again",
        (
            "1,300 contacts are wanted for longer than the list's own end, which the spec does "
            "not manage; declare list.suppressUntil"
        ),
        (
            "1,200 contacts on the service cannot be read (address or end) "
            "and are left alone, unless somebody they name is wanted"
        ),
    ) == listed.notes


def test_a_lapsed_list_that_stays_so_has_no_note_of_a_new_end() -> None:
    """Its refusal says it already."""
    (listed,) = busy(seen={"lapsed": True, "remote": remote()}, wanted={"spec": list_spec()}).lists

    assert () == listed.notes
    assert ["list-lapsed"] == [refusal.rule for refusal in listed.refusals]


SAMPLE = Sample(address="u•••@example.com", reason="DNC", until=None, source="a.yaml", line=1)


@pytest.mark.parametrize(
    "changes",
    [
        {"as_of": NOW + timedelta(hours=1)},
        {"preview": True},
        {"overrides": Overrides(max_releases=5000, reason="agreed")},
        {"policy": replace(OPEN, max_release_count=5000, release_within=timedelta(days=1))},
        {"seen": {"size": 999}},
        {"seen": {"remote": remote(settings=RENAMED, version='"2"', count=7)}},
        {"seen": {"table": table(7, "another observed table")}},
        {"seen": {"cached": True}},
        {"seen": {"gap": gap(parts=EVERY, samples={Op.RELEASE: (SAMPLE,)})}},
        {"seen": {"gap": gap(parts=EVERY | {Op.CONFLICT: 1})}},
        {"wanted": {"warnings": (Problem(place=place(), code="SPEC-001", message="x"),)}},
        {"wanted": {"spent_releases": (place(),)}},
    ],
    ids=str,
)
def test_the_id_says_nothing_of_what_stands_beside_the_actions(changes: dict[str, Any]) -> None:
    """Versions, sizes, samples, times, policy, notes and refusals."""
    assert busy().id == busy(**changes).id


def test_the_id_says_nothing_of_how_the_spec_puts_it() -> None:
    """Its digest, its place, its labels and its reason for the batch."""
    settings = Settings(name="US Do Not Call", suppress_until=LATER)
    written = list_spec(
        settings=settings, digest="x", batch_reason="y", place=place(line=99), labels={"a": "b"}
    )

    assert busy().id == busy(wanted={"spec": written}).id


def test_the_id_says_nothing_of_where_tables_lie() -> None:
    """Two machines come to one id."""
    parts = gap(parts=EVERY).parts
    moved = {op: replace(part, path=Path("elsewhere")) for op, part in parts.items()}

    assert busy().id == busy(seen={"gap": replace(gap(parts=EVERY), parts=moved)}).id


def test_the_id_does_not_depend_on_order_or_on_lists_with_nothing_to_do() -> None:
    """Which files there are, and how they are called, is no part of what is done."""
    (one,) = busy().lists
    other, idle = replace(one, key="eu"), replace(one, key="idle", actions=())

    assert digest((one, other)) == digest((other, idle, one))
    assert re.fullmatch("[0-9a-f]{64}", digest((one,)))


def _with(number: int, action: Action) -> Callable[[ListPlan], ListPlan]:
    def changed(listed: ListPlan) -> ListPlan:
        actions = list(listed.actions)
        actions[number] = action
        return replace(listed, actions=tuple(actions))

    return changed


@pytest.mark.parametrize(
    "changed",
    [
        lambda listed: replace(listed, key="eu"),
        lambda listed: replace(listed, remote_id="another"),
        lambda listed: replace(listed, remote_id=None),
        lambda listed: replace(listed, actions=listed.actions[:-1]),
        lambda listed: replace(listed, actions=listed.actions[::-1]),
        _with(0, UpdateList(changes=(Change(field="name", old="Old name", new="New"),))),
        _with(0, UpdateList(changes=(Change(field="name", old="?", new="US Do Not Call"),))),
        _with(0, UpdateList(changes=(Change(field="description", old="a", new="b"),))),
        _with(1, Suppress(rows=table(4, "other people", Op.SUPPRESS))),
        _with(3, Amend(rows=table(1, "us-dnc-part-1", Op.AMEND))),
        _with(5, Release(rows=table(2, "us-dnc-shorten-2", Op.SHORTEN))),
        _with(6, Release(rows=table(1, "other people", Op.RELEASE))),
        _with(6, Shorten(rows=table(1, "us-dnc-release-1", Op.RELEASE))),
    ],
)
def test_the_id_says_what_is_done_and_to_whom(changed: Callable[[ListPlan], ListPlan]) -> None:
    """The list, its name at the service, each change old and new, the rows' content, the order."""
    (listed,) = busy().lists

    assert digest((listed,)) != digest((changed(listed),))


def test_the_id_tells_settings_of_a_new_list_apart() -> None:
    """A setting left to others, one that is empty, and one that reads like either."""
    settings = [
        Settings(name="US"),
        Settings(name="EU"),
        Settings(name="US", description=None),
        Settings(name="US", description="unmanaged"),
        Settings(name="US", description="None"),
        Settings(name="US", suppress_until=None),
        Settings(name="US", suppress_until=LATER),
        Settings(name="US", suppress_until=EARLIER),
    ]
    (listed,) = busy().lists

    ids = {digest((replace(listed, actions=(CreateList(settings=one),)),)) for one in settings}

    assert len(settings) == len(ids)


def test_suppress_only_lets_nobody_go_and_changes_no_setting() -> None:
    """Parting a pair serves a release alone, so it is left for later too."""
    made = busy()

    left = suppress_only(made)
    kept = within(made, left)

    assert ["Suppress suppress", "Amend amend"] == steps(left)
    assert left.suppresses_only
    assert len(steps(made)) - 2 == left.postponed == kept.postponed
    assert 1004 == left.lists[0].size_after
    assert made.id != left.id == digest(left.lists)


def test_suppress_only_still_makes_a_list() -> None:
    """Nobody can be put on a list that is not there."""
    seen = observed_list(remote=None, size=0, gap=gap(parts={Op.SUPPRESS: 4}))
    made = plan(desired(), observed(seen), policy=OPEN, as_of=NOW)

    assert made == suppress_only(made)


def test_within_keeps_what_was_approved_and_nothing_more() -> None:
    """Of a plan made later: its refusals, and no action that the approved one lacks."""
    approved, later = busy(policy=FROZEN), busy()

    left = within(later, approved)

    assert approved.id == left.id
    assert 1004 == left.lists[0].size_after
    assert () == left.refusals


def test_within_keeps_what_is_refused_by_now_away() -> None:
    """An approval does not outlive a freeze."""
    left = within(busy(policy=FROZEN), busy())

    assert [NAME, "Suppress suppress", "Amend amend"] == steps(left)
    assert ["freeze"] == [refusal.rule for refusal in left.refusals]


def test_within_leaves_out_a_list_nobody_approved() -> None:
    """A list that could not be read then is not worked on now."""
    made = busy()

    left = within(made, replace(made, lists=()))

    assert left.empty
    assert 1000 == left.lists[0].size_after


def test_the_default_policy_binds() -> None:
    """No Policy in the specs is not no policy."""
    many = gap(parts={Op.RELEASE: 101})

    made = plan(desired(), observed(observed_list(gap=many)), policy=Policy(), as_of=NOW)

    assert made.empty
    assert Decimal("0.01") == made.policy.max_release_share
    assert ["max-releases"] == [refusal.rule for refusal in made.refusals]


def test_who_is_not_let_go_after_all_is_surplus_that_is_kept() -> None:
    """A refused release keeps its contacts, and the plan says so."""
    seen = observed_list(gap=gap(parts={Op.RELEASE: 3, Op.SURPLUS: 2}))

    refused, open_ = (
        plan(desired(desired_list()), observed(seen), policy=bound, as_of=NOW).lists[0].kept
        for bound in (replace(OPEN, max_release_count=0), OPEN)
    )

    assert (5, 2) == (refused, open_)


def test_a_ground_says_what_its_declaration_says() -> None:
    """Ticket and requester of a declared release, masked; of ownership where the list stands."""
    asked = ReleaseSpec(
        place=place(line=14),
        email="ann@example.com",
        phone=None,
        basis="re-consent",
        ticket="LEGAL-1",
        requested_by="ann@example.com",
        requested_at=PAST,
    )
    declared = Ground(
        op=Op.RELEASE, basis="re-consent", contacts=1, source=asked.place.path, line=14
    )
    owned = Ground(op=Op.SHORTEN, basis="the CRM decides", contacts=2)
    seen = gap(parts={Op.RELEASE: 1}, grounds=(declared, owned))
    wanted = desired_list(spec=list_spec(releases=(asked,)))

    (made,) = plan(desired(wanted), observed(observed_list(gap=seen)), policy=OPEN, as_of=NOW).lists

    told = replace(declared, ticket="LEGAL-1", requested_by="a•••@example.com")
    assert (told,) == made.grounds
    assert (replace(owned, source=place().path, line=place().line),) == made.held_back


GROUPS = tenant(dialect="dnc-groups")
SALES = Skill(id="4711", name="Sales")


def grouped(*spelled: str, held: tuple[Skill, ...] = (), **changes: Any) -> ListPlan:
    """Plan one group that declares skills, and holds others."""
    skills = tuple(Skill(id=each, name=each) for each in spelled)
    declared = Settings(name="US Do Not Call", scrubbed_skills=skills)
    wanted = desired_list(spec=list_spec(settings=declared), tenant=GROUPS)
    there = replace(remote().settings, scrubbed_skills=held, contributing_skills=())
    seen: dict[str, Any] = {"remote": remote(settings=there), "occupied": 999_995} | changes
    made = plan(desired(wanted), observed(observed_list(**seen)), policy=OPEN, as_of=NOW)
    return made.lists[0]


def test_skills_are_actions_of_their_own_and_fewer_of_them_come_last() -> None:
    """Suppressions stand between those that come and those that go."""
    parts = gap(parts={Op.SUPPRESS: 3})

    made = grouped("Care", held=(SALES,), gap=parts)

    kinds = [type(action).__name__ for action in made.actions]
    assert ["UpdateList", "Suppress", "UpdateList"] == kinds
    assert ["scrubbedSkills", "fewer scrubbedSkills"] == [
        action.named for action in made.actions if isinstance(action, UpdateList)
    ]


def test_a_list_that_is_to_be_made_gets_its_skills_afterwards() -> None:
    """It has none when it is made."""
    made = grouped("Care", remote=None)

    assert ["CreateList", "UpdateList"] == [type(action).__name__ for action in made.actions]


def test_fewer_scrubbed_skills_count_as_a_release_of_the_whole_list() -> None:
    """For every limit."""
    strict = Policy()
    skills = Settings(name="US Do Not Call", scrubbed_skills=())
    wanted = desired_list(spec=list_spec(settings=skills), tenant=GROUPS)
    there = replace(remote().settings, scrubbed_skills=(SALES,), contributing_skills=())
    seen = observed_list(remote=remote(settings=there))

    (made,) = plan(desired(wanted), observed(seen), policy=strict, as_of=NOW).lists

    assert () == made.actions
    assert any("1,000 releases is 100.0%" in refusal.message for refusal in made.refusals)


def test_what_a_group_keeps_from_working_is_noted() -> None:
    """No scrubbed skill, and no room in the account."""
    skill_free = replace(remote().settings, scrubbed_skills=(), contributing_skills=())
    wanted = desired_list(tenant=GROUPS)
    seen = observed_list(
        remote=remote(settings=skill_free), occupied=999_995, gap=gap(parts={Op.SUPPRESS: 10})
    )

    (made,) = plan(desired(wanted), observed(seen), policy=OPEN, as_of=NOW).lists

    unscrubbed, full = made.notes
    assert unscrubbed.startswith("no skill is scrubbed")
    assert full.startswith("999,995 of 1,000,000 contacts of tenant acme are in use")
    assert full.endswith("no room for 5 of those that are missing")
