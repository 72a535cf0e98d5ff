"""The runs of a period, and as much of what was before it as its report has to know.

It reads what ``retold`` makes of the store, and judges nothing.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from reconciler import retold
from reconciler.attestation import Verified
from reconciler.clocks import TEN_BUSINESS_DAYS, Limit
from reconciler.contacts.changed import Changed
from reconciler.errors import SettingError
from reconciler.masking import scrub
from reconciler.retold import Line, Lines, Look, Story
from reconciler.schema import nearest
from reconciler.store import Store
from reconciler.times import zulu

_OUTBOX: Final = "outbox"
_AT_ONCE: Final = 8
"""Runs whose artifacts are read at a time: a bucket takes its time for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is to be reported."""

    start: datetime
    end: datetime
    """The last second of the period."""
    made: datetime
    lists: tuple[str, ...] = ()
    """Keys; all where none is named."""
    limit: Limit = TEN_BUSINESS_DAYS
    verified: Verified | None = None
    """What verifying the evidence came to, where somebody did."""

    @property
    def until(self) -> datetime:
        """Up to when anything can be told: of a period that is not over, up to now."""
        return min(self.end, self.made)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """What the runs of a period say, and what has to be known from before."""

    question: Question
    stories: tuple[Story, ...]
    """Of the period's runs, in the order in which they began."""
    before: tuple[Story, ...]
    """The last ones before it, as far back as a list's state at its beginning is not known."""
    changes: tuple[Changed, ...]
    """All that was ever changed up to its end."""
    lost: tuple[str, ...]
    """Earlier runs whose changes are not there any more."""
    waiting: frozenset[str]
    """Ids of the events that are still in the outbox, now."""

    def looks(self, stories: Iterable[Story]) -> Iterator[tuple[Look, Story]]:
        """Yield what runs saw of the lists in question, one after another."""
        for one in stories:
            for look in one.looks:
                if not self.question.lists or look.key in self.question.lists:
                    yield look, one

    @property
    def keys(self) -> tuple[str, ...]:
        """The lists that runs of the period looked at."""
        return tuple(sorted({look.key for look, _ in self.looks(self.stories)}))

    def ends(self) -> tuple[tuple[Look, Story], ...]:
        """Return the last whole look at each list, before the period and in it."""
        last: dict[tuple[str, bool], tuple[Look, Story]] = {}
        for span in (self.before, self.stories):
            whole = ((look, one) for look, one in self.looks(span) if look.complete)
            last |= {(look.key, span is self.stories): (look, one) for look, one in whole}
        return tuple(last.values())


def read(store: Store, told: Lines, question: Question) -> Period:
    """Read the artifacts of the period's runs, and of those before as far as they matter."""
    past = tuple(line for line in told.runs if line.started <= question.until)
    within = tuple(line for line in past if line.started >= question.start)
    earlier = past[: len(past) - len(within)]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        stories = tuple(pool.map(lambda line: retold.story(store, line), within))
        applied = [line for line in earlier if line.wrote]
        looked = tuple(pool.map(lambda line: retold.looked(store, line), applied))
        of_old = tuple(pool.map(lambda line: retold.changes(store, line), applied))
        own = tuple(pool.map(lambda line: retold.changes(store, line), within))
    old = tuple(
        Changed(run=line.run, path=path, looked=keys, ended=line.finished, within=False)
        for line, path, keys in zip(applied, of_old, looked, strict=True)
    )
    new = tuple(
        Changed(
            run=one.line.run,
            path=path,
            looked=tuple(look.key for look in one.looks if look.complete and one.line.applied),
            ended=one.line.finished,
            within=True,
        )
        for one, path in zip(stories, own, strict=True)
        if one.line.wrote
    )
    made = Period(
        question=question,
        stories=tuple(
            _without(one) if retold.CHANGES in one.line.artifacts and path is None else one
            for one, path in zip(stories, own, strict=True)
        ),
        before=(),
        changes=old + new,
        waiting=frozenset(
            name.rpartition("/")[2].removesuffix(".json") for name in store.names(_OUTBOX)
        ),
        lost=tuple(
            one.run
            for one, line in zip(old, applied, strict=True)
            if one.path is None and retold.CHANGES in line.artifacts
        ),
    )
    _insist(question.lists, known={key for one in made.changes for key in one.looked}, made=made)
    return replace(made, before=tuple(_before(store, earlier, made)))


def _without(story: Story) -> Story:
    return replace(story, absent=(*story.absent, retold.CHANGES))


def _insist(named: Collection[str], *, known: Collection[str], made: Period) -> None:
    """Let nobody take a list that no run has seen for one in order."""
    seen = {*known, *made.keys}
    for key in named:
        if key not in seen:
            close = nearest(key, seen)
            raise SettingError(
                f"no run up to {zulu(made.question.until)} has seen a list named {scrub(key)}",
                hint=f"did you mean {close}?" if close else "name a list as its spec is named",
            )


def _before(store: Store, earlier: Sequence[Line], period: Period) -> Sequence[Story]:
    """Read runs before the period, the last ones first, until every list's state is known."""
    size, state = set(period.keys), set(period.keys)
    found: list[Story] = []
    for line in reversed(earlier):
        if not size and not state:
            break
        if retold.OBSERVED not in line.artifacts:
            continue
        one = retold.story(store, line)
        found.append(one)
        whole = [look for look in one.looks if look.complete]
        size -= {look.key for look in whole}
        state -= {look.key for look in whole if look.missing == 0 or look.healed}
    return found[::-1]
