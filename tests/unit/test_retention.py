"""What is old enough to go, what a hold keeps, and that the ledger knows it before it goes."""

from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import NOW
from ledger_scenes import Yard
from reconciler import holds, ledger, retention
from reconciler.errors import EvidenceError, SettingError
from reconciler.holds import Hold, Scope
from reconciler.retention import Ages
from reconciler.store import DirectoryStore
from worlds import KilledError

EVERYTHING = Scope()
FIVE_YEARS = 5 * 366


@pytest.fixture(params=["one place", "two places"])
def yard(request: pytest.FixtureRequest, tmp_path: Path) -> Yard:
    """Return a state directory that is the store too, or has one elsewhere."""
    elsewhere = tmp_path / "shared" if request.param == "two places" else None
    return Yard(state=tmp_path / "state", elsewhere=elsewhere)


def names(run: str, *files: str) -> set[str]:
    """The names of a run's artifacts as in the store."""
    return {f"runs/{run}/{file}" for file in files}


# ---------------------------------------------------------------- what goes


def test_tables_with_addresses_go_first_and_their_runs_evidence_stays(yard: Yard) -> None:
    """Ninety days are enough for them; the rest has an age of its own."""
    run = yard.run("us-dnc")
    yard.later(89)
    too_early = yard.doomed("P5Y").all
    yard.later(1)

    gone = yard.prune("P5Y")

    assert () == too_early
    assert names(run, "tables/us-dnc/gap.parquet") == {one.kept for one in gone}
    assert not yard.there() & {one.kept for one in gone}
    assert names(run, "run.json", "receipt.json", "report.md") <= yard.there()
    assert not (yard.state / "runs" / run / "tables").exists()


def test_artifacts_go_at_their_age_and_the_ledger_stays(yard: Yard) -> None:
    """By the calendar; nothing is left of the folder, and the chain is what it was."""
    old = yard.run("us-dnc")
    yard.later(365)
    young = yard.run("us-dnc")
    lines = len(yard.told)
    yard.later(FIVE_YEARS - 365)

    gone = yard.prune("P5Y")

    files = ("run.json", "receipt.json", "report.md", "tables/us-dnc/gap.parquet")
    assert names(old, *files) | names(young, files[-1]) == {one.kept for one in gone}
    assert not (yard.state / "runs" / old).exists()
    assert lines + 2 == len(yard.told)
    assert "" == ledger.past(yard.store).doubt


def test_the_run_that_last_applied_a_list_stays_but_for_its_tables(yard: Yard) -> None:
    """Who made a list differ is told from it, however long ago it was."""
    first, last = yard.run("us-dnc", "eu-dnc"), yard.run("us-dnc")
    yard.run("us-dnc", applied=False, command="plan")
    yard.later(FIVE_YEARS)

    made = yard.doomed("P5Y")
    yard.prune("P5Y")

    assert {first: ("eu-dnc",), last: ("us-dnc",)} == made.spared
    assert names(first, "receipt.json") | names(last, "receipt.json") <= yard.there()
    assert not [name for name in yard.there() if "/tables/" in name]
    assert {"us-dnc": last, "eu-dnc": first} == ledger.past(
        yard.store, key=yard.told[0].said["key"]
    ).applied


def test_a_run_that_is_not_over_is_left_alone(yard: Yard) -> None:
    """Whether it lives or nobody has settled it yet."""
    run = yard.run("us-dnc", over=False)
    yard.later(FIVE_YEARS)

    gone = yard.prune("P5Y")

    assert () == tuple(gone)
    assert (yard.state / "runs" / run / "tables/us-dnc/gap.parquet").exists()


def test_a_run_that_has_not_had_its_last_word_is_left_alone(yard: Yard) -> None:
    """Whatever it wrote into the ledger on its way, and however young the oldest may be."""
    with yard.running("apply") as run:
        (run.tables("us-dnc") / "gap.parquet").write_bytes(b"whom")
        ledger.releasing(run, {"a"})
    yard.later(FIVE_YEARS)

    assert () == yard.doomed("P0D", "P0D").all


def test_tables_never_outlive_the_rest_of_their_run(yard: Yard) -> None:
    """Whatever age is given for them."""
    run = yard.run("us-dnc")
    yard.run("us-dnc")
    yard.later(1)

    gone = yard.prune("P1D", "P90D")

    assert names(run, "tables/us-dnc/gap.parquet", "receipt.json") <= {one.kept for one in gone}


def test_a_run_that_lives_is_left_alone_whatever_its_line_says(yard: Yard) -> None:
    """It has said its last word and is still at it."""
    run = yard.run("us-dnc")
    yard.later(FIVE_YEARS)

    made = retention.doomed(
        yard.told,
        yard.shelves.there(),
        ages=Ages(evidence="P5Y", tables="P90D"),
        now=yard.time,
        living={run},
    )

    assert () == made.all


def test_tables_alone_can_go(yard: Yard) -> None:
    """No age is given for the rest, so nothing of it goes."""
    yard.run("us-dnc")
    yard.run("us-dnc")
    yard.later(10 * FIVE_YEARS)

    assert ["gap.parquet"] * 2 == [one.name.split("/")[-1] for one in yard.prune(None)]


def test_each_removed_file_stands_in_the_ledger_with_its_digest(yard: Yard) -> None:
    """Also one that no line of its run names, such as the traceback of a crash."""
    run = yard.run("us-dnc")
    yard.run("us-dnc")
    crash = yard.state / "runs" / run / "crash-1.txt"
    crash.write_text("so it fell")
    table = yard.state / "runs" / run / "tables" / "us-dnc" / "late.parquet"
    table.write_bytes(b"+12125550101")
    digests = dict(yard.told[0].artifacts)
    yard.later(FIVE_YEARS)

    gone = yard.prune("P5Y")

    (line,) = (line for line in yard.told if line.outcome == "pruned")
    said = line.said["removed"]
    assert {one.kept for one in gone} == said.keys()
    assert digests == {
        name: said[f"runs/{run}/{name}"] for name in digests if f"runs/{run}/{name}" in said
    }
    assert sha256(b"so it fell").hexdigest() == said[f"runs/{run}/crash-1.txt"]
    assert said[f"runs/{run}/tables/us-dnc/late.parquet"] not in {
        "",
        sha256(b"+12125550101").hexdigest(),
    }
    assert ("P5Y", "P90D") == (line.said["older_than"], line.said["tables_older_than"])
    assert not crash.exists()


def test_the_ledger_knows_before_the_first_file_goes(yard: Yard) -> None:
    """What cannot be written down is not removed."""
    yard.run("us-dnc")
    yard.later(FIVE_YEARS)
    made = yard.doomed("P5Y")
    before = yard.there()
    ledger_folder = (yard.elsewhere or yard.state) / "ledger"
    held = ledger_folder.rename(ledger_folder.with_name("set-aside"))
    ledger_folder.write_text("in the way")

    with pytest.raises(EvidenceError), yard.running("audit prune") as run:
        retention.prune(run, made, ages=Ages(evidence="P5Y", tables="P90D"))

    ledger_folder.unlink()
    held.rename(ledger_folder)
    assert before <= yard.there()


def test_what_a_crash_left_goes_with_the_next_pruning(yard: Yard) -> None:
    """It is named already, and is not named again."""
    yard.run("us-dnc")
    yard.later(90)
    (doomed,) = yard.doomed(None).all
    with yard.running("audit prune") as run:
        ledger.note(run, "pruned", removed={doomed.kept: doomed.digest})
        ledger.append(run, outcome="interrupted", exit_code=None)

    made = yard.doomed("P100Y", "P100Y")
    gone = yard.prune("P100Y", "P100Y")

    assert ((doomed,), (), ()) == (made.left_over, made.tables, made.evidence)
    assert (doomed,) == tuple(gone)
    assert doomed.kept not in yard.there()
    assert 1 == sum(line.outcome == "pruned" for line in yard.told)


class DyingStore(DirectoryStore):
    """A store that is the end of whoever removes something from it."""

    def remove(self, name: str) -> None:
        """Remove nothing."""
        raise KilledError(name)


def test_a_crash_leaves_no_table_behind_whose_run_is_gone(tmp_path: Path) -> None:
    """Tables go before the first of all other files; what is left goes with the next pruning."""
    yard = Yard(state=tmp_path / "state", elsewhere=tmp_path / "shared")
    for _ in range(3):
        yard.run("us-dnc")
    yard.later(FIVE_YEARS)
    made = yard.doomed("P5Y")
    before = yard.there()

    with yard.running("audit prune") as run, pytest.raises(KilledError):
        retention.prune(
            replace(run, store=DyingStore(tmp_path / "shared")),
            made,
            ages=Ages(evidence="P5Y", tables="P90D"),
        )

    after = yard.there()
    assert {name for name in before if "/tables/" in name} == before - after
    assert "" == ledger.past(yard.store).doubt
    yard.prune("P100Y", "P100Y")
    assert not yard.there() & {one.kept for one in made.all}


def test_who_is_told_to_stop_leaves_the_rest_to_the_next(yard: Yard) -> None:
    """It is named already; what went is told."""
    yard.run("us-dnc")
    yard.run("us-dnc")
    yard.later(FIVE_YEARS)
    made = yard.doomed("P5Y")

    with yard.running("audit prune") as run:
        watched = replace(run, progress=lambda *_: run.stop.set())
        gone = retention.prune(watched, made, ages=Ages(evidence="P5Y", tables="P90D"))
        ledger.append(run, outcome="interrupted", exit_code=130)
    rest = yard.prune("P100Y", "P100Y")

    assert made.all == (*gone, *rest)
    assert 1 == len(gone)


def test_a_draft_that_a_killed_process_left_goes_with_its_folder(yard: Yard) -> None:
    """It may hold addresses, and no name of it is anywhere."""
    run = yard.run("us-dnc")
    yard.run("us-dnc")
    draft = yard.state / "runs" / run / "tables" / "us-dnc" / ".gap.parquet.0123abcd"
    draft.write_bytes(b"whom")
    yard.later(FIVE_YEARS)

    yard.prune("P5Y")

    assert not (yard.state / "runs" / run).exists()


def test_a_ledger_that_may_not_be_whole_lets_nothing_go(yard: Yard) -> None:
    """A hold may be missing from it."""
    yard.run("us-dnc")
    hold = yard.hold(EVERYTHING)
    retention.whole(yard.store)
    (((yard.elsewhere or yard.state) / "ledger") / f"{hold.number:08d}.json").unlink()

    with pytest.raises(EvidenceError, match="may not be whole"):
        retention.whole(yard.store)


# ---------------------------------------------------------------- holds


def test_a_hold_keeps_everything_until_it_is_released(yard: Yard) -> None:
    """Tables too; whoever looks is told by which hold."""
    run = yard.run("us-dnc")
    hold = yard.hold(EVERYTHING)
    yard.later(FIVE_YEARS)
    before = yard.there()

    made = yard.doomed("P5Y")
    gone = yard.prune("P5Y")
    kept = yard.there()
    released = yard.release(hold)

    assert (hold,) == made.held[run]
    assert () == tuple(gone) == made.all
    assert before <= kept
    assert "settled" == released.released_because
    assert yard.prune("P5Y")


@pytest.mark.parametrize(
    ("scope", "held"),
    [
        (Scope(), True),
        (Scope(lists=frozenset({"us-dnc"})), True),
        (Scope(lists=frozenset({"us-dnc", "other"})), True),
        (Scope(lists=frozenset({"other"})), False),
        (Scope(since=NOW), True),
        (Scope(since=NOW + timedelta(seconds=1)), False),
        (Scope(until=NOW), True),
        (Scope(until=NOW - timedelta(seconds=1)), False),
        (Scope(lists=frozenset({"us-dnc"}), until=NOW - timedelta(seconds=1)), False),
        (Scope(run="20200101T000000Z-000000"), False),
    ],
)
def test_a_hold_keeps_what_it_is_about(yard: Yard, scope: Scope, held: bool) -> None:
    """List, period and run narrow it down, all of them together."""
    yard.run("us-dnc")

    assert held == scope.covers(yard.told)


def test_a_run_of_which_nobody_can_tell_its_lists_is_held(yard: Yard) -> None:
    """It failed too early to say: rather one too many is kept."""
    yard.run(applied=False, outcome="failed")

    assert Scope(lists=frozenset({"us-dnc"})).covers(yard.told)


def test_a_run_that_only_looked_is_held_by_what_it_saw(yard: Yard) -> None:
    """Its line names no list, but what it observed does."""
    seen = {"observed.json": {"lists": [{"key": "eu-dnc"}]}}
    run = yard.run(applied=False, command="drift", more=seen)
    yard.run("us-dnc")
    yard.run("us-dnc")
    yard.hold(Scope(lists=frozenset({"us-dnc"})))
    yard.later(FIVE_YEARS)

    made = yard.doomed("P5Y")

    assert run in {one.run for one in made.evidence}


def test_a_hold_on_one_run_keeps_that_one(yard: Yard) -> None:
    """And the rest goes."""
    runs = [yard.run("us-dnc") for _ in range(3)]
    yard.hold(Scope(run=runs[0]))
    yard.later(FIVE_YEARS)

    made = yard.doomed("P5Y")

    assert {runs[0]} == made.held.keys()
    assert runs[1] in {one.run for one in made.evidence}


def test_a_hold_that_is_placed_while_somebody_decides_counts(yard: Yard) -> None:
    """What was decided before it is named, and stays."""
    run = yard.run("us-dnc")
    yard.run("us-dnc")
    yard.later(FIVE_YEARS)
    made = yard.doomed("P5Y")
    yard.hold(Scope(run=run))

    with yard.running("audit prune") as pruning:
        gone = retention.prune(pruning, made, ages=Ages(evidence="P5Y", tables="P90D"))
        ledger.append(pruning, outcome="done", exit_code=0)

    assert run not in {one.run for one in gone}
    assert names(run, "receipt.json", "tables/us-dnc/gap.parquet") <= yard.there()
    assert [run] == [*yard.doomed("P5Y").held]


def test_who_held_what_and_why_is_told_to_everybody(yard: Yard) -> None:
    """From the ledger alone, so on every machine that shares it."""
    scope = Scope(lists=frozenset({"us-dnc"}), since=NOW, until=NOW + timedelta(days=1))
    yard.run("us-dnc")

    placed = yard.hold(scope, reason="LEGAL-1")

    (found,) = holds.in_force(yard.told)
    assert placed == found
    assert (scope, "LEGAL-1", NOW) == (found.scope, found.reason, found.at)
    assert found.by


def test_a_hold_on_a_list_that_nobody_knows_is_refused(yard: Yard) -> None:
    """A misspelt one would keep nothing, unnoticed."""
    yard.run("us-dnc")

    with pytest.raises(SettingError, match="us-dcn") as caught:
        yard.hold(Scope(lists=frozenset({"us-dcn"})))

    assert "did you mean us-dnc?" == caught.value.hint


def test_a_hold_is_released_once_and_by_its_name(yard: Yard) -> None:
    """Anything else is an error that names the nearest."""
    hold = yard.hold(EVERYTHING)
    yard.release(hold)

    with pytest.raises(SettingError, match="already"):
        yard.release(hold)
    unknown = replace(hold, id=hold.id + "0")
    with pytest.raises(SettingError) as caught:
        yard.release(unknown)
    assert f"did you mean {hold.id}?" == caught.value.hint


def test_a_hold_that_cannot_be_read_lets_nothing_go(yard: Yard) -> None:
    """What it keeps is not known."""
    with yard.running("audit hold add") as run:
        ledger.note(run, "held", hold={"id": "hold-1"})

    with pytest.raises(EvidenceError, match="ledger file 1 says of a hold"):
        holds.in_force(yard.told)


# ---------------------------------------------------------------- whatever happens

_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("run"), st.sampled_from(["us", "eu"])),
        st.tuples(st.just("wait"), st.integers(1, 60)),
        st.tuples(st.just("hold"), st.sampled_from(["us", "eu", "run", "then", "all"])),
        st.tuples(st.just("release"), st.integers(0, 5)),
        st.tuples(st.just("prune"), st.sampled_from([("P60D", "P20D"), (None, "P20D")])),
    ),
    max_size=20,
)


@settings(max_examples=15)
@given(steps=_STEPS)
def test_whatever_is_held_and_pruned_nothing_is_lost_that_should_be_there(
    steps: list[tuple[str, object]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Held files stay, young ones too, tables go before the rest, and the chain is unbroken."""
    yard = Yard(state=tmp_path_factory.mktemp("yard"))
    kept: dict[str, Scope] = {}
    placed: list[Hold] = []
    for what, how in [("run", "us"), ("run", "eu"), *steps]:
        match what:
            case "run":
                yard.run(str(how))
            case "wait":
                assert isinstance(how, int)
                yard.later(how)
            case "hold":
                placed.append(yard.hold(_scope(str(how), yard)))
                kept[placed[-1].id] = placed[-1].scope
            case "release":
                assert isinstance(how, int)
                for hold in [one for one in placed if one.id in kept][how : how + 1]:
                    yard.release(hold)
                    del kept[hold.id]
            case "prune":
                assert isinstance(how, tuple)
                _pruned(yard, *how, scopes=[*kept.values()])

    assert "" == ledger.past(yard.store).doubt
    assert {*kept} == {hold.id for hold in holds.in_force(yard.told)}


def _scope(how: str, yard: Yard) -> Scope:
    match how:
        case "run":
            return Scope(run=yard.told[-1].run)
        case "then":
            return Scope(since=yard.time - timedelta(days=40), until=yard.time)
        case "all":
            return EVERYTHING
    return Scope(lists=frozenset({how}))


def _pruned(yard: Yard, evidence: str | None, tables: str, *, scopes: list[Scope]) -> None:
    """Prune, and look at what is gone by a reckoning of its own."""
    before, told = yard.there(), yard.told
    over = {line.run: line for line in told if line.last}

    yard.prune(evidence, tables)

    after = yard.there()
    for name in before - after:
        _, run, file = name.split("/", 2)
        of = [line for line in told if line.run == run]
        finished = over[run].finished
        assert finished is not None
        days = 20 if file.startswith("tables/") else 60
        assert finished + timedelta(days=days) <= yard.time, "something young is gone"
        assert not any(scope.covers(of) for scope in scopes), "something held is gone"
        if days == 60:
            assert not any(one.startswith(f"runs/{run}/tables/") for one in after)
    for line in told:
        finished = line.finished
        assert finished is not None
        old = finished + timedelta(days=20) <= yard.time
        held = any(scope.covers([one for one in told if one.run == line.run]) for scope in scopes)
        if old and line.run in over and not held:
            assert not any(one.startswith(f"runs/{line.run}/tables/") for one in after)


def test_the_store_elsewhere_never_sees_a_table(tmp_path: Path) -> None:
    """Nor is it asked to remove one."""
    yard = Yard(state=tmp_path / "state", elsewhere=tmp_path / "shared")
    yard.run("us-dnc")

    far = DirectoryStore(tmp_path / "shared").names("runs")

    assert far
    assert not [name for name in far if "/tables/" in name]
