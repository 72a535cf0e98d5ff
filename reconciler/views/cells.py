"""Rows as CSV for people who open it in a spreadsheet, after RFC 4180; pure.

The rule for a cell is that of every such file of ours: what would be a formula is text, and what
cannot be seen is shown as such. No row holds an address: whoever makes one sees to that.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from reconciler.masking import INVISIBLE
from reconciler.times import zulu

_UNSEEN: Final = re.compile(f"[{INVISIBLE}]")
_FORMULA: Final = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Return a header and rows as CSV in UTF-8, lines ending as RFC 4180 says."""
    held = io.StringIO(newline="")
    writer = csv.writer(held)
    writer.writerow(columns)
    writer.writerows([cell(value) for value in row] for row in rows)
    return held.getvalue().encode()


def cell(value: object) -> str | int | float:
    """Return what may stand in a cell; nothing for ``None``."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if value is None:
        return ""
    text = zulu(value) if isinstance(value, datetime) else str(value)
    seen = _UNSEEN.sub("\ufffd", text)
    return f"'{seen}" if _FORMULA.match(seen) else seen
