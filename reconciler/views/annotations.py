"""Problems as GitHub's workflow commands, which it shows at the lines they are about; pure.

A command is one line that the runner reads from the log. What a spec says can end up in it, so
everything is escaped as the runner undoes it: nothing that somebody wrote into a file starts a
command of its own.
"""

from collections.abc import Iterable, Iterator, Sequence
from posixpath import normpath
from typing import Final

from reconciler.errors import Problem
from reconciler.masking import clean

_IN_MESSAGES: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_IN_PROPERTIES: Final = _IN_MESSAGES | str.maketrans({":": "%3A", ",": "%2C"})


def problems(found: Sequence[Problem], *, below: str = "") -> str:
    """Return a command a problem, in the order of their places; a line each.

    Args:
        found: the problems.
        below: the folder that their paths are relative to, as seen from the workspace.
    """
    return "\n".join(_problem(each, below) for each in sorted(found))


def ended(message: str, *, hint: str = "") -> str:
    """Return why a command ended without having looked at anything, as one command."""
    said = clean(message) + (f"\nhint: {clean(hint)}" if hint else "")
    return _command("error", [("title", "reconciler")], said)


def in_workspace(path: str, below: str) -> str:
    """Return the path of a problem as seen from the workspace."""
    return normpath(f"{below}/{path}" if below else path)


def _problem(found: Problem, below: str) -> str:
    return _command(found.severity, _properties(found, below), clean(found.message))


def _properties(found: Problem, below: str) -> Iterator[tuple[str, object]]:
    yield "file", in_workspace(found.place.path, below)
    if found.place.line:
        yield "line", found.place.line
        if found.place.column:
            yield "col", found.place.column
    yield "title", found.code


def _command(name: str, properties: Iterable[tuple[str, object]], message: str) -> str:
    told = ",".join(f"{key}={_property(value)}" for key, value in properties)
    return f"::{name} {told}::{message.translate(_IN_MESSAGES)}"


def _property(value: object) -> str:
    return clean(str(value)).translate(_IN_PROPERTIES)
