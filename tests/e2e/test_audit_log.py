"""``audit log`` and ``audit show`` as a user has them: offline, from the ledger."""

import csv
import io
import shutil
from pathlib import Path

import pytest

from program import Workplace, workplace

BLOCKED = "reject:CARRIER_BLOCKED;ending=0103@POST contacts"


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which a plan, an apply with a refused row, and a drift have run."""
    work = workplace(tmp_path_factory.mktemp("past"))
    work.have()
    work.declare('phoneNumber: "+12125550102"', 'phoneNumber: "+12125550103"')
    with work.service(BLOCKED):
        for words in (("plan",), ("apply", "--auto-approve"), ("drift",)):
            work.call(*words)
    return work.folder


@pytest.fixture
def work(past: Path, tmp_path: Path) -> Workplace:
    """Return a copy of it that a test may do anything to."""
    return workplace(shutil.copytree(past, tmp_path / "work"))


def test_the_log_tells_what_ran_the_newest_first(work: Workplace) -> None:
    """In three formats that agree; no service and no secret is needed, and nothing is written."""
    for name in ("CXONE_CLIENT_ID", "CXONE_CLIENT_SECRET"):
        del work.environment[name]
    files = {path: path.read_bytes() for path in work.state.rglob("*") if path.is_file()}

    text = work.run("audit", "log")
    document = work.call("audit", "log", "--format", "json").document
    rows = [*csv.DictReader(io.StringIO(work.call("audit", "log", "--format", "csv").out))]

    assert ["#3", "#2", "#1"] == [line.split()[0] for line in text.out.splitlines()]
    assert "apply  partly  1 suppressed, 1 rejected" in text.out
    assert ["drift", "apply", "plan"] == [line["command"] for line in document["lines"]]
    assert ["drift", "partly", "done"] == [row["outcome"] for row in rows]
    assert {"missing": 1, "surplus": 0}.items() <= document["lines"][0]["counts"].items()
    assert 2 == document["lines"][2]["counts"]["to_suppress"]
    assert files == {path: path.read_bytes() for path in work.state.rglob("*") if path.is_file()}


def test_the_log_is_narrowed_down(work: Workplace) -> None:
    """By list, time, outcome and number; flags have their variables."""

    def found(*words: str, **settings: str) -> list[int]:
        ran = work.call("audit", "log", "--format", "json", *words, settings=settings)
        return [line["number"] for line in ran.document["lines"]]

    assert [3, 2, 1] == found("--list", "us-dnc")
    assert [2] == found("--outcome", "partly")
    assert [3, 1] == found("--outcome", "done", "--outcome", "drift")
    assert [3] == found("--limit", "1")
    assert [] == found("--to", "2020-01-01")
    assert [3, 2, 1] == found("--from", "2020-01-01")
    assert [] == found(RECONCILER_AUDIT_LOG_TO="2020-01-01")
    assert [3, 2, 1] == found("--all")


def test_everything_about_a_run_can_be_shown(work: Workplace) -> None:
    """By number, beginning of its id, or as the latest; with what it left behind."""
    run = work.call("audit", "log", "--format", "json").document["lines"][1]["run"]

    text = work.call("audit", "show", "2")
    document = work.call("audit", "show", run, "--format", "json").document
    rows = [*csv.DictReader(io.StringIO(work.call("audit", "show", "#2", "--format", "csv").out))]
    latest = work.call("audit", "show", "latest")

    assert f"Run {run}: apply, partly" == text.out.splitlines()[0]
    assert "suppress    partly: 1 of 2 rows taken, 1 rejected" in text.out
    assert ("apply", "partly", 6) == tuple(
        document[name] for name in ("command", "outcome", "run_exit_code")
    )
    assert {"there"} == {each["presence"] for each in document["artifacts"]}
    assert {"outcome", "artifact"} == {row["kind"] for row in rows}
    assert ": drift, drift" in latest.out.splitlines()[0]
    assert [] == work.leaks()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("log", "--outcome", "patly"), 64, "Did you mean 'partly'?"),
        (("log", "--list", "us-dcn"), 7, "did you mean us-dnc?"),
        (("log", "--from", "2026-02-30"), 64, "not a date or time that exists"),
        (("log", "--from", "2026-02-02", "--to", "2026-02-01"), 64, "is before --from"),
        (("log", "--limit", "0"), 64, "x>=1"),
        (("show", "nobody"), 7, "no run in the ledger is called 'nobody'"),
        (("show", "2"), 7, "runs begin with '2'"),
        (("show",), 64, "Missing argument"),
        (("shwo", "2"), 64, "Did you mean 'show'?"),
    ],
)
def test_what_cannot_be_meant_is_said(
    work: Workplace, words: tuple[str, ...], code: int, told: str
) -> None:
    """In one line, with what was meant instead."""
    if words == ("show", "2"):
        (work.state / "ledger" / "00000002.json").write_bytes(b"{")

    ran = work.call("audit", *words)

    assert (code, "") == (ran.code, ran.out)
    assert told in ran.err


def test_a_line_that_cannot_be_believed_is_said_and_the_others_are_shown(work: Workplace) -> None:
    """Nobody may take the log for whole."""
    (work.state / "ledger" / "00000002.json").write_bytes(b"{")

    ran = work.call("audit", "log", "--format", "json")

    assert 1 == ran.code
    assert "ledger file 2 cannot be believed" in ran.err
    assert ["drift", "unreadable", "done"] == [line["outcome"] for line in ran.document["lines"]]


def test_without_specs_the_state_directory_is_enough(work: Workplace, tmp_path: Path) -> None:
    """As whoever keeps the evidence has it."""
    state = work.state.rename(tmp_path / "evidence")
    elsewhere = workplace(tmp_path)

    ran = elsewhere.call("audit", "log", "--state-dir", str(state))

    assert 0 == ran.code
    assert 3 == len(ran.out.splitlines())
