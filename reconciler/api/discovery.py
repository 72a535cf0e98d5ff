"""Where the service of a tenant is, as its own configuration says; asked for once a run.

The published API lives on a host of the tenant's region, and only the token tells which tenant it
is. What is found must be https, or this machine; nothing of it is kept beyond the run.
"""

import threading
from collections.abc import Callable
from typing import Final

import httpx
import orjson

from reconciler.api.auth import Tokens
from reconciler.api.pace import Pace
from reconciler.api.retry import Retries, TransientError
from reconciler.errors import AuthError, ServiceError
from reconciler.metrics import Meter

PATH: Final = "/.well-known/cxone-configuration"
TENANT: Final = "tenantId"
ENDPOINT: Final = "api_endpoint"
VERSIONED: Final = "/inContactAPI/services/v34.0"
"""Behind the endpoint: the version of the API that this program was written for."""

_TRANSIENT: Final = frozenset({429, 500, 502, 503, 504})


class Discovery:
    """The base URL of one tenant, looked up when first needed.

    Args:
        issuer: ``https://host`` of the token endpoint, which also publishes the configuration.
        auth: whose newest token says which tenant it is.
        sign_in: fetches a token where there is none yet.
        get: asks for a URL.
        private: tells whether a URL may be spoken to.
        pace: when a request may start.
        retries: whether and when it is sent again.
        meter: told of each call.
    """

    def __init__(
        self,
        issuer: str,
        *,
        auth: Tokens,
        sign_in: Callable[[], None],
        get: Callable[..., httpx.Response],
        private: Callable[[str], bool],
        pace: Pace,
        retries: Retries,
        meter: Meter,
    ) -> None:
        self._url = issuer + PATH
        self._auth = auth
        self._sign_in = sign_in
        self._get = get
        self._private = private
        self._pace = pace
        self._retries = retries
        self._meter = meter
        self._lock = threading.Lock()
        self._found = ""

    def __call__(self) -> str:
        """Return the base URL.

        Raises:
            AuthError: the token names no tenant.
            ServiceError: the configuration cannot be had, or names no place that may be asked.
        """
        with self._lock:
            if not self._found:
                if not self._auth.claims:
                    self._sign_in()
                self._found = self._retries.run(self._look, what="find the service")
            return self._found

    def _look(self) -> str:
        tenant = self._auth.claims.get(TENANT)
        if not isinstance(tenant, str) or not tenant:
            raise AuthError(
                f"the token names no {TENANT}, so the service cannot be found",
                hint="name it in the Tenant's baseUrl",
            )
        with self._pace.turn(), self._meter.call("find service"):
            response = self._get(
                self._url, params={TENANT: tenant}, headers={"Accept": "application/json"}
            )
        if response.status_code in _TRANSIENT:
            raise TransientError(f"answered {response.status_code}", harmless=True)
        try:
            found: str = orjson.loads(response.content)[ENDPOINT].rstrip("/")
        except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
            found = ""
        if response.status_code != httpx.codes.OK or not self._private(found):
            raise ServiceError(
                f"the configuration of the tenant names no {ENDPOINT} that may be asked "
                f"({response.status_code})",
                hint="check the Tenant's tokenUrl, or name the service in its baseUrl",
            )
        return found + VERSIONED
