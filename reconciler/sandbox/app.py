"""The service over WSGI: dialect ``lists`` here, the other one beside it, on one file.

It keeps the rules that its callers depend on and adds none of their knowledge: it must never
import ``reconciler.api``, so that one misreading cannot stand on both sides.
"""

import re
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Final
from wsgiref.types import WSGIApplication

import falcon

from reconciler.errors import NotFoundError
from reconciler.sandbox import access, data, groups, others, rules, wire
from reconciler.sandbox.faults import REJECTS, Fault, inject
from reconciler.sandbox.wire import Clock

LISTS_PATH: Final = "/api/v2/lists"
MAX_PAGE: Final = 10_000
TOKEN_LIFETIME: Final = 3_600

_LARGEST_SKIP: Final = 2**53
_LIST_ID: Final = re.compile(rf"(?:{LISTS_PATH}|{groups.GROUPS_PATH})/([^/]+)(/.*)?")


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


def app(
    database: Path,
    *,
    faults: Sequence[Fault] = (),
    now: Clock = utc_now,
    max_page: int = MAX_PAGE,
    token_lifetime: int = TOKEN_LIFETIME,
) -> WSGIApplication:
    """Return the sandbox as a WSGI app, both dialects on one host.

    Every answer carries a ``Date`` by ``now``. A fault that breaks a connection leaves the app as
    ``ConnectionResetError``, also in the middle of a body.

    Args:
        database: the file that holds everything; made 0600 if absent.
        faults: what goes wrong, counted from here on.
        now: the service's clock, aware.
        max_page: contacts a page has at most, whatever is asked for.
        token_lifetime: seconds a token is valid.

    Raises:
        SettingError: the file cannot be used.
    """
    data.prepare(database)
    service = wire.Rooms(database, now, max_page, token_lifetime)
    made = falcon.App(middleware=[access.Admission(service)])
    made.set_error_serializer(wire.describe)
    made.add_error_handler(rules.RuleError, wire.refuse)
    access.add_routes(made, service)
    groups.add_routes(made, service)
    made.add_route(LISTS_PATH, _Lists(service))
    made.add_route(f"{LISTS_PATH}/{{list_id}}", _OneList(service))
    made.add_route(f"{LISTS_PATH}/{{list_id}}/contacts", _Contacts(service))
    return wire.dated(inject(made, faults, bump=_bump(database), now=now), now)


# ---------------------------------------------------------------- lists


@dataclass(frozen=True, slots=True)
class _Lists:
    service: wire.Rooms

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        with data.reading(self.service.database) as connection:
            found = data.lists_named(connection, req.get_param("name"))
        wire.send_json(resp, {"lists": [each.body for each in found]})

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        fields = rules.new_list(wire.read_object(req), now=self.service.now())
        list_id = secrets.token_hex(8)
        with data.writing(self.service.database) as connection:
            data.insert_list(
                connection,
                list_id,
                name=fields["name"] or "",
                description=fields["description"],
                suppress_until=fields["suppressUntil"],
            )
            made = _found(connection, list_id)
        resp.status = HTTPStatus.CREATED
        resp.location = f"{LISTS_PATH}/{list_id}"
        wire.send_json(resp, made.body, etag=made.etag)


@dataclass(frozen=True, slots=True)
class _OneList:
    service: wire.Rooms

    def on_get(self, req: falcon.Request, resp: falcon.Response, list_id: str) -> None:
        with data.reading(self.service.database) as connection:
            stored = _found(connection, list_id)
        if wire.names(req.if_none_match, stored.etag, weakly=True):
            resp.status = HTTPStatus.NOT_MODIFIED
            resp.set_header("ETag", stored.etag)
            return
        wire.send_json(resp, stored.body, etag=stored.etag)

    def on_patch(self, req: falcon.Request, resp: falcon.Response, list_id: str) -> None:
        changes = rules.list_changes(wire.read_object(req), now=self.service.now())
        with data.writing(self.service.database) as connection:
            stored = _found(connection, list_id)
            if req.if_match is None:
                raise falcon.HTTPPreconditionRequired(
                    title="NO_IF_MATCH", description="a change needs If-Match"
                )
            if not wire.names(req.if_match, stored.etag):
                raise falcon.HTTPConflict(
                    title="VERSION_CONFLICT", description="the list has changed since"
                )
            data.change_list(connection, stored, changes)
            changed = _found(connection, list_id)
        wire.send_json(resp, changed.body, etag=changed.etag)


# ---------------------------------------------------------------- contacts


@dataclass(frozen=True, slots=True)
class _Contacts:
    service: wire.Rooms

    def on_get(self, req: falcon.Request, resp: falcon.Response, list_id: str) -> None:
        skip = req.get_param_as_int("skip", min_value=0, max_value=_LARGEST_SKIP, default=0)
        top = req.get_param_as_int("top", min_value=1, max_value=_LARGEST_SKIP)
        limit = min(top or self.service.max_page, self.service.max_page)
        with data.reading(self.service.database) as connection:
            stored = _found(connection, list_id)
            contacts = data.page(connection, stored, skip=skip, top=limit)
        body = {"contacts": contacts, "totalRecords": stored.contact_count}
        wire.send_json(resp, body, etag=stored.etag)

    def on_post(self, req: falcon.Request, resp: falcon.Response, list_id: str) -> None:
        rows = _rows(wire.read_object(req))
        taken, complaints = self._judge(rows, req.env.get(REJECTS, ()))
        with data.writing(self.service.database) as connection:
            stored = _found(connection, list_id)
            if stored.list_type != "suppression":
                raise rules.wrong("INVALID_LIST_TYPE", "listType", "not a suppression list")
            if taken:
                data.upsert(connection, stored, taken)
            written = _found(connection, list_id)
        resp.status = HTTPStatus.CREATED
        answer = {
            "status": "COMPLETED",
            "contactCount": written.contact_count,
            "validationErrors": [each.body for each in complaints],
        }
        wire.send_json(resp, answer, etag=written.etag)

    def _judge(
        self, rows: Sequence[object], rejects: Sequence[Fault]
    ) -> tuple[list[data.Contact], list[rules.Complaint]]:
        """Part a batch into contacts to store and complaints, one at most a row."""
        now, taken, complaints = self.service.now(), [], []
        for index, row in enumerate(rows):
            try:
                contact = rules.contact(row, now=now)
                _reject(contact, rejects)
                taken.append(contact)
            except rules.RuleError as error:
                complaints += [each.at(index, row) for each in error.complaints]
        return taken, complaints


def _rows(body: Mapping[str, object]) -> list[object]:
    """Return the rows of a batch, as sent.

    Raises:
        RuleError: there are none, or an identifier stands in two of them.
        falcon.HTTPContentTooLarge: there are too many.
    """
    rows = body.get("contacts")
    if not isinstance(rows, list) or not rows:
        raise rules.wrong("NO_CONTACTS", "contacts", "expected a list of contacts")
    if len(rows) > rules.MAX_BATCH:
        raise falcon.HTTPContentTooLarge(
            title="TOO_MANY", description=f"more than {rules.MAX_BATCH} contacts in a batch"
        )
    rules.no_repeats(rows)
    return rows


def _reject(contact: data.Contact, rejects: Iterable[Fault]) -> None:
    """Complain of a valid contact where a fault says so."""
    keys = [key for key in (contact.email_key, contact.phone_key) if key]
    for each in rejects:
        if any(key.endswith(each.options.get("ending", "")) for key in keys):
            raise rules.wrong(each.argument, "", "rejected by a fault of the sandbox")


# ---------------------------------------------------------------- the list a path is about


def _found(connection: sqlite3.Connection, list_id: str) -> data.StoredList:
    stored = data.get_list(connection, list_id)
    if stored is None:
        raise falcon.HTTPNotFound(title="NOT_FOUND", description="no such list")
    return stored


def _bump(database: Path) -> Callable[[str, str], None]:
    """Return how a stranger changes the list that a path is about, if there is one."""
    somebody = others.Stranger(database)

    def bump(path: str, what: str) -> None:
        match = _LIST_ID.fullmatch(path)
        if not match:
            return
        with suppress(NotFoundError):
            match what:
                case "contact" if path.startswith(groups.GROUPS_PATH):
                    somebody.add(match[1], phone=f"+1312555{secrets.randbelow(10_000):04}")
                case "contact":
                    mark = secrets.token_hex(4)
                    somebody.add(match[1], email=f"stranger-{mark}@example.com")
                case "name" | "description":
                    somebody.set(match[1], what, f"Changed by a stranger {secrets.token_hex(4)}")
                case _:
                    somebody.touch(match[1])

    return bump
