"""A report over a period as one CSV table, one fact a row; pure.

For whoever opens it in a spreadsheet and filters its first column: every section has the same
columns. A cell that would be a formula there is text, and stands on one line.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import fields
from datetime import datetime
from typing import Final

from reconciler.attestation import Attestation, Counted, ListReport, Spread
from reconciler.masking import clean
from reconciler.times import zulu

COLUMNS: Final = (
    "section",
    "list",
    "subject",
    "figure",
    "value",
    "from",
    "to",
    "run",
    "place",
    "text",
)
"""Of the CSV, in every section."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")

_Fact = dict[str, object]


def table(made: Attestation) -> str:
    """Return a report as CSV, one fact a row."""
    held = io.StringIO()
    writer = csv.DictWriter(held, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for fact in _facts(made):
        writer.writerow({name: _cell(value) for name, value in fact.items()})
    return held.getvalue()


def _cell(value: object) -> object:
    """Return what may stand in a cell: one line, and no formula."""
    if isinstance(value, datetime):
        return zulu(value)
    if not isinstance(value, str):
        return "" if value is None else value
    told = clean(value)
    return f"'{told}" if told.startswith(_FORMULA) else told


def _facts(made: Attestation) -> Iterator[_Fact]:
    yield from _head(made)
    for each in made.runs:
        yield {
            "section": "runs",
            "subject": each.command,
            "figure": each.outcome,
            "value": each.runs,
        }
    for one in made.lists:
        yield from _list_facts(one)
    yield from _spread_facts("", made.clocks)
    yield from _breach_facts(made)
    yield from _kept_facts(made)
    yield from _people_facts(made)
    yield from _trouble_facts(made)


def _head(made: Attestation) -> Iterator[_Fact]:
    span = {"section": "report", "from": made.start, "to": made.end}
    yield {**span, "figure": "period"}
    told = {"made": made.made, "reconciler": made.tool, "store": made.store, "limit": made.limit}
    for name, value in told.items():
        yield {"section": "report", "figure": name, "value": value}
    yield {"section": "report", "figure": "holidays", "value": made.holidays}
    yield {"section": "report", "figure": "breaches", "value": made.clocks.late}
    for version, runs in made.versions.items():
        yield {"section": "versions", "subject": version, "figure": "runs", "value": runs}
    whole = "" if made.verified is None else "yes" if made.verified.whole else "no"
    yield {
        "section": "verification",
        "figure": "whole",
        "value": whole or "not verified",
        "text": made.verified.signatures if made.verified else "",
    }
    if made.verified:
        artifacts = "yes" if made.verified.artifacts else "no"
        yield {"section": "verification", "figure": "artifacts recomputed", "value": artifacts}
    for finding in made.verified.findings if made.verified else ():
        yield {"section": "verification", "figure": "finding", "text": finding}


def _list_facts(one: ListReport) -> Iterator[_Fact]:
    mine = {"section": "lists", "list": one.key}
    yield {**mine, "figure": "runs", "value": one.runs}
    for name, size in (("size at the beginning", one.first), ("size at the end", one.last)):
        if size:
            yield {
                **mine,
                "figure": name,
                "value": size.contacts,
                "from": size.at,
                "run": size.run,
                "text": "counted" if size.counted else "read",
            }
    for field in fields(Counted):
        figure = field.name.replace("_", " ")
        yield {**mine, "figure": figure, "value": getattr(one.counts, field.name)}
    yield {**mine, "figure": "surplus kept", "value": one.surplus}
    yield {**mine, "figure": "requests of contacts found", "value": one.found}
    yield from _spread_facts(one.key, one.clocks)


def _spread_facts(key: str, told: Spread) -> Iterator[_Fact]:
    for field in fields(Spread):
        yield {
            "section": "clocks",
            "list": key,
            "figure": field.name.replace("_", " "),
            "value": getattr(told, field.name),
        }


def _breach_facts(made: Attestation) -> Iterator[_Fact]:
    for each in made.breaches:
        yield {
            "section": "breaches",
            "list": each.key,
            "subject": each.pseudonym,
            "figure": "business days",
            "value": each.business_days,
            "from": each.requested,
            "to": each.ended,
            "run": each.run,
            "place": f"{each.source}:{each.line}",
            "text": f"{each.op}, {each.state}, {each.status}",
        }


def _kept_facts(made: Attestation) -> Iterator[_Fact]:
    for feed in made.feeds:
        mine = {"section": "sources", "list": feed.key, "place": feed.path}
        yield {
            **mine,
            "figure": "worst age in days",
            "value": feed.worst_days,
            "run": feed.worst_run,
        }
        yield {**mine, "figure": "runs beyond 31 days", "value": feed.beyond}
        yield {**mine, "figure": "runs beyond its maxAge", "value": feed.stale}
        yield {**mine, "figure": "runs without an asOf", "value": feed.untold}
        yield {**mine, "figure": "runs", "value": feed.runs}
    for each in made.unprotected:
        yield {
            "section": "drift",
            "list": each.key,
            "subject": each.command,
            "figure": "missing at most",
            "value": each.most,
            "from": each.seen,
            "to": each.closed,
            "run": each.run,
            "text": f"closed by {each.closed_by}" if each.closed else "open",
        }


def _people_facts(made: Attestation) -> Iterator[_Fact]:
    for given in made.overrides:
        by = f"by {given.actor or 'unknown'}, approved by {given.approver or 'nobody named'}"
        yield {
            "section": "overrides",
            "subject": " ".join(given.what),
            "from": given.at,
            "run": given.run,
            "text": f"{given.reason} ({by})",
        }
    for each in made.let_go:
        yield {
            "section": "let go",
            "list": each.key,
            "subject": each.basis,
            "figure": each.op,
            "value": each.contacts,
            "text": each.ticket,
        }
    for no in made.refusals:
        yield {
            "section": "refusals",
            "list": no.key,
            "subject": no.rule,
            "figure": no.direction,
            "value": no.runs,
            "to": no.last,
            "text": no.message,
        }


def _trouble_facts(made: Attestation) -> Iterator[_Fact]:
    for event in made.undelivered:
        yield {
            "section": "webhooks",
            "list": event.key,
            "subject": event.event_id,
            "figure": "undelivered",
            "value": "waiting" if event.waiting else "taken since",
            "from": event.at,
            "run": event.run,
            "place": event.url,
            "text": event.detail,
        }
    for run in made.interrupted:
        yield {
            "section": "interrupted",
            "subject": run.command,
            "figure": "in doubt",
            "value": run.in_doubt,
            "from": run.started,
            "run": run.run,
        }
    for one in made.unknown:
        yield {
            "section": "cannot tell",
            "figure": one.what,
            "value": one.count,
            "text": one.text,
        }
