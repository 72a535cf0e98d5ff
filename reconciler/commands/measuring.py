"""``--metrics-file``: a run's numbers for Prometheus, written last and whatever comes of the run.

It changes nothing of what was done. A file that cannot be written fails the run all the same:
whoever watches the numbers must not take old ones for new.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import click

from reconciler import artifacts, measures
from reconciler.artifacts import Run
from reconciler.commands import flags, frame
from reconciler.commands.ending import ending
from reconciler.commands.wiring import Upshot
from reconciler.errors import Exit, ReconcilerError, UsageError
from reconciler.metrics import Meter
from reconciler.model import Drift

_GOOD: Final = frozenset({Exit.DONE, Exit.CHANGES, Exit.DRIFT})
"""The run did all that was asked of it; something to do or to report is no failure."""

_FIRST: Final = 65_536
"""Bytes of the former file in which the last success is looked for; it stands near the top."""


@dataclass(slots=True)
class Told:
    """What is known of a run, filled in as it goes on."""

    run: Run | None = None
    upshot: Upshot | None = None
    found: Drift | None = None


@contextmanager
def measured(
    ctx: click.Context, command: str, *, besides: Sequence[Path | None] = ()
) -> Iterator[Told]:
    """Write the numbers of what happens in this block where ``--metrics-file`` says, if it does.

    Args:
        ctx: the context.
        command: its name.
        besides: other files that the command writes.

    Raises:
        UsageError: another flag names the same file.
        OutputError: the file cannot be written, and nothing else went wrong.
    """
    told, path, started = Told(), flags.metrics_file(ctx), frame.clock()
    if path is None:
        yield told
        return
    _alone(path, [*(one for _, one in frame.written(ctx)), *filter(None, besides)])
    try:
        yield told
    except BaseException as error:
        code = frame.signalled(ctx) or ending(error).code
        try:
            _write(ctx, path, told, command=command, code=code, started=started)
        except ReconcilerError as failure:
            frame.talk(ctx, str(failure))
        raise
    code = frame.signalled(ctx) or (told.upshot.code if told.upshot else Exit.DONE)
    _write(ctx, path, told, command=command, code=code, started=started)


def _alone(path: Path, others: Sequence[Path]) -> None:
    if path.resolve() in {other.resolve() for other in others}:
        raise UsageError(f"--metrics-file and another flag name one file, {path}", hint="name two")


def _write(
    ctx: click.Context, path: Path, told: Told, *, command: str, code: int, started: datetime
) -> None:
    """Put the numbers in place of those of the run before.

    Raises:
        OutputError: they cannot be.
    """
    from reconciler.views.exposition import (  # noqa: PLC0415 - brings prometheus_client: on request
        exposition,
        succeeded,
    )

    now = frame.clock()
    last = now.timestamp() if code in _GOOD else succeeded(_former(path), command=command)
    made = _measures(told, command=command, code=code, started=started, now=now, succeeded=last)
    try:
        with frame.as_user(ctx):
            artifacts.replace(path, exposition(made))
    except ReconcilerError as error:
        raise frame.OutputError(
            f"--metrics-file: {error}; what was done is done", hint=error.hint
        ) from error


def _measures(
    told: Told,
    *,
    command: str,
    code: int,
    started: datetime,
    now: datetime,
    succeeded: float | None,
) -> measures.RunMeasures:
    made = told.upshot.plan if told.upshot else None
    done = told.upshot.done if told.upshot else None
    meter = told.run.meter if told.run else Meter()
    lists = measures.of_drift(told.found, now=now) if told.found else {}
    if made:
        outcomes = done.outcomes if done else None
        lists = measures.of_plan(made, outcomes, now=now, applying=command == "apply")
    reported = made or told.found
    return measures.RunMeasures(
        command=command,
        exit_code=code,
        started=started,
        finished=now,
        succeeded=succeeded,
        counts=meter.counts(),
        calls=meter.calls(),
        lists=lists,
        failed_lists=len({failure.key for failure in reported.failures}) if reported else 0,
        refusals=len(made.refusals) if made else 0,
        webhooks_undelivered=measures.undelivered(done.webhooks) if done else 0,
    )


def _former(path: Path) -> str:
    """Return the beginning of the file that is to be replaced; nothing where there is none."""
    if not path.is_file():
        return ""
    try:
        with path.open("rb") as file:
            return file.read(_FIRST).decode(errors="replace")
    except OSError:
        return ""
