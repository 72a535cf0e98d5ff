"""Which rows of a gap earlier runs explain: those whose declaration moved since the last apply.

A gap row is joined with the desired table as it is and as it was applied. Counts only: no address
leaves here. It never says who else changed the service, only who certainly did not.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

import duckdb

from reconciler.contacts.compile import CONTENT
from reconciler.contacts.engine import PSEUDONYM, Engine
from reconciler.contacts.ingest import literal, seconds
from reconciler.model import Op, Table

_APART: Final = """
CREATE TEMP TABLE apart AS
SELECT op, address, bool_or(release_key IS NOT NULL) AS declared
FROM read_parquet($gap)
WHERE address IS NOT NULL AND op IN ('suppress', 'amend', 'shorten', 'release', 'surplus', 'longer')
    AND (op <> 'amend' OR extended OR recoded) AND NOT (op = 'suppress' AND $idle)
GROUP BY op, address
"""
"""Every contact once an op, as a gap counts them. What cannot be read as an address was declared
by nobody."""

_IDLE: Final = """
INSERT INTO apart
SELECT 'suppress', address, false FROM read_parquet($desired)
WHERE until IS NULL OR until > $as_of
"""
"""Of a list that suppresses nobody as a whole everybody is missing, whoever is on it."""

_NO_MOVED: Final = "CREATE TEMP TABLE moved (address VARCHAR)"

_MOVED: Final = """
CREATE TEMP TABLE moved AS
WITH few AS (SELECT DISTINCT address FROM apart),
now AS (
    SELECT address, reason, until FROM read_parquet($desired) WHERE address IN (FROM few)),
before AS (
    SELECT address, reason, until FROM read_parquet($before) WHERE address IN (FROM few))
SELECT address FROM now FULL JOIN before USING (address)
WHERE now.address IS NULL OR before.address IS NULL
    OR now.reason IS DISTINCT FROM before.reason OR now.until IS DISTINCT FROM before.until
"""
"""Two scans that carry only who differs; who is in neither table was declared at neither time."""

_NO_UNDONE: Final = "CREATE TEMP TABLE undone (op VARCHAR, pseudonym VARCHAR)"

_UNDONE: Final = """
CREATE TEMP TABLE undone AS
SELECT DISTINCT op, pseudonym FROM read_parquet($changes)
WHERE list = $key AND op IN (SELECT op FROM apart) AND status NOT IN ('done', 'lapsed')
"""

_PENDING: Final = f"""
WITH named AS (
    SELECT op, address, {PSEUDONYM.format("address")} AS pseudonym FROM apart
    WHERE op IN (SELECT op FROM undone)),
ours AS (
    SELECT op, address FROM apart WHERE declared OR address IN (FROM moved)
    UNION
    SELECT op, address FROM named SEMI JOIN undone USING (op, pseudonym))
SELECT op, count(*) FROM ours GROUP BY op
"""  # noqa: S608 - a constant of ours
"""A declared release that is not spent is not carried out yet, whatever the list holds."""


def pending(
    engine: Engine,
    gap: Table,
    *,
    key: str,
    desired: Table,
    before: Path | None,
    changes: Path | None,
    idle: datetime | None,
) -> Mapping[Op, int]:
    """Count, by op, the contacts of a gap that differ because of us: not applied as they now are.

    Args:
        engine: an open engine, with the key under which the changes were written.
        gap: all rows of the gap.
        key: of the list.
        desired: what the gap was measured against.
        before: the desired table as it was applied; ``None`` where it was the same.
        changes: what became of the rows of that apply, as ``evidence`` wrote it; ``None`` where
            there were none.
        idle: the time of the comparison, aware, where the list as a whole suppresses nobody.
    """
    with engine.turn(), engine.session() as session:
        values: dict[str, object] = {"gap": literal(gap.path), "idle": idle is not None}
        session.execute(_APART, values)
        if idle:
            _run(session, _IDLE, desired=literal(desired.path), as_of=seconds(idle))
        if before:
            _run(session, _MOVED, desired=literal(desired.path), before=literal(before))
        else:
            session.execute(_NO_MOVED)
        if changes:
            _run(session, _UNDONE, changes=literal(changes), key=key)
        else:
            session.execute(_NO_UNDONE)
        found = session.execute(_PENDING).fetchall()
    return MappingProxyType({Op(op): count for op, count in found})


def holds(engine: Engine, path: Path, digest: str) -> bool:
    """Tell whether a file is there and is the desired table of this digest.

    Raises:
        EngineError: it is there and is no table.
    """
    if not path.is_file():
        return False
    with engine.session() as session:
        return digest == engine.fold(session, CONTENT, "read_parquet($path)", path=literal(path))


def _run(session: duckdb.DuckDBPyConnection, statement: str, **values: object) -> None:
    session.execute(statement, values)
