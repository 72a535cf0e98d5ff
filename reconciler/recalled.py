"""Everything that the evidence of all runs holds on one address, found without reading all of it.

Runs are taken together, in the order of the ledger, in parts that never change once they are full;
of each full part there is an index on this machine, made when it is first needed and again where
it is not as it was made. It judges nothing and changes no evidence.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson

from reconciler import disk
from reconciler.artifacts import kept
from reconciler.chronicle import Line, lines
from reconciler.contacts import histories
from reconciler.contacts.engine import Engine
from reconciler.errors import EvidenceError
from reconciler.history import Event, Known
from reconciler.masking import scrub
from reconciler.regular import sha256
from reconciler.store import Store
from reconciler.times import parse_time

CHANGES: Final = "changes.parquet"
_FORMAT: Final = 1
"""Goes up whenever an index would come out differently from the same files."""
_FULL_RUNS: Final = 100
_FULL_BYTES: Final = 64_000_000
"""Of the files of runs that are taken together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled:
    """What there is on one address."""

    events: Mapping[str, Sequence[Event]]
    """By list."""
    known: Mapping[str, Known]
    """By list: since when it was worked on, and its own ends."""
    missing: tuple[str, ...] = ()
    """Runs of which the rows are not in the store any more."""
    unkeyed: tuple[str, ...] = ()
    """Names of keys that runs were written under and that are not known here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    line: Line
    path: Path
    size: int


def recall(
    address: str,
    *,
    store: Store,
    engine: Engine,
    folder: Path,
    progress: Callable[[str, int, int | None], None],
) -> Recalled:
    """Gather what all runs did to an address, or found of it.

    Args:
        address: normalised.
        store: where the ledger and the evidence are.
        engine: whose keys are tried.
        folder: of this machine, for indexes; it holds parts of pseudonyms and no address.
        progress: told of indexes being made.

    Raises:
        EvidenceError: the store cannot be read, or an index cannot be written.
        EngineError: a file cannot be read.
    """
    told = lines(store)
    names = engine.pseudonyms(address)
    files, missing = _files(store, told)
    pseudonyms = frozenset(names.values())
    found = _narrowed(files, pseudonyms, engine=engine, folder=folder, progress=progress)
    by_path = {file.path: file.line for file in found}
    events = defaultdict[str, list[Event]](list)
    for each in histories.events(engine, [*by_path], pseudonyms):
        events[each.key].append(_event(each, by_path[each.path]))
    keys = {str(file.line.said.get("key", "")) for file in files} - {"", *names}
    known = _known(told, {*missing})
    return Recalled(events=events, known=known, missing=missing, unkeyed=tuple(sorted(keys)))


def _files(store: Store, told: Sequence[Line]) -> tuple[list[_File], tuple[str, ...]]:
    """Return the files with what became of rows, and the runs of which they are gone."""
    files, missing = [], []
    for line in told:
        if not (line.last and CHANGES in line.artifacts):
            continue
        path = store.fetch(kept(line.run, CHANGES))
        if path is None:
            missing.append(line.run)
        else:
            files.append(_File(line=line, path=path, size=path.stat().st_size))
    return files, tuple(missing)


def _narrowed(
    files: Sequence[_File],
    pseudonyms: frozenset[str],
    *,
    engine: Engine,
    folder: Path,
    progress: Callable[[str, int, int | None], None],
) -> list[_File]:
    """Return the files that may speak of these pseudonyms."""
    parts = [*_parts(files)]
    full = {folder / f"{_name(part)}.parquet": part for part in parts if _is_full(part)}
    found = [file for part in parts if not _is_full(part) for file in part]
    for number, (path, part) in enumerate(full.items()):
        if not _sound(path):
            progress("indexing evidence", number, len(full))
            _make(engine, part, path)
    _forget(folder, full)
    for path, number in sorted(histories.runs(engine, [*full], pseudonyms)):
        found.append(full[path][number])
    return found


def _parts(files: Sequence[_File]) -> Iterator[list[_File]]:
    """Take files together in their order, so that a part that is full stays as it is."""
    part: list[_File] = []
    for file in files:
        part.append(file)
        if _is_full(part):
            yield part
            part = []
    if part:
        yield part


def _is_full(part: Sequence[_File]) -> bool:
    size = sum(file.size for file in part)
    return len(part) >= _FULL_RUNS or size >= _FULL_BYTES


def _name(part: Sequence[_File]) -> str:
    said = [_FORMAT, [[file.line.run, file.line.artifacts[CHANGES]] for file in part]]
    return hashlib.sha256(orjson.dumps(said)).hexdigest()


def _make(engine: Engine, part: Sequence[_File], path: Path) -> None:
    try:
        disk.private(path.parent)
        histories.index(engine, {at: file.path for at, file in enumerate(part)}, path)
        disk.replace(path.with_suffix(".sha256"), sha256(path).encode())
    except OSError as error:
        raise EvidenceError(f"{path} cannot be written: {error.strerror}") from error


def _sound(path: Path) -> bool:
    """Tell whether an index is there, as it was made."""
    try:
        return path.with_suffix(".sha256").read_bytes() == sha256(path).encode()
    except OSError:
        return False


def _forget(folder: Path, used: Mapping[Path, object]) -> None:
    """Remove indexes of parts that are not so any more, as after pruning."""
    stems = {path.stem for path in used}
    for path in folder.glob("*.*"):
        if path.stem not in stems and path.suffix in {".parquet", ".sha256"}:
            with suppress(OSError):
                path.unlink()


def _event(told: histories.Told, line: Line) -> Event:
    """Return what one row says, with what the ledger says of its run."""
    ended = line.finished or line.started
    assert ended is not None  # a line without times is no last one  # noqa: S101
    return Event(
        run=line.run,
        number=line.number,
        at=told.at or ended,
        op=told.op,
        status=told.status,
        reason=scrub(told.reason),
        until=told.until,
        basis=scrub(told.basis),
        source=told.source,
        line=told.line,
        requested_at=told.requested_at,
        command=line.command,
        commit=str(line.origin.get("commit") or ""),
        actor=str(line.origin.get("actor") or ""),
    )


def _known(told: Sequence[Line], missing: Collection[str]) -> dict[str, Known]:
    """Return what the ledger tells of each list that a run has worked on."""
    begins: dict[str, datetime] = {}
    gaps = defaultdict[str, list[datetime]](list)
    ends = defaultdict[str, list[tuple[datetime, datetime | None]]](list)
    for line in told:
        if not (line.applied and line.last and line.started and line.finished):
            continue
        for key in line.lists:
            begins.setdefault(key, line.started)
            gaps[key] += [line.finished] * (line.run in missing)
        for key, end in _mapping(line.said.get("list_ends")).items():
            with suppress(ValueError):
                ends[key].append((line.finished, parse_time(end) if end else None))
    return {
        key: Known(begins=at, ends=tuple(ends[key]), gaps=tuple(gaps[key]))
        for key, at in begins.items()
    }


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
