"""What goes wrong between the service and us: statuses, connections, bodies, clocks, versions.

All of it may befall any kind of request. It knows no outcome: what has to hold afterwards is the
same for all.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Final

import httpx
from between import KINDS, Call, Reply
from ingredients import ON_LISTS, Does, Fault, after, answered, changed, status

_PAGE: Final = b"<!doctype html><title>Sign in</title><p>nobody@example.com, please sign in.</p>"
_REPEATABLE: Final = tuple(kind for kind in KINDS if kind != "create")
"""A creation that the way there doubles, or that a service first puts off and then does all the
same, makes two lists of one name, which no client can help: the next run refuses to choose."""


def on_the_wire() -> Iterator[Fault]:
    """Yield all of them."""
    yield from _statuses()
    yield from _throttled()
    yield from _connections()
    yield from _bodies()
    yield from _clocks_and_versions()


# ---------------------------------------------------------------- statuses


def _statuses() -> Iterator[Fault]:
    for code in (
        400,
        401,
        403,
        404,
        405,
        409,
        410,
        412,
        413,
        418,
        422,
        451,
        500,
        502,
        503,
        504,
        599,
    ):
        yield Fault(name=f"{code}", does=status(code))
    for code in (401, 403, 404, 409, 413, 422, 500, 503):
        yield Fault(name=f"{code} from then on", does=status(code), span="again")
    for code in (401, 403, 503):
        yield Fault(name=f"{code} for everything from then on", does=status(code), span="all")
    for code in (409, 412, 500, 503, 504):
        yield Fault(name=f"{code} though it was done", does=after(status(code)))
    for code in (500, 504):
        name = f"{code} though it was done, from then on"
        yield Fault(name=name, does=after(status(code)), span="again")
    for code in (301, 302, 307, 308):
        yield Fault(name=f"a redirect {code}", does=status(code, Location="http://127.0.0.1:9/x"))
    yield Fault(name="a redirect though it was done", does=after(status(302, Location="/x")))
    yield Fault(name="204", does=lambda _: Reply(204))
    yield Fault(name="204 though it was done", does=after(lambda _: Reply(204)))
    yield Fault(name="202 and nothing done", does=status(202))
    yield Fault(name="503 with Retry-After", does=status(503, Retry_After="7"))


def _throttled() -> Iterator[Fault]:
    date = "Mon, 23 Nov 2026 10:20:00 GMT"
    for name, value in (
        ("seconds", "3"),
        ("a fraction", "0.5"),
        ("a date", date),
        ("a date long past", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("nonsense", "soon"),
        ("less than nothing", "-5"),
        ("a day", "86400"),
        ("a quarter of an hour", "899"),
    ):
        yield Fault(name=f"429 with {name}", does=status(429, Retry_After=value))
    yield Fault(name="429 without a word", does=status(429))
    done = after(status(429, Retry_After="1"))
    yield Fault(name="429 though it was done", does=done, kinds=_REPEATABLE)
    yield Fault(name="429 from then on", does=status(429, Retry_After="20"), span="again")
    yield Fault(name="429 for all from then on", does=status(429), span="all")


# ---------------------------------------------------------------- the way there and back


def _connections() -> Iterator[Fault]:
    for name, kind in (
        ("refused", httpx.ConnectError),
        ("not made in time", httpx.ConnectTimeout),
        ("not answered in time", httpx.ReadTimeout),
        ("not written in time", httpx.WriteTimeout),
        ("reset", ConnectionResetError),
        ("closed without an answer", httpx.RemoteProtocolError),
    ):
        yield Fault(name=f"a connection {name}", does=_broken(kind))
        yield Fault(name=f"a connection {name}, from then on", does=_broken(kind), span="again")
    for name, kind in (
        ("timeout", httpx.ReadTimeout),
        ("reset", ConnectionResetError),
        ("close", httpx.RemoteProtocolError),
    ):
        yield Fault(name=f"a {name} after it was done", does=after(_broken(kind)))
        lasting = f"a {name} after it was done, from then on"
        yield Fault(name=lasting, does=after(_broken(kind)), span="again")
    yield Fault(name="all connections refused", does=_broken(httpx.ConnectError), span="all")
    yield Fault(name="all connections reset", does=_broken(ConnectionResetError), span="all")
    yield Fault(name="half an answer", does=_half)
    yield Fault(name="half an answer from then on", does=_half, span="again")
    yield Fault(name="done twice", does=after(Call.serve), kinds=_REPEATABLE)
    yield Fault(name="an encoding that is none", does=_garbled)


def _broken(kind: type[Exception]) -> Does:
    def broken(_: Call) -> Reply:
        raise kind("u1@example.com is not to be told")

    return broken


def _half(call: Call) -> Reply:
    reply = call.serve()
    headers = (*reply.without("content-length"), ("Content-Length", str(len(reply.body) + 9)))
    return Reply(reply.status, reply.body[: len(reply.body) // 2], headers)


def _garbled(call: Call) -> Reply:
    reply = call.serve()
    return Reply(reply.status, reply.body, (*reply.headers, ("Content-Encoding", "gzip")))


# ---------------------------------------------------------------- bodies


def _bodies() -> Iterator[Fault]:
    html = ("Content-Type", "text/html")
    yield Fault(name="a proxy's page", does=lambda _: Reply(200, _PAGE, (html,)))
    yield Fault(
        name="a proxy's page from then on", does=lambda _: Reply(200, _PAGE, (html,)), span="again"
    )
    yield Fault(
        name="a proxy's page though it was done", does=after(lambda _: Reply(200, _PAGE, (html,)))
    )
    for name, body in (
        ("an empty body", b""),
        ("half of a JSON", b'{"contacts": [{"email": "u1@exam'),
        ("a list", b"[]"),
        ("null", b"null"),
        ("a text", b'"ok"'),
        ("a number", b"1"),
        ("an empty object", b"{}"),
        ("not UTF-8", b'{"id": "\xff"}'),
        ("NaN", b'{"contactCount": NaN}'),
    ):
        yield Fault(name=f"200 with {name}", does=answered(body))
        yield Fault(name=f"{name} though it was done", does=after(answered(body)))
    yield Fault(name="an empty object from then on", does=answered(b"{}"), span="again")
    yield Fault(name="nothing but nulls", does=changed(dict.fromkeys))
    yield Fault(name="nothing but texts", does=changed(lambda told: dict.fromkeys(told, "x")))
    yield Fault(name="nothing but lists", does=changed(lambda told: {key: [] for key in told}))
    yield Fault(name="nothing but numbers", does=changed(lambda told: dict.fromkeys(told, -1)))
    yield Fault(name="unknown keys", does=changed(lambda told: {**told, "more": {"of": ["it"]}}))


# ---------------------------------------------------------------- clocks and versions


def _clocks_and_versions() -> Iterator[Fault]:
    for hours in (-30, -5, 5, 30):
        yield Fault(name=f"a Date {hours:+} hours off", does=_dated(timedelta(hours=hours)))
    yield Fault(name="a Date that is none", does=changed(dict, Date="yesterday"))
    yield Fault(name="no ETag", does=_retagged(lambda _: ""), kinds=ON_LISTS)
    yield Fault(
        name="no ETag from then on", does=_retagged(lambda _: ""), kinds=ON_LISTS, span="again"
    )
    yield Fault(name="an old ETag", does=_retagged(_old), kinds=ON_LISTS)
    yield Fault(name="an old ETag from then on", does=_retagged(_old), kinds=ON_LISTS, span="again")
    yield Fault(name="an ETag of nowhere", does=_retagged(lambda _: '"nowhere"'), kinds=ON_LISTS)
    yield Fault(name="a weak ETag", does=_weak, kinds=ON_LISTS)
    yield Fault(name="an odd ETag", does=_retagged(lambda _: "un quoted"), kinds=ON_LISTS)


def _dated(off: timedelta) -> Does:
    def dated(call: Call) -> Reply:
        reply = call.serve()
        moment = parsedate_to_datetime(reply.header("date")) + off
        told = ("Date", format_datetime(moment, usegmt=True))
        return Reply(reply.status, reply.body, (*reply.without("date"), told))

    return dated


def _retagged(tag: Callable[[Call], str]) -> Does:
    def retagged(call: Call) -> Reply:
        reply = call.serve()
        given = tag(call)
        headers = reply.without("etag") + ((("ETag", given),) if given else ())
        return Reply(reply.status, reply.body, headers)

    return retagged


def _old(call: Call) -> str:
    return call.between.etags.get(call.asked.key, ['"first"'])[0]


def _weak(call: Call) -> Reply:
    reply = call.serve()
    return Reply(
        reply.status, reply.body, (*reply.without("etag"), ("ETag", f"W/{reply.header('etag')}"))
    )
