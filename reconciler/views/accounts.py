"""Everything about one run, for people, programs and spreadsheets; pure.

What others wrote, the service and CI among them, is shown on one line and without addresses.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from itertools import groupby
from typing import Any, Final

from rich.text import Text

from reconciler import holds
from reconciler.account import Account, Artifact
from reconciler.chronicle import Line
from reconciler.masking import clean, scrub
from reconciler.model import Outcome
from reconciler.times import zulu
from reconciler.views import cells, counting, held, ledger_lines, lines, machine, wording
from reconciler.views.wording import plural

COLUMNS: Final = (
    *("run", "kind", "list", "what", "status", "rows", "taken", "rejected", "batches"),
    *("name", "digest", "presence"),
)
"""Of the CSV: a row for each kind of outcome of a list, then one for each artifact."""
_ORIGIN: Final = (
    ("reconciler", "version"),
    ("schemas", "schemas"),
    ("python", "python"),
    ("actor", "started by"),
    ("commit", "commit"),
    ("author", "author"),
    ("approver", "approved by"),
    ("ci_run", "CI run"),
    ("host", "host"),
)
_EXACT: Final = frozenset({"commit", "ci_run", "reconciler", "schemas", "python"})
"""What is no text of somebody's: shown as it is, but for what cannot be seen."""
_WORDS: Final[Mapping[str, str]] = {op.value: word for op, (_, word, _) in wording.SYMBOLS.items()}
_PLACES: Final = frozenset({"place", "places"})
"""Where a policy is declared: not for people here."""
_NAME: Final = 12
"""Columns of what stands before a fact."""
_DIGEST: Final = 12
"""Characters of a digest that people are shown."""

_Row = dict[str, Any]


def text(told: Account) -> Text:
    """Show everything about a run, the most important first."""
    parts = (
        _head(told),
        _origin(told),
        _policy(told),
        _lists(told),
        _refused(told),
        _hooks(told),
        _effort(told),
        _remains(told),
        _decided(told),
        _artifacts(told),
    )
    bodies = [[*part] for part in parts]
    found = [line for body in bodies if body for line in (*body, Text())]
    return lines.join(found[:-1])


def document(told: Account, *, exit_code: int = 0) -> bytes:
    """Return everything about a run as one JSON document."""
    receipt = told.papers.receipt
    content = {
        **ledger_lines.facts(told.line, told.papers),
        "origin": {name: _said(told, name) for name, _ in _ORIGIN},
        "key": told.line.said.get("key"),
        "policy": _policy_of(told),
        "overrides": _overrides(told) or None,
        "batch_reasons": _scrubbed(told.line.said.get("batch_reasons")),
        "ledger": [ledger_lines.facts(line) for line in told.lines],
        "outcomes": outcomes(told),
        "refusals": _scrubbed(receipt.get("refusals", ())),
        "failures": _scrubbed(receipt.get("failures", ())),
        "webhooks": _scrubbed(receipt.get("webhooks", ())),
        "metrics": _scrubbed(receipt.get("metrics")),
        "interrupted": _scrubbed(told.papers.interrupted) or None,
        "holds": [holds.facts(hold) for hold in told.holds],
        "artifacts": [asdict(each) | {"digest": each.digest or None} for each in told.artifacts],
    }
    return machine.facts("audit-run", content, exit_code=exit_code)


def table(told: Account) -> bytes:
    """Return a run's outcomes and artifacts as CSV."""
    rows = [{"kind": "outcome", **row} for row in outcomes(told)]
    rows += [{"kind": "artifact", **asdict(each)} for each in told.artifacts]
    return cells.table(
        COLUMNS, ([{"run": told.run, **row}.get(name) for name in COLUMNS] for row in rows)
    )


def outcomes(told: Account) -> list[_Row]:
    """Count what became of each list, by what was done and how that ended, in rows."""

    def kind(one: Outcome) -> tuple[str, str, str]:
        return one.key, one.op or one.action, one.status.value

    done = sorted(told.papers.outcomes, key=kind)
    return [
        {"list": key, "what": what, "status": status, **_counted(tuple(found))}
        for (key, what, status), found in groupby(done, key=kind)
    ]


def _counted(found: tuple[Outcome, ...]) -> _Row:
    return {
        "rows": sum(one.rows for one in found),
        "taken": sum(one.taken for one in found),
        "rejected": sum(map(counting.rejected, found)),
        "batches": sum(one.batch > 0 for one in found),
    }


def _head(told: Account) -> Iterator[Text]:
    line = told.line
    yield lines.bold(Text(f"Run {clean(told.run)}: {clean(line.command)}, {clean(line.outcome)}"))
    code = line.said.get("exit_code")
    yield _fact("ended", f"{zulu(line.finished)}" if line.finished else "")
    yield _fact("began", zulu(line.started) if line.started else "")
    if code is not None:
        yield _fact("exit code", str(code))
    yield _fact("ledger", ", ".join(f"#{one.number} {clean(one.outcome)}" for one in told.lines))
    counted = ledger_lines.amounts(line, told.papers)
    if counted:
        yield _fact("in all", counted)


def _origin(told: Account) -> Iterator[Text]:
    for name, word in _ORIGIN:
        said = _said(told, name)
        if said:
            yield _fact(word, said)


def _policy(told: Account) -> Iterator[Text]:
    policy = _policy_of(told) or {}
    within = policy.get("release_within")
    days = {"release_within": f"{within / 86_400:g} days"} if isinstance(within, float) else {}
    said = {name: value for name, value in policy.items() if name not in _PLACES} | days
    shown = [f"{name} {_plainly(value)}" for name, value in said.items()]
    if shown:
        yield _fact("policy", ", ".join(shown))
    overrides = _overrides(told)
    if overrides:
        allowed = (f"{name} {_plainly(value)}" for name, value in overrides.items())
        yield _fact("overridden", ", ".join(allowed))


def _lists(told: Account) -> Iterator[Text]:
    reasons = _mapping(told.line.said.get("batch_reasons"))
    found = {key: [*rows] for key, rows in groupby(outcomes(told), key=lambda row: row["list"])}
    for key in sorted(told.line.lists | found.keys()):
        yield lines.heading(key, "", scrub(str(reasons.get(key, ""))))
        for row in found.get(key, ()):
            yield Text(f"  {_WORDS.get(row['what'], clean(row['what'])):{_NAME}}{_ended(row)}")


def _ended(row: _Row) -> str:
    if not row["batches"]:
        return f"{row['status']}" + (f" ({plural(row['rows'], 'contact')})" if row["rows"] else "")
    told = f"{row['status']}: {row['taken']:,} of {plural(row['rows'], 'row')} taken"
    rejected = f", {row['rejected']:,} rejected" if row["rejected"] else ""
    return f"{told}{rejected}, {plural(row['batches'], 'batch', 'batches')}"


def _refused(told: Account) -> Iterator[Text]:
    for each in _each(told.papers.receipt.get("refusals")):
        said = f"{each.get('key')} ({each.get('rule')}): {each.get('message')}"
        yield lines.mark("refused", "!", clean(scrub(said)), "bold red")
    for each in _each(told.papers.receipt.get("failures")):
        yield lines.mark(
            "failed", "!", clean(scrub(f"{each.get('key')}: {each.get('message')}")), "bold red"
        )


def _hooks(told: Account) -> Iterator[Text]:
    for each in _each(told.papers.receipt.get("webhooks")):
        word = "delivered" if each.get("delivered") else "undelivered"
        said = f"{each.get('key')} to {each.get('url')}: {word} {each.get('detail') or ''}"
        yield _fact("webhook", scrub(said).strip())


def _effort(told: Account) -> Iterator[Text]:
    metrics = _mapping(told.papers.receipt.get("metrics"))
    said = wording.effort(metrics)
    if said:
        yield lines.line("dim", said)


def _remains(told: Account) -> Iterator[Text]:
    for key, steps in _mapping(told.papers.interrupted.get("lists")).items():
        for op, step in _mapping(steps).items():
            counts = Counter({str(name): _whole(count) for name, count in _mapping(step).items()})
            shown = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in counts.items() if n)
            yield lines.mark("left", "!", clean(f"{key}: {op} {shown}"), "bold red")


def _decided(told: Account) -> Iterator[Text]:
    for hold in told.holds:
        said = f"{hold.id} ({held.about(hold.scope)}): {scrub(hold.reason)}"
        yield lines.mark("held", "!", clean(said), "bold red")
    for line in told.lines:
        said = _decision(line)
        if said:
            yield _fact(line.outcome, said)


def _decision(line: Line) -> str:
    if line.outcome == "pruned":
        return ledger_lines.amounts(line, None)
    name = _mapping(line.said.get("hold")).get("id", "")
    return f"{name}: {ledger_lines.reason(line)}" if name else ""


def _artifacts(told: Account) -> Iterator[Text]:
    width = max((len(each.name) for each in told.artifacts), default=0)
    for each in told.artifacts:
        yield Text(
            f"  {clean(each.name):{width}}  {clean(each.digest)[:_DIGEST]:{_DIGEST}}  ",
        ).append(each.presence, style=_style(each))


def _style(each: Artifact) -> str:
    return {"there": "green", "missing": "bold red"}.get(each.presence, "yellow")


def _fact(name: str, said: str) -> Text:
    return Text(f"  {clean(name):{_NAME}}{clean(said)}")


def _said(told: Account, name: str) -> str | None:
    found = told.line.origin.get(name) or told.papers.head.get(name)
    if found is None:
        return None
    return str(found) if name in _EXACT else scrub(str(found))


def _policy_of(told: Account) -> Any:
    found = told.line.said.get("policy") or told.papers.specs.get("policy")
    return _scrubbed(_mapping(found)) or None


def _overrides(told: Account) -> Mapping[str, Any]:
    found = _mapping(told.line.said.get("overrides"))
    return {
        name: scrub(value) if isinstance(value, str) else value
        for name, value in found.items()
        if value
    }


def _plainly(value: Any) -> str:
    """Say a value of a document on one line."""
    if isinstance(value, Mapping):
        return " and ".join(f"{name} {_plainly(each)}" for name, each in value.items() if each)
    if isinstance(value, list | tuple):
        return ", ".join(map(_plainly, value)) or "none"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:,}"
    return "none" if value is None else scrub(str(value))


def _scrubbed(value: Any) -> Any:
    """Return a document's part with every text in it freed of addresses."""
    if isinstance(value, Mapping):
        return {str(name): _scrubbed(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_scrubbed(each) for each in value]
    return scrub(value) if isinstance(value, str) else value


def _each(found: Any) -> Iterable[Mapping[str, Any]]:
    return [each for each in found or () if isinstance(each, Mapping)]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else 0
