import threading
from collections.abc import Iterator, Sequence
from itertools import islice

import httpx
import pytest
from scripted import HandClock

from reconciler.api import webhook
from reconciler.api.webhook import Delivery, post
from reconciler.metrics import Meter

URL = "https://crm.example.com/hooks?key=very-secret"
LEAK = "jane.doe@example.com"


def posted(
    *steps: httpx.Response | Exception,
    url: str = URL,
    stop: threading.Event | None = None,
    hand: HandClock | None = None,
) -> tuple[Delivery, Sequence[httpx.Request]]:
    """Post one event to a receiver that answers these steps, the last one for ever."""
    seen: list[httpx.Request] = []

    def receive(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        step = steps[min(len(seen), len(steps)) - 1]
        if isinstance(step, Exception):
            raise step
        return step

    delivery = post(
        url,
        body=b'{"event":1}',
        headers={"webhook-id": "msg_1", "content-type": "application/json"},
        timeout=5,
        stop=stop,
        clock=(hand or HandClock()).clock,
        transport=httpx.MockTransport(receive),
    )
    return delivery, seen


@pytest.mark.parametrize("status", [200, 202, 204])
def test_any_2xx_is_taken(status: int) -> None:
    """The body arrives as it was signed, with its headers."""
    delivery, seen = posted(httpx.Response(status))

    assert delivery == Delivery(delivered=True, attempts=1, detail="", status=status)
    assert (b'{"event":1}', "msg_1") == (seen[0].content, seen[0].headers["webhook-id"])


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.Response(429, headers={"retry-after": "4"}),
        httpx.Response(500),
        httpx.Response(503),
        httpx.ConnectError(LEAK),
        httpx.ReadTimeout(LEAK),
    ],
    ids=repr,
)
def test_trouble_is_tried_again_and_then_reported(trouble: httpx.Response | Exception) -> None:
    """A failure is a value that names no secret and no address."""
    healed, _ = posted(trouble, httpx.Response(200))
    failed, seen = posted(trouble)

    assert healed == Delivery(delivered=True, attempts=2, detail="", status=200)
    assert (False, webhook.TRIES, webhook.TRIES) == (
        failed.delivered,
        failed.attempts,
        len(seen),
    )
    assert failed.detail
    answered = trouble.status_code if isinstance(trouble, httpx.Response) else 0
    assert answered == failed.status
    assert LEAK not in failed.detail
    assert "very-secret" not in failed.detail


def test_whoever_has_work_of_its_own_tries_once() -> None:
    """And does not wait."""
    hand = HandClock()
    asked: list[httpx.Request] = []

    def receive(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(503)

    delivery = post(
        URL,
        body=b"",
        headers={},
        timeout=1,
        tries=1,
        clock=hand.clock,
        transport=httpx.MockTransport(receive),
    )

    assert (False, 1, 503) == (delivery.delivered, delivery.attempts, delivery.status)
    assert 1 == len(asked)


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404, 410])
def test_a_no_is_final_and_a_redirect_is_not_followed(status: int) -> None:
    """The receiver's status is all that is said."""
    headers = {"location": "https://elsewhere.example/"}
    delivery, seen = posted(httpx.Response(status, text=LEAK, headers=headers))

    expected = Delivery(delivered=False, attempts=1, detail=f"answered {status}", status=status)
    assert expected == delivery
    assert 1 == len(seen)


@pytest.mark.parametrize(
    ("status", "attempts", "delivered"),
    [(200, 1, True), (404, 1, False), (503, webhook.TRIES, False)],
)
def test_what_the_receiver_says_is_not_waited_for(
    status: int, attempts: int, delivered: bool
) -> None:
    """Its status is enough: a body that drips for ever holds no run."""
    read = list[bytes]()

    def drip() -> Iterator[bytes]:
        while True:
            read.append(b".")
            yield b"."

    delivery = post(
        URL,
        body=b"",
        headers={},
        timeout=1,
        clock=HandClock().clock,
        transport=httpx.MockTransport(lambda _: httpx.Response(status, content=islice(drip(), 99))),
    )

    assert (delivered, attempts) == (delivery.delivered, delivery.attempts)
    assert [] == read


@pytest.mark.parametrize("url", ["http://crm.example.com/", "ftp://localhost/", "crm", ""])
def test_clear_text_to_another_machine_is_never_sent(url: str) -> None:
    """https, or this machine."""
    delivery, seen = posted(httpx.Response(200), url=url)

    assert (False, 0) == (delivery.delivered, delivery.attempts)
    assert [] == seen


def test_clear_text_to_this_machine_is_fine() -> None:
    """For trying things out."""
    delivery, _ = posted(httpx.Response(200), url="http://localhost:8080/hook")

    assert delivery.delivered


def test_a_url_without_a_host_is_a_value_too() -> None:
    """No webhook fails a run."""
    delivery = post("https://", body=b"", headers={}, timeout=1)

    assert not delivery.delivered


def test_the_stop_leaves_it_undelivered() -> None:
    """Nothing more is tried."""
    stop = threading.Event()
    stop.set()

    delivery, seen = posted(httpx.Response(200), stop=stop)

    assert not delivery.delivered
    assert [] == seen


def test_tries_and_waits_are_metered_and_told() -> None:
    """Where somebody wants to know."""
    meter, waits = Meter(), list[str]()
    steps = [httpx.Response(503, headers={"retry-after": "2"}), httpx.Response(200)]

    post(
        URL,
        body=b"",
        headers={},
        timeout=1,
        meter=meter,
        on_wait=waits.append,
        clock=HandClock().clock,
        transport=httpx.MockTransport(lambda _: steps.pop(0)),
    )

    assert ["waiting 2.0 s: webhook: answered 503"] == waits
    assert (1, 2.0) == tuple(meter.snapshot()[key] for key in ("retries", "wait_seconds"))
