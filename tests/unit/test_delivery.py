"""One batch gets there but for its bad rows, and what is not certain is said to be in doubt."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from reconciler import journal as journals
from reconciler.api.port import BATCH, RowError, Sent
from reconciler.delivery import Delivery, deliver
from reconciler.errors import AuthError, EvidenceError, InterruptedRunError, ServiceError
from reconciler.journal import Journal
from worlds import LIST, World

FIRST = 100
"""The number of the first row of every batch here."""


@dataclass(slots=True)
class Post:
    """A service that answers by a list of answers, then takes everything."""

    answers: list[Sent | Exception] = field(default_factory=list)
    sent: list[list[int]] = field(default_factory=list)

    def send(self, _list_id: str, batch: pa.Table) -> Sent:
        """Answer as told."""
        self.sent.append(batch.column("row").to_pylist())
        answer = self.answers.pop(0) if self.answers else Sent(taken=True)
        if isinstance(answer, Exception):
            raise answer
        return answer


def rows(count: int, *, pairs: Sequence[tuple[int, int]] = ()) -> pa.Table:
    """A batch of so many contacts; those of a pair stand next to each other."""
    pair = {at: number for number, both in enumerate(pairs) for at in both}
    return pa.Table.from_pylist(
        [
            {"row": FIRST + at, "pair": pair.get(at), "email": f"{at}@example.com", "version": 1}
            for at in range(count)
        ],
        schema=BATCH,
    )


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Open a journal."""
    with Journal(tmp_path / "journal.jsonl") as opened:
        yield opened


def delivered(batch: pa.Table, service: Any, journal: Journal) -> Delivery:
    """Deliver a batch."""
    return deliver(batch, ask=service.send, list_id=LIST, journal=journal, facts={"list": "us-dnc"})


def refused(made: Delivery) -> list[tuple[int, str]]:
    """The rows that were not taken, from nought, and the codes."""
    return [(one.row - FIRST, one.code) for one in made.rejections]


def no(*at: int) -> tuple[RowError, ...]:
    """Complaints that name rows."""
    return tuple(RowError(index=one, code="BAD", field="email", message="no") for one in at)


def test_a_batch_that_is_taken_is_sent_once(journal: Journal) -> None:
    """And its version is the list's."""
    post = Post([Sent(taken=True, version='"2"')])

    made = delivered(rows(3), post, journal)

    assert (3, [], 0, None, '"2"') == (
        made.taken,
        refused(made),
        made.failed,
        made.error,
        made.version,
    )
    assert 1 == len(post.sent)


def test_rows_named_in_a_batch_that_was_taken_are_rejected(journal: Journal) -> None:
    """The others are in place and not sent again; what was said of the row is kept."""
    post = Post([Sent(taken=True, errors=no(1))])

    made = delivered(rows(3), post, journal)

    assert (2, [(1, "BAD")], 1) == (made.taken, refused(made), len(post.sent))
    assert ("email", "no") == (made.rejections[0].field, made.rejections[0].message)


def test_rows_named_in_a_batch_that_was_not_taken_are_left_out_of_the_next(
    journal: Journal,
) -> None:
    """The rest is sent in one piece."""
    post = Post([Sent(taken=False, errors=no(0, 2))])

    made = delivered(rows(4), post, journal)

    assert (2, [(0, "BAD"), (2, "BAD")]) == (made.taken, refused(made))
    assert [FIRST + 1, FIRST + 3] == post.sent[1]


@pytest.mark.parametrize("taken", [True, False])
def test_a_row_that_nobody_names_is_found_by_halving(journal: Journal, taken: bool) -> None:
    """Whether or not the others were taken with it; the code is the one that was given."""
    world = World(refuse=frozenset({"5@example.com"}))
    world.complains = "unnamed" if taken else "all unnamed"

    made = delivered(rows(8), world, journal)

    assert (7, [(5, "REFUSED")]) == (made.taken, refused(made))
    assert len(world.sent) <= 7


def test_a_batch_too_large_is_halved_until_it_fits(journal: Journal) -> None:
    """No row is to blame."""
    large = Sent(taken=False, detail="too large")
    post = Post([large, large])

    made = delivered(rows(8), post, journal)

    assert (8, []) == (made.taken, refused(made))
    assert [8, 4, 2, 2, 4] == [len(each) for each in post.sent]


def test_named_and_unnamed_complaints_come_together(journal: Journal) -> None:
    """The named row is out at once; the other one is looked for."""
    post = Post(
        [
            Sent(taken=True, errors=no(0), unnamed=("ODD",)),
            Sent(taken=True),
            Sent(taken=True, unnamed=("ODD",)),
        ]
    )

    made = delivered(rows(3), post, journal)

    assert (1, [(0, "BAD"), (2, "ODD")]) == (made.taken, refused(made))


def test_the_other_half_of_a_refused_pair_stays_out_too(journal: Journal) -> None:
    """Alone it would take its partner off the list."""
    post = Post([Sent(taken=False, errors=no(1))])

    made = delivered(rows(4, pairs=[(0, 1), (2, 3)]), post, journal)

    assert (2, [(1, "BAD"), (0, "PAIR_REJECTED")]) == (made.taken, refused(made))
    assert [FIRST + 2, FIRST + 3] == post.sent[1]


def test_halving_never_parts_a_pair(journal: Journal) -> None:
    """Neither in the middle nor down to the last two, which are refused together."""
    world = World(refuse=frozenset({"2@example.com"}), complains="all unnamed")

    made = delivered(rows(5, pairs=[(1, 2), (3, 4)]), world, journal)

    assert (3, [(1, "REFUSED"), (2, "REFUSED")]) == (made.taken, refused(made))
    for batch in world.sent:
        assert ("1@example.com" in batch) == ("2@example.com" in batch)
        assert ("3@example.com" in batch) == ("4@example.com" in batch)


def test_a_batch_of_which_nothing_is_wanted_is_given_up(journal: Journal) -> None:
    """The fault is not in the rows; the service is not asked a thousand times."""
    world = World(
        refuse=frozenset(f"{at}@example.com" for at in range(1000)), complains="all unnamed"
    )

    made = delivered(rows(1000), world, journal)

    assert isinstance(made.error, ServiceError)
    assert (0, 1000) == (made.taken, made.failed + len(made.rejections))
    assert len(world.sent) < 80


def test_bad_rows_that_stand_side_by_side_cost_the_others_nothing(journal: Journal) -> None:
    """Twenty in a row are no reason to give up: numbers of one area are sorted together."""
    world = World(
        refuse=frozenset(f"{at}@example.com" for at in range(64)), complains="all unnamed"
    )

    made = delivered(rows(256, pairs=[(254, 255)]), world, journal)

    assert (192, None, list(range(64))) == (
        made.taken,
        made.error,
        sorted(at for at, _ in refused(made)),
    )


def test_an_error_ends_the_delivery_and_books_what_is_in_doubt(journal: Journal) -> None:
    """What was settled before it stays settled."""
    down = ServiceError("it is down")
    post = Post([Sent(taken=False), Sent(taken=True, errors=no(0)), down])

    made = delivered(rows(8), post, journal)

    assert (3, [(0, "BAD")], 4, down) == (made.taken, refused(made), made.failed, made.error)


@pytest.mark.parametrize(
    "error", [AuthError("no"), InterruptedRunError("stop"), ServiceError("down")]
)
def test_every_request_has_a_line_before_and_one_after(
    journal: Journal, tmp_path: Path, error: Exception
) -> None:
    """With counts and the kind of error, and no more."""
    post = Post([Sent(taken=False, detail="too large"), Sent(taken=True, version='"2"'), error])

    delivered(rows(4), post, journal)

    lines = [dict(line) for line in journals.replay(tmp_path / "journal.jsonl")]
    assert ["intent", "outcome"] * 3 == [line.pop("event") for line in lines]
    assert [4, 2, 2] == [line["rows"] for line in lines[::2]]
    assert {"us-dnc"} == {line["list"] for line in lines[::2]}
    assert {"number": 4, "intent": 3, "taken": True, "errors": 0, "unnamed": 0} == {
        name: value for name, value in lines[3].items() if name != "version"
    }
    assert {"number": 6, "intent": 5, "error": type(error).__name__} == lines[5]


@dataclass(slots=True)
class Full:
    """A journal on a disk that is full after so many lines."""

    left: int

    def intent(self, _facts: object) -> int:
        """Write a line."""
        return self._line()

    def outcome(self, _intent: int, _facts: object) -> None:
        """Write a line."""
        self._line()

    def _line(self) -> int:
        if not self.left:
            raise EvidenceError("no space left")
        self.left -= 1
        return 1


@pytest.mark.parametrize(("left", "asked"), [(0, 0), (1, 1), (2, 1)])
def test_what_cannot_be_written_down_is_not_sent(left: int, asked: int) -> None:
    """And what was sent without its outcome is in doubt."""
    post = Post([Sent(taken=False, detail="too large")])

    made = delivered(rows(2), post, Full(left))  # type: ignore[arg-type] # as much as is used

    assert isinstance(made.error, EvidenceError)
    assert (asked, 0, 2) == (len(post.sent), made.taken, made.failed)
