"""The command ``reconciler``: the verbs by name, each loaded only when it is asked for.

``--version`` and ``--help`` import no verb, and so neither the contact engine nor HTTP.
"""

import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from types import MappingProxyType, ModuleType
from typing import Final

import click
from click.shell_completion import CompletionItem

from reconciler import __version__
from reconciler.commands.flags import global_options
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
        "rejected": "Show the contacts that the service still refuses, with reasons; offline.",
        "schema": "Print the JSON Schema of a kind of spec.",
        "sandbox": "Serve a small copy of the service on this machine.",
        "demo": "Tell the story of this tool against the sandbox, in a temporary folder.",
    }
)
"""Every verb with its one line of help; ``commands/<verb>.py`` holds its ``command``."""

_MODULES: Final[Mapping[str, str]] = MappingProxyType({"import": "importing"})
"""Where a verb is a Python word, which no module can be called."""


class _Loaded(Mapping[str, click.Command]):
    """The commands by name, each imported when it is taken out."""

    def __getitem__(self, name: str) -> click.Command:
        if name not in VERBS:
            raise KeyError(name)
        command: click.Command = _module(name).command
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(VERBS)

    def __len__(self) -> int:
        return len(VERBS)


def _module(name: str) -> ModuleType:
    return import_module(f"reconciler.commands.{_MODULES.get(name, name)}")


class Verbs(click.Group):
    """A group that knows the names of its commands before it loads them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order in which one meets them."""
        del ctx
        return list(VERBS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the nearest verb where there is none of that name.

        A variable of the verb that belongs to no flag is misuse too: ``…_SUPRESS_ONLY`` must not
        go unheard. One of an override is not read, which is said.
        """
        name = args[0]
        if ctx.resilient_parsing:  # a shell completes: nobody is told anything
            return super().resolve_command(ctx, args)
        if name not in VERBS and not name.startswith("-"):
            raise click.UsageError(f"No such command {name!r}.{_nearest(name, [*VERBS])}", ctx=ctx)
        resolved = super().resolve_command(ctx, args)
        if resolved[1] is not None:
            _check_variables(ctx, name, resolved[1])
        return resolved

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Return the verbs and flags that begin so, without importing a verb."""
        verbs = [
            CompletionItem(name, help=told)
            for name, told in VERBS.items()
            if name.startswith(incomplete)
        ]
        return verbs + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs with their one line of help, without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([*VERBS.items()])


@click.group(
    cls=Verbs,
    commands=_Loaded(),
    subcommand_metavar="COMMAND [ARGS]...",
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


def _check_variables(ctx: click.Context, verb: str, command: click.Command) -> None:
    prefix = f"{ctx.auto_envvar_prefix}_{verb.upper()}_"
    read = {
        f"{prefix}{option.name}".upper(): option.allow_from_autoenv
        for option in command.params
        if isinstance(option, click.Option)
    }
    for variable in sorted(name for name, held in os.environ.items() if held):
        if variable in read and not read[variable]:
            click.echo(f"warning: {variable} is not read: give that flag yourself", err=True)
        elif variable.startswith(prefix) and variable not in read:
            near = _nearest(variable, [name for name in read if read[name]])
            raise click.UsageError(f"The variable {variable} belongs to no flag.{near}", ctx=ctx)


def _nearest(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""
