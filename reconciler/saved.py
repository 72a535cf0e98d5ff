"""A plan as a file: written for people and CI to read, read back to be believed or refused.

The file says what was approved; what is applied is computed anew from the same specs, and only
if it comes to the same. It holds counts, digests and masked samples, never an address.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import orjson

from reconciler import plan as deciding
from reconciler.artifacts import dumps, plain
from reconciler.errors import SettingError, StalePlanError
from reconciler.model import (
    Direction,
    ListPlan,
    Plan,
    Refusal,
    Release,
    Selection,
    Shorten,
    Spec,
    UpdateList,
)
from reconciler.times import parse_time

FORMAT: Final = 1
_LIFETIME: Final = timedelta(hours=24)
_AGAIN: Final = "make a new one: reconciler plan --out PLAN"
_AS_APPROVED: Final = ("CreateList", "UpdateList", "Shorten", "Release")
"""Actions that are never taken for safer ones: each is as it was approved, or left out."""
_NOTHING: Final = "nothing"


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
        "expiresAt": plan.as_of + _LIFETIME,
        "preview": plan.preview,
        "suppressesOnly": plan.suppresses_only,
        "key": key,
        "selection": {
            "paths": [_relative(path, selection.root) for path in selection.paths],
            "lists": selection.lists,
            "labels": [f"{name}={value}" for name, value in selection.labels],
        },
        "specs": spec.digests,
        "policy": plan.policy,
        "overrides": plan.overrides,
        "lists": plan.lists,
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
        kind, known = held.get("kind"), held.get("format") == FORMAT
    except (OSError, orjson.JSONDecodeError, AttributeError, TypeError) as error:
        raise SettingError(f"{path} is not a plan file", hint=_AGAIN) from error
    if kind == "plan":
        raise SettingError(f"{path} is a report of a plan, to be read", hint=_AGAIN)
    if kind != "Plan":
        raise SettingError(f"{path} is not a plan file", hint=_AGAIN)
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
    if now < parse_time(held["as_of"]):
        raise StalePlanError(
            f"{path} is of {held['as_of']}, which is still to come",
            hint="compare this machine's clock with that of the one that made it",
        )
    if now >= parse_time(held["expiresAt"]):
        raise StalePlanError(f"{path} expired at {held['expiresAt']}", hint=_AGAIN)


def accepted(approved: SavedPlan, made: Plan, *, specs: Mapping[str, str], safer: bool) -> bool:
    """Whether a recomputed plan may be applied in place of the approved one.

    With ``safer`` also when specs, contact files and policy are the approved ones and the
    creation, settings, shortenings and releases of each list are each as approved, for the same
    list of the service, or not there; suppressions and amendments may differ.

    Args:
        approved: what the file says.
        made: the same, computed anew.
        specs: sha256 of each spec file by its path, as they are now.
        safer: whether less than what was approved will do.
    """
    if made.id == approved.id:
        return True
    if not safer or moved_sources(approved, made, specs=specs):
        return False
    if plain(made.policy) != approved.policy:
        return False
    return all(_no_less_safe(listed, approved.lists.get(listed.key)) for listed in made.lists)


def without_remainders(approved: SavedPlan, made: Plan) -> Plan:
    """Refuse what is left of approved releases of which some are carried out already.

    An apply that was interrupted leaves such a rest. Nobody approved it as it is now, so it needs
    a new plan; it does not keep back the suppressions that are still to be made.
    """
    lists = tuple(
        _without_remainder(listed, approved.lists.get(listed.key)) for listed in made.lists
    )
    left = replace(made, lists=lists)
    return deciding.within(left, left)


def moved_sources(approved: SavedPlan, made: Plan, *, specs: Mapping[str, str]) -> str:
    """Name the spec and contact files that are not those of the approved plan; empty if none."""
    then, now = dict(approved.specs), dict(specs)
    moved = [path for path in sorted(then.keys() | now.keys()) if then.get(path) != now.get(path)]
    moved += [
        f"the contact files of {one.key}"
        for one in made.lists
        if _feeds(plain(one)) != _feeds(approved.lists.get(one.key, {}))
    ]
    return ", ".join(moved)


def difference(approved: SavedPlan, made: Plan) -> str:
    """Say in counts how a recomputed plan differs from the approved one."""
    now = {listed.key: _counts(plain(listed)) for listed in made.lists}
    then = {key: _counts(listed) for key, listed in approved.lists.items()}
    return "; ".join(
        f"{key}: approved {then.get(key, _NOTHING)}, now {now.get(key, _NOTHING)}"
        for key in sorted(now.keys() | then.keys())
        if now.get(key, _NOTHING) != then.get(key, _NOTHING)
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


def _no_less_safe(listed: ListPlan, approved: Mapping[str, Any] | None) -> bool:
    now: list[Mapping[str, Any]] = plain(listed.actions)
    bound = [action for action in now if action["kind"] in _AS_APPROVED]
    if approved is None or listed.remote_id != approved["remote_id"]:
        return not bound
    return all(action in approved["actions"] for action in bound)


def _without_remainder(listed: ListPlan, approved: Mapping[str, Any] | None) -> ListPlan:
    """Leave out who would be let go, where that is fewer than approved and nobody else."""
    if approved is None or listed.remote_id != approved["remote_id"]:
        return listed
    then = {one["kind"]: one["rows"]["rows"] for one in approved["actions"] if "rows" in one}
    going = [action for action in listed.actions if isinstance(action, Shorten | Release)]
    rest = [action for action in going if plain(action) not in approved["actions"]]
    if not rest or any(one.rows.rows >= then.get(type(one).__name__, 0) for one in rest):
        return listed
    left = sum(action.rows.rows for action in going)
    all_of_them = sum(then.get(kind.__name__, 0) for kind in (Shorten, Release))
    refusal = Refusal(
        key=listed.key,
        direction=Direction.RELEASE,
        rule="approved-plan",
        message=f"{left:,} of the {all_of_them:,} approved to be shortened or released are left; "
        "what is left needs a new plan",
    )
    kept = tuple(
        action
        for action in listed.actions
        if action not in going and not (isinstance(action, UpdateList) and action.shortens)
    )
    return replace(listed, actions=kept, refusals=(*listed.refusals, refusal))


def _feeds(listed: Mapping[str, Any]) -> list[str]:
    """The digests of a list's contact files."""
    return [feed["sha256"] for feed in listed.get("feeds", ())]


def _counts(listed: Mapping[str, Any]) -> str:
    """One list's actions in words, with what tells apart those of equal counts.

    ``2 suppress, 1 release [1f0c9a2b]``: the digest is of whom, and of which list.
    """
    if not listed["actions"]:
        return _NOTHING
    content = orjson.dumps([listed["remote_id"], listed["actions"]], option=orjson.OPT_SORT_KEYS)
    digest = hashlib.sha256(content).hexdigest()[:8]
    return f"{', '.join(map(_count, listed['actions']))} [{digest}]"


def _count(action: Mapping[str, Any]) -> str:
    if "rows" in action:
        return f"{action['rows']['rows']:,} {action['rows']['op']}"
    return " ".join([action["kind"], *(one["field"] for one in action.get("changes", ()))])


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _relative(path: Path, root: Path) -> str:
    return Path(os.path.relpath(path.absolute(), root.absolute().parent)).as_posix()
