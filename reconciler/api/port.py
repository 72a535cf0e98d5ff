"""What the program may ask of a service, whichever dialect it speaks.

``Reader`` cannot write: planning gets nothing else. ``Writer`` is a ``Reader`` that can. Contacts
cross this border as columns of a fixed schema, never as objects. It holds no I/O.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

import pyarrow as pa

from reconciler.model import Capabilities, Change, RemoteList, Settings

PAGE: Final = pa.schema(
    [
        ("email", pa.string()),
        ("phone", pa.string()),
        ("reason", pa.string()),
        ("until", pa.string()),
        ("version", pa.int64()),
    ]
)
"""One row an observed contact, each value exactly as the service spelled it; nulls where absent.

A contact may carry both identifiers. ``until`` is the service's text, not parsed.
"""

BATCH: Final = pa.schema(
    [
        ("row", pa.int64()),
        ("pair", pa.int64()),
        ("email", pa.string()),
        ("phone", pa.string()),
        ("reason", pa.string()),
        ("until", pa.int64()),
        ("version", pa.int64()),
    ]
)
"""One row a contact to write, with exactly one of ``email`` and ``phone``.

``row`` numbers it within its action's table. Rows that share a non-null ``pair`` stand next to
each other and are the two identifiers of one observed contact: they are sent together or not at
all. ``until`` is seconds since 1970 UTC, null for no end. ``version`` is what is to be sent.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A piece of a list, as read."""

    contacts: pa.Table
    """Of schema ``PAGE``, in the service's order."""
    total: int | None
    """Contacts of the whole list, as this page claims."""
    version: str
    """The list's version, as this page claims; empty where it says none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowError:
    """One row the service named as not taken. ``index`` is its position in the batch sent."""

    index: int
    code: str
    field: str = ""
    message: str = ""
    """Scrubbed of anything like an address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What the service answered to one batch."""

    taken: bool
    """Whether the rows it did not complain of are in place. False: nothing is."""
    errors: tuple[RowError, ...] = ()
    unnamed: tuple[str, ...] = ()
    """Codes of complaints that name no row: some row was not taken, and it is not said which."""
    version: str = ""
    """The list's version after the write; empty where the service said none."""
    detail: str = ""
    """Why nothing was taken, where the service said so; scrubbed."""


class Reader(Protocol):
    """One tenant's service, to look at. Safe to use from several threads."""

    @property
    def capabilities(self) -> Capabilities:
        """What this dialect can do."""
        ...

    @property
    def skew(self) -> timedelta:
        """The service's clock less ours, from its last answer; zero before the first."""
        ...

    def sign_in(self) -> None:
        """Prove that the credentials work.

        Raises:
            AuthError: they do not.
        """
        ...

    def get(self, list_id: str) -> RemoteList:
        """Return a list's metadata.

        Raises:
            NotFoundError: there is no such list.
        """
        ...

    def find(self, name: str) -> RemoteList | None:
        """Return the list of exactly this name.

        Raises:
            NotFoundError: more than one list has it.
        """
        ...

    def occupied(self) -> int | None:
        """Count what all lists hold against the account's capacity; ``None`` where none is known.

        Raises:
            ServiceError: it cannot be told.
        """
        ...

    def pages(self, list_id: str) -> Iterator[Page]:
        """Read all contacts once, advancing by rows received, until a page is empty.

        It claims nothing about completeness: totals, versions and repeats are the caller's to
        judge.
        """
        ...


class Writer(Reader, Protocol):
    """One tenant's service, to change."""

    @property
    def at_once(self) -> int:
        """Requests in flight at once, at most: more batches need not wait."""
        ...

    def create(self, settings: Settings) -> RemoteList:
        """Make a suppression list; sent once and never repeated by itself.

        Raises:
            ServiceError: it is not known whether the list was made; look it up by name.
        """
        ...

    def update(self, list_id: str, changes: Sequence[Change], *, version: str) -> RemoteList:
        """Change exactly these fields, if the list still has this version.

        Raises:
            VersionConflictError: it has not; nothing was changed.
        """
        ...

    def send(self, list_id: str, batch: pa.Table) -> Sent:
        """Upsert one batch (schema ``BATCH``), at most ``capabilities.batch`` rows.

        Answers about rows are values, not errors. Repeating it is safe.
        """
        ...

    def remove(self, list_id: str, batch: pa.Table) -> Sent:
        """Let the contacts of one batch go, at most ``capabilities.batch`` rows.

        Where ``capabilities.release`` is ``expire`` their rows carry an end minutes ahead.
        Answers about rows are values, not errors. Repeating it is safe.
        """
        ...
