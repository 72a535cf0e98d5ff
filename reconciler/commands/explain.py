"""``explain``: everything about one address, now; read-only.

The address is an argument, or comes on standard input, so that it stands in no shell's history.
It is never recorded and never shown but masked.
"""

from pathlib import Path
from typing import Any

import click

from reconciler import explain, pipeline, spec
from reconciler.commands import frame, wiring
from reconciler.commands.addresses import typed
from reconciler.commands.plan import refresh_option
from reconciler.errors import Exit, SettingError, worst
from reconciler.model import Observed
from reconciler.views import explained


class Specs(frame.ExistingPath):
    """A path to specs, which may be the rest of a phone number and so is not repeated."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path.

        Raises:
            SettingError: nothing is there.
        """
        try:
            return super().convert(value, param, ctx)
        except SettingError as error:
            raise SettingError(
                "a PATH after ADDRESS does not exist",
                hint="an address with spaces needs quotes around it",
            ) from error


@click.command("explain")
@click.argument("address")
@click.argument("paths", nargs=-1, type=Specs(path_type=Path), metavar="[PATH]...")
@frame.narrowing_options
@frame.format_option("text", "json")
@refresh_option
@frame.global_options
@click.pass_context
def command(ctx: click.Context, *, address: str, paths: tuple[Path, ...], refresh: str) -> int:
    """Tell who declares ADDRESS, what the service holds of it and what a plan would do; read-only.

    ADDRESS is an email address or a phone number; - reads it from standard input. It is recorded
    nowhere.
    """
    chosen = frame.selection(ctx, paths)
    named = explain.addresses(typed(ctx) if address == "-" else address, spec.load(chosen))
    with (
        wiring.running(ctx, "explain", chosen.root) as run,
        wiring.door(run) as door,
        wiring.recorded(run) as upshot,
    ):
        now = run.clock()
        prepared = pipeline.prepare(
            chosen, reader=door, as_of=now, run=run, anew=refresh == "always"
        )
        found = explain.explain(
            named,
            spec=prepared.spec,
            desired=prepared.desired,
            observed=prepared.observed,
            made=prepared.plan(as_of=now),
            run=run,
        )
        upshot.code = _exit_code(prepared.observed)
        frame.emit(
            ctx,
            text=lambda: explained.text(found),
            json=lambda: explained.document(found, exit_code=upshot.code),
        )
    return upshot.code


def _exit_code(observed: Observed) -> int:
    """A list that could not be read whole is an error: the answer is not certain there."""
    partial = any(not listed.complete for listed in observed.lists.values())
    codes = [failure.exit_code for failure in observed.failures]
    return worst([*codes, *[Exit.FAILED] * partial])
