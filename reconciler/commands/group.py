"""The command ``reconciler``: the verbs by name, each loaded only when it is asked for.

``--version`` and ``--help`` import no verb, and so neither the contact engine nor HTTP.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import click

from reconciler import __version__
from reconciler.commands.flags import global_options
from reconciler.commands.loading import Verbs
from reconciler.errors import UsageError

PROGRAM: Final = "reconciler"

VERBS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "init": "Write a folder in which planning works at once.",
        "validate": "Check specs and contact files, offline.",
        "import": "Make a spec and a contact file of a list at the service.",
        "ping": "Check the way to each tenant and each list.",
        "plan": "Show what would be done; read-only.",
        "apply": "Make the service agree with the specs, or carry out a saved plan.",
        "drift": "Report how the service differs, by direction; read-only.",
        "explain": "Tell everything about one address; read-only.",
        "history": "Tell whether an address was suppressed at a time, since when and why; offline.",
        "rejected": "Show the contacts that the service still refuses, with reasons; offline.",
        "audit": "Look at what runs left as evidence, and prove that it is whole; offline.",
        "report": "Report what the evidence of a period attests; offline.",
        "notify": "Show the webhooks that are not delivered yet, and deliver them.",
        "schema": "Print the JSON Schema of a kind of spec.",
        "sandbox": "Serve a small copy of the service on this machine.",
        "demo": "Tell the story of this tool against the sandbox, in a temporary folder.",
    }
)
"""Every verb with its one line of help; ``commands/<verb>.py`` holds its ``command``."""

_MODULES: Final[Mapping[str, str]] = MappingProxyType({"import": "importing"})
"""Where a verb is a Python word, which no module can be called."""


@click.group(
    cls=Verbs,
    verbs=VERBS,
    modules=_MODULES,
    invoke_without_command=True,
    context_settings={
        "auto_envvar_prefix": "RECONCILER",
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
    },
    epilog="Every flag has an environment variable RECONCILER_<COMMAND>_<FLAG>, but for the "
    "overrides of policy, --reason and --accept-safer.",
)
@global_options
@click.version_option(__version__, prog_name=PROGRAM)
@click.pass_context
def root(ctx: click.Context) -> None:
    """Keep suppression lists at NICE CXone equal to specs in git.

    Who is missing on the service is suppressed first; nobody is released without a reason.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(UsageError.exit_code)
