"""What a run that died left in its journal: what it did, what is in doubt, what it never began.

It reads the journal where it is whole, or what was mirrored of it into a store that outlived the
machine. It writes nothing and never guesses: what no line tells is in doubt.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from reconciler import journal
from reconciler.contacts.intended import FATES, REFUSED, UNCERTAIN
from reconciler.errors import EvidenceError
from reconciler.times import parse_time

Asked = Mapping[str, Any]
"""The journal's line before a request."""
Answer = Mapping[str, Any]
"""The line after it."""


@dataclass(slots=True)
class Step:
    """What the journal knows of one kind of action on one list; counts of contacts."""

    taken: int = 0
    rejected: int = 0
    in_doubt: int = 0
    """Sent, or about to be, without an answer that was seen."""


@dataclass(slots=True, kw_only=True)
class Remains:
    """What an interrupted run did, by list."""

    steps: dict[str, dict[str, Step]] = field(default_factory=dict)
    settings: dict[str, list[Mapping[str, object]]] = field(default_factory=dict)
    lists: dict[str, str] = field(default_factory=dict)
    """Remote ids by our key."""
    ends: dict[str, datetime | None] = field(default_factory=dict)
    """The lists' own ends as it saw them, by our key."""
    known: bool = False
    """Whether its folder was there: a run without a journal in it had begun nothing."""
    partial: bool = False
    """Whether only what was mirrored is left: then its last lines may be missing."""

    @property
    def list_ends(self) -> Mapping[str, datetime | None]:
        """The own ends of the lists of which it did not try to change any setting."""
        return {key: end for key, end in self.ends.items() if key not in self.settings}

    def changed(self, key: str) -> bool:
        """Whether a list is, or may be, other than it was."""
        steps = self.steps.get(key, {}).values()
        touched = any(step.taken or step.in_doubt or self.partial for step in steps)
        return not self.known or touched or key in self.settings


def remains(folder: Path) -> Remains:
    """Read what is left of a run: which lists it saw, what it wrote, what is in doubt.

    Args:
        folder: of the run.
    """
    parts = _parts(folder)
    made = Remains(
        lists=_seen(folder),
        ends=_ends(folder),
        known=folder.is_dir(),
        partial=parts[:1] != [folder / journal.NAME],
    )
    for asked, answer in _requests(parts):
        key = str(asked["list"])
        if "op" not in asked:
            told = {"action": asked["action"], "done": answer is not None and "error" not in answer}
            made.settings.setdefault(key, []).append(told)
            if told["done"] and asked["action"] == "CreateList" and answer:
                made.lists[key] = str(answer["id"])
            continue
        steps = made.steps.setdefault(key, defaultdict(Step))
        _count(steps[str(asked["op"])], int(asked["rows"]), answer)
    return made


def _count(step: Step, rows: int, answer: Answer | None) -> None:
    """Book one request; rows that were sent again in smaller batches count with those."""
    if answer is None or "error" in answer:
        step.in_doubt += rows
        return
    if answer["taken"] and not answer["unnamed"]:
        step.taken += rows - answer["errors"]
    alone = rows == 1 and answer["unnamed"] and not answer["errors"]
    step.rejected += answer["errors"] + bool(alone)


def fates(folder: Path) -> tuple[pa.Table, pa.Table]:
    """Return what became of the rows that a run sent: of schemas ``FATES`` and ``REFUSED``.

    Args:
        folder: of the run.
    """
    batches: dict[tuple[str, str, int], list[tuple[Asked, Answer | None]]] = {}
    refused: list[dict[str, object]] = []
    for asked, answer in _requests(_parts(folder)):
        if "op" not in asked or "last" not in asked:
            continue
        where = {"list": str(asked["list"]), "op": str(asked["op"])}
        refused += [{**where, "row": row} for row in (answer or {}).get("refused", ())]
        batches.setdefault((*where.values(), int(asked["batch"])), []).append((asked, answer))  # type: ignore[arg-type]
    stretches = [
        {"list": key, "op": op, "batch": batch, **stretch}
        for (key, op, batch), requests in batches.items()
        for stretch in _stretches(requests)
    ]
    return (
        pa.Table.from_pylist(stretches, schema=FATES),
        pa.Table.from_pylist(refused, schema=REFUSED),
    )


def _stretches(requests: Sequence[tuple[Asked, Answer | None]]) -> Iterator[dict[str, object]]:
    """Cut one batch where a request of it began or ended; the last one that had a row counts."""
    whole = max(requests, key=lambda request: request[0]["rows"])[0]
    ends = {int(asked["first"]) for asked, _ in requests}
    ends |= {int(asked["last"]) + 1 for asked, _ in requests}
    cuts = sorted(ends)
    for first, after in pairwise(cuts):
        asked, answer = [
            (asked, answer)
            for asked, answer in requests
            if asked["first"] <= first and after - 1 <= asked["last"]
        ][-1]
        yield {
            "first": first,
            "last": after - 1,
            "size": int(whole["rows"]),
            "status": _status(int(asked["rows"]), answer),
            "answered": _moment(answer) or _moment(asked),
        }


def _status(rows: int, answer: Answer | None) -> str:
    """Return what became of the rows of a request that it did not refuse by name."""
    if answer is None or "error" in answer:
        return UNCERTAIN
    if not answer["taken"]:
        return "rejected" if rows == 1 else "withheld"
    if answer["unnamed"]:
        return "rejected" if rows == 1 else UNCERTAIN
    return "done" if len(answer.get("refused", ())) == answer["errors"] else UNCERTAIN


def _requests(parts: Sequence[Path]) -> Iterator[tuple[Asked, Answer | None]]:
    """Yield each request of a journal with its answer; ``None`` where none was written down."""
    asked: dict[int, Asked] = {}
    with suppress(EvidenceError):  # there is none, or none that can be read
        for line in journal.replay(*parts):
            if line["event"] == "intent":
                asked[line["number"]] = line
            else:
                yield asked.pop(line["intent"]), line
    for left in asked.values():
        yield left, None


def _parts(folder: Path) -> list[Path]:
    """Return the journal, or else what was mirrored of it, in order."""
    whole = folder / journal.NAME
    return [whole] if whole.exists() else sorted((folder / journal.PARTS).glob("[!.]*"))


def _moment(line: Mapping[str, Any] | None) -> datetime | None:
    at = (line or {}).get("at")
    return parse_time(at) if isinstance(at, str) else None


def _seen(folder: Path) -> dict[str, str]:
    listed = document(folder / "observed.json").get("lists", ())
    return {one["key"]: one["id"] for one in listed if one["id"]}


def _ends(folder: Path) -> dict[str, datetime | None]:
    listed = document(folder / "observed.json").get("lists", ())
    held = {one["key"]: one.get("settings") for one in listed if one.get("settings")}
    found = {key: settings.get("suppress_until") for key, settings in held.items()}
    return {key: end and parse_time(end) for key, end in found.items()}


def document(path: Path) -> Mapping[str, Any]:
    """Return an artifact; empty where it was not written, or is not what a run writes.

    Nothing that protects anybody depends on it, so it is no reason to stop.
    """
    try:
        held = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return held if isinstance(held, dict) else {}
