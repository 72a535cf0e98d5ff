"""What a report over a period says in tables of text; pure.

Figures stand in columns of their own, so that they line up; every text is placed by a template,
which escapes it. Nothing is left out of a table: a long one is folded.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.attestation import Attestation, ListReport, Size, Spread
from reconciler.clocks import FEED_AGE
from reconciler.times import zulu
from reconciler.views import report
from reconciler.views.page import words
from reconciler.views.wording import plural

_STATES: Final = {"met": "met", "withdrawn": "withdrawn", "open": "still open"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table."""

    head: str
    figure: bool = False
    """Stands on the right."""
    loud: bool = False
    """What is open in it is to be seen."""
    code: bool = False
    wide: bool = False
    """Holds sentences, which may take more than one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One table under its heading, or the sentence that there is nothing to show."""

    id: str
    title: str
    lead: str
    columns: tuple[Column, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    more: int = 0
    """Rows that are counted, and not among them."""


def sections(made: Attestation) -> Iterator[Section]:
    """Yield the tables of the page in their order, what is out of order first."""
    yield _breaches(made)
    yield _clocks(made)
    yield _lists(made)
    yield _unprotected(made)
    yield _let_go(made)
    yield _overrides(made)
    yield _refusals(made)
    yield _feeds(made)
    yield _runs(made)
    yield _events(made)
    yield _interrupted(made)
    yield _evidence(made)
    yield _unknown(made)


def limit(made: Attestation) -> str:
    """Spell what a request may take, in words."""
    count = made.limit.removesuffix("bd")
    if count == made.limit:
        return words.span(made.limit)
    return plural(int(count), "business day")


def _breaches(made: Attestation) -> Section:
    return Section(
        id="breaches",
        title="Requests that took too long",
        lead=f"Longer than {limit(made)}, the slowest first. A contact is named by the beginning "
        "of its pseudonym and by the line that declares it."
        if made.breaches
        else f"None took longer than {limit(made)}.",
        columns=(
            Column(head="Contact", code=True),
            Column(head="List"),
            Column(head="Business days", figure=True),
            Column(head="In effect", loud=True),
            Column(head="Asked for"),
            Column(head="Due"),
            Column(head="What"),
            Column(head="Declared in", code=True),
        ),
        rows=tuple(
            (
                each.pseudonym,
                each.key,
                f"{each.business_days:,}",
                f"{_STATES[each.state]} {zulu(each.ended) if each.ended else each.status}",
                zulu(each.requested),
                zulu(each.deadline) if each.deadline else "",
                each.op,
                f"{each.source}:{each.line}",
            )
            for each in made.breaches
        ),
        more=made.clocks.late - len(made.breaches),
    )


def _clocks(made: Attestation) -> Section:
    spreads = [("All lists", made.clocks), *((one.key, one.clocks) for one in made.lists)]
    return Section(
        id="clocks",
        title="From request to effect",
        lead="In business days (d) and hours (h). Business days are Mondays to Fridays, UTC, "
        + (f"but for {plural(made.holidays, 'holiday')}" if made.holidays else "without holidays")
        + ". The day of the request is not counted; one on a bare date counts from the end of "
        "that day.",
        columns=(
            Column(head="List"),
            *(
                Column(head=head, figure=True)
                for head in ("Met", "Met late", "Open", "Overdue", "Withdrawn", "Withdrawn late")
            ),
            *(Column(head=f"{head}, d", figure=True) for head in ("Median", "95 %", "Worst")),
            *(Column(head=f"{head}, h", figure=True) for head in ("Median", "95 %", "Worst")),
        ),
        rows=tuple((name, *_spread(each)) for name, each in spreads if each != Spread()),
    )


def _spread(told: Spread) -> Iterator[str]:
    for count in (told.met, told.met_late, told.open, told.open_late):
        yield f"{count:,}"
    for count in (told.withdrawn, told.withdrawn_late):
        yield f"{count:,}"
    for days in (told.median_days, told.p95_days, told.worst_days):
        yield "" if days is None else f"{days:,}"
    for hours in (told.median_hours, told.p95_hours, told.worst_hours):
        yield "" if hours is None else f"{hours:,.1f}"


def _lists(made: Attestation) -> Section:
    heads = ("At first", "At last", "Suppressed", "Amended", "Shortened", "Released")
    return Section(
        id="lists",
        title="List by list",
        lead="How many contacts each list suppressed, and what was done to it."
        if made.lists
        else "No run looked at a list.",
        columns=(
            Column(head="List"),
            *(Column(head=head, figure=True) for head in heads),
            Column(head="Not accepted", figure=True),
            Column(head="Kept, not declared", figure=True),
            Column(head="Runs", figure=True),
        ),
        rows=tuple(_list(one) for one in made.lists),
    )


def _list(one: ListReport) -> tuple[str, ...]:
    done = one.counts
    counts = (done.suppressed, done.amended, done.shortened, done.released, done.rejected)
    return (
        one.key,
        _size(one.first),
        _size(one.last),
        *(f"{count:,}" for count in counts),
        "" if one.surplus is None else f"{one.surplus:,}",
        f"{one.runs:,}",
    )


def _size(size: Size | None) -> str:
    return "unknown" if size is None else f"{size.contacts:,}"


def _unprotected(made: Attestation) -> Section:
    return Section(
        id="drift",
        title="Contacts that were missing, and until when",
        lead="From the first run that saw it to the one that closed it. A run that mends what it "
        "finds is not told here."
        if made.unprotected
        else "No run saw a contact missing that it did not put on the list itself.",
        columns=(
            Column(head="List"),
            Column(head="Seen by"),
            Column(head="Since"),
            Column(head="Closed", loud=True),
            Column(head="Hours", figure=True),
            Column(head="Missing", figure=True),
            Column(head="At most", figure=True),
            Column(head="By others", figure=True),
        ),
        rows=tuple(
            (
                each.key,
                each.command,
                zulu(each.seen),
                zulu(each.closed) if each.closed else "open",
                f"{each.hours:,.1f}",
                f"{each.contacts:,}",
                f"{each.most:,}",
                "" if each.outside is None else f"{each.outside:,}",
            )
            for each in made.unprotected
        ),
    )


def _let_go(made: Attestation) -> Section:
    told = sum(one.contacts for one in made.let_go)
    total = sum(one.counts.released + one.counts.shortened for one in made.lists)
    return Section(
        id="let-go",
        title="Who was let go, and why",
        lead="By ground; the largest first." if made.let_go else "Nobody.",
        columns=(
            Column(head="List"),
            Column(head="What"),
            Column(head="Because of", wide=True),
            Column(head="Ticket"),
            Column(head="Contacts", figure=True),
        ),
        rows=tuple(
            (each.key, each.op, each.basis, each.ticket, f"{each.contacts:,}")
            for each in made.let_go
        ),
        more=max(total - told, 0),
    )


def _overrides(made: Attestation) -> Section:
    return Section(
        id="overrides",
        title="What was allowed by hand",
        lead="Each for one run, with its reason." if made.overrides else "Nothing.",
        columns=(
            Column(head="Run", code=True),
            Column(head="Override", code=True, wide=True),
            Column(head="Reason", wide=True),
            Column(head="By"),
            Column(head="Approved by"),
            Column(head="Commit", code=True),
        ),
        rows=tuple(
            (
                each.run,
                " ".join(each.what),
                each.reason,
                each.actor,
                each.approver,
                each.commit[:12],
            )
            for each in made.overrides
        ),
    )


def _refusals(made: Attestation) -> Section:
    return Section(
        id="refusals",
        title="What policy refused",
        lead="By list and rule, with what was said the last time." if made.refusals else "Nothing.",
        columns=(
            Column(head="List"),
            Column(head="Rule", code=True),
            Column(head="Runs", figure=True),
            Column(head="Last"),
            Column(head="Said", wide=True),
        ),
        rows=tuple(
            (each.key, each.rule, f"{each.runs:,}", zulu(each.last), each.message)
            for each in made.refusals
        ),
    )


def _feeds(made: Attestation) -> Section:
    return Section(
        id="feeds",
        title="How old the sources were",
        lead=f"At the time of each run, against {FEED_AGE.days} days whatever its spec allows."
        if made.feeds
        else "No run used a source.",
        columns=(
            Column(head="Source", code=True),
            Column(head="List"),
            Column(head="Worst age, days", figure=True),
            Column(head=f"Runs beyond {FEED_AGE.days} days", figure=True),
            Column(head="Runs beyond its own limit", figure=True),
            Column(head="Runs without an age", figure=True),
            Column(head="Runs", figure=True),
        ),
        rows=tuple(
            (
                each.path,
                each.key,
                "not told" if each.worst_days is None else f"{each.worst_days:,}",
                f"{each.beyond:,}",
                f"{each.stale:,}",
                f"{each.untold:,}",
                f"{each.runs:,}",
            )
            for each in made.feeds
        ),
    )


def _runs(made: Attestation) -> Section:
    versions = ", ".join(f"{name} ({count:,})" for name, count in made.versions.items())
    return Section(
        id="runs",
        title="Runs",
        lead=f"Made by version {versions}." if made.runs else "None began in this period.",
        columns=(
            Column(head="Command", code=True),
            Column(head="Outcome"),
            Column(head="Runs", figure=True),
        ),
        rows=tuple((each.command, each.outcome, f"{each.runs:,}") for each in made.runs),
    )


def _events(made: Attestation) -> Section:
    return Section(
        id="events",
        title="Who was not told at once (webhooks)",
        lead="Each event is kept until it is taken." if made.undelivered else "Everybody was.",
        columns=(
            Column(head="List"),
            Column(head="Receiver"),
            Column(head="Run", code=True),
            Column(head="Now", loud=True),
        ),
        rows=tuple(
            (each.key, each.url, each.run, "still waiting" if each.waiting else "taken since")
            for each in made.undelivered
        ),
    )


def _interrupted(made: Attestation) -> Section:
    return Section(
        id="interrupted",
        title="Interrupted runs",
        lead="They ended without a word." if made.interrupted else "None.",
        columns=(
            Column(head="Run", code=True),
            Column(head="Command", code=True),
            Column(head="Contacts in doubt", figure=True),
        ),
        rows=tuple((each.run, each.command, f"{each.in_doubt:,}") for each in made.interrupted),
    )


def _evidence(made: Attestation) -> Section:
    told = {
        "Evidence not verified": "Nobody recomputed the digests of ledger and artifacts.",
        "Evidence whole": "Every digest of the ledger and of its artifacts was recomputed.",
        "Ledger whole, artifacts not verified": "Every file of the ledger names the digest of the "
        "one before it. The artifacts that it names were not recomputed: audit verify does that.",
    }.get(report.verified(made), "See the findings at the beginning of this page.")
    signed = made.verified.signatures if made.verified else ""
    return Section(id="evidence", title="Verification", lead=" ".join(filter(None, (told, signed))))


def _unknown(made: Attestation) -> Section:
    rows: Sequence[tuple[str, ...]] = [(f"{one.count:,}", one.text) for one in made.unknown]
    return Section(
        id="unknown",
        title="What this report cannot tell",
        lead="" if rows else "Nothing that it knows of.",
        columns=(Column(head="How many", figure=True), Column(head="Of what", wide=True)),
        rows=tuple(rows),
    )
