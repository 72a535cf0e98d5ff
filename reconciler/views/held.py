"""Holds for people and programs; pure.

Who wrote what was said may have written anything: reasons are shown on one line, without addresses.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.text import Text

from reconciler import holds
from reconciler.holds import Hold, Scope
from reconciler.masking import clean, scrub
from reconciler.times import zulu
from reconciler.views import lines, machine


def text(found: Sequence[Hold]) -> Text:
    """Show holds, one below the other, the oldest first."""
    if not found:
        return lines.line("dim", "No holds.")
    return lines.join(line for hold in found for line in _hold(hold))


def placed(hold: Hold) -> Text:
    """Say what is held from now on, and by which name that is taken back."""
    return lines.bold(Text(f"Held: {about(hold.scope)}. Hold {clean(hold.id)}."))


def released(hold: Hold) -> Text:
    """Say what is held no more."""
    return lines.bold(Text(f"Released: {about(hold.scope)}. Hold {clean(hold.id)}."))


def document(found: Sequence[Hold], *, exit_code: int = 0) -> bytes:
    """Return holds as one JSON document."""
    return machine.facts(
        "holds", {"holds": [holds.facts(hold) for hold in found]}, exit_code=exit_code
    )


def about(scope: Scope) -> str:
    """Say what a hold keeps."""
    lists = ", ".join(sorted(map(clean, scope.lists)))
    told = [
        f"run {clean(scope.run)}" if scope.run else "",
        f"list {lists}" if len(scope.lists) == 1 else f"lists {lists}" if lists else "",
        f"from {zulu(scope.since)}" if scope.since else "",
        f"to {zulu(scope.until)}" if scope.until else "",
    ]
    return " ".join(part for part in told if part) or "everything"


def _hold(hold: Hold) -> Iterator[Text]:
    yield lines.heading(hold.id, "", about(hold.scope))
    yield Text(f"  held      {_word(hold.at, hold.by, hold.reason)}")
    if line := hold.released:
        told = _word(line.finished, hold.released_by, hold.released_because)
        yield Text(f"  released  {told}", style="dim")


def _word(at: datetime | None, by: str | None, why: str) -> str:
    who = f" by {clean(scrub(str(by)))}" if by else ""
    return f"{zulu(at) if at else ''}{who}: {clean(scrub(why))}"
