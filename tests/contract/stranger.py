"""The ``lists`` dialect as a stranger would build it: a second service for tests, on loopback.

Written from the description of the service alone. It shares no line with the sandbox and none
with the client, so that a misreading there cannot agree with itself here. What the description
leaves open it does in the way a client expects least; what it does is always allowed. It must
never import from ``reconciler``, and keeps everything in memory.
"""

import secrets
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any, Literal, TypeAlias
from urllib.parse import parse_qs, urlsplit

from loopback import Answer, Asked, Json, http_date, serving
from spellings import by_turns, moment

REASONS = {"DNC", "BOUNCE", "UNSUBSCRIBE", "COMPLIANCE", "CUSTOMER_REQUEST"}
MOST = 10_000
"""Contacts in one POST, and rows in one page, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How this service behaves where the description leaves it a choice."""

    page: int = 7
    """Rows of a page at most, whatever ``top`` asks for."""
    conflict: int = 412
    """The status of a PATCH whose ETag is old."""
    accepted: int = 200
    """The status of a POST of contacts that was taken."""
    complaint: Literal["index", "identifier", "code"] = "identifier"
    """How much a validation error says of its row: all, no index, or neither."""
    bad_row: Literal["partly", "whole"] = "partly"
    """A bad row is left out of its batch, or the whole batch is refused with a 422."""
    largest: int = MOST
    """Contacts in one POST; more are a 413."""
    spell: Callable[[str], str] = str
    """How it stores, and so returns, an identifier; stable when applied twice."""
    token_life: int = 45
    """Seconds, of which a careful client uses only the first few."""
    busy_every: int = 0
    """Every nth request is told to come back at a date, one to two seconds off; 0 is never."""
    ahead: timedelta = timedelta()
    """Its clock less everybody else's."""


Interruption: TypeAlias = Callable[[], Answer | None]
"""Something that happens just before a request is worked on; an answer replaces the service's."""


@dataclass(slots=True, kw_only=True)
class _Hook:
    method: str
    path: str
    nth: int
    act: Interruption
    seen: int = 0

    def due(self, asked: Asked) -> bool:
        """Count this request if it matches; tell whether it is the one."""
        if asked.method != self.method or not fnmatchcase(urlsplit(asked.path).path, self.path):
            return False
        self.seen += 1
        return self.seen == self.nth


@dataclass(slots=True, kw_only=True)
class _List:
    id: str
    name: str
    description: str | None
    type: str
    until: str | None
    etag: str = ""
    changes: int = 0
    contacts: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By a key of our own, in the order of arrival."""
    keys: dict[str, str] = field(default_factory=dict)
    """That key by identifier."""


class Stranger:
    """The service. ``with Stranger().serve() as service`` answers at ``service.base_url``.

    Tests reach into it between requests: ``put`` and ``take`` are another client's writes,
    ``before`` interrupts the nth request of a kind, ``asked`` is every request so far.
    """

    def __init__(self, manners: Manners | None = None) -> None:
        self.manners = manners or Manners()
        self.client = ("stranger-id", "stranger-secret")
        self.asked: list[Asked] = []
        self.unwelcome: dict[str, str] = {}
        """Identifiers it will not take, with the code it gives."""
        self._hooks: list[_Hook] = []
        self._lists: dict[str, _List] = {}
        self._tokens: dict[str, datetime] = {}
        self._lock = threading.RLock()
        self._port = 0

    # ------------------------------------------------------------ for tests

    @contextmanager
    def serve(self) -> Iterator["Stranger"]:
        """Answer on a free port of loopback until the block ends."""
        with serving(self.answer, clock=self.now) as self._port:
            yield self

    @property
    def base_url(self) -> str:
        """Where the lists are."""
        return f"http://127.0.0.1:{self._port}/api/v2"

    @property
    def token_url(self) -> str:
        """Where tokens are."""
        return f"http://127.0.0.1:{self._port}/oauth/token"

    def before(self, method: str, path: str, nth: int, act: Interruption) -> None:
        """Do something just before the nth request (from 1, from now) of a method and path glob."""
        self._hooks.append(_Hook(method=method, path=path, nth=nth, act=act))

    def add_list(self, name: str, *, until: str | None = None, kind: str = "suppression") -> str:
        """Make a list and return its id."""
        made = _List(
            id=f"L-{len(self._lists) + 1}.x", name=name, description=None, type=kind, until=until
        )
        self._lists[made.id] = made
        _touch(made)
        return made.id

    def put(self, list_id: str, **contact: str | int | None) -> None:
        """Upsert one contact as another client would; keys as on the wire."""
        with self._lock:
            held = self._lists[list_id]
            self._upsert(held, {"reason": "DNC", "version": 1, **contact})
            _touch(held)

    def take(self, list_id: str, identifier: str) -> None:
        """Remove the contact that has this identifier, as another client would."""
        with self._lock:
            held = self._lists[list_id]
            for key in self._matching(held, {"email": identifier}):
                self._remove(held, key)
            _touch(held)

    def bump(self, list_id: str) -> None:
        """Change a list's ETag and nothing else."""
        with self._lock:
            _touch(self._lists[list_id])

    def revoke(self) -> None:
        """Forget every token it has given out."""
        self._tokens.clear()

    def contacts(self, list_id: str) -> tuple[Mapping[str, Any], ...]:
        """Return what a list holds, in the order of arrival, as stored."""
        with self._lock:
            return tuple(dict(contact) for contact in self._lists[list_id].contacts.values())

    def busy(self, *, seconds: int = 1) -> Answer:
        """Return a 429 that names the date at which to come back."""
        return Answer(
            status=429,
            body=b"slow down",
            headers={"retry-after": http_date(self.now() + timedelta(seconds=seconds))},
        )

    def now(self) -> datetime:
        """Return the time by this service's clock."""
        return datetime.now(UTC) + self.manners.ahead

    # ------------------------------------------------------------ the service

    def answer(self, asked: Asked) -> Answer:
        """Answer one request; one at a time."""
        with self._lock:
            self.asked.append(asked)
            due = [hook for hook in self._hooks if hook.due(asked)]
            for answer in [hook.act() for hook in due]:
                if answer is not None:
                    return answer
            every = self.manners.busy_every
            return self.busy() if every and not len(self.asked) % every else self._route(asked)

    def _route(self, asked: Asked) -> Answer:
        url = urlsplit(asked.path)
        if (asked.method, url.path) == ("POST", "/oauth/token"):
            return self._token(asked)
        if not self._welcome(asked):
            return Answer(status=401, body={"error_description": "who are you?"})
        match asked.method, url.path.removeprefix("/api/v2/").split("/"):
            case "GET", ["lists"]:
                return self._search(parse_qs(url.query))
            case "POST", ["lists"]:
                return self._create(asked.json)
            case method, ["lists", list_id, *rest] if list_id in self._lists:
                return self._of_list(self._lists[list_id], method, rest, asked)
        return Answer(status=404, body={"message": "nothing here"})

    def _of_list(self, held: _List, method: str, rest: list[str], asked: Asked) -> Answer:
        match method, rest:
            case "GET", []:
                if asked.headers.get("if-none-match") == held.etag:
                    return Answer(status=304, headers={"etag": held.etag})
                return Answer(status=200, body=_shown(held), headers={"etag": held.etag})
            case "PATCH", []:
                return self._patch(held, asked)
            case "GET", ["contacts"]:
                return self._page(held, parse_qs(urlsplit(asked.path).query))
            case "POST", ["contacts"]:
                return self._take_batch(held, asked.json["contacts"])
        return Answer(status=405, body={"message": "not like that"})

    def _token(self, asked: Asked) -> Answer:
        form = {key: values[0] for key, values in parse_qs(asked.body).items()}
        given = (form.get("client_id"), form.get("client_secret"))
        if form.get("grant_type") != "client_credentials" or given != self.client:
            return Answer(status=401, body={"error": "invalid_client"})
        token = f"{secrets.token_urlsafe(16)}.~+/=="
        self._tokens[token] = datetime.now(UTC) + timedelta(seconds=self.manners.token_life)
        return Answer(
            status=200,
            body={
                "scope": "lists:read lists:write lists:contacts:read lists:contacts:write",
                "token_type": "bearer",
                "refresh_token": None,
                "expires_in": self.manners.token_life,
                "access_token": token,
            },
        )

    def _welcome(self, asked: Asked) -> bool:
        kind, _, token = asked.headers.get("authorization", "").partition(" ")
        ends = self._tokens.get(token)
        return kind.lower() == "bearer" and ends is not None and ends > datetime.now(UTC)

    def _search(self, query: Mapping[str, list[str]]) -> Answer:
        (name,) = query["name"]
        found = [_shown(held) for held in self._lists.values() if held.name == name]
        return Answer(status=200, body={"lists": found, "paging": {"next": None}})

    def _create(self, body: Json) -> Answer:
        made = self._lists[self.add_list(body["name"], kind=body["listType"])]
        made.description = body.get("description")
        made.until = body.get("suppressUntil")
        return Answer(status=201, body=_shown(made), headers={"etag": made.etag})

    def _patch(self, held: _List, asked: Asked) -> Answer:
        if asked.headers.get("if-match") != held.etag:
            return Answer(status=self.manners.conflict, body={"message": "changed meanwhile"})
        fields: Json = asked.json
        if unknown := set(fields) - {"name", "description", "suppressUntil"}:
            return Answer(status=400, body={"errorDescription": f"not to be set: {len(unknown)}"})
        held.name = fields.get("name", held.name)
        held.description = fields.get("description", held.description)
        held.until = fields.get("suppressUntil", held.until)
        _touch(held)
        return Answer(status=200, body=_shown(held), headers={"etag": held.etag})

    def _page(self, held: _List, query: Mapping[str, list[str]]) -> Answer:
        skip = int(query.get("skip", ["0"])[0])
        top = min(int(query.get("top", ["100"])[0]), self.manners.page)
        contacts = list(held.contacts.values())
        rows = [_contact(contact) for contact in contacts[skip : skip + top]]
        return Answer(
            status=200,
            body={"totalRecords": len(contacts), "returned": len(rows), "contacts": rows},
            headers={"etag": held.etag},
        )

    def _take_batch(self, held: _List, contacts: list[dict[str, Any]]) -> Answer:
        if len(contacts) > min(self.manners.largest, MOST):
            return Answer(status=413, body=b"<html>too large</html>")
        often = Counter(name for contact in contacts for name in self._identifiers(contact))
        complaints = [
            self._complaint(index, contact, *wrong)
            for index, contact in enumerate(contacts)
            if (wrong := self._wrong(held, contact, often))
        ]
        bad = {complaint["index"] for complaint in complaints}
        told = [self._told(complaint) for complaint in complaints]
        if told and self.manners.bad_row == "whole":
            return Answer(status=422, body={"status": "FAILED", "validationErrors": told})
        for index, contact in enumerate(contacts):
            if index not in bad:
                self._upsert(held, contact)
        _touch(held)
        return Answer(
            status=self.manners.accepted,
            body={
                "status": "COMPLETED",
                "contactCount": len(held.contacts),
                "validationErrors": told,
                "tookMillis": 3,
            },
            headers={"etag": held.etag},
        )

    def _wrong(
        self, held: _List, contact: Json, often: Mapping[str, int]
    ) -> tuple[str, str] | None:
        """Return the field and code of the first thing wrong with a contact, if any is."""
        given = self._identifiers(contact)
        if not given:
            return "email", "IDENTIFIER_MISSING"
        if any(often[name] > 1 for name in given):
            return "email", "TWICE_IN_BATCH"
        for name in ("email", "phoneNumber"):
            if code := self.unwelcome.get(contact.get(name, "")):
                return name, code
        if contact.get("reason") not in REASONS:
            return "reason", "UNKNOWN_REASON"
        if (until := contact.get("suppressUntil")) and moment(until) <= self.now():
            return "suppressUntil", "IN_THE_PAST"
        last = max(
            (held.contacts[key]["version"] for key in self._matching(held, contact)), default=0
        )
        return ("version", "OLD_VERSION") if contact.get("version", 1) < last else None

    def _complaint(self, index: int, contact: Json, name: str, code: str) -> dict[str, Any]:
        return {
            "index": index,
            "identifier": contact.get("email") or contact.get("phoneNumber"),
            "field": name,
            "code": code,
            "message": f"{contact.get(name)} will not do",
        }

    def _told(self, complaint: dict[str, Any]) -> dict[str, Any]:
        """Leave out of a complaint what this service does not tell."""
        hidden = {"index": (), "identifier": ("index",), "code": ("index", "identifier")}
        left_out = hidden[self.manners.complaint]
        kept = {name: value for name, value in complaint.items() if name not in left_out}
        if self.manners.complaint == "code":
            kept["message"] = "some contact will not do"
        return kept

    def _upsert(self, held: _List, contact: Json) -> None:
        """Replace, in its place, what matches an identifier; else append."""
        stored = dict(contact)
        for name in ("email", "phoneNumber"):
            if stored.get(name):
                stored[name] = self.manners.spell(stored[name])
        first, *others = [*self._matching(held, contact), secrets.token_hex(8)]
        for key in others:
            self._remove(held, key)
        for name in self._identifiers(held.contacts.get(first, {})):
            del held.keys[name]
        held.contacts[first] = stored
        held.keys.update(dict.fromkeys(self._identifiers(stored), first))

    def _remove(self, held: _List, key: str) -> None:
        for name in self._identifiers(held.contacts.pop(key, {})):
            del held.keys[name]

    def _identifiers(self, contact: Json) -> set[str]:
        given = (contact.get("email"), contact.get("phoneNumber"))
        return {self.manners.spell(text).lower() for text in given if text}

    def _matching(self, held: _List, contact: Json) -> list[str]:
        found = (held.keys.get(name) for name in sorted(self._identifiers(contact)))
        return list(dict.fromkeys(key for key in found if key))


def _touch(held: _List) -> None:
    """Give a list a new ETag, of another form than its last one."""
    held.changes += 1
    forms = ('W/"a,{} c"', '"{}"', 'W/"{}"', "\"x;'{}'=,W/\"", '"/{}?*#&%41"')
    held.etag = forms[held.changes % len(forms)].format(f"{held.id}-{held.changes}")


def _shown(held: _List) -> dict[str, Any]:
    """Return a list the way it is shown; an absent end is a null."""
    return {
        "owner": {"id": 7, "contacts": []},
        "contactCount": len(held.contacts),
        "suppressUntil": by_turns(held.until, held.changes),
        "listType": held.type,
        "description": held.description,
        "name": held.name,
        "id": held.id,
    }


def _contact(contact: Json) -> dict[str, Any]:
    """Return a contact the way it is shown: every key there, and one nobody asked for."""
    return {
        "createdBy": {"agent": 12},
        "version": contact["version"],
        "suppressUntil": by_turns(contact.get("suppressUntil"), contact["version"]),
        "reason": contact["reason"],
        "phoneNumber": contact.get("phoneNumber"),
        "email": contact.get("email"),
    }
