"""``audit prune``: remove what is old enough, tables with addresses first; the ledger stays."""

import sys
from datetime import datetime
from functools import partial
from typing import Final

import click

from reconciler import retention
from reconciler.commands import auditing, frame, wiring
from reconciler.commands.evidence_options import Age
from reconciler.errors import Exit, UsageError
from reconciler.retention import USUAL_TABLES, Ages, Pruning, Shelves
from reconciler.times import add_duration
from reconciler.views import pruned as view

_QUESTION: Final = "Remove them for good? Only 'yes' is taken as a yes: "


@click.command("prune")
@click.option(
    "--older-than",
    type=Age(),
    metavar="P5Y",
    help="Remove the artifacts of runs that ended so long ago; without it only tables go.",
)
@click.option(
    "--tables-older-than",
    type=Age(),
    metavar=USUAL_TABLES,
    help=f"Remove tables with addresses at this age; {USUAL_TABLES}, or sooner with --older-than.",
)
@click.option("--dry-run", is_flag=True, help="Show what would go, and change nothing.")
@click.option("--auto-approve", is_flag=True, help="Do not ask; without a terminal, nobody can be.")
@frame.format_option("text", "json")
@frame.global_options
@click.pass_context
def command(
    ctx: click.Context,
    *,
    older_than: str | None,
    tables_older_than: str | None,
    dry_run: bool,
    auto_approve: bool,
) -> int:
    """Remove evidence that is old enough: tables with addresses first, then all artifacts of runs.

    Lines of the ledger stay for ever, and name what was removed with its digest before it goes.
    What is under a hold stays, which exits 4. So does the run that last applied a list, but for
    its tables, and every run that is not over.
    """
    ages = _ages(older_than, tables_older_than, now=frame.clock())
    if not (dry_run or auto_approve or sys.stdin.isatty()):
        raise UsageError("there is no terminal to ask at", hint="add --auto-approve")
    if dry_run:
        return _look(ctx, ages)
    root = auditing.root(ctx)
    with wiring.running(ctx, "audit prune", root) as run, wiring.recorded(run) as upshot:
        retention.whole(run.store)
        shelves = Shelves(store=run.store, state=run.state)
        with run.locks.living() as living:
            made = retention.doomed(
                retention.whole_story(run.store),
                shelves.there(),
                ages=ages,
                now=run.clock(),
                living=living,
            )
        if not _agreed(ctx, made, asking=not auto_approve):
            upshot.code = Exit.FAILED
            if frame.wanted_format(ctx) == "json":
                frame.answer(ctx, _document(made, ages, code=upshot.code))
            return upshot.code
        gone = retention.prune(run, made, ages=ages)
        upshot.code = Exit.REFUSED if made.held else Exit.DONE
        frame.emit(
            ctx,
            text=partial(view.summary, "Pruned", gone, made),
            json=partial(view.document, gone, made, ages=ages, done=True, exit_code=upshot.code),
        )
    return upshot.code


def _ages(older_than: str | None, tables_older_than: str | None, *, now: datetime) -> Ages:
    """Return both ages; tables never stay for longer than the rest.

    Raises:
        UsageError: neither is given, or tables would stay for longer.
    """
    if not (older_than or tables_older_than):
        raise UsageError(
            "say how old evidence must be to go",
            hint=f"--older-than P5Y, or --tables-older-than {USUAL_TABLES} for tables alone",
        )
    tables = tables_older_than or USUAL_TABLES
    if older_than and add_duration(now, tables) > add_duration(now, older_than):
        if tables_older_than:
            raise UsageError(
                f"--tables-older-than {tables} is longer than --older-than {older_than}: tables "
                "with addresses never stay for longer than the rest"
            )
        tables = older_than
    return Ages(evidence=older_than, tables=tables)


def _look(ctx: click.Context, ages: Ages) -> int:
    """Show what would go; nothing is written, neither here nor into the ledger."""
    settings, store = auditing.opened(ctx)
    retention.whole(store)
    shelves = Shelves(store=store, state=settings.state)
    made = retention.doomed(
        retention.whole_story(store), shelves.there(), ages=ages, now=frame.clock()
    )
    code = Exit.REFUSED if made.held else Exit.DONE
    frame.emit(
        ctx,
        text=partial(view.text, made),
        json=partial(_document, made, ages, code=code),
    )
    return code


def _document(made: Pruning, ages: Ages, *, code: int) -> bytes:
    return view.document(made.all, made, ages=ages, done=False, exit_code=code)


def _agreed(ctx: click.Context, made: Pruning, *, asking: bool) -> bool:
    """Show what is to go and ask, where there is anything to be asked about."""
    as_text = frame.wanted_format(ctx) == "text"
    if (made.all or made.held) and (as_text or asking):
        frame.show(ctx, view.text(made), err=not as_text)
    if not (made.all and asking) or frame.ask(ctx, _QUESTION) == "yes":
        return True
    frame.talk(ctx, "Nothing was removed.")
    return False
