"""A report over a period: at a terminal, and as one JSON document; pure.

Whatever somebody else wrote is freed of what moves a cursor. The summary line is a promise.
"""

from collections.abc import Iterator
from dataclasses import fields
from typing import Final

from rich.text import Text

from reconciler.attestation import Attestation, Breach, ListReport, Size, Spread
from reconciler.masking import clean
from reconciler.times import zulu
from reconciler.views import lines, machine
from reconciler.views.wording import plural

_SHOWN: Final = 20
"""Breaches that a terminal shows."""


def summary(made: Attestation) -> Text:
    """Return the summary line alone."""
    told = made.clocks
    breaches = f"{plural(told.late, 'breach', 'breaches')} of {made.limit}"
    late = f"{told.met_late:,} met, {told.withdrawn_late:,} withdrawn, {told.open_late:,} open"
    in_time = f"{told.met - told.met_late:,} met in time"
    text = f"Report: {breaches} ({late}), {in_time}. {verified(made)}."
    return lines.line("" if made.in_order else "bold red", text)


def verified(made: Attestation) -> str:
    """Say what verifying the evidence came to."""
    if made.verified is None:
        return "Evidence not verified"
    if made.verified.whole:
        whole = "Evidence whole", "Ledger whole, artifacts not verified"
        return whole[not made.verified.artifacts]
    return f"Evidence NOT whole: {plural(made.verified.count, 'finding')}"


def text(made: Attestation) -> Text:
    """Show a report to somebody at a terminal."""
    told = [
        lines.line("bold", f"{zulu(made.start)} to {zulu(made.end)}"),
        Text(f"  runs       {_runs(made)}"),
        *(line for each in made.lists for line in _list(each)),
        *_breaches(made),
        *_others(made),
        Text(),
        summary(made),
    ]
    return lines.join(told)


def document(made: Attestation, *, exit_code: int = 0) -> bytes:
    """Return a report as one JSON document."""
    content = {field.name: getattr(made, field.name) for field in fields(made)}
    counts = {"in_order": made.in_order, "breach_count": made.clocks.late}
    return machine.facts("report", {**counts, **content}, exit_code=exit_code)


# ---------------------------------------------------------------- at a terminal


def _runs(made: Attestation) -> str:
    told = (f"{each.runs:,} {each.command} {each.outcome}" for each in made.runs)
    return clean(", ".join(told)) or "none"


def _list(one: ListReport) -> Iterator[Text]:
    sizes = f"{_contacts(one.first)} -> {_contacts(one.last)} contacts"
    done = one.counts
    yield lines.heading(one.key, "", sizes)
    changed = (
        f"{done.suppressed:,} suppressed, {done.amended:,} amended, {done.shortened:,} shortened, "
        f"{done.released:,} released, {done.rejected:,} rejected"
    )
    yield lines.mark("changed", "", changed, "")
    if one.surplus is not None:
        yield lines.mark("surplus", "?", f"{one.surplus:,} not declared, kept", "")
    if one.clocks != Spread():
        yield lines.mark("clocks", "", _spread(one.clocks), "")


def _contacts(size: Size | None) -> str:
    return "unknown" if size is None else f"{size.contacts:,}"


def _spread(told: Spread) -> str:
    parts = [f"{told.met:,} met"]
    if told.met:
        parts[0] += (
            f" (business days: median {told.median_days}, 95 % within {told.p95_days}, "
            f"worst {told.worst_days})"
        )
    return ", ".join([*parts, f"{told.open:,} open", f"{told.withdrawn:,} withdrawn"])


def _breaches(made: Attestation) -> Iterator[Text]:
    for each in made.breaches[:_SHOWN]:
        yield lines.mark("breach", "!", clean(breach(each)), "bold red")
    if made.clocks.late > _SHOWN:
        yield lines.line("dim", f"      and {made.clocks.late - _SHOWN:,} more")


def breach(each: Breach) -> str:
    """Name one breach: who by pseudonym, where declared, how long it took."""
    ended = {"met": "met", "withdrawn": "withdrawn", "open": "still open"}[each.state]
    when = f" {zulu(each.ended)}" if each.ended else f" ({each.status})"
    days = plural(each.business_days, "business day")
    return (
        f"{each.pseudonym}  {each.key}  {each.source}:{each.line}  "
        f"asked {zulu(each.requested)}, {ended}{when}, {days}"
    )


def _others(made: Attestation) -> Iterator[Text]:
    """Show what is out of order besides, one line a kind, and what nobody can tell."""
    left = sum(each.closed is None for each in made.unprotected)
    old = sum(bool(each.beyond) for each in made.feeds)
    waiting = sum(each.waiting for each in made.undelivered)
    told = (
        ("missing", left, f"contacts still missing on {plural(left, 'list')}"),
        ("feeds", old, f"{plural(old, 'source')} older than 31 days when used"),
        ("webhooks", waiting, f"{plural(waiting, 'event')} not taken yet"),
        ("overrides", len(made.overrides), plural(len(made.overrides), "override")),
        ("cut off", len(made.interrupted), plural(len(made.interrupted), "interrupted run")),
    )
    for word, count, said in told:
        if count:
            yield lines.mark(word, "!", said, "yellow")
    for finding in made.verified.findings[:_SHOWN] if made.verified else ():
        yield lines.mark("evidence", "!", clean(finding), "bold red")
    for one in made.unknown:
        yield lines.mark("untold", "", f"{one.count:,} {clean(one.text)}", "dim")
