"""A loopback service of dialect ``lists`` that costs next to nothing: run as ``-m …service PORT``.

Pages are ready-made and go from their file to the socket; what is posted is counted and kept as it
came. It judges no contact, demands no token, and writes down who asked what and when. Under
``/bench`` the measuring program sets lists up and reads those notes.
"""

import gzip
import json
import os
import sys
import threading
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO, Final
from urllib.parse import parse_qsl, urlsplit

import orjson

_PAGE: Final = 10_000
_LISTS: Final = "/api/v2/lists/"
_BENCH: Final = "/bench/"


@dataclass(slots=True, kw_only=True)
class Held:
    """One list: its pages in a file, and what was posted since they were made."""

    name: str
    rows: int = 0
    file: BinaryIO | None = None
    starts: list[int] = field(default_factory=list)
    posted: list[bytes] = field(default_factory=list)
    moves: int = 0
    """How often its contacts were written."""
    settled: list[bytes] = field(default_factory=list)
    """Pages made of all that it holds, once somebody reads after a write."""

    @classmethod
    def of(cls, name: str, pages: str | None) -> "Held":
        """Return a list with the pages of a file, or an empty one."""
        if not pages:
            return cls(name=name)
        index = json.loads(Path(pages).with_suffix(".index").read_text(encoding="utf-8"))
        return cls(name=name, file=Path(pages).open("rb"), **index)

    def take(self, body: bytes) -> None:
        """Keep a batch. Nothing that an address may hold looks like the seam of two contacts."""
        self.rows += body.count(b"},{") + 1
        self.posted.append(body)
        self.moves += 1
        self.settled.clear()

    def page(self, skip: int) -> tuple[int, int] | bytes:
        """Return where a page lies in the file, or its bytes.

        Raises:
            ValueError: no page begins there.
        """
        if self.posted and not self.settled:
            self._settle()
        pages = len(self.settled) or max(len(self.starts) - 1, 0)
        at, beside = divmod(skip, _PAGE)
        if skip >= self.rows or at >= pages:
            return b'{"contacts":[],"totalRecords":%d}' % self.rows
        if beside:
            raise ValueError(f"pages begin at multiples of {_PAGE}")
        return self.settled[at] if self.settled else (self.starts[at], self.starts[at + 1])

    def _settle(self) -> None:
        """Join what was posted with what was there, the later of one address winning."""
        everybody = {
            contact.get("email") or contact["phoneNumber"]: contact
            for body in (*self._filed(), *self.posted)
            for contact in orjson.loads(body)["contacts"]
        }
        contacts = list(everybody.values())
        self.rows = len(contacts)
        self.settled += [
            orjson.dumps({"contacts": contacts[at : at + _PAGE], "totalRecords": self.rows})
            for at in range(0, self.rows, _PAGE)
        ]

    def _filed(self) -> list[bytes]:
        if self.file is None:
            return []
        self.file.seek(0)
        data = self.file.read()
        return [data[a:b] for a, b in zip(self.starts, self.starts[1:], strict=False)]


class Desk(ThreadingHTTPServer):
    """The open service: its lists and its notes, a thread a connection."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), Conversation)
        self.lists: dict[str, Held] = {}
        self.notes: list[tuple[str, str, float, float]] = []
        """Kind, list, and when a request came and was answered, in seconds of one clock."""
        self.lock = threading.Lock()


class Conversation(BaseHTTPRequestHandler):
    """One connection."""

    server: Desk
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    rbufsize = 1 << 20  # a batch has a megabyte

    def do_GET(self) -> None:
        """Answer, and note how long it took."""
        came = time.perf_counter()
        kind, name = self._answer()
        if kind:
            with self.server.lock:
                self.server.notes.append((kind, name, came, time.perf_counter()))

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - http.server's names

    def _answer(self) -> tuple[str, str]:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        url = urlsplit(self.path)
        if url.path.startswith(_BENCH):
            self._json(self._bench(url.path.removeprefix(_BENCH), body))
            return "", ""
        if url.path.endswith("/token"):
            self._json({"access_token": "t", "expires_in": 86400, "token_type": "Bearer"})
            return "token", ""
        name, _, rest = url.path.removeprefix(_LISTS).partition("/")
        held = self.server.lists.get(name)
        if held is None:
            self._send(HTTPStatus.NOT_FOUND, b'{"error":"no such list"}')
            return "lost", name
        if not rest:
            self._metadata(name, held)
            return "metadata", name
        if self.command == "GET":
            self._page(held, int(dict(parse_qsl(url.query)).get("skip", "0")))
            return "page", name
        self._write(held, body)
        return "write", name

    def _metadata(self, name: str, held: Held) -> None:
        told = {"id": name, "name": held.name, "listType": "suppression", "contactCount": held.rows}
        self._json(told, held)

    def _page(self, held: Held, skip: int) -> None:
        with self.server.lock:
            found = held.page(skip)
        if isinstance(found, bytes):
            self._send(HTTPStatus.OK, found, held)
            return
        first, last = found
        self._head(HTTPStatus.OK, last - first, held)
        assert held.file is not None
        self.connection.sendfile(held.file, offset=first, count=last - first)

    def _write(self, held: Held, body: bytes) -> None:
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        with self.server.lock:
            held.take(body)
            rows = held.rows
        told = {"status": "COMPLETED", "contactCount": rows, "validationErrors": []}
        self._json(told, held, status=HTTPStatus.CREATED)

    def _bench(self, what: str, body: bytes) -> object:
        given = json.loads(body or b"{}")
        with self.server.lock:
            match what:
                case "lists":
                    for name, pages in given.items():
                        self.server.lists[name] = Held.of(name, pages)
                case "notes":
                    taken, self.server.notes = self.server.notes, []
                    return taken
                case "bodies":
                    for number, kept in enumerate(self.server.lists[given["list"]].posted):
                        (Path(given["into"]) / f"{number:06}.json").write_bytes(kept)
        return {}

    def _json(self, document: Any, held: Held | None = None, *, status: int = 200) -> None:
        self._send(status, orjson.dumps(document), held)

    def _send(self, status: int, body: bytes, held: Held | None = None) -> None:
        self._head(status, len(body), held)
        self.wfile.write(body)

    def _head(self, status: int, size: int, held: Held | None) -> None:
        self.send_response_only(status)
        self.send_header("Date", self.date_time_string())
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(size))
        if held is not None:
            self.send_header("ETag", f'"{held.rows}-{held.moves}"')
        self.end_headers()


def _until_left() -> None:
    sys.stdin.read()
    os._exit(0)


def main(words: list[str]) -> None:
    """Serve on a port, 0 for a free one, which the first line on standard output names.

    It ends with its standard input, so that it never outlives who started it.
    """
    threading.Thread(target=_until_left, daemon=True).start()
    with Desk(int(words[0])) as desk:
        print(desk.server_address[1], flush=True)  # noqa: T201 - a program
        desk.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
