"""Every noun as one JSON document for programs; pure.

A document names its ``format`` and ``kind`` and carries the exit code. Times are UTC with ``Z``,
actions are tagged with their ``kind``, a table is its rows and its keyed digest: no local path and
no address that is not masked leaves here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

from reconciler.artifacts import dumps, plain
from reconciler.errors import Problem
from reconciler.model import (
    Check,
    Drift,
    Feed,
    ListDrift,
    ListPlan,
    ListRejected,
    Op,
    Plan,
    Receipt,
    Refusal,
    Rejected,
    Sample,
)
from reconciler.views import counting, wording

FORMAT: Final = "reconciler/v1"
"""Moves when a reader of these documents would have to change."""


def plan(made: Plan, *, exit_code: int = 0) -> bytes:
    """Return a plan: counts, each list's actions, samples and refusals, policy and overrides."""
    return _document("plan", _plan(made), exit_code=exit_code)


def receipt(done: Receipt, *, made: Plan | None = None, artifacts: Path | None = None) -> bytes:
    """Return what a run did, its metrics included.

    Args:
        done: the receipt; its own exit code is the document's.
        made: the plan it carried out, to stand beside it.
        artifacts: the run folder.
    """
    content = {
        "run": done.run,
        "plan_id": done.plan,
        "started": done.started,
        "finished": done.finished,
        "counts": asdict(counting.applied(done.outcomes)) | {"surplus": done.surplus},
        "lists": [_list_receipt(key, done) for key in counting.keys(done)],
        "refusals": [_refusal(each) for each in done.refusals],
        "failures": done.failures,
        "webhooks": done.webhooks,
        "postponed": done.postponed,
        "metrics": done.metrics,
        "artifacts": str(artifacts) if artifacts else None,
        "plan": _plan(made) if made else None,
    }
    return _document("receipt", content, exit_code=done.exit_code)


def drift(found: Drift, *, exit_code: int = 0) -> bytes:
    """Return how the service differs from the specs, by direction."""
    content = {
        "as_of": found.as_of,
        "severity": found.severity,
        "counts": asdict(counting.drifted(found)),
        "origins": counting.origins(found),
        "lists": [_list_drift(listed, found.as_of) for listed in found.lists],
        "failures": found.failures,
        "problems": found.problems,
    }
    return _document("drift", content, exit_code=exit_code)


def rejected(found: Rejected, *, exit_code: int = 0) -> bytes:
    """Return what the service still refuses, by list and code; addresses stand in the files."""
    content = {
        "as_of": found.as_of,
        "counts": {"contacts": sum(listed.contacts for listed in found.lists)},
        "lists": [_list_rejected(listed) for listed in found.lists],
    }
    return _document("rejected", content, exit_code=exit_code)


def checks(made: Sequence[Check], *, exit_code: int = 0) -> bytes:
    """Return what ``ping`` looked at."""
    counts = {"checks": len(made), "failed": sum(not check.ok for check in made)}
    return _document("checks", {"counts": counts, "checks": tuple(made)}, exit_code=exit_code)


def problems(
    found: Sequence[Problem],
    *,
    counts: Mapping[str, int] = MappingProxyType({}),
    exit_code: int = 0,
) -> bytes:
    """Return what is wrong with specs, in the order of places, and how much was looked at."""
    errors = sum(each.severity == "error" for each in found)
    content = {
        "counts": {**counts, "problems": errors, "warnings": len(found) - errors},
        "problems": tuple(sorted(found)),
    }
    return _document("problems", content, exit_code=exit_code)


def refusal(refused: Refusal, *, exit_code: int = 4) -> bytes:
    """Return one refusal with the exact flags that allow it once."""
    return _document("refusal", _refusal(refused), exit_code=exit_code)


def error(
    message: str, *, hint: str = "", found: Sequence[Problem] = (), exit_code: int = 1
) -> bytes:
    """Return why a command ended without its own document."""
    content = {"error": message, "hint": hint or None, "problems": tuple(sorted(found))}
    return _document("error", content, exit_code=exit_code)


def facts(kind: str, content: Mapping[str, object], *, exit_code: int = 0) -> bytes:
    """Return plain facts that are no noun, such as the address of a server."""
    return _document(kind, content, exit_code=exit_code)


def _document(kind: str, content: Mapping[str, object], *, exit_code: int) -> bytes:
    return dumps({"format": FORMAT, "kind": kind, **content, "exit_code": exit_code})


def _plan(made: Plan) -> dict[str, object]:
    return {
        "id": made.id,
        "as_of": made.as_of,
        "preview": made.preview,
        "postponed": made.postponed,
        "empty": made.empty,
        "suppresses_only": made.suppresses_only,
        "counts": asdict(counting.planned(made))
        | {"refusals": len(made.refusals), "failures": len(made.failures)},
        "lists": [_list_plan(listed, made.as_of) for listed in made.lists],
        "refusals": [_refusal(each) for each in made.refusals],
        "failures": made.failures,
        "policy": made.policy,
        "overrides": made.overrides,
        "problems": made.problems,
    }


def _list_plan(listed: ListPlan, as_of: datetime) -> dict[str, object]:
    return {
        "key": listed.key,
        "tenant": listed.tenant,
        "list_id": listed.remote_id,
        "version": listed.version,
        "complete": listed.complete,
        "counts": asdict(counting.planned_list(listed)),
        "actions": listed.actions,
        "refusals": [_refusal(each) for each in listed.refusals],
        "samples": _samples(listed.gap.samples),
        "gap": {
            name: count
            for name, count in plain(replace(listed.gap, samples={})).items()
            if isinstance(count, int)
        },
        "tallies": listed.gap.tallies,
        "grounds": listed.grounds,
        "held_back": listed.held_back,
        "ends": counting.ends(listed, as_of=as_of),
        "observed": listed.observed,
        "declared": listed.counts,
        "feeds": _feeds(listed.feeds, as_of),
        "batch_reason": listed.batch_reason,
        "notes": listed.notes,
    }


def _list_receipt(key: str, done: Receipt) -> dict[str, object]:
    outcomes = tuple(wording.scrubbed(each) for each in done.outcomes if each.key == key)
    return {
        "key": key,
        "created_id": done.created.get(key),
        "batch_reason": done.batch_reasons.get(key, ""),
        "counts": asdict(counting.applied(outcomes)),
        "outcomes": outcomes,
    }


def _list_drift(listed: ListDrift, as_of: datetime) -> dict[str, object]:
    return {
        **plain(listed),
        "severity": listed.severity,
        "samples": _samples(listed.samples),
        "feeds": _feeds(listed.feeds, as_of),
    }


def _list_rejected(listed: ListRejected) -> dict[str, object]:
    return {
        "key": listed.key,
        "tenant": listed.tenant,
        "contacts": listed.contacts,
        "codes": [
            {
                "code": code,
                "contacts": count,
                "samples": tuple(map(wording.unnamed, listed.samples[code])),
            }
            for code, count in listed.codes.items()
        ],
        "files": listed.files,
    }


def _feeds(feeds: Sequence[Feed], as_of: datetime) -> list[dict[str, object]]:
    return [
        {**plain(feed), "age_days": (as_of - feed.as_of).days if feed.as_of else None}
        for feed in feeds
    ]


def _samples(samples: Mapping[Op, Sequence[Sample]]) -> dict[str, object]:
    return {op.value: tuple(map(wording.masked, shown)) for op, shown in samples.items()}


def _refusal(refused: Refusal) -> dict[str, object]:
    return {**plain(refused), "text": wording.refusal(refused)}
