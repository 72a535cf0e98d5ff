"""What must hold after a run, whatever happened in it: truth after each, convergence in the end.

It compares what the program says (exit code, receipt, evidence, ledger) with what the service
holds, and what the service holds with the reference. It knows no mishap. Exceptions are those
that a neighbour makes: what is theirs stays, and whoever they renewed after our release.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson
import pyarrow.parquet as pq
from between import Between
from reference import NEVER, Declared
from trials import Trial
from watch import WINDOW, Held, look

from program import Ran
from reconciler.times import zulu

_CODES: Final = {0, 1, 4, 5, 6}
_PARTED: Final = {"suppress", "amend", "part"}


def unfinished(trial: Trial) -> list[str]:
    """Return every difference between what the service holds and what it should in the end."""
    found = look(trial.place.database, trial.lists)
    until = zulu(trial.service_now() + WINDOW)
    return [
        f"{each.key}: {difference}"
        for each in trial.lists
        for difference in _differences(each, found.get(each.key), trial, until)
    ]


def _differences(each: Declared, held: Held | None, trial: Trial, until: str) -> Iterator[str]:
    deeds = trial.watch.deeds
    if held is None:
        yield "there is no such list"
        return
    for name, wanted, actual in (
        ("name", each.name, held.name),
        ("description", each.description, held.description),
        ("suppressUntil", each.until if each.until != NEVER else None, held.until),
    ):
        unmanaged = NEVER if name == "suppressUntil" else None
        expected = wanted or deeds.settings.get((each.key, name), unmanaged)
        if actual != expected:
            yield f"{name} is {actual} and not {expected}"
    final = {**each.final(), **deeds.added.get(each.key, {})}
    for key, one in trial.spent_in_vain:
        if key == each.key and one in (*each.released, *each.shortened):
            final[one] = held.rows.get(one, (None, ""))
    for one, (reason, end) in final.items():
        theirs = (each.key, one) in deeds.renewed or each.key in trial.unread
        if held.rows.get(one) not in ((reason, end), (reason, NEVER) if theirs else None):
            yield f"a contact is {held.rows.get(one)} and not {(reason, end)}"
    for one in held.rows.keys() - final.keys():
        theirs = (each.key, one) in deeds.renewed
        if one not in each.released or (held.rows[one][1] > until and not theirs):
            yield f"a contact {held.rows[one]} should not be there"


def untrue(trial: Trial, ran: Ran, between: Between) -> list[str]:
    """Return every claim of a run that is not so; called right after it."""
    unread = _unread(trial)
    trial.unread |= unread
    left = [each for each in unfinished(trial) if each.partition(":")[0] not in unread]
    return [*_told(trial, ran, left), *_counted(trial, between, left), *_harmed(trial)]


def _unread(trial: Trial) -> set[str]:
    """Lists on which, as the plan says, there is what cannot be read and so is left alone."""
    path = trial.place.newest / "plan.json"
    planned = orjson.loads(path.read_bytes())["lists"] if path.exists() else ()
    return {each["key"] for each in planned if each["gap"]["opaque"]}


def _harmed(trial: Trial) -> list[str]:
    """What the watch saw; a list read in part may hide with whom somebody shares a contact.

    Whoever is wanted without an end is suppressed even then, and a body of one identifier takes
    the place of a contact of two: the other half, if it was not read, goes with it.
    """
    path = trial.place.newest / "observed.json"
    seen = orjson.loads(path.read_bytes())["lists"] if path.exists() else ()
    partly = {each["key"] for each in seen if not each["complete"]}
    torn = [harm for harm in trial.watch.torn if harm.partition(":")[0] not in partly]
    return trial.watch.harms + torn


def _told(trial: Trial, ran: Ran, left: Sequence[str]) -> Iterator[str]:
    """Exit code and ledger."""
    if ran.code not in _CODES:
        yield f"it ended with {ran.code}"
    if ran.code == 0 and left and not trial.watch.deeds.touched:
        yield f"it ended with 0, and {len(left)} things differ: {left[0]}"
    last = max((trial.place.state / "ledger").glob("*.json"))
    line = orjson.loads(last.read_bytes())
    if (line["run"], line["exit_code"]) != (trial.place.newest.name, ran.code):
        yield f"the ledger's last line tells of {line['exit_code']}, the shell got {ran.code}"
    if crashes := [*trial.place.state.rglob("crash-*")]:
        yield f"it crashed: {crashes[0].read_text()[-600:]}"
    if leaks := trial.place.leaks():
        yield f"an address stands in {leaks}"


def _counted(trial: Trial, between: Between, left: Sequence[str]) -> Iterator[str]:
    """Receipt and evidence against what the service took and holds."""
    folder = trial.place.newest
    if not (folder / "receipt.json").exists():
        return
    if (folder / "receipt.json").read_text().count("something unexpected"):
        yield "the receipt tells of a crash"
    receipt, rows = orjson.loads((folder / "receipt.json").read_bytes()), _changes(trial, folder)
    yield from _sums(receipt, rows)
    yield from _lists_done(trial, receipt, left)
    gainsaid = {each["key"] for each in receipt["outcomes"] if each["status"] == "differs"}
    held, now = look(trial.place.database, trial.lists), trial.service_now()
    let_go = {
        (row["list"], row["one"])
        for row in rows
        if row["op"] not in _PARTED and row["status"] in ("done", "failed")
    }
    written = {
        (row["list"], row["one"]) for row in rows if row["status"] not in ("withheld", "lapsed")
    }
    for row in rows:
        key, one, done = row["list"], row["one"], row["status"] == "done"
        taken = one in between.accepted.get(key, ())
        if done and key in gainsaid:
            trial.spent_in_vain.add((key, one))
            continue
        if done and not taken:
            yield f"{key}: a contact counts as {row['op']} and was never taken"
        if taken and row["status"] in ("withheld", "lapsed") and (key, one) not in written:
            yield f"{key}: a contact that was taken counts as {row['status']}"
        moved = (key, one) in trial.watch.deeds.removed | trial.watch.deeds.renewed
        overtaken = row["op"] in _PARTED and (key, one) in let_go
        if done and not moved and not overtaken:
            yield from _in_place(row, held[key], now)


def _changes(trial: Trial, folder: Path) -> list[dict[str, Any]]:
    """Return the evidence with its pseudonyms looked through."""
    path = folder / "changes.parquet"
    if not path.exists():
        return []
    names = trial.pseudonyms
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return [{**row, "one": names[row["pseudonym"]]} for row in rows]


def _sums(receipt: Mapping[str, Any], rows: list[dict[str, Any]]) -> Iterator[str]:
    """The receipt counts as many as the evidence names."""
    counted = Counter[tuple[str, str]]()
    for outcome in receipt["outcomes"]:
        if outcome["op"]:
            counted[outcome["key"], outcome["op"].partition(":")[0]] += outcome["taken"]
    named = Counter((row["list"], row["op"]) for row in rows if row["status"] == "done")
    if +counted != named:
        yield f"the receipt counts {+counted}, the evidence {named}"


def _lists_done(trial: Trial, receipt: Mapping[str, Any], left: Sequence[str]) -> Iterator[str]:
    """A list of which nothing is told but success is as it should be, whatever befell others."""
    told = (*receipt["outcomes"], *receipt["failures"], *receipt["refusals"])
    troubled = {each["key"] for each in told if each.get("exit_code", 4)}
    for difference in left:
        if difference.partition(":")[0] not in troubled and not trial.watch.deeds.touched:
            yield f"nothing is told of it, and {difference}"


def _in_place(row: Mapping[str, Any], held: Held, now: datetime) -> Iterator[str]:
    """Whoever counts as done is held as the evidence says."""
    reason, end = held.rows.get(row["one"], (None, ""))
    until = zulu(row["until"]) if row["until"] else NEVER
    if row["op"] == "release":
        if end > zulu(now + WINDOW):
            yield f"{held.name}: somebody counts as released and is held until {end}"
    elif end != until or (row["op"] != "shorten" and reason != row["reason"]):
        yield f"{held.name}: {row['op']} to {until} counts as done, and it is {reason}, {end}"
