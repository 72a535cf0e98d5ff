"""From specs to a reconciled list, the same at every service there is to try.

The whole way except for the command line: load, compile, observe, plan, apply, record.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import pytest
from services import (
    CLIENT,
    END,
    SERVICES,
    UNWELCOME,
    Met,
    Trouble,
    read,
)

from reconciler import artifacts, pipeline
from reconciler.contacts.engine import Engine
from reconciler.locks import FileLocks
from reconciler.metrics import Meter
from reconciler.model import Plan, Receipt, Selection
from reconciler.store import DirectoryStore
from reconciler.times import parse_time

Held: TypeAlias = Mapping[str, tuple[str | None, datetime | None]]
"""Reason and end by identifier, in one spelling."""

TENANT = """
apiVersion: reconciler/v1
kind: Tenant
metadata: {{name: tried}}
spec: {{embedded: true, dialect: {dialect}}}
---
apiVersion: reconciler/v1
kind: Policy
metadata: {{name: default}}
spec:
  maxReleases: {{share: 50%, count: 100}}
"""
LIST = """
apiVersion: reconciler/v1
kind: SuppressionList
metadata: {name: us-dnc}
spec:
  tenant: tried
  create: true
  list: {name: US Do Not Call, description: Told by a spec}
  defaults: {reason: DNC, region: US}
  sources: [{path: contacts.csv}]
"""
HEADER = "phoneNumber,email,reason,suppressUntil\n"
PHONES = tuple(f"+1202555{number:04}" for number in range(100, 120))


class World:
    """One service and one set of specs, walked through again and again."""

    def __init__(self, met: Met, folder: Path, engine: Engine) -> None:
        self.met = met
        self.specs = folder / "specs"
        self.state = folder / "state"
        self.specs.mkdir()
        self._engine = engine
        self._run: artifacts.Run | None = None

    def declare(self, *lines: str, more: str = "") -> None:
        """Write the specs: one line a contact, and more of the list's own."""
        (self.specs / "tenant.yaml").write_text(
            TENANT.format(dialect=self.met.dialect), encoding="utf-8"
        )
        (self.specs / "list.yaml").write_text(LIST + more, encoding="utf-8")
        text = HEADER + "".join(f"{line}\n" for line in lines)
        (self.specs / "contacts.csv").write_text(text, encoding="utf-8")

    def plan(self) -> Plan:
        """Return what would be done now."""
        now = datetime.now(UTC).replace(microsecond=0)
        self._run = artifacts.Run(
            id=artifacts.new_id(now),
            command="test",
            state=self.state,
            store=DirectoryStore(self.state),
            locks=FileLocks(folder=self.state / "locks", run="test"),
            started=now,
            engine=self._engine,
            meter=Meter(),
            clock=lambda: datetime.now(UTC),
            stop=threading.Event(),
            tell=lambda _line: None,
            progress=lambda _what, _done, _all: None,
        )
        artifacts.start(self._run, root=self.specs)
        prepared = pipeline.prepare(
            Selection(root=self.specs),
            reader=lambda _tenant: self.met.writer,
            as_of=now,
            run=self._run,
        )
        self._tenants = prepared.spec.tenants
        return prepared.plan(as_of=now)

    def apply(self, made: Plan) -> Receipt:
        """Do it."""
        assert self._run is not None
        return pipeline.execute(
            made, tenants=self._tenants, writer=lambda _tenant: self.met.writer, run=self._run
        )

    @property
    def list_id(self) -> str:
        """The list's id at the service."""
        found = self.met.writer.find("US Do Not Call")
        assert found is not None
        return found.id

    def held(self) -> Held:
        """Return what the service holds, in one spelling."""
        _, contacts = read(self.met.writer, self.list_id)
        return {
            _one_spelling(spelled): (row["reason"], row["until"] and parse_time(row["until"]))
            for row in contacts
            for spelled in (row["email"], row["phone"])
            if spelled
        }


def _one_spelling(identifier: str) -> str:
    if "@" in identifier:
        return identifier.lower()
    return "+" + "".join(filter(str.isdigit, identifier))


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    """Return each service's name."""
    name: str = request.param
    return name


@pytest.fixture
def trouble() -> Trouble:
    """Return no trouble, unless a test asks for one."""
    return "none"


@pytest.fixture
def world(
    service: str, trouble: Trouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """Meet the service with twenty phones and one email declared."""
    for name, value in CLIENT.items():
        monkeypatch.setenv(name, value)
    with ExitStack() as stack:
        met = stack.enter_context(SERVICES[service](tmp_path, trouble))
        engine = stack.enter_context(Engine(key=b"k" * 32, spill=tmp_path / "spill"))
        world = World(met, tmp_path, engine)
        world.declare(*declared(met))
        yield world


def declared(met: Met, *, without: str = "", until: str = "2031-05-06T07:08:09Z") -> list[str]:
    """Return the lines of the contact file; the email only where it has a place."""
    phones = (f"{phone},,," for phone in PHONES if phone != without)
    mail = [",User1@Example.com,,"] * ("email" in met.capabilities.channels)
    return [*phones, f"1 (312) 555-0190,,COMPLIANCE,{until}", *mail]


def expected(met: Met) -> dict[str, tuple[str | None, datetime | None]]:
    """Return what a service holds once it agrees."""
    held = {phone: (kept(met, "DNC"), None) for phone in PHONES}
    phone = {"+13125550190": (kept(met, "COMPLIANCE"), END)}
    return {**held, **phone, **only_speakable(met, {"user1@example.com": (kept(met, "DNC"), None)})}


def kept(met: Met, reason: str) -> str | None:
    """Return what comes back of a reason."""
    return reason if met.capabilities.reasons else None


def only_speakable(
    met: Met, held: dict[str, tuple[str | None, datetime | None]]
) -> dict[str, tuple[str | None, datetime | None]]:
    """Leave out the emails where there is no place for them."""
    mailed = "email" in met.capabilities.channels
    return {who: told for who, told in held.items() if mailed or "@" not in who}


def test_a_list_is_made_and_filled_and_then_nothing_is_left_to_do(world: World) -> None:
    """After an apply the service holds what was declared, and the next plan is empty."""
    receipt = world.apply(world.plan())

    assert receipt.exit_code == 0
    assert expected(world.met) == world.held()
    again = world.plan()
    assert again.empty
    assert (again.refusals, again.failures) == ((), ())


def test_what_a_stranger_took_away_comes_back_and_what_he_added_stays(world: World) -> None:
    """Missing heals, surplus is kept, wherever it was done."""
    world.apply(world.plan())
    world.met.take(world.list_id, world.met.spell(PHONES[3]))
    world.met.add(world.list_id, "opted.out@example.com", "+13125550191")

    made = world.plan()
    receipt = world.apply(made)

    (listed,) = made.lists
    met = world.met
    both = dict.fromkeys(("opted.out@example.com", "+13125550191"), (kept(met, "DNC"), None))
    surplus = only_speakable(met, {**both})
    assert (1, len(surplus)) == (listed.gap.missing, listed.gap.surplus)
    assert receipt.exit_code == 0
    assert expected(met) | surplus == world.held()


def test_reasons_and_ends_are_amended_where_they_stand(world: World) -> None:
    """A change of the spec reaches the very contact, in the spelling it has there."""
    world.apply(world.plan())
    lines = declared(world.met, without=PHONES[0], until="2033-05-06T07:08:09Z")
    world.declare(*lines, f"{PHONES[0]},,COMPLIANCE,")

    made = world.plan()
    receipt = world.apply(made)

    strong, later = kept(world.met, "COMPLIANCE"), END.replace(year=2033)
    assert made.lists[0].gap.amended == (2 if strong else 1)
    assert receipt.exit_code == 0
    changed = {PHONES[0]: (strong, None), "+13125550190": (strong, later)}
    assert expected(world.met) | changed == world.held()


def test_a_release_lets_go_of_its_contact_and_of_nobody_else(world: World) -> None:
    """The contact ends within minutes, or at once; everybody else stays."""
    world.apply(world.plan())
    world.declare(*declared(world.met, without=PHONES[5]), more=release(PHONES[5]))

    receipt = world.apply(world.plan())

    held = dict(world.held())
    _, end = held.pop(PHONES[5])
    rest = {key: value for key, value in expected(world.met).items() if key != PHONES[5]}
    assert receipt.exit_code == 0
    assert end is not None
    ahead = end - datetime.now(UTC)
    if world.met.capabilities.release == "expire":
        assert timedelta() < ahead <= timedelta(minutes=12)
    else:
        assert -timedelta(minutes=2) < ahead <= timedelta()
    assert rest == held
    assert world.plan().empty


def test_a_list_changed_between_plan_and_apply_is_suppressed_and_not_released(
    world: World,
) -> None:
    """Somebody changed a contact that was to be let go: it stays, the new one goes on."""
    world.apply(world.plan())
    newcomer = "+13125550192"
    world.declare(
        *declared(world.met, without=PHONES[5]), f"{newcomer},,,", more=release(PHONES[5])
    )
    made = world.plan()
    world.met.take(world.list_id, world.met.spell(PHONES[5]))
    world.met.add(world.list_id, "with.another@example.com", PHONES[5])

    receipt = world.apply(made)

    told = (kept(world.met, "DNC"), None)
    others = only_speakable(world.met, {newcomer: told, "with.another@example.com": told})
    assert receipt.exit_code != 0
    assert expected(world.met) | others == world.held()


@pytest.mark.parametrize("trouble", ["one contact is not welcome"])
def test_one_bad_row_costs_no_other(world: World, trouble: Trouble) -> None:
    """However the service tells of it, one row is rejected and all the others are in place."""
    assert trouble

    receipt = world.apply(world.plan())

    rejected = [each for outcome in receipt.outcomes for each in outcome.rejections]
    rest = {key: value for key, value in expected(world.met).items() if key != UNWELCOME}
    assert receipt.exit_code == 6
    assert ["NOT_A_LINE"] == [each.code for each in rejected]
    assert rest == world.held()


@pytest.mark.parametrize("trouble", ["a stranger comes between two pages"])
def test_a_list_that_changed_while_it_was_read_is_read_again(
    world: World, trouble: Trouble
) -> None:
    """Half of one list and half of another are never taken for a whole."""
    assert trouble
    world.apply(world.plan())

    made = world.plan()

    assert made.lists[0].complete
    assert made.lists[0].gap.missing == 0


def release(phone: str) -> str:
    """Return the declaration that lets a phone go."""
    return f"""
  releases:
    - phoneNumber: "{phone}"
      basis: written re-consent
      ticket: LEGAL-1
      requestedBy: privacy
      requestedAt: {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}
"""
