"""Where the parts meet: an open run, and the way to each tenant, embedded or not.

The one place that knows both the service's door and the sandbox, and hands the one to the other.
It decides nothing.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any

from reconciler import artifacts, locks, sandbox
from reconciler.api.connect import connect
from reconciler.api.port import Writer
from reconciler.artifacts import Run
from reconciler.config import installation, pseudonym_key
from reconciler.contacts.engine import Engine
from reconciler.errors import InterruptedRunError, TerminatedRunError
from reconciler.metrics import Meter
from reconciler.model import Tenant

Door = Callable[[Tenant], Writer]
"""Opens the way to a tenant, once a run."""


@contextmanager
def opened(
    command: str,
    *,
    root: Path,
    state: Path | None,
    clock: Callable[[], datetime],
    tell: Callable[[str], None],
) -> Iterator[Run]:
    """Open a run: state directory, key, engine, folder; Ctrl-C and SIGTERM ask it to stop.

    Raises:
        SettingError: a setting is not understood or the key cannot be had.
        EvidenceError: the state directory cannot be written.
    """
    settings = installation(root, state=state)
    artifacts.private(settings.state)
    key = pseudonym_key(settings)
    with (
        Engine(key=key, spill=settings.state / "spill", memory=settings.memory) as engine,
        _stopping() as stop,
    ):
        yield artifacts.start(
            command,
            state=settings.state,
            root=root,
            engine=engine,
            meter=Meter(),
            clock=clock,
            stop=stop,
            tell=tell,
        )


@contextmanager
def door(run: Run) -> Iterator[Door]:
    """Yield what opens the way to a tenant; everything opened is closed at the end."""
    lock = threading.Lock()
    open_ways: dict[str, Writer] = {}
    with ExitStack() as stack:

        def way(tenant: Tenant) -> Writer:
            with lock:
                if tenant.name not in open_ways:
                    app = sandbox.app(run.state / "sandbox.db") if tenant.embedded else None
                    open_ways[tenant.name] = stack.enter_context(
                        connect(tenant, app=app, meter=run.meter, stop=run.stop, on_wait=run.tell)
                    )
                return open_ways[tenant.name]

        yield way


@contextmanager
def locked(run: Run, keys: tuple[str, ...], *, timeout: float) -> Iterator[None]:
    """Hold the locks of these lists, taken in the order of their names.

    Raises:
        LockHeldError: another run holds one of them.
    """
    with ExitStack() as stack:
        for key in sorted(keys):
            stack.enter_context(
                locks.held(
                    run.state / "locks",
                    key,
                    run=run.id,
                    since=run.clock(),
                    timeout=timeout,
                    note=run.tell,
                )
            )
        yield


class Stop(threading.Event):
    """Set once somebody asks the run to stop; remembers whether it was by SIGTERM."""

    terminated = False


def stopped_code(run: Run, code: int) -> int:
    """Return the exit code of a run, told apart by what interrupted it."""
    by_term = isinstance(run.stop, Stop) and run.stop.terminated
    interrupted = code == InterruptedRunError.exit_code
    return TerminatedRunError.exit_code if by_term and interrupted else code


@contextmanager
def _stopping() -> Iterator[Stop]:
    """Let the first Ctrl-C or SIGTERM finish what is in flight; a second one ends at once."""
    stop = Stop()

    def ask(number: int, _frame: FrameType | None) -> None:
        stop.terminated = number == signal.SIGTERM
        if stop.is_set():
            raise TerminatedRunError("ended") if stop.terminated else KeyboardInterrupt
        stop.set()

    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        before = {name: signal.signal(name, ask) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
