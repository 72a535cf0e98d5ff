"""``audit hold add``: keep evidence whatever its age; it is written into the ledger."""

from functools import partial

import click

from reconciler import chronicle, holds
from reconciler.commands import auditing, frame, wiring
from reconciler.commands.evidence_options import because, given, narrowing_options, reason_option
from reconciler.errors import UsageError
from reconciler.views import held as view


@click.command("add")
@narrowing_options
@click.option(
    "--run",
    default="",
    metavar="RUN",
    help="Only this run: its id or the beginning of it, its number in the ledger, or latest.",
)
@reason_option
@frame.format_option("text", "json")
@frame.global_options
@click.pass_context
def command(ctx: click.Context, *, run: str, reason: str) -> int:
    """Keep evidence that audit prune would remove, runs to come among it.

    Without a list, a run or a period it keeps everything; a run about several lists is kept whole,
    and so is one of which nobody can tell what it was about.
    """
    narrowed, why = given(ctx), because(reason)
    if run and (narrowed.lists or narrowed.since or narrowed.until):
        raise UsageError("--run names one run: leave --list, --from and --to out")
    root = auditing.root(ctx)
    with wiring.running(ctx, "audit hold add", root) as opened, wiring.recorded(opened):
        told = chronicle.lines(opened.store)
        scope = holds.Scope(
            lists=frozenset(narrowed.lists),
            run=chronicle.find(told, run) if run else "",
            since=narrowed.since,
            until=narrowed.until,
        )
        made = holds.place(opened, scope, reason=why)
    frame.emit(ctx, text=partial(view.placed, made), json=partial(view.document, (made,)))
    return 0
