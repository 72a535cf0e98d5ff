"""YAML into plain data, with the line and column of everything; the only yaml import.

It knows no kinds and builds no nouns. Scalars follow YAML's core schema, but for what spoils
contacts: dates, octal and sexagesimal numbers, exponents, yes and no, and everything that begins
with a plus or a needless zero stay texts. Nothing a file holds makes it raise.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import yaml

from reconciler.errors import Place, Problem
from reconciler.masking import scrub
from reconciler.schema import Keys, seen
from reconciler.spec.codes import Code

MAX_DEPTH: Final = 64
"""Mappings and lists inside one another, at most."""
MAX_ALIASED: Final = 10_000
"""Values that all aliases of a file stand for together, at most."""
MAX_VALUES: Final = 2_000_000
"""Keys and values in a file, at most: a hundred thousand contacts with every key they may have
come to half of that."""
MAX_DOCUMENTS: Final = 10_000
"""Documents in a file, at most."""
MAX_PROBLEMS: Final = 1_000
"""Problems of a file, or of a document, that are told: nobody reads more at once."""

LOADERS: Final[tuple[Any, ...]] = tuple(
    getattr(yaml, name) for name in ("CSafeLoader", "SafeLoader") if hasattr(yaml, name)
)
"""PyYAML's loaders as installed, the fast one first; only their events are used."""
_CORE: Final = "tag:yaml.org,2002:"
_TYPES: Final[Mapping[str, type]] = MappingProxyType(
    {"str": str, "int": int, "float": float, "bool": bool, "null": type(None)}
)
_WORDS: Final[Mapping[str, bool | None]] = MappingProxyType(
    dict.fromkeys(("", "~", "null", "Null", "NULL"))
    | dict.fromkeys(("true", "True", "TRUE"), True)
    | dict.fromkeys(("false", "False", "FALSE"), False)
)
_INT: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_FLOAT: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})\.[0-9]{1,17}")
_FORBIDDEN: Final = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)
_NO_KEY: Final = object()
_SKIPPED: Final = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One YAML document: plain data, and where each part of it stands."""

    file: Path
    shown: str
    """The file's path as problems show it."""
    data: Any
    """Mappings with text keys, lists, texts, numbers, booleans, ``None``; do not change it."""
    start: tuple[int, int]
    spots: Mapping[int, Any]
    """By the identity of a mapping or list: the spots of what it holds."""

    def place(self, path: Keys = ()) -> Place:
        """Return where the value at a path stands, or as much of the path as there is.

        What spans lines, a mapping or a list below a key, stands where its key does.
        """
        node, (line, column) = self.data, self.start
        for step in path:
            try:
                spot = self.spots[id(node)][step]
                node = node[step]
            except (KeyError, IndexError, TypeError):
                break
            line, column = spot[-2:] if isinstance(node, str | int | float) else spot[:2]
        return Place(path=self.shown, line=line, column=column)

    def key_place(self, path: Keys) -> Place:
        """Return where the key at the end of a path stands."""
        node = self.data
        for step in path[:-1]:
            node = node[step]
        line, column = self.spots[id(node)][path[-1]][:2]
        return Place(path=self.shown, line=line, column=column)


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
    composer = _Composer(file, shown, most)
    try:
        for event in yaml.parse(_decode(raw, shown), Loader=loader):
            composer.take(event)
    except _StopError as stop:
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


def more(shown: str) -> Problem:
    """Say that a file has more problems than are told."""
    message = f"over {MAX_PROBLEMS:,} problems; the others are not told"
    return Problem(place=Place(path=shown), code=Code.TOO_MANY, message=message)


class _StopError(Exception):
    """The rest of a file cannot be read."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


def _decode(raw: bytes, shown: str) -> str:
    """Return the file's text, or stop at the first byte or character that is none."""
    try:
        text = raw.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8")
        message = f"found the byte 0x{raw[error.start]:02x}, expected UTF-8"
        raise _StopError(_at(shown, before, Code.NOT_TEXT, message)) from error
    if match := _FORBIDDEN.search(text):
        message = f"found the control character U+{ord(match[0]):04X}"
        raise _StopError(_at(shown, text[: match.start()], Code.NOT_TEXT, message))
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


@dataclass(slots=True)
class _Frame:
    """A mapping or list that is being read."""

    node: Any
    spots: Any
    mark: Any
    anchor: str | None
    key: Any = _NO_KEY
    key_mark: Any = None


class _Composer:
    """Takes the events of a file one by one and collects documents and problems."""

    def __init__(self, file: Path, shown: str, most: int) -> None:
        self._left = most
        self._most = most
        self.documents: list[Document] = []
        self.problems: list[Problem] = []
        self._file = file
        self._shown = shown
        self._aliased = 0
        self._begin()

    def _begin(self) -> None:
        self._stack: list[_Frame] = []
        self._spots: dict[int, Any] = {}
        self._anchors: dict[str, Any] = {}

    def take(self, event: Any) -> None:
        """Take the next event."""
        kind = type(event)
        self._left -= kind not in {yaml.MappingEndEvent, yaml.SequenceEndEvent}
        if self._left < 0:
            message = f"over {self._most:,} keys and values; put contacts into a source"
            raise _StopError(self._problem(event.start_mark, Code.TOO_LARGE, message))
        if kind is yaml.ScalarEvent:
            self._scalar(event)
        elif kind is yaml.MappingStartEvent:
            self._open(_Frame({}, {}, event.start_mark, event.anchor), event, "map")
        elif kind is yaml.SequenceStartEvent:
            self._open(_Frame([], [], event.start_mark, event.anchor), event, "seq")
        elif kind in {yaml.MappingEndEvent, yaml.SequenceEndEvent}:
            self._close()
        elif kind is yaml.AliasEvent:
            self._alias(event)
        elif kind is yaml.DocumentStartEvent:
            self._begin()

    def _scalar(self, event: Any) -> None:
        frame = self._stack[-1] if self._stack else None
        awaits_key = frame is not None and frame.key is _NO_KEY and isinstance(frame.node, dict)
        value = event.value if awaits_key else self._resolved(event)
        if event.style == '"' and not event.value.isprintable():
            self._check_escapes(event)
        if event.anchor:
            self._anchors[event.anchor] = value
        if frame is None or not awaits_key:
            self._put(value, event.start_mark)
        elif value == "<<" and event.implicit[0]:
            self._key(_SKIPPED, event.start_mark)
            self._report(event, Code.UNSUPPORTED_YAML, "merge keys (<<) are not supported")
        else:
            self._key(value, event.start_mark)

    def _resolved(self, event: Any) -> Any:
        """Return a scalar's value by its tag, else by its spelling."""
        if event.tag is None:
            return resolve(event.value) if event.implicit[0] else event.value
        name = event.tag.removeprefix(_CORE)
        if name in {"!", "str"}:
            return event.value
        value = resolve(event.value)
        if name not in _TYPES:
            self._report(event, Code.UNSUPPORTED_YAML, f"the tag {seen(name)} is not supported")
        elif type(value) is not _TYPES[name]:
            self._report(event, Code.SYNTAX, f"the value is not what the tag !!{name} says")
        return value

    def _check_escapes(self, event: Any) -> None:
        """Report what only an escape can smuggle in."""
        if match := _FORBIDDEN.search(event.value):
            message = f"found the control character U+{ord(match[0]):04X} in a text"
            raise _StopError(self._problem(event.start_mark, Code.NOT_TEXT, message))

    def _open(self, frame: _Frame, event: Any, name: str) -> None:
        if event.tag not in {None, "!", _CORE + name}:
            tag = seen(event.tag.removeprefix(_CORE))
            self._report(event, Code.UNSUPPORTED_YAML, f"the tag {tag} is not supported here")
        if len(self._stack) >= MAX_DEPTH:
            message = f"nested more than {MAX_DEPTH} deep"
            raise _StopError(self._problem(event.start_mark, Code.TOO_DEEP, message))
        self._stack.append(frame)

    def _close(self) -> None:
        frame = self._stack.pop()
        self._spots[id(frame.node)] = frame.spots
        if frame.anchor:
            self._anchors[frame.anchor] = frame.node
        self._put(frame.node, frame.mark)

    def _alias(self, event: Any) -> None:
        name = event.anchor
        if name not in self._anchors:
            inside = any(name == frame.anchor for frame in self._stack)
            code, what = (
                (Code.ALIASES, "stands inside what it refers to")
                if inside
                else (Code.SYNTAX, "refers to an anchor that is not defined before it")
            )
            raise _StopError(self._problem(event.start_mark, code, f"an alias {what}"))
        value = self._anchors[name]
        self._aliased += _size(value, MAX_ALIASED)
        if self._aliased > MAX_ALIASED:
            message = f"aliases stand for more than {MAX_ALIASED:,} values"
            raise _StopError(self._problem(event.start_mark, Code.ALIASES, message))
        self._put(value, event.start_mark)

    def _put(self, value: Any, mark: Any) -> None:
        """Add a value to what is being read: as a document, an item, a key or a key's value."""
        if not self._stack:
            self._finish(value, mark)
            return
        frame = self._stack[-1]
        if isinstance(frame.node, list):
            frame.node.append(value)
            frame.spots.append((mark.line + 1, mark.column + 1))
        elif frame.key is _NO_KEY:
            self._key(value, mark)
        else:
            if frame.key is not _SKIPPED:
                key = frame.key_mark
                frame.node[frame.key] = value
                frame.spots[frame.key] = (
                    key.line + 1,
                    key.column + 1,
                    mark.line + 1,
                    mark.column + 1,
                )
            frame.key = _NO_KEY

    def _key(self, key: Any, mark: Any) -> None:
        """Remember a key until its value comes; one that cannot be is skipped with its value."""
        frame = self._stack[-1]
        if key is not _SKIPPED and not isinstance(key, str):
            message = f"found {seen(key)} as a key, expected a text"
            self._append(self._problem(mark, Code.UNSUPPORTED_YAML, message))
            key = _SKIPPED
        elif key in frame.node:
            line, column = frame.spots[key][:2]
            message = f"the key {seen(key)} stands twice, first at {line}:{column}"
            self._append(self._problem(mark, Code.DUPLICATE_KEY, message))
            key = _SKIPPED
        frame.key, frame.key_mark = key, mark

    def _finish(self, data: Any, mark: Any) -> None:
        if len(self.documents) >= MAX_DOCUMENTS:
            message = f"over {MAX_DOCUMENTS:,} documents; put them into several files"
            raise _StopError(self._problem(mark, Code.TOO_MANY, message))
        if data is not None:
            made = Document(
                file=self._file,
                shown=self._shown,
                data=data,
                start=(mark.line + 1, mark.column + 1),
                spots=self._spots,
            )
            self.documents.append(made)

    def _report(self, event: Any, code: Code, message: str) -> None:
        self._append(self._problem(event.start_mark, code, message))

    def _append(self, problem: Problem) -> None:
        if len(self.problems) >= MAX_PROBLEMS:
            raise _StopError(more(self._shown))
        self.problems.append(problem)

    def _problem(self, mark: Any, code: Code, message: str) -> Problem:
        place = Place(path=self._shown, line=mark.line + 1, column=mark.column + 1)
        return Problem(place=place, code=code, message=message)


def resolve(spelt: str) -> Any:
    """Return the value of a plain scalar: a text, unless it is beyond doubt something else."""
    if spelt in _WORDS:
        return _WORDS[spelt]
    if not "-" <= spelt[0] <= "9":
        return spelt
    if _INT.fullmatch(spelt):
        return int(spelt)
    return float(spelt) if _FLOAT.fullmatch(spelt) else spelt


def _size(value: Any, bound: int) -> int:
    """Count the values that one value stands for, itself included; stop past a bound."""
    waiting, count = [value], 0
    while waiting and count <= bound:
        node = waiting.pop()
        count += 1
        if isinstance(node, dict | list):
            waiting.extend(node.values() if isinstance(node, dict) else node)
    return count
