"""A list's declared releases become a table of those that may still do something; one an address.

A release is spent once, or by the time since its ``requestedAt``. A release that is spent must
never come back because another one of the same address is taken out of consideration: of one
address only the newest counts, spent or not. One asked for in the future would not run out in time.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from reconciler.contacts import normalise
from reconciler.contacts.engine import PSEUDONYM, Engine, execute
from reconciler.contacts.ingest import at_rest, private, seconds
from reconciler.errors import Place, Problem
from reconciler.model import ListSpec, ReleaseSpec, Table
from reconciler.times import END_OF_DAY, zulu

_ADDRESSED: Final = f"""
CREATE TEMP TABLE addressed AS
WITH identifiers AS (
  SELECT email_address(tidy(email)) AS address, 'email' AS channel, * FROM declared
  WHERE email IS NOT NULL
  UNION ALL
  SELECT phone_address(tidy(phone)), 'phone', * FROM declared WHERE phone IS NOT NULL)
SELECT *, {PSEUDONYM.format("concat_ws('|', $list, address, requested_at)")}
  AS release_key
FROM identifiers
"""  # noqa: S608 - constants of ours; values go in as parameters
"""A release is known by who asked for it and when: other words about it do not make it another."""

_KEYED: Final = """
SELECT address, requested_at, release_key FROM addressed WHERE address IS NOT NULL
"""

_RANKED: Final = """
CREATE TEMP TABLE ranked AS
SELECT *, release_key IN (SELECT key FROM doubted) AS doubted,
  release_key IN (FROM doubted UNION ALL FROM spent) OR requested_at + $within <= $as_of AS spent,
  row_number() OVER (PARTITION BY address ORDER BY requested_at DESC, until DESC NULLS LAST,
    source, line, basis, ticket) AS place
FROM addressed WHERE address IS NOT NULL AND requested_at <= $day_end
"""
"""The newest release of an address is in place 1; of two as new, the one that releases less."""

_ALIVE: Final = """
SELECT address, channel, until, basis, ticket, requested_by, requested_at, source, line,
  release_key
FROM ranked WHERE place = 1 AND NOT spent ORDER BY address
"""

_NO_ROWS: Final = """
CREATE TEMP TABLE none (
  address VARCHAR, channel VARCHAR, until BIGINT, basis VARCHAR, ticket VARCHAR,
  requested_by VARCHAR, requested_at BIGINT, source VARCHAR, line BIGINT, release_key VARCHAR)
"""

_LINES: Final = """
SELECT address || '||' || coalesce(CAST(until AS VARCHAR), '') AS text
FROM ranked WHERE place = 1 AND NOT spent ORDER BY text
"""

_PLACES: Final = """
SELECT replace(concat_ws('|', release_key, basis, ticket, requested_by, source,
  CAST(line AS VARCHAR)), chr(10), ' ') AS text
FROM ranked WHERE place = 1 AND NOT spent ORDER BY text
"""

_UNREADABLE: Final = """
SELECT number, channel FROM addressed WHERE address IS NULL ORDER BY number, channel
"""

_DONE: Final = """
SELECT number, bool_or(doubted AND place = 1) FROM ranked
GROUP BY number HAVING bool_and(spent OR place > 1) ORDER BY number
"""
"""Declarations of which nothing is left to do, and whether that is for want of knowledge."""


def compile_releases(
    engine: Engine,
    spec: ListSpec,
    *,
    as_of: datetime,
    release_within: timedelta,
    spent: Collection[str],
    doubted: Collection[str] = (),
    into: Path,
) -> tuple[Table, tuple[Place, ...], tuple[Place, ...], tuple[Problem, ...]]:
    """Normalise a list's releases and leave out what is spent.

    Args:
        engine: an open engine.
        spec: the list's declaration.
        as_of: the time at which a release may be too old, or not yet have been asked for; until
            the end of that day (UTC) is not the future, since a bare date is the end of its day.
        release_within: how long after its ``requestedAt`` a release does something.
        spent: keys of the releases that were carried out.
        doubted: keys of those that may have been, and of which nothing tells any more.
        into: the folder for the table.

    Returns:
        A table of address, channel, until (seconds since 1970 UTC; null lets go, else shorten to
        it), basis, ticket, requested_by, requested_at (seconds), source, line and release_key,
        sorted by address; the places of releases that are spent; of those in doubt, which do
        nothing either; the problems.
    """
    if not spec.releases:
        return _none(engine, into), (), (), ()
    with engine.session() as session:
        normalise.register(session, region=spec.defaults.region)
        session.register("declared", _declared(spec.releases))
        execute(session, _ADDRESSED, {"list": spec.name})
        for name, held in (("spent", spent), ("doubted", doubted)):
            keys = sorted({*held, *_known_again(engine, session, spec.name, held)})
            session.register(name, pa.table({"key": pa.array(keys, pa.string())}))
        age = release_within // timedelta(seconds=1)
        day_end = datetime.combine(as_of.astimezone(UTC).date(), END_OF_DAY)
        moments = {"as_of": seconds(as_of), "day_end": seconds(day_end)}
        execute(session, _RANKED, {"within": age, **moments})
        table = _kept(engine, session, into)
        over = execute(session, _DONE).fetchall()
        done = tuple(spec.releases[number].place for number, in_doubt in over if not in_doubt)
        doubtful = tuple(spec.releases[number].place for number, in_doubt in over if in_doubt)
        problems = (*_problems(session, spec), *_from_the_future(spec, day_end))
        return table, done, doubtful, problems


def _known_again(
    engine: Engine, session: duckdb.DuckDBPyConnection, key: str, held: Collection[str]
) -> Iterator[str]:
    """Yield the keys that declared releases have now, of those written down under a former key."""
    if not held or len(engine.fingerprints) == 1:
        return
    written = frozenset(held)
    for address, requested_at, now in execute(session, _KEYED).fetchall():
        if not written.isdisjoint(engine.pseudonyms(f"{key}|{address}|{requested_at}").values()):
            yield now


def _none(engine: Engine, into: Path) -> Table:
    """Return the table of no releases."""
    private(into)
    path = into / "releases-none.parquet"
    with engine.session() as session:
        execute(session, _NO_ROWS)
        rows = at_rest(session, "FROM none", path)
    return Table(path=path, rows=rows, digest=engine.pseudonym(""))


def _declared(releases: Sequence[ReleaseSpec]) -> pa.Table:
    """Return declarations as columns, numbered from 0."""
    text, whole = pa.string(), pa.int64()
    ends = [release.suppress_until for release in releases]
    columns = {
        "number": (range(len(releases)), whole),
        "email": ([release.email for release in releases], text),
        "phone": ([release.phone for release in releases], text),
        "until": ([end and seconds(end) for end in ends], whole),
        "basis": ([release.basis for release in releases], text),
        "ticket": ([release.ticket for release in releases], text),
        "requested_by": ([release.requested_by for release in releases], text),
        "requested_at": ([seconds(release.requested_at) for release in releases], whole),
        "source": ([release.place.path for release in releases], text),
        "line": ([release.place.line for release in releases], whole),
    }
    return pa.table({name: pa.array(values, kind) for name, (values, kind) in columns.items()})


def _problems(session: duckdb.DuckDBPyConnection, spec: ListSpec) -> tuple[Problem, ...]:
    wrong = {"email": "not an email address", "phone": "not a phone number"}
    return tuple(
        Problem(
            place=spec.releases[number].place,
            code="SPEC-121",
            message=f"the release's identifier is {wrong[channel]}",
        )
        for number, channel in execute(session, _UNREADABLE).fetchall()
    )


def _from_the_future(spec: ListSpec, day_end: datetime) -> Iterator[Problem]:
    """Tell of releases that nobody can have asked for yet."""
    for release in spec.releases:
        if release.requested_at > day_end:
            yield Problem(
                place=release.place,
                code="SPEC-123",
                message=f"the release's requestedAt {zulu(release.requested_at)} is in the future, "
                "so it would never run out; expected when it was asked for",
            )


def _kept(engine: Engine, session: duckdb.DuckDBPyConnection, into: Path) -> Table:
    """Write the table; one with equal content from equal places, whole or damaged, is replaced."""
    private(into)
    digest = engine.digest(session.sql(_LINES))
    path = into / f"releases-{digest}-{engine.digest(session.sql(_PLACES))[:16]}.parquet"
    return Table(path=path, rows=at_rest(session, _ALIVE, path), digest=digest)
