"""``notify list``: which events lie in the outbox, for whom and why; offline and read-only."""

import click

from reconciler import outbox
from reconciler.commands import auditing, frame
from reconciler.views import notices


@click.command("list")
@frame.format_option("text", "json")
@frame.global_options
@click.pass_context
def command(ctx: click.Context) -> int:
    """Show the events that some receiver has not taken, those that were given up included.

    Runs that have not ended, or were never found dead, may still owe some.
    """
    _, store = auditing.opened(ctx)
    found = tuple(sorted(outbox.waiting(store, aside=True), key=lambda one: (one.since, one.event)))
    owing = tuple(filter(None, (outbox.intent(store, run) for run in outbox.intents(store))))
    now = frame.clock()
    frame.emit(
        ctx,
        text=lambda: notices.text(found, owing, now=now),
        json=lambda: notices.document(found, owing, now=now),
    )
    return 0
