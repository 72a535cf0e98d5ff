"""What commands share: flags, selection, formats, showing."""

import io
import signal
import sys
from pathlib import Path

import click
import orjson
import pytest
from rich.text import Text

from reconciler.commands import frame, main
from reconciler.model import Overrides, Selection
from reconciler.views import machine

SEEN: list[object] = []


@click.group(context_settings={"auto_envvar_prefix": "RECONCILER"})
@frame.global_options
def toys() -> None:
    """Stand in for the commands."""


@toys.command("globals")
@frame.global_options
@click.pass_context
def _globals(ctx: click.Context) -> None:
    """Note the global flags."""
    SEEN.append(frame.settings(ctx))


@toys.command("plan")
@frame.selection_options
@frame.override_options
@frame.format_option("text", "json", "markdown")
@frame.write_option("text", "json", "markdown")
@frame.global_options
@click.pass_context
def _plan(ctx: click.Context, paths: tuple[Path, ...]) -> int:
    """Note selection and overrides, and show something."""
    SEEN.append((frame.selection(ctx, paths), frame.overrides(ctx)))
    frame.talk(ctx, "talk")
    frame.emit(
        ctx,
        text=lambda: Text("data", style="red"),
        json=lambda: machine.facts("toy", {"seen": 1}),
        markdown=lambda: "# data\n",
    )
    return 4


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """It is one."""
        return True


@pytest.fixture(autouse=True)
def specs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a specs root, in the folder where the command runs."""
    SEEN.clear()
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "specs"
    root.mkdir()
    (root / "us.yaml").touch()
    return root


@pytest.mark.parametrize(
    "args",
    [
        ("--quiet", "--state-dir", "s", "globals"),
        ("globals", "--quiet", "--state-dir", "s"),
        ("--quiet", "globals", "--state-dir", "s"),
    ],
)
def test_global_flags_go_before_or_after_the_verb(args: tuple[str, ...]) -> None:
    """Or both."""
    assert 0 == main(args, group=toys)

    assert [frame.Globals(quiet=True, state_dir=Path("s"))] == SEEN


def test_the_command_line_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the flag stands before the verb and the variable is the verb's."""
    monkeypatch.setenv("RECONCILER_STATE_DIR", "general")
    monkeypatch.setenv("RECONCILER_GLOBALS_STATE_DIR", "verb")

    main(["globals"], group=toys)
    main(["--state-dir", "typed", "globals"], group=toys)

    assert [Path("verb"), Path("typed")] == [
        held.state_dir for held in SEEN if isinstance(held, frame.Globals)
    ]


def test_a_selection_finds_its_root_upwards(specs: Path) -> None:
    """From the first path; lists and labels are kept."""
    path = specs / "us.yaml"

    code = main(["plan", str(path), "--list", "a", "--list", "b", "--label", "x=y=z"], group=toys)

    expected = Selection(root=specs, paths=(path,), lists=("a", "b"), labels=(("x", "y=z"),))
    assert 4 == code
    assert [(expected, Overrides())] == SEEN


def test_every_flag_has_a_variable_by_its_own_name(
    specs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """But for overrides: those are never left lying around in an environment."""
    monkeypatch.setenv("RECONCILER_PLAN_LIST", "a b")
    monkeypatch.setenv("RECONCILER_PLAN_LABEL", "x=y")
    monkeypatch.setenv("RECONCILER_PLAN_FORMAT", "json")
    monkeypatch.setenv("RECONCILER_PLAN_MAX_RELEASES", "5")
    monkeypatch.setenv("RECONCILER_PLAN_REASON", "none")

    main(["plan"], group=toys)

    expected = Selection(root=specs, lists=("a", "b"), labels=(("x", "y"),))
    assert [(expected, Overrides())] == SEEN
    assert 1 == orjson.loads(capsys.readouterr().out)["seen"]


def test_an_override_needs_a_reason(capsys: pytest.CaptureFixture[str]) -> None:
    """Which is recorded, and so holds no address."""
    bare = main(["plan", "--max-releases", "0"], group=toys)
    given = ["--allow-empty", "a", "--ignore-freeze", "--reason", "asked by me@example.com"]
    main(["plan", *given], group=toys)

    expected = Overrides(allow_empty=("a",), ignore_freeze=True, reason="asked by m•••@example.com")
    assert 64 == bare
    assert [expected] == [chosen[1] for chosen in SEEN if isinstance(chosen, tuple)]
    assert "error: an override needs a reason" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("plan", "nowhere.yaml"), 7),
        (("--root", "nowhere", "plan"), 7),
        (("plan", "--label", "x"), 64),
        (("plan", "--format", "xml"), 64),
    ],
)
def test_an_absent_path_is_no_misuse(args: tuple[str, ...], code: int) -> None:
    """What is not there is a wrong setting; what makes no sense is misuse."""
    assert code == main(args, group=toys)
    assert [] == SEEN


def test_data_and_talk_go_separate_ways(capsys: pytest.CaptureFixture[str]) -> None:
    """Data to standard output, talk to standard error, none of it if quiet."""
    main(["plan"], group=toys)
    told = capsys.readouterr()
    main(["plan", "--quiet", "--format", "markdown"], group=toys)
    quiet = capsys.readouterr()

    assert ("data\n", "talk\n") == tuple(told)
    assert ("# data\n", "") == tuple(quiet)


def test_one_run_writes_each_format_that_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beside standard output, whole, without colour, with the rights of the user's other files."""
    named = [f"{form}={form}.out" for form in ("text", "json", "markdown")]

    code = main(["plan", *(word for name in named for word in ("--write", name))], group=toys)

    assert 4 == code
    assert "data\n" == capsys.readouterr().out
    assert "data\n" == (tmp_path / "text.out").read_text("utf-8")
    assert 1 == orjson.loads((tmp_path / "json.out").read_bytes())["seen"]
    assert "# data\n" == (tmp_path / "markdown.out").read_text("utf-8")
    assert not (tmp_path / "text.out").stat().st_mode & 0o022


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("htm=a",), 64, "'htm=a' is not FORMAT=FILE; formats: text, json, markdown"),
        (("json",), 64, "'json' is not FORMAT=FILE"),
        (("json=",), 64, "'json=' is not FORMAT=FILE"),
        (("json=a", "text=./a"), 64, "a is named twice"),
        (("json=specs",), 7, "--write: specs is a folder"),
        (("json=gone/a",), 7, "--write: gone/a is in a folder that does not exist"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_at_once(
    words: tuple[str, ...], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is looked at."""
    args = [word for name in words for word in ("--write", name)]

    ended = main(["plan", *args], group=toys)

    assert code == ended
    assert told in capsys.readouterr().err
    assert [] == SEEN


def test_a_file_that_cannot_be_written_costs_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What went to standard output and to the other files is there; the failure is told."""
    code = main(["plan", "--write", "text=/dev/full", "--write", "json=there.json"], group=toys)

    told = capsys.readouterr()
    assert 1 == code
    assert "data\n" == told.out
    assert "/dev/full cannot be written: No space left on device" in told.err
    assert (tmp_path / "there.json").exists()


def test_one_json_document_and_no_more(capsys: pytest.CaptureFixture[str]) -> None:
    """What fails after the document was written is told on standard error alone."""

    @click.command("late")
    @frame.format_option("text", "json")
    @click.pass_context
    def late(ctx: click.Context) -> None:
        frame.emit(ctx, text=lambda: "", json=lambda: machine.facts("toy", {}))
        raise KeyboardInterrupt

    code = main(["late", "--format", "json"], group=click.Group(commands=[late]))

    assert 130 == code
    assert "toy" == orjson.loads(capsys.readouterr().out)["kind"]


@pytest.mark.parametrize(
    ("args", "variable", "styled"),
    [((), "", True), (("--no-color",), "", False), ((), "1", False)],
)
def test_colour_only_on_a_terminal_that_wants_it(
    args: tuple[str, ...], variable: str, styled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NO_COLOR and --no-color take it away, and every other escape with it."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("NO_COLOR", variable)
    monkeypatch.setenv("TERM", "xterm")

    main(["plan", *args], group=toys)

    assert styled is ("\x1b[" in stream.getvalue())
    assert "data" in stream.getvalue()


def test_long_lines_are_never_wrapped(capsys: pytest.CaptureFixture[str]) -> None:
    """A summary line stays one line wherever it goes."""
    ctx = click.Context(toys)

    frame.show(ctx, Text("word " * 100))

    assert 1 == capsys.readouterr().out.count("\n")


def test_a_question_goes_to_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And its answer is a line of standard input."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(" yes \nmore"))

    answer = frame.ask(click.Context(toys), "Apply? ")

    assert ("yes", "", "Apply? ") == (answer, *capsys.readouterr())


def test_a_question_can_be_interrupted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is in flight while it waits, so there is nothing to finish."""

    class Interrupted:
        """A standard input at which somebody presses Ctrl-C."""

        def readline(self) -> str:
            signal.raise_signal(signal.SIGINT)
            return "yes"

    @click.command("go")
    @click.pass_context
    def asking(ctx: click.Context) -> None:
        with frame.finishing(ctx), frame.reporting(ctx):
            SEEN.append(frame.ask(ctx, "Apply? "))

    monkeypatch.setattr(sys, "stdin", Interrupted())

    code = main(["go"], group=click.Group(commands=[asking]))

    assert (130, []) == (code, SEEN)


def test_progress_is_off_where_it_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    """Notices too."""
    ctx = click.Context(toys, obj=frame.Globals(quiet=True))

    with frame.reporting(ctx) as tell:
        tell.notice("waiting")

    assert "" == capsys.readouterr().err


def test_the_clock_is_utc_in_whole_seconds() -> None:
    """As everything that is stored."""
    now = frame.clock()

    assert 0 == now.microsecond
    assert "UTC" == now.tzname()
