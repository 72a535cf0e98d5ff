"""``history``: one address in the evidence of all runs; offline and read-only.

The address is an argument, or comes on standard input, so that it stands in no shell's history.
It is never recorded and never shown but masked.
"""

from datetime import datetime

import click

from reconciler import config, history, recalled
from reconciler.commands import auditing, frame
from reconciler.commands.addresses import typed
from reconciler.commands.evidence_options import Moment
from reconciler.contacts import lookup
from reconciler.contacts.engine import Engine
from reconciler.errors import SettingError, UsageError
from reconciler.masking import mask
from reconciler.views import histories as view


@click.command("history")
@click.argument("address")
@click.option(
    "--at",
    type=Moment(begins=False),
    metavar="TIME",
    help="Ask for this time; a bare date is the end of that day (UTC). Default: now.",
)
@click.option("--region", metavar="CODE", help="Where a phone number without a country is from.")
@frame.format_option("text", "json")
@frame.global_options
@click.pass_context
def command(ctx: click.Context, *, address: str, at: datetime | None, region: str | None) -> int:
    """Tell whether ADDRESS was suppressed at a time: where, since and until when, by which run.

    It looks through what all runs left behind, and asks the service nothing. ADDRESS is an email
    address or a phone number; - reads it from standard input. It is recorded nowhere.
    """
    written = typed(ctx) if address == "-" else address
    normalised = lookup.normalised(written, region=region)
    if normalised is None:
        raise UsageError(
            f"ADDRESS is neither an email address nor a phone number; found {len(written):,} "
            f"character{'s' * (len(written) != 1)}",
            hint="give a phone number with + and its country code, or its --region",
        )
    settings, store = auditing.opened(ctx)
    keys = config.known_keys(settings)
    if not keys:
        raise SettingError(
            f"there is no pseudonym key in {settings.state}, so nobody can be looked up",
            hint="no run was made here yet, or name the key: RECONCILER_PSEUDONYM_KEY",
        )
    with (
        frame.reporting(ctx) as tell,
        Engine(
            key=keys[0],
            former=keys[1:],
            spill=settings.spill or settings.state / "spill",
            memory=settings.memory,
        ) as engine,
    ):
        found = recalled.recall(
            normalised,
            store=store,
            engine=engine,
            folder=settings.state / "history",
            progress=tell,
        )
    as_of = at or frame.clock()
    told = history.by_list(found.events, found.known, at=as_of)
    frame.emit(
        ctx,
        text=lambda: view.text(told, found, address=mask(normalised), at=as_of),
        json=lambda: view.document(told, found, address=mask(normalised), at=as_of),
    )
    return 0
