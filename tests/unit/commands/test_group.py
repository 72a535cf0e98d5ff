"""The verbs by name, and what is loaded for them."""

import subprocess
import sys
from pathlib import Path

import click
import pytest

from reconciler import __version__
from reconciler.commands import main
from reconciler.commands.group import VERBS, root

HEAVY = (
    *("asyncio", "deepdiff", "duckdb", "email_validator", "falcon", "filelock", "httpx", "jinja2"),
    *("jsonschema", "numpy", "orjson", "phonenumbers", "pyarrow", "rich", "tenacity", "waitress"),
    *("yaml", "reconciler.model"),
)


@pytest.mark.parametrize("flag", ["--version", "--help"])
def test_asking_about_the_program_loads_no_verb(flag: str) -> None:
    """Neither the contact engine nor HTTP, nor anything else that takes long."""
    program = (
        "import sys\n"
        "from reconciler.commands import main\n"
        f"code = main([{flag!r}])\n"
        f"print(code, [name for name in {HEAVY!r} if name in sys.modules])\n"
    )

    ran = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )

    assert "0 []" == ran.stdout.splitlines()[-1]


def test_the_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    """In the order in which one meets them."""
    code = main(["--help"])

    told = capsys.readouterr().out.partition("Commands:\n")[2]
    assert 0 == code
    assert (
        list(VERBS)
        == [line.split()[0] for line in told.splitlines() if line[2:3].strip()][: len(VERBS)]
    )


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    """One place says it."""
    main(["--version"])

    assert f"reconciler, version {__version__}\n" == capsys.readouterr().out


def test_no_verb_is_misuse_and_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error: it is not what was asked for."""
    code = main([])

    told = capsys.readouterr()
    assert (64, "") == (code, told.out)
    assert told.err.startswith("Usage: reconciler [OPTIONS] COMMAND [ARGS]...")


def test_a_misspelt_verb_gets_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    """And where to read on."""
    code = main(["aply"])

    assert 64 == code
    assert (
        "error: No such command 'aply'. Did you mean 'apply'?\nhint: see reconciler --help\n"
    ) == capsys.readouterr().err


def test_a_misspelt_flag_gets_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    """As click suggests it."""
    code = main(["schema", "--fromat", "json"])

    told = capsys.readouterr().err
    assert 64 == code
    assert "'--format'" in told.splitlines()[0]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_there_and_takes_the_global_flags(verb: str) -> None:
    """A file of ``commands`` holds it, under its name."""
    command = root.commands[verb]

    flags = {name for option in command.params for name in option.opts}
    assert verb == command.name
    assert isinstance(command, click.Command)
    assert {"--root", "--state-dir", "--debug", "--no-color", "--quiet"} <= flags


def test_a_variable_that_belongs_to_no_flag_is_misuse(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody who asks for less, and is not heard, would get more."""
    monkeypatch.setenv("RECONCILER_APPLY_SUPRESS_ONLY", "1")

    code = main(["apply", "--auto-approve"])

    shown = capsys.readouterr()
    said = "The variable RECONCILER_APPLY_SUPRESS_ONLY belongs to no flag. Did you mean"
    assert (64, "") == (code, shown.out)
    assert f"{said} 'RECONCILER_APPLY_SUPPRESS_ONLY'?" in shown.err


@pytest.mark.parametrize("flag", ["MAX_RELEASES", "IGNORE_FREEZE", "ACCEPT_SAFER", "REASON"])
def test_a_variable_of_an_override_is_not_read(
    flag: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Policy holds whatever is left in an environment, and whoever left it there hears of it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(f"RECONCILER_APPLY_{flag}", "1")

    code = main(["apply", "--auto-approve"])

    said = f"warning: RECONCILER_APPLY_{flag} is not read: give that flag yourself"
    assert 7 == code  # there is nothing to apply here
    assert said == capsys.readouterr().err.splitlines()[0]


def test_variables_of_flags_and_of_other_verbs_are_none_of_that(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An environment may serve several verbs."""
    monkeypatch.setenv("RECONCILER_SCHEMA_QUIET", "1")
    monkeypatch.setenv("RECONCILER_APPLY_UNHEARD_OF", "1")
    monkeypatch.setenv("RECONCILER_SCHEMA_EMPTY", "")
    monkeypatch.setenv("RECONCILER_MEMORY_LIMIT", "1GB")

    code = main(["schema", "Policy"])

    assert 0 == code
    assert "Policy" in capsys.readouterr().out
