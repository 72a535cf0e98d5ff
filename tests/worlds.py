"""A service in memory that can die at any request, and remembers what it held after each.

It follows the service's rules of writing: a body that names one identifier replaces the contact
that carries it. It speaks the port, so the whole program above it is the real one.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Literal

import pyarrow as pa

import engines
from builders import NOW
from reconciler import artifacts, desired, observed, pipeline
from reconciler.api.port import PAGE, Page, RowError, Sent
from reconciler.artifacts import Run
from reconciler.errors import NotFoundError, VersionConflictError
from reconciler.locks import FileLocks
from reconciler.metrics import Meter
from reconciler.model import (
    LISTS,
    RELEASE_AHEAD,
    UNMANAGED,
    Capabilities,
    Change,
    Policy,
    RemoteList,
    Settings,
    Spec,
    Tenant,
)
from reconciler.store import DirectoryStore
from reconciler.times import parse_time, zulu

LIST = "7f3e2c"
HELD = Settings(name="US Do Not Call", description=None, suppress_until=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A contact as the service holds it."""

    email: str | None = None
    phone: str | None = None
    reason: str | None = "DNC"
    until: datetime | None = None
    version: int = 1


def _nothing(_request: str) -> None:
    """Let every request be."""


class KilledError(BaseException):
    """The process is gone: nothing that catches exceptions may see it off."""


@dataclass(slots=True, kw_only=True)
class World:
    """One tenant with one list; satisfies ``Writer``."""

    contacts: list[Contact] = field(default_factory=list)
    settings: Settings = HELD
    exists: bool = True
    capabilities: Capabilities = LISTS
    page: int = 3
    refuse: frozenset[str] = frozenset()
    """Identifiers that are never taken."""
    complains: Literal["named", "unnamed", "all named", "all unnamed"] = "named"
    """How it says so; ``all``: then nothing of the batch is taken."""
    before: Callable[[str], None] = _nothing
    """Called with the name of each request before its effect; what it raises is the answer."""
    after: Callable[[str], None] = _nothing
    """Called after the effect of each write; what it raises stands for an answer that is lost."""
    moves_while_read: bool = False
    moves_with_contacts: bool = True
    """Whether a write of contacts moves the version."""
    writes_left: int | None = None
    """How many writes come before the end; ``None`` never ends."""
    effect_before_end: bool = False
    """Whether the write at the end still has its effect."""
    number: int = 1
    sent: list[list[str]] = field(default_factory=list)
    """The identifiers of every batch, as sent."""
    bodies: list[dict[str, object]] = field(default_factory=list)
    states: list[tuple[Contact, ...]] = field(default_factory=list)
    """What it held after each write."""
    writes: list[str] = field(default_factory=list)
    skew: timedelta = timedelta()
    at_once: int = 1

    def sign_in(self) -> None:
        """Anybody may come in."""
        self.before("sign_in")

    def get(self, list_id: str) -> RemoteList:
        """The one list there is."""
        self.before("get")
        return self._list(list_id)

    def _list(self, list_id: str) -> RemoteList:
        if not self.exists or list_id != LIST:
            raise NotFoundError(f"no list {list_id}")
        return RemoteList(
            id=LIST,
            settings=self.settings,
            type="suppression",
            count=self._count(),
            version=f'"{self.number}"',
        )

    def _count(self) -> int:
        """Count contacts, as the dialect does."""
        if self.capabilities.counts_lapsed:
            return len(self.contacts)
        return sum(one.until is None or one.until > NOW for one in self.contacts)

    def find(self, name: str) -> RemoteList | None:
        """The one list there is, if that is its name."""
        self.before("find")
        return self._list(LIST) if self.exists and name == self.settings.name else None

    def occupied(self) -> int | None:
        """What the list holds, where that is bounded."""
        return len(self.contacts) if self.capabilities.capacity else None

    def pages(self, list_id: str) -> Iterator[Page]:
        """The contacts, a few at a time."""
        self.before("pages")
        remote = self._list(list_id)
        for start in range(0, len(self.contacts) + 1, self.page):
            part = self.contacts[start : start + self.page]
            if self.moves_while_read:
                self.number += 1
            if part and self.capabilities.versioned:
                yield Page(contacts=_columns(part), total=remote.count, version=remote.version)
            elif part:
                yield Page(contacts=_columns(part), total=None, version="")

    def create(self, settings: Settings) -> RemoteList:
        """Make the one list."""
        self.before("create")
        with self._write("create"):
            self.exists = True
            self.settings = Settings(
                name=settings.name,
                description=None if settings.description is UNMANAGED else settings.description,
                suppress_until=settings.suppress_until
                if isinstance(settings.suppress_until, datetime)
                else None,
            )
        made = self._list(LIST)
        self.after("create")
        return made

    def update(self, list_id: str, changes: Sequence[Change], *, version: str) -> RemoteList:
        """Change settings, if the version is right."""
        self.before("update")
        if version != self._list(list_id).version:
            raise VersionConflictError("moved")
        with self._write("update"):
            for change in changes:
                match change.field:
                    case "name":
                        self.settings = replace(self.settings, name=str(change.new))
                    case "description":
                        self.settings = replace(self.settings, description=change.new)
                    case "suppressUntil":
                        end = parse_time(change.new) if change.new else None
                        self.settings = replace(self.settings, suppress_until=end)
        made = self._list(list_id)
        self.after("update")
        return made

    def send(self, list_id: str, batch: pa.Table) -> Sent:
        """Upsert a batch: each body replaces the contact that carries its identifier."""
        self.before("send")
        rows = batch.to_pylist()
        identifiers = [row["email"] or row["phone"] for row in rows]
        self.sent.append(identifiers)
        self.bodies += rows
        bad = [at for at, one in enumerate(identifiers) if one in self.refuse]
        named = tuple(RowError(index=at, code="REFUSED") for at in bad)
        unnamed = ("REFUSED",) * len(bad)
        if bad and self.complains in ("all named", "all unnamed"):
            errors = named if self.complains == "all named" else ()
            return Sent(taken=False, errors=errors, detail="VALIDATION")
        with self._write("send"):
            for at, row in enumerate(rows):
                if at not in bad:
                    self._upsert(row)
        version = self._list(list_id).version
        self.after("send")
        if self.complains == "unnamed":
            return Sent(taken=True, unnamed=unnamed, version=version)
        return Sent(taken=True, errors=named, version=version)

    def remove(self, list_id: str, batch: pa.Table) -> Sent:
        """Let contacts go by the end that their bodies carry, or at once."""
        if self.capabilities.release == "expire":
            return self.send(list_id, batch)
        at = batch.schema.get_field_index("until")
        ahead = RELEASE_AHEAD // timedelta(seconds=1)
        now = pa.array([end - ahead for end in batch.column("until").to_pylist()])
        return self.send(list_id, batch.set_column(at, batch.schema.field(at), now))

    def _upsert(self, row: dict[str, object]) -> None:
        email, phone = row["email"], row["phone"]
        until = row["until"]
        new = Contact(
            email=email,  # type: ignore[arg-type]
            phone=phone,  # type: ignore[arg-type]
            reason=row["reason"],  # type: ignore[arg-type]
            until=datetime.fromtimestamp(until, UTC) if isinstance(until, int) else None,
            version=row["version"],  # type: ignore[arg-type]
        )
        self.contacts = [
            one
            for one in self.contacts
            if not (email and one.email == email) and not (phone and one.phone == phone)
        ]
        self.contacts.append(new)

    @contextmanager
    def _write(self, what: str) -> Iterator[None]:
        """Count a write; at the end of the world it may still have its effect."""
        ends = self.writes_left == 0
        if self.writes_left is not None:
            self.writes_left -= 1
        if ends and not self.effect_before_end:
            raise KilledError
        yield
        self.number += what != "send" or self.moves_with_contacts
        self.writes.append(what)
        self.states.append(tuple(self.contacts))
        if ends:
            raise KilledError


@contextmanager
def running(
    *, clock: Callable[[], datetime] = lambda: NOW, folder: Path | None = None
) -> Iterator[Run]:
    """A run in a folder of its own, or in one that earlier runs have used."""
    with TemporaryDirectory() as temporary:
        state = folder or Path(temporary) / "state"
        run = Run(
            id=artifacts.new_id(clock()),
            command="test",
            state=state,
            store=DirectoryStore(state),
            locks=FileLocks(folder=state / "locks", run="test"),
            started=clock(),
            engine=engines.shared(),
            meter=Meter(),
            clock=clock,
            stop=Event(),
            tell=lambda _: None,
            progress=lambda *_: None,
        )
        artifacts.start(run, root=Path(temporary))
        yield run


def prepare(spec: Spec, world: World, run: Run, *, as_of: datetime = NOW) -> pipeline.Prepared:
    """Compile and observe a spec that needs no files."""
    wanted = desired.compile(
        spec,
        engine=run.engine,
        as_of=as_of,
        into=artifacts.private(run.cache),
        invalid_into=lambda key: run.tables(key) / "invalid.csv",
    )
    look = observed.Look(run=run, as_of=as_of, known={}, fresh=True)
    seen = observed.observe(wanted, reader=lambda _: world, look=look)
    return pipeline.Prepared(spec=spec, desired=wanted, observed=seen)


def spec_of(tenant: Tenant, *lists: object, policy: Policy) -> Spec:
    """A spec of these lists."""
    return Spec(
        root=Path("specs"),
        tenants={tenant.name: tenant},
        lists=lists,  # type: ignore[arg-type]
        policy=policy,
    )


def _columns(contacts: Sequence[Contact]) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                "email": one.email,
                "phone": one.phone,
                "reason": one.reason,
                "until": zulu(one.until) if one.until else None,
                "version": one.version,
            }
            for one in contacts
        ],
        schema=PAGE,
    )
