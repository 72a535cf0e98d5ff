"""What holds of every batch, whichever of its rows are bad and however the service says so."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from reconciler.api.port import BATCH, RowError, Sent
from reconciler.delivery import Delivery, deliver
from reconciler.errors import ServiceError
from worlds import LIST

MOST = 40
FEW = 19
"""Bad rows, so that a batch is never given up."""
FIRM = ("all named", "first named", "all unnamed", "failed", "too large")
"""Answers after which nothing of a batch is in place."""
LAX = ("named", "unnamed", "first named, others not")
"""Answers after which the good rows are."""


@dataclass(slots=True)
class Fussy:
    """A service that dislikes some rows and says so in a different way each time."""

    bad: frozenset[int]
    manners: Iterator[str]
    dies_after: int = 10_000
    requests: list[list[int]] = field(default_factory=list)
    placed: set[int] = field(default_factory=set)

    def send(self, _list_id: str, batch: pa.Table) -> Sent:
        """Answer in the next manner."""
        rows = batch.column("row").to_pylist()
        self.requests.append(rows)
        if len(self.requests) > self.dies_after:
            raise ServiceError("it is down")
        wrong = [at for at, row in enumerate(rows) if row in self.bad]
        if not wrong:
            self.placed.update(rows)
            return Sent(taken=True)
        named = tuple(RowError(index=at, code="BAD") for at in wrong)
        manner = next(self.manners)
        if manner in LAX:
            self.placed.update(row for at, row in enumerate(rows) if at not in wrong)
        return {
            "all named": Sent(taken=False, errors=named),
            "first named": Sent(taken=False, errors=named[:1]),
            "all unnamed": Sent(taken=False, unnamed=("BAD",)),
            "failed": Sent(taken=False, detail="FAILED"),
            "too large": Sent(taken=False, detail="too large"),
            "named": Sent(taken=True, errors=named),
            "unnamed": Sent(taken=True, unnamed=("BAD",) * len(wrong)),
            "first named, others not": Sent(
                taken=True, errors=named[:1], unnamed=("BAD",) * (len(wrong) - 1)
            ),
        }[manner]


class Paper:
    """A journal that counts its lines."""

    def __init__(self) -> None:
        self.open = 0
        self.closed = 0

    def intent(self, _facts: Mapping[str, object]) -> int:
        """Open a line."""
        assert self.open == self.closed
        self.open += 1
        return self.open

    def outcome(self, intent: int, _facts: Mapping[str, object]) -> None:
        """Close the line that is open."""
        self.closed += 1
        assert self.closed == intent


@st.composite
def batches(draw: st.DrawFn) -> pa.Table:
    """A batch, some of its rows in pairs."""
    pairs: list[int | None] = []
    for number, joined in enumerate(draw(st.lists(st.booleans(), min_size=1, max_size=MOST // 2))):
        pairs += [number, number] if joined else [None]
    return pa.Table.from_pylist(
        [
            {"row": 7 * at, "pair": pair, "email": f"{at}@example.com", "version": 1}
            for at, pair in enumerate(pairs)
        ],
        schema=BATCH,
    )


def some_bad(batch: pa.Table, most: int) -> st.SearchStrategy[frozenset[int]]:
    """Some of its rows."""
    return st.frozensets(st.sampled_from(batch.column("row").to_pylist()), max_size=most)


def played(batch: pa.Table, service: Any) -> Delivery:
    """Deliver, with a line before and one after each request."""
    paper = Paper()
    made = deliver(batch, ask=service.send, list_id=LIST, journal=paper, facts={})  # type: ignore[arg-type] # as much of a journal as is used
    assert paper.open == paper.closed == len(service.requests)
    return made


def partners(batch: pa.Table) -> dict[int, int]:
    """The other half of each row that is one of a pair."""
    halves: dict[int, list[int]] = {}
    for row in batch.to_pylist():
        if row["pair"] is not None:
            halves.setdefault(row["pair"], []).append(row["row"])
    return {one: other for both in halves.values() for one, other in (both, both[::-1])}


@given(
    batch=batches(),
    manners=st.lists(st.sampled_from(FIRM + LAX), min_size=1, max_size=6),
    data=st.data(),
)
def test_exactly_the_bad_rows_are_rejected(
    batch: pa.Table, manners: list[str], data: st.DataObject
) -> None:
    """Together with their other halves at most; every other row is in place and counted once."""
    bad = data.draw(some_bad(batch, FEW))
    service = Fussy(bad, cycle(manners))

    made = played(batch, service)

    rejected = [one.row for one in made.rejections]
    couples = partners(batch)
    assert (None, 0) == (made.error, made.failed)
    assert len(set(rejected)) == len(rejected)
    assert bad <= set(rejected) <= bad | {couples[row] for row in bad if row in couples}
    assert made.taken + len(rejected) == batch.num_rows
    assert set(batch.column("row").to_pylist()) - set(rejected) <= service.placed


@given(
    batch=batches(),
    manners=st.lists(st.sampled_from(FIRM), min_size=1, max_size=6),
    data=st.data(),
)
def test_a_pair_is_sent_together_or_not_at_all(
    batch: pa.Table, manners: list[str], data: st.DataObject
) -> None:
    """As long as the service takes a batch whole or not at all, no half is ever in place alone."""
    service = Fussy(data.draw(some_bad(batch, FEW)), cycle(manners))

    played(batch, service)

    couples = partners(batch)
    for request in service.requests:
        assert all(couples[row] in request for row in request if row in couples)
    assert all(couples[row] in service.placed for row in service.placed if row in couples)


@given(batch=batches(), data=st.data())
def test_a_row_that_nobody_names_costs_a_few_requests(batch: pa.Table, data: st.DataObject) -> None:
    """Twice the logarithm of the batch for each, not its length."""
    bad = data.draw(some_bad(batch, 3))
    service = Fussy(bad, cycle(["all unnamed"]))

    played(batch, service)

    depth = math.ceil(math.log2(batch.num_rows)) + 1
    assert len(service.requests) <= 1 + 2 * depth * len(bad)


@given(
    batch=batches(),
    manners=st.lists(st.sampled_from(FIRM + LAX), min_size=1, max_size=6),
    dies_after=st.integers(0, 12),
    data=st.data(),
)
def test_an_error_midway_books_every_row_once(
    batch: pa.Table, manners: list[str], dies_after: int, data: st.DataObject
) -> None:
    """As taken, rejected or in doubt; what counts as taken is in place."""
    service = Fussy(data.draw(some_bad(batch, FEW)), cycle(manners), dies_after=dies_after)

    made = played(batch, service)

    assert batch.num_rows == made.taken + len(made.rejections) + made.failed
    assert made.taken <= len(service.placed)
    assert (made.error is None) == (len(service.requests) <= dies_after)
    assert bool(made.failed) == (made.error is not None)


@given(count=st.integers(60, 400), taken=st.sampled_from(["all unnamed", "unnamed", "failed"]))
def test_a_batch_of_bad_rows_alone_is_given_up(count: int, taken: str) -> None:
    """After a number of requests that hardly grows with the batch."""
    batch = pa.Table.from_pylist([{"row": at} for at in range(count)], schema=BATCH)
    service = Fussy(frozenset(range(count)), cycle([taken]))

    made = played(batch, service)

    assert isinstance(made.error, ServiceError)
    assert len(service.requests) <= 100
    assert (0, count) == (made.taken, len(made.rejections) + made.failed)


@given(count=st.integers(60, 400), data=st.data())
def test_bad_rows_side_by_side_are_no_reason_to_give_up(count: int, data: st.DataObject) -> None:
    """However many of them come first."""
    batch = pa.Table.from_pylist([{"row": at} for at in range(count)], schema=BATCH)
    bad = frozenset(range(data.draw(st.integers(0, count // 2))))

    made = played(batch, Fussy(bad, cycle(["all unnamed"])))

    assert made.error is None
    assert bad == {one.row for one in made.rejections}
