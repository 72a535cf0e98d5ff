"""``rejected``: the contacts that the service still refuses, and why; offline and read-only."""

from pathlib import Path

import click

from reconciler import rejections, spec
from reconciler.commands import frame
from reconciler.commands.validate import offline
from reconciler.views import machine
from reconciler.views import rejected as view


@click.command("rejected")
@frame.selection_options
@frame.format_option("text", "json")
@frame.global_options
@click.pass_context
def command(ctx: click.Context, paths: tuple[Path, ...]) -> int:
    """Show the contacts that the service refused when they were last sent, with its reasons.

    They stand here until they are accepted, found on the list, or no longer wanted by the specs.
    It looks at what runs left behind and asks the service nothing.
    """
    chosen = frame.selection(ctx, paths)
    settings = frame.installed(ctx, chosen.root)
    with offline(spec.load(chosen), settings) as (desired, engine):
        found = rejections.rejected(
            desired, engine=engine, state=settings.state, as_of=frame.clock()
        )
    frame.emit(
        ctx,
        text=lambda: view.text(found),
        json=lambda: machine.rejected(found),
    )
    return 0
