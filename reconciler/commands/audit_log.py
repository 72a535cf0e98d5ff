"""``audit log``: the runs that the ledger tells of; offline and read-only."""

from collections.abc import Sequence
from functools import partial

import click

from reconciler import chronicle, papers
from reconciler.chronicle import OUTCOMES, UNREADABLE, Line, Wanted
from reconciler.commands import auditing, frame
from reconciler.commands.evidence_options import Word, all_option, given, narrowing_options
from reconciler.errors import Exit
from reconciler.views import ledger_lines as view


@click.command("log")
@narrowing_options
@click.option(
    "--outcome",
    multiple=True,
    type=Word(OUTCOMES),
    metavar="WORD",
    help=f"Only runs of this outcome ({', '.join(OUTCOMES)}); repeatable.",
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="The newest N lines only.")
@all_option("Also what runs write down on their way, such as releases that are being sent.")
@frame.format_option("text", "json", "csv")
@frame.global_options
@click.pass_context
def command(ctx: click.Context, *, outcome: tuple[str, ...], limit: int | None) -> int:
    """Show the runs that the ledger tells of, the newest first.

    A line a run: its number, when it ended, its id, its command, its outcome, what it did, who
    started it, on which commit, and where its CI run is. It reads the ledger, and of each run that
    is shown the document that holds its counts.
    """
    narrowed = given(ctx)
    _, store = auditing.opened(ctx)
    told = chronicle.lines(store)
    told = chronicle.with_lists(store, told) if narrowed.lists else told
    wanted = Wanted(
        lists=narrowed.lists,
        since=narrowed.since,
        until=narrowed.until,
        outcomes=outcome,
        limit=limit,
        all=narrowed.all,
    )
    found = papers.counted(store, chronicle.chosen(told, wanted))
    code = unread(ctx, told)
    frame.emit(
        ctx,
        text=partial(view.text, found),
        json=partial(view.document, found, exit_code=code),
        csv=partial(view.table, found),
    )
    return code


def unread(ctx: click.Context, told: Sequence[Line]) -> int:
    """Say which lines cannot be believed, and return what that comes to."""
    numbers = [line.number for line in told if line.outcome == UNREADABLE]
    for number in numbers:
        frame.talk(ctx, f"ledger file {number} cannot be believed: audit verify says more")
    return Exit.FAILED if numbers else Exit.DONE
