"""The flags that commands share, and what they said.

Parsing only: it opens nothing. A flag whose name is a Python word, such as ``--list``, is kept
in the context instead of being passed on, so that its environment variable keeps its name.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from reconciler.errors import SettingError, UsageError
from reconciler.masking import scrub

if TYPE_CHECKING:  # its many classes are not for those who only ask for help
    from reconciler.model import Overrides, Selection

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])

_COMMANDED: Final = "reconciler.commanded"
_FORMAT: Final = "reconciler.format"
_SELECTED: Final = "reconciler.selected"
_OVERRIDES: Final = "reconciler.overrides"
_WRITTEN: Final = "reconciler.written"
_METRICS: Final = "reconciler.metrics"


@dataclass(frozen=True, slots=True, kw_only=True)
class Globals:
    """The flags that go before or after the verb."""

    root: Path | None = None
    state_dir: Path | None = None
    debug: bool = False
    no_color: bool = False
    quiet: bool = False


class ExistingPath(click.Path):
    """A path that must be there: its absence is a wrong setting, not a misused command line."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path.

        Raises:
            SettingError: nothing is there.
        """
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if not path.exists():
            raise SettingError(f"{scrub(str(path))} does not exist")
        return path


class _Written(click.ParamType[tuple[str, Path]]):
    """A format and the file that gets it."""

    name = "written"

    def __init__(self, formats: tuple[str, ...]) -> None:
        self._formats = formats

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Path]:
        """Return the format and the path.

        Raises:
            SettingError: the file cannot be there.
        """
        if isinstance(value, tuple):
            return value
        form, sign, name = str(value).partition("=")
        if form not in self._formats or not sign or not name:
            known = ", ".join(self._formats)
            self.fail(f"{scrub(str(value))!r} is not FORMAT=FILE; formats: {known}", param, ctx)
        path = Path(name)
        if path.is_dir() or not path.absolute().parent.is_dir():
            why = "is a folder" if path.is_dir() else "is in a folder that does not exist"
            raise SettingError(f"--write: {scrub(name)} {why}", hint="name a file to be written")
        return form, path


# ---------------------------------------------------------------- flags


def global_options(command: _Decorated) -> _Decorated:
    """Add the global flags; ``settings`` tells what they say, wherever they stood."""
    for add in reversed(_GLOBAL_OPTIONS):
        command = add(command)
    return command


def selection_options(command: _Decorated) -> _Decorated:
    """Add PATH… (passed on as ``paths``), ``--list`` and ``--label``, for ``selection``."""
    for add in reversed(_SELECTION_OPTIONS):
        command = add(command)
    return command


def narrowing_options(command: _Decorated) -> _Decorated:
    """Add ``--list`` and ``--label`` alone, where a command has a PATH… of its own."""
    for add in reversed(_SELECTION_OPTIONS[1:]):
        command = add(command)
    return command


def override_options(command: _Decorated) -> _Decorated:
    """Add the overrides and ``--reason``, never read from the environment, for ``overrides``."""
    for add in reversed(_OVERRIDE_OPTIONS):
        command = add(command)
    return command


def format_option(*formats: str) -> Callable[[_Decorated], _Decorated]:
    """Add ``--format``, the first of ``formats`` being the default; ``emit`` obeys it."""
    return click.option(
        "--format",
        type=click.Choice(formats),
        default=formats[0],
        show_default=True,
        expose_value=False,
        callback=_keep(_FORMAT),
        help="How to show the result.",
    )


def write_option(*formats: str) -> Callable[[_Decorated], _Decorated]:
    """Add ``--write FORMAT=FILE``, repeatable; ``written`` returns what it says."""
    return click.option(
        "--write",
        multiple=True,
        metavar="FORMAT=FILE",
        type=_Written(formats),
        expose_value=False,
        callback=_keep_written,
        help=f"Also write the result to a file, as {', '.join(formats)}; repeatable.",
    )


def metrics_option(command: _Decorated) -> _Decorated:
    """Add ``--metrics-file``; ``metrics_file`` returns what it says."""
    return click.option(
        "--metrics-file",
        metavar="FILE",
        type=click.Path(path_type=Path),
        expose_value=False,
        callback=_keep_metrics_file,
        help="Also write the run's numbers to a file for Prometheus, whatever comes of the run.",
    )(command)


# ---------------------------------------------------------------- what they say


def settings(ctx: click.Context) -> Globals:
    """Return the global flags."""
    held = ctx.find_root().obj
    return held if isinstance(held, Globals) else Globals()


def wanted_format(ctx: click.Context) -> str:
    """Return the chosen format; ``text`` for a command that has no choice."""
    return str(ctx.meta.get(_FORMAT, {}).get("format", "text"))


def written(ctx: click.Context) -> "tuple[tuple[str, Path], ...]":
    """Return the format and the path of each file that the result is to be written to."""
    return tuple(ctx.meta.get(_WRITTEN, ()))


def metrics_file(ctx: click.Context) -> "Path | None":
    """Return the file that the run's numbers are to be written to."""
    held = ctx.meta.get(_METRICS)
    return held if isinstance(held, Path) else None


def selection(ctx: click.Context, paths: tuple[Path, ...]) -> "Selection":
    """Return which lists to work on; the specs root is looked for from the first path upwards.

    Raises:
        SettingError: there is no specs root.
    """
    from reconciler import spec  # noqa: PLC0415 - YAML is not for those who only ask for help
    from reconciler.model import Selection  # noqa: PLC0415 - nor are these

    chosen = ctx.meta.get(_SELECTED, {})
    start = paths[0] if paths else Path.cwd()
    return Selection(
        root=settings(ctx).root or spec.specs_root(start),
        paths=paths,
        lists=chosen.get("list", ()),
        labels=chosen.get("label", ()),
    )


def overrides(ctx: click.Context) -> "Overrides":
    """Return what is to be allowed once.

    Raises:
        UsageError: something is, without a reason.
    """
    from reconciler.model import Overrides  # noqa: PLC0415 - not for those who only ask for help

    chosen = dict(ctx.meta.get(_OVERRIDES, {}))
    reason = scrub(chosen.pop("reason", None) or "").strip()
    made = Overrides(**chosen, reason=reason)
    if made.given and not reason:
        raise UsageError(
            "an override needs a reason, which is recorded",
            hint='add --reason "why, and who asked for it"',
        )
    return made


# ---------------------------------------------------------------- how flags are kept


def _list_names(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """Return the names of lists for a shell that completes; none where they cannot be had."""
    del param
    with suppress(Exception):
        from reconciler import spec  # noqa: PLC0415 - YAML is not for those who only ask for help

        lists = spec.load(selection(ctx, ())).lists
        return [CompletionItem(one.name) for one in lists if one.name.startswith(incomplete)]
    return []


def _keep(where: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    """Return a callback that keeps a flag under its own name, which may be a Python word."""

    def callback(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        ctx.meta.setdefault(where, {})[param.name] = value

    return callback


def _keep_given(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Keep an override only if it was given, so that those absent keep their defaults."""
    if value is not None and value != ():
        ctx.meta.setdefault(_OVERRIDES, {})[param.name] = value


def _merge(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Merge a global flag into those of the root; the command line wins over the environment."""
    name = str(param.name)
    source = ctx.get_parameter_source(name)
    commanded = ctx.meta.setdefault(_COMMANDED, set())
    if source is ParameterSource.COMMANDLINE:
        commanded.add(name)
    elif source is not ParameterSource.ENVIRONMENT or name in commanded:
        return
    ctx.find_root().obj = replace(settings(ctx), **{name: value})


def _keep_written(
    ctx: click.Context, param: click.Parameter, value: tuple[tuple[str, Path], ...]
) -> None:
    """Keep the files, each for one format."""
    paths = [path.absolute() for _, path in value]
    twice = next((path for path in paths if paths.count(path) > 1), None)
    if twice:
        raise click.BadParameter(f"{scrub(str(twice))} is named twice", ctx=ctx, param=param)
    ctx.meta[_WRITTEN] = value


def _keep_metrics_file(ctx: click.Context, param: click.Parameter, value: Path | None) -> None:
    """Keep where the numbers go.

    Raises:
        SettingError: a file cannot be there.
    """
    del param
    if value is None:
        return
    if str(value) == "-":
        raise UsageError("--metrics-file takes a file, not standard output", hint="name a file")
    why = ""
    try:
        if value.is_dir() or not value.absolute().parent.is_dir():
            why = "is a folder" if value.is_dir() else "is in a folder that does not exist"
    except OSError as error:
        why = f"cannot be a file: {error.strerror}"
    if why:
        raise SettingError(
            f"--metrics-file: {scrub(str(value))} {why}", hint="name a file to be written"
        )
    ctx.meta[_METRICS] = value


def _labels(
    ctx: click.Context, param: click.Parameter, value: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    pairs = tuple(text.partition("=") for text in value)
    if any(not key or not sign for key, sign, _ in pairs):
        raise click.BadParameter("expected KEY=VALUE", ctx=ctx, param=param)
    return tuple((key, held) for key, _, held in pairs)


def _keep_labels(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> None:
    ctx.meta.setdefault(_SELECTED, {})[param.name] = _labels(ctx, param, value)


def _global(*names: str, **how: Any) -> Callable[[_Decorated], _Decorated]:
    return click.option(*names, expose_value=False, callback=_merge, **how)


def _override(*names: str, **how: Any) -> Callable[[_Decorated], _Decorated]:
    return click.option(
        *names, expose_value=False, callback=_keep_given, allow_from_autoenv=False, **how
    )


_GLOBAL_OPTIONS: Final = (
    _global(
        "--root",
        type=ExistingPath(file_okay=False, path_type=Path),
        help="The specs root; else the nearest specs/ upwards.",
    ),
    _global(
        "--state-dir",
        type=click.Path(file_okay=False, path_type=Path),
        help="Where runs, ledger, cache and locks live; else .reconciler beside the specs root.",
    ),
    _global("--debug", is_flag=True, help="Show tracebacks."),
    _global("--no-color", is_flag=True, help="No colour, on terminals neither."),
    _global("--quiet", is_flag=True, help="No progress and no notices on standard error."),
)

_SELECTION_OPTIONS: Final = (
    click.argument("paths", nargs=-1, type=ExistingPath(path_type=Path), metavar="[PATH]..."),
    click.option(
        "--list",
        multiple=True,
        metavar="NAME",
        expose_value=False,
        callback=_keep(_SELECTED),
        shell_complete=_list_names,
        help="Only the list of this name; repeatable.",
    ),
    click.option(
        "--label",
        multiple=True,
        metavar="KEY=VALUE",
        expose_value=False,
        callback=_keep_labels,
        help="Only lists with this label; repeatable, all must match.",
    ),
)

_OVERRIDE_OPTIONS: Final = (
    _override("--max-releases", type=click.IntRange(min=0), help="Allow so many once, a list."),
    _override("--max-suppressions", type=click.IntRange(min=0), help="Allow so many once, a list."),
    _override(
        "--allow-empty",
        multiple=True,
        metavar="NAME",
        shell_complete=_list_names,
        help="This list may be empty.",
    ),
    _override("--ignore-freeze", is_flag=True, default=None, help="Release in a freeze."),
    _override(
        "--accept-stale-feed",
        multiple=True,
        metavar="NAME",
        shell_complete=_list_names,
        help="Release on an old feed.",
    ),
    _override("--reason", metavar="TEXT", help="Why an override is given; recorded."),
)
