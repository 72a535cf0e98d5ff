"""How a command ends badly: one line, a hint, an exit code, and never a traceback in the face.

It never shows an address: what others wrote is scrubbed, and a traceback goes into a file that
its owner alone can read.
"""

import os
import secrets
import tempfile
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import click

from reconciler.commands.flags import Globals
from reconciler.commands.group import PROGRAM, VERBS
from reconciler.config import STATE
from reconciler.errors import Exit, Problem, ReconcilerError, SpecError
from reconciler.masking import clean_lines, scrub


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Why a command ended, for people and as an exit code."""

    code: int
    message: str = ""
    hint: str = ""
    problems: tuple[Problem, ...] = ()
    crashed: bool = False


def ending(error: BaseException) -> Ending:
    """Say what an exception means to a user."""
    match error:
        case click.exceptions.Exit(exit_code=code):
            return Ending(code=code)
        case ReconcilerError():
            problems = error.problems if isinstance(error, SpecError) else ()
            return Ending(
                code=error.exit_code, message=str(error), hint=error.hint, problems=problems
            )
        case click.ClickException():
            code = Exit.INVALID if _names_absent_path(error) else Exit.MISUSED
            hint = _usage_hint(error) if isinstance(error, click.UsageError) else ""
            return Ending(code=code, message=scrub(error.format_message()), hint=hint)
        case KeyboardInterrupt() | click.Abort():
            return Ending(
                code=Exit.INTERRUPTED,
                message="interrupted",
                hint="what is in place stays; run it again for the rest",
            )
        case BrokenPipeError():
            return Ending(code=Exit.FAILED)
        case _:
            return Ending(code=Exit.FAILED, message=_unexpected(error), crashed=True)


def trace(error: BaseException) -> str:
    """Return an exception's traceback, scrubbed, and without anything that moves a cursor."""
    return clean_lines(scrub("".join(traceback.format_exception(error))))


def keep_trace(
    error: BaseException, *, folder: Path | None, held: Globals, now: datetime
) -> Path | None:
    """Write a traceback where only its owner reads it, and return where; ``None`` if impossible.

    Args:
        error: what was not expected.
        folder: the run's folder, if there is one.
        held: the global flags; without a run the state directory they lead to takes the file.
        now: the time, for the file's name.
    """
    name = f"crash-{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}.txt"
    for place in (folder, _state(held), Path(tempfile.gettempdir())):
        try:
            if place:
                return _write(place / name, trace(error))
        except OSError:
            continue
    return None


def asked_format(args: Sequence[str]) -> str:
    """Return the format that a command line asks for, also one that cannot be parsed."""
    asked = _wished(args)
    for arg, following in pairwise([*args, ""]):
        if arg == "--format":
            asked = following
        elif arg.startswith("--format="):
            asked = arg.partition("=")[2]
    return asked


def _wished(args: Sequence[str]) -> str:
    """Return the format that a variable of the verb, or of the verb below it, asks for."""
    at = next((at for at, arg in enumerate(args) if arg in VERBS), len(args))
    verb, below = "".join(args[at : at + 1]), [arg for arg in args[at + 1 :] if arg.isidentifier()]
    names = [verb, *(f"{verb}_{word}" for word in below)]
    found = (os.environ.get(f"RECONCILER_{name}_FORMAT".upper(), "") for name in names)
    return next(filter(None, found), "")


def _names_absent_path(error: click.ClickException) -> bool:
    if isinstance(error, click.BadParameter) and error.param:
        return isinstance(error.param.type, click.Path | click.File)
    return isinstance(error, click.FileError)


def _usage_hint(error: click.UsageError) -> str:
    path = error.ctx.command_path if error.ctx else PROGRAM
    return f"see {path} --help"


def _unexpected(error: BaseException) -> str:
    """Name an unexpected error by its kind and place: its own words may hold anything."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"something unexpected happened: {type(error).__name__}{where}"


def _state(held: Globals) -> Path | None:
    """Return the state directory, if it can be told without reading anything that may fail."""
    if held.state_dir:
        return held.state_dir
    if held.root:
        return held.root.absolute().parent / STATE
    for folder in (Path.cwd(), *Path.cwd().parents):
        if (folder / "specs").is_dir():
            return folder / STATE
    return None


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(text)
    return path
