"""SQL functions that turn what people typed into addresses and seconds, and NULL where they cannot.

What is certain is decided in SQL; only the rest goes through the libraries, once per distinct
value of a block. It must never raise over a value, and never make one person's address out of
another's: in doubt the answer is NULL.
"""

import re
import threading
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import duckdb
import email_validator
import phonenumbers
import pyarrow as pa
from duckdb.func import ARROW, SPECIAL

from reconciler import times

BLANK: Final = " \t\r\n\v\f\u00a0\u200b\ufeff"
"""What ``tidy`` takes away at both ends: what spreadsheets and editors leave there."""

_MACROS: Final = r"""
CREATE OR REPLACE TEMP MACRO tidy(written) AS nullif(trim(written, getvariable('blank')), '');

CREATE OR REPLACE TEMP MACRO email_address(written) AS CASE
  WHEN length(written) <= 254
   AND length(written) - position('@' IN written) <= 63
   AND regexp_full_match(written,
     '[A-Za-z0-9_+-]+(\.[A-Za-z0-9_+-]+)*@([A-Za-z0-9]+(-[A-Za-z0-9]+)*\.)+[A-Za-z]{2,}')
  THEN lower(written)
  ELSE slow_email_address(written) END;

CREATE OR REPLACE TEMP MACRO phone_address(written, region) AS CASE
  WHEN regexp_full_match(written, '\+1[2-9][0-9]{9}') THEN written
  WHEN regexp_full_match(written,
    '\+1[ .-]?(\([2-9][0-9]{2}\)|[2-9][0-9]{2})[ .-]?[0-9]{3}[ .-]?[0-9]{4}')
  THEN '+' || regexp_replace(written, '[^0-9]', '', 'g')
  WHEN region = 'US' AND regexp_full_match(written,
    '(\([2-9][0-9]{2}\)|[2-9][0-9]{2})[ .-]?[0-9]{3}[ .-]?[0-9]{4}')
  THEN '+1' || regexp_replace(written, '[^0-9]', '', 'g')
  ELSE slow_phone_address(written, coalesce(region, '')) END;

CREATE OR REPLACE TEMP MACRO end_seconds(written) AS CASE
  WHEN regexp_full_match(written, '[1-9]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\dZ')
  THEN CAST(epoch(try_strptime(written, '%Y-%m-%dT%H:%M:%SZ')) AS BIGINT)
  ELSE slow_end_seconds(written) END;

CREATE OR REPLACE TEMP MACRO is_naive(written) AS CASE
  WHEN written IS NULL OR written[-1] = 'Z' OR regexp_full_match(written, '\d{4}-\d\d-\d\d')
  THEN false
  ELSE slow_is_naive(written) END;

CREATE OR REPLACE TEMP MACRO is_duration(written) AS starts_with(tidy(written), 'P');
"""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SETTLED_AFTER: Final = 4
_FLOATED: Final = re.compile(r"(\+?\d{7,})\.0")
"""A number that went through a column of floats: the fraction is no part of it."""

_EXTENSION: Final = re.compile(r"(;ext=|(extension|extn?|xtn|x)[.:]?\s*)\d+#?", re.IGNORECASE)
_SCHEME: Final = re.compile(r"tel:", re.IGNORECASE)

_POSSIBLE: Final = phonenumbers.ValidationResult.IS_POSSIBLE
_LONGEST_EXTENSION: Final = 6

_registering: Final = threading.Lock()

# Special-use names (.test, .local, example.…) are somebody's to block like any other.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()


def register(session: duckdb.DuckDBPyConnection) -> None:
    """Give a session the functions below; safe to repeat, and from many threads.

    * ``email_address(VARCHAR) -> VARCHAR``: trimmed, lower case, the domain in IDNA's ASCII.
    * ``phone_address(VARCHAR, region VARCHAR) -> VARCHAR``: E.164 without extension; with a NULL
      region only international forms.
    * ``end_seconds(VARCHAR) -> BIGINT``: a date or time as seconds since the epoch, rounded up;
      a bare date is the end of its day.
    * ``duration_end(start BIGINT, VARCHAR) -> BIGINT``: ``start`` plus an ISO 8601 duration.
    * ``is_naive(VARCHAR)``, ``is_duration(VARCHAR) -> BOOLEAN``: how a time was written.
    * ``tidy(VARCHAR) -> VARCHAR``: without blanks at both ends, NULL where nothing is left.

    Each is NULL where its text is NULL, blank or not such a thing (``is_naive``: false).
    """
    with _registering:
        if not _is_registered(session):
            for name, (function, takes, gives) in _FUNCTIONS.items():
                session.create_function(
                    name, function, takes, gives, type=ARROW, null_handling=SPECIAL
                )
    session.execute("SET VARIABLE blank = $1", [BLANK])
    session.execute(_MACROS)


def _is_registered(session: duckdb.DuckDBPyConnection) -> bool:
    """Tell whether some session of this database was here before: functions are the database's."""
    with suppress(duckdb.CatalogException):
        session.execute(f"SELECT {next(reversed(_FUNCTIONS))}(NULL, NULL)")
        return True
    return False


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


def _blockwise(one: Callable[..., object], kind: Any) -> Callable[..., Any]:
    """Lift a function of one row to blocks of rows, asked once per distinct row."""

    def block(*columns: Any) -> Any:
        known: dict[tuple[object, ...], object] = {}
        made = []
        for row in zip(*(column.to_pylist() for column in columns), strict=True):
            if row not in known:
                known[row] = None if None in row else one(*row)
            made.append(known[row])
        return pa.array(made, kind)

    return block


def _emails(written: Any) -> Any:
    return _blockwise(email_address, pa.string())(written)


def _phones(written: Any, region: Any) -> Any:
    return _blockwise(phone_address, pa.string())(written, region)


def _ends(written: Any) -> Any:
    return _blockwise(end_seconds, pa.int64())(written)


def _naive(written: Any) -> Any:
    return _blockwise(times.is_naive, pa.bool_())(written)


def _duration_ends(start: Any, written: Any) -> Any:
    return _blockwise(duration_end, pa.int64())(start, written)


_FUNCTIONS: Final[dict[str, tuple[Callable[..., Any], list[Any], str]]] = {
    "slow_email_address": (_emails, ["VARCHAR"], "VARCHAR"),
    "slow_phone_address": (_phones, ["VARCHAR", "VARCHAR"], "VARCHAR"),
    "slow_end_seconds": (_ends, ["VARCHAR"], "BIGINT"),
    "slow_is_naive": (_naive, ["VARCHAR"], "BOOLEAN"),
    "duration_end": (_duration_ends, ["BIGINT", "VARCHAR"], "BIGINT"),
}
"""What each session can call. Named for good in this module: DuckDB keeps a bare pointer to a
function after the session that registered it is closed. It counts arguments by signature."""
