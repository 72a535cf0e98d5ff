"""Several batches are in flight where order does not matter, and nobody can tell afterwards."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from reconciler.api.port import Sent
from reconciler.apply import apply
from reconciler.artifacts import Run
from reconciler.errors import AuthError, ServiceError
from reconciler.journal import Journal
from reconciler.model import LISTS, Outcome, Plan
from scenes import Play, Scene, frees, scenes, shelf, wants
from worlds import Contact, World, running

PATIENCE = 20.0
EVERYBODY = tuple(f"{name}@example.com" for name in "abcdefghijkl")


@dataclass
class Busy:
    """A world that is written to by several threads; a ``Writer``."""

    world: World
    at_once: int = 3
    after: dict[int, int] = field(default_factory=dict)
    """By a batch's first row: the first row of the one that has to be answered before."""
    meddle: Callable[[int], None] = lambda _: None
    """Called with a batch's first row before its effect; what it raises is the answer."""
    begun: list[int] = field(default_factory=list)
    flying: int = 0
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    answered: defaultdict[int, threading.Event] = field(
        default_factory=lambda: defaultdict(threading.Event)
    )

    def send(self, list_id: str, batch: pa.Table) -> Sent:
        """Let the world take a batch when its turn has come."""
        first = batch.column("row")[0].as_py()
        with self.lock:
            self.begun.append(first)
            self.flying += 1
            self.most = max(self.most, self.flying)
        try:
            if first in self.after:
                assert self.answered[self.after[first]].wait(PATIENCE)
            self.meddle(first)
            with self.lock:
                return self.world.send(list_id, batch)
        finally:
            self.answered[first].set()
            with self.lock:
                self.flying -= 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self.world, name)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Open a run in a folder of its own."""
    with running(folder=tmp_path / "state") as opened:
        yield opened


@pytest.fixture
def play(run: Run) -> Scene:
    """Return what sets the scene, with batches of two."""
    scene = scenes(run)

    def small(*held: Contact, **declared: Any) -> Play:
        return scene(*held, world=World(capabilities=replace(LISTS, batch=2)), **declared)

    return small


def applied(scene: Play, made: Plan, writer: Any) -> tuple[Outcome, ...]:
    """Carry a plan out through another writer."""
    with Journal(scene.run.folder / "journal.jsonl") as journal:
        return apply(made, writers={"acme": writer}, run=scene.run, journal=journal)


def batches(outcomes: Sequence[Outcome]) -> list[tuple[int, int, int, str]]:
    """Number, first row, rows taken and status of every batch."""
    return [(one.batch, one.first, one.taken, str(one.status)) for one in outcomes if one.batch]


def test_outcomes_stand_in_the_order_of_the_batches(play: Scene) -> None:
    """Also where the service answers the last of those in flight first."""
    scene = play(contacts=wants(*EVERYBODY[:6]))
    busy = Busy(scene.world, after={0: 2, 2: 4})

    outcomes = applied(scene, scene.plan(), busy)

    assert [(1, 0, 2, "done"), (2, 2, 2, "done"), (3, 4, 2, "done")] == batches(outcomes)
    assert ["a@example.com", "b@example.com"] == scene.world.sent[-1]
    assert 3 == busy.most
    assert set(EVERYBODY[:6]) == set(scene.ends())


def test_each_batch_has_its_lines_in_the_journal(play: Scene) -> None:
    """An outcome names the intent of its own batch, however they were answered."""
    scene = play(contacts=wants(*EVERYBODY))
    busy = Busy(scene.world, after={0: 2, 2: 4, 6: 8})

    applied(scene, scene.plan(), busy)

    lines = scene.journal()
    intents = {line["number"]: line["batch"] for line in lines if line["event"] == "intent"}
    ended = [line["intent"] for line in lines if line["event"] == "outcome"]
    assert [1, 2, 3, 4, 5, 6] == sorted(intents.values())
    assert sorted(intents) == sorted(ended)
    assert all(line["intent"] < line["number"] for line in lines if line["event"] == "outcome")


def test_no_more_are_in_flight_than_the_writer_takes(play: Scene) -> None:
    """The next is begun when the first of them has been written down."""
    scene = play(contacts=wants(*EVERYBODY))
    busy = Busy(scene.world, at_once=2, after={0: 2, 4: 6, 8: 10})

    applied(scene, scene.plan(), busy)

    assert 2 == busy.most
    assert 6 == len(busy.begun)


def test_only_suppressions_overtake_each_other(play: Scene) -> None:
    """Contacts that are amended or let go are written one batch after another."""
    held = [Contact(email=one, reason="BOUNCE") for one in EVERYBODY[:6]]
    gone = [Contact(email=one) for one in EVERYBODY[6:]]
    scene = play(*held, *gone, contacts=wants(*EVERYBODY[:6]), releases=frees(*EVERYBODY[6:]))
    busy = Busy(scene.world)

    outcomes = applied(scene, scene.plan(), busy)

    assert ["amend"] * 3 + ["release"] * 3 + [""] == [one.op for one in outcomes]
    assert 1 == busy.most


def test_a_wish_to_stop_is_heard_when_those_in_flight_have_landed(play: Scene, run: Run) -> None:
    """No other is begun, and each that was begun is written down."""
    scene = play(contacts=wants(*EVERYBODY))

    def stop(first: int) -> None:
        if first == 0:
            run.stop.set()

    busy = Busy(scene.world, after={0: 4}, meddle=stop)

    outcomes = applied(scene, scene.plan(), busy)

    landed = [(1, 0, 2, "done"), (2, 2, 2, "done"), (3, 4, 2, "done")]
    assert landed == batches(outcomes)
    assert "interrupted" == outcomes[-1].detail
    assert [0, 2, 4] == sorted(busy.begun)
    assert 3 == sum(line["event"] == "outcome" for line in scene.journal())


def test_a_service_that_is_down_is_given_up(play: Scene) -> None:
    """Three fail one after the other; those in flight beside them are written down, too."""
    scene = play(contacts=wants(*EVERYBODY))
    made = scene.plan()

    def refuse(_first: int) -> None:
        raise ServiceError("it is down")

    busy = Busy(scene.world, meddle=refuse)

    outcomes = applied(scene, made, busy)

    numbers = [number for number, *_ in batches(outcomes)]
    assert [*range(1, len(busy.begun) + 1)] == numbers
    assert 3 <= len(numbers) <= 5
    assert {"failed"} == {status for *_, status in batches(outcomes)}
    assert {} == scene.ends()


def test_what_would_end_the_next_batch_begins_none(play: Scene) -> None:
    """Credentials that are refused once end the list; others in flight still count."""
    scene = play(contacts=wants(*EVERYBODY))
    made = scene.plan()

    def refuse(first: int) -> None:
        if first == 0:
            raise AuthError("refused")

    busy = Busy(scene.world, after={0: 4}, meddle=refuse)

    outcomes = applied(scene, made, busy)

    assert [(1, 0, 0, "failed"), (2, 2, 2, "done"), (3, 4, 2, "done")] == batches(outcomes)
    assert [0, 2, 4] == sorted(busy.begun)
    assert set(EVERYBODY[2:6]) == set(scene.ends())


def test_our_own_writes_are_not_taken_for_somebody_else_s(play: Scene) -> None:
    """The last answer to come in may not be that of the last write."""
    held = Contact(email="z@example.com", reason="BOUNCE")
    scene = play(held, contacts=wants(*EVERYBODY[:6], "z@example.com"))
    made = scene.plan()
    read: list[str] = []
    scene.world.before = read.append

    applied(scene, made, Busy(scene.world, after={0: 2, 2: 4}))

    assert ["get", "send", "send", "send", "get", "send", "get", "pages", "get"] == read


def test_somebody_else_s_write_after_ours_is_seen(play: Scene) -> None:
    """Then the list is read again before anything is amended."""
    held = Contact(email="z@example.com", reason="BOUNCE")
    scene = play(held, contacts=wants(*EVERYBODY[:6], "z@example.com"))
    made = scene.plan()
    read: list[str] = []

    def look(request: str) -> None:
        read.append(request)
        if read.count("get") == 2 and request == "get":
            scene.world.number += 1

    scene.world.before = look

    applied(scene, made, Busy(scene.world, after={0: 2, 2: 4}))

    assert ["get", "send", "send", "send", "get", "pages", "get", "send"] == read[:8]


@pytest.mark.parametrize("moves", [True, False])
def test_whether_writes_move_the_version_is_learnt(play: Scene, moves: bool) -> None:
    """From answers that come out of turn as from others."""
    scene = play(contacts=wants(*EVERYBODY))
    scene.world.moves_with_contacts = moves

    applied(scene, scene.plan(), Busy(scene.world, after={0: 2, 2: 4}))

    assert moves is shelf(scene.run).moves


def test_a_failure_within_a_flight_does_not_keep_back_the_next(play: Scene) -> None:
    """A batch that fails alone is one outcome of six."""
    scene = play(contacts=wants(*EVERYBODY))
    made = scene.plan()

    def refuse(first: int) -> None:
        if first == 4:
            raise ServiceError("it is down")

    outcomes = applied(scene, made, Busy(scene.world, meddle=refuse))

    assert [2, 2, 0, 2, 2, 2] == [taken for _, _, taken, _ in batches(outcomes)]
