"""What the page of a plan says: who may be contacted again and why, who is protected; pure."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from reconciler.masking import scrub
from reconciler.model import CreateList, ListPlan, Op, Plan, UpdateList
from reconciler.times import zulu
from reconciler.views import counting, human, wording
from reconciler.views.page import parts, pictures, words
from reconciler.views.page.parts import Age, Alert, Held, Move, Shown, Tile, Tone
from reconciler.views.wording import plural


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """One ground on which people may be contacted again."""

    key: str
    contacts: int
    becomes: str
    basis: str
    ticket: str
    requested_by: str
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """What becomes of one kind of contacts, as bars by what they have in common."""

    symbol: str
    word: str
    title: str
    tone: Tone
    total: int
    bars: tuple[pictures.Bar, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One list that there is something to say of."""

    key: str
    tenant: str
    counts: counting.Planned
    created: bool
    moves: tuple[Move, ...]
    amended: str
    separated: int
    refusals: tuple[Held, ...]
    samples: tuple[Shown, ...]
    longer: int
    notes: tuple[str, ...]
    batch_reason: str
    odd: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanPage:
    """All that the page of a plan says."""

    plan: str
    as_of: str
    preview: bool
    opening: words.Opening
    summary: str
    counts: counting.Planned
    tiles: tuple[Tile, ...]
    alerts: tuple[Alert, ...]
    again: int
    again_text: str
    suppresses_only: bool
    whys: tuple[Why, ...]
    whys_untold: int
    endings: tuple[counting.Ending, ...]
    withheld: int
    refusals: tuple[Held, ...]
    sizes: tuple[pictures.Size, ...]
    sizes_more: int
    by_reason: tuple[Split, ...]
    by_source: tuple[Split, ...]
    time_line: pictures.TimeLine
    lists: tuple[Listed, ...]
    matching: tuple[str, ...]
    feeds: tuple[Age, ...]
    policy: tuple[tuple[str, str, str], ...]


def page(made: Plan) -> PlanPage:
    """Return what the page of a plan says."""
    counts = counting.planned(made)
    again = counting.again(made)
    whys = tuple(_whys(made))
    feeds = parts.ages(
        ((x.key, feed) for x in made.lists for feed in x.feeds),
        made.as_of,
        accepted=made.overrides.accept_stale_feed,
    )
    stale = tuple(feed for feed in feeds if feed.stale)
    shown = tuple(listed for listed in made.lists if _says_something(listed))
    sizes = pictures.sizes((x.key, x.size_before, x.size_after) for x in made.lists)
    return PlanPage(
        plan=made.id,
        as_of=words.day(made.as_of),
        preview=made.preview,
        opening=words.planned(made),
        summary=human.plan_summary(made).plain,
        counts=counts,
        tiles=tuple(_tiles(made, counts, again)),
        alerts=(
            *_preview(made),
            *parts.alerts(made.failures, stale, made.problems, made.overrides),
        ),
        again=again.contacts,
        again_text=words.again_parts(again),
        suppresses_only=made.suppresses_only,
        whys=whys,
        whys_untold=max(again.alone - sum(why.contacts for why in whys), 0),
        endings=again.endings,
        withheld=sum(map(_withheld, made.lists)),
        refusals=parts.held(made.refusals),
        sizes=sizes,
        sizes_more=len(made.lists) - len(sizes),
        by_reason=tuple(_splits(made, "reason", counts)),
        by_source=tuple(_splits(made, "source", counts)),
        time_line=pictures.time_line(
            (counting.ends(x, as_of=made.as_of) for x in made.lists), as_of=made.as_of
        ),
        lists=tuple(map(_listed, shown)),
        matching=tuple(x.key for x in made.lists if not _says_something(x)),
        feeds=feeds,
        policy=tuple(_policy(made)),
    )


def _tiles(made: Plan, counts: counting.Planned, again: counting.Again) -> Iterator[Tile]:
    yield parts.again(again)
    yield Tile(
        label="Newly protected",
        number=f"{counts.suppress:,}",
        text="People who are put on a list.",
        tone="protect" if counts.suppress else "calm",
    )
    yield Tile(
        label="Protected otherwise",
        number=f"{counts.amend:,}",
        text="People who get a later end or another reason.",
        tone="amend" if counts.amend else "calm",
    )
    yield Tile(
        label="Refused",
        number=f"{len(made.refusals):,}",
        text="Held back by a rule; see below." if made.refusals else "No rule holds anything back.",
        tone="warn" if made.refusals else "calm",
    )
    yield Tile(
        label="On the lists afterwards",
        number=f"{counts.after:,}",
        text=f"{counts.before:,} before, over {plural(len(made.lists), 'list')}; "
        f"{counts.surplus:,} of them are kept though not declared.",
    )


def _preview(made: Plan) -> Iterator[Alert]:
    if made.preview:
        text = f"As of {zulu(made.as_of)}. It can be read, and never applied."
        yield Alert(title="This is a preview", lines=(text,))


def _whys(made: Plan) -> Iterator[Why]:
    for listed in made.lists:
        for ground in listed.grounds:
            yield Why(
                key=listed.key,
                contacts=ground.contacts,
                becomes=words.DONE_TO[ground.op],
                basis=scrub(ground.basis),
                ticket=scrub(ground.ticket),
                requested_by=scrub(ground.requested_by),
                place=wording.declared_at(ground.source, ground.line),
            )


def _withheld(listed: ListPlan) -> int:
    """Count those whose release was asked for and is not part of the plan."""
    counts = counting.planned_list(listed)
    asked = listed.gap.released + listed.gap.shortened
    return asked - counts.release - counts.shorten if listed.refusals else 0


def _splits(
    made: Plan, by: Literal["reason", "source"], counts: counting.Planned
) -> Iterator[Split]:
    """Yield bars for each op that is carried out; what no tally tells is among the others."""
    for op, total in _by_op(counts).items():
        found: Counter[str] = Counter()
        for listed in made.lists:
            told = [tally for tally in counting.done_to(listed, by) if tally.op == op]
            if sum(tally.contacts for tally in told) <= _by_op(counting.planned_list(listed))[op]:
                found.update({tally.value: tally.contacts for tally in told})
        if found:
            symbol, word, _ = wording.SYMBOLS[op]
            yield Split(
                symbol=symbol,
                word=word,
                title=words.DONE_TO[op],
                tone=parts.TONES[op],
                total=total,
                bars=pictures.bars(found, others="all others", total=total),
            )


def _by_op(counts: counting.Planned) -> Mapping[Op, int]:
    return {
        Op.RELEASE: counts.release,
        Op.SHORTEN: counts.shorten,
        Op.SUPPRESS: counts.suppress,
        Op.AMEND: counts.amend,
    }


def _says_something(listed: ListPlan) -> bool:
    return bool(listed.actions or listed.refusals or listed.notes)


def _listed(listed: ListPlan) -> Listed:
    counts = counting.planned_list(listed)
    gap = listed.gap
    separated = sum(
        action.rows.rows
        for action in listed.actions
        if not isinstance(action, CreateList | UpdateList) and action.rows.op == Op.PART
    )
    later, recoded = f"{gap.extended:,} to a later end", f"{gap.recoded:,} to another reason"
    sent = {op: total for op, total in _by_op(counts).items() if total}
    return Listed(
        key=listed.key,
        tenant=listed.tenant,
        counts=counts,
        created=any(isinstance(action, CreateList) for action in listed.actions),
        moves=tuple(_moves(listed)),
        amended=f"{later}, {recoded}" if counts.amend else "",
        separated=separated,
        refusals=parts.held(listed.refusals),
        samples=tuple(parts.shown(gap.samples, sent)),
        longer=gap.longer,
        notes=listed.notes,
        batch_reason=scrub(listed.batch_reason),
        odd=_odd(listed),
    )


def _odd(listed: ListPlan) -> str:
    """Say what compiling did with rows that could not be taken as they are; empty where none."""
    counts = listed.counts
    told = {
        "merged": counts.merged,
        "lapsed": counts.lapsed,
        "invalid and set aside": counts.invalid,
        "with a time without an offset, taken as UTC": counts.naive,
        "beyond the list's own end": counts.past_list_end,
        "left out, the dialect has no place for them": counts.unsupported,
    }
    odd = ", ".join(f"{count:,} {word}" for word, count in told.items() if count)
    return f"{plural(counts.read, 'identifier')} read: {odd}" if odd else ""


def _moves(listed: ListPlan) -> Iterator[Move]:
    for action in listed.actions:
        match action:
            case CreateList(settings=settings):
                yield from parts.moves(wording.declared(settings), new=True)
            case UpdateList(changes=changes):
                yield from parts.moves(changes)
            case _:
                pass


def _policy(made: Plan) -> Iterator[tuple[str, str, str]]:
    """Yield the bounds in force: name, value, and where it is set."""
    policy = made.policy
    bounds = {
        "maxReleases": f"{(policy.max_release_share * 100).normalize():f}% of a list, and "
        f"{policy.max_release_count:,} people",
        "maxSuppressions": f"{policy.max_suppressions:,} people",
        "releaseWithin": plural(policy.release_within.days, "day"),
    }
    for name, value in bounds.items():
        place = policy.places.get(name)
        yield name, value, str(place) if place else "built-in value"
    for freeze in policy.freeze:
        span = f"{zulu(freeze.start)} to {zulu(freeze.end)}: {freeze.why}"
        yield "freeze", span, str(freeze.place)
