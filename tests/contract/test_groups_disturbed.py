"""Do-not-call groups at each request of a run: it fails, or the run dies there; then it runs again.

After every request of every run everybody who was wanted before and after stands on the group, and
so does who is there by others; some skill is always scrubbed. In the end the group is as after a
run that nothing disturbed.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from services import TENANT, Met
from test_story import PHONES, World, release

from reconciler import sandbox
from reconciler.api.connect import connect
from reconciler.api.pace import Clock
from reconciler.contacts.engine import Engine
from reconciler.errors import ReconcilerError
from reconciler.metrics import Meter
from reconciler.model import Receipt
from reconciler.sandbox import data

KINDS = (
    "status:503",
    "status:500",
    "status:429",
    "reset",
    "lost",
    "truncate",
    "html",
    "death",
    "died",
)
SHARE = 97
"""Of so many trials one is made, another at each kind; all of them by request."""
NEWCOMER, SOMEBODY, GONE, LEAVING = "+13125550192", "+13125550191", PHONES[3], PHONES[5]
STAYING = {*PHONES} - {GONE, LEAVING} | {SOMEBODY}
SKILLS = "  list: {name: US Do Not Call, description: Told by a spec, scrubbedSkills: [%s]}\n"


class KilledError(BaseException):
    """The process is gone: nothing that catches exceptions may see it off."""


@dataclass(slots=True)
class Watched:
    """The service, looked at after each request; one of them goes wrong."""

    database: Path
    kind: str = ""
    nth: int = 0
    count: int = 0
    losses: list[str] = field(default_factory=list)

    def __call__(self, environ: Any, start: Any) -> Iterable[bytes]:
        """Answer one request."""
        self.count += 1
        due = self.count == self.nth
        if due and self.kind == "death":
            raise KilledError
        fault = [sandbox.parse(f"{self.kind}@**")] if due and self.kind != "died" else []
        made = sandbox.app(self.database, faults=fault, max_page=7)
        try:
            return [*made(environ, start)]
        finally:
            self.look()
            if due and self.kind == "died":
                raise KilledError

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


def _trials(run: Callable[[Watched], object], folder: Path) -> Iterator[tuple[str, int]]:
    watched = Watched(folder / "sandbox.db")
    run(watched)
    yield from ((kind, nth) for nth in range(1, watched.count + 1) for kind in KINDS)


@pytest.mark.parametrize("share", [SHARE, pytest.param(1, marks=pytest.mark.scale)])
def test_whatever_goes_wrong_the_next_run_finishes_it(
    share: int, before: Path, engine: Engine, tmp_path: Path
) -> None:
    """Nobody is lost on the way, and the end is the same."""
    smooth = shutil.copytree(before, tmp_path / "smooth")
    trials = [*_trials(lambda app: _run(smooth, engine, app), smooth)]
    expected = _held(smooth / "sandbox.db")

    wrong = []
    for number, (kind, nth) in enumerate(trials):
        if number % share:
            continue
        folder = shutil.copytree(before, tmp_path / "trial")
        watched = Watched(folder / "sandbox.db", kind, nth)
        with suppress(ReconcilerError, KilledError):
            _run(folder, engine, watched)
        watched.nth = 0
        done = _run(folder, engine, watched)
        wrong += [f"{kind} at {nth}: {loss}" for loss in watched.losses]
        if done.exit_code or _held(watched.database) != expected:
            wrong.append(f"{kind} at {nth}: ends with {done.exit_code}, otherwise than undisturbed")
        shutil.rmtree(folder)

    assert len(trials) > 100
    assert ({*PHONES} - {LEAVING} | {NEWCOMER, SOMEBODY}, [4713]) == expected
    assert [] == wrong
