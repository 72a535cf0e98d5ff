"""``audit show RUN``: everything that is known of one run; offline and read-only."""

from functools import partial

import click

from reconciler import account, chronicle
from reconciler.commands import auditing, frame
from reconciler.retention import Shelves
from reconciler.views import accounts as view


@click.command("show")
@click.argument("run", metavar="RUN")
@frame.format_option("text", "json", "csv")
@frame.global_options
@click.pass_context
def command(ctx: click.Context, *, run: str) -> int:
    """Show who started a run and why, what it did to each list, and what it left.

    RUN is its id or the beginning of it, its number in the ledger, or latest. Whether what it left
    is unaltered is for audit verify to say.
    """
    settings, store = auditing.opened(ctx)
    told = chronicle.lines(store)
    shelves = Shelves(store=store, state=settings.state)
    found = account.account(shelves, told, chronicle.find(told, run))
    frame.emit(
        ctx,
        text=partial(view.text, found),
        json=partial(view.document, found),
        csv=partial(view.table, found),
    )
    return 0
