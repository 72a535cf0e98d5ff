"""``notify``: the webhooks that nobody has taken yet, by commands of its own."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import click

from reconciler.commands.flags import global_options
from reconciler.commands.loading import Verbs
from reconciler.errors import UsageError

COMMANDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "list": "Show the webhooks that are not delivered yet; offline.",
        "retry": "Deliver them now.",
    }
)
"""Every command with its one line of help; ``commands/notify_<name>.py`` holds its ``command``."""


@click.group(
    "notify",
    cls=Verbs,
    verbs=COMMANDS,
    modules={name: f"notify_{name}" for name in COMMANDS},
    invoke_without_command=True,
)
@global_options
@click.pass_context
def command(ctx: click.Context) -> None:
    """Look at the webhooks that are not delivered yet, and deliver them.

    Every apply, plan and drift tries those of earlier runs, too, for seven days.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(UsageError.exit_code)
