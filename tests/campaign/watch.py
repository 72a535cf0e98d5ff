"""What the service holds, and whether everybody who should be suppressed is, after each write.

It reads the sandbox's file past our program and compares it with the reference, never with what
the program says. A neighbour's own deeds are remembered, so that they are not laid at our door.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from reference import NEVER, Declared, Row

from reconciler import sandbox
from reconciler.sandbox import data
from reconciler.sandbox.others import ListField
from reconciler.times import parse_time, zulu

WINDOW: Final = timedelta(minutes=11)
"""Whoever ends within this of now has been let go."""

_LISTS: Final = "SELECT number, id, name, description, suppress_until FROM lists"
_ROWS: Final = "SELECT email_key, phone_key, reason, suppress_until FROM contacts WHERE list = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One list as the service holds it; ends are texts that can be compared."""

    list_id: str
    name: str
    description: str | None
    until: str
    rows: Mapping[str, Row]

    def blocked(self, now: str) -> dict[str, str]:
        """Who is suppressed, and until when at most."""
        return {
            one: min(end, self.until)
            for one, (_, end) in self.rows.items()
            if now < min(end, self.until)
        }


def look(database: Path, lists: tuple[Declared, ...], *, only: str = "") -> dict[str, Held]:
    """Return what the service holds, by our key; a list that is not there is left out."""
    names = {each.list_id or each.name: each.key for each in lists}
    found: dict[str, Held] = {}
    with data.reading(database) as connection:
        for number, list_id, name, description, until in connection.execute(_LISTS).fetchall():
            key = names.get(list_id) or names.get(name)
            assert key, "a list that nobody declared"
            assert key not in found, f"{key} was made twice"
            if only not in ("", key):
                continue
            found[key] = Held(
                list_id=list_id,
                name=name,
                description=description,
                until=until or NEVER,
                rows={
                    one: (reason, end or NEVER)
                    for email, phone, reason, end in connection.execute(_ROWS, [number])
                    for one in (email, phone)
                    if one
                },
            )
    return found


@dataclass(slots=True)
class Deeds:
    """What somebody else did at the service meanwhile."""

    added: dict[str, dict[str, Row]] = field(default_factory=dict)
    removed: set[tuple[str, str]] = field(default_factory=set)
    """List and identifier."""
    renewed: set[tuple[str, str]] = field(default_factory=set)
    settings: dict[tuple[str, str], str] = field(default_factory=dict)
    """Value by list and field."""

    @property
    def touched(self) -> bool:
        """Whether anything that is declared may have been undone."""
        return bool(self.removed or self.renewed or self.settings)


@dataclass(slots=True, kw_only=True)
class Watch:
    """Looks at a list after each write to it, and writes down every harm it finds."""

    database: Path
    lists: tuple[Declared, ...]
    deeds: Deeds = field(default_factory=Deeds)
    harms: list[str] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)
    """Harms of those who share a contact."""
    before: dict[str, Held] = field(default_factory=dict)

    def begin(self) -> None:
        """Remember what is held now, before a run, and that nobody was harmed in it yet."""
        self.harms, self.torn = [], []
        self.before = look(self.database, self.lists)

    def check(self, key: str, now: datetime) -> None:
        """Compare a list, if it was there before, with what must hold of it at any moment."""
        if key not in self.before:
            return
        each = next(each for each in self.lists if each.key == key)
        after = look(self.database, self.lists, only=key).get(key)
        if after is None:
            self.harms.append(f"{key}: the list is gone")
            return
        paired = {one for pair in each.pairs for one in pair}
        self.harms += [f"{key}: {harm}" for harm in self._settings(each, self.before[key], after)]
        for one, harm in self._harms(each, after, zulu(now)):
            (self.torn if one in paired else self.harms).append(f"{key}: {harm}")

    def _harms(self, each: Declared, after: Held, now: str) -> Iterator[tuple[str, str]]:
        """Yield whom a write has harmed, and how."""
        before, held = self.before[each.key], after.blocked(now)
        missing = sum(
            held.get(one, "") < min(end, after.until)
            for one, (_, end) in each.wanted.items()
            if (each.key, one) not in self.deeds.removed
        )
        if missing and after.until < min(before.until, self._theirs(each, "suppressUntil")):
            yield "", f"the list was shortened while {missing} suppressions were not in place"
        for one, end in before.blocked(now).items():
            if (each.key, one) in self.deeds.removed:
                continue
            floor = self._floor(each, one, end)
            if held.get(one, "") < floor:
                yield one, f"somebody is held until {held.get(one)} and not {floor}"
            if missing and after.rows.get(one, ("", ""))[1] < before.rows[one][1]:
                yield one, f"somebody was let go while {missing} suppressions were not in place"

    def _floor(self, each: Declared, one: str, end: str) -> str:
        """Return until when somebody must stay suppressed at least."""
        if one in each.released:
            return ""
        theirs = self._theirs(each, "suppressUntil")
        return min(each.shortened.get(one, end), end, each.until, theirs)

    def _theirs(self, each: Declared, name: str) -> str:
        return self.deeds.settings.get((each.key, name), NEVER)

    def _settings(self, each: Declared, before: Held, after: Held) -> Iterator[str]:
        declared = {"name": each.name, "description": each.description, "suppressUntil": each.until}
        for name, old, new in (
            ("name", before.name, after.name),
            ("description", before.description, after.description),
            ("suppressUntil", before.until, after.until),
        ):
            managed = declared[name] if declared[name] not in (None, NEVER) else old
            theirs = self.deeds.settings.get((each.key, name), old)
            if new not in (old, managed, theirs):
                yield f"{name} became what nobody declared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """Somebody else at work on one list; every deed is written down as theirs."""

    watch: Watch
    each: Declared

    def _at(self) -> tuple[sandbox.Stranger, str]:
        found = look(self.watch.database, self.watch.lists).get(self.each.key)
        other = sandbox.stranger(self.watch.database)
        if found:
            return other, found.list_id
        sandbox.ensure_list(self.watch.database, "theirs", self.each.name)
        return other, "theirs"

    def touch(self) -> None:
        """Move the list's version; where there is no list yet, make it."""
        other, list_id = self._at()
        other.touch(list_id)

    def add(self) -> None:
        """Add a contact that nobody declared."""
        other, list_id = self._at()
        one = f"theirs.{self.each.key}@example.com"
        other.add(list_id, email=one)
        self.watch.deeds.added.setdefault(self.each.key, {})[one] = ("DNC", NEVER)

    def prolong(self) -> None:
        """Renew the suppression of somebody who is to be let go, or else of somebody wanted."""
        other, list_id = self._at()
        shared = {one for pair in self.each.pairs for one in pair}
        one = min(self.each.released - shared or self.each.wanted)
        email, number = (one, None) if "@" in one else (None, one)
        other.add(list_id, email=email, phone=number, reason="COMPLIANCE")
        self.watch.deeds.renewed.add((self.each.key, one))

    def remove(self) -> None:
        """Take somebody who is wanted off the list."""
        other, list_id = self._at()
        one = min(self.each.held.keys() & self.each.wanted.keys() or self.each.wanted)
        other.remove(list_id, one)
        self.watch.deeds.removed.add((self.each.key, one))

    def unsettle(self) -> None:
        """Change a setting that is declared."""
        if self.each.until != NEVER:
            self._set("suppressUntil", "2035-01-01T00:00:00Z")
        else:
            self._set("description", "Theirs")

    def settle(self) -> None:
        """Change a setting that nobody declared."""
        if self.each.until != NEVER:
            self._set("description", "Theirs")
        else:
            self._set("suppressUntil", "2040-01-01T00:00:00Z")

    def _set(self, name: ListField, value: str) -> None:
        other, list_id = self._at()
        other.set(list_id, name, parse_time(value) if name == "suppressUntil" else value)
        self.watch.deeds.settings[self.each.key, name] = value
