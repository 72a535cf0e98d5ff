"""JSON objects read line by line.

It must never lose a row: what is no contact is a row with a fault, and so is an object that says
something twice. It gives up on a file that is nothing but faults.
"""

import json
from collections.abc import Iterable, Iterator, Mapping

import orjson

from reconciler.contacts.rows import (
    FIELDS,
    LIMITS,
    WHOLE_BELOW,
    Limits,
    Patience,
    Row,
    folded,
    require,
    shown,
    too_long,
)


class JsonRows:
    """Reads lines, and remembers which names the objects have.

    Args:
        columns: their names of columns for ours.
        limits: what a row may be.
    """

    def __init__(self, columns: Mapping[str, str], limits: Limits = LIMITS) -> None:
        self.ours = {columns.get(ours, ours).casefold(): column for ours, column in FIELDS.items()}
        """Our column by its folded name."""
        self.seen: set[str] = set()
        """Our columns that some object has."""
        self._columns = columns
        self._limits = limits
        self._patience = Patience(limits)
        self._names: list[str] = []
        self._first = 0

    def rows(self, lines: Iterable[tuple[int, bytes]]) -> Iterator[Row]:
        """Yield the rows of lines, each of which has its number.

        Raises:
            UnreadableError: nearly everything is a fault.
        """
        for number, line in lines:
            bare = line.strip()
            if not bare:
                self._patience.blank(number)
                continue
            try:
                found = _object(bare)
                picked = _pick(found, self.ours)
                row = Row(line=number, **picked)
                fault = too_long(row, self._limits) if len(bare) > self._limits.field else ""
            except RecursionError:
                fault = "it is nested too deeply"
            except ValueError:
                fault = "it is not JSON"
            except TypeError as error:
                fault = str(error)
            if fault:
                text = shown(bare.decode(errors="backslashreplace"))
                yield from self._patience.count((Row(line=number, fault=fault, text=text),), number)
            else:
                self.seen.update(picked)
                if not self._names or number < self._first:
                    self.met(number, found)
                yield row

    @property
    def has_met(self) -> bool:
        """Whether some object had a name."""
        return bool(self._names)

    def met(self, line: int, names: Iterable[str]) -> None:
        """Remember the names of an object, if it is the first of all that have any."""
        if (found := list(names)) and (not self._names or line < self._first):
            self._names, self._first = found, line

    def check(self) -> None:
        """See to it that every column the spec names was seen, and an identifier.

        Raises:
            UnreadableError: one was not.
        """
        if self._names:
            require(self.seen, self._names, self._columns)


def _object(line: bytes) -> dict[str, object]:
    """Parse a line.

    An object that names something twice would lose one of the two without a word, so that is
    looked for where there are more quotes in the line than its keys and texts account for.

    Raises:
        TypeError: it is no object, or names something twice.
    """
    found = orjson.loads(line)
    if not isinstance(found, dict):
        raise TypeError("it is not a JSON object")
    texts = [*map(type, found.values())].count(str)
    if line.count(b'"') != 2 * (len(found) + texts):
        json.loads(line, object_pairs_hook=_once)
    return found


def _once(pairs: list[tuple[str, object]]) -> None:
    if len({key for key, _ in pairs}) != len(pairs):
        raise TypeError("it has a name twice")


def _pick(found: Mapping[str, object], by_name: Mapping[str, str]) -> dict[str, str | None]:
    """Take our fields out of an object, as text.

    Raises:
        TypeError: a field is there twice or is neither text nor a number.
    """
    picked: dict[str, str | None] = {}
    for name, value in found.items():
        column = by_name.get(folded(name))
        if column is None:
            continue
        if column in picked:
            raise TypeError(f"it has more than one value for {column}")
        picked[column] = _as_text(value, column)
    return picked


def _as_text(value: object, column: str) -> str | None:
    match value:
        case None | str():
            return value
        case bool():
            pass
        case int():
            return str(value)
        case float():
            whole = value.is_integer() and abs(value) < WHOLE_BELOW
            return str(int(value)) if whole else str(value)
    raise TypeError(f"its {column} is neither text nor a number")
