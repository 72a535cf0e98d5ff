"""One document on its way to a noun: its values, their places, and all that is wrong with it.

It reads no files. A value that the schema objects to is as good as absent, so that everything
else in the document is judged too, and nothing is reported twice.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from reconciler import schema, times
from reconciler.errors import Place, Problem
from reconciler.schema import Keys, seen
from reconciler.spec.codes import OF_FAULT, Code
from reconciler.spec.placed import MAX_PROBLEMS, Document, more

_START: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Any day: it only serves to find out whether a duration can be added to one."""


class Draft:
    """A document and its problems; ``kind`` must be one of ``schema.KINDS``.

    A path that is not there, or whose value the schema objects to, has the value ``None``.
    """

    def __init__(self, document: Document, kind: str) -> None:
        self.document = document
        self.kind = kind
        self.problems: list[Problem] = []
        judged = {**document.data, "apiVersion": "reconciler/v1"}
        faults = schema.check(judged, kind, most=MAX_PROBLEMS)
        self._faulty = frozenset(fault.path for fault in faults)
        for fault in faults:
            code = OF_FAULT[fault.code]
            place = self._place(fault.path, of_key=code is Code.UNKNOWN_KEY)
            self.problems.append(Problem(place=place, code=code, message=fault.message))
        self.hopeless = len(faults) > MAX_PROBLEMS
        """Whether there are faults that nobody looked for any more: no noun can be made of it."""
        if self.hopeless:
            self.problems.append(more(document.shown))

    @property
    def name(self) -> str:
        """What the document calls itself, be the name valid or not; empty where it has none."""
        metadata = self.document.data.get("metadata")
        name = metadata.get("name") if isinstance(metadata, dict) else None
        return name if isinstance(name, str) else ""

    @property
    def faulty(self) -> bool:
        """Whether anything about it is an error."""
        return any(problem.severity == "error" for problem in self.problems)

    def value(self, *path: str | int) -> Any:
        """Return the value at a path, of the type that the schema asks for, or ``None``."""
        node = self.document.data
        if path in self._faulty:
            return None
        for step in path:
            try:
                node = node[step]
            except (KeyError, IndexError, TypeError):
                return None
        return node

    def text(self, *path: str | int) -> str:
        """Return the text at a path; empty where there is none."""
        value = self.value(*path)
        return value if isinstance(value, str) else ""

    def items(self, *path: str | int) -> Iterator[Keys]:
        """Yield the paths of a list's items that are mappings, in their order."""
        value = self.value(*path)
        for index, item in enumerate(value if isinstance(value, list) else ()):
            if isinstance(item, dict):
                yield (*path, index)

    def time(self, *path: str | int) -> datetime | None:
        """Return the time at a path; unreadable is a problem, without an offset a warning."""
        spelt = self.text(*path)
        if not spelt:
            return None
        try:
            moment = times.parse_time(spelt)
        except ValueError as error:
            self.report(Code.TIME, f"found {seen(spelt)}: {error}", *path)
            return None
        if times.is_naive(spelt):
            said = f"{seen(spelt)} has no offset and is taken as UTC; end it with Z"
            self.report(Code.NAIVE_TIME, said, *path, warning=True)
        return moment

    def duration(self, *path: str | int) -> timedelta | None:
        """Return the length of the duration at a path, counted from the year 2000."""
        spelt = self.text(*path)
        wrong = unreadable(spelt) if spelt else ""
        if wrong:
            self.report(Code.TIME, f"found {seen(spelt)}: {wrong}", *path)
        return times.add_duration(_START, spelt) - _START if spelt and not wrong else None

    def when(self, *path: str | int) -> str | None:
        """Return ``never``, a time or a duration as it is written, if it can be read."""
        spelt = self.text(*path)
        if spelt == times.NEVER:
            return spelt
        read = self.duration(*path) if times.is_duration(spelt) else self.time(*path)
        return None if read is None else spelt

    def place(self, *path: str | int) -> Place:
        """Return where the value at a path stands."""
        return self._place(path)

    def report(self, code: Code, message: str, *path: str | int, warning: bool = False) -> None:
        """Add a problem at a path, unless there are many already."""
        if len(self.problems) >= MAX_PROBLEMS:
            self.problems += [] if self.hopeless else [more(self.document.shown)]
            self.hopeless = True
            return
        severity: Any = "warning" if warning else "error"
        problem = Problem(place=self._place(path), code=code, message=message, severity=severity)
        self.problems.append(problem)

    def _place(self, path: Keys, *, of_key: bool = False) -> Place:
        return self.document.key_place(path) if of_key else self.document.place(path)


@lru_cache(65_536)
def unreadable(spelt: str) -> str:
    """Say why an end, a time or a duration cannot be read; empty where it can."""
    try:
        if times.is_duration(spelt):
            times.add_duration(_START, spelt)
        elif spelt != times.NEVER:
            times.parse_time(spelt)
    except ValueError as error:
        return str(error)
    return ""
