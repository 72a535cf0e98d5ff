"""Which rejected contacts are still refused, attempt by attempt."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from contact_tables import (
    AS_OF,
    DESIRED,
    RELEASES,
    Contact,
    at,
    measure,
    release,
    rows,
    store,
    wanted,
)
from reconciler.contacts import evidence
from reconciler.contacts.engine import Engine
from reconciler.contacts.fates import fates
from reconciler.contacts.standing import Attempt, Standing, standing
from reconciler.model import Gap, Op, Outcome, RejectedContact, Rejection, Status

A, B, P = "a@example.com", "b@example.com", "+15550100100"


@dataclass(slots=True)
class History:
    """The attempts on one list, each a day after the one before."""

    engine: Engine
    folder: Path
    attempts: list[Attempt]

    def attempt(
        self,
        gap: Gap | None,
        *,
        refused: Sequence[str] = (),
        codes: Sequence[str] = ("BLOCKED",),
        message: str = "no",
        complete: bool = True,
        died: bool = False,
        failed: bool = False,
    ) -> None:
        """Let a run send a gap, or have none, to a service that refuses some."""
        number = len(self.attempts) + 1
        outcomes = list(_outcomes(gap, refused, codes, message, failed=failed)) if gap else []
        told = fates(() if died else outcomes)
        path = None
        if gap and refused and not died:
            path = self.folder / f"rejected-{number}.parquet"
            evidence.rejected(self.engine, gap.rows, told.rejections, path)
        self.attempts.append(
            Attempt(
                run=f"run-{number}",
                at=AS_OF + timedelta(days=number),
                complete=complete,
                ops=tuple(gap.parts) if gap else (),
                gap=gap.rows.path if gap else None,
                rejected=path,
                told=told,
            )
        )

    def standing(
        self,
        *wants: dict[str, Any],
        releases: Sequence[dict[str, Any]] = (),
        exclusive: bool = False,
        days: float = 0,
    ) -> Standing:
        """Return what still stands where the specs are so by now."""
        return standing(
            self.engine,
            self.attempts,
            desired=store(self.folder / "now.parquet", wants, DESIRED),
            releases=store(self.folder / "releases-now.parquet", releases, RELEASES),
            exclusive=exclusive,
            as_of=AS_OF + timedelta(days=days),
        )


def _outcomes(
    gap: Gap, refused: Sequence[str], codes: Sequence[str], message: str, *, failed: bool
) -> Iterator[Outcome]:
    """Tell of one batch for each op."""
    for number, op in enumerate([op for op in Op if op in gap.parts], 1):
        bad = [row for row in rows(gap.rows, op) if (row["address"] or row["spelling"]) in refused]
        count = gap.parts[op].rows
        yield Outcome(
            key="us-dnc",
            action="",
            op=op,
            batch=number,
            first=0,
            last=count - 1,
            rows=count,
            taken=0 if failed else count - len(bad),
            status=Status.FAILED if failed else Status.PARTLY if bad else Status.DONE,
            rejections=tuple(
                Rejection(row=row["row"], code=code, message=message)
                for row in bad
                for code in codes
            ),
        )


@pytest.fixture
def history(engine: Engine, tmp_path: Path) -> History:
    """Return a list nothing was attempted on."""
    return History(engine, tmp_path, [])


def gap(history: History, *wants: dict[str, Any], **other: Any) -> Gap:
    """Return the gap to what is wanted."""
    return measure(history.engine, history.folder, desired=wants, **other)


def who(found: Standing) -> dict[str, tuple[str, int]]:
    """Return the code and count of refusals of each contact, by its place."""
    return {
        one.source + str(one.line): (one.code, one.times)
        for shown in found.samples.values()
        for one in shown
    }


def test_who_was_refused_stands_with_everything_that_is_known_of_it(history: History) -> None:
    """Masked and scrubbed, with the line that declares it by now."""
    history.attempt(
        gap(history, wanted(A, at(90)), wanted(P)), refused=[A], message=f"{A} is on hold"
    )

    found = history.standing({**wanted(A, at(90)), "source": "specs/us.yaml", "line": 12})

    day = AS_OF + timedelta(days=1)
    expected = RejectedContact(
        op=Op.SUPPRESS,
        address="a•••@example.com",
        reason="DNC",
        until=AS_OF + timedelta(days=90),
        code="BLOCKED",
        field="",
        message="a•••@example.com is on hold",
        first_refused_at=day,
        last_refused_at=day,
        times=1,
        run="run-1",
        source="specs/us.yaml",
        line=12,
    )
    assert (
        Standing(codes={"BLOCKED": 1}, samples={"BLOCKED": (expected,)}, runs=("run-1",)) == found
    )


def test_who_is_refused_again_counts_the_runs_since_the_first(history: History) -> None:
    """The code is that of the last."""
    for code in ("OLD", "NEW"):
        history.attempt(gap(history, wanted(A)), refused=[A], codes=[code])

    found = history.standing(wanted(A))

    (one,) = found.samples["NEW"]
    assert ({"NEW": 1}, ("run-2",), 2) == (found.codes, found.runs, one.times)
    first, last = one.first_refused_at, one.last_refused_at
    assert (1, 2) == ((first - AS_OF).days, (last - AS_OF).days)


def test_who_is_accepted_later_leaves_and_starts_anew_if_refused_again(history: History) -> None:
    """Counts are of refusals in succession."""
    history.attempt(gap(history, wanted(A)), refused=[A])
    history.attempt(gap(history, wanted(A)))
    accepted = history.standing(wanted(A))
    history.attempt(gap(history, wanted(A)), refused=[A])

    again = history.standing(wanted(A))

    assert {} == accepted.codes
    assert [("BLOCKED", 1)] == list(who(again).values())


def test_who_a_plan_does_not_name_any_more_leaves(history: History) -> None:
    """It is on the list by somebody else, or was not wanted then."""
    history.attempt(gap(history, wanted(A), wanted(B)), refused=[A, B])
    history.attempt(gap(history, wanted(A), wanted(B), observed=[Contact(email=B)]), refused=[A])

    found = history.standing(wanted(A), wanted(B))

    assert {"a.csv2": ("BLOCKED", 2)} == who(found)


def test_what_a_partial_read_lacks_says_nothing(history: History) -> None:
    """Only what it got accepted leaves."""
    history.attempt(gap(history, wanted(A), wanted(B)), refused=[A, B])
    history.attempt(gap(history, wanted(B)), complete=False)

    found = history.standing(wanted(A), wanted(B))

    assert {"a.csv2": ("BLOCKED", 1)} == who(found)


@pytest.mark.parametrize("how", ["died", "failed"])
def test_an_attempt_of_unknown_end_changes_nothing_for_those_it_named(
    history: History, how: str
) -> None:
    """Nobody knows whether they were taken."""
    history.attempt(gap(history, wanted(A), wanted(B)), refused=[A, B])
    history.attempt(gap(history, wanted(A)), **{how: True})  # type: ignore[arg-type]

    found = history.standing(wanted(A), wanted(B))

    assert {"a.csv2": ("BLOCKED", 1)} == who(found)


@pytest.mark.parametrize(("complete", "left"), [(True, 0), (False, 1)])
def test_a_run_that_found_nothing_to_do_clears_the_list_if_it_read_all_of_it(
    history: History, *, complete: bool, left: int
) -> None:
    """It keeps no tables; its plan says that nothing of the kind was left."""
    history.attempt(gap(history, wanted(A)), refused=[A])
    history.attempt(None, complete=complete)

    assert left == sum(history.standing(wanted(A)).codes.values())


def test_a_run_without_tables_that_had_such_rows_says_nothing(history: History) -> None:
    """They may be others; a plan names none."""
    history.attempt(gap(history, wanted(A)), refused=[A])
    history.attempt(gap(history, wanted(B)))
    history.attempts[-1] = Attempt(
        run="run-2",
        at=history.attempts[-1].at,
        complete=True,
        ops=("suppress",),
        gap=None,
        rejected=None,
        told=fates(()),
    )

    assert {"BLOCKED": 1} == history.standing(wanted(A)).codes


def test_whom_the_specs_do_not_want_any_more_leaves_without_a_run(history: History) -> None:
    """A line that is gone, or that has lapsed meanwhile."""
    history.attempt(gap(history, wanted(A), wanted(B, at(5))), refused=[A, B])

    gone = history.standing(wanted(B, at(5)))
    lapsed = history.standing(wanted(A), wanted(B, at(5)), days=6)

    assert ["a.csv2"] == list(who(gone))
    assert ["a.csv2"] == list(who(lapsed))


def test_an_amendment_stands_as_such(history: History) -> None:
    """Who was put on the list by somebody else since is refused as an amendment, once."""
    history.attempt(gap(history, wanted(A)), refused=[A])
    there = [Contact(email=A, reason="BOUNCE")]
    history.attempt(gap(history, wanted(A), observed=there), refused=[A])

    found = history.standing(wanted(A))

    ((one,),) = found.samples.values()
    assert (Op.AMEND, 1) == (one.op, one.times)


def test_both_halves_of_an_amended_contact_stand_for_as_long_as_one_is_wanted(
    history: History,
) -> None:
    """The other half was sent for its sake, whoever wants it or not."""
    there = [Contact(email=A, phone=P, until=at(5))]
    history.attempt(gap(history, wanted(A), observed=there), refused=[A, P])

    assert {"BLOCKED": 2} == history.standing(wanted(A)).codes
    assert {} == history.standing(wanted(P)).codes


@pytest.mark.parametrize(
    ("now", "left"),
    [
        ({"releases": [release(A)]}, 1),
        ({}, 0),
        ({"exclusive": True}, 1),
    ],
)
def test_a_refused_release_stands_while_it_is_declared(
    history: History, now: dict[str, Any], left: int
) -> None:
    """Or while exclusive ownership asks for it."""
    there = [Contact(email=A), Contact(email=B)]
    made = gap(history, wanted(B), observed=there, releases=[release(A)])
    history.attempt(made, refused=[A])

    found = history.standing(wanted(B), **now)

    assert left == sum(found.codes.values())
    assert {} == history.standing(wanted(A), wanted(B), **now).codes


@pytest.mark.parametrize(("exclusive", "left"), [(True, 1), (False, 0)])
def test_a_refused_shortening_stands_while_the_list_is_owned(
    history: History, *, exclusive: bool, left: int
) -> None:
    """Without that a later end is kept."""
    there = [Contact(email=A)]
    made = gap(history, wanted(A, at(30)), observed=there, exclusive=True)
    history.attempt(made, refused=[A])

    found = history.standing(wanted(A, at(30)), exclusive=exclusive)

    assert left == sum(found.codes.values())


def test_half_a_contact_that_is_to_be_let_go_stands_with_its_release(history: History) -> None:
    """The half that must get a contact of its own first was refused."""
    there = [Contact(email=A, phone=P)]
    made = gap(history, wanted(P), observed=there, releases=[release(A)])
    history.attempt(made, refused=[P])

    assert {"BLOCKED": 1} == history.standing(wanted(P), releases=[release(A)]).codes
    assert {} == history.standing(wanted(P)).codes


def test_what_cannot_be_read_as_an_address_is_hidden(history: History) -> None:
    """It was sent along, as the other half of a contact."""
    there = [Contact(email=A, phone="call the office", until=at(5))]
    history.attempt(gap(history, wanted(A), observed=there), refused=["call the office"])

    ((one,),) = history.standing(wanted(A)).samples.values()

    assert ("•••", "", 0) == (one.address, one.source, one.line)


def test_of_many_some_are_shown_and_all_are_counted(history: History) -> None:
    """Most frequent code first; the files of all runs in which one was refused last."""
    many = [wanted(f"{number}@example.com") for number in range(7)]
    names = [str(each["address"]) for each in many]
    history.attempt(gap(history, *many), refused=names[:6], codes=["COMMON"])
    history.attempt(gap(history, *many), refused=names[6:], codes=["RARE"], failed=True)

    found = history.standing(*many)

    assert [("COMMON", 6), ("RARE", 1)] == list(found.codes.items())
    assert {"COMMON": 5, "RARE": 1} == {code: len(one) for code, one in found.samples.items()}
    assert ("run-2", "run-1") == found.runs


def test_a_contact_with_two_complaints_counts_once(history: History) -> None:
    """Under the first of its codes."""
    history.attempt(gap(history, wanted(A)), refused=[A], codes=["SECOND", "FIRST"])

    assert {"FIRST": 1} == history.standing(wanted(A)).codes


def test_without_attempts_nothing_is_refused(history: History) -> None:
    """A list nobody worked on yet."""
    assert Standing(codes={}, samples={}, runs=()) == history.standing(wanted(A))
