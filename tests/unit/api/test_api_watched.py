"""A body that drips does not hold a run for ever, and a read ends when nobody wants it."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import httpx
import pytest
from scripted import HandClock

from reconciler.api.auth import TOKEN_CALL
from reconciler.api.watched import SILENCES, watching
from reconciler.errors import InterruptedRunError

URL = "https://acme.example.com/api/v2/lists/7f"
TIMEOUT = 5.0


@dataclass
class Drip(httpx.SyncByteStream):
    """A body whose parts take their time."""

    before: Callable[[], None]
    """Called before each part."""
    parts: int = 1_000
    told: list[bytes] = field(default_factory=list)
    closed: bool = False

    def __iter__(self) -> Iterator[bytes]:
        """Send part after part."""
        for _ in range(self.parts):
            self.before()
            self.told.append(b" ")
            yield b" "

    def close(self) -> None:
        """Remember that nobody listens any more."""
        self.closed = True


@dataclass
class Room:
    """A client whose service answers with a body that drips."""

    hand: HandClock = field(default_factory=HandClock)
    stop: threading.Event = field(default_factory=threading.Event)

    def send(self, body: Drip, method: str, **how: object) -> httpx.Response:
        """Send one request."""
        watch = watching(timeout=TIMEOUT, stop=self.stop, clock=self.hand.clock)
        transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=body))
        with httpx.Client(transport=transport, event_hooks={"response": [watch]}) as client:
            return client.request(method, URL, **how)  # type: ignore[arg-type] # httpx's own

    def pass_time(self) -> None:
        """Let a second go by."""
        self.hand.seconds += 1


def test_a_body_that_never_ends_is_given_up() -> None:
    """After as many silences as a whole body may take, however short each is."""
    room = Room()
    body = Drip(room.pass_time)

    with pytest.raises(httpx.ReadTimeout):
        room.send(body, "POST")

    assert SILENCES * TIMEOUT + 1 == len(body.told)
    assert body.closed


def test_a_slow_body_that_ends_is_read() -> None:
    """A large page on a slow line is no failure."""
    room = Room()

    response = room.send(Drip(room.pass_time, parts=int(SILENCES * TIMEOUT)), "GET")

    assert SILENCES * TIMEOUT == len(response.content)


@pytest.mark.parametrize(
    ("method", "how"), [("GET", {}), ("POST", {"extensions": {TOKEN_CALL: True}})]
)
def test_a_read_ends_when_the_run_is_to_stop(method: str, how: dict[str, object]) -> None:
    """Nothing is lost by it: the next run reads again."""
    room = Room()
    body = Drip(room.stop.set)

    with pytest.raises(InterruptedRunError):
        room.send(body, method, **how)

    assert 1 == len(body.told)
    assert body.closed


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_write_is_answered_to_its_end(method: str) -> None:
    """What became of it has to be known."""
    room = Room()

    response = room.send(Drip(room.stop.set, parts=3), method)

    assert b"   " == response.content
