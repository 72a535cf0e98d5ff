"""What goes wrong between a caller and the service, on request: faults around any WSGI app.

A fault is written ``KIND[:ARG][;OPTION=VALUE]@[METHOD ]PATH[#N|#N+]``; ``GRAMMAR`` says all of
it, for people. Faults count requests per app, not across processes. A connection that breaks is
a ``ConnectionResetError`` out of the app: an embedded caller meets it as such, a server in front
closes the socket. Nothing here knows what a list is.
"""

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import lru_cache
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final, TypeAlias
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import orjson

from reconciler.errors import UsageError

__all__ = ["GRAMMAR", "QUIRKS", "REJECTS", "Fault", "inject", "parse"]

GRAMMAR: Final = """KIND[:ARG][;OPTION=VALUE]@[METHOD ]PATH[#N|#N+]

PATH is a glob: * stays inside one segment, ** crosses them; one that does not start with /
matches the end of a path. #N is the Nth matching request, #N+ that one and all after it;
without either it is every one.

  status:CODE     answer CODE (400 to 599); ;retry-after=SECONDS_OR_DATE or ;retry-date=SECONDS
                  (an HTTP date that far ahead) adds Retry-After
  html            answer 200 with a page of HTML
  reset           break the connection before anything is done
  lost            do it, then break the connection instead of answering
  truncate        do it, then break the connection in the middle of the answer
  slow:SECONDS    wait first
  bump[:WHAT]     a stranger comes first: WHAT is touch (moves the ETag, the default), contact
                  (adds one), name or description (changes it)
  reject:CODE     complain of rows that are valid; ;ending=TEXT only of those whose identifier
                  ends so

  Of do-not-call groups alone:
  repeat          the page begins at the first record, whatever skip asks for
  clamp:N         the page holds N records at most
  pagetotal       the page's size is told as the total
  plaindates      the ends of records have no fraction and no zone
  othername       the records stand under dncGroupRecords
  bare            what became of each record is told without resultSet
  inactive        the group is switched off

Examples:
  status:503@POST /api/v2/lists/*/contacts#2
  status:429;retry-after=2@/api/v2/**#3+
  bump@GET contacts#2
"""

QUIRKS: Final = "reconciler.sandbox.quirks"
"""The environ key under which an app finds how it is odd at a request: arguments by kind."""
REJECTS: Final = "reconciler.sandbox.rejects"
"""The environ key under which an app finds the ``reject`` faults of a request."""

Bump: TypeAlias = Callable[[str, str], None]
"""Called with a request's path and what a stranger is to do there."""

_TEXT: Final = re.compile(
    r"(?P<kind>[a-z]+)(:(?P<argument>[^;]*))?(?P<options>(;[^;]*)*)"
    r"@((?P<method>[A-Z]+)\s+)?(?P<path>[^\s#]+)(#(?P<nth>[1-9][0-9]{0,8})(?P<onwards>\+)?)?",
    re.DOTALL,
)
_QUIRKS: Final = ("repeat", "clamp", "pagetotal", "plaindates", "othername", "bare", "inactive")
_OPTIONS: Final[Mapping[str, frozenset[str]]] = {
    "status": frozenset(("retry-after", "retry-date")),
    "reject": frozenset(("ending",)),
    **dict.fromkeys(_QUIRKS, frozenset()),
    **dict.fromkeys(("html", "reset", "lost", "truncate", "slow", "bump"), frozenset()),
}
_BUMPS: Final = ("touch", "contact", "name", "description")
_FIRST: Final = ("slow", "bump", "reject", *_QUIRKS)
"""Kinds after which the request goes on; the others end it."""
_LONGEST: Final = 600.0
_PAGE: Final = b"<!doctype html><title>Maintenance</title><p>We will be back soon.</p>\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong, and with which requests."""

    kind: str
    path: str
    argument: str = ""
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    method: str = ""
    """Empty for any."""
    nth: int = 1
    onwards: bool = True

    def matches(self, method: str, path: str) -> bool:
        """Tell whether a request is one of those to count."""
        return self.method in ("", method) and bool(_glob(self.path).fullmatch(path))

    def due(self, count: int) -> bool:
        """Tell whether it happens to the ``count``-th matching request."""
        return count == self.nth or (self.onwards and count > self.nth)


# ---------------------------------------------------------------- reading


def parse(text: str) -> Fault:
    """Read a fault as ``GRAMMAR`` describes it.

    Raises:
        UsageError: the text is not one.
    """
    match = _TEXT.fullmatch(text.strip())
    if not match:
        raise _misread(text, "expected KIND[:ARG][;OPTION=VALUE]@[METHOD ]PATH[#N|#N+]")
    kind, argument = match["kind"], match["argument"] or ""
    if kind not in _OPTIONS:
        raise _misread(text, f"expected one of {', '.join(sorted(_OPTIONS))} before the @")
    options = dict(_option(text, each) for each in match["options"].split(";")[1:])
    if unknown := options.keys() - _OPTIONS[kind]:
        raise _misread(text, f"{kind} has no option {', '.join(sorted(unknown))}")
    if expected := _bad_argument(kind, argument) or _bad_option(options):
        raise _misread(text, expected)
    return Fault(
        kind=kind,
        argument=argument,
        options=MappingProxyType(options),
        method=match["method"] or "",
        path=match["path"],
        nth=int(match["nth"] or 1),
        onwards=bool(match["onwards"]) or not match["nth"],
    )


def _option(text: str, written: str) -> tuple[str, str]:
    name, equals, value = written.partition("=")
    if not (name and equals and value):
        raise _misread(text, "an option is written ;NAME=VALUE")
    return name, value


def _bad_argument(kind: str, argument: str) -> str:
    """Return what was expected of an argument, empty where it is fine."""
    match kind:
        case "status" if not re.fullmatch(r"[45][0-9][0-9]", argument):
            expected = "status needs a code from 400 to 599, such as status:503"
        case "slow" if not _is_seconds(argument):
            expected = f"slow needs seconds up to {_LONGEST:.0f}, such as slow:0.5"
        case "bump" if argument and argument not in _BUMPS:
            expected = f"bump takes one of {', '.join(_BUMPS)}"
        case "reject" if not re.fullmatch(r"\w+", argument):
            expected = "reject needs a code, such as reject:CARRIER_BLOCKED"
        case "clamp" if not re.fullmatch(r"[1-9][0-9]{0,5}", argument):
            expected = "clamp needs a number of records, such as clamp:100"
        case "status" | "slow" | "bump" | "reject" | "clamp":
            expected = ""
        case _:
            expected = f"{kind} takes no argument" if argument else ""
    return expected


def _bad_option(options: Mapping[str, str]) -> str:
    if not all(value.isascii() and value.isprintable() for value in options.values()):
        return "an option's value is printable ASCII"
    if "retry-date" in options and not _is_seconds(options["retry-date"]):
        return f"retry-date needs seconds up to {_LONGEST:.0f}"
    return ""


def _is_seconds(text: str) -> bool:
    return bool(re.fullmatch(r"[0-9]+(\.[0-9]+)?", text)) and float(text) <= _LONGEST


def _misread(text: str, expected: str) -> UsageError:
    return UsageError(
        f"the fault {text!r} is not understood: {expected}",
        hint="For example: --fault 'status:503@POST /api/v2/lists/*/contacts#2'",
    )


@lru_cache(maxsize=256)
def _glob(pattern: str) -> re.Pattern[str]:
    """Compile a glob over paths, whose ``*`` does not cross a slash and whose ``**`` does."""
    wild = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*|\*|\?)", pattern)
    anchored = "" if pattern.startswith("/") else "(?:.*/)?"
    return re.compile(anchored + "".join(wild.get(part) or re.escape(part) for part in parts))


# ---------------------------------------------------------------- happening


def inject(
    app: WSGIApplication,
    faults: Sequence[Fault],
    *,
    bump: Bump,
    now: Callable[[], datetime],
) -> WSGIApplication:
    """Return an app that answers as ``app`` does, but for its faults.

    Of several faults due at one request those that only delay or disturb it all happen, then the
    first of the others.
    """
    counts = [0] * len(faults)
    lock = threading.Lock()

    def due(method: str, path: str) -> tuple[Fault, ...]:
        happening = []
        with lock:
            for index, each in enumerate(faults):
                if each.matches(method, path):
                    counts[index] += 1
                    happening += [each] * each.due(counts[index])
        return tuple(sorted(happening, key=lambda each: each.kind not in _FIRST))

    def faulty(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = str(environ.get("PATH_INFO", ""))
        for each in due(str(environ["REQUEST_METHOD"]), path):
            match each.kind:
                case "slow":
                    time.sleep(float(each.argument))
                case "bump":
                    bump(path, each.argument or "touch")
                case "reject":
                    environ[REJECTS] = (*environ.get(REJECTS, ()), each)
                case quirk if quirk in _QUIRKS:
                    environ[QUIRKS] = {**environ.get(QUIRKS, {}), quirk: each.argument}
                case _:
                    return _end(each, app, environ, start_response, now=now)
        return app(environ, start_response)

    return faulty


def _end(
    fault: Fault,
    app: WSGIApplication,
    environ: WSGIEnvironment,
    start_response: StartResponse,
    *,
    now: Callable[[], datetime],
) -> Iterable[bytes]:
    """Answer a request, or break its connection, as a fault demands."""
    match fault.kind:
        case "status":
            return _status(fault, start_response, now=now())
        case "html":
            return _send(start_response, HTTPStatus.OK, "text/html; charset=utf-8", _PAGE)
        case "truncate":
            return _half(_whole(app, environ, start_response))
        case "lost":
            _whole(app, environ, _ignored)
    raise _broken()


def _status(fault: Fault, start_response: StartResponse, *, now: datetime) -> list[bytes]:
    headers = []
    if "retry-after" in fault.options:
        headers.append(("Retry-After", fault.options["retry-after"]))
    if "retry-date" in fault.options:
        moment = now.astimezone(UTC) + timedelta(seconds=float(fault.options["retry-date"]))
        headers.append(("Retry-After", format_datetime(moment, usegmt=True)))
    code = int(fault.argument)
    body = orjson.dumps({"code": "FAULT", "message": f"a fault of the sandbox: {code}"})
    return _send(start_response, code, "application/json", body, *headers)


def _send(
    start_response: StartResponse,
    code: int,
    content_type: str,
    body: bytes,
    *headers: tuple[str, str],
) -> list[bytes]:
    try:
        phrase = HTTPStatus(code).phrase
    except ValueError:
        phrase = "Unknown"
    described = [("Content-Type", content_type), ("Content-Length", str(len(body)))]
    start_response(f"{code} {phrase}", [*described, *headers])
    return [body]


def _half(body: bytes) -> Iterator[bytes]:
    """Yield half of what was announced, then break off."""
    yield body[: len(body) // 2]
    raise _broken()


def _whole(app: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse) -> bytes:
    """Return all of an answer's body; what the app did is done then."""
    answer = app(environ, start_response)
    try:
        return b"".join(answer)
    finally:
        if hasattr(answer, "close"):
            answer.close()


def _ignored(*_: Any) -> Callable[[bytes], object]:
    """Take the start of an answer that nobody will see."""
    return lambda _: None


def _broken() -> ConnectionResetError:
    return ConnectionResetError("the connection was broken by a fault of the sandbox")
