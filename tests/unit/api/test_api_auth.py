import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from scripted import SECRET, World, opened

from reconciler.errors import AuthError, RequestRefusedError, ServiceError, SettingError

LIST = {"id": "7f", "name": "US", "listType": "suppression", "contactCount": 0}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Open the way to a scripted service."""
    with opened(monkeypatch) as made:
        yield made


def ok() -> httpx.Response:
    """Return a list's metadata."""
    return httpx.Response(200, json=LIST)


def test_one_token_serves_many_requests(world: World) -> None:
    """It is asked for with the form of the grant, and then kept."""
    world.service.steps = [ok(), ok()]
    forms = []

    def grant(request: httpx.Request) -> httpx.Response:
        forms.append(request.content.decode())
        return httpx.Response(200, json={"access_token": "abc", "expires_in": 60})

    world.service.tokens = [grant]

    world.lists.get("7f")
    world.lists.get("7f")

    form = f"grant_type=client_credentials&client_id=acme-client&client_secret={SECRET}"
    assert [form] == forms
    assert ["Bearer abc", "Bearer abc"] == world.service.signed


def test_a_token_is_replaced_30_seconds_before_its_end(world: World) -> None:
    """With a minute to live it is used for half of it."""
    world.service.lifetime = 60
    world.service.steps = [ok(), ok(), ok()]

    world.lists.get("7f")
    world.hand.seconds = 29.9
    world.lists.get("7f")
    world.hand.seconds = 30.0
    world.lists.get("7f")

    assert ["Bearer token-1", "Bearer token-1", "Bearer token-2"] == world.service.signed


def test_a_refused_token_is_replaced_once(world: World) -> None:
    """A 401 drops the token and sends the request again with a fresh one."""
    world.service.steps = [httpx.Response(401), ok()]

    found = world.lists.get("7f")

    assert found.id == "7f"
    assert ["Bearer token-1", "Bearer token-2"] == world.service.signed


def test_a_second_401_names_the_scopes(world: World) -> None:
    """The error tells what to check, and no more is tried."""
    world.service.steps = [httpx.Response(401), httpx.Response(401, text="jane@example.com")]

    with pytest.raises(AuthError) as caught:
        world.lists.get("7f")

    expected = "lists:read, lists:write, lists:contacts:read, lists:contacts:write"
    assert expected in str(caught.value)
    assert "jane" not in str(caught.value)
    assert 2 == len(world.service.seen)
    assert 1 == world.counts()["errors"]


def test_threads_refused_together_fetch_one_token(world: World) -> None:
    """Four threads hold the token that was revoked; one asks for another, all use it."""
    together = threading.Barrier(4)

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/oauth/token"):
            with world.service.lock:
                return world.service.grant(request)
        if request.headers["authorization"] == "Bearer token-1":
            together.wait(timeout=10)
            return httpx.Response(401)
        return ok()

    world.exchange.sign_in()
    client = httpx.Client(transport=httpx.MockTransport(answer))
    with client, ThreadPoolExecutor(4) as pool:
        sent = [
            pool.submit(client.get, "https://acme.example.com/x", auth=world.auth) for _ in range(4)
        ]
        statuses = [each.result(timeout=10).status_code for each in sent]

    assert [200] * 4 == statuses
    assert 2 == world.service.granted


@pytest.mark.parametrize("status", [400, 401, 403])
def test_refused_credentials_are_not_tried_again(world: World, status: int) -> None:
    """They will not get better."""
    world.service.tokens = [httpx.Response(status, json={"error": SECRET})]

    with pytest.raises(AuthError, match="lists:contacts:write") as caught:
        world.lists.sign_in()

    assert 1 == world.service.granted
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.Response(503),
        httpx.Response(429, headers={"retry-after": "7"}),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=["token"]),
        httpx.Response(200, json={"access_token": "", "expires_in": 1}),
        httpx.Response(200, json={"access_token": "a\nb", "expires_in": 1}),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
    ],
    ids=repr,
)
def test_trouble_with_a_token_is_tried_three_times(
    world: World, trouble: httpx.Response | Exception
) -> None:
    """Twice in trouble and the third is used; three times in trouble is an error."""
    world.service.tokens = [trouble, trouble]
    world.service.steps = [ok()]

    world.lists.get("7f")

    assert 3 == world.service.granted
    world.service.tokens = [trouble, trouble, trouble]
    with pytest.raises(ServiceError, match=r"sign in: .* after 3 tries"):
        world.lists.sign_in()
    assert 6 == world.service.granted


def test_a_strange_answer_of_the_token_endpoint_says_where_to_look(world: World) -> None:
    """A wrong tokenUrl is no matter of credentials."""
    world.service.tokens = [httpx.Response(302, headers={"location": "https://elsewhere"})]

    with pytest.raises(RequestRefusedError) as caught:
        world.lists.sign_in()

    assert "check the Tenant's tokenUrl" == caught.value.hint


def test_a_missing_secret_is_a_setting(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets are looked up when they are needed, and only then."""
    monkeypatch.delenv("ACME_SECRET")

    with pytest.raises(SettingError, match="ACME_SECRET"):
        world.lists.sign_in()

    assert 0 == world.service.granted


def test_neither_secret_nor_token_shows(
    world: World, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not in a repr, a log line or anything printed."""
    caplog.set_level("DEBUG")
    world.service.steps = [ok()]

    world.lists.get("7f")

    shown = [repr(world.auth), repr(world.exchange), repr(world.lists), repr(vars(world.auth))]
    assert SECRET not in "".join(shown) + caplog.text + "".join(capsys.readouterr())
    assert "token-1" not in "".join(shown[:3]) + caplog.text
