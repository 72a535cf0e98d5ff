"""Spec files into drafts: which files there are, what each may be, and what its documents declare.

It judges a file and a document on its own; what they declare together is not known here.
"""

import errno
import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reconciler import regular, schema
from reconciler.errors import Place, Problem, SettingError
from reconciler.masking import printable
from reconciler.schema import named, nearest, seen
from reconciler.spec import documents
from reconciler.spec.codes import Code
from reconciler.spec.draft import Draft
from reconciler.spec.placed import MAX_PROBLEMS, Document, more

API_VERSION: Final = "reconciler/v1"
MAX_BYTES: Final = 16 * 1024 * 1024
"""Size of a spec file, at most."""
SUFFIXES: Final = (".yaml", ".yml")


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One spec file as read."""

    below: str
    """Its path below the root."""
    digest: str
    """sha256 of its bytes; empty where it could not be read."""
    drafts: tuple[Draft, ...]
    problems: tuple[Problem, ...]
    """What is wrong with it as a file; what a draft finds stands in the draft."""


def read(root: Path) -> tuple[File, ...]:
    """Read every spec file below the root, in the order of their paths.

    Hidden files and folders are passed over.

    Raises:
        SettingError: a folder cannot be read.
    """
    return tuple(_read_file(path, root=root) for path in _files(root, folders=set()))


def _files(folder: Path, *, folders: set[Path]) -> Iterator[Path]:
    """Yield spec files in the order of their paths; links are followed, but never in circles."""
    real = folder.resolve()
    if real in folders:
        return
    folders.add(real)
    try:
        inside = sorted(folder.iterdir())
    except OSError as error:
        raise SettingError(f"the folder {folder} cannot be read: {error.strerror}") from error
    for path in inside:
        if path.name.startswith("."):
            continue
        if path.suffix.lower() in SUFFIXES:
            yield path  # a folder of such a name too: that is told when it is read
        elif os.path.isdir(path):  # noqa: PTH112 - unlike Path.is_dir it never raises
            yield from _files(path, folders=folders)


def _read_file(path: Path, *, root: Path) -> File:
    """Read one file, down to drafts of its documents."""
    shown = printable(path.relative_to(root.parent).as_posix())
    below = printable(path.relative_to(root).as_posix())
    try:
        raw = _bytes(path, shown=shown, inside=repository(path, root=root))
    except _FileError as error:
        return File(below=below, digest="", drafts=(), problems=(error.problem,))
    found, problems = documents.parse(raw, file=path, shown=shown)
    wrong = [*problems, *_versions(found)]
    drafts: list[Draft] = []
    faults = 0
    for document in found:
        kind = _kind(document)
        if isinstance(kind, Problem):
            wrong.append(kind)
        else:
            drafts.append(Draft(document, kind))
            faults += len(drafts[-1].problems)
        if len(wrong) + faults > MAX_PROBLEMS:
            wrong = [*wrong[:MAX_PROBLEMS], more(shown)]
            break
    return File(
        below=below,
        digest=hashlib.sha256(raw).hexdigest(),
        drafts=tuple(drafts),
        problems=tuple(wrong),
    )


class _FileError(Exception):
    """A file cannot be taken."""

    def __init__(self, shown: str, code: Code, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(place=Place(path=shown), code=code, message=message)


def _bytes(path: Path, *, shown: str, inside: Path) -> bytes:
    """Return a file's content, if it is a regular file of a sane size inside the repository."""
    try:
        if not path.resolve().is_relative_to(inside.resolve()):
            said = f"a link to a file outside the repository {named(inside.name)}"
            raise _FileError(shown, Code.SOURCE_OUTSIDE, said)
        return regular.read(path, limit=MAX_BYTES)
    except (OSError, RuntimeError) as error:
        if isinstance(error, OSError) and error.errno == errno.EFBIG:
            said = f"larger than {MAX_BYTES // 2**20} MiB; put contacts into a source"
            raise _FileError(shown, Code.TOO_LARGE, said) from error
        odd = regular.odd(path)
        why = f"it is {odd}, expected a file" if odd else getattr(error, "strerror", "")
        raise _FileError(shown, Code.UNREADABLE, f"cannot be read: {why}") from error


def repository(path: Path, *, root: Path) -> Path:
    """Return the nearest folder above a spec with ``.git``, else the parent of the root."""
    above = (folder for folder in path.parents if (folder / ".git").exists())
    return next(above, root.parent)


def _kind(document: Document) -> str | Problem:
    """Return what a document declares, or why that is not known."""
    data = document.data
    if not isinstance(data, dict):
        message = f"found {seen(data)}, expected a mapping with apiVersion and kind"
        return Problem(place=document.place(), code=Code.API_VERSION, message=message)
    kind = data.get("kind")
    if isinstance(kind, str) and kind in schema.KINDS:
        return kind
    close = nearest(kind, schema.KINDS) if isinstance(kind, str) else ""
    said = f"the kind is {seen(kind)}, expected one of {', '.join(schema.KINDS)}"
    said += f"; did you mean {close}?" if close else ""
    return Problem(place=document.place(("kind",)), code=Code.KIND, message=said)


def _versions(found: Iterable[Document]) -> Iterator[Problem]:
    """Yield the documents of another version of the format."""
    for document in found:
        data = document.data
        if isinstance(data, dict) and data.get("apiVersion") != API_VERSION:
            said = f"the apiVersion is {seen(data.get('apiVersion'))}, expected `{API_VERSION}`"
            place = document.place(("apiVersion",))
            yield Problem(place=place, code=Code.API_VERSION, message=said)
