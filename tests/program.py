"""The program as a user has it: a process, a folder with specs, a service that others reach too.

Every run is held to what is promised of all: no traceback, no bare address on a terminal, and
under ``--format json`` exactly one document that knows the exit code.
"""

import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson

from builders import tenant
from reconciler import journal, sandbox
from reconciler.api.connect import connect
from reconciler.commands import main
from reconciler.metrics import Meter
from reconciler.times import parse_time

LIST: Final = "7f3e2c"
PATIENCE: Final = 60.0
SECRETS: Final = {"CXONE_CLIENT_ID": "e2e-client", "CXONE_CLIENT_SECRET": "e2e-hush"}
EMBEDDED: Final = """\
apiVersion: reconciler/v1
kind: Tenant
metadata: {name: acme}
spec:
  embedded: true
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

    @property
    def state(self) -> Path:
        """The state directory."""
        return self.folder / ".reconciler"

    @property
    def database(self) -> Path:
        """The sandbox's file, embedded or served."""
        return self.state / "sandbox.db"

    def write(self, name: str, text: str) -> Path:
        """Write a file below ``specs/``, of which nothing has to be there."""
        path = self.folder / "specs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def declare(
        self,
        *contacts: str,
        name: str = "us-dnc",
        identity: str = f"listId: {LIST}",
        more: str = "",
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

    def call(self, *words: str, settings: Mapping[str, str] | None = None) -> Ran:
        """Run the program inside this process, which costs no start, and hold it to the same."""
        before = dict(os.environ)
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
        os.environ.update(self.environment | dict(settings or {}))
        try:
            with chdir(self.folder), redirect_stdout(out), redirect_stderr(err):
                code = main(words)
        finally:
            os.environ.clear()
            os.environ.update(before)
        told = [stream.detach().getvalue() for stream in (out, err)]
        return kept(words, code, *told)

    @contextmanager
    def started(
        self, *words: str, stdin: int = subprocess.DEVNULL
    ) -> Iterator["subprocess.Popen[bytes]"]:
        """Start the program and leave it running; it is gone after the block."""
        with subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "reconciler", *words],
            cwd=self.folder,
            env=self.environment,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as running:
            try:
                yield running
            finally:
                running.kill()

    @contextmanager
    def service(self, *faults: str, more: str = "") -> Iterator[str]:
        """Serve the sandbox on a socket, and declare it as the tenant; yields its URL."""
        self.state.mkdir(mode=0o700, exist_ok=True)
        with sandbox.serving(self.database, faults=[*map(sandbox.parse, faults)]) as url:
            self.reach(url, more=more)
            yield url

    def reach(self, url: str, *, more: str = "") -> None:
        """Declare the service at this URL as the tenant, with secrets of both kinds."""
        secret = self.folder / "client.secret"
        secret.write_text(SECRETS["CXONE_CLIENT_SECRET"] + "\n", encoding="utf-8")
        self.write("tenant.yaml", _REMOTE.format(url=url, secret=secret, more=more))

    def embed(self, *, more: str = "") -> None:
        """Declare the sandbox inside the program as the tenant."""
        self.write("tenant.yaml", EMBEDDED + more)

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
            other.add(
                list_id,
                email=identifier if "@" in identifier else None,
                phone=None if "@" in identifier else identifier,
                reason=reason,
                until=parse_time(until) if until else None,
            )
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
    if "schema" not in words:  # its examples are made up, and meant to be read
        assert not _BARE.search(out + err), told
    assert not any(secret in ran.out + ran.err for secret in SECRETS.values()), told
    if "json" in words:
        assert code == ran.document["exit_code"], told
    return ran


def soon(look: Callable[[], Any]) -> Any:
    """Return what ``look`` finds as soon as it finds something."""
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


def workplace(folder: Path) -> Workplace:
    """Return a workplace without any spec; runs get this process's environment and the secrets."""
    return Workplace(folder=folder, environment=dict(os.environ) | SECRETS)


def _opened(folder: Path) -> int:
    return (folder / "run.json").stat().st_mtime_ns


def _unheard(_line: str) -> None:
    """Nobody listens."""
