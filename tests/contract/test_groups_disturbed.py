"""Do-not-call groups while requests of a run fail, or the run dies there; then it runs again.

After every request of every run everybody who was wanted before and after stands on the group, and
so does who is there by others; some skill is always scrubbed. In the end the group is as after a
run that nothing disturbed.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from between import KINDS, Asked, Call, Kind, Reply
from group_faults import at_the_groups
from ingredients import Fault, after
from services import TENANT, Met
from test_story import PHONES, World, release
from wire_faults import on_the_wire

from reconciler import sandbox
from reconciler.api.connect import connect
from reconciler.api.pace import Clock
from reconciler.contacts.engine import Engine
from reconciler.errors import ReconcilerError
from reconciler.metrics import Meter
from reconciler.model import Receipt
from reconciler.sandbox import data

NEVER_MIND = ("ETag",)
"""Faults that are about what this dialect does not have."""
NEWCOMER, SOMEBODY, GONE, LEAVING = "+13125550192", "+13125550191", PHONES[3], PHONES[5]
STAYING = {*PHONES} - {GONE, LEAVING} | {SOMEBODY}
SKILLS = "  list: {name: US Do Not Call, description: Told by a spec, scrubbedSkills: [%s]}\n"


class KilledError(BaseException):
    """The process is gone: nothing that catches exceptions may see it off."""


def _die(_: Call) -> Reply:
    raise KilledError


FAULTS = [each for each in on_the_wire() if not any(word in each.name for word in NEVER_MIND)]
DEATHS = [Fault(name="death before", does=_die), Fault(name="death after", does=after(_die))]


def _kind(method: str, path: str) -> Kind:
    """Say of which kind a request is."""
    if "/dnc-groups" not in path:
        return "token" if "skills" not in path else "find"
    below = path.partition("/dnc-groups")[2].strip("/").split("/")
    if below[-1] == "records":
        return "page" if method == "GET" else "send"
    if method != "GET":
        return "update"
    return "get" if len(below) == 1 and below[0] else "find"


@dataclass(slots=True)
class Watched:
    """The service, looked at after each request; some of them go wrong."""

    database: Path
    fault: Fault | None = None
    nth: int = 0
    count: int = 0
    kinds: Counter[Kind] = field(default_factory=Counter)
    losses: list[str] = field(default_factory=list)

    def __call__(self, environ: Any, start: Any) -> Iterable[bytes]:
        """Answer one request, as a fault has it or as the service does."""
        self.count += 1
        kind = _kind(str(environ["REQUEST_METHOD"]), str(environ["PATH_INFO"]))
        self.kinds[kind] += 1
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        whole: Any = self
        asked = Asked(kind=kind, key="us", nth=self.kinds[kind])
        call = Call(asked=asked, environ=environ, body=body, between=whole)
        reply = (
            self.fault.does(call) if self.fault and self._due(self.fault, asked) else call.serve()
        )
        headers = [*reply.headers]
        if not reply.header("content-length"):
            headers.append(("Content-Length", str(len(reply.body))))
        start(f"{reply.status} Any", headers)
        return [reply.body]

    def _due(self, fault: Fault, asked: Asked) -> bool:
        """Tell whether it befalls a request: counted among all, or among those of its kind."""
        if fault.kinds != KINDS and asked.kind not in fault.kinds:
            return False
        count = self.count
        if fault.kinds != KINDS:
            count = sum(self.kinds[kind] for kind in fault.kinds)
        return count == self.nth or (fault.span != "once" and count > self.nth)

    def served(self, call: Call, body: bytes, query: str | None) -> Reply:
        """Pass a request on, and look at the group after it."""
        environ = {**call.environ, "wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        if query is not None:
            environ["QUERY_STRING"] = query
        begun: list[tuple[str, list[tuple[str, str]]]] = []

        def start(
            status: str, headers: list[tuple[str, str]], *_: object
        ) -> Callable[[bytes], object]:
            begun.append((status, headers))
            return lambda _: None

        content = b"".join(sandbox.app(self.database, max_page=7)(environ, start))
        self.look()
        status, headers = begun[-1]
        return Reply(int(status[:3]), content, tuple(headers))

    def look(self) -> None:
        """Write down who is missing who must never be, and whether no skill is scrubbed."""
        now, group = _held(self.database)
        if lost := STAYING - now:
            self.losses.append(f"after request {self.count}: {sorted(lost)}")
        if not group:
            self.losses.append(f"after request {self.count}: no skill is scrubbed")


def _held(database: Path) -> tuple[set[str], list[int]]:
    """Return who is suppressed, and the skills that are scrubbed."""
    with data.reading(database) as connection:
        (stored,) = data.lists_named(connection, "US Do Not Call")
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        rows = data.phones(connection, stored, since=now, skip=0, top=1_000)
        return {phone for _, phone, _ in rows}, data.skills(connection, stored, "scrubbed")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Return an engine for all trials."""
    with Engine(key=b"k" * 32, spill=tmp_path_factory.mktemp("spill")) as made:
        yield made


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Path:
    """Return a service that agreed once, and that somebody has been at since."""
    folder = tmp_path_factory.mktemp("before")
    with _world(folder, engine, sandbox.app(folder / "sandbox.db")) as world:
        _declare(world, "Outbound Sales", *(f"{phone},,," for phone in PHONES))
        assert world.apply(world.plan()).exit_code == 0
        other, group = sandbox.stranger(folder / "sandbox.db"), world.list_id
        other.remove(group, GONE)
        other.add(group, phone=SOMEBODY)
    return folder


@contextmanager
def _world(folder: Path, engine: Engine, app: Any) -> Iterator[World]:
    """Open the way to a service in a folder; nobody waits in earnest."""
    shutil.rmtree(folder / "specs", ignore_errors=True)
    passed = [0.0]

    def wait(_event: object, seconds: float) -> bool:
        passed[0] += seconds
        return False

    clock = Clock(monotonic=lambda: passed[0], wait=wait)
    tenant, meter = replace(TENANT, dialect="dnc-groups"), Meter()
    with connect(tenant, app=app, meter=meter, on_wait=lambda _: None, clock=clock) as writer:
        met = Met(
            writer=writer,
            meter=meter,
            touch=lambda _: None,
            add=lambda *_: None,
            take=lambda *_: None,
            bad_row="named",
            dialect="dnc-groups",
        )
        yield World(met, folder, engine)


def _declare(world: World, skill: str, *lines: str, more: str = "") -> None:
    world.declare(*lines, more=more)
    policy = world.specs / "tenant.yaml"
    policy.write_text(policy.read_text().replace("50%", "100%"))
    path = world.specs / "list.yaml"
    kept = [line for line in path.read_text().splitlines(keepends=True) if "  list:" not in line]
    path.write_text("".join(kept) + SKILLS % skill)


def _run(folder: Path, engine: Engine, app: Any) -> Receipt:
    """Plan and apply what is declared by now: one comes, one goes, and the skill is another."""
    lines = [f"{phone},,," for phone in (*PHONES, NEWCOMER) if phone != LEAVING]
    with _world(folder, engine, app) as world:
        _declare(world, "Collections", *lines, more=release(LEAVING))
        return world.apply(world.plan())


@pytest.fixture(scope="module")
def smooth(
    before: Path, engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Watched, object]:
    """Return the service after an undisturbed run, and what it holds."""
    folder = shutil.copytree(before, tmp_path_factory.mktemp("smooth") / "copy")
    watched = Watched(folder / "sandbox.db")
    assert _run(folder, engine, watched).exit_code == 0
    assert [] == watched.losses
    return watched, _held(watched.database)


def _wrong(
    trials: Iterable[tuple[Fault, int]], before: Path, engine: Engine, expected: object
) -> Iterator[str]:
    """Run with each fault at its request, and again without; yield whatever is not as it must."""
    for fault, nth in trials:
        with TemporaryDirectory() as temporary:
            folder = shutil.copytree(before, Path(temporary) / "trial")
            watched = Watched(folder / "sandbox.db", fault, nth)
            with suppress(ReconcilerError, KilledError):
                _run(folder, engine, watched)
            watched.fault = None
            done = _run(folder, engine, watched)
            yield from (f"{fault.name} at {nth}: {loss}" for loss in watched.losses)
            if done.exit_code or _held(watched.database) != expected:
                yield f"{fault.name} at {nth}: ends otherwise than undisturbed ({done.exit_code})"


def test_the_undisturbed_run_does_what_is_declared(smooth: tuple[Watched, object]) -> None:
    """One comes, one comes back, one goes, somebody stays, and the skill is another."""
    watched, held = smooth

    assert watched.count > 40
    assert {"get", "page", "send", "update", "find", "token"} == {*watched.kinds}
    assert ({*PHONES} - {LEAVING} | {NEWCOMER, SOMEBODY}, [4713]) == held


@pytest.mark.parametrize("share", [29, pytest.param(1, marks=pytest.mark.scale)])
def test_whoever_dies_at_any_request_is_finished_by_the_next(
    share: int, smooth: tuple[Watched, object], before: Path, engine: Engine
) -> None:
    """Before a request is done, or right after; by default at some, else at each."""
    watched, expected = smooth
    trials = [(death, nth) for nth in range(1, watched.count + 1) for death in DEATHS][::share]

    assert [] == [*_wrong(trials, before, engine, expected)]


@pytest.mark.parametrize("share", [19, pytest.param(1, marks=pytest.mark.scale)])
def test_no_fault_on_the_wire_loses_anybody(
    share: int, smooth: tuple[Watched, object], before: Path, engine: Engine
) -> None:
    """Each at another request: by default some of them, else all."""
    watched, expected = smooth
    trials = [(fault, at * 5 % watched.count + 1) for at, fault in enumerate(FAULTS)][::share]

    assert len(FAULTS) > 100
    assert [] == [*_wrong(trials, before, engine, expected)]


@pytest.mark.parametrize("share", [13, pytest.param(1, marks=pytest.mark.scale)])
def test_nothing_that_a_service_does_wrong_loses_anybody(
    share: int, smooth: tuple[Watched, object], before: Path, engine: Engine
) -> None:
    """Each at another request of the kinds that it is about: some of them, else all."""
    watched, expected = smooth
    trials = [
        (fault, at % sum(watched.kinds[kind] for kind in fault.kinds) + 1)
        for at, fault in enumerate(at_the_groups())
    ]

    assert len(trials) > 50
    assert [] == [*_wrong(trials[::share], before, engine, expected)]


def test_a_loss_would_be_seen(smooth: tuple[Watched, object], before: Path, engine: Engine) -> None:
    """A service that drops somebody by itself does not go unnoticed."""

    def drops(call: Call) -> Reply:
        reply = call.serve()
        service: Any = call.between
        sandbox.stranger(service.database).remove(_group(service.database), PHONES[0])
        service.look()
        return reply

    loss = Fault(name="a loss", does=drops, kinds=("send",))

    told = [*_wrong([(loss, 1)], before, engine, smooth[1])]

    assert any(PHONES[0] in each for each in told)


def _group(database: Path) -> str:
    """Return the id of the only group."""
    (found,) = sandbox.list_ids(database).values()
    return found
