"""Pipelines for code hosts, ready to be put into a user's repository.

They are package data and no code: each is a file that its host understands as it stands, with the
version of this program filled in where it is installed. Nothing here writes a file.
"""

from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Final

from reconciler import __version__

_INSTALL: Final = "pip install --quiet suppression-reconciler"
"""Pinned when written out: plan and apply of one commit are made by one version."""
_FILES: Final = MappingProxyType(
    {
        "github": MappingProxyType(
            {
                f".github/workflows/{name}": name
                for name in (
                    "suppression-pull-request.yml",
                    "suppression-main.yml",
                    "suppression-drift.yml",
                )
            }
        ),
        "gitlab": MappingProxyType(
            {
                ".gitlab-ci.yml": "gitlab-ci.yml",
                "suppression.gitlab-ci.yml": "suppression.gitlab-ci.yml",
            }
        ),
    }
)
KINDS: Final = tuple(_FILES)
"""The code hosts that there are pipelines for."""


def workflows(kind: str) -> Mapping[str, str]:
    """Return the pipelines for one code host.

    Args:
        kind: one of ``KINDS``.

    Returns:
        Text by path: relative to the root of the user's repository, with forward slashes.
    """
    folder = files(__package__) / kind
    return {path: _filled(folder / name) for path, name in _FILES[kind].items()}


def _filled(template: Traversable) -> str:
    text = template.read_text(encoding="utf-8")
    return text.replace(_INSTALL, f"{_INSTALL}=={__version__}")
