"""A release is spent once, and in doubt from before it is sent until the list shows what came."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from builders import LATER, NOW
from reconciler import ledger
from reconciler.artifacts import Run
from reconciler.errors import EvidenceError, ReconcilerError, ServiceError
from reconciler.model import Status
from scenes import ADA, BOB, CYD, Clock, Meddler, Play, Scene, frees, on, raises, scenes, wants
from worlds import Contact, KilledError, World, running

LONG_AFTER = timedelta(days=1)
LOST = ServiceError("the answer is lost")
DOWN = ServiceError("no connection", untouched=True)


@pytest.fixture
def clock() -> Clock:
    """Return the run's clock."""
    return Clock()


@pytest.fixture
def run(tmp_path: Path, clock: Clock) -> Iterator[Run]:
    """Open a run in a folder of its own."""
    with running(clock=clock, folder=tmp_path / "state") as opened:
        yield opened


@pytest.fixture
def play(run: Run) -> Scene:
    """Return what sets the scene."""
    return scenes(run)


def freeing(play: Scene, *held: Contact, world: World | None = None) -> Play:
    """A list with these contacts, of which ADA is to be let go."""
    return play(*held, world=world, contacts=wants(CYD), releases=frees(ADA))


def spent(run: Run) -> int:
    """How many releases the ledger has as carried out."""
    return len(ledger.past(run.store).spent)


def doubted(run: Run, *, after: timedelta = LONG_AFTER) -> int:
    """How many releases are in doubt so long after."""
    return len(ledger.past(run.store).doubted(NOW + after))


def outcomes_of(run: Run) -> list[str]:
    """What the ledger's lines of this run are, in order."""
    paths = sorted((run.state / "ledger").glob("*.json"))
    return [orjson.loads(path.read_bytes())["outcome"] for path in paths]


def test_a_release_stands_in_the_ledger_before_it_is_sent_and_after_it(
    play: Scene, run: Run
) -> None:
    """So that no moment is left in which nobody knows of it."""
    scene = freeing(play, Contact(email=ADA), Contact(email=CYD))
    seen: list[list[str]] = []
    scene.world.before = on("send", lambda: seen.append(outcomes_of(run)))

    scene.apply(scene.plan())

    assert [["releasing"]] == seen
    assert ["releasing", "released"] == outcomes_of(run)
    assert (1, 0) == (spent(run), doubted(run))


def test_a_suppression_is_none_of_the_ledgers_business(play: Scene, run: Run) -> None:
    """Only who is let go is written down in advance."""
    scene = play(Contact(email=BOB), contacts=wants(ADA))

    scene.apply(scene.plan())

    assert [] == outcomes_of(run)


def test_where_the_ledger_cannot_be_written_nobody_is_let_go(play: Scene, run: Run) -> None:
    """The batch is not sent."""
    scene = freeing(play, Contact(email=ADA), Contact(email=CYD))
    made = scene.plan()
    (run.state / "ledger").write_bytes(b"in the way")

    outcomes = scene.apply(made)

    assert [] == scene.world.writes
    assert [Status.FAILED] == [one.status for one in outcomes]
    assert EvidenceError.exit_code == outcomes[0].exit_code


def test_a_run_that_dies_in_the_request_leaves_a_doubt(play: Scene, run: Run) -> None:
    """For the minutes in which the list itself tells, the release may be planned again."""
    scene = freeing(play, Contact(email=ADA), Contact(email=CYD))
    scene.world.writes_left, scene.world.effect_before_end = 0, True

    with pytest.raises(KilledError):
        scene.apply(scene.plan())

    assert 0 == spent(run)
    assert (0, 1) == (doubted(run, after=timedelta(minutes=9)), doubted(run))


def test_a_release_in_doubt_is_planned_again_for_ten_minutes_and_then_never(
    play: Scene, run: Run, clock: Clock
) -> None:
    """After that somebody on the list may have asked for it anew."""
    scene = freeing(play, Contact(email=ADA), Contact(email=CYD))
    scene.world.writes_left = 0
    with pytest.raises(KilledError):
        scene.apply(scene.plan())
    soon = clock.time = NOW + timedelta(minutes=9)

    early = ledger.past(run.store).doubted(soon)
    late = ledger.past(run.store).doubted(NOW + timedelta(minutes=10))

    assert (frozenset(), 1) == (early, len(late))


@pytest.mark.parametrize("had_effect", [True, False])
def test_an_answer_that_is_lost_is_looked_up_on_the_list(
    play: Scene, run: Run, *, had_effect: bool
) -> None:
    """The same run sees whether the release took place."""
    scene = freeing(play, Contact(email=ADA), Contact(email=CYD))
    made = scene.plan()
    if had_effect:
        scene.world.after = on("send", raises(LOST))
    else:
        scene.world.before = on("send", raises(LOST))

    scene.apply(made)

    assert (int(had_effect), 0) == (spent(run), doubted(run))


def test_what_cannot_be_looked_up_stays_in_doubt(play: Scene, run: Run) -> None:
    """Where neither the answer came nor the list can be read."""
    scene = freeing(play, Contact(email=ADA), Contact(email=CYD))
    made = scene.plan()
    gone = Meddler()

    def lost() -> None:
        gone.acts[("get", 0)] = raises(LOST)
        raise LOST

    gone.acts[("send", 1)] = lost
    scene.world.before = gone

    scene.apply(made)

    assert (0, 1) == (spent(run), doubted(run))


def test_a_contact_that_somebody_changed_meanwhile_stays_in_doubt(play: Scene, run: Run) -> None:
    """It may have been let go, and have asked for it anew."""
    scene = freeing(play, Contact(email=ADA), Contact(email=CYD))
    made = scene.plan()

    def asked_anew(_what: str) -> None:
        scene.world.contacts = [Contact(email=ADA, version=7), Contact(email=CYD)]
        raise LOST

    scene.world.after = asked_anew

    scene.apply(made)

    assert (0, 1) == (spent(run), doubted(run))


def test_a_request_that_never_arrived_leaves_no_doubt(play: Scene, run: Run) -> None:
    """A service that is down costs no release: it is planned again, however late."""
    scene = freeing(play, Contact(email=ADA), Contact(email=CYD))
    made = scene.plan()
    gone = Meddler()

    def down() -> None:
        gone.acts[("get", 0)] = raises(DOWN)
        raise DOWN

    gone.acts[("send", 1)] = down
    scene.world.before = gone

    scene.apply(made)

    assert (0, 0) == (spent(run), doubted(run))


@pytest.mark.parametrize("complains", ["named", "unnamed", "all named", "all unnamed"])
def test_a_release_that_is_refused_is_not_spent(play: Scene, run: Run, complains: str) -> None:
    """It will be planned again."""
    world = World(refuse=frozenset({ADA}), complains=complains)  # type: ignore[arg-type] # one of them
    scene = freeing(play, Contact(email=ADA), Contact(email=CYD), world=world)

    scene.apply(scene.plan())

    assert ["releasing", "released"] == outcomes_of(run)
    assert (0, 0) == (spent(run), doubted(run))


def test_a_shortening_is_looked_up_by_its_end(play: Scene, run: Run) -> None:
    """It stays on the list, and the end tells whose it is."""
    scene = play(
        Contact(email=ADA),
        Contact(email=CYD),
        contacts=wants(CYD),
        releases=frees(ADA, until=LATER),
    )
    made = scene.plan()
    scene.world.after = on("send", raises(LOST))

    scene.apply(made)

    assert LATER == scene.ends()[ADA]
    assert (1, 0) == (spent(run), doubted(run))


def test_an_error_while_looking_is_no_error_of_the_run(play: Scene, run: Run) -> None:
    """What was done stands; the doubt stays."""
    scene = freeing(play, Contact(email=ADA), Contact(email=CYD))
    made = scene.plan()
    scene.world.after = on("send", raises(ReconcilerError("something else")))
    scene.world.before = on("get", raises(ServiceError("down")), nth=4)

    outcomes = scene.apply(made)

    assert Status.FAILED in {one.status for one in outcomes}
    assert (0, 1) == (spent(run), doubted(run))
