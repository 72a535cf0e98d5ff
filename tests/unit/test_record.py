"""What a run leaves behind says what was done, to how many, and names nobody."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest

from builders import NOW, list_spec, place, tenant
from reconciler import ledger, pipeline, record
from reconciler.artifacts import Run
from reconciler.errors import ServiceError
from reconciler.model import (
    Direction,
    Failure,
    InlineContact,
    Outcome,
    Plan,
    Receipt,
    Refusal,
    ReleaseSpec,
    Settings,
    Status,
)
from strategies import OPEN
from worlds import LIST, Contact, World, prepare, running, spec_of

ADA, BOB, CYD = "ada@example.com", "bob@example.com", "cyd@example.com"


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Open a run in a folder of its own."""
    with running(folder=tmp_path / "state") as opened:
        yield opened


def contact(email: str) -> InlineContact:
    """A contact that a spec declares."""
    return InlineContact(place=place(line=10), email=email, reason="DNC")


def release(email: str) -> ReleaseSpec:
    """A release that a spec declares."""
    return ReleaseSpec(
        place=place(line=50),
        email=email,
        phone=None,
        basis="written re-consent",
        ticket="LEGAL-1",
        requested_by="privacy",
        requested_at=NOW - timedelta(days=1),
    )


def done(
    run: Run,
    world: World,
    *,
    contacts: tuple[str, ...] = (),
    releases: tuple[str, ...] = (),
    applied: tuple[str, ...] = ("us-dnc",),
) -> tuple[Plan, Receipt]:
    """Plan and carry out what one list declares, which earlier runs have worked on."""
    settings = Settings(name="US Do Not Call")
    spec = list_spec(
        list_id=LIST if world.exists else None,
        settings=settings,
        contacts=tuple(map(contact, contacts)),
        releases=tuple(map(release, releases)),
        batch_reason="Monthly sweep",
    )
    whole = spec_of(tenant(), spec, policy=OPEN)
    made = prepare(whole, world, run).plan(as_of=NOW)
    receipt = pipeline.execute(
        made, tenants=whole.tenants, writer=lambda _: world, run=run, applied=applied
    )
    return made, receipt


def artifact(run: Run, name: str) -> Any:
    """Return a JSON artifact."""
    return orjson.loads((run.folder / name).read_bytes())


def changes(run: Run) -> list[dict[str, Any]]:
    """Return the lasting evidence."""
    found: list[dict[str, Any]] = pq.read_table(run.folder / "changes.parquet").to_pylist()
    return found


def entry(run: Run) -> Any:
    """Return the ledger's last file."""
    return orjson.loads(max((run.state / "ledger").glob("*.json")).read_bytes())


# ---------------------------------------------------------------- the receipt


def test_a_receipt_tells_what_was_done(run: Run) -> None:
    """Of which plan, when, why, and what it made."""
    world = World(exists=False)

    made, receipt = done(run, world, contacts=(ADA,))

    held = artifact(run, "receipt.json")
    assert (run.id, made.id, 0) == (held["run"], held["plan"], held["exit_code"])
    assert {"us-dnc": LIST} == held["created"] == receipt.created
    assert {"us-dnc": "Monthly sweep"} == held["batch_reasons"]
    assert ["CreateList", "Suppress", "ReadBack"] == [one["action"] for one in held["outcomes"]]


def test_the_metrics_count_what_reached_the_service(run: Run) -> None:
    """Rows taken and refused, and how many of those sent were refused."""
    world = World(contacts=[Contact(email=CYD)], refuse=frozenset({BOB}))

    _, receipt = done(run, world, contacts=(ADA, BOB), releases=(CYD,))

    counted = {
        name: receipt.metrics[name]
        for name in ("updates", "settings_updated", "rejected_rows", "rejected_codes")
    }
    assert {
        "updates": 1,
        "settings_updated": 0,
        "rejected_rows": 1,
        "rejected_codes": {"REFUSED": 1},
    } == counted
    assert 0.5 == receipt.metrics["validation_error_rate"]


def test_a_run_that_sent_nothing_has_no_error_rate(run: Run) -> None:
    """Rather than none at all."""
    _, receipt = done(run, World(contacts=[Contact(email=ADA)]), contacts=(ADA,))

    assert 0.0 == receipt.metrics["validation_error_rate"]
    assert (run.folder / "changes.parquet").exists() is False


def test_a_list_that_could_not_be_made_was_not_made(run: Run) -> None:
    """The reason it failed for is not taken for its id, neither here nor in the ledger."""
    world = World(exists=False)

    def refuse(request: str) -> None:
        if request == "create":
            raise ServiceError("it is down")

    world.before = refuse

    made, receipt = done(run, world, contacts=(ADA,))
    record.close(run, code=receipt.exit_code, plan=made, done=receipt)

    assert ({}, 1) == (receipt.created, receipt.exit_code)
    assert {} == ledger.past(run.store).known


# ---------------------------------------------------------------- evidence


def test_each_row_has_its_pseudonym_its_fate_and_its_source(run: Run) -> None:
    """Done, rejected and withheld."""
    world = World(contacts=[Contact(email=CYD)], refuse=frozenset({BOB}))

    done(run, world, contacts=(ADA, BOB), releases=(CYD,))

    found = {(row["pseudonym"], row["op"], row["status"], row["line"]) for row in changes(run)}
    assert {
        (run.engine.pseudonym(ADA), "suppress", "done", 10),
        (run.engine.pseudonym(BOB), "suppress", "rejected", 10),
        (run.engine.pseudonym(CYD), "release", "withheld", 50),
    } == found


def test_each_row_says_when_it_was_asked_for_and_when_it_was_answered(run: Run) -> None:
    """Nobody answered what was never sent."""
    world = World(contacts=[Contact(email=CYD)], refuse=frozenset({BOB}))

    done(run, world, contacts=(ADA, BOB), releases=(CYD,))

    told = {row["status"]: (row["requested_at"], row["at"]) for row in changes(run)}
    assert {
        "done": (None, NOW),
        "rejected": (None, NOW),
        "withheld": (NOW - timedelta(days=1), None),
    } == told


def test_who_was_suppressed_before_the_first_run_is_known(run: Run) -> None:
    """Evidence begins with what was found, those who have lapsed aside."""
    lapsed = Contact(email=BOB, until=NOW - timedelta(days=1))
    held = Contact(email=CYD, reason="CUSTOMER_REQUEST", until=NOW + timedelta(days=1))
    world = World(contacts=[held, lapsed])

    done(run, world, contacts=(ADA,), applied=())

    found = [row for row in changes(run) if row["op"] == "found"]
    assert [(run.engine.pseudonym(CYD), "found", "CUSTOMER_REQUEST")] == [
        (row["pseudonym"], row["status"], row["reason"]) for row in found
    ]
    assert [(held.until, run.started, None)] == [
        (row["until"], row["at"], row["batch"]) for row in found
    ]
    assert {"suppress", "found"} == {row["op"] for row in changes(run)}


def test_after_a_partial_read_rows_with_an_end_were_not_sent(run: Run) -> None:
    """They stand between those that were, and are withheld."""
    ending = replace(contact(BOB), suppress_until="2099-01-01")
    contacts = (contact(ADA), ending, contact(CYD))
    whole = spec_of(tenant(), list_spec(list_id=LIST, contacts=contacts), policy=OPEN)
    world = World(contacts=[Contact(phone="+12125550101")], moves_while_read=True)
    made = prepare(whole, world, run).plan(as_of=NOW)
    world.moves_while_read = False

    pipeline.execute(
        made, tenants=whole.tenants, writer=lambda _: world, run=run, applied={"us-dnc"}
    )

    expected = {ADA: "done", BOB: "withheld", CYD: "done"}
    assert {run.engine.pseudonym(one): status for one, status in expected.items()} == {
        row["pseudonym"]: row["status"] for row in changes(run)
    }


def test_rejected_rows_are_kept_with_their_addresses_and_what_was_said(run: Run) -> None:
    """In the run's tables, the only place for them."""
    done(run, World(refuse=frozenset({BOB})), contacts=(ADA, BOB))

    rejected = pq.read_table(run.folder / "tables" / "us-dnc" / "rejected.parquet").to_pylist()
    assert [(BOB, "REFUSED")] == [(row["address"], row["code"]) for row in rejected]


def test_the_parts_of_the_evidence_do_not_stay_behind(run: Run) -> None:
    """One file for all lists."""
    done(run, World(), contacts=(ADA,))

    assert [] == list(run.folder.glob("tables/*/changes.parquet"))
    assert 1 == len(changes(run))


def test_both_sides_are_written_down_as_digests_and_counts(run: Run) -> None:
    """Before anything is planned."""
    spec = spec_of(tenant(), list_spec(list_id=LIST, contacts=(contact(ADA),)), policy=OPEN)
    prepared = prepare(spec, World(contacts=[Contact(email=CYD)]), run)
    loaded = replace(spec, digests={"specs/us-dnc.yaml": "d" * 64})

    record.observation(loaded, prepared.desired, prepared.observed, run=run)

    (declared,) = artifact(run, "specs.json")["lists"]
    (seen,) = artifact(run, "observed.json")["lists"]
    assert ("us-dnc", 1) == (declared["key"], declared["table"]["rows"])
    assert (LIST, '"1"', True, 1) == (seen["id"], seen["version"], seen["complete"], seen["size"])
    assert "example.com" not in (run.folder / "observed.json").read_text(encoding="utf-8")


# ---------------------------------------------------------------- exit codes


def outcome(code: int) -> Outcome:
    """An outcome of this code."""
    return Outcome(
        key="us-dnc",
        action="Suppress",
        op="suppress",
        batch=1,
        first=0,
        last=0,
        rows=1,
        taken=0,
        status=Status.FAILED,
        exit_code=code,
    )


@pytest.mark.parametrize(
    ("failures", "refused", "outcomes", "code"),
    [
        ((), False, (), 0),
        ((), True, (), 4),
        ((7,), True, (6,), 7),
        ((1,), True, (5, 6), 1),
        ((), True, (5, 6), 5),
        ((), True, (6,), 4),
        ((), False, (0, 6), 6),
        ((7,), True, (130,), 130),
    ],
)
def test_of_several_exit_codes_the_first_that_applies_wins(
    run: Run, failures: tuple[int, ...], refused: bool, outcomes: tuple[int, ...], code: int
) -> None:
    """Interruptions first, then what is wrong with us, with the service, with the plan."""
    spec = spec_of(tenant(), list_spec(list_id=LIST), policy=OPEN)
    made = prepare(spec, World(), run).plan(as_of=NOW)
    refusal = Refusal(key="us-dnc", direction=Direction.ROWS, rule="wanted", message="no")
    (listed,) = made.lists
    plan = replace(
        made,
        failures=tuple(Failure(key="a", message="no", exit_code=each) for each in failures),
        lists=(replace(listed, refusals=(refusal,) * refused),),
    )

    assert code == record.exit_code(plan, tuple(map(outcome, outcomes)))


# ---------------------------------------------------------------- the ledger's line


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (0, "done"),
        (1, "failed"),
        (4, "refused"),
        (5, "conflict"),
        (6, "partly"),
        (143, "interrupted"),
    ],
)
def test_every_run_stands_in_the_ledger(run: Run, code: int, name: str) -> None:
    """Whatever became of it, with the digest of each artifact."""
    record.close(run, code=code)

    held = entry(run)
    assert (run.id, name, code) == (held["run"], held["outcome"], held["exit_code"])
    assert {"run.json"} == held["artifacts"].keys()


def test_a_release_that_was_carried_out_is_spent(run: Run) -> None:
    """Once and for all."""
    world = World(contacts=[Contact(email=BOB), Contact(email=CYD)])

    made, receipt = done(run, world, contacts=(ADA,), releases=(BOB, CYD))
    record.close(run, code=0, plan=made, done=receipt)

    assert 2 == len(ledger.past(run.store).spent)
    assert {"us-dnc": LIST} == ledger.past(run.store).known


def test_a_release_that_was_withheld_or_refused_is_not_spent(run: Run) -> None:
    """It is still to be done."""
    world = World(contacts=[Contact(email=CYD)], refuse=frozenset({ADA}))

    made, receipt = done(run, world, contacts=(ADA,), releases=(CYD,))
    record.close(run, code=receipt.exit_code, plan=made, done=receipt)

    assert frozenset() == ledger.past(run.store).spent


def tables(run: Run) -> list[str]:
    """Return the names of the run's tables."""
    return sorted(path.name for path in run.folder.glob("tables/*/*"))


def test_a_run_that_changed_nothing_keeps_no_tables(run: Run) -> None:
    """But what the specs did wrong stays to be looked at."""
    made, receipt = done(run, World(contacts=[Contact(email=ADA)]), contacts=(ADA,))
    (run.tables("us-dnc") / "invalid.csv").write_text("row", encoding="utf-8")

    record.close(run, code=0, plan=made, done=receipt)

    assert ["invalid.csv"] == tables(run)


def test_a_run_that_changed_something_keeps_its_tables(run: Run) -> None:
    """They say to whom."""
    made, receipt = done(run, World(), contacts=(ADA,))

    record.close(run, code=0, plan=made, done=receipt)

    assert ["gap.parquet"] == tables(run)


def test_a_run_that_broke_off_after_a_request_keeps_its_tables(run: Run) -> None:
    """What came of the request is not known, so neither is that nothing changed."""
    world = World()

    def die(request: str) -> None:
        if request == "send":
            raise KeyboardInterrupt

    world.before = die
    with suppress(KeyboardInterrupt):
        done(run, world, contacts=(ADA,))

    record.close(run, code=130)

    assert ["gap.parquet"] == tables(run)
