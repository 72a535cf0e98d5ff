"""Observed tables remembered between runs, so that an unchanged list costs one request.

A table is used again only while nothing speaks against it: same version, same count, younger
than a day, the file unaltered, and a tenant known to move a list's version when its contacts
change. Anything else is forgotten and read again. It never decides on a release. What is remembered
of tables of every kind is bounded here too, but never what a list was when it was last read whole.
"""

import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import orjson

from reconciler import disk
from reconciler.contacts.normalise import RULES
from reconciler.model import RemoteList, Table
from reconciler.regular import sha256
from reconciler.times import parse_time, zulu

_MAX_AGE: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """Where one list's observed table is remembered.

    ``region`` belongs to it because it decides how national numbers are read.
    """

    folder: Path
    tenant: str
    service: str
    """Where the tenant is served: under another address nothing of it is known."""
    list_id: str
    region: str | None

    @property
    def _note(self) -> Path:
        known = self._named(self.list_id, str(self.region), RULES)
        return self.folder / f"observed-{known}.json"

    @property
    def _lesson(self) -> Path:
        return self.folder / f"tenant-{self._named()}.json"

    def _named(self, *more: str) -> str:
        text = "|".join((self.tenant, self.service, *more))
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @property
    def moves(self) -> bool | None:
        """Whether this tenant moves a list's version when contacts are written, if known."""
        try:
            lesson = orjson.loads(self._lesson.read_bytes())["moves"]
        except (OSError, KeyError, TypeError, ValueError):
            return None
        return lesson is True

    def recall(self, remote: RemoteList, *, now: datetime) -> Table | None:
        """Return the remembered table if it is certainly still what the list holds."""
        note = self._noted()
        try:
            same = (remote.version, remote.count) == (note["version"], note["count"])
            young = timedelta() <= now - parse_time(note["read"]) < _MAX_AGE
        except (AttributeError, KeyError, TypeError, ValueError):
            return None
        sure = remote.version and same and young and self.moves and remote.count is not None
        return self._table(note) if sure else None

    @property
    def last(self) -> Table | None:
        """The list as it was last read whole, however long ago; not what it holds now."""
        return self._table(self._noted())

    def _table(self, note: Any) -> Table | None:
        """Return the table that a note speaks of, if its file is as it was."""
        try:
            table = Table(path=self.folder / note["file"], rows=note["rows"], digest=note["digest"])
            same = sha256(table.path) == note["sha256"]
            os.utime(table.path)
        except (OSError, KeyError, TypeError, ValueError):
            return None
        return table if same else None

    def _noted(self) -> Any:
        """Return what the note says, whatever that is; nothing where it cannot be read."""
        try:
            return orjson.loads(self._note.read_bytes())
        except (OSError, ValueError):
            return {}

    def remember(self, remote: RemoteList, table: Table, *, now: datetime) -> None:
        """Keep a table that was read whole. A full disk costs the memory, not the run."""
        with suppress(OSError):
            self._keep(
                self._note,
                {
                    "version": remote.version,
                    "count": remote.count,
                    "read": zulu(now),
                    "file": table.path.name,
                    "rows": table.rows,
                    "digest": table.digest,
                    "sha256": sha256(table.path),
                },
            )

    def learn(self, *, moves: bool) -> None:
        """Keep whether this tenant moved a list's version; one that once did not stays doubtful."""
        with suppress(OSError):
            self._keep(self._lesson, {"moves": moves and self.moves is not False})

    def _keep(self, path: Path, content: object) -> None:
        disk.private(self.folder)
        disk.replace(path, orjson.dumps(content))


def size(folder: Path) -> int:
    """Return how many bytes the files of a cache have."""
    return sum(state.st_size for _, state in _files(folder))


def evict(folder: Path, *, limit: int, since: datetime) -> None:
    """Remove what was not used for longest, until the folder is within its limit if it can be.

    What a list was when it was last read whole stays whatever its size: a write after a partial
    read is judged by it. So does what a run that lives may be using.

    Args:
        folder: the cache.
        limit: bytes.
        since: when the first of the runs that live began.
    """
    files = list(_files(folder))
    left = sum(state.st_size for _, state in files)
    last_read = {_named_by(path) for path, _ in files if path.match("observed-*.json")}
    for path, state in sorted(files, key=lambda file: file[1].st_mtime_ns):
        used = state.st_mtime >= since.timestamp()
        if left <= limit or used:
            break
        if path.name in last_read or path.match("observed-*.json") or path.match("tenant-*.json"):
            continue
        with suppress(OSError):
            path.unlink()
            left -= state.st_size


def _files(folder: Path) -> Iterable[tuple[Path, os.stat_result]]:
    try:
        found = [path for path in folder.iterdir() if path.is_file()]
    except OSError:
        return
    for path in found:
        with suppress(OSError):
            yield path, path.stat()


def _named_by(note: Path) -> str:
    """Return the name of the table that a note speaks of."""
    try:
        return str(orjson.loads(note.read_bytes())["file"])
    except (OSError, KeyError, TypeError, ValueError):
        return ""
