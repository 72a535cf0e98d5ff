"""A report over a period, put together from the ledger and what its runs left behind.

A run belongs to the period in which it began, a request to the one in which it was met or
withdrawn, or at whose end it was open. What is not there is never made up: the report says what it
cannot tell. It asks no service, needs no specs, and changes nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from reconciler import __version__, happened, retold
from reconciler.attestation import (
    Attestation,
    Counted,
    FeedAge,
    LetGo,
    ListReport,
    RunCount,
    Size,
    Spread,
    Unprotected,
)
from reconciler.clocks import FEED_AGE
from reconciler.contacts import changed, timing
from reconciler.contacts.engine import Engine
from reconciler.contacts.timing import Clocks
from reconciler.errors import SettingError
from reconciler.masking import scrub
from reconciler.period import Period, Question, read
from reconciler.retold import Line, Look, Story
from reconciler.store import Store


def attest(store: Store, question: Question, *, engine: Engine) -> Attestation:
    """Return the report of a period.

    Args:
        store: where ledger and evidence are.
        question: which period, lists and limit.
        engine: an open engine; its key does not matter.

    Raises:
        SettingError: there is no ledger, which nobody may take for a quiet period; or no run up to
            the end of the period has seen a list that is named.
        EvidenceError: the store cannot be reached.
        EngineError: the changes of a run cannot be read.
    """
    told = retold.lines(store)
    if not told.files:
        raise SettingError(
            f"there is no ledger in {store.place}",
            hint="name where the evidence is: --state-dir DIR, or RECONCILER_STORE",
        )
    period = read(store, told, question)
    with changed.reading(engine, period.changes, lists=question.lists) as changes:
        clocks = timing.clocks(changes, question.limit, start=question.start, end=question.until)
        counts = changes.counts()
        tickets = (ticket for one in period.stories for ticket in one.tickets)
        let_go = tuple(_scrubbed(one) for one in changes.let_go(tickets))
        ends = {one.line.run for _, one in period.ends()}
        effects = changes.effects(ends)
    lists = tuple(_lists(period, counts, clocks, effects))
    feeds = tuple(_feeds(period))
    return Attestation(
        start=question.start,
        end=question.end,
        made=question.made,
        tool=__version__,
        store=store.place,
        chosen=question.lists,
        limit=str(question.limit),
        holidays=len(question.limit.holidays),
        runs=tuple(_runs(period.stories)),
        versions=dict(sorted(Counter(map(_version, period.stories)).items())),
        lists=lists,
        clocks=clocks.everything,
        breaches=clocks.breaches,
        feeds=feeds,
        unprotected=tuple(_unprotected(period)),
        overrides=tuple(happened.overrides(period.stories)),
        let_go=let_go,
        refusals=tuple(happened.refusals(period)),
        undelivered=tuple(happened.undelivered(period)),
        interrupted=tuple(happened.interrupted(period.stories)),
        verified=question.verified,
        unknown=tuple(happened.unknown(told, period, lists=lists, feeds=feeds)),
    )


def _runs(stories: Sequence[Story]) -> Iterator[RunCount]:
    counts = Counter((one.line.command, one.line.outcome) for one in stories)
    for (command, outcome), runs in sorted(counts.items()):
        yield RunCount(command=command, outcome=outcome, runs=runs)


def _version(story: Story) -> str:
    return str(story.origin.get("reconciler") or "unknown")


def _lists(
    period: Period,
    counts: Mapping[str, Counted],
    clocks: Clocks,
    effects: Mapping[tuple[str, str], int],
) -> Iterator[ListReport]:
    looks = defaultdict[str, list[tuple[Look, Story]]](list)
    for look, one in period.looks(period.stories):
        looks[look.key].append((look, one))
    before = {look.key: (look, one) for look, one in period.looks(period.before) if look.complete}
    for key in sorted({*looks, *counts, *clocks.lists}):
        seen = looks[key]
        whole = [(look, one) for look, one in seen if look.complete]
        kept = [look.surplus for look, _ in seen if look.surplus is not None]
        found = _size(*whole[0], {}) if whole else None
        yield ListReport(
            key=key,
            runs=len(seen),
            first=_size(*before[key], effects) if key in before else found,
            last=_size(*whole[-1], effects) if whole else None,
            surplus=kept[-1] if kept else None,
            counts=counts.get(key, Counted()),
            clocks=clocks.lists.get(key, Spread()),
            found=clocks.found.get(key, 0),
        )


def _size(look: Look, story: Story, effects: Mapping[tuple[str, str], int]) -> Size:
    """Return a list's size as a run left it, or, without effects, as it found it."""
    more = effects.get((story.line.run, look.key))
    at = story.line.started if more is None else story.line.finished
    return Size(
        contacts=look.size + (more or 0), at=at, run=story.line.run, counted=more is not None
    )


def _feeds(period: Period) -> Iterator[FeedAge]:
    uses = defaultdict[tuple[str, str], list[tuple[timedelta | None, bool, str, str | None]]](list)
    for one in period.stories:
        for use in one.feeds:
            if not period.question.lists or use.key in period.question.lists:
                age = one.line.started - use.as_of if use.as_of else None
                uses[use.key, use.path].append((age, use.stale, one.line.run, use.max_age))
    for (key, path), held in sorted(uses.items()):
        known = [(age, run) for age, _, run, _ in held if age is not None]
        worst, run = max(known, default=(None, ""))
        yield FeedAge(
            key=key,
            path=path,
            runs=len(held),
            untold=len(held) - len(known),
            worst_days=None if worst is None else max(worst.days, 0),
            worst_run=run,
            beyond=sum(age > FEED_AGE for age, _ in known),
            stale=sum(stale for _, stale, _, _ in held),
            max_age=held[-1][3],
        )


def _unprotected(period: Period) -> Iterator[Unprotected]:
    """Yield when contacts were known to be missing, from the first run that saw it to its end.

    A run that itself heals what it finds is no such time.
    """
    made: list[Unprotected] = []
    open_ones: dict[str, Unprotected] = {}
    for look, one in period.looks((*period.before, *period.stories)):
        if look.missing is None:
            continue
        known = open_ones.get(look.key)
        over = look.healed or (look.complete and not look.missing)
        if known:
            known = _seen_again(known, look)
            open_ones[look.key] = known
        if known and over:
            made.append(_closed(open_ones.pop(look.key), one.line))
        elif not known and look.missing and not over:
            open_ones[look.key] = _first_seen(look, one.line)
    end = period.question.until
    left = (replace(known, hours=_hours(end - known.seen)) for known in open_ones.values())
    for found in sorted([*made, *left], key=lambda each: (each.seen, each.key)):
        if found.closed is None or found.closed >= period.question.start:
            yield found


def _first_seen(look: Look, line: Line) -> Unprotected:
    return Unprotected(
        key=look.key,
        seen=line.started,
        run=line.run,
        command=line.command,
        contacts=look.missing or 0,
        most=look.missing or 0,
        runs=1,
        outside=look.outside,
        closed=None,
        closed_by="",
        hours=0.0,
    )


def _seen_again(known: Unprotected, look: Look) -> Unprotected:
    return replace(
        known,
        most=max(known.most, look.missing or 0),
        runs=known.runs + bool(look.missing),
        outside=known.outside if look.outside is None else max(known.outside or 0, look.outside),
    )


def _closed(known: Unprotected, line: Line) -> Unprotected:
    return replace(
        known,
        closed=line.finished,
        closed_by=line.run,
        hours=_hours(line.finished - known.seen),
    )


def _hours(span: timedelta) -> float:
    return round(max(span.total_seconds(), 0) / 3600, 2)


def _scrubbed(one: LetGo) -> LetGo:
    return replace(one, basis=scrub(one.basis), ticket=scrub(one.ticket))
