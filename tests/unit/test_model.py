"""What nouns say of themselves, beyond the fields they hold."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest

import builders
from reconciler.model import (
    LISTS,
    Action,
    Amend,
    Change,
    Counts,
    CreateList,
    Credentials,
    Direction,
    Ends,
    Feed,
    HeldContact,
    ListExplanation,
    ListPlan,
    Op,
    Overrides,
    Plan,
    Policy,
    Refusal,
    Release,
    RowAction,
    Settings,
    Shorten,
    Suppress,
    UpdateList,
    op_of,
)

EARLY, LATE = "2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z"
ROWS = builders.table(3)
TO_EARLIER = Change(field="suppressUntil", old=LATE, new=EARLY)
RENAMED = Change(field="name", old="B", new="A")


def planned(*actions: Action, refusals: tuple[Refusal, ...] = ()) -> Plan:
    """Return a plan of one list."""
    listed = ListPlan(
        key="us-dnc",
        tenant="acme",
        remote_id="7f3e2c",
        version='"1"',
        actions=actions,
        refusals=refusals,
        gap=builders.gap(),
        counts=Counts(),
        observed=Settings(),
        observed_table=ROWS,
        complete=True,
        size_before=3,
        size_after=3,
    )
    return Plan(
        id="p",
        as_of=builders.NOW,
        preview=False,
        lists=(listed,),
        failures=(),
        policy=Policy(),
        overrides=Overrides(),
    )


def test_a_tenant_can_do_what_its_dialect_can() -> None:
    """Planning asks the tenant and never which dialect it is."""
    assert builders.tenant().capabilities == LISTS


def test_a_reason_alone_overrides_nothing() -> None:
    """An override is given where a bound is moved, not where one is explained."""
    assert not Overrides(reason="ticket 12").given
    assert Overrides(max_releases=5, reason="ticket 12").given


def test_the_lapsed_are_not_wanted() -> None:
    """They stand in the table, and are not to be suppressed."""
    listed = builders.desired_list(rows=10, counts=Counts(lapsed=3))

    assert listed.wanted == 7


@pytest.mark.parametrize(
    ("invalid", "rows", "expected"), [(0, 5, True), (1, 5, False), (0, 0, False)]
)
def test_a_list_is_whole_where_every_row_arrived(
    invalid: int, rows: int, *, expected: bool
) -> None:
    """A row set aside or an empty source means that somebody may be absent by mistake."""
    feed = Feed(path="a.csv", files=("a.csv",), rows=rows, sha256="0")

    listed = builders.desired_list(counts=Counts(invalid=invalid), feeds=(feed,))

    assert expected == listed.whole


def test_a_list_with_an_empty_file_is_not_whole() -> None:
    """A file cut off after its header looks like one that has nobody in it."""
    feed = Feed(path="*.csv", files=("a.csv", "b.csv"), empty_files=("b.csv",), rows=5, sha256="0")

    listed = builders.desired_list(feeds=(feed,))

    assert not listed.whole


@pytest.mark.parametrize(
    ("field", "old", "new", "expected"),
    [
        ("suppressUntil", LATE, EARLY, True),
        ("suppressUntil", None, EARLY, True),
        ("suppressUntil", EARLY, LATE, False),
        ("suppressUntil", EARLY, None, False),
        ("name", "B", "A", False),
    ],
)
def test_only_an_earlier_end_shortens(
    field: Literal["name", "suppressUntil"],
    old: str | None,
    new: str | None,
    *,
    expected: bool,
) -> None:
    """To gain an end is to end earlier; to lose it is not, and a name has none."""
    change = Change(field=field, old=old, new=new)

    assert expected == change.shortens


def test_an_update_shortens_where_one_of_its_changes_does() -> None:
    """One earlier end among many changes counts as releasing the list."""
    assert UpdateList(changes=(RENAMED, TO_EARLIER)).shortens
    assert not UpdateList(changes=(RENAMED,)).shortens


def test_a_plan_without_actions_is_empty() -> None:
    """Refusals and notes send nothing."""
    assert planned().empty
    assert not planned(Suppress(rows=ROWS)).empty


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        ((), True),
        ((CreateList(settings=Settings()), Suppress(rows=ROWS), Amend(rows=ROWS)), True),
        ((Suppress(rows=ROWS), UpdateList(changes=(RENAMED,))), False),
        ((Suppress(rows=ROWS), Shorten(rows=ROWS)), False),
        ((Suppress(rows=ROWS), Release(rows=ROWS)), False),
    ],
)
def test_a_plan_that_only_suppresses_says_so(
    actions: tuple[Action, ...], *, expected: bool
) -> None:
    """To change a setting, to shorten or to release is more than to suppress."""
    assert expected == planned(*actions).suppresses_only


def test_a_plan_gathers_the_refusals_of_its_lists() -> None:
    """All are shown at once."""
    refusal = Refusal(
        key="us-dnc", direction=Direction.RELEASE, rule="maxReleases", message="too many"
    )

    assert planned(refusals=(refusal,)).refusals == (refusal,)


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (Suppress(rows=builders.table(op="suppress:endless")), Op.SUPPRESS),
        (Amend(rows=builders.table(op="amend")), Op.AMEND),
        (Amend(rows=builders.table(op="part")), Op.PART),
        (Shorten(rows=builders.table(op="shorten")), Op.SHORTEN),
        (Release(rows=builders.table(op="release")), Op.RELEASE),
    ],
)
def test_an_action_says_what_it_does_to_its_contacts(action: RowAction, expected: Op) -> None:
    """Also where its rows are only some of that op, and where an amendment only parts them."""
    assert expected is op_of(action)


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (None, Ends(days={"2026-11-30": 1, "2026-12-09": 2}, later=4, endless=8)),
        (timedelta(days=366), Ends(days={"2026-11-30": 1, "2026-12-09": 2}, later=12)),
        (timedelta(days=365), Ends(days={"2026-11-30": 1, "2026-12-09": 2, "2027-11-23": 12})),
        (timedelta(days=16), Ends(days={"2026-11-30": 1, "2026-12-09": 14})),
        (timedelta(days=1), Ends(days={"2026-11-24": 15})),
        (timedelta(0), Ends()),
    ],
)
def test_contacts_end_with_their_list_at_the_latest(end: timedelta | None, expected: Ends) -> None:
    """Nobody is lost but where the list has ended already, and then nobody is on it."""
    as_of = datetime(2026, 11, 23, 10, 15, tzinfo=UTC)
    held = Ends(days={"2026-11-30": 1, "2026-12-09": 2}, later=4, endless=8)

    assert expected == held.until(None if end is None else as_of + end, as_of=as_of)


def test_an_explanation_knows_who_is_wanted_and_who_is_suppressed() -> None:
    """By what counts and has not lapsed, and by what the service holds; doubt is never silence."""
    held = HeldContact(
        spelling="+1•••", as_normalised=True, reason=None, until=None, suppresses=True
    )
    empty = ListExplanation(key="us-dnc", tenant="acme", address="+1•••")
    doubted = replace(empty, doubt="it could not be read")
    there = replace(empty, held=(held,))

    assert (False, False, True) == (empty.wanted, empty.suppressed, empty.silent)
    assert not doubted.silent
    assert (False, True, False) == (there.wanted, there.suppressed, there.silent)


def test_tenants_are_told_apart_by_where_they_are() -> None:
    """A service that is found by its configuration is known by who signs in."""
    key = Credentials(
        client_id="env:A", client_secret="env:B", access_key_id="env:C", access_key_secret="env:D"
    )
    found = builders.tenant(embedded=False, credentials=key, token_url="https://one.example/t")

    assert "" == builders.tenant().service
    assert "https://x" == builders.tenant(base_url="https://x", credentials=key).service
    assert "https://one.example/t|env:C" == found.service
