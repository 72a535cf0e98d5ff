"""No address and no secret is anywhere but where it may be, whatever goes wrong.

Whole stories of the command line are played against a service on a socket, over a few people who
can be told from everybody else; then everything that was said and every file is searched.
"""

import base64
import hashlib
import re
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import click
import pyarrow.parquet as pq
import pytest

from reconciler import sandbox
from reconciler.commands import frame, main, wiring

LIST: Final = "7f3e2c"
ZAPHOD, MARVIN, FORD, SLARTI = (
    "Zaphod.Beeblebrox@Heart-of-Gold.example",
    "marvin.paranoid@xn--mller-space-thb.example",
    "ford.prefect@guide.example",
    "slartibartfast@magrathea.example",
)
TRISHA, ARTHUR, FENCHURCH, DEEP = "+13125550142", "+14155550187", "+16175550131", "+12065550176"
EMAILS: Final = (ZAPHOD, MARVIN, FORD, SLARTI, "agrajag@cathedral.example", "eddie@shipboard")
PHONES: Final = (TRISHA, ARTHUR, FENCHURCH, DEEP, "+13055550199")
SECRET, CLIENT = "hush-forty-two-mice", "dent-client-7781"
HOOK: Final = base64.b64encode(b"the mice are listening to this").decode()
MAY_HOLD: Final = re.compile(r"(cache|spill)/.*|runs/[^/]+/tables/.*|sandbox\.db.*")

TENANT = """\
apiVersion: reconciler/v1
kind: Tenant
metadata: {{name: acme}}
spec:
  baseUrl: {url}/api/v2
  tokenUrl: {url}/oauth/token
  credentials: {{clientId: env:CXONE_CLIENT_ID, clientSecret: env:CXONE_CLIENT_SECRET}}
  limits: {{requestsPerSecond: 1000, timeoutSeconds: 5}}
  webhooks: [{{url: "{hook}", secret: env:HOOK_SECRET}}]
---
apiVersion: reconciler/v1
kind: Policy
metadata: {{name: default}}
spec: {{maxReleases: {{share: 100%, count: 100}}}}
"""
SPEC = """\
apiVersion: reconciler/v1
kind: SuppressionList
metadata: {{name: us-dnc}}
spec:
  tenant: acme
  listId: 7f3e2c
  list: {{name: US Do Not Call, description: "{description}"}}
  defaults: {{reason: DNC, region: US}}
  contacts:
    - {{phoneNumber: "(312) 555-0142", email: " Zaphod.Beeblebrox@Heart-of-Gold.EXAMPLE "}}
    - {{email: marvin.paranoid@m\u00fcller-space.example}}
  sources: [{{path: contacts.csv}}]
"""
CONTACTS = "phoneNumber,email,reason,suppressUntil\n{}"
GOOD = "1.415.555.0187,,COMPLIANCE,2031-05-06\n14155550187,,,\n,FORD.Prefect@guide.example,,\n"
BAD = (
    ",agrajag@cathedral@cathedral.example,,\n"
    ",agrajag@cathedral.example,NO_REASON,\n"
    "3055550199,,,never ever\n"
    "555 0199,,,\n"
    '"agrajag@cathedral.example\n'
)
RELEASE = """\
  releases:
    - phoneNumber: "+1 617 555 0131"
      basis: fenchurch asked for it
      ticket: LEGAL-42
      requestedBy: privacy team
      requestedAt: {now}
    - phoneNumber: "+1 312 555 0142"
      basis: still wanted
      ticket: LEGAL-43
      requestedBy: privacy team
      requestedAt: {now}
"""


def spellings(identifier: str) -> set[str]:
    """Every way in which somebody might be written, in lower case."""
    if "@" in identifier:
        return {identifier.lower(), identifier.lower().partition("@")[0]}
    digits = identifier.removeprefix("+1")
    area, exchange, line = digits[:3], digits[3:6], digits[6:]
    return {digits, exchange + line, *(f"{area}{by}{exchange}{by}{line}" for by in "-. ")} | {
        f"{exchange}{by}{line}" for by in "-. "
    }


NEEDLES: Final = sorted({one for each in EMAILS + PHONES for one in spellings(each)})
WRITTEN: Final = sorted(
    {*NEEDLES, *EMAILS, *PHONES, *(each.removeprefix("+") for each in PHONES)}
    | {each.lower() for each in EMAILS}
)
DIGESTS: Final = [
    hashlib.new(kind, each.encode()).hexdigest()
    for each in WRITTEN
    for kind in ("sha256", "sha1", "md5")
]


class Receiver:
    """Takes every webhook and keeps what it was sent."""

    def __init__(self) -> None:
        self.heard = ""
        outer = self

        class Hook(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.heard += f"{self.headers}{body.decode()}\n"
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    @contextmanager
    def listening(self) -> Iterator["Receiver"]:
        """Listen in a thread."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join(5)


class Place:
    """A folder with specs, a service on a socket, and a CRM that listens."""

    def __init__(self, folder: Path, url: str, receiver: Receiver) -> None:
        self.folder = folder
        self.state = folder / ".reconciler"
        self.receiver = receiver
        self._url = url
        (folder / "specs").mkdir()

    def declare(self, *, rows: str = GOOD, more: str = "", description: str = "Who") -> None:
        """Write the specs."""
        tenant = TENANT.format(url=self._url, hook=self.receiver.url)
        for name, text in (
            ("tenant.yaml", tenant),
            ("us-dnc.yaml", SPEC.format(description=description) + more),
            ("contacts.csv", CONTACTS.format(rows)),
        ):
            (self.folder / "specs" / name).write_text(text, encoding="utf-8")

    def files(self) -> dict[str, str]:
        """The text of every file of the state directory, of tables their values, by name."""
        return {
            path.relative_to(self.state).as_posix(): _text(path)
            for path in sorted(self.state.rglob("*"))
            if path.is_file()
        }

    def tokens(self) -> set[str]:
        """Digests of the tokens that the service gave out."""
        with closing(sqlite3.connect(self.state / "sandbox.db")) as database:
            return {digest for (digest,) in database.execute("SELECT digest FROM tokens")}


def _text(path: Path) -> str:
    raw = path.read_bytes().decode("utf-8", "replace")
    if path.suffix != ".parquet":
        return raw
    return raw + "\n".join(map(str, pq.read_table(path).to_pylist()))


@contextmanager
def opened(folder: Path, *faults: str) -> Iterator[Place]:
    """Serve a list with three contacts, one of them of two identifiers."""
    state = folder / ".reconciler"
    state.mkdir(mode=0o700)
    database = state / "sandbox.db"
    sandbox.ensure_list(database, LIST, "US Do Not Call")
    other = sandbox.stranger(database)
    other.add(LIST, email=SLARTI, phone=FENCHURCH)
    other.add(LIST, phone=DEEP)
    other.add(LIST, email="eddie@shipboard")
    with (
        sandbox.serving(database, faults=[*map(sandbox.parse, faults)]) as url,
        Receiver().listening() as receiver,
    ):
        yield Place(folder, url, receiver)


@pytest.fixture(autouse=True)
def _secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the secrets where the specs say."""
    monkeypatch.setenv("CXONE_CLIENT_ID", CLIENT)
    monkeypatch.setenv("CXONE_CLIENT_SECRET", SECRET)
    monkeypatch.setenv("HOOK_SECRET", f"whsec_{HOOK}")
    monkeypatch.setenv("CI", "1")
    monkeypatch.chdir(tmp_path)


def released() -> str:
    """Releases of a contact that shares one, and of one that is still wanted."""
    return RELEASE.format(now=f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}")


def assert_private(place: Place, said: str) -> None:
    """Hold what was said, what the CRM heard and every file to the promise."""
    files = place.files()
    open_ = {name: text for name, text in files.items() if not MAY_HOLD.fullmatch(name)}
    key = files.get("pseudonym.key", "no key was made").strip()
    everywhere = {"what was said": said, "what the CRM heard": place.receiver.heard, **open_}

    assert not [
        (name, needle)
        for name, text in everywhere.items()
        for needle in NEEDLES
        if needle in text.lower()
    ]
    assert not [
        (name, secret)
        for name, text in {**everywhere, **files}.items()
        for secret in (SECRET, CLIENT, HOOK, key)
        if secret in text and name != "pseudonym.key"
    ]
    assert not [
        name
        for name, text in {**everywhere, **files}.items()
        if any(digest in text.lower() for digest in DIGESTS)
    ]
    assert not [name for name, text in everywhere.items() if _holds_token(text, place.tokens())]
    assert_shut(place.state)


def _holds_token(text: str, digests: set[str]) -> bool:
    windows = re.findall(r"(?=(?<![\w-])([\w-]{43})(?![\w-]))", text)
    return any(hashlib.sha256(each.encode()).hexdigest() in digests for each in windows)


def assert_shut(state: Path) -> None:
    """Only the owner gets at the state directory, each folder and each file in it."""
    modes = {
        path.relative_to(state.parent).as_posix(): stat.S_IMODE(path.stat().st_mode)
        for path in (state, *state.rglob("*"))
        if path.suffix != ".lock" or path.parent.name != "spill"  # empty, in a folder that is shut
    }
    expected = {name: 0o700 if (state.parent / name).is_dir() else 0o600 for name in modes}

    assert expected == modes


def played(capfd: pytest.CaptureFixture[str], *lines: str) -> tuple[list[int], str]:
    """Run command lines; return their exit codes and all they said."""
    codes = [main(line.split()) for line in lines]
    told = capfd.readouterr()
    return codes, told.out + told.err


def test_problems_of_contacts_are_told_without_the_contacts(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """In text and JSON, by validate and by plan; each row is masked."""
    with opened(tmp_path) as place:
        place.declare(rows=GOOD + BAD, more=released().replace("+1 617 555 0131", "617 5550131 0"))

        codes, said = played(
            capfd,
            "validate",
            "validate --format json",
            "plan",
            "plan --format json --debug",
            "apply --auto-approve",
        )

        assert [7] * 5 == codes
        assert "contacts.csv:5" in said
        assert_private(place, said)


@pytest.mark.parametrize("line", ["validate", "plan", "drift", "apply --auto-approve", "ping"])
def test_whichever_command_comes_first_shuts_what_it_makes(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], line: str
) -> None:
    """From the state directory down, problems or not."""
    with opened(tmp_path) as place:
        place.declare(rows=GOOD if line == "ping" else GOOD + BAD)

        _, said = played(capfd, f"{line} --state-dir {tmp_path}/other/state")

        assert_private(place, said)
        if (tmp_path / "other" / "state").exists():
            assert_shut(tmp_path / "other" / "state")


def test_a_whole_story_names_nobody(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Plan, drift, apply, and again after strangers came; each in every format."""
    with opened(tmp_path) as place:
        place.declare(more=released())
        other = sandbox.stranger(place.state / "sandbox.db")
        first, talk = played(
            capfd,
            "ping",
            "plan --out plan.json",
            "plan --format markdown",
            "drift",
            "apply plan.json --format json",
        )
        other.remove(LIST, FORD.lower())
        other.add(LIST, phone=DEEP, email="agrajag@cathedral.example")
        second, more = played(
            capfd,
            "drift --format json",
            "drift --format markdown",
            "apply plan.json",
            "apply --auto-approve --format markdown",
        )

        assert ([0, 4, 4, 3, 4], [3, 3, 5, 4]) == (first, second)
        assert "SUPPRESSION_LIST_UPDATED" in place.receiver.heard
        held = "".join(text for name, text in place.files().items() if MAY_HOLD.fullmatch(name))
        assert all(each in held for each in PHONES[:4])  # or the search would find nothing anywhere
        assert_private(place, talk + more + (tmp_path / "plan.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (f"reject:NOT_A_LINE;ending={TRISHA[-7:]}@POST contacts", 6),
        ("status:422@POST contacts", 6),
        ("status:400@POST contacts", 1),
        ("lost@POST contacts#1", 0),
        ("truncate@POST contacts#1", 0),
        ("html@GET contacts#1", 0),
        ("bump:contact@POST contacts", 0),
        ("bump:contact@PATCH lists/*#1", 0),
        ("bump:description@PATCH lists/*#1", 5),
        ("bump:contact@GET contacts", 5),
        ("status:403@GET contacts", 1),
        ("status:401@/api/v2/**", 1),
    ],
)
def test_whatever_the_service_does_names_nobody(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], fault: str, code: int
) -> None:
    """Rejections, conflicts, lists that move, answers that are none, credentials refused."""
    with opened(tmp_path, fault) as place:
        place.declare(more=released(), description="New")

        codes, said = played(capfd, "apply --auto-approve --debug")

        assert codes[0] in {code, 4}, said
        assert_private(place, said)


def test_a_crash_names_nobody(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither on the screen nor in the traceback that is kept, whatever its words were."""

    @click.command("go")
    @frame.global_options
    @click.pass_context
    def go(ctx: click.Context) -> None:
        with wiring.running(ctx, "go", tmp_path / "specs") as run, wiring.recorded(run):
            cause = ValueError(f"row {{'email': '{ZAPHOD}', 'phone': '{TRISHA}'}}")
            raise KeyError(f"(415) 555-0187, {FORD};{MARVIN}") from cause

    with opened(tmp_path) as place:
        code = main(["go", "--debug"], group=click.Group(commands=[go]))
        told = capfd.readouterr()

        assert 1 == code
        assert 1 == len([*place.state.glob("runs/*/crash-*.txt")])
        assert "KeyError" in told.err
        assert_private(place, told.out + told.err)


@pytest.mark.parametrize(
    "line",
    [
        f"plan --list {ZAPHOD}",
        f"plan --label who={FORD}",
        f"validate specs/{ZAPHOD}.yaml",
        f"plan {TRISHA}",
        f"apply {FORD}.json",
        f"apply --auto-approve --max-releases {TRISHA}",
        f"{MARVIN}",
    ],
)
def test_what_was_typed_amiss_is_not_repeated_bare(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], line: str
) -> None:
    """Somebody pastes an address where none belongs."""
    with opened(tmp_path) as place:
        place.declare()

        codes, said = played(capfd, line)

        assert codes[0] in {7, 64}
        assert_private(place, said)


def test_the_evidence_holds_pseudonyms(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Of as many people as were written, under the installation's own key."""
    with opened(tmp_path) as place:
        place.declare(more=released())
        played(capfd, "apply --auto-approve")

        rows: list[dict[str, Any]] = [
            row
            for path in place.state.glob("runs/*/changes.parquet")
            for row in pq.read_table(path).to_pylist()
        ]

    assert {"suppress", "part", "release", "found"} == {row["op"] for row in rows}
    assert all(re.fullmatch("[0-9a-f]{64}", row["pseudonym"]) for row in rows)
    assert not {row["pseudonym"] for row in rows} & set(DIGESTS)
