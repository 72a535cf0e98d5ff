"""What the evidence tells of one address on one list, decided from what runs did and found."""

from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import NOW
from reconciler.history import Event, Known, Standing, State, by_list, standing

KNOWN = Known(begins=NOW)
DAY = timedelta(days=1)


def event(day: float, op: str = "suppress", status: str = "done", **more: object) -> Event:
    """Return what a run did so many days after the first one."""
    return Event(run=f"run-{day:g}", at=NOW + day * DAY, op=op, status=status, **more)  # type: ignore[arg-type]


def at(day: float, *events: Event, known: Known = KNOWN) -> Standing:
    """Return how it stood so many days after the first run."""
    return standing("us-dnc", events, known, at=NOW + day * DAY)


def test_before_the_first_run_nothing_is_known() -> None:
    """Evidence begins with it."""
    told = at(-1, event(1))

    assert State.UNKNOWN is told.state
    assert "before the first run" in told.why


def test_an_address_no_run_ever_had_was_not_suppressed_by_one() -> None:
    """What others did since does not stand in the evidence, which is said."""
    told = at(5)

    assert (State.NOT_SUPPRESSED, None) == (told.state, told.by)
    assert "what others did since" in told.why


def test_it_is_suppressed_from_the_answer_to_its_end() -> None:
    """By the run, for the reason, until the end it was given."""
    made = event(1, until=NOW + 10 * DAY, reason="DNC")

    states = [at(day, made).state for day in (0.5, 1, 9.9, 10)]

    no, yes = State.NOT_SUPPRESSED, State.SUPPRESSED
    assert [no, yes, yes, no] == states
    assert (made, made.at, made.until) == (
        (told := at(2, made)).by,
        told.since,
        told.until,
    )
    assert ("it ended", made.until) == ((over := at(11, made)).why, over.since)


def test_what_was_found_counts_from_when_it_was_found() -> None:
    """It was there before anybody of ours wrote."""
    told = at(2, event(0, "found", "found", reason="CUSTOMER_REQUEST"))

    assert (State.SUPPRESSED, NOW) == (told.state, told.since)
    assert "there already" in told.why


def test_an_amendment_moves_the_end_and_not_the_beginning() -> None:
    """So does a shortening."""
    events = event(1, until=NOW + 5 * DAY), event(2, "amend", until=NOW + 9 * DAY)
    shortened = (*events, event(3, "shorten", until=NOW + 6 * DAY))

    amended, cut = at(4, *events), at(4, *shortened)

    assert (NOW + DAY, NOW + 9 * DAY) == (amended.since, amended.until)
    assert (NOW + DAY, NOW + 6 * DAY) == (cut.since, cut.until)
    assert State.NOT_SUPPRESSED is at(7, *shortened).state


def test_a_release_ends_it_with_its_basis() -> None:
    """And a later suppression begins it anew."""
    released = event(2, "release", basis="written re-consent")

    told = at(3, event(1), released)

    assert (State.NOT_SUPPRESSED, released.at, released) == (told.state, told.since, told.by)
    assert State.SUPPRESSED is at(5, event(1), released, event(4)).state
    assert NOW + 4 * DAY == at(5, event(1), released, event(4)).since


@pytest.mark.parametrize("turned", [False, True])
def test_what_happened_in_one_second_happened_in_the_order_of_the_ledger(turned: bool) -> None:
    """However its files are called."""
    events = event(1, number=1), event(1, "release", number=2)

    told = at(2, *(events[::-1] if turned else events))

    assert (State.NOT_SUPPRESSED, 2) == (told.state, told.by.number if told.by else 0)


@pytest.mark.parametrize("status", ["failed", "uncertain"])
@pytest.mark.parametrize(
    ("op", "state"),
    [
        ("suppress", State.IN_DOUBT),
        ("release", State.IN_DOUBT),
        ("shorten", State.IN_DOUBT),
        ("amend", State.SUPPRESSED),
    ],
)
def test_what_was_lost_on_its_way_leaves_a_doubt(op: str, state: State, status: str) -> None:
    """Unless it can only have made longer what was there."""
    before = () if op == "suppress" else (event(1),)

    told = at(3, *before, event(2, op, status))

    assert state is told.state
    assert State.SUPPRESSED is at(5, *before, event(2, op, status), event(4)).state


@pytest.mark.parametrize("status", ["rejected", "withheld", "lapsed"])
def test_what_was_not_written_changed_nothing(status: str) -> None:
    """It stands among the events all the same."""
    told = at(3, event(1), event(2, "release", status))

    assert (State.SUPPRESSED, 2) == (told.state, len(told.events))


def test_who_was_found_missing_later_was_off_the_list_nobody_knows_since_when() -> None:
    """A run that has to suppress it anew says that somebody else had taken it off."""
    told, after = at(2, event(1), event(4)), at(4, event(1), event(4))

    assert (State.IN_DOUBT, "run-4") == (told.state, told.why.split()[1])
    assert (State.SUPPRESSED, NOW + 4 * DAY) == (after.state, after.since)
    assert State.SUPPRESSED is at(2, event(1), event(4, "amend")).state
    assert State.SUPPRESSED is at(2, event(1, until=NOW + 3 * DAY), event(4)).state


def test_a_list_that_has_ended_suppresses_nobody() -> None:
    """From its end on, until it is given another."""
    ends = (NOW, NOW + 5 * DAY), (NOW + 7 * DAY, None)
    known = replace(KNOWN, ends=ends)

    states = [at(day, event(1), known=known).state for day in (4, 5, 6.9, 7)]

    no, yes = State.NOT_SUPPRESSED, State.SUPPRESSED
    assert [yes, no, no, yes] == states
    assert "the list itself ended" == at(6, event(1), known=known).why
    assert NOW + 5 * DAY == at(4, event(1), known=known).until


def test_what_runs_did_whose_rows_are_gone_is_not_known() -> None:
    """Unless something later tells; nobody may take it for a no."""
    known = replace(KNOWN, gaps=(NOW + 2 * DAY,))

    states = [
        at(1, event(1), known=known).state,
        at(3, event(1), known=known).state,
        at(3, known=known).state,
        at(5, event(1), event(4), known=known).state,
    ]

    assert [State.SUPPRESSED, State.UNKNOWN, State.UNKNOWN, State.SUPPRESSED] == states
    assert "not in the evidence any more" in at(3, known=known).why


def test_every_list_is_told_those_with_events_first() -> None:
    """Also one of which the ledger knows nothing else."""
    known = {"b": KNOWN, "a": KNOWN}

    told = by_list({"c": [event(1)], "b": [event(1)]}, known, at=NOW + 2 * DAY)

    assert [("b", State.SUPPRESSED), ("c", State.SUPPRESSED), ("a", State.NOT_SUPPRESSED)] == [
        (one.key, one.state) for one in told
    ]


EVENTS = st.lists(
    st.builds(
        event,
        st.floats(0, 10),
        st.sampled_from(["suppress", "amend", "part", "shorten", "release", "found"]),
        st.sampled_from(["done", "failed", "uncertain", "rejected", "withheld"]),
        until=st.none() | st.floats(0, 20).map(lambda day: NOW + day * DAY),
    ),
    max_size=8,
)


@given(EVENTS, st.floats(-1, 12), st.randoms(use_true_random=False))
def test_the_order_in_which_evidence_is_found_does_not_matter(
    events: list[Event], day: float, chance: Random
) -> None:
    """Only the order in which it happened."""
    events = list({one.at: one for one in events}.values())
    mixed = list(events)
    chance.shuffle(mixed)

    assert at(day, *events) == at(day, *mixed)


@given(EVENTS, st.floats(0, 12))
def test_nobody_is_said_to_be_suppressed_without_a_word_that_was_carried_out(
    events: list[Event], day: float
) -> None:
    """The newest that was written or found until then says so, and no end has passed."""
    told = at(day, *events)
    if told.state is not State.SUPPRESSED:
        return
    moment: datetime = NOW + day * DAY
    written = [one for one in told.events if one.at <= moment and one.status in ("done", "found")]

    assert told.by is not None
    assert told.by in written
    assert not [one for one in written if one.op == "release" and told.by.at < one.at]
    assert told.until is None or told.until > moment
