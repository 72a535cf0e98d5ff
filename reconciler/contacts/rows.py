"""The rows of a contact file's text: CSV and NDJSON, a line or an object at a time.

It must never lose a row: what is no contact is a row with a fault. It knows no files, no
relations, and does not judge what a field says.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Final, NamedTuple, TextIO

import orjson

from reconciler.masking import scrub

FIELDS: Final = {
    "email": "email",
    "phoneNumber": "phone",
    "reason": "reason",
    "suppressUntil": "until",
    "requestedAt": "requested_at",
}
"""Our field names, as specs spell them, and our names of columns; identifiers first."""

_BOM: Final = b"\xef\xbb\xbf"
_NAMES_SHOWN: Final = 20
WHOLE_BELOW: Final = 10**18
"""Below this a number without a fraction is written as the whole number it is."""


_Five = tuple[str | None, str | None, str | None, str | None, str | None]
_Pick = Callable[[list[str | None]], _Five]


class Row(NamedTuple):
    """One contact, as written, or one fault."""

    email: str | None = None
    phone: str | None = None
    reason: str | None = None
    until: str | None = None
    requested_at: str | None = None
    line: int = 0
    """Counts from 1; where the row begins in its file."""
    fault: str | None = None
    """Why it is no contact at all."""
    text: str | None = None
    """A faulty row as it stands in the file."""


class UnreadableError(Exception):
    """A file as a whole is of no use; whoever reads it makes a problem of it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


# ---------------------------------------------------------------- CSV


def csv_rows(text: TextIO, columns: Mapping[str, str]) -> Iterator[Row]:
    """Yield a CSV file's rows, each with the line it begins on."""
    seen: list[str] = []
    reader = csv.reader(_watched(text, seen), strict=True, skipinitialspace=True)
    width, pick = _header(reader, seen, columns)
    while True:
        first = reader.line_num + 1
        seen.clear()
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield from _broken(seen, first, f"it is not CSV: {error}")
            continue
        if fault := _fault(seen):
            yield from _broken(seen, first, fault)
        elif not any(fields):
            continue
        elif len(fields) == width:
            yield Row(*pick([*fields, None]), first)
        else:
            yield from _broken(seen, first, f"it has {len(fields)} fields instead of {width}")


def _watched(lines: Iterable[str], seen: list[str]) -> Iterator[str]:
    """Pass lines on and remember them, until somebody clears ``seen``."""
    for line in lines:
        seen.append(line)
        yield line


def _header(
    reader: Iterator[list[str]], seen: Sequence[str], columns: Mapping[str, str]
) -> tuple[int, _Pick]:
    """Read the header line; return a row's width and what picks our columns out of a row."""
    try:
        names = next(filter(None, reader), [])
    except csv.Error as error:
        raise UnreadableError("SPEC-101", f"its header line is not CSV: {error}") from error
    if fault := _fault(seen):
        raise UnreadableError("SPEC-101", f"its header line cannot be read: {fault}")
    chosen = choose(names, columns)
    return len(names), itemgetter(*(chosen.get(column, -1) for column in FIELDS.values()))


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
            whole = text.rstrip("\r\n").encode(errors="surrogateescape")
            yield Row(line=line, fault=fault, text=whole.decode(errors="backslashreplace"))


# ---------------------------------------------------------------- NDJSON


def json_rows(lines: Iterable[bytes], columns: Mapping[str, str]) -> Iterator[Row]:
    """Yield the rows of a file with a JSON object a line."""
    by_name = {columns.get(ours, ours).casefold(): column for ours, column in FIELDS.items()}
    seen: set[str] = set()
    names: list[str] = []
    for number, line in enumerate(lines, 1):
        bare = (line.removeprefix(_BOM) if number == 1 else line).strip()
        if not bare:
            continue
        try:
            found = orjson.loads(bare)
            picked = _pick(found, by_name)
        except orjson.JSONDecodeError:
            yield Row(
                line=number, fault="it is not JSON", text=bare.decode(errors="backslashreplace")
            )
        except TypeError as error:
            yield Row(line=number, fault=str(error), text=bare.decode())
        else:
            names = names or list(found)
            seen.update(picked)
            yield Row(line=number, **picked)
    if names:
        _require(seen, names, columns)


def _pick(found: object, by_name: Mapping[str, str]) -> dict[str, str | None]:
    """Take our fields out of an object, as text.

    Raises:
        TypeError: it is no object, or a field is there twice or is neither text nor a number.
    """
    if not isinstance(found, dict):
        raise TypeError("it is not a JSON object")
    picked: dict[str, str | None] = {}
    for name, value in found.items():
        column = by_name.get(name.strip().casefold())
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


# ---------------------------------------------------------------- columns


def choose(names: Sequence[str], columns: Mapping[str, str]) -> dict[str, int]:
    """Find our columns among a file's; return the position of each that is there."""
    there = [name.strip().casefold() for name in names]
    chosen: dict[str, int] = {}
    for ours, column in FIELDS.items():
        theirs = columns.get(ours, ours)
        if there.count(theirs.casefold()) > 1:
            raise UnreadableError("SPEC-103", f"it has more than one column {theirs!r}")
        if theirs.casefold() in there:
            chosen[column] = there.index(theirs.casefold())
    _require(chosen, names, columns)
    return chosen


def _require(chosen: Iterable[str], names: Sequence[str], columns: Mapping[str, str]) -> None:
    """See to it that every column the spec names is there, and an identifier."""
    shown = ", ".join(scrub(name) for name in names[:_NAMES_SHOWN]) or "none"
    missing = [
        columns[ours] for ours, column in FIELDS.items() if column not in chosen and ours in columns
    ]
    if missing:
        raise UnreadableError(
            "SPEC-103",
            f"it has no column {', '.join(map(repr, missing))}; its columns are: {shown}",
        )
    if not {"email", "phone"} & set(chosen):
        raise UnreadableError(
            "SPEC-104",
            "it has no column with an identifier (email or phoneNumber; where its own names "
            f"differ, say so under columns); its columns are: {shown}",
        )
