"""``plan``: show what would be done to whom; it never writes to the service."""

from datetime import datetime
from pathlib import Path

import click

from reconciler import artifacts, pipeline, record
from reconciler.commands import frame, measuring, shown, wiring
from reconciler.commands.flags import metrics_option
from reconciler.errors import Exit, SettingError, UsageError
from reconciler.times import parse_time
from reconciler.views import markdown


class Time(click.ParamType[datetime]):
    """A date or time as specs write it."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return an aware UTC time."""
        if isinstance(value, datetime):
            return value
        try:
            return parse_time(str(value))
        except ValueError as error:
            self.fail(f"{value!r}: {error}", param, ctx)


refresh_option = click.option(
    "--refresh",
    type=click.Choice(["auto", "always"]),
    default="auto",
    show_default=True,
    help="Whether what certainly has not changed is read and compared again.",
)


@click.command("plan")
@frame.selection_options
@frame.format_option(*shown.FORMATS)
@frame.write_option(*shown.FORMATS)
@click.option("--out", type=click.Path(path_type=Path), help="Save the plan for apply.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 where there are changes.")
@click.option("--as-of", type=Time(), help="Judge ends at this time: a preview, never applied.")
@refresh_option
@metrics_option
@frame.global_options
@click.pass_context
def command(
    ctx: click.Context,
    *,
    paths: tuple[Path, ...],
    out: Path | None,
    detailed_exitcode: bool,
    as_of: datetime | None,
    refresh: str,
) -> int:
    """Show what would be done to each list, and why what is refused is refused; read-only."""
    chosen = frame.selection(ctx, paths)
    if out and as_of:
        raise UsageError("--out saves a plan to be applied, --as-of makes a preview: not both")
    if out and out.resolve() in {path.resolve() for _, path in frame.written(ctx)}:
        raise UsageError(f"--out and --write name one file, {out}", hint="name two")
    if out and not out.absolute().parent.is_dir():
        raise SettingError(f"--out: the folder {out.absolute().parent} does not exist")
    with (
        measuring.measured(ctx, "plan", besides=[out]) as told,
        wiring.running(ctx, "plan", chosen.root) as run,
        wiring.door(run) as door,
        wiring.recorded(run) as upshot,
    ):
        told.run, told.upshot = run, upshot
        now = as_of or run.clock()
        prepared = pipeline.prepare(
            chosen, reader=door, as_of=now, run=run, anew=refresh == "always"
        )
        made = upshot.plan = prepared.plan(as_of=now, preview=as_of is not None)
        document = wiring.document(run, made, prepared.spec, chosen)
        run.write("plan.json", document)
        run.write("report.md", markdown.plan(made).encode())
        if out:
            with frame.as_user(ctx):
                artifacts.replace(out, document)
        changes = Exit.CHANGES if detailed_exitcode and not made.empty else Exit.DONE
        upshot.code = record.exit_code(made) or changes
        frame.emit(ctx, **shown.plan(made, exit_code=upshot.code))
    return upshot.code
