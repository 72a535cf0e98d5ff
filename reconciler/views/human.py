"""Plans, receipts and reports for people at a terminal; pure.

Each function returns one styled ``Text`` without a final line feed. Symbols always stand beside
their word, so that nothing depends on colour; lines are never wrapped here. The summary lines are
a promise to scripts: change them only together with their tests.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from rich.text import Text

from reconciler.errors import Problem
from reconciler.masking import clean
from reconciler.model import (
    SEVERITIES,
    Action,
    Check,
    CreateList,
    Drift,
    Ground,
    ListDrift,
    ListPlan,
    Op,
    Origin,
    Outcome,
    Plan,
    Receipt,
    Refusal,
    Release,
    Shorten,
    Status,
    UpdateList,
    Way,
    op_of,
)
from reconciler.times import zulu
from reconciler.views import counting, lines, wording
from reconciler.views.wording import plural

_BAD: Final = frozenset({Status.REJECTED, Status.WITHHELD, Status.FAILED, Status.DIFFERS})


def plan(made: Plan) -> Text:
    """Show what would be done to each list, what is refused, and the summary lines."""
    told = [*_plan_head(made), *_bodies(_list_plan(listed, made) for listed in made.lists)]
    told += [*lines.failures(made.failures), *map(lines.problem, sorted(made.problems))]
    if not _matching(made):
        told += [_planned(listed.key, counting.planned_list(listed)) for listed in made.lists]
    told += [*_postponed(made.postponed), lines.bold(plan_summary(made))]
    told += lines.unread(made.failures)
    return lines.join([*told, *map(refusal, made.refusals)])


def plan_summary(made: Plan) -> Text:
    """Return a plan's summary line alone."""
    counts = counting.planned(made)
    return _matches(counts.surplus) if _matching(made) else _planned("Plan", counts)


def receipt(done: Receipt, *, artifacts: Path | None = None) -> Text:
    """Show what became of each list, what is left to do, and the summary lines.

    Args:
        done: the receipt.
        artifacts: the run folder, to be named before the summary.
    """
    keys = counting.keys(done)
    told = [*_bodies(_list_receipt(key, done) for key in keys), *lines.failures(done.failures)]
    told += _webhooks(done)
    effort = wording.effort(done.metrics)
    told += [lines.line("dim", effort)] if effort else []
    told += [lines.line("dim", f"Artifacts: {clean(str(artifacts))}")] if artifacts else []
    if not counting.nothing_done(done):
        told += [_applied(key, counting.applied(_of(done.outcomes, key))) for key in keys]
    told += [*_postponed(done.postponed), lines.bold(receipt_summary(done))]
    return lines.join([*told, *map(refusal, done.refusals)])


def receipt_summary(done: Receipt) -> Text:
    """Return a receipt's summary line alone."""
    if counting.nothing_done(done):
        return _matches(done.surplus)
    return _applied("Applied", counting.applied(done.outcomes)).append(f" Run {done.run}.")


def drift(found: Drift) -> Text:
    """Show how each list differs, by direction, and the summary lines."""
    told = [*_bodies(_list_drift(listed, found.as_of) for listed in found.lists)]
    told += [*lines.failures(found.failures), *map(lines.problem, sorted(found.problems))]
    told += [_drifted(listed.key, counting.drifted_list(listed)) for listed in found.lists]
    told += [lines.bold(drift_summary(found)), *lines.unread(found.failures)]
    stale = wording.stale(found)
    return lines.join([*told, *([lines.line("bold red", stale)] if stale else [])])


def drift_summary(found: Drift) -> Text:
    """Return a report's summary line alone."""
    return _drifted("Drift", counting.drifted(found))


def checks(made: Sequence[Check]) -> Text:
    """Show what ``ping`` looked at, one line a check."""
    subjects = max((len(check.subject) for check in made), default=0)
    names = max((len(check.name) for check in made), default=0)
    failed = sum(not check.ok for check in made)
    told = [
        Text.assemble(
            ("ok  ", "green") if check.ok else ("FAIL", "bold red"),
            f"  {clean(check.subject):{subjects}}  {clean(check.name):{names}}",
            f"  {clean(check.detail)}" if check.detail else "",
        )
        for check in made
    ]
    summary = f"{plural(len(made), 'check')}. " + (f"{failed} failed." if failed else "All passed.")
    return lines.join([*told, lines.bold(Text(summary))])


def problems(found: Sequence[Problem]) -> Text:
    """Show problems as ``path:line:column code message``, in the order of their places."""
    return lines.join(map(lines.problem, sorted(found)))


def ended(message: str, *, hint: str = "", found: Sequence[Problem] = ()) -> Iterator[Text]:
    """Yield why a command ended badly: its problems, one line, and a hint."""
    if found:
        yield problems(found)
    yield Text.assemble(("error:", "bold red"), f" {clean(message)}")
    if hint:
        yield Text.assemble(("hint:", "bold"), f" {clean(hint)}")


def refusal(refused: Refusal) -> Text:
    """Show a refusal as its summary line, with the exact flags that allow it once."""
    return lines.line("bold red", wording.refusal(refused))


def _postponed(actions: int) -> Iterator[Text]:
    if actions:
        yield lines.line("bold", wording.postponed(actions))


def _bodies(bodies: Iterable[Iterable[Text]]) -> Iterator[Text]:
    """Yield what is to be said of each list, an empty line behind each that says anything."""
    for body in map(tuple, bodies):
        yield from (*body, Text()) if body else ()


def _matches(surplus: int) -> Text:
    return lines.line("green", wording.MATCHES.format(surplus=surplus))


# ---------------------------------------------------------------- plan


def _matching(made: Plan) -> bool:
    return made.empty and not (made.refusals or made.failures or made.postponed)


def _plan_head(made: Plan) -> Iterator[Text]:
    if made.preview:
        yield lines.line("bold", f"Preview as of {zulu(made.as_of)}: to be read, never applied.")
    if made.overrides.given:
        yield lines.line("bold", f"Overridden: {wording.overrides(made.overrides)}")


def _list_plan(listed: ListPlan, made: Plan) -> Iterator[Text]:
    """Yield one list's heading and what is to be said of it; nothing where it just matches."""
    told = [
        *(line for action in listed.actions for line in _action(action, listed)),
        *map(lines.refused, listed.refusals),
        *map(_held_back, listed.held_back),
        *map(lines.note, listed.notes),
    ]
    if not told:
        return
    before, after = f"{listed.size_before:,}", f"{listed.size_after:,}"
    yield lines.heading(listed.key, listed.tenant, f"{before} -> {after} contacts")
    yield from told
    yield from _kept(listed)
    yield from _declared(listed)
    for feed in listed.feeds:
        style = "bold yellow" if feed.stale else "dim"
        yield lines.mark("feed", "", wording.feed(feed, as_of=made.as_of), style)


def _action(action: Action, listed: ListPlan) -> Iterator[Text]:
    match action:
        case CreateList(settings=settings):
            yield lines.mark("create", "+", "the list, of type suppression", "green")
            for change in wording.declared(settings):
                yield Text(f"      {change.field}: {wording.setting(change, change.new)}")
        case UpdateList(changes=changes):
            yield from map(lines.change, changes)
        case _:
            op = op_of(action)
            yield lines.mark_op(op, _amount(op, action.rows.rows, listed))
            yield from lines.samples(op, action.rows.rows, listed.gap.samples)
            yield from _why(op, listed)


def _why(op: Op, listed: ListPlan) -> Iterator[Text]:
    """Say why contacts are let go, and where that is declared."""
    for ground in listed.grounds:
        if ground.op is op:
            place = wording.declared_at(ground.source, ground.line)
            yield Text(f"      because: {ground.contacts:,} by {wording.ground(ground)}  {place}")
    more = counting.without_ground(listed)
    if more > 0 and op is _last_going(listed):
        yield Text(f"      because: {more:,} on further grounds")


def _held_back(why: Ground) -> Text:
    """Say why somebody was to be let go who is not."""
    place = wording.declared_at(why.source, why.line)
    return Text(f"      held back: {why.contacts:,} by {wording.ground(why)}  {place}")


def _last_going(listed: ListPlan) -> Op | None:
    """Return the last thing that is done to let somebody go."""
    going = [op_of(one) for one in listed.actions if isinstance(one, Shorten | Release)]
    return going[-1] if going else None


def _amount(op: Op, rows: int, listed: ListPlan) -> str:
    counts = counting.planned_list(listed)
    gap = listed.gap
    match op:
        case Op.SUPPRESS:
            return f"{counts.suppress:,}"
        case Op.AMEND:
            kinds = f"{gap.extended:,} to a later end, {gap.recoded:,} to another reason"
            return f"{counts.amend:,} ({kinds})"
        case Op.SHORTEN:
            return f"{counts.shorten:,}"
        case Op.RELEASE:
            return f"{counts.release:,}"
        case _:
            return f"{rows:,} from a contact they share with one to shorten or release"


def _kept(listed: ListPlan) -> Iterator[Text]:
    if listed.kept:
        yield lines.mark_op(Op.SURPLUS, f"{listed.kept:,} not declared, kept")
    if listed.gap.longer:
        yield lines.mark_op(
            Op.LONGER, f"{listed.gap.longer:,} suppressed longer than declared, kept"
        )


def _declared(listed: ListPlan) -> Iterator[Text]:
    counts = listed.counts
    parts = {
        "merged": counts.merged,
        "lapsed": counts.lapsed,
        "invalid and set aside": counts.invalid,
        "with a time without an offset, taken as UTC": counts.naive,
        "beyond the list's own end": counts.past_list_end,
        "left out, the dialect has no place for them": counts.unsupported,
    }
    odd = ", ".join(f"{count:,} {word}" for word, count in parts.items() if count)
    if odd:
        yield lines.mark("declared", "", f"{plural(counts.read, 'identifier')} read: {odd}", "dim")


def _planned(name: str, counts: counting.Planned) -> Text:
    return Text(
        f"{clean(name)}: {counts.suppress:,} to suppress, {counts.amend:,} to amend, "
        f"{counts.shorten:,} to shorten, {counts.release:,} to release. "
        f"List size {counts.before:,} -> {counts.after:,}. Surplus kept: {counts.surplus:,}."
    )


# ---------------------------------------------------------------- receipt


def _list_receipt(key: str, done: Receipt) -> Iterator[Text]:
    outcomes = tuple(map(wording.scrubbed, _of(done.outcomes, key)))
    refusals = tuple(each for each in done.refusals if each.key == key)
    told = [
        *([_pin(done.created[key])] if key in done.created else []),
        *_settings(outcomes),
        *_separated(outcomes),
        *_rejections(outcomes),
        *_bad(outcomes),
        *_skipped(outcomes),
        *map(lines.refused, refusals),
    ]
    if told:
        yield lines.heading(key, "", done.batch_reasons.get(key, ""))
        yield from told


def _pin(list_id: str) -> Text:
    return lines.mark("created", "+", f"pin listId: {clean(list_id)}", "green")


def _settings(outcomes: Sequence[Outcome]) -> Iterator[Text]:
    changed = sum(o.action == "UpdateList" and o.status is Status.DONE for o in outcomes)
    if changed:
        yield lines.mark("changed", "~", "settings of the list", "yellow")


def _separated(outcomes: Sequence[Outcome]) -> Iterator[Text]:
    rows = counting.applied(outcomes).separated
    if rows:
        yield lines.mark("separated", "~", f"{plural(rows, 'row')} from a shared contact", "yellow")


def _rejections(outcomes: Sequence[Outcome]) -> Iterator[Text]:
    total = counting.applied(outcomes).rejected
    if not total:
        return
    found = [each for outcome in outcomes for each in outcome.rejections]
    yield lines.mark("rejected", "!", plural(total, "row"), "bold red")
    for (code, field), count in Counter((each.code, each.field) for each in found).most_common():
        message = next(each.message for each in found if (each.code, each.field) == (code, field))
        where = f" ({field})" if field else ""
        yield Text(clean(f"      {count:,} {code}{where}" + (f": {message}" if message else "")))


def _bad(outcomes: Sequence[Outcome]) -> Iterator[Text]:
    """Yield what was withheld, failed or differs, batches of one cause together."""
    rows: Counter[tuple[Status, str, str]] = Counter()
    for each in outcomes:
        if each.status in _BAD and not each.rejections:
            rows[(each.status, each.op or each.action, each.detail)] += each.rows
    for (status, what, detail), count in rows.items():
        text = f"{clean(what)}" + (f" of {plural(count, 'row')}" if count else "")
        yield lines.mark(status, "!", text + (f": {clean(detail)}" if detail else ""), "bold red")


def _skipped(outcomes: Sequence[Outcome]) -> Iterator[Text]:
    changed = sum(len(each.changed) for each in outcomes)
    lapsed = sum(each.lapsed for each in outcomes)
    if changed:
        text = f"{plural(changed, 'contact')} changed by somebody since the plan, left alone"
        yield lines.mark("withheld", "!", text, "bold red")
    if lapsed:
        yield lines.mark("lapsed", "", f"{plural(lapsed, 'row')} since the plan, not sent", "dim")


def _webhooks(done: Receipt) -> Iterator[Text]:
    for each in done.webhooks:
        if not each.delivered:
            tries = plural(each.attempts, "attempt")
            text = f"{clean(each.key)} to {clean(each.url)} after {tries}: {clean(each.detail)}"
            yield lines.line("yellow", f"Webhook undelivered: {text}")


def _of(outcomes: Iterable[Outcome], key: str) -> tuple[Outcome, ...]:
    return tuple(outcome for outcome in outcomes if outcome.key == key)


def _applied(name: str, counts: counting.Applied) -> Text:
    return Text(
        f"{clean(name)}: {counts.suppressed:,} suppressed, {counts.amended:,} amended, "
        f"{counts.shortened:,} shortened, {counts.released:,} released, "
        f"{counts.rejected:,} rejected. {plural(counts.batches, 'batch', 'batches')}."
    )


# ---------------------------------------------------------------- drift


def _list_drift(listed: ListDrift, as_of: datetime) -> Iterator[Text]:
    samples = listed.samples
    amended = listed.differ - len(listed.changes)
    told: list[Text] = []
    if listed.missing:
        text = _graded(f"{listed.missing:,}", "missing", listed)
        told.append(lines.mark("missing", "+", text, "bold red"))
        told += lines.samples(Op.SUPPRESS, listed.missing, samples)
    told += map(lines.change, listed.changes)
    if listed.differ:
        settings = plural(len(listed.changes), "setting")
        parts = [f"{amended:,} in end or reason"] * bool(amended) + [settings] * bool(
            listed.changes
        )
        text = _graded(", ".join(parts), "differ", listed)
        told.append(lines.mark("differ", "~", text, "yellow"))
        told += [x for op in (Op.AMEND, Op.SHORTEN) for x in lines.samples(op, 0, samples)]
    if listed.surplus:
        text = _graded(f"{listed.surplus:,} not declared", "surplus", listed)
        told.append(lines.mark("surplus", "?", text, "cyan"))
        told += [x for op in (Op.SURPLUS, Op.RELEASE) for x in lines.samples(op, 0, samples)]
    if listed.longer:
        text = f"{listed.longer:,} suppressed longer than declared, kept"
        told.append(lines.mark_op(Op.LONGER, _graded(text, "longer", listed)))
        told += lines.samples(Op.LONGER, listed.longer, samples)
    if listed.untold:
        told.append(lines.note(wording.untold(listed.untold)))
    if listed.lapsing:
        told.append(lines.mark("lapsing", ">", wording.lapsing(listed.lapsing), "magenta"))
    for feed in listed.feeds:
        style = "bold red" if feed.stale else "dim"
        told.append(lines.mark("feed", "!" * feed.stale, wording.feed(feed, as_of=as_of), style))
    told += [lines.note(text, style="bold yellow") for text in listed.notes]
    if told:
        yield lines.heading(listed.key, listed.tenant, plural(listed.size, "contact"))
        yield from told


def _graded(text: str, way: Way, listed: ListDrift) -> str:
    """Put behind a direction's count how bad it is, and who made it so."""
    origin = wording.origin(listed.origins.get(way, Origin()), way)
    return f"{text} ({SEVERITIES[way]})" + (f": {origin}" if origin else "")


def _drifted(name: str, counts: counting.Drifted) -> Text:
    return Text(
        f"{clean(name)}: {counts.missing:,} missing (critical), {counts.surplus:,} surplus, "
        f"{counts.differ:,} differ."
    )
