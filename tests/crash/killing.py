"""Runs that are killed at an event of our choice, and a world in which everything is to be done.

Runs are real: processes of their own, whose files and whose service outlive them. It kills and
counts; what must hold of what is left is ``surviving``'s to say.
"""

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final, NamedTuple

import orjson

from program import Ran, Workplace, kept, now, workplace

APPLY: Final = ("apply", "--auto-approve")
_NEVER: Final = 0
"""The number of an event that does not come."""
_KILLED: Final = -9
_WRITTEN: Final = ("answer", "POST /api/v2/lists/*/contacts")
_TOKEN: Final = "POST /oauth/token"
_SMALL_STEPS: Final = frozenset({"open", "fsync", "os.mkdir", "os.rmdir", "os.remove"})
_LIST: Final = re.compile(r"(?<=/lists/)[^/]+")
_DYING: Final = Path(__file__).with_name("dying.py")


class Point(NamedTuple):
    """An event at which a run can be killed: before it, or with half of it done."""

    number: int
    kind: str
    what: str
    half: bool

    def __str__(self) -> str:
        return f"{self.number}-{self.kind}{'-half' * self.half} {self.what}"


class Died(NamedTuple):
    """How a run ended, and the points it came by."""

    ran: Ran
    killed: bool
    points: tuple[Point, ...]


@dataclass(slots=True, kw_only=True)
class Killer:
    """Runs the program in children of one warm process; each may be told where to die."""

    process: "subprocess.Popen[bytes]"

    def run(
        self,
        work: Workplace,
        *words: str,
        at: int = _NEVER,
        half: bool = False,
        error: int = 0,
        side_by_side: bool = False,
    ) -> Died:
        """Run the program, killed at the event of this number.

        Args:
            work: where.
            words: the command line.
            at: the event's number.
            half: whether half of what is written there still reaches the disk.
            error: an errno with which every file fails from there on, in place of the death.
            side_by_side: whether lists are done at the same time, as they are; otherwise events
                come in one order.
        """
        beside = f"{work.folder}.{len([*_logs(work)])}"
        files = {name: f"{beside}.{name}" for name in ("log", "out", "err")}
        order = {
            **files,
            "wire": str(wire(work)),
            "folder": str(work.folder),
            "environment": work.environment,
            "words": words,
            "at": at,
            "half": half,
            "error": error if at else 0,
            "side_by_side": side_by_side,
        }
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(orjson.dumps(order) + b"\n")
        self.process.stdin.flush()
        code = orjson.loads(self.process.stdout.readline())["code"]
        out, err = (Path(files[name]).read_bytes() for name in ("out", "err"))
        killed = code == _KILLED
        ran = kept(words, 1 if killed and "json" in words else code, out, err)
        return Died(ran, killed, tuple(_points(Path(files["log"]))))


@contextmanager
def killer() -> Iterator[Killer]:
    """Keep a warm process until the block ends."""
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, str(_DYING)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        yield Killer(process=process)
        assert process.stdin
        process.stdin.close()


def wire(work: Workplace) -> Path:
    """Return where every effect at the service is written down, of all runs."""
    return work.folder.with_name(f"{work.folder.name}.wire")


def _logs(work: Workplace) -> Iterator[Path]:
    return work.folder.parent.glob(f"{work.folder.name}.*.log")


def _points(log: Path) -> Iterator[Point]:
    for line in log.read_bytes().splitlines():
        number, kind, what, halves = orjson.loads(line)
        yield Point(number, kind, what, half=False)
        if halves:
            yield Point(number, kind, what, half=True)


# ---------------------------------------------------------------- which points


def family(point: Point) -> tuple[object, ...]:
    """Return what is much the same: requests of one shape, steps with files of one folder.

    What leaves the same behind is one family: before a file is written it is as before it is
    opened, before it is synced as before it is linked; and what only reads leaves nothing.
    """
    if point.kind in {"request", "answer"}:
        shape = _LIST.sub("*", point.what)
        reads = shape.startswith("GET ") or shape == _TOKEN
        return ("reads",) if reads else (point.kind, shape)
    if point.kind in _SMALL_STEPS or (point.kind == "write" and not point.half):
        return ("open",) if point.kind == "write" else (point.kind,)
    folders = point.what.split("/")[1:-1]
    return point.kind, point.half, *folders[:1], point.what.endswith("journal.jsonl")


def sample(points: Sequence[Point]) -> list[Point]:
    """Return the last point of every family, and the answer to every write of contacts."""
    last = {family(point): point for point in points}
    writes = {point for point in points if family(point) == _WRITTEN}
    return sorted({*last.values(), *writes})


def campaign(folder: Path, every: Sequence[Callable[..., list[str]]]) -> list[str]:
    """Do all of these, each in a ``folder`` of its own, and print how many were lost.

    Returns:
        What is wrong; worlds that held are taken away at once, for there are many.
    """
    wrong, lost = [], 0
    for number, point in enumerate(every):
        found = point(folder=folder / str(number))
        wrong += found
        lost += bool(found)
        for left in folder.glob(f"{number}*") if not found else ():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
    print(f"{len(every)} points, {lost} lost")  # noqa: T201 - the result of the campaign
    return wrong


# ---------------------------------------------------------------- the world

PHONES: Final = tuple(f"+12125550{number}" for number in range(100, 112))
NEW: Final = tuple(f"+13125550{number}" for number in range(120, 123))
STAYING: Final = PHONES[:7]
AMENDED: Final = PHONES[:1]
LET_GO: Final = PHONES[7:10]
SHORTENED: Final = PHONES[10]
EMAILS: Final = tuple(f"user{number}@example.com" for number in range(3))
PAIR: Final = ("both@example.com", "+13105550100")
END: Final = "2031-01-01T00:00:00Z"
US, RENAMED, EU, MADE = "US Do Not Call", "US DNC", "EU", "Callers"
"""Names of lists at the service: the first is renamed, the last is to be made."""


def furnish(folder: Path, *, hook: str) -> Workplace:
    """Make two lists to be changed in every way there is, and declare a third to be made.

    Args:
        folder: where specs and state stand.
        hook: a webhook's URL.
    """
    work = workplace(folder)
    work.environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "CRM_HOOK_SECRET": "whsec_YSBzZWNyZXQgdGhhdCBpcyBsb25nIGVub3VnaA==",
    }
    alone = "  limits: {parallelism: 1}\n"  # so that events have one order
    work.embed(more=f"{alone}  webhooks: [{{url: {hook}, secret: env:CRM_HOOK_SECRET}}]\n")
    work.policy("maxReleases: {share: 100%, count: 100}")
    work.have(*((phone, "DNC", None) for phone in PHONES), name=US)
    other = work.have((EMAILS[0], "UNSUBSCRIBE", None), list_id="e1e1", name=EU)
    other.add("e1e1", email=PAIR[0], phone=PAIR[1], reason="DNC")
    _declare(work)
    return work


def _declare(work: Workplace) -> None:
    ground = f"basis: b, ticket: T-1, requestedBy: p, requestedAt: {now():%Y-%m-%d}"
    let_go = [f'    - {{phoneNumber: "{phone}", {ground}}}\n' for phone in LET_GO]
    shorten = f'    - {{phoneNumber: "{SHORTENED}", suppressUntil: {END}, {ground}}}\n'
    work.declare(
        *(f'phoneNumber: "{phone}", reason: BOUNCE' for phone in AMENDED),
        *(f'phoneNumber: "{phone}"' for phone in (*STAYING[len(AMENDED) :], *NEW)),
        name="dnc",
        more="".join(["  releases:\n", *let_go, shorten])
        + f"  list: {{name: {RENAMED}, description: Nobody of these}}\n",
    )
    work.write("eu.csv", "email\n" + "".join(f"{one}\n" for one in (*EMAILS, PAIR[0], "bad")))
    work.declare(
        name="eu",
        identity="listId: e1e1",
        more="  sources: [{path: eu.csv}]\n  invalid: quarantine\n  maxInvalid: 50%\n"
        f"  list: {{suppressUntil: {END}}}\n"
        f'  releases: [{{phoneNumber: "{PAIR[1]}", {ground}}}]\n',
    )
    work.declare(
        *(f'phoneNumber: "{phone}"' for phone in NEW),
        name="made",
        identity="create: true",
        more=f"  list: {{name: {MADE}}}\n",
    )


def copied(template: Workplace, folder: Path) -> Workplace:
    """Return the same world in another folder."""
    shutil.copytree(template.folder, folder)
    return Workplace(folder=folder, environment=template.environment)


@dataclass(slots=True, kw_only=True)
class Hearing:
    """A receiver that takes every event, and knows one again by its id."""

    url: str = ""
    events: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Run and list by the id of their event."""


@contextmanager
def hearing() -> Iterator[Hearing]:
    """Receive events until the block ends, those of all worlds."""
    heard = Hearing()

    class Conversation(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            event = orjson.loads(self.rfile.read(int(self.headers["content-length"])))
            heard.events[self.headers["webhook-id"]] = event["run_id"], event["list"]
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Conversation) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        heard.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
        try:
            yield heard
        finally:
            server.shutdown()
