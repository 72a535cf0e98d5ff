"""Dialect ``dnc-groups``: do-not-call groups, records of phone and end, no ETag, as published.

What the publication leaves open is a choice, each a constant, so that a tenant that differs costs
one edit. A record says nothing of reasons and knows no emails. No record becomes part of a message
or a repr.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote

import orjson
import pyarrow as pa

from reconciler import drift, model
from reconciler.api import dnc_record
from reconciler.api.complaints import complaints
from reconciler.api.contact import text
from reconciler.api.dnc_skills import Skills
from reconciler.api.exchange import Answer, Exchange, Request, short_code
from reconciler.api.port import Page, RowError, Sent
from reconciler.errors import (
    InactiveError,
    NotFoundError,
    RequestRefusedError,
    ServiceError,
    VersionConflictError,
)
from reconciler.model import DNC_GROUPS, Capabilities, Change, RemoteList, Settings

ALL_GROUPS: Final = "/dnc-groups"
ONE_GROUP: Final = "/dnc-groups/{}"
RECORDS_OF: Final = "/dnc-groups/{}/records"
SKIP: Final = "skip"
TOP: Final = "top"
ORDER: Final = {"orderBy": "recordId"}
PAGE_SIZE: Final = 10_000
RESULT: Final = "resultSet"
GROUPS_KEY: Final = "dncGroups"
RECORDS_KEYS: Final = ("dncRecords", "dncGroupRecords")
ID: Final = "dncGroupId"
NAME: Final = "dncGroupName"
DESCRIPTION: Final = "dncGroupDescription"
COUNT: Final = "validRecords"
CHANGED: Final = "lastUpdateTime"
RESULTS: Final = "recordResults"
FAILURES: Final = "errorCount"

READ: Final = frozenset({200})
EMPTY: Final = 204
DONE: Final = frozenset({200, 201, 202})
BAD: Final = 400
INACTIVE: Final = 409
TOO_LARGE: Final = frozenset({413, 422})

KIND: Final = "suppression"
"""Every group is a list of those who must not be called."""
UNSAYABLE: Final = "NUMBER_NOT_REPRESENTABLE"
"""The code of a number that this service would take for another one."""
ENDLESS: Final = 1_000_000
"""Pages of one group after which its reading is taken to have no end."""


class DncGroups:
    """One tenant's service of this dialect; a ``port.Writer``.

    Args:
        exchange: the way to it.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._skills = Skills(exchange)

    @property
    def capabilities(self) -> Capabilities:
        """What this dialect can do."""
        return DNC_GROUPS

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
        """Return a group's metadata.

        Raises:
            NotFoundError: there is no such group, or it was removed.
            InactiveError: it is switched off: it suppresses nothing and takes nothing.
            ServiceError: the answer is about another group, or not what the API promises.
        """
        subject = f"group {list_id}"
        answer = self._exchange.ask(
            Request(
                method="GET",
                path=_path(ONE_GROUP, list_id),
                kind="get list",
                subject=subject,
                expected=READ | {EMPTY},
            )
        )
        found = _groups(answer, subject)
        for group in found:
            if text(group.get(ID)) == list_id:
                return self._skilled(_remote(group, subject))
        if found:
            raise _unlike(subject, "is answered with another group")
        raise NotFoundError(f"{subject}: there is none", hint="check listId")

    def find(self, name: str) -> RemoteList | None:
        """Return the group of exactly this name.

        Raises:
            NotFoundError: more than one group has it.
        """
        subject = f"group named {name!r}"
        found = [group for group in self._all(subject) if group.get(NAME) == name]
        if len(found) > 1:
            raise NotFoundError(
                f"{subject}: {len(found)} groups have this name",
                hint="name the one meant by listId",
            )
        return self._skilled(_remote(found[0], subject)) if found else None

    def occupied(self) -> int:
        """Count the records of all groups that are not removed, as the groups count them.

        Raises:
            ServiceError: a group does not say how many it has.
        """
        subject = "all groups"
        counts = [_count(group.get(COUNT)) for group in self._all(subject)]
        known = [count for count in counts if count is not None]
        if len(known) < len(counts):
            raise _unlike(subject, "does not say how many records each has")
        return sum(known)

    def _all(self, subject: str) -> list[Mapping[str, Any]]:
        """Return every group that is not removed."""
        answer = self._exchange.ask(
            Request(
                method="GET",
                path=ALL_GROUPS,
                kind="find list",
                subject=subject,
                expected=READ | {EMPTY},
            )
        )
        found = _groups(answer, subject)
        return [group for group in found if group.get("isRemoved") is not True]

    def _skilled(self, remote: RemoteList) -> RemoteList:
        """Add to a group the skills that it works for."""
        settings = replace(
            remote.settings,
            scrubbed_skills=self._skills.of_group(remote.id, "scrubbedSkills"),
            contributing_skills=self._skills.of_group(remote.id, "contributingSkills"),
        )
        return replace(remote, settings=settings)

    def pages(self, list_id: str) -> Iterator[Page]:
        """Read all records once, advancing by rows received, until a page is empty.

        Records whose end has passed are among them for some days.

        Raises:
            ServiceError: a page begins like the first one (``skip`` is ignored), or there is no
                end of pages.
        """
        subject = f"group {list_id}"
        mark, rows = None, 0
        for _ in range(ENDLESS):
            answer = self._exchange.ask(
                Request(
                    method="GET",
                    path=_path(RECORDS_OF, list_id),
                    kind="read page",
                    subject=subject,
                    params={**ORDER, SKIP: str(rows), TOP: str(PAGE_SIZE)},
                    expected=READ | {EMPTY},
                )
            )
            page = _page(answer, subject)
            if not page.contacts.num_rows:
                yield page
                return
            begins = dnc_record.first(page.contacts)
            if mark is not None and begins is not None and begins.equals(mark):
                raise _unlike(subject, "repeats its first page: paging does not work")
            yield page
            rows += page.contacts.num_rows
            mark = mark or begins
        raise _unlike(subject, f"has no end after {ENDLESS:,} pages")

    def create(self, settings: Settings) -> RemoteList:
        """Make a group; sent once and never repeated by itself.

        Raises:
            RequestRefusedError: the service refused it, as one of a name it has; none was made.
            ServiceError: it is not known whether it was made; look it up by name.
        """
        subject = f"group named {str(settings.name)!r}"
        given = {NAME: settings.name, DESCRIPTION: settings.description}
        answer = self._exchange.ask(
            Request(
                method="POST",
                path=ALL_GROUPS,
                kind="create list",
                subject=subject,
                body=orjson.dumps({key: each for key, each in given.items() if _given(each)}),
                expected=DONE | {BAD, INACTIVE},
                once=True,
            )
        )
        if answer.status not in DONE:
            raise self._refused(subject, "it is not made; is there one of this name?", answer)
        made = _groups(answer, subject)
        if len(made) != 1:
            raise _unlike(subject, f"is answered with {len(made)} groups")
        return self._skilled(_remote(made[0], subject))

    def update(self, list_id: str, changes: Sequence[Change], *, version: str) -> RemoteList:
        """Change exactly these fields, if the group is still as it was.

        Nothing guards the change itself: right before it the fields are looked at again.

        Raises:
            VersionConflictError: somebody else has changed one of them; nothing was changed.
        """
        del version  # of the records too, which a change of the group does not touch
        subject = f"group {list_id}"
        before = self.get(list_id)
        now = _values(before, changes)
        if all(now[change.field] == change.new for change in changes):
            return before
        if any(now[change.field] != change.old for change in changes):
            self._exchange.meter.count("conflicts")
            raise VersionConflictError(
                f"{subject}: changed by somebody else since it was read",
                hint="plan again: the plan was made for another state of the group",
            )
        for change in changes:
            if change.field in model.SKILLS:
                self._skills.move(list_id, change)
        named = {
            _FIELDS[change.field]: str(change.new or "")
            for change in changes
            if change.field in _FIELDS
        }
        if named:
            self._put(list_id, named)
        return self.get(list_id)

    def _put(self, list_id: str, named: Mapping[str, str]) -> None:
        subject = f"group {list_id}"
        answer = self._exchange.ask(
            Request(
                method="PUT",
                path=_path(ONE_GROUP, list_id),
                kind="update list",
                subject=subject,
                params=named,
                expected=DONE | {EMPTY, BAD, INACTIVE},
            )
        )
        if answer.status == INACTIVE:
            raise inactive(subject)
        if answer.status == BAD:
            raise self._refused(subject, "the service does not take its settings", answer)

    def send(self, list_id: str, batch: pa.Table) -> Sent:
        """Add one batch (schema ``BATCH``), or give those that are there already another end.

        A 200 is no success by itself: each row's result is.

        Raises:
            InactiveError: the group takes nothing.
            ServiceError: it is not known whether the batch is in place; repeating it is safe.
        """
        return self._written("POST", list_id, batch)

    def remove(self, list_id: str, batch: pa.Table) -> Sent:
        """Let one batch (schema ``BATCH``) go, at once.

        Raises:
            InactiveError: the group takes nothing.
            ServiceError: it is not known whether they are let go; repeating it is safe.
        """
        return self._written("DELETE", list_id, batch)

    def _written(self, method: str, list_id: str, batch: pa.Table) -> Sent:
        subject = f"group {list_id}"
        meter = self._exchange.meter
        meter.count("rows_sent", batch.num_rows)
        if not all(sayable := dnc_record.sayable(batch)):
            errors = tuple(
                RowError(index=at, code=UNSAYABLE, field="phoneNumber", message=_UNSAID)
                for at, good in enumerate(sayable)
                if not good
            )
            meter.count("validation_errors", len(errors))
            return Sent(taken=False, errors=errors)
        answer = self._exchange.ask(
            Request(
                method=method,
                path=_path(RECORDS_OF, list_id),
                kind="send batch" if method == "POST" else "remove batch",
                subject=subject,
                body=dnc_record.taken(batch, as_text=method == "DELETE"),
                expected=DONE | TOO_LARGE | {BAD, INACTIVE},
            )
        )
        if answer.status == INACTIVE:
            raise inactive(subject)
        sent = _sent(answer, batch, subject)
        meter.count("validation_errors", len(sent.errors) + len(sent.unnamed))
        return sent

    def _refused(self, subject: str, why: str, answer: Answer) -> RequestRefusedError:
        self._exchange.meter.count("errors")
        code = short_code(answer.document)
        return RequestRefusedError(
            f"{subject}: {why} ({answer.status}{f' {code}' * bool(code)})",
            hint="compare the spec's list settings with what the service holds",
        )


_FIELDS: Final[Mapping[str, str]] = {"name": NAME, "description": DESCRIPTION}
"""The service's names for our settings."""
_UNSAID: Final = "with its country code it has ten digits, which this service reads as another one"


# ---------------------------------------------------------------- groups


def inactive(subject: str) -> InactiveError:
    """Return what is to be said of a group that is switched off."""
    return InactiveError(
        f"{subject} is inactive: it suppresses nobody and takes no records",
        hint="activate it in CXone; trying again does not help",
    )


def _groups(answer: Answer, subject: str) -> list[Mapping[str, Any]]:
    """Return the groups of an answer, however they are wrapped; none where it is empty."""
    held: Any = answer.document
    held = held.get(RESULT, held)
    if isinstance(held, dict):
        held = held.get(GROUPS_KEY, [held] if ID in held else [])
    held = [held] if isinstance(held, dict) else held
    return _objects(held, subject)


def _remote(group: Mapping[str, Any], subject: str) -> RemoteList:
    """Read the metadata of a group that can be worked with."""
    group_id, name = text(group.get(ID)), text(group.get(NAME))
    if not group_id or name is None:
        raise _unlike(subject, "has no id or no name")
    if group.get("isRemoved") is True:
        raise NotFoundError(f"{subject} was removed", hint="check listId")
    if group.get("isActive") is False:
        raise inactive(subject)
    settings = Settings(name=name, description=text(group.get(DESCRIPTION)), suppress_until=None)
    return RemoteList(
        id=group_id,
        settings=settings,
        type=KIND,
        count=_count(group.get(COUNT)),
        version=text(group.get(CHANGED)) or "",
    )


def _values(remote: RemoteList, changes: Sequence[Change]) -> Mapping[str, str | None]:
    """Return the settings as changes spell them."""
    told = [model.joined(value) for change in changes for value in (change.old, change.new)]
    return drift.values(remote.settings, ways=frozenset().union(*told))


# ---------------------------------------------------------------- records


def _page(answer: Answer, subject: str) -> Page:
    """Read what the service answered to a question for a page; its total is not believed."""
    held = answer.document.get(RESULT, answer.document)
    if answer.status == EMPTY or not isinstance(held, dict):
        held = {RECORDS_KEYS[0]: []} if answer.status == EMPTY else {}
    found: Any = next((held[key] for key in RECORDS_KEYS if held.get(key) is not None), [])
    try:
        records = dnc_record.columns(_objects(found, subject))
    except ValueError as error:
        raise _unlike(subject, f"holds {error}") from error
    return Page(contacts=records, total=None, version="")


def _sent(answer: Answer, batch: pa.Table, subject: str) -> Sent:
    """Read what the service answered to a batch, row by row."""
    if answer.status not in DONE:
        return Sent(taken=False, unnamed=(short_code(answer.document) or str(answer.status),))
    held = answer.document.get(RESULT, answer.document)
    held = held if isinstance(held, dict) else {}
    results = _objects(held.get(RESULTS, []), subject)
    failed = [(at, each) for at, each in enumerate(results) if not _good(each)]
    announced = _count(held.get(FAILURES))
    if announced is None and len(results) != batch.num_rows:
        raise _unlike(subject, "does not say what became of each record")
    whole = len(results) == batch.num_rows
    errors, unnamed = complaints(
        {
            "errors": [
                ({"index": at} if whole else {})
                | {
                    "phoneNumber": text(each.get("formattedPhone")) or "",
                    "code": short_code(each),
                    "message": text(each.get("error")) or "",
                }
                for at, each in failed
            ]
        },
        identifiers=[batch.column("phone").to_pylist()],
    )
    hidden = min(announced or 0, batch.num_rows) - len(failed)
    return Sent(taken=True, errors=errors, unnamed=unnamed + ("UNNAMED",) * max(hidden, 0))


def _good(result: Mapping[str, Any]) -> bool:
    return str(result.get("success")).casefold() == "true"


# ---------------------------------------------------------------- any of them


def _path(template: str, list_id: str) -> str:
    return template.format(quote(list_id, safe=""))


def _given(value: object) -> bool:
    return isinstance(value, str) and not value.startswith("unmanaged")


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
