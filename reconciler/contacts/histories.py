"""One pseudonym in the evidence of many runs, found without reading all of it.

An index tells which runs speak of whom. It is made from files that never change, named by them,
and used only as it was made; what is told comes from those files themselves.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from reconciler.contacts.engine import Engine, execute
from reconciler.contacts.ingest import at_rest, literal

_DIGITS: Final = 16
"""Of a pseudonym, which the index holds as a number; who meets by chance is told apart later."""

_INDEX: Final = f"""
SELECT DISTINCT CAST('0x' || left(pseudonym, {_DIGITS}) AS UBIGINT) AS who, numbered.run
FROM read_parquet($paths::VARCHAR[], filename = true) AS told
JOIN numbered ON told.filename = numbered.path
ORDER BY who
"""  # noqa: S608 - a constant of ours
"""Sorted, so that of each file only the part is read in which a number can be."""

_RUNS: Final = """
SELECT DISTINCT filename, run FROM read_parquet($paths::VARCHAR[], filename = true)
WHERE who IN (SELECT unnest($whos::UBIGINT[]))
"""

_EVENTS: Final = """
WITH every AS (
    SELECT NULL::TIMESTAMPTZ AS requested_at, NULL::TIMESTAMPTZ AS "at" WHERE false
    UNION ALL BY NAME
    SELECT * FROM read_parquet($paths::VARCHAR[], filename = true, union_by_name = true)
    WHERE pseudonym IN (SELECT unnest($pseudonyms::VARCHAR[])))
SELECT filename, list, op, status, coalesce(reason, ''), epoch(until), coalesce(basis, ''),
    coalesce(source, ''), coalesce(line, 0), epoch(requested_at), epoch("at")
FROM every ORDER BY filename, list, "at", op
"""
"""Files of older versions lack the two times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one file says of one pseudonym."""

    path: Path
    key: str
    """Of the list."""
    op: str
    status: str
    reason: str
    until: datetime | None
    basis: str
    source: str
    line: int
    requested_at: datetime | None
    at: datetime | None


def index(engine: Engine, files: Mapping[int, Path], into: Path) -> None:
    """Write which of these files speak of whom.

    Args:
        engine: an open engine.
        files: as ``changes.parquet``, by the numbers under which the index names them.
        into: path of the file.
    """
    numbered = pa.table(
        {
            "run": pa.array(files.keys(), pa.int32()),
            "path": pa.array([str(path) for path in files.values()], pa.string()),
        }
    )
    with engine.session() as session:
        session.register("numbered", numbered)
        at_rest(session, _INDEX, into, paths=[literal(path) for path in files.values()])


def runs(
    engine: Engine, indexes: Sequence[Path], pseudonyms: Collection[str]
) -> frozenset[tuple[Path, int]]:
    """Return the files that may speak of these pseudonyms, each as its index and number."""
    if not indexes:
        return frozenset()
    with engine.session() as session:
        values = {
            "paths": [literal(path) for path in indexes],
            "whos": [int(each[:_DIGITS], 16) for each in pseudonyms],
        }
        rows = execute(session, _RUNS, values).fetchall()
    return frozenset((Path(path), number) for path, number in rows)


def events(engine: Engine, paths: Sequence[Path], pseudonyms: Collection[str]) -> Sequence[Told]:
    """Return what these files say of these pseudonyms, by file and list."""
    if not paths:
        return ()
    with engine.session() as session:
        values = {"paths": [literal(path) for path in paths], "pseudonyms": [*pseudonyms]}
        rows = execute(session, _EVENTS, values).fetchall()
    return tuple(_told(*row) for row in rows)


def _told(path: str, key: str, op: str, status: str, reason: str, *rest: Any) -> Told:
    until, basis, source, line, requested_at, at = rest
    return Told(
        path=Path(path),
        key=key,
        op=op,
        status=status,
        reason=reason,
        until=_moment(until),
        basis=basis,
        source=source,
        line=line,
        requested_at=_moment(requested_at),
        at=_moment(at),
    )


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
