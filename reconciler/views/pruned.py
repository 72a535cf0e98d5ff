"""What ``audit prune`` removes, holds back and spares, for people and programs; pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from rich.text import Text

from reconciler.masking import clean
from reconciler.retention import Ages, Doomed, Pruning
from reconciler.times import zulu
from reconciler.views import held, lines, machine
from reconciler.views.wording import plural

_SHOWN: Final = 20
"""Runs of each kind that are named to people; programs hear of all."""


def text(made: Pruning) -> Text:
    """Show what is to go, run by run, and what stays though it is old enough."""
    told = [*_going(made), *_held(made), *_spared(made)]
    return lines.join([*told, lines.bold(summary("To prune", made.all, made))])


def summary(word: str, gone: Sequence[Doomed], made: Pruning) -> Text:
    """Return the summary line alone: of what is to go, or of what went."""
    if not (gone or made.held):
        return lines.line("green", "Nothing to prune.")
    tables = sum(one.is_table for one in gone)
    runs = len({one.run for one in gone})
    counted = f"{plural(tables, 'table')} with addresses and {len(gone) - tables:,} other "
    files = "file" if len(gone) - tables == 1 else "files"
    kept = f" Held: {plural(len(made.held), 'run')}." if made.held else ""
    return Text(f"{word}: {counted}{files} of {plural(runs, 'run')}.{kept}")


def document(
    gone: Sequence[Doomed], made: Pruning, *, ages: Ages, done: bool, exit_code: int
) -> bytes:
    """Return a pruning as one JSON document.

    Args:
        gone: what went, or is to go.
        made: what was decided.
        ages: what was asked for.
        done: whether it is removed.
        exit_code: the document's.
    """
    tables = sum(one.is_table for one in gone)
    content = {
        "done": done,
        "older_than": ages.evidence,
        "tables_older_than": ages.tables,
        "counts": {
            "tables": tables,
            "files": len(gone) - tables,
            "runs": len({one.run for one in gone}),
            "held": len(made.held),
        },
        "removed": [
            {"run": one.run, "name": one.name, "digest": one.digest or None} for one in gone
        ],
        "held": [{"run": run, "holds": [hold.id for hold in by]} for run, by in made.held.items()],
        "spared": [{"run": run, "lists": keys} for run, keys in made.spared.items()],
    }
    return machine.facts("pruning", content, exit_code=exit_code)


def _going(made: Pruning) -> Iterator[Text]:
    files = Counter((one.run, one.is_table) for one in made.all)
    runs = sorted(made.ended, key=lambda run: made.ended[run])
    for run in runs[:_SHOWN]:
        tables, others = files[run, True], files[run, False]
        parts = [plural(tables, "table")] * bool(tables) + [plural(others, "file")] * bool(others)
        told = f"run {clean(run)}, ended {zulu(made.ended[run])}: {', '.join(parts)}"
        yield lines.mark("prune", "-", told, "magenta")
    yield from _more(len(runs))


def _held(made: Pruning) -> Iterator[Text]:
    for run, by in [*made.held.items()][:_SHOWN]:
        names = ", ".join(f"{clean(hold.id)} ({held.about(hold.scope)})" for hold in by)
        yield lines.mark("held", "!", f"run {clean(run)} by {names}", "bold red")
    yield from _more(len(made.held))


def _spared(made: Pruning) -> Iterator[Text]:
    for run, keys in [*made.spared.items()][:_SHOWN]:
        told = f"run {clean(run)} was the last to apply {', '.join(map(clean, keys))}"
        yield lines.note(f"{told}: only its tables go")
    yield from _more(len(made.spared))


def _more(count: int) -> Iterator[Text]:
    if count > _SHOWN:
        yield lines.line("dim", f"      and {count - _SHOWN:,} more")
