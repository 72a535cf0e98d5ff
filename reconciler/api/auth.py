"""Client credentials: one token a tenant, fetched when needed and shared by its threads.

An httpx auth generator: it yields requests and does no I/O itself. The token lives in memory
only, secrets are looked up when a token is asked for and not kept, and neither ever enters a
message, a log or a repr.
"""

import threading
from collections.abc import Callable, Generator
from typing import Any, Final

import httpx
import orjson

from reconciler import config
from reconciler.api.pace import Clock
from reconciler.api.retry import TransientError, retry_after
from reconciler.errors import AuthError, RequestRefusedError
from reconciler.metrics import Meter
from reconciler.model import Credentials

SCOPES: Final = ("lists:read", "lists:write", "lists:contacts:read", "lists:contacts:write")
EARLY: Final = 30.0
"""Seconds before its end at which a token is not used any more."""
TOKEN_CALL: Final = "reconciler.token"  # noqa: S105 - a mark, not a secret
"""The request extension that marks a call of the token endpoint."""

_TRANSIENT: Final = frozenset({429, 500, 502, 503, 504})
_REFUSED: Final = frozenset({400, 401, 403})
_HINT: Final = "check the client id and secret, and that the client has these scopes"


class ClientCredentials(httpx.Auth):
    """Bearer tokens by ``grant_type=client_credentials``.

    Args:
        url: of the token endpoint.
        credentials: references to the secrets; ``None`` for the embedded sandbox, which takes
            any client.
        build: makes a request with the client's own timeouts.
        clock: how long a token has been held.
        meter: told of each token call.
    """

    requires_response_body = True

    def __init__(
        self,
        url: str,
        *,
        credentials: Credentials | None,
        build: Callable[..., httpx.Request],
        clock: Clock,
        meter: Meter,
    ) -> None:
        self._url = url
        self._credentials = credentials
        self._build = build
        self._clock = clock
        self._meter = meter
        self._lock = threading.RLock()
        self._token = ""
        self._stale_at = 0.0

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign a request; where the service refuses the token, once more with a fresh one.

        Raises:
            AuthError: the fresh token was refused too, or none was given.
        """
        token = yield from self._usable(refused="")
        request.headers["Authorization"] = f"Bearer {token}"
        response = yield request
        if response.status_code != httpx.codes.UNAUTHORIZED:
            return
        token = yield from self._usable(refused=token)
        request.headers["Authorization"] = f"Bearer {token}"
        response = yield request
        if response.status_code == httpx.codes.UNAUTHORIZED:
            raise AuthError(
                f"the service refused a fresh token too (401); needed scopes: {_scopes()}",
                hint=_HINT,
            )

    def token_request(self) -> httpx.Request:
        """Make the call of the token endpoint; ``accept`` reads its answer.

        Raises:
            SettingError: a secret cannot be found.
        """
        client = self._credentials
        form = {
            "grant_type": "client_credentials",
            "client_id": config.secret(client.client_id) if client else "embedded",
            "client_secret": config.secret(client.client_secret) if client else "embedded",
        }
        return self._build("POST", self._url, data=form, extensions={TOKEN_CALL: True})

    def accept(self, response: httpx.Response) -> str:
        """Keep and return the token of an answer.

        Raises:
            AuthError: the credentials were refused.
            TransientError: the endpoint is in trouble.
        """
        response.read()
        status = response.status_code
        if status in _REFUSED:
            raise AuthError(
                f"the token endpoint refused the credentials ({status}); "
                f"needed scopes: {_scopes()}",
                hint=_HINT,
            )
        if status in _TRANSIENT:
            raise _transient(f"the token endpoint answered {status}", response, self._clock)
        if status != httpx.codes.OK:
            raise RequestRefusedError(
                f"the token endpoint answered {status}", hint="check the Tenant's tokenUrl"
            )
        token, lasts = _grant(response, self._clock)
        with self._lock:
            self._token = token
            self._stale_at = self._clock.monotonic() + lasts - EARLY
        return token

    def _usable(self, *, refused: str) -> Generator[httpx.Request, httpx.Response, str]:
        """Return a token that is not the refused one; one thread asks for it, the others wait."""
        with self._lock:
            fresh = self._clock.monotonic() < self._stale_at
            if self._token and fresh and self._token != refused:
                return self._token
            with self._meter.call("token"):
                response = yield self.token_request()
                return self.accept(response)


def _grant(response: httpx.Response, clock: Clock) -> tuple[str, float]:
    """Return the token and the seconds it lasts."""
    try:
        document: Any = orjson.loads(response.content)
        token, lasts = document["access_token"], float(document["expires_in"])
    except (ValueError, KeyError, TypeError):
        token, lasts = None, 0.0
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
        raise _transient("the token endpoint's answer holds no token", response, clock) from None
    return token, lasts


def _transient(reason: str, response: httpx.Response, clock: Clock) -> TransientError:
    headers = response.headers
    wait = retry_after(headers.get("Retry-After"), date=headers.get("Date"), clock=clock)
    return TransientError(reason, kind="token", wait=wait, harmless=True)


def _scopes() -> str:
    return ", ".join(SCOPES)
