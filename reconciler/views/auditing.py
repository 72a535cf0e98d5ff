"""What verifying the evidence came to, for people and for programs; pure.

One line a finding: which file, what was expected and what is there. The summary line is a promise
to scripts.
"""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Final

from rich.text import Text

from reconciler.artifacts import dumps
from reconciler.masking import clean, scrub
from reconciler.verifying import Finding, Verification
from reconciler.views import lines
from reconciler.views.machine import FORMAT
from reconciler.views.wording import plural

_SHORT: Final = 12
"""Characters of a digest that are shown."""
_DIGEST: Final = 64


def text(found: Verification) -> Text:
    """Show every finding, what was not looked at, and the summary line."""
    told = [lines.line("bold red", sentence(each)) for each in found.findings]
    told += [lines.line("dim", each) for each in _notes(found)]
    return lines.join([*told, lines.bold(lines.line("", summary(found)))])


def summary(found: Verification) -> str:
    """Return the summary line alone."""
    parts = [
        plural(found.lines, "ledger line"),
        plural(found.runs, "run"),
        plural(found.artifacts, "artifact"),
    ]
    word = (
        "Verified" if found.whole else f"Not as written: {plural(len(found.findings), 'finding')}"
    )
    return f"{word}: {', '.join(parts)}." if found.whole else f"{word} in {', '.join(parts)}."


def sentence(found: Finding) -> str:
    """Return one finding on one line."""
    parts = [f"expected {_short(found.expected)}"] * bool(found.expected)
    parts += [f"found {_short(found.found)}"] * bool(found.found)
    more = f" ({', '.join(parts)})" if parts else ""
    return f"{found.what}: {_file(found)}{more}"


def document(found: Verification, *, exit_code: int = 0) -> bytes:
    """Return everything as one JSON document."""
    counts = {name: told for name, told in asdict(found).items() if isinstance(told, int)}
    checked = counts.pop("checked")
    content = {
        "format": FORMAT,
        "kind": "verification",
        "whole": found.whole,
        "counts": counts,
        "signatures_checked": bool(checked),
        "findings": [{**asdict(each), "file": _file(each)} for each in found.findings],
        "exit_code": exit_code,
    }
    return dumps(content)


def signatures(found: Verification) -> str:
    """Say what was found of signatures; empty where no key was given."""
    if not found.checked:
        return ""
    before = f"; {plural(found.unsigned_before, 'line')} before the first signed one"
    return f"{plural(found.signed, 'line')} signed" + before * bool(found.unsigned_before)


def _notes(found: Verification) -> Iterator[str]:
    """Yield what is no finding and should be known all the same."""
    for count, told in (
        (found.pruned, "pruned, as the ledger says"),
        (found.elsewhere, "with addresses not on this machine"),
        (found.other_key, "with addresses under a pseudonym key that is not at hand: not checked"),
    ):
        if count:
            yield f"{plural(count, 'artifact')} {told}"
    if found.alive:
        yield f"{plural(found.alive, 'run')} under way"
    if told := signatures(found):
        yield told


def _file(found: Finding) -> str:
    """Name a file; one that somebody else named may be called by an address."""
    folder, sign, name = found.file.rpartition("/")
    foreign = found.what == "added" and not found.expected
    return folder + sign + (clean(scrub(name)) if foreign else clean(name))


def _short(told: str) -> str:
    return f"{told[:_SHORT]}…" if len(told) == _DIGEST and told.isalnum() else clean(told)
