"""What the rows of contact files of every kind have in common: fields, faults, limits, columns.

A row that is no contact is a row with a fault: none is ever lost. It knows no files and no
relations, and does not judge what a field says.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, NamedTuple

import pyarrow as pa

from reconciler.masking import scrub

FIELDS: Final = {
    "email": "email",
    "phoneNumber": "phone",
    "reason": "reason",
    "suppressUntil": "until",
    "requestedAt": "requested_at",
}
"""Our field names, as specs spell them, and our names of columns; identifiers first."""

ROWS: Final = pa.schema(
    [
        *((column, pa.string()) for column in FIELDS.values()),
        ("line", pa.int64()),
        ("fault", pa.string()),
        ("text", pa.string()),
    ]
)
"""Rows as a batch; what is a ``Row`` where they are read one by one."""

NOT_UTF8: Final = "it is not UTF-8"

_BATCH: Final = 50_000
_NAMES_SHOWN: Final = 20
_NAME: Final = 100
"""Characters of a column's name that are shown."""
_KEPT: Final = 1_000
"""Characters that are kept of a row that is no contact."""
WHOLE_BELOW: Final = 10**18
"""Below this a number without a fraction is written as the whole number it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one contact file may be: a bound each, far beyond what contacts need."""

    file: int = 4 << 30
    """Bytes, unpacked: ten million contacts of 400 bytes."""
    slack: int = 16 << 20
    """Bytes below which packed data are not looked at for what they expand to."""
    expansion: int = 100
    """How many times its packed size a file may have; contacts pack to a tenth, hardly less."""
    line: int = 256 << 10
    """Bytes of a line; a contact with every column a spreadsheet can have needs less."""
    row: int = 1 << 20
    """Characters of a CSV row that spans lines."""
    columns: int = 16_384
    """As many as a spreadsheet can have."""
    field: int = 1_000
    """Characters of one of our fields; an email has 254 at most."""
    rows: int = 50_000_000
    """Rows of a Parquet file; of the other kinds the bytes decide."""
    page: int = 512 << 20
    """Bytes of one of our columns in one row group of a Parquet file, unpacked: ten million
    emails in one go."""
    footer: int = 64 << 20
    """Bytes of what a Parquet file says about itself."""
    faults: int = 1_000_000
    """Rows that are no contacts, after which nobody reads on."""
    blanks: int = 2_000_000
    """Rows without anything in them; a spreadsheet has a million in all."""


LIMITS: Final = Limits()


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


def batches_of(rows: Iterable[Row]) -> Iterator[Any]:
    """Yield rows that were read one by one as batches of ``ROWS``."""
    found = iter(rows)
    while part := list(islice(found, _BATCH)):
        columns = zip(zip(*part, strict=True), ROWS.types, strict=True)
        yield pa.record_batch([pa.array(values, kind) for values, kind in columns], schema=ROWS)


def batch_of_columns(columns: Mapping[str, Any], lines: Any, fault: Any = None) -> Any:
    """Return columns of text as a batch of ``ROWS``; those that are not there are null."""
    nothing = pa.nulls(len(lines), pa.string())
    arrays = [columns.get(column, nothing) for column in FIELDS.values()]
    arrays += [lines, nothing if fault is None else fault, nothing]
    return pa.record_batch(arrays, schema=ROWS)


class UnreadableError(Exception):
    """A file as a whole is of no use; whoever reads it makes a problem of it.

    ``line`` counts from 1; 0 where it is the whole file.
    """

    def __init__(self, code: str, message: str, *, line: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.line = line


class Patience:
    """Counts what is no contact, and ends where there is no point in reading on."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._faults = 0
        self._blanks = 0

    def count(self, faults: Iterable[Row], line: int) -> Iterator[Row]:
        """Pass faults on.

        Raises:
            UnreadableError: there are too many of them.
        """
        for row in faults:
            self._faults += 1
            yield row
        if self._faults > self._limits.faults:
            said = f"over {self._limits.faults:,} rows are no contacts; nothing below was read"
            raise UnreadableError("SPEC-124", said, line=line)

    def blank(self, line: int) -> None:
        """Count a row without anything in it.

        Raises:
            UnreadableError: there are too many of them.
        """
        self._blanks += 1
        if self._blanks > self._limits.blanks:
            said = f"over {self._limits.blanks:,} rows are blank; nothing below was read"
            raise UnreadableError("SPEC-124", said, line=line)


def too_long(row: Row, limits: Limits) -> str:
    """Say which of our fields is far too long for what it is, if any is."""
    values = (row.email, row.phone, row.reason, row.until, row.requested_at)
    for column, value in zip(FIELDS.values(), values, strict=True):
        if value and len(value) > limits.field:
            return f"its {column} is longer than {limits.field:,} characters"
    return ""


def shown(text: str) -> str:
    """Return enough of a faulty row to find it by."""
    return text if len(text) <= _KEPT else f"{text[:_KEPT]}…"


# ---------------------------------------------------------------- columns


def choose(
    names: Sequence[str], columns: Mapping[str, str], *, line: int = 0, limits: Limits = LIMITS
) -> dict[str, int]:
    """Find our columns among a file's; return the position of each that is there.

    Raises:
        UnreadableError: there are too many, one is there twice, or one that is needed is not.
    """
    if len(names) > limits.columns:
        said = f"it has {len(names):,} columns, expected at most {limits.columns:,}"
        raise UnreadableError("SPEC-124", said, line=line)
    there = [folded(name) for name in names]
    chosen: dict[str, int] = {}
    for ours, column in FIELDS.items():
        theirs = columns.get(ours, ours)
        if there.count(theirs.casefold()) > 1:
            said = f"it has more than one column {_quoted(theirs)}"
            raise UnreadableError("SPEC-103", said, line=line)
        if theirs.casefold() in there:
            chosen[column] = there.index(theirs.casefold())
    require(chosen, names, columns, line=line)
    return chosen


def require(
    chosen: Iterable[str], names: Sequence[str], columns: Mapping[str, str], *, line: int = 0
) -> None:
    """See to it that every column the spec names is there, and an identifier."""
    shown = ", ".join(_shortened(scrub(name)) for name in names[:_NAMES_SHOWN]) or "none"
    shown += f" and {len(names) - _NAMES_SHOWN:,} more" if len(names) > _NAMES_SHOWN else ""
    missing = [
        columns[ours] for ours, column in FIELDS.items() if column not in chosen and ours in columns
    ]
    if missing:
        said = f"it has no column {', '.join(map(_quoted, missing))}; its columns are: {shown}"
        raise UnreadableError("SPEC-103", said, line=line)
    if not {"email", "phone"} & set(chosen):
        raise UnreadableError(
            "SPEC-104",
            "it has no column with an identifier (email or phoneNumber; where its own names "
            f"differ, say so under columns); its columns are: {shown}",
            line=line,
        )


def _quoted(name: str) -> str:
    return repr(_shortened(scrub(name)))


def _shortened(name: str) -> str:
    return name if len(name) <= _NAME else f"{name[:_NAME]}…"


def folded(name: str) -> str:
    """Return a column's name without what people spell differently."""
    return name.strip().casefold()
