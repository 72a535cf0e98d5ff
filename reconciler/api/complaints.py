"""A service's complaints about single rows of a batch, whatever shape they come in.

The shape varies: a list, an object by position, one complaint alone; positions as numbers or
texts, or none at all. What names a row is matched to it; what names none is passed on as a code.
No message leaves here with an identifier in it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from reconciler.api.exchange import plain_code
from reconciler.api.port import RowError
from reconciler.masking import scrub

ARRAYS: Final = ("validationErrors", "errors")
INDEX: Final = "index"
IDENTIFIERS: Final = ("identifier", "email", "phoneNumber")
CODE: Final = "code"
FIELD: Final = "field"
MESSAGE: Final = "message"
UNKNOWN: Final = "UNSPECIFIED"
"""The code of a complaint that has none."""

_LONGEST: Final = 200
_OF_ONE: Final = (INDEX, CODE, MESSAGE, *IDENTIFIERS)
"""Keys that make an object one complaint rather than a box of them."""
_NUMBER: Final = re.compile(r"\d{1,9}")
_NEITHER: Final = re.compile(r"[^0-9]")


def complaints(
    document: Mapping[str, Any], *, identifiers: Sequence[Sequence[str | None]]
) -> tuple[tuple[RowError, ...], tuple[str, ...]]:
    """Read the complaints of an answer to a batch.

    A complaint whose identifier is that of one row is about this row, even where its index says
    otherwise: counting from one is a common mistake, a wrong identifier is not. Otherwise its
    index counts, from nought. The first complaint about a row stands for all of them.

    Args:
        document: the body of the answer.
        identifiers: the columns of identifiers of the batch that was sent, in its order.

    Returns:
        The rows named, by their index; and the codes of the complaints that name none.
    """
    given = next((document[key] for key in ARRAYS if document.get(key)), None)
    rows = _Rows(identifiers)
    named: dict[int, RowError] = {}
    unnamed = []
    for complaint in _each(given):
        code = plain_code(complaint.get(CODE)) or UNKNOWN
        at = rows.position(complaint)
        if at is None:
            unnamed.append(code)
        elif at not in named:
            named[at] = RowError(
                index=at,
                code=code,
                field=plain_code(complaint.get(FIELD)),
                message=_safe(complaint.get(MESSAGE), rows.identifiers(at)),
            )
    return tuple(named[at] for at in sorted(named)), tuple(unnamed)


class _Rows:
    """The rows of a batch, by position and by identifier."""

    def __init__(self, columns: Sequence[Sequence[str | None]]) -> None:
        self._columns = columns
        self._size = len(columns[0])
        self._found: dict[str, int] = {}

    def identifiers(self, at: int) -> tuple[str, ...]:
        return tuple(each for column in self._columns if (each := column[at]))

    def position(self, complaint: Mapping[str, Any]) -> int | None:
        """Return the position of the row a complaint names."""
        at = self._index(complaint.get(INDEX))
        names = [_alike(str(complaint[key])) for key in IDENTIFIERS if complaint.get(key)]
        if at is not None and any(_alike(each) in names for each in self.identifiers(at)):
            return at
        found = self._by_identifier()
        return next((found[name] for name in names if name in found), at)

    def _index(self, value: Any) -> int | None:
        if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
            value = int(value)
        return value if type(value) is int and 0 <= value < self._size else None

    def _by_identifier(self) -> Mapping[str, int]:
        if not self._found:
            self._found = {
                _alike(each): at
                for column in self._columns
                for at, each in enumerate(column)
                if each
            }
        return self._found


def _each(given: Any) -> Iterator[Mapping[str, Any]]:
    """Yield complaints one by one, whatever they are wrapped in."""
    match given:
        case list():
            for each in given:
                yield from _each(each)
        case dict() if any(key in given for key in ARRAYS):
            for key in ARRAYS:
                yield from _each(given.get(key))
        case dict() if not given or any(key in given for key in _OF_ONE):
            yield given
        case dict():
            for key, each in given.items():
                at = {INDEX: key} if _NUMBER.fullmatch(key) else {}
                yield from ({**at, **complaint} for complaint in _each(each))
        case str() | int() | float():
            yield {CODE: given, MESSAGE: given}


def _alike(identifier: str) -> str:
    """Return what two spellings of one identifier have in common."""
    folded = identifier.strip().casefold()
    return folded if "@" in folded else _NEITHER.sub("", folded) or folded


def _safe(message: Any, identifiers: Sequence[str]) -> str:
    """Return a message without the row's identifiers or anything like one."""
    text = message if isinstance(message, str) else ""
    for each in identifiers:
        text = re.sub(re.escape(each), "•••", text, flags=re.IGNORECASE)
    return scrub(text)[:_LONGEST]
