"""A repository of specs at a code host, and the service on a socket that its list is at."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from program import SECRETS, Workplace, workplace
from workflows import CodeHost, commit, repository

KEY = {"SUPPRESSION_PSEUDONYM_KEY": "a key that every workflow is given"}
HELD = tuple(f"+1212555010{number}" for number in range(1, 6))
NEW = "+12125550199"
SPEC = "specs/us-dnc.yaml"
OPEN = """\
apiVersion: reconciler/v1
kind: Policy
metadata: {name: default}
spec:
  maxReleases: {share: 50%, count: 2}
"""
BLOCKS = "  contacts:\n" + "".join(f'    - {{phoneNumber: "{one}"}}\n' for one in (*HELD, NEW))
RELEASES = (
    "  contacts:\n"
    + "".join(f'    - {{phoneNumber: "{one}"}}\n' for one in (*HELD[1:], NEW))
    + f'  releases:\n    - {{phoneNumber: "{HELD[0]}", basis: re-consent, ticket: LEGAL-1, '
    + "requestedBy: privacy team, requestedAt: 2026-11-20}\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A repository at a code host, and the service its lists are at."""

    host: CodeHost
    work: Workplace
    bare: str
    """The list's spec without a contact."""

    def propose(self, text: str, *, branch: str = "main") -> str:
        """Commit this to the list's spec."""
        return commit(self.host.origin, {SPEC: self.bare + text}, "Edit", branch=branch)


@contextmanager
def served(folder: Path) -> Iterator[Site]:
    """Serve a list of five, declared with nobody on it yet, in a repository of its own."""
    work = workplace(folder / "service")
    work.folder.mkdir()
    work.have(*((phone, "DNC", None) for phone in HELD))
    with work.service():
        work.declare()
        specs = work.folder / "specs"
        texts = {f"specs/{path.name}": path.read_text("utf-8") for path in specs.iterdir()}
        origin = repository(folder / "origin", texts | {"specs/policy.yaml": OPEN})
        host = CodeHost(folder=folder / "host", origin=origin, secrets=SECRETS | KEY)
        yield Site(host=host, work=work, bare=texts[SPEC])


def leaks(site: Site) -> list[str]:
    """Return the files a code host keeps that hold a whole number, or the files of the tables."""
    numbers = [one.encode() for one in (*HELD, NEW)]
    kept = [
        path
        for folder in ("cache", *(path.name for path in site.host.folder.glob("artifacts-*")))
        for path in (site.host.folder / folder).rglob("*")
        if path.is_file()
    ]
    assert kept
    return [
        path.name
        for path in kept
        if "tables" in path.parts or any(one in path.read_bytes() for one in numbers)
    ]
