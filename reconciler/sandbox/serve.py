"""The sandbox behind waitress, on this machine only.

It prints nothing and keeps requests and answers in memory: what a server would spill to disc
holds addresses.
"""

import ipaddress
import logging
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, Final, NamedTuple
from wsgiref.types import WSGIApplication

import waitress  # type: ignore[import-untyped] # it brings no types
from waitress import wasyncore

from reconciler.errors import SettingError
from reconciler.sandbox.app import MAX_PAGE, TOKEN_LIFETIME, app, utc_now
from reconciler.sandbox.faults import Fault
from reconciler.sandbox.wire import Clock

_IN_MEMORY: Final = 64 * 2**20
"""Bytes of one request or answer; the app refuses larger requests by itself."""
_THREADS: Final = 8
_STOPPING: Final = 10.0


def serve(
    database: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    faults: Sequence[Fault] = (),
    ready: Callable[[str], None],
) -> None:
    """Answer requests until Ctrl-C or SIGTERM, then finish those in work and return.

    Args:
        database: the sandbox's file; made if absent.
        host: a loopback address, or ``localhost``.
        port: 0 takes a free one.
        faults: what goes wrong, counted from here on.
        ready: called with the URL, without a path, once requests are answered.

    Raises:
        SettingError: the host is not loopback, the port is taken, the file cannot be used.
    """
    with _listening(app(database, faults=faults), host, port) as door, _terminable():
        ready(door.url)
        door.run()


@contextmanager
def serving(
    database: Path,
    *,
    faults: Sequence[Fault] = (),
    now: Clock = utc_now,
    max_page: int = MAX_PAGE,
    token_lifetime: int = TOKEN_LIFETIME,
) -> Iterator[str]:
    """Answer requests in a thread, on a free port, and yield the URL, without a path.

    Arguments are those of ``app``.
    """
    made = app(database, faults=faults, now=now, max_page=max_page, token_lifetime=token_lifetime)
    with _listening(made, "127.0.0.1", 0) as door:
        thread = threading.Thread(target=door.run, name="sandbox", daemon=True)
        thread.start()
        try:
            yield door.url
        finally:
            door.stop()
            thread.join(_STOPPING)


class _Door(NamedTuple):
    """A server that listens; ``run`` returns on Ctrl-C, or when another thread calls ``stop``."""

    url: str
    run: Callable[[], None]
    stop: Callable[[], None]


@contextmanager
def _listening(made: WSGIApplication, host: str, port: int) -> Iterator[_Door]:
    """Yield a server; close every socket of it afterwards."""
    address = _loopback(host)
    logging.getLogger("waitress").setLevel(logging.ERROR)
    sockets: dict[int, Any] = {}
    try:
        server = waitress.create_server(
            made,
            map=sockets,
            host=address,
            port=port,
            threads=_THREADS,
            inbuf_overflow=_IN_MEMORY,
            outbuf_overflow=_IN_MEMORY,
            log_socket_errors=False,
            ident=None,
        )
    except (OSError, OverflowError) as error:
        wasyncore.close_all(sockets, ignore_all=True)
        raise SettingError(f"cannot listen on {address}, port {port}: {error}") from error
    shown = f"[{address}]" if ":" in address else address

    left: dict[int, Any] = {}

    def leave() -> None:  # whoever pulls the trigger may still write to it: nothing is closed yet
        left.update(sockets)
        sockets.clear()

    try:
        yield _Door(
            url=f"http://{shown}:{server.effective_port}",
            run=server.run,
            stop=lambda: server.trigger.pull_trigger(leave),
        )
    finally:
        server.task_dispatcher.shutdown()
        for still_open in (left, sockets):
            wasyncore.close_all(still_open, ignore_all=True)


def _loopback(host: str) -> str:
    """Return the address of a host of this machine.

    Raises:
        SettingError: it may be reached from elsewhere.
    """
    address = "127.0.0.1" if host == "localhost" else host
    with suppress(ValueError):
        if ipaddress.ip_address(address).is_loopback:
            return address
    raise SettingError(
        f"the sandbox serves this machine only, not {host!r}",
        hint="Use 127.0.0.1, ::1 or localhost: anybody who reaches it gets in.",
    )


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end the server as Ctrl-C does, where this is the thread that signals reach."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        with suppress(KeyboardInterrupt):
            yield
    finally:
        signal.signal(signal.SIGTERM, before)
