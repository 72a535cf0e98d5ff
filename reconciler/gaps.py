"""Gaps measured before, kept as long as measuring again would come to the same.

A gap follows from its tables, from what the spec says of ownership, and from the time, since ends
pass. It is used again only for the very same tables (of an observed one the content counts, since
its file differs from one reading to the next), and only while nothing ends between the time it was
measured for and the one that is asked for. It never says that a list need not be read.
"""

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import orjson

from reconciler import disk
from reconciler.contacts.compare import next_end
from reconciler.contacts.engine import Engine
from reconciler.contacts.ingest import seconds
from reconciler.contacts.kept import link, sample
from reconciler.model import Ends, Gap, Ground, Op, Table, Tally
from reconciler.regular import sha256

_FORMAT: Final = 2
"""Goes up whenever a gap would come out differently from the same tables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a gap is asked for."""

    engine: Engine
    desired: Table
    observed: Table
    releases: Table
    ways: tuple[object, ...]
    """What else it depends on, whatever the time: ownership and the like."""
    as_of: datetime
    window_end: datetime
    """What ends until then is on its way out."""
    cache: Path

    @property
    def _tables(self) -> tuple[Path, ...]:
        return (self.desired.path, self.observed.path, self.releases.path)

    @property
    def _stem(self) -> str:
        tables = [self.desired.path.name, self.observed.digest, self.releases.path.name]
        said = [_FORMAT, tables, list(self.ways)]
        return f"gap-{hashlib.sha256(orjson.dumps(said)).hexdigest()[:32]}"

    def recall(self, into: Path) -> Gap | None:
        """Return the gap, if measuring would come to the same.

        Args:
            into: the path that the gap's rows get.
        """
        note, rows = (self.cache / f"{self._stem}.{kind}" for kind in ("json", "parquet"))
        try:
            said = orjson.loads(note.read_bytes())
            after, before = said["after"], said["before"]
            still = after <= seconds(self.as_of) and seconds(self.window_end) < before
            if not still or sha256(rows) != said["sha256"]:
                return None
            for path in (note, rows):
                os.utime(path)
            link(rows, into)
            return _gap(said["gap"], into)
        except (OSError, AttributeError, KeyError, TypeError, ValueError):
            return None

    def remember(self, gap: Gap) -> None:
        """Keep what was measured, unless something ends so soon that it would be of no use.

        A full disk costs the memory, not the run.
        """
        before = next_end(self.engine, self._tables, after=self.as_of)
        if before <= seconds(self.window_end):
            return
        rows = self.cache / f"{self._stem}.parquet"
        with suppress(OSError):
            link(gap.rows.path, rows)
            note = {
                "after": seconds(self.as_of),
                "before": before,
                "sha256": sha256(rows),
                "gap": _told(gap),
            }
            disk.replace(self.cache / f"{self._stem}.json", orjson.dumps(note))


_COUNTS: Final = (
    "against",
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
    "size",
)


def _told(gap: Gap) -> dict[str, Any]:
    endless = gap.endless_missing
    return {
        "counts": {name: getattr(gap, name) for name in _COUNTS},
        "rows": _table(gap.rows),
        "parts": {str(op): _table(part) for op, part in gap.parts.items()},
        "endless_missing": endless and _table(endless),
        "samples": {str(op): [asdict(row) for row in rows] for op, rows in gap.samples.items()},
        "tallies": [asdict(tally) for tally in gap.tallies],
        "grounds": [asdict(ground) for ground in gap.grounds],
        "ends": {
            "days": dict(gap.ends.days),
            "later": gap.ends.later,
            "endless": gap.ends.endless,
        },
    }


def _table(table: Table) -> dict[str, object]:
    return {"rows": table.rows, "digest": table.digest, "op": table.op}


def _gap(told: Mapping[str, Any], path: Path) -> Gap:
    endless = told["endless_missing"]
    parts = {Op(op): Table(path=path, **part) for op, part in told["parts"].items()}
    samples = {Op(op): tuple(map(sample, rows)) for op, rows in told["samples"].items()}
    return Gap(
        rows=Table(path=path, **told["rows"]),
        parts=MappingProxyType(parts),
        endless_missing=Table(path=path, **endless) if endless else None,
        samples=MappingProxyType(samples),
        tallies=tuple(Tally(**{**one, "op": Op(one["op"])}) for one in told["tallies"]),
        grounds=tuple(Ground(**{**one, "op": Op(one["op"])}) for one in told["grounds"]),
        ends=Ends(**{**told["ends"], "days": MappingProxyType(told["ends"]["days"])}),
        **told["counts"],
    )
