"""How long requests took from being asked for to being in effect, over many runs.

A request is one contact on one list that was asked for at one time, to be protected or to be let
go. The first row that was done meets it; later rows of it mend what somebody else undid and are
not clocked again. All of it happens in the engine; it sees pseudonyms only, and writes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final

import pyarrow as pa

from reconciler.attestation import Breach, Spread
from reconciler.clocks import Limit
from reconciler.contacts.changed import MOST, YEAR_ONE, Changes, seconds
from reconciler.contacts.engine import execute

_DAY: Final = 86_400
_WEEKEND: Final = 5

_LOOKED: Final = pa.schema([("list", pa.string()), ("number", pa.int64()), ("at", pa.int64())])

_ASKED: Final = """
CREATE TEMP TABLE asked AS
SELECT list, pseudonym, requested, op IN ('shorten', 'release') AS lets_go,
    min(done) FILTER (status = 'done' AND done <= $until) AS met,
    arg_min(number, done) FILTER (status = 'done' AND done <= $until) AS met_in,
    max(number) AS seen_in
FROM told
WHERE requested IS NOT NULL AND op IN ('suppress', 'amend', 'shorten', 'release')
GROUP BY ALL HAVING met IS NULL OR met >= $since
"""
# What was met before the period is none of its requests, however often it is mended in it.

_FOUND: Final = """
CREATE TEMP TABLE found AS
SELECT asked.* FROM asked JOIN (
    SELECT list, pseudonym, max(done) AS at FROM told SEMI JOIN asked USING (list, pseudonym)
    WHERE op = 'found' GROUP BY ALL) AS there USING (list, pseudonym)
WHERE NOT lets_go AND requested <= there.at
"""
# Who was on the list before we ever wrote it was protected by then, nobody knows since when.

_STATES: Final = """
CREATE TEMP TABLE states AS
WITH wanted AS (
    FROM asked ANTI JOIN found USING (list, pseudonym, requested, lets_go)),
left_out AS (
    SELECT wanted.* EXCLUDE (met, met_in), looked.at AS met, NULL::BIGINT AS met_in
    FROM wanted ASOF LEFT JOIN looked
        ON wanted.list = looked.list AND wanted.seen_in < looked.number
    WHERE wanted.met IS NULL)
SELECT list, pseudonym, requested, lets_go, met AS ended, met_in AS number, 'met' AS state
FROM wanted WHERE met IS NOT NULL
UNION ALL BY NAME
SELECT list, pseudonym, requested, lets_go, coalesce(met, $until) AS ended, seen_in AS number,
    CASE WHEN met IS NULL THEN 'open' ELSE 'withdrawn' END AS state
FROM left_out WHERE met IS NULL OR met >= $since
"""
# The next run that looked at the whole list and has no row of it had nothing left to do.

_CALENDAR: Final = """
CREATE TEMP TABLE calendar AS
WITH days AS (
    SELECT requested // 86400 AS day FROM states UNION SELECT ended // 86400 FROM states)
SELECT day, 5 * ((day + 1) // 7) + least((day + 1) % 7, 5)
        - len(list_filter($holidays::BIGINT[], lambda one: one <= day)) AS upto,
    day % 7 < 5 AND NOT list_contains($holidays::BIGINT[], day) AS business
FROM days
"""
# A few thousand days stand for millions of rows: what depends on a day is found once a day.

_TIMED: Final = """
CREATE TEMP TABLE timed AS
WITH measured AS (
    SELECT states.*, greatest(ended - requested, 0) AS seconds,
        CASE WHEN last.day <= first.day THEN 0
            ELSE last.upto - first.upto + (NOT last.business)::BIGINT END AS days
    FROM states
    JOIN calendar AS first ON first.day = requested // 86400
    JOIN calendar AS last ON last.day = ended // 86400)
SELECT *, CASE WHEN $business::BIGINT IS NOT NULL THEN days > $business::BIGINT
    ELSE ended - requested > $span::BIGINT END AS late
FROM measured
"""

_SPREAD: Final = """
SELECT coalesce(list, ''), grouping(list) = 1 AS everything,
    count(*) FILTER (state = 'met'), count(*) FILTER (state = 'met' AND late),
    count(*) FILTER (state = 'withdrawn'), count(*) FILTER (state = 'withdrawn' AND late),
    count(*) FILTER (state = 'open'), count(*) FILTER (state = 'open' AND late),
    quantile_disc(days, 0.5) FILTER (state = 'met'),
    quantile_disc(days, 0.95) FILTER (state = 'met'), max(days) FILTER (state = 'met'),
    quantile_disc(seconds, 0.5) FILTER (state = 'met'),
    quantile_disc(seconds, 0.95) FILTER (state = 'met'), max(seconds) FILTER (state = 'met')
FROM timed GROUP BY GROUPING SETS ((), (list)) ORDER BY ALL
"""

_LATE: Final = """
CREATE TEMP TABLE late AS
SELECT * FROM timed WHERE late
ORDER BY days DESC, seconds DESC, list, pseudonym, requested, lets_go LIMIT $most
"""

_BREACHES: Final = """
SELECT late.list, left(late.pseudonym, 12), late.state, late.requested,
    CASE WHEN late.state <> 'open' THEN late.ended END, late.days, late.seconds,
    told.op, told.status, coalesce(told.source, ''), coalesce(told.line, 0), told.run
FROM late JOIN told ON told.number = late.number AND told.list = late.list
    AND told.pseudonym = late.pseudonym AND told.requested = late.requested
    AND told.op IN ('suppress', 'amend', 'shorten', 'release')
    AND (told.op IN ('shorten', 'release')) = late.lets_go
QUALIFY row_number() OVER (
    PARTITION BY late.list, late.pseudonym, late.requested, late.lets_go
    ORDER BY told.status = 'done' DESC, told.source, told.line, told.op) = 1
ORDER BY late.days DESC, late.seconds DESC, late.list, late.pseudonym, late.requested, late.lets_go
"""

_FOUND_COUNTS: Final = "SELECT list, count(*) FROM found GROUP BY list ORDER BY list"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """How long requests took."""

    everything: Spread
    lists: Mapping[str, Spread]
    found: Mapping[str, int]
    """By list, requests of contacts that were on it before we ever wrote it: they are in no spread.
    """
    breaches: tuple[Breach, ...]
    """The worst of them."""


def clocks(changes: Changes, limit: Limit, *, start: datetime, end: datetime) -> Clocks:
    """Return how long the requests took that were met, withdrawn or open in a period.

    Args:
        changes: of all runs that began up to the end of the period.
        limit: what they are held against.
        start: the period's first second, aware.
        end: its last second.
    """
    session = changes.session
    looked = [
        {"list": key, "number": number, "at": seconds(each.ended)}
        for number, each in enumerate(changes.runs)
        for key in each.looked
        if each.ended <= end
    ]
    session.register("looked", pa.Table.from_pylist(looked, schema=_LOOKED))
    since, until = seconds(start), seconds(end)
    days = [seconds(datetime.combine(day, time(), UTC)) // _DAY for day in limit.holidays]
    span = None if limit.span is None else limit.span // timedelta(seconds=1)
    for script, values in (
        (_ASKED, {"since": since, "until": until}),
        (_FOUND, None),
        (_STATES, {"since": since, "until": until}),
        (_CALENDAR, {"holidays": [day for day in days if day % 7 < _WEEKEND]}),
        (_TIMED, {"business": limit.business_days, "span": span}),
        (_LATE, {"most": MOST}),
    ):
        execute(session, script, values)
    spreads = execute(session, _SPREAD).fetchall()
    return Clocks(
        everything=next((_spread(row) for _, all_, *row in spreads if all_), Spread()),
        lists={key: _spread(row) for key, all_, *row in spreads if not all_},
        found=dict(execute(session, _FOUND_COUNTS).fetchall()),
        breaches=tuple(_breach(row, limit) for row in execute(session, _BREACHES).fetchall()),
    )


def _spread(row: Sequence[Any]) -> Spread:
    met, met_late, withdrawn, withdrawn_late, left, left_late, *times = row
    days, hours = times[:3], [_hours(each) for each in times[3:]]
    return Spread(
        met=met,
        met_late=met_late,
        withdrawn=withdrawn,
        withdrawn_late=withdrawn_late,
        open=left,
        open_late=left_late,
        median_days=days[0],
        p95_days=days[1],
        worst_days=days[2],
        median_hours=hours[0],
        p95_hours=hours[1],
        worst_hours=hours[2],
    )


def _breach(row: Sequence[Any], limit: Limit) -> Breach:
    key, pseudonym, state, requested, ended, days, took, op, status, source, line, run = row
    asked = _moment(requested)
    return Breach(
        key=key,
        pseudonym=pseudonym,
        state=state,
        requested=asked,
        deadline=_deadline(limit, asked),
        ended=None if ended is None else _moment(ended),
        business_days=days,
        hours=_hours(took) or 0.0,
        op=op,
        status=status,
        source=source,
        line=line,
        run=run,
    )


def _deadline(limit: Limit, requested: datetime) -> datetime | None:
    try:
        return limit.deadline(requested)
    except OverflowError:
        return None


def _hours(seconds: int | None) -> float | None:
    return None if seconds is None else round(seconds / 3600, 2)


def _moment(seconds: int) -> datetime:
    return YEAR_ONE + timedelta(seconds=seconds)
