"""A report over a period: figures of runs whose evidence is there, and what cannot be told."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import engines
from builders import NOW, place
from past_runs import Past
from reconciler import ledger, report
from reconciler.artifacts import Run
from reconciler.attestation import Attestation, Size, Verified
from reconciler.clocks import Limit
from reconciler.errors import SettingError
from reconciler.model import InlineContact, Overrides
from reconciler.period import Question
from reconciler.store import DirectoryStore
from reconciler.times import zulu
from worlds import Contact, World, running

DAY = timedelta(days=1)
START, END = NOW - DAY, NOW + 30 * DAY
ANN, BOB, CAT = "ann@example.com", "bob@example.com", "cat@example.com"


def wants(*addresses: str, at: str = "2026-11-02") -> tuple[InlineContact, ...]:
    """Contacts that were asked for then."""
    return tuple(
        InlineContact(
            place=place(line=10 + number),
            email=one,
            reason="DNC",
            suppress_until="never",
            requested_at=at,
        )
        for number, one in enumerate(addresses)
    )


def attest(folder: Path, **changes: Any) -> Attestation:
    """The report of a period that holds all the runs of a test."""
    asked = Question(start=START, end=END, made=END)
    return report.attest(DirectoryStore(folder), replace(asked, **changes), engine=engines.shared())


def unknown(made: Attestation) -> dict[str, int]:
    """What a report cannot tell, by its word."""
    return {one.what: one.count for one in made.unknown}


# ---------------------------------------------------------------- real runs


@pytest.fixture
def past(tmp_path: Path) -> Past:
    """A list with one contact at the service, and a spec that wants two more."""
    made = Past(state=tmp_path, world=World(contacts=[Contact(email=CAT)]))
    made.declare(*wants(ANN, BOB))
    return made


def test_what_was_done_to_a_list_is_what_its_receipts_say(past: Past) -> None:
    """Sizes before and after, with what the last run changed counted in."""
    first = past.apply()
    past.declare(*wants(ANN, BOB, "dan@example.com"))
    past.apply()

    (told,) = attest(past.state).lists

    assert first
    assert Size(contacts=1, at=NOW + DAY / 1440, run=first.run, counted=False) == told.first
    assert told.last
    assert (4, True) == (told.last.contacts, told.last.counted)
    assert ("us-dnc", 2, 3, 0, 1) == (
        told.key,
        told.runs,
        told.counts.suppressed,
        told.counts.rejected,
        told.surplus,
    )


def test_the_next_period_begins_with_the_size_that_the_last_one_ended_with(past: Past) -> None:
    """As the last run before it left the list."""
    past.apply()
    past.time += DAY
    past.plan()

    (told,) = attest(past.state, start=NOW + DAY).lists

    assert told.first
    assert told.last
    assert (3, True, 3, False) == (
        told.first.contacts,
        told.first.counted,
        told.last.contacts,
        told.last.counted,
    )
    assert 0 == told.counts.suppressed


def test_requests_are_clocked_from_the_spec_to_the_service(past: Past) -> None:
    """Of a bare date from its end; the limit says which of them took too long."""
    past.apply()

    made = attest(past.state)
    lenient = attest(past.state, limit=Limit(business_days=15))
    longer = attest(past.state, limit=Limit(span=timedelta(days=20, hours=12)))

    assert (2, 2, 15) == (made.clocks.met, made.clocks.met_late, made.clocks.worst_days)
    assert (False, True, True) == (made.in_order, lenient.in_order, longer.in_order)
    assert [("us-dnc", 10), ("us-dnc", 11)] == sorted(
        (each.key, each.line) for each in made.breaches
    )
    assert {datetime(2026, 11, 2, 23, 59, 59, tzinfo=UTC)} == {
        each.requested for each in made.breaches
    }


def test_a_request_that_is_refused_stays_open_until_it_is_not_asked_any_more(past: Past) -> None:
    """By the end of each period it is what it is by then."""
    past.world.refuse = frozenset({BOB})
    past.apply()
    past.time += 3 * DAY
    past.declare(*wants(ANN))
    past.apply()

    before = attest(past.state, end=NOW + DAY)
    after = attest(past.state)

    assert (1, 1, 0) == (before.clocks.open, before.clocks.open_late, before.clocks.withdrawn)
    assert (0, 1, 1) == (after.clocks.open, after.clocks.withdrawn, after.clocks.withdrawn_late)
    assert (1, 1) == (before.lists[0].counts.rejected, before.lists[0].counts.rejected_contacts)


def test_who_is_missing_is_told_from_the_run_that_saw_it_to_the_one_that_healed_it(
    past: Past,
) -> None:
    """Others that see it in between are counted."""
    past.plan()
    past.time += DAY
    past.declare(*wants(ANN, BOB, "dan@example.com"))
    past.plan()
    past.apply()

    (seen,) = attest(past.state).unprotected

    assert ("us-dnc", 2, 3, 3) == (seen.key, seen.contacts, seen.most, seen.runs)
    assert (NOW + DAY / 1440, 24.03) == (seen.seen, seen.hours)
    assert seen.closed == NOW + DAY + 3 * DAY / 1440


def test_a_run_that_heals_what_it_finds_leaves_nothing_missing(past: Past) -> None:
    """Only what it could not put on the list is."""
    past.apply()
    healed = attest(past.state).unprotected
    past.world.refuse = frozenset({"dan@example.com"})
    past.declare(*wants(ANN, BOB, "dan@example.com"))
    past.apply()

    (left,) = attest(past.state).unprotected

    assert () == healed
    assert (1, None, "") == (left.contacts, left.closed, left.closed_by)


def test_a_time_that_began_before_the_period_is_told_while_it_lasts(past: Past) -> None:
    """From the first run that saw it, however many followed; and no more once it is over."""
    past.plan()
    past.plan()
    past.time += 2 * DAY
    past.plan()
    past.apply()
    past.time += DAY
    past.plan()

    during = attest(past.state, start=NOW + DAY).unprotected
    later = attest(past.state, start=NOW + 2 * DAY + DAY / 4).unprotected

    assert [NOW + DAY / 1440] == [each.seen for each in during]
    assert () == later


def test_a_preview_says_nothing_of_what_is(past: Past) -> None:
    """It was made for another time."""
    past.plan(preview=True, days=400)

    made = attest(past.state)

    assert ((), ()) == (made.lists, made.unprotected)


def test_runs_after_the_period_are_not_of_it(past: Past) -> None:
    """Nor are those before it, but for what they leave behind."""
    past.apply()

    made = attest(past.state, end=NOW)

    assert ((), (), 0) == (made.runs, made.lists, made.clocks.met)


def test_a_period_that_is_not_over_is_told_as_it_is_now(past: Past) -> None:
    """Nothing is late before its time."""
    past.world.refuse = frozenset({BOB})
    past.declare(*wants(BOB, at="2026-11-20"))
    past.apply()

    early = attest(past.state, made=NOW + DAY)
    late = attest(past.state)

    assert (1, 0) == (early.clocks.open, early.clocks.open_late)
    assert (1, 1) == (late.clocks.open, late.clocks.open_late)
    assert 1 == unknown(early)["not-over"]
    assert "not-over" not in unknown(late)


def test_only_the_lists_that_are_asked_for_are_told_of(past: Past) -> None:
    """One that no run has seen is nobody's to attest."""
    past.apply()

    made = attest(past.state, lists=("us-dnc",))
    with pytest.raises(SettingError, match="has seen a list named us-dcn") as error:
        attest(past.state, lists=("us-dcn",))

    assert ["us-dnc"] == [one.key for one in made.lists]
    assert "did you mean us-dnc?" == error.value.hint


def test_evidence_that_is_gone_is_told_and_never_made_up(past: Past) -> None:
    """The rest is told as before."""
    past.apply()
    past.time += DAY
    past.apply()
    gone = tuple(past.state.glob("runs/*/changes.parquet"))
    for path in gone:
        path.unlink()

    made = attest(past.state)
    later = attest(past.state, start=NOW + DAY / 2)

    assert (0, 0) == (made.clocks.met, made.lists[0].counts.suppressed)
    assert len(gone) == unknown(made)["evidence"]
    assert 1 == unknown(later)["earlier-changes"]


# ---------------------------------------------------------------- made-up evidence


@dataclass
class Evidence:
    """A store in which runs are written down as if they had been."""

    folder: Path

    def ended(
        self,
        *,
        after: float = 0,
        command: str = "plan",
        outcome: str = "done",
        written: Mapping[str, object] | None = None,
        do: Callable[[Run], None] | None = None,
        **line: Any,
    ) -> str:
        """Write a run down with its artifacts, and return its id."""
        at = NOW + after * DAY
        with running(folder=self.folder, clock=lambda: at) as run:
            named = replace(run, command=command)
            for name, content in (written or {}).items():
                named.write(name, content)
            if do:
                do(named)
            ledger.append(named, outcome=outcome, exit_code=0, **line)
            return run.id

    @contextmanager
    def altered(self, number: int) -> Iterator[Path]:
        """The file of a line in the ledger, to be spoilt."""
        yield self.folder / "ledger" / f"{number:08d}.json"


@pytest.fixture
def evidence(tmp_path: Path) -> Evidence:
    """An empty store."""
    return Evidence(tmp_path)


def seen(*, size: int = 10, complete: bool = True, feeds: Any = ()) -> dict[str, object]:
    """What a run that read a list writes of it."""
    looked = {"key": "us-dnc", "id": "7f", "complete": complete, "size": size}
    return {
        "observed.json": {"lists": [looked]},
        "specs.json": {"lists": [{"key": "us-dnc", "feeds": feeds}]},
    }


def test_runs_are_counted_by_command_and_outcome(evidence: Evidence) -> None:
    """Refused and failed ones alike, whatever they left."""
    for outcome in ("done", "refused", "done"):
        evidence.ended(outcome=outcome)
    evidence.ended(command="drift", outcome="failed")

    made = attest(evidence.folder)

    assert [("drift", "failed", 1), ("plan", "done", 2), ("plan", "refused", 1)] == [
        (each.command, each.outcome, each.runs) for each in made.runs
    ]
    assert [4] == [*made.versions.values()]


def test_a_source_is_told_at_its_oldest(evidence: Evidence) -> None:
    """Against 31 days, and against what its spec allows; one without a date says nothing."""

    def feed(**changes: object) -> dict[str, object]:
        told = {"path": "a.csv", "as_of": zulu(NOW), "max_age": "P60D", "stale": False}
        return {**told, **changes}

    undated = {"path": "b.csv", "as_of": None, "max_age": None, "stale": False}
    evidence.ended(after=1, written=seen(feeds=[feed(), undated]))
    last = evidence.ended(after=31, written=seen(feeds=[feed(stale=True)]))
    evidence.ended(after=32, written=seen(feeds=[feed()]))

    one, other = attest(evidence.folder, end=NOW + 31 * DAY, made=NOW + 40 * DAY).feeds
    beyond, _ = attest(evidence.folder, end=NOW + 40 * DAY, made=NOW + 40 * DAY).feeds

    assert ("us-dnc", "a.csv", 2, 31, last, 0, 1, "P60D") == (
        one.key,
        one.path,
        one.runs,
        one.worst_days,
        one.worst_run,
        one.beyond,
        one.stale,
        one.max_age,
    )
    assert (None, 1, 1) == (other.worst_days, other.untold, other.runs)
    assert (32, 1) == (beyond.worst_days, beyond.beyond)


def test_an_override_is_told_with_its_reason_and_who_gave_it(evidence: Evidence) -> None:
    """As the flags that were given; an address in a reason is masked."""
    given = Overrides(
        max_releases=5,
        allow_empty=("us-dnc", "eu-dnc"),
        ignore_freeze=True,
        reason="LEGAL-9 for zoe@example.com",
    )
    name = evidence.ended(command="apply", overrides=given)

    (told,) = attest(evidence.folder).overrides

    flags = ("--max-releases 5", "--allow-empty us-dnc", "--allow-empty eu-dnc", "--ignore-freeze")
    assert (name, flags, "LEGAL-9 for z•••@example.com") == (told.run, told.what, told.reason)
    assert told.actor


def test_a_refusal_is_counted_by_list_and_rule(evidence: Evidence) -> None:
    """With what was said the last time."""
    for number in (1, 2):
        refusal = {
            "key": "us-dnc",
            "rule": "max-releases",
            "direction": "release",
            "message": f"{number} releases is too many",
        }
        plan = {"lists": [{"key": "us-dnc", "refusals": [refusal]}]}
        evidence.ended(after=number, outcome="refused", written={"plan.json": plan})

    (told,) = attest(evidence.folder).refusals

    assert ("us-dnc", "max-releases", "release", 2, "2 releases is too many") == (
        told.key,
        told.rule,
        told.direction,
        told.runs,
        told.message,
    )
    assert NOW + 2 * DAY == told.last


def test_events_that_were_not_taken_are_told(evidence: Evidence) -> None:
    """Those that still lie in the outbox, and those that somebody took since; no secrets."""
    url = "https://user:hush@crm.example:8443/hooks/hush?token=hush"
    hooks = [
        {"key": "us-dnc", "url": at, "event_id": name, "delivered": name == "a"}
        for name, at in (("a", url), ("b", url), ("c", "https://[hush"))
    ]
    evidence.ended(command="apply", written={"receipt.json": {"webhooks": hooks}})
    (evidence.folder / "outbox" / "events").mkdir(parents=True)
    (evidence.folder / "outbox" / "events" / "b.json").write_bytes(b"{}")

    found = attest(evidence.folder).undelivered

    assert [("b", "https://crm.example:8443", True), ("c", "", False)] == [
        (each.event_id, each.url, each.waiting) for each in found
    ]


def test_an_interrupted_run_is_told_with_what_is_in_doubt(evidence: Evidence) -> None:
    """Its rows are in no figure."""
    step = {"taken": 4, "rejected": 0, "in_doubt": 3}
    papers = {"interrupted.json": {"lists": {"us-dnc": {"suppress": step, "amend": step}}}}
    evidence.ended(
        command="apply", outcome="interrupted", written={**papers, "journal.jsonl": b"{}\n"}
    )

    made = attest(evidence.folder)

    assert [("apply", 6)] == [(each.command, each.in_doubt) for each in made.interrupted]
    assert 1 == unknown(made)["interrupted"]


def test_a_drift_report_tells_who_is_missing_and_by_whom(evidence: Evidence) -> None:
    """Until a run finds nobody missing; one that could not read the list says nothing."""

    def drift(missing: int, outside: int) -> dict[str, object]:
        told = {"key": "us-dnc", "missing": missing, "surplus": 7}
        origins = {"missing": {"pending": 0, "outside": outside, "unknown": 0}}
        return {"drift.json": {"lists": [{**told, "origins": origins}]}}

    evidence.ended(command="drift", written=seen() | drift(3, 2))
    evidence.ended(after=1, command="drift", written=seen(complete=False) | drift(0, 0))
    closed = evidence.ended(after=2, command="drift", written=seen() | drift(0, 0))

    made = attest(evidence.folder)

    (told,) = made.unprotected
    assert (3, 2, 48.0, closed) == (told.contacts, told.outside, told.hours, told.closed_by)
    assert 7 == made.lists[0].surplus
    assert 1 == unknown(made)["incomplete"]


def test_what_was_over_before_the_period_is_not_of_it(evidence: Evidence) -> None:
    """However far back one has to look for the state of another list."""

    def drift(key: str, missing: int) -> dict[str, object]:
        looked = {"key": key, "id": key, "complete": True, "size": 1}
        told = {"key": key, "missing": missing, "surplus": 0, "origins": {}}
        return {"observed.json": {"lists": [looked]}, "drift.json": {"lists": [told]}}

    evidence.ended(after=-9, command="drift", written=drift("us-dnc", 2))
    evidence.ended(after=-8, command="drift", written=drift("us-dnc", 0))
    evidence.ended(after=1, command="drift", written=drift("us-dnc", 0))
    evidence.ended(after=1, command="drift", written=drift("new", 0))

    assert () == attest(evidence.folder).unprotected


@pytest.mark.parametrize(("lapsed", "left"), [(1, 0), (0, 1)])
def test_who_lapsed_before_being_sent_is_not_missing(
    evidence: Evidence, lapsed: int, left: int
) -> None:
    """Everybody else has to have been taken."""
    plan = {
        "lists": [
            {
                "key": "us-dnc",
                "refusals": [],
                "complete": True,
                "actions": [],
                "gap": {"missing": 2, "surplus": 0, "released": 0},
                "grounds": [],
            }
        ]
    }
    outcome = {"key": "us-dnc", "op": "suppress", "taken": 1, "lapsed": lapsed}
    receipt: dict[str, object] = {"outcomes": [outcome], "webhooks": []}
    evidence.ended(command="apply", written=seen() | {"plan.json": plan, "receipt.json": receipt})

    assert left == len(attest(evidence.folder).unprotected)


def test_what_let_somebody_go_is_told_with_its_ticket(evidence: Evidence) -> None:
    """From the plan that the run carried out, and masked as everything that people wrote."""
    ground = {
        "op": "release",
        "basis": "asked by zoe@example.com",
        "source": "specs/us.yaml",
        "line": 9,
        "ticket": "LEGAL-1",
    }
    plan = {
        "lists": [
            {
                "key": "us-dnc",
                "refusals": [],
                "complete": True,
                "actions": [{"kind": "Release"}],
                "gap": {"missing": 0, "surplus": 1, "released": 2},
                "grounds": [ground],
            }
        ]
    }
    row = {
        "pseudonym": "f" * 64,
        "list": "us-dnc",
        "op": "release",
        "status": "done",
        **{name: ground[name] for name in ("basis", "source", "line")},
    }

    def changes(run: Run) -> None:
        pq.write_table(pa.Table.from_pylist([row]), run.folder / "changes.parquet")

    receipt: dict[str, list[object]] = {"outcomes": [], "webhooks": []}
    evidence.ended(
        command="apply",
        written=seen() | {"plan.json": plan, "receipt.json": receipt},
        do=changes,
    )

    made = attest(evidence.folder)

    assert [("release", "asked by z•••@example.com", "LEGAL-1", 1)] == [
        (each.op, each.basis, each.ticket, each.contacts) for each in made.let_go
    ]
    (told,) = made.lists
    assert told.last
    assert (1, 9, 1) == (told.counts.released, told.last.contacts, told.surplus)
    assert {"without-request": 1, "without-time": 1} == unknown(made)


def test_what_nobody_can_read_is_counted(evidence: Evidence) -> None:
    """A ledger file, and documents that are none or say something else."""
    for number in range(4):
        evidence.ended(after=number, written=seen())
    with evidence.altered(1) as path:
        path.write_bytes(b"{")
    second, third, _ = sorted(evidence.folder.glob("runs/*/observed.json"))[1:]
    second.write_bytes(b"[]")
    third.write_bytes(b'{"lists": [{"key": 1}]}')

    made = attest(evidence.folder)

    assert {"ledger": 1, "evidence": 1} == unknown(made)
    assert [3] == [each.runs for each in made.runs]
    assert [("us-dnc", 1)] == [(each.key, each.runs) for each in made.lists]


def test_a_run_without_its_last_word_is_told(evidence: Evidence) -> None:
    """It is still under way, or nobody knows yet that it is not."""
    with running(folder=evidence.folder) as run:
        ledger.releasing(run, {"key"})

    made = attest(evidence.folder)

    assert () == made.runs
    assert {"under-way": 1} == unknown(made)


@pytest.mark.parametrize(
    ("verified", "in_order"),
    [
        (None, True),
        (Verified(whole=True), True),
        (Verified(whole=False, findings=("altered",), count=1), False),
    ],
)
def test_what_verifying_came_to_stands_in_it(
    evidence: Evidence, verified: Verified | None, in_order: bool
) -> None:
    """Who verifies is somebody else."""
    evidence.ended()

    made = attest(evidence.folder, verified=verified)

    assert (verified, in_order) == (made.verified, made.in_order)


def test_without_a_ledger_there_is_no_report(evidence: Evidence) -> None:
    """A place that was mistyped is no quiet period."""
    with pytest.raises(SettingError, match="there is no ledger in ") as error:
        attest(evidence.folder)

    assert "RECONCILER_STORE" in error.value.hint


def test_a_quiet_period_is_a_report_too(evidence: Evidence) -> None:
    """Somebody looked, and there was nothing."""
    evidence.ended(after=-9)

    made = attest(evidence.folder)

    assert ((), (), (), True) == (made.runs, made.lists, made.unknown, made.in_order)
