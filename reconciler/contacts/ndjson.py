"""The rows of a file with a JSON object a line.

It must never lose a row: what is no contact is a row with a fault, and so is an object that says
something twice. It gives up on a file that is nothing but faults.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

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

_BOM: Final = b"\xef\xbb\xbf"


def json_rows(
    lines: Iterable[bytes], columns: Mapping[str, str], *, limits: Limits = LIMITS
) -> Iterator[Row]:
    """Yield the rows of a file with a JSON object a line.

    Raises:
        UnreadableError: a column the spec names is nowhere, or nearly everything is a fault.
    """
    by_name = {columns.get(ours, ours).casefold(): column for ours, column in FIELDS.items()}
    patience = Patience(limits)
    seen: set[str] = set()
    names: list[str] = []
    for number, line in enumerate(lines, 1):
        bare = (line.removeprefix(_BOM) if number == 1 else line).strip()
        if not bare:
            patience.blank(number)
            continue
        try:
            found = _object(bare)
            picked = _pick(found, by_name)
            row = Row(line=number, **picked)
            fault = too_long(row, limits) if len(bare) > limits.field else ""
        except RecursionError:
            fault = "it is nested too deeply"
        except ValueError:
            fault = "it is not JSON"
        except TypeError as error:
            fault = str(error)
        if fault:
            text = shown(bare.decode(errors="backslashreplace"))
            yield from patience.count((Row(line=number, fault=fault, text=text),), number)
        else:
            names = names or list(found)
            seen.update(picked)
            yield row
    if names:
        require(seen, names, columns)


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
