"""YAML into plain data, with the line and column of everything; the way in to a spec's text.

Nothing a file holds makes it raise.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from reconciler.errors import Place, Problem
from reconciler.masking import scrub
from reconciler.spec.codes import Code
from reconciler.spec.composing import FORBIDDEN, MAX_VALUES, Composer, StopError
from reconciler.spec.placed import Document

LOADERS: Final[tuple[Any, ...]] = tuple(
    getattr(yaml, name) for name in ("CSafeLoader", "SafeLoader") if hasattr(yaml, name)
)
"""PyYAML's loaders as installed, the fast one first; only their events are used."""


def parse(
    raw: bytes, *, file: Path, shown: str, loader: Any = LOADERS[0], most: int = MAX_VALUES
) -> tuple[tuple[Document, ...], tuple[Problem, ...]]:
    """Read all documents of a file; empty ones among others are passed over.

    Args:
        raw: the file's bytes.
        file: where they come from; only kept, never opened.
        shown: that path as problems show it.
        loader: one of ``LOADERS``.
        most: keys and values the file may have.

    Returns:
        The documents, and everything wrong with the file as YAML. Where it stops being YAML, the
        documents before that are there.
    """
    composer = Composer(file, shown, most)
    try:
        composer.take(_events(_decode(raw, shown), loader))
    except StopError as stop:
        composer.problems.append(stop.problem)
    except yaml.MarkedYAMLError as error:
        composer.problems.append(_syntax(error, shown))
    except (yaml.YAMLError, ValueError, OverflowError):
        place = Place(path=shown)
        problem = Problem(place=place, code=Code.SYNTAX, message="not YAML")
        composer.problems.append(problem)
    if not composer.documents and not composer.problems:
        message = "nothing is declared; expected a document with apiVersion and kind"
        place = Place(path=shown, line=1, column=1)
        composer.problems.append(Problem(place=place, code=Code.NOTHING_DECLARED, message=message))
    return tuple(composer.documents), tuple(composer.problems)


def _events(text: str, loader: Any) -> Iterator[Any]:
    """Return a text's events; ``yaml.parse`` would ask each twice."""
    return iter(loader(text).get_event, None)


def _decode(raw: bytes, shown: str) -> str:
    """Return the file's text, or stop at the first byte or character that is none."""
    try:
        text = raw.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8")
        message = f"found the byte 0x{raw[error.start]:02x}, expected UTF-8"
        raise StopError(_at(shown, before, Code.NOT_TEXT, message)) from error
    if match := FORBIDDEN.search(text):
        message = f"found the control character U+{ord(match[0]):04X}"
        raise StopError(_at(shown, text[: match.start()], Code.NOT_TEXT, message))
    return text


def _at(shown: str, before: str, code: Code, message: str) -> Problem:
    """Make a problem that stands right after some text."""
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return Problem(place=Place(path=shown, line=line, column=column), code=code, message=message)


def _syntax(error: yaml.MarkedYAMLError, shown: str) -> Problem:
    """Say where and why a text is not YAML."""
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    message = f"not YAML: {error.problem}"
    if error.context and error.context_mark:
        message += f", {error.context} that begins on line {error.context_mark.line + 1}"
    if "cannot start any token" in message:
        message += "; tabs may not indent, and texts that begin with @, ` or % need quotes"
    place = Place(path=shown, line=line, column=column)
    return Problem(place=place, code=Code.SYNTAX, message=scrub(message))
