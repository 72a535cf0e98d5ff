"""Lines of the ledger for people, programs and spreadsheets, the newest first; pure.

A line a run: when, which, what became of it, how many, by whom, on which commit and where that can
be looked at. Nothing here names a contact.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Any, Final

from rich.text import Text

from reconciler.chronicle import UNREADABLE, Line
from reconciler.masking import clean, scrub
from reconciler.papers import Papers
from reconciler.times import zulu
from reconciler.views import cells, counting, lines, machine
from reconciler.views.wording import plural

Told = Sequence[tuple[Line, Papers | None]]
"""Lines, with the documents of their runs where they have any."""

COLUMNS: Final = (
    *("number", "time", "run", "command", "outcome", "run_exit_code", "lists", "counts"),
    *("actor", "author", "approver", "commit", "ci_run", "host"),
)
"""Of the CSV."""
_STYLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "done": "green",
        "drift": "yellow",
        "partly": "yellow",
        "held": "cyan",
        "hold-released": "cyan",
        "pruned": "magenta",
        "releasing": "dim",
        "released": "dim",
    }
)
_SHORT: Final = 8
"""Characters of a commit that a line shows."""
_FROM: Final = ("actor", "author", "approver", "commit", "ci_run", "host")


def text(told: Told) -> Text:
    """Show a line each, columns aligned."""
    if not told:
        return lines.line("dim", "No line of the ledger is like that.")
    rows = [_columns(line, papers) for line, papers in told]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]) - 1)]
    return lines.join(
        _row(row, widths, _STYLES.get(line.outcome, "bold red"))
        for row, (line, _) in zip(rows, told, strict=True)
    )


def document(told: Told, *, exit_code: int = 0) -> bytes:
    """Return the lines as one JSON document."""
    content = {"lines": [facts(line, papers) for line, papers in told]}
    return machine.facts("audit-log", content, exit_code=exit_code)


def table(told: Told) -> bytes:
    """Return the lines as CSV."""
    return cells.table(COLUMNS, (tuple(_cells(line, papers)) for line, papers in told))


def facts(line: Line, papers: Papers | None = None) -> dict[str, object]:
    """Return one line as plain values."""
    return {
        "number": line.number,
        "time": line.finished,
        "run": line.run or None,
        "command": line.command or None,
        "outcome": line.outcome,
        "run_exit_code": line.said.get("exit_code"),
        "started": line.started,
        "lists": sorted(line.lists),
        "counts": counts(line, papers),
        "reason": reason(line) or None,
        **{name: origin(line, name) for name in _FROM},
    }


def counts(line: Line, papers: Papers | None) -> Mapping[str, int]:
    """Count what a run did, or would have done, or found; empty where nothing tells."""
    if line.outcome == "pruned":
        removed = line.said.get("removed", {})
        runs = {str(name).split("/")[1] for name in removed if "/" in str(name)}
        return {"removed": len(removed), "runs": len(runs)}
    try:
        return _counted(papers) if papers else {}
    except (AttributeError, KeyError, TypeError, ValueError):
        return {}


def reason(line: Line) -> str:
    """Return why somebody decided something about evidence; empty where nobody did."""
    hold = line.said.get("hold")
    return scrub(str(hold.get("reason", ""))) if isinstance(hold, dict) else ""


def origin(line: Line, name: str) -> str | None:
    """Return one thing of where a run comes from; ``None`` where nothing tells."""
    hold = line.said.get("hold")
    by = hold.get("by") if name == "actor" and isinstance(hold, dict) else None
    told = line.origin.get(name) or by
    if told is None or told == "":
        return None
    return str(told) if name in {"commit", "ci_run"} else scrub(str(told))


def amounts(line: Line, papers: Papers | None) -> str:
    """Say what was counted, without what there was none of."""
    found = counts(line, papers)
    if line.outcome == "pruned":
        return f"{plural(found['removed'], 'file')} of {plural(found['runs'], 'run')}"
    told = ", ".join(
        f"{count:,} {name.replace('_', ' ')}"
        for name, count in found.items()
        if count and name != "batches"
    )
    return told or ("nothing" if found else "")


def _columns(line: Line, papers: Papers | None) -> tuple[str, ...]:
    if line.outcome == UNREADABLE:
        return (f"#{line.number}", "", "", "", UNREADABLE, "audit verify says more")
    hold = line.said.get("hold")
    about = [str(hold.get("id", "")), reason(line)] if isinstance(hold, dict) else []
    rest = (amounts(line, papers), *about, origin(line, "actor"), _commit(line))
    told = (str(part) for part in (*rest, origin(line, "ci_run")) if part)
    return (
        f"#{line.number}",
        zulu(line.finished) if line.finished else "",
        clean(line.run),
        clean(line.command),
        clean(line.outcome),
        clean("  ".join(told)),
    )


def _row(row: Sequence[str], widths: Sequence[int], style: str) -> Text:
    padded = [f"{part:{width}}" for part, width in zip(row, widths, strict=False)]
    head, outcome = "  ".join(padded[:-1]), padded[-1]
    made = Text.assemble(head, "  ", (outcome, style), "  ", row[-1])
    made.rstrip()
    return made


def _commit(line: Line) -> str:
    return (origin(line, "commit") or "")[:_SHORT]


def _cells(line: Line, papers: Papers | None) -> Iterator[object]:
    said = facts(line, papers)
    for name in COLUMNS:
        match name:
            case "lists":
                yield " ".join(sorted(line.lists))
            case "counts":
                yield amounts(line, papers) or reason(line)
            case _:
                yield said[name]


def _counted(papers: Papers) -> Mapping[str, int]:
    if papers.receipt:
        return asdict(counting.applied(papers.outcomes))
    if papers.interrupted:
        return _remains(papers.interrupted)
    if papers.drift:
        return {str(name): int(count) for name, count in papers.drift["counts"].items()}
    return _planned(papers.plan) if papers.plan else {}


def _planned(plan: Mapping[str, Any]) -> dict[str, int]:
    """Count what a saved plan would do, as the plan itself counts it."""
    made = {"to_suppress": 0, "to_amend": 0, "to_shorten": 0, "to_release": 0}
    for listed in plan["lists"]:
        gap = listed["gap"]
        for action in listed["actions"]:
            match action["kind"]:
                case "Suppress":
                    rows = action["rows"]["rows"]
                    made["to_suppress"] += gap["missing"] if listed["complete"] else rows
                case "Amend" if action["rows"]["op"] == "amend":
                    made["to_amend"] += gap["amended"]
                case "Shorten":
                    made["to_shorten"] += gap["shortened"]
                case "Release":
                    made["to_release"] += gap["released"]
    return made


def _remains(interrupted: Mapping[str, Any]) -> dict[str, int]:
    made = {"taken": 0, "rejected": 0, "in_doubt": 0}
    for steps in interrupted["lists"].values():
        for step in steps.values():
            for name in made:
                made[name] += int(step[name])
    return made
