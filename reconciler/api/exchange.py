"""One request and its answer: sent in its turn, tried again where that helps, read as JSON.

What every dialect has in common. It knows no list's shape, follows no redirect, and quotes no
body: of a refusal it passes on the status and, where it looks like one, the service's code.
"""

import gzip
import re
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address
from typing import Any, Final

import httpx
import orjson

from reconciler.api.auth import TOKEN_CALL, Tokens
from reconciler.api.pace import Clock, Pace, interrupted
from reconciler.api.retry import Retries, TransientError, http_date, retry_after
from reconciler.errors import (
    ForbiddenError,
    InterruptedRunError,
    NotFoundError,
    ReconcilerError,
    RequestRefusedError,
    ServiceError,
)
from reconciler.metrics import Meter

TRANSIENT: Final = frozenset({500, 502, 503, 504})
_UNSENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_TRANSPORT: Final = (
    httpx.TimeoutException,
    httpx.NetworkError,
    httpx.RemoteProtocolError,
    httpx.ProxyError,
    httpx.DecodingError,
)
_CODE: Final = re.compile(r"(?!.*\d{4})[A-Za-z][A-Za-z0-9_.-]{0,47}")
_UNSUPPORTED: Final = httpx.codes.UNSUPPORTED_MEDIA_TYPE
_LARGEST_CODE: Final = 99_999
_WORTH_IT: Final = 1024
"""Bytes of a body that is not worth compressing, at most."""
_LEVEL: Final = 1
"""Of compression: contacts are much alike, so that more effort hardly makes them smaller."""
_BLUR: Final = 2.0
"""Seconds; a Date header has whole ones, so a smaller difference of clocks is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked. ``subject`` is what it is about, for messages: ``list 7f3e2c``."""

    method: str
    path: str
    """Below the base URL, quoted."""
    kind: str
    """What the meter calls it."""
    subject: str
    params: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)
    version: str = ""
    """Where given it is done only if the list still has this version (``If-Match``)."""
    expected: frozenset[int] = frozenset({200})
    """Statuses that are returned; every other is an error."""
    once: bool = False
    """Never sent again while it is not known whether it was done."""
    parse: Callable[[bytes], Any] = orjson.loads
    """Reads a body that was expected; raises ``orjson.JSONDecodeError`` where it is cut off."""
    unwanted: threading.Event | None = None
    """Once set, nobody waits for the answer: it is not sent any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    document: Mapping[str, Any] = field(repr=False)
    """The JSON object of the body; empty where a refusal has none."""
    version: str
    """The ETag exactly as received; empty where there is none."""
    tries: int
    """How often the request was sent, this time included."""


class Exchange:
    """One tenant's requests, from any number of threads.

    Args:
        client: opened and closed by the caller; never follows redirects.
        base_url: returns it, without a trailing slash; it may have to ask for it, once.
        auth: signs every request.
        pace: when a request may start.
        retries: whether and when it is sent again.
        meter: told of each request, each retry and each error.
        clock: the clock the service's is compared with.
        compress: whether larger bodies go out as gzip.
    """

    def __init__(
        self,
        client: httpx.Client,
        *,
        base_url: Callable[[], str],
        auth: Tokens,
        pace: Pace,
        retries: Retries,
        meter: Meter,
        clock: Clock,
        compress: bool = False,
    ) -> None:
        self._client = client
        self._base_url = base_url
        self._auth = auth
        self._pace = pace
        self._retries = retries
        self._clock = clock
        self._compress = compress
        self._skew = timedelta()
        self.meter: Final = meter

    @property
    def at_once(self) -> int:
        """Requests in flight at once, at most."""
        return self._pace.at_once

    @property
    def skew(self) -> timedelta:
        """The service's clock less ours, in whole seconds, from its last Date header."""
        return self._skew

    def sign_in(self) -> None:
        """Fetch a token.

        Raises:
            AuthError: the credentials were refused.
            ServiceError: the token endpoint cannot be asked.
        """

        def attempt() -> None:
            with self._pace.turn(), translated(), self.meter.call("token"):
                response = self._client.send(self._auth.token_request())
                self._auth.accept(response)
            self._note_date(response)

        with self._counted():
            self._retries.run(attempt, what="sign in")

    def ask(self, request: Request) -> Answer:
        """Send a request, again where that may help, and return its answer.

        Raises:
            AuthError: a fresh token was refused too.
            ForbiddenError: 403.
            NotFoundError: 404.
            RequestRefusedError: any other 4xx that is not expected, or a redirect.
            ServiceError: it failed for longer than the retry budget allows, or the answer is not
                what the API promises.
            InterruptedRunError: the run is to stop.
        """
        what = f"{request.kind}, {request.subject}"
        tries = 0

        def attempt() -> Answer:
            nonlocal tries
            tries += 1
            if request.unwanted and request.unwanted.is_set():
                raise interrupted()
            made = self._made(request)
            with self._pace.turn(), translated(), self.meter.call(request.kind):
                response = self._client.send(made, auth=self._auth)
            self._note_date(response)
            return self._read(response, request, what=what, tries=tries)

        with self._counted():
            return self._retries.run(attempt, what=what, once=request.once)

    def _made(self, request: Request) -> httpx.Request:
        headers = {b"Accept": b"application/json"}
        body = request.body
        if body is not None:
            headers[b"Content-Type"] = b"application/json"
        if body and self._compress and len(body) > _WORTH_IT:
            headers[b"Content-Encoding"] = b"gzip"
            body = gzip.compress(body, compresslevel=_LEVEL, mtime=0)
        if request.version:
            headers[b"If-Match"] = request.version.encode("latin-1")
        return self._client.build_request(
            request.method,
            self._base_url() + request.path,
            params=request.params or None,
            content=body,
            headers=headers,
        )

    def _read(self, response: httpx.Response, request: Request, *, what: str, tries: int) -> Answer:
        status = response.status_code
        expected = status in request.expected
        document = _document(response, request.parse if expected else orjson.loads)
        if not expected:
            raise self._refused(response, document, what=what)
        if document is None and response.is_success and status != httpx.codes.NO_CONTENT:
            raise TransientError(f"the body of its {status} is cut off or not JSON")
        return Answer(
            status=status, document=document or {}, version=_version(response), tries=tries
        )

    def _refused(
        self, response: httpx.Response, document: Mapping[str, Any] | None, *, what: str
    ) -> Exception:
        """Return the error that an unexpected status means."""
        status = response.status_code
        if status == httpx.codes.TOO_MANY_REQUESTS:
            return TransientError(
                "the service asks to wait (429)",
                kind="throttled",
                wait=self._asked_wait(response),
                harmless=True,
            )
        if status in TRANSIENT:
            return TransientError(f"answered {status}", wait=self._asked_wait(response))
        code = short_code(document or {})
        said = f"{what}: answered {status}" + f" {code}" * bool(code)
        if status == _UNSUPPORTED and "Content-Encoding" in response.request.headers:
            return RequestRefusedError(said, hint="take compressRequests out of the Tenant's spec")
        return _final(status, said)

    def _asked_wait(self, response: httpx.Response) -> float | None:
        headers = response.headers
        return retry_after(headers.get("Retry-After"), date=headers.get("Date"), clock=self._clock)

    def _note_date(self, response: httpx.Response) -> None:
        date = http_date(response.headers.get("Date", ""))
        if date is not None:
            ahead = date - self._clock.now()
            self._skew = timedelta(seconds=round(ahead) if abs(ahead) >= _BLUR else 0)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        try:
            yield
        except InterruptedRunError:
            raise
        except ReconcilerError:
            self.meter.count("errors")
            raise


@contextmanager
def translated() -> Iterator[None]:
    """Turn httpx's errors into ours.

    Raises:
        TransientError: another try may help.
        ServiceError: no try will: the other side cannot be believed.
        RequestRefusedError: the request cannot be sent as it is.
    """
    try:
        yield
    except _TRANSPORT as error:
        if _distrusted(error):
            raise ServiceError(
                "the service's TLS certificate cannot be verified",
                hint="check the Tenant's baseUrl and tokenUrl, and this machine's certificates",
            ) from error
        token = TOKEN_CALL in error.request.extensions
        raise TransientError(
            f"{_told(error)} (token call)" if token else _told(error),
            kind="token" if token else "fault",
            harmless=token or isinstance(error, _UNSENT),
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise RequestRefusedError(
            f"the request cannot be sent: {type(error).__name__}",
            hint="check the Tenant's baseUrl and tokenUrl",
        ) from error


def _final(status: int, said: str) -> ReconcilerError:
    """Return the error of a status that no retry mends."""
    if status == httpx.codes.FORBIDDEN:
        return ForbiddenError(said, hint="the client may not do this: check its scopes")
    if status == httpx.codes.NOT_FOUND:
        return NotFoundError(said, hint="check listId, and the Tenant's baseUrl")
    if httpx.codes.is_redirect(status):
        return RequestRefusedError(
            f"{said}, a redirect, which is never followed", hint="check the Tenant's baseUrl"
        )
    if httpx.codes.is_client_error(status):
        return RequestRefusedError(said, hint="the same request would be refused again")
    return ServiceError(
        f"{said}, which is not what the API promises", hint="check the Tenant's baseUrl"
    )


def short_code(document: Mapping[str, Any]) -> str:
    """Return the service's own code for a refusal; empty where there is nothing like one.

    Prose is not passed on: it may quote what was sent.
    """
    for key in ("code", "errorCode", "error"):
        value = document.get(key)
        if isinstance(value, Mapping):
            value = value.get("code")
        if code := plain_code(value):
            return code
    return ""


def plain_code(value: object) -> str:
    """Return a foreign value if it is a word such as ``INVALID_EMAIL`` or a small number."""
    if isinstance(value, int) and 0 <= value <= _LARGEST_CODE:
        return str(int(value))
    return value if isinstance(value, str) and _CODE.fullmatch(value) else ""


def private(url: str) -> bool:
    """Tell whether nobody on the way can read what is sent there: https, or this machine."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    return parsed.scheme == "https" or (parsed.scheme == "http" and loopback(url))


def loopback(url: str) -> bool:
    """Tell whether a URL leads to this machine."""
    host = httpx.URL(url).host
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _document(response: httpx.Response, parse: Callable[[bytes], Any]) -> Mapping[str, Any] | None:
    """Return a body's JSON object; ``None`` where it is none or cut off."""
    try:
        document = parse(response.content)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) else None


def _version(response: httpx.Response) -> str:
    """Return the ETag as it is, odd bytes included."""
    for name, value in response.headers.raw:
        if name.lower() == b"etag":
            return value.decode("latin-1")
    return ""


def _distrusted(error: Exception) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _told(error: httpx.TransportError | httpx.DecodingError) -> str:
    """Say what happened in our words, and where; httpx's may hold parts of what was sent."""
    place = error.request.url.netloc.decode("ascii", "replace")
    match error:
        case httpx.ConnectTimeout() | httpx.ConnectError():
            return f"no connection to {place}"
        case httpx.TimeoutException():
            return f"no answer in time from {place}"
        case httpx.ProxyError():
            return f"the proxy on the way to {place} refused"
        case httpx.DecodingError():
            return f"the answer of {place} is cut off or garbled"
    return f"the connection to {place} broke"
