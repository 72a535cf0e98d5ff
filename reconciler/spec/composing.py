"""The events of a YAML file into plain data and marks, two million values in a second or two.

It knows no kinds and builds no nouns. Scalars follow YAML's core schema, but for what spoils
contacts: dates, octal and sexagesimal numbers, exponents, yes and no, and everything that begins
with a plus or a needless zero stay texts.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import yaml

from reconciler.errors import Place, Problem
from reconciler.schema import seen
from reconciler.spec.codes import Code
from reconciler.spec.placed import MAX_PROBLEMS, Document, Marks, more

MAX_DEPTH: Final = 64
"""Mappings and lists inside one another, at most."""
MAX_ALIASED: Final = 10_000
"""Values that all aliases of a file stand for together, at most."""
MAX_VALUES: Final = 2_000_000
"""Keys and values in a file, at most: a hundred thousand contacts with every key they may have
come to half of that."""
MAX_DOCUMENTS: Final = 10_000
"""Documents in a file, at most."""
FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What may not stand in a text, escaped or not."""

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
_SKIPPED: Final = object()


class StopError(Exception):
    """The rest of a file cannot be read."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


class Composer:
    """Takes the events of a file and collects documents and problems.

    It walks down where the file does, one loop a mapping or list, so that what is asked of each
    of many scalars is little more than PyYAML's own work.

    Args:
        file: where the events come from; only kept.
        shown: that path as problems show it.
        most: keys and values the file may have.
    """

    def __init__(self, file: Path, shown: str, most: int) -> None:
        self.documents: list[Document] = []
        self.problems: list[Problem] = []
        self._file = file
        self._shown = shown
        self._most = self._left = most
        self._aliased = 0
        self._known: dict[str, str] = {}
        """Keys that stood somewhere and may stand anywhere: one text each, however often."""
        self._events: Iterator[Any] = iter(())
        self._begin()

    def _begin(self) -> None:
        self._marks = Marks()
        self._anchors: dict[str, Any] = {}
        self._open: list[str | None] = []

    def take(self, events: Iterator[Any]) -> None:
        """Take all events of a file.

        Raises:
            StopError: the rest cannot be read; what was found until then is there.
        """
        self._events = events
        for event in events:
            kind = type(event)
            if kind in {yaml.StreamStartEvent, yaml.StreamEndEvent, yaml.DocumentEndEvent}:
                self._count(event)
            elif kind is yaml.DocumentStartEvent:
                self._count(event)
                self._begin()
            else:
                self._finish(self._value(event), event.start_mark)

    def _value(self, event: Any) -> Any:
        """Return the value that begins with an event."""
        self._count(event)
        kind = type(event)
        if kind is yaml.ScalarEvent:
            return self._scalar(event)
        if kind is yaml.MappingStartEvent:
            return self._mapping(event)
        return self._sequence(event) if kind is yaml.SequenceStartEvent else self._alias(event)

    def _mapping(self, start: Any) -> dict[str, Any]:
        """Read a mapping to its end; a key that cannot be is skipped with its value."""
        self._enter(start, "map")
        node: dict[str, Any] = {}
        marks: list[Any] = []
        for event in self._events:
            if type(event) is yaml.MappingEndEvent:
                break
            key = self._known.get(event.value) if type(event) is yaml.ScalarEvent else None
            if key is None or key in node or event.anchor:
                key = self._key(event, node, marks)
            else:
                self._count(event)
            valued = next(self._events)
            value = self._value(valued)
            if key is not _SKIPPED:
                node[key] = value
                marks += (event.start_mark, valued.start_mark)
        self._leave(start, node, marks)
        return node

    def _sequence(self, start: Any) -> list[Any]:
        self._enter(start, "seq")
        node: list[Any] = []
        marks: list[Any] = []
        for event in self._events:
            if type(event) is yaml.SequenceEndEvent:
                break
            node.append(self._value(event))
            marks.append(event.start_mark)
        self._leave(start, node, marks)
        return node

    def _enter(self, event: Any, name: str) -> None:
        if event.tag not in {None, "!", _CORE + name}:
            tag = seen(event.tag.removeprefix(_CORE))
            self._report(event, Code.UNSUPPORTED_YAML, f"the tag {tag} is not supported here")
        if len(self._open) >= MAX_DEPTH:
            self._stop(event, Code.TOO_DEEP, f"nested more than {MAX_DEPTH} deep")
        self._open.append(event.anchor)

    def _leave(self, start: Any, node: Any, marks: list[Any]) -> None:
        self._open.pop()
        self._marks.keep(node, marks)
        if start.anchor:
            self._anchors[start.anchor] = node

    def _key(self, event: Any, node: Mapping[str, Any], marks: list[Any]) -> Any:
        """Return a key; of those that are spelt alike all are one text."""
        if type(event) is yaml.ScalarEvent:
            self._count(event)
            key = event.value
            self._check(event, key)
            if key == "<<":
                if event.implicit[0]:
                    self._report(event, Code.UNSUPPORTED_YAML, "merge keys (<<) are not supported")
                    return _SKIPPED
            else:
                key = self._known.setdefault(key, key)
        else:
            key = self._value(event)
        if not isinstance(key, str):
            message = f"found {seen(key)} as a key, expected a text"
            self._report(event, Code.UNSUPPORTED_YAML, message)
        elif key in node:
            first = marks[2 * list(node).index(key)]
            said = f"the key {seen(key)} stands twice, first at {first.line + 1}:{first.column + 1}"
            self._report(event, Code.DUPLICATE_KEY, said)
        else:
            return key
        return _SKIPPED

    def _scalar(self, event: Any) -> Any:
        """Return a scalar's value by its tag, else by its spelling."""
        if event.tag is None:
            value = resolve(event.value) if event.implicit[0] else event.value
        else:
            value = self._tagged(event)
        if event.style == '"' or event.anchor:
            self._check(event, value)
        return value

    def _tagged(self, event: Any) -> Any:
        name = event.tag.removeprefix(_CORE)
        if name in {"!", "str"}:
            return event.value
        value = resolve(event.value)
        if name not in _TYPES:
            self._report(event, Code.UNSUPPORTED_YAML, f"the tag {seen(name)} is not supported")
        elif type(value) is not _TYPES[name]:
            self._report(event, Code.SYNTAX, f"the value is not what the tag !!{name} says")
        return value

    def _check(self, event: Any, value: Any) -> None:
        """Stop at what only an escape can smuggle in; remember what has an anchor."""
        suspect = event.style == '"' and not event.value.isprintable()
        if suspect and (match := FORBIDDEN.search(event.value)):
            message = f"found the control character U+{ord(match[0]):04X} in a text"
            self._stop(event, Code.NOT_TEXT, message)
        if event.anchor:
            self._anchors[event.anchor] = value

    def _alias(self, event: Any) -> Any:
        name = event.anchor
        if name not in self._anchors:
            code, what = (
                (Code.ALIASES, "stands inside what it refers to")
                if name in self._open
                else (Code.SYNTAX, "refers to an anchor that is not defined before it")
            )
            self._stop(event, code, f"an alias {what}")
        value = self._anchors[name]
        self._aliased += _size(value, MAX_ALIASED)
        if self._aliased > MAX_ALIASED:
            said = f"aliases stand for more than {MAX_ALIASED:,} values"
            self._stop(event, Code.ALIASES, said)
        return value

    def _count(self, event: Any) -> None:
        self._left -= 1
        if self._left < 0:
            said = f"over {self._most:,} keys and values; put contacts into a source"
            self._stop(event, Code.TOO_LARGE, said)

    def _finish(self, data: Any, mark: Any) -> None:
        if len(self.documents) >= MAX_DOCUMENTS:
            message = f"over {MAX_DOCUMENTS:,} documents; put them into several files"
            raise StopError(self._problem(mark, Code.TOO_MANY, message))
        if data is not None:
            made = Document(
                file=self._file,
                shown=self._shown,
                data=data,
                start=(mark.line + 1, mark.column + 1),
                marks=self._marks,
            )
            self.documents.append(made)

    def _stop(self, event: Any, code: Code, message: str) -> None:
        raise StopError(self._problem(event.start_mark, code, message))

    def _report(self, event: Any, code: Code, message: str) -> None:
        if len(self.problems) >= MAX_PROBLEMS:
            raise StopError(more(self._shown))
        self.problems.append(self._problem(event.start_mark, code, message))

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
