"""Between our program and the sandbox: requests are counted by name, and mishaps happen to them.

A WSGI app around the real one, so that the real client with its retries meets every mishap as it
would on a network. A request is named by its kind, its list and which of these it is: lists are
worked on side by side, so a number over all of them would mean another request every time.
"""

import io
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, NamedTuple, TypeAlias
from urllib.parse import parse_qs
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import orjson
from reference import Declared
from watch import Neighbour, Watch, look

from reconciler.sandbox import data

Kind: TypeAlias = Literal["token", "find", "get", "page", "create", "update", "send"]
KINDS: Final[tuple[Kind, ...]] = ("token", "find", "get", "page", "create", "update", "send")
_LISTS: Final = "/api/v2/lists"
_KINDS: Final[dict[tuple[str, int], Kind]] = {
    ("GET", 0): "find",
    ("POST", 0): "create",
    ("GET", 1): "get",
    ("PATCH", 1): "update",
    ("GET", 2): "page",
    ("POST", 2): "send",
}
"""By method, and how many parts the path has below that of all lists."""
WRITES: Final = frozenset({"create", "update", "send"})
Span: TypeAlias = Literal["once", "again", "all"]
"""How long a mishap lasts: one request, all of its name from then on, or all whatsoever."""


class Asked(NamedTuple):
    """The name of a request."""

    kind: Kind
    key: str
    """Of the list; empty for a token."""
    nth: int
    """Counted from 1 over one run of the program."""

    def __str__(self) -> str:
        return f"{self.kind} {self.key}#{self.nth}".replace(" #", "#")


class Reply(NamedTuple):
    """What goes back over the wire."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()

    def header(self, name: str) -> str:
        """Return the value of a header, empty where there is none."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    def without(self, *names: str) -> tuple[tuple[str, str], ...]:
        """Return the headers but for these."""
        return tuple((key, value) for key, value in self.headers if key.lower() not in names)


@dataclass(slots=True, kw_only=True)
class Call:
    """One request in the hands of a mishap, which may pass it on, more than once or not at all."""

    asked: Asked
    environ: WSGIEnvironment
    body: bytes
    between: "Between"

    def serve(self, body: bytes | None = None, *, query: str | None = None) -> Reply:
        """Let the service do what was asked, or something like it, and return its answer."""
        return self.between.served(self, self.body if body is None else body, query)

    @property
    def neighbour(self) -> Neighbour:
        """Somebody else at work on the list."""
        each = next(each for each in self.between.lists if each.key == self.asked.key)
        return Neighbour(watch=self.between.watch, each=each)

    @property
    def query(self) -> str:
        """What follows the question mark."""
        return str(self.environ.get("QUERY_STRING", ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Mishap:
    """What goes wrong, with which request, and for how long."""

    at: Asked
    does: Callable[[Call], Reply]
    span: Span = "once"
    name: str = ""

    def __str__(self) -> str:
        return f"{self.name} at {self.at}"

    def befalls(self, asked: Asked, *, happened: bool) -> bool:
        """Tell whether this request is one of those it happens to."""
        if self.span == "all" and happened:
            return True
        same = (asked.kind, asked.key) == (self.at.kind, self.at.key)
        return same and (
            asked.nth == self.at.nth or (self.span != "once" and asked.nth > self.at.nth)
        )


@dataclass(slots=True, kw_only=True)
class Between:
    """The app that the client talks to; one for each run of the program."""

    service: WSGIApplication
    lists: Sequence[Declared]
    watch: Watch
    now: Callable[[], datetime]
    mishaps: Sequence[Mishap] = ()
    seen: list[Asked] = field(default_factory=list)
    happened: set[int] = field(default_factory=set)
    etags: dict[str, list[str]] = field(default_factory=dict)
    """The versions every list has had, oldest first."""
    accepted: dict[str, set[str]] = field(default_factory=dict)
    """Whom the service was seen to take, by list."""
    _counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        """Answer one request, as a mishap has it or as the service does."""
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        with self._lock:
            asked = self._named(environ, body)
            due = [
                at
                for at, each in enumerate(self.mishaps)
                if each.befalls(asked, happened=at in self.happened)
            ]
            self.happened.update(due[:1])
        call = Call(asked=asked, environ=environ, body=body, between=self)
        reply = self.mishaps[due[0]].does(call) if due else call.serve()
        headers = list(reply.headers)
        if not reply.header("content-length"):
            headers.append(("Content-Length", str(len(reply.body))))
        start(f"{reply.status} Any", headers)
        return [reply.body]

    def served(self, call: Call, body: bytes, query: str | None) -> Reply:
        """Pass a request on to the sandbox, and look at the list after a write."""
        environ = {**call.environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        if query is not None:
            environ["QUERY_STRING"] = query
        begun: list[tuple[str, list[tuple[str, str]]]] = []

        def start(
            status: str, headers: list[tuple[str, str]], *_: object
        ) -> Callable[[bytes], object]:
            begun.append((status, headers))
            return lambda _: None

        content = b"".join(self.service(environ, start))
        status, headers = begun[-1]
        reply = Reply(int(status[:3]), content, tuple(headers))
        self._note(call.asked, body, reply)
        return reply

    def body(self, key: str) -> dict[str, object]:
        """Return what the service would say of a list."""
        found = look(self.watch.database, tuple(self.lists), only=key)[key]
        with data.reading(self.watch.database) as connection:
            stored = data.get_list(connection, found.list_id)
        assert stored
        return stored.body

    def _note(self, asked: Asked, body: bytes, reply: Reply) -> None:
        if reply.header("etag"):
            self.etags.setdefault(asked.key, []).append(reply.header("etag"))
        if asked.kind == "send" and reply.status == 201:
            refused = {each["index"] for each in orjson.loads(reply.body)["validationErrors"]}
            taken = self.accepted.setdefault(asked.key, set())
            for at, row in enumerate(orjson.loads(body)["contacts"]):
                if at not in refused:
                    taken.add(row.get("email") or row.get("phoneNumber"))
        if asked.kind in WRITES:
            self.watch.check(asked.key, self.now())

    def _named(self, environ: WSGIEnvironment, body: bytes) -> Asked:
        method, path = str(environ["REQUEST_METHOD"]), str(environ["PATH_INFO"])
        _, ours, rest = path.partition(_LISTS)
        below = [part for part in rest.split("/") if part]
        kind, key = _KINDS[method, len(below)] if ours else "token", ""
        if kind in ("find", "create"):
            query = parse_qs(str(environ.get("QUERY_STRING", "")))
            name = orjson.loads(body)["name"] if body else query["name"][0]
            key = next(each.key for each in self.lists if each.name == name)
        elif kind != "token":
            known = {each.list_id: each.key for each in self.lists}
            key = known.get(below[0], self.lists[-1].key)
        self._counts[kind, key] += 1
        asked = Asked(kind, key, self._counts[kind, key])
        self.seen.append(asked)
        return asked
