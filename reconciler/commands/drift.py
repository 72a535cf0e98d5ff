"""``drift``: report how the service differs from the specs, by direction; read-only."""

from functools import partial
from pathlib import Path

import click

from reconciler import capturing, origins, pipeline, spec
from reconciler.commands import frame, measuring, shown, wiring
from reconciler.commands.flags import metrics_option
from reconciler.drift import report
from reconciler.errors import Exit, worst
from reconciler.model import Drift
from reconciler.views import machine, markdown


@click.command("drift")
@frame.selection_options
@frame.format_option(*shown.FORMATS)
@frame.write_option(*shown.FORMATS)
@click.option(
    "--fail-on",
    type=click.Choice(["missing", "any"]),
    default="missing",
    show_default=True,
    help="What exits 3: missing or differing contacts and settings, or surplus ones too.",
)
@click.option(
    "--capture",
    type=click.Path(path_type=Path),
    metavar="FILE.csv",
    help="Write surplus contacts to a file that a spec can name as a source; of several lists "
    "one each, FILE-<name>.csv.",
)
@metrics_option
@frame.global_options
@click.pass_context
def command(
    ctx: click.Context, *, paths: tuple[Path, ...], fail_on: str, capture: Path | None
) -> int:
    """Report who is missing (critical), differs or is surplus on each list; read-only.

    Every list is read in full, whatever is remembered of it.
    """
    chosen = frame.selection(ctx, paths)
    keys = tuple(listed.name for listed in spec.load(chosen).lists) if capture else ()
    into = capturing.files(capture, keys) if capture else {}
    with (
        measuring.measured(ctx, "drift", besides=list(into.values())) as told,
        wiring.running(ctx, "drift", chosen.root) as run,
        wiring.door(run) as door,
        wiring.recorded(run) as upshot,
    ):
        told.run, told.upshot = run, upshot
        now = run.clock()
        prepared = pipeline.prepare(chosen, reader=door, as_of=now, run=run, fresh=True)
        found = report(
            prepared.desired,
            prepared.observed,
            as_of=now,
            traces=origins.trace(
                prepared.desired, prepared.observed, applied=prepared.applied, as_of=now, run=run
            ),
        )
        told.found = found
        upshot.code = _exit_code(found, fail_on)
        run.write("drift.json", machine.drift(found, exit_code=upshot.code))
        run.write("report.md", markdown.drift(found).encode())
        capturing.surplus(prepared.observed, into, engine=run.engine, tell=partial(frame.talk, ctx))
        frame.emit(ctx, **shown.drift(found, exit_code=upshot.code))
    return upshot.code


def _exit_code(found: Drift, fail_on: str) -> int:
    """Return what a report comes to.

    A list that could not be read whole is an error: nobody may take it for one in order. A feed
    that is too old is what a plan would refuse releases for.
    """
    unread = any(not listed.complete for listed in found.lists)
    drifted = any(listed.missing or listed.differ for listed in found.lists)
    if fail_on == "any":
        drifted |= any(listed.surplus or listed.longer for listed in found.lists)
    stale = any(listed.stale_feeds for listed in found.lists)
    codes = [failure.exit_code for failure in found.failures]
    told = [Exit.FAILED] * unread + [Exit.REFUSED] * stale + [Exit.DRIFT] * drifted
    return worst([*codes, *told])
