"""Nouns for the tests of views, each in a line; every address in them is made up."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from reconciler.errors import Place
from reconciler.model import (
    Amend,
    Change,
    Counts,
    Direction,
    Feed,
    Gap,
    ListDrift,
    ListPlan,
    Op,
    Outcome,
    Overrides,
    Plan,
    Policy,
    Receipt,
    Refusal,
    Rejection,
    Sample,
    Settings,
    Status,
    Suppress,
    Table,
    UpdateList,
)

NOW: Final = datetime(2026, 11, 23, 10, 15, tzinfo=UTC)
END: Final = datetime(2027, 12, 31, 23, 59, 59, tzinfo=UTC)
PHONE: Final = Sample(
    address="+1•••••••567", reason="DNC", until=END, source="contacts/us.csv", line=12
)
BARE_PHONE: Final = "+15550100567"
BARE_EMAIL: Final = "somebody@example.com"
RELEASES: Final = Refusal(
    key="us-dnc",
    direction=Direction.RELEASE,
    rule="max-releases",
    message="120 releases is 12.0% of 1,000, over maxReleases 1% (specs/policy.yaml:5)",
    override="--max-releases 120",
)


def table(rows: int = 1, op: str = "") -> Table:
    """A table that nobody opens."""
    return Table(path=Path("/private/tables/gap.parquet"), rows=rows, digest="d" * 64, op=op)


def gap(**parts: Any) -> Gap:
    """A gap without rows, but for the counts given."""
    counts = dict.fromkeys(
        (
            "missing",
            "amended",
            "extended",
            "recoded",
            "shortened",
            "surplus",
            "opaque",
            "longer",
            "released",
            "owned_releases",
        ),
        0,
    )
    held: dict[str, Any] = {"against": "", "rows": table(0), "parts": {}, **counts, **parts}
    return Gap(**held)


def list_plan(**parts: Any) -> ListPlan:
    """A list that matches its spec."""
    held: dict[str, Any] = {
        "key": "us-dnc",
        "tenant": "acme",
        "remote_id": "7f3e2c",
        "version": '"5"',
        "actions": (),
        "refusals": (),
        "gap": gap(),
        "counts": Counts(read=1),
        "observed": Settings(name="US", description=None, suppress_until=None),
        "observed_table": table(10_421),
        "complete": True,
        "size_before": 10_421,
        "size_after": 10_421,
        **parts,
    }
    return ListPlan(**held)


def busy() -> ListPlan:
    """The list of the documented summary line, with something of everything."""
    return list_plan(
        actions=(
            UpdateList(changes=(Change(field="name", old="US", new="US Do Not Call"),)),
            Suppress(rows=table(2, Op.SUPPRESS)),
            Amend(rows=table(3, Op.AMEND)),
            Amend(rows=table(5, Op.PART)),
        ),
        gap=gap(
            missing=2,
            amended=1,
            extended=1,
            surplus=4,
            longer=2,
            samples={Op.SUPPRESS: (PHONE,), Op.AMEND: (replace(PHONE, note="was BOUNCE"),)},
        ),
        counts=Counts(read=12, merged=1, lapsed=2),
        size_after=10_423,
        feeds=(
            Feed(
                path="contacts/us-*.csv",
                files=("contacts/us-1.csv", "contacts/us-2.csv"),
                rows=1_204,
                sha256="0" * 64,
                as_of=datetime(2026, 11, 20, 10, 15, tzinfo=UTC),
                max_age="P31D",
                place=Place(path="specs/us.yaml", line=9),
            ),
        ),
        notes=("specs/us.yaml:30: this release is spent, delete this line",),
    )


def plan(*lists: ListPlan, **parts: Any) -> Plan:
    """A plan of these lists."""
    held: dict[str, Any] = {
        "id": "a" * 64,
        "as_of": NOW,
        "preview": False,
        "lists": lists,
        "failures": (),
        "policy": Policy(),
        "overrides": Overrides(),
        **parts,
    }
    return Plan(**held)


def outcome(op: str = Op.SUPPRESS, **parts: Any) -> Outcome:
    """A batch of two that was taken."""
    held: dict[str, Any] = {
        "key": "us-dnc",
        "action": "Suppress",
        "op": op,
        "batch": 1,
        "first": 0,
        "last": 1,
        "rows": 2,
        "taken": 2,
        "status": Status.DONE,
        **parts,
    }
    return Outcome(**held)


READ_BACK: Final = outcome("", action="ReadBack", batch=0, rows=0, taken=0)
REJECTED: Final = outcome(
    rows=3,
    taken=2,
    status=Status.PARTLY,
    rejections=(
        Rejection(
            row=1, code="INVALID_PHONE", field="phoneNumber", message=f"{BARE_PHONE} is no phone"
        ),
    ),
)


def receipt(*outcomes: Outcome, **parts: Any) -> Receipt:
    """A receipt of these outcomes."""
    held: dict[str, Any] = {
        "run": "20261123T101500Z-3f9a1c",
        "plan": "a" * 64,
        "started": NOW,
        "finished": NOW,
        "outcomes": outcomes,
        "refusals": (),
        "failures": (),
        "webhooks": (),
        "metrics": {},
        "created": {},
        "batch_reasons": {},
        "surplus": 4,
        "exit_code": 0,
        **parts,
    }
    return Receipt(**held)


def list_drift(**parts: Any) -> ListDrift:
    """A list with one missing and four surplus contacts."""
    held: dict[str, Any] = {
        "key": "us-dnc",
        "tenant": "acme",
        "missing": 1,
        "differ": 0,
        "surplus": 4,
        "longer": 0,
        "changes": (),
        "size": 10_421,
        "complete": True,
        "lapsed": False,
        "absent": False,
        "samples": {Op.SUPPRESS: (PHONE,)},
        **parts,
    }
    return ListDrift(**held)
