"""``validate``: everything that is wrong with specs and contact files, at once and offline.

It needs no secret and no service, and leaves nothing behind but the file of invalid rows.
"""

import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import click
from rich.text import Text

from reconciler import desired, spec
from reconciler.commands import frame
from reconciler.config import Installation
from reconciler.contacts.engine import Engine
from reconciler.errors import Problem, SpecError
from reconciler.model import Desired, Selection, Spec
from reconciler.views import annotations, human, machine, sarif
from reconciler.views.wording import plural


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What was looked at, as far as it came, and what is wrong with it."""

    counts: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    problems: tuple[Problem, ...] = ()

    @property
    def exit_code(self) -> int:
        """7 if anything is an error."""
        wrong = any(problem.severity == "error" for problem in self.problems)
        return SpecError.exit_code if wrong else 0


@click.command("validate")
@frame.selection_options
@frame.format_option("text", "json", "github", "sarif")
@frame.global_options
@click.pass_context
def command(ctx: click.Context, paths: tuple[Path, ...]) -> int:
    """Check specs and their contact files, offline and without secrets; show all problems at once.

    PATH… are files or folders of specs; without any, all of the specs root is checked.
    """
    chosen = frame.selection(ctx, paths)
    found = _examine(chosen, frame.installed(ctx, chosen.root))
    _show(ctx, found, below=_below(chosen.root))
    return found.exit_code


def _show(ctx: click.Context, found: Examined, *, below: str) -> None:
    code = found.exit_code
    told = found.problems
    frame.emit(
        ctx,
        text=lambda: _text(found),
        json=lambda: machine.problems(told, counts=found.counts, exit_code=code),
        github=lambda: _below_each_other(annotations.problems(told, below=below), _summary(found)),
        sarif=lambda: sarif.problems(told, exit_code=code, below=below),
    )


def _below_each_other(*parts: str) -> str:
    return "".join(f"{part}\n" for part in parts if part)


def _below(root: Path) -> str:
    """Return the folder of the specs root as seen from the workspace: paths are told from there."""
    workspace = Path(os.environ.get("GITHUB_WORKSPACE") or Path.cwd())
    return Path(os.path.relpath(root.parent.resolve(), workspace.resolve())).as_posix()


def _examine(chosen: Selection, settings: Installation) -> Examined:
    """Load the specs and, where they are sound, compile their contacts."""
    try:
        loaded = spec.load(chosen)
    except SpecError as error:
        return _failed(error)
    counts = {"files": len(loaded.digests), "lists": len(loaded.lists)}
    try:
        with offline(loaded, settings) as (made, _):
            pass
    except SpecError as error:
        return _failed(error, counts=counts, warnings=loaded.warnings)
    warnings = {*loaded.warnings, *(each for listed in made.lists for each in listed.warnings)}
    contacts = sum(listed.table.rows for listed in made.lists)
    return Examined(counts=counts | {"contacts": contacts}, problems=tuple(sorted(warnings)))


def _failed(
    error: SpecError,
    *,
    counts: Mapping[str, int] = MappingProxyType({}),
    warnings: tuple[Problem, ...] = (),
) -> Examined:
    """Return an error's problems; one without any has no place to be shown at."""
    if not error.problems:
        raise error
    return Examined(counts=counts, problems=tuple(sorted({*warnings, *error.problems})))


@contextmanager
def offline(loaded: Spec, settings: Installation) -> Iterator[tuple[Desired, Engine]]:
    """Compile under a key made for this once, in a folder that goes with it.

    Yields:
        What should be, and the engine that reads its tables.

    Raises:
        SpecError: with every problem of every source.
    """
    with tempfile.TemporaryDirectory(prefix="reconciler-") as name:
        folder = Path(name)
        key = secrets.token_bytes(32)
        with Engine(key=key, spill=folder / "spill", memory=settings.memory) as engine:
            made = desired.compile(
                loaded,
                engine=engine,
                as_of=frame.clock(),
                into=folder / "tables",
                invalid_into=lambda key: settings.state / "cache" / "invalid" / f"{key}.csv",
            )
            yield made, engine


def _text(found: Examined) -> Text:
    told = human.problems(found.problems)
    return told.append("\n" if found.problems else "").append(_summary(found))


def _summary(found: Examined) -> str:
    """Say how much was looked at: ``3 files, 2 lists, 1,234 contacts. No problems.``."""
    errors = sum(problem.severity == "error" for problem in found.problems)
    warnings = len(found.problems) - errors
    seen = ", ".join(plural(count, name.removesuffix("s")) for name, count in found.counts.items())
    parts = [seen, plural(errors, "problem") if errors else "No problems"]
    parts += [plural(warnings, "warning")] if warnings else []
    return ". ".join(part for part in parts if part) + "."
