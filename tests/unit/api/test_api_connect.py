import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import pytest
from scripted import HandClock

from reconciler import __version__
from reconciler.api.connect import connect
from reconciler.api.port import Writer
from reconciler.errors import Place, ServiceError, SettingError
from reconciler.metrics import Meter
from reconciler.model import Credentials, Limits, Tenant

TENANT = Tenant(
    name="acme",
    place=Place(path="specs/acme.yaml"),
    dialect="lists",
    embedded=True,
    base_url="",
    token_url="",
    credentials=None,
)
REAL = replace(
    TENANT,
    embedded=False,
    base_url="https://acme.api.cxone.com/api/v2",
    token_url="https://acme.api.cxone.com/oauth/token",
    credentials=Credentials(client_id="env:ACME_ID", client_secret="env:ACME_SECRET"),
)
LIST = {"id": "7f", "name": "US", "listType": "suppression"}
Respond = Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]


def app(respond: Respond, seen: list[WSGIEnvironment] | None = None) -> WSGIApplication:
    """Return a service that grants tokens and answers everything else by ``respond``."""

    def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if seen is not None:
            seen.append(environ)
        if environ["PATH_INFO"] == "/oauth/token":
            start("200 OK", [])
            return [b'{"access_token":"abc","expires_in":3600}']
        return respond(environ, start)

    return answer


def ok(_: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
    """Answer with a list."""
    start("200 OK", [("etag", '"v1"'), ("date", "Mon, 23 Nov 2026 10:20:00 GMT")])
    return [json.dumps(LIST).encode()]


def unheard(_text: str) -> None:
    """Say nothing of waits."""


@contextmanager
def embedded(made: WSGIApplication) -> Iterator[tuple[Writer, Meter]]:
    """Open the way to an app in this process, on a hand-moved clock."""
    meter = Meter()
    clock = HandClock().clock
    with connect(TENANT, app=made, meter=meter, on_wait=unheard, clock=clock) as writer:
        yield writer, meter


def test_an_embedded_service_needs_no_credentials() -> None:
    """It is asked like any other, under its own name, with our name and version."""
    seen: list[WSGIEnvironment] = []

    with embedded(app(ok, seen)) as (writer, _):
        writer.sign_in()
        found = writer.get("7f")

    asked = seen[-1]
    assert ("7f", '"v1"') == (found.id, found.version)
    assert ("sandbox.local", "/api/v2/lists/7f") == (asked["SERVER_NAME"], asked["PATH_INFO"])
    assert f"suppression-reconciler/{__version__}" == asked["HTTP_USER_AGENT"]
    assert writer.skew == timedelta(minutes=5)


def test_the_skew_is_nought_before_the_first_answer() -> None:
    """Nothing is sent on opening."""
    seen: list[WSGIEnvironment] = []

    with embedded(app(ok, seen)) as (writer, _):
        assert writer.skew == timedelta()

    assert [] == seen


def _reset(_environ: WSGIEnvironment, _start: StartResponse) -> Iterable[bytes]:
    raise ConnectionResetError


def _reset_midway(_: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
    start("200 OK", [])
    yield b'{"id":'
    raise ConnectionResetError


def _short(_: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
    start("200 OK", [("Content-Length", "500")])
    return [b"{}"]


@pytest.mark.parametrize("broken", [_reset, _reset_midway, _short])
def test_a_broken_embedded_connection_is_like_a_broken_one(broken: Respond) -> None:
    """It is tried again like one on a network."""
    steps = [broken, broken, ok]

    def respond(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        return steps.pop(0)(environ, start)

    with embedded(app(respond)) as (writer, meter):
        found = writer.get("7f")

    assert found.id == "7f"
    assert 2 == meter.snapshot()["retries"]


def test_a_connection_that_stays_broken_is_an_error_of_ours() -> None:
    """Nothing of httpx, and no OSError, leaves."""
    with embedded(app(_reset)) as (writer, _), pytest.raises(ServiceError, match="broke"):
        writer.get("7f")


@pytest.mark.parametrize(
    ("tenant", "words"),
    [
        (replace(REAL, base_url="http://acme.example.com/api"), "baseUrl must be https"),
        (replace(REAL, token_url="http://acme.example.com/token"), "tokenUrl must be https"),
        (replace(REAL, dialect="smoke-signals"), "smoke-signals"),
        (replace(REAL, credentials=None), "no credentials"),
    ],
)
def test_a_tenant_that_cannot_be_spoken_to_safely_is_refused(tenant: Tenant, words: str) -> None:
    """No token ever travels in clear text to another machine."""
    with (
        pytest.raises(SettingError, match=words),
        connect(tenant, meter=Meter(), on_wait=unheard),
    ):
        pytest.fail("it was opened")


class Loopback(BaseHTTPRequestHandler):
    """A service on a socket whose first answer to everything is cut off."""

    protocol_version = "HTTP/1.1"
    seen: list[str]

    def do_POST(self) -> None:
        """Grant a token."""
        self.rfile.read(int(self.headers["content-length"]))
        self._send(b'{"access_token":"abc","expires_in":3600}')

    def do_GET(self) -> None:
        """Answer with a list, the second time with all of it."""
        self.seen.append(self.path)
        body = json.dumps(LIST).encode()
        self._send(body, cut=len(self.seen) == 1)

    def _send(self, body: bytes, *, cut: bool = False) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:10] if cut else body)
        self.close_connection = cut

    def log_message(self, *_args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    """Serve on loopback."""
    Loopback.seen = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Loopback)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_truncated_body_on_a_socket_is_asked_for_again(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over http to this machine, which alone is allowed, past any proxy."""
    monkeypatch.setenv("ACME_ID", "client")
    monkeypatch.setenv("ACME_SECRET", "made-up")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    tenant = replace(
        REAL,
        base_url=f"http://127.0.0.1:{port}/api/v2/",
        token_url=f"http://127.0.0.1:{port}/oauth/token",
        limits=Limits(requests_per_second=1e6),
    )
    waits: list[str] = []
    clock = HandClock().clock

    with connect(tenant, meter=Meter(), on_wait=waits.append, clock=clock) as writer:
        found = writer.get("7f")

    assert found.id == "7f"
    assert ["/api/v2/lists/7f"] * 2 == Loopback.seen
    assert 1 == len(waits)
