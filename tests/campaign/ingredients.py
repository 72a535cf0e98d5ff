"""What faults are made of: a name, a reply, and the few ways to make one."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import orjson
from between import KINDS, Call, Kind, Reply, Span

Does: TypeAlias = Callable[[Call], Reply]
Json: TypeAlias = dict[str, Any]

JSON: Final = ("Content-Type", "application/json")
ON_LISTS: Final = tuple(kind for kind in KINDS if kind not in ("token", "find"))
"""Kinds of request that are about a list which is there, or is made by them."""
_TROUBLE: Final = orjson.dumps({"code": "TROUBLE", "message": "for nobody@example.com"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A mishap that waits for a request."""

    name: str
    does: Does
    kinds: tuple[Kind, ...] = KINDS
    span: Span = "once"


def status(code: int, **headers: str) -> Does:
    """Answer with a status and a body in which somebody is named; nothing is done."""
    given = tuple((key.replace("_", "-"), value) for key, value in headers.items())
    return lambda _: Reply(code, _TROUBLE, (JSON, *given))


def after(does: Does) -> Does:
    """Let the service do what was asked first; its own answer is lost."""

    def done(call: Call) -> Reply:
        call.serve()
        return does(call)

    return done


def answered(body: bytes) -> Does:
    """Answer 200 with this body; nothing is done."""
    return lambda _: Reply(200, body, (JSON,))


def changed(change: Callable[[Json], Mapping[str, Any]], **headers: str) -> Does:
    """Change what the service says after it has done what was asked."""

    def changed(call: Call) -> Reply:
        reply = call.serve()
        told = orjson.loads(reply.body or b"{}")
        body = json.dumps(change(told)).encode() if isinstance(told, dict) else reply.body
        names = ("content-length", *(key.lower() for key in headers))
        return Reply(reply.status, body, (*reply.without(*names), *headers.items()))

    return changed
