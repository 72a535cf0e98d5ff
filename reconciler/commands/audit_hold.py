"""``audit hold``: what must stay whatever its age, by commands of its own."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import click

from reconciler.commands.flags import global_options
from reconciler.commands.loading import Verbs
from reconciler.errors import UsageError

COMMANDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "add": "Keep evidence whatever its age, until the hold is released.",
        "list": "Show the holds that are in force.",
        "release": "Take a hold back.",
    }
)
"""Every command with its one line of help; ``audit_hold_<name>.py`` holds its ``command``."""


@click.group(
    "hold",
    cls=Verbs,
    verbs=COMMANDS,
    modules={name: f"audit_hold_{name}" for name in COMMANDS},
    invoke_without_command=True,
)
@global_options
@click.pass_context
def command(ctx: click.Context) -> None:
    """Keep evidence that audit prune would remove, for as long as somebody needs it.

    Holds stand in the ledger, so every machine that shares it knows them.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(UsageError.exit_code)
