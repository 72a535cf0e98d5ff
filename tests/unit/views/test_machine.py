"""What programs read."""

from dataclasses import replace
from typing import Any

import orjson
from view_nouns import (
    BARE_EMAIL,
    BARE_PHONE,
    NOW,
    PHONE,
    READ_BACK,
    REJECTED,
    RELEASES,
    busy,
    list_drift,
    list_plan,
    outcome,
    plan,
    receipt,
    table,
)

from reconciler.errors import Place, Problem
from reconciler.model import Change, Check, CreateList, Drift, Op, Settings, UpdateList
from reconciler.views import machine


def test_a_document_says_what_it_is_and_how_it_ended() -> None:
    """Format, kind and exit code stand in each."""
    made = [
        machine.plan(plan(busy()), exit_code=2),
        machine.receipt(receipt(exit_code=6)),
        machine.drift(Drift(as_of=NOW, lists=()), exit_code=3),
        machine.checks((Check(subject="acme", name="token", ok=True),)),
        machine.problems((), exit_code=7),
        machine.refusal(RELEASES),
        machine.error("no", exit_code=5),
        machine.facts("sandbox", {"url": "http://127.0.0.1:1"}),
    ]

    told = [orjson.loads(each) for each in made]

    assert ["plan", "receipt", "drift", "checks", "problems", "refusal", "error", "sandbox"] == [
        each["kind"] for each in told
    ]
    assert {"reconciler/v1"} == {each["format"] for each in told}
    assert [2, 6, 3, 0, 7, 4, 5, 0] == [each["exit_code"] for each in told]


def test_the_counts_of_a_plan_are_those_of_its_summary_line() -> None:
    """Text and JSON cannot disagree."""
    told = orjson.loads(machine.plan(plan(busy())))

    expected = {
        "suppress": 2,
        "amend": 1,
        "shorten": 0,
        "release": 0,
        "before": 10_421,
        "after": 10_423,
        "surplus": 4,
    }
    assert expected == told["lists"][0]["counts"]
    assert expected | {"refusals": 0, "failures": 0} == told["counts"]


def test_actions_are_tagged_and_tables_have_no_path() -> None:
    """A table is its rows and its digest."""
    change = Change(field="name", old="US", new="Us")
    new = CreateList(settings=Settings(name="New"))
    listed = list_plan(actions=(new, UpdateList(changes=(change,)), *busy().actions[1:2]))

    document = machine.plan(plan(listed))

    actions = orjson.loads(document)["lists"][0]["actions"]
    assert ["CreateList", "UpdateList", "Suppress"] == [each["kind"] for each in actions]
    assert {"rows": 2, "digest": "d" * 64, "op": "suppress"} == actions[2]["rows"]
    assert b"/private" not in document


def test_times_are_utc_with_a_z() -> None:
    """As the service writes them."""
    told = orjson.loads(machine.plan(plan(busy())))

    assert "2026-11-23T10:15:00Z" == told["as_of"]
    assert "2027-12-31T23:59:59Z" == told["lists"][0]["samples"]["suppress"][0]["until"]
    assert 3 == told["lists"][0]["feeds"][0]["age_days"]


def test_no_document_holds_a_bare_address() -> None:
    """Samples are masked, and what the service wrote is scrubbed."""
    bare = tuple(replace(PHONE, address=address) for address in (BARE_PHONE, BARE_EMAIL))
    samples = {Op.SUPPRESS: bare}
    listed = replace(busy(), gap=replace(busy().gap, samples=samples))

    told = (
        machine.plan(plan(listed))
        + machine.drift(Drift(as_of=NOW, lists=(list_drift(samples=samples),)))
        + machine.receipt(receipt(REJECTED, outcome(detail=BARE_EMAIL)), made=plan(listed))
    ).decode()

    assert BARE_PHONE not in told
    assert BARE_PHONE.lstrip("+") not in told
    assert BARE_EMAIL not in told


def test_a_receipt_carries_outcomes_metrics_and_its_plan() -> None:
    """One document holds all of a run."""
    done = receipt(
        REJECTED,
        READ_BACK,
        created={"us-dnc": "9a"},
        metrics={"retries": 1, "calls": {"send": {"p95_seconds": 0.5}}},
    )

    told: Any = orjson.loads(machine.receipt(done, made=plan(), artifacts=table().path.parent))

    assert {"suppressed": 2, "rejected": 1, "batches": 1, "surplus": 4} == {
        key: count for key, count in told["counts"].items() if count
    }
    assert ["9a"] == [listed["created_id"] for listed in told["lists"]]
    assert ["partly", "done"] == [each["status"] for each in told["lists"][0]["outcomes"]]
    assert 0.5 == told["metrics"]["calls"]["send"]["p95_seconds"]
    assert told["plan"]["empty"]
    assert "/private/tables" == told["artifacts"]


def test_a_refusal_carries_the_flags_that_allow_it() -> None:
    """A program can offer what a person would have to type."""
    told = orjson.loads(machine.refusal(RELEASES))

    assert "--max-releases 120" == told["override"]
    assert told["text"].endswith('--reason "…"')


def test_problems_are_counted_apart_from_warnings() -> None:
    """A warning is no problem; both are listed by place."""
    place = Place(path="a.yaml", line=2, column=1)
    found = (
        Problem(place=place, code="SPEC-002", message="wrong"),
        Problem(place=Place(path="a.yaml", line=1), code="A", message="odd", severity="warning"),
    )

    told = orjson.loads(machine.problems(found, counts={"files": 3}, exit_code=7))

    assert {"files": 3, "problems": 1, "warnings": 1} == told["counts"]
    assert [1, 2] == [each["place"]["line"] for each in told["problems"]]
