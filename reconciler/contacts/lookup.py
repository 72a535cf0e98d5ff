"""One address looked up: the lines that declare it, and what tables hold of it.

Of duplicates a table keeps only the winner, so contact files are read once more where there were
any. An address is a parameter of a statement and never part of one; nothing here shows it.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from reconciler.contacts.engine import Engine
from reconciler.contacts.ingest import literal, seconds
from reconciler.contacts.judging import BEST, judge
from reconciler.contacts.normalise import email_address, phone_address
from reconciler.contacts.sources import Intake, ignored
from reconciler.masking import mask, scrub
from reconciler.model import Declaration, DesiredList, HeldContact, Op, PlannedStep, Table

_DECLARED: Final = f"""
SELECT source, line, reason, ends, requested, code FROM judged ORDER BY code NULLS FIRST, {BEST}
"""  # noqa: S608 - a constant of ours

_WANTED: Final = """
SELECT source, line, reason, until, requested_at, NULL FROM read_parquet($path)
WHERE address = $address
"""

_ALIVE: Final = "SELECT source, line FROM read_parquet($path) WHERE address = $address"

_HELD: Final = """
SELECT spelling, spelling = $address, reason, until, mate, opaque
FROM read_parquet($path) WHERE address = $address OR shadow = $address
ORDER BY until DESC NULLS FIRST, spelling, reason, version
"""
"""A shadow is the address of a contact of which only the end cannot be read."""

_STEPS: Final = """
SELECT DISTINCT op, reason, until, coalesce(basis, ''), coalesce(source, ''), coalesce(line, 0)
FROM read_parquet($path) WHERE address = $address ORDER BY ALL
"""

_WHY: Final = (
    "suppresses longer",
    "has the stronger reason",
    "was asked for earlier",
    "comes first by file and line",
)
"""What tells the winner of a merge from the others, in the order of ``BEST``."""


def normalised(written: str, *, region: str | None) -> str | None:
    """Return what is an address as a row would be one; ``None`` where it is none.

    Args:
        written: an email or a phone number, as somebody spells it.
        region: where phone numbers without a country are from; ``None`` for nowhere.
    """
    return email_address(written) if "@" in written else phone_address(written, region or "")


def declarations(
    engine: Engine,
    wanted: DesiredList,
    address: str,
    *,
    base: Path,
    as_of: datetime,
    seen: Callable[[int, int | None], None] = ignored,
) -> tuple[Declaration, ...]:
    """Return every line of a list that declares an address, the one that counts first.

    Lines that are set aside as invalid for another fault stand last. Of two that say the same the
    place decides which one counts.

    Args:
        engine: an open engine.
        wanted: the list, compiled.
        address: normalised.
        base: the folder that names of source files are relative to.
        as_of: the time for which is judged what has lapsed.
        seen: told, as files are read again, how many bytes of how many were.
    """
    values = {"path": literal(wanted.table.path), "address": address}
    with engine.session() as session:
        rows = session.execute(_WANTED, values).fetchall()
    if wanted.counts.invalid or (rows and wanted.counts.merged):
        rows = _read_again(engine, wanted, address, base=base, seen=seen)
    valid = [row for row in rows if row[5] is None]
    return tuple(
        Declaration(
            source=source,
            line=line,
            reason=scrub(reason) if reason else None,
            until=_moment(until),
            requested_at=_moment(requested),
            counts=code is None and at == 0,
            lapsed=until is not None and until <= seconds(as_of),
            note=f"set aside as invalid ({code})" if code else _note(valid, at),
        )
        for at, (source, line, reason, until, requested, code) in enumerate(rows)
    )


def alive(engine: Engine, releases: Table, address: str) -> tuple[tuple[str, int], ...]:
    """Return file and line of the release of an address that may still do something, if any."""
    return tuple((source, line) for source, line in _asked(engine, _ALIVE, releases, address))


def held(
    engine: Engine, table: Table, address: str, *, as_of: datetime, idle: bool
) -> tuple[HeldContact, ...]:
    """Return the contacts of an observed table that carry an address, the longest first.

    Args:
        engine: an open engine.
        table: as it was read.
        address: normalised.
        as_of: the time for which is judged who is suppressed.
        idle: whether the list as a whole suppresses nobody.
    """
    return tuple(
        HeldContact(
            spelling=mask(spelling),
            as_normalised=same,
            reason=scrub(reason) if reason else None,
            until=_moment(until),
            suppresses=not (idle or opaque) and (until is None or until > seconds(as_of)),
            mate=mask(mate) if mate else "",
            unreadable=opaque,
        )
        for spelling, same, reason, until, mate, opaque in _asked(engine, _HELD, table, address)
    )


def steps(engine: Engine, rows: Table, address: str) -> tuple[PlannedStep, ...]:
    """Return what a gap says of an address; whether it would be done is for its plan to say."""
    return tuple(
        PlannedStep(
            op=Op(op),
            reason=scrub(reason) if reason else None,
            until=_moment(until),
            basis=scrub(basis),
            source=source,
            line=line,
            done=False,
        )
        for op, reason, until, basis, source, line in _asked(engine, _STEPS, rows, address)
    )


def _read_again(
    engine: Engine,
    wanted: DesiredList,
    address: str,
    *,
    base: Path,
    seen: Callable[[int, int | None], None],
) -> list[Any]:
    spec = wanted.spec
    with engine.turn(), engine.session(ordered=False) as session, engine.draft() as draft:
        intake = Intake(spec.contacts, spec.sources, base=base, seen=seen)
        judge(session, spec, intake, draft=draft, only=address)
        return session.execute(_DECLARED).fetchall()


def _note(rows: list[Any], at: int) -> str:
    """Say of one of several rows why it counts, or which one counts in its place."""
    if len(rows) == 1:
        return ""
    if at:
        return f"merged into {rows[0][0]}:{rows[0][1]}, which {_difference(rows[0], rows[at])}"
    return f"counts, of {len(rows):,} declarations"


def _difference(winner: Any, other: Any) -> str:
    """Return the first respect in which a winner is better."""
    _, _, reason, until, requested, _ = winner
    _, _, other_reason, other_until, other_requested, _ = other
    differs = (until != other_until, reason != other_reason, requested != other_requested, True)
    return _WHY[differs.index(True)]


def _asked(engine: Engine, statement: str, table: Table, address: str) -> list[Any]:
    with engine.session() as session:
        values = {"path": literal(table.path), "address": address}
        return session.execute(statement, values).fetchall()


def _moment(at: int | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC)
