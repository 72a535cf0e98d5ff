"""Send the rows of one action in batches, several in flight where their order does not matter.

Suppressions of one list may overtake each other; everything else goes one batch after another. It
decides nothing: it sends the rows it is given, and writes down what came of each batch in the
order in which the batches were cut. A batch that was begun is always seen through.
"""

from collections import deque
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import datetime
from types import TracebackType
from typing import Final, Self

import pyarrow as pa

from reconciler import spending
from reconciler.contacts import batches
from reconciler.delivery import Delivery, deliver
from reconciler.errors import Exit, InterruptedRunError, RequestRefusedError, ServiceError
from reconciler.model import RELEASE_AHEAD, Outcome, Release, RowAction, Status, Suppress, op_of
from reconciler.times import whole_seconds
from reconciler.work import Work, withheld

_PASSING: Final = (ServiceError, RequestRefusedError)
"""Failures of one batch that need not be those of the next."""
_GIVEN_UP: Final = 3
"""Batches that fail one after the other, after which the next would too."""


def send(action: RowAction, work: Work, *, skip: Collection[int] = frozenset()) -> None:
    """Send an action's rows; a batch that fails does not keep back the next.

    Args:
        action: whose rows.
        work: the list's work; gets one outcome a batch, and one for rows that have lapsed.
        skip: numbers of rows that stay behind.

    Raises:
        InterruptedRunError: the run is to stop; what was in flight is written down.
        ReconcilerError: the next batch would fail as the last ones did; likewise.
    """
    lapse_after = work.now()
    cut = batches.batches(
        work.run.engine,
        action.rows,
        size=work.writer.capabilities.batch,
        lapse_after=lapse_after,
        release_until=lapse_after + RELEASE_AHEAD if isinstance(action, Release) else None,
        channels=work.writer.capabilities.channels,
        skip=skip,
    )
    with closing(cut), _Flight(action, work, lapse_after) as flight:
        for batch in cut:
            if work.run.stopping:
                raise InterruptedRunError("interrupted")
            flight.begin(batch)
            if flight.full:
                flight.land()
        while flight.begun:
            flight.land()
    lapsed = batches.lapsed(work.run.engine, action.rows, lapse_after=lapse_after)
    if lapsed:
        why = "lapsed before they could be sent"
        work.outcomes.append(replace(withheld(action, work, rows=lapsed, why=why), lapsed=lapsed))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """A batch on its way."""

    batch: pa.Table
    number: int
    made: Future[Delivery]
    keys: frozenset[str]
    """Of the declared releases in it."""
    known: frozenset[str]
    """Versions of the list that were known before it was begun."""


class _Flight:
    """The batches of one action that are on their way; none is left when the block ends."""

    def __init__(self, action: RowAction, work: Work, lapse_after: datetime) -> None:
        self._action = action
        self._work = work
        self._lapse_after = lapse_after
        self._room = work.writer.at_once if isinstance(action, Suppress) else 1
        self._opened = ExitStack()
        self._threads: ThreadPoolExecutor | None = None
        self._taken = self._lost = 0
        self.begun: deque[_Begun] = deque()

    @property
    def full(self) -> bool:
        """Whether one has to land before the next is begun."""
        return len(self.begun) >= self._room

    def __enter__(self) -> Self:
        if self._room > 1:
            threads = ThreadPoolExecutor(self._room, thread_name_prefix="send")
            self._threads = self._opened.enter_context(threads)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """See those in flight through, whatever ended the sending."""
        with self._opened:
            while self.begun:
                flown = self.begun.popleft()
                if flown.made.exception() is None:
                    self._book(flown, flown.made.result())

    def begin(self, batch: pa.Table) -> None:
        """Let a batch go out: in a thread of its own, or here and now if it flies alone."""
        action, work = self._action, self._work
        work.batches += 1
        facts = {
            "list": work.listed.key,
            "action": type(action).__name__,
            "op": op_of(action),
            "batch": work.batches,
            "first": batch.column("row")[0].as_py(),
        }
        keys = spending.doubt(action, batch, work)

        def fly() -> Delivery:
            made = deliver(
                _timed(batch, work) if isinstance(action, Release) else batch,
                ask=work.writer.remove if isinstance(action, Release) else work.writer.send,
                list_id=work.list_id,
                journal=work.journal,
                facts=facts,
            )
            made.at = work.run.clock()
            return made

        self.begun.append(
            _Begun(
                batch=batch,
                number=work.batches,
                made=self._threads.submit(fly) if self._threads else _done(fly()),
                keys=keys,
                known=work.versions,
            )
        )

    def land(self) -> None:
        """Wait for the batch begun first, and write down what came of it.

        Raises:
            ReconcilerError: what ended it would end the next, too.
        """
        flown = self.begun.popleft()
        made = flown.made.result()
        self._book(flown, made)
        self._lost = self._lost + 1 if made.error and not made.taken else 0
        if made.error and (self._lost == _GIVEN_UP or not isinstance(made.error, _PASSING)):
            raise made.error

    def _book(self, flown: _Begun, made: Delivery) -> None:
        action, work = self._action, self._work
        _learn(flown, made, work)
        work.outcomes.append(_of_batch(action, work, flown, made, self._lapse_after))
        spending.settle(flown.keys, made, work)
        self._taken += made.taken
        work.run.progress(f"{work.listed.key}: {op_of(action)}", self._taken, action.rows.rows)


def _done(made: Delivery) -> Future[Delivery]:
    """Return what is there already as something that was waited for."""
    future = Future[Delivery]()
    future.set_result(made)
    return future


def _timed(batch: pa.Table, work: Work) -> pa.Table:
    """Give a batch of releases its end, counted from now."""
    end = int(whole_seconds(work.now() + RELEASE_AHEAD).timestamp())
    at = batch.schema.get_field_index("until")
    return batch.set_column(at, batch.schema.field(at), pa.array([end] * batch.num_rows))


def _of_batch(
    action: RowAction, work: Work, flown: _Begun, made: Delivery, lapse_after: datetime
) -> Outcome:
    status, code = Status.DONE, 0
    if made.error:
        status, code = Status.FAILED, made.error.exit_code
    elif made.rejections:
        status, code = (Status.PARTLY if made.taken else Status.REJECTED), Exit.PARTLY
    numbers = flown.batch.column("row")
    return Outcome(
        key=work.listed.key,
        action=type(action).__name__,
        op=op_of(action),
        batch=flown.number,
        first=numbers[0].as_py(),
        last=numbers[-1].as_py(),
        rows=flown.batch.num_rows,
        taken=made.taken,
        status=status,
        rejections=tuple(made.rejections),
        lapse_after=lapse_after,
        at=made.at,
        detail=str(made.error or ""),
        exit_code=code,
    )


def _learn(flown: _Begun, made: Delivery, work: Work) -> None:
    """Notice whether a write of contacts moved the list's version, and which may be its last.

    A version known before the batch was begun was not moved by it. One that another batch in
    flight brought as well tells nothing of either. Of versions known before, none is the last.
    """
    if not made.version:
        return
    known = flown.known - {""}
    if made.taken and known and made.version not in work.versions - known:
        work.lessons.add(made.version not in known)
    work.versions = work.versions - flown.known | {made.version}
