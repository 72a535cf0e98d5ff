"""What the page of a drift report says: who is not protected, and what else differs; pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from reconciler.model import LAPSING_SOON, Drift, ListDrift, Op, Way
from reconciler.views import counting, human, wording
from reconciler.views.page import parts, pictures, words
from reconciler.views.page.parts import Age, Alert, Move, Shown, Tile, Tone

_WAYS: Final[tuple[tuple[Way, str, str, Tone], ...]] = (
    ("missing", "+", "Not protected, though they should be (critical)", "release"),
    ("differ", "~", "Protected otherwise than declared", "amend"),
    ("surplus", "?", "Protected, though not declared", "keep"),
    ("longer", "?", "Protected for longer than declared", "keep"),
)
"""The directions with their symbol, plain words and tone, worst first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Direction:
    """One direction over all lists, and the lists that have most of it."""

    word: str
    symbol: str
    title: str
    tone: Tone
    origin: str
    """Who made them differ, as far as it is known."""
    bar: pictures.Bar
    bars: tuple[pictures.Bar, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One list that is not as declared."""

    key: str
    tenant: str
    size: int
    severity: str
    counts: counting.Drifted
    moves: tuple[Move, ...]
    samples: tuple[Shown, ...]
    notes: tuple[str, ...]
    origins: tuple[tuple[str, int, int, int], ...]
    untold: str
    lapsing: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftPage:
    """All that the page of a drift report says."""

    as_of: str
    opening: words.Opening
    summary: str
    counts: counting.Drifted
    tiles: tuple[Tile, ...]
    alerts: tuple[Alert, ...]
    directions: tuple[Direction, ...]
    time_line: pictures.TimeLine
    lists: tuple[Listed, ...]
    matching: tuple[str, ...]
    feeds: tuple[Age, ...]


def page(found: Drift) -> DriftPage:
    """Return what the page of a drift report says."""
    counts = counting.drifted(found)
    shown = tuple(listed for listed in found.lists if _says_something(listed))
    feeds = parts.ages(((x.key, feed) for x in found.lists for feed in x.feeds), found.as_of)
    stale = tuple(feed for feed in feeds if feed.stale)
    return DriftPage(
        as_of=words.day(found.as_of),
        opening=words.drifted(found),
        summary=human.drift_summary(found).plain,
        counts=counts,
        tiles=tuple(_tiles(found, counts)),
        alerts=tuple(parts.alerts(found.failures, stale, found.problems)),
        directions=tuple(_directions(found, counts)),
        time_line=pictures.time_line((x.ends for x in found.lists), as_of=found.as_of),
        lists=tuple(_listed(x) for x in sorted(shown, key=_worst_first)),
        matching=tuple(x.key for x in found.lists if not _says_something(x)),
        feeds=feeds,
    )


def _tiles(found: Drift, counts: counting.Drifted) -> Iterator[Tile]:
    yield Tile(
        label="Not protected (critical)",
        number=f"{counts.missing:,}",
        text=words.missing(found),
        tone="release" if counts.missing else "calm",
    )
    yield Tile(
        label="Differ",
        number=f"{counts.differ:,}",
        text="On the list with another end or reason, and settings of lists.",
        tone="amend" if counts.differ else "calm",
    )
    yield Tile(
        label="Surplus",
        number=f"{counts.surplus:,}",
        text="On the list and not declared: usually an opt-out somebody took.",
        tone="keep" if counts.surplus else "calm",
    )
    yield Tile(
        label="Come off soon",
        number=f"{counts.lapsing:,}",
        text=f"People whose protection ends by itself within {LAPSING_SOON.days} days.",
    )


def _directions(found: Drift, counts: counting.Drifted) -> Iterator[Direction]:
    totals = {word: getattr(counts, word) for word, *_ in _WAYS}
    longest = max(totals.values(), default=0)
    origins = counting.origins(found)
    for word, symbol, title, tone in _WAYS:
        by_list = {x.key: getattr(counting.drifted_list(x), word) for x in found.lists}
        yield Direction(
            word=word,
            symbol=symbol,
            title=title,
            tone=tone,
            origin=wording.origin(origins[word], word),
            bar=pictures.bar(word, totals[word], longest),
            bars=pictures.bars(by_list, others="all other lists"),
        )


def _says_something(listed: ListDrift) -> bool:
    moved = listed.missing or listed.differ or listed.surplus or listed.longer
    return bool(moved or listed.notes or listed.severity)


def _worst_first(listed: ListDrift) -> tuple[bool, int, str]:
    return (listed.severity != "critical", -listed.missing, listed.key)


def _listed(listed: ListDrift) -> Listed:
    counts = counting.drifted_list(listed)
    totals = {
        Op.SUPPRESS: counts.missing,
        Op.AMEND: 0,
        Op.SHORTEN: 0,
        Op.SURPLUS: 0,
        Op.RELEASE: 0,
        Op.LONGER: counts.longer,
    }
    return Listed(
        key=listed.key,
        tenant=listed.tenant,
        size=listed.size,
        severity=listed.severity or "",
        counts=counts,
        moves=tuple(parts.moves(listed.changes)),
        samples=tuple(parts.shown(listed.samples, totals)),
        notes=listed.notes,
        origins=tuple(
            (way, origin.pending, origin.outside, origin.unknown)
            for way, origin in listed.origins.items()
            if origin.pending or origin.outside or origin.unknown
        ),
        untold=wording.untold(listed.untold) if listed.untold else "",
        lapsing=wording.lapsing(listed.lapsing) if listed.lapsing else "",
    )
