"""The six verbs, in order: load, compile, observe, plan, apply, record.

The table of contents of the program. ``prepare`` is everything before the first write and gets
the way to a ``Reader``; ``execute`` is everything after a yes and gets the way to a ``Writer``.
That planning cannot write is a type, not a promise.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from reconciler import desired as compiling
from reconciler import intentions, ledger, notify, record, spec
from reconciler import observed as observing
from reconciler.api.port import Reader, Writer
from reconciler.apply import apply
from reconciler.artifacts import Run
from reconciler.journal import journal_of
from reconciler.model import (
    Desired,
    Observed,
    Overrides,
    Plan,
    Receipt,
    Selection,
    Spec,
    Tenant,
)
from reconciler.plan import plan

_DAY: Final = timedelta(days=1)
"""A release that was asked for on a bare date counts from the end of that day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What should be and what is, ready to be compared."""

    spec: Spec
    desired: Desired
    observed: Observed
    applied: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """The run that last applied each list, by key."""

    def plan(
        self,
        *,
        as_of: datetime,
        overrides: Overrides = Overrides(),  # noqa: B008 - frozen
        preview: bool = False,
    ) -> Plan:
        """Decide what to do; pure, so it may be asked again for another time or override."""
        return plan(
            self.desired,
            self.observed,
            policy=self.spec.policy,
            as_of=as_of,
            overrides=overrides,
            preview=preview,
        )


def prepare(
    selection: Selection,
    *,
    reader: Callable[[Tenant], Reader],
    as_of: datetime,
    run: Run,
    fresh: bool = False,
    anew: bool = False,
    now: datetime | None = None,
) -> Prepared:
    """Load the specs, compile their contacts, and observe the service; nothing is written there.

    Args:
        selection: which lists.
        reader: opens the way to a tenant.
        as_of: the time for which is decided who has lapsed.
        run: where artifacts go.
        fresh: whether every list is read, even one that certainly has not changed.
        anew: whether also nothing is used that was compiled or compared before.
        now: the time by which a release has run out, where that is not ``as_of``.

    Raises:
        SpecError: with every problem of every spec and source.
        SettingError: a path or name does not exist.
    """
    loaded = _keyed(spec.load(selection), run)
    outlived = run.clock() - loaded.policy.release_within - _DAY
    engine = run.engine
    past = ledger.past(run.store, key=engine.fingerprint, keys=engine.fingerprints, since=outlived)
    desired = compiling.compile(
        loaded,
        engine=run.engine,
        as_of=as_of,
        now=now,
        spent=past.spent,
        doubted=past.doubted(run.clock()),
        into=run.cache,
        invalid_into=lambda key: run.tables(key) / "invalid.csv",
        fresh=anew,
        seen=run.progress,
    )
    look = observing.Look(
        run=run,
        as_of=as_of,
        known=past.known,
        ledger_doubt=past.doubt,
        release_doubt=past.strange,
        fresh=fresh or anew,
        anew=anew,
    )
    observed = observing.observe(desired, reader=reader, look=look)
    record.observation(loaded, desired, observed, run=run)
    return Prepared(spec=loaded, desired=desired, observed=observed, applied=past.applied)


def _keyed(loaded: Spec, run: Run) -> Spec:
    """Key the digests of the spec files: a plain one of a file with one address can be guessed."""
    digests = {path: run.engine.pseudonym(digest) for path, digest in loaded.digests.items()}
    return replace(loaded, digests=MappingProxyType(digests))


def execute(
    made: Plan,
    *,
    tenants: Mapping[str, Tenant],
    writer: Callable[[Tenant], Writer],
    run: Run,
    applied: Collection[str] = (),
) -> Receipt:
    """Carry out a plan, tell the CRM, and record what was done.

    Args:
        made: the plan, as approved.
        tenants: by name.
        writer: opens the way to a tenant.
        run: where artifacts go.
        applied: keys of lists that earlier runs worked on.

    Raises:
        EvidenceError: what is about to be done cannot be written down, so it is not done.
    """
    intentions.declare(made, tenants=tenants, run=run)
    with journal_of(run) as journal:
        writers = {
            name: writer(tenants[name])
            for name in {listed.tenant for listed in made.lists if listed.actions}
        }
        outcomes = apply(made, writers=writers, run=run, journal=journal)
    hooks = notify.notify(made, outcomes, tenants=tenants, run=run)
    done = record.receipt(made, outcomes, hooks, run=run, applied=applied)
    intentions.fulfilled(run)
    return done
