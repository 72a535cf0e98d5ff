"""What goes wrong on the way and at the service ends in the right state, or in an honest code."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from program import LIST, Workplace, now, workplace

PHONES = tuple(f"+12125550{number}" for number in range(100, 110))
NEW = ("+13125550120", "+13125550121")
AMENDED, LET_GO = PHONES[0], PHONES[9]
CONTACTS = "/api/v2/lists/*/contacts"
LISTS = "/api/v2/lists/*"


@pytest.fixture
def work(tmp_path: Path) -> Workplace:
    """Return a list of which everything is to be done: settings, suppress, amend, release."""
    work = workplace(tmp_path)
    work.have(*((phone, "DNC", None) for phone in PHONES))
    work.policy("maxReleases: {share: 100%, count: 10}")
    declare(work)
    return work


def declare(work: Workplace) -> None:
    """Want two more, another reason for one, one let go, and another name."""
    wanted = [f'phoneNumber: "{phone}"' for phone in (*PHONES[1:9], *NEW)]
    amended = f'phoneNumber: "{AMENDED}", reason: COMPLIANCE'
    ground = f"basis: b, ticket: T-1, requestedBy: p, requestedAt: {now():%Y-%m-%d}"
    more = f'  releases: [{{phoneNumber: "{LET_GO}", {ground}}}]\n  list: {{name: US DNC}}\n'
    work.declare(*wanted, amended, more=more)


def all_done(work: Workplace) -> bool:
    """Tell whether the list is as the spec says, and nobody but one was let go."""
    held = work.held()
    let_go = [phone for phone, (_, until) in held.items() if until]
    right = {*PHONES, *NEW} == set(held) and held[AMENDED][0] == "COMPLIANCE"
    return right and let_go == [LET_GO]


@contextmanager
def service(work: Workplace, *faults: str) -> Iterator[None]:
    """Serve the list with these faults."""
    with work.service(*faults):
        yield


# ---------------------------------------------------------------- mended by itself


@pytest.mark.parametrize(
    ("faults", "retries"),
    [
        (
            (
                "status:503@/oauth/token#1",
                f"reset@GET {LISTS}#1",
                f"truncate@GET {CONTACTS}#1",
                f"lost@POST {CONTACTS}#1",
                f"bump@PATCH {LISTS}#1",
            ),
            4,
        ),
        (
            (
                f"status:401@GET {LISTS}#1",
                f"html@GET {CONTACTS}#1",
                f"status:429;retry-after=1@POST {CONTACTS}#1",
                f"status:503;retry-date=1@PATCH {LISTS}#1",
                f"truncate@POST {CONTACTS}#3",
            ),
            4,
        ),
    ],
    ids=["breaking", "answering"],
)
def test_every_kind_of_request_may_fail_once(
    work: Workplace, faults: tuple[str, ...], retries: int
) -> None:
    """The apply mends it: everything is done, counted, and nothing is left to do."""
    with service(work, *faults):
        applied = work.run("apply", "--auto-approve", "--format", "json")
        again = work.call("plan", "--detailed-exitcode")

    did = applied.document["counts"]
    measured = applied.document["metrics"]
    assert 0 == applied.code, applied.err
    assert (2, 1, 1) == (did["suppressed"], did["amended"], did["released"])
    assert all_done(work)
    assert (0, "No changes. The service matches the specs. Surplus kept: 0.") == (
        again.code,
        again.last,
    )
    assert retries == measured["retries"]
    assert 1 == measured["settings_updated"]
    assert "waiting " in applied.err


def test_a_wait_that_the_service_asks_for_is_waited(work: Workplace) -> None:
    """As long as it says, and the receipt tells."""
    with service(work, f"status:429;retry-after=1@POST {CONTACTS}#1"):
        applied = work.call("apply", "--auto-approve", "--format", "json")

    assert 0 == applied.code
    assert applied.document["metrics"]["waits"] >= 1
    assert applied.document["metrics"]["wait_seconds"] >= 1
    assert "waiting 1.0 s: " in applied.err


# ---------------------------------------------------------------- not to be mended


def test_a_failing_list_stops_no_other(work: Workplace) -> None:
    """It is an outcome, and its code wins; the other list is done."""
    work.have(list_id="down", name="Down")
    work.declare(f'phoneNumber: "{NEW[0]}"', name="down", identity="listId: down")
    work.declare(f'phoneNumber: "{NEW[0]}"', name="gone", identity="listId: gone")

    with service(work, "status:503;retry-after=0@POST /api/v2/lists/down/contacts"):
        planned = work.call("plan", "--list", "gone")
        applied = work.run("apply", "--auto-approve")

    assert (1, 1) == (planned.code, applied.code)
    assert "! failed gone: " in planned.out
    assert all_done(work)
    assert {} == work.held("down")
    assert "us-dnc: 2 suppressed, 1 amended, 0 shortened, 1 released, 0 rejected." in applied.out
    assert "down: 0 suppressed," in applied.out
    assert 1 == work.artifact("receipt.json")["exit_code"]


def test_a_refused_row_costs_no_other_and_holds_back_the_releases(work: Workplace) -> None:
    """It is kept with its reason; the next run sends it again and nothing else."""
    blocked = f"reject:CARRIER_BLOCKED;ending={NEW[1][-7:]}@POST {CONTACTS}"
    with service(work, blocked):
        applied = work.run("apply", "--auto-approve")
        rejected = pq.read_table(work.newest / "tables" / "us-dnc" / "rejected.parquet")
        held = work.held()
        receipt = work.artifact("receipt.json")
        leaks = work.leaks()
    with service(work):
        healed = work.call("apply", "--auto-approve")
        sent = [line["rows"] for line in work.journal() if line["event"] == "intent"]

    assert 6 == applied.code
    assert "Applied: 1 suppressed, 1 amended, 0 shortened, 0 released, 1 rejected." in applied.last
    assert "      1 CARRIER_BLOCKED" in applied.out
    assert [NEW[1]] == rejected.column("address").to_pylist()
    assert NEW[0] in held
    assert NEW[1] not in held
    assert held[LET_GO][1] is None
    assert {"CARRIER_BLOCKED": 1} == receipt["metrics"]["rejected_codes"]
    assert 1 / 3 == pytest.approx(receipt["metrics"]["validation_error_rate"])
    assert [] == leaks
    assert 0 == healed.code
    assert [1, 1] == sent
    assert all_done(work)


def test_codes_win_in_their_order(work: Workplace) -> None:
    """A failure over a refusal, a refusal over a rejected row; the format changes nothing."""
    work.policy("maxReleases: {share: 0%, count: 0}")
    with service(work, f"reject:CARRIER_BLOCKED@POST {CONTACTS}"):
        refused = work.call("apply", "--auto-approve", "--format", "json")
        work.declare(name="gone", identity="listId: gone")
        failed = work.call("apply", "--auto-approve", "--format", "json")
        markdown = work.call("plan", "--format", "markdown", "--detailed-exitcode")

    statuses = [each["status"] for each in refused.document["lists"][0]["outcomes"]]
    assert "rejected" in statuses
    assert (4, 1, 1) == (refused.code, failed.code, markdown.code)


def test_a_list_that_moves_while_it_is_read_lets_nobody_go(work: Workplace) -> None:
    """After three tries the read is doubted: suppressions without an end go on, no more."""
    with service(work, *(f"bump@GET {CONTACTS}#{number}" for number in (1, 3, 5))):
        applied = work.call("apply", "--auto-approve")

    held = work.held()
    assert 4 == applied.code
    assert "the list could not be read whole (it changed while it was read)" in applied.last
    assert set(NEW) <= set(held)
    assert held[LET_GO][1] is None
    assert "DNC" == held[AMENDED][0]


def test_a_stranger_who_renames_the_list_at_the_same_time_is_not_overruled(
    work: Workplace,
) -> None:
    """A version conflict: settings and releases are withheld, suppressions go on, exit code 5."""
    with service(work, f"bump:name@PATCH {LISTS}#1"):
        applied = work.run("apply", "--auto-approve")

    assert 5 == applied.code
    assert set(NEW) <= set(work.held())
    assert work.held()[LET_GO][1] is None
    assert "Applied: 2 suppressed, 1 amended, 0 shortened, 0 released," in applied.last


def test_who_is_not_let_in_is_told_so(work: Workplace) -> None:
    """Wrong secret, no right, nobody there: exit code 1, and the scopes that are needed."""
    with service(work, "status:401@/oauth/token"):
        token = work.run("plan", "--format", "json")
    with service(work, f"status:401@GET {LISTS}"):
        twice = work.call("plan")
    with service(work, f"status:403@GET {LISTS}"):
        forbidden = work.call("apply", "--auto-approve")
    nobody = work.call("drift")

    assert [1] * 4 == [each.code for each in (token, twice, forbidden, nobody)]
    assert "lists:contacts:write" in twice.out
    assert f"{PHONES[0][:4]}" not in twice.out + forbidden.out
    assert LIST in forbidden.out
