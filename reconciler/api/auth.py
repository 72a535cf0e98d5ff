"""Tokens: one a tenant, fetched when needed and shared by its threads, whatever grant gives it.

An httpx auth generator: it yields requests and does no I/O itself. The token lives in memory
only, secrets are looked up when a token is asked for and not kept, and neither ever enters a
message, a log or a repr.
"""

import base64
import threading
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
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
_CLAIMS: Final = ("id_token", "access_token")
"""Where a token endpoint may say whose token it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """How one asks for a token; secrets are looked up when it is used, and not before."""

    form: Callable[[], Mapping[str, str]]
    basic: Callable[[], tuple[str, str]] | None = None
    """User and password for HTTP Basic, where the endpoint wants the client named so."""
    needed: str = ""
    """What the credentials must allow, for errors."""
    hint: str = ""


def client_credentials(given: Credentials | None) -> Grant:
    """Return the grant of a client on its own.

    Args:
        given: references to the secrets; ``None`` for the embedded sandbox, which takes anybody.
    """

    def form() -> Mapping[str, str]:
        return {
            "grant_type": "client_credentials",
            "client_id": config.secret(given.client_id) if given else "embedded",
            "client_secret": config.secret(given.client_secret) if given else "embedded",
        }

    return Grant(
        form=form,
        needed=f"needed scopes: {', '.join(SCOPES)}",
        hint="check the client id and secret, and that the client has these scopes",
    )


def access_key(given: Credentials | None) -> Grant:
    """Return the grant of an access key of a person, presented by a registered client.

    Args:
        given: references to the secrets; ``None`` for the embedded sandbox, which takes anybody.
    """

    def form() -> Mapping[str, str]:
        return {
            "grant_type": "password",
            "username": config.secret(given.access_key_id) if given else "embedded",
            "password": config.secret(given.access_key_secret) if given else "embedded",
        }

    def basic() -> tuple[str, str]:
        if given is None:
            return "embedded", "embedded"
        return config.secret(given.client_id), config.secret(given.client_secret)

    return Grant(
        form=form,
        basic=basic,
        needed="needed: a role that may view and manage do-not-call groups",
        hint="check client id and secret, and the access key, which must be active",
    )


class Tokens(httpx.Auth):
    """Bearer tokens by one grant.

    Args:
        url: of the token endpoint.
        grant: how one asks there.
        build: makes a request with the client's own timeouts.
        clock: how long a token has been held.
        meter: told of each token call.
    """

    requires_response_body = True

    def __init__(
        self,
        url: str,
        *,
        grant: Grant,
        build: Callable[..., httpx.Request],
        clock: Clock,
        meter: Meter,
    ) -> None:
        self._url = url
        self._grant = grant
        self._build = build
        self._clock = clock
        self._meter = meter
        self._lock = threading.RLock()
        self._token = ""
        self._stale_at = 0.0
        self._claims: Mapping[str, Any] = {}

    @property
    def claims(self) -> Mapping[str, Any]:
        """What the newest token says of itself, unverified; empty before the first."""
        return self._claims

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
                f"the service refused a fresh token too (401); {self._grant.needed}",
                hint=self._grant.hint,
            )

    def token_request(self) -> httpx.Request:
        """Make the call of the token endpoint; ``accept`` reads its answer.

        Raises:
            SettingError: a secret cannot be found.
        """
        headers = {"Accept": "application/json"}
        if self._grant.basic:
            user = ":".join(self._grant.basic()).encode()
            headers["Authorization"] = f"Basic {base64.b64encode(user).decode()}"
        form, marked = dict(self._grant.form()), {TOKEN_CALL: True}
        return self._build("POST", self._url, data=form, headers=headers, extensions=marked)

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
                f"the token endpoint refused the credentials ({status}); {self._grant.needed}",
                hint=self._grant.hint,
            )
        if status in _TRANSIENT:
            raise _transient(f"the token endpoint answered {status}", response, self._clock)
        if status != httpx.codes.OK:
            raise RequestRefusedError(
                f"the token endpoint answered {status}", hint="check the Tenant's tokenUrl"
            )
        token, lasts, claims = _granted(response, self._clock)
        with self._lock:
            self._token = token
            self._claims = claims
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


def _granted(response: httpx.Response, clock: Clock) -> tuple[str, float, Mapping[str, Any]]:
    """Return the token, the seconds it lasts, and what it says of itself."""
    try:
        document: Any = orjson.loads(response.content)
        token, lasts = document["access_token"], float(document["expires_in"])
    except (ValueError, KeyError, TypeError):
        document, token, lasts = {}, None, 0.0
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
        raise _transient("the token endpoint's answer holds no token", response, clock) from None
    found = (_claimed(document.get(name)) for name in _CLAIMS)
    return token, lasts, next((each for each in found if each), {})


def _claimed(token: object) -> Mapping[str, Any]:
    """Return the claims of a JSON web token; empty where it is something else."""
    parts = token.split(".") if isinstance(token, str) else []
    if len(parts) != 3:  # noqa: PLR2004 - header, claims and signature
        return {}
    try:
        claims = orjson.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return {}
    return claims if isinstance(claims, dict) else {}


def _transient(reason: str, response: httpx.Response, clock: Clock) -> TransientError:
    headers = response.headers
    wait = retry_after(headers.get("Retry-After"), date=headers.get("Date"), clock=clock)
    return TransientError(reason, kind="token", wait=wait, harmless=True)
