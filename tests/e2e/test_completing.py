"""Completion in a shell: the script that it loads, and the answers that the program gives it."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from foreign import program
from program import Workplace, workplace
from reconciler.commands import COMPLETE
from reconciler.commands.group import VERBS

_BASH: Final = """
eval "$(_RECONCILER_COMPLETE=bash_source reconciler)"
complete -p reconciler
for line; do
    read -ra COMP_WORDS <<< "$line"
    [[ $line == *' ' ]] && COMP_WORDS+=('')
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
    _reconciler_completion reconciler
    echo "${COMPREPLY[*]}"
done
"""
"""Loads the script as a user's ``.bashrc`` does, and asks its function as readline does."""


@pytest.fixture
def work(tmp_path: Path) -> Workplace:
    """Return a folder with two lists."""
    work = workplace(tmp_path)
    work.embed()
    work.declare()
    work.declare(name="uk-dnc", identity="listId: other")
    return work


def completed(work: Workplace, *words: str) -> list[str]:
    """Return what the program tells a shell whose last word is being typed."""
    asked = {
        COMPLETE: "bash_complete",
        "COMP_WORDS": "\n".join(["reconciler", *words]),
        "COMP_CWORD": str(len(words)),
    }
    ran = work.call(settings=asked)
    assert (0, "") == (ran.code, ran.err)
    return [line.partition(",")[2] for line in ran.out.splitlines() if line]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("",), [*VERBS]),
        (("pl",), ["plan"]),
        (("plan", "--det"), ["--detailed-exitcode"]),
        (("drift", "--fail-on", ""), ["missing", "any"]),
        (("plan", "--list", ""), ["uk-dnc", "us-dnc"]),
        (("apply", "--accept-stale-feed", "us"), ["us-dnc"]),
        (("--root", "nowhere", "ping", "--list", "uk"), ["uk-dnc"]),
        (("explain", ""), []),
    ],
)
def test_what_may_come_next_is_offered(
    work: Workplace, words: Sequence[str], expected: list[str]
) -> None:
    """Verbs, flags, choices, and the names of lists as they are declared."""
    assert expected == completed(work, *words)


def test_nobody_who_types_is_told_of_trouble(work: Workplace) -> None:
    """Specs that are wrong and variables that belong to no flag have no completions, no message."""
    work.environment["RECONCILER_PLAN_NONSENSE"] = "1"
    named = completed(work, "plan", "--list", "us")
    work.write("broken.yaml", "a: [")

    broken = completed(work, "plan", "--list", "us")

    assert (["us-dnc"], []) == (named, broken)
    assert not (work.state / "runs").exists()


def test_other_variables_of_that_name_are_no_question(work: Workplace) -> None:
    """Only the one that click spells is asked by; its absence or emptiness is a normal run."""
    for settings in ({"CI_COMPLETE": "1", "RECONCILER_COMPLETE": "1"}, {COMPLETE: ""}):
        assert work.call("--version", settings=settings).out.startswith("reconciler, version ")


def test_a_shell_that_is_not_known_is_misuse(work: Workplace) -> None:
    """Who writes the line into a profile has to see it."""
    ran = work.call(settings={COMPLETE: "csh_source"})

    assert (64, "") == (ran.code, ran.out)
    assert ran.err.startswith(f"error: {COMPLETE} is 'csh_source', expected bash_source, ")


@pytest.mark.tools
def test_bash_completes_a_command_line(work: Workplace) -> None:
    """With the installed command."""
    here = str(Path(sys.executable).parent)
    lines = ("reconciler val", "reconciler drift --fail-on ", "reconciler plan --list us")

    ran = subprocess.run(  # noqa: S603 - the shell that users have
        [program("bash"), "--norc", "-c", _BASH, "bash", *lines],
        cwd=work.folder,
        env=work.environment | {"PATH": f"{here}:{work.environment['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )

    expected = [
        "complete -o nosort -F _reconciler_completion reconciler",
        "validate",
        "missing any",
        "us-dnc",
    ]
    assert (expected, "") == (ran.stdout.splitlines(), ran.stderr)


@pytest.mark.parametrize(
    ("shell", "word", "told"),
    [
        ("zsh", "1", f"plain\nvalidate\n{VERBS['validate']}\n"),
        ("fish", "va", f"plain,validate\t{VERBS['validate']}\n"),
    ],
)
def test_other_shells_have_a_script_and_answers_of_their_own(
    work: Workplace, shell: str, word: str, told: str
) -> None:
    """Each asks in its own way and shows what a verb does."""
    script = work.call(settings={COMPLETE: f"{shell}_source"})
    asked = {"COMP_WORDS": "reconciler va", "COMP_CWORD": word}
    answer = work.call(settings={COMPLETE: f"{shell}_complete", **asked})

    assert f"{COMPLETE}={shell}_complete" in script.out
    assert told == answer.out
