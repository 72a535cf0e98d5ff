"""What the service has is seen whole, remembered while nothing moved, never taken for empty."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from builders import EARLIER, LATER, NOW, list_spec, place, tenant
from reconciler import artifacts, desired
from reconciler.api.port import Reader
from reconciler.artifacts import Run
from reconciler.cache import Shelf
from reconciler.errors import (
    AuthError,
    InterruptedRunError,
    NotFoundError,
    ReconcilerError,
    ServiceError,
    SettingError,
)
from reconciler.model import (
    Counts,
    Desired,
    InlineContact,
    ListSpec,
    Observed,
    Ownership,
    ReleaseSpec,
    Settings,
    Tenant,
)
from reconciler.observed import Look, observe
from reconciler.plan import plan
from strategies import OPEN
from worlds import HELD, LIST, Contact, World, running, spec_of

ADA, BOB, CYD = "ada@example.com", "bob@example.com", "cyd@example.com"
NAME = Settings(name="US Do Not Call")


@dataclass(slots=True)
class Watch:
    """Counts requests, and raises what it is told at one kind of them."""

    errors: Mapping[str, BaseException] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)

    def __call__(self, request: str) -> None:
        """Count a request."""
        self.asked[request] += 1
        if request in self.errors:
            raise self.errors[request]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Open a run in a folder of its own."""
    with running(folder=tmp_path / "state") as opened:
        yield opened


def declared(name: str = "us-dnc", **changes: Any) -> ListSpec:
    """A list, found by its id, that wants one contact."""
    contacts = (InlineContact(place=place(line=10), email=ADA, reason="DNC"),)
    held = {"list_id": LIST, "create": False, "settings": NAME, "contacts": contacts, **changes}
    return list_spec(name, **held)


def release(until: datetime | None = None) -> ReleaseSpec:
    """A release of BOB."""
    return ReleaseSpec(
        place=place(line=50),
        email=BOB,
        phone=None,
        basis="written re-consent",
        ticket="LEGAL-1",
        requested_by="privacy",
        requested_at=NOW - timedelta(days=1),
        suppress_until=until,
    )


def compiled(run: Run, *lists: ListSpec) -> Desired:
    """Make tables of what lists declare."""
    spec = spec_of(tenant(), *lists, policy=OPEN)
    tenants = {one.tenant: tenant(name=one.tenant, base_url=one.tenant) for one in lists}
    return desired.compile(
        replace(spec, tenants=tenants),
        engine=run.engine,
        as_of=NOW,
        into=artifacts.private(run.cache),
        invalid_into=lambda key: run.tables(key) / "invalid.csv",
    )


def seen(
    run: Run,
    wanted: Desired,
    reader: World | Callable[[Tenant], Reader],
    *,
    fresh: bool = True,
    known: Mapping[str, str] | None = None,
    as_of: datetime = NOW,
    doubts: Mapping[str, str] | None = None,
) -> Observed:
    """Look at the service."""
    told: dict[str, Any] = {**(doubts or {})}
    look = Look(run=run, as_of=as_of, known=known or {}, fresh=fresh, **told)
    way: Any = (lambda _: reader) if isinstance(reader, World) else reader
    return observe(wanted, reader=way, look=look)


# ---------------------------------------------------------------- lists that are not there


def test_a_list_that_is_to_be_made_is_seen_as_empty(run: Run) -> None:
    """Whole, so that everybody is missing."""
    world = World(exists=False)
    wanted = compiled(run, declared(list_id=None, create=True))

    found = seen(run, wanted, world).lists["us-dnc"]

    assert (None, True, 0, 1) == (found.remote, found.complete, found.size, found.gap.missing)
    assert found.known_id is None


def test_a_list_that_the_ledger_knows_and_the_service_no_longer_has_is_refused(run: Run) -> None:
    """It is not made anew behind everybody's back."""
    wanted = compiled(run, declared(list_id=None, create=True))

    found = seen(run, wanted, World(exists=False), known={"us-dnc": "7f3e2c", "other": "x"})
    made = plan(wanted, found, policy=OPEN, as_of=NOW)

    assert "7f3e2c" == found.lists["us-dnc"].known_id
    assert (["list-gone"], True) == ([one.rule for one in made.refusals], made.empty)


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("doubt", ["ledger_doubt", "release_doubt"])
def test_what_is_doubtful_of_releases_alone_keeps_no_list_from_being_made(
    run: Run, doubt: str, *, there: bool
) -> None:
    """A changed key says nothing against what the ledger knows of lists."""
    identity = {"list_id": LIST, "create": False} if there else {"list_id": None, "create": True}
    wanted = compiled(run, declared(**identity))

    found = seen(run, wanted, World(exists=there), doubts={doubt: "doubtful"}).lists["us-dnc"]

    withheld = there or doubt == "ledger_doubt"
    assert "doubtful" * withheld == found.ledger_doubt


@pytest.mark.parametrize("list_id", [None, "another"])
def test_a_list_that_is_not_there_and_not_to_be_made_is_a_failure(
    run: Run, list_id: str | None
) -> None:
    """Named or pinned: it is never seen as empty."""
    found = seen(run, compiled(run, declared(list_id=list_id)), World(exists=False))

    assert {} == found.lists
    assert [("us-dnc", 1)] == [(one.key, one.exit_code) for one in found.failures]


def test_a_list_is_found_by_its_name(run: Run) -> None:
    """And one that is found is not made, although it might be."""
    wanted = compiled(run, declared(list_id=None, create=True))

    found = seen(run, wanted, World(contacts=[Contact(email=ADA)])).lists["us-dnc"]

    assert found.remote
    assert (LIST, 0) == (found.remote.id, found.gap.missing)


# ---------------------------------------------------------------- lists that are


@pytest.mark.parametrize(("end", "lapsed"), [(NOW, True), (NOW + timedelta(seconds=1), False)])
def test_a_list_past_its_own_end_suppresses_nobody(run: Run, end: datetime, lapsed: bool) -> None:
    """Its contacts are there, and do not count."""
    world = World(
        contacts=[Contact(email=ADA), Contact(email=BOB)],
        settings=replace(HELD, suppress_until=end),
    )

    found = seen(run, compiled(run, declared()), world).lists["us-dnc"]

    assert (lapsed, 0 if lapsed else 2) == (found.lapsed, found.size)


@pytest.mark.parametrize(
    ("minutes", "skew", "surplus"),
    [(11, 0, 0), (12, 0, 1), (14, 3, 0), (15, 3, 1), (11, -3, 0), (12, -3, 1)],
)
def test_who_is_on_the_way_out_is_no_surplus(
    run: Run, minutes: int, skew: int, surplus: int
) -> None:
    """By the service's clock where that is ahead of ours, never by less than by our own."""
    end = NOW + timedelta(minutes=minutes)
    world = World(contacts=[Contact(email=BOB, until=end)], skew=timedelta(minutes=skew))

    found = seen(run, compiled(run, declared()), world).lists["us-dnc"]

    assert surplus == found.gap.surplus


def test_ownership_does_not_count_where_a_row_is_set_aside(run: Run) -> None:
    """Whoever stands in that row would be let go."""
    wanted = compiled(run, declared(ownership=Ownership.EXCLUSIVE, release_basis="contract"))
    partial = Desired(lists=(replace(wanted.lists[0], counts=Counts(read=2, invalid=1)),))
    world = World(contacts=[Contact(email=BOB)])

    whole = seen(run, wanted, world).lists["us-dnc"]
    part = seen(run, partial, world).lists["us-dnc"]

    assert ((1, 0), (0, 1)) == (
        (whole.gap.released, whole.gap.surplus),
        (part.gap.released, part.gap.surplus),
    )


def test_a_list_that_moves_while_it_is_read_is_incomplete_and_no_failure(run: Run) -> None:
    """Somebody is at work: that is nobody's fault."""
    world = World(contacts=[Contact(email=BOB)], moves_while_read=True)

    found = seen(run, compiled(run, declared()), world)

    listed = found.lists["us-dnc"]
    assert (False, "it changed while it was read") == (listed.complete, listed.incomplete_because)
    assert () == found.failures


def test_a_list_whose_pages_break_off_is_incomplete_and_a_failure(run: Run) -> None:
    """Those without an end can still be suppressed, and the run does not end well."""
    world = World(before=Watch({"pages": ServiceError("it is down")}))

    found = seen(run, compiled(run, declared()), world)

    assert not found.lists["us-dnc"].complete
    assert [("us-dnc", "it is down", 1)] == [
        (one.key, one.message, one.exit_code) for one in found.failures
    ]


# ---------------------------------------------------------------- one list and the others


@pytest.mark.parametrize(
    ("request_", "error", "code"),
    [
        ("get", ServiceError("it is down", hint="later"), 1),
        ("get", NotFoundError("gone"), 1),
        ("pages", AuthError("the token is refused"), 1),
    ],
)
def test_a_list_that_fails_does_not_stop_another(
    run: Run, request_: str, error: ReconcilerError, code: int
) -> None:
    """It has its own failure, with what to do about it."""
    worlds = {"acme": World(before=Watch({request_: error})), "other": World()}
    wanted = compiled(run, declared("a"), declared("b", tenant="other"))

    found = seen(run, wanted, lambda tenant: worlds[tenant.name])

    assert ["b"] == list(found.lists)
    assert [("a", str(error), error.hint, code)] == [
        (one.key, one.message, one.hint, one.exit_code) for one in found.failures
    ]


def test_a_tenant_that_cannot_be_reached_does_not_stop_another(run: Run) -> None:
    """A secret that is not there is its own lists' failure."""
    wanted = compiled(run, declared("a"), declared("b", tenant="other"))

    def way(tenant: Tenant) -> Reader:
        if tenant.name == "acme":
            raise SettingError("the secret env:X is not set")
        return World()

    found = seen(run, wanted, way)

    assert ["b"] == list(found.lists)
    assert [("a", 7)] == [(one.key, one.exit_code) for one in found.failures]


def test_an_interruption_ends_the_looking(run: Run) -> None:
    """It is nobody's failure."""
    world = World(before=Watch({"pages": InterruptedRunError("interrupted")}))

    with pytest.raises(InterruptedRunError):
        seen(run, compiled(run, declared()), world)


# ---------------------------------------------------------------- what is remembered


@pytest.fixture
def watch() -> Watch:
    """Return what counts a world's requests."""
    return Watch()


@pytest.fixture
def world(run: Run, watch: Watch) -> World:
    """A list with two contacts, read once, of a tenant known to move versions."""
    made = World(contacts=[Contact(email=ADA), Contact(email=BOB)])
    seen(run, compiled(run, declared()), made)
    Shelf(folder=run.cache, tenant="acme", service="acme", list_id=LIST, region=None).learn(
        moves=True
    )
    made.before = watch
    return made


def test_an_unchanged_list_costs_one_request(run: Run, world: World, watch: Watch) -> None:
    """And is seen as if it had been read."""
    found = seen(run, compiled(run, declared()), world, fresh=False).lists["us-dnc"]

    assert {"get": 1} == watch.asked
    assert (True, True, 2, 0, 1) == (
        found.cached,
        found.complete,
        found.size,
        found.gap.missing,
        found.gap.surplus,
    )


def test_a_remembered_list_is_measured_against_what_is_wanted_now(
    run: Run, world: World, watch: Watch
) -> None:
    """Another spec, another hour: only the reading is spared."""
    more = (*declared().contacts, InlineContact(place=place(line=11), email=CYD, reason="DNC"))

    found = seen(run, compiled(run, declared(contacts=more)), world, fresh=False)

    assert (1, {"get": 1}) == (found.lists["us-dnc"].gap.missing, watch.asked)


@pytest.mark.parametrize(
    "changes",
    [
        {"releases": (release(),)},
        {"releases": (release(until=EARLIER),)},
        {"ownership": Ownership.EXCLUSIVE, "release_basis": "contract"},
        {"settings": replace(NAME, suppress_until=LATER)},
    ],
)
def test_whoever_is_let_go_is_read_first(
    run: Run, world: World, watch: Watch, changes: dict[str, Any]
) -> None:
    """Memory is good enough for suppressions alone."""
    found = seen(run, compiled(run, declared(**changes)), world, fresh=False).lists["us-dnc"]

    assert (1, False) == (watch.asked["pages"], found.cached)


def test_a_setting_that_grows_needs_no_reading(run: Run, world: World, watch: Watch) -> None:
    """It lets nobody go."""
    spec = declared(settings=replace(NAME, description="new"))

    found = seen(run, compiled(run, spec), world, fresh=False).lists["us-dnc"]

    assert (0, True) == (watch.asked["pages"], found.cached)


@pytest.mark.parametrize("what", ["fresh", "version", "count", "lesson", "region", "file"])
def test_what_is_not_certain_is_read(run: Run, world: World, watch: Watch, what: str) -> None:
    """One sign that something may have moved is enough."""
    spec = declared()
    match what:
        case "version":
            world.number += 1
        case "count":
            world.contacts.append(Contact(email=CYD))
        case "lesson":
            Shelf(folder=run.cache, tenant="acme", service="acme", list_id=LIST, region=None).learn(
                moves=False
            )
        case "region":
            spec = declared(defaults=replace(spec.defaults, region="GB"))
        case "file":
            for kept in run.cache.glob("observed-*.parquet"):
                kept.write_bytes(kept.read_bytes() + b" ")

    found = seen(run, compiled(run, spec), world, fresh=what == "fresh").lists["us-dnc"]

    assert (1, False) == (watch.asked["pages"], found.cached)


@pytest.mark.parametrize(("hours", "pages"), [(23, 0), (24, 1), (-1, 1)])
def test_memory_lasts_a_day(run: Run, world: World, watch: Watch, hours: int, pages: int) -> None:
    """And is not believed by a clock that went backwards."""
    later = replace(run, clock=lambda: NOW + timedelta(hours=hours))

    seen(later, compiled(run, declared()), world, fresh=False)

    assert pages == watch.asked["pages"]


def test_an_incomplete_reading_is_not_remembered(run: Run, world: World, watch: Watch) -> None:
    """What was remembered before it is left as it was."""
    world.number += 1
    world.moves_while_read = True
    seen(run, compiled(run, declared()), world, fresh=False)
    world.moves_while_read = False
    before = watch.asked["pages"]

    seen(run, compiled(run, declared()), world, fresh=False)

    assert before + 1 == watch.asked["pages"]


def test_a_tenant_that_does_not_answer_keeps_no_other_from_being_done(run: Run) -> None:
    """All lists of the others are read and measured while every request of the slow one waits."""
    (slow,) = compiled(run, declared(tenant="slow")).lists
    (fast,) = compiled(run, declared(tenant="fast")).lists
    wanted = Desired(
        lists=tuple(
            replace(one, spec=replace(one.spec, name=f"{one.tenant.name}-{number}"))
            for one, many in ((slow, 20), (fast, 2))
            for number in range(many)
        )
    )
    answers = Event()
    waited: list[bool] = []
    done: set[str] = set()

    def slowly(_request: str) -> None:
        waited.append(answers.wait(30))
        raise ServiceError("no answer")

    def progress(task: str, rows: int, total: int | None) -> None:
        if task.startswith("fast-") and rows == total:
            done.add(task.partition(":")[0])
        if len(done) == 2:
            answers.set()

    worlds = {"slow": World(before=slowly), "fast": World()}

    found = seen(replace(run, progress=progress), wanted, lambda one: worlds[one.name])

    assert [True] * 20 == waited
    assert {"fast-0", "fast-1"} == set(found.lists)
    assert 20 == len(found.failures)
