"""``audit hold release``: take a hold back; it is written into the ledger."""

from functools import partial

import click

from reconciler import holds
from reconciler.commands import auditing, frame, wiring
from reconciler.commands.evidence_options import because, reason_option
from reconciler.views import held as view


@click.command("release")
@click.argument("hold", metavar="ID")
@reason_option
@frame.format_option("text", "json")
@frame.global_options
@click.pass_context
def command(ctx: click.Context, *, hold: str, reason: str) -> int:
    """Take a hold back: what it kept may be pruned again, unless another hold keeps it."""
    why = because(reason)
    root = auditing.root(ctx)
    with wiring.running(ctx, "audit hold release", root) as run, wiring.recorded(run):
        made = holds.release(run, hold, reason=why)
    frame.emit(ctx, text=partial(view.released, made), json=partial(view.document, (made,)))
    return 0
