"""The history of one address, for people and for programs; pure.

What comes in is masked already; every foreign text passes ``clean``. A state is said in words,
never by a symbol or a colour alone.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from rich.text import Text

from reconciler.artifacts import plain
from reconciler.history import Event, Standing, State
from reconciler.masking import clean
from reconciler.recalled import Recalled
from reconciler.times import zulu
from reconciler.views import lines, machine, wording
from reconciler.views.wording import plural

_STYLES: Final = {
    State.SUPPRESSED: "bold green",
    State.NOT_SUPPRESSED: "bold",
    State.IN_DOUBT: "bold red",
    State.UNKNOWN: "yellow",
}


def text(told: Sequence[Standing], found: Recalled, *, address: str, at: datetime) -> Text:
    """Show how it stood on each list with what made it so, and a summary in the last line."""
    shown = [line for one in told if one.events for line in (*_list(one, address), Text())]
    silent = [one for one in told if not one.events]
    if silent:
        names = ", ".join(clean(one.key) for one in silent)
        shown.append(lines.line("dim", f"Nothing about it on {names}: {silent[0].why}"))
    shown += [lines.line("yellow", said) for said in _limits(found)]
    return lines.join([*shown, lines.bold(Text(summary(told, address=address, at=at)))])


def summary(told: Sequence[Standing], *, address: str, at: datetime) -> str:
    """Return the last line alone."""
    counts = {state: sum(one.state is state for one in told) for state in State}
    lists = plural(len(told), "list")
    said = f"History: {address} was suppressed on {counts[State.SUPPRESSED]:,} of {lists}"
    doubt = counts[State.IN_DOUBT]
    return f"{said} at {zulu(at)}." + f" In doubt on {plural(doubt, 'list')}." * bool(doubt)


def document(told: Sequence[Standing], found: Recalled, *, address: str, at: datetime) -> bytes:
    """Return the same as one JSON document."""
    content = {
        "address": address,
        "at": at,
        "lists": [
            {"list" if name == "key" else name: value for name, value in plain(one).items()}
            for one in told
        ],
        "missing_runs": found.missing,
        "unknown_keys": found.unkeyed,
    }
    return machine.facts("history", content, exit_code=0)


def _list(one: Standing, address: str) -> Iterator[Text]:
    since = f" since {zulu(one.since)}" if one.since else ""
    until = f", {wording.end(one.until)}" if one.state is State.SUPPRESSED else ""
    sure = one.state in (State.SUPPRESSED, State.NOT_SUPPRESSED)
    about = f"{address} was " if sure else f"whether {address} was suppressed is "
    said = Text(f"{clean(one.key)}: {about}")
    yield said.append(str(one.state), _STYLES[one.state]).append(f"{since}{until}")
    if one.why:
        yield lines.line("", f"  {clean(one.why)}")
    for event in one.events:
        yield lines.line("dim" if event is not one.by else "", f"  {_event(event)}")


def _event(event: Event) -> str:
    """Say what one run did: when, what, with what effect, on whose word."""
    what = event.op if event.op == event.status else f"{event.op} {event.status}"
    parts = [zulu(event.at), what, event.reason, event.basis]
    parts += [wording.end(event.until)] * bool(event.until)
    parts += [f"{event.source}:{event.line}"] * bool(event.source)
    parts += [f"asked for {zulu(event.requested_at)}"] if event.requested_at else []
    parts += [f"run {event.run}", f"commit {event.commit[:12]}" * bool(event.commit)]
    parts += [f"by {event.actor}" * bool(event.actor)]
    return "  ".join(clean(part) for part in parts if part)


def _limits(found: Recalled) -> Iterator[str]:
    """Say what could not be looked at."""
    if found.missing:
        runs, last = plural(len(found.missing), "run"), found.missing[-1]
        yield f"The rows of {runs} are not in the evidence any more, the last of {last}."
    if found.unkeyed:
        names = ", ".join(found.unkeyed)
        yield (
            f"Runs were written under keys that are not known here ({names}): what they did to "
            "this address cannot be told. Name them in RECONCILER_FORMER_PSEUDONYM_KEYS."
        )
