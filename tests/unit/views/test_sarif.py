"""Problems as a SARIF document, held against the schema of its standard."""

import re
from pathlib import Path

import orjson
import pytest
from jsonschema import Draft4Validator

from foreign import package
from reconciler.contacts.codes import MEANINGS
from reconciler.errors import Place, Problem
from reconciler.spec.codes import Code
from reconciler.views import sarif

CODE = Path(__file__).parents[3] / "reconciler"
FOUND = (
    Problem(place=Place(path="specs/b.csv", line=3), code="SPEC-109", message="no phone number"),
    Problem(place=Place(path="specs"), code="SPEC-009", message="nothing declared"),
    Problem(
        place=Place(path="specs/a b%.yaml", line=4, column=2),
        code="SPEC-019",
        message="a time without offset",
        severity="warning",
    ),
    Problem(place=Place(path="specs/z.yaml", line=1, column=1), code="SPEC-999", message="later"),
)


@pytest.mark.tools
@pytest.mark.parametrize(
    "document",
    [
        sarif.problems(FOUND, exit_code=7, below="conf"),
        sarif.problems(()),
        sarif.ended("no specs", hint="make some", exit_code=7),
    ],
    ids=["problems", "none", "ended"],
)
def test_a_document_keeps_the_schema_of_the_standard(document: bytes) -> None:
    """SARIF 2.1.0, with problems, without any, and of a run that came to nothing."""
    lies = package("@microsoft/jest-sarif") / "lib" / "schemas" / "sarif-2.1.0-rtm.5.json"
    schema = Draft4Validator(orjson.loads(lies.read_bytes()))

    wrong = [each.message for each in schema.iter_errors(orjson.loads(document))]

    assert [] == wrong


def test_a_result_names_rule_level_and_place() -> None:
    """Paths from the root of the repository, escaped; no region for a whole file."""
    run = orjson.loads(sarif.problems(FOUND, exit_code=7, below="conf"))["runs"][0]

    told = [
        (
            each["ruleId"],
            each["level"],
            each["message"]["text"],
            each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
            each["locations"][0]["physicalLocation"].get("region"),
        )
        for each in run["results"]
    ]

    expected = [
        ("SPEC-009", "error", "nothing declared", "conf/specs", None),
        (
            "SPEC-019",
            "warning",
            "a time without offset",
            "conf/specs/a%20b%25.yaml",
            {"startLine": 4, "startColumn": 2},
        ),
        ("SPEC-109", "error", "no phone number", "conf/specs/b.csv", {"startLine": 3}),
        ("SPEC-999", "error", "later", "conf/specs/z.yaml", {"startLine": 1, "startColumn": 1}),
    ]
    assert expected == told
    assert [{"executionSuccessful": True, "exitCode": 7}] == run["invocations"]


def test_a_result_points_at_its_rule() -> None:
    """The one with its code; a code that no rule tells of points at none."""
    run = orjson.loads(sarif.problems(FOUND))["runs"][0]
    rules = run["tool"]["driver"]["rules"]

    pointed = [
        rules[each["ruleIndex"]]["id"] if "ruleIndex" in each else None for each in run["results"]
    ]

    assert ["SPEC-009", "SPEC-019", "SPEC-109", None] == pointed


def test_a_rule_says_what_it_is_about_and_how_bad_it_is() -> None:
    """A warning by its level, not by its words."""
    run = orjson.loads(sarif.problems(()))["runs"][0]
    rules = {rule["id"]: rule for rule in run["tool"]["driver"]["rules"]}

    assert [*Code, *MEANINGS] == [*rules]
    assert {
        "id": "SPEC-019",
        "shortDescription": {"text": "A time has no offset and is taken as UTC."},
        "defaultConfiguration": {"level": "warning"},
    } == rules["SPEC-019"]
    assert "error" == rules["SPEC-005"]["defaultConfiguration"]["level"]


def test_a_run_that_came_to_nothing_says_why() -> None:
    """It did not succeed, which is not the same as finding nothing."""
    run = orjson.loads(sarif.ended("no specs", hint="make some", exit_code=7))["runs"][0]

    (ran,) = run["invocations"]
    assert (False, 7) == (ran["executionSuccessful"], ran["exitCode"])
    assert "no specs (hint: make some)" == ran["toolExecutionNotifications"][0]["message"]["text"]
    assert [] == run["results"]


def test_every_code_in_use_has_a_meaning() -> None:
    """Those of contacts are written where they are found, and told in one place."""
    used = {
        code
        for path in (CODE / "contacts").glob("*.py")
        if path.name != "codes.py"
        for code in re.findall(r"SPEC-\d{3}", path.read_text(encoding="utf-8"))
    }

    assert {*MEANINGS} == used
