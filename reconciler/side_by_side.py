"""One function over many lists, several at a time, so that no tenant waits for another.

It knows nothing of what is done to a list. It never starts more threads than are of use, and
never gives one tenant the threads that another could use.
"""

import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Generic, TypeVar

from reconciler.errors import InterruptedRunError

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

MOST: Final = 32
"""Threads in all."""
SHARE: Final = 8
"""Threads for the lists of one tenant, at most; fewer where many tenants share them."""


def side_by_side(
    do: Callable[[_Item], _Result],
    items: Sequence[_Item],
    *,
    tenant: Callable[[_Item], Hashable],
    told: Callable[[int, int], None] = lambda _done, _total: None,
) -> tuple[_Result, ...]:
    """Return what ``do`` makes of each item, in the order of the items.

    Each tenant has a share of the threads of its own: however slow one is, the items of the
    others go on. After an exception no further item is begun.

    Args:
        do: what to do; called from several threads.
        items: what to do it to.
        tenant: whose share an item counts against.
        told: called with how many are done and of how many, at the start and after each.

    Raises:
        InterruptedRunError: if any item raised it.
        Exception: else the first, in the order of items, that any of them raised.
    """
    if not items:
        return ()
    told(0, len(items))
    round_ = _Round(do, items, tenant, told)
    with ThreadPoolExecutor(round_.threads, thread_name_prefix="list") as pool:
        workers = [pool.submit(round_.work) for _ in range(round_.threads)]
        try:
            for worker in workers:
                worker.result()
        finally:
            round_.over = True  # Ctrl-C: what is in work is finished, nothing else begun
    return round_.results()


class _Round(Generic[_Item, _Result]):
    """What is left to do, and what came of the rest."""

    def __init__(
        self,
        do: Callable[[_Item], _Result],
        items: Sequence[_Item],
        tenant: Callable[[_Item], Hashable],
        told: Callable[[int, int], None],
    ) -> None:
        self.over = False
        self._do = do
        self._items = items
        self._told = told
        self._lock = threading.Lock()
        self._waiting: dict[Hashable, deque[int]] = {}
        for index, item in enumerate(items):
            self._waiting.setdefault(tenant(item), deque()).append(index)
        self._share = max(1, min(SHARE, MOST // max(1, len(self._waiting))))
        self._busy = dict.fromkeys(self._waiting, 0)
        self._done: dict[int, _Result] = {}
        self._failed: dict[int, BaseException] = {}
        self.threads = min(MOST, sum(min(self._share, len(own)) for own in self._waiting.values()))

    def work(self) -> None:
        """Do one item after another for as long as one may be begun.

        Nobody has to wait: whoever has a tenant's last place goes on with its next item.
        """
        while (begun := self._begin()) is not None:
            whose, index = begun
            try:
                made = self._do(self._items[index])
            except BaseException as error:  # noqa: BLE001 - raised again by ``results``
                self._failed[index] = error
                self.over = True
            else:
                self._done[index] = made
            with self._lock:
                self._busy[whose] -= 1
                self._told(len(self._done), len(self._items))

    def _begin(self) -> tuple[Hashable, int] | None:
        """Take the next item of the tenant with the fewest in work."""
        with self._lock:
            free = [
                whose
                for whose, own in self._waiting.items()
                if own and self._busy[whose] < self._share
            ]
            if self.over or not free:
                return None
            whose = min(free, key=self._busy.__getitem__)
            self._busy[whose] += 1
            return whose, self._waiting[whose].popleft()

    def results(self) -> tuple[_Result, ...]:
        """Return what was made, in order, or raise what went wrong."""
        if self._failed:
            first = min(self._failed, key=lambda index: (not self._stopped(index), index))
            raise self._failed[first]
        return tuple(self._done[index] for index in range(len(self._items)))

    def _stopped(self, index: int) -> bool:
        return isinstance(self._failed[index], InterruptedRunError)
