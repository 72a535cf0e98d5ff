"""A run's numbers are written whatever was raised, with the code that the shell gets."""

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from builders import NOW
from reconciler.commands import frame, main, measuring, wiring
from reconciler.commands.flags import metrics_option
from reconciler.commands.measuring import Told
from reconciler.errors import InterruptedRunError, LockHeldError, ReconcilerError, SpecError
from reconciler.model import Drift, Failure

Work = Callable[[Told], object]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run where a checkout would be, with a specs root."""
    (tmp_path / "specs").mkdir()
    monkeypatch.chdir(tmp_path)


def run(work: Work, file: str = "m.prom") -> int:
    """Run a command that does this inside a measured run; returns what the shell gets."""

    @click.command("go")
    @metrics_option
    @frame.global_options
    @click.pass_context
    def go(ctx: click.Context) -> int:
        with (
            measuring.measured(ctx, "go") as told,
            wiring.running(ctx, "go", Path("specs")) as told.run,
            wiring.recorded(told.run) as told.upshot,
        ):
            work(told)
        return told.upshot.code

    return main(["go", "--metrics-file", file], group=click.Group(commands=[go]))


def raises(error: BaseException) -> Work:
    """A run that does not go to its end."""

    def work(_: Told) -> None:
        raise error

    return work


def told_of(name: str) -> str:
    """Return one number as it was written."""
    text = Path("m.prom").read_text("utf-8")
    (found,) = re.findall(rf'^reconciler_{name}{{command="go"}} (.*)$', text, flags=re.MULTILINE)
    return str(found)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SpecError("1 problem"), 7),
        (LockHeldError("locked"), 5),
        (KeyboardInterrupt(), 130),
        (click.UsageError("odd"), 64),
        (ZeroDivisionError(), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_run_that_fails_is_told_with_its_code(error: BaseException, code: int) -> None:
    """Whatever was raised."""
    assert code == run(raises(error))

    assert f"{code}.0" == told_of("run_exit_code")


def test_a_run_that_a_signal_ends_is_told_with_its_code() -> None:
    """Though what is raised then says only that it was interrupted."""

    def work(told: Told) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        assert told.run
        assert told.run.stop.wait(5)
        raise InterruptedRunError("interrupted")

    assert 143 == run(work)
    assert "143.0" == told_of("run_exit_code")


def test_a_run_that_cannot_even_begin_is_told() -> None:
    """Whoever watches must hear of a state directory that is none."""
    Path(".reconciler").write_bytes(b"")

    assert 1 == run(lambda _: None)
    assert "1.0" == told_of("run_exit_code")
    assert "0.0" == told_of("run_errors")


@pytest.mark.parametrize(
    ("code", "good"), [(0, True), (2, True), (3, True), (4, False), (6, False)]
)
def test_a_run_that_did_all_that_was_asked_is_a_success(code: int, good: bool) -> None:
    """There being changes or drift is no failure; what was withheld or refused is."""

    def work(told: Told) -> None:
        assert told.upshot
        told.upshot.code = code

    assert code == run(work)
    assert good == ("last_success" in Path("m.prom").read_text("utf-8"))


def test_lists_that_failed_are_counted_once() -> None:
    """However many of their steps did."""
    failures = tuple(Failure(key=key, message="down") for key in ("eu", "us", "us"))

    def work(told: Told) -> None:
        told.found = Drift(as_of=NOW, lists=(), failures=failures)

    run(work)

    assert "2.0" == told_of("run_failed_lists")


def test_numbers_that_cannot_be_written_do_not_hide_what_the_run_failed_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A file that cannot be written is told too, and changes neither the error nor its code."""
    assert 5 == run(raises(LockHeldError("locked")), file="m" * 250)

    said = capsys.readouterr().err
    assert "locked" in said
    assert "--metrics-file: " in said


def test_the_former_file_may_be_anything(tmp_path: Path) -> None:
    """A pipe is not read from, nor is a file taken at its word that others wrote."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "m.prom").write_bytes(b"\xff\x00" * 100)

    assert 1 == run(raises(ReconcilerError("down")))
    assert 1 == run(raises(ReconcilerError("down")), file="pipe")

    assert "last_success" not in Path("m.prom").read_text("utf-8")
