"""``demo``: the story of the tool, told with real commands against the sandbox.

Everything happens in a temporary folder and without a network. What is shown is what the
commands print; nothing is prepared but the example specs.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Final

import click
from rich.text import Text

import reconciler
from reconciler import commands, sandbox
from reconciler.commands import frame
from reconciler.errors import Exit, ReconcilerError

_STATE: Final = Path(".reconciler")
_SPEC: Final = Path("specs/us-dnc.yaml")
_LINE: Final = '    - {phoneNumber: "+1 503 555 0108", reason: DNC}\n'
_LET_GO: Final = "+15035550108"
_LOST: Final = ("+12125550101", "ada.moreno@example.com")
_OPTED_OUT: Final = "+19175550199"

_OK: Final = 0
_INVALID: Final = 7


class DemoError(ReconcilerError):
    """A step of the story did not end as told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Teller:
    """Tells the story: a heading, why, a command, and that it ended as it should."""

    ctx: click.Context
    steps: Iterator[int]
    program: str
    """How the user calls this program, from any folder."""

    def heading(self, title: str, why: str) -> None:
        """Begin a chapter."""
        self.show(f"\n== {next(self.steps)}. {title}", "bold cyan")
        self.show(why)

    def show(self, text: str, style: str = "") -> None:
        """Say a line."""
        frame.show(self.ctx, Text(text, style=style))

    def run(self, *words: str, ends: int = _OK) -> None:
        """Run a command as a user would, and show what it prints.

        Raises:
            DemoError: it did not end with the exit code that the story is about.
        """
        self.show(f"\n$ reconciler {' '.join(words)}", "bold")
        code = commands.main(words)
        if code != ends:
            raise DemoError(f"reconciler {' '.join(words)} ended with {code}, expected {ends}")
        if code:
            self.show(f"(exit code {code})", "dim")


@click.command("demo")
@frame.global_options
@click.pass_context
def command(ctx: click.Context) -> int:
    """Tell the story of this tool against the sandbox, in a temporary folder."""
    folder = Path(tempfile.mkdtemp(prefix="reconciler-demo-"))
    shutil.copytree(_examples(), folder / "specs")
    program = "reconciler" if shutil.which("reconciler") else str(Path(sys.argv[0]).absolute())
    with chdir(folder), _own_settings():
        _story(Teller(ctx=ctx, steps=count(1), program=program), folder)
    return _OK


def _examples() -> Path:
    """Return the example specs: in the package as installed, else beside it.

    Raises:
        DemoError: they are in neither place.
    """
    package = Path(reconciler.__file__).parent
    for place in (package / "specs", package.parent / "specs"):
        if (place / _SPEC.name).is_file():
            return place
    raise DemoError("this installation lacks the example specs", hint="install it again")


def _story(teller: Teller, folder: Path) -> None:
    teller.show(f"reconciler {reconciler.__version__}: specs in git say who must not be contacted;")
    teller.show("a run makes the service agree, suppressing first and releasing last.")
    teller.show(f"Everything below happens in {folder}, against a service in this process.")
    _first_apply(teller)
    _drift(teller)
    _release(teller)
    _evidence(teller)
    teller.show("\n== What to type next", "bold cyan")
    program = teller.program
    teller.show(f"  cd {folder}")
    teller.show("  $EDITOR specs/us-dnc.yaml    # add a contact of your own")
    teller.show(f"  {program} plan              # what would be done, and to whom")
    teller.show(f"  {program} apply             # do it; asks first")
    teller.show(f"  {program} schema SuppressionList   # every key a spec can have")


def _first_apply(teller: Teller) -> None:
    teller.heading("Are the specs sound?", "Two lists: one with contacts inline, one from files.")
    teller.run("validate")
    teller.heading("What would be done?", "A plan only reads. The lists do not exist yet.")
    teller.run("plan")
    teller.heading("Do it", "Suppressions go in batches; then the list is read back and compared.")
    teller.run("apply", "--auto-approve")
    teller.heading("Is it done?", "The same question again: nothing is left to do.")
    teller.run("plan")


def _drift(teller: Teller) -> None:
    stranger = sandbox.stranger(_STATE / "sandbox.db")
    list_id = sandbox.list_ids(_STATE / "sandbox.db")["US Do Not Call"]
    for identifier in _LOST:
        stranger.remove(list_id, identifier)
    stranger.add(list_id, phone=_OPTED_OUT, reason="CUSTOMER_REQUEST")
    teller.heading(
        "Somebody else changes the list",
        "Behind our back two contacts are removed, and an agent takes one opt-out. The two\n"
        "directions are not equal: a missing contact may be called against their will.",
    )
    teller.run("drift", ends=Exit.DRIFT)
    teller.heading("Heal", "The missing ones come back. The opt-out that the agent took is kept.")
    teller.run("apply", "--auto-approve")


def _release(teller: Teller) -> None:
    text = _SPEC.read_text(encoding="utf-8")
    _SPEC.write_text(text.replace(_LINE, ""), encoding="utf-8")
    teller.heading(
        "A line is deleted",
        "Deleting a line from a spec never calls anybody again: the contact is now surplus.",
    )
    teller.run("plan", "--list", "us-dnc")
    teller.heading("A release without a reason", "A release is declared, and says on what ground.")
    _declare({"phoneNumber": f'"{_LET_GO}"'})
    teller.run("validate", ends=_INVALID)
    teller.heading("A release with one", "Basis, ticket, who asked and when. It is spent once.")
    yesterday = frame.clock() - timedelta(days=1)
    _declare(
        {
            "phoneNumber": f'"{_LET_GO}"',
            "basis": "written re-consent",
            "ticket": "LEGAL-1234",
            "requestedBy": "privacy team",
            "requestedAt": f"{yesterday:%Y-%m-%d}",
        }
    )
    teller.run("apply", "--auto-approve", "--list", "us-dnc")
    teller.run("plan")


def _declare(release: Mapping[str, str]) -> None:
    """Write one release into the spec, in place of one that may be there."""
    text = _SPEC.read_text(encoding="utf-8").partition("  releases:\n    -")[0].rstrip("\n")
    inner = ", ".join(f"{key}: {value}" for key, value in release.items())
    _SPEC.write_text(f"{text}\n  releases:\n    - {{{inner}}}\n", encoding="utf-8")


def _evidence(teller: Teller) -> None:
    teller.heading(
        "The evidence",
        "Every run left its artifacts; the ledger names each by its digest. Addresses stand\n"
        "only under tables/ and cache/, everything else holds counts and pseudonyms.",
    )
    applies = [path.parent for path in sorted(_STATE.glob("runs/*/receipt.json"))]
    for path in sorted(applies[-1].rglob("*")):
        if path.is_file():
            teller.show(f"  {path}  {path.stat().st_size:,} bytes")
    for path in sorted(_STATE.glob("ledger/*.json"))[-1:]:
        teller.show(f"  {path}  {path.stat().st_size:,} bytes")


@contextmanager
def _own_settings() -> Iterator[None]:
    """Keep the user's settings of this program out of the story, and restore them."""
    before: Mapping[str, str] = MappingProxyType(
        {name: value for name, value in os.environ.items() if name.startswith("RECONCILER_")}
    )
    for name in before:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(before)
