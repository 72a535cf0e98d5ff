"""What people allowed, what rules refused, what went wrong in a period, and what nobody can tell.

Texts that somebody else wrote are scrubbed on their way. Pure: it reads stories, no files.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from reconciler.artifacts import began
from reconciler.attestation import (
    Allowed,
    FeedAge,
    Interrupted,
    ListReport,
    Refused,
    Undelivered,
    Unknown,
)
from reconciler.masking import scrub
from reconciler.period import Period
from reconciler.retold import Lines, Story

_FLAGS: Final = (
    "max_releases",
    "max_suppressions",
    "allow_empty",
    "ignore_freeze",
    "accept_stale_feed",
)


def overrides(stories: Sequence[Story]) -> Iterator[Allowed]:
    """Yield what the command line allowed, with who allowed it and why."""
    for one in stories:
        given = one.line.overrides
        if given:
            told = {name: _text(one.origin, name) for name in ("actor", "approver", "commit")}
            yield Allowed(
                run=one.line.run,
                at=one.line.started,
                what=tuple(_flags(given)),
                reason=scrub(str(given.get("reason") or "")),
                ci_run=_text(one.origin, "ci_run"),
                **told,
            )


def _flags(given: Mapping[str, Any]) -> Iterator[str]:
    """Spell overrides as they were given."""
    for name in _FLAGS:
        held, flag = given.get(name), f"--{name.replace('_', '-')}"
        if held is True:
            yield flag
        elif isinstance(held, list):
            yield from (f"{flag} {scrub(str(each))}" for each in held)
        elif isinstance(held, int) and not isinstance(held, bool):
            yield f"{flag} {held}"


def _text(origin: Mapping[str, Any], name: str) -> str:
    return scrub(str(origin.get(name) or ""))


def refusals(period: Period) -> Iterator[Refused]:
    """Yield what policy refused, by list, rule and direction."""
    chosen = period.question.lists
    found: dict[tuple[str, str, str], Refused] = {}
    for one in period.stories:
        for each in one.refusals:
            key, rule, way = (str(each.get(name, "")) for name in ("key", "rule", "direction"))
            if chosen and key not in chosen:
                continue
            before = found.get((key, rule, way))
            found[key, rule, way] = Refused(
                key=key,
                rule=rule,
                direction=way,
                runs=1 + (before.runs if before else 0),
                last=one.line.started,
                message=scrub(str(each.get("message", ""))),
            )
    yield from (found[each] for each in sorted(found))


def undelivered(period: Period) -> Iterator[Undelivered]:
    """Yield the events that a receiver did not take from the run that made them."""
    chosen = period.question.lists
    for one in period.stories:
        for hook in one.hooks:
            key, event = str(hook.get("key", "")), str(hook.get("event_id", ""))
            if hook.get("delivered") or (chosen and key not in chosen):
                continue
            yield Undelivered(
                key=key,
                url=_receiver(str(hook.get("url", ""))),
                event_id=event,
                run=one.line.run,
                at=one.line.started,
                detail=scrub(str(hook.get("detail", ""))),
                waiting=event in period.waiting,
            )


def _receiver(url: str) -> str:
    """Name a receiver without what may be a secret: no user, path or query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return scrub(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}")


def interrupted(stories: Sequence[Story]) -> Iterator[Interrupted]:
    """Yield the runs that ended without a word."""
    for one in stories:
        if one.line.outcome == "interrupted":
            yield Interrupted(
                run=one.line.run,
                command=one.line.command,
                started=one.line.started,
                in_doubt=one.in_doubt,
            )


def unknown(
    told: Lines, period: Period, *, lists: Sequence[ListReport], feeds: Sequence[FeedAge]
) -> Iterator[Unknown]:
    """Yield what a report of a period cannot tell; nothing where it tells all.

    Args:
        told: the ledger.
        period: the runs of the period.
        lists: what was made of them.
        feeds: likewise of their sources.
    """
    question = period.question
    found = {
        "not-over": int(question.until < question.end),
        "ledger": told.unreadable,
        "evidence": sum(bool(one.absent) for one in period.stories),
        "earlier-changes": len(period.lost),
        "under-way": sum(question.start <= at <= question.end for at in map(began, told.under_way)),
        "interrupted": sum(
            one.line.outcome == "interrupted"
            and "journal.jsonl" in one.line.artifacts
            and not one.line.wrote
            for one in period.stories
        ),
        "keys": max(len({one.line.key for one in period.stories if one.line.key}) - 1, 0),
        "incomplete": sum(any(not look.complete for look in one.looks) for one in period.stories),
        "without-request": sum(one.counts.without_request for one in lists),
        "without-time": sum(one.counts.without_time for one in lists),
        "found": sum(one.found for one in lists),
        "feeds": sum(bool(use.untold) for use in feeds),
    }
    for what, count in found.items():
        if count:
            yield Unknown(what=what, count=count, text=_TEXTS[what])


_TEXTS: Final[Mapping[str, str]] = {
    "not-over": "period that is not over yet: it is told as it was when this report was made",
    "ledger": "ledger files that cannot be read: the runs they tell of are in no figure",
    "evidence": "runs of the period whose evidence is pruned, or not in the store: what they did "
    "is not in these figures",
    "earlier-changes": "earlier runs whose changes are not there any more: what they met may be "
    "counted again here",
    "under-way": "runs that have not had their last word: they are still under way, or will be "
    "named as interrupted",
    "interrupted": "interrupted runs that had begun to write: their rows are in no figure, and "
    "stand in their journals",
    "keys": "changes of the pseudonym key: a contact has another pseudonym under each, so "
    "requests are not followed across them",
    "incomplete": "runs that could not read a list whole",
    "without-request": "changes without a time at which they were asked for (requestedAt): no "
    "clock can be held against them",
    "without-time": "changes of runs that did not write down when each was done: the end of the "
    "run stands for it",
    "found": "requests of contacts that were on the list before this tool first wrote it: nobody "
    "knows since when",
    "feeds": "sources without an asOf: nobody said how old they are",
}
