"""The boundary: what is raised becomes one line, a hint and an exit code."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import orjson
import pytest

from reconciler.commands import frame, main
from reconciler.errors import (
    InterruptedRunError,
    LockHeldError,
    Place,
    Problem,
    ReconcilerError,
    SpecError,
)

ADDRESS = "somebody@example.com"
PROBLEM = Problem(place=Place(path="specs/us.yaml", line=3, column=5), code="SPEC-002", message="x")


def run(error: BaseException, *args: str, folder: Path | None = None) -> int:
    """Run a command that raises this error, perhaps after it opened a run's folder."""

    @click.command("go")
    @frame.format_option("text", "json")
    @frame.global_options
    @click.pass_context
    def go(ctx: click.Context) -> None:
        if folder:
            frame.note_folder(ctx, folder)
        raise error

    return main(["go", *args], group=click.Group(commands=[go]))


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what a crash leaves behind out of the checkout."""
    monkeypatch.chdir(tmp_path)


def test_an_error_is_one_line_and_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error, with the exit code the error knows."""
    code = run(LockHeldError("the list is in work", hint="wait"))

    told = capsys.readouterr()
    assert 5 == code
    assert ("", "error: the list is in work\nhint: wait\n") == tuple(told)


def test_an_error_is_a_json_document_where_json_was_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Besides the lines for people."""
    code = run(SpecError("1 problem", problems=(PROBLEM,)), "--format", "json")

    told = capsys.readouterr()
    document = orjson.loads(told.out)
    assert 7 == code == document["exit_code"]
    assert ("1 problem", "SPEC-002") == (document["error"], document["problems"][0]["code"])
    assert "specs/us.yaml:3:5 SPEC-002 x\nerror: 1 problem\n" == told.err


def test_what_nobody_expected_is_one_line_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its traceback goes, scrubbed, into a file that its owner alone reads."""
    code = run(ValueError(f"{ADDRESS} is odd"), "--state-dir", str(tmp_path / "state"))

    told = capsys.readouterr().err.splitlines()
    (file,) = (tmp_path / "state").iterdir()
    assert 1 == code
    assert 2 == len(told)
    assert told[0].startswith("error: something unexpected happened: ValueError at test_main.py:")
    assert f"hint: the traceback is in {file}; --debug shows it" == told[1]
    assert 0o600 == file.stat().st_mode & 0o777
    assert "ValueError: s•••@example.com is odd" in file.read_text(encoding="utf-8")


def test_the_traceback_of_a_run_goes_into_its_folder(tmp_path: Path) -> None:
    """Beside the other artifacts of that run."""
    run(ValueError("odd"), folder=tmp_path / "runs" / "one")

    assert 1 == len([*(tmp_path / "runs" / "one").glob("crash-*.txt")])


def test_debug_shows_the_traceback_scrubbed(capsys: pytest.CaptureFixture[str]) -> None:
    """Before or after the verb, of any error."""
    run(ReconcilerError(f"about {ADDRESS}"), "--debug")

    told = capsys.readouterr().err
    assert "Traceback (most recent call last)" in told
    assert ADDRESS not in told.partition("error:")[0]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KeyboardInterrupt(), 130),
        (InterruptedRunError("finished the batch"), 130),
        (click.Abort(), 130),
        (click.UsageError("no"), 64),
        (click.BadParameter("no", param=click.Option(["--out"], type=click.Path())), 7),
        (click.FileError("x", "no such file"), 7),
        (click.exceptions.Exit(3), 3),
        (BrokenPipeError(), 1),
    ],
)
def test_each_ending_has_its_code(error: BaseException, code: int) -> None:
    """Click's own codes never reach a script."""
    assert code == run(error)


def test_misuse_shows_no_address(capsys: pytest.CaptureFixture[str]) -> None:
    """What was typed is not echoed bare."""
    code = run(ValueError("never"), ADDRESS)

    assert 64 == code
    assert ADDRESS not in capsys.readouterr().err


def test_sigterm_ends_with_its_own_code() -> None:
    """Whatever the command made of the interruption."""

    @click.command("go")
    def stopped() -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    code = main(["go"], group=click.Group(commands=[stopped]))

    assert 143 == code


def test_a_batch_in_flight_is_finished_first(capfd: pytest.CaptureFixture[str]) -> None:
    """The first signal asks, and the exit code tells; the second interrupts."""
    seen: list[object] = []

    @click.command("go")
    @click.pass_context
    def finishing(ctx: click.Context) -> int:
        with frame.finishing(ctx) as stop:
            os.kill(os.getpid(), signal.SIGINT)
            seen.append(stop.is_set())
            os.kill(os.getpid(), signal.SIGINT)
            seen.append("never")
        return 0

    code = main(["go"], group=click.Group(commands=[finishing]))

    assert 130 == code
    assert [True] == seen
    assert "Finishing what is in flight." in capfd.readouterr().err


def test_a_reader_that_leaves_costs_nothing_but_its_text() -> None:
    """A closed pipe is no error, and the command's own code stays."""
    program = (
        "import sys, time, click\n"
        "from reconciler.commands import frame, main\n"
        "@click.command('go')\n"
        "@click.pass_context\n"
        "def go(ctx):\n"
        "    sys.stdin.readline()\n"
        "    frame.show(ctx, 'x' * 100_000)\n"
        "    return 3\n"
        "sys.exit(main(['go'], group=click.Group(commands=[go])))\n"
    )
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    ) as ran:
        assert ran.stdout
        ran.stdout.close()
        errors = _finish(ran)

    assert (3, b"") == (ran.returncode, errors)


def _finish(ran: "subprocess.Popen[bytes]") -> bytes:
    """Let the program write, and return what it said on standard error."""
    assert ran.stdin
    assert ran.stderr
    ran.stdin.write(b"\n")
    ran.stdin.close()
    return ran.stderr.read()
