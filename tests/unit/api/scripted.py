"""A scripted service and a clock that only waiting moves, for every test of the way to it."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import httpx
import pytest

from reconciler.api.auth import Tokens, client_credentials
from reconciler.api.exchange import Exchange
from reconciler.api.lists import Lists
from reconciler.api.pace import Clock, Pace
from reconciler.api.retry import Retries
from reconciler.metrics import Meter
from reconciler.model import Credentials

BASE = "https://acme.example.com/api/v2"
TOKEN = "https://acme.example.com/oauth/token"
SECRET = "s3cret-value"
START = 1_795_428_900.0  # 2026-11-23T10:15:00Z

Step: TypeAlias = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


@dataclass
class HandClock:
    """A clock that stands still but for waits; safe to use from several threads."""

    seconds: float = 0.0
    waits: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Move on by so many seconds."""
        with self.lock:
            self.waits.append(seconds)
            self.seconds += seconds
        return stop.is_set()

    @property
    def clock(self) -> Clock:
        """The clock as the rooms take it."""
        return Clock(
            now=lambda: START + self.seconds, monotonic=lambda: self.seconds, wait=self.wait
        )


@dataclass
class Script:
    """A service that answers its steps in turn, and tokens whenever asked; keeps what it saw."""

    steps: list[Step] = field(default_factory=list)
    tokens: list[Step] = field(default_factory=list)
    seen: list[httpx.Request] = field(default_factory=list)
    signed: list[str] = field(default_factory=list)
    """What each request was signed with."""
    granted: int = 0
    lifetime: float = 3600
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        with self.lock:
            if str(request.url) == TOKEN:
                return self.grant(request)
            self.seen.append(request)
            self.signed.append(request.headers["authorization"])
            return _play(self.steps.pop(0), request)

    def grant(self, request: httpx.Request) -> httpx.Response:
        """Answer one call of the token endpoint."""
        self.granted += 1
        if self.tokens:
            return _play(self.tokens.pop(0), request)
        token = {"access_token": f"token-{self.granted}", "expires_in": self.lifetime}
        return httpx.Response(200, json=token)

    @property
    def asked(self) -> list[str]:
        """Every request but those for a token, as ``METHOD path?query``."""
        return [f"{each.method} {each.url.raw_path.decode()}" for each in self.seen]


def _play(step: Step, request: httpx.Request) -> httpx.Response:
    if isinstance(step, Exception):
        raise step
    return step if isinstance(step, httpx.Response) else step(request)


@dataclass
class World:
    """One tenant's way to a scripted service."""

    service: Script
    hand: HandClock
    meter: Meter
    stop: threading.Event
    waits: list[str]
    exchange: Exchange
    auth: Tokens
    lists: Lists

    def counts(self) -> Mapping[str, Any]:
        """Return what the meter holds."""
        return self.meter.snapshot()


@contextmanager
def opened(monkeypatch: pytest.MonkeyPatch, *, compress: bool = False) -> Iterator[World]:
    """Join the rooms as ``connect`` does, to a scripted service and a hand-moved clock."""
    monkeypatch.setenv("ACME_ID", "acme-client")
    monkeypatch.setenv("ACME_SECRET", SECRET)
    service, hand, meter, stop = Script(), HandClock(), Meter(), threading.Event()
    waits: list[str] = []
    pace = Pace(requests_per_second=1e9, parallelism=4, stop=stop, clock=hand.clock, meter=meter)
    with httpx.Client(transport=httpx.MockTransport(service.answer)) as client:
        auth = Tokens(
            TOKEN,
            grant=client_credentials(
                Credentials(client_id="env:ACME_ID", client_secret="env:ACME_SECRET")
            ),
            build=client.build_request,
            clock=hand.clock,
            meter=meter,
        )
        exchange = Exchange(
            client,
            base_url=lambda: BASE,
            auth=auth,
            pace=pace,
            retries=Retries(pace=pace, meter=meter, on_wait=waits.append),
            meter=meter,
            clock=hand.clock,
            compress=compress,
        )
        yield World(
            service=service,
            hand=hand,
            meter=meter,
            stop=stop,
            waits=waits,
            exchange=exchange,
            auth=auth,
            lists=Lists(exchange),
        )
