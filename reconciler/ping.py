"""Check the way to each tenant and each list, without writing anything.

It asks what a run would ask first, and says of each answer whether a run would get on with it.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Final

from reconciler import drift
from reconciler.api.port import Reader
from reconciler.errors import InterruptedRunError, ReconcilerError
from reconciler.model import SKILLS, Check, ListSpec, RemoteList, Spec, Tenant, Unmanaged
from reconciler.observed import find

_SKEW: Final = timedelta(seconds=30)
"""Clocks further apart than this are worth a word: ends near now are judged by both."""
_SUPPRESSION: Final = "suppression"


def ping(spec: Spec, *, reader: Callable[[Tenant], Reader]) -> Iterator[Check]:
    """Yield what was looked at, tenant by tenant and list by list, as it is found.

    Args:
        spec: the loaded specs; only tenants of selected lists are asked, or all where no list
            is declared yet.
        reader: opens the way to a tenant.
    """
    for name in sorted({listed.tenant for listed in spec.lists} or spec.tenants):
        tenant = spec.tenants[name]
        try:
            way = reader(tenant)
            way.sign_in()
        except InterruptedRunError:
            raise
        except ReconcilerError as error:
            yield _failed(name, "token", error)
            continue
        yield Check(subject=name, name="token", ok=True, detail="given")
        yield _clock(name, way)
        yield from _capacity(tenant, way)
        for listed in spec.lists:
            if listed.tenant == name:
                yield from _list(listed, tenant, way)


def _list(listed: ListSpec, tenant: Tenant, way: Reader) -> Iterator[Check]:
    key = listed.name
    try:
        remote = find(listed, tenant, way)
    except InterruptedRunError:
        raise
    except ReconcilerError as error:
        yield _failed(key, "list", error)
        return
    if remote is None:
        yield Check(subject=key, name="list", ok=True, detail="not there yet, to be created")
        return
    yield Check(subject=key, name="list", ok=True, detail=f"id {remote.id}")
    right = remote.type == _SUPPRESSION
    detail = remote.type if right else f"{remote.type!r}, expected {_SUPPRESSION!r}: never written"
    yield Check(subject=key, name="type", ok=right, detail=detail, exit_code=0 if right else 1)
    yield _contacts(key, way, remote.id)
    yield from _skills(listed, remote)
    if tenant.capabilities.versioned:
        there = bool(remote.version)
        detail = "sent" if there else "no ETag: settings cannot be changed safely"
        yield Check(subject=key, name="version", ok=there, detail=detail, exit_code=1 - there)


def _clock(tenant: str, way: Reader) -> Check:
    """Clocks that differ are told, never an error: ends are counted by the service's clock."""
    apart = abs(way.skew) > _SKEW
    seconds = way.skew.total_seconds()
    direction = "ahead of" if seconds > 0 else "behind"
    detail = f"{abs(seconds):.0f} s {direction} ours" if seconds else "agrees with ours"
    return Check(subject=tenant, name="clock", ok=True, detail=detail + " (set one)" * apart)


def _capacity(tenant: Tenant, way: Reader) -> Iterator[Check]:
    """Say how much of what the account's lists hold together at most is in use."""
    capacity = tenant.capabilities.capacity
    if capacity is None:
        return
    try:
        used = way.occupied() or 0
    except InterruptedRunError:
        raise
    except ReconcilerError as error:
        yield _failed(tenant.name, "capacity", error)
        return
    full = used >= capacity
    detail = f"{used:,} of {capacity:,} contacts in use" + ": there is no room left" * full
    yield Check(subject=tenant.name, name="capacity", ok=not full, detail=detail, exit_code=full)


def _skills(listed: ListSpec, remote: RemoteList) -> Iterator[Check]:
    """Say which skills a list works for, and which of the declared ones it lacks."""
    scrubbed = remote.settings.scrubbed_skills
    if isinstance(scrubbed, Unmanaged):
        return
    lacking = [
        f"{change.field} {change.new or '(none)'}, found {change.old or '(none)'}"
        for change in drift.changes(listed.settings, remote.settings)
        if change.field in SKILLS
    ]
    detail = f"{len(scrubbed)} scrubbed" if scrubbed else drift.UNSCRUBBED
    told = "; ".join([detail, *(f"declared {each}" for each in lacking)])
    yield Check(
        subject=listed.name, name="skills", ok=bool(scrubbed), detail=told, exit_code=not scrubbed
    )


def _contacts(key: str, way: Reader, list_id: str) -> Check:
    """Ask for the first page alone: whether they can be read, not what they are."""
    try:
        next(way.pages(list_id), None)
    except InterruptedRunError:
        raise
    except ReconcilerError as error:
        return _failed(key, "contacts", error)
    return Check(subject=key, name="contacts", ok=True, detail="can be read")


def _failed(subject: str, name: str, error: ReconcilerError) -> Check:
    hint = f" ({error.hint})" if error.hint else ""
    return Check(
        subject=subject, name=name, ok=False, detail=f"{error}{hint}", exit_code=error.exit_code
    )
