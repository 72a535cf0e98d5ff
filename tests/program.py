"""The program as a user has it: a process, a folder with specs, a service that others reach too.

Every run is held to what is promised of all: no traceback, no bare address on a terminal, and
under ``--format json`` exactly one document that knows the exit code.
"""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson
from builders import tenant

from reconciler import journal, sandbox
from reconciler.api.connect import connect
from reconciler.metrics import Meter
from reconciler.times import parse_time

LIST: Final = "7f3e2c"
PATIENCE: Final = 30.0
SECRETS: Final = {"CXONE_CLIENT_ID": "e2e-client", "CXONE_CLIENT_SECRET": "e2e-hush"}
EMBEDDED: Final = """\
apiVersion: reconciler/v1
kind: Tenant
metadata: {name: acme}
spec: {embedded: true}
"""
_REMOTE: Final = """\
apiVersion: reconciler/v1
kind: Tenant
metadata: {{name: acme}}
spec:
  baseUrl: {url}/api/v2
  tokenUrl: {url}/oauth/token
  credentials: {{clientId: env:CXONE_CLIENT_ID, clientSecret: "file:{secret}"}}
  limits: {{requestsPerSecond: 500, timeoutSeconds: 10}}
{more}"""
_LIST: Final = """\
apiVersion: reconciler/v1
kind: SuppressionList
metadata: {{name: {name}, labels: {{region: us}}}}
spec:
  tenant: acme
  {identity}
  defaults: {{reason: DNC, region: US}}
"""
_BARE: Final = re.compile(rb"\+1\d{10}|[\w.]+@example\.(com|org|net)")
_MAY_HOLD_ADDRESSES: Final = re.compile(r"^(cache|spill)/|^runs/[^/]+/tables/|^sandbox\.db")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a run of the program ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Its standard output, parsed."""
        return orjson.loads(self.out)

    @property
    def last(self) -> str:
        """The last line of its standard output."""
        return self.out.splitlines()[-1]


@dataclass(slots=True, kw_only=True)
class Workplace:
    """A folder with ``specs/``, the state beside it, and the environment runs are given."""

    folder: Path
    environment: dict[str, str]
    names: list[str] = field(default_factory=list)

    @property
    def state(self) -> Path:
        """The state directory."""
        return self.folder / ".reconciler"

    @property
    def database(self) -> Path:
        """The sandbox's file, embedded or served."""
        return self.state / "sandbox.db"

    def write(self, name: str, text: str) -> Path:
        """Write a file below ``specs/``."""
        path = self.folder / "specs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def declare(
        self, *contacts: str, name: str = "us-dnc", identity: str = f"listId: {LIST}", more: str = ""
    ) -> None:
        """Declare a list with these contacts, each the inside of a YAML mapping."""
        lines = ["  contacts:", *(f"    - {{{each}}}" for each in contacts)] if contacts else []
        text = _LIST.format(name=name, identity=identity)
        self.write(f"{name}.yaml", text + "".join(f"{line}\n" for line in lines) + more)

    def policy(self, *lines: str) -> None:
        """Write the policy."""
        head = "apiVersion: reconciler/v1\nkind: Policy\nmetadata: {name: default}\nspec:\n"
        self.write("policy.yaml", head + "".join(f"  {line}\n" for line in lines))

    def run(
        self,
        *words: str,
        settings: Mapping[str, str] | None = None,
        typed: str | None = None,
        **how: Any,
    ) -> Ran:
        """Run the program to its end and hold it to what every run promises."""
        ended = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "reconciler", *words],
            cwd=self.folder,
            env=self.environment | dict(settings or {}),
            input=(typed or "").encode(),
            capture_output=True,
            timeout=PATIENCE,
            check=False,
            **how,
        )
        return kept(words, ended.returncode, ended.stdout, ended.stderr)

    @contextmanager
    def started(self, *words: str, **how: Any) -> Iterator["subprocess.Popen[bytes]"]:
        """Start the program and leave it running; it is gone after the block."""
        with subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "reconciler", *words],
            cwd=self.folder,
            env=self.environment,
            **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            | how,
        ) as running:
            try:
                yield running
            finally:
                running.kill()

    @contextmanager
    def service(self, *faults: str, more: str = "") -> Iterator[str]:
        """Serve the sandbox on a socket, and declare it as the tenant; yields its URL."""
        self.state.mkdir(mode=0o700, exist_ok=True)
        secret = self.folder / "client.secret"
        secret.write_text(SECRETS["CXONE_CLIENT_SECRET"] + "\n", encoding="utf-8")
        with sandbox.serving(self.database, faults=[*map(sandbox.parse, faults)]) as url:
            self.write("tenant.yaml", _REMOTE.format(url=url, secret=secret, more=more))
            yield url

    def embed(self) -> None:
        """Declare the sandbox inside the program as the tenant."""
        self.write("tenant.yaml", EMBEDDED)

    def have(
        self, *contacts: tuple[str, str, str | None], list_id: str = LIST, **settings: Any
    ) -> "sandbox.Stranger":
        """Have a list with these contacts (identifier, reason, end) at the service.

        Returns:
            Somebody else who works there.
        """
        self.state.mkdir(mode=0o700, exist_ok=True)
        name = settings.pop("name", "US Do Not Call")
        sandbox.ensure_list(self.database, list_id, name, **settings)
        other = sandbox.stranger(self.database)
        for identifier, reason, until in contacts:
            kind = "email" if "@" in identifier else "phone"
            end = parse_time(until) if until else None
            other.add(list_id, **{kind: identifier}, reason=reason, until=end)  # type: ignore[arg-type]
        return other

    def held(self, list_id: str = LIST) -> dict[str, tuple[str, datetime | None]]:
        """Return reason and end by identifier, as the service holds them now."""
        app = sandbox.app(self.database)
        with connect(tenant(), app=app, meter=Meter(), on_wait=_unheard) as way:
            rows = [row for page in way.pages(list_id) for row in page.contacts.to_pylist()]
        return {
            row["email"] or row["phone"]: (row["reason"], row["until"] and parse_time(row["until"]))
            for row in rows
        }

    @property
    def runs(self) -> Sequence[Path]:
        """The run folders in the order in which they were opened."""
        return sorted((self.state / "runs").iterdir(), key=lambda path: path.stat().st_ctime_ns)

    @property
    def newest(self) -> Path:
        """The run folder opened last."""
        return max((self.state / "runs").iterdir(), key=_opened)

    def artifact(self, name: str) -> Any:
        """Return a JSON artifact of the newest run."""
        return orjson.loads((self.newest / name).read_bytes())

    def journal(self) -> tuple[Mapping[str, Any], ...]:
        """Return the newest run's journal."""
        return tuple(journal.replay(self.newest / "journal.jsonl"))

    def leaks(self) -> list[str]:
        """Return the files that hold a bare address and may not."""
        return [
            path.relative_to(self.state).as_posix()
            for path in sorted(self.state.rglob("*"))
            if path.is_file()
            and not _MAY_HOLD_ADDRESSES.search(path.relative_to(self.state).as_posix())
            and _BARE.search(path.read_bytes())
        ]


def kept(words: Sequence[str], code: int, out: bytes, err: bytes) -> Ran:
    """Return how a run ended, once it kept what every run promises."""
    ran = Ran(code=code, out=out.decode(), err=err.decode())
    told = f"reconciler {' '.join(words)} ended with {code}\n{ran.out}\n{ran.err}"
    assert "Traceback" not in ran.err, told
    assert "something unexpected happened" not in ran.err, told
    assert not _BARE.search(out), told
    assert not _BARE.search(err), told
    assert not any(secret in ran.out + ran.err for secret in SECRETS.values()), told
    if "json" in words:
        assert code == ran.document["exit_code"], told
    return ran


def soon(look: Callable[[], Any]) -> Any:
    """Return what ``look`` finds as soon as it finds something."""
    import time  # noqa: PLC0415 - used here alone

    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("it did not happen")


def now() -> datetime:
    """Return the time in whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


def _opened(folder: Path) -> int:
    return (folder / "run.json").stat().st_mtime_ns


def _unheard(_line: str) -> None:
    """Nobody listens."""
