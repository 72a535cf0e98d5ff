"""One address explained, for people and for programs; pure.

What comes in is masked already; every foreign text passes ``clean``. A list's state is said in
words, never by a symbol or a colour alone.
"""

from collections.abc import Iterator

from rich.text import Text

from reconciler.artifacts import plain
from reconciler.masking import clean
from reconciler.model import (
    DeclaredRelease,
    Explanation,
    HeldContact,
    ListExplanation,
    Op,
    PlannedStep,
    RejectedContact,
)
from reconciler.times import zulu
from reconciler.views import lines, machine, wording
from reconciler.views.wording import plural

_NAMED = 8
"""Names of lists that one line holds."""
_KEPT = frozenset({Op.SURPLUS, Op.LONGER})


def text(found: Explanation) -> Text:
    """Show each list that has to do with the address, then the others in a line, then a summary."""
    told = [line for listed in found.lists for line in (*_list(listed), Text())]
    if found.others:
        other = "other " if found.lists else ""
        count = len(found.others)
        where = f"On none of the {other}{count:,} lists" if count > 1 else f"Not on the {other}list"
        told.append(lines.line("dim", f"{where}: {_names(found.others)}"))
    if found.unreadable:
        names = plural(len(found.unreadable), "list")
        said = f"No phone number in the region of {names}, so not looked for: "
        told.append(lines.line("yellow", said + _names(found.unreadable)))
    return lines.join([*told, lines.bold(Text(summary(found)))])


def summary(found: Explanation) -> str:
    """Return the last line alone."""
    lists = len(found.lists) + len(found.others)
    wanted = sum(listed.wanted for listed in found.lists)
    suppressed = sum(listed.suppressed for listed in found.lists)
    doubted = sum(bool(listed.doubt) for listed in found.lists)
    told = f"Explained: wanted on {wanted:,} of {plural(lists, 'list')}, suppressed on "
    told += f"{suppressed:,} now."
    return told + (f" Not certain for {plural(doubted, 'list')}." if doubted else "")


def document(found: Explanation, *, exit_code: int = 0) -> bytes:
    """Return the same as one JSON document."""
    listed = [
        {**plain(each), "wanted": each.wanted, "suppressed": each.suppressed}
        for each in found.lists
    ]
    content = {
        "as_of": found.as_of,
        "counts": {
            "lists": len(found.lists) + len(found.others),
            "wanted": sum(each.wanted for each in found.lists),
            "suppressed": sum(each.suppressed for each in found.lists),
            "doubted": sum(bool(each.doubt) for each in found.lists),
        },
        "lists": listed,
        "others": found.others,
        "unreadable": found.unreadable,
    }
    return machine.facts("explanation", content, exit_code=exit_code)


def _list(told: ListExplanation) -> Iterator[Text]:
    yield lines.heading(told.key, told.tenant, f"{told.address} is {_state(told)}")
    for one in told.declarations:
        parts = [f"{one.source}:{one.line}", one.reason or "", wording.end(one.until)]
        parts += ["lapsed"] * one.lapsed + [one.note] * bool(one.note)
        yield _mark("declared", *parts)
    if told.wanted and told.list_end:
        yield _mark("ends", f"{wording.end(told.ends)}; the list itself ends {zulu(told.list_end)}")
    for release in told.releases:
        yield _mark("release", *_release(release))
    for contact in told.held:
        yield _mark("held", *_held(contact), style="bold")
    yield from _service(told)
    for step in told.steps:
        yield from _step(step)
    if told.list_change:
        yield lines.change(told.list_change)
    if told.refused:
        yield lines.mark("rejected", "!", _rejected(told.refused), "bold red")
    if not (told.steps or told.list_change or told.doubt or told.idle):
        yield _mark("plan", "nothing to do")


def _state(told: ListExplanation) -> str:
    wanted = "wanted" if told.wanted else "not wanted"
    if told.suppressed:
        return f"{wanted} and suppressed"
    if told.doubt:
        return f"{wanted}; whether it is suppressed is not known"
    return f"{wanted} {'but' if told.wanted else 'and'} not suppressed"


def _release(one: DeclaredRelease) -> Iterator[str]:
    yield f"{one.place.path}:{one.place.line}"
    yield f"shortens to {zulu(one.until)}" if one.until else "lets go"
    yield from (one.basis, one.ticket, one.requested_by)
    match one.state:
        case "open":
            yield f"open until {zulu(one.runs_out)}"
        case "doubtful":
            yield "may have been carried out, so it does nothing; declare it anew if it has to be"
        case "spent":
            yield "spent: it does nothing, delete this line"


def _held(contact: HeldContact) -> Iterator[str]:
    yield contact.spelling
    yield contact.reason or ""
    if contact.unreadable:
        yield "its end cannot be read, so it counts for nothing"
        return
    yield wording.end(contact.until) + ("" if contact.suppresses else ", so it suppresses nobody")
    yield "since unknown"
    yield "" if contact.as_normalised else "in a spelling of its own"
    yield f"shares a contact with {contact.mate}" if contact.mate else ""


def _service(told: ListExplanation) -> Iterator[Text]:
    """Say what there is to know of the list as a whole."""
    if told.absent:
        yield _mark("held", "nothing: the service has no such list, it is to be created")
    elif not told.held and not told.doubt:
        yield _mark("held", "nothing")
    if told.idle:
        yield _mark("note", f"the list suppresses nobody: {told.idle}", style="bold red")
    if told.doubt:
        said = f"the list could not be read whole: {told.doubt}"
        yield _mark("doubt", said, style="bold red")
    if told.cached:
        yield _mark("note", "the list has not changed since it was last read")


def _step(step: PlannedStep) -> Iterator[Text]:
    """Say what would become of it; what is refused stands below."""
    place = f"{step.source}:{step.line}" if step.line else step.source
    if step.done:
        state = "a plan would do this"
    elif step.op is Op.CONFLICT:
        state = "it is wanted, so the release does nothing"
    elif step.op in _KEPT:
        state = "kept"
    else:
        state = "withheld"
    until = "" if step.op is Op.RELEASE else wording.end(step.until)
    parts = (state, step.reason or "", until, step.basis, place)
    yield lines.mark_op(step.op, "  ".join(clean(part) for part in parts if part))
    yield from map(lines.refused, step.withheld)


def _rejected(one: RejectedContact) -> str:
    said = f"{one.code}: {one.message}" if one.message else one.code
    times = plural(one.times, "time")
    return clean(f"the service refused it {times}, last {zulu(one.last_refused_at)}: {said}")


def _mark(word: str, *parts: str, style: str = "") -> Text:
    return lines.mark(word, "", "  ".join(clean(part) for part in parts if part), style)


def _names(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return clean(", ".join(names[:_NAMED])) + more
