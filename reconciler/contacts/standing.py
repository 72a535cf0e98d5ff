"""Which rejected contacts are still refused, once all attempts and the specs of today are known.

A later attempt or plan decides over an earlier one, and the specs over all. It reads tables that
runs left behind and never changes one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import duckdb

from reconciler.contacts.engine import Engine, execute
from reconciler.contacts.evidence import settle
from reconciler.contacts.fates import Fates, columns
from reconciler.contacts.ingest import literal, scalar, seconds
from reconciler.masking import mask, scrub
from reconciler.model import Op, RejectedContact, Table

_SAMPLES: Final = 5
"""Of each code."""
_HIDDEN: Final = "•••"
"""Shown for what cannot be read as an address."""

_TABLES: Final = """
CREATE TEMP TABLE standing (
    op VARCHAR, identity VARCHAR, address VARCHAR, reason VARCHAR, until BIGINT, code VARCHAR,
    field VARCHAR, message VARCHAR, first_at BIGINT, last_at BIGINT, times BIGINT, run VARCHAR);
CREATE TEMP TABLE causes (
    op VARCHAR, identity VARCHAR, cause_op VARCHAR, cause_address VARCHAR);
"""
"""``standing`` is one row a contact and op that is refused as far as is known so far, ``causes``
for whose sake it was to be written: a contact that shares two identifiers is written for either."""

_ALL_OF_OTHER_OPS: Final = """
DELETE FROM standing WHERE op NOT IN (SELECT unnest($ops::VARCHAR[]))
"""

_NOT_PLANNED: Final = """
DELETE FROM standing WHERE NOT EXISTS (
    SELECT 1 FROM settled
    WHERE settled.op = standing.op
        AND coalesce(settled.address, settled.spelling) = standing.identity)
"""

_ACCEPTED: Final = """
DELETE FROM standing USING (
    SELECT op, coalesce(address, spelling) AS identity FROM settled
    GROUP BY ALL HAVING bool_and(status = 'done')) AS accepted
WHERE standing.op = accepted.op AND standing.identity = accepted.identity
"""

_REFUSED: Final = """
CREATE OR REPLACE TEMP TABLE refused AS
WITH complaints AS (
    SELECT * FROM read_parquet($rejected)
    QUALIFY row_number() OVER (PARTITION BY op, address ORDER BY code, field, message) = 1),
addresses AS (SELECT DISTINCT address FROM settled WHERE address IS NOT NULL)
SELECT complaints.op, complaints.address AS identity, addresses.address, complaints.reason,
    complaints.until, complaints.code, complaints.field, complaints.message,
    coalesce(before.first_at, $at) AS first_at, $at::BIGINT AS last_at,
    coalesce(before.times, 0) + 1 AS times, $run::VARCHAR AS run
FROM complaints LEFT JOIN addresses ON complaints.address = addresses.address
    LEFT JOIN standing AS before
        ON complaints.op = before.op AND complaints.address = before.identity
"""
"""Of several complaints about one contact the first by its code is shown."""

_TAKE: Final = (
    """
DELETE FROM standing USING refused
WHERE standing.op = refused.op AND standing.identity = refused.identity
""",
    """
DELETE FROM causes USING refused
WHERE causes.op = refused.op AND causes.identity = refused.identity
""",
    "INSERT INTO standing BY NAME SELECT * FROM refused",
)

_CAUSES: Final = """
INSERT INTO causes
WITH written AS (
    SELECT op, "row", pair, address, coalesce(address, spelling) AS identity,
        op <> 'part' AND (op <> 'amend' OR extended OR recoded) AS own
    FROM read_parquet($gap)
    WHERE op IN ('suppress', 'amend', 'part', 'shorten', 'release')),
asked AS (SELECT written.* FROM written JOIN refused USING (op, identity))
SELECT op, identity, op, address FROM asked WHERE own
UNION
SELECT asked.op, asked.identity, mate.op, mate.address
FROM asked JOIN written AS mate USING (pair) WHERE mate.own
"""

_STILL: Final = """
CREATE TEMP TABLE still AS
WITH wanted AS (
    SELECT address, source, line FROM read_parquet($desired)
    WHERE until IS NULL OR until > $as_of),
let_go AS (
    SELECT address, source, line
    FROM (SELECT NULL::VARCHAR AS address, NULL::VARCHAR AS source, NULL::BIGINT AS line WHERE false
        UNION ALL BY NAME SELECT address, source, line FROM read_parquet($releases))
    WHERE address NOT IN (SELECT address FROM wanted)),
places AS (FROM wanted UNION ALL FROM let_go),
alive AS (
    SELECT DISTINCT op, identity FROM causes
    WHERE CASE
        WHEN cause_op IN ('suppress', 'amend')
            THEN cause_address IN (SELECT address FROM wanted)
        WHEN cause_address IN (SELECT address FROM let_go) THEN true
        WHEN cause_op = 'shorten' THEN $exclusive AND cause_address IN (SELECT address FROM wanted)
        ELSE $exclusive AND cause_address NOT IN (SELECT address FROM wanted) END)
SELECT standing.*, coalesce(places.source, '') AS source, coalesce(places.line, 0) AS line
FROM standing JOIN alive USING (op, identity)
    LEFT JOIN places ON standing.address = places.address
QUALIFY row_number() OVER (PARTITION BY identity ORDER BY last_at DESC,
    list_position(['suppress', 'amend', 'part', 'shorten', 'release'], standing.op)) = 1
"""
"""Of what is refused, what the specs still ask for; a contact counts once."""

_ONLY: Final = "DELETE FROM still WHERE address IS DISTINCT FROM $only"

_CODES: Final = "SELECT code, count(*) FROM still GROUP BY code ORDER BY count(*) DESC, code"

_RUNS: Final = "SELECT run FROM still GROUP BY run ORDER BY max(last_at) DESC, run DESC"

_SAMPLE: Final = """
SELECT op, address, reason, until, code, field, message, first_at, last_at, times, run, source,
    line
FROM still
QUALIFY row_number() OVER (PARTITION BY code ORDER BY first_at, identity) <= $samples
ORDER BY code, first_at, identity
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What one run planned for one list and what came of it."""

    run: str
    at: datetime
    """When it was planned."""
    complete: bool
    """Whether the plan was made from a complete read: what it lacks is not to be done."""
    ops: tuple[str, ...]
    """What there was to do."""
    gap: Path | None
    """To whom; ``None`` where the run changed nothing and so kept no tables."""
    rejected: Path | None
    told: Fates
    """What became of it; empty where the run was interrupted, and nobody knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is still refused of one list."""

    codes: Mapping[str, int]
    samples: Mapping[str, tuple[RejectedContact, ...]]
    runs: tuple[str, ...]
    """Of the last refusals, newest first."""


def standing(
    engine: Engine,
    attempts: Iterable[Attempt],
    *,
    desired: Table,
    releases: Table,
    exclusive: bool,
    as_of: datetime,
    only: str | None = None,
) -> Standing:
    """Go through all attempts on one list and keep what was refused last and is still wanted.

    A contact leaves when a run got it accepted, or when a plan from a complete read has no such
    row any more: it is on the service then, or is not wanted. What a run left undone, or died
    over, says nothing.

    Args:
        engine: an open engine.
        attempts: in the order in which they were planned.
        desired: the list's table as the specs are now.
        releases: likewise the declared releases that are not spent.
        exclusive: whether the specs release what they lack.
        as_of: contacts that ended by then are not wanted any more.
        only: an address; nobody else is looked for.
    """
    with engine.session() as session:
        execute(session, _TABLES)
        for attempt in attempts:
            _take(session, attempt)
        execute(
            session,
            _STILL,
            {
                "desired": literal(desired.path),
                "releases": literal(releases.path),
                "exclusive": exclusive,
                "as_of": seconds(as_of),
            },
        )
        if only is not None:
            execute(session, _ONLY, {"only": only})
        return Standing(
            codes=MappingProxyType(dict(execute(session, _CODES).fetchall())),
            samples=MappingProxyType(_samples(session)),
            runs=tuple(run for (run,) in execute(session, _RUNS).fetchall()),
        )


def _take(session: duckdb.DuckDBPyConnection, attempt: Attempt) -> None:
    """Let one attempt have its say."""
    if not attempt.rejected and not scalar(session, "SELECT count(*) FROM standing"):
        return
    if attempt.gap is None:
        if attempt.complete:
            execute(session, _ALL_OF_OTHER_OPS, {"ops": list(attempt.ops)})
        return
    settle(session, attempt.gap, **columns(attempt.told))
    if attempt.complete:
        execute(session, _NOT_PLANNED)
    execute(session, _ACCEPTED)
    if attempt.rejected:
        _refuse(session, attempt, gap=attempt.gap, rejected=attempt.rejected)
    execute(session, "DROP TABLE settled")


def _refuse(
    session: duckdb.DuckDBPyConnection, attempt: Attempt, *, gap: Path, rejected: Path
) -> None:
    values = {"rejected": literal(rejected), "at": seconds(attempt.at), "run": attempt.run}
    execute(session, _REFUSED, values)
    for statement in _TAKE:
        execute(session, statement)
    execute(session, _CAUSES, {"gap": literal(gap)})


def _samples(session: duckdb.DuckDBPyConnection) -> dict[str, tuple[RejectedContact, ...]]:
    found: dict[str, tuple[RejectedContact, ...]] = {}
    for row in execute(session, _SAMPLE, {"samples": _SAMPLES}).fetchall():
        made = _contact(*row)
        found[made.code] = (*found.get(made.code, ()), made)
    return found


def _contact(op: str, address: str | None, reason: str | None, *rest: Any) -> RejectedContact:
    until, code, field, message, first_at, last_at, times, run, source, line = rest
    return RejectedContact(
        op=Op(op),
        address=mask(address) if address else _HIDDEN,
        reason=scrub(reason) if reason else None,
        until=None if until is None else datetime.fromtimestamp(until, UTC),
        code=code,
        field=field,
        message=scrub(message),
        first_refused_at=datetime.fromtimestamp(first_at, UTC),
        last_refused_at=datetime.fromtimestamp(last_at, UTC),
        times=times,
        run=run,
        source=source,
        line=line,
    )
