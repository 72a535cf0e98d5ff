"""What the service still refuses, for people at a terminal; pure.

Counts by code, masked samples, and the files in which the addresses stand: they stand nowhere
else. The summary line is a promise to scripts.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.text import Text

from reconciler.masking import clean
from reconciler.model import ListRejected, Rejected, RejectedContact
from reconciler.times import zulu
from reconciler.views import lines, wording
from reconciler.views.wording import plural


def text(found: Rejected) -> Text:
    """Show each list's refused contacts by code, and the summary line."""
    told = [line for listed in found.lists for line in (*_list(listed), Text())]
    return lines.join([*told, lines.bold(summary(found))])


def summary(found: Rejected) -> Text:
    """Return the summary line alone."""
    codes: Counter[str] = Counter()
    for listed in found.lists:
        codes.update(listed.codes)
    if not codes:
        return lines.line("green", "Rejected: none.")
    total = codes.total()
    parts = ", ".join(f"{count:,} {clean(code)}" for code, count in _by_count(codes))
    contacts = "1 contact is" if total == 1 else f"{plural(total, 'contact')} are"
    return Text(f"Rejected: {contacts} still refused ({parts}).")


def _list(listed: ListRejected) -> Iterator[Text]:
    yield lines.heading(listed.key, listed.tenant, plural(listed.contacts, "contact"))
    for code, count in listed.codes.items():
        shown = tuple(map(wording.unnamed, listed.samples[code]))
        yield lines.mark("rejected", "!", f"{count:,} {clean(code)}{_said(shown)}", "bold red")
        yield from map(_contact, shown)
        if count > len(shown):
            yield lines.line("dim", f"      and {count - len(shown):,} more")
    yield lines.mark("addresses", "", _files(listed.files), "dim")


def _said(shown: Sequence[RejectedContact]) -> str:
    """Return what the service said of the first of them."""
    field, message = shown[0].field, shown[0].message
    return clean((f" ({field})" if field else "") + (f": {message}" if message else ""))


def _contact(one: RejectedContact) -> Text:
    """Show one contact: who, what was to be done, where it is declared, since when."""
    times = "refused" if one.times == 1 else f"refused {one.times:,} times since"
    parts = [
        one.address,
        wording.SYMBOLS[one.op][1],
        one.reason or "",
        wording.end(one.until),
        f"{one.source}:{one.line}" if one.line else one.source,
        f"{times} {zulu(one.first_refused_at)}",
    ]
    return Text("      " + "  ".join(clean(part) for part in parts if part))


def _files(files: Sequence[Path]) -> str:
    more = f" (and of {plural(len(files) - 1, 'earlier run')})" if len(files) > 1 else ""
    return clean(str(files[0])) + more


def _by_count(codes: Counter[str]) -> list[tuple[str, int]]:
    """Return codes with the most frequent first, those of equal count by name."""
    return sorted(codes.items(), key=lambda each: (-each[1], each[0]))
