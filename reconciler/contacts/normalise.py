"""SQL functions that turn what people typed into addresses and seconds, and NULL where they cannot.

What is certain is decided in SQL, for phones by patterns that come from the library's metadata;
only the rest goes through the libraries, once per distinct value of a block. SQL must never say
anything else than the functions in ``singly``.
"""

import re
import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import duckdb
import phonenumbers
import pyarrow as pa
from duckdb.func import ARROW, SPECIAL

from reconciler import times
from reconciler.contacts import dialling
from reconciler.contacts.engine import execute
from reconciler.contacts.singly import (
    BLANK,
    RULES,
    duration_end,
    email_address,
    end_seconds,
    phone_address,
)

__all__ = ["BLANK", "RULES", "email_address", "phone_address", "register"]

_SHORT: Final = 64
"""Characters; in so few nothing about an email is too long, whatever its domain becomes."""

_LOCAL: Final = "[A-Za-z0-9!#$%&''*+/=?^_`{|}~-]+"
_LABEL: Final = "[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*"
_EMAIL: Final = rf"{_LOCAL}(?:\.{_LOCAL})*@(?:{_LABEL}\.)+(?:[A-Za-z0-9]+-)*[A-Za-z0-9]*[A-Za-z]"
"""An address in ASCII, but for one with two hyphens in a row: its domain may be Punycode."""

_PLAIN_LOCAL: Final = re.compile(r"[A-Za-z0-9]+(?:\.[A-Za-z0-9]+)*")

_GAPLESS: Final = """replace(replace(replace(replace(replace(replace(
  {}, ' ', ''), '-', ''), '.', ''), '(', ''), ')', ''), '/', '')"""
"""Without what may stand between digits; ``translate`` takes twice as long."""

_MACROS: Final = rf"""
CREATE MACRO tidy(written) AS CASE
  WHEN regexp_full_match(written, '[!-~]+(?: +[!-~]+)*') THEN written
  ELSE nullif(trim(written, getvariable('blank')), '') END;

CREATE MACRO is_there(written) AS CASE
  WHEN written IS NULL OR written = '' THEN false
  WHEN regexp_matches(written, '[!-~]') THEN true
  ELSE tidy(written) IS NOT NULL END;

CREATE MACRO lower_email(bare) AS CASE
  WHEN strlen(bare) <= 254 AND regexp_full_match(bare, '{_EMAIL}')
   AND NOT regexp_matches(bare, '@.*[^.]{{64}}')
  THEN lower(bare) END;

CREATE MACRO email_address(written) AS CASE
  WHEN written IS NULL THEN NULL
  WHEN strlen(written) <= 64 AND regexp_full_match(written, '{_EMAIL}') THEN lower(written)
  WHEN strlen(written) <= 64
   AND regexp_full_match(written, '[ \t\r\n]*{_EMAIL}[ \t\r\n]*')
  THEN lower(trim(written, getvariable('blank')))
  WHEN regexp_full_match(written, '[^@]*') THEN NULL
  WHEN regexp_full_match(written, '[\x00-\x7f]*') AND NOT contains(written, '--')
  THEN lower_email(trim(written, getvariable('blank')))
  ELSE slow_email_address(written) END;

CREATE MACRO end_seconds(written) AS CASE
  WHEN written IS NULL THEN NULL
  WHEN regexp_full_match(written,
    '[1-9]\d{{3}}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ')
  THEN CAST(epoch(try_cast(written AS TIMESTAMP)) AS BIGINT)
  WHEN regexp_full_match(written,
    '[1-9]\d{{3}}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d[+-](?:0\d|1[0-4]):[0-5]\d')
  THEN CAST(epoch(try_cast(written AS TIMESTAMPTZ)) AS BIGINT)
  WHEN regexp_full_match(written, '[1-9]\d{{3}}-\d\d-\d\d')
  THEN CAST(epoch(try_cast(written AS TIMESTAMP)) AS BIGINT) + 86399
  WHEN regexp_full_match(written, '[A-Za-z]*') THEN NULL
  ELSE slow_end_seconds(written) END;

CREATE MACRO is_naive(written) AS CASE
  WHEN written IS NULL OR ends_with(written, 'Z')
    OR regexp_full_match(written,
      '\d{{4}}-\d\d-\d\d(?:T\d\d:\d\d:\d\d[+-]\d\d:\d\d)?|[A-Za-z]*')
  THEN false
  ELSE slow_is_naive(written) END;

CREATE MACRO bare_phone(written) AS CASE
  WHEN strlen(written) <> length(written) THEN tidy(written)
  WHEN starts_with(written, 'tel:') AND regexp_full_match(written, 'tel:[0-9+() /-]*')
  THEN substring(written, 5)
  ELSE written END;

CREATE MACRO gapless_phone(written) AS {_GAPLESS.format("written")};

CREATE MACRO is_duration(written) AS CASE
  WHEN regexp_full_match(written, '(?s)[!-~].*') THEN starts_with(written, 'P')
  ELSE starts_with(tidy(written), 'P') END;

"""
"""Of each the likeliest case first, and a test that costs least. An argument is evaluated again
in every case, so it should be a column. In 64 characters no part of a domain is too long, and no
number is."""

_PHONES: Final = r"""
CREATE MACRO foreign_phone_{name}(bare, written) AS CASE
  {world}
  WHEN regexp_full_match(bare, '{impossible}') THEN NULL
  ELSE slow_phone_address(written, getvariable('region')) END;

CREATE MACRO phone_address_{name}(written, gapless) AS CASE
  WHEN written IS NULL THEN NULL
  WHEN strlen(written) > 64 THEN slow_phone_address(written, getvariable('region'))
  WHEN regexp_full_match(written, '{canonical}') THEN written
  {own}
  WHEN regexp_full_match(written, '{international}') THEN foreign_phone_{name}(
    CASE WHEN contains(written, '+') THEN gapless
    ELSE '+' || substring(gapless, {abroad} + 1) END, written)
  {national}
  WHEN regexp_full_match(written, '{none}') THEN NULL
  WHEN regexp_full_match(written, '[\x00-\x7f]*')
   AND NOT regexp_full_match(written, '{worded}') THEN NULL
  WHEN regexp_full_match(written, '{extended}') THEN list_transform(
    [CASE WHEN ends_with(written, '.0') THEN left(written, -2) ELSE {extended_gone} END],
    lambda dialled: CASE
      {extended_national}
      WHEN regexp_full_match(dialled, '{none}') THEN NULL
      ELSE slow_phone_address(written, getvariable('region')) END)[1]
  ELSE slow_phone_address(written, getvariable('region')) END;
"""
"""What is certain of phones in one region. Patterns of its own numbers match a text as it is
written, since they are small; that of all calling codes is for a text without gaps and stands in
one place, since to compile it takes milliseconds in every statement. Likewise a list of one text
is there only to give it a name: in a macro's argument it would be planned again in every case.
"""

_EXTENSION_GONE: Final = """
  split_part(split_part(split_part(lower(written), 'e', 1), 'x', 1), ';', 1)"""
"""No letters stand before an extension; a pattern would be compiled in each case again."""

_CHOSEN: Final = """
CREATE OR REPLACE TEMP MACRO dialled_address(written, gapless) AS
  phone_address_{name}(written, gapless);
CREATE OR REPLACE TEMP MACRO phone_address(written) AS
  phone_address_{name}(written, gapless_phone(written))
"""
"""A session has one region, and macros are quick to name and slow to make."""

_KNOWN: Final = "CREATE TABLE IF NOT EXISTS known (name VARCHAR)"
"""Which of these macros some session has made: they are the database's."""

_registering: Final = threading.Lock()


def register(session: duckdb.DuckDBPyConnection, *, region: str | None) -> None:
    """Give a session the functions below; safe to repeat, and from many threads.

    * ``email_address(VARCHAR) -> VARCHAR``: trimmed, lower case, the domain in IDNA's ASCII.
    * ``phone_address(VARCHAR) -> VARCHAR``: E.164 without extension.
    * ``end_seconds(VARCHAR) -> BIGINT``: a date or time as seconds since the epoch, rounded up;
      a bare date is the end of its day.
    * ``duration_end(start BIGINT, VARCHAR) -> BIGINT``: ``start`` plus an ISO 8601 duration.
    * ``is_naive(VARCHAR)``, ``is_duration(VARCHAR) -> BOOLEAN``: how a time was written.
    * ``dialled_address(VARCHAR, VARCHAR) -> VARCHAR``: the same of a column and of what
      ``gapless_phone`` makes of it, in a column too: what stands in columns is made once.
    * ``bare_phone(VARCHAR) -> VARCHAR``: what has the same ``phone_address`` and is more often
      found out without the library: no foreign blanks at the ends, no scheme.
    * ``tidy(VARCHAR) -> VARCHAR``: without blanks at both ends, NULL where nothing is left.
    * ``is_there(VARCHAR) -> BOOLEAN``: whether ``tidy`` leaves anything, at a third of its cost.

    Each is NULL where its text is NULL, blank or not such a thing (``is_naive``: false).

    Args:
        session: a session of an engine; it may be given functions for another region later.
        region: where phone numbers written without a country are from; ``None`` for nowhere, so
            that only international forms are numbers.
    """
    name = region.lower() if region in phonenumbers.SUPPORTED_REGIONS else "nowhere"
    execute(session, "SET VARIABLE blank = $1", [BLANK])
    execute(session, "SET VARIABLE region = $1", [region or ""])
    with _registering:
        execute(session, _KNOWN)
        known = {name for (name,) in execute(session, "FROM known").fetchall()}
        if "texts" not in known:
            for called, (function, takes, gives) in _FUNCTIONS.items():
                session.create_function(
                    called, function, takes, gives, type=ARROW, null_handling=SPECIAL
                )
            _make(session, "texts", _MACROS)
        if name not in known:
            _make(session, name, _phone_macros(name, region or ""))
    execute(session, _CHOSEN.format(name=name))


def _make(session: duckdb.DuckDBPyConnection, name: str, macros: str) -> None:
    execute(session, macros)
    execute(session, "INSERT INTO known VALUES ($1)", [name])


def _phone_macros(name: str, region: str) -> str:
    """Return the macros of what is certain of a region's phone numbers."""
    rules = dialling.rules(region)
    own, *national = [_when(rule, "written", "gapless") for rule in rules.national] or [""]
    return _PHONES.format(
        name=name,
        canonical=rules.canonical,
        own=own,
        international=rules.international,
        abroad=rules.abroad,
        world="\n  ".join(_when(rule, "bare", "bare") for rule in rules.world),
        impossible=rules.impossible,
        national="\n  ".join(national),
        extended_national="\n      ".join(
            _when(rule, "dialled", _GAPLESS.format("dialled")) for rule in rules.national
        ),
        none=rules.none,
        worded=dialling.WORDED,
        extended=dialling.EXTENDED,
        extended_gone=_EXTENSION_GONE,
    )


def _when(rule: dialling.Rule, text: str, digits: str) -> str:
    """Return a rule as a case of ``text``, whose digits are ``digits``."""
    also = f" AND regexp_full_match({text}, '{rule.also}')" if rule.also else ""
    rest = f"substring({digits}, {rule.cut + 1})" if rule.cut else digits
    return f"WHEN regexp_full_match({text}, '{rule.pattern}'){also} THEN '{rule.put}' || {rest}"


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
    return _blockwise(_email_address, pa.string())(written)


def _email_address(written: str) -> str | None:
    """Return what ``email_address`` does; a domain is looked at once, and many share one."""
    local, _, domain = written.strip(BLANK).rpartition("@")
    if len(written) > _SHORT or not _PLAIN_LOCAL.fullmatch(local):
        return email_address(written)
    known = _domain(domain)
    return f"{local.lower()}@{known}" if known else None


@lru_cache(65_536)
def _domain(written: str) -> str | None:
    found = email_address(f"a@{written}")
    return found.removeprefix("a@") if found else None


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
