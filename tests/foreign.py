"""Programs that pip does not install: where a test marked ``tools`` finds them.

A program is looked for in ``.tools/`` (where ``.ci/run`` puts what npm installs) and on the path; a
test without it is skipped with the reason, which CI makes a failure.
"""

import os
import shutil
from pathlib import Path

import pytest

_PACKAGES = Path(__file__).resolve().parents[1] / ".tools" / "node_modules"
_INSTALLED = _PACKAGES / ".bin"


def program(*names: str) -> Path:
    """Return the first of these programs that is installed.

    Raises:
        pytest.skip.Exception: none is.
    """
    path = os.pathsep.join([str(_INSTALLED), os.environ.get("PATH", os.defpath)])
    found = next(filter(None, (shutil.which(name, path=path) for name in names)), None)
    if found is None:
        pytest.skip(f"not installed: {' or '.join(names)} (.ci/run installs it)")
    return Path(found)


def package(name: str) -> Path:
    """Return the folder of a package that npm installed.

    Raises:
        pytest.skip.Exception: it is not installed.
    """
    folder = _PACKAGES / name
    if not folder.is_dir():
        pytest.skip(f"not installed: {name} (.ci/run installs it)")
    return folder
