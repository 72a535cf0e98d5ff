"""What the page of a receipt says: what was done to whom, and what is not in place; pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.masking import scrub
from reconciler.model import Outcome, Plan, Receipt, Status
from reconciler.views import counting, human, wording
from reconciler.views.page import parts, plans, words
from reconciler.views.page.parts import Alert, Held, Tile
from reconciler.views.wording import plural

_BECAME: Final = {
    Status.PARTLY: "taken in part",
    Status.REJECTED: "not accepted",
    Status.WITHHELD: "never sent",
    Status.FAILED: "sent, and not known to be in place",
    Status.DIFFERS: "the list read back is not what was written",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What one run did to one list."""

    key: str
    counts: counting.Applied
    created: str
    batch_reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something of a list that is not in place."""

    key: str
    what: str
    rows: int
    became: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptPage:
    """All that the page of a receipt says."""

    run: str
    plan: str
    started: str
    finished: str
    exit_code: int
    opening: words.Opening
    summary: str
    tiles: tuple[Tile, ...]
    alerts: tuple[Alert, ...]
    lists: tuple[Done, ...]
    troubles: tuple[Trouble, ...]
    refusals: tuple[Held, ...]
    effort: str
    planned: plans.PlanPage | None
    """What was to be done, for the grounds, the sizes and the feeds."""


def page(done: Receipt, *, made: Plan | None) -> ReceiptPage:
    """Return what the page of a receipt says."""
    return ReceiptPage(
        run=done.run,
        plan=done.plan,
        started=words.day(done.started),
        finished=words.day(done.finished),
        exit_code=done.exit_code,
        opening=words.applied(done, made),
        summary=human.receipt_summary(done).plain,
        tiles=tuple(_tiles(done, made)),
        alerts=tuple(_alerts(done, made)),
        lists=tuple(_done(key, done) for key in counting.keys(done)),
        troubles=tuple(_troubles(done.outcomes)),
        refusals=parts.held(done.refusals),
        effort=wording.effort(done.metrics),
        planned=plans.page(made) if made else None,
    )


def _tiles(done: Receipt, made: Plan | None) -> Iterator[Tile]:
    counts = counting.applied(done.outcomes)
    yield parts.again(counting.again_done(done, made))
    yield Tile(
        label="Newly protected",
        number=f"{counts.suppressed:,}",
        text="People who were put on a list.",
        tone="protect" if counts.suppressed else "calm",
    )
    yield Tile(
        label="Protected otherwise",
        number=f"{counts.amended:,}",
        text="People who got a later end or another reason.",
        tone="amend" if counts.amended else "calm",
    )
    yield Tile(
        label="Not accepted",
        number=f"{counts.rejected:,}",
        text="The service did not take these." if counts.rejected else "The service took them all.",
        tone="warn" if counts.rejected else "calm",
    )
    yield Tile(
        label="Kept, not declared",
        number=f"{done.surplus:,}",
        text="On a list though no spec says so; nobody is let go for that.",
        tone="keep" if done.surplus else "calm",
    )


def _alerts(done: Receipt, made: Plan | None) -> Iterator[Alert]:
    overrides = done.overrides if done.overrides.given or not made else made.overrides
    now = made.as_of if made else done.started
    feeds = ((listed.key, feed) for listed in (made.lists if made else ()) for feed in listed.feeds)
    stale = tuple(
        feed for feed in parts.ages(feeds, now, accepted=overrides.accept_stale_feed) if feed.stale
    )
    yield from parts.alerts(done.failures, stale, made.problems if made else (), overrides)
    if done.created:
        lines = tuple(f"{key}: pin listId: {made_id}" for key, made_id in done.created.items())
        yield Alert(title="Lists were made: pin their ids in the specs", lines=lines, tone="calm")
    undelivered = tuple(
        f"{each.key} to {each.url} after {plural(each.attempts, 'attempt')}: {scrub(each.detail)}"
        for each in done.webhooks
        if not each.delivered
    )
    if undelivered:
        yield Alert(title="Others could not be told yet (webhooks)", lines=undelivered)


def _done(key: str, done: Receipt) -> Done:
    return Done(
        key=key,
        counts=counting.applied(each for each in done.outcomes if each.key == key),
        created=done.created.get(key, ""),
        batch_reason=scrub(done.batch_reasons.get(key, "")),
    )


def _troubles(outcomes: Sequence[Outcome]) -> Iterator[Trouble]:
    """Yield what is not in place, batches of one list and one cause together."""
    rows: Counter[tuple[str, str, str, str]] = Counter()
    for each in map(wording.scrubbed, outcomes):
        for what, became, why, count in _not_in_place(each):
            rows[(each.key, what, became, why)] += count
    for (key, what, became, why), count in rows.items():
        yield Trouble(key=key, what=what, rows=count, became=became, why=why)


def _not_in_place(outcome: Outcome) -> Iterator[tuple[str, str, str, int]]:
    what = outcome.op or outcome.action
    if outcome.rejections:
        kinds = Counter((each.code, each.field) for each in outcome.rejections)
        said = {(each.code, each.field): each.message for each in reversed(outcome.rejections)}
        for (code, field), count in kinds.items():
            why = code + (f" ({field})" if field else "")
            message = said[(code, field)]
            yield what, "not accepted", why + (f": {message}" if message else ""), count
    elif outcome.status in _BECAME:
        yield what, _BECAME[outcome.status], outcome.detail, outcome.rows
    if outcome.changed:
        why = "somebody has changed them since the plan"
        yield what, "left alone", why, len(outcome.changed)
    if outcome.lapsed:
        yield what, "not sent", "they had lapsed by then", outcome.lapsed
