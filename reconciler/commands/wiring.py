"""Where the parts meet: an open run, and the way to each tenant, embedded or not.

The one place that knows both the service's door and the sandbox, and hands the one to the other.
It decides nothing.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final
from wsgiref.types import WSGIApplication

import click

from reconciler import artifacts, cache, interrupted, leases, locks, notify, record, saved, spec
from reconciler.api.connect import connect
from reconciler.api.port import Writer
from reconciler.artifacts import Run
from reconciler.commands import frame, stores
from reconciler.commands.ending import ending as told
from reconciler.config import Installation, former_keys, long_secret, pseudonym_key
from reconciler.contacts.engine import Engine
from reconciler.errors import Exit, ReconcilerError
from reconciler.metrics import Meter
from reconciler.model import Plan, Receipt, Selection, Spec, Tenant
from reconciler.signing import Signer, signer
from reconciler.store import Locks, Store

Door = Callable[[Tenant], Writer]
"""Opens the way to a tenant, once a run."""
_PASSING_ON: Final = frozenset({"apply", "drift", "plan"})
"""Commands that deliver webhooks of earlier runs in passing; whoever asks about one address, or
tries a connection, is not kept waiting."""


@contextmanager
def running(ctx: click.Context, command: str, root: Path) -> Iterator[Run]:
    """Open a run: state directory, key, engine, folder; Ctrl-C asks it to stop.

    Raises:
        SettingError: a setting is not understood or the key cannot be had.
        EvidenceError: the state directory cannot be written.
        LockHeldError: too many runs begin at once.
    """
    settings = frame.installed(ctx, root)
    artifacts.private(settings.state)
    now = frame.clock()
    name = artifacts.new_id(now)
    kept = stores.opened(settings)
    with (
        frame.finishing(ctx) as stop,
        _alive(settings, kept, name, since=now, stop=stop) as own,
        Engine(
            key=pseudonym_key(settings),
            former=former_keys(settings),
            spill=settings.spill or settings.state / "spill",
            memory=settings.memory,
        ) as engine,
        frame.reporting(ctx) as tell,
    ):
        run = Run(
            id=name,
            command=command,
            state=settings.state,
            store=kept,
            locks=own,
            started=now,
            engine=engine,
            meter=Meter(),
            clock=frame.clock,
            stop=stop,
            tell=tell.notice,
            progress=tell,
            signer=_signer(settings),
            signalled=lambda: frame.signalled(ctx) or Exit.STALE * own.lost,
        )
        artifacts.start(run, root=root)
        frame.note_folder(ctx, run.folder)
        living = interrupted.settle(run)
        if command in _PASSING_ON:
            notify.leftovers(run, partial(_tenants, root), living=living)
        try:
            yield run
        finally:
            _bound(run, settings.cache_limit)


def _signer(settings: Installation) -> Signer | None:
    where = settings.signing_key
    return signer(long_secret(where), where=where) if where else None


def _tenants(root: Path) -> Mapping[str, Tenant]:
    """Return the tenants of all specs, for those whose webhooks wait."""
    return spec.load(Selection(root=root)).tenants


@contextmanager
def _alive(
    settings: Installation, kept: Store, run: str, *, since: datetime, stop: threading.Event
) -> Iterator[Locks]:
    """Be known to live, on this machine or to all that share the store."""
    folder = settings.state / "locks"
    with locks.alive(folder, run):
        if not kept.shared:
            yield locks.FileLocks(folder=folder, run=run)
            return
        with leases.Leases(kept, run, since=since, stop=stop) as shared:
            yield shared


def _bound(run: Run, limit: int) -> None:
    """Keep what is remembered within its limit; what another run may be using stays."""
    if cache.size(run.cache) <= limit:
        return
    with suppress(ReconcilerError), locks.counted(run.state / "locks") as alive:
        first = min((artifacts.began(name) for name in alive), default=run.started)
        cache.evict(run.cache, limit=limit, since=min(first, run.started))


@dataclass(slots=True)
class Upshot:
    """What a run came to, filled in as it goes on."""

    plan: Plan | None = None
    done: Receipt | None = None
    code: int = 0


@contextmanager
def recorded(run: Run) -> Iterator[Upshot]:
    """See to it that the run stands in the ledger, however it ends, with the code a shell gets."""
    upshot = Upshot()
    try:
        yield upshot
    except BaseException as error:
        code = run.signalled() or told(error).code
        record.close(run, code=code, plan=upshot.plan, done=upshot.done)
        raise
    code = run.signalled() or upshot.code
    record.close(run, code=code, plan=upshot.plan, done=upshot.done)


@contextmanager
def door(run: Run) -> Iterator[Door]:
    """Yield what opens the way to a tenant; everything opened is closed at the end."""
    lock = threading.Lock()
    open_ways: dict[str, Writer] = {}
    with ExitStack() as stack:

        def way(tenant: Tenant) -> Writer:
            with lock:
                if tenant.name not in open_ways:
                    app = _embedded(run) if tenant.embedded else None
                    open_ways[tenant.name] = stack.enter_context(
                        connect(tenant, app=app, meter=run.meter, stop=run.stop, on_wait=run.tell)
                    )
                return open_ways[tenant.name]

        yield way


def _embedded(run: Run) -> WSGIApplication:
    from reconciler import sandbox  # noqa: PLC0415 - brings falcon, which a real tenant never needs

    return sandbox.app(run.state / "sandbox.db")


@contextmanager
def locked(run: Run, keys: tuple[str, ...], *, timeout: float) -> Iterator[None]:
    """Hold the locks of these lists, taken in the order of their names.

    Raises:
        LockHeldError: another run holds one of them.
    """
    locks.make_room(len(keys))
    with ExitStack() as stack:
        for key in sorted(keys):
            stack.enter_context(
                run.locks.held(key, since=run.clock(), timeout=timeout, note=run.tell)
            )
        yield


def fingerprint(run: Run) -> str:
    """Name the pseudonym key without giving it away: two runs with one key have the same."""
    return run.engine.fingerprint


def document(run: Run, made: Plan, loaded: Spec, chosen: Selection) -> bytes:
    """Return a plan as the file that can be applied."""
    return saved.document(made, spec=loaded, selection=chosen, key=fingerprint(run))
