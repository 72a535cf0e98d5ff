"""What a person is told about a list's contacts: samples, problems and warnings.

It reads the relations ``judged`` and ``ranked`` of the compiler and shows a bounded part of them.
It must never let an address out: of what could not be read as one, nobody knows what it is, so
only its first character and its length are told.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final

import duckdb

from reconciler.contacts.engine import execute
from reconciler.contacts.ingest import scalar
from reconciler.contacts.judging import CLEAN
from reconciler.errors import Place, Problem
from reconciler.masking import mask
from reconciler.model import CHANNELS, REASONS, Counts, ListSpec, Sample
from reconciler.times import zulu

SHOWN: Final = 50
"""Rows of one kind that a person is shown, at most."""

_MERGED: Final = """
SELECT address, reason, until, source, line, winner_source, winner_line FROM ranked
WHERE place > 1 ORDER BY source, line, address LIMIT $shown
"""

_INVALID: Final = """
SELECT code, fault, written, reason, until, requested_at, source, line FROM judged
WHERE code IS NOT NULL ORDER BY source, line, channel, code LIMIT $shown
"""

_UNSPOKEN: Final = f"""
SELECT channel, source, line FROM ({CLEAN}) WHERE channel NOT IN (SELECT unnest($spoken))
ORDER BY source, line LIMIT $shown
"""  # noqa: S608 - a constant of ours

_HOW_MANY_UNSPOKEN: Final = f"""
SELECT count(*) FROM ({CLEAN}) WHERE channel NOT IN (SELECT unnest($spoken))
"""  # noqa: S608 - likewise

_WHY: Final = {
    "SPEC-107": "it has neither an email nor a phone number",
    "SPEC-108": "it is not an email address",
    "SPEC-109": "it is not a phone number that could be dialled",
    "SPEC-110": "it has no reason, and the list has no default one",
    "SPEC-111": f"its reason is not one of {', '.join(REASONS)}",
    "SPEC-112": "its suppressUntil is not a date, a time, a duration or never",
    "SPEC-113": "its suppressUntil is a duration without a requestedAt or asOf to count from",
    "SPEC-114": "its requestedAt is not a date or a time",
}
_FIELD: Final = {"SPEC-111": 3, "SPEC-112": 4, "SPEC-113": 4, "SPEC-114": 5}
"""Which column of ``_INVALID`` is at fault; elsewhere it is the identifier."""
_WORD: Final = re.compile(r"[A-Z_]{1,24}")


def samples(session: duckdb.DuckDBPyConnection) -> Mapping[str, tuple[Sample, ...]]:
    """Return masked samples of merged and invalid rows, in the order of their places."""
    return {"merged": tuple(_merged(session)), "invalid": tuple(_invalid(session))}


def of_list(spec: ListSpec, counts: Counts, *, as_of: datetime) -> tuple[Problem, ...]:
    """Return what the counts and the list's own end give to say."""
    return tuple(_of_list(spec, counts, as_of))


def _of_list(spec: ListSpec, counts: Counts, as_of: datetime) -> Iterator[Problem]:
    end = spec.settings.suppress_until
    if isinstance(end, datetime) and end <= as_of:
        yield Problem(
            place=spec.place,
            code="SPEC-119",
            message=f"the list's own suppressUntil {zulu(end)} has passed: it would suppress "
            "nobody; expected a later end, or never",
        )
    elif isinstance(end, datetime) and counts.past_list_end:
        yield _warning(
            spec,
            "SPEC-120",
            f"{counts.past_list_end:,} contacts are to be suppressed for longer than the list's "
            f"own suppressUntil {zulu(end)}, at which they end",
        )
    if counts.unsupported and spec.unsupported == "skip":
        yield _warning(
            spec, "SPEC-128", f"{_unspoken(spec, counts.unsupported)}: they are left out"
        )
    if counts.naive:
        yield _warning(
            spec,
            "SPEC-118",
            f"{counts.naive:,} times of contacts have no offset and are taken as UTC",
        )


def of_merged(session: duckdb.DuckDBPyConnection, spec: ListSpec) -> tuple[Problem, ...]:
    """Return the duplicates as problems, where the spec calls them errors."""
    if spec.duplicates != "error":
        return ()
    return tuple(
        Problem(
            place=_place(spec, sample.source, sample.line),
            code="SPEC-115",
            message=f"{sample.address} is declared twice: it {sample.note}",
        )
        for sample in _merged(session)
    )


def of_channels(
    session: duckdb.DuckDBPyConnection, spec: ListSpec, *, channels: tuple[str, ...]
) -> tuple[int, tuple[Problem, ...]]:
    """Count the contacts that the dialect has no place for; they are problems unless skipped.

    Args:
        session: holds the judged identifiers.
        spec: says whether they may be left out.
        channels: those there is a place for.
    """
    if channels == CHANNELS:
        return 0, ()
    count = scalar(session, _HOW_MANY_UNSPOKEN, spoken=channels)
    if not count or spec.unsupported == "skip":
        return count, ()
    total = Problem(
        place=spec.place,
        code="SPEC-127",
        message=f"{_unspoken(spec, count)}; leave them out of this list, or declare "
        "`unsupported: skip`, and nobody suppresses them here",
    )
    shown = execute(session, _UNSPOKEN, {"spoken": channels, "shown": SHOWN}).fetchall()
    return count, (
        total,
        *(
            Problem(
                place=_place(spec, source, line),
                code="SPEC-127",
                message=f"an address of channel {channel} has no place at {spec.tenant}",
            )
            for channel, source, line in shown
        ),
    )


def _unspoken(spec: ListSpec, count: int) -> str:
    few = "1 contact has" if count == 1 else f"{count:,} contacts have"
    return (
        f"{few} no place at the service of tenant {spec.tenant}, whose dialect knows no such "
        "addresses"
    )


def of_invalid(
    session: duckdb.DuckDBPyConnection, spec: ListSpec, *, invalid: int, read: int, path: Path
) -> tuple[Problem, ...]:
    """Return the invalid rows as problems; none where they may be set aside.

    Args:
        session: holds the judged identifiers.
        spec: says whether, and how many, may be set aside.
        invalid: how many are invalid, at least one.
        read: of how many.
        path: where all the invalid rows were written.
    """
    share = Decimal(invalid) / read
    if spec.invalid == "quarantine" and share <= spec.max_invalid:
        return ()
    limit = f", over maxInvalid {spec.max_invalid:%}" if spec.invalid == "quarantine" else ""
    said = f"{_invalid_share(invalid, read)}{limit}; all: {path}"
    total = Problem(place=spec.place, code="SPEC-116", message=said)
    shown = (
        Problem(place=_place(spec, sample.source, sample.line), code=code, message=message)
        for code, message, sample in _faults(session)
    )
    return (total, *shown)


def of_aside(spec: ListSpec, counts: Counts, *, path: Path) -> tuple[Problem, ...]:
    """Return the warning that invalid rows were set aside.

    Args:
        spec: allows that.
        counts: of which some are invalid.
        path: where all the invalid rows were written.
    """
    seen = _invalid_share(counts.invalid, counts.read)
    return (_warning(spec, "SPEC-117", f"{seen} and were set aside: {path}"),)


def _invalid_share(invalid: int, read: int) -> str:
    return f"{invalid:,} of {read:,} identifiers are invalid ({Decimal(invalid) / read:.2%})"


def _warning(spec: ListSpec, code: str, message: str) -> Problem:
    return Problem(place=spec.place, code=code, message=message, severity="warning")


def _place(spec: ListSpec, path: str, line: int) -> Place:
    """Return a row's place; of a contact in the spec itself, with its column."""
    inline = (contact.place for contact in spec.contacts)
    same = (place for place in inline if (place.path, place.line) == (path, line))
    return next(same, Place(path=path, line=line))


def _merged(session: duckdb.DuckDBPyConnection) -> Iterator[Sample]:
    for address, reason, until, source, line, winner, winner_line in session.execute(
        _MERGED, {"shown": SHOWN}
    ).fetchall():
        yield Sample(
            address=mask(address),
            reason=reason,
            until=None if until is None else datetime.fromtimestamp(until, UTC),
            source=source,
            line=line,
            note=f"gave way to {winner}:{winner_line}",
        )


def _invalid(session: duckdb.DuckDBPyConnection) -> Iterator[Sample]:
    return (sample for _, _, sample in _faults(session))


def _faults(session: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str, Sample]]:
    """Yield the first invalid rows: the code, what is wrong, and the row masked."""
    for row in execute(session, _INVALID, {"shown": SHOWN}).fetchall():
        code, fault, written, *_, source, line = row
        message = _message(code, fault, row[_FIELD.get(code, 2)])
        sample = Sample(
            address=_hint(written), reason=None, until=None, source=source, line=line, note=message
        )
        yield code, message, sample


def _message(code: str, fault: str | None, seen: str | None) -> str:
    why = fault or _WHY[code]
    if code == "SPEC-111" and seen and _WORD.fullmatch(seen):
        return f"{why}: {seen}"
    return f"{why}: {_hint(seen)}" if seen else why


def _hint(seen: str | None) -> str:
    """Tell a text from others without telling what it says."""
    return f"{seen[0]}••• ({len(seen)} characters)" if seen else ""
