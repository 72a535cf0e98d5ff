"""The sandbox behind a line that can go dead at any request, by a clock that a test moves.

It notes what was written and what came of it, so that a test can say afterwards what a run that
died can have known. It judges nothing.
"""

import io
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from builders import tenant
from reconciler import sandbox
from reconciler.api.connect import connect
from reconciler.api.pace import Clock
from reconciler.api.port import Writer
from reconciler.metrics import Meter
from reconciler.sandbox import data
from reconciler.times import parse_time
from worlds import KilledError

_OF_A_LIST = re.compile(r"/api/v2/lists/([^/]+)(/contacts)?")

Row = tuple[str, datetime | None]
"""Reason and end of a contact; no end is ``None``."""


@dataclass(frozen=True, kw_only=True)
class Death:
    """Where the line goes dead for one list: at its nth request, before or after the effect."""

    nth: int
    effect: bool


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One contact that was sent to a list, and whether the sender heard what came of it."""

    list_id: str
    address: str
    end: datetime | None
    taken: bool
    answered: bool


@dataclass(kw_only=True)
class Wire:
    """A WSGI app in front of another."""

    app: WSGIApplication
    deaths: Mapping[str, Death]
    """By list; each list dies by itself, so that threads cannot change what happens."""
    written: Callable[[], None]
    """Called after every write."""
    sent: list[Sent] = field(default_factory=list)
    _counts: dict[str, int] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Pass a request on, unless the line is dead by then."""
        match = _OF_A_LIST.fullmatch(str(environ["PATH_INFO"]))
        list_id = match[1] if match else ""
        with self._lock:
            number = self._counts[list_id] = self._counts.get(list_id, 0) + 1
            death = self.deaths.get(list_id)
            if death and number > death.nth:
                raise KilledError
            dying = bool(death and number == death.nth)
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = io.BytesIO(body)
            happens = not dying or bool(death and death.effect)
            answer = b"".join(self.app(environ, start_response)) if happens else b""
            if environ["REQUEST_METHOD"] == "POST" and match and match[2]:
                rows = json.loads(body)["contacts"]
                self._note(list_id, rows, json.loads(answer) if happens else None, dying=dying)
            if environ["REQUEST_METHOD"] in ("POST", "PATCH") and match:
                self.written()
        if dying:
            raise KilledError
        return [answer]

    def _note(
        self,
        list_id: str,
        rows: Sequence[Mapping[str, str]],
        answer: Mapping[str, Any] | None,
        *,
        dying: bool,
    ) -> None:
        errors = answer["validationErrors"] if answer else []
        bad = {error["index"] for error in errors}
        self.sent += [
            Sent(
                list_id=list_id,
                address=row.get("email") or row["phoneNumber"],
                end=parse_time(row["suppressUntil"]) if "suppressUntil" in row else None,
                taken=answer is not None and at not in bad,
                answered=not dying,
            )
            for at, row in enumerate(rows)
        ]


@contextmanager
def reached(
    database: Path,
    *,
    clock: Callable[[], datetime],
    unwelcome: Iterable[str] = (),
    deaths: Mapping[str, Death] | None = None,
    written: Callable[[], None] = lambda: None,
) -> Iterator[tuple[Writer, Wire]]:
    """Reach the sandbox; identifiers that are unwelcome are named in its answers."""
    faults = [
        sandbox.parse(f"reject:UNWELCOME;ending={one}@POST contacts") for one in sorted(unwelcome)
    ]
    app = sandbox.app(database, faults=faults, now=clock)
    wire = Wire(app=app, deaths=deaths or {}, written=written)
    time = Clock(now=lambda: clock().timestamp())
    with connect(tenant(), app=wire, meter=Meter(), on_wait=_unheard, clock=time) as way:
        yield way, wire


def held(database: Path, list_id: str) -> dict[str, Row]:
    """Return every contact of a list, lapsed ones too, by its one identifier."""
    with data.reading(database) as connection:
        stored = data.get_list(connection, list_id)
        assert stored
        rows = data.page(connection, stored, skip=0, top=1000)
    return {
        str(row.get("email") or row["phoneNumber"]): (
            str(row["reason"]),
            parse_time(str(row["suppressUntil"])) if "suppressUntil" in row else None,
        )
        for row in rows
    }


def settings(database: Path, list_id: str) -> dict[str, str | datetime | None]:
    """Return a list's own settings."""
    with data.reading(database) as connection:
        stored = data.get_list(connection, list_id)
    assert stored
    end = stored.suppress_until
    return {
        "name": stored.name,
        "description": stored.description,
        "suppressUntil": parse_time(end) if end else None,
    }


def _unheard(_line: str) -> None:
    """Nobody listens."""
