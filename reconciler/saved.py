"""A plan as a file: written for people and CI to read, read back to be believed or refused.

The file says what was approved; what is applied is computed anew from the same specs, and only
if it comes to the same. It holds counts, digests and masked samples, never an address.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import orjson

from reconciler.artifacts import dumps, plain
from reconciler.errors import SettingError, StalePlanError
from reconciler.model import ListPlan, Plan, Selection, Spec
from reconciler.times import parse_time

FORMAT: Final = 1
_LIFETIME: Final = timedelta(hours=24)
_LETTING_GO: Final = ("UpdateList", "Shorten", "Release")


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedPlan:
    """What a plan file says, once it is believed."""

    id: str
    as_of: datetime
    selection: Selection
    key: str
    """Fingerprint of the pseudonym key its digests were made with."""
    specs: Mapping[str, str]
    """sha256 of each spec file by its path."""
    policy: Any
    lists: Mapping[str, Any]


def document(plan: Plan, *, spec: Spec, selection: Selection, key: str) -> bytes:
    """Return a plan as JSON, with its own digest inside."""
    content = {
        "format": FORMAT,
        "kind": "Plan",
        "id": plan.id,
        "as_of": plan.as_of,
        "expires_at": plan.as_of + _LIFETIME,
        "preview": plan.preview,
        "suppresses_only": plan.suppresses_only,
        "key": key,
        "selection": {
            "paths": [_relative(path, selection.root) for path in selection.paths],
            "lists": selection.lists,
            "labels": [f"{name}={value}" for name, value in selection.labels],
        },
        "specs": spec.digests,
        "policy": plan.policy,
        "overrides": plan.overrides,
        "lists": [_listed(listed) for listed in plan.lists],
        "failures": plan.failures,
        "problems": plan.problems,
    }
    sealed: dict[str, Any] = plain(content)
    return dumps({**sealed, "digest": _digest(sealed)})


def read(path: Path, *, root: Path, now: datetime) -> SavedPlan:
    """Read a plan file back.

    Args:
        path: the file.
        root: the specs root its paths are relative to.
        now: to judge its expiry.

    Raises:
        SettingError: it is not a plan file of a format we know.
        StalePlanError: it was edited, has expired, or is a preview.
    """
    try:
        held: dict[str, Any] = orjson.loads(path.read_bytes())
        claimed = held.pop("digest", "")
        known = held.get("kind") == "Plan" and held.get("format") == FORMAT
    except (OSError, orjson.JSONDecodeError, AttributeError, TypeError) as error:
        raise SettingError(f"{path} is not a plan file") from error
    if not known:
        raise SettingError(
            f"{path} is not a plan of format {FORMAT}; found {held.get('format')!r}",
            hint="plan and apply with the same version of reconciler",
        )
    if claimed != _digest(held):
        raise StalePlanError(f"{path} was edited after it was made", hint=_AGAIN)
    try:
        _still_good(path, held, now)
        return _believed(held, root)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SettingError(f"{path} is not a plan file") from error


def _still_good(path: Path, held: Mapping[str, Any], now: datetime) -> None:
    if held["preview"]:
        raise StalePlanError(f"{path} is a preview (--as-of) and is never applied", hint=_AGAIN)
    if not parse_time(held["as_of"]) <= now < parse_time(held["expires_at"]):
        raise StalePlanError(f"{path} expired at {held['expires_at']}", hint=_AGAIN)


_AGAIN: Final = "make a new one: reconciler plan --out PLAN"


def accepted(approved: SavedPlan, made: Plan, *, specs: Mapping[str, str], safer: bool) -> bool:
    """Whether a recomputed plan may be applied in place of the approved one.

    With ``safer`` also when specs and policy are the approved ones and the settings,
    shortenings and releases of each list are each as approved or not there; suppressions and
    amendments may differ.
    """
    if made.id == approved.id:
        return True
    if not safer or dict(specs) != dict(approved.specs) or plain(made.policy) != approved.policy:
        return False
    return all(_no_less_safe(listed, approved.lists.get(listed.key)) for listed in made.lists)


def difference(approved: SavedPlan, made: Plan) -> str:
    """Say in counts how a recomputed plan differs from the approved one."""
    now = {listed.key: _counts(_listed(listed)) for listed in made.lists}
    then = {key: _counts(listed) for key, listed in approved.lists.items()}
    return "; ".join(
        f"{key}: approved {then.get(key, 'nothing')}, now {now.get(key, 'nothing')}"
        for key in sorted(now.keys() | then.keys())
        if now.get(key) != then.get(key)
    )


def _believed(held: Mapping[str, Any], root: Path) -> SavedPlan:
    chosen = held["selection"]
    return SavedPlan(
        id=held["id"],
        as_of=parse_time(held["as_of"]),
        selection=Selection(
            root=root,
            paths=tuple(root.parent / path for path in chosen["paths"]),
            lists=tuple(chosen["lists"]),
            labels=tuple(tuple(label.split("=", 1)) for label in chosen["labels"]),
        ),
        key=held["key"],
        specs=held["specs"],
        policy=held["policy"],
        lists={listed["key"]: listed for listed in held["lists"]},
    )


def _listed(listed: ListPlan) -> dict[str, Any]:
    """Return one list's plan without what says where its tables lie."""
    content: dict[str, Any] = plain(listed)
    return content


def _no_less_safe(listed: ListPlan, approved: Mapping[str, Any] | None) -> bool:
    allowed = _letting_go((approved or {}).get("actions", ()))
    return all(action in allowed for action in _letting_go(_listed(listed)["actions"]))


def _letting_go(actions: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [action for action in actions if action["kind"] in _LETTING_GO]


def _counts(listed: Mapping[str, Any]) -> str:
    """One list's actions in words: ``2 suppress, 1 release``."""
    parts = [
        f"{action['rows']['rows']:,} {action['rows']['op']}"
        if "rows" in action
        else f"{action['kind']} {', '.join(one['field'] for one in action.get('changes', ()))}"
        for action in listed["actions"]
    ]
    digest = hashlib.sha256(orjson.dumps(listed["actions"])).hexdigest()[:8]
    return f"{', '.join(parts)} [{digest}]" if parts else "nothing"


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _relative(path: Path, root: Path) -> str:
    return Path(os.path.relpath(path.absolute(), root.absolute().parent)).as_posix()
