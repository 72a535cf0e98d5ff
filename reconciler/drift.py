"""Where a list and its spec differ: settings field by field, contacts by direction; pure.

The two directions are never added up: a missing contact may be called against their will, a
surplus one is usually an opt-out somebody took. It never decides what to do about either.
"""

from datetime import datetime
from typing import Final

from reconciler.model import (
    UNMANAGED,
    Change,
    Desired,
    DesiredList,
    Drift,
    ListDrift,
    Observed,
    ObservedList,
    Op,
    Settings,
)
from reconciler.times import zulu

_FIELDS: Final = ("name", "description", "suppressUntil")


def changes(declared: Settings, observed: Settings) -> tuple[Change, ...]:
    """Return the settings that the spec manages and the service holds differently.

    An absent description and an empty one are the same. What a spec leaves out never changes.
    """
    new = values(declared)
    old = {name: value for name, value in values(observed).items() if name in new}
    if old == new:
        return ()
    from deepdiff import DeepDiff  # noqa: PLC0415 - takes long to load, and most lists are alike

    moved = DeepDiff(old, new).affected_root_keys
    return tuple(
        Change(field=name, old=old.get(name), new=new[name]) for name in _FIELDS if name in moved
    )


def values(settings: Settings) -> dict[str, str | None]:
    """Return the managed settings by field, as the service spells them."""
    end = settings.suppress_until
    spelled = {
        "name": settings.name,
        "description": settings.description or None,
        "suppressUntil": zulu(end) if isinstance(end, datetime) else end,
    }
    return {name: value for name, value in spelled.items() if value is not UNMANAGED}


def report(desired: Desired, observed: Observed, *, as_of: datetime) -> Drift:
    """Return how every list that could be read differs from its spec."""
    return Drift(
        as_of=as_of,
        lists=tuple(
            _of_list(wanted, observed.lists[wanted.spec.name])
            for wanted in desired.lists
            if wanted.spec.name in observed.lists
        ),
        failures=observed.failures,
        problems=tuple(problem for wanted in desired.lists for problem in wanted.warnings),
    )


def _of_list(desired: DesiredList, observed: ObservedList) -> ListDrift:
    gap = observed.gap
    remote = observed.remote
    moved = changes(desired.spec.settings, remote.settings) if remote else ()
    return ListDrift(
        key=desired.spec.name,
        tenant=desired.tenant.name,
        missing=desired.wanted if _idle(observed) else gap.missing,
        differ=gap.amended + len(moved) + gap.shortened,
        surplus=gap.surplus + gap.released,
        longer=gap.longer,
        changes=moved,
        size=observed.size,
        complete=observed.complete,
        lapsed=observed.lapsed,
        absent=remote is None,
        samples=gap.samples,
        notes=tuple(_notes(desired, observed)),
    )


def _idle(observed: ObservedList) -> bool:
    """Whether the list as a whole suppresses nobody, whoever is on it."""
    return observed.lapsed or _of_another_type(observed)


def _of_another_type(observed: ObservedList) -> bool:
    return observed.remote is not None and observed.remote.type != "suppression"


def _notes(desired: DesiredList, observed: ObservedList) -> list[str]:
    notes = []
    if observed.remote and _of_another_type(observed):
        notes.append(f"it is of type {observed.remote.type!r}: it suppresses nobody")
    if observed.remote is None:
        notes.append("the service has no such list: every contact is missing")
    if observed.lapsed:
        notes.append("the list's own end has passed: it suppresses nobody")
    if not observed.complete:
        notes.append(f"the list could not be read whole ({observed.incomplete_because})")
    if Op.CONFLICT in observed.gap.parts:
        notes.append("a declared release is of a contact that the spec still wants")
    return [*notes, *desired.idle_releases]
