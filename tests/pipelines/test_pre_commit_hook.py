"""The hook that other repositories run before each commit."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from program import Workplace, workplace

ROOT = Path(__file__).parents[2]


@pytest.fixture
def hook() -> Any:
    """Return its definition."""
    (made,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    return made


@pytest.fixture
def work(tmp_path: Path) -> Workplace:
    """Return a folder with one list."""
    made = workplace(tmp_path)
    made.embed()
    made.declare('phoneNumber: "+12125550101"')
    return made


def test_its_entry_tells_what_is_wrong(hook: Any, work: Workplace) -> None:
    """It takes no file names: specs are checked against each other."""
    words = shlex.split(hook["entry"])
    program = Path(sys.executable).with_name(words[0])
    command: list[str | Path] = [program, *words[1:]]
    work.declare(name="again")

    ended = subprocess.run(command, cwd=work.folder, capture_output=True, text=True, check=False)  # noqa: S603 - ours

    assert (7, "") == (ended.returncode, ended.stderr)
    assert "specs/us-dnc.yaml:" in ended.stdout
    assert "SPEC-022" in ended.stdout
    assert not hook["pass_filenames"]


def test_it_runs_where_specs_or_their_contact_files_change(hook: Any) -> None:
    """And is installed as a Python package, from its own repository."""
    changed = ["specs/a.yaml", "specs/contacts/us.csv.gz", "conf/specs/b.yml", "src/specs.py"]

    told = [bool(re.search(hook["files"], path)) for path in changed]

    assert [True, True, True, False] == told
    assert ("reconciler-validate", "python") == (hook["id"], hook["language"])
