"""Dialect ``lists``: lists at ``/lists``, contacts with email, phone, reason, end and version.

Where nothing is published the names and statuses below are choices, each a constant, so that a
tenant that differs costs one edit. No contact becomes an object, and none is ever part of a
message or a repr.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final
from urllib.parse import quote

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from reconciler import times
from reconciler.api import contact
from reconciler.api.columnar import CONTACTS, TOTAL, UNTIL
from reconciler.api.complaints import ARRAYS, complaints
from reconciler.api.contact import text
from reconciler.api.exchange import Answer, Exchange, Request, plain_code, short_code
from reconciler.api.paging import in_order
from reconciler.api.port import Page, RowError, Sent
from reconciler.errors import (
    NotFoundError,
    RequestRefusedError,
    ServiceError,
    VersionConflictError,
)
from reconciler.model import LISTS, UNMANAGED, Capabilities, Change, RemoteList, Settings

ALL_LISTS: Final = "/lists"
ONE_LIST: Final = "/lists/{}"
CONTACTS_OF: Final = "/lists/{}/contacts"
BY_NAME: Final = "name"
SKIP: Final = "skip"
TOP: Final = "top"
PAGE_SIZE: Final = 10_000
LIST_TYPE: Final = "suppression"
LISTS_KEY: Final = "lists"
COUNT_KEY: Final = "contactCount"

READ: Final = frozenset({200})
CREATED: Final = frozenset({200, 201})
EXISTS: Final = 409
CONFLICTS: Final = frozenset({409, 412})
TOO_LARGE: Final = 413
INVALID: Final = 422

COMPLETED: Final = frozenset({"COMPLETED"})
PARTLY: Final = frozenset({"PARTIAL", "PARTIALLY_COMPLETED", "COMPLETED_WITH_ERRORS"})
FAILED: Final = frozenset({"FAILED", "REJECTED"})

ENDLESS: Final = 1_000_000
"""Pages of one list after which its reading is taken to have no end."""


class Lists:
    """One tenant's service of this dialect; a ``port.Writer``.

    Args:
        exchange: the way to it.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    @property
    def capabilities(self) -> Capabilities:
        """What this dialect can do."""
        return LISTS

    @property
    def at_once(self) -> int:
        """Requests in flight at once, at most."""
        return self._exchange.at_once

    @property
    def skew(self) -> timedelta:
        """The service's clock less ours, from its last answer; zero before the first."""
        return self._exchange.skew

    def sign_in(self) -> None:
        """Fetch a token, which proves that the credentials work.

        Raises:
            AuthError: they do not.
        """
        self._exchange.sign_in()

    def get(self, list_id: str) -> RemoteList:
        """Return a list's metadata.

        Raises:
            NotFoundError: there is no such list.
            ServiceError: the answer is about another list, or not what the API promises.
        """
        subject = f"list {list_id}"
        answer = self._exchange.ask(
            Request(method="GET", path=_path(ONE_LIST, list_id), kind="get list", subject=subject)
        )
        return _same(_remote(answer, subject), list_id)

    def find(self, name: str) -> RemoteList | None:
        """Return the list of exactly this name, whatever else the service may find.

        Raises:
            NotFoundError: more than one list has it.
        """
        subject = f"list named {name!r}"
        answer = self._exchange.ask(
            Request(
                method="GET",
                path=ALL_LISTS,
                kind="find list",
                subject=subject,
                params={BY_NAME: name},
            )
        )
        listed = _objects(answer.document.get(LISTS_KEY), subject)
        ids = {text(each.get("id")) for each in listed if each.get("name") == name}
        match sorted(each or "" for each in ids):
            case []:
                return None
            case [found] if found:
                return self.get(found)
            case [_]:
                raise _unlike(subject, "has no id")
        raise NotFoundError(
            f"{subject}: {len(ids)} lists have this name", hint="name the one meant by listId"
        )

    def occupied(self) -> None:
        """Nothing bounds what all lists hold together."""

    def pages(self, list_id: str) -> Iterator[Page]:
        """Read all contacts once, advancing by rows received, until a page is empty.

        Where the tenant's limits allow it, pages are fetched ahead.

        Raises:
            ServiceError: a page begins like the first one (``skip`` is ignored), or there is no
                end of pages.
        """
        subject = f"list {list_id}"
        mark = None

        def fetch(skip: int, unwanted: threading.Event) -> Page:
            answer = self._exchange.ask(
                Request(
                    method="GET",
                    path=_path(CONTACTS_OF, list_id),
                    kind="read page",
                    subject=subject,
                    params={SKIP: str(skip), TOP: str(PAGE_SIZE)},
                    parse=contact.page,
                    unwanted=unwanted,
                )
            )
            return _page(answer, subject)

        at_once = self.at_once if self.capabilities.parallel_reads else 1
        with closing(in_order(fetch, at_once=at_once)) as pages:
            for page in islice(pages, ENDLESS):
                if mark and page.contacts.slice(mark[0], 1).equals(mark[1]):
                    raise _unlike(subject, "repeats its first page: paging does not work")
                yield page
                if not page.contacts.num_rows:
                    return
                mark = mark or _mark(page.contacts)
        raise _unlike(subject, f"has no end after {ENDLESS:,} pages")

    def create(self, settings: Settings) -> RemoteList:
        """Make a suppression list; sent once and never repeated by itself.

        Raises:
            RequestRefusedError: the service refused it; nothing was made.
            ServiceError: it is not known whether the list was made; look it up by name.
        """
        given = {
            "name": settings.name,
            "description": settings.description,
            UNTIL: _spelled(settings.suppress_until),
        }
        wanted = {key: each for key, each in given.items() if each not in (UNMANAGED, None)}
        subject = f"list named {str(settings.name)!r}"
        answer = self._exchange.ask(
            Request(
                method="POST",
                path=ALL_LISTS,
                kind="create list",
                subject=subject,
                body=orjson.dumps({**wanted, "listType": LIST_TYPE}),
                expected=CREATED | {EXISTS, INVALID},
                once=True,
            )
        )
        if answer.status in CREATED:
            return _remote(answer, subject)
        if answer.status == EXISTS:
            raise self._refused(subject, "there is one of this name already", answer)
        raise self._refused(subject, "the service does not take its settings", answer)

    def update(self, list_id: str, changes: Sequence[Change], *, version: str) -> RemoteList:
        """Change exactly these fields, if the list still has this version.

        Where an answer was lost, the repeated request meets the version that the first one made:
        a list that now holds all the new values counts as changed.

        Raises:
            VersionConflictError: it has not this version; nothing was changed.
            ServiceError: there is no version to guard the change with.
        """
        subject = f"list {list_id}"
        if not version:
            raise _unlike(subject, "has no ETag, so no change of it can be guarded")
        answer = self._exchange.ask(
            Request(
                method="PATCH",
                path=_path(ONE_LIST, list_id),
                kind="update list",
                subject=subject,
                body=orjson.dumps({change.field: change.new for change in changes}),
                version=version,
                expected=READ | CONFLICTS | {INVALID},
            )
        )
        if answer.status in READ:
            return _same(_remote(answer, subject), list_id)
        if answer.status == INVALID:
            raise self._refused(subject, "the service does not take its settings", answer)
        if answer.tries > 1:
            now = self.get(list_id)
            if all(_holds(now.settings, change) for change in changes):
                return now
        self._exchange.meter.count("conflicts")
        raise VersionConflictError(
            f"{subject}: changed by somebody else since it was read ({answer.status})",
            hint="plan again: the plan was made for another state of the list",
        )

    def send(self, list_id: str, batch: pa.Table) -> Sent:
        """Upsert one batch (schema ``BATCH``), at most ``capabilities.batch`` rows.

        A 201 is no success by itself: its ``status`` says what was done. Partly done without a
        named row is a complaint that names none; failed is nothing taken; anything else, such as
        work still going on, is not known to be in place.

        Raises:
            ServiceError: it is not known whether the batch is in place; repeating it is safe.
        """
        subject = f"list {list_id}"
        meter = self._exchange.meter
        meter.count("rows_sent", batch.num_rows)
        answer = self._exchange.ask(
            Request(
                method="POST",
                path=_path(CONTACTS_OF, list_id),
                kind="send batch",
                subject=subject,
                body=contact.batch(batch),
                expected=CREATED | {TOO_LARGE, INVALID},
            )
        )
        sent = _sent(answer, batch, subject)
        meter.count("validation_errors", len(sent.errors) + len(sent.unnamed))
        return sent

    def remove(self, list_id: str, batch: pa.Table) -> Sent:
        """Let the contacts of a batch go at the end that their rows carry, as ``send`` would.

        Raises:
            ServiceError: it is not known whether they are let go; repeating it is safe.
        """
        return self.send(list_id, batch)

    def _refused(self, subject: str, why: str, answer: Answer) -> RequestRefusedError:
        self._exchange.meter.count("errors")
        code = short_code(answer.document)
        return RequestRefusedError(
            f"{subject}: {why} ({answer.status}{f' {code}' * bool(code)})",
            hint="compare the spec's list settings with what the service holds",
        )


# ---------------------------------------------------------------- lists


def _remote(answer: Answer, subject: str) -> RemoteList:
    """Read the metadata of a list."""
    document = answer.document
    list_id, name = text(document.get("id")), text(document.get("name"))
    if not list_id or name is None:
        raise _unlike(subject, "has no id or no name")
    until = document.get(UNTIL)
    try:
        end = None if until is None else times.parse_time(until)
    except (ValueError, AttributeError, TypeError) as error:
        raise _unlike(subject, f"has a {UNTIL} that is no time") from error
    return RemoteList(
        id=list_id,
        settings=Settings(
            name=name, description=text(document.get("description")), suppress_until=end
        ),
        type=text(document.get("listType")) or "",
        count=_count(document.get(COUNT_KEY)),
        version=answer.version,
    )


def _same(remote: RemoteList, list_id: str) -> RemoteList:
    if remote.id != list_id:
        raise _unlike(f"list {list_id}", "is answered with another list")
    return remote


def _holds(settings: Settings, change: Change) -> bool:
    """Tell whether a list has the value that a change was to give it."""
    match change.field:
        case "name":
            return settings.name == change.new
        case "description":
            return settings.description == change.new
    wanted = None if change.new is None else times.parse_time(change.new)
    return settings.suppress_until == wanted


def _spelled(value: object) -> object:
    return times.zulu(value) if isinstance(value, datetime) else value


# ---------------------------------------------------------------- contacts


def _page(answer: Answer, subject: str) -> Page:
    """Read what the service answered to a question for a page."""
    found = answer.document.get(CONTACTS)
    if not isinstance(found, pa.Table):
        try:
            found = contact.columns(_objects(found, subject))
        except ValueError as error:
            raise _unlike(subject, f"holds {error}") from error
    return Page(contacts=found, total=_count(answer.document.get(TOTAL)), version=answer.version)


def _mark(page: pa.Table) -> tuple[int, pa.Table] | None:
    """Return where the first contact of a page stands that can be told from others, and it."""
    named = pc.or_(pc.is_valid(page.column("email")), pc.is_valid(page.column("phone")))
    at = pc.index(named, value=True).as_py()
    return (at, page.slice(at, 1)) if at >= 0 else None


def _sent(answer: Answer, batch: pa.Table, subject: str) -> Sent:
    """Read what the service answered to a batch."""
    if answer.status == TOO_LARGE:
        return Sent(taken=False, detail="too large", version=answer.version)
    named, unnamed = _complaints(answer.document, batch)
    taken, detail = True, ""
    if answer.status == INVALID:
        taken, detail = False, short_code(answer.document)
    else:
        match _progress(answer):
            case said if said in COMPLETED:
                pass
            case said if said in PARTLY:
                unnamed = unnamed or (() if named else (said,))
            case said if said in FAILED:
                taken, detail = False, f"status {said}"
            case said:
                raise _unlike(subject, f"answers a batch with the status {plain_code(said) or '?'}")
    return Sent(taken=taken, errors=named, unnamed=unnamed, version=answer.version, detail=detail)


def _complaints(
    document: Mapping[str, Any], batch: pa.Table
) -> tuple[tuple[RowError, ...], tuple[str, ...]]:
    """Match complaints to the rows of a batch, which are looked at only if there are any."""
    if not any(document.get(key) for key in ARRAYS):
        return (), ()
    identifiers = [batch.column(name).to_pylist() for name in ("email", "phone")]
    return complaints(document, identifiers=identifiers)


def _progress(answer: Answer) -> str:
    """Return what the answer says became of the batch; a mere count says that it was taken."""
    said = answer.document.get("status")
    if said is None and COUNT_KEY in answer.document:
        return "COMPLETED"
    return str(said).upper()


# ---------------------------------------------------------------- any of them


def _path(template: str, list_id: str) -> str:
    return template.format(quote(list_id, safe=""))


def _objects(value: Any, subject: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise _unlike(subject, "is answered with something else than a list of objects")
    return value


def _count(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _unlike(subject: str, how: str) -> ServiceError:
    return ServiceError(
        f"{subject} {how}: not what the API promises",
        hint="check the Tenant's baseUrl and dialect",
    )
