"""Where a run comes from, as environment and git tell it."""

import subprocess
from pathlib import Path

import pytest

from reconciler import artifacts
from reconciler.provenance import SCHEMAS, provenance
from reconciler.views.machine import FORMAT


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            "https://ann:hush@ci.example/jobs/12345678901?token=hush",
            "https://ci.example/jobs/12345678901",
        ),
        ("https://ci.example/ann@acme.example/1", "c•••@acme.example/1"),
        ("job of ann@acme.example", "job of a•••@acme.example"),
    ],
)
def test_the_address_of_a_run_in_ci_holds_no_name_and_no_secret(
    given: str, expected: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its number stays, though it has as many digits as a phone number."""
    monkeypatch.setenv("RECONCILER_CI_RUN", given)

    told = str(provenance(tmp_path)["ci_run"])

    assert told.endswith(expected)
    assert "hush" not in told
    assert "ann@" not in told


def test_a_commit_is_told_with_the_name_of_its_author(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Never with the author's address."""
    for name in ("GITHUB_SHA", "CI_COMMIT_SHA"):
        monkeypatch.delenv(name, raising=False)
    who = ("-c", "user.name=Ann Lee", "-c", "user.email=ann@acme.example")
    for words in (("init", "-q"), (*who, "commit", "-q", "--allow-empty", "-m", "one")):
        subprocess.run(["git", "-C", tmp_path, *words], check=True)  # noqa: S603, S607 - git as the user has it

    told = provenance(tmp_path)

    assert (40, "Ann Lee") == (len(str(told["commit"])), told["author"])
    assert "ann@" not in str(told)


def test_the_schemas_are_those_of_the_documents() -> None:
    """One version, told in two rooms."""
    assert FORMAT == SCHEMAS
    assert artifacts.ORIGIN == "run.json"
