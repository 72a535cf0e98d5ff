"""The services that every scenario meets, each with its manners and its troubles.

The sandbox inside this process, the sandbox on a socket, and the stranger in several moods. A
trouble is named in words and put into each service's own terms here, so that a scenario never
asks which service it has.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pyarrow as pa
import spellings
from loopback import Answer
from stranger import Interruption, Manners, Stranger

from reconciler import sandbox
from reconciler.api.connect import connect
from reconciler.api.port import BATCH, Page, Reader, Writer
from reconciler.errors import Place
from reconciler.metrics import Meter
from reconciler.model import Credentials, Limits, Settings, Tenant

Trouble: TypeAlias = Literal[
    "none",
    "the token is dropped",
    "no token is welcome",
    "it says no",
    "it is busy",
    "it is down for a moment",
    "a batch is answered with half a body",
    "a new list is answered with a 502",
    "a stranger comes between two pages",
    "one contact is not welcome",
]
BadRow: TypeAlias = Literal["named", "unnamed", "whole batch refused"]

SMALL_PAGE = 7
UNWELCOME = "+12025550107"
"""The contact of that trouble."""
_FAULTS: dict[Trouble, tuple[str, ...]] = {
    "none": (),
    "the token is dropped": ("status:401@GET /api/v2/lists/*#1",),
    "no token is welcome": ("status:401@GET /api/v2/lists/*",),
    "it says no": ("status:403@GET /api/v2/lists/*",),
    "it is busy": ("status:429;retry-date=1@GET /api/v2/lists/*#1",),
    "it is down for a moment": ("status:503@GET /api/v2/lists/*#1",),
    "a batch is answered with half a body": ("truncate@POST /api/v2/lists/*/contacts#1",),
    "a new list is answered with a 502": ("status:502@POST /api/v2/lists#1",),
    "a stranger comes between two pages": ("bump:contact@GET /api/v2/lists/*/contacts#2",),
    "one contact is not welcome": (
        f"reject:NOT_A_LINE;ending={UNWELCOME[-7:]}@POST /api/v2/lists/*/contacts",
    ),
}
_TENANT = Tenant(
    name="tried",
    place=Place(path="specs/tenant.yaml", line=1),
    dialect="lists",
    embedded=True,
    base_url="",
    token_url="",
    credentials=None,
    limits=Limits(requests_per_second=500, timeout_seconds=10),
)
_REACHED = replace(
    _TENANT,
    embedded=False,
    credentials=Credentials(client_id="env:TRIED_ID", client_secret="env:TRIED_SECRET"),
)
CLIENT = {"TRIED_ID": "stranger-id", "TRIED_SECRET": "stranger-secret"}
"""What the environment must hold while a service is met."""


END = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
SETTINGS = Settings(name="Kept list", description="Kept by a spec", suppress_until=END)


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """A service, met: our way to it, somebody else's way to it, and how it behaves."""

    writer: Writer
    meter: Meter
    touch: Callable[[str], None]
    """A stranger changes the list's ETag."""
    add: Callable[[str, str, str], object]
    """A stranger puts one contact on a list: its id, an email, a phone."""
    take: Callable[[str, str], object]
    """A stranger takes one contact off a list: its id, an identifier as the service spells it."""
    bad_row: BadRow
    spell: Callable[[str], str] = str


Service: TypeAlias = Callable[[Path, Trouble], AbstractContextManager[Met]]


@contextmanager
def sandbox_embedded(folder: Path, trouble: Trouble) -> Iterator[Met]:
    """Meet the sandbox without a socket."""
    database = folder / "sandbox.db"
    faults = [sandbox.parse(text) for text in _FAULTS[trouble]]
    made = sandbox.app(database, faults=faults, max_page=SMALL_PAGE)
    meter = Meter()
    with connect(_TENANT, app=made, meter=meter, on_wait=_unheard) as writer:
        yield _met_sandbox(writer, meter, database)


@contextmanager
def sandbox_on_a_socket(folder: Path, trouble: Trouble, *, compress: bool = False) -> Iterator[Met]:
    """Meet the sandbox as its own command serves it; larger bodies may go out compressed."""
    database = folder / "sandbox.db"
    faults = [sandbox.parse(text) for text in _FAULTS[trouble]]
    meter = Meter()
    with sandbox.serving(database, faults=faults, max_page=SMALL_PAGE) as url:
        tenant = replace(
            _REACHED,
            base_url=f"{url}/api/v2",
            token_url=f"{url}/oauth/token",
            compress_requests=compress,
        )
        with connect(tenant, app=None, meter=meter, on_wait=_unheard) as writer:
            yield _met_sandbox(writer, meter, database)


def _met_sandbox(writer: Writer, meter: Meter, database: Path) -> Met:
    other = sandbox.stranger(database)
    return Met(
        writer=writer,
        meter=meter,
        touch=other.touch,
        add=lambda list_id, email, phone: other.add(list_id, email=email, phone=phone),
        take=other.remove,
        bad_row="named",
    )


def a_stranger(manners: Manners, bad_row: BadRow) -> Service:
    """Return a way to meet a stranger of these manners."""

    @contextmanager
    def meet(_folder: Path, trouble: Trouble) -> Iterator[Met]:
        with meeting(manners) as (service, writer, meter):
            arrange(service, trouble)
            yield Met(
                writer=writer,
                meter=meter,
                touch=service.bump,
                add=lambda list_id, email, phone: service.put(
                    list_id, email=email, phoneNumber=phone
                ),
                take=service.take,
                bad_row=bad_row,
                spell=manners.spell,
            )

    return meet


@contextmanager
def meeting(manners: Manners) -> Iterator[tuple[Stranger, Writer, Meter]]:
    """Meet a stranger, and keep hold of it."""
    meter = Meter()
    with Stranger(manners).serve() as service:
        tenant = replace(_REACHED, base_url=service.base_url, token_url=service.token_url)
        with connect(tenant, app=None, meter=meter, on_wait=_unheard) as writer:
            yield service, writer, meter


def arrange(service: Stranger, trouble: Trouble) -> None:
    """Prepare a trouble at the stranger's."""
    one, contacts = "/api/v2/lists/*", "/api/v2/lists/*/contacts"
    half = Answer(status=200, body=b'{"status":"CO')
    troubles: dict[Trouble, tuple[tuple[str, str, int, Interruption], ...]] = {
        "none": (),
        "the token is dropped": (("GET", one, 1, service.revoke),),
        "no token is welcome": tuple(("GET", one, nth, service.revoke) for nth in (1, 2)),
        "it says no": (("GET", one, 1, lambda: Answer(status=403, body=b"no")),),
        "it is busy": (("GET", one, 1, service.busy),),
        "it is down for a moment": (("GET", one, 1, lambda: Answer(status=503, body=b"<")),),
        "a batch is answered with half a body": (("POST", contacts, 1, lambda: half),),
        "a new list is answered with a 502": (
            ("POST", "/api/v2/lists", 1, lambda: Answer(status=502, body=b"")),
        ),
        "a stranger comes between two pages": (("GET", contacts, 2, lambda: _intrude(service)),),
        "one contact is not welcome": (),
    }
    if trouble == "one contact is not welcome":
        service.unwelcome[UNWELCOME] = "NOT_A_LINE"
    for interruption in troubles[trouble]:
        service.before(*interruption)


def _intrude(service: Stranger) -> None:
    service.put("L-1.x", email="somebody-else@example.com")


def _unheard(_text: str) -> None:
    """Say nothing of waits."""


SERVICES: dict[str, Service] = {
    "sandbox embedded": sandbox_embedded,
    "sandbox on a socket": sandbox_on_a_socket,
    "stranger": a_stranger(Manners(page=SMALL_PAGE), "named"),
    "stranger refusing whole batches": a_stranger(
        Manners(page=1000, bad_row="whole", conflict=409, accepted=201, token_life=3600),
        "whole batch refused",
    ),
    "stranger naming no row": a_stranger(
        Manners(complaint="code", spell=spellings.digits_only), "unnamed"
    ),
    "stranger spelling its own way": a_stranger(
        Manners(complaint="index", spell=spellings.punctuated, token_life=31), "named"
    ),
}


def rows(*contacts: tuple[str, datetime | None], version: int = 1, reason: str = "DNC") -> pa.Table:
    """Return a batch of contacts, each an address and an end."""
    return pa.Table.from_pylist(
        [
            {
                "row": number,
                "email": address if "@" in address else None,
                "phone": None if "@" in address else address,
                "reason": reason,
                "until": int(until.timestamp()) if until else None,
                "version": version,
            }
            for number, (address, until) in enumerate(contacts)
        ],
        schema=BATCH,
    )


def read(reader: Reader, list_id: str) -> tuple[tuple[Page, ...], list[dict[str, Any]]]:
    """Return all pages of a list, and their contacts."""
    pages = tuple(reader.pages(list_id))
    return pages, [row for page in pages for row in page.contacts.to_pylist()]


def addresses(contacts: list[dict[str, Any]]) -> list[str]:
    """Return what identifies each contact, sorted."""
    return sorted(row["email"] or row["phone"] for row in contacts)
