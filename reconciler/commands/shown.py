"""Every view of what a run came to, each made only when somebody wants it.

It knows which format is made by whom, and nothing of files or streams: ``frame.emit`` takes it on.
"""

from pathlib import Path
from types import ModuleType
from typing import Final

from reconciler.commands.frame import View
from reconciler.model import Drift, Plan, Receipt
from reconciler.views import human, machine, markdown

FORMATS: Final = ("text", "json", "markdown", "html")


def plan(made: Plan, *, exit_code: int) -> dict[str, View]:
    """Return the views of a plan, by format."""
    return {
        "text": lambda: human.plan(made),
        "json": lambda: machine.plan(made, exit_code=exit_code),
        "markdown": lambda: markdown.plan(made),
        "html": lambda: _html().plan(made),
    }


def receipt(done: Receipt, *, made: Plan, artifacts: Path) -> dict[str, View]:
    """Return the views of what a run did, by format."""
    return {
        "text": lambda: human.receipt(done, artifacts=artifacts),
        "json": lambda: machine.receipt(done, made=made, artifacts=artifacts),
        "markdown": lambda: markdown.receipt(done, made=made),
        "html": lambda: _html().receipt(done, made=made),
    }


def drift(found: Drift, *, exit_code: int) -> dict[str, View]:
    """Return the views of a drift report, by format."""
    return {
        "text": lambda: human.drift(found),
        "json": lambda: machine.drift(found, exit_code=exit_code),
        "markdown": lambda: markdown.drift(found),
        "html": lambda: _html().drift(found),
    }


def _html() -> ModuleType:
    from reconciler.views import html  # noqa: PLC0415 - brings Jinja: only for those who want it

    return html
