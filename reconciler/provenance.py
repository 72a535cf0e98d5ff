"""Where a run comes from: who, on which commit and by whose leave, with which versions.

As far as the environment and git can tell. What others wrote is freed of anything like an
address; it never asks anybody over a network.
"""

import getpass
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from reconciler import __version__
from reconciler.masking import clean, scrub

SCHEMAS: Final = "reconciler/v1"
"""The version of the schemas of specs and of what this program writes."""
_LONGEST: Final = 200
"""Characters of a text out of the environment that are kept."""
_COMMIT: Final = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_ASKED: Final = "--format=%H%n%an"


def provenance(root: Path) -> dict[str, str | None]:
    """Return the origin of a run; ``None`` where nothing tells.

    ``author`` is the name of who wrote the commit, without an address; ``approver`` is who let the
    run go ahead, as ``RECONCILER_APPROVER`` says.

    Args:
        root: the specs root, for the commit it stands on.
    """
    commit, author = _committed(root)
    return {
        "reconciler": __version__,
        "schemas": SCHEMAS,
        "python": platform.python_version(),
        "actor": _first("GITHUB_ACTOR", "GITLAB_USER_LOGIN") or _text(_user()),
        "commit": commit,
        "author": author or _text(os.environ.get("CI_COMMIT_AUTHOR", "").partition("<")[0]),
        "approver": _first("RECONCILER_APPROVER"),
        "ci_run": _ci_run(os.environ),
        "host": _text(platform.node()),
    }


def _first(*names: str) -> str | None:
    """Return the first of these variables that says anything."""
    return next(filter(None, (_text(os.environ.get(name)) for name in names)), None)


def _text(told: str | None) -> str | None:
    """Return a foreign text without addresses, on one line; ``None`` where it says nothing."""
    return scrub(clean(told or "")).strip()[:_LONGEST] or None


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return None


def _ci_run(told: Mapping[str, str]) -> str | None:
    """Return where a run in CI can be looked at.

    The number of a run has as many digits as a phone number, so of an URL only what may hold a
    name is looked at.
    """
    server, repository, run = (
        told.get(f"GITHUB_{name}") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID")
    )
    github = f"{server}/{repository}/actions/runs/{run}" if server and repository and run else ""
    given = told.get("RECONCILER_CI_RUN") or told.get("CI_JOB_URL") or github
    try:
        parts = urlsplit(clean(given).strip())
        host = parts.hostname
    except ValueError:
        return _text(given)
    if parts.scheme not in {"http", "https"} or not host or "@" in parts.path.replace("%40", "@"):
        return _text(given)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"[:_LONGEST]


def _committed(root: Path) -> tuple[str | None, str | None]:
    """Return the commit the specs stand on and its author's name, where git or CI can say."""
    given = os.environ.get("GITHUB_SHA") or os.environ.get("CI_COMMIT_SHA") or ""
    if given and not _COMMIT.fullmatch(given):
        return _text(given), None
    commit, _, author = _git(root, given or "HEAD").partition("\n")
    return given or (commit if _COMMIT.fullmatch(commit) else None), _text(author)


def _git(root: Path, commit: str) -> str:
    """Return hash and author of a commit on two lines; empty where git knows none."""
    try:
        asked = subprocess.run(  # noqa: S603 - fixed words and a checked name, no shell
            ["git", "-C", str(root), "log", "-1", "--no-show-signature", _ASKED, commit, "--"],  # noqa: S607 - git as the user has it
            capture_output=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return ""
    return asked.stdout.decode(errors="replace").strip() if asked.returncode == 0 else ""
