"""Desired tables that stay in the cache, and what compiling them came to.

One is used again while everything that went into it is the same: the bytes of every contact file,
the declaration, and the rules by which contacts are read. No clock went into it; who has lapsed is
asked anew each time. A file that is damaged, or a note that cannot be read, is as good as none.
"""

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson

from reconciler import disk, regular
from reconciler.contacts import normalise
from reconciler.contacts.engine import Engine
from reconciler.contacts.sources import Reading, files
from reconciler.errors import Problem
from reconciler.model import REASONS, InlineContact, ListSpec, Sample, Source, Table

_FORMAT: Final = 2
"""Goes up whenever a table or a note would come out differently from the same contacts."""
_BLOCK: Final = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What compiling one list's contacts came to, whatever the time."""

    table: Table
    read: int
    invalid: int
    merged: int
    naive: int
    unsupported: int
    """Contacts of channels that nobody speaks; in no table."""
    samples: Mapping[str, tuple[Sample, ...]]
    """Masked samples of ``merged`` and ``invalid`` rows."""
    readings: tuple[Reading, ...]
    problems: tuple[Problem, ...] = ()
    """Errors; where there is one, nothing is kept."""
    invalid_rows: Path | None = None
    """Every invalid row as CSV, where there is any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What goes into one list's table."""

    key: str
    """A keyed digest of all of it."""
    sha256: tuple[str, ...]
    """Of the bytes of each source's files."""
    into: Path = field(repr=False)

    @property
    def _note(self) -> Path:
        return self.into / f"desired-{self.key}.json"

    @property
    def _rows(self) -> Path:
        return self.into / f"invalid-{self.key}.csv"

    def recall(self) -> Made | None:
        """Return what compiling came to the last time, if all of it is still there as it was."""
        try:
            note = orjson.loads(self._note.read_bytes())
            table = Table(path=self.into / note["file"], **note["table"])
            held = {table.path: note["sha256"]}
            if note["invalid_sha256"]:
                held[self._rows] = note["invalid_sha256"]
            if any(regular.sha256(path) != found for path, found in held.items()):
                return None
            for path in (self._note, *held):
                os.utime(path)
            return Made(
                table=table,
                samples={name: tuple(map(sample, rows)) for name, rows in note["samples"].items()},
                readings=tuple(map(_reading, note["readings"])),
                invalid_rows=self._rows if note["invalid_sha256"] else None,
                **note["counts"],
            )
        except (OSError, AttributeError, KeyError, TypeError, ValueError):
            return None

    def read_as(self, readings: Iterable[Reading]) -> bool:
        """Whether what was read is what was digested before: files may be written meanwhile."""
        return tuple(reading.sha256 for reading in readings) == self.sha256

    def remember(self, made: Made) -> None:
        """Keep what compiling came to, unless it failed or a file was another one by then.

        A full disk costs the memory, not the run.
        """
        if made.problems or not self.read_as(made.readings):
            return
        with suppress(OSError):
            if made.invalid_rows:
                link(made.invalid_rows, self._rows)
            note = {
                "file": made.table.path.name,
                "table": {"rows": made.table.rows, "digest": made.table.digest},
                "sha256": regular.sha256(made.table.path),
                "invalid_sha256": regular.sha256(self._rows) if made.invalid_rows else "",
                "counts": {name: getattr(made, name) for name in _COUNTS},
                "samples": {
                    name: [asdict(row) for row in rows] for name, rows in made.samples.items()
                },
                "readings": [asdict(reading) for reading in made.readings],
            }
            disk.replace(self._note, orjson.dumps(note))


_COUNTS: Final = ("read", "invalid", "merged", "naive", "unsupported")


def inputs(
    engine: Engine, spec: ListSpec, *, base: Path, into: Path, channels: tuple[str, ...]
) -> Inputs | None:
    """Digest all that goes into one list's table; ``None`` where a file cannot be read.

    Args:
        engine: whose key the digest is made with: a plain one of few contacts could be guessed.
        spec: the list's declaration.
        base: the folder that names of source files are relative to.
        into: the folder for tables and notes.
        channels: those of which contacts are kept.
    """
    try:
        told = [_told(source, base) for source in spec.sources]
    except OSError:
        return None
    said = {
        "rules": [_FORMAT, normalise.RULES, REASONS],
        "defaults": asdict(spec.defaults),
        "duplicates": spec.duplicates,
        "invalid": [spec.invalid, str(spec.max_invalid)],
        "channels": [channels, spec.unsupported],
        "sources": told,
    }
    made = hashlib.sha256(orjson.dumps(said))
    for block in _inline(spec.contacts):
        made.update(block)
    key = engine.pseudonym(f"{spec.name}|{spec.place}|{made.hexdigest()}")[:32]
    return Inputs(key=key, sha256=tuple(str(each["sha256"]) for each in told), into=into)


def link(path: Path, to: Path) -> None:
    """Give a file that never changes another name, in place of what may have it.

    Raises:
        OSError: it cannot be had there.
    """
    with disk.draft(to) as held:
        held.unlink()
        try:
            os.link(path, held)
        except OSError:
            shutil.copyfile(path, held)
        held.replace(to)


def _told(source: Source, base: Path) -> dict[str, Any]:
    """Say what one source is, down to its bytes."""
    made, named = hashlib.sha256(), []
    for name, path in files(source, base):
        with regular.opened(path) as file:
            size = 0
            while block := file.read(_BLOCK):
                made.update(block)
                size += len(block)
        named.append((name, size))
    return {
        "files": named,
        "sha256": made.hexdigest(),
        "columns": dict(source.columns),
        "as_of": source.as_of,
        "pin": source.sha256,
        "max_age": source.max_age,
    }


def _inline(contacts: tuple[InlineContact, ...]) -> Iterator[bytes]:
    for contact in contacts:
        yield orjson.dumps(asdict(contact), option=orjson.OPT_APPEND_NEWLINE)


def sample(row: dict[str, Any]) -> Sample:
    """Return a sample as a note holds it."""
    until = row.pop("until")
    return Sample(until=until and datetime.fromisoformat(until), **row)


def _reading(row: dict[str, Any]) -> Reading:
    row |= {name: tuple(row[name]) for name in ("files", "empty_files", "problems")}
    return Reading(**row)
