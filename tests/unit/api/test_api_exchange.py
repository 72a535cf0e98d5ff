import gzip
import ssl
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest
from scripted import World, opened

from reconciler.api.exchange import Answer, Request, plain_code, private, short_code
from reconciler.api.retry import TRIES
from reconciler.errors import (
    ForbiddenError,
    InterruptedRunError,
    NotFoundError,
    ReconcilerError,
    RequestRefusedError,
    ServiceError,
)

ADDRESS = "jane.doe@example.com"
PHONE = "+15555550123"
ASK = Request(method="GET", path="/lists/7f", kind="get list", subject="list 7f")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Open the way to a scripted service."""
    with opened(monkeypatch) as made:
        yield made


def ok(**headers: str) -> httpx.Response:
    """Return an empty object."""
    return httpx.Response(200, json={}, headers=headers)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (403, ForbiddenError),
        (404, NotFoundError),
        (400, RequestRefusedError),
        (405, RequestRefusedError),
        (408, RequestRefusedError),
        (409, RequestRefusedError),
        (412, RequestRefusedError),
        (413, RequestRefusedError),
        (422, RequestRefusedError),
        (301, RequestRefusedError),
        (302, RequestRefusedError),
        (307, RequestRefusedError),
        (308, RequestRefusedError),
        (202, ServiceError),
        (204, ServiceError),
        (501, ServiceError),
        (505, ServiceError),
    ],
)
def test_statuses_that_no_retry_mends_are_errors_at_once(
    world: World, status: int, kind: type[ReconcilerError]
) -> None:
    """Each names the list and the status, quotes no body, says what to do, and is sent once."""
    world.service.steps = [
        httpx.Response(
            status,
            json={"code": "NOT_TODAY", "message": f"{ADDRESS} {PHONE}"},
            headers={"location": f"https://elsewhere.example/?who={ADDRESS}"},
        )
    ]

    with pytest.raises(kind) as caught:
        world.exchange.ask(ASK)

    said = str(caught.value)
    assert f"get list, list 7f: answered {status} NOT_TODAY" in said
    assert ADDRESS not in said
    assert PHONE not in said
    assert caught.value.hint
    assert 1 == len(world.service.seen)
    assert 1 == world.counts()["errors"]


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.Response(500),
        httpx.Response(502, text="<html>bad gateway"),
        httpx.Response(503),
        httpx.Response(504),
        httpx.Response(200, text="<html>welcome</html>"),
        httpx.Response(200, text='{"contacts":[{"email":"jane.doe@exam'),
        httpx.Response(200, json=["not", "an", "object"]),
        httpx.Response(200),
        httpx.ConnectError("refused"),
        httpx.ConnectTimeout("slow"),
        httpx.ReadTimeout("slow"),
        httpx.ReadError("reset"),
        httpx.RemoteProtocolError("cut off"),
        httpx.DecodingError("garbled"),
        httpx.ProxyError("no"),
    ],
    ids=repr,
)
def test_trouble_is_tried_again_and_at_last_an_error(
    world: World, trouble: httpx.Response | Exception
) -> None:
    """It may pass; if it does not, the error tells how often it was tried."""
    world.service.steps = [trouble, trouble, ok()]

    answer = world.exchange.ask(ASK)

    assert 3 == answer.tries
    assert 2 == world.counts()["retries"]
    world.service.steps = [trouble] * TRIES
    with pytest.raises(ServiceError, match=r"get list, list 7f: .* after 8 tries"):
        world.exchange.ask(ASK)
    assert len(world.waits) == 2 + TRIES - 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "17"}, 17.0),
        ({"Retry-After": "Mon, 23 Nov 2026 10:15:20 GMT"}, 20.0),
        (
            {
                "Retry-After": "Fri, 01 Jan 2027 00:00:30 GMT",
                "Date": "Fri, 01 Jan 2027 00:00:00 GMT",
            },
            30.0,
        ),
    ],
)
def test_a_429_is_waited_for_as_long_as_it_says(
    world: World, headers: dict[str, str], seconds: float
) -> None:
    """In seconds or until a date, by the service's own clock."""
    world.service.steps = [httpx.Response(429, headers=headers), ok()]

    world.exchange.ask(ASK)

    assert [seconds] == world.hand.waits
    assert [
        f"waiting {seconds:.1f} s: get list, list 7f: the service asks to wait (429)"
    ] == world.waits


def test_a_429_without_a_time_is_waited_for_with_jitter(world: World) -> None:
    """Something between nought and half a second the first time."""
    world.service.steps = [httpx.Response(429), ok()]

    world.exchange.ask(ASK)

    assert 1 == len(world.waits)
    assert sum(world.hand.waits) <= 0.6


def test_a_503_that_asks_to_wait_is_obeyed(world: World) -> None:
    """It knows best."""
    world.service.steps = [httpx.Response(503, headers={"retry-after": "9"}), ok()]

    world.exchange.ask(ASK)

    assert [9.0] == world.hand.waits


def test_a_redirect_is_never_followed(world: World) -> None:
    """Not even with the token that would go along."""
    world.service.steps = [httpx.Response(307, headers={"location": "https://evil.example/"})]

    with pytest.raises(RequestRefusedError, match="never followed"):
        world.exchange.ask(ASK)

    assert ["GET /api/v2/lists/7f"] == world.service.asked


@pytest.mark.parametrize("etag", ['"v1"', 'W/"v1"', "v1", '"a,b c"', "W/v 1"])
def test_an_etag_is_kept_and_sent_back_as_it_is(world: World, etag: str) -> None:
    """Weak, unquoted or odd, it is the service's own word; header names in any case."""
    world.service.steps = [ok(etag=etag), ok()]

    answer = world.exchange.ask(ASK)
    world.exchange.ask(
        Request(method="PATCH", path="/lists/7f", kind="x", subject="x", version=answer.version)
    )

    assert etag == answer.version
    assert etag == world.service.seen[1].headers["if-match"]


def test_bytes_beyond_ascii_in_an_etag_survive(world: World) -> None:
    """They are legal, so they come back unchanged."""
    raw = b'"caf\xe9\xff"'
    world.service.steps = [httpx.Response(200, json={}, headers=[(b"etag", raw)]), ok()]

    answer = world.exchange.ask(ASK)
    world.exchange.ask(
        Request(method="PATCH", path="/", kind="x", subject="x", version=answer.version)
    )

    sent = dict(world.service.seen[1].headers.raw)
    assert raw == {name.lower(): value for name, value in sent.items()}[b"if-match"]


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("Mon, 23 Nov 2026 10:15:01 GMT", 0),
        ("Mon, 23 Nov 2026 10:14:59 GMT", 0),
        ("Mon, 23 Nov 2026 10:20:00 GMT", 300),
        ("Mon, 23 Nov 2026 10:10:00 GMT", -300),
        ("yesterday", 0),
    ],
)
def test_the_skew_is_measured_from_date_headers(world: World, date: str, expected: int) -> None:
    """In whole seconds; less than two is none, since a Date has no fractions."""
    world.service.steps = [ok(date=date)]

    world.exchange.ask(ASK)

    assert timedelta(seconds=expected) == world.exchange.skew


def test_a_certificate_that_cannot_be_verified_is_not_tried_again(world: World) -> None:
    """It will not get better by asking again."""
    error = httpx.ConnectError("tls")
    error.__cause__ = ssl.SSLCertVerificationError("self-signed")
    world.service.steps = [error]

    with pytest.raises(ServiceError, match="certificate"):
        world.exchange.ask(ASK)


def test_a_request_that_cannot_be_sent_is_an_error_of_ours(world: World) -> None:
    """Nothing of httpx leaves the room."""
    world.service.steps = [httpx.UnsupportedProtocol(f"bad {ADDRESS}")]

    with pytest.raises(RequestRefusedError, match="UnsupportedProtocol") as caught:
        world.exchange.ask(ASK)

    assert ADDRESS not in str(caught.value)


def test_the_stop_lets_no_request_start(world: World) -> None:
    """An interrupted run is no error of the service."""
    world.stop.set()

    with pytest.raises(InterruptedRunError):
        world.exchange.ask(ASK)

    assert [] == world.service.seen
    assert 0 == world.counts()["errors"]


def test_the_stop_ends_the_waiting_for_a_429(world: World) -> None:
    """The answer came; the wait does not."""

    def answer(_: httpx.Request) -> httpx.Response:
        world.stop.set()
        return httpx.Response(429, headers={"retry-after": "500"})

    world.service.steps = [answer]

    with pytest.raises(InterruptedRunError):
        world.exchange.ask(ASK)

    assert 1 == len(world.service.seen)


def test_every_request_is_metered_by_its_kind(world: World) -> None:
    """Each try counts, and so does the token it needed."""
    world.service.steps = [httpx.Response(503), ok()]

    world.exchange.ask(ASK)

    calls = world.counts()["calls"]
    assert {"get list": 2, "token": 1} == {kind: each["count"] for kind, each in calls.items()}


def test_nothing_of_a_body_shows_in_a_repr() -> None:
    """Bodies hold addresses."""
    asked = Request(method="POST", path="/", kind="x", subject="x", body=ADDRESS.encode())
    answer = Answer(status=200, document={"email": ADDRESS}, version="", tries=1)

    assert ADDRESS not in repr(asked) + repr(answer)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"code": "INVALID_REASON"}, "INVALID_REASON"),
        ({"errorCode": "E-12"}, "E-12"),
        ({"error": {"code": "x.y"}}, "x.y"),
        ({"error": "invalid_client"}, "invalid_client"),
        ({"code": 40012}, "40012"),
        ({"code": 15555550123}, ""),
        ({"code": ADDRESS}, ""),
        ({"code": "n15555550123"}, ""),
        ({"code": "a whole sentence"}, ""),
        ({"message": "no code"}, ""),
    ],
)
def test_a_code_is_passed_on_and_prose_is_not(document: dict[str, object], expected: str) -> None:
    """What might be an address never is a code."""
    assert expected == short_code(document)


def test_a_truth_value_is_a_number_at_most() -> None:
    """Whatever a code is, it is text."""
    assert plain_code(value=True) == "1"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://acme.example.com/api", True),
        ("http://acme.example.com/api", False),
        ("http://localhost:8080", True),
        ("http://127.0.0.2:1", True),
        ("http://[::1]:1", True),
        ("http://localhost.evil.example", False),
        ("ftp://localhost", False),
        ("https://crm.example.com:port", False),
        ("http://localhost@evil.example", False),
        ("", False),
    ],
)
def test_only_https_and_this_machine_are_private(url: str, *, expected: bool) -> None:
    """A token never travels in clear text."""
    assert expected == private(url)


# ---------------------------------------------------------------- compressed bodies


@pytest.fixture
def compressing(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Open the way to a scripted service that is said to take compressed bodies."""
    with opened(monkeypatch, compress=True) as made:
        yield made


def asking(body: bytes) -> Request:
    """Return a request with a body."""
    return Request(method="POST", path="/lists", kind="try", subject="a list", body=body)


def test_a_large_body_goes_out_compressed_where_that_is_wished(compressing: World) -> None:
    """The same for each try, and what is in it is what was to be sent."""
    body = b'{"contacts":[' + b" " * 2000 + b"]}"
    compressing.service.steps = [httpx.Response(503), ok()]

    compressing.exchange.ask(asking(body))

    first, again = compressing.service.seen
    assert "gzip" == first.headers["Content-Encoding"]
    assert body == gzip.decompress(first.content)
    assert len(first.content) < 100
    assert first.content == again.content


def test_a_small_body_is_not_worth_compressing(compressing: World) -> None:
    """Up to a kilobyte it goes out as it is."""
    compressing.service.steps = [ok()]

    compressing.exchange.ask(asking(b" " * 1024))

    (sent,) = compressing.service.seen
    assert ("Content-Encoding" in sent.headers, b" " * 1024) == (False, sent.content)


def test_nothing_is_compressed_unasked(world: World) -> None:
    """Most services do not say whether they would understand."""
    world.service.steps = [ok()]

    world.exchange.ask(asking(b" " * 5000))

    assert "Content-Encoding" not in world.service.seen[0].headers


def test_a_service_that_does_not_unpack_is_named_as_such(compressing: World) -> None:
    """The hint names the setting; without a compressed body it would not help."""
    compressing.service.steps = [httpx.Response(415), httpx.Response(415)]

    hints = []
    for size in (5000, 5):
        with pytest.raises(RequestRefusedError, match="415") as caught:
            compressing.exchange.ask(asking(b" " * size))
        hints.append("compressRequests" in str(caught.value.hint))

    assert [True, False] == hints
