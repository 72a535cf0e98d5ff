"""Settings compared field by field, contacts by direction."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from builders import (
    EARLIER,
    LATER,
    NOW,
    desired,
    desired_list,
    gap,
    list_spec,
    observed,
    observed_list,
    place,
    remote,
)
from reconciler.drift import Trace, changes, report, unnamed, values
from reconciler.model import (
    UNMANAGED,
    Change,
    Drift,
    Ends,
    Failure,
    Feed,
    Op,
    Origin,
    Settings,
    Severity,
    Skill,
)

SALES, CARE = Skill(id="4711", name="Sales"), Skill(id="4712", name="Care")
HELD = Settings(name="US", description=None, suppress_until=EARLIER)
FAILED = (Failure(key="us-dnc", message="no"),)


def test_unmanaged_settings_never_change() -> None:
    """A key that the spec leaves out belongs to others."""
    assert () == changes(Settings(), HELD)


def test_equal_settings_do_not_change() -> None:
    """An absent description and an empty one are the same."""
    assert () == changes(replace(HELD, description=""), HELD)


def test_each_managed_field_that_differs_is_a_change() -> None:
    """In a fixed order, as the service spells the values."""
    declared = Settings(name="EU", description="x", suppress_until=LATER)

    found = changes(declared, HELD)

    assert (
        Change(field="name", old="US", new="EU"),
        Change(field="description", old=None, new="x"),
        Change(field="suppressUntil", old="2026-12-01T00:00:00Z", new="2027-11-23T00:00:00Z"),
    ) == found


def test_never_clears_the_end() -> None:
    """No end is a value of its own, not an absent key."""
    assert (Change(field="suppressUntil", old="2026-12-01T00:00:00Z", new=None),) == changes(
        Settings(suppress_until=None), HELD
    )


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (None, "2027-01-01T00:00:00Z", True),
        ("2027-01-01T00:00:00Z", None, False),
        ("2027-01-01T00:00:00Z", "2026-01-01T00:00:00Z", True),
        ("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z", False),
    ],
)
def test_an_earlier_end_of_the_list_shortens(
    old: str | None, new: str | None, expected: bool
) -> None:
    """From no end to any end is shortening too."""
    assert expected == Change(field="suppressUntil", old=old, new=new).shortens


def test_another_field_never_shortens() -> None:
    """A name can be anything."""
    assert not Change(field="name", old="b", new="a").shortens


def test_values_leave_out_what_is_unmanaged() -> None:
    """Only what the spec says is spelled."""
    assert {"name": "US", "description": None} == values(
        Settings(name="US", description=None, suppress_until=UNMANAGED)
    )


def test_a_report_counts_by_direction() -> None:
    """Missing, differing and surplus are never added up."""
    spec = list_spec(settings=Settings(name="Another"))
    parts = {
        Op.SUPPRESS: 1,
        Op.AMEND: 2,
        Op.SHORTEN: 3,
        Op.SURPLUS: 4,
        Op.RELEASE: 5,
        Op.LONGER: 6,
    }
    seen = observed_list(gap=gap(parts=parts))

    (found,) = report(desired(desired_list(spec=spec)), observed(seen), as_of=NOW).lists

    assert (1, 2 + 3 + 1, 4 + 5, 6) == (found.missing, found.differ, found.surplus, found.longer)


def test_on_a_lapsed_list_every_contact_is_missing() -> None:
    """A list past its end suppresses nobody."""
    seen = observed_list(lapsed=True, size=0)

    (found,) = report(desired(), observed(seen), as_of=NOW).lists

    assert 10 == found.missing
    assert "the list's own end has passed: it suppresses nobody" in found.notes


def test_on_a_list_of_another_type_every_contact_is_missing() -> None:
    """Whoever is on it, it suppresses nobody."""
    seen = observed_list(remote=remote(type="calling"), size=0)

    (found,) = report(desired(), observed(seen), as_of=NOW).lists

    assert 10 == found.missing
    assert ("it is of type 'calling': it suppresses nobody",) == found.notes


def test_a_report_says_what_stands_in_the_way() -> None:
    """An absent list, a broken read, a wanted release and a spent one are told."""
    wanted = desired_list(spent_releases=(place(line=9),))
    seen = observed_list(
        remote=None,
        complete=False,
        incomplete_because="it moved",
        gap=gap(parts={Op.CONFLICT: 1}),
    )

    (found,) = report(desired(wanted), observed(seen), as_of=NOW).lists

    assert found.absent
    assert (
        "the service has no such list: every contact is missing",
        "the list could not be read whole (it moved)",
        "a declared release is of a contact that the spec still wants",
        "specs/us-dnc.yaml:9:3: this release is spent, delete this line",
    ) == found.notes


def test_the_rest_of_what_is_pending_was_changed_outside() -> None:
    """For each direction; where nothing can be told, all of it is unknown, and why is said."""
    seen = observed_list(gap=gap(parts={Op.SUPPRESS: 3, Op.SURPLUS: 4}))
    known = {"us-dnc": Trace(pending={"missing": 1})}

    (told,) = report(desired(), observed(seen), as_of=NOW, traces=known).lists
    (untold,) = report(
        desired(), observed(seen), as_of=NOW, traces={"us-dnc": Trace(untold="no run")}
    ).lists

    assert Origin(pending=1, outside=2) == told.origins["missing"]
    assert (Origin(outside=4), Origin()) == (told.origins["surplus"], told.origins["longer"])
    assert (Origin(unknown=3), Origin(unknown=4)) == (
        untold.origins["missing"],
        untold.origins["surplus"],
    )
    assert ("", "no run") == (told.untold, untold.untold)


def test_a_list_in_order_does_not_say_what_cannot_be_told() -> None:
    """There is nothing to be told of it."""
    (found,) = report(
        desired(), observed(), as_of=NOW, traces={"us-dnc": Trace(untold="no run")}
    ).lists

    assert "" == found.untold


@pytest.mark.parametrize(
    ("parts", "changes", "expected"),
    [
        ({}, {}, None),
        ({Op.SURPLUS: 1}, {}, Severity.INFO),
        ({Op.LONGER: 1}, {}, Severity.INFO),
        ({Op.SURPLUS: 1, Op.AMEND: 1}, {}, Severity.WARNING),
        ({Op.AMEND: 1, Op.SUPPRESS: 1}, {}, Severity.CRITICAL),
        ({}, {"complete": False}, Severity.CRITICAL),
        ({}, {"lapsed": True}, Severity.CRITICAL),
    ],
)
def test_the_worst_direction_is_how_bad_it_is(
    parts: dict[Op, int], changes: dict[str, Any], expected: Severity | None
) -> None:
    """A list that was not read whole may lack anybody."""
    seen = observed_list(gap=gap(parts=parts), **changes)

    found = report(desired(), observed(seen), as_of=NOW)

    assert (expected, expected) == (found.lists[0].severity, found.severity)


def test_a_list_that_nobody_could_read_is_critical() -> None:
    """Nobody knows who is missing on it."""
    assert Severity.CRITICAL == Drift(as_of=NOW, lists=(), failures=FAILED).severity


def test_a_feed_that_is_too_old_is_a_warning() -> None:
    """Nobody is released on its word."""
    old = Feed(path="a.csv", files=("a.csv",), rows=1, sha256="0", stale=True)
    young = replace(old, path="b.csv", stale=False)

    (found,) = report(desired(desired_list(feeds=(old, young))), observed(), as_of=NOW).lists

    assert ((old,), Severity.WARNING) == (found.stale_feeds, found.severity)


def test_who_comes_off_within_thirty_days_is_lapsing() -> None:
    """By their own end, or all of them by that of the list."""
    ends = Ends(days={"2026-12-01": 1, "2026-12-23": 2, "2026-12-24": 4}, later=8, endless=16)
    seen = observed_list(gap=gap(ends=ends))
    whole = replace(seen, remote=remote(settings=HELD))

    counts = [report(desired(), observed(x), as_of=NOW).lists[0].lapsing for x in (seen, whole)]

    assert [3, 31] == counts


def test_nobody_stays_on_a_list_beyond_its_own_end() -> None:
    """The days of a report and its count of those who come off soon say the same."""
    ends = Ends(days={"2026-11-24": 2}, later=8, endless=16)
    held = remote(settings=replace(HELD, suppress_until=NOW + timedelta(days=3)))
    seen = replace(observed_list(gap=gap(ends=ends)), remote=held)

    (found,) = report(desired(), observed(seen), as_of=NOW).lists

    assert Ends(days={"2026-11-24": 2, "2026-11-26": 24}) == found.ends
    assert 26 == found.lapsing


def test_a_list_that_could_not_be_read_is_a_failure_and_no_drift() -> None:
    """Nothing is said about what was not seen."""
    failure = Failure(key="us-dnc", message="no")
    seen = replace(observed(), lists={}, failures=(failure,))

    found = report(desired(), seen, as_of=NOW)

    assert ((), (failure,)) == (found.lists, found.failures)


def test_a_remote_list_is_named_as_the_service_names_it() -> None:
    """The builder's list holds no end of its own."""
    assert values(remote().settings)["suppressUntil"] is None


def test_evidence_holds_a_lists_own_texts_without_an_address() -> None:
    """Whoever named a list may have named it after somebody; what is unmanaged stays so."""
    named = Settings(name="Opt-outs of ann@example.com", description=None)

    told = unnamed(named)

    assert ("Opt-outs of a•••@example.com", None) == (told.name, told.description)
    assert UNMANAGED is unnamed(Settings(name="US")).description


def skilled(*skills: Skill, name: str = "US") -> Settings:
    """A group's settings."""
    return replace(HELD, name=name, scrubbed_skills=skills, contributing_skills=skills)


def declared_skills(*spelled: str) -> Settings:
    """What a spec declares of skills alone."""
    return Settings(scrubbed_skills=tuple(Skill(id=each, name=each) for each in spelled))


@pytest.mark.parametrize("spelled", [("4711", "4712"), ("Care", "Sales"), ("4712", "Sales")])
def test_a_skill_is_the_same_by_id_and_by_name(spelled: tuple[str, ...]) -> None:
    """Whoever declares it chooses how."""
    assert () == changes(declared_skills(*spelled), skilled(SALES, CARE))


def test_skills_that_nobody_declares_are_left_to_others() -> None:
    """As every other setting."""
    assert () == changes(Settings(name="US"), skilled(SALES))


def test_skills_come_before_others_go() -> None:
    """At no time does the list keep back the calls of neither."""
    found = changes(declared_skills("Care"), skilled(SALES))

    assert (
        Change(field="scrubbedSkills", old="4711", new="4711, Care"),
        Change(field="scrubbedSkills", old="4711, Care", new="Care"),
    ) == found
    assert [False, True] == [change.shortens for change in found]


def test_fewer_scrubbed_skills_are_a_release_and_fewer_contributing_ones_are_not() -> None:
    """Only the former let calls through."""
    none = replace(declared_skills(), contributing_skills=())

    found = changes(none, skilled(SALES))

    assert [("scrubbedSkills", True), ("contributingSkills", False)] == [
        (change.field, change.shortens) for change in found
    ]


def test_a_list_without_a_scrubbed_skill_suppresses_nobody() -> None:
    """However many are on it, all of them are missing."""
    unscrubbed = observed_list(remote=remote(settings=skilled()))

    (found,) = report(desired(), observed(unscrubbed), as_of=NOW).lists

    assert (10, True) == (found.missing, "no skill is scrubbed" in found.notes[0])
