"""The command line: one file a command, and ``main``, the one boundary for errors.

A command parses, calls the pipeline and shows. Only here an exception becomes an exit code, and
only here click is known; nothing below ever prints or exits.
"""

import io
import sys
from collections.abc import MutableMapping, Sequence
from typing import Any

import click

from reconciler.commands import ending, frame
from reconciler.commands.group import PROGRAM, root
from reconciler.commands.signals import Signals
from reconciler.views import human, machine


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code.

    Args:
        argv: the arguments, without the program's name; those of the process by default.
    """
    args = list(sys.argv[1:] if argv is None else argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # an odd locale must not cost a plan
    with Signals() as signals:
        code = _run(args, signals)
    return signals.code or code


def _run(args: list[str], signals: Signals) -> int:
    """Parse and invoke; whatever is raised ends here."""
    context = click.Context(root)
    try:
        with root.make_context(PROGRAM, list(args)) as context:
            context.meta[frame.SIGNALS] = signals
            returned = root.invoke(context)
            return returned if isinstance(returned, int) else 0
    except BaseException as error:
        if isinstance(error, SystemExit | GeneratorExit):
            raise
        return _ended(error, context, as_json=ending.asks_json(args))


def _ended(error: BaseException, context: click.Context, *, as_json: bool) -> int:
    """Tell the user, in one line and a hint, why it ended."""
    told = ending.ending(error)
    held = frame.settings(context)
    ...
    return told.code
