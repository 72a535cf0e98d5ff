"""What must hold of a world in which a run was killed: at that moment, and after the next run.

Everything is told from outside: from the service's file, the state directory and what was said.
Each check returns what is wrong, in words; nothing is wrong where it returns nothing.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Final

import orjson
import pyarrow.parquet as pq
from filelock import FileLock, Timeout
from killing import (
    APPLY,
    EMAILS,
    END,
    EU,
    LET_GO,
    MADE,
    NEW,
    PAIR,
    RENAMED,
    SHORTENED,
    STAYING,
    US,
    Hearing,
    Killer,
    Point,
    copied,
    wire,
)

from program import Ran, Workplace
from reconciler.times import parse_time

_SOON: Final = timedelta(minutes=12)
"""Who ends within this was let go."""
_HELD: Final = """
SELECT lists.name, who, reason, until FROM lists JOIN (
    SELECT list, email AS who, reason, suppress_until AS until FROM contacts
    UNION ALL SELECT list, phone, reason, suppress_until FROM contacts) ON list = lists.number
WHERE who IS NOT NULL
"""
_SETTINGS: Final = "SELECT name, description, suppress_until FROM lists ORDER BY name"
_WANTED: Final = {
    US: {(US, one) for one in (*STAYING, *NEW)},
    EU: {(EU, one) for one in (*EMAILS, PAIR[0])},
    MADE: {(MADE, one) for one in NEW},
}
EVERYBODY: Final = frozenset(chain.from_iterable(_WANTED.values()))
RELEASED: Final = frozenset({(US, phone) for phone in LET_GO} | {(EU, PAIR[1])})
_STAYING_HIDDEN: Final = frozenset({".gitignore", ".gate.lock", ".changing.lock"})
_SENT: Final = frozenset({("dnc", "suppress"), ("eu", "suppress"), ("made", "suppress")})
_UNDER_WAY: Final = frozenset({"releasing", "released"})

Who = tuple[str, str]
"""A list's name and an identifier on it."""
Held = Mapping[Who, tuple[str | None, str | None]]
"""Reason and end; of whoever was let go the end is ``soon``."""
Tally = Counter[tuple[str, str]]
"""Contacts by list and op; settings by list and action."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """What an undisturbed run comes to."""

    template: Workplace
    before: Held
    after: Held
    settings: Sequence[object]
    counts: Tally
    let_go: Counter[str]
    points: tuple[Point, ...]
    crm: Hearing


def whole(killer: Killer, template: Workplace, crm: Hearing) -> Whole:
    """Run once undisturbed, somewhere else."""
    work = copied(template, template.folder.with_name("whole"))
    before = held(work)
    died = killer.run(work, *APPLY)
    assert 0 == died.ran.code, died.ran
    assert not losses(before, held(work))
    return Whole(
        template=template,
        before=before,
        after=held(work),
        settings=settings(work),
        counts=sum((taken(work, run) for run in begun(work)), Counter()),
        let_go=let_go(work),
        points=died.points,
        crm=crm,
    )


def disturbed(
    killer: Killer, known: Whole, *points: Point, folder: Path, side_by_side: bool = False
) -> list[str]:
    """Kill one run after another at these points, then run to the end; return what is wrong."""
    work = copied(known.template, folder)
    wrong, told = [], ""
    for point in points:
        how = {"half": point.half, "side_by_side": side_by_side}
        died = killer.run(work, *APPLY, at=point.number, **how)
        told += died.ran.err
        wrong += losses(known.before, held(work)) + unreadable(work)
    unnamed = begun(work) - endings(work).keys()
    earlier = begun(work)
    holders = [*_holders(work)]
    last = killer.run(work, *APPLY).ran
    wrong += finished(known, work, last) + evident(known, work, told + last.err)
    wrong += [f"{run} is not told of" for run in unnamed if f"run {run} (apply)" not in last.err]
    wrong += [f"{who} is not told of" for who in holders if f"from run {who} (" not in last.err]
    wrong += [f"{len(begun(work) - earlier)} runs began"] * (len(begun(work) - earlier) != 1)
    return [f"{' then '.join(map(str, points))}: {one}" for one in wrong]


# ---------------------------------------------------------------- at any moment


def held(work: Workplace) -> Held:
    """Return what the service holds; the renamed list by its old name."""
    late = datetime.now(UTC) + _SOON
    with closing(sqlite3.connect(work.database)) as connection:
        return {
            (US if name == RENAMED else name, who): (reason, _end(until, late))
            for name, who, reason, until in connection.execute(_HELD)
        }


def settings(work: Workplace) -> Sequence[object]:
    """Return name, description and end of each list."""
    with closing(sqlite3.connect(work.database)) as connection:
        return connection.execute(_SETTINGS).fetchall()


def _end(until: str | None, late: datetime) -> str | None:
    return "soon" if until and parse_time(until) < late else until


def losses(before: Held, after: Held) -> list[str]:
    """Return whoever was let go though wanted or undeclared, or too soon."""
    absent = (None, "absent")
    ends = {who: after.get(who, absent)[1] for who in before}
    lost = [f"a wanted contact of {who[0]}" for who in EVERYBODY & ends.keys() if ends[who]]
    others = before.keys() - EVERYBODY - RELEASED - {(US, SHORTENED)}
    lost += [f"an undeclared one of {who[0]}" for who in others if before[who] != after.get(who)]
    for name, wanted in _WANTED.items():
        going = [who for who in RELEASED if who[0] == name and ends[who]]
        late = wanted - after.keys()
        lost += [f"one of {name} let go before {len(late)} were on it" for _ in going if late]
    odd = ends[US, SHORTENED] not in (None, END)
    return [f"{one} is lost" for one in lost] + ["one is shortened to another end"] * odd


def unreadable(work: Workplace) -> list[str]:
    """Return every file that has its final name and is not whole."""
    return [
        f"{path.relative_to(work.state)} is not whole"
        for part in ("runs", "ledger", "cache")
        for path in (work.state / part).rglob("[!.]*")
        if path.is_file() and not _is_whole(path)
    ]


def _is_whole(path: Path) -> bool:
    try:
        match path.suffix:
            case ".json":
                orjson.loads(path.read_bytes())
            case ".parquet":
                pq.read_table(path)
            case ".csv" | ".md":
                return path.read_bytes().endswith(b"\n")
    except (OSError, ValueError):
        return False
    return True


# ---------------------------------------------------------------- after the next run


def finished(known: Whole, work: Workplace, last: Ran) -> list[str]:
    """Return how the service and what is left differ from those of an undisturbed run."""
    wrong = [f"it ended with {last.code}: {last.err}"] * (last.code != 0)
    wrong += ["contacts differ"] * (known.after != held(work))
    wrong += ["settings differ"] * (known.settings != settings(work))
    wrong += [f"let go: {let_go(work).total()}"] * (known.let_go != let_go(work))
    wrong += unreadable(work)
    wrong += [f"{path} holds an address" for path in work.leaks()]
    wrong += [f"{path} is left" for path in _left_over(work)]
    wrong += [f"{path.name} is held" for path in work.state.glob("locks/*.lock") if _taken(path)]
    return wrong


def evident(known: Whole, work: Workplace, told: str) -> list[str]:
    """Return what of the evidence is missing, or does not add up."""
    wrong = [f"{run} has no last line" for run in begun(work) - endings(work).keys()]
    wrong += untold(known, work)
    done, doubt = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for run, outcome in endings(work).items():
        if outcome == "interrupted":
            sure, unsure = remains(work, run)
            done, doubt = done + sure, doubt + unsure
            wrong += misremembered(work, run, sure, unsure)
            wrong += [f"{run} was never named"] * (f"run {run} (apply) was interrupted" not in told)
        else:
            done += taken(work, run)
    wrong += [
        f"{what} counts {done[what]} and {doubt[what]} in doubt of {known.counts[what]}"
        for what in sorted(known.counts.keys() | done.keys())
        if not done[what] <= known.counts[what] <= done[what] + doubt[what]
    ]
    return wrong


def untold(known: Whole, work: Workplace) -> list[str]:
    """Return every event that was not heard once, and every one of a list that nobody changed."""
    heard = Counter(one for one in known.crm.events.values() if one[0] in begun(work))
    wrong = [f"event {one} has {times} ids" for one, times in heard.items() if times > 1]
    wrong += [f"{path.name} is left in the outbox" for path in work.state.glob("outbox/**/*.json")]
    for run, outcome in endings(work).items():
        nothing: Tally = Counter()
        sure, unsure = (
            remains(work, run) if outcome == "interrupted" else (taken(work, run), nothing)
        )
        lists = {key for key, _ in sure}
        told = {key for whose, key in heard if whose == run}
        wrong += [f"nobody heard of {key} by {run}" for key in lists - told]
        wrong += [f"{key} by {run} is made up" for key in told - lists - {key for key, _ in unsure}]
    return wrong


def begun(work: Workplace) -> set[str]:
    """Return the runs that came so far as to say what they are."""
    return {path.parent.name for path in work.state.glob("runs/*/run.json")}


def endings(work: Workplace) -> dict[str, str]:
    """Return what became of each run that has its last line in the ledger."""
    lines = (orjson.loads(path.read_bytes()) for path in sorted(work.state.glob("ledger/[!.]*")))
    return {line["run"]: line["outcome"] for line in lines if line["outcome"] not in _UNDER_WAY}


def taken(work: Workplace, run: str) -> Tally:
    """Return what a run that came to its end says it did."""
    made: Tally = Counter()
    for one in orjson.loads((work.state / "runs" / run / "receipt.json").read_bytes())["outcomes"]:
        if one["batch"]:
            made[one["key"], one["op"]] += one["taken"]
        elif one["action"] in {"CreateList", "UpdateList"}:
            made[one["key"], one["action"]] += one["status"] == "done"
    return +made


def remains(work: Workplace, run: str) -> tuple[Tally, Tally]:
    """Return what an interrupted run is known to have done, and what is in doubt."""
    sure: Tally = Counter()
    doubt: Tally = Counter()
    told = orjson.loads((work.state / "runs" / run / "interrupted.json").read_bytes())
    for key, steps in told["lists"].items():
        for op, step in steps.items():
            sure[key, op] += step["taken"]
            doubt[key, op] += step["in_doubt"]
    for key, changes in told["settings"].items():
        for one in changes:
            (sure if one["done"] else doubt)[key, one["action"]] += 1
    return sure, doubt


def misremembered(work: Workplace, run: str, sure: Tally, unsure: Tally) -> list[str]:
    """Return where the rows of an interrupted run say anything else than its counts."""
    path = work.state / "runs" / run / "changes.parquet"
    if not path.exists():
        return [f"{run} has no rows"] if (+sure).keys() & _SENT else []
    rows = pq.read_table(path, columns=["list", "op", "status"]).to_pylist()
    found = {
        status: Counter((row["list"], row["op"]) for row in rows if row["status"] == status)
        for status in ("done", "uncertain")
    }
    wrong = [f"{run} is sure of {one}" for one in found["done"] if found["done"][one] != sure[one]]
    wrong += [
        f"{run} doubts {count} of {one}"
        for one, count in found["uncertain"].items()
        if count != unsure[one]
    ]
    return wrong


def let_go(work: Workplace) -> Counter[str]:
    """Return how often each identifier was sent with an end, and taken, over all runs."""
    effects = [orjson.loads(line) for line in wire(work).read_bytes().splitlines()]
    return Counter(
        contact.get("email") or contact["phoneNumber"]
        for effect in effects
        if effect["what"].startswith("POST /api/v2/lists/")
        for contact in orjson.loads(effect["body"])["contacts"]
        if contact.get("suppressUntil")
    )


def _holders(work: Workplace) -> Iterator[str]:
    """Yield the runs whose signs stand beside a lock."""
    for path in work.state.glob("locks/*.json"):
        try:
            yield orjson.loads(path.read_bytes())["run"]
        except (orjson.JSONDecodeError, KeyError):
            continue


def _left_over(work: Workplace) -> Iterator[str]:
    """Yield drafts, spill and signs of holders: nobody is at work any more."""
    for path in (path.relative_to(work.state) for path in work.state.rglob("*")):
        hidden = path.name.startswith(".") and path.name not in _STAYING_HIDDEN
        sign = path.parts[0] == "locks" and path.suffix == ".json"
        if hidden or sign or (path.parts[0] == "spill" and len(path.parts) > 1):
            yield path.as_posix()


def _taken(path: Path) -> bool:
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return True
    lock.release()
    return False
