"""``audit``: the evidence that runs left, by commands of its own, each loaded when asked for.

None of them asks the service anything.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import click

from reconciler.commands.flags import global_options
from reconciler.commands.loading import Verbs
from reconciler.errors import UsageError

COMMANDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "log": "Show the runs that the ledger tells of, the newest first.",
        "show": "Show everything that is known of one run.",
        "verify": "Recompute every digest, and say what was altered, is missing or was added.",
        "prune": "Remove what is old enough, tables with addresses first.",
        "rotate-key": "Make a new pseudonym key, and keep the former one beside it.",
        "hold": "Keep evidence whatever its age, for as long as somebody needs it.",
    }
)
"""Every command with its one line of help; ``commands/audit_<name>.py`` holds its ``command``."""


@click.group(
    "audit",
    cls=Verbs,
    verbs=COMMANDS,
    modules={name: f"audit_{name.replace('-', '_')}" for name in COMMANDS},
    invoke_without_command=True,
)
@global_options
@click.pass_context
def command(ctx: click.Context) -> None:
    """Look at what runs left as evidence, and prove that it is whole.

    The service is asked nothing.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(UsageError.exit_code)
