"""``audit verify``: whether the evidence is what was written; offline and read-only."""

import click

from reconciler import ledger
from reconciler.commands import auditing, frame
from reconciler.errors import Exit


@click.command("verify")
@frame.global_options
@click.pass_context
def command(ctx: click.Context) -> int:
    """Recompute the ledger's chain and say where it is broken."""
    _, store = auditing.opened(ctx)
    doubt = ledger.past(store).doubt
    frame.show(ctx, doubt or "Verified.")
    return Exit.FAILED if doubt else Exit.DONE
