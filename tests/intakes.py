"""What contact files come to when they are read, in a line."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from contact_files import source
from reconciler.contacts.rows import LIMITS, Limits
from reconciler.contacts.sources import Intake, Reading


def taken_in(
    *files: Path,
    base: Path,
    limits: Limits = LIMITS,
    columns: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Reading, list[dict[str, Any]]]:
    """Read files of one source; return what came of it, and the rows in the order of places."""
    intake = Intake((), (source(*files, columns=columns),), base=base, limits=limits)
    found = [row for batch in intake.batches() for row in batch.to_pylist()]
    rows = [
        {"source": intake.names[row.pop("file")], **row}
        for row in found
        if row["file"] not in intake.broken
    ]
    rows.sort(key=lambda row: (row["source"], row["line"]))
    return intake.readings[0], rows
