"""What do-not-call groups accept, record by record, and how they spell what they keep; pure."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

import falcon

from reconciler.sandbox.data import Contact, identity
from reconciler.sandbox.faults import Fault
from reconciler.sandbox.rules import RuleError, wrong

MAX_RECORDS: Final = 4_500
"""Records in one request, at most."""

_NATIONAL: Final = 10
"""Digits of a number of the North American plan, without its 1."""
_DIGITS: Final = re.compile(r"[0-9]{7,15}")
_SHORTEST, _LONGEST = 10**6, 10**15
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,7})?Z?")
_FIELDS: Final[Mapping[str, str]] = {"dncGroupName": "name", "dncGroupDescription": "description"}


def rows(body: Mapping[str, object]) -> list[object]:
    """Return the records of a request.

    Raises:
        falcon.HTTPBadRequest: there are none, or too many.
    """
    found = body.get("dncGroupRecords")
    if not isinstance(found, list) or not found:
        raise falcon.HTTPBadRequest(title="BAD_REQUEST", description="no dncGroupRecords")
    if len(found) > MAX_RECORDS:
        said = f"Maximum of {MAX_RECORDS:,} records per upload exceeded"
        raise falcon.HTTPBadRequest(title="BAD_REQUEST", description=said)
    return found


def record(row: object, *, now: datetime) -> Contact:
    """Return a record to add as a contact to store; its number is a whole number.

    Raises:
        RuleError: what is wrong with it.
    """
    given = row if isinstance(row, dict) else {}
    number = given.get("phoneNumber")
    if isinstance(number, bool) or not isinstance(number, int):
        raise wrong("INVALID", "phoneNumber", "expected a whole number")
    if not _SHORTEST <= number < _LONGEST:
        raise wrong("INVALID", "phoneNumber", "expected 7 to 15 digits")
    phone = _stored(str(number))
    return Contact(
        email=None,
        email_key=None,
        phone=phone,
        phone_key=identity(phone),
        reason=None,
        suppress_until=_end(given.get("expiredDate"), now=now),
    )


def unwanted(row: object) -> Contact:
    """Return a record to end; its number is a text.

    Raises:
        RuleError: what is wrong with it.
    """
    number = row.get("phoneNumber") if isinstance(row, dict) else None
    if not isinstance(number, str) or not _DIGITS.fullmatch(number):
        raise wrong("INVALID", "phoneNumber", "expected a text of 7 to 15 digits")
    phone = _stored(number)
    return Contact(None, None, phone, identity(phone), None, None)


def reject(contact: Contact, rejects: Iterable[Fault]) -> None:
    """Complain of a record that is valid, where a fault says so."""
    for each in rejects:
        if (contact.phone_key or "").endswith(each.options.get("ending", "")):
            raise wrong(each.argument, "phoneNumber", each.argument)


def key(number: str) -> str:
    """Return what a number as callers spell it is matched by."""
    return identity(_stored(re.sub(r"[^0-9]", "", number)))


def shown(number: int, phone: str, until: str | None, *, plain: bool) -> dict[str, object]:
    """Return a record as its JSON shows it; a plain end has no fraction and no zone."""
    digits = _kept(phone)
    return {
        "recordId": number,
        "createdBy": "sandbox",
        "phoneNumber": digits,
        "formattedPhone": formatted(digits),
        "expiredDate": until and until[:19] + ".0000000Z" * (not plain),
        "dateCollected": "2026-01-01T00:00:00.0000000Z",
        "lastUpdateTime": "2026-01-01T00:00:00.0000000Z",
    }


def result(phone: str) -> dict[str, object]:
    """Say that a record was taken."""
    return {"success": True, "error": "", "formattedPhone": formatted(_kept(phone))}


def failure(row: object, error: RuleError) -> dict[str, object]:
    """Say that a record was not taken, and why."""
    number = row.get("phoneNumber") if isinstance(row, dict) else None
    said = error.complaints[0]
    text = said.code if said.message == said.code else said.message
    return {"success": False, "error": text, "formattedPhone": formatted(str(number or ""))}


def formatted(digits: str) -> str:
    """Spell a number for people."""
    if len(digits) != _NATIONAL:
        return digits
    return f"({digits[:3]}) {digits[3:6]}-{digits[6:]}"


def new_group(body: Mapping[str, object]) -> dict[str, str]:
    """Return the name and description of a group to make.

    Raises:
        falcon.HTTPBadRequest: it has no name, or something else.
    """
    given = {field: body.get(field, "") for field in _FIELDS}
    texts = {field: value for field, value in given.items() if isinstance(value, str)}
    if body.keys() - _FIELDS.keys() or texts != given or not texts["dncGroupName"].strip():
        raise falcon.HTTPBadRequest(
            title="BAD_REQUEST", description=f"expected {' and '.join(_FIELDS)}"
        )
    return texts


def changes(query: Mapping[str, str | list[str]]) -> dict[str, str | None]:
    """Return the fields that a query changes, by our names of them.

    Raises:
        falcon.HTTPBadRequest: a parameter is not known, or comes twice.
    """
    known = {*_FIELDS, "isActive"}
    if query.keys() - known or any(isinstance(value, list) for value in query.values()):
        raise falcon.HTTPBadRequest(
            title="BAD_REQUEST", description=f"known here are {', '.join(sorted(known))}"
        )
    return {ours: str(query[field]) or None for field, ours in _FIELDS.items() if field in query}


def _stored(digits: str) -> str:
    """Spell a number with its country."""
    return f"+1{digits}" if len(digits) == _NATIONAL else f"+{digits}"


def _kept(phone: str) -> str:
    """Spell a number as this service keeps it: digits, those of North America without their 1."""
    digits = re.sub(r"[^0-9]", "", phone)
    return digits[1:] if len(digits) == _NATIONAL + 1 and digits.startswith("1") else digits


def _end(value: object, *, now: datetime) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise wrong("INVALID", "expiredDate", "expected such as 2027-12-31T23:59:59Z")
    spelled = f"{value[:19]}Z"
    try:
        moment = datetime.fromisoformat(spelled)
    except ValueError as error:
        raise wrong("INVALID", "expiredDate", "no such date or time") from error
    if moment <= now:
        raise wrong("INVALID", "expiredDate", "lies in the past")
    return spelled
