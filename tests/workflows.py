"""Runs the steps of a pipeline in order, as its code host would, on this machine.

A ``run`` step is executed by the shell that the host would use, in a fresh clone a job, with
nothing in its environment but what the host gives it. What a ``uses`` step does is done with
folders: a clone, artifacts, caches. ``gh``, ``curl`` and ``pip`` are ``code_host.py``, and
``reconciler`` is this environment's. Whatever a pipeline uses that is not known here is an error:
no step is passed over.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import yaml

from code_host import BOT

REPOSITORY: Final = "acme/suppression"
_HOST: Final = Path(__file__).with_name("code_host.py")
_SHELL: Final = ("bash", "--noprofile", "--norc", "-eo", "pipefail")
_PLACED: Final = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
_TOP: Final = {"name", "on", "permissions", "concurrency", "defaults", "env", "jobs"}
_JOB: Final = {
    "concurrency", "env", "environment", "if", "needs", "outputs", "permissions", "runs-on",
    "steps", "timeout-minutes",
}  # fmt: skip
_STEP: Final = {"env", "id", "if", "name", "run", "uses", "with"}


@dataclass(slots=True, kw_only=True)
class Job:
    """How a job ended: ``success``, ``failure``, ``skipped``, or ``waiting`` for an approval."""

    result: str = "skipped"
    outputs: dict[str, str] = field(default_factory=dict)
    log: str = ""
    summary: str = ""
    steps: list[str] = field(default_factory=list)
    """The names of the steps that were run."""


@dataclass(slots=True, kw_only=True)
class Ran:
    """How a pipeline ended."""

    jobs: dict[str, Job]
    artifacts: Path
    """A folder an artifact."""

    @property
    def results(self) -> dict[str, str]:
        """How each job ended."""
        return {name: job.result for name, job in self.jobs.items()}

    @property
    def log(self) -> str:
        """What all jobs said."""
        return "".join(job.log for job in self.jobs.values())

    def artifact(self, name: str, file: str) -> str:
        """Return a file of an artifact."""
        return (self.artifacts / name / file).read_text(encoding="utf-8")


@dataclass(slots=True, kw_only=True)
class CodeHost:
    """A repository and the host that runs its pipelines.

    ``folder`` takes what the host keeps; ``origin`` is the repository, which the caller commits to.
    """

    folder: Path
    origin: Path
    secrets: Mapping[str, str] = field(default_factory=dict)
    runs: int = 0

    def __post_init__(self) -> None:
        """Make room, and put the stand-ins where a path can lead to them."""
        programs = self.folder / "programs"
        programs.mkdir(parents=True)
        for name in ("gh", "curl", "pip"):
            made = programs / name
            made.write_text(f'#!/bin/sh\nexec {sys.executable} -I {_HOST} {name} "$@"\n')
            made.chmod(0o755)
        (programs / "python3").symlink_to(sys.executable)
        (programs / "reconciler").symlink_to(Path(sys.executable).with_name("reconciler"))
        self._keep(
            {"last": 100, "origin": str(self.origin), "comments": [], "issues": []}
            | {"labels": [], "installed": []}
            | {"environments": {"suppression-release": ["required_reviewers", "branch_policy"]}}
        )

    # ------------------------------------------------------------ what it holds

    @property
    def held(self) -> Any:
        """Comments, issues, labels and installed packages."""
        return json.loads((self.folder / "host.json").read_text(encoding="utf-8"))

    def comments(self, number: int) -> list[str]:
        """Return the texts of a pull request's comments, or of a merge request's notes."""
        return [each["body"] for each in self.held["comments"] if each["number"] == str(number)]

    def comment(self, number: int, body: str, *, by: str = BOT) -> None:
        """Have somebody comment on a pull request, the workflows themselves unless told."""
        held = self.held
        held["last"] += 1
        user = {"login": by}
        made = {"id": held["last"], "number": str(number), "user": user, "body": body}
        held["comments"].append(made)
        self._keep(held)

    def unreviewed(self, *rules: str) -> None:
        """Have the environment of releases keep these rules alone; without one, it is missing."""
        self._keep(self.held | {"environments": {"suppression-release": rules} if rules else {}})

    def issue(self, body: str, *, label: str) -> None:
        """Have an open issue with a label."""
        held = self.held
        held["last"] += 1
        made = {"id": held["last"], "title": "", "labels": [label], "body": body, "open": True}
        held["issues"].append(made | {"said": []})
        held["labels"].append(label)
        self._keep(held)

    def _keep(self, held: Any) -> None:
        (self.folder / "host.json").write_text(json.dumps(held), encoding="utf-8")

    def head(self, branch: str = "main") -> str:
        """Return the newest commit of a branch."""
        return git(self.origin, "rev-parse", branch)

    # ------------------------------------------------------------ pipelines

    def github(
        self,
        text: str,
        *,
        event: str,
        branch: str = "main",
        number: int = 0,
        fork: bool = False,
        first_run: bool = False,
        approve: Callable[[], bool] = lambda: True,
    ) -> Ran:
        """Run a GitHub workflow.

        Args:
            text: the workflow.
            event: what started it; one that it is not for is an error.
            branch: the branch that was pushed or is proposed.
            number: of the pull request.
            fork: whether the branch is somebody else's: no secrets.
            first_run: whether whoever starts it by hand says so.
            approve: asked where a job has an environment.
        """
        self.runs += 1
        flow = yaml.safe_load(text)
        _known(flow, {True if key == "on" else key for key in _TOP})  # YAML 1.1 reads on as true
        assert event in flow[True], f"not for {event}"
        base = {
            "github": {
                "event_name": event,
                "repository": REPOSITORY,
                "ref_name": branch,
                "sha": self.head(branch),
                "run_id": str(self.runs),
                "run_attempt": "1",
                "event": {  # one of a schedule names no repository
                    "repository": {} if event == "schedule" else {"default_branch": "main"},
                    "pull_request": {
                        "number": str(number),
                        "head": {
                            "repo": {"full_name": "else/fork" if fork else REPOSITORY},
                            "sha": self.head(branch),
                        },
                    },
                },
            },
            "inputs": {"first_run": "true"} if first_run else {},
            "secrets": {} if fork else self.secrets,
        }
        ran = Ran(jobs={}, artifacts=self.folder / f"artifacts-{self.runs}")
        for name, job in flow["jobs"].items():
            _known(job, _JOB)
            ran.jobs[name] = Job()
            if not _wanted(job, ran, base):
                continue
            if "environment" in job and not approve():
                ran.jobs[name].result = "waiting"
                continue
            _GitHubJob(host=self, flow=flow, job=job, ran=ran, base=base, told=ran.jobs[name]).run()
        return ran

    def gitlab(
        self,
        text: str,
        job: str,
        *,
        branch: str = "main",
        number: int = 0,
        source: str = "push",
        given: Mapping[str, str] = MappingProxyType({}),
    ) -> Job:
        """Run one job of a GitLab pipeline, without judging its rules, and return how it ended.

        Args:
            text: the pipeline.
            job: its name.
            branch: the branch that is checked out.
            number: of the merge request.
            source: what started the pipeline.
            given: variables of whoever started it by hand.
        """
        self.runs += 1
        flow = yaml.safe_load(text)
        made = {**flow[flow[job]["extends"]], **flow[job]}
        place = self.checkout(branch)
        artifacts = self.folder / "gitlab-artifacts"
        for needed in made.get("needs", ()):
            if (artifacts / needed).is_dir():
                shutil.copytree(artifacts / needed, place, dirs_exist_ok=True)
        kept = self.folder / "gitlab-cache"
        if kept.is_dir():
            shutil.copytree(kept, place, dirs_exist_ok=True)
        environment = {
            **self.environment(place),
            **self.secrets,
            **made["variables"],
            "CI_API_V4_URL": "https://gitlab.example/api/v4",
            "CI_PROJECT_ID": "1",
            "CI_MERGE_REQUEST_IID": str(number),
            "CI_COMMIT_BRANCH": branch,
            "CI_COMMIT_SHA": self.head(branch),
            "CI_PIPELINE_SOURCE": source,
            **given,
        }
        script = "\n".join([*made["before_script"], *made["script"]])
        ended = shell(script, cwd=place, environment=environment)
        copy(place, made["artifacts"]["paths"] if "artifacts" in made else (), artifacts / job)
        if made["cache"]["policy"] == "pull-push":
            copy(place, made["cache"]["paths"], kept)
        allowed = made.get("allow_failure", {})
        fine = allowed.get("exit_codes") if isinstance(allowed, dict) else None
        result = "success" if ended.returncode in {0, fine} else "failure"
        outputs = {"code": str(ended.returncode)}
        return Job(result=result, log=ended.stdout, steps=[job], outputs=outputs)

    def checkout(self, branch: str) -> Path:
        """Return a fresh clone."""
        place = self.folder / f"machine-{len([*self.folder.glob('machine-*')])}"
        git(self.folder, "clone", "--quiet", "--branch", branch, str(self.origin), str(place))
        return place

    def environment(self, place: Path) -> dict[str, str]:
        """Return what every command finds in its environment, and nothing of this process's."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        path = os.pathsep.join([str(self.folder / "programs"), os.environ["PATH"]])
        return {
            "CI": "true",
            "CODE_HOST": str(self.folder / "host.json"),
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "PATH": path,
            "PWD": str(place),
        }


@dataclass(slots=True, kw_only=True)
class _GitHubJob:
    """One job on its machine, while it is run."""

    host: CodeHost
    flow: Mapping[Any, Any]
    job: Mapping[str, Any]
    ran: Ran
    base: Mapping[str, Any]
    told: Job
    steps: dict[str, Any] = field(default_factory=dict)
    place: Path = Path()
    extra: dict[str, str] = field(default_factory=dict)

    def run(self) -> None:
        """Run the steps; after one that failed, those alone that always run."""
        self.place = self.host.folder / f"empty-{self.base['github']['run_id']}"
        self.place.mkdir(exist_ok=True)
        self.told.result = "success"
        for step in self.job["steps"]:
            _known(step, _STEP)
            if not holds(step.get("if", "success()"), self.context, self.told.result):
                continue
            self.told.steps.append(step.get("name", step.get("uses", "")))
            outputs: dict[str, str] = {}
            good = self._uses(step, outputs) if "uses" in step else self._run(step, outputs)
            self.steps[step.get("id", f"step {len(self.steps)}")] = {"outputs": outputs}
            self.told.result = self.told.result if good else "failure"
        self.told.outputs = {
            name: filled(value, self.context) for name, value in self.job.get("outputs", {}).items()
        }

    @property
    def context(self) -> dict[str, Any]:
        allowed = self.job.get("permissions", self.flow["permissions"])
        token = ",".join(f"{what}:{how}" for what, how in allowed.items())
        needs = _told(self.job, self.ran)
        github = {**self.base["github"], "token": token}
        held = {**self.base, "github": github, "steps": self.steps, "needs": needs}
        given = self.flow.get("env", {}) | self.job.get("env", {})
        return held | {"env": {name: filled(text, held) for name, text in given.items()}}

    def _run(self, step: Mapping[str, Any], outputs: dict[str, str]) -> bool:
        assert "${{" not in step["run"], "an expression in a script can become a command"
        assert self.flow["defaults"] == {"run": {"shell": "bash"}}
        files = {name: self.host.folder / name for name in ("OUTPUT", "ENV", "STEP_SUMMARY")}
        for file in files.values():
            file.write_text("")
        environment = self.host.environment(self.place) | {
            "GITHUB_ACTIONS": "true",
            "GITHUB_SHA": self.base["github"]["sha"],
            "GITHUB_REF_NAME": self.base["github"]["ref_name"],
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_WORKSPACE": str(self.place),
            **{f"GITHUB_{name}": str(file) for name, file in files.items()},
        }
        for given in (self.flow.get("env", {}), self.job.get("env", {}), self.extra):
            environment |= {name: filled(text, self.context) for name, text in given.items()}
        named = step.get("env", {})
        environment |= {name: filled(text, self.context) for name, text in named.items()}
        ended = shell(step["run"], cwd=self.place, environment=environment)
        self.told.log += ended.stdout
        self.told.summary += files["STEP_SUMMARY"].read_text(encoding="utf-8")
        outputs |= _pairs(files["OUTPUT"])
        self.extra |= _pairs(files["ENV"])
        return ended.returncode == 0

    def _uses(self, step: Mapping[str, Any], outputs: dict[str, str]) -> bool:
        given = {name: filled(str(text), self.context) for name, text in step["with"].items()}
        match step["uses"]:
            case "actions/checkout@v4":
                assert given == {"persist-credentials": "False"}
                self.place = self.host.checkout(self.base["github"]["ref_name"])
                git(self.place, "checkout", "--quiet", self.base["github"]["sha"])
            case "actions/setup-python@v5":
                assert {*given} == {"python-version"}
            case "actions/upload-artifact@v4":
                copy(self.place, given["path"].split(), self.ran.artifacts / given["name"])
            case "actions/download-artifact@v4":
                held = self.ran.artifacts / given["name"]
                if not held.is_dir():
                    return False
                shutil.copytree(held, self.place, dirs_exist_ok=True)
            case "actions/cache/restore@v4":
                return self._restore(given, outputs)
            case "actions/cache/save@v4":
                copy(self.place, given["path"].split(), self._cache(given) / given["key"])
            case other:
                raise AssertionError(f"unknown: {other}")
        return True

    def _restore(self, given: Mapping[str, str], outputs: dict[str, str]) -> bool:
        """Take the newest cache with the beginning that is wanted, if there is one."""
        kept = sorted(
            self._cache(given).glob(f"{given['restore-keys']}*"),
            key=lambda one: one.stat().st_mtime_ns,
        )
        if not kept:
            return given.get("fail-on-cache-miss") != "True"
        if given.get("lookup-only") != "True":
            shutil.copytree(kept[-1], self.place, dirs_exist_ok=True)
        outputs["cache-matched-key"] = kept[-1].name
        return True

    def _cache(self, given: Mapping[str, str]) -> Path:
        """Return where caches of these paths are: one of others is never found."""
        return self.host.folder / "cache" / "+".join(given["path"].split()).replace("/", "_")


# ---------------------------------------------------------------- expressions


def filled(text: object, context: Mapping[str, Any]) -> str:
    """Return a text with its expressions filled in."""
    return _PLACED.sub(lambda match: value(match[1], context), str(text))


def value(expression: str, context: Mapping[str, Any]) -> str:
    """Return what an operand is: a text in quotes, or what a path leads to, empty if nowhere."""
    if expression.startswith("'"):
        return expression.strip("'")
    assert re.fullmatch(r"[\w.-]+", expression), f"unknown: {expression}"
    found: Any = context
    for key in expression.split("."):
        found = found.get(key, "") if isinstance(found, Mapping) else ""
    assert isinstance(found, str), f"no text: {expression}"
    return found


def holds(condition: str, context: Mapping[str, Any], so_far: str = "success") -> bool:
    """Tell whether an ``if`` holds; one that names no status wants success."""
    placed = _PLACED.fullmatch(condition)
    either = [part.split(" && ") for part in (placed[1] if placed else condition).split(" || ")]
    status = {"always()": True, "!cancelled()": True, "success()": so_far == "success"}
    told = {
        part: status[part] if part in status else _equal(part, context)
        for parts in either
        for part in parts
    }
    wanted = status["success()"] or not {*status}.isdisjoint(told)
    return wanted and any(all(told[part] for part in parts) for parts in either)


def _equal(part: str, context: Mapping[str, Any]) -> bool:
    left, right = part.split(" == ")
    return value(left, context) == value(right, context)


def _wanted(job: Mapping[str, Any], ran: Ran, base: Mapping[str, Any]) -> bool:
    """Tell whether a job is run, by its condition and by how those ended that it needs."""
    needs = _told(job, ran)
    well = all(one["result"] == "success" for one in needs.values())
    condition = job.get("if", "success()")
    return holds(condition, {**base, "needs": needs}, "success" if well else "failure")


def _told(job: Mapping[str, Any], ran: Ran) -> dict[str, Any]:
    """Return what a job knows of those that it needs."""
    needs = job.get("needs", ())
    names = (needs,) if isinstance(needs, str) else needs
    ended = {name: ran.jobs[name] for name in names}
    return {name: {"result": one.result, "outputs": one.outputs} for name, one in ended.items()}


# ---------------------------------------------------------------- files and programs


def git(folder: Path, *words: str) -> str:
    """Run git as somebody, and return what it says."""
    someone = ("-c", "user.name=Ann", "-c", "user.email=ann@acme.example")
    command = ["git", *someone, "-C", str(folder), *words]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - git
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def repository(folder: Path, files: Mapping[str, str]) -> Path:
    """Return a new repository whose branch ``main`` holds these files."""
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch", "main")
    commit(folder, files, "Begin")
    return folder


def commit(folder: Path, files: Mapping[str, str], message: str, *, branch: str = "main") -> str:
    """Commit these files to a branch, which begins at ``main``, and return the commit."""
    there = git(folder, "branch", "--list", branch) or branch == "main"
    if git(folder, "branch"):
        git(folder, "checkout", "--quiet", *([] if there else ["-b"]), branch)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)
    return git(folder, "rev-parse", "HEAD")


def copy(place: Path, patterns: Sequence[str], to: Path) -> None:
    """Copy the files that patterns match below a folder; those that match nothing are left out."""
    for pattern in patterns:
        for found in place.glob(pattern.rstrip("/")):
            target = to / found.relative_to(place)
            target.parent.mkdir(parents=True, exist_ok=True)
            if found.is_dir():
                shutil.copytree(found, target, dirs_exist_ok=True)
            else:
                shutil.copy(found, target)


def shell(
    script: str, *, cwd: Path, environment: Mapping[str, str]
) -> "subprocess.CompletedProcess[str]":
    """Run a script as the hosts do; what it says goes into one text."""
    return subprocess.run(  # noqa: S603 - the templates' own scripts
        [*_SHELL, "-c", script],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def _known(held: Mapping[Any, Any], keys: set[Any]) -> None:
    assert {*held} <= keys, f"unknown: { ({*held} - keys) }"


def _pairs(file: Path) -> dict[str, str]:
    lines = file.read_text(encoding="utf-8").splitlines()
    return {name: text for name, _, text in (line.partition("=") for line in lines)}
