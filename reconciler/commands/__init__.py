"""The command line: one file a command, and ``main``, the one boundary for errors.

A command parses, calls the pipeline and shows. Only here an exception becomes an exit code, and
only here click is known; nothing below ever prints or exits.
"""

import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Final

import click

from reconciler.commands import ending, frame
from reconciler.commands.group import PROGRAM, root
from reconciler.commands.signals import Signals
from reconciler.errors import UsageError

COMPLETE: Final = f"_{PROGRAM.upper()}_COMPLETE"
"""The variable by which a shell asks for completions, as click spells it."""


def main(argv: Sequence[str] | None = None, *, group: click.Group = root) -> int:
    """Run one command line and return its exit code.

    Args:
        argv: the arguments, without the program's name; those of the process by default.
        group: the commands there are.
    """
    asked = os.environ.get(COMPLETE)
    if asked:
        return _completed(group, asked)
    args = list(sys.argv[1:] if argv is None else argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # an odd locale must not cost a plan
    with Signals() as signals, _private() as umask:
        code = _run(group, args, signals, umask)
    return signals.code or code


def _completed(group: click.Group, asked: str) -> int:
    """Answer a shell that completes a command line, or print the script that lets it.

    What cannot be completed has no completions: whoever types sees no error between the words.
    """
    from click.shell_completion import shell_complete  # noqa: PLC0415 - only where a shell asks

    with suppress(Exception):
        if not shell_complete(group, {}, PROGRAM, COMPLETE, asked):
            return 0
    if not asked.endswith("_complete"):
        told = f"{COMPLETE} is {asked!r}, expected bash_source, zsh_source or fish_source"
        click.echo(f"error: {told}", err=True)
    return UsageError.exit_code


@contextmanager
def _private() -> Iterator[int]:
    """Make all that comes into being its owner's alone, whoever makes it: libraries too.

    Yields:
        The mask for what is the user's own, such as a saved plan.
    """
    before = os.umask(0o077)
    try:
        yield before
    finally:
        os.umask(before)


def _run(group: click.Group, args: list[str], signals: Signals, umask: int) -> int:
    """Parse and invoke; whatever is raised ends here."""
    context = click.Context(group)
    try:
        with group.make_context(PROGRAM, list(args)) as context:
            context.meta[frame.SIGNALS] = signals
            context.meta[frame.UMASK] = umask
            returned = group.invoke(context)
            return returned if isinstance(returned, int) else 0
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 - the boundary: each ends as one line and a code
        return _ended(error, context, wanted=ending.asked_format(args))


def _ended(error: BaseException, context: click.Context, *, wanted: str) -> int:
    """Tell the user, in one line and a hint, why it ended; return the exit code."""
    told = ending.ending(error)
    told = replace(told, code=frame.signalled(context) or told.code)
    if told.crashed:
        told = _with_trace(told, error, context)
    if told.message:
        if frame.settings(context).debug:
            frame.show(context, ending.trace(error).rstrip(), err=True)
        from reconciler.views import human  # noqa: PLC0415 - brings rich: not for every --help

        for line in human.ended(told.message, hint=told.hint, found=told.problems):
            frame.show(context, line, err=True)
        if not context.meta.get(frame.ANSWERED):
            with suppress(frame.OutputError):  # it is told already, and the code tells too
                _answer(context, told, wanted)
    return told.code


def _answer(context: click.Context, told: ending.Ending, wanted: str) -> None:
    """Say it on standard output too, where a program reads that; views are not for every --help."""
    match wanted:
        case "json":
            from reconciler.views import machine  # noqa: PLC0415

            frame.answer(
                context,
                machine.error(
                    told.message, hint=told.hint, found=told.problems, exit_code=told.code
                ),
            )
        case "sarif":
            from reconciler.views import sarif  # noqa: PLC0415

            document = sarif.ended(told.message, hint=told.hint, exit_code=told.code)
            frame.answer(context, document)
        case "github":
            from reconciler.views import annotations  # noqa: PLC0415

            frame.show(context, annotations.ended(told.message, hint=told.hint))


def _with_trace(told: ending.Ending, error: BaseException, context: click.Context) -> ending.Ending:
    """Keep a crash's traceback in a file and say where."""
    held = frame.settings(context)
    path = ending.keep_trace(
        error, folder=context.meta.get(frame.FOLDER), held=held, now=frame.clock()
    )
    where = f"the traceback is in {path}; " if path else ""
    return replace(told, hint=f"{where}--debug shows it")
