"""Any noun in a line: valid by default, each argument changes one thing."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reconciler.model import (
    Counts,
    Desired,
    DesiredList,
    Gap,
    ListSpec,
    Observed,
    ObservedList,
    Op,
    Place,
    RemoteList,
    Settings,
    Table,
    Tenant,
)

NOW = datetime(2026, 11, 23, 10, 15, tzinfo=UTC)
LATER = datetime(2027, 11, 23, tzinfo=UTC)
EARLIER = datetime(2026, 12, 1, tzinfo=UTC)
PAST = datetime(2026, 1, 1, tzinfo=UTC)


def place(path: str = "specs/us-dnc.yaml", line: int = 4) -> Place:
    """A place in a spec."""
    return Place(path=path, line=line, column=3)


def tenant(**changes: Any) -> Tenant:
    """An embedded tenant."""
    made = Tenant(
        name="acme",
        place=place("specs/tenant.yaml"),
        dialect="lists",
        embedded=True,
        base_url="",
        token_url="",
        credentials=None,
    )
    return replace(made, **changes)


def list_spec(name: str = "us-dnc", **changes: Any) -> ListSpec:
    """A list's declaration that manages nothing but the name."""
    made = ListSpec(
        name=name,
        place=place(),
        tenant="acme",
        list_id=None,
        create=True,
        settings=Settings(name="US Do Not Call"),
    )
    return replace(made, **changes)


def table(rows: int = 0, digest: str = "d", op: str = "") -> Table:
    """A table that says how many rows it has; there is no file."""
    return Table(path=Path("nowhere.parquet"), rows=rows, digest=digest, op=op)


def desired_list(name: str = "us-dnc", *, rows: int = 10, **changes: Any) -> DesiredList:
    """A list that wants ten contacts."""
    made = DesiredList(
        spec=list_spec(name),
        tenant=tenant(),
        table=table(rows, f"desired-{name}"),
        releases=table(),
        counts=Counts(read=rows),
    )
    return replace(made, **changes)


def gap(name: str = "us-dnc", *, parts: Mapping[Op, int] | None = None, **changes: Any) -> Gap:
    """A gap with so many rows of each op; the counts follow."""
    rows = dict(parts or {})
    made = Gap(
        against=f"desired-{name}",
        rows=table(sum(rows.values())),
        parts={op: table(count, f"{name}-{op}-{count}", op) for op, count in rows.items()},
        missing=rows.get(Op.SUPPRESS, 0),
        amended=rows.get(Op.AMEND, 0),
        extended=rows.get(Op.AMEND, 0),
        recoded=0,
        shortened=rows.get(Op.SHORTEN, 0),
        surplus=rows.get(Op.SURPLUS, 0),
        opaque=0,
        longer=rows.get(Op.LONGER, 0),
        released=rows.get(Op.RELEASE, 0),
        owned_releases=0,
    )
    return replace(made, **changes)


def remote(**changes: Any) -> RemoteList:
    """A list as the service has it."""
    made = RemoteList(
        id="7f3e2c",
        settings=Settings(name="US Do Not Call", description=None, suppress_until=None),
        type="suppression",
        count=1000,
        version='"1"',
    )
    return replace(made, **changes)


def observed_list(name: str = "us-dnc", **changes: Any) -> ObservedList:
    """A list read whole that suppresses a thousand and differs in nothing."""
    made = ObservedList(
        key=name, remote=remote(), complete=True, table=table(1000), size=1000, gap=gap(name)
    )
    return replace(made, **changes)


def desired(*lists: DesiredList) -> Desired:
    """Desired state of these lists."""
    return Desired(lists=lists or (desired_list(),))


def observed(*lists: ObservedList) -> Observed:
    """Observed state of these lists."""
    return Observed(lists={one.key: one for one in lists or (observed_list(),)})
