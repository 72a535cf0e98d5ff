"""Make a list or change its settings, guarded by its version, and say what came of it.

It never touches a contact, and never repeats a creation without looking first.
"""

import secrets
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from reconciler import drift
from reconciler.errors import (
    ForbiddenError,
    InterruptedRunError,
    NotFoundError,
    ReconcilerError,
    RequestRefusedError,
    ServiceError,
    VersionConflictError,
)
from reconciler.model import (
    SKILLS,
    Change,
    RemoteList,
    Settings,
    Status,
    UpdateList,
    joined,
)
from reconciler.work import Work

_REBASES: Final = 3
"""How often a guarded write is tried again on a list that moved in fields we do not touch."""
_JITTER: Final = 0.1
"""Seconds; before such a write is tried again, anything up to this, then twice and four times."""
_CREATIONS: Final = 3
_SUPPRESSION: Final = "suppression"
_MADE: Final = frozenset({"name", "description", "suppressUntil"})
"""The settings that a list is made with; others are given to it afterwards."""


def create(settings: Settings, work: Work) -> None:
    """Make the list; where it is not known whether it was made, look before trying again."""
    name = str(settings.name)
    if work.writer.find(name):
        raise VersionConflictError(f"a list named {name!r} has appeared since the plan")
    facts = {"list": work.listed.key, "action": "CreateList"}
    for attempt in range(1, _CREATIONS + 1):
        try:
            remote = _written_down(work, facts, partial(work.writer.create, settings))
        except ServiceError:
            found = work.writer.find(name)
            if found is None and attempt == _CREATIONS:
                raise
            if found is None:
                continue
            remote = found
        break
    if remote.type != _SUPPRESSION:
        raise VersionConflictError(f"the list {remote.id} came out as type {remote.type!r}")
    work.list_id, work.versions = remote.id, frozenset({remote.version})
    work.given |= {name: told for name, told in drift.values(settings).items() if name in _MADE}
    work.note("CreateList", Status.DONE, detail=remote.id)


def change(action: UpdateList, work: Work) -> None:
    """Change settings, unless the list has moved and cannot be read whole."""
    if work.moved and not work.moved.complete:
        work.note("UpdateList", Status.WITHHELD, detail=work.doubt, code=work.doubt_code)
    else:  # one that was just made, too
        update(action, work, seen=work.remote or work.writer.get(work.list_id))


def update(action: UpdateList, work: Work, *, seen: RemoteList) -> None:
    """Change settings; where that fails nobody is let go, and suppressions go on."""
    changes, names = action.changes, action.named
    try:
        done = _patched(changes, work, seen=seen)
    except (ForbiddenError, NotFoundError, RequestRefusedError, ServiceError) as error:
        work.stand_back("its settings could not be changed", error.exit_code)
        work.note("UpdateList", Status.FAILED, detail=str(error), code=error.exit_code)
        return
    if done:
        work.given |= {one.field: one.new for one in changes}
        work.note("UpdateList", Status.DONE, detail=names)
        return
    code = VersionConflictError.exit_code
    work.stand_back("its settings were changed by somebody else", code)
    work.note(
        "UpdateList", Status.WITHHELD, detail=f"somebody else changed the list: {names}", code=code
    )


def forgotten(remote: RemoteList, work: Work) -> int:
    """Count the settings that this run gave the list and that it does not hold."""
    held = drift.values(remote.settings, ways=_ways(work.given))
    return sum(held.get(name) != value for name, value in work.given.items())


def _patched(changes: tuple[Change, ...], work: Work, *, seen: RemoteList) -> bool:
    """Send the changes, guarded by the version; rebased as long as our fields are untouched.

    Returns:
        Whether the list holds them now.
    """
    facts = {"list": work.listed.key, "action": "UpdateList", "fields": [c.field for c in changes]}
    for attempt in range(_REBASES + 1):
        state = _holds(changes, seen)
        if state != "old":
            return state == "new"
        _jitter(work, attempt)
        send = partial(work.writer.update, work.list_id, changes, version=seen.version)
        try:
            work.versions = frozenset({_written_down(work, facts, send).version})
        except VersionConflictError:
            seen = work.writer.get(work.list_id)
        else:
            return True
    return _holds(changes, seen) == "new"


def _written_down(
    work: Work, facts: Mapping[str, object], ask: Callable[[], RemoteList]
) -> RemoteList:
    """Ask for a change of the list itself, with a journal line before and one after."""
    intent = work.journal.intent(facts)
    try:
        remote = ask()
    except ReconcilerError as error:
        work.journal.outcome(intent, {"error": type(error).__name__})
        raise
    work.journal.outcome(intent, {"id": remote.id, "version": remote.version})
    return remote


def _jitter(work: Work, attempt: int) -> None:
    """Let whoever else is at work finish; no wait before the first attempt."""
    most = _JITTER * 2 ** (attempt - 1) if attempt else 0.0
    if work.run.stop.wait(secrets.SystemRandom().uniform(0, most)):
        raise InterruptedRunError("interrupted")


def _holds(changes: tuple[Change, ...], remote: RemoteList) -> str:
    """Say whether the list holds the ``old`` values, the ``new`` ones, or ``other`` ones."""
    held = drift.values(remote.settings, ways=_spelled(changes))
    if all(held.get(one.field) == one.new for one in changes):
        return "new"
    return "old" if all(held.get(one.field) == one.old for one in changes) else "other"


def _spelled(changes: tuple[Change, ...]) -> frozenset[str]:
    """Return how changes spell the skills that were there and those that shall be."""
    return frozenset().union(
        *(_ways({one.field: one.old}) | _ways({one.field: one.new}) for one in changes)
    )


def _ways(given: Mapping[str, str | None]) -> frozenset[str]:
    """Return how skills are spelled where these settings were decided."""
    return frozenset().union(*(joined(given.get(field)) for field in SKILLS))
