"""What the contact engine has to come to, the slow and plain way: dicts, loops and the rules.

It says what contacts are merged into, what a list that was read holds, and what has to become of
each address. It never imports duckdb or pyarrow and never asks the engine: only what one text
says by itself, an address or a time, comes from the functions that the program has for it.
"""

import csv
import math
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeAlias

from reconciler import times
from reconciler.contacts.normalise import BLANK, email_address, phone_address
from reconciler.model import REASONS, Counts, Defaults, ListSpec, Source

Row: TypeAlias = dict[str, Any]

DESIRED: Final = ("address", "channel", "reason", "until", "requested_at", "source", "line")
OBSERVED: Final = (
    *("address", "channel", "reason", "until", "version", "spelling"),
    *("pair", "opaque", "shadow", "mate"),
)
"""The columns of each table that are promised."""

_FIELDS: Final = {
    "email": "email",
    "phoneNumber": "phone",
    "reason": "reason",
    "suppressUntil": "until",
    "requestedAt": "requested_at",
}
_HIGHEST: Final = 2**63 - 10
"""The highest version that is told apart from higher ones."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


# ---------------------------------------------------------------- what a list wants


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """What a list's contacts come to."""

    rows: list[Row]
    counts: Counts
    invalid: list[Row]
    """Source, line, channel and code of every invalid identifier."""


def compiled(spec: ListSpec, *, base: Path, as_of: datetime) -> Compiled:
    """Merge a list's contacts; in a CSV file only a row that is no fault may span lines."""
    written = [*_inline(spec), *(row for each in spec.sources for row in _of_source(each, base))]
    judged = [found for row in written for found in _judged(row, spec.defaults)]
    rivals: dict[str, list[Row]] = defaultdict(list)
    for row in judged:
        if row["code"] is None:
            rivals[row["address"]].append(row)
    clean = [min(rows, key=_precedence) for rows in rivals.values()]
    invalid = [only(row, ("source", "line", "channel", "code")) for row in judged if row["code"]]
    list_end = spec.settings.suppress_until
    counts = Counts(
        read=len(judged),
        invalid=len(invalid),
        merged=sum(len(rows) - 1 for rows in rivals.values()),
        lapsed=sum(ends_at(row) <= as_of.timestamp() for row in clean),
        naive=sum(_naive(row, spec.defaults) for row in written),
        past_list_end=sum(ends_at(row) > list_end.timestamp() for row in clean)
        if isinstance(list_end, datetime)
        else 0,
    )
    return Compiled(rows=[only(row, DESIRED) for row in clean], counts=counts, invalid=invalid)


def _inline(spec: ListSpec) -> Iterator[Row]:
    for contact in spec.contacts:
        yield {
            "email": contact.email,
            "phone": contact.phone,
            "reason": contact.reason,
            "until": contact.suppress_until,
            "requested_at": contact.requested_at,
            "source": contact.place.path,
            "line": contact.place.line,
        }


def _of_source(source: Source, base: Path) -> Iterator[Row]:
    """Yield the rows of CSV files; a row with other fields than the header is a fault."""
    start = None if source.as_of is None else seconds(source.as_of)
    ours = {source.columns.get(name, name).casefold(): ours for name, ours in _FIELDS.items()}
    for path in source.files:
        with path.open(encoding="utf-8", newline="") as text:
            reader = csv.reader(text, skipinitialspace=True)
            header = [ours.get(name.strip().casefold()) for name in next(reader)]
            line = reader.line_num + 1
            for fields in reader:
                row: Row = dict.fromkeys(_FIELDS.values())
                row |= {"source": _name(path, base), "line": line, "start": start}
                line = reader.line_num + 1
                if len(fields) != len(header):
                    row["fault"] = True
                else:
                    row |= {name: it for name, it in zip(header, fields, strict=True) if name}
                if any(fields):
                    yield row


def _name(path: Path, base: Path) -> str:
    return Path(os.path.relpath(path, base)).as_posix()


def _judged(row: Row, defaults: Defaults) -> Iterator[Row]:
    """Yield one row an identifier, or one in all, each with what is wrong with it."""
    email, phone = tidy(row["email"]), tidy(row["phone"])
    found: list[tuple[str | None, str | None]] = []
    if email:
        found.append(("email", email_address(email)))
    if phone:
        found.append(("phone", phone_address(phone, defaults.region or "")))
    meant = _meant(row, defaults)
    for channel, address in found or [(None, None)]:
        code = meant["code"]
        if row.get("fault"):
            code = "SPEC-106"
        elif channel is None:
            code = "SPEC-107"
        elif address is None:
            code = "SPEC-108" if channel == "email" else "SPEC-109"
        yield {**row, **meant, "channel": channel, "address": address, "code": code}


def _meant(row: Row, defaults: Defaults) -> Row:
    """Say a row's reason and times, and the first thing that is wrong with them."""
    reason = (tidy(row["reason"]) or tidy(defaults.reason) or "").upper()
    written = tidy(row["until"]) or tidy(defaults.suppress_until) or times.NEVER
    asked = tidy(row["requested_at"])
    requested = _time(asked) if asked else None
    start = row.get("start") if requested is None else requested
    until: int | None = None
    code = None
    if written.lower() == times.NEVER:
        pass
    elif not written.startswith("P"):
        until = _time(written)
        code = "SPEC-112" if until is None else None
    elif start is None:
        code = "SPEC-113"
    else:
        until = _later(start, written)
        code = "SPEC-112" if until is None else None
    if asked and requested is None:
        code = "SPEC-114"
    if reason not in REASONS:
        code = "SPEC-111" if reason else "SPEC-110"
    return {"reason": reason, "until": until, "requested_at": requested, "code": code}


def _precedence(row: Row) -> tuple[Any, ...]:
    """Rank the rows of one address: the lowest wins, whatever the order of files and rows."""
    asked = math.inf if row["requested_at"] is None else row["requested_at"]
    return (-ends_at(row), REASONS.index(row["reason"]), asked, row["source"], row["line"])


def _naive(row: Row, defaults: Defaults) -> int:
    """Count a row's times without an offset, its default end among them."""
    written = (tidy(row["until"]) or tidy(defaults.suppress_until), tidy(row["requested_at"]))
    return sum(text is not None and times.is_naive(text) for text in written)


# ---------------------------------------------------------------- what a list holds


def observed(contacts: Iterable[Mapping[str, Any]], *, region: str | None) -> list[Row]:
    """Normalise contacts as a service spelled them: one row an identifier, two of one ``pair``.

    A contact that cannot be read is opaque; where that is for its end, ``shadow`` says whose it is.
    """
    rows: list[Row] = []
    for number, contact in enumerate(contacts, 1):
        email = contact["email"] if tidy(contact["email"]) else None
        phone = contact["phone"] if tidy(contact["phone"]) else None
        until = _time(contact["until"]) if tidy(contact["until"]) else None
        unread = tidy(contact["until"]) is not None and until is None
        version = contact["version"]
        common = {
            "reason": contact["reason"] if tidy(contact["reason"]) else None,
            "until": until,
            "version": None if version is None else min(version, _HIGHEST),
            "pair": number if email and phone else None,
        }
        found: list[tuple[str | None, str | None, str | None]] = []
        if email:
            found.append(("email", email, email_address(email)))
        if phone:
            found.append(("phone", phone, phone_address(phone, region or "")))
        for channel, spelling, address in found or [(None, None, None)]:
            rows.append(
                {
                    **common,
                    "channel": channel,
                    "spelling": spelling,
                    "mate": (phone if channel == "email" else email) if email and phone else None,
                    "address": None if unread else address,
                    "shadow": address if unread else None,
                    "opaque": unread or address is None,
                }
            )
    return rows


# ---------------------------------------------------------------- single values


def tidy(text: str | None) -> str | None:
    """Return a text without blanks around it, or ``None`` where nothing is left."""
    return (text or "").strip(BLANK) or None


def _time(text: str) -> int | None:
    try:
        return seconds(times.parse_time(text))
    except ValueError:
        return None


def _later(start: int, duration: str) -> int | None:
    try:
        return seconds(times.add_duration(_EPOCH + timedelta(seconds=start), duration))
    except (ValueError, OverflowError):
        return None


def seconds(moment: datetime) -> int:
    """Return whole seconds since 1970 UTC, rounded down."""
    return (moment - _EPOCH) // timedelta(seconds=1)


def ends_at(row: Mapping[str, Any]) -> float:
    """Return when a row ends, where no end is later than any."""
    return math.inf if row["until"] is None else row["until"]


def only(row: Row, names: Iterable[str]) -> Row:
    """Return a row with these columns alone."""
    return {name: row[name] for name in names}
