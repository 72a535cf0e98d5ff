"""One line of what people read: headings, marked lines, samples; pure.

Every line is a styled ``Text`` that reads the same without its style.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from rich.text import Text

from reconciler.errors import Problem
from reconciler.masking import clean
from reconciler.model import Change, Failure, Op, Refusal, Sample
from reconciler.views import wording
from reconciler.views.wording import SYMBOLS, WITHHELD

_WORD: Final = 10
"""Columns of the word behind a symbol."""


def heading(key: str, tenant: str, tail: str) -> Text:
    """Name a list, where it lives, and what there is to say at once."""
    at = f" at {clean(tenant)}" if tenant else ""
    return Text.assemble((clean(key), "bold"), at, f": {clean(tail)}" if tail else "")


def mark(word: str, symbol: str, text: str, style: str) -> Text:
    """Return a symbol with its word, then what it is about."""
    return Text.assemble("  ", (f"{symbol:1} {word:{_WORD}} {text}", style))


def mark_op(op: Op, text: str) -> Text:
    """Mark a line with what is done to its contacts."""
    symbol, word, style = SYMBOLS[op]
    return mark(word, symbol, text, style)


def change(moved: Change) -> Text:
    """Show a setting, old and new."""
    symbol, style = (">", "magenta") if moved.shortens else ("~", "yellow")
    word = "shorten" if moved.shortens else "change"
    old, new = (wording.setting(moved, value) for value in (moved.old, moved.new))
    return mark(word, symbol, f"{moved.field}: {old} -> {new}", style)


def unread(failures: Sequence[Failure]) -> Iterator[Text]:
    """Yield a line under a summary that does not speak of all: nobody may take it for all clear."""
    if failures:
        keys = ", ".join(sorted({clean(failure.key) for failure in failures}))
        yield line("bold red", f"Could not be read, so not all clear: {keys}.")


def refused(refusal: Refusal) -> Text:
    """Show what a refusal withholds of the list above, by which rule and why."""
    text = f"{WITHHELD[refusal.direction]} ({refusal.rule}): {clean(refusal.message)}"
    return mark("refused", "!", text, "bold red")


def note(text: str, *, style: str = "dim") -> Text:
    """Show what a reader should know and nobody has to decide."""
    return mark("note", "", clean(text), style)


def samples(op: Op, total: int, held: Mapping[Op, Sequence[Sample]]) -> Iterator[Text]:
    """Yield samples, then how many more there are; ``total`` 0 says nothing of more."""
    shown = held.get(op, ())
    yield from map(sample, shown)
    if shown and total > len(shown):
        yield line("dim", f"      and {total - len(shown):,} more")


def sample(shown: Sample) -> Text:
    """Show one contact, masked, with its source file and line."""
    safe = wording.masked(shown)
    place = f"{safe.source}:{safe.line}" if safe.source and safe.line else safe.source
    parts = [safe.address, safe.reason or "", wording.end(safe.until), place, safe.note]
    return Text("      " + "  ".join(clean(part) for part in parts if part))


def failures(found: Sequence[Failure]) -> Iterator[Text]:
    """Yield what could not be worked on, each with its hint."""
    for each in found:
        yield line("bold red", f"! failed {clean(each.key)}: {clean(each.message)}")
        if each.hint:
            yield line("dim", f"  hint: {clean(each.hint)}")


def problem(found: Problem) -> Text:
    """Show ``path:line:column code message``; a warning says so."""
    warning = "warning: " if found.severity == "warning" else ""
    return Text.assemble(
        clean(str(found.place)),
        " ",
        (found.code, "yellow" if warning else "bold red"),
        f" {warning}{clean(found.message)}",
    )


def line(style: str, text: str) -> Text:
    """Return a line of one style."""
    return Text(text, style=style)


def bold(text: Text) -> Text:
    """Return a copy that stands out."""
    made = text.copy()
    made.stylize("bold")
    return made


def join(parts: Iterable[Text]) -> Text:
    """Put lines below each other; no line feed at the end."""
    return Text("\n").join(parts)
