"""The pages of one list in their order, fetched ahead side by side once the list's size is known.

Whatever is fetched ahead is what asking page by page would have asked for next: a page that is not
as foreseen ends the fetching ahead, and what was fetched beyond it is forgotten, its errors too.
It knows no HTTP and judges no page.
"""

import threading
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from typing import Self, TypeAlias

from reconciler.api.port import Page

Fetch: TypeAlias = Callable[[int, threading.Event], Page]
"""Fetches the page that begins after so many rows; nobody wants it once the event is set."""


def in_order(fetch: Fetch, *, at_once: int) -> Generator[Page, None, None]:
    """Yield pages, advancing by rows received, up to and including the first empty one.

    At most ``at_once`` pages are fetched or wait besides the one yielded, each fetched in a thread
    of its own; the threads end with the walk. The first page comes alone, and so does every page
    of a list that does not say its size, or is not as large as it said.

    Args:
        fetch: safe to call from several threads where ``at_once`` is more than one. What it raises
            is raised when the page's turn has come.
        at_once: pages fetched side by side, at most; one fetches each page when it is asked for.
    """
    page = fetch(0, threading.Event())
    yield page
    skip = page.contacts.num_rows
    if at_once > 1 and page.total is not None and 0 < skip < page.total:
        skip, page = yield from _ahead(fetch, skip, page.total, at_once)
    while page.contacts.num_rows:
        page = fetch(skip, threading.Event())
        yield page
        skip += page.contacts.num_rows


def _ahead(
    fetch: Fetch, size: int, total: int, at_once: int
) -> Generator[Page, None, tuple[int, Page]]:
    """Yield the pages after the first one as long as they are as foreseen.

    Returns:
        The rows received, and the page yielded last.
    """
    foreseen = chain(range(size, total, size), [total])
    skip = size
    with _Threads(fetch, at_once) as threads:
        for start in islice(foreseen, at_once):
            threads.begin(start)
        while True:
            page = threads.first()
            for start in islice(foreseen, 1):
                threads.begin(start)
            yield page
            came, due = page.contacts.num_rows, min(size, total - skip)
            skip += came
            if came != due or page.total != total or not came:
                return skip, page


class _Threads:
    """Threads that fetch pages; none outlives the block."""

    def __init__(self, fetch: Fetch, count: int) -> None:
        self._fetch = fetch
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="page")
        self._begun: deque[Future[Page]] = deque()
        self._unwanted = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._unwanted.set()
        self._pool.shutdown(cancel_futures=True)

    def begin(self, skip: int) -> None:
        """Let a thread fetch the page that begins there."""
        self._begun.append(self._pool.submit(self._fetch, skip, self._unwanted))

    def first(self) -> Page:
        """Return the page begun first, when it is there."""
        return self._begun.popleft().result()
