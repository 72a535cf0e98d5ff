import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.api.paging import in_order
from reconciler.api.port import PAGE, Page
from reconciler.errors import ServiceError

PATIENCE = 20.0


@dataclass
class Shelf:
    """A list of contacts numbered from nought, given out a page at a time."""

    size: int
    top: Callable[[int], int]
    """The rows a page has at most, by where it begins."""
    says: int | None
    """How many it claims to hold."""
    trouble: frozenset[int] = frozenset()
    """Where a page begins that cannot be had."""
    meddle: Callable[[int], None] = lambda _: None
    asked: list[int] = field(default_factory=list)
    given: list[int] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fetch(self, skip: int, unwanted: threading.Event) -> Page:
        """Return the page that begins there."""
        if unwanted.is_set():
            raise ServiceError("nobody wants it")
        with self.lock:
            self.asked.append(skip)
        self.meddle(skip)
        if skip in self.trouble:
            raise ServiceError(f"trouble at {skip}")
        rows = range(skip, max(min(skip + self.top(skip), self.size), skip))
        contacts = pa.Table.from_pylist([{"version": at} for at in rows], schema=PAGE)
        return Page(contacts=contacts, total=self.says, version="")

    def walk(self, at_once: int) -> list[object]:
        """Return each page's rows in the order they came, and the error that ended them."""
        came: list[object] = []
        try:
            for page in in_order(self.fetch, at_once=at_once):
                came.append(page.contacts.column("version").to_pylist())
                self.given.append(len(self.asked))
        except ServiceError as error:
            came.append(str(error))
        return came


def shelf(size: int, *, top: int = 3, says: int | None = -1) -> Shelf:
    """Return an honest service, or one that claims another size."""
    return Shelf(size=size, top=lambda _: top, says=size if says == -1 else says)


def together(barrier: threading.Barrier) -> None:
    """Go on only when the other one has come this far."""
    barrier.wait()


def threads() -> list[str]:
    """Return the names of the threads that fetch."""
    return [each.name for each in threading.enumerate() if each.name.startswith("page")]


@given(
    size=st.integers(0, 30),
    tops=st.lists(st.integers(1, 7), min_size=1, max_size=4),
    says=st.none() | st.integers(0, 40),
    trouble=st.frozensets(st.integers(0, 40), max_size=4),
    at_once=st.integers(2, 5),
)
def test_fetching_ahead_yields_what_one_by_one_does(
    size: int, tops: Sequence[int], says: int | None, trouble: frozenset[int], at_once: int
) -> None:
    """Whatever a service claims, clamps or fails at: the same pages, and the same error."""
    plain, ahead = (
        Shelf(size=size, top=lambda at: tops[at % len(tops)], says=says, trouble=trouble)
        for _ in range(2)
    )

    assert plain.walk(1) == ahead.walk(at_once)
    assert not threads()


@pytest.mark.parametrize("size", [0, 1, 3, 4, 12, 13])
def test_of_an_honest_list_no_page_is_asked_for_twice(size: int) -> None:
    """Each page once, and at the announced end one that has to be empty; nothing beyond it."""
    ahead, plain = shelf(size), shelf(size)

    ahead.walk(4)

    plain.walk(1)
    assert plain.asked == sorted(ahead.asked)


def test_only_so_many_pages_wait() -> None:
    """However slowly they are taken, a few pages are begun besides those that were yielded."""
    service = shelf(300)

    service.walk(4)

    assert all(begun <= yielded + 4 for yielded, begun in enumerate(service.given, start=1))


def test_pages_are_fetched_side_by_side() -> None:
    """The second page waits here until the third has been asked for, too."""
    service = shelf(9)
    both = threading.Barrier(2, timeout=PATIENCE)
    service.meddle = lambda skip: together(both) if skip in (3, 6) else None

    assert [[0, 1, 2], [3, 4, 5], [6, 7, 8], []] == service.walk(2)


@pytest.mark.parametrize("says", [None, 3, 0])
def test_a_list_of_one_page_or_unknown_size_starts_no_thread(says: int | None) -> None:
    """It is read where it is wanted, page by page."""
    service = shelf(3, says=says)
    where: set[int] = set()
    service.meddle = lambda _: where.add(threading.get_ident())

    service.walk(4)

    assert {threading.get_ident()} == where
    assert [0, 3] == service.asked


def test_one_at_a_time_is_asked_for_when_it_is_wanted() -> None:
    """Nothing is fetched ahead, and no thread is started."""
    service = shelf(9)
    pages = in_order(service.fetch, at_once=1)

    asked = []
    for _ in range(3):
        next(pages)
        asked.append(list(service.asked))

    assert [[0], [0, 3], [0, 3, 6]] == asked


def test_trouble_beyond_an_early_end_is_nobody_s() -> None:
    """A list that has shrunk ends at its first empty page, whatever was fetched beyond it."""
    service = shelf(6, says=30)
    service.trouble = frozenset({9, 12, 15})

    assert [[0, 1, 2], [3, 4, 5], []] == service.walk(4)


def test_whoever_stops_reading_leaves_no_thread_behind() -> None:
    """What is under way is waited for, and what is not begun is never asked for."""
    service = shelf(3_000)
    pages = in_order(service.fetch, at_once=3)

    next(pages)
    next(pages)
    pages.close()

    assert not threads()
    assert len(service.asked) <= 1 + 3 + 1
