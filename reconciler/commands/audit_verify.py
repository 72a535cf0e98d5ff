"""``audit verify``: whether the evidence is what was written; offline and read-only."""

from functools import partial
from pathlib import Path

import click

from reconciler.commands import auditing, frame
from reconciler.errors import Exit
from reconciler.signing import checker
from reconciler.views import auditing as view


@click.command("verify")
@click.option(
    "--key",
    "names",
    multiple=True,
    metavar="FILE",
    type=frame.ExistingPath(dir_okay=False, path_type=Path),
    help="Check signatures with this public key, PEM or base64; repeatable.",
)
@frame.format_option("text", "json")
@frame.global_options
@click.pass_context
def command(ctx: click.Context, *, names: tuple[Path, ...]) -> int:
    """Recompute every digest of the ledger and of every run's artifacts; offline.

    What was altered, is missing, was added or moved is named, one line each, and ends in exit
    code 1. Tables with addresses are looked at where they are on this machine.
    """
    checkers = tuple(checker(path) for path in names)
    settings, store = auditing.opened(ctx)
    found = auditing.verified(settings, store, checkers=checkers)
    code = Exit.DONE if found.whole else Exit.FAILED
    frame.emit(
        ctx,
        text=partial(view.text, found),
        json=partial(view.document, found, exit_code=code),
    )
    return code
