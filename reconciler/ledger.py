"""Evidence across runs: numbered files, each naming the digest of the one before.

A number is taken by creating its file, so two writers cannot take the same one. Each file names
the digest of every artifact of its run. Refused, failed and interrupted runs stand in it too.
It never changes a file, and never holds an address.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from reconciler.artifacts import NameTakenError, Run, dumps, private, sha256, write_once
from reconciler.errors import EvidenceError
from reconciler.model import Overrides

FORMAT: Final = 1
_FIRST: Final = "0" * 64
_TRIES: Final = 100
_NAMES: Final = "[0-9]" * 8 + ".json"


def append(
    run: Run,
    *,
    outcome: str,
    exit_code: int,
    lists: Mapping[str, str] | None = None,
    spent: Sequence[str] = (),
    batch_reasons: Mapping[str, str] | None = None,
    overrides: Overrides | None = None,
) -> int:
    """Add this run to the ledger and return the number it took.

    Args:
        run: the run; every artifact in its folder is named with its digest.
        outcome: what became of it in one word (``done``, ``refused``, ``failed``, …).
        exit_code: as returned to the shell.
        lists: remote ids by our key, of lists that exist on the service.
        spent: keys of the releases this run carried out.
        batch_reasons: why each list was worked on, by our key.
        overrides: what the command line allowed, and why.

    Raises:
        EvidenceError: the ledger cannot be written.
    """
    content = {
        **_head(run, outcome),
        "exit_code": exit_code,
        "lists": dict(lists or {}),
        "spent": sorted(spent),
        "batch_reasons": dict(batch_reasons or {}),
        "overrides": overrides,
        "artifacts": _digests(run.folder),
    }
    return _take_number(private(run.state / "ledger"), content)


def released(run: Run, spent: Sequence[str]) -> int:
    """Write down releases as soon as they are carried out, whatever becomes of the run.

    Args:
        run: the run, still under way.
        spent: keys of the releases.

    Raises:
        EvidenceError: the ledger cannot be written.
    """
    content = {**_head(run, "released"), "lists": {}, "spent": sorted(spent)}
    return _take_number(private(run.state / "ledger"), content)


def _head(run: Run, outcome: str) -> dict[str, object]:
    return {
        "format": FORMAT,
        "run": run.id,
        "command": run.command,
        "started": run.started,
        "finished": run.clock(),
        "outcome": outcome,
    }


def _take_number(folder: Path, content: Mapping[str, object]) -> int:
    """Write a ledger file under the next number that nobody has."""
    for _ in range(_TRIES):
        number, previous = _last(folder)
        held = dumps({"number": number + 1, "previous": previous, **content})
        try:
            write_once(folder / f"{number + 1:08d}.json", held)
        except NameTakenError:
            continue
        return number + 1
    raise EvidenceError(f"no free number in {folder}: too many runs end at the same time")


def spent(state: Path) -> frozenset[str]:
    """Return the keys of every release that was ever carried out."""
    return frozenset(key for held in _files(state) for key in held["spent"])


def known(state: Path) -> Mapping[str, str]:
    """Return the remote id under which each of our lists was last seen."""
    return {key: remote for held in _files(state) for key, remote in held["lists"].items()}


def _files(state: Path) -> Iterator[Mapping[str, Any]]:
    """Yield every ledger file in the order of its number.

    Raises:
        EvidenceError: one cannot be read; what it says may withhold a release, so it is not
            passed over.
    """
    for path in sorted((state / "ledger").glob(_NAMES)):
        try:
            held = orjson.loads(path.read_bytes())
            yield {"spent": tuple(held["spent"]), "lists": {**held["lists"]}}
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise EvidenceError(
                f"the ledger file {path} cannot be believed",
                hint="restore it from a backup; releases carried out before are known from it",
            ) from error


def _last(folder: Path) -> tuple[int, str]:
    """Return the highest number taken and the digest of its file."""
    newest = max(folder.glob(_NAMES), default=None)
    return (int(newest.stem), _sha256(newest)) if newest else (0, _FIRST)


def _digests(folder: Path) -> dict[str, str]:
    """Return the sha256 of every artifact, by its name below the run folder."""
    return {
        path.relative_to(folder).as_posix(): _sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _sha256(path: Path) -> str:
    try:
        return sha256(path)
    except OSError as error:
        raise EvidenceError(f"{path} cannot be read: {error.strerror}") from error
