"""What a command needs around its call of the pipeline: its flags, its data and its talk shown.

A command parses, calls the pipeline and shows; it returns its exit code. Data goes to standard
output, talk to standard error. No command catches errors: ``commands.main`` does, for all.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Final, TextIO, TypeAlias

import click

from reconciler.commands.flags import (
    ExistingPath,
    Globals,
    format_option,
    global_options,
    narrowing_options,
    override_options,
    overrides,
    selection,
    selection_options,
    settings,
    wanted_format,
    write_option,
    written,
)
from reconciler.config import Installation, installation, tighten
from reconciler.errors import ReconcilerError
from reconciler.masking import clean_lines
from reconciler.views.progress import Tell, progress

if TYPE_CHECKING:  # rich is not for those who only ask for help
    from rich.text import Text

__all__ = [
    "ANSWERED",
    "FOLDER",
    "SIGNALS",
    "UMASK",
    "ExistingPath",
    "Globals",
    "answer",
    "as_user",
    "ask",
    "clock",
    "coloured",
    "emit",
    "finishing",
    "format_option",
    "global_options",
    "installed",
    "interruptible",
    "narrowing_options",
    "note_folder",
    "override_options",
    "overrides",
    "reporting",
    "selection",
    "selection_options",
    "settings",
    "show",
    "signalled",
    "talk",
    "wanted_format",
    "write_files",
    "write_option",
    "written",
]

SIGNALS: Final = "reconciler.signals"
FOLDER: Final = "reconciler.folder"
ANSWERED: Final = "reconciler.answered"
UMASK: Final = "reconciler.umask"
"""Keys of the context, for ``commands.main``: how signals come, where artifacts stand, whether
standard output has its one JSON document, and which rights the user's own files get."""

_TELL: Final = "reconciler.tell"

View: TypeAlias = "Callable[[], Text | str | bytes]"
"""Makes the same data in one format; ``bytes`` are a document that ends a stream."""


class OutputError(ReconcilerError):
    """Data could not be written to standard output."""


def emit(ctx: click.Context, **views: View) -> None:
    """Write a command's data to the files that ``--write`` names, then to standard output.

    Args:
        ctx: the context; its flags choose among the views.
        views: what makes each format, by its name.

    Raises:
        OutputError: a file cannot be written; what went to standard output is there all the same.
    """
    failures = tuple(_unwritten(ctx, views))
    _put_out(ctx, views[wanted_format(ctx)]())
    for failure in failures:
        raise failure


def write_files(ctx: click.Context, **views: View) -> None:
    """Write the files alone, where standard output has its data already.

    Raises:
        OutputError: a file cannot be written.
    """
    for failure in tuple(_unwritten(ctx, views)):
        raise failure


def _unwritten(ctx: click.Context, views: Mapping[str, View]) -> Iterator[OutputError]:
    """Write the files that ``--write`` names, and yield why one cannot be."""
    for form, path in written(ctx):
        try:
            with as_user(ctx):
                _put(path, views[form]())
        except ReconcilerError as error:
            yield OutputError(str(error), hint=error.hint)


def _put_out(ctx: click.Context, data: "Text | str | bytes") -> None:
    """Write data to standard output: a document, a page as it is, or a text."""
    if isinstance(data, bytes):
        answer(ctx, data)
    elif isinstance(data, str) and wanted_format(ctx) != "text":
        _rest(ctx)
        _write(sys.stdout, clean_lines(data))
    else:
        show(ctx, data)


def answer(ctx: click.Context, document: bytes) -> None:
    """Write the one JSON document of this command line to standard output."""
    _rest(ctx)
    ctx.meta[ANSWERED] = True
    _write(sys.stdout, document)


def show(ctx: click.Context, text: "Text | str", *, err: bool = False) -> None:
    """Write a text and a line feed, never wrapped; styled only on a terminal that wants it."""
    _rest(ctx)
    text = _safe(text)
    stream = sys.stderr if err else sys.stdout
    if not isinstance(text, str) and coloured(ctx, stream):
        from rich.console import Console  # noqa: PLC0415 - where there is colour

        console = Console(file=stream, force_terminal=True, highlight=False, soft_wrap=True)
        with _unbroken(stream):
            console.print(text)
    else:
        _write(stream, (text if isinstance(text, str) else text.plain) + "\n")


def talk(ctx: click.Context, text: "Text | str") -> None:
    """Say something on standard error that is no data, unless ``--quiet``."""
    if not settings(ctx).quiet:
        show(ctx, text, err=True)


def ask(ctx: click.Context, question: str) -> str:
    """Ask on standard error and return the line that is answered; Ctrl-C interrupts at once."""
    _rest(ctx)
    with interruptible(ctx):
        _write(sys.stderr, clean_lines(question))
        return sys.stdin.readline().strip()


@contextmanager
def interruptible(ctx: click.Context) -> Iterator[None]:
    """Let Ctrl-C interrupt at once, as while somebody types."""
    signals = ctx.meta.get(SIGNALS)
    with signals.interrupting() if signals else nullcontext():
        yield


def coloured(ctx: click.Context, stream: TextIO) -> bool:
    """Tell whether a stream may be styled."""
    unwanted = settings(ctx).no_color or os.environ.get("NO_COLOR")
    return stream.isatty() and not unwanted


@contextmanager
def reporting(ctx: click.Context) -> Iterator[Tell]:
    """Show progress on standard error: bars on a terminal, lines in CI, nothing if quiet."""
    with progress(
        stream=sys.stderr,
        enabled=not settings(ctx).quiet,
        bars=not os.environ.get("CI"),
        color=coloured(ctx, sys.stderr),
    ) as tell:
        ctx.meta[_TELL] = tell
        try:
            yield tell
        finally:
            del ctx.meta[_TELL]


def clock() -> datetime:
    """Return now, in UTC and whole seconds: the only clock of the commands."""
    return datetime.now(UTC).replace(microsecond=0)


@contextmanager
def finishing(ctx: click.Context) -> Iterator[Event]:
    """Yield an event that Ctrl-C or SIGTERM sets, so that a batch in flight can be finished."""
    signals = ctx.meta.get(SIGNALS)
    if signals is None:
        yield Event()
        return
    with signals.finishing() as stop:
        yield stop


def signalled(ctx: click.Context) -> int:
    """Return the exit code of the first signal that came, 0 while none has."""
    signals = ctx.meta.get(SIGNALS)
    return signals.code if signals else 0


@contextmanager
def as_user(ctx: click.Context) -> Iterator[None]:
    """Give what is made in this block the rights that the user's other files have."""
    before = os.umask(ctx.meta.get(UMASK, 0o077))
    try:
        yield
    finally:
        os.umask(before)


def note_folder(ctx: click.Context, folder: Path) -> None:
    """Say where this run's artifacts stand: the traceback of a crash goes there."""
    ctx.meta[FOLDER] = folder


def installed(ctx: click.Context, root: Path) -> Installation:
    """Return the installation's settings for a specs root; its state is closed to others."""
    made = installation(root, state=settings(ctx).state_dir)
    if told := tighten(made.state):
        talk(ctx, told)
    return made


def _rest(ctx: click.Context) -> None:
    """Take progress bars off the screen that is about to be written to."""
    tell = ctx.meta.get(_TELL)
    if tell:
        tell.rest()


def _safe(text: "Text | str") -> "Text | str":
    """Return a text without anything that moves a cursor, whoever wrote what went into it."""
    if isinstance(text, str):
        return clean_lines(text)
    made = text.copy()
    made.plain = clean_lines(text.plain)
    return made


def _put(path: Path, data: "Text | str | bytes") -> None:
    from reconciler import artifacts  # noqa: PLC0415 - brings the engine: not for every --help

    if not isinstance(data, bytes):
        text = _safe(data)
        data = (text if isinstance(text, str) else text.plain + "\n").encode()
    artifacts.replace(path, data)


def _write(stream: TextIO, data: str | bytes) -> None:
    with _unbroken(stream):
        click.echo(data, file=stream, nl=False, color=True)


@contextmanager
def _unbroken(stream: TextIO) -> Iterator[None]:
    """Let a reader leave, as ``head`` does: what is said is lost, what is done and its code not.

    Raises:
        OutputError: standard output cannot be written for another reason, such as a full disk.
    """
    try:
        yield
        stream.flush()
    except OSError as error:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        if stream is sys.stdout and not isinstance(error, BrokenPipeError):
            raise OutputError(
                f"standard output cannot be written: {error.strerror}",
                hint="what was done is done, and stands in the run folder",
            ) from error
