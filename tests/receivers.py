"""A receiver of webhooks on loopback, which believes only what is signed.

It verifies each event with a library that is not ours and says something that nobody may repeat.
"""

import base64
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

SECRET = "whsec_" + base64.b64encode(b"a secret that is long enough").decode()
SAID = b"what a receiver says is nobody's business"


@dataclass(slots=True, kw_only=True)
class Crm:
    """A receiver on loopback: verifies each event, and answers with these statuses in turn."""

    statuses: Sequence[int]
    url: str = ""
    ids: list[str] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)

    def take(self, headers: dict[str, str], body: bytes) -> int:
        """Verify an event and return the status to answer with."""
        event: dict[str, Any] = Webhook(SECRET).verify(body, headers)
        self.ids.append(headers["webhook-id"])
        self.events.append(event)
        return self.statuses[min(len(self.ids), len(self.statuses)) - 1]


@contextmanager
def receiving(*statuses: int) -> Iterator[Crm]:
    """Receive events until the block ends."""
    crm = Crm(statuses=statuses)

    class Conversation(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(crm.take(headers, body))
            self.send_header("retry-after", "0")
            self.send_header("location", crm.url + "/elsewhere")
            self.end_headers()
            self.wfile.write(SAID)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Conversation) as server:
        crm.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield crm
        finally:
            server.shutdown()


def hooks(*urls: str, reference: str = "env:HOOK") -> str:
    """Return the webhooks of a tenant's spec."""
    lines = (f"    - {{url: {url}/hook, secret: {reference}}}\n" for url in urls)
    return "  webhooks:\n" + "".join(lines)
