"""What the service has, and how it differs from what is desired.

It gets a ``Reader`` and cannot write. A list that cannot be read is a ``Failure`` of that list,
never an empty list and never the end of another list's work.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Final

from reconciler import drift
from reconciler.api.port import Reader
from reconciler.artifacts import Run, private
from reconciler.cache import Shelf
from reconciler.contacts import compare, ingest
from reconciler.contacts.compile import outliving
from reconciler.errors import InterruptedRunError, NotFoundError, ReconcilerError
from reconciler.gaps import Question
from reconciler.model import (
    RELEASE_AHEAD,
    RELEASE_SLACK,
    UNMANAGED,
    Desired,
    DesiredList,
    Failure,
    Gap,
    ListSpec,
    Observed,
    ObservedList,
    Ownership,
    RemoteList,
    Table,
    Tenant,
)
from reconciler.reading import Reading, read
from reconciler.side_by_side import side_by_side

_WINDOW: Final = RELEASE_AHEAD + RELEASE_SLACK
"""A contact that ends within this has been let go already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How to look: what all lists of one run have in common."""

    run: Run
    as_of: datetime
    known: Mapping[str, str]
    """Remote ids of lists seen before, by key."""
    ledger_doubt: str = ""
    """Why the ledger may not be whole; empty where it is."""
    release_doubt: str = ""
    """Why what it says of releases cannot be read; what it says of lists can."""
    fresh: bool
    """Whether every list is to be read, remembered or not."""
    anew: bool = False
    """Whether also gaps that were measured before are measured again."""
    occupied: Callable[[str], int | None] = lambda _tenant: None
    """Asks, by a tenant's name, how much of the account's capacity is in use."""


def observe(desired: Desired, *, reader: Callable[[Tenant], Reader], look: Look) -> Observed:
    """Read every list and measure its gap to the desired table.

    Args:
        desired: what should be.
        reader: opens the way to a tenant.
        look: what the lists have in common.

    Raises:
        InterruptedRunError: the run is to stop.
    """
    look = replace(look, occupied=_asked_once(desired, reader))

    def seen_of(wanted: DesiredList) -> tuple[ObservedList | None, Failure | None]:
        with look.run.phase(f"{wanted.spec.name}: asking the service"):
            return _or_failure(wanted, reader, look)

    seen = side_by_side(
        seen_of,
        desired.lists,
        tenant=lambda wanted: wanted.tenant.name,
        told=look.run.counting("lists read"),
    )
    return Observed(
        lists={found.key: found for found, _ in seen if found},
        failures=tuple(failure for _, failure in seen if failure),
    )


def _asked_once(
    desired: Desired, reader: Callable[[Tenant], Reader]
) -> Callable[[str], int | None]:
    """Return what asks each tenant once how full it is; one that cannot tell says nothing."""
    tenants = {wanted.tenant.name: wanted.tenant for wanted in desired.lists}

    @cache
    def occupied(name: str) -> int | None:
        try:
            return reader(tenants[name]).occupied()
        except InterruptedRunError:
            raise
        except ReconcilerError:
            return None

    return occupied


def _or_failure(
    wanted: DesiredList, reader: Callable[[Tenant], Reader], look: Look
) -> tuple[ObservedList | None, Failure | None]:
    """Return what was seen of one list, what failed or, after a broken read, both."""
    key = wanted.spec.name
    try:
        found = _list(wanted, reader(wanted.tenant), look)
    except InterruptedRunError:
        raise
    except ReconcilerError as error:
        text = str(error)
        return None, Failure(key=key, message=text, hint=error.hint, exit_code=error.exit_code)
    return found


def _list(wanted: DesiredList, reader: Reader, look: Look) -> tuple[ObservedList, Failure | None]:
    key = wanted.spec.name
    remote = find(wanted.spec, wanted.tenant, reader)
    if remote is None:
        return _absent(wanted, look), None
    region = wanted.spec.defaults.region
    shelf = Shelf(
        folder=look.run.cache,
        tenant=wanted.tenant.name,
        service=wanted.tenant.service,
        list_id=remote.id,
        region=region,
    )
    kept = None if look.fresh else shelf.recall(remote, now=look.run.clock())
    if kept:
        seen = _measured(wanted, Reading(remote=remote, table=kept), reader, look)
        if not _lets_go(wanted, seen):
            return replace(seen, cached=True), None
    reading = read(look.run, reader, remote, key=key, region=region)
    if reading.complete:
        shelf.remember(reading.remote, reading.table, now=look.run.clock())
    failure = Failure(key=key, message=reading.doubt) if reading.failed else None
    return _measured(wanted, reading, reader, look), failure


def find(spec: ListSpec, tenant: Tenant, reader: Reader) -> RemoteList | None:
    """Return a list's metadata; ``None`` where it is to be created.

    Raises:
        NotFoundError: there is no such list and the spec does not say to create it.
    """
    if spec.list_id:
        return reader.get(spec.list_id)
    remote = reader.find(str(spec.settings.name))
    if remote is None and not spec.create:
        raise NotFoundError(
            f"tenant {tenant.name} has no list named {spec.settings.name!r} ({spec.place})",
            hint="give its listId, or create: true",
        )
    return remote


def _lets_go(wanted: DesiredList, seen: ObservedList) -> bool:
    """Whether a plan over this would let anybody go; then it must be read afresh."""
    remote = seen.remote
    moved = drift.changes(wanted.spec.settings, remote.settings) if remote else ()
    return bool(seen.gap.released or seen.gap.shortened or any(one.shortens for one in moved))


def _absent(wanted: DesiredList, look: Look) -> ObservedList:
    """A list that is to be created: nothing is on it."""
    table = ingest.empty(look.run.engine, private(look.run.cache))
    return ObservedList(
        key=wanted.spec.name,
        remote=None,
        complete=True,
        table=table,
        size=0,
        gap=_gap(wanted, table, look, window_end=look.as_of + _WINDOW),
        occupied=look.occupied(wanted.tenant.name),
        known_id=look.known.get(wanted.spec.name),
        ledger_doubt=look.ledger_doubt,
    )


def _measured(wanted: DesiredList, reading: Reading, reader: Reader, look: Look) -> ObservedList:
    end = reading.remote.settings.suppress_until
    lapsed = isinstance(end, datetime) and end <= look.as_of
    window_end = look.as_of + _WINDOW + max(reader.skew, timedelta())
    gap = _gap(wanted, reading.table, look, window_end=window_end)
    return ObservedList(
        key=wanted.spec.name,
        remote=reading.remote,
        occupied=look.occupied(wanted.tenant.name),
        complete=reading.complete,
        table=reading.table,
        size=0 if lapsed else gap.size,
        gap=gap,
        lapsed=lapsed,
        cut_short=_cut_short(wanted, reading.remote, look) if not lapsed else 0,
        incomplete_because=reading.doubt,
        known_id=look.known.get(wanted.spec.name),
        ledger_doubt=look.ledger_doubt or look.release_doubt,
    )


def _cut_short(wanted: DesiredList, remote: RemoteList, look: Look) -> int:
    """Count who is wanted for longer than the list lasts, where its end is not the spec's."""
    end = remote.settings.suppress_until
    managed = wanted.spec.settings.suppress_until is not UNMANAGED
    if managed or not isinstance(end, datetime):
        return 0
    return outliving(look.run.engine, wanted.table, end=end, as_of=look.as_of)


def _gap(wanted: DesiredList, table: Table, look: Look, *, window_end: datetime) -> Gap:
    """Compare, unless that was done before; ownership counts only where all rows arrived."""
    spec, run = wanted.spec, look.run
    exclusive = spec.ownership is Ownership.EXCLUSIVE and wanted.whole
    recode = bool(wanted.tenant.capabilities.reasons)
    into = run.tables(spec.name) / "gap.parquet"
    asked = Question(
        engine=run.engine,
        desired=wanted.table,
        observed=table,
        releases=wanted.releases,
        ways=(exclusive, recode, spec.release_basis),
        as_of=look.as_of,
        window_end=window_end,
        cache=run.cache,
    )
    known = None if look.anew else asked.recall(into)
    if known:
        return known
    with run.phase(f"{spec.name}: comparing {wanted.table.rows:,} rows"):
        gap = compare.compare(
            run.engine,
            desired=wanted.table,
            observed=table,
            releases=wanted.releases,
            as_of=look.as_of,
            window_end=window_end,
            exclusive=exclusive,
            recode=recode,
            release_basis=spec.release_basis,
            into=into,
        )
    asked.remember(gap)
    return gap
