"""What the page of a report over a period says first, before its tables; pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.attestation import Attestation
from reconciler.times import zulu
from reconciler.views import report
from reconciler.views.page import sections, words
from reconciler.views.page.parts import Alert, Tile
from reconciler.views.page.sections import Section
from reconciler.views.page.words import Opening
from reconciler.views.wording import plural


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportPage:
    """All that the page of a report says."""

    start: str
    end: str
    made: str
    tool: str
    store: str
    opening: Opening
    summary: str
    tiles: tuple[Tile, ...]
    alerts: tuple[Alert, ...]
    sections: tuple[Section, ...]


def page(made: Attestation) -> ReportPage:
    """Return what the page of a report says."""
    return ReportPage(
        start=words.day(made.start),
        end=words.day(made.end),
        made=words.day(made.made),
        tool=made.tool,
        store=made.store,
        opening=_opening(made),
        summary=report.summary(made).plain,
        tiles=tuple(_tiles(made)),
        alerts=tuple(_alerts(made)),
        sections=tuple(sections.sections(made)),
    )


def _opening(made: Attestation) -> Opening:
    clocks, limit = made.clocks, sections.limit(made)
    total = clocks.met + clocks.withdrawn + clocks.open
    if clocks.late:
        first = f"{clocks.late:,} of {plural(total, 'request')} took longer than {limit}."
    elif total:
        first = f"No request took longer than {limit}."
    else:
        first = "No request fell into this period."
    told = []
    if made.verified is None:
        told.append("The evidence was not verified.")
    elif not made.verified.whole:
        told.append(f"The evidence is not whole: {plural(made.verified.count, 'finding')}.")
    if made.unknown:
        told.append("Not everything can be told: see the end of this page.")
    return Opening(first=first, then=" ".join(told))


def _tiles(made: Attestation) -> Iterator[Tile]:
    clocks = made.clocks
    yield Tile(
        label="Too slow",
        number=f"{clocks.late:,}",
        text=f"Requests that took, or are taking, longer than {sections.limit(made)}.",
        tone="release" if clocks.late else "calm",
    )
    yield Tile(
        label="Met",
        number=f"{clocks.met:,}",
        text="Requests that came into effect."
        if clocks.worst_days is None
        else f"Half of them within {plural(clocks.median_days or 0, 'business day')}, 95 % within "
        f"{plural(clocks.p95_days or 0, 'business day')}, all within "
        f"{plural(clocks.worst_days, 'business day')}.",
        tone="protect" if clocks.met else "calm",
    )
    yield Tile(
        label="Newly protected",
        number=f"{sum(one.counts.suppressed for one in made.lists):,}",
        text="Times somebody was put on a list.",
        tone="protect",
    )
    gone = sum(one.counts.released + one.counts.shortened for one in made.lists)
    yield Tile(
        label="Let go",
        number=f"{gone:,}",
        text="Released, or protected for less time.",
        tone="release" if gone else "calm",
    )
    left = sum(one.closed is None for one in made.unprotected)
    yield Tile(
        label="Found missing",
        number=f"{len(made.unprotected):,}",
        text=f"Times contacts were seen to be missing on a list; {left:,} of them not closed.",
        tone="warn" if left else "calm",
    )


def _alerts(made: Attestation) -> Iterator[Alert]:
    if made.verified and not made.verified.whole:
        more = made.verified.count - len(made.verified.findings)
        rest = (f"and {more:,} more: audit verify names them all",) if more else ()
        yield Alert(title="The evidence is not whole", lines=(*made.verified.findings, *rest))
    left = tuple(
        f"{one.key}: {plural(one.most, 'contact')} at most, since {zulu(one.seen)}"
        for one in made.unprotected
        if one.closed is None
    )
    if left:
        yield Alert(title="Contacts were still missing at the end of the period", lines=left)
