"""Runs that ended without a word: named as such, with what their journals know of them.

A run whose process is gone and that has no last line in the ledger was interrupted: killed, or
on a machine that lost its power. Nothing is taken up where it stopped, since the next run looks
at the service itself. It never touches a run that lives, and never changes what a run wrote.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson

from reconciler import disk, journal, ledger, locks
from reconciler.artifacts import RUNS, Run
from reconciler.errors import EvidenceError
from reconciler.store import NameTakenError
from reconciler.times import parse_time

OUTCOME: Final = "interrupted"


def settle(run: Run) -> None:
    """Write every interrupted run into the ledger, say so, and take away unfinished files.

    Args:
        run: the run that has just begun; it is told of, and its state is looked through.

    Raises:
        EvidenceError: the state cannot be read or written.
    """
    with locks.counted(run.state / "locks") as living:
        told = ledger.past(run.store).ended
        for folder in sorted((run.state / RUNS).iterdir()):
            if folder.is_dir() and folder.name not in living | told:
                _settle(folder, run)
        if living == {run.id}:
            for place in (run.state, run.state / "ledger", run.cache):
                _sweep(place.glob(".*"))


@dataclass(slots=True)
class _Step:
    """What the journal knows of one kind of action on one list; counts of contacts."""

    taken: int = 0
    rejected: int = 0
    in_doubt: int = 0
    """Sent, or about to be, without an answer that was seen."""


@dataclass(slots=True)
class _Remains:
    """What an interrupted run did, by list."""

    steps: dict[str, dict[str, _Step]] = field(default_factory=dict)
    settings: dict[str, list[Mapping[str, object]]] = field(default_factory=dict)
    lists: dict[str, str] = field(default_factory=dict)
    """Remote ids by our key."""


def _settle(folder: Path, run: Run) -> None:
    """Write down one run of which the process is gone."""
    _sweep(folder.rglob(".*"))
    if not any(folder.iterdir()):  # it did not come so far as to do anything
        folder.rmdir()
        return
    head = _document(folder / "run.json")
    dead = replace(
        run,
        id=folder.name,
        command=str(head.get("command", "unknown")),
        started=_time(head.get("started"), run.started),
    )
    remains = _remains(folder)
    with suppress(NameTakenError):  # whoever wrote it was interrupted too
        dead.write(
            "interrupted.json",
            {
                "run": dead.id,
                "command": dead.command,
                "started": dead.started,
                "found": run.clock(),
                "found_by": run.id,
                "lists": remains.steps,
                "settings": remains.settings,
            },
        )
    dead.keep()
    ledger.append(dead, outcome=OUTCOME, exit_code=None, lists=remains.lists)
    run.tell(f"run {dead.id} ({dead.command}) was interrupted: {_summary(remains)}")


def _remains(folder: Path) -> _Remains:
    """Read what is left of a run: which lists it saw, what it wrote, what is in doubt."""
    made = _Remains(lists=_seen(folder))
    for asked, answer in _requests(folder / "journal.jsonl"):
        key = str(asked["list"])
        if "op" not in asked:
            told = {"action": asked["action"], "done": answer is not None and "error" not in answer}
            made.settings.setdefault(key, []).append(told)
            if told["done"] and asked["action"] == "CreateList" and answer:
                made.lists[key] = str(answer["id"])
            continue
        steps = made.steps.setdefault(key, defaultdict(_Step))
        _count(steps[str(asked["op"])], int(asked["rows"]), answer)
    return made


def _count(step: _Step, rows: int, answer: Mapping[str, Any] | None) -> None:
    """Book one request; rows that were sent again in smaller batches count with those."""
    if answer is None or "error" in answer:
        step.in_doubt += rows
        return
    if answer["taken"] and not answer["unnamed"]:
        step.taken += rows - answer["errors"]
    alone = rows == 1 and answer["unnamed"] and not answer["errors"]
    step.rejected += answer["errors"] + bool(alone)


def _requests(path: Path) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any] | None]]:
    """Yield each request of a journal with its answer; ``None`` where none was written down."""
    asked: dict[int, Mapping[str, Any]] = {}
    with suppress(EvidenceError):  # there is none, or none that can be read
        for line in journal.replay(path):
            if line["event"] == "intent":
                asked[line["number"]] = line
            else:
                yield asked.pop(line["intent"]), line
    for left in asked.values():
        yield left, None


def _seen(folder: Path) -> dict[str, str]:
    listed = _document(folder / "observed.json").get("lists", ())
    return {one["key"]: one["id"] for one in listed if one["id"]}


def _document(path: Path) -> Mapping[str, Any]:
    """Return an artifact; empty where it was not written, or is not what a run writes.

    Nothing that protects anybody depends on it, so it is no reason to stop.
    """
    try:
        held = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return held if isinstance(held, dict) else {}


def _time(text: object, otherwise: datetime) -> datetime:
    try:
        return parse_time(str(text))
    except ValueError:
        return otherwise


def _summary(remains: _Remains) -> str:
    """Say what was done, in doubt included: ``us-dnc: 10,000 suppress, 500 in doubt``."""
    parts = []
    for key in sorted(remains.steps.keys() | remains.settings.keys()):
        done = [f"{step.taken:,} {op}" for op, step in remains.steps.get(key, {}).items()]
        doubt = sum(step.in_doubt for step in remains.steps.get(key, {}).values())
        done += [str(one["action"]) for one in remains.settings.get(key, ()) if one["done"]]
        open_ = sum(not one["done"] for one in remains.settings.get(key, ()))
        done += [f"{doubt:,} in doubt"] * bool(doubt) + ["a setting in doubt"] * bool(open_)
        parts.append(f"{key}: {', '.join(done)}")
    return "; ".join(parts) or "it had changed nothing"


def _sweep(drafts: Iterator[Path]) -> None:
    """Remove files that never became whole; they may hold addresses."""
    for draft in drafts:
        if disk.DRAFT.fullmatch(draft.name) and draft.is_file():
            with suppress(OSError):
                draft.unlink()
