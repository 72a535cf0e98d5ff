"""``notify retry``: deliver events of earlier runs now, at the wish of a person."""

from collections.abc import Sequence

import click

from reconciler import notify, outbox, spec
from reconciler.commands import frame, wiring
from reconciler.errors import Exit, UsageError
from reconciler.outbox import Notice
from reconciler.store import Store
from reconciler.views import notices


@click.command("retry")
@click.argument("events", nargs=-1, metavar="[EVENT]...")
@click.option("--all", "everything", is_flag=True, help="Also those that were given up.")
@frame.format_option("text", "json")
@frame.global_options
@click.pass_context
def command(ctx: click.Context, *, events: tuple[str, ...], everything: bool) -> int:
    """Deliver the events that wait; EVENT… names single ones, such as were given up.

    URLs and secrets are those of the specs.
    """
    if events and everything:
        raise UsageError("name events, or ask for all of them: not both")
    chosen = frame.selection(ctx, ())
    tenants = spec.load(chosen).tenants
    with wiring.running(ctx, "notify", chosen.root) as run, wiring.recorded(run) as upshot:
        found = _wanted(run.store, events, everything=everything)
        told = notify.deliver(found, tenants=tenants, run=run, insist=everything or bool(events))
        notify.trace(run, found, told)
        delivered = all(one.delivered for one in told)
        upshot.code = Exit.DONE if delivered else Exit.FAILED
        frame.emit(
            ctx,
            text=lambda: notices.told(told),
            json=lambda: notices.results(told, exit_code=upshot.code),
        )
    return upshot.code


def _wanted(store: Store, events: Sequence[str], *, everything: bool) -> tuple[Notice, ...]:
    """Return the events that were asked for, the oldest first.

    Raises:
        UsageError: one of them is not in the outbox.
    """
    found = sorted(
        outbox.waiting(store, aside=everything or bool(events)),
        key=lambda one: (one.since, one.event),
    )
    unknown = sorted(set(events) - {one.event for one in found})
    if unknown:
        raise UsageError(
            f"no event {unknown[0]!r} waits to be delivered",
            hint="reconciler notify list shows all",
        )
    return tuple(one for one in found if not events or one.event in events)
