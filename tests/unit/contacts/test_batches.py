from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from contact_tables import (
    AS_OF,
    UNREADABLE,
    WINDOW_END,
    Contact,
    at,
    measure,
    observe,
    post,
    release,
    rows,
    wanted,
)
from reconciler.api.port import BATCH
from reconciler.contacts import batches
from reconciler.contacts.engine import Engine
from reconciler.model import Op, Table

A, B, P, Q = "a@example.com", "b@example.com", "+15550100100", "+15550100101"


def cut(engine: Engine, part: Table, size: int = 10, **how: Any) -> list[list[dict[str, Any]]]:
    """Return the batches of a part as plain rows."""
    options = {"lapse_after": AS_OF, "release_until": None} | how
    return [batch.to_pylist() for batch in batches.batches(engine, part, size=size, **options)]


def numbers(made: Sequence[Sequence[dict[str, Any]]]) -> list[list[int]]:
    """Return the row numbers of each batch."""
    return [[row["row"] for row in batch] for batch in made]


def test_rows_are_cut_into_batches_of_the_port_s_schema(engine: Engine, tmp_path: Path) -> None:
    """In the order of their numbers, each under its own channel."""
    gap = measure(engine, tmp_path, desired=[wanted(A), wanted(B, at(3)), wanted(P)])
    part = gap.parts[Op.SUPPRESS]

    made = list(batches.batches(engine, part, size=2, lapse_after=AS_OF, release_until=None))

    assert [BATCH, BATCH] == [batch.schema for batch in made]
    assert [[0, 1], [2]] == [batch.column("row").to_pylist() for batch in made]
    assert [None, A, B] == [email for batch in made for email in batch.column("email").to_pylist()]
    assert [P, None, None] == [text for batch in made for text in batch.column("phone").to_pylist()]


def test_only_endless_rows_of_a_part_can_be_sent(engine: Engine, tmp_path: Path) -> None:
    """The numbers stay those of the whole part."""
    gap = measure(engine, tmp_path, desired=[wanted(A, at(3)), wanted(B), wanted(P)])

    assert gap.endless_missing
    assert [[0, 2]] == numbers(cut(engine, gap.endless_missing))


def test_lapsed_rows_are_left_out_and_counted(engine: Engine, tmp_path: Path) -> None:
    """An end that has passed by now would be refused."""
    gap = measure(engine, tmp_path, desired=[wanted(A, at(3)), wanted(B, at(1))])
    part, later = gap.parts[Op.SUPPRESS], AS_OF + timedelta(days=1)

    made = cut(engine, part, lapse_after=later)

    assert [[0]] == numbers(made)
    assert batches.lapsed(engine, part, lapse_after=later) == 1


def test_released_rows_get_the_end_of_the_moment(engine: Engine, tmp_path: Path) -> None:
    """Whole seconds, rounded up, and none of them counts as lapsed."""
    gap = measure(engine, tmp_path, observed=[Contact(email=A)], releases=[release(A)])
    part, until = gap.parts[Op.RELEASE], WINDOW_END - timedelta(milliseconds=1)

    made = cut(engine, part, release_until=until, lapse_after=WINDOW_END)

    assert [[int(WINDOW_END.timestamp())]] == [[row["until"] for row in batch] for batch in made]
    assert batches.lapsed(engine, part, lapse_after=WINDOW_END) == 0


def test_rows_of_another_channel_are_not_sent(engine: Engine, tmp_path: Path) -> None:
    """A service that knows only phones gets only phones."""
    gap = measure(engine, tmp_path, desired=[wanted(A), wanted(P)])

    made = cut(engine, gap.parts[Op.SUPPRESS], channels=("phone",))

    assert [[P]] == [[row["phone"] for row in batch] for batch in made]


def coupled(engine: Engine, folder: Path) -> Table:
    """Return amendments of two couples and one alone."""
    held = [
        Contact(email=A, phone=P, until=at(5)),
        Contact(email=B, phone=Q, until=at(1)),
        Contact(email="c@example.com", until=at(1)),
    ]
    desired = [wanted(A), wanted(B), wanted("c@example.com")]
    return measure(engine, folder, desired=desired, observed=held).parts[Op.AMEND]


def test_a_couple_is_never_parted(engine: Engine, tmp_path: Path) -> None:
    """An odd size gives one place away."""
    part = coupled(engine, tmp_path)

    made = cut(engine, part, 3)

    assert [[0, 1], [2, 3], [4]] == numbers(made)
    assert [[1, 1], [2, 2], [None]] == [[row["pair"] for row in batch] for batch in made]


def test_a_batch_of_one_has_no_room_for_a_couple(engine: Engine, tmp_path: Path) -> None:
    """It is an error of the caller's, and no half is sent."""
    part = coupled(engine, tmp_path)

    with pytest.raises(ValueError, match="no room"):
        cut(engine, part, 1)


def test_skipping_one_half_skips_the_other(engine: Engine, tmp_path: Path) -> None:
    """Sent together or not at all."""
    part = coupled(engine, tmp_path)

    made = cut(engine, part, skip={1})

    assert [[2, 3, 4]] == numbers(made)


def test_a_half_whose_partner_has_lapsed_goes_alone(engine: Engine, tmp_path: Path) -> None:
    """And the couples after it still stay together."""
    part = coupled(engine, tmp_path)

    made = cut(engine, part, 2, lapse_after=AS_OF + timedelta(days=5))

    assert [[1], [3], [4]] == numbers(made)
    assert all(row["pair"] is None for batch in made for row in batch)


def test_two_spellings_of_one_address_are_not_in_one_batch(engine: Engine, tmp_path: Path) -> None:
    """The service would refuse the second."""
    held = [Contact(email=A), Contact(email="A@example.com"), Contact(email=B)]
    gap = measure(engine, tmp_path, observed=held, releases=[release(A), release(B)])

    made = cut(engine, gap.parts[Op.RELEASE])

    assert [["A@example.com", B], [A]] == [[row["email"] for row in batch] for batch in made]


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ([Contact(email=A), Contact(email=B)], ()),
        ([Contact(email=A), Contact(email=B, reason="BOUNCE")], (1,)),
        ([Contact(email=A, until=at(50)), Contact(email=B)], (0,)),
        ([Contact(email=A, version=2), Contact(email=B)], (0,)),
        ([Contact(email=A)], (1,)),
        ([Contact(email=A), Contact(email=B, phone=P)], (1,)),
        ([Contact(email=A), Contact(email="A@example.com"), Contact(email=B)], (0,)),
        ([Contact(email="A@example.com"), Contact(email=B)], (0,)),
    ],
)
def test_a_contact_that_somebody_touched_is_changed(
    engine: Engine, tmp_path: Path, now: list[Contact], expected: tuple[int, ...]
) -> None:
    """Reason, end, version, spelling, a second identifier, gone or come: each counts."""
    held = [Contact(email=A), Contact(email=B)]
    gap = measure(engine, tmp_path, observed=held, releases=[release(A), release(B)])

    again = observe(engine, tmp_path, now)

    part = gap.parts[Op.RELEASE]
    assert expected == batches.changed(engine, part, again, separated=True)


def test_a_contact_that_ended_long_ago_is_no_addition(engine: Engine, tmp_path: Path) -> None:
    """With a time to judge by, what has lapsed does not count."""
    held = [Contact(email=A), Contact(email="A@example.com", until=at(-3))]
    gap = measure(engine, tmp_path, observed=held, releases=[release(A)])

    again = observe(engine, tmp_path, held)

    part = gap.parts[Op.RELEASE]
    assert batches.changed(engine, part, again, separated=True, as_of=AS_OF) == ()
    assert batches.changed(engine, part, again, separated=True) == (0,)


def test_a_couple_is_unchanged_once_it_was_parted(engine: Engine, tmp_path: Path) -> None:
    """Before that it may not be let go, whatever its version says."""
    held = [Contact(email=A, phone=P, until=at(9), version=4)]
    gap = measure(engine, tmp_path, observed=held, releases=[release(A)])
    parting = next(
        iter(
            batches.batches(
                engine, gap.parts[Op.PART], size=10, lapse_after=AS_OF, release_until=None
            )
        )
    )
    before, after = observe(engine, tmp_path, held), observe(engine, tmp_path, post(held, parting))

    part = gap.parts[Op.RELEASE]
    assert batches.changed(engine, part, before, separated=False) == (0,)
    assert batches.changed(engine, part, before, separated=True) == (0,)
    assert batches.changed(engine, part, after, separated=True) == ()


def test_a_list_that_moved_keeps_what_lasts_longer_now(engine: Engine, tmp_path: Path) -> None:
    """A write never shortens what its plan did not see."""
    gap = measure(engine, tmp_path, desired=[wanted(A, at(3)), wanted(B), wanted(P, at(3))])
    part = gap.parts[Op.SUPPRESS]

    now = observe(engine, tmp_path, [Contact(email=A, until=at(2)), Contact(phone=P)])

    assert batches.longer(engine, part, now, complete=True) == (0,)
    assert batches.longer(engine, part, now, complete=False) == (0, 1)


def test_a_list_that_moved_keeps_an_end_that_cannot_be_read(engine: Engine, tmp_path: Path) -> None:
    """Only a row without an end is as long for certain, and it must not lose an identifier."""
    gap = measure(engine, tmp_path, desired=[wanted(A, at(3)), wanted(B), wanted(P)])
    part = gap.parts[Op.SUPPRESS]
    held = [
        Contact(email=A, until=UNREADABLE),
        Contact(email=B, phone=Q, until=UNREADABLE),
        Contact(phone=P, until=UNREADABLE),
    ]

    moved = batches.longer(
        engine, part, observe(engine, tmp_path, held), complete=True, as_of=AS_OF
    )

    assert [A, B] == sorted(row["address"] for row in rows(part) if row["row"] in moved)


def test_a_couple_known_to_have_no_readable_end_is_no_surprise(
    engine: Engine, tmp_path: Path
) -> None:
    """The gap brought both identifiers along, without an end."""
    held = [Contact(email=A, phone=P, until=UNREADABLE)]
    gap = measure(engine, tmp_path, desired=[wanted(A, at(3))], observed=held)

    now = observe(engine, tmp_path, held)

    part = gap.parts[Op.AMEND]
    assert () == batches.longer(engine, part, now, complete=True, as_of=AS_OF)
    assert [[0, 1]] == numbers(cut(engine, part))


def test_a_list_that_moved_keeps_a_second_identifier_it_got(engine: Engine, tmp_path: Path) -> None:
    """A write to the first would lose it; one that the gap knew of comes along."""
    held = [Contact(email=A, phone=P, until=at(2)), Contact(email=B, until=at(2))]
    gap = measure(engine, tmp_path, desired=[wanted(A), wanted(B)], observed=held)
    part = gap.parts[Op.AMEND]

    now = observe(engine, tmp_path, [held[0], Contact(email=B, phone=Q, until=at(2))])

    assert batches.longer(engine, part, now, complete=True, as_of=AS_OF) == (2,)
    later = AS_OF + timedelta(days=2)
    assert batches.longer(engine, part, now, complete=True, as_of=later) == ()


def test_a_couple_of_which_one_half_lasts_longer_now_is_kept_whole(
    engine: Engine, tmp_path: Path
) -> None:
    """The numbers are exactly those that are not sent if they are skipped."""
    part = coupled(engine, tmp_path)
    now = observe(engine, tmp_path, [Contact(email=A, until=at(5)), Contact(phone=P)])

    kept = batches.longer(engine, part, now, complete=True, as_of=AS_OF)

    assert kept == (0, 1)
    assert [[2, 3, 4]] == numbers(cut(engine, part, skip=kept))
