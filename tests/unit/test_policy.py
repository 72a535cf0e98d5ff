"""Each rule of the policy, alone and with its override."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from builders import (
    EARLIER,
    LATER,
    NOW,
    desired_list,
    gap,
    list_spec,
    observed_list,
    place,
    remote,
)
from reconciler.model import (
    Change,
    Counts,
    Direction,
    Feed,
    Freeze,
    Op,
    Overrides,
    Ownership,
    Policy,
    Sample,
)
from reconciler.policy import Case, judge

SHORTER = Change(field="suppressUntil", old=None, new="2027-01-01T00:00:00Z")


def case(**changes: Any) -> Case:
    """A list about which no rule has anything to say."""
    made = Case(
        desired=desired_list(),
        observed=observed_list(),
        changes=(),
        policy=Policy(),
        overrides=Overrides(),
        as_of=NOW,
    )
    return replace(made, **changes)


def releasing(count: int, *, size: int = 1000, **changes: Any) -> Case:
    """A list that would let so many go."""
    seen = observed_list(size=size, gap=gap(parts={Op.RELEASE: count}))
    return case(observed=seen, **changes)


def rules(of: Case) -> list[tuple[str, Direction]]:
    """The rules that say no, and what they withhold."""
    return [(refusal.rule, refusal.direction) for refusal in judge(of)]


def test_nothing_to_say_is_no_refusal() -> None:
    """A list that changes nothing is not refused anything."""
    assert [] == rules(case())


@pytest.mark.parametrize(
    ("count", "size", "refused"),
    [(10, 1000, False), (11, 1000, True), (1, 1, False), (1, 50, False), (2, 50, True)],
)
def test_the_share_is_rounded_up_to_whole_contacts(count: int, size: int, refused: bool) -> None:
    """One per cent of fifty is one contact."""
    found = rules(releasing(count, size=size))

    assert ([("max-releases", Direction.RELEASE)] if refused else []) == found


def test_the_count_binds_where_the_share_does_not() -> None:
    """A large list may still let go only so many at once."""
    (refusal,) = judge(releasing(101, size=1_000_000))

    assert "101 releases is over maxReleases 100 (the default)" == refusal.message
    assert "--max-releases 101" == refusal.override


def test_the_share_is_named_with_its_place() -> None:
    """The message holds value, share, size, limit and where it is set."""
    policy = Policy(places={"maxReleases": place("specs/policy.yaml", 5)})

    (refusal,) = judge(releasing(120, policy=policy))

    expected = "120 releases is 12.0% of 1,000, over maxReleases 1% (specs/policy.yaml:5)"
    assert expected == refusal.message


def test_an_override_replaces_both_bounds() -> None:
    """What is allowed once is allowed whatever the share and the count say."""
    assert [] == rules(releasing(500, overrides=Overrides(max_releases=500)))


def test_an_override_binds_as_well() -> None:
    """One more than was allowed is refused."""
    (refusal,) = judge(releasing(501, overrides=Overrides(max_releases=500)))

    assert "501 releases is over --max-releases 500" == refusal.message


def test_releases_from_an_empty_list_are_refused() -> None:
    """A share of nothing is nothing."""
    (refusal,) = judge(releasing(1, size=0))

    assert "1 release is all of 0, over maxReleases 1% (the default)" == refusal.message


def test_shortening_counts_as_releasing() -> None:
    """An earlier end is a release that waits."""
    seen = observed_list(gap=gap(parts={Op.SHORTEN: 11}))

    assert [("max-releases", Direction.RELEASE)] == rules(case(observed=seen))


def test_shortening_the_list_counts_as_releasing_all_of_it() -> None:
    """The list's own end is everybody's end."""
    (refusal,) = judge(case(changes=(SHORTER,)))

    assert refusal.message.startswith("1,000 releases is 100.0% of 1,000")


def test_a_freeze_withholds_releases_only_inside_its_window() -> None:
    """Both ends of the window belong to it."""
    window = Freeze(start=NOW, end=NOW + timedelta(days=1), why="audit", place=place())
    policy = Policy(freeze=(window,))

    inside = releasing(1, policy=policy)
    after = replace(inside, as_of=window.end + timedelta(seconds=1))
    allowed = replace(inside, overrides=Overrides(ignore_freeze=True))
    idle = case(policy=policy)

    assert [("freeze", Direction.RELEASE)] == rules(inside)
    assert [("freeze", Direction.RELEASE)] == rules(replace(inside, as_of=window.end))
    assert [] == rules(after)
    assert [] == rules(allowed)
    assert [] == rules(idle)


def test_an_incomplete_read_withholds_settings_and_releases() -> None:
    """Doubt means no release."""
    seen = observed_list(complete=False, incomplete_because="it moved")

    assert [("incomplete-read", Direction.SETTINGS)] == rules(case(observed=seen))


def test_a_list_of_another_type_is_never_written() -> None:
    """Everything is withheld."""
    seen = observed_list(remote=remote(type="calling"))

    assert [("list-type", Direction.ALL)] == rules(case(observed=seen))


def test_a_list_the_ledger_knows_is_not_made_anew() -> None:
    """Somebody removed it; that is for people to find out."""
    seen = observed_list(remote=None, known_id="7f3e2c")

    assert [("list-gone", Direction.ALL)] == rules(case(observed=seen))


@pytest.mark.parametrize("there", [True, False])
def test_a_ledger_in_doubt_lets_nobody_go_and_makes_no_list(*, there: bool) -> None:
    """Suppressions go on: it is not known who was released, nor which lists there were."""
    seen = observed_list(
        remote=remote() if there else None, ledger_doubt="file 7 cannot be believed"
    )

    (refusal,) = judge(case(observed=seen))

    withheld = Direction.RELEASE if there else Direction.ALL
    assert ("ledger", withheld) == (refusal.rule, refusal.direction)
    assert refusal.message.startswith("file 7 cannot be believed, so nobody knows w")


def test_a_new_list_may_be_made() -> None:
    """A list nobody has ever seen is no doubt."""
    assert [] == rules(case(observed=observed_list(remote=None)))


@pytest.mark.parametrize("how", ["policy", "override"])
def test_an_empty_declaration_withholds_releases_unless_allowed(how: str) -> None:
    """An empty spec is far more often an accident."""
    seen = observed_list(gap=gap(parts={Op.RELEASE: 1}))
    empty = case(desired=desired_list(rows=0), observed=seen)
    allowed = (
        replace(empty, policy=Policy(allow_empty=("us-dnc",)))
        if how == "policy"
        else replace(empty, overrides=Overrides(allow_empty=("us-dnc",)))
    )

    (refusal,) = judge(empty)

    assert ("allow-empty", "--allow-empty us-dnc") == (refusal.rule, refusal.override)
    assert [] == rules(allowed)


def test_an_empty_declaration_with_nothing_to_withhold_is_no_refusal() -> None:
    """A rule that withholds nothing says nothing."""
    assert [] == rules(case(desired=desired_list(rows=0)))


def test_a_lapsed_list_that_nobody_extends_is_told() -> None:
    """Contacts cannot mend a list whose own end has passed."""
    seen = observed_list(lapsed=True, size=0)
    longer = Change(field="suppressUntil", old="2026-01-01T00:00:00Z", new=None)

    assert [("list-lapsed", Direction.ROWS)] == rules(case(observed=seen))
    assert [] == rules(case(observed=seen, changes=(longer,)))


@pytest.mark.parametrize("broken", ["invalid", "empty"])
def test_exclusive_ownership_needs_a_whole_spec(broken: str) -> None:
    """Quarantined rows or an empty source: who is missing here may be wanted."""
    spec = list_spec(ownership=Ownership.EXCLUSIVE, release_basis="contract")
    counts = Counts(invalid=1) if broken == "invalid" else Counts()
    feeds = (Feed(path="a.csv", files=("a.csv",), rows=int(broken == "invalid"), sha256=""),)
    wanted = desired_list(spec=spec, counts=counts, feeds=feeds)
    seen = observed_list(gap=gap(parts={Op.SURPLUS: 3}))

    found = judge(case(desired=wanted, observed=seen))

    assert [("exclusive-whole", Direction.ROWS)] == [(one.rule, one.direction) for one in found]
    assert found[0].message.startswith("3 contacts the spec lacks are kept")


def test_a_release_of_a_wanted_contact_is_refused_alone() -> None:
    """Wanted wins, everything else goes on, and the place is named."""
    sample = Sample(
        address="u•••@example.com", reason=None, until=None, source="specs/a.yaml", line=7
    )
    seen = observed_list(gap=gap(parts={Op.CONFLICT: 1}, samples={Op.CONFLICT: (sample,)}))

    (refusal,) = judge(case(observed=seen))

    assert ("wanted", Direction.ROWS) == (refusal.rule, refusal.direction)
    assert "u•••@example.com (specs/a.yaml:7)" in refusal.message


def test_a_stale_feed_withholds_releases_unless_accepted() -> None:
    """A feed that is too old cannot say who may be let go."""
    feed = Feed(
        path="c.csv", files=("c.csv",), rows=1, sha256="", as_of=NOW, max_age="P31D", place=place()
    )
    old = case(desired=desired_list(feeds=(feed,)), as_of=NOW + timedelta(days=32))

    assert [("stale-feed", Direction.RELEASE)] == rules(old)
    assert [] == rules(replace(old, overrides=Overrides(accept_stale_feed=("us-dnc",))))
    assert [] == rules(replace(old, as_of=NOW + timedelta(days=31)))


def test_a_feed_without_a_limit_is_never_stale() -> None:
    """No maxAge, no rule."""
    feed = Feed(path="c.csv", files=("c.csv",), rows=1, sha256="", as_of=EARLIER)

    assert [] == rules(case(desired=desired_list(feeds=(feed,)), as_of=LATER))


def test_too_many_suppressions_withhold_only_suppressions() -> None:
    """A list that would suddenly grow past the bound is looked at first."""
    seen = observed_list(gap=gap(parts={Op.SUPPRESS: 11}))
    bound = case(observed=seen, policy=Policy(max_suppressions=10))

    (refusal,) = judge(bound)
    allowed = replace(bound, overrides=Overrides(max_suppressions=11))
    tight = replace(bound, overrides=Overrides(max_suppressions=5))

    assert Direction.SUPPRESS == refusal.direction
    assert "11 to suppress is over maxSuppressions 10 (the default)" == refusal.message
    assert [] == rules(allowed)
    assert "11 to suppress is over --max-suppressions 5" in judge(tight)[0].message


def test_all_refusals_come_at_once() -> None:
    """Nobody has to run again to see the next one."""
    window = Freeze(start=NOW, end=LATER, why="audit", place=place())
    policy = Policy(freeze=(window,), max_release_share=Decimal("0.5"), max_release_count=5)

    found = rules(releasing(6, policy=policy))

    assert [("freeze", Direction.RELEASE), ("max-releases", Direction.RELEASE)] == found
