"""Deliver one webhook: a signed body, to one address, a few times if need be.

It does not sign, follows no redirect, and speaks https only, this machine aside. What the
receiver answers is never quoted, only its status.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import httpx

from reconciler.api.exchange import TRANSIENT, loopback, private, translated
from reconciler.api.pace import Clock, Pace
from reconciler.api.retry import Retries, TransientError, retry_after
from reconciler.errors import ReconcilerError
from reconciler.metrics import Meter

TRIES: Final = 4
BUDGET: Final = 30.0
"""Seconds of waiting for one event; what is not delivered then waits for a later run."""
THROTTLED: Final = 429
_CLOCK: Final = Clock()


class Delivery(NamedTuple):
    """What became of one event. ``detail`` says in a few words why it was not delivered."""

    delivered: bool
    attempts: int
    detail: str
    status: int = 0
    """As last answered; 0 where nobody answered."""


def post(  # noqa: PLR0913 - tests hand in the last two
    url: str,
    *,
    body: bytes,
    headers: Mapping[str, str],
    timeout: float,
    tries: int = TRIES,
    meter: Meter | None = None,
    on_wait: Callable[[str], None] | None = None,
    stop: threading.Event | None = None,
    clock: Clock = _CLOCK,
    transport: httpx.BaseTransport | None = None,
) -> Delivery:
    """Post an event until it is taken, refused, or tried often enough.

    Any 2xx is taken; 429, 500, 502, 503, 504 and a broken connection are tried again. A failure
    is a value, since no webhook may fail a run.

    Args:
        url: https, or http to this machine.
        body: sent as it is: it is what was signed.
        headers: its signature and content type.
        timeout: seconds for each step of one try.
        tries: how often it is tried, at most.
        meter: told of each try as a ``webhook`` call.
        on_wait: told of each wait before it, in words.
        stop: once set, nothing more is tried.
        clock: the time, for tests.
        transport: another way than the network, for tests.
    """
    if not private(url):
        return Delivery(delivered=False, attempts=0, detail="only https is spoken, loopback aside")
    meter = meter or Meter()
    pace = Pace(
        requests_per_second=1e9,
        parallelism=1,
        stop=stop or threading.Event(),
        clock=clock,
        meter=meter,
    )
    retries = Retries(
        pace=pace, meter=meter, on_wait=on_wait or _silent, budget=BUDGET, tries=tries
    )
    attempts, status = 0, 0

    def attempt() -> None:
        nonlocal attempts, status
        attempts += 1
        status = 0
        with (
            translated(),
            pace.turn(),
            meter.call("webhook"),
            client.stream("POST", url, content=body, headers=dict(headers)) as response,
        ):  # its body says nothing to us, and may never end
            status = response.status_code
        _raise_transient(response, clock)

    with httpx.Client(
        transport=transport, timeout=timeout, follow_redirects=False, trust_env=not loopback(url)
    ) as client:
        try:
            retries.run(attempt, what="webhook")
        except ReconcilerError as error:
            return Delivery(delivered=False, attempts=attempts, detail=str(error), status=status)
    taken = httpx.codes.is_success(status)
    detail = "" if taken else f"answered {status}"
    return Delivery(delivered=taken, attempts=attempts, detail=detail, status=status)


def _raise_transient(response: httpx.Response, clock: Clock) -> None:
    status = response.status_code
    if status in TRANSIENT or status == THROTTLED:
        received = response.headers
        raise TransientError(
            f"answered {status}",
            wait=retry_after(received.get("Retry-After"), date=received.get("Date"), clock=clock),
        )


def _silent(_text: str) -> None:
    """Tell nobody."""
