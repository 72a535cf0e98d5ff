"""``ping``: check the way to each tenant and each list; read-only."""

from pathlib import Path

import click

from reconciler import spec
from reconciler.commands import frame, wiring
from reconciler.errors import worst
from reconciler.ping import ping
from reconciler.views import human, machine


@click.command("ping")
@frame.selection_options
@frame.format_option("text", "json")
@frame.global_options
@click.pass_context
def command(ctx: click.Context, *, paths: tuple[Path, ...]) -> int:
    """Check credentials, clocks, and that each list can be read and is a suppression list."""
    chosen = frame.selection(ctx, paths)
    loaded = spec.load(chosen)
    with (
        wiring.running(ctx, "ping", chosen.root) as run,
        wiring.door(run) as door,
        wiring.recorded(run) as upshot,
    ):
        found = tuple(ping(loaded, reader=door))
        upshot.code = worst(check.exit_code for check in found)
        run.write("ping.json", machine.checks(found, exit_code=upshot.code))
        frame.emit(
            ctx,
            text=lambda: human.checks(found),
            json=lambda: machine.checks(found, exit_code=upshot.code),
        )
    return upshot.code
