"""Contact files, and the lists that are made of them, in a line."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from builders import NOW, list_spec
from reconciler.contacts.compile import Compiled, compile_list
from reconciler.contacts.engine import Engine
from reconciler.model import CHANNELS, Defaults, InlineContact, ListSpec, Place, Source, Table

HEADER = "email,phoneNumber,reason,suppressUntil,requestedAt\n"


def inline(line: int = 9, **fields: Any) -> InlineContact:
    """A contact in the spec itself."""
    return InlineContact(place=Place(path="specs/us-dnc.yaml", line=line, column=7), **fields)


def source(*files: Path, **changes: Any) -> Source:
    """A source of these files."""
    made = Source(
        place=Place(path="specs/us-dnc.yaml", line=30, column=5),
        path="contacts/*",
        base=Path("specs"),
        files=files,
    )
    return replace(made, **changes)


def csv_file(folder: Path, *rows: str, name: str = "a.csv") -> Path:
    """A CSV file with our own column names; its first row stands in line 2."""
    path = folder / name
    path.write_text(HEADER + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    return path


def compiled(
    engine: Engine,
    folder: Path,
    spec: ListSpec | None = None,
    *,
    channels: tuple[str, ...] = CHANNELS,
    **changes: Any,
) -> Compiled:
    """What a list with a default reason and region comes to."""
    made = spec or list_spec(defaults=Defaults(reason="DNC", region="US"))
    return compile_list(
        engine,
        replace(made, **changes),
        base=folder,
        as_of=NOW,
        into=folder / "cache",
        invalid_into=lambda: folder / "run" / "invalid.csv",
        channels=channels,
    )


def table_rows(table: Table) -> list[dict[str, Any]]:
    """A table's rows by address: it has no order of its own."""
    found: list[dict[str, Any]] = pq.read_table(table.path).to_pylist()
    return sorted(found, key=lambda row: str(row["address"]))
