"""Small contact tables, and the smallest service that an apply can be played against."""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from reconciler.api.port import PAGE
from reconciler.contacts import compare, ingest
from reconciler.contacts.engine import Engine
from reconciler.model import Gap, Op, Table
from reconciler.times import zulu

AS_OF = datetime(2026, 11, 23, 10, 15, tzinfo=UTC)
WINDOW_END = AS_OF + timedelta(minutes=10)

DESIRED = pa.schema(
    [
        ("address", pa.string()),
        ("channel", pa.string()),
        ("reason", pa.string()),
        ("until", pa.int64()),
        ("requested_at", pa.int64()),
        ("source", pa.string()),
        ("line", pa.int64()),
    ]
)
RELEASES = pa.schema(
    [
        ("address", pa.string()),
        ("channel", pa.string()),
        ("until", pa.int64()),
        ("basis", pa.string()),
        ("ticket", pa.string()),
        ("requested_by", pa.string()),
        ("requested_at", pa.int64()),
        ("source", pa.string()),
        ("line", pa.int64()),
        ("release_key", pa.string()),
    ]
)


UNREADABLE = -1
"""The end of a contact whose end nobody can read."""


def at(days: float) -> int:
    """Seconds since 1970 UTC, so many days after ``AS_OF``."""
    return int((AS_OF + timedelta(days=days)).timestamp())


def spelled(until: int | None) -> str | None:
    """An end as the service writes it."""
    if until == UNREADABLE:
        return "31/12/2099"
    return None if until is None else zulu(datetime.fromtimestamp(until, UTC))


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A contact of the smallest service."""

    email: str | None = None
    phone: str | None = None
    reason: str | None = "DNC"
    until: int | None = None
    version: int = 1


def wanted(address: str, until: int | None = None, reason: str = "DNC") -> dict[str, Any]:
    """A row of a desired table."""
    return {"address": address, "channel": channel(address), "reason": reason, "until": until}


def release(address: str, until: int | None = None) -> dict[str, Any]:
    """A declared release, or a shortening if it has an end."""
    return {
        "address": address,
        "channel": channel(address),
        "until": until,
        "basis": "written re-consent",
        "source": "specs/us-dnc.yaml",
        "line": 9,
        "release_key": f"key of {address}",
    }


def channel(address: str) -> str:
    """The kind of an identifier."""
    return "email" if "@" in address else "phone"


def page(contacts: Iterable[Contact]) -> pa.Table:
    """Contacts as the port hands them over."""
    rows = [
        {
            "email": contact.email,
            "phone": contact.phone,
            "reason": contact.reason,
            "until": spelled(contact.until),
            "version": contact.version,
        }
        for contact in contacts
    ]
    return pa.Table.from_pylist(rows, schema=PAGE)


def observe(engine: Engine, folder: Path, contacts: Iterable[Contact]) -> Table:
    """The observed table of some contacts."""
    return ingest.ingest(engine, [page(contacts)], region="US", into=folder)


def store(path: Path, rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> Table:
    """Rows at rest; fields that a row does not name are null."""
    full = [{"source": "a.csv", "line": line, **row} for line, row in enumerate(rows, 2)]
    pq.write_table(pa.Table.from_pylist(full, schema=schema), path)
    return Table(path=path, rows=len(rows), digest=f"digest of {path.name}")


def measure(
    engine: Engine,
    folder: Path,
    *,
    desired: Sequence[Mapping[str, Any]] = (),
    observed: Iterable[Contact] = (),
    releases: Sequence[Mapping[str, Any]] = (),
    exclusive: bool = False,
    recode: bool = True,
) -> Gap:
    """The gap between two small tables, in a folder of its own."""
    folder = Path(tempfile.mkdtemp(dir=folder))
    return compare.compare(
        engine,
        desired=store(folder / "desired.parquet", desired, DESIRED),
        observed=observe(engine, folder, observed),
        releases=store(folder / "releases.parquet", releases, RELEASES),
        as_of=AS_OF,
        window_end=WINDOW_END,
        exclusive=exclusive,
        recode=recode,
        release_basis="ownership",
        into=folder / "gap.parquet",
    )


def rows(table: Table, op: str = "") -> list[dict[str, Any]]:
    """What a table holds, of one ``op`` if one is named; by address where it has no order."""
    found: list[dict[str, Any]] = pq.read_table(table.path).to_pylist()
    wished = op or table.op
    if found and "address" in found[0] and "row" not in found[0]:
        found.sort(key=lambda row: (row["address"] is None, str(row["address"]), str(row)))
    return [row for row in found if not wished or row["op"] == wished]


def ops(gap: Gap) -> set[tuple[str, str | None]]:
    """What a gap says of whom."""
    return {(row["op"], row["address"]) for row in rows(gap.rows)}


WRITING = (Op.SUPPRESS, Op.AMEND, Op.PART, Op.SHORTEN, Op.RELEASE)
"""The parts of a gap that are sent, in the order of an apply."""


def post(contacts: Sequence[Contact], batch: pa.Table) -> list[Contact]:
    """What the service holds after a batch: a row takes the place of the contact it matches."""
    held = list(contacts)
    for row in batch.to_pylist():
        made = Contact(**{name: row[name] for name in Contact.__slots__})
        held = [each for each in held if not _same(each, made)]
        held.append(made)
    return held


def _same(one: Contact, other: Contact) -> bool:
    if other.email is not None:
        return one.email == other.email
    return one.phone == other.phone
