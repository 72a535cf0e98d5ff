"""Read one list whole, or say why it is not certain to be whole.

A read is complete or not, never in between, and a failed read is never an empty list. It never
writes to the service.
"""

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa

from reconciler.api.port import Reader
from reconciler.artifacts import Run, private
from reconciler.contacts.ingest import ingest, live, repeated
from reconciler.errors import RequestRefusedError, ServiceError
from reconciler.model import RemoteList, Table

TRIES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One list's contacts, as read."""

    remote: RemoteList
    """The metadata as it was after the contacts."""
    table: Table
    doubt: str = ""
    """Why this may not be all of it; empty where it provably is."""
    failed: bool = False
    """Whether the doubt is a failure of the service rather than a list that moves."""

    @property
    def complete(self) -> bool:
        """Whether every contact was read."""
        return not self.doubt


def read(run: Run, reader: Reader, remote: RemoteList, *, key: str, region: str | None) -> Reading:
    """Read all contacts, again where the list moved meanwhile, at most three times.

    Complete means: as many rows as every page's total and the list's own count say (some services
    count only those that have not lapsed), none of them twice, and one version from before the
    first page to after the last. A check that cannot be made has failed. Of tries that all failed
    the one that saw most counts.

    Args:
        run: whose engine and cache are used.
        reader: the tenant's service.
        remote: the list's metadata, as just read.
        key: our name of the list.
        region: by which national numbers are read.

    Raises:
        AuthError, ForbiddenError, NotFoundError: the list may not be read at all.
        ServiceError: not even its metadata can be had.
    """
    fullest = latest = _once(run, reader, remote, key=key, region=region)
    for _ in range(TRIES - 1):
        if fullest.complete:
            break
        latest = _once(run, reader, latest.remote, key=key, region=region)
        if latest.complete or latest.table.rows >= fullest.table.rows:
            fullest = latest
    return fullest


def _once(run: Run, reader: Reader, before: RemoteList, *, key: str, region: str | None) -> Reading:
    task = f"{key}: reading the service"
    can = reader.capabilities
    announced = before.count if can.counts_lapsed else None
    walk = _Walk(announced=announced, seen=lambda rows: run.progress(task, rows, before.count))
    into = private(run.cache)
    with closing(walk.over(reader, before.id)) as pages:  # or threads may go on fetching them
        table = ingest(run.engine, pages, region=region, into=into)
    after = reader.get(before.id)
    rows = walk.rows
    if not can.counts_lapsed:
        rows = live(run.engine, table, as_of=run.clock() + reader.skew)
    doubt = walk.failure or _doubt(walk, before, after, counted=rows, versioned=can.versioned)
    if not doubt and (again := repeated(run.engine, table)):
        doubt = f"{again:,} contacts came twice, so as many others may have been left out"
    return Reading(remote=after, table=table, doubt=doubt, failed=bool(walk.failure))


@dataclass(slots=True)
class _Walk:
    """What one walk over the pages saw."""

    announced: int | None
    """How many contacts there are, as the list said, then as its first page said."""
    seen: Callable[[int], None]
    rows: int = 0
    totals: set[int] = field(default_factory=set)
    versions: set[str] = field(default_factory=set)
    failure: str = ""

    def over(self, reader: Reader, list_id: str) -> Generator[pa.Table, None, None]:
        """Yield the pages' contacts; a failure ends the walk and is kept, not lost."""
        try:
            for page in reader.pages(list_id):
                self.rows += page.contacts.num_rows
                if page.total is not None:
                    self.announced = self.announced if self.totals else page.total
                    self.totals.add(page.total)
                if page.version:
                    self.versions.add(page.version)
                self.seen(self.rows)
                yield page.contacts
                if self.announced is not None and self.rows > self.announced:
                    return  # a list that grows, or pages without an end: in doubt either way
        except (ServiceError, RequestRefusedError) as error:
            self.failure = str(error)


def _doubt(
    walk: _Walk, before: RemoteList, after: RemoteList, *, counted: int, versioned: bool
) -> str:
    """Return the first thing that does not agree or cannot be checked; empty where all does."""
    if versioned and not after.version:
        return "the service does not say its version"
    if not walk.totals and after.count is None:
        return "the service does not say how many contacts it has"
    if walk.versions | {before.version, after.version} != {after.version}:
        return "it changed while it was read"
    if walk.totals - {walk.rows}:
        return f"{walk.rows:,} contacts came, {max(walk.totals - {walk.rows}):,} were announced"
    if after.count is not None and after.count != counted:
        return f"{counted:,} contacts came, the list counts {after.count:,}"
    return ""
