"""The whole way with the installed command, over a real socket and inside one process."""

import hashlib
import re
import signal
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from program import PATIENCE, Ran, Workplace, now, workplace
from reconciler import sandbox

NAMED = "create: true\n  list: {name: US Do Not Call}\n  batchReason: Monthly sweep"
CONTACTS = (
    'phoneNumber: "+1 212 555 0101"',
    'phoneNumber: "(312) 555-0102", reason: COMPLIANCE, suppressUntil: 2031-12-31',
    "email: Ann@Example.com, reason: UNSUBSCRIBE",
)
HEAD = "phone,code\n"
ROWS = tuple(f"+1415555{number:04},DNC\n" for number in range(100, 107))
SOURCE = """\
  sources: [{path: contacts.csv, columns: {phoneNumber: phone, reason: code}}]
"""
NOTHING = "No changes. The service matches the specs. Surplus kept: 1."


@pytest.fixture
def work(tmp_path: Path) -> Workplace:
    """Return a folder to work in."""
    return workplace(tmp_path)


def declare(work: Workplace, *contacts: str, rows: tuple[str, ...] = ROWS, more: str = "") -> None:
    """Declare three contacts inline and seven in a file."""
    work.write("contacts.csv", HEAD + "".join(rows))
    work.declare(*contacts, identity=NAMED, more=SOURCE + more)


def released(phone: str) -> str:
    """Return a release with its ground."""
    return (
        f'  releases: [{{phoneNumber: "{phone}", basis: written re-consent, ticket: LEGAL-1, '
        f"requestedBy: privacy, requestedAt: {now():%Y-%m-%dT%H:%M:%SZ}}}]\n"
    )


def test_a_list_is_kept_equal_to_its_spec_over_a_real_socket(work: Workplace) -> None:
    """Validate, ping, plan, apply the plan, drift, heal, release: each says what it promises."""
    with work.started("sandbox", "--port", "0", "--data", str(work.database)) as service:
        assert service.stdout
        work.reach(service.stdout.readline().decode().strip())
        declare(work, *CONTACTS)

        _is_made_and_filled(work)
        _drifts_and_heals(work)
        _lets_one_go(work)
        service.send_signal(signal.SIGTERM)
        assert service.wait(PATIENCE) == 143
    assert [] == work.leaks()


def _is_made_and_filled(work: Workplace) -> None:
    assert "2 files, 1 list, 10 contacts. No problems." == work.run("validate").last
    pinged = work.run("ping")
    assert (0, "3 checks. All passed.") == (pinged.code, pinged.last)
    assert "not there yet, to be created" in pinged.out

    planned = work.run("plan", "--out", "plan.json", "--detailed-exitcode")
    counts = "10 to suppress, 0 to amend, 0 to shorten, 0 to release. List size 0 -> 10."
    assert 2 == planned.code
    assert f"Plan: {counts} Surplus kept: 0." == planned.last
    assert f"us-dnc: {counts} Surplus kept: 0." == planned.out.splitlines()[-2]
    assert (work.folder / "plan.json").read_bytes() == (work.newest / "plan.json").read_bytes()

    applied = work.run("apply", "plan.json")
    list_id = sandbox.list_ids(work.database)["US Do Not Call"]
    assert 0 == applied.code
    assert f"  + created    pin listId: {list_id}" in applied.out.splitlines()
    did = "10 suppressed, 0 amended, 0 shortened, 0 released, 0 rejected. 1 batch."
    assert [
        f"us-dnc: {did}",
        f"Applied: {did} Run {work.newest.name}.",
    ] == applied.out.splitlines()[-2:]
    assert {
        "changes.parquet", "journal.jsonl", "observed.json", "plan.json", "receipt.json",
        "report.md", "run.json", "specs.json", "tables",
    } == {path.name for path in work.newest.iterdir()}  # fmt: skip
    held = work.held(list_id)
    assert 10 == len(held)
    assert "COMPLIANCE" == held["+13125550102"][0]
    assert "ann@example.com" in held
    again = work.call("plan", "--detailed-exitcode")
    assert (0, NOTHING.replace("1.", "0.")) == (again.code, again.last)


def _drifts_and_heals(work: Workplace) -> None:
    list_id = sandbox.list_ids(work.database)["US Do Not Call"]
    other = sandbox.stranger(work.database)
    other.remove(list_id, "+14155550103")
    other.remove(list_id, "ann@example.com")
    other.add(list_id, phone="+19175550199", reason="CUSTOMER_REQUEST")

    drifted = work.run("drift")
    assert (3, "Drift: 2 missing (critical), 1 surplus, 0 differ.") == (drifted.code, drifted.last)
    healed = work.run("apply", "--auto-approve", "--format", "json").document
    assert (2, 0, 1) == tuple(
        healed["counts"][key] for key in ("suppressed", "released", "surplus")
    )
    assert "Monthly sweep" == healed["lists"][0]["batch_reason"]
    assert 11 == len(work.held(list_id))


def _lets_one_go(work: Workplace) -> None:
    list_id = sandbox.list_ids(work.database)["US Do Not Call"]
    declare(work, *CONTACTS, rows=ROWS[1:])
    kept = work.call("plan")
    assert NOTHING.replace("1.", "2.") == kept.last
    declare(work, *CONTACTS, rows=ROWS[1:], more=released("+14155550100"))
    work.policy("maxReleases: {share: 50%, count: 1}")

    applied = work.run("apply", "--auto-approve")

    until = work.held(list_id)["+14155550100"][1]
    assert 0 == applied.code
    assert applied.last.startswith(
        "Applied: 0 suppressed, 0 amended, 0 shortened, 1 released, 0 rejected. 1 batch. Run "
    )
    assert until is not None
    assert timedelta(minutes=8) < until - now() < timedelta(minutes=12)
    again = work.call("plan")
    assert NOTHING == again.last
    assert "this release is spent, delete this line" in again.out
    assert 0 == work.call("drift").code


def test_the_ledger_names_every_run_and_the_one_before(work: Workplace) -> None:
    """Planned, drifted and refused runs too; each file carries the digest of the last."""
    work.embed()
    declare(work, *CONTACTS)
    for words in (("plan",), ("drift",), ("apply", "--auto-approve"), ("ping",)):
        work.call(*words)

    files = sorted((work.state / "ledger").iterdir())
    held = [orjson.loads(path.read_bytes()) for path in files]

    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    assert ["plan", "drift", "apply", "ping"] == [each["command"] for each in held]
    assert [0, 3, 0, 0] == [each["exit_code"] for each in held]
    assert ["0" * 64, *digests[:-1]] == [each["previous"] for each in held]
    assert [1, 2, 3, 4] == [each["number"] for each in held]


def test_a_selection_narrows_what_is_worked_on_and_not_what_is_loaded(work: Workplace) -> None:
    """By path, name or label, with flags or their variables; tenants and policy always count."""
    work.embed()
    for name, region in (("us-dnc", "us"), ("eu-dnc", "eu")):
        identity = f"create: true\n  list: {{name: List {name}}}"
        work.declare(f"email: someone@{name}.example", name=name, identity=identity)
        path = work.folder / "specs" / f"{name}.yaml"
        path.write_text(path.read_text("utf-8").replace("region: us}}", f"region: {region}}}}}"))

    def lists(ran: Ran) -> list[str]:
        return [each["key"] for each in ran.document["lists"]]

    json = ("--format", "json")
    by_path = work.call("plan", "specs/eu-dnc.yaml", *json)
    by_name = work.call("plan", "--list", "us-dnc", *json)
    by_label = work.call("plan", *json, settings={"RECONCILER_PLAN_LABEL": "region=eu"})
    nobody = work.call("plan", "--label", "region=asia", *json)
    unknown = work.call("drift", "--list", "us-dnk", *json)

    assert [["eu-dnc"], ["us-dnc"], ["eu-dnc"]] == [*map(lists, (by_path, by_name, by_label))]
    assert (7, 7) == (nobody.code, unknown.code)


def test_a_plan_as_of_another_time_is_a_preview(work: Workplace) -> None:
    """It judges ends by that time, says so, and is never applied."""
    work.have(("+12125550101", "DNC", "2030-01-01T00:00:00Z"))
    work.embed()
    work.declare('phoneNumber: "+12125550101", suppressUntil: 2035-01-01')

    ahead = work.call("plan", "--as-of", "2031-01-01T00:00:00Z")
    later = work.call("plan", "--as-of", "2036-01-01", "--format", "json")
    saved = work.call("plan", "--as-of", "2031-01-01", "--out", "plan.json")
    applied = work.call("apply", str(work.newest / "plan.json"), "--auto-approve")

    assert "Preview as of 2031-01-01T00:00:00Z: to be read, never applied." in ahead.out
    assert "Plan: 1 to suppress," in ahead.last
    assert (True, True) == (later.document["preview"], later.document["empty"])
    assert 64 == saved.code
    assert 5 == applied.code
    assert re.search("is a preview .* and is never applied", applied.err)


def test_a_read_is_remembered_and_read_again_when_asked(work: Workplace) -> None:
    """An unchanged list costs one request, unless --refresh always; drift always reads."""
    other = work.have(("+12125550101", "DNC", None))
    work.embed()
    work.declare('phoneNumber: "+12125550101"', 'phoneNumber: "+12125550102"')
    work.call("apply", "--auto-approve")

    def pages() -> int:
        calls = work.artifact("observed.json")
        return sum(not each["cached"] for each in calls["lists"])

    work.call("plan")
    first = pages()
    work.call("plan")
    remembered = pages()
    work.call("plan", "--refresh", "always")
    asked = pages()
    other.touch("7f3e2c")
    work.call("plan", settings={"RECONCILER_PLAN_REFRESH": "auto"})

    assert (0, 1, 1) == (remembered, asked, pages())
    assert first in (0, 1)
