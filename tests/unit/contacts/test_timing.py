"""Counts, grounds and clocks over many runs, held against plain Python over the same rows."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import engines
from reconciler.attestation import Counted, Spread
from reconciler.clocks import TEN_BUSINESS_DAYS, Limit, business_days
from reconciler.contacts import changed, timing
from reconciler.contacts.changed import Changed, Ticket
from reconciler.contacts.engine import Engine
from reconciler.contacts.timing import Clocks
from reconciler.errors import EngineError

MOMENT = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [
        ("pseudonym", pa.string()),
        ("list", pa.string()),
        ("op", pa.string()),
        ("reason", pa.string()),
        ("until", MOMENT),
        ("basis", pa.string()),
        ("source", pa.string()),
        ("line", pa.int64()),
        ("batch", pa.int64()),
        ("status", pa.string()),
        ("requested_at", MOMENT),
        ("at", MOMENT),
    ]
)
OLD = pa.schema([field for field in SCHEMA if field.name not in {"requested_at", "at"}])
MONDAY = datetime(2026, 11, 2, tzinfo=UTC)
SECOND = timedelta(seconds=1)
START, END = MONDAY + timedelta(days=14), MONDAY + timedelta(days=28, seconds=-1)
CLOCKED = {"suppress": False, "amend": False, "shorten": True, "release": True}
Row = dict[str, Any]


def row(who: str = "ann", op: str = "suppress", status: str = "done", **more: Any) -> Row:
    """A row of a run's changes."""
    told = {"pseudonym": who.ljust(64, "0"), "list": "us", "op": op, "status": status}
    return {**told, "source": "a.csv", "line": 2, **more}


def day(number: float) -> datetime:
    """A time so many days after the first Monday."""
    return MONDAY + timedelta(days=number)


def run(folder: Path, number: int, *rows: Row, schema: pa.Schema = SCHEMA, **more: Any) -> Changed:
    """A run of that day, which compared both lists, with its changes at rest."""
    path = folder / f"changes-{number}.parquet"
    if rows:
        pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), path)
    made = Changed(
        run=f"run-{number}",
        path=path if rows else None,
        looked=("us", "eu"),
        ended=day(number),
        within=START <= day(number) <= END,
    )
    return replace(made, **more)


def clocked(engine: Engine, runs: Sequence[Changed], limit: Limit = TEN_BUSINESS_DAYS) -> Clocks:
    """The clocks of the period."""
    with changed.reading(engine, runs) as changes:
        return timing.clocks(changes, limit, start=START, end=END)


def test_a_request_is_met_by_its_first_row_that_was_done(engine: Engine, tmp_path: Path) -> None:
    """What an earlier attempt left undone counts from the same request; later rows mend it."""
    asked = day(4) + timedelta(hours=9)  # a Friday
    runs = [
        run(tmp_path, 13, row(status="rejected", requested_at=asked)),
        run(tmp_path, 19, row(requested_at=asked, at=day(18) + timedelta(hours=8))),
        run(tmp_path, 25, row(requested_at=asked, at=day(25))),
    ]

    found = clocked(engine, runs)

    expected = Spread(
        met=1,
        median_days=10,
        p95_days=10,
        worst_days=10,
        median_hours=335.0,
        p95_hours=335.0,
        worst_hours=335.0,
    )
    assert (expected, {"us": expected}, ()) == (found.everything, found.lists, found.breaches)


def test_a_breach_is_named_with_its_line_and_its_deadline(engine: Engine, tmp_path: Path) -> None:
    """And the pseudonym's first twelve characters, no more."""
    late = row(
        "f00dfacecafe1234", requested_at=day(3), at=day(20), source="contacts/us.csv", line=7
    )

    (breach,) = clocked(engine, [run(tmp_path, 20, late)]).breaches

    assert ("us", "f00dfacecafe", "contacts/us.csv", 7, "run-20", "suppress", "done") == (
        breach.key,
        breach.pseudonym,
        breach.source,
        breach.line,
        breach.run,
        breach.op,
        breach.status,
    )
    assert ("met", day(3), day(20)) == (breach.state, breach.requested, breach.ended)
    assert datetime(2026, 11, 19, 23, 59, 59, tzinfo=UTC) == breach.deadline
    assert (12, 17 * 24.0) == (breach.business_days, breach.hours)


@pytest.mark.parametrize("status", ["rejected", "withheld", "failed", "uncertain"])
def test_a_request_that_is_open_past_its_limit_is_a_breach(
    engine: Engine, tmp_path: Path, status: str
) -> None:
    """However often it was tried; one that is still in time is open and nothing else."""
    runs = [
        run(tmp_path, 8, row(status=status, requested_at=day(7))),
        run(
            tmp_path,
            27,
            row(status=status, requested_at=day(7), line=9),
            row("bob", status=status, requested_at=day(25)),
        ),
    ]

    found = clocked(engine, runs)

    (breach,) = found.breaches
    assert Spread(open=2, open_late=1) == found.everything
    assert ("open", None, 9, status, 15) == (
        breach.state,
        breach.ended,
        breach.line,
        breach.status,
        breach.business_days,
    )


def test_a_request_that_nobody_asks_any_more_is_withdrawn(engine: Engine, tmp_path: Path) -> None:
    """By the next run that compared the list whole; one that looked elsewhere says nothing."""
    runs = [
        run(tmp_path, 13, row(status="rejected", requested_at=day(1))),
        run(tmp_path, 15, looked=("eu",)),
        run(tmp_path, 16),
    ]

    found = clocked(engine, runs)

    (breach,) = found.breaches
    assert Spread(withdrawn=1, withdrawn_late=1) == found.everything
    assert ("withdrawn", day(16), "run-13") == (breach.state, breach.ended, breach.run)


def test_a_request_that_was_over_before_the_period_is_not_told_again(
    engine: Engine, tmp_path: Path
) -> None:
    """Met or withdrawn; mending in the period what somebody undid is no new request."""
    runs = [
        run(
            tmp_path,
            8,
            row(requested_at=day(1), at=day(8)),
            row("bob", status="rejected", requested_at=day(1)),
        ),
        run(tmp_path, 10, row(requested_at=day(1), at=day(10))),
        run(tmp_path, 20, row(requested_at=day(1), at=day(20))),
    ]

    assert Spread() == clocked(engine, runs).everything


@pytest.mark.parametrize(("at", "met"), [(START, 1), (START - SECOND, 0), (END, 1)])
def test_the_first_and_the_last_second_are_of_the_period(
    engine: Engine, tmp_path: Path, at: datetime, met: int
) -> None:
    """So that each request is met in one of two that follow each other."""
    one = run(tmp_path, 13, row(requested_at=day(12), at=at))

    assert met == clocked(engine, [one]).everything.met


def test_what_was_in_effect_before_it_was_asked_for_took_no_time(
    engine: Engine, tmp_path: Path
) -> None:
    """As on the day of a request that has no hour, which counts from its end."""
    one = run(tmp_path, 20, row(requested_at=day(21) - SECOND, at=day(20)))

    found = clocked(engine, [one]).everything

    assert (1, 0, 0.0) == (found.met, found.worst_days, found.worst_hours)


def test_what_was_done_after_the_period_is_open_at_its_end(engine: Engine, tmp_path: Path) -> None:
    """A run that began in the period may end after it."""
    begun = run(tmp_path, 27, row(requested_at=day(2), at=END + timedelta(seconds=1)))

    assert Spread(open=1, open_late=1) == clocked(engine, [begun]).everything


@pytest.mark.parametrize(("later", "met"), [(timedelta(), 0), (SECOND, 1)])
def test_who_was_there_before_us_is_held_against_no_clock(
    engine: Engine, tmp_path: Path, later: timedelta, met: int
) -> None:
    """Nobody knows since when they were; a request that came later is one of ours."""
    runs = [
        run(tmp_path, 15, row(op="found", status="found", at=day(15))),
        run(tmp_path, 26, row(op="amend", requested_at=day(15) + later, at=day(26))),
    ]

    found = clocked(engine, runs)

    assert met == found.everything.met
    assert ({} if met else {"us": 1}) == found.found


def test_asking_to_be_let_go_is_a_request_of_its_own(engine: Engine, tmp_path: Path) -> None:
    """Also where it bears the very time at which the suppression was asked for."""
    runs = [
        run(tmp_path, 15, row(requested_at=day(14), at=day(15))),
        run(tmp_path, 22, row(op="release", requested_at=day(14), at=day(22))),
    ]

    assert (2, 6) == (
        clocked(engine, runs).everything.met,
        clocked(engine, runs).everything.worst_days,
    )


def test_older_files_lack_columns(engine: Engine, tmp_path: Path) -> None:
    """Beside newer ones, and alone: nothing is known of their requests, which is counted."""
    old = run(tmp_path, 15, row(), row("bob", status="rejected"), schema=OLD)
    new = run(tmp_path, 16, row("eve", requested_at=day(15)))

    told = {}
    for runs in ([old], [old, new], []):
        with changed.reading(engine, runs) as changes:
            found = timing.clocks(changes, TEN_BUSINESS_DAYS, start=START, end=END)
            told[len(runs)] = (changes.counts(), found.everything.met)

    alone = Counted(
        suppressed=1, rejected=1, rejected_contacts=1, without_request=1, without_time=1
    )
    assert ({"us": alone}, 0) == told[1]
    assert ({"us": replace(alone, suppressed=2, without_time=2)}, 1) == told[2]
    assert ({}, 0) == told[0]


def test_lists_that_were_not_asked_for_do_not_count(engine: Engine, tmp_path: Path) -> None:
    """In no figure."""
    one = run(
        tmp_path,
        20,
        row(requested_at=day(2), at=day(20)),
        row("bob", list="eu", requested_at=day(2), at=day(20)),
    )

    with changed.reading(engine, [one], lists=["eu"]) as changes:
        found = timing.clocks(changes, TEN_BUSINESS_DAYS, start=START, end=END)

        assert ["eu"] == [*changes.counts()] == [*found.lists]
        assert ["eu"] == [breach.key for breach in found.breaches]


def test_grounds_are_counted_with_the_tickets_of_their_plans(
    engine: Engine, tmp_path: Path
) -> None:
    """By the line that declares the release; where no plan lists it the ticket is not known."""
    released = {"op": "release", "basis": "re-consent", "source": "specs/us.yaml"}
    runs = [
        run(
            tmp_path,
            15,
            row("ann", **released, at=day(15)) | {"line": 9},
            row("bob", **released, at=day(15)) | {"line": 10},
            row("cat", **released, at=day(15)) | {"line": 11},
            row("dan", **released | {"status": "withheld"}) | {"line": 9},
            row("eve", op="shorten", basis="law") | {"line": 3},
        )
    ]
    tickets = [
        Ticket(run="run-15", list="us", op="release", source="specs/us.yaml", line=at, ticket="L-1")
        for at in (9, 10)
    ]

    with changed.reading(engine, runs) as changes:
        found = [(one.op, one.basis, one.ticket, one.contacts) for one in changes.let_go(tickets)]

    assert [
        ("release", "re-consent", "L-1", 2),
        ("release", "re-consent", "", 1),
        ("shorten", "law", "", 1),
    ] == found


def test_a_run_makes_a_list_larger_by_whom_it_added(engine: Engine, tmp_path: Path) -> None:
    """Contacts, not rows: a release of two spellings lets one go."""
    one = run(
        tmp_path,
        15,
        row("ann"),
        row("bob"),
        row("cat", status="rejected"),
        row("dan", op="release"),
        row("dan", op="release"),
        row("eve", op="found", status="found"),
    )

    with changed.reading(engine, [one]) as changes:
        assert {("run-15", "us"): 1} == changes.effects({"run-15"})
        assert {} == changes.effects({"run-0"})


def test_a_file_that_is_none_is_told(engine: Engine, tmp_path: Path) -> None:
    """With its name."""
    broken = run(tmp_path, 15, row())
    (tmp_path / "changes-15.parquet").write_bytes(b"PAR1 and no more")

    with (
        pytest.raises(EngineError, match=r"changes-15\.parquet"),
        changed.reading(engine, [broken]) as changes,
    ):
        changes.counts()


# ---------------------------------------------------------------- against plain Python

TIMES = st.integers(0, 60).map(lambda halves: day(halves / 2))
ROWS = st.fixed_dictionaries(
    {
        "who": st.sampled_from(["ann", "bob", "cat"]),
        "op": st.sampled_from([*CLOCKED, "part", "found"]),
        "status": st.sampled_from(
            ["done", "rejected", "withheld", "failed", "uncertain", "lapsed"]
        ),
        "list": st.sampled_from(["us", "eu"]),
        "requested_at": st.none() | st.integers(0, 8).map(lambda days: day(3 * days)),
    }
)
RUNS = st.lists(
    st.tuples(
        st.integers(0, 27),
        st.sets(st.sampled_from(["us", "eu"])),
        st.lists(ROWS, max_size=5),
        st.booleans(),
    ),
    max_size=7,
    unique_by=lambda each: each[0],
).map(lambda runs: sorted(runs, key=lambda each: each[0]))
LIMITS = st.one_of(
    st.builds(
        Limit,
        business_days=st.integers(0, 12),
        holidays=st.frozensets(TIMES.map(datetime.date), max_size=5).map(
            lambda days: tuple(sorted(days))
        ),
    ),
    st.builds(Limit, span=st.integers(0, 500).map(lambda hours: timedelta(hours=hours))),
)
Told = list[tuple[int, Row]]
Key = tuple[str, str, datetime, bool]


@settings(max_examples=30)
@given(RUNS, LIMITS)
def test_figures_are_those_of_plain_python(runs: list[Any], limit: Limit) -> None:
    """Whatever the rows, of whatever runs, in and before the period."""
    engine = engines.shared()
    told: Told = []
    made = []
    with TemporaryDirectory() as name:
        for number, looked, parts, timed in runs:
            rows = [
                row(**each, at=day(number) + timedelta(hours=5) if timed else None)
                for each in parts
            ]
            told += [(number, {**each, "done": each["at"] or day(number)}) for each in rows]
            made.append(run(Path(name), number, *rows, looked=tuple(looked)))
        with changed.reading(engine, made) as changes:
            found = timing.clocks(changes, limit, start=START, end=END)
            counts = changes.counts()

    requests = {key: state(key, rows, made) for key, rows in asked(told).items()}
    spreads = {
        name: spread([(key, held) for key, held in requests.items() if name in {"", key[0]}], limit)
        for name in ("", "us", "eu")
    }
    assert spreads[""] == found.everything
    assert {
        name: held for name, held in spreads.items() if name and held != Spread()
    } == found.lists
    assert breaches(requests, limit) == Counter(
        (one.key, one.requested, one.state, one.ended) for one in found.breaches
    )
    assert counted(told) == counts


def asked(told: Told) -> dict[Key, Told]:
    """Every request, with its rows; not those of contacts that were there before."""
    there: dict[tuple[str, str], datetime] = {}
    for _, each in told:
        if each["op"] == "found":
            who = each["list"], each["pseudonym"]
            there[who] = max(there.get(who, each["done"]), each["done"])
    made = defaultdict[Key, Told](list)
    for number, each in told:
        if each["requested_at"] and each["op"] in CLOCKED:
            who = each["list"], each["pseudonym"]
            lets_go = CLOCKED[each["op"]]
            if lets_go or who not in there or each["requested_at"] > there[who]:
                made[(*who, each["requested_at"], lets_go)].append((number, each))
    return made


def state(key: Key, rows: Told, runs: Iterable[Changed]) -> tuple[str, datetime | None]:
    """What became of a request by the end of the period, and when."""
    met = [each["done"] for _, each in rows if each["status"] == "done" and each["done"] <= END]
    if met:
        return "met", min(met)
    last = max(number for number, _ in rows)
    after = [one.ended for one in runs if key[0] in one.looked and day(last) < one.ended <= END]
    return ("withdrawn", min(after)) if after else ("open", None)


def spread(requests: list[tuple[Key, tuple[str, datetime | None]]], limit: Limit) -> Spread:
    """The figures of these requests."""
    count: Counter[str] = Counter()
    days, seconds = [], []
    for key, (how, ended) in requests:
        if ended and ended < START:
            continue
        late = limit.late(key[2], ended or END)
        count.update([how, f"{how}_late"] if late else [how])
        if how == "met" and ended:
            days.append(walked(key[2], ended, limit.holidays))
            seconds.append(max((ended - key[2]).total_seconds(), 0))
    figures: dict[str, Any] = dict(count)
    if days:
        for name, share in (("median", Fraction(1, 2)), ("p95", Fraction(19, 20)), ("worst", 1)):
            at = ceil(share * len(days)) - 1
            figures[f"{name}_days"] = sorted(days)[at]
            figures[f"{name}_hours"] = round(sorted(seconds)[at] / 3600, 2)
    return Spread(**figures)


def walked(requested: datetime, done: datetime, holidays: tuple[date, ...]) -> int:
    """Business days, one by one."""
    today, count = requested.date(), 0
    while today < done.date():
        today += timedelta(days=1)
        count += (today.weekday() < 5 and today not in holidays) or today == done.date()
    return count


def breaches(requests: dict[Key, tuple[str, datetime | None]], limit: Limit) -> Counter[Any]:
    """Every breach of the period."""
    return Counter(
        (key[0], key[2], how, ended)
        for key, (how, ended) in requests.items()
        if not (ended and ended < START) and limit.late(key[2], ended or END)
    )


def counted(told: Told) -> dict[str, Counted]:
    """What became of the period's rows."""
    made: dict[str, Counter[str]] = defaultdict(Counter)
    refused = defaultdict[str, set[str]](set)
    names = {
        "suppress": "suppressed",
        "amend": "amended",
        "part": "separated",
        "shorten": "shortened",
        "release": "released",
    }
    for number, each in told:
        if each["op"] == "found" or not START <= day(number) <= END:
            continue
        mine, status = made[each["list"]], each["status"]
        if status == "done":
            mine[names[each["op"]]] += 1
            mine["without_request"] += each["op"] != "part" and not each["requested_at"]
            mine["without_time"] += not each["at"]
        elif status != "lapsed":
            mine["failed" if status == "uncertain" else status] += 1
        if status == "rejected":
            refused[each["list"]].add(each["pseudonym"])
    return {key: Counted(**held, rejected_contacts=len(refused[key])) for key, held in made.items()}


@pytest.mark.parametrize("count", [1, 2, 19, 20, 21, 39, 40, 41, 59, 60, 199, 201, 210, 999])
def test_a_percentile_is_a_value_that_was_seen(engine: Engine, tmp_path: Path, count: int) -> None:
    """The smallest that so many percent do not exceed; nothing is interpolated."""
    rows = [
        row(f"{number}-", requested_at=day(14), at=day(14) + timedelta(hours=number))
        for number in range(1, count + 1)
    ]

    found = clocked(engine, [run(tmp_path, 20, *rows)]).everything

    expected = [ceil(Fraction(share, 100) * count) for share in (50, 95, 100)]
    within = [min(each, 14 * 24 - 1) for each in expected]
    if count < 14 * 24:
        assert within == [found.median_hours, found.p95_hours, found.worst_hours]
        days = [business_days(day(14), day(14) + timedelta(hours=each)) for each in expected]
        assert days == [found.median_days, found.p95_days, found.worst_days]
    assert min(count, 14 * 24 - 1) == found.met
