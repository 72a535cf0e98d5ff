"""``audit hold list``: the holds that are in force; offline and read-only."""

from functools import partial

import click

from reconciler import chronicle, holds
from reconciler.commands import auditing, frame
from reconciler.commands.evidence_options import all_option, given
from reconciler.views import held as view


@click.command("list")
@all_option("Also those that were released.")
@frame.format_option("text", "json")
@frame.global_options
@click.pass_context
def command(ctx: click.Context) -> int:
    """Show what must stay, since when, by whose word and why."""
    _, store = auditing.opened(ctx)
    told = chronicle.lines(store)
    found = holds.holds(told) if given(ctx).all else holds.in_force(told)
    frame.emit(ctx, text=partial(view.text, found), json=partial(view.document, found))
    return 0
