"""What one text is, as the libraries say it: an address, seconds, or nothing.

The reference for all that SQL decides by itself. It must never raise over a value, and never make
one person's address out of another's: in doubt the answer is ``None``.
"""

import re
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Final

import email_validator
import phonenumbers

from reconciler import times

BLANK: Final = " \t\r\n\v\f\u00a0\u200b\ufeff"
"""What counts as nothing at both ends: what spreadsheets and editors leave there."""

RULES: Final = " ".join(
    [
        "rules 2",
        *(f"{name} {version(name)}" for name in ("phonenumbers", "email-validator", "idna")),
        f"unicode {unicodedata.unidata_version}",
    ]
)
"""Another text whenever an answer may be another one: ours count up with every change of a rule."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SETTLED_AFTER: Final = 4
_FLOATED: Final = re.compile(r"(\+?\d{7,})\.0")
"""A number that went through a column of floats: the fraction is no part of it."""

_EXTENSION: Final = re.compile(r"(;ext=|(extension|extn?|xtn|x)[.:]?\s*)\d+#?", re.IGNORECASE)
_SCHEME: Final = re.compile(r"tel:", re.IGNORECASE)

_POSSIBLE: Final = phonenumbers.ValidationResult.IS_POSSIBLE
_LONGEST_EXTENSION: Final = 6

# Special-use names (.test, .local, example.…) are somebody's to block like any other.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()


def email_address(written: str) -> str | None:
    """Return an email's normalised identity, or ``None`` where it is not an email."""

    def once(text: str) -> str:
        parts = email_validator.validate_email(text, check_deliverability=False)
        local = unicodedata.normalize("NFC", parts.local_part.lower())
        return f"{local}@{parts.ascii_domain.lower()}"

    return _settled(written.strip(BLANK), once)


def phone_address(written: str, region: str) -> str | None:
    """Return a phone number in E.164, or ``None`` where it is not a possible one.

    With an empty region only international forms are numbers at all.

    Possible, not valid: fictional and newly issued ranges have to work. A number that only works
    inside its own area is not one, nor is one with words around or letters in it: the library
    would overlook or dial them.
    """

    def once(text: str) -> str:
        number = phonenumbers.parse(text, region or None)
        if phonenumbers.is_possible_number_with_reason(number) != _POSSIBLE:
            raise ValueError("not a possible number")
        if len(number.extension or "") > _LONGEST_EXTENSION:
            raise ValueError("two numbers in one place")
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)

    stripped = written.strip(BLANK)
    if not stripped.isprintable() or _is_wordy(stripped):
        return None
    floated = _FLOATED.fullmatch(stripped)
    return _settled(floated[1] if floated else stripped, once)


def _is_wordy(text: str) -> bool:
    """Tell whether there are letters beside those that announce an extension at the end."""
    scheme = _SCHEME.match(text)
    bare = text[scheme.end() :] if scheme else text
    marks = list(_EXTENSION.finditer(bare))
    if marks and marks[-1].end() == len(bare):
        bare = bare[: marks[-1].start()]
    return any(character.isalpha() for character in bare)


def end_seconds(written: str) -> int | None:
    """Return a date or time as whole seconds since the epoch, or ``None`` where it is neither."""
    with suppress(ValueError):
        return _seconds(times.parse_time(written))
    return None


def duration_end(start: int, written: str) -> int | None:
    """Return ``start`` (seconds) plus a duration, in seconds, or ``None`` where it is none."""
    with suppress(ValueError, OverflowError):
        return _seconds(times.add_duration(_EPOCH + timedelta(seconds=start), written))
    return None


def _seconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(seconds=1)


def _settled(text: str, once: Callable[[str], str]) -> str | None:
    """Normalise until nothing changes any more, so that normalising an address is the address."""
    for _ in range(_SETTLED_AFTER):
        try:
            made = once(text)
        except Exception:  # noqa: BLE001 - whatever a library trips over is not an address
            return None
        if made == text:
            return made
        text = made
    return None
