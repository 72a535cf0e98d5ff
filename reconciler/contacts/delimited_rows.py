"""CSV rows read one by one, from wherever one is, each with the line it begins on.

It must never lose a row: what is no contact is a row with a fault. Whatever a file holds, it keeps
no more of it in memory than a row, and it gives up on a file that is nothing but faults.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Final

from reconciler.contacts.delimited_bulk import Form
from reconciler.contacts.rows import (
    FIELDS,
    LIMITS,
    NOT_UTF8,
    Limits,
    Patience,
    Row,
    UnreadableError,
    choose,
    shown,
    too_long,
)

_Five = tuple[str | None, str | None, str | None, str | None, str | None]
_Pick = Callable[[list[str | None]], _Five]


class CsvRows:
    """Reads one row after another.

    Args:
        lines: with their ends, decoded so that no byte is lost; where they go on may be changed
            between two rows, if ``line`` is set too.
        limits: what a row may be.
    """

    def __init__(self, lines: Iterable[str], limits: Limits = LIMITS) -> None:
        self.line = 1
        """The line that the next row begins on."""
        self._lines = _Lines(lines, limits.row)
        self._reader = csv.reader(self._lines, strict=True, skipinitialspace=True)
        self._limits = limits
        self._patience = Patience(limits)

    def header(self, columns: Mapping[str, str]) -> Form:
        """Read the header line.

        Raises:
            UnreadableError: it cannot be used.
        """
        line, names = self._names()
        if fault := _fault(self._lines.seen):
            said = f"its header line cannot be read: {fault}"
            raise UnreadableError("SPEC-101", said, line=line)
        chosen = choose(names, columns, line=line, limits=self._limits)
        self._width = len(names)
        self._pick: _Pick = itemgetter(*(chosen.get(column, -1) for column in FIELDS.values()))
        self._patience = Patience(self._limits)
        return Form(width=len(names), chosen=chosen)

    def _names(self) -> tuple[int, list[str]]:
        line = self.line
        try:
            while not (names := self._next()):
                self._patience.blank(line)
                line = self.line
        except StopIteration:
            said = "it is empty, expected a header line with email or phoneNumber"
            raise UnreadableError("SPEC-104", said) from None
        except csv.Error as error:
            said = f"its header line is not CSV: {_not_csv(error).removeprefix(_NOT_CSV)}"
            raise UnreadableError("SPEC-101", said, line=line) from error
        return line, names

    def _next(self) -> list[str]:
        """Return the next row's fields, if it is one; go on to the line below it."""
        self._lines.forget()
        try:
            return next(self._reader)
        finally:
            self.line += len(self._lines.seen)

    def row(self) -> Sequence[Row] | None:
        """Read a row: one contact, nothing if it is blank, a fault each line of a broken one.

        Returns:
            What it came to; none at the end.

        Raises:
            UnreadableError: nearly everything is a fault.
        """
        first = self.line
        try:
            fields = self._next()
        except StopIteration:
            return None
        except csv.Error as error:
            fields, fault = [], _not_csv(error)
        else:
            fault = _fault(self._lines.seen)
        if not fault and not any(fields):
            self._patience.blank(first)
            return ()
        if not fault and len(fields) != self._width:
            fault = f"it has {len(fields)} fields instead of {self._width}"
        if not fault:
            row = Row(*self._pick([*fields, None]), first)
            fault = too_long(row, self._limits) if self._is_long() else ""
        if fault:
            faults = _faults(self._lines.seen, first, fault)
            return tuple(self._patience.count(faults, first))
        return (row,)

    def _is_long(self) -> bool:
        """Tell whether a field may be too long."""
        return len(self._lines.seen) > 1 or len(self._lines.seen[0]) > self._limits.field


class _Lines:
    """Passes lines on and remembers those of the row that is being read.

    One row may not go on for ever: past a bound it is ended as an error, and the lines below
    are read as rows again.
    """

    def __init__(self, lines: Iterable[str], bound: int) -> None:
        self.seen: list[str] = []
        self._lines = iter(lines)
        self._bound = bound
        self._size = 0

    def forget(self) -> None:
        """Forget the row that was read."""
        self._size = 0
        self.seen.clear()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.seen.append(line)
        self._size += len(line)
        if self._size > self._bound:
            raise csv.Error(f"it is longer than {self._bound:,} characters")
        return line


_NOT_CSV: Final = "it is not CSV: "
_CSV_WORDS: Final = {
    "unexpected end of data": "a quote is opened and never closed",
    f"field larger than field limit ({csv.field_size_limit()})": (
        f"a field is longer than {csv.field_size_limit():,} characters; is a quote never closed?"
    ),
}
"""What the reader's own words mean to somebody who looks for the place."""


def _not_csv(error: csv.Error) -> str:
    return _NOT_CSV + _CSV_WORDS.get(str(error), str(error))


def _fault(lines: Iterable[str]) -> str:
    """Say what makes lines no text, if anything does."""
    for line in lines:
        if "\0" in line:
            return "it holds a NUL"
        try:
            line.encode()
        except UnicodeEncodeError:  # a lone surrogate: what reading made of a foreign byte
            return NOT_UTF8
    return ""


def _faults(lines: Sequence[str], first: int, fault: str) -> Iterator[Row]:
    """Make every line of a broken row a fault of its own.

    A quote that is never closed swallows the contacts below it, and each of them has to count.
    """
    for line, text in enumerate(lines, first):
        if text.strip():
            why = fault if line == first else f"it is taken into the row of line {first}"
            whole = shown(text.rstrip("\r\n")).encode(errors="surrogateescape")
            yield Row(line=line, fault=why, text=whole.decode(errors="backslashreplace"))
