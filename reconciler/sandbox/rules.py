"""What the service accepts in a request body, judged row by row; pure.

A complaint names its row by position and identifier, as the service does; the text of its message
never repeats an identifier. Nothing is stored here.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Final, TypeAlias

from reconciler.model import REASONS
from reconciler.sandbox.data import Contact, identity

Json: TypeAlias = Mapping[str, object]

MAX_BATCH: Final = 10_000
"""Contacts in one POST, at most."""

_CONTACT_FIELDS: Final = frozenset(("email", "phoneNumber", "reason", "suppressUntil", "version"))
_LIST_FIELDS: Final = frozenset(("name", "description", "suppressUntil"))
_LONGEST_TEXT: Final = 1_000
_LARGEST_VERSION: Final = 2**53
_EMAIL: Final = re.compile(r"[^\s@]{1,64}@[^\s@]{1,254}")
_PHONE: Final = re.compile(r"\+?[0-9]{5,15}")
_PHONE_MARKS: Final = re.compile(r"[\s().\-/]")
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z")


@dataclass(frozen=True, slots=True)
class Complaint:
    """One element of ``validationErrors``; of a list it has no index or identifier."""

    code: str
    field: str
    message: str
    index: int | None = None
    identifier: str | None = None

    def at(self, index: int, row: object) -> "Complaint":
        """Return the complaint with its row's position and identifier."""
        return replace(self, index=index, identifier=_named(row))

    @property
    def body(self) -> dict[str, object]:
        """The complaint as its JSON shows it, absent parts left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class RuleError(Exception):
    """Something that the service does not take, and why."""

    def __init__(self, *complaints: Complaint) -> None:
        super().__init__(*(each.message for each in complaints))
        self.complaints = complaints


def wrong(code: str, field: str, message: str) -> RuleError:
    """Return an error of one complaint that does not know its row yet."""
    return RuleError(Complaint(code, field, message))


# ---------------------------------------------------------------- contacts


def no_repeats(rows: Sequence[object]) -> None:
    """Demand that no identifier stands twice in a batch.

    Raises:
        RuleError: a complaint of every row that repeats an identifier of an earlier one.
    """
    repeated = tuple(_repeats(rows))
    if repeated:
        raise RuleError(*repeated)


def _repeats(rows: Sequence[object]) -> Iterator[Complaint]:
    first: dict[str, int] = {}
    for index, row in enumerate(rows):
        for field in ("email", "phoneNumber"):
            value = row.get(field) if isinstance(row, dict) else None
            key = identity(value) if isinstance(value, str) else ""
            if key and first.setdefault(key, index) != index:
                message = f"the same {field} stands at index {first[key]}"
                yield Complaint("DUPLICATE", field, message).at(index, row)
                break


def contact(row: object, *, now: datetime) -> Contact:
    """Return a row of a batch as a contact to store.

    Raises:
        RuleError: the first thing wrong with it.
    """
    if not isinstance(row, dict):
        raise wrong("INVALID", "", "a contact must be an object")
    _known(row, _CONTACT_FIELDS)
    email, phone = _email(row.get("email")), _phone(row.get("phoneNumber"))
    if not (email or phone):
        raise wrong("NO_IDENTIFIER", "", "a contact needs an email or a phoneNumber")
    return Contact(
        email=email,
        email_key=identity(email) if email else None,
        phone=phone,
        phone_key=identity(phone) if phone else None,
        reason=_reason(row.get("reason")),
        suppress_until=_end(row.get("suppressUntil"), now=now),
        version=_version(row.get("version")),
    )


def _named(row: object) -> str | None:
    """Return what a complaint calls a row: the identifier it carries, as sent."""
    values = (row.get("email"), row.get("phoneNumber")) if isinstance(row, dict) else ()
    return next((value for value in values if value and isinstance(value, str)), None)


def _email(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not _EMAIL.fullmatch(value.strip()):
        raise wrong("INVALID_EMAIL", "email", "not an email address")
    return value.strip()


def _phone(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not _PHONE.fullmatch(_PHONE_MARKS.sub("", value)):
        raise wrong("INVALID_PHONE", "phoneNumber", "not a phone number of 5 to 15 digits")
    return value.strip()


def _reason(value: object) -> str | None:
    if value is None or value in REASONS:
        return str(value) if value else None
    raise wrong("INVALID_REASON", "reason", f"expected one of {', '.join(REASONS)}")


def _version(value: object) -> int | None:
    if value is None:
        return None
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not (whole and isinstance(value, int) and 1 <= value <= _LARGEST_VERSION):
        raise wrong("INVALID_VERSION", "version", "expected a whole number from 1")
    return value


# ---------------------------------------------------------------- lists


def new_list(body: Json, *, now: datetime) -> dict[str, str | None]:
    """Return the fields of a list to make, by their names in JSON, all of them.

    Raises:
        RuleError: the first thing wrong with it.
    """
    _known(body, _LIST_FIELDS | {"listType"})
    if body.get("listType") != "suppression":
        raise wrong("INVALID_LIST_TYPE", "listType", "expected suppression")
    given = {"name": None, **{key: value for key, value in body.items() if key != "listType"}}
    return {"description": None, "suppressUntil": None, **_settings(given, now=now)}


def list_changes(body: Json, *, now: datetime) -> dict[str, str | None]:
    """Return the fields of a list to change, by their names in JSON, at least one.

    Raises:
        RuleError: the first thing wrong with them.
    """
    _known(body, _LIST_FIELDS)
    if not body:
        raise wrong("NOTHING", "", "no field to change")
    return _settings(body, now=now)


def _settings(given: Json, *, now: datetime) -> dict[str, str | None]:
    read: dict[str, str | None] = {}
    for field, value in given.items():
        match field:
            case "suppressUntil":
                read[field] = _end(value, now=now)
            case _:
                read[field] = _text(field, value)
    return read


def _text(field: str, value: object) -> str | None:
    if value is None and field == "description":
        return None
    if not isinstance(value, str) or not (field == "description" or value.strip()):
        raise wrong("INVALID_TEXT", field, "expected a text")
    if len(value) > _LONGEST_TEXT:
        raise wrong("TOO_LONG", field, f"longer than {_LONGEST_TEXT} characters")
    return value


# ---------------------------------------------------------------- both


def _known(body: Json, fields: frozenset[str]) -> None:
    unknown = len(body.keys() - fields)
    if unknown:
        expected = ", ".join(sorted(fields))
        raise wrong("UNKNOWN_FIELD", "", f"{unknown} unknown; known here are {expected}")


def _end(value: object, *, now: datetime) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise wrong("INVALID_DATE", "suppressUntil", "expected such as 2027-12-31T23:59:59Z")
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise wrong("INVALID_DATE", "suppressUntil", "no such date or time") from error
    if moment <= now:
        raise wrong("PAST_DATE", "suppressUntil", "lies in the past")
    return value
