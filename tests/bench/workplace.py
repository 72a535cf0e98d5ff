"""Where a measurement runs: the data of a mix, the service, and a folder with specs beside a state.

It uses the product as its users do; where it calls into the library it says so.
"""

import json
import os
import shutil
import subprocess
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .measured import PROGRAM, PYTHON, ROOT, BenchError, Ran, clean, run, say
from .mix import Mix

SECRETS: Final = {"BENCH_ID": "bench", "BENCH_SECRET": "not-a-secret"}
BIG: Final = "big"
PRIMER: Final = "primer"

_TENANT: Final = """\
apiVersion: reconciler/v1
kind: Tenant
metadata: {{name: bench}}
spec:
  baseUrl: {url}/api/v2
  tokenUrl: {url}/oauth/token
  credentials: {{clientId: env:BENCH_ID, clientSecret: env:BENCH_SECRET}}
  limits: {{requestsPerSecond: 1000, parallelism: 4, timeoutSeconds: 600}}
"""
_POLICY: Final = """\
apiVersion: reconciler/v1
kind: Policy
metadata: {name: default}
spec:
  maxSuppressions: {count: 1000000000}
  maxReleases: {share: 100%, count: 1000000000}
"""
_LIST: Final = """\
apiVersion: reconciler/v1
kind: SuppressionList
metadata: {{name: {name}}}
spec:
  tenant: bench
  listId: {name}
  defaults: {{reason: DNC, region: US, suppressUntil: never}}
  invalid: quarantine
  maxInvalid: 100%
{contacts}"""
_SOURCE: Final = "  sources:\n    - path: contacts/{name}.csv\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """The files of one mix; each part is made when it is first asked for and then kept."""

    folder: Path
    mix: Mix

    def __getitem__(self, part: str) -> Path:
        self.make(part)
        return self.folder / part

    @property
    def facts(self) -> Mapping[str, int]:
        """What a right plan says."""
        found: dict[str, int] = json.loads(self["facts.json"].read_text(encoding="utf-8"))
        return found

    def make(self, *parts: str) -> None:
        """Make several parts side by side.

        Raises:
            BenchError: one could not be made.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        absent = [part for part in parts if not (self.folder / part).exists()]
        if absent:
            say(f"making {', '.join(absent)} of {self.mix.name}")
        words = [PYTHON, "-m", "tests.bench.data", str(self.folder), self.mix.dumps()]
        made = [
            subprocess.Popen([*words, part], cwd=ROOT, env=clean())  # noqa: S603 - a module of ours
            for part in absent
        ]
        if sum(child.wait() != 0 for child in made):
            raise BenchError(f"the data of {self.mix.name} could not be made")


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The running service, as the measuring program speaks to it."""

    url: str

    def lists(self, pages: Mapping[str, Path | None]) -> None:
        """Set lists up anew, each with the pages of a file or empty."""
        self._post("lists", {name: str(path) if path else None for name, path in pages.items()})

    def notes(self) -> list[tuple[str, str, float, float]]:
        """Return kind, list, arrival and answer of every request since this was last asked."""
        return [(kind, name, came, left) for kind, name, came, left in self._post("notes", {})]

    def contacts(self, name: str) -> str:
        """Return the address of a list's contacts."""
        return f"{self.url}/api/v2/lists/{name}/contacts"

    def bodies(self, name: str, into: Path) -> None:
        """Have every batch that was posted to a list written to a folder."""
        self._post("bodies", {"list": name, "into": str(into)})

    def _post(self, what: str, document: object) -> Any:
        data = json.dumps(document).encode()
        with urllib.request.urlopen(f"{self.url}/bench/{what}", data=data) as answer:  # noqa: S310
            return json.load(answer)


@contextmanager
def serving() -> Iterator[Desk]:
    """Run the service in a process of its own, on one port until the block ends."""
    words = [PYTHON, "-m", "tests.bench.service", "0"]
    with subprocess.Popen(  # noqa: S603 - a module of ours
        words, cwd=ROOT, env=clean(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        try:
            assert child.stdout is not None
            yield Desk(url=f"http://127.0.0.1:{int(child.stdout.readline())}")
        finally:
            child.kill()


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """A folder with ``specs/`` and a state directory beside it."""

    folder: Path

    @property
    def state(self) -> Path:
        """The state directory."""
        return self.folder / ".reconciler"

    def reconciler(self, *words: str) -> Ran:
        """Run the installed command here, as JSON, without progress."""
        settled = ("--quiet", "--format", "json")
        return run([PROGRAM, *words, *settled], cwd=self.folder, env=SECRETS)

    def plan(self, name: str, *words: str) -> tuple[Ran, Mapping[str, int]]:
        """Plan one list; return also its counts."""
        ran = self.reconciler("plan", "--list", name, *words)
        return ran, json.loads(ran.out)["counts"]

    def declare(self, name: str, contacts: Path | str) -> None:
        """Declare a list of a contact file, or of inline contacts in YAML."""
        specs = self.folder / "specs"
        if isinstance(contacts, Path):
            (specs / "contacts").mkdir(exist_ok=True)
            source = specs / "contacts" / f"{name}.csv"
            source.unlink(missing_ok=True)
            os.link(contacts, source)
            contacts = _SOURCE.format(name=name)
        text = _LIST.format(name=name, contacts=contacts)
        (specs / f"{name}.yaml").write_text(text, encoding="utf-8")

    def forget(self) -> None:
        """Remove the state, caches and all."""
        shutil.rmtree(self.state, ignore_errors=True)

    def again(self, primed: Path) -> None:
        """Put the state back to what was kept of it."""
        self.forget()
        shutil.copytree(primed, self.state)


def workplace(folder: Path, desk: Desk) -> Workplace:
    """Make an empty workplace whose one tenant is the service."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "specs").mkdir(parents=True)
    (folder / "specs" / "tenant.yaml").write_text(_TENANT.format(url=desk.url), encoding="utf-8")
    (folder / "specs" / "policy.yaml").write_text(_POLICY, encoding="utf-8")
    return Workplace(folder=folder)


def learn(place: Workplace, desk: Desk) -> None:
    """Let the product see that this tenant moves a list's version: by a small, real apply."""
    desk.lists({PRIMER: None})
    place.declare(PRIMER, '  contacts: [{phoneNumber: "+12125550100"}]\n')
    place.reconciler("apply", "--auto-approve", "--list", PRIMER)
    (place.folder / "specs" / f"{PRIMER}.yaml").unlink()


def requests(desk: Desk) -> Counter[str]:
    """Count the requests since the last look, the token's aside, by kind."""
    return Counter(kind for kind, *_ in desk.notes() if kind != "token")
