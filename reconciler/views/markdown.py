"""Plans, receipts and reports as Markdown, for the run folder and for pull requests; pure.

Short at the top, details folded. Foreign text is escaped, so that a list's name cannot become
markup, call a person by ``@`` or lead anywhere, and no address stands here that is not masked.
"""

import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from reconciler.errors import Problem
from reconciler.masking import clean
from reconciler.model import (
    Change,
    CreateList,
    Drift,
    Failure,
    ListPlan,
    Op,
    Outcome,
    Plan,
    Receipt,
    Refusal,
    Sample,
    Status,
    UpdateList,
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
        for listed, c in counts
    ]
    head = ("list", "tenant", "suppress", "amend", "shorten", "release", "size", "surplus kept")
    return _page(
        f"### {summary}",
        *(f"**{each}**" for each in lines.unread(made.failures)),
        f"Preview as of {zulu(made.as_of)}: to be read, never applied." if made.preview else "",
        f"Overridden: {_text(wording.overrides(made.overrides))}" if made.overrides.given else "",
        _table(head, rows),
        _refusals(made.refusals),
        _failures(made.failures),
        _problems(made.problems),
        *(_list_plan(listed) for listed in made.lists),
        f"Plan `{made.id[:12]}`, as of {zulu(made.as_of)}.",
    )


def receipt(done: Receipt) -> str:
    """Return what a run did, for its ``report.md``."""
    rows = []
    for key in counting.keys(done):
        c = counting.applied(each for each in done.outcomes if each.key == key)
        told = (c.suppressed, c.amended, c.separated, c.shortened, c.released, c.rejected)
        rows.append((key, *map(_number, (*told, c.batches)), done.batch_reasons.get(key, "")))
    done_to = ("suppressed", "amended", "separated", "shortened", "released", "rejected")
    head = ("list", *done_to, "batches", "reason")
    created = [
        f"{_code(key)} was made: pin {_code(f'listId: {made}')}"
        for key, made in done.created.items()
    ]
    return _page(
        f"### {human.receipt_summary(done)}",
        f"Overridden: {_text(wording.overrides(done.overrides))}" if done.overrides.given else "",
        f"Run `{done.run}`, {zulu(done.started)} to {zulu(done.finished)}, plan "
        f"`{done.plan[:12]}`, exit code {done.exit_code}. Surplus kept: {done.surplus:,}.",
        _table(head, rows),
        _bullets("Created", created),
        _refusals(done.refusals),
        _failures(done.failures),
        _bullets("Webhooks undelivered", _undelivered(done)),
        _fold("Not in place", _table(_OUTCOME_HEAD, _outcomes(done.outcomes))),
        wording.effort(done.metrics),
    )


def drift(found: Drift) -> str:
    """Return how the service differs from the specs, by direction."""
    rows = [
        (listed.key, listed.tenant, *map(_number, (c.missing, c.surplus, c.differ, c.longer)))
        for listed in found.lists
        for c in (counting.drifted_list(listed),)
    ]
    head = ("list", "tenant", "missing (critical)", "surplus", "differ", "longer, kept")
    details = [
        _fold(
            f"{listed.key}: details",
            _bullets("", [*_changes(listed.changes), *map(_text, listed.notes)]),
            _table(_SAMPLE_HEAD, _samples(listed.samples)),
        )
        for listed in found.lists
    ]
    return _page(
        f"### {human.drift_summary(found)}",
        *(f"**{each}**" for each in lines.unread(found.failures)),
        _table(head, rows),
        _failures(found.failures),
        _problems(found.problems),
        *details,
        f"As of {zulu(found.as_of)}.",
    )


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


def _page(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"


def _fold(title: str, *parts: str) -> str:
    held = [part for part in parts if part]
    if not held:
        return ""
    inner = "\n\n".join(held)
    return f"<details><summary>{html.escape(clean(title))}</summary>\n\n{inner}\n\n</details>"


def _bullets(title: str, lines: Sequence[str]) -> str:
    if not lines:
        return ""
    listed = "\n".join("- " + _OPENING.sub(r"\1\\\2", line) for line in lines)
    return f"**{title}**\n\n{listed}" if title else listed


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    held = [" | ".join(map(_text, row)) for row in rows]
    if not held:
        return ""
    lines = [" | ".join(head), " | ".join("---" for _ in head), *held]
    return "\n".join(f"| {line} |" for line in lines)


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
