"""What others do at the service, past our program: lists they set up, contacts they change.

For demonstrations, tests and faults: it writes to the sandbox's file as an agent, an upload or an
administrator would change the service. It checks nothing that HTTP callers are held to.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeAlias

from reconciler.errors import NotFoundError
from reconciler.sandbox import data
from reconciler.times import zulu

__all__ = ["ListField", "Stranger", "ensure_list", "list_ids", "stranger"]

ListField: TypeAlias = Literal["name", "description", "suppressUntil"]


def ensure_list(
    database: Path,
    list_id: str,
    name: str,
    *,
    description: str | None = None,
    suppress_until: datetime | None = None,
    list_type: str = "suppression",
) -> bool:
    """Make a list of a known id, empty, unless it is there; one that is there stays as it is.

    Args:
        database: the sandbox's file; made if absent.
        list_id: its id.
        name: its name.
        description: its description.
        suppress_until: its own end, aware; ``None`` is no end.
        list_type: only ``suppression`` can be made over HTTP; others are for tests.

    Returns:
        Whether it was made.

    Raises:
        SettingError: the file cannot be used.
    """
    data.prepare(database)
    until = zulu(suppress_until) if suppress_until else None
    with data.writing(database) as connection:
        return data.insert_list(
            connection,
            list_id,
            name=name,
            description=description,
            suppress_until=until,
            list_type=list_type,
        )


def list_ids(database: Path) -> Mapping[str, str]:
    """Return the id of every list by its name."""
    with data.reading(database) as connection:
        rows = connection.execute("SELECT name, id FROM lists ORDER BY number").fetchall()
    return dict(rows)


def stranger(database: Path) -> "Stranger":
    """Return somebody else who works at the same service, past our program.

    Raises:
        SettingError: the file cannot be used.
    """
    data.prepare(database)
    return Stranger(database)


@dataclass(frozen=True, slots=True)
class Stranger:
    """An agent, an upload or an administrator: each act moves the list's ``ETag``.

    Every act raises ``NotFoundError`` where there is no such list.
    """

    database: Path

    def add(
        self,
        list_id: str,
        *,
        email: str | None = None,
        phone: str | None = None,
        reason: str | None = "DNC",
        until: datetime | None = None,
    ) -> None:
        """Add a contact, or replace the one with its identifier; the end may have passed."""
        contact = data.Contact(
            email=email,
            email_key=data.identity(email) if email else None,
            phone=phone,
            phone_key=data.identity(phone) if phone else None,
            reason=reason,
            suppress_until=zulu(until) if until else None,
        )
        with self._at(list_id) as (connection, stored):
            data.upsert(connection, stored, [contact])

    def remove(self, list_id: str, identifier: str) -> bool:
        """Delete the contact with this email or phone; return whether there was one."""
        with self._at(list_id) as (connection, stored):
            return data.remove(connection, stored, data.identity(identifier))

    def set(self, list_id: str, field: ListField, value: datetime | str | None) -> None:
        """Change a setting of the list, named as in JSON."""
        text = zulu(value) if isinstance(value, datetime) else value
        with self._at(list_id) as (connection, stored):
            data.change_list(connection, stored, {field: text})

    def touch(self, list_id: str) -> None:
        """Move the list's ``ETag`` and change nothing else."""
        with self._at(list_id) as (connection, stored):
            data.change_list(connection, stored, {})

    def activate(self, list_id: str) -> None:
        """Switch a group on."""
        with self._at(list_id) as (connection, stored):
            data.switch(connection, stored, active=True, removed=bool(stored.removed))

    def deactivate(self, list_id: str) -> None:
        """Switch a group off: it suppresses nobody and takes nothing."""
        with self._at(list_id) as (connection, stored):
            data.switch(connection, stored, active=False, removed=bool(stored.removed))

    def withdraw(self, list_id: str) -> None:
        """Let a group be removed; it is still shown, as such."""
        with self._at(list_id) as (connection, stored):
            data.switch(connection, stored, active=bool(stored.active), removed=True)

    def scrub(self, list_id: str, skill: int, *, works: bool = True) -> None:
        """Let a group keep back the calls of a skill, or no longer."""
        with self._at(list_id) as (connection, stored):
            data.set_skill(connection, stored, "scrubbed", skill, works=works)

    @contextmanager
    def _at(self, list_id: str) -> Iterator[tuple[sqlite3.Connection, data.StoredList]]:
        with data.writing(self.database) as connection:
            stored = data.get_list(connection, list_id)
            if stored is None:
                raise NotFoundError(f"the sandbox has no list {list_id!r}")
            yield connection, stored
