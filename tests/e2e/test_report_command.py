"""``report`` as a user has it: what a period attests, offline, from a directory or a bucket."""

import csv
import io
import shutil
from pathlib import Path

import orjson
import pytest
from jsonschema import Draft202012Validator

from buckets import s3
from program import Workplace, now, workplace
from reconciler import schema

PHONES = tuple(f"+12125550{number}" for number in range(101, 104))
BLOCKED = "reject:CARRIER_BLOCKED;ending=0103@POST contacts"
PERIOD = ("--from", "2026-01-01", "--to", "2100-01-01")


@pytest.fixture
def work(tmp_path: Path) -> Workplace:
    """Return a folder whose list wants three, one of whom was asked for long ago."""
    work = workplace(tmp_path)
    work.have(("zoe@example.com", "DNC", None))
    asked = ("2026-01-02", f"{now():%Y-%m-%d}", "2026-01-02")
    work.declare(
        *(
            f'phoneNumber: "{phone}", requestedAt: {day}'
            for phone, day in zip(PHONES, asked, strict=True)
        )
    )
    return work


def test_a_pack_is_made_of_what_runs_left_behind(work: Workplace) -> None:
    """Without specs, service, key or secret; its figures are those of the receipts."""
    with work.service(BLOCKED):
        work.call("drift")
        work.call("apply", "--auto-approve")
    shutil.rmtree(work.folder / "specs")
    for name in ("CXONE_CLIENT_ID", "CXONE_CLIENT_SECRET"):
        del work.environment[name]
    files = {path: path.read_bytes() for path in work.state.rglob("*") if path.is_file()}
    writes = (f"--write={form}=pack.{form}" for form in ("html", "csv", "json"))

    ran = work.run(
        *("report", *PERIOD, "--state-dir", str(work.state), *writes),
        settings={"RECONCILER_PSEUDONYM_KEY": "env:NOT_HERE"},
    )

    held = orjson.loads((work.folder / "pack.json").read_bytes())
    table = list(csv.DictReader(io.StringIO((work.folder / "pack.csv").read_text())))
    late = [row for row in table if row["section"] == "breaches"]
    page = (work.folder / "pack.html").read_text(encoding="utf-8")
    (listed,) = held["lists"]
    assert [] == [*Draft202012Validator(orjson.loads(schema.text("Report"))).iter_errors(held)]
    assert 0 == ran.code
    assert ran.last == (
        "Report: 2 breaches of 10bd (1 met, 0 withdrawn, 1 open), 1 met in time. Evidence whole."
    )
    assert (1, 3, 2, 1, 1) == (
        listed["first"]["contacts"],
        listed["last"]["contacts"],
        listed["counts"]["suppressed"],
        listed["counts"]["rejected"],
        listed["surplus"],
    )
    assert [("drift", None)] == [(each["command"], each["closed"]) for each in held["unprotected"]]
    assert {"specs/us-dnc.yaml:9", "specs/us-dnc.yaml:11"} == {row["place"] for row in late}
    assert all(each["pseudonym"] in page for each in held["breaches"])
    assert files == {path: path.read_bytes() for path in work.state.rglob("*") if path.is_file()}
    assert [] == work.leaks()


def test_check_fails_for_a_breach_and_for_evidence_that_was_altered(work: Workplace) -> None:
    """Without it a report is a report, whatever it says."""
    with work.service():
        work.call("apply", "--auto-approve")
    told = work.call("report", *PERIOD, "--format", "json")
    breach = work.call("report", *PERIOD, "--format", "json", "--check")
    lenient = work.call("report", *PERIOD, "--check", "--limit", "999bd")
    other = work.call("report", *PERIOD, "--list", "us-dcn")
    paper = work.newest / "run.json"
    paper.write_bytes(paper.read_bytes() + b" ")
    touched = work.call("report", *PERIOD, "--check", "--limit", "999bd")
    (path,) = (work.state / "ledger").iterdir()
    path.write_bytes(path.read_bytes().replace(b'"done"', b'"gone"'))
    altered = work.call("report", *PERIOD, "--check", "--limit", "999bd")

    codes = [ran.code for ran in (told, breach, lenient, other, touched, altered)]
    assert [0, 1, 0, 7, 1, 1] == codes
    assert f"runs/{work.newest.name}/run.json: altered" in touched.out
    assert "did you mean us-dnc?" in other.err
    assert 2 == breach.document["breach_count"]
    assert "Evidence NOT whole: " in altered.last
    assert "ledger/00000001.json: altered" in altered.out


def test_a_bucket_will_do(work: Workplace) -> None:
    """Whichever machine asks; this one has lost its state directory."""
    with s3() as served:
        shared = {"RECONCILER_STORE": served.bucket("evidence"), **served.environment}
        work.environment |= shared | {"RECONCILER_PSEUDONYM_KEY": "env:KEY", "KEY": "k" * 32}
        work.embed()
        work.call("apply", "--auto-approve")
        shutil.rmtree(work.state)

        told = work.call("report", *PERIOD, "--format", "json").document

    (listed,) = told["lists"]
    assert ("s3://evidence", 3, 3) == (
        told["store"],
        listed["counts"]["suppressed"],
        told["clocks"]["met"],
    )


def test_holidays_are_no_business_days(work: Workplace) -> None:
    """Each of them makes room for one more."""
    work.declare('phoneNumber: "+12125550101", requestedAt: 2026-01-02')
    with work.service():
        work.call("apply", "--auto-approve")
    days = (work.folder / "days.txt").write_text("2026-01-05  # Monday\n2026-01-10\n")

    one = work.call("report", *PERIOD, "--format", "json").document["clocks"]["worst_days"]
    ran = work.call("report", *PERIOD, "--format", "json", "--holidays", "days.txt").document

    assert days
    assert (one - 1, 2) == (ran["clocks"]["worst_days"], ran["holidays"])


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--from", "2026-01-01"), 64, "a report is about a period: --to is missing"),
        (("--from", "2026-02-01", "--to", "2026-01-01"), 64, "--to 2026-01-01T23:59:59Z is before"),
        (("--from", "yesterday", "--to", "2026-01-01"), 64, "expected a date such as 2027-12-31"),
        ((*PERIOD, "--limit", "10 days"), 64, "expected business days such as 10bd"),
        (PERIOD, 7, "there is no ledger in "),
        ((*PERIOD, "--holidays", "nowhere"), 7, "nowhere does not exist"),
        ((*PERIOD, "--key", "bad.txt"), 7, "bad.txt"),
        ((*PERIOD, "--holidays", "bad.txt"), 7, "bad.txt:2: expected one date a line"),
    ],
)
def test_what_makes_no_sense_is_said_in_a_line(
    work: Workplace, words: tuple[str, ...], code: int, said: str
) -> None:
    """With what was expected."""
    (work.folder / "bad.txt").write_text("2026-12-25\nChristmas\n")

    ran = work.call("report", *words)

    assert (code, "") == (ran.code, ran.out)
    assert said in ran.err


def test_a_flag_has_its_variable(work: Workplace) -> None:
    """Those whose names are Python words, too."""
    work.embed()
    work.call("plan")

    ran = work.call(
        *("report", "--format", "json"),
        settings={
            "RECONCILER_REPORT_FROM": "2026-01-01",
            "RECONCILER_REPORT_TO": "2100-01-01T00:00:00Z",
            "RECONCILER_REPORT_LIST": "us-dnc",
        },
    )

    assert ("2026-01-01T00:00:00Z", "2100-01-01T00:00:00Z", ["us-dnc"]) == (
        ran.document["start"],
        ran.document["end"],
        ran.document["chosen"],
    )
