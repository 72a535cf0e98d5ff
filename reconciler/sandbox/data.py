"""The sandbox's lists and contacts, in one SQLite file.

The file holds addresses, so it is 0600, in a folder made 0700. Every piece of work opens its own
connection: threads and processes see each other's writes at once. Nothing here knows HTTP or
judges a request; ``rules`` does that before anything is stored.
"""

import hashlib
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.errors import SettingError

__all__ = [
    "Contact",
    "StoredList",
    "admit",
    "change_list",
    "expire",
    "get_list",
    "identity",
    "insert_list",
    "lists_named",
    "page",
    "phones",
    "prepare",
    "reading",
    "remove",
    "save_token",
    "set_skill",
    "skills",
    "suppressing",
    "switch",
    "upsert",
    "writing",
]

_FORMAT: Final = 2
_KNOWN: Final = (0, 1, _FORMAT)
_PATIENCE: Final = 30.0
"""Seconds to wait for another writer."""

_SCHEMA: Final = (
    """CREATE TABLE lists (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, description TEXT,
        list_type TEXT NOT NULL, suppress_until TEXT, contact_count INTEGER NOT NULL DEFAULT 0,
        version INTEGER NOT NULL DEFAULT 1)""",
    """CREATE TABLE contacts (
        number INTEGER PRIMARY KEY AUTOINCREMENT, list INTEGER NOT NULL REFERENCES lists,
        email TEXT, email_key TEXT, phone TEXT, phone_key TEXT, reason TEXT, suppress_until TEXT,
        version INTEGER NOT NULL)""",
    "CREATE UNIQUE INDEX contact_emails ON contacts (list, email_key)",
    "CREATE UNIQUE INDEX contact_phones ON contacts (list, phone_key)",
    "CREATE INDEX contacts_in_order ON contacts (list, number)",
    "CREATE TABLE tokens (digest TEXT PRIMARY KEY, expires REAL NOT NULL)",
)
_SINCE_2: Final = (
    "ALTER TABLE lists ADD COLUMN active INTEGER NOT NULL DEFAULT 1",
    "ALTER TABLE lists ADD COLUMN removed INTEGER NOT NULL DEFAULT 0",
    """CREATE TABLE skills (
        list INTEGER NOT NULL REFERENCES lists, kind TEXT NOT NULL, skill INTEGER NOT NULL,
        PRIMARY KEY (list, kind, skill))""",
    f"PRAGMA user_version = {_FORMAT}",
)
"""What files of format 1 lack."""

_LIST: Final = (
    "SELECT number, id, name, description, list_type, suppress_until, contact_count, version,"
    " active, removed FROM lists "
)
_INSERT_LIST: Final = (
    "INSERT INTO lists (id, name, description, list_type, suppress_until) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (id) DO NOTHING"
)
_PAGE: Final = (
    "SELECT email, phone, reason, suppress_until, version FROM contacts"
    " WHERE list = ? ORDER BY number LIMIT ? OFFSET ?"
)
_BATCH: Final = "CREATE TEMP TABLE batch (row INTEGER PRIMARY KEY, email_key TEXT, phone_key TEXT)"
_MATCHES: Final = """
    SELECT batch.row, contacts.number, contacts.version FROM batch
    CROSS JOIN contacts ON contacts.list = :list AND contacts.email_key = batch.email_key
    UNION
    SELECT batch.row, contacts.number, contacts.version FROM batch
    CROSS JOIN contacts ON contacts.list = :list AND contacts.phone_key = batch.phone_key
    ORDER BY 1, 2"""
_PHONES: Final = (
    "FROM contacts WHERE list = ? AND phone_key IS NOT NULL"
    " AND (suppress_until IS NULL OR substr(suppress_until, 1, 19) > ?)"
)
_SECONDS: Final = 19
"""Characters of a time up to its seconds; by these, times compare as they follow."""
_INSERT_CONTACT: Final = (
    "INSERT INTO contacts (number, list, email, email_key, phone, phone_key, reason,"
    " suppress_until, version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_REMOVE: Final = (
    "DELETE FROM contacts WHERE list = :list AND (email_key = :key OR phone_key = :key)"
)
_UPDATE: Final = {
    "name": "UPDATE lists SET name = ? WHERE number = ?",
    "description": "UPDATE lists SET description = ? WHERE number = ?",
    "suppressUntil": "UPDATE lists SET suppress_until = ? WHERE number = ?",
}
_MOVE: Final = (
    "UPDATE lists SET version = version + 1, contact_count = contact_count + ? WHERE number = ?"
)


class StoredList(NamedTuple):
    """A list as stored; ``number`` is ours, ``id`` is what callers know it by."""

    number: int
    id: str
    name: str
    description: str | None
    list_type: str
    suppress_until: str | None
    contact_count: int
    version: int
    active: int
    removed: int

    @property
    def etag(self) -> str:
        """The strong entity tag, quoted; it moves with settings and with contacts."""
        return f'"{hashlib.sha256(f"{self.id}:{self.version}".encode()).hexdigest()[:20]}"'

    @property
    def body(self) -> dict[str, object]:
        """The list as its JSON shows it."""
        return {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "listType": self.list_type,
            "suppressUntil": self.suppress_until,
            "contactCount": self.contact_count,
        }


class Contact(NamedTuple):
    """A valid contact to store: as spelled, and each identifier as it is matched.

    ``version`` is ``None`` where the caller sent none.
    """

    email: str | None
    email_key: str | None
    phone: str | None
    phone_key: str | None
    reason: str | None
    suppress_until: str | None
    version: int | None = None


# ---------------------------------------------------------------- the file


def prepare(database: Path) -> None:
    """Make the file if it is absent, with its tables, readable by its owner alone.

    Raises:
        SettingError: the path cannot hold a database, or holds something else.
    """
    try:
        database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        database.touch(mode=0o600)
        database.chmod(0o600)
        with closing(_connect(database)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            found = connection.execute("PRAGMA user_version").fetchone()[0]
            missing = (*(() if found else _SCHEMA), *(() if found == _FORMAT else _SINCE_2))
            for statement in missing if found in _KNOWN else ():
                connection.execute(statement)
            connection.execute("COMMIT")
            connection.execute("PRAGMA journal_mode = WAL")
    except (OSError, sqlite3.Error) as error:
        raise SettingError(f"the sandbox cannot keep its data in {database}: {error}") from error
    if found not in _KNOWN:
        raise SettingError(
            f"{database} has format {found}; this sandbox reads {_FORMAT}",
            hint="Name another file, or delete this one: a sandbox holds nothing of value.",
        )


@contextmanager
def reading(database: Path) -> Iterator[sqlite3.Connection]:
    """Yield a connection that sees one moment of the file."""
    with _transaction(database, "BEGIN") as connection:
        yield connection


@contextmanager
def writing(database: Path) -> Iterator[sqlite3.Connection]:
    """Yield the only writing connection; an exception undoes what was done with it."""
    with _transaction(database, "BEGIN IMMEDIATE") as connection:
        yield connection


@contextmanager
def _transaction(database: Path, begin: str) -> Iterator[sqlite3.Connection]:
    with closing(_connect(database)) as connection:
        connection.execute(begin)
        try:
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def _connect(database: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(database, timeout=_PATIENCE, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA temp_store = MEMORY")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


# ---------------------------------------------------------------- lists


def get_list(connection: sqlite3.Connection, list_id: str) -> StoredList | None:
    """Return a list by its id."""
    row = connection.execute(f"{_LIST} WHERE id = ?", [list_id]).fetchone()
    return StoredList(*row) if row else None


def lists_named(connection: sqlite3.Connection, name: str | None) -> tuple[StoredList, ...]:
    """Return the lists of exactly this name, or all of them for ``None``, oldest first."""
    rows = connection.execute(
        f"{_LIST} WHERE :name IS NULL OR name = :name ORDER BY number", {"name": name}
    ).fetchall()
    return tuple(StoredList(*row) for row in rows)


def insert_list(
    connection: sqlite3.Connection,
    list_id: str,
    *,
    name: str,
    description: str | None,
    suppress_until: str | None,
    list_type: str = "suppression",
) -> bool:
    """Add a list unless its id is taken; return whether it was added."""
    values = [list_id, name, description, list_type, suppress_until]
    return connection.execute(_INSERT_LIST, values).rowcount == 1


def change_list(
    connection: sqlite3.Connection, stored: StoredList, changes: Mapping[str, str | None]
) -> None:
    """Set these fields, named as in JSON, and move the list's version; none only moves it."""
    for field, value in changes.items():
        connection.execute(_UPDATE[field], [value, stored.number])
    connection.execute(_MOVE, [0, stored.number])


# ---------------------------------------------------------------- contacts


def identity(text: str) -> str:
    """Return what an identifier is matched by.

    An email by its trimmed lower-case text, a phone by its digits and leading plus: no region is
    assumed, so ``5550100`` and ``+15550100`` are two.
    """
    stripped = text.strip()
    if "@" in stripped:
        return stripped.lower()
    return "+" * stripped.startswith("+") + re.sub(r"[^0-9]", "", stripped)


def page(
    connection: sqlite3.Connection, stored: StoredList, *, skip: int, top: int
) -> list[dict[str, object]]:
    """Return contacts as their JSON shows them, in the order of their arrival, nulls left out."""
    rows = connection.execute(_PAGE, [stored.number, top, skip])
    names = ("email", "phoneNumber", "reason", "suppressUntil", "version")
    return [
        {name: value for name, value in zip(names, row, strict=True) if value is not None}
        for row in rows
    ]


def upsert(connection: sqlite3.Connection, stored: StoredList, contacts: Sequence[Contact]) -> None:
    """Store contacts, each in the place of all that share an identifier with it.

    No identifier may stand in two of them. A contact that replaces another keeps its place in the
    order; without a version of its own it takes the one after the replaced.
    """
    claimed: dict[int, tuple[int, int]] = {}
    replaced: set[int] = set()
    for row, number, version in _matches(connection, stored, contacts):
        if number not in replaced:
            replaced.add(number)
            place, newest = claimed.get(row, (number, version))
            claimed[row] = (place, max(newest, version))
    connection.executemany(
        "DELETE FROM contacts WHERE number = ?", ((number,) for number in replaced)
    )
    connection.executemany(
        _INSERT_CONTACT,
        (
            (place, stored.number, *contact[:-1], contact.version or newest + 1)
            for row, contact in enumerate(contacts)
            for place, newest in [claimed.get(row, (None, 0))]
        ),
    )
    connection.execute(_MOVE, [len(contacts) - len(replaced), stored.number])


def remove(connection: sqlite3.Connection, stored: StoredList, key: str) -> bool:
    """Delete the contact matched by this identity; return whether there was one."""
    gone = connection.execute(_REMOVE, {"list": stored.number, "key": key}).rowcount
    connection.execute(_MOVE, [-gone, stored.number])
    return gone > 0


def phones(
    connection: sqlite3.Connection, stored: StoredList, *, since: str, skip: int, top: int
) -> list[tuple[int, str, str | None]]:
    """Return number, phone and end of contacts with a phone that had not ended by then."""
    query = f"SELECT number, phone, suppress_until {_PHONES} ORDER BY number LIMIT ? OFFSET ?"
    return connection.execute(query, [stored.number, since[:_SECONDS], top, skip]).fetchall()


def suppressing(connection: sqlite3.Connection, stored: StoredList, *, now: str) -> int:
    """Count the contacts with a phone that have not ended."""
    query = f"SELECT count(*) {_PHONES}"
    count: int = connection.execute(query, [stored.number, now[:_SECONDS]]).fetchone()[0]
    return count


def expire(connection: sqlite3.Connection, stored: StoredList, key: str, *, now: str) -> bool:
    """End the contact of this phone now, unless it has ended; return whether there is one."""
    known = connection.execute(
        "SELECT 1 FROM contacts WHERE list = ? AND phone_key = ?", [stored.number, key]
    ).fetchone()
    connection.execute(
        "UPDATE contacts SET suppress_until = :now WHERE list = :list AND phone_key = :key"
        " AND (suppress_until IS NULL OR substr(suppress_until, 1, 19) > substr(:now, 1, 19))",
        {"list": stored.number, "key": key, "now": now},
    )
    connection.execute(_MOVE, [0, stored.number])
    return known is not None


def switch(
    connection: sqlite3.Connection, stored: StoredList, *, active: bool, removed: bool
) -> None:
    """Switch a list on or off, or withdraw it."""
    connection.execute(
        "UPDATE lists SET active = ?, removed = ? WHERE number = ?",
        [active, removed, stored.number],
    )
    connection.execute(_MOVE, [0, stored.number])


def skills(connection: sqlite3.Connection, stored: StoredList, kind: str) -> list[int]:
    """Return the skills of one kind that a list works for, in order."""
    query = "SELECT skill FROM skills WHERE list = ? AND kind = ? ORDER BY skill"
    return [skill for (skill,) in connection.execute(query, [stored.number, kind])]


def set_skill(
    connection: sqlite3.Connection, stored: StoredList, kind: str, skill: int, *, works: bool
) -> None:
    """Let a list work for a skill, or no longer."""
    statement = (
        "INSERT OR IGNORE INTO skills VALUES (?, ?, ?)"
        if works
        else "DELETE FROM skills WHERE list = ? AND kind = ? AND skill = ?"
    )
    connection.execute(statement, [stored.number, kind, skill])
    connection.execute(_MOVE, [0, stored.number])


def _matches(
    connection: sqlite3.Connection, stored: StoredList, contacts: Sequence[Contact]
) -> list[tuple[int, int, int]]:
    """Return row, number and version wherever a contact meets a stored one, in that order."""
    connection.execute(_BATCH)
    connection.executemany(
        "INSERT INTO batch VALUES (?, ?, ?)",
        ((row, each.email_key, each.phone_key) for row, each in enumerate(contacts)),
    )
    found = connection.execute(_MATCHES, {"list": stored.number}).fetchall()
    connection.execute("DROP TABLE batch")
    return found


# ---------------------------------------------------------------- tokens


def save_token(connection: sqlite3.Connection, token: str, *, now: float, expires: float) -> None:
    """Remember a token by its digest, and forget those that have expired."""
    connection.execute("DELETE FROM tokens WHERE expires <= ?", [now])
    connection.execute("INSERT INTO tokens VALUES (?, ?)", [_digest(token), expires])


def admit(connection: sqlite3.Connection, token: str, *, now: float) -> bool:
    """Tell whether a token was given out and has not expired."""
    query = "SELECT 1 FROM tokens WHERE digest = ? AND expires > ?"
    return connection.execute(query, [_digest(token), now]).fetchone() is not None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
