"""What a plan says is done, in its order, and what is in doubt lets nobody go."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from builders import EARLIER, LATER, NOW, list_spec, tenant
from reconciler.apply import apply
from reconciler.artifacts import Run
from reconciler.errors import (
    AuthError,
    ForbiddenError,
    NotFoundError,
    ReconcilerError,
    RequestRefusedError,
    ServiceError,
)
from reconciler.journal import Journal
from reconciler.model import (
    LISTS,
    UNMANAGED,
    Outcome,
    Status,
)
from scenes import (
    ADA,
    BOB,
    CYD,
    DAN,
    NAME,
    Clock,
    Meddler,
    P,
    Play,
    Scene,
    frees,
    on,
    raises,
    scenes,
    shelf,
    wants,
)
from worlds import HELD, LIST, Contact, World, prepare, running


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


def told(outcomes: Sequence[Outcome]) -> list[tuple[str, str, int]]:
    """What was done, how it ended and with which code."""
    return [(one.op or one.action, str(one.status), one.exit_code) for one in outcomes]


def of(outcomes: Sequence[Outcome], what: str) -> Outcome:
    """The one outcome of an action or op."""
    (found,) = (one for one in outcomes if what in (one.op, one.action))
    return found


# ---------------------------------------------------------------- the order


def test_everything_is_done_in_the_order_of_safety(play: Scene) -> None:
    """Settings that grow, suppressions, amendments, then what lets go, and it is read back."""
    scene = play(
        Contact(email=BOB, reason="BOUNCE"),
        Contact(email=CYD),
        Contact(email=DAN, phone=P),
        settings=replace(NAME, description="new", suppress_until=LATER),
        contacts=wants(ADA, BOB),
        releases=(*frees(CYD, until=EARLIER), *frees(DAN)),
    )

    outcomes = scene.apply(scene.plan())

    assert [
        ("UpdateList", "done", 0),
        ("suppress", "done", 0),
        ("amend", "done", 0),
        ("part", "done", 0),
        ("UpdateList", "done", 0),
        ("shorten", "done", 0),
        ("release", "done", 0),
        ("ReadBack", "done", 0),
    ] == told(outcomes)
    soon = NOW + timedelta(minutes=10)
    assert {ADA: None, BOB: None, CYD: EARLIER, DAN: soon, P: None} == scene.ends()
    assert ("new", LATER) == (scene.world.settings.description, scene.world.settings.suppress_until)


def test_every_write_has_a_line_before_it_and_one_after(play: Scene) -> None:
    """Which name the list and never a contact."""
    scene = play(
        Contact(email=CYD),
        settings=replace(NAME, description="new"),
        contacts=wants(ADA),
        releases=frees(CYD),
    )

    scene.apply(scene.plan())

    lines = scene.journal()
    intents = [line for line in lines if line["event"] == "intent"]
    assert ["UpdateList", "Suppress", "Release"] == [line["action"] for line in intents]
    assert ["intent", "outcome"] * 3 == [line["event"] for line in lines]
    assert [line["number"] for line in intents] == [
        line["intent"] for line in lines if line["event"] == "outcome"
    ]
    assert "example.com" not in str(lines)


def test_a_release_ends_ten_minutes_from_when_it_is_sent(play: Scene, clock: Clock) -> None:
    """By the service's clock, whenever the plan was made."""
    scene = play(Contact(email=CYD), releases=frees(CYD), contacts=wants(ADA))
    scene.world.skew = timedelta(minutes=3)
    made = scene.plan()
    clock.time = NOW + timedelta(hours=1)

    scene.apply(made)

    assert NOW + timedelta(hours=1, minutes=13) == scene.ends()[CYD]


def test_a_plan_without_actions_asks_nothing(play: Scene) -> None:
    """Not even whether the list is still there."""
    scene = play(Contact(email=ADA), contacts=wants(ADA))
    made = scene.plan()
    scene.world.before = raises_always("nothing is to be asked")

    assert () == scene.apply(made)


def raises_always(message: str) -> Callable[[str], None]:
    """A hook that lets no request through."""

    def refuse(_request: str) -> None:
        raise AssertionError(message)

    return refuse


# ---------------------------------------------------------------- a list that moved


def test_on_a_list_that_moved_suppressions_go_on_and_nobody_is_let_go(play: Scene) -> None:
    """It is a conflict, whatever moved."""
    scene = play(
        Contact(email=CYD), Contact(email=DAN, phone=P), contacts=wants(ADA), releases=frees(CYD, P)
    )
    made = scene.plan()
    scene.world.number += 1

    outcomes = scene.apply(made)

    assert [
        ("suppress", "done", 0),
        ("part", "withheld", 5),
        ("release", "withheld", 5),
        ("ReadBack", "done", 0),
    ] == told(outcomes)
    assert {ADA: None, CYD: None, DAN: None, P: None} == scene.ends()


@pytest.mark.parametrize(("touched", "code"), [(True, 5), (False, 0)])
def test_where_the_version_proves_nothing_the_contacts_are_compared(
    play: Scene, run: Run, touched: bool, code: int
) -> None:
    """Until the tenant is known to move it with contacts."""
    scene = play(Contact(email=CYD), Contact(email=DAN), contacts=wants(ADA), releases=frees(CYD))
    shelf(run).learn(moves=False)
    made = scene.plan()
    if touched:
        scene.world.contacts[1] = Contact(email=DAN, reason="BOUNCE")

    outcomes = scene.apply(made)

    assert ("suppress", "done", 0) == told(outcomes)[0]
    assert code == of(outcomes, "release").exit_code


def test_a_list_that_moved_after_the_first_batch_is_looked_at_again(play: Scene) -> None:
    """Before contacts are amended: somebody may have suppressed them for longer."""
    scene = play(Contact(email=BOB, until=EARLIER), contacts=wants(ADA, BOB, until=LATER))
    made = scene.plan()

    def extend(_what: str) -> None:
        scene.world.after = lambda _: None
        scene.world.number += 1
        scene.world.contacts = [Contact(email=BOB), Contact(email=ADA, until=LATER)]

    scene.world.after = extend

    outcomes = scene.apply(made)

    assert [
        ("suppress", "done", 0),
        ("amend", "withheld", 5),
        ("ReadBack", "done", 0),
    ] == told(outcomes)
    assert {ADA: LATER, BOB: None} == scene.ends()


def test_a_row_that_somebody_suppressed_for_longer_meanwhile_is_withheld(play: Scene) -> None:
    """A write never shortens what it did not see."""
    scene = play(Contact(email=BOB, until=EARLIER), contacts=wants(ADA, BOB, until=LATER))
    made = scene.plan()
    scene.world.contacts = [Contact(email=BOB), Contact(email=ADA)]
    scene.world.number += 1

    outcomes = scene.apply(made)

    assert [
        ("suppress", "withheld", 5),
        ("amend", "withheld", 5),
        ("ReadBack", "done", 0),
    ] == told(outcomes)
    assert {ADA: None, BOB: None} == scene.ends()


def test_on_a_list_that_moves_all_the_time_only_rows_without_an_end_are_sent(play: Scene) -> None:
    """What it holds is not known, and settings are not touched either."""
    scene = play(
        Contact(email=CYD),
        settings=replace(NAME, description="new"),
        contacts=(*wants(ADA), *wants(BOB, until=LATER)),
    )
    made = scene.plan()
    scene.world.number += 1
    scene.world.moves_while_read = True

    outcomes = scene.apply(made)

    assert [
        ("UpdateList", "withheld", 5),
        ("suppress", "withheld", 5),
        ("suppress", "done", 0),
        ("ReadBack", "failed", 5),
    ] == told(outcomes)
    assert {ADA: None, CYD: None} == scene.ends()
    assert scene.world.settings.description is None


def test_on_a_list_that_moved_settings_that_nobody_touched_are_changed(play: Scene) -> None:
    """Somebody took a contact meanwhile: no reason to leave a list to lapse."""
    scene = play(settings=replace(NAME, suppress_until=LATER), contacts=wants(ADA))
    scene.world.settings = replace(HELD, suppress_until=EARLIER)
    made = scene.plan()
    scene.world.contacts = [Contact(email=BOB)]
    scene.world.number += 1

    outcomes = scene.apply(made)

    assert Status.DONE is of(outcomes, "UpdateList").status
    assert LATER == scene.world.settings.suppress_until


def test_on_a_list_that_moved_a_setting_that_somebody_touched_is_left_alone(play: Scene) -> None:
    """A later end that a stranger set is not made earlier by our earlier one."""
    scene = play(settings=replace(NAME, suppress_until=LATER), contacts=wants(ADA))
    scene.world.settings = replace(HELD, suppress_until=EARLIER)
    made = scene.plan()
    scene.world.settings = HELD
    scene.world.number += 1

    outcomes = scene.apply(made)

    assert [
        ("UpdateList", "withheld", 5),
        ("suppress", "done", 0),
        ("ReadBack", "done", 0),
    ] == told(outcomes)
    assert scene.world.settings.suppress_until is None


# ---------------------------------------------------------------- settings


def described(play: Scene) -> Play:
    """A list that gets a description, a contact, and lets somebody go."""
    return play(
        Contact(email=CYD),
        settings=replace(NAME, description="new"),
        contacts=wants(ADA),
        releases=frees(CYD),
    )


def test_a_conflict_in_other_fields_is_rebased(play: Scene) -> None:
    """The change goes out again with the new version; nothing is withheld."""
    scene = described(play)
    made = scene.plan()

    def rename() -> None:
        scene.world.number += 1

    scene.world.before = on("update", rename)

    outcomes = scene.apply(made)

    assert ("UpdateList", "done", 0) == told(outcomes)[0]
    assert "new" == scene.world.settings.description
    errors = [line.get("error") for line in scene.journal() if line["event"] == "outcome"]
    assert "VersionConflictError" == errors[0]


def test_a_list_that_moves_at_every_attempt_is_left_alone_after_four(play: Scene) -> None:
    """Its suppressions go on; nobody is let go."""
    scene = described(play)
    made = scene.plan()

    def rename() -> None:
        scene.world.number += 1

    scene.world.before = on("update", rename, nth=0)

    outcomes = scene.apply(made)

    assert [
        ("UpdateList", "withheld", 5),
        ("suppress", "done", 0),
        ("release", "withheld", 5),
        ("ReadBack", "done", 0),
    ] == told(outcomes)
    assert 4 == scene.world.before.counted["update"]


def test_a_field_that_somebody_changed_is_left_alone(play: Scene) -> None:
    """Their value stays, and is not sent over."""
    scene = described(play)
    made = scene.plan()

    def describe() -> None:
        scene.world.number += 1
        scene.world.settings = replace(HELD, description="theirs")

    scene.world.before = on("update", describe)

    outcomes = scene.apply(made)

    assert [
        ("UpdateList", "withheld", 5),
        ("suppress", "done", 0),
        ("release", "withheld", 5),
        ("ReadBack", "done", 0),
    ] == told(outcomes)
    assert "theirs" == scene.world.settings.description


def test_a_field_that_already_has_our_value_is_done(play: Scene) -> None:
    """Whoever set it."""
    scene = described(play)
    made = scene.plan()

    def describe() -> None:
        scene.world.number += 1
        scene.world.settings = replace(HELD, description="new")

    scene.world.before = on("update", describe)

    outcomes = scene.apply(made)

    assert ("UpdateList", "done", 0) == told(outcomes)[0]
    assert ["send", "send"] == scene.world.writes


@pytest.mark.parametrize(
    "error",
    [
        RequestRefusedError("its name is too long"),
        ServiceError("it is down"),
        ForbiddenError("the client may not"),
        NotFoundError("it is not where it was"),
    ],
)
def test_settings_that_are_not_taken_hold_back_no_suppression(
    play: Scene, error: ReconcilerError
) -> None:
    """They only keep everybody from being let go."""
    scene = described(play)
    made = scene.plan()
    scene.world.before = on("update", raises(error))

    outcomes = scene.apply(made)

    assert [
        ("UpdateList", "failed", 1),
        ("suppress", "done", 0),
        ("release", "withheld", 1),
        ("ReadBack", "done", 0),
    ] == told(outcomes)
    outcome = next(line for line in scene.journal() if line["event"] == "outcome")
    assert type(error).__name__ == outcome["error"]


# ---------------------------------------------------------------- making a list


@pytest.fixture
def unborn(play: Scene) -> Play:
    """A list that is to be made, with one contact."""
    return play(world=World(exists=False), list_id=None, create=True, contacts=wants(ADA))


def test_a_list_is_made_and_its_id_is_told(unborn: Play) -> None:
    """Then filled and read back."""
    outcomes = unborn.apply(unborn.plan())

    assert [
        ("CreateList", "done", 0),
        ("suppress", "done", 0),
        ("ReadBack", "done", 0),
    ] == told(outcomes)
    assert LIST == of(outcomes, "CreateList").detail
    assert {ADA: None} == unborn.ends()
    assert UNMANAGED not in (unborn.world.settings.name, unborn.world.settings.description)


def test_a_list_whose_making_was_answered_by_nobody_is_looked_up(unborn: Play) -> None:
    """It is not made a second time."""
    unborn.world.after = on("create", raises(ServiceError("the answer is lost")))

    outcomes = unborn.apply(unborn.plan())

    assert ("CreateList", "done", 0) == told(outcomes)[0]
    assert ["create", "send"] == unborn.world.writes


def test_a_list_that_was_not_made_is_made_again_after_a_look(unborn: Play) -> None:
    """Each attempt has its lines in the journal."""
    made = unborn.plan()
    unborn.world.before = watch = on("create", raises(ServiceError("it is down")))

    outcomes = unborn.apply(made)

    assert ("CreateList", "done", 0) == told(outcomes)[0]
    assert (2, 2) == (watch.counted["create"], watch.counted["find"])
    assert ["intent", "outcome"] * 3 == [line["event"] for line in unborn.journal()]


def test_a_list_that_can_not_be_made_is_given_up_after_three_attempts(unborn: Play) -> None:
    """Nothing is sent to a list that is not there."""
    made = unborn.plan()
    unborn.world.before = watch = on("create", raises(ServiceError("it is down")), nth=0)

    outcomes = unborn.apply(made)

    assert [("CreateList", "failed", 1)] == told(outcomes)
    assert 3 == watch.counted["create"]


def test_two_lists_of_the_name_are_an_error(unborn: Play) -> None:
    """Which of them is meant nobody can tell."""
    made = unborn.plan()
    unborn.world.before = Meddler(
        {
            ("create", 1): raises(ServiceError("the answer is lost")),
            ("find", 2): raises(NotFoundError("2 lists have this name")),
        }
    )

    outcomes = unborn.apply(made)

    assert [("CreateList", "failed", 1)] == told(outcomes)
    assert ["intent", "outcome"] == [line["event"] for line in unborn.journal()]


def test_a_list_that_has_appeared_since_the_plan_is_a_conflict(unborn: Play) -> None:
    """The next plan will see what is on it."""
    made = unborn.plan()
    unborn.world.exists = True

    outcomes = unborn.apply(made)

    assert [("CreateList", "failed", 5)] == told(outcomes)
    assert [] == unborn.world.writes


# ---------------------------------------------------------------- before anybody is let go


def shrinking(play: Scene) -> Play:
    """A list that is to end, with a contact to suppress first."""
    return play(settings=replace(NAME, suppress_until=LATER), contacts=wants(ADA))


def test_an_earlier_end_of_the_list_is_sent_with_the_version_read_again(play: Scene) -> None:
    """The version before our own suppressions would be refused."""
    scene = shrinking(play)

    outcomes = scene.apply(scene.plan())

    assert [("suppress", "done", 0), ("UpdateList", "done", 0), ("ReadBack", "done", 0)] == told(
        outcomes
    )
    assert ["send", "update"] == scene.world.writes


def test_an_earlier_end_is_not_put_over_one_that_somebody_set(play: Scene) -> None:
    """Although the version read again would let it pass."""
    scene = shrinking(play)
    made = scene.plan()
    theirs = LATER + timedelta(days=365)

    def extend(_what: str) -> None:
        scene.world.settings = replace(HELD, suppress_until=theirs)

    scene.world.after = extend

    outcomes = scene.apply(made)

    assert ("UpdateList", "withheld", 5) == told(outcomes)[1]
    assert theirs == scene.world.settings.suppress_until


def test_a_list_that_cannot_be_read_again_whole_is_not_made_to_end(play: Scene) -> None:
    """An incomplete read withholds the settings that shorten."""
    scene = shrinking(play)
    made = scene.plan()

    def stir(_what: str) -> None:
        scene.world.moves_while_read = True

    scene.world.after = stir

    outcomes = scene.apply(made)

    assert ("UpdateList", "withheld", 5) == told(outcomes)[1]
    assert scene.world.settings.suppress_until is None


def test_a_list_that_fails_to_be_read_again_lets_nobody_go(play: Scene) -> None:
    """That is an error of the service, not a conflict."""
    scene = play(Contact(email=CYD), contacts=wants(ADA), releases=frees(CYD))
    made = scene.plan()
    scene.world.before = on("pages", raises(ServiceError("it is down")), nth=0)

    outcomes = scene.apply(made)

    assert [
        ("suppress", "done", 0),
        ("release", "withheld", 1),
        ("ReadBack", "failed", 1),
    ] == told(outcomes)


def test_a_contact_that_somebody_changed_is_not_let_go_and_the_others_are(play: Scene) -> None:
    """Only that one is withheld, and it is a conflict."""
    scene = play(
        Contact(email=BOB),
        Contact(email=CYD),
        contacts=wants(ADA),
        releases=frees(BOB, CYD),
    )
    made = scene.plan()

    def recode(_what: str) -> None:
        scene.world.after = lambda _: None
        scene.world.contacts = [
            replace(one, reason="COMPLIANCE") if one.email == BOB else one
            for one in scene.world.contacts
        ]

    scene.world.after = recode

    outcomes = scene.apply(made)

    assert [
        ("suppress", "done", 0),
        ("release", "withheld", 5),
        ("release", "done", 0),
        ("ReadBack", "done", 0),
    ] == told(outcomes)
    assert (1, 1) == (len(outcomes[1].changed), outcomes[2].taken)
    assert scene.ends()[BOB] is None
    assert scene.ends()[CYD]


def test_a_contact_that_somebody_changed_is_not_shortened(play: Scene) -> None:
    """The same holds for an earlier end."""
    scene = play(Contact(email=CYD), contacts=wants(ADA), releases=frees(CYD, until=EARLIER))
    made = scene.plan()

    def join(_what: str) -> None:
        scene.world.contacts = [Contact(email=ADA), Contact(email=CYD, phone=P)]

    scene.world.after = join

    outcomes = scene.apply(made)

    assert ("shorten", "withheld", 5) == told(outcomes)[1]
    assert {ADA: None, CYD: None, P: None} == scene.ends()


def test_half_a_contact_is_let_go_only_once_the_other_half_stands_alone(play: Scene) -> None:
    """Where the half that stays is not there after it was written, nobody is let go."""
    scene = play(Contact(email=DAN, phone=P), contacts=wants(ADA), releases=frees(DAN))
    made = scene.plan()

    def lose(_what: str) -> None:
        if len(scene.world.writes) > 1:
            scene.world.contacts = [one for one in scene.world.contacts if one.phone != P]

    scene.world.after = lose

    outcomes = scene.apply(made)

    assert [
        ("suppress", "done", 0),
        ("part", "done", 0),
        ("release", "withheld", 6),
        ("ReadBack", "differs", 6),
    ] == told(outcomes)
    assert {ADA: None, DAN: None} == scene.ends()


def test_half_a_contact_is_not_let_go_if_the_other_half_is_refused(play: Scene) -> None:
    """And if the service tore them apart, the list read back says that one is missing."""
    scene = play(Contact(email=DAN, phone=P), contacts=wants(ADA), releases=frees(DAN))
    made = scene.plan()
    scene.world.refuse = frozenset({P})

    outcomes = scene.apply(made)

    assert [
        ("suppress", "done", 0),
        ("part", "partly", 6),
        ("release", "withheld", 6),
        ("ReadBack", "differs", 6),
    ] == told(outcomes)
    assert "1 missing" in outcomes[-1].detail


@pytest.mark.parametrize("complains", ["all named", "all unnamed"])
def test_a_contact_whose_half_is_refused_stays_as_it_is(play: Scene, complains: str) -> None:
    """Where nothing of a batch is taken, neither half is sent again without the other."""
    scene = play(Contact(email=DAN, phone=P), contacts=wants(ADA), releases=frees(DAN))
    made = scene.plan()
    scene.world.refuse = frozenset({P})
    scene.world.complains = complains  # type: ignore[assignment] # one of those

    outcomes = scene.apply(made)

    assert ("part", "rejected", 6) == told(outcomes)[1]
    assert {ADA: None, DAN: None, P: None} == scene.ends()


@pytest.mark.parametrize("complains", ["named", "unnamed", "all named", "all unnamed"])
def test_nobody_is_let_go_while_a_suppression_is_rejected(play: Scene, complains: str) -> None:
    """However the service says so; the others are suppressed."""
    scene = play(Contact(email=CYD), contacts=wants(ADA, BOB, P), releases=frees(CYD))
    made = scene.plan()
    scene.world.refuse = frozenset({BOB})
    scene.world.complains = complains  # type: ignore[assignment] # one of those

    outcomes = scene.apply(made)

    assert [
        ("suppress", "partly", 6),
        ("release", "withheld", 6),
        ("ReadBack", "done", 0),
    ] == told(outcomes)
    assert (2, 1) == (outcomes[0].taken, len(outcomes[0].rejections))
    assert "1 contacts of the list could not be suppressed" in outcomes[1].detail
    assert {ADA: None, P: None, CYD: None} == scene.ends()


# ---------------------------------------------------------------- what fails


def in_batches_of(size: int) -> World:
    """A world whose service takes so many contacts at a time."""
    return World(capabilities=replace(LISTS, batch=size))


@pytest.mark.parametrize(
    "error", [ServiceError("it is down"), RequestRefusedError("it does not like that")]
)
def test_a_batch_that_fails_does_not_keep_back_the_next(
    play: Scene, error: ReconcilerError
) -> None:
    """But nobody is let go."""
    scene = play(
        Contact(email=CYD), world=in_batches_of(1), contacts=wants(ADA, BOB), releases=frees(CYD)
    )
    made = scene.plan()
    scene.world.before = on("send", raises(error))

    outcomes = scene.apply(made)

    assert [
        ("suppress", "failed", 1),
        ("suppress", "done", 0),
        ("release", "withheld", 6),
        ("ReadBack", "done", 0),
    ] == told(outcomes)
    assert [1, 2, 0, 0] == [one.batch for one in outcomes]


def test_credentials_that_are_refused_end_the_list_and_no_other(play: Scene, run: Run) -> None:
    """Each list is on its own."""
    first, second = World(), World()
    lists = (
        list_spec("a", list_id=LIST, contacts=wants(ADA)),
        list_spec("b", list_id=LIST, tenant="other", contacts=wants(BOB)),
    )
    tenants = {name: tenant(name=name, base_url=name) for name in ("acme", "other")}
    spec = replace(play().spec, tenants=tenants, lists=lists)
    made = prepare(spec, first, run).plan(as_of=NOW)
    first.before = on("send", raises(AuthError("the token is refused")))
    with Journal(run.folder / "journal.jsonl") as journal:
        outcomes = apply(made, writers={"acme": first, "other": second}, run=run, journal=journal)

    assert [
        ("suppress", "failed", 1),
        ("Suppress", "failed", 1),
        ("suppress", "done", 0),
        ("ReadBack", "done", 0),
    ] == told(outcomes)
    assert [[BOB]] == second.sent


def test_what_nobody_expected_ends_the_list_and_is_kept(play: Scene, run: Run) -> None:
    """With what was done before it; its traceback names nobody."""
    scene = play(world=in_batches_of(1), contacts=wants(ADA, BOB))
    made = scene.plan()
    scene.world.before = on("send", raises(ValueError(f"{BOB} is odd")), nth=2)

    outcomes = scene.apply(made)

    assert [("suppress", "done", 0), ("Suppress", "failed", 1)] == told(outcomes)
    assert "something unexpected happened: ValueError" == outcomes[1].detail
    kept = (run.folder / "crash-us-dnc.txt").read_text(encoding="utf-8")
    assert "ValueError" in kept
    assert BOB not in kept


def test_a_list_that_has_gone_is_a_failure_of_that_list(play: Scene) -> None:
    """Nothing is written."""
    scene = play(contacts=wants(ADA))
    made = scene.plan()
    scene.world.exists = False

    outcomes = scene.apply(made)

    assert [("Check", "failed", 1)] == told(outcomes)


def test_a_wish_to_stop_is_heard_between_batches(play: Scene, run: Run) -> None:
    """The batch in flight is finished and stands in the outcomes."""
    scene = play(
        Contact(email=CYD), world=in_batches_of(1), contacts=wants(ADA, BOB), releases=frees(CYD)
    )
    made = scene.plan()
    scene.world.before = on("send", run.stop.set)

    outcomes = scene.apply(made)

    assert [("suppress", "done", 0), ("Suppress", "withheld", 130)] == told(outcomes)
    assert [[ADA]] == scene.world.sent


def test_a_wish_to_stop_is_heard_before_the_first_action(play: Scene, run: Run) -> None:
    """And between two lists."""
    scene = described(play)
    made = scene.plan()
    run.stop.set()

    outcomes = scene.apply(made)

    assert [("UpdateList", "withheld", 130)] == told(outcomes)
    assert [] == scene.world.writes


def test_a_wish_to_stop_is_heard_between_two_attempts(play: Scene, run: Run) -> None:
    """A list that moves is not waited for."""
    scene = described(play)
    made = scene.plan()

    def stop() -> None:
        scene.world.number += 1
        run.stop.set()

    scene.world.before = on("update", stop)

    outcomes = scene.apply(made)

    assert [("UpdateList", "withheld", 130)] == told(outcomes)


def test_contacts_that_lapsed_before_they_were_sent_are_told(play: Scene, clock: Clock) -> None:
    """They would be refused, and suppress nobody."""
    scene = play(contacts=(*wants(ADA, until=NOW + timedelta(minutes=1)), *wants(BOB)))
    made = scene.plan()
    clock.time = NOW + timedelta(minutes=2)

    outcomes = scene.apply(made)

    assert [
        ("suppress", "done", 0),
        ("suppress", "withheld", 0),
        ("ReadBack", "done", 0),
    ] == told(outcomes)
    assert 1 == outcomes[1].lapsed
    assert [[BOB]] == scene.world.sent


# ---------------------------------------------------------------- the list read back


def test_a_list_that_is_not_what_was_written_differs(play: Scene) -> None:
    """Who is missing, and who is still there for longer."""
    scene = play(Contact(email=CYD), contacts=wants(ADA), releases=frees(CYD))
    made = scene.plan()

    def undo(_what: str) -> None:
        if scene.world.writes == ["send", "send"]:
            scene.world.contacts = [Contact(email=CYD)]

    scene.world.after = undo

    outcomes = scene.apply(made)

    assert ("ReadBack", "differs", 6) == told(outcomes)[-1]
    assert outcomes[-1].detail.endswith("1 missing, 1 longer")


def test_a_setting_that_the_service_took_and_forgot_differs(play: Scene) -> None:
    """A yes is not enough: the list read back has to hold what it was given."""
    scene = play(settings=replace(NAME, description="new"), contacts=wants(ADA))
    made = scene.plan()

    def undo(what: str) -> None:
        if what == "update":
            scene.world.settings = HELD

    scene.world.after = undo

    outcomes = scene.apply(made)

    assert [("UpdateList", "done", 0), ("suppress", "done", 0), ("ReadBack", "differs", 6)] == told(
        outcomes
    )
    assert outcomes[-1].detail.endswith("written: 1 of its settings")


@pytest.mark.parametrize("ending", [P, ADA, BOB])
def test_after_a_plan_for_a_list_read_in_part_the_rest_is_not_missed(
    play: Scene, ending: str
) -> None:
    """Rows with an end were never sent, wherever they stand, and are not said to have been."""
    endless = [one for one in (P, ADA, BOB) if one != ending]
    scene = play(Contact(email=CYD), contacts=(*wants(*endless), *wants(ending, until=LATER)))
    scene.world.moves_while_read = True
    made = scene.plan()
    scene.world.moves_while_read = False

    outcomes = scene.apply(made)

    assert [("suppress", "done", 0), ("ReadBack", "done", 0)] == told(outcomes)
    assert dict.fromkeys((*endless, CYD)) == scene.ends()


def test_after_a_partial_read_nobody_is_written_who_shared_a_contact(play: Scene) -> None:
    """A write to one half would drop the other, of whom nobody knows any more."""
    scene = play(Contact(email=ADA, phone=P), contacts=wants(ADA, BOB))
    scene.plan()
    scene.world.before = on("pages", raises(ServiceError("it is down")), nth=0)
    made = scene.plan()
    scene.world.before = on("nothing", raises(ServiceError("never")))

    outcomes = scene.apply(made)

    assert [("suppress", "withheld", 5), ("suppress", "done", 0), ("ReadBack", "done", 0)] == told(
        outcomes
    )
    assert {ADA: None, P: None, BOB: None} == scene.ends()


def test_a_list_that_cannot_be_read_back_is_a_failure(play: Scene) -> None:
    """Whether it holds what was written is not known."""
    scene = play(contacts=wants(ADA))
    made = scene.plan()
    scene.world.before = on("get", raises(ServiceError("it is down")), nth=2)

    outcomes = scene.apply(made)

    assert [("suppress", "done", 0), ("ReadBack", "failed", 1)] == told(outcomes)


# ---------------------------------------------------------------- what is learnt


@pytest.mark.parametrize("moves", [True, False])
def test_whether_a_write_of_contacts_moves_the_version_is_learnt(
    play: Scene, run: Run, moves: bool
) -> None:
    """Settings that moved it before do not count."""
    scene = described(play)
    scene.world.moves_with_contacts = moves
    for lesson in run.cache.glob("tenant-*.json"):
        lesson.unlink()

    scene.apply(scene.plan())

    assert moves is shelf(run).moves


def test_without_a_write_of_contacts_nothing_is_learnt(play: Scene, run: Run) -> None:
    """Neither from settings alone nor from rows that were all refused."""
    scene = described(play)
    shelf(run).learn(moves=False)
    scene.world.refuse = frozenset({ADA, CYD})

    scene.apply(scene.plan())

    assert shelf(run).moves is False


def test_lists_are_worked_on_side_by_side(play: Scene, run: Run) -> None:
    """Two that wait for each other both come to an end."""
    meeting = threading.Barrier(2, timeout=20)

    def meet(request: str) -> None:
        if request == "send":
            meeting.wait()

    worlds = {"acme": World(before=meet), "other": World(before=meet)}
    lists = tuple(
        list_spec(name, list_id=LIST, tenant=of_tenant, contacts=wants(ADA))
        for name, of_tenant in (("a", "acme"), ("b", "other"))
    )
    tenants = {name: tenant(name=name, base_url=name) for name in worlds}
    spec = replace(play().spec, tenants=tenants, lists=lists)
    made = prepare(spec, worlds["acme"], run).plan(as_of=NOW)
    with Journal(run.folder / "journal.jsonl") as journal:
        outcomes = apply(made, writers=worlds, run=run, journal=journal)

    assert [("a", 1), ("a", 0), ("b", 1), ("b", 0)] == [(one.key, one.batch) for one in outcomes]
    assert all(one.status is Status.DONE for one in outcomes)


def test_a_service_that_is_gone_is_not_asked_for_every_batch(play: Scene) -> None:
    """Three batches lost one after the other end the list; running again finishes it."""
    scene = play(contacts=wants(ADA, BOB, CYD, P))
    scene.world.capabilities = replace(LISTS, batch=1)
    made = scene.plan()
    scene.world.before = on("send", raises(ServiceError("it is down")), nth=0)

    outcomes = scene.apply(made)

    assert [*[("suppress", "failed", 1)] * 3, ("Suppress", "failed", 1)] == told(outcomes)


def test_the_smallest_size_a_list_was_seen_to_have_is_told(play: Scene) -> None:
    """Somebody who empties a list for a moment does not go unnoticed."""
    held = [Contact(email=one) for one in (ADA, BOB, CYD)]
    scene = play(*held, contacts=wants(BOB, DAN), releases=frees(ADA))
    made = scene.plan()
    full: list[Contact] = []

    def emptied() -> None:
        full.extend(scene.world.contacts)
        scene.world.contacts = [Contact(email=ADA)]

    def restored() -> None:
        scene.world.contacts = full

    scene.world.before = Meddler({("get", 2): emptied, ("get", 4): restored})

    outcomes = scene.apply(made)

    assert (1, 4) == (outcomes[-1].smallest, outcomes[-1].rows)


def test_a_list_that_never_shrinks_was_smallest_before(play: Scene) -> None:
    """The plan's own size counts."""
    scene = play(Contact(email=ADA), contacts=wants(ADA, BOB))

    outcomes = scene.apply(scene.plan())

    assert (1, 2) == (outcomes[-1].smallest, outcomes[-1].rows)
