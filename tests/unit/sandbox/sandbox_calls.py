"""How the sandbox's tests call it: signed in, on one list of known id."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx

from reconciler import sandbox

NOW: Final = datetime(2026, 11, 23, 10, 15, 0, tzinfo=UTC)
LATER: Final = "2027-12-31T23:59:59Z"
LIST: Final = "/api/v2/lists/L1"
CONTACTS: Final = f"{LIST}/contacts"
CREDENTIALS: Final = {
    "grant_type": "client_credentials",
    "client_id": "somebody",
    "client_secret": "sandbox",
}


class Clock:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.moment = NOW

    def __call__(self) -> datetime:
        """Return the time."""
        return self.moment


@contextmanager
def calling(
    folder: Path, *faults: str, now: Clock | None = None, max_page: int = 10_000
) -> Iterator[httpx.Client]:
    """Yield a client of an embedded sandbox with the list L1, signed in before any fault."""
    database = folder / "sandbox.db"
    sandbox.ensure_list(database, "L1", "First")
    clock = now or Clock()
    app = sandbox.app(
        database, faults=[sandbox.parse(each) for each in faults], now=clock, max_page=max_page
    )
    with httpx.Client(transport=httpx.WSGITransport(app), base_url="http://sandbox") as client:
        sign_in(client)
        yield client


def sign_in(client: httpx.Client) -> None:
    """Get a token and send it from now on."""
    answer = client.post("/oauth/token", data=CREDENTIALS)
    client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"


def post(client: httpx.Client, *rows: object) -> httpx.Response:
    """Send one batch to L1."""
    return client.post(CONTACTS, json={"contacts": rows})


def contacts(client: httpx.Client, **query: int) -> list[dict[str, Any]]:
    """Return a page of L1."""
    found: list[dict[str, Any]] = client.get(CONTACTS, params=query).json()["contacts"]
    return found


def etag(client: httpx.Client) -> str:
    """Return the version of L1."""
    return client.get(LIST).headers["ETag"]
