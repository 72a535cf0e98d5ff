"""The rows of a CSV file's text, each with the line it begins on.

It must never lose a row: what is no contact is a row with a fault. Whatever a file holds, it keeps
no more of it in memory than a row, and it gives up on a file that is nothing but faults.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Final, TextIO

from reconciler.contacts.rows import (
    FIELDS,
    LIMITS,
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


def csv_rows(text: TextIO, columns: Mapping[str, str], *, limits: Limits = LIMITS) -> Iterator[Row]:
    """Yield a CSV file's rows, each with the line it begins on.

    Raises:
        UnreadableError: the header cannot be used, or nearly everything is a fault.
    """
    lines = _Lines(text, limits.row)
    reader = csv.reader(lines, strict=True, skipinitialspace=True)
    width, pick = _header(reader, lines, columns, limits=limits)
    patience = Patience(limits)
    while True:
        first = lines.below()
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield from patience.count(_broken(lines.seen, first, _not_csv(error)), first)
            continue
        if fault := _fault(lines.seen):
            yield from patience.count(_broken(lines.seen, first, fault), first)
        elif not any(fields):
            patience.blank(first)
        elif len(fields) != width:
            fault = f"it has {len(fields)} fields instead of {width}"
            yield from patience.count(_broken(lines.seen, first, fault), first)
        else:
            row = Row(*pick([*fields, None]), first)
            long = len(lines.seen) > 1 or len(lines.seen[0]) > limits.field
            if long and (fault := too_long(row, limits)):
                yield from patience.count(_broken(lines.seen, first, fault), first)
            else:
                yield row


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
        self._first = 1

    def below(self) -> int:
        """Forget the row that was read; return the line on which the next one begins."""
        self._first += len(self.seen)
        self._size = 0
        self.seen.clear()
        return self._first

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.seen.append(line)
        self._size += len(line)
        if self._size > self._bound:
            raise csv.Error(f"it is longer than {self._bound:,} characters")
        return line


def _header(
    reader: Iterator[list[str]], lines: _Lines, columns: Mapping[str, str], *, limits: Limits
) -> tuple[int, _Pick]:
    """Read the header line; return a row's width and what picks our columns out of a row."""
    patience = Patience(limits)
    line = 1
    try:
        names: list[str] = []
        while not names:
            line = lines.below()
            names = next(reader)
            if not names:
                patience.blank(line)
    except StopIteration:
        said = "it is empty, expected a header line with email or phoneNumber"
        raise UnreadableError("SPEC-104", said) from None
    except csv.Error as error:
        said = f"its header line is not CSV: {_not_csv(error).removeprefix(_NOT_CSV)}"
        raise UnreadableError("SPEC-101", said, line=line) from error
    if fault := _fault(lines.seen):
        raise UnreadableError("SPEC-101", f"its header line cannot be read: {fault}", line=line)
    chosen = choose(names, columns, line=line, limits=limits)
    return len(names), itemgetter(*(chosen.get(column, -1) for column in FIELDS.values()))


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
            return "it is not UTF-8"
    return ""


def _broken(lines: Sequence[str], first: int, fault: str) -> Iterator[Row]:
    """Make every line of a broken row a fault of its own.

    A quote that is never closed swallows the contacts below it, and each of them has to count.
    """
    for line, text in enumerate(lines, first):
        if text.strip():
            why = fault if line == first else f"it is taken into the row of line {first}"
            whole = shown(text.rstrip("\r\n")).encode(errors="surrogateescape")
            yield Row(line=line, fault=why, text=whole.decode(errors="backslashreplace"))
