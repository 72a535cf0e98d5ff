"""Groups of commands that know names and help before they load anything.

A command is imported when it is taken out of its group, so that asking for help loads neither
the contact engine nor HTTP. It knows no command itself.
"""

import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

_PACKAGE: Final = "reconciler.commands"


class _Loaded(Mapping[str, click.Command]):
    """The commands by name, each imported when it is taken out."""

    def __init__(self, modules: Mapping[str, str]) -> None:
        self._modules = modules

    def __getitem__(self, name: str) -> click.Command:
        module = import_module(f"{_PACKAGE}.{self._modules[name]}")
        command: click.Command = module.command
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)


class Verbs(click.Group):
    """A group that knows the names of its commands before it loads them.

    Args:
        verbs: each command's one line of help by its name, in the order in which one meets them.
        modules: which module of ``commands`` holds it as its ``command``, where that is not
            called as it is.
        **others: as ``click.Group`` takes them.
    """

    def __init__(
        self, *, verbs: Mapping[str, str], modules: Mapping[str, str], **others: Any
    ) -> None:
        others["commands"] = _Loaded({name: modules.get(name, name) for name in verbs})
        super().__init__(subcommand_metavar="COMMAND [ARGS]...", **others)
        self.verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order in which one meets them."""
        del ctx
        return list(self.verbs)

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
        if name not in self.verbs and not name.startswith("-"):
            near = _nearest(name, [*self.verbs])
            raise click.UsageError(f"No such command {name!r}.{near}", ctx=ctx)
        resolved = super().resolve_command(ctx, args)
        if resolved[1] is not None and not isinstance(resolved[1], Verbs):
            _check_variables(ctx, name, resolved[1])
        return resolved

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Return the verbs and flags that begin so, without importing a verb."""
        verbs = [
            CompletionItem(name, help=told)
            for name, told in self.verbs.items()
            if name.startswith(incomplete)
        ]
        return verbs + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs with their one line of help, without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([*self.verbs.items()])


def _check_variables(ctx: click.Context, verb: str, command: click.Command) -> None:
    """Refuse variables that look like a flag of this command, or of a group on the way to it."""
    steps = [*_groups(ctx), (verb, command)]
    prefixes = [_prefix(f"{ctx.find_root().auto_envvar_prefix}_{steps[0][0]}")]
    for name, _ in steps[1:]:
        prefixes.append(_prefix(prefixes[-1] + name))
    read, others = dict[str, bool](), list[str]()
    for at, ((_, one), prefix) in enumerate(zip(steps, prefixes, strict=True), start=1):
        read |= _variables(one, prefix)
        siblings = set(one.verbs) - {steps[at][0]} if isinstance(one, Verbs) else set()
        others += [_prefix(prefix + name) for name in siblings]
    for variable in sorted(name for name, held in os.environ.items() if held):
        if variable in read and not read[variable]:
            click.echo(f"warning: {variable} is not read: give that flag yourself", err=True)
        elif (
            variable.startswith(prefixes[0])
            and variable not in read
            and not variable.startswith(tuple(others))
        ):
            near = _nearest(variable, [name for name in read if read[name]])
            raise click.UsageError(f"The variable {variable} belongs to no flag.{near}", ctx=ctx)


def _groups(ctx: click.Context) -> list[tuple[str, click.Command]]:
    """Return the groups below the root on the way to a command, with their names."""
    found = []
    while ctx.parent is not None:
        found.append((str(ctx.info_name), ctx.command))
        ctx = ctx.parent
    return found[::-1]


def _prefix(words: str) -> str:
    return words.upper().replace("-", "_") + "_"


def _variables(command: click.Command, prefix: str) -> dict[str, bool]:
    """Return the variables of a command's flags, and whether each is read."""
    return {
        f"{prefix}{option.name}".upper(): option.allow_from_autoenv
        for option in command.params
        if isinstance(option, click.Option)
    }


def _nearest(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""
