"""The contact files that a source's pattern names; their content is only ever hashed here."""

import itertools
import os
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Final

from reconciler import regular
from reconciler.masking import scrub
from reconciler.schema import named, nearest
from reconciler.spec.codes import Code

_PLAIN: Final = (".csv", ".jsonl", ".ndjson")
FORMATS: Final = (*map("".join, itertools.product(_PLAIN, ("", ".gz", ".zst"))), ".parquet")
"""What the name of a contact file may end with."""
MAX_FILES: Final = 10_000
"""Files of a source, at most: as many as are read in a minute or so."""
_TOLD: Final = 10
"""Files of one kind that one message names, at most."""
_ADDRESS: Final = re.compile(r"@|\+[ .-]?\d")
"""What a name with an email or a phone number in it has; a date in a name has neither."""
_WILD: Final = re.compile(r"[*?\[]")


class SourceError(Exception):
    """A source is not usable; the code says in which way, the message why."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code


def find(pattern: str, *, base: Path, repository: Path, most: int = MAX_FILES) -> tuple[Path, ...]:
    """Return the files that a pattern matches: absolute, sorted, links not resolved.

    Hidden files and folders match only where the pattern names one. A link is followed, but not
    out of the repository.

    Args:
        pattern: as the spec has it.
        base: the folder it is relative to, absolute.
        repository: the folder that every file must lie in.
        most: files it may match.

    Raises:
        SourceError: the pattern is none, leaves the repository or matches nothing or too much, or
            a file has an unsupported format or is none.
    """
    try:
        _check_reach(pattern, base, repository)
        matched = sorted(set(islice(_matches(pattern, base), most + 1)))
        if len(matched) > most:
            said = f"{named(pattern)} matches over {most:,} files; put them together"
            raise SourceError(Code.TOO_MANY, said)
        _check_files(matched)
        real = repository.resolve()
        outside = any(not file.resolve().is_relative_to(real) for file in matched)
    except (ValueError, NotImplementedError, OSError, RuntimeError) as error:
        odd = regular.odd(base / pattern)
        why = f"is {odd}, expected a file" if odd else "is not a pattern"
        raise SourceError(Code.SOURCE_MISSING, f"{named(pattern)} {why}") from error
    if outside:
        raise SourceError(Code.SOURCE_OUTSIDE, _outside(pattern, repository))
    if not matched:
        raise SourceError(Code.SOURCE_MISSING, _nothing(pattern, base))
    _check_names(os.path.relpath(file, repository) for file in matched)
    _check_formats(matched)
    return tuple(matched)


def check_pin(files: tuple[Path, ...], sha256: str) -> None:
    """Hash the one file that a pin stands for, and compare.

    Raises:
        SourceError: there is more than one file, it cannot be read, or it is another content.
    """
    if len(files) != 1:
        said = f"sha256 pins one file, the pattern matches {len(files)}"
        raise SourceError(Code.SOURCE_PIN, said)
    try:
        found = regular.sha256(files[0])
    except OSError as error:
        raise SourceError(Code.SOURCE_PIN, f"the file cannot be read: {error.strerror}") from error
    if found != sha256.lower():
        said = f"the file's sha256 is {found[:12]}…, expected {sha256[:12].lower()}…"
        raise SourceError(Code.SOURCE_PIN, said)


def _check_reach(pattern: str, base: Path, repository: Path) -> None:
    """Refuse a pattern that would look outside the repository, before it looks."""
    path = PurePosixPath(pattern)
    fixed = tuple(itertools.takewhile(lambda part: not _WILD.search(part), path.parts))
    start = (base / Path(*fixed)).resolve()
    if path.is_absolute() or not start.is_relative_to(repository.resolve()):
        raise SourceError(Code.SOURCE_OUTSIDE, _outside(pattern, repository))
    if any("**" in part and part != "**" for part in path.parts):
        said = f"{named(pattern)} has ** inside a name; it stands for whole folders"
        raise SourceError(Code.SOURCE_MISSING, said)
    if ".." in path.parts[len(fixed) :]:
        raise SourceError(Code.SOURCE_OUTSIDE, f"{named(pattern)} goes up after a wildcard")


def _matches(pattern: str, base: Path) -> Iterator[Path]:
    """Yield what a pattern matches; a path that exists as it is written is that file.

    What has the name of a contact file and is none is yielded too: passed over, the contacts that
    somebody meant to be in it would be missing without a word.
    """
    exact = base / pattern
    if exact.is_file() or regular.odd(exact):
        yield _plain(exact)
        return
    named = any(_hidden(part) for part in PurePosixPath(pattern).parts)
    for found in base.glob(pattern):
        path = _plain(found)
        below = path.parts[len(base.parts) :] if path.is_relative_to(base) else path.parts[-1:]
        if (named or not any(map(_hidden, below))) and (found.is_file() or _is_named(found)):
            yield path


def _plain(path: Path) -> Path:
    """Return a path without ``..``, as far as no link stands in the way."""
    return path.parent.resolve() / path.name if ".." in path.parts else path


def _hidden(part: str) -> bool:
    """Tell whether a part of a path is hidden, as shells see it."""
    return part.startswith(".") and part not in {".", ".."}


def _outside(pattern: str, repository: Path) -> str:
    """Say that a pattern leads out of the repository."""
    return f"{named(pattern)} lies outside the repository {repository.name}"


def _nothing(pattern: str, base: Path) -> str:
    """Say that a pattern matches nothing, and which file may be meant."""
    said = f"{named(pattern)} matches no file"
    name = PurePosixPath(pattern).name
    folder = (base / pattern).parent
    try:
        near = nearest(name, [file.name for file in folder.iterdir() if file.is_file()])
    except (OSError, ValueError):
        return said
    return f"{said}; did you mean {named(near)}?" if near else said


def _check_files(matched: Iterable[Path]) -> None:
    """Refuse what has the name of a contact file and is none; all of it is told."""
    odd = [(file, kind) for file in matched if (kind := regular.odd(file))]
    if odd:
        said = "; ".join(f"{named(file.name)} is {kind}" for file, kind in odd[:_TOLD])
        hint = "; name the files in it" if any(file.is_dir() for file, _ in odd) else ""
        raise SourceError(Code.SOURCE_MISSING, f"{said}: expected a file{hint}")


def _check_names(names: Iterable[str]) -> None:
    """Refuse files that are named after somebody: reports and evidence name their sources."""
    telling = [scrub(name) for name in names if _ADDRESS.search(name) and scrub(name) != name]
    if telling:
        said = ", ".join(named(name) for name in telling[:_TOLD])
        raise SourceError(
            Code.SOURCE_NAME,
            f"{said}: a file's name is told in reports and evidence, expected one without an "
            "address",
        )


def _is_named(file: Path) -> bool:
    """Tell whether a name says what a file holds."""
    ending = "".join(file.suffixes[-2:]).lower()
    return ending in FORMATS or file.suffix.lower() in FORMATS


def _check_formats(matched: Iterable[Path]) -> None:
    """Refuse files whose names do not say what they hold; all of them are told."""
    odd = [named(file.name) for file in matched if not _is_named(file)]
    if odd:
        said = ", ".join(odd[:_TOLD])
        verb = "is no contact file" if len(odd) == 1 else "are no contact files"
        raise SourceError(Code.SOURCE_FORMAT, f"{said} {verb}; expected {', '.join(FORMATS)}")
