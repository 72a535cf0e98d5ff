"""Many lists, several at a time: order, shares, and how it ends."""

import threading
from collections import Counter

import pytest

from reconciler.errors import InterruptedRunError
from reconciler.side_by_side import MOST, SHARE, side_by_side

PATIENCE = 30.0


def first(item: str) -> str:
    """The tenant of an item: its first letter."""
    return item[0]


def test_results_come_in_the_order_of_the_items() -> None:
    """Whoever is done first."""
    items = [f"{tenant}{number}" for number in range(100) for tenant in "abc"]

    made = side_by_side(str.upper, items, tenant=first)

    assert tuple(item.upper() for item in items) == made


def test_nothing_to_do_is_done_at_once() -> None:
    """No thread is started for it, and nobody is told."""
    told: list[tuple[int, int]] = []

    made = side_by_side(str.upper, [], tenant=first, told=lambda *both: told.append(both))

    assert ((), []) == (made, told)


def test_a_tenant_that_blocks_keeps_no_other_from_being_done() -> None:
    """All lists of the others are done while every thread of the slow one waits."""
    items = [f"slow{number}" for number in range(100)] + [f"fast{number}" for number in range(100)]
    released = threading.Event()
    waited: list[bool] = []
    fast: list[str] = []

    def do(item: str) -> str:
        if item.startswith("slow"):
            waited.append(released.wait(PATIENCE))
        else:
            fast.append(item)
            if len(fast) == 100:
                released.set()
        return item

    side_by_side(do, items, tenant=first)

    assert 100 == len(fast)
    assert all(waited)


@pytest.mark.parametrize("tenants", [1, 2, 3, 40])
def test_no_tenant_has_more_than_its_share_and_all_no_more_than_the_most(tenants: int) -> None:
    """However many lists there are, there are only so many threads."""
    items = [(number % tenants, number) for number in range(600)]
    lock = threading.Lock()
    busy: Counter[int] = Counter()
    seen: list[tuple[int, int]] = []
    begun = threading.Barrier(min(MOST, tenants * SHARE, tenants * max(1, MOST // tenants)))

    def do(item: tuple[int, int]) -> None:
        with lock:
            busy[item[0]] += 1
            seen.append((busy[item[0]], busy.total()))
            together = len(seen) <= begun.parties
        if together:
            begun.wait(PATIENCE)  # all threads there are get to work at once
        with lock:
            busy[item[0]] -= 1

    side_by_side(do, items, tenant=lambda item: item[0])

    assert max(1, min(SHARE, MOST // tenants)) == max(own for own, _ in seen)
    assert begun.parties == max(every for _, every in seen)


def test_an_interruption_is_raised_before_what_else_went_wrong() -> None:
    """And nothing is begun after either."""
    both = threading.Barrier(2)
    begun: list[str] = []

    def do(item: str) -> None:
        begun.append(item)
        both.wait(PATIENCE)
        if item == "b0":
            raise InterruptedRunError("interrupted")
        raise ValueError(item)

    with pytest.raises(InterruptedRunError):
        side_by_side(do, ["a0", "b0"], tenant=first)

    assert ["a0", "b0"] == sorted(begun)


def test_after_a_failure_nothing_is_begun() -> None:
    """The first one in the order of the items is told."""
    begun: list[int] = []

    def do(item: int) -> None:
        begun.append(item)
        raise ValueError(f"item {item}")

    with pytest.raises(ValueError, match="item 0"):
        side_by_side(do, range(1_000), tenant=lambda _: "acme")

    assert len(begun) <= SHARE


def test_it_is_told_how_many_are_done() -> None:
    """Of how many, from none to all."""
    told: list[tuple[int, int]] = []

    side_by_side(str.upper, ["a1", "a2", "b1"], tenant=first, told=lambda *both: told.append(both))

    assert [(0, 3), (1, 3), (2, 3), (3, 3)] == told
