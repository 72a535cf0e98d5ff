"""Buckets on this machine: moto's S3 in a process of its own, and a service that is too lax.

moto answers one request after the other and honours preconditions; ``lax`` is a service that
ignores them, as some do.
"""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Final

KEYS: Final = {
    "AWS_ACCESS_KEY_ID": "access-key-of-nobody",
    "AWS_SECRET_ACCESS_KEY": "secret-key-of-nobody-at-all",
    "AWS_REGION": "us-east-1",
    "AWS_S3_FORCE_PATH_STYLE": "true",
}
_SIGNED: Final = "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request"
_SERVE: Final = """
import sys
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
app = DomainDispatcherApplication(create_backend_app)
server = make_server("127.0.0.1", 0, app, threaded=False)
print(server.port, flush=True)
server.serve_forever()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class S3:
    """A service on loopback."""

    endpoint: str

    @property
    def environment(self) -> dict[str, str]:
        """What whoever uses it has in its environment."""
        return {**KEYS, "AWS_ENDPOINT_URL": self.endpoint}

    def bucket(self, name: str) -> str:
        """Make a bucket and return its URL."""
        way = HTTPConnection(self.endpoint.removeprefix("http://"))
        way.request("PUT", f"/{name}", headers={"Authorization": _SIGNED})
        assert way.getresponse().status == 200
        way.close()
        return f"s3://{name}"


@contextmanager
def s3() -> Iterator[S3]:
    """Serve S3 until the block ends."""
    with subprocess.Popen(  # noqa: S603 - this very Python, with words of ours
        [sys.executable, "-c", _SERVE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            yield S3(endpoint=f"http://127.0.0.1:{port}")
        finally:
            server.kill()


@dataclass(slots=True)
class _Shelf:
    held: dict[str, bytes] = field(default_factory=dict)


@contextmanager
def lax() -> Iterator[S3]:
    """Serve what takes every PUT, whatever its preconditions, until the block ends."""
    shelf = _Shelf()

    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            shelf.held[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(200, b"", sha256(shelf.held[self.path]).hexdigest())

        def do_GET(self) -> None:
            data = shelf.held.get(self.path)
            self._answer(200 if data is not None else 404, data or b"", "x")

        def _answer(self, status: int, body: bytes, etag: str) -> None:
            self.send_response(status)
            self.send_header("ETag", f'"{etag}"')
            self.send_header("Last-Modified", "Mon, 23 Nov 2026 10:15:00 GMT")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield S3(endpoint=f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
