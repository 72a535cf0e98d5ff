"""HTTP on a free port of loopback for a service under test: requests in, answers out.

It knows nothing of what is asked or answered, and writes every header name in lower case.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

Json: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request as it came; header names in lower case."""

    method: str
    path: str
    """With the query."""
    headers: Mapping[str, str]
    body: str

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer. ``body`` is sent as JSON unless it is bytes, which go out as they are."""

    status: int
    body: Json | bytes = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def serving(answer: Callable[[Asked], Answer], *, clock: Callable[[], datetime]) -> Iterator[int]:
    """Answer requests until the block ends; yields the port.

    Args:
        answer: called once a request, from the thread of its connection.
        clock: what the ``date`` header says.
    """
    server = _Server(answer, clock)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def http_date(when: datetime) -> str:
    """Write a time the way HTTP headers do."""
    return format_datetime(when, usegmt=True)


class _Conversation(BaseHTTPRequestHandler):
    """One connection; it hands each request to the service and writes the answer."""

    server: "_Server"
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    disable_nagle_algorithm = True
    timeout = 5

    def do_GET(self) -> None:
        self._converse()

    do_POST = do_PATCH = do_PUT = do_DELETE = do_GET  # noqa: N815 - likewise

    def _converse(self) -> None:
        size = int(self.headers.get("content-length", 0))
        asked = Asked(
            method=self.command,
            path=self.path,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(size).decode(),
        )
        answer = self.server.answer(asked)
        body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        body = b"" if answer.status == 304 else body
        self.send_response_only(answer.status)
        headers = {
            "date": http_date(self.server.clock()),
            "content-type": "application/json; charset=utf-8",
            "content-length": str(len(body)),
            **answer.headers,
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Keep quiet."""


class _Server(ThreadingHTTPServer):
    """A thread a connection; closing it waits for them."""

    daemon_threads = False

    def __init__(self, answer: Callable[[Asked], Answer], clock: Callable[[], datetime]) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.answer = answer
        self.clock = clock
