"""Where a list and its spec differ: settings field by field, contacts by direction; pure.

The two directions are never added up: a missing contact may be called against their will, a
surplus one is usually an opt-out somebody took. It never decides what to do about either.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Final

from reconciler.masking import scrub
from reconciler.model import (
    LAPSING_SOON,
    SEVERITIES,
    SKILL_JOINT,
    SKILLS,
    Change,
    Desired,
    DesiredList,
    Drift,
    Ends,
    ListDrift,
    Observed,
    ObservedList,
    Op,
    Origin,
    Settings,
    Skill,
    Unmanaged,
    Way,
    joined,
)
from reconciler.times import zulu

_FIELDS: Final = ("name", "description", "suppressUntil", *SKILLS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """How much of one list's drift the specs or we have made; the rest somebody else has."""

    pending: Mapping[Way, int] = field(default_factory=lambda: MappingProxyType({}))
    untold: str = ""
    """Why that cannot be told; then it says nothing of the rest either."""


UNSCRUBBED: Final = (
    "no skill is scrubbed by this list: it suppresses nobody; declare list.scrubbedSkills"
)
"""What is to be said of a list that keeps back no calls."""
_NOBODY_LOOKED: Final = Trace(untold="nobody looked at earlier runs")


def changes(declared: Settings, observed: Settings) -> tuple[Change, ...]:
    """Return the settings that the spec manages and the service holds differently.

    An absent description and an empty one are the same. What a spec leaves out never changes.
    Skills that come and skills that go are two changes, in that order.
    """
    new = values(declared)
    ways = frozenset().union(*(joined(new.get(field)) for field in SKILLS))
    held = values(observed, ways=ways)
    old = {name: held.get(name) for name in new}
    if old == new:
        return ()
    from deepdiff import DeepDiff  # noqa: PLC0415 - takes long to load, and most lists are alike

    moved = DeepDiff(old, new).affected_root_keys
    return tuple(
        step
        for name in _FIELDS
        if name in moved
        for step in _steps(Change(field=name, old=old.get(name), new=new[name]))
    )


def _steps(change: Change) -> Iterator[Change]:
    """Yield a change of skills as those that come, then those that go; any other as it is."""
    before, after = joined(change.old), joined(change.new)
    if change.field != "scrubbedSkills" or before <= after or after <= before:
        yield change
        return
    both = SKILL_JOINT.join(sorted(before | after))
    yield replace(change, new=both)
    yield replace(change, old=both)


def values(settings: Settings, *, ways: Collection[str] = ()) -> dict[str, str | None]:
    """Return the managed settings by field, as the service spells them.

    Args:
        settings: declared or observed.
        ways: how somebody else spells skills, by id or by name.
    """
    end = settings.suppress_until
    spelled: dict[str, str | Unmanaged | None] = {
        "name": settings.name,
        "description": settings.description or None,
        "suppressUntil": zulu(end) if isinstance(end, datetime) else end,
        "scrubbedSkills": _skills(settings.scrubbed_skills, ways),
        "contributingSkills": _skills(settings.contributing_skills, ways),
    }
    return {name: value for name, value in spelled.items() if not isinstance(value, Unmanaged)}


def _skills(skills: tuple[Skill, ...] | Unmanaged, ways: Collection[str]) -> str | Unmanaged | None:
    if isinstance(skills, Unmanaged):
        return skills
    return SKILL_JOINT.join(sorted({skill.spelled(ways) for skill in skills})) or None


def unnamed(settings: Settings) -> Settings:
    """Return settings as evidence holds them: their own texts freed of anything like an address."""

    def told(text: str | Unmanaged | None) -> str | Unmanaged | None:
        return text if text is None or isinstance(text, Unmanaged) else scrub(text)

    return replace(settings, name=told(settings.name) or "", description=told(settings.description))


def report(
    desired: Desired,
    observed: Observed,
    *,
    as_of: datetime,
    traces: Mapping[str, Trace] = MappingProxyType({}),
) -> Drift:
    """Return how every list that could be read differs from its spec.

    Args:
        desired: what should be.
        observed: what is.
        as_of: the time of the report.
        traces: what earlier runs tell of each list, by key.
    """
    return Drift(
        as_of=as_of,
        lists=tuple(
            _of_list(
                wanted,
                observed.lists[wanted.spec.name],
                as_of=as_of,
                trace=traces.get(wanted.spec.name, _NOBODY_LOOKED),
            )
            for wanted in desired.lists
            if wanted.spec.name in observed.lists
        ),
        failures=observed.failures,
        problems=tuple(problem for wanted in desired.lists for problem in wanted.warnings),
    )


def _of_list(
    desired: DesiredList, observed: ObservedList, *, as_of: datetime, trace: Trace
) -> ListDrift:
    gap = observed.gap
    ends = _ends(observed, as_of)
    moved = settings_of(desired, observed)
    counts: Mapping[Way, int] = {
        "missing": desired.wanted if idle(observed) else gap.missing,
        "differ": gap.amended + len(moved) + gap.shortened,
        "surplus": gap.surplus + gap.released,
        "longer": gap.longer,
    }
    return ListDrift(
        key=desired.spec.name,
        tenant=desired.tenant.name,
        missing=counts["missing"],
        differ=counts["differ"],
        surplus=counts["surplus"],
        longer=counts["longer"],
        opaque=gap.opaque,
        changes=moved,
        size=observed.size,
        complete=observed.complete,
        lapsed=observed.lapsed,
        absent=observed.remote is None,
        samples=gap.samples,
        notes=tuple(_notes(desired, observed)),
        origins={way: _origin(counts[way], way, trace) for way in SEVERITIES},
        untold=trace.untold if any(counts.values()) else "",
        lapsing=_lapsing(ends, as_of),
        ends=ends,
        feeds=desired.feeds,
    )


def settings_of(desired: DesiredList, observed: ObservedList) -> tuple[Change, ...]:
    """Return the settings of a list that differ; those of one that is to be made do not."""
    remote = observed.remote
    return changes(desired.spec.settings, remote.settings) if remote else ()


def _origin(count: int, way: Way, trace: Trace) -> Origin:
    if trace.untold:
        return Origin(unknown=count)
    pending = trace.pending.get(way, 0)
    return Origin(pending=pending, outside=count - pending)


def _ends(observed: ObservedList, as_of: datetime) -> Ends:
    """Return when contacts come off: all of them at the latest where the list itself ends."""
    end = observed.remote.settings.suppress_until if observed.remote else None
    return observed.gap.ends.until(end if isinstance(end, datetime) else None, as_of=as_of)


def _lapsing(ends: Ends, as_of: datetime) -> int:
    """Count who comes off before long."""
    last = (as_of + LAPSING_SOON).date().isoformat()
    return sum(count for day, count in ends.days.items() if day <= last)


def idle(observed: ObservedList) -> bool:
    """Whether the list as a whole suppresses nobody, whoever is on it."""
    return observed.lapsed or _of_another_type(observed) or unscrubbed(observed)


def unscrubbed(observed: ObservedList) -> bool:
    """Whether the list works for skills, and none is scrubbed by it."""
    return observed.remote is not None and observed.remote.settings.scrubbed_skills == ()


def _of_another_type(observed: ObservedList) -> bool:
    return observed.remote is not None and observed.remote.type != "suppression"


def _notes(desired: DesiredList, observed: ObservedList) -> list[str]:
    notes = []
    if observed.remote and _of_another_type(observed):
        notes.append(f"it is of type {observed.remote.type!r}: it suppresses nobody")
    if observed.remote is None:
        notes.append("the service has no such list: every contact is missing")
    if unscrubbed(observed):
        notes.append(UNSCRUBBED)
    if observed.lapsed:
        notes.append("the list's own end has passed: it suppresses nobody")
    if not observed.complete:
        notes.append(f"the list could not be read whole ({observed.incomplete_because})")
    if Op.CONFLICT in observed.gap.parts:
        notes.append("a declared release is of a contact that the spec still wants")
    return [*notes, *desired.idle_releases]
