"""``apply``: make the service agree with the specs, or carry out a saved plan and nothing else."""

import sys
from pathlib import Path
from typing import Final

import click

from reconciler import pipeline, saved, spec
from reconciler import plan as deciding
from reconciler.artifacts import Run
from reconciler.commands import frame, measuring, shown, wiring
from reconciler.commands.flags import metrics_option
from reconciler.commands.plan import refresh_option
from reconciler.errors import Exit, StalePlanError, UsageError
from reconciler.model import Overrides, Plan, Receipt
from reconciler.saved import SavedPlan
from reconciler.schema import nearest
from reconciler.views import human, markdown

_SPECS: Final = (".yaml", ".yml")
_QUESTION: Final = "Apply this plan? Only 'yes' is taken as a yes: "


@click.command("apply")
@frame.selection_options
@frame.format_option(*shown.FORMATS)
@frame.write_option(*shown.FORMATS)
@click.option("--auto-approve", is_flag=True, help="Do not ask; without a terminal, nobody can be.")
@click.option(
    "--suppress-only", is_flag=True, help="Leave settings, shortenings and releases for later."
)
@click.option(
    "--accept-safer",
    is_flag=True,
    allow_from_autoenv=False,
    help="Apply a saved plan also if only suppressions and amendments differ now.",
)
@click.option(
    "--lock-timeout",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help="Seconds to wait for another run that works on the same list.",
)
@refresh_option
@metrics_option
@frame.override_options
@frame.global_options
@click.pass_context
def command(
    ctx: click.Context,
    *,
    paths: tuple[Path, ...],
    auto_approve: bool,
    suppress_only: bool,
    accept_safer: bool,
    lock_timeout: float,
    refresh: str,
) -> int:
    """Plan, show, ask, and apply; or apply PLAN, a file that plan --out wrote.

    A saved plan is applied only if the same specs still come to the same plan; it was approved
    as it is, so nobody is asked again.
    """
    file = _plan_file(paths)
    chosen = frame.selection(ctx, () if file else paths)
    allowed = frame.overrides(ctx)
    if file and (chosen.lists or chosen.labels):
        raise UsageError("a saved plan says itself which lists it is for: leave --list out")
    if accept_safer and not file:
        raise UsageError("--accept-safer is for a saved plan")
    if not (file or auto_approve or sys.stdin.isatty()):
        raise UsageError("there is no terminal to ask at", hint="add --auto-approve")
    with (
        measuring.measured(ctx, "apply") as told,
        wiring.running(ctx, "apply", chosen.root) as run,
        wiring.door(run) as door,
        wiring.recorded(run) as upshot,
    ):
        told.run, told.upshot = run, upshot
        approved = saved.read(file, root=chosen.root, now=run.clock()) if file else None
        chosen = approved.selection if approved else chosen
        keys = tuple(listed.name for listed in spec.load(chosen).lists)
        _known(allowed, keys)
        with wiring.locked(run, keys, timeout=lock_timeout):
            prepared = pipeline.prepare(
                chosen,
                reader=door,
                as_of=approved.as_of if approved else run.clock(),
                now=run.clock(),
                run=run,
                anew=refresh == "always",
            )
            if approved:
                made = _as_approved(prepared, approved, run, allowed, safer=accept_safer)
            else:
                made = prepared.plan(as_of=run.clock(), overrides=allowed)
            made = upshot.plan = deciding.suppress_only(made) if suppress_only else made
            run.write("plan.json", wiring.document(run, made, prepared.spec, chosen))
            if not _agreed(ctx, made, asking=not (made.empty or approved or auto_approve)):
                upshot.code = Exit.FAILED
                return upshot.code
            if not approved:  # a question may have waited for long
                now = prepared.plan(as_of=run.clock(), overrides=allowed)
                made = upshot.plan = deciding.within(now, made)
            done = upshot.done = pipeline.execute(
                made,
                tenants=prepared.spec.tenants,
                writer=door,
                run=run,
                applied=prepared.applied.keys(),
            )
        upshot.code = done.exit_code
        run.write("report.md", markdown.receipt(done, made=made).encode())
        _show(ctx, made, done, run)
    return upshot.code


def _plan_file(paths: tuple[Path, ...]) -> Path | None:
    """Return the saved plan, if that is what was named.

    Raises:
        UsageError: a plan and other paths were named together.
    """
    files = [path for path in paths if path.is_file() and path.suffix not in _SPECS]
    if files and len(paths) > 1:
        raise UsageError("one saved plan, or paths of specs: not both")
    return files[0] if files else None


def _known(allowed: Overrides, keys: tuple[str, ...]) -> None:
    """See to it that an override names a list of this run.

    Raises:
        UsageError: it does not, and so would do nothing.
    """
    for name in (*allowed.allow_empty, *allowed.accept_stale_feed):
        if name not in keys:
            close = nearest(name, keys)
            raise UsageError(
                f"an override names {name!r}, which is no list of this run",
                hint=f"did you mean {close}?" if close else "",
            )


def _as_approved(
    prepared: pipeline.Prepared, approved: SavedPlan, run: Run, allowed: Overrides, *, safer: bool
) -> Plan:
    """Return the approved plan as it comes out now, less what is refused by now.

    Raises:
        StalePlanError: it comes out differently, or was made under another key.
    """
    if approved.key != wiring.fingerprint(run):
        raise StalePlanError(
            "the plan was made under another pseudonym key, so it cannot be compared",
            hint="give both runs the same RECONCILER_PSEUDONYM_KEY",
        )
    made = _less_remainders(prepared.plan(as_of=approved.as_of), approved, safer=safer)
    moved = saved.moved_sources(approved, made, specs=prepared.spec.digests)
    if moved and allowed.given:
        raise StalePlanError(
            f"an override is for what was approved, and these have changed since: {moved}",
            hint="make a new plan and have it approved",
        )
    if not saved.accepted(approved, made, specs=prepared.spec.digests, safer=safer):
        raise StalePlanError(
            f"the plan is stale: {saved.difference(approved, made)}"
            + (f" (changed since: {moved})" if moved else ""),
            hint="make a new one and have it approved"
            + ("" if safer or moved else "; --accept-safer applies it if only suppressions differ"),
        )
    now = prepared.plan(as_of=run.clock(), overrides=allowed)
    bound = prepared.plan(as_of=approved.as_of, overrides=allowed) if allowed.given else made
    return deciding.within(_less_remainders(now, approved, safer=safer), bound)


def _less_remainders(made: Plan, approved: SavedPlan, *, safer: bool) -> Plan:
    """Refuse the rest of releases that an apply which was interrupted has begun to carry out."""
    return saved.without_remainders(approved, made) if safer else made


def _agreed(ctx: click.Context, made: Plan, *, asking: bool) -> bool:
    """Show the plan and ask, where there is to be asked; whoever says no has the plan as data."""
    as_text = frame.wanted_format(ctx) == "text"
    if as_text or asking:
        frame.show(ctx, human.plan(made), err=not as_text)
    if not asking or frame.ask(ctx, _QUESTION) == "yes":
        return True
    frame.talk(ctx, "Nothing was applied.")
    put_out = frame.write_files if as_text else frame.emit
    put_out(ctx, **shown.plan(made, exit_code=Exit.FAILED))
    return False


def _show(ctx: click.Context, made: Plan, done: Receipt, run: Run) -> None:
    """Show what was done; of a run with nothing to do the plan said all there is."""
    told = made.empty and frame.wanted_format(ctx) == "text"
    put_out = frame.write_files if told else frame.emit
    put_out(ctx, **shown.receipt(done, made=made, artifacts=run.folder))
