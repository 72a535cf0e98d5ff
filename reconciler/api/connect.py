"""Open the way to one tenant's service, and close it again.

Over the network, or to a WSGI app inside this process. What it yields is a ``port.Writer``;
nothing of httpx leaves this folder.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from wsgiref.types import WSGIApplication

import httpx

from reconciler import __version__
from reconciler.api.auth import Grant, Tokens, access_key, client_credentials
from reconciler.api.discovery import VERSIONED, Discovery
from reconciler.api.dnc_groups import DncGroups
from reconciler.api.exchange import Exchange, loopback, private
from reconciler.api.lists import Lists
from reconciler.api.pace import Clock, Pace
from reconciler.api.port import Writer
from reconciler.api.retry import Retries
from reconciler.api.watched import watching
from reconciler.errors import SettingError
from reconciler.metrics import Meter
from reconciler.model import Credentials, Tenant

USER_AGENT: Final = f"suppression-reconciler/{__version__}"
EMBEDDED: Final = "http://sandbox.local"
_UNPACED: Final = 1e9
"""Requests a second: nobody has to be spared inside this process."""
_CLOCK: Final = Clock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What speaks one dialect, and how one signs in for it."""

    writer: Callable[[Exchange], Writer]
    grant: Callable[[Credentials | None], Grant]
    embedded: str
    """The path of the service within the sandbox."""
    token_path: str
    """Of the token endpoint within the sandbox."""


DIALECTS: Final[Mapping[str, Dialect]] = {
    "lists": Dialect(
        writer=Lists,
        grant=client_credentials,
        embedded="/api/v2",
        token_path="/oauth/token",  # noqa: S106 - a path, not a secret
    ),
    "dnc-groups": Dialect(
        writer=DncGroups,
        grant=access_key,
        embedded=VERSIONED,
        token_path="/auth/token",  # noqa: S106 - a path, not a secret
    ),
}


@contextmanager
def connect(
    tenant: Tenant,
    *,
    meter: Meter,
    on_wait: Callable[[str], None],
    app: WSGIApplication | None = None,
    stop: threading.Event | None = None,
    clock: Clock = _CLOCK,
) -> Iterator[Writer]:
    """Yield one tenant's service; nothing is sent before it is asked something.

    All threads that talk to the tenant share what this yields, its rate and its retry budget.

    Args:
        tenant: whom to ask, and how hard.
        meter: told of every request, retry and wait.
        on_wait: told of each wait before it, in words.
        app: where given, the service: no socket is opened, and requests are not spaced.
        stop: once set, waits end at once and no request starts, with ``InterruptedRunError``; a
            write under way is still answered.
        clock: the time, for tests.

    Raises:
        SettingError: the tenant cannot be spoken to as its spec says.
    """
    embedded = app is not None
    spoken = _spoken(tenant)
    base_url = EMBEDDED + spoken.embedded if embedded else tenant.base_url.rstrip("/")
    token_url = EMBEDDED + spoken.token_path if embedded else tenant.token_url
    if not embedded:
        _check(tenant)
    stop = stop or threading.Event()
    pace = Pace(
        requests_per_second=_UNPACED if embedded else tenant.limits.requests_per_second,
        parallelism=tenant.limits.parallelism,
        stop=stop,
        clock=clock,
        meter=meter,
    )
    watch = watching(timeout=tenant.limits.timeout_seconds, stop=stop, clock=clock)
    with _client(tenant, app) as client:
        client.event_hooks = {"response": [watch]}
        auth = Tokens(
            token_url,
            grant=spoken.grant(tenant.credentials),
            build=client.build_request,
            clock=clock,
            meter=meter,
        )
        retries = Retries(pace=pace, meter=meter, on_wait=on_wait)
        exchange = Exchange(
            client,
            base_url=lambda: base_url or discovery(),
            auth=auth,
            pace=pace,
            retries=retries,
            meter=meter,
            clock=clock,
            compress=tenant.compress_requests,
        )
        discovery = Discovery(
            _origin(token_url),
            auth=auth,
            sign_in=exchange.sign_in,
            get=client.get,
            private=private,
            pace=pace,
            retries=retries,
            meter=meter,
        )
        yield spoken.writer(exchange)


def _spoken(tenant: Tenant) -> Dialect:
    if tenant.dialect not in DIALECTS:
        raise SettingError(f"Tenant {tenant.name}: no dialect {tenant.dialect!r} is known")
    return DIALECTS[tenant.dialect]


def _check(tenant: Tenant) -> None:
    """Refuse to speak to anybody in clear text, or without credentials."""
    if tenant.credentials is None:
        raise SettingError(f"Tenant {tenant.name} has no credentials")
    for key, url in (("baseUrl", tenant.base_url), ("tokenUrl", tenant.token_url)):
        if url and not private(url):
            raise SettingError(
                f"Tenant {tenant.name}: {key} must be https, or http to this machine",
                hint="a token or a contact would travel in clear text",
            )


def _origin(url: str) -> str:
    """Return the scheme and host of a URL."""
    found = httpx.URL(url)
    return f"{found.scheme}://{found.netloc.decode('ascii')}"


def _client(tenant: Tenant, app: WSGIApplication | None) -> httpx.Client:
    """Make the client; certificates are verified and redirects are not followed by default."""
    return httpx.Client(
        transport=None if app is None else Embedded(app),
        timeout=httpx.Timeout(tenant.limits.timeout_seconds),
        limits=httpx.Limits(
            max_connections=tenant.limits.parallelism,
            max_keepalive_connections=tenant.limits.parallelism,
        ),
        follow_redirects=False,
        trust_env=app is None and not loopback(tenant.base_url),
        headers={"User-Agent": USER_AGENT},
    )


class Embedded(httpx.BaseTransport):
    """A WSGI app whose broken connections look like those of a network."""

    def __init__(self, app: WSGIApplication) -> None:
        self._inner = httpx.WSGITransport(app)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer with a whole body, or fail as a connection would."""
        try:
            response = self._inner.handle_request(request)
            response.read()
        except OSError as error:
            raise httpx.ReadError("the app broke the connection") from error
        promised = response.headers.get("Content-Length", "")
        if promised.isdecimal() and response.num_bytes_downloaded < int(promised):
            raise httpx.RemoteProtocolError("the app sent less than it promised")
        return response
