"""The pipelines that are shipped: whole, pinned, and what their hosts take them for."""

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from foreign import package, program
from reconciler import __version__
from reconciler.templates import KINDS, workflows

GITHUB = workflows("github")
GITLAB = workflows("gitlab")
TEXTS = {**GITHUB, **GITLAB}
_LINT = """\
import {{ createLinter }} from "{linter}";
import {{ readFileSync }} from "node:fs";
const lint = await createLinter();
const told = process.argv.slice(2).flatMap((path) => lint(readFileSync(path, "utf8"), path));
console.log(JSON.stringify(told.map((each) => [each.line, each.message])));
"""


def written(folder: Path, texts: Mapping[str, str]) -> list[Path]:
    """Write templates where a user has them."""
    paths = [folder / name for name in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return paths


def steps(text: str) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Return every job with each of its steps."""
    jobs = yaml.safe_load(text)["jobs"].values()
    return [(job, step) for job in jobs for step in job["steps"]]


@pytest.mark.parametrize(
    ("schema", "texts", "more"),
    [
        ("vendor.github-workflows", GITHUB, ()),
        ("custom.github-workflows-require-timeout", GITHUB, ()),
        ("vendor.gitlab-ci", GITLAB, ("--data-transform", "gitlab-ci")),
    ],
)
def test_a_host_would_take_it(
    tmp_path: Path, schema: str, texts: Mapping[str, str], more: tuple[str, ...]
) -> None:
    """Each file keeps the schema of its kind; every job of GitHub ends by itself."""
    checker = Path(sys.executable).with_name("check-jsonschema")
    files = written(tmp_path, texts)
    command: list[str | Path] = [checker, "--builtin-schema", schema, *more, *files]

    ran = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - ours

    assert (0, "") == (ran.returncode, ran.stderr), ran.stdout


@pytest.mark.tools
def test_actionlint_finds_nothing(tmp_path: Path) -> None:
    """No expression leads nowhere, and none of somebody else's texts stands in a script."""
    linter = package("actionlint") / "node.mjs"
    script = tmp_path / "lint.mjs"
    script.write_text(_LINT.format(linter=linter.as_uri()))
    command = [program("node"), script, *written(tmp_path, GITHUB)]

    ran = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - node

    assert [] == orjson.loads(ran.stdout), ran.stderr


@pytest.mark.parametrize("name", GITHUB)
def test_a_workflow_may_do_no_more_than_it_does(name: str) -> None:
    """It reads the repository, keeps no credentials in it, and writes where it says so."""
    flow = yaml.safe_load(GITHUB[name])

    used = [step for _, step in steps(GITHUB[name])]

    assert "read" == flow["permissions"]["contents"]
    assert [] == [step for step in used if "${{" in step.get("run", "")]
    assert {"False"} == {
        str(step["with"]["persist-credentials"])
        for step in used
        if step.get("uses", "").startswith("actions/checkout@")
    }
    assert [] == [
        step["uses"]
        for step in used
        if "uses" in step and not re.fullmatch(r"actions/[\w/-]+@v\d", step["uses"])
    ]


@pytest.mark.parametrize("name", GITHUB)
def test_nothing_that_holds_addresses_is_kept(name: str) -> None:
    """Of the state, the ledger and the files of runs: no tables, no cache, no key."""
    kept = {
        path
        for _, step in steps(GITHUB[name])
        for path in step.get("with", {}).get("path", "").split()
    }

    held = {f".reconciler/{each}" for each in ("ledger", "head.json", "outbox", "runs/*/*.*")}
    assert held == {path for path in kept if "/" in path}
    assert {"plan", "receipt", "drift"} >= {
        path.partition(".")[0] for path in kept if "/" not in path
    }


def test_two_applies_of_a_kind_never_run_at_once() -> None:
    """Nor does a release that waits drop a suppression that waits: each has a group of its own."""
    flow = yaml.safe_load(GITHUB[".github/workflows/suppression-main.yml"])

    groups = {name: job.get("concurrency", {}).get("group") for name, job in flow["jobs"].items()}
    gitlab = yaml.safe_load(GITLAB["suppression.gitlab-ci.yml"])

    assert "suppression-suppress" == groups["suppress"]
    assert (None, "suppression-release") == (groups["approve"], groups["release"])
    assert {"suppression suppress", "suppression release"} == {
        name
        for name, job in gitlab.items()
        if isinstance(job, dict) and job.get("resource_group") == "suppression-apply"
    }


def test_a_release_looks_for_a_newer_commit_right_before_it_is_applied() -> None:
    """It may have waited for its group, or been run again, since it was approved."""
    jobs = yaml.safe_load(GITHUB[".github/workflows/suppression-main.yml"])["jobs"]

    (approving,) = jobs["approve"]["steps"]
    last = [step.get("id") for step in jobs["release"]["steps"]].index("apply") - 1

    assert approving["run"] == jobs["release"]["steps"][last]["run"]
    assert approving["env"] == jobs["release"]["steps"][last]["env"]
    assert "exit 5" in approving["run"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_installed_is_this_version(kind: str) -> None:
    """Plan and apply of one commit are made by one program."""
    installed = re.findall(r"suppression-reconciler\S*", "".join(workflows(kind).values()))

    assert {f"suppression-reconciler=={__version__}"} == {*installed}


def test_a_path_is_where_its_host_looks() -> None:
    """And every file that is shipped is written."""
    folder = Path(__file__).parents[2] / "reconciler" / "templates"
    shipped = [*folder.glob("*/*.yml")]

    assert len(shipped) == len(TEXTS)
    assert {".gitlab-ci.yml", "suppression.gitlab-ci.yml"} == {*GITLAB}
    assert {".github/workflows"} == {str(Path(name).parent) for name in GITHUB}
