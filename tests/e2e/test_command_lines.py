"""Command lines as scripts write them: flags and variables, formats, drift's codes, misuse."""

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from program import LIST, Workplace, workplace

PHONES = ("+12125550101", "+12125550102")
SURPLUS = "+19175550199"
LONG_AGO, LATER = "2030-01-01T00:00:00Z", "2035-01-01T00:00:00Z"


@pytest.fixture
def work(tmp_path: Path) -> Workplace:
    """Return a list that is as declared, but for one contact that is surplus."""
    work = workplace(tmp_path)
    work.have(*((phone, "DNC", LATER) for phone in (*PHONES, SURPLUS)))
    work.embed()
    work.declare(*(f'phoneNumber: "{phone}", suppressUntil: {LATER}' for phone in PHONES))
    return work


def test_drift_fails_on_what_it_is_told_to_fail_on(work: Workplace) -> None:
    """Missing and differing by default; surplus and longer ones too under --fail-on any."""
    surplus = work.call("drift")
    strict = work.run("drift", "--fail-on", "any", "--format", "json")
    by_variable = work.call("drift", settings={"RECONCILER_DRIFT_FAIL_ON": "any"})
    other = work.have((PHONES[1], "DNC", "2040-01-01T00:00:00Z"))
    longer = [work.call("drift", "--fail-on", kind).code for kind in ("missing", "any")]
    other.set(LIST, "name", "Renamed")
    work.declare(f'phoneNumber: "{PHONES[0]}"', more="  list: {name: US Do Not Call}\n")
    differs = work.call("drift")
    other.remove(LIST, PHONES[0])
    missing = work.call("drift")

    assert (0, "Drift: 0 missing (critical), 1 surplus, 0 differ.") == (surplus.code, surplus.last)
    assert (3, 3) == (strict.code, by_variable.code)
    assert 1 == strict.document["counts"]["surplus"]
    assert [0, 3] == longer
    assert (3, "Drift: 0 missing (critical), 2 surplus, 2 differ.") == (differs.code, differs.last)
    assert (3, "Drift: 1 missing (critical), 2 surplus, 1 differ.") == (missing.code, missing.last)


def test_nothing_to_do_is_said_the_same_everywhere(work: Workplace) -> None:
    """By plan, by apply, and by the exit code."""
    line = "No changes. The service matches the specs. Surplus kept: 1."

    planned = work.run("plan", "--detailed-exitcode")
    applied = work.run("apply", "--auto-approve")
    json = work.call("apply", "--auto-approve", "--format", "json")

    assert (0, line) == (planned.code, planned.last)
    assert 1 == applied.out.count(line)
    assert json.document["plan"]["empty"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("plam",), "Did you mean 'plan'?"),
        (("plan", "--as-off", "2030-01-01"), "--as-of"),
        (("plan", "--as-of", "tomorrow"), "--as-of"),
        (("plan", "--format", "yaml"), "--format"),
        (("plan", "--label", "region"), "expected KEY=VALUE"),
        (("plan", "--out", "p.json", "--as-of", "2030-01-01"), "not both"),
        (("drift", "--fail-on", "surplus"), "--fail-on"),
        (("apply", "--max-releases", "many"), "--max-releases"),
        (("apply", "--lock-timeout", "-1"), "--lock-timeout"),
        (("ping", "--out", "x"), "--out"),
        (("sandbox", "--fault", "explode@/x"), "explode"),
        (("sandbox", "--port", "70000"), "--port"),
        (("schema", "Policies"), "Policies"),
    ],
)
def test_misuse_is_64_and_one_line(work: Workplace, words: tuple[str, ...], told: str) -> None:
    """Never click's own 2, which would mean that there are changes."""
    ran = work.call(*words)

    assert (64, "") == (ran.code, ran.out)
    assert told in ran.err
    assert ran.err.startswith("error: ")


def test_misuse_is_a_document_where_json_was_asked_for(work: Workplace) -> None:
    """In each outcome there is one: misuse, absent paths, wrong specs, a wrong variable."""
    json = ("--format", "json")
    misuse = work.run("plan", "--nonsense", *json)
    absent = work.call("plan", "specs/absent.yaml", *json)
    outside = work.call("plan", "/etc", *json)
    variable = {"RECONCILER_APPLY_FORMAT": "json"}
    asked = work.call("apply", settings=variable)
    memory = work.call("plan", *json, settings={"RECONCILER_MEMORY_LIMIT": "plenty"})
    work.write("broken.yaml", "a: [")
    broken = work.call("drift", *json)

    codes = [ran.code for ran in (misuse, absent, outside, memory, broken)]
    assert [64, 7, 7, 7, 7] == codes
    assert {"SPEC-004"} == {each["code"] for each in broken.document["problems"]}
    assert "RECONCILER_MEMORY_LIMIT is 'plenty'" in memory.document["error"]
    assert 64 == asked.code == orjson.loads(asked.out)["exit_code"]


def test_flags_have_variables_and_the_flag_wins(work: Workplace) -> None:
    """RECONCILER_<COMMAND>_<FLAG>, of that command alone."""
    work.declare(f'phoneNumber: "{PHONES[0]}"', 'phoneNumber: "+12125550111"')
    variables = {
        "RECONCILER_PLAN_FORMAT": "json",
        "RECONCILER_PLAN_DETAILED_EXITCODE": "true",
        "RECONCILER_PLAN_OUT": "by-variable.json",
        "RECONCILER_DRIFT_QUIET": "1",
    }

    planned = work.run("plan", settings=variables)
    flagged = work.call("plan", "--format", "text", "--out", "by-flag.json", settings=variables)

    assert (2, 2) == (planned.code, flagged.code)
    assert 2 == orjson.loads(planned.out)["exit_code"]
    assert flagged.last.startswith("Plan: 1 to suppress, 1 to amend,")
    assert (work.folder / "by-variable.json").is_file()
    assert (work.folder / "by-flag.json").is_file()


def test_markdown_is_what_a_pull_request_shows(work: Workplace) -> None:
    """Of plan, apply and drift; the report in the run folder is the same."""
    work.declare(f'phoneNumber: "{PHONES[0]}"')

    for words in (("plan",), ("drift",), ("apply", "--auto-approve")):
        ran = work.call(*words, "--format", "markdown")

        kind = words[0].replace("apply", "receipt")
        assert ran.out.startswith(f"<!-- reconciler:{kind} -->\n\n### "), words
        assert (work.newest / "report.md").read_text("utf-8") == ran.out, words


def test_colour_is_for_terminals_that_want_it(work: Workplace) -> None:
    """Output into a pipe holds no escape sequence, whatever TERM says."""
    ran = work.run("plan", settings={"TERM": "xterm-256color", "FORCE_COLOR": "1"})

    assert "\x1b" not in ran.out + ran.err


def test_the_program_answers_under_both_of_its_names() -> None:
    """The entry point and the module; help and version need no specs."""
    entry = Path(sys.executable).with_name("reconciler")

    told = [
        subprocess.run(  # noqa: S603 - our own program
            words, capture_output=True, text=True, check=True
        ).stdout
        for words in (
            [str(entry), "--version"],
            [sys.executable, "-m", "reconciler", "--version"],
            [str(entry), "apply", "--help"],
        )
    ]

    assert told[0] == told[1]
    assert "--accept-safer" in told[2]
