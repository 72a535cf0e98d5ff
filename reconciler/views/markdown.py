"""Plans, receipts and reports as Markdown, for the run folder and for pull requests; pure.

Short at the top, details folded, and never longer than a comment may be: what does not fit is
counted and left out, details first. A page begins with a marker by which the comment that holds it
is found again. Foreign text is escaped, so that a list's name cannot become
markup, call a person by ``@`` or lead anywhere, and no address stands here that is not masked.
"""

import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from reconciler.errors import Problem
from reconciler.masking import clean
from reconciler.model import (
    SEVERITIES,
    Change,
    CreateList,
    Drift,
    Failure,
    ListDrift,
    ListPlan,
    Op,
    Origin,
    Outcome,
    Plan,
    Receipt,
    Refusal,
    Sample,
    Severity,
    Status,
    UpdateList,
    Way,
    op_of,
)
from reconciler.times import zulu
from reconciler.views import counting, human, lines, wording

_MARKUP: Final = re.compile(r"([\\`*_{}\[\]<#|~!$])")
_OPENING: Final = re.compile(r"^(\d*)([-+=.)>])")
"""What would begin a list, a rule or a heading at the start of a line."""
_LEADING: Final = re.compile(r"@|#|(?<=:)(?=//)|(?i:www(?=\.))")
"""What pages make links and calls of, also where Markdown does not."""
_UNQUOTED: Final = re.compile(r"[`|\\]")
"""What a code span, or one in a table, cannot hold as it is."""
LIMIT: Final = 60_000
"""Characters of a page: a comment takes 65,536, and whoever posts it may add some."""
_MOST: Final = 100
"""Lines of one table."""
_CUT: Final = "\n\n*What follows is left out: it would be too long for a comment.*"
_LEFT_OUT: Final = "*Details left out, too long for a comment: {parts}.*"
_SLACK: Final = 100
"""Characters for numbers and empty lines."""
_SAMPLE_HEAD: Final = ("", "address", "reason", "end", "source")


def plan(made: Plan) -> str:
    """Return a plan as it is best read in a pull request."""
    counts = [(listed, counting.planned_list(listed)) for listed in made.lists]
    summary = human.plan_summary(made)
    rows = [
        (
            listed.key,
            listed.tenant,
            *map(_number, (c.suppress, c.amend, c.shorten, c.release)),
            f"{c.before:,} -> {c.after:,}",
            _number(c.surplus),
        )
        for listed, c in sorted(counts, key=lambda each: not counting.touched(each[0]))
    ]
    head = ("list", "tenant", "suppress", "amend", "shorten", "release", "size", "surplus kept")
    return _page(
        "plan",
        f"### {summary}",
        _text(wording.plainly(made)),
        wording.postponed(made.postponed),
        *(f"**{each}**" for each in lines.unread(made.failures)),
        f"Preview as of {zulu(made.as_of)}: to be read, never applied." if made.preview else "",
        f"Overridden: {_text(wording.overrides(made.overrides))}" if made.overrides.given else "",
        _grounds(made.lists),
        _refusals(made.refusals),
        _held_back(made.lists),
        _stale(made.lists, made.as_of),
        _failures(made.failures),
        _table(head, rows),
        _problems(made.problems),
        f"Plan `{made.id[:12]}`, as of {zulu(made.as_of)}.",
        f"Held to {_text(wording.policy(made.policy, as_of=made.as_of))}.",
        details=[*(_list_plan(listed) for listed in made.lists), _feeds(made.lists, made.as_of)],
    )


def receipt(done: Receipt, *, made: Plan | None = None) -> str:
    """Return what a run did, for its ``report.md``.

    Args:
        done: the receipt.
        made: the plan it carried out, which says why anybody was let go.
    """
    rows = []
    for key in counting.keys(done):
        c = counting.applied(each for each in done.outcomes if each.key == key)
        told = (c.suppressed, c.amended, c.separated, c.shortened, c.released, c.rejected)
        rows.append((key, *map(_number, (*told, c.batches)), done.batch_reasons.get(key, "")))
    done_to = ("suppressed", "amended", "separated", "shortened", "released", "rejected")
    head = ("list", *done_to, "batches", "reason")
    created = [
        f"{_code(key)} was made: pin {_code(f'listId: {made_id}')}"
        for key, made_id in done.created.items()
    ]
    return _page(
        "receipt",
        f"### {human.receipt_summary(done)}",
        _text(wording.plainly_done(done, made)),
        wording.postponed(done.postponed),
        f"Overridden: {_text(wording.overrides(done.overrides))}" if done.overrides.given else "",
        f"Run `{done.run}`, {zulu(done.started)} to {zulu(done.finished)}, plan "
        f"`{done.plan[:12]}`, exit code {done.exit_code}. Surplus kept: {done.surplus:,}.",
        _grounds(_let_go(done, made)),
        _refusals(done.refusals),
        _stale(made.lists, made.as_of) if made else "",
        _table(head, rows),
        _bullets("Created", created),
        _bullets("Settings changed", _settings_done(done, made)),
        _failures(done.failures),
        _bullets("Webhooks undelivered", _undelivered(done)),
        wording.effort(done.metrics),
        details=[_fold("Not in place", _table(_OUTCOME_HEAD, _outcomes(done.outcomes)))],
    )


def _settings_done(done: Receipt, made: Plan | None) -> list[str]:
    return [
        f"**{_text(key)}**: {told}"
        for key, changes in counting.settings_done(done, made)
        for told in _changes(changes)
    ]


def _let_go(done: Receipt, made: Plan | None) -> tuple[ListPlan, ...]:
    """Return the plans of the lists of which somebody was let go or shortened."""
    gone = {each.key for each in done.outcomes if each.op in _LETTING_GO and each.taken}
    return tuple(listed for listed in made.lists if listed.key in gone) if made else ()


def drift(found: Drift) -> str:
    """Return how the service differs from the specs, by direction."""
    rows = [
        (
            listed.key,
            listed.tenant,
            listed.severity or "in order",
            *map(_number, (c.missing, c.differ, c.surplus, c.longer, c.lapsing)),
        )
        for listed in sorted(found.lists, key=_least_severe)
        for c in (counting.drifted_list(listed),)
    ]
    head = (
        "list",
        "tenant",
        "severity",
        *(f"{word} ({SEVERITIES[way]})" for way, word in _WAYS.items()),
        "lapsing soon",
    )
    details = [
        _fold(
            f"{listed.key}: details",
            _bullets("", [*_changes(listed.changes), *map(_text, listed.notes)]),
            _table(_SAMPLE_HEAD, _samples(listed.samples)),
        )
        for listed in sorted(found.lists, key=_least_severe)
    ]
    return _page(
        "drift",
        f"### {human.drift_summary(found)}",
        *(f"**{each}**" for each in lines.unread(found.failures)),
        _stale(found.lists, found.as_of),
        _table(head, rows),
        _origins(found),
        _failures(found.failures),
        _problems(found.problems),
        f"As of {zulu(found.as_of)}.",
        details=[*details, _feeds(found.lists, found.as_of)],
    )


_WAYS: Final[Mapping[Way, str]] = {
    "missing": "missing",
    "differ": "differ",
    "surplus": "surplus",
    "longer": "longer, kept",
}
_ORIGIN_HEAD: Final = (
    "list",
    "what",
    "pending (the spec changed)",
    "outside (the service changed)",
    "unknown",
)


def _least_severe(listed: ListDrift) -> int:
    """Return what sorts the worst first."""
    grades = [*Severity]
    return grades.index(listed.severity) if listed.severity else len(grades)


def _origins(found: Drift) -> str:
    """Say of each list who made it differ, and where that cannot be told, why."""
    rows = [
        (listed.key, word, *map(_number, (made.pending, made.outside, made.unknown)))
        for listed in sorted(found.lists, key=_least_severe)
        for way, word in _WAYS.items()
        for made in (listed.origins.get(way, Origin()),)
        if made != Origin()
    ]
    why = [
        f"**{_text(listed.key)}**: {_text(wording.untold(listed.untold))}"
        for listed in found.lists
        if listed.untold
    ]
    parts = (_table(_ORIGIN_HEAD, rows), _bullets("", why))
    return "\n\n".join(["**Who changed it**", *filter(None, parts)]) if rows else ""


_LETTING_GO: Final = (Op.SHORTEN, Op.RELEASE)
_WHY_HEAD: Final = ("list", "contacts", "what", "why and who asked", "declared at")


def _grounds(lists: Sequence[ListPlan]) -> str:
    """Say of everybody who is let go why, and where that is declared."""
    rows = [
        (
            listed.key,
            _number(why.contacts),
            "may be contacted again" if why.op is Op.RELEASE else "may be contacted sooner",
            wording.ground(why),
            wording.declared_at(why.source, why.line),
        )
        for listed in lists
        for why in listed.grounds
    ] + [
        (listed.key, _number(more), "may be contacted again or sooner", "on further grounds", "")
        for listed in lists
        if (more := counting.without_ground(listed)) > 0
    ]
    return "**Who may be contacted again, and why**\n\n" + _table(_WHY_HEAD, rows) if rows else ""


def _held_back(lists: Sequence[ListPlan]) -> str:
    """Say of those whom nothing lets go, though it was asked for, who asked and why."""
    rows = [
        (
            listed.key,
            _number(why.contacts),
            "stays: release held back" if why.op is Op.RELEASE else "stays: earlier end held back",
            wording.ground(why),
            wording.declared_at(why.source, why.line),
        )
        for listed in lists
        for why in listed.held_back
    ]
    return "**Asked for, and held back**\n\n" + _table(_WHY_HEAD, rows) if rows else ""


def _stale(lists: Sequence[ListPlan] | Sequence[ListDrift], as_of: datetime) -> str:
    """Say loudly which sources are too old to let anybody go."""
    told = [
        f"**{_text(listed.key)}**: {_text(wording.feed(feed, as_of=as_of))}"
        for listed in lists
        for feed in listed.feeds
        if feed.stale
    ]
    return _bullets("Feeds too old", told)


def _feeds(lists: Sequence[ListPlan] | Sequence[ListDrift], as_of: datetime) -> str:
    told = [_text(wording.feed(feed, as_of=as_of)) for listed in lists for feed in listed.feeds]
    return _fold("Sources and their age", _bullets("", told))


_OUTCOME_HEAD: Final = ("list", "what", "batch", "rows", "taken", "became", "why")


def _list_plan(listed: ListPlan) -> str:
    changes: list[str] = []
    for action in listed.actions:
        match action:
            case CreateList(settings=settings):
                declared = wording.declared(settings)
                named = ", ".join(f"{c.field} {wording.setting(c, c.new)}" for c in declared)
                changes.append(f"create the list: {_text(named)}")
            case UpdateList(changes=moved):
                changes += _changes(moved)
            case _:
                pass
    sent = {op_of(a) for a in listed.actions if not isinstance(a, CreateList | UpdateList)}
    shown = {op: held for op, held in listed.gap.samples.items() if op in sent}
    return _fold(
        f"{listed.key}: details",
        _bullets("", [*changes, *map(_text, listed.notes)]),
        _table(_SAMPLE_HEAD, _samples(shown)),
    )


def _changes(changes: Iterable[Change]) -> list[str]:
    return [
        f"{change.field}: {_text(wording.setting(change, change.old))} -> "
        f"{_text(wording.setting(change, change.new))}"
        for change in changes
    ]


def _samples(samples: Mapping[Op, Sequence[Sample]]) -> Iterator[Sequence[str]]:
    for op, held in samples.items():
        symbol, word, _ = wording.SYMBOLS[op]
        for sample in map(wording.masked, held):
            place = f"{sample.source}:{sample.line}" if sample.source else ""
            end = wording.end(sample.until)
            yield (f"{symbol} {word}", sample.address, sample.reason or "", end, place)


def _outcomes(outcomes: Sequence[Outcome]) -> Iterator[Sequence[str]]:
    for each in map(wording.scrubbed, outcomes):
        if each.status is not Status.DONE:
            codes = ", ".join(sorted({rejection.code for rejection in each.rejections}))
            why = each.detail or codes
            counts = map(_number, (each.batch, each.rows, each.taken))
            yield (each.key, each.op or each.action, *counts, each.status, why)


def _undelivered(done: Receipt) -> list[str]:
    return [
        f"{_text(each.key)} to {_text(each.url)}: {_text(each.detail)}"
        for each in done.webhooks
        if not each.delivered
    ]


def _refusals(refusals: Sequence[Refusal]) -> str:
    told = [f"**{_text(each.key)}**: {_text(wording.refusal(each))}" for each in refusals]
    return _bullets("Refused", told)


def _failures(failures: Sequence[Failure]) -> str:
    return _bullets("Failed", [f"**{_text(f.key)}**: {_text(f.message)}" for f in failures])


def _problems(problems: Sequence[Problem]) -> str:
    return _bullets("Warnings", [_text(str(each)) for each in sorted(problems)])


def _page(kind: str, *parts: str, details: Iterable[str] = ()) -> str:
    """Return a page of at most ``LIMIT`` characters, the marker of its kind on its first line.

    Args:
        kind: of what it tells.
        parts: what has to be told, the most important first; cut off at the end of a line.
        details: what may be left out, each whole.
    """
    held = [f"<!-- reconciler:{kind} -->"]
    room = LIMIT - len(held[0]) - len(_LEFT_OUT) - len(_CUT) - _SLACK
    for part in filter(None, parts):
        if len(part) > room:
            held.append(part[: max(room, 0)].rpartition("\n")[0] + _CUT)
            room = 0
            break
        held.append(part)
        room -= len(part) + 2
    left = 0
    for part in filter(None, details):
        fits = len(part) <= room
        held += [part] if fits else []
        room -= len(part) + 2 if fits else 0
        left += not fits
    held += [_LEFT_OUT.format(parts=wording.plural(left, "part"))] if left else []
    return "\n\n".join(held) + "\n"


def _fold(title: str, *parts: str) -> str:
    held = [part for part in parts if part]
    if not held:
        return ""
    inner = "\n\n".join(held)
    return f"<details><summary>{html.escape(clean(title))}</summary>\n\n{inner}\n\n</details>"


def _bullets(title: str, lines: Sequence[str]) -> str:
    if not lines:
        return ""
    listed = "\n".join("- " + _OPENING.sub(r"\1\\\2", line) for line in lines[:_MOST])
    listed += _more(len(lines))
    return f"**{title}**\n\n{listed}" if title else listed


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    held = [" | ".join(map(_text, row)) for row in rows]
    if not held:
        return ""
    lines = [" | ".join(head), " | ".join("---" for _ in head), *held[:_MOST]]
    return "\n".join(f"| {line} |" for line in lines) + _more(len(held))


def _more(count: int) -> str:
    return f"\n\n… and {count - _MOST:,} more" if count > _MOST else ""


def _number(count: int) -> str:
    return f"{count:,}"


def _text(text: str) -> str:
    """Return foreign text so that Markdown and HTML show it as it is, and link nothing in it."""
    seen = clean(text)
    if not _LEADING.search(seen):
        return _escaped(seen)
    if not _UNQUOTED.search(seen):
        return f"`{seen.strip()}`"
    return _LEADING.sub(r"\g<0><!-- -->", _escaped(seen))


def _code(text: str) -> str:
    """Return foreign text that people copy."""
    seen = clean(text).strip()
    return _text(text) if _UNQUOTED.search(seen) or not seen else f"`{seen}`"


def _escaped(text: str) -> str:
    return _MARKUP.sub(r"\\\1", text.replace("&", "&amp;").replace("<", "&lt;"))
