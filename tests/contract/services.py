"""The services that every scenario meets, each with its manners and its troubles.

The sandbox inside this process, the sandbox on a socket, and the stranger in several moods. A
trouble is named in words and put into each service's own terms here, so that a scenario never
asks which service it has.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pyarrow as pa
import spellings
from groups_stranger import GroupsStranger, Habits
from loopback import Answer
from stranger import Interruption, Manners, Stranger

from reconciler import sandbox
from reconciler.api.connect import connect
from reconciler.api.port import BATCH, Page, Reader, Writer
from reconciler.errors import Place
from reconciler.metrics import Meter
from reconciler.model import (
    CAPABILITIES,
    Capabilities,
    Credentials,
    Limits,
    Settings,
    Tenant,
)

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
LISTED, GROUPED = "/api/v2/lists", "/inContactAPI/services/v34.0/dnc-groups"
UNWELCOME = "+12025550107"
"""The contact of that trouble."""
_FAULTS: dict[Trouble, tuple[str, ...]] = {
    "none": (),
    "the token is dropped": ("status:401@GET {all}/*#1",),
    "no token is welcome": ("status:401@GET {all}/*",),
    "it says no": ("status:403@GET {all}/*",),
    "it is busy": ("status:429;retry-date=1@GET {all}/*#1",),
    "it is down for a moment": ("status:503@GET {all}/*#1",),
    "a batch is answered with half a body": ("truncate@POST {all}/*/{contacts}#1",),
    "a new list is answered with a 502": ("status:502@POST {all}#1",),
    "a stranger comes between two pages": ("bump:contact@GET {all}/*/{contacts}#2",),
    "one contact is not welcome": (
        f"reject:NOT_A_LINE;ending={UNWELCOME[-7:]}@POST {{all}}/*/{{contacts}}",
    ),
}
"""In the sandbox's words, wherever a dialect has its lists and contacts."""
_PLACES: dict[str, dict[str, str]] = {
    "lists": {"all": LISTED, "contacts": "contacts"},
    "dnc-groups": {"all": GROUPED, "contacts": "records"},
}
TENANT = Tenant(
    name="tried",
    place=Place(path="specs/tenant.yaml", line=1),
    dialect="lists",
    embedded=True,
    base_url="",
    token_url="",
    credentials=None,
    limits=Limits(requests_per_second=500, timeout_seconds=10),
)
REACHED = replace(
    TENANT,
    embedded=False,
    credentials=Credentials(
        client_id="env:TRIED_ID",
        client_secret="env:TRIED_SECRET",
        access_key_id="env:TRIED_KEY_ID",
        access_key_secret="env:TRIED_KEY_SECRET",
    ),
)
CLIENT = {
    "TRIED_ID": "stranger-id",
    "TRIED_SECRET": "stranger-secret",
    "TRIED_KEY_ID": "stranger-key-id",
    "TRIED_KEY_SECRET": "stranger-key-secret",
}
"""What the environment must hold while a service is met."""


END = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
SETTINGS = Settings(name="Kept list", description="Kept by a spec", suppress_until=END)
GROUP_SETTINGS = replace(SETTINGS, suppress_until=None, scrubbed_skills=(), contributing_skills=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """A service, met: our way to it, somebody else's way to it, and how it behaves."""

    writer: Writer
    meter: Meter
    touch: Callable[[str], None]
    """A stranger changes what a change of the list's name is guarded by."""
    add: Callable[[str, str, str], object]
    """A stranger puts one contact on a list: its id, an email, a phone."""
    take: Callable[[str, str], object]
    """A stranger takes one contact off a list: its id, an identifier as the service spells it."""
    bad_row: BadRow
    spell: Callable[[str], str] = str
    dialect: str = "lists"
    needed: tuple[str, ...] = ("lists:read", "lists:write", "lists:contacts:read")
    """What the credentials must allow, as one is told who lacks it."""
    one_of_a_name: bool = False
    """Whether a second list of one name is refused."""

    @property
    def capabilities(self) -> Capabilities:
        """What the dialect can do."""
        return CAPABILITIES[self.dialect]

    @property
    def settings(self) -> Settings:
        """The settings of a list that is to be made, each of a kind the dialect has."""
        return SETTINGS if self.capabilities.ends else GROUP_SETTINGS

    def who(self, number: int) -> str:
        """Return an address of a kind the dialect has; an email, if it can."""
        if "email" in self.capabilities.channels:
            return f"user{number}@example.com"
        return f"+1312555{number:04}"

    def kept(self, reason: str, version: int) -> tuple[str | None, int | None]:
        """Return what comes back of a contact's reason and version."""
        return (reason, version) if self.capabilities.reasons else (None, None)


Service: TypeAlias = Callable[[Path, Trouble], AbstractContextManager[Met]]


@contextmanager
def sandbox_embedded(
    folder: Path, trouble: Trouble, *, dialect: str = "lists", odd: tuple[str, ...] = ()
) -> Iterator[Met]:
    """Meet the sandbox without a socket, in one of its dialects, perhaps an odd one."""
    database = folder / "sandbox.db"
    made = sandbox.app(database, faults=_faults(trouble, dialect, odd), max_page=SMALL_PAGE)
    meter = Meter()
    tenant = replace(TENANT, dialect=dialect)
    with connect(tenant, app=made, meter=meter, on_wait=_unheard) as writer:
        yield _met_sandbox(writer, meter, database, dialect)


def _faults(trouble: Trouble, dialect: str, odd: tuple[str, ...] = ()) -> list[sandbox.Fault]:
    texts = (*_FAULTS[trouble], *odd)
    return [sandbox.parse(text.format(**_PLACES[dialect])) for text in texts]


@contextmanager
def sandbox_found(folder: Path, trouble: Trouble) -> Iterator[Met]:
    """Meet the sandbox's groups as its own command serves them, found by its configuration."""
    database = folder / "sandbox.db"
    meter = Meter()
    faults = _faults(trouble, "dnc-groups")
    with sandbox.serving(database, faults=faults, max_page=SMALL_PAGE) as url:
        tenant = replace(REACHED, dialect="dnc-groups", base_url="", token_url=f"{url}/auth/token")
        with connect(tenant, app=None, meter=meter, on_wait=_unheard) as writer:
            yield _met_sandbox(writer, meter, database, "dnc-groups")


@contextmanager
def sandbox_on_a_socket(folder: Path, trouble: Trouble, *, compress: bool = False) -> Iterator[Met]:
    """Meet the sandbox as its own command serves it; larger bodies may go out compressed."""
    database = folder / "sandbox.db"
    faults = _faults(trouble, "lists")
    meter = Meter()
    with sandbox.serving(database, faults=faults, max_page=SMALL_PAGE) as url:
        tenant = replace(
            REACHED,
            base_url=f"{url}/api/v2",
            token_url=f"{url}/oauth/token",
            compress_requests=compress,
        )
        with connect(tenant, app=None, meter=meter, on_wait=_unheard) as writer:
            yield _met_sandbox(writer, meter, database, "lists")


def _met_sandbox(writer: Writer, meter: Meter, database: Path, dialect: str) -> Met:
    other = sandbox.stranger(database)
    if dialect == "dnc-groups":
        return Met(
            writer=writer,
            meter=meter,
            touch=lambda list_id: other.set(list_id, "name", "Named by another"),
            add=lambda list_id, _email, phone: other.add(list_id, phone=phone),
            take=other.remove,
            bad_row="named",
            dialect=dialect,
            needed=("role",),
            one_of_a_name=True,
        )
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
        tenant = replace(REACHED, base_url=service.base_url, token_url=service.token_url)
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


def a_stranger_with_groups(habits: Habits) -> Service:
    """Return a way to meet a stranger of groups with these habits."""

    @contextmanager
    def meet(_folder: Path, trouble: Trouble) -> Iterator[Met]:
        meter = Meter()
        with GroupsStranger(habits).serve() as service:
            _arrange_groups(service, trouble)
            tenant = replace(
                REACHED, dialect="dnc-groups", base_url="", token_url=service.token_url
            )
            with connect(tenant, app=None, meter=meter, on_wait=_unheard) as writer:
                yield Met(
                    writer=writer,
                    meter=meter,
                    touch=service.rename,
                    add=lambda list_id, _email, phone: service.put(list_id, phone),
                    take=service.take,
                    bad_row="named",
                    spell=spellings.with_a_gap if habits.words else str,
                    dialect="dnc-groups",
                    needed=("role",),
                    one_of_a_name=True,
                )

    return meet


def _arrange_groups(service: GroupsStranger, trouble: Trouble) -> None:
    """Prepare a trouble at the stranger's with groups."""
    one, records = f"{GROUPED}/*", f"{GROUPED}/*/records"
    half = Answer(status=200, body=b'{"resultSet":{"err')
    troubles: dict[Trouble, tuple[tuple[str, str, int, Interruption], ...]] = {
        "the token is dropped": (("GET", one, 1, service.revoke),),
        "no token is welcome": tuple(("GET", one, nth, service.revoke) for nth in (3, 4)),
        "it says no": (("GET", one, 3, lambda: Answer(status=403, body=b"no")),),
        "it is busy": (("GET", one, 3, service.busy),),
        "it is down for a moment": (("GET", one, 3, lambda: Answer(status=503, body=b"<")),),
        "a batch is answered with half a body": (("POST", records, 1, lambda: half),),
        "a new list is answered with a 502": (
            ("POST", GROUPED, 1, lambda: Answer(status=502, body=b"")),
        ),
        "a stranger comes between two pages": (
            ("GET", records, 2, lambda: service.put("501", "+13125559999")),
        ),
    }
    if trouble == "one contact is not welcome":
        service.unwelcome[UNWELCOME.removeprefix("+1")] = "NOT_A_LINE"
    for interruption in troubles.get(trouble, ()):
        service.before(*interruption)


def _unheard(_text: str) -> None:
    """Say nothing of waits."""


SERVICES: dict[str, Service] = {
    "sandbox embedded": sandbox_embedded,
    "sandbox on a socket": sandbox_on_a_socket,
    "groups embedded": partial(sandbox_embedded, dialect="dnc-groups"),
    "groups found": sandbox_found,
    "odd groups": partial(
        sandbox_embedded,
        dialect="dnc-groups",
        odd=(
            "clamp:3@GET {all}/*/records",
            "pagetotal@GET {all}/*/records",
            "othername@GET {all}/*/records",
            "plaindates@GET {all}/*/records",
            "bare@{all}/*/records",
        ),
    ),
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


SERVICES |= {
    "stranger with groups": a_stranger_with_groups(Habits()),
    "stranger with other groups": a_stranger_with_groups(
        Habits(
            page=1000,
            records="dncGroupRecords",
            total="page",
            wrapped=False,
            empty_page=True,
            dates="{:%Y-%m-%dT%H:%M:%S}Z",
        )
    ),
    "stranger with groups of his own words": a_stranger_with_groups(
        Habits(total="none", words=True)
    ),
}
LISTED_SERVICES = [name for name in SERVICES if "groups" not in name]
"""Those of the dialect with ends of lists, emails and versions."""


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
