"""Requests read and answers written, the same way for every path of the sandbox.

Every error is JSON, whatever the caller accepts. Nothing here knows a list or a token.
"""

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, TypeAlias
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import falcon
import orjson

from reconciler.sandbox.rules import RuleError

Clock: TypeAlias = Callable[[], datetime]
"""Returns the time, aware."""


@dataclass(frozen=True, slots=True)
class Rooms:
    """What every part of the app needs to know."""

    database: Path
    now: Clock
    max_page: int
    token_lifetime: int


_LARGEST_BODY: Final = 32 * 2**20
FORM: Final = "application/x-www-form-urlencoded"
_GZIP: Final = 16 + zlib.MAX_WBITS


def read_object(req: falcon.Request) -> dict[str, object]:
    """Return a request's JSON object.

    Raises:
        falcon.HTTPError: it has none.
    """
    try:
        body = orjson.loads(read_body(req, falcon.MEDIA_JSON))
    except orjson.JSONDecodeError as error:
        raise falcon.HTTPBadRequest(title="BAD_JSON", description="not JSON") from error
    if not isinstance(body, dict):
        raise falcon.HTTPBadRequest(title="BAD_JSON", description="expected a JSON object")
    return body


def read_body(req: falcon.Request, media_type: str) -> bytes:
    """Return a request's body, of this media type and a bearable size, unpacked."""
    if (req.content_type or "").partition(";")[0].strip().lower() != media_type:
        raise falcon.HTTPUnsupportedMediaType(
            title="UNSUPPORTED_MEDIA_TYPE", description=f"expected {media_type}"
        )
    if (req.content_length or 0) > _LARGEST_BODY:
        raise falcon.HTTPContentTooLarge(title="TOO_LARGE", description="the body is too large")
    body: bytes = req.bounded_stream.read()
    match (req.get_header("Content-Encoding") or "identity").strip().lower():
        case "identity":
            return body
        case "gzip":
            return _unpacked(body)
    raise falcon.HTTPUnsupportedMediaType(
        title="UNSUPPORTED_ENCODING", description="expected gzip, or no encoding"
    )


def _unpacked(body: bytes) -> bytes:
    """Return what is in a gzip body; no more of it is unpacked than is bearable."""
    unpacking = zlib.decompressobj(wbits=_GZIP)
    try:
        content = unpacking.decompress(body, _LARGEST_BODY + 1)
    except zlib.error as error:
        raise falcon.HTTPBadRequest(title="BAD_ENCODING", description="not gzip") from error
    if len(content) > _LARGEST_BODY:
        raise falcon.HTTPContentTooLarge(title="TOO_LARGE", description="the body is too large")
    if not unpacking.eof or unpacking.unused_data:
        raise falcon.HTTPBadRequest(title="BAD_ENCODING", description="not one whole gzip")
    return content


def send_json(resp: falcon.Response, body: Mapping[str, object], *, etag: str = "") -> None:
    """Answer with JSON, and with the entity tag (quoted) of what it shows."""
    resp.content_type = falcon.MEDIA_JSON
    resp.data = orjson.dumps(body)
    if etag:
        resp.set_header("ETag", etag)


def describe(_req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError) -> None:
    """Write an error as JSON, whatever the caller accepts; an unnamed one by its phrase."""
    phrase = HTTPStatus(error.status_code).phrase
    named = error.title != error.status
    code = error.title if named else phrase.upper().replace(" ", "_")
    send_json(resp, {"code": code, "message": error.description or phrase})


def refuse(
    _req: falcon.Request, resp: falcon.Response, error: RuleError, _params: dict[str, Any]
) -> None:
    """Take nothing, and name what is wrong."""
    resp.status = HTTPStatus.UNPROCESSABLE_ENTITY
    answer = {
        "status": "REJECTED",
        "code": "VALIDATION_FAILED",
        "message": error.complaints[0].message,
        "validationErrors": [each.body for each in error.complaints],
    }
    send_json(resp, answer)


def dated(made: WSGIApplication, now: Clock) -> WSGIApplication:
    """Let every answer say what time it is here, errors and faults too."""

    def stamped(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def start(
            status: str, headers: list[tuple[str, str]], *error: Any
        ) -> Callable[[bytes], object]:
            moment = format_datetime(now().astimezone(UTC), usegmt=True)
            return start_response(status, [*headers, ("Date", moment)], *error)

        return made(environ, start)

    return stamped


def names(header: Sequence[falcon.ETag | str] | None, etag: str, *, weakly: bool = False) -> bool:
    """Tell whether a header of entity tags names this one; a weak tag only where allowed."""
    return any(
        each == "*" or (f'"{each}"' == etag and (weakly or not getattr(each, "is_weak", False)))
        for each in header or ()
    )
