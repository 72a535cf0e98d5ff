"""The schemas of what this program writes: whole, honest, and kept by everything it writes."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, get_args

import orjson
import pytest
from jsonschema import Draft202012Validator
from view_nouns import NOW, PHONE, READ_BACK, REJECTED, RELEASES, busy, list_drift, list_plan, table
from view_nouns import outcome as batch
from view_nouns import plan as plan_of
from view_nouns import receipt as receipt_of

from program import Workplace, now, workplace
from reconciler import errors, model, saved, schema
from reconciler.artifacts import plain
from reconciler.errors import Place, Problem
from reconciler.metrics import Meter
from reconciler.model import (
    Change,
    CreateList,
    Direction,
    Drift,
    Ends,
    Failure,
    Freeze,
    Ground,
    Op,
    Origin,
    Overrides,
    Plan,
    Policy,
    Receipt,
    Release,
    Selection,
    Settings,
    Shorten,
    Spec,
    Status,
    Tally,
    UpdateList,
    WebhookResult,
)
from reconciler.views import machine

GOLDEN = Path(__file__).parents[2] / "golden/expected"
SHA = "0" * 64
PLACE = Place(path="specs/us.yaml", line=9, column=3)
FAILED = Failure(key="eu-dnc", message="no list 7f", hint="pin another", exit_code=1)
WARNING = Problem(place=PLACE, code="SPEC-120", message="1 contacts outlive", severity="warning")
ANY = Overrides(
    max_releases=5,
    max_suppressions=0,
    allow_empty=("eu-dnc",),
    ignore_freeze=True,
    accept_stale_feed=("us-dnc",),
    reason="LEGAL-9",
)
METRICS = {
    **Meter().snapshot(),
    "updates": 0,
    "settings_updated": 0,
    "rejected_rows": 0,
    "rejected_codes": {"CARRIER_BLOCKED": 2},
    "validation_error_rate": 0.0,
    "a_counter_of_tomorrow": 3,
}
BLOTTED = {
    "version": '"1"',
    "seconds": 0.25,
    "digest": SHA,
    "specs": {"specs/us.yaml": SHA},
    "calls": {},
    "artifacts": "FOLDER",
}
"""What stands in a golden file's place, by the last word of its key."""


@cache
def loaded(kind: str) -> Any:
    """Return a schema, parsed."""
    return orjson.loads(schema.text(kind))


def wrong(document: Any, kind: str) -> list[str]:
    """Return all that a schema has against a document; of two forms, against the nearer one."""
    found = []
    for error in Draft202012Validator(loaded(kind)).iter_errors(document):
        forms: dict[Any, list[Any]] = {}
        for inner in error.context or ():
            forms.setdefault(inner.relative_schema_path[0], []).append(inner)
        nearest = min(forms.values(), key=len, default=[error])
        found += [f"{each.json_path}: {each.message[:200]}" for each in nearest]
    return found


def parts(node: Any) -> Iterator[Mapping[str, Any]]:
    """Yield everything in a schema that is a schema, and the mappings that hold them."""
    if isinstance(node, dict):
        yield node
        for key, value in node.items():
            if key not in {"examples", "const", "enum"}:
                yield from parts(value)
    if isinstance(node, list):
        for value in node:
            yield from parts(value)


def objects(kind: str) -> Iterator[Mapping[str, Any]]:
    """Yield what describes the keys of an object."""
    return (one for one in parts(loaded(kind)) if "properties" in one and one.get("type"))


def given_back(value: Any, key: str = "") -> Any:
    """Return a golden document with something in place of what is blotted out."""
    if isinstance(value, dict):
        return {name: given_back(held, name) for name, held in value.items()}
    if isinstance(value, list):
        return [given_back(held) for held in value]
    if value == "…":
        return BLOTTED[key.rpartition("_")[2]]
    return "2026-11-23T10:15:00Z" if value in {"NOW", "TOMORROW"} else value


def full() -> Plan:
    """A plan with something of everything that a plan can tell."""
    several = tuple(model.Table(path=table().path, rows=1, digest="d", op=op) for op in Op)
    rest = (
        CreateList(settings=Settings(name="US")),
        UpdateList(changes=(Change(field="suppressUntil", old=None, new="2027-12-31T23:59:59Z"),)),
        Shorten(rows=table(1, Op.SHORTEN)),
        Release(rows=table(1, Op.RELEASE)),
    )
    ground = Ground(
        op=Op.RELEASE,
        basis="written re-consent",
        contacts=1,
        source="specs/us.yaml",
        line=3,
        ticket="LEGAL-1",
        requested_by="privacy",
    )
    measured = replace(
        busy().gap,
        parts={Op(one.op): one for one in several},
        endless_missing=table(1, "suppress:endless"),
        samples={op: (PHONE, replace(PHONE, reason=None, until=None)) for op in Op},
        tallies=(Tally(op=Op.SUPPRESS, by="source", value="", contacts=2),),
        grounds=(ground,),
        ends=Ends(days={"2026-12-01": 2}, later=1, endless=3),
    )
    (feed,) = busy().feeds
    bare = replace(feed, as_of=None, place=None, max_age=None, stale=True, empty_files=("a.csv",))
    listed = replace(
        busy(),
        actions=(*busy().actions, *rest),
        refusals=tuple(replace(RELEASES, direction=each) for each in Direction),
        gap=measured,
        grounds=(ground,),
        feeds=(feed, bare),
        region="US",
        observed=Settings(name="US", description="Nobody", suppress_until=NOW),
    )
    policy = Policy(
        place=PLACE,
        max_release_share=Decimal("1E-8"),
        allow_empty=("eu-dnc",),
        freeze=(Freeze(start=NOW, end=NOW + timedelta(days=1), why="audit", place=PLACE),),
        places={"maxReleases": PLACE},
    )
    new = list_plan(key="new", remote_id=None, version="", observed=None, complete=False)
    return plan_of(
        listed, new, failures=(FAILED,), policy=policy, overrides=ANY, problems=(WARNING,)
    )


def saved_plan(made: Plan) -> bytes:
    """Return a plan as ``plan --out`` writes it."""
    root = Path("specs")
    spec = Spec(root=root, tenants={}, lists=(), policy=made.policy, digests={"us.yaml": SHA})
    chosen = Selection(
        root=root, paths=(root / "us.yaml",), lists=("us-dnc",), labels=(("region", "us"),)
    )
    return saved.document(made, spec=spec, selection=chosen, key="0123456789abcdef")


def full_receipt(**changes: Any) -> Receipt:
    """A receipt with something of everything that a run can come to."""
    hook = WebhookResult(
        key="us-dnc", url="https://crm.example.com", event_id="e", delivered=False, attempts=3
    )
    outcomes = (
        REJECTED,
        READ_BACK,
        *(batch(status=status, changed=(0, 4), smallest=2, lapse_after=NOW) for status in Status),
        batch(Op.RELEASE, action="Release", batch=0, last=-1, exit_code=143),
        batch("", action="CreateList", batch=0, detail="9a"),
    )
    held: dict[str, Any] = {
        "refusals": (RELEASES,),
        "failures": (FAILED,),
        "webhooks": (hook,),
        "metrics": METRICS,
        "created": {"new": "9a"},
        "batch_reasons": {"us-dnc": "Monthly sweep", "new": ""},
        "exit_code": 6,
        "overrides": ANY,
    }
    return receipt_of(*outcomes, **held | changes)


def artifact(done: Receipt) -> bytes:
    """Return a receipt as a run's folder has it."""
    return orjson.dumps({"format": 1, "kind": "Receipt", **plain(done)})


def full_drift() -> Drift:
    """A report with lists in order, out of order, absent and unreadable."""
    told = dict.fromkeys(model.SEVERITIES, Origin(pending=1, outside=2, unknown=3))
    odd = list_drift(
        changes=(Change(field="description", old=None, new="Nobody"),),
        samples=full().lists[0].gap.samples,
        origins=told,
        ends=Ends(days={"2026-12-01": 2}),
        feeds=full().lists[0].feeds,
        notes=("one",),
        complete=False,
    )
    calm = list_drift(
        missing=0,
        surplus=0,
        samples={},
        origins=dict.fromkeys(model.SEVERITIES, Origin()),
        untold="no applied run is remembered here",
    )
    return Drift(as_of=NOW, lists=(odd, calm), failures=(FAILED,), problems=(WARNING,))


# ---------------------------------------------------------------- the schemas themselves


@pytest.mark.parametrize("kind", schema.WRITTEN)
def test_a_schema_of_what_we_write_is_valid_and_so_are_its_examples(kind: str) -> None:
    """It obeys draft 2020-12 and stands alone; what it shows is a document of its kind."""
    held = loaded(kind)

    Draft202012Validator.check_schema(held)

    assert f"urn:reconciler:v1:{kind}" == held["$id"]
    assert held["title"]
    assert held["description"]
    assert len(held.get("oneOf", (1,))) == len(held["examples"])
    assert [[]] * len(held["examples"]) == [wrong(one, kind) for one in held["examples"]]
    assert all(one.get("$ref", "#/$defs/").startswith("#/$defs/") for one in parts(held))


@pytest.mark.parametrize("kind", schema.WRITTEN)
def test_every_key_is_described_and_no_object_takes_others_unsaid(kind: str) -> None:
    """A reader learns what each key means; a key nobody described is none of ours."""
    defs = loaded(kind)["$defs"]

    for one in objects(kind):
        if "oneOf" in one:
            continue
        assert one["additionalProperties"] is False or one["title"] == "Metrics"
        for name, held in one["properties"].items():
            target = defs.get(held.get("$ref", "").rpartition("/")[2], {})
            assert len((target | held).get("description", "")) > 4, name
    for name, one in defs.items():
        assert one["title"], name
        assert one["description"], name
    used = {one["$ref"].rpartition("/")[2] for one in parts(loaded(kind)) if "$ref" in one}
    assert used == set(defs)


@pytest.mark.parametrize("kind", schema.WRITTEN)
def test_every_value_shown_for_a_key_is_valid(kind: str) -> None:
    """An example that would be refused helps nobody."""
    held = loaded(kind)
    shown = [(one, each) for one in parts(held) for each in one.get("examples", ())]

    faults = [
        error.message
        for one, each in shown
        for error in Draft202012Validator({**one, "$defs": held["$defs"]}).iter_errors(each)
    ]

    assert len(shown) > 5
    assert [] == faults


def test_what_several_schemas_define_they_define_alike() -> None:
    """Each stands alone, so each repeats what it needs; none may say something else."""
    everywhere: dict[str, Any] = {}
    for kind in schema.WRITTEN:
        for name, held in loaded(kind)["$defs"].items():
            assert everywhere.setdefault(name, held) == held, name

    head = {"format", "kind", "exit_code"}
    shown, carried = everywhere["shown_plan"], everywhere["plan"]

    assert [name for name in shown["required"] if name not in head] == carried["required"]
    assert carried["properties"] == {
        name: held for name, held in shown["properties"].items() if name not in head
    }


def test_the_words_a_schema_allows_are_those_the_program_has() -> None:
    """A word that is added or taken away here is so there."""
    defs = loaded("Receipt")["$defs"]
    outcome = defs["outcome"]["properties"]

    assert [*Op] == defs["op"]["enum"]
    assert {*errors.Exit} == set(defs["exit_code"]["enum"])
    assert [*Direction] == defs["refusal"]["properties"]["direction"]["enum"]
    assert [*Status] == outcome["status"]["enum"]
    assert [*model.Severity, None] == loaded("Drift")["$defs"]["severity"]["enum"]
    kinds = [one["properties"]["kind"]["const"] for one in defs["action"]["oneOf"]]
    assert [*kinds, "ReadBack"] == outcome["action"]["enum"]
    assert kinds == [kind.__name__ for kind in get_args(model.Action)]


# ---------------------------------------------------------------- what we write


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("plan.json", "Plan"),
        ("saved-plan.json", "Plan"),
        ("receipt.json", "Receipt"),
        ("drift.json", "Drift"),
    ],
)
def test_what_was_agreed_is_what_its_schema_says(name: str, kind: str) -> None:
    """The golden files, but for what is blotted out in them."""
    document = given_back(orjson.loads((GOLDEN / name).read_bytes()))

    assert [] == wrong(document, kind)


def test_a_plan_of_anything_is_as_its_schema_says() -> None:
    """Empty, with failures and refusals of every direction, of lists that are not there yet."""
    made = (plan_of(), replace(full(), preview=True), plan_of(failures=(FAILED,)))

    shown = [wrong(orjson.loads(machine.plan(one, exit_code=4)), "Plan") for one in made]
    kept = [wrong(orjson.loads(saved_plan(one)), "Plan") for one in made]

    assert [[]] * 3 == shown == kept


def test_a_receipt_of_anything_is_as_its_schema_says() -> None:
    """Whatever became of its batches, with its plan beside it or without."""
    bare = receipt_of(metrics=METRICS)
    signalled = full_receipt(exit_code=130, overrides=Overrides())

    shown = [
        machine.receipt(bare),
        machine.receipt(full_receipt(), made=full(), artifacts=Path("/runs/1")),
        *(artifact(one) for one in (bare, signalled, full_receipt())),
    ]

    assert [[]] * 5 == [wrong(orjson.loads(one), "Receipt") for one in shown]


def test_a_drift_report_of_anything_is_as_its_schema_says() -> None:
    """Of nothing at all, and of everything at once."""
    reports = (Drift(as_of=NOW, lists=()), full_drift())

    told = [orjson.loads(machine.drift(one, exit_code=3)) for one in reports]

    assert [None, "critical"] == [one["severity"] for one in told]
    assert [[], []] == [wrong(one, "Drift") for one in told]


def test_problems_and_errors_are_as_their_schema_says() -> None:
    """However far the command came."""
    problem = Problem(place=Place(path="a.yaml"), code="SPEC-002", message="wrong")
    told = [
        machine.problems(()),
        machine.problems((problem, WARNING), exit_code=7),
        machine.problems((), counts={"files": 3, "lists": 2, "contacts": 5}),
        machine.error("no", exit_code=5),
        machine.error("no", hint="yes", found=(problem,), exit_code=7),
    ]

    assert [[]] * 5 == [wrong(orjson.loads(one), "Problem") for one in told]


def documents(work: Workplace) -> Iterator[tuple[str, Any]]:
    """Yield the kind and the content of every document that a few runs write."""
    yield "Plan", work.call("plan", "--format", "json", "--out", "plan.json").document
    yield "Plan", orjson.loads((work.folder / "plan.json").read_bytes())
    yield "Plan", work.artifact("plan.json")
    allowed = ("--max-releases", "5", "--reason", "LEGAL-9")
    yield "Receipt", work.call("apply", "--auto-approve", "--format", "json", *allowed).document
    yield "Plan", work.artifact("plan.json")
    yield "Receipt", work.artifact("receipt.json")
    yield "Drift", work.call("drift", "--format", "json").document
    yield "Plan", work.call("plan", "--format", "json", "--as-of", "2030-01-01").document
    yield "Problem", work.call("validate", "--format", "json").document
    yield "Problem", work.call("plan", "nowhere", "--format", "json").document


def test_whatever_a_run_writes_is_as_its_schema_says(tmp_path: Path) -> None:
    """The program as a user has it: rows rejected, a list made, an override, a preview."""
    work = workplace(tmp_path)
    work.have(("+12125550101", "DNC", "2099-01-01T00:00:00Z"), ("zoe@example.com", "DNC", None))
    ground = f"basis: ok, ticket: A-1, requestedBy: privacy, requestedAt: {now():%Y-%m-%d}"
    work.declare(
        'phoneNumber: "+12125550101"',
        'phoneNumber: "+12125550107"',
        more=f"  releases: [{{email: zoe@example.com, {ground}}}]\n  sources: [{{path: a.csv, "
        'asOf: "2026-01-01", maxAge: P9999D}]\n',
    )
    work.write("a.csv", "phoneNumber\n+12125550102\n")
    identity = "create: true\n  list: {name: New, suppressUntil: 2099-12-31}"
    work.declare('phoneNumber: "+16175550104"', name="new", identity=identity)

    with work.service("reject:CARRIER_BLOCKED;ending=0107@POST contacts"):
        found = [(kind, document, wrong(document, kind)) for kind, document in documents(work)]

    assert [] == [(kind, faults) for kind, _, faults in found if faults]
    receipt = next(document for _, document, _ in found if document["kind"] == "Receipt")
    assert (1, 6) == (receipt["format"], receipt["exit_code"])
    assert {"CARRIER_BLOCKED": 1} == receipt["metrics"]["rejected_codes"]
    assert ["new"] == [*receipt["created"]]
    assert 5 == receipt["overrides"]["max_releases"]


# ---------------------------------------------------------------- what no schema lets pass


@pytest.mark.parametrize("kind", schema.WRITTEN)
def test_a_document_with_a_foreign_key_or_without_its_format_is_refused(kind: str) -> None:
    """Wherever the key stands; and of another format or kind as well."""
    for example in loaded(kind)["examples"]:
        spoilt = [
            {**example, "surprise": 1},
            {key: held for key, held in example.items() if key != "format"},
            {key: held for key, held in example.items() if key != "kind"},
            {**example, "format": "reconciler/v2"},
            {**example, "kind": "Something"},
            {**example, **_with_surprise(example)},
        ]

        assert all(wrong(one, kind) for one in spoilt)
        assert not wrong(example, kind)


def _with_surprise(example: Mapping[str, Any]) -> dict[str, Any]:
    """Return the first inner object or list of objects of a document, with a foreign key."""
    for key, held in example.items():
        if key in {"specs", "metrics", "created", "batch_reasons"}:
            continue
        if isinstance(held, dict):
            return {key: {**held, "surprise": 1}}
        if isinstance(held, list) and held and isinstance(held[0], dict):
            return {key: [{**held[0], "surprise": 1}, *held[1:]]}
    return {"error": {"surprise": 1}}


@pytest.mark.parametrize("kind", schema.WRITTEN)
def test_no_document_may_lack_a_key_that_others_rely_on(kind: str) -> None:
    """What is written is always there; null or empty says that there is nothing."""
    for example in loaded(kind)["examples"]:
        for lacking in example:
            rest = {key: held for key, held in example.items() if key != lacking}
            assert wrong(rest, kind), lacking
