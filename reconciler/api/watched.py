"""A body that may not take for ever: an end to waiting for it, and an ear for the wish to stop.

A read timeout is of one silence; a service that sends a byte before each of them runs out would
hold a run for good. What is written is never cut off by a wish to stop, only what is read.
"""

import threading
from collections.abc import Callable, Iterator
from typing import Final

import httpx

from reconciler.api.auth import TOKEN_CALL
from reconciler.api.pace import Clock, interrupted

SILENCES: Final = 4
"""A body may take this many times the tenant's ``timeoutSeconds``."""


def watching(
    *, timeout: float, stop: threading.Event, clock: Clock
) -> Callable[[httpx.Response], None]:
    """Return a hook that puts the bodies of a client's responses under watch.

    Args:
        timeout: seconds of silence after which a request fails in any case.
        stop: once set, nothing more is read, unless it is the answer to a write.
        clock: what the time is.
    """

    def watch(response: httpx.Response) -> None:
        request = response.request
        reads = request.method == "GET" or TOKEN_CALL in request.extensions
        if isinstance(response.stream, httpx.SyncByteStream):
            response.stream = _Watched(
                response.stream,
                request=request,
                until=clock.monotonic() + SILENCES * timeout,
                stop=stop if reads else threading.Event(),
                clock=clock,
            )

    return watch


class _Watched(httpx.SyncByteStream):
    """A body that ends in an error when it takes too long or nobody wants it any more."""

    def __init__(
        self,
        inner: httpx.SyncByteStream,
        *,
        request: httpx.Request,
        until: float,
        stop: threading.Event,
        clock: Clock,
    ) -> None:
        self._inner = inner
        self._request = request
        self._until = until
        self._stop = stop
        self._clock = clock

    def __iter__(self) -> Iterator[bytes]:
        for part in self._inner:
            if self._stop.is_set():
                raise interrupted()
            if self._clock.monotonic() > self._until:
                raise httpx.ReadTimeout("the body takes too long", request=self._request)
            yield part

    def close(self) -> None:
        self._inner.close()
