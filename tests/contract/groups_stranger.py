"""Do-not-call groups as a stranger would build them: a second service for tests, on loopback.

Written from the description of the service alone. It shares no line with the sandbox and none
with the client, so that a misreading there cannot agree with itself here. It must never import
from ``reconciler``, and keeps everything in memory.
"""

import base64
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import parse_qs, urlsplit

from loopback import Answer, Asked, http_date, serving
from stranger import Interruption

BASE = "/inContactAPI/services/v34.0"
MOST = 4_500
"""Records in one request, at most."""
TENANT = "tenant-of-strangers"
SKILLS = {"17": "Renewals", "18": "Collections"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How this service behaves where the description leaves it a choice."""

    page: int = 7
    """Records of a page at most, whatever ``top`` asks for."""
    records: str = "dncRecords"
    """Under which key records stand."""
    total: str = "whole"
    """What ``totalRecords`` is of: the ``whole`` list, the ``page``, or not there (``none``)."""
    wrapped: bool = True
    """Whether the results of a batch stand in a ``resultSet``."""
    words: bool = False
    """Whether a success is told by a text, and a number kept as one, with its country's 1."""
    empty_page: bool = False
    """Whether nothing is told by an empty page rather than by 204."""
    dates: str = "{:%Y-%m-%dT%H:%M:%S}.0000000Z"


@dataclass(slots=True, kw_only=True)
class _Group:
    id: int
    name: str
    description: str
    active: bool = True
    removed: bool = False
    moved: int = 0
    records: dict[str, tuple[int, datetime | None]] = field(default_factory=dict)
    """Number of the record and end, by digits."""
    skills: dict[str, list[str]] = field(
        default_factory=lambda: {"scrubbed": [], "contributing": []}
    )


@dataclass(slots=True, kw_only=True)
class _Hook:
    method: str
    path: str
    left: int
    act: Interruption

    def due(self, asked: Asked) -> bool:
        """Count this request if it matches; tell whether it is the one."""
        path = urlsplit(asked.path).path
        if asked.method != self.method or not fnmatchcase(path, self.path):
            return False
        self.left -= 1
        return not self.left


class GroupsStranger:
    """The service. ``with GroupsStranger().serve() as service`` answers at ``service.token_url``.

    Tests reach into it between requests, as into the stranger of lists.
    """

    def __init__(self, habits: Habits | None = None) -> None:
        self.habits = habits or Habits()
        self.asked: list[Asked] = []
        self.unwelcome: dict[str, str] = {}
        self.groups: dict[str, _Group] = {}
        self._hooks: list[_Hook] = []
        self._tokens: set[str] = set()
        self._lock = threading.RLock()
        self._port = 0

    # ------------------------------------------------------------ for tests

    @contextmanager
    def serve(self) -> Iterator["GroupsStranger"]:
        """Answer on a free port of loopback until the block ends."""
        with serving(self.answer, clock=lambda: datetime.now(UTC)) as self._port:
            yield self

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def token_url(self) -> str:
        """Where tokens are."""
        return f"{self.url}/auth/token"

    def before(self, method: str, path: str, nth: int, act: Interruption) -> None:
        """Do something just before the nth request (from 1, from now) of a method and path."""
        self._hooks.append(_Hook(method=method, path=path, left=nth, act=act))

    def put(self, group_id: str, phone: str, until: datetime | None = None) -> None:
        """Put a number on a list, as an agent would."""
        with self._lock:
            held = self.groups[group_id]
            number, _ = held.records.get(_digits(phone), (len(held.records) + 1, None))
            held.records[_digits(phone)] = (number, until)
            held.moved += 1

    def take(self, group_id: str, phone: str) -> None:
        """Take a number off a list without a trace."""
        with self._lock:
            self.groups[group_id].records.pop(_digits(phone), None)
            self.groups[group_id].moved += 1

    def rename(self, group_id: str) -> None:
        """Change what a group is called."""
        self.groups[group_id].name = f"Renamed {secrets.token_hex(3)}"

    def revoke(self) -> None:
        """Forget every token it has given out."""
        self._tokens.clear()

    def busy(self) -> Answer:
        """Return a 429 that names the date at which to come back."""
        later = http_date(datetime.now(UTC) + timedelta(seconds=1))
        return Answer(status=429, body=b"", headers={"retry-after": later})

    # ------------------------------------------------------------ the service

    def answer(self, asked: Asked) -> Answer:
        """Answer one request; one at a time."""
        with self._lock:
            self.asked.append(asked)
            for hook in self._hooks:
                if hook.due(asked) and (instead := hook.act()) is not None:
                    return instead
            return self._route(asked)

    def _route(self, asked: Asked) -> Answer:  # noqa: PLR0911 - one line a path
        path, query = urlsplit(asked.path).path, parse_qs(urlsplit(asked.path).query)
        if asked.headers.get("accept") != "application/json":
            return Answer(status=406, body=b"Accept: application/json is mandatory")
        if (asked.method, path) == ("POST", "/auth/token"):
            return self._token(asked)
        if path == "/.well-known/cxone-configuration":
            found = query.get("tenantId") == [TENANT]
            body = {"api_endpoint": self.url, "area": "na1"} if found else {}
            return Answer(status=200 if found else 404, body=body)
        if asked.headers.get("authorization", "").removeprefix("Bearer ") not in self._tokens:
            return Answer(status=401, body={"error_description": "Token is invalid or expired"})
        if path == f"{BASE}/skills":
            return self._skills([*SKILLS], query, "skills")
        match asked.method, path.removeprefix(f"{BASE}/dnc-groups").strip("/").split("/"):
            case "GET", [""]:
                return self._all()
            case "POST", [""]:
                return self._create(asked.json)
            case method, [group_id, *rest] if group_id in self.groups:
                return self._of_group(self.groups[group_id], method, rest, asked)
        return Answer(status=404, body={"error_description": "Not found"})

    def _of_group(  # noqa: PLR0911 - likewise
        self, held: _Group, method: str, rest: list[str], asked: Asked
    ) -> Answer:
        query = parse_qs(urlsplit(asked.path).query, keep_blank_values=True)
        match method, rest:
            case "GET", []:
                return Answer(status=200, body={"resultSet": {"dncGroups": [self._shown(held)]}})
            case "PUT", [] if not asked.body:
                held.name = query.get("dncGroupName", [held.name])[0]
                held.description = query.get("dncGroupDescription", [held.description])[0]
                held.moved += 1
                return Answer(status=200, body={})
            case "GET", ["records"]:
                return self._page(held, query)
            case "POST" | "DELETE", ["records"]:
                return self._batch(held, method, asked.json["dncGroupRecords"])
            case "GET", [("scrubbed-skills" | "contributing-skills") as kind]:
                return self._skills(held.skills[kind.partition("-")[0]], query, "skillList")
            case "POST" | "DELETE", [kind, skill] if skill in SKILLS:
                mine = held.skills[kind.partition("-")[0]]
                mine[:] = [each for each in mine if each != skill] + [skill] * (method == "POST")
                held.moved += 1
                return Answer(status=202, body=b"")
        return Answer(status=404, body=b"")

    def _token(self, asked: Asked) -> Answer:
        form = {key: values[0] for key, values in parse_qs(asked.body).items()}
        given = (form.get("grant_type"), form.get("username"), form.get("password"))
        basic = base64.b64encode(b"stranger-id:stranger-secret").decode()
        if asked.headers.get("authorization") != f"Basic {basic}":
            return Answer(status=401, body={"error": "invalid_client"})
        if given != ("password", "stranger-key-id", "stranger-key-secret"):
            return Answer(status=400, body={"error": "invalid_grant"})
        claims = base64.urlsafe_b64encode(json.dumps({"tenantId": TENANT}).encode()).decode()
        token = f"e30.{claims.rstrip('=')}.{secrets.token_urlsafe(8)}"
        self._tokens.add(token)
        return Answer(status=200, body={"access_token": token, "expires_in": 3600, "scope": ""})

    def _all(self) -> Answer:
        groups = [self._shown(held) for held in self.groups.values()]
        if not groups:
            return Answer(status=204, body=b"")
        return Answer(
            status=200, body={"resultSet": {"totalGroups": len(groups), "dncGroups": groups}}
        )

    def _create(self, body: dict[str, str]) -> Answer:
        if any(held.name == body["dncGroupName"] for held in self.groups.values()):
            return Answer(status=400, body={"errorDescription": "dncGroupName is already in use"})
        made = _Group(
            id=len(self.groups) + 501,
            name=body["dncGroupName"],
            description=body.get("dncGroupDescription", ""),
        )
        self.groups[str(made.id)] = made
        return Answer(status=201, body={"dncGroups": [self._shown(made)]})

    def _shown(self, held: _Group) -> dict[str, Any]:
        now = datetime.now(UTC)
        moved = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=held.moved)
        return {
            "dncGroupId": held.id,
            "dncGroupName": held.name,
            "dncGroupDescription": held.description,
            "validRecords": sum(not end or end > now for _, end in held.records.values()),
            "isActive": held.active,
            "isRemoved": held.removed,
            "lastUpdateTime": self.habits.dates.format(moved),
        }

    def _page(self, held: _Group, query: dict[str, list[str]]) -> Answer:
        now = datetime.now(UTC)
        kept = sorted(
            (number, digits, end)
            for digits, (number, end) in held.records.items()
            if not end or end > now - timedelta(days=7)
        )
        skip = int(query.get("skip", ["0"])[0])
        rows = kept[skip : skip + min(int(query.get("top", ["100"])[0]), self.habits.page)]
        if not rows and not self.habits.empty_page:
            return Answer(status=204, body=b"")
        totals = {"whole": len(kept), "page": len(rows), "none": None}
        shown = [
            {
                "recordId": number,
                "phoneNumber": self._kept(digits) if self.habits.words else int(digits),
                "formattedPhone": self._kept(digits),
                "expiredDate": end and self.habits.dates.format(end),
            }
            for number, digits, end in rows
        ]
        told = {"totalRecords": totals[self.habits.total], self.habits.records: shown}
        return Answer(status=200, body={"resultSet": told})

    def _kept(self, digits: str) -> str:
        return f"1{digits}" if self.habits.words and len(digits) == 10 else digits

    def _batch(self, held: _Group, method: str, records: list[dict[str, Any]]) -> Answer:
        if not held.active:
            return Answer(status=409, body={"error_description": "DNC Group is inactive"})
        if len(records) > MOST:
            said = "Maximum of 4,500 records per upload exceeded"
            return Answer(status=400, body={"error_description": said})
        results = [self._one(held, method, record) for record in records]
        held.moved += 1
        told = {
            "errorCount": sum(bool(error) for error, _ in results),
            "recordResults": [
                {
                    "success": str(not error) if self.habits.words else not error,
                    "error": error or None,
                    "formattedPhone": f"({digits[:3]}) {digits[3:6]}-{digits[6:]}",
                }
                for error, digits in results
            ],
        }
        return Answer(status=200, body={"resultSet": told} if self.habits.wrapped else told)

    def _one(self, held: _Group, method: str, record: dict[str, Any]) -> tuple[str, str]:
        given, now = record.get("phoneNumber"), datetime.now(UTC)
        if not isinstance(given, int if method == "POST" else str) or isinstance(given, bool):
            return "phoneNumber has the wrong type", ""
        digits = _digits(str(given))
        if code := self.unwelcome.get(digits):
            return code, digits
        if method == "DELETE" and digits not in held.records:
            return "no such record", digits
        number, before = held.records.get(digits, (len(held.records) + 1, None))
        if method == "DELETE":
            ended = before is not None and before <= now
            held.records[digits] = (number, before if ended else now)
            return "", digits
        end = record.get("expiredDate")
        until = datetime.fromisoformat(end) if end else None
        if until and until <= now:
            return "expiredDate lies in the past", digits
        held.records[digits] = (number, until)
        return "", digits

    def _skills(self, held: list[str], query: dict[str, list[str]], key: str) -> Answer:
        skip = int(query.get("skip", ["0"])[0])
        rows = [{"skillId": int(each), "skillName": SKILLS[each]} for each in held[skip:]]
        if not rows:
            return Answer(status=204, body=b"")
        return Answer(status=200, body={"resultSet": {"businessUnitId": 7, key: rows}})


def _digits(phone: str) -> str:
    """Return a number as it is kept: of North America without its 1."""
    digits = "".join(filter(str.isdigit, phone))
    return digits[1:] if len(digits) == 11 and digits[0] == "1" else digits
