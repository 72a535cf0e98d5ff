"""Do-not-call groups over WSGI: the lists of the file as the published API shows them.

A list is a group, its phones are records. An email has no place here and is not shown. What an
answer may look like differs from service to service; a fault chooses the odder ways.
"""

import secrets
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

import falcon

from reconciler.sandbox import data, group_rules, rules, wire
from reconciler.sandbox.faults import QUIRKS, REJECTS
from reconciler.times import zulu

BASE: Final = "/inContactAPI/services/v34.0"
GROUPS_PATH: Final = f"{BASE}/dnc-groups"
SKILLS: Final[Mapping[int, str]] = {
    4711: "Outbound Sales",
    4712: "Outbound Service",
    4713: "Collections",
}
"""The skills of the only tenant there is."""
READABLE: Final = timedelta(days=7)
"""How long a record that has ended can still be read."""

_FIRST_ID: Final = 5_000
_KINDS: Final = ("scrubbed", "contributing")
_LARGEST_SKIP: Final = 2**53
_MADE: Final = datetime(2026, 1, 1, tzinfo=UTC)


def add_routes(made: "falcon.App[falcon.Request, falcon.Response]", service: wire.Rooms) -> None:
    """Let an app answer for groups, their records and their skills."""
    one = f"{GROUPS_PATH}/{{group_id}}"
    made.add_route(GROUPS_PATH, _Groups(service))
    made.add_route(one, _OneGroup(service))
    made.add_route(f"{one}/records", _Records(service))
    made.add_route(f"{GROUPS_PATH}/search", _Search(service))
    made.add_route(f"{BASE}/skills", _Skills())
    for kind in _KINDS:
        made.add_route(f"{one}/{kind}-skills", _GroupSkills(service, kind))
        made.add_route(f"{one}/{kind}-skills/{{skill:int}}", _OneSkill(service, kind))


# ---------------------------------------------------------------- groups


@dataclass(frozen=True, slots=True)
class _Groups:
    service: wire.Rooms

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        _accepting(req)
        now = zulu(self.service.now())
        with data.reading(self.service.database) as connection:
            stored = data.lists_named(connection, None)
            shown = [_shown(connection, each, now, req) for each in stored]
        if not shown:
            resp.status = HTTPStatus.NO_CONTENT
            return
        _send(resp, {"totalGroups": len(shown), "dncGroups": shown})

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        _accepting(req)
        fields = group_rules.new_group(wire.read_object(req))
        with data.writing(self.service.database) as connection:
            if data.lists_named(connection, fields["dncGroupName"]):
                raise _bad("a group of this name exists already")
            group_id = _new_id(connection)
            data.insert_list(
                connection,
                group_id,
                name=fields["dncGroupName"],
                description=fields["dncGroupDescription"] or None,
                suppress_until=None,
            )
            made = _found(connection, group_id)
            shown = _shown(connection, made, zulu(self.service.now()), req)
        wire.send_json(resp, {"dncGroups": [shown]})


def _new_id(connection: sqlite3.Connection) -> str:
    """Return the number of a group that is not there yet: larger by a little than any other."""
    taken = [int(each.id) for each in data.lists_named(connection, None) if each.id.isdecimal()]
    return str(max([_FIRST_ID, *taken]) + 1 + secrets.randbelow(9))


@dataclass(frozen=True, slots=True)
class _OneGroup:
    service: wire.Rooms

    def on_get(self, req: falcon.Request, resp: falcon.Response, group_id: str) -> None:
        _accepting(req)
        with data.reading(self.service.database) as connection:
            stored = _found(connection, group_id)
            shown = _shown(connection, stored, zulu(self.service.now()), req)
        _send(resp, {"dncGroups": [shown]})

    def on_put(self, req: falcon.Request, resp: falcon.Response, group_id: str) -> None:
        _accepting(req)
        changes = group_rules.changes(req.params)
        with data.writing(self.service.database) as connection:
            stored = _found(connection, group_id)
            taken = [each.id for each in data.lists_named(connection, changes.get("name") or "")]
            if taken and taken != [group_id]:
                raise _bad("a group of this name exists already")
            active = req.get_param_as_bool("isActive")
            if active is not None:
                data.switch(connection, stored, active=active, removed=bool(stored.removed))
            data.change_list(connection, stored, changes)
        resp.status = HTTPStatus.NO_CONTENT


def _shown(
    connection: sqlite3.Connection, stored: data.StoredList, now: str, req: falcon.Request
) -> dict[str, object]:
    """Return a group as its JSON shows it; its last change moves with every write."""
    moved = _MADE + timedelta(seconds=stored.version)
    return {
        "dncGroupId": int(stored.id) if stored.id.isdecimal() else stored.id,
        "dncGroupName": stored.name,
        "dncGroupDescription": stored.description or "",
        "validRecords": data.suppressing(connection, stored, now=now),
        "isActive": bool(stored.active) and "inactive" not in _quirks(req),
        "isRemoved": bool(stored.removed),
        "createDate": f"{_MADE:%Y-%m-%dT%H:%M:%S}.0000000Z",
        "lastUpdateTime": f"{moved:%Y-%m-%dT%H:%M:%S}.1234567Z",
    }


# ---------------------------------------------------------------- records


@dataclass(frozen=True, slots=True)
class _Records:
    service: wire.Rooms

    def on_get(self, req: falcon.Request, resp: falcon.Response, group_id: str) -> None:
        _accepting(req)
        skip, top = _part_asked(req, self.service.max_page)
        since = zulu(self.service.now() - READABLE)
        with data.reading(self.service.database) as connection:
            stored = _found(connection, group_id)
            rows = data.phones(connection, stored, since=since, skip=skip, top=top)
            total = len(data.phones(connection, stored, since=since, skip=0, top=_LARGEST_SKIP))
        quirks = _quirks(req)
        if not rows:
            resp.status = HTTPStatus.NO_CONTENT
            return
        key = "dncGroupRecords" if "othername" in quirks else "dncRecords"
        told, plain = len(rows) if "pagetotal" in quirks else total, "plaindates" in quirks
        _send(
            resp,
            {
                "totalRecords": told,
                key: [group_rules.shown(*row, plain=plain) for row in rows],
            },
        )

    def on_post(self, req: falcon.Request, resp: falcon.Response, group_id: str) -> None:
        """Add numbers, or give those that are there another end; each is judged alone."""
        now = self.service.now()

        def taken(
            connection: sqlite3.Connection, stored: data.StoredList, row: object
        ) -> data.Contact:
            contact = group_rules.record(row, now=now)
            group_rules.reject(contact, req.env.get(REJECTS, ()))
            data.upsert(connection, stored, [contact])
            return contact

        self._each(req, resp, group_id, taken)

    def on_delete(self, req: falcon.Request, resp: falcon.Response, group_id: str) -> None:
        """End numbers now; one that was never there is a failure of its own."""
        now = zulu(self.service.now())

        def taken(
            connection: sqlite3.Connection, stored: data.StoredList, row: object
        ) -> data.Contact:
            contact = group_rules.unwanted(row)
            group_rules.reject(contact, req.env.get(REJECTS, ()))
            if not data.expire(connection, stored, contact.phone_key or "", now=now):
                raise rules.wrong("NOT_FOUND", "phoneNumber", "the number is not in this group")
            return contact

        self._each(req, resp, group_id, taken)

    def _each(self, req: falcon.Request, resp: falcon.Response, group_id: str, take: Any) -> None:
        _accepting(req)
        rows = group_rules.rows(wire.read_object(req))
        results = []
        with data.writing(self.service.database) as connection:
            stored = _found(connection, group_id)
            if not stored.active or "inactive" in _quirks(req):
                raise falcon.HTTPConflict(title="INACTIVE", description="the group is inactive")
            for row in rows:
                try:
                    contact = take(connection, stored, row)
                    results.append(group_rules.result(contact.phone or ""))
                except rules.RuleError as error:
                    results.append(group_rules.failure(row, error))
        failed = sum(not each["success"] for each in results)
        answer = {"errorCount": failed, "recordResults": results}
        wire.send_json(resp, answer if "bare" in _quirks(req) else {"resultSet": answer})


def _part_asked(req: falcon.Request, most: int) -> tuple[int, int]:
    """Return how many records are skipped and how many are shown."""
    skip = req.get_param_as_int("skip", min_value=0, max_value=_LARGEST_SKIP, default=0)
    top = req.get_param_as_int("top", min_value=1, max_value=_LARGEST_SKIP, default=most)
    quirks = _quirks(req)
    clamp = int(quirks.get("clamp", _LARGEST_SKIP))
    return 0 if "repeat" in quirks else skip, min(top, most, clamp)


@dataclass(frozen=True, slots=True)
class _Search:
    service: wire.Rooms

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Say which groups keep back a number now."""
        _accepting(req)
        key = group_rules.key(req.get_param("phoneNumber", required=True))
        now = zulu(self.service.now())
        with data.reading(self.service.database) as connection:
            found = [
                {"dncGroupId": each.id, "dncGroupName": each.name}
                for each in data.lists_named(connection, None)
                if any(
                    data.identity(phone) == key
                    for _, phone, _ in data.phones(
                        connection, each, since=now, skip=0, top=_LARGEST_SKIP
                    )
                )
            ]
        if not found:
            resp.status = HTTPStatus.NO_CONTENT
            return
        wire.send_json(resp, {"searchResults": found})


# ---------------------------------------------------------------- skills


class _Skills:
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        _accepting(req)
        _list_skills(req, resp, [*SKILLS], "skills")


@dataclass(frozen=True, slots=True)
class _GroupSkills:
    service: wire.Rooms
    kind: str

    def on_get(self, req: falcon.Request, resp: falcon.Response, group_id: str) -> None:
        _accepting(req)
        with data.reading(self.service.database) as connection:
            held = data.skills(connection, _found(connection, group_id), self.kind)
        _list_skills(req, resp, held, f"{self.kind}Skills")


@dataclass(frozen=True, slots=True)
class _OneSkill:
    service: wire.Rooms
    kind: str

    def on_post(
        self, req: falcon.Request, resp: falcon.Response, group_id: str, skill: int
    ) -> None:
        self._set(req, resp, group_id, skill, works=True)

    def on_delete(
        self, req: falcon.Request, resp: falcon.Response, group_id: str, skill: int
    ) -> None:
        self._set(req, resp, group_id, skill, works=False)

    def _set(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        group_id: str,
        skill: int,
        *,
        works: bool,
    ) -> None:
        _accepting(req)
        if skill not in SKILLS:
            raise falcon.HTTPNotFound(title="NOT_FOUND", description="no such skill")
        with data.writing(self.service.database) as connection:
            data.set_skill(connection, _found(connection, group_id), self.kind, skill, works=works)
        resp.status = HTTPStatus.NO_CONTENT


def _list_skills(req: falcon.Request, resp: falcon.Response, held: list[int], key: str) -> None:
    skip, top = _part_asked(req, len(SKILLS))
    shown = [
        {"skillId": each, "skillName": SKILLS.get(each, "")} for each in held[skip : skip + top]
    ]
    if not shown:
        resp.status = HTTPStatus.NO_CONTENT
        return
    wire.send_json(resp, {"totalRecords": len(held), "_links": {}, key: shown})


# ---------------------------------------------------------------- any of them


def _quirks(req: falcon.Request) -> Mapping[str, str]:
    found: Mapping[str, str] = req.env.get(QUIRKS, {})
    return found


def _accepting(req: falcon.Request) -> None:
    """Demand that JSON is asked for by name, as this service does."""
    if "application/json" not in (req.get_header("Accept") or ""):
        raise falcon.HTTPNotAcceptable(
            title="NOT_ACCEPTABLE", description="Accept must name application/json"
        )


def _found(connection: sqlite3.Connection, group_id: str) -> data.StoredList:
    stored = data.get_list(connection, group_id)
    if stored is None:
        raise falcon.HTTPNotFound(title="NOT_FOUND", description="no such group")
    return stored


def _bad(why: str) -> falcon.HTTPBadRequest:
    return falcon.HTTPBadRequest(title="BAD_REQUEST", description=why)


def _send(resp: falcon.Response, result: Mapping[str, object]) -> None:
    wire.send_json(resp, {"resultSet": result})
