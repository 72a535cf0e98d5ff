"""A process that runs the program again and again, each time in a child that may die anywhere.

It imports everything once and forks for every run, so a run costs no start. A child counts what
it does to the disk and to the service, says each such event, and kills itself with SIGKILL at the
one it was told: nothing is flushed, closed, unlocked or tidied. Or the disk fails it from there
on. It judges nothing.

Speaks a line of JSON for each run on standard input, and one on standard output at its end.
"""

import gc
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import IO, Any, Final, Self

import email_validator
import httpx
import orjson
import phonenumbers

from reconciler import model, side_by_side
from reconciler.commands import main

_ONE_PATH: Final = frozenset({"os.remove", "os.mkdir", "os.rmdir", "os.truncate"})
_TWO_PATHS: Final = frozenset({"os.rename", "os.link"})
_WRITES: Final = frozenset({"open", "write", "fsync", "os.rename", "os.link", "os.mkdir"})
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_RUN: Final = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")
_RANDOM: Final = re.compile(r"[0-9a-f]{8,}|(?<=\.)\d+(?=\.)")
_SERVICE: Final = "sandbox.db"
"""The service's own file, which dies with us only since it is embedded."""
_write, _fsync, _fdopen = os.write, os.fsync, os.fdopen
"""As they are: children stand in for those of ``os``."""


@dataclass(slots=True, kw_only=True)
class Death:
    """What a child counts, and the event at which it dies."""

    folder: Path
    log: int
    at: int
    half: bool
    error: int = 0
    """Where given nobody dies: from that event on every step with a file fails with this errno."""
    drafts: set[str] = field(default_factory=set)
    numbers: "count[int]" = field(default_factory=lambda: count(1))
    ended: bool = False

    def event(self, kind: str, what: str, *, half: Callable[[], object] | None = None) -> None:
        """Count one event before it happens; die here if this is the one."""
        if self.ended:
            return
        number = next(self.numbers)
        told = [number, kind, _RANDOM.sub("*", _RUN.sub("RUN", what)), half is not None]
        _write(self.log, orjson.dumps(told) + b"\n")
        if self.error:
            if self.at <= number and kind in _WRITES:
                raise OSError(self.error, os.strerror(self.error))
        elif number == self.at:
            self.ended = True
            if self.half and half:
                half()
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)

    def ours(self, path: object) -> str:
        """Return a path below the folder as a text; empty where it is not ours."""
        if not isinstance(path, str | os.PathLike):
            return ""
        text = str(Path(path).absolute())
        mine = text.startswith(f"{self.folder}/") and _SERVICE not in text
        return text.removeprefix(f"{self.folder}/") if mine else ""

    # ------------------------------------------------------------ the disk

    def audit(self, name: str, args: tuple[Any, ...]) -> None:
        """See every file that is opened to be written, renamed, linked, removed or cut."""
        if name == "open" and isinstance(args[2], int) and args[2] & _WRITING:
            if path := self.ours(args[0]):
                self.event("open", path)
        elif name in _TWO_PATHS:
            if path := self.ours(args[1]):
                source = Path(args[0])
                whole = source.name in self.drafts or not source.name.startswith(".")
                self.event(name, path, half=None if whole else lambda: _tear(source))
        elif name in _ONE_PATH and (path := self.ours(args[0])) and _changes(name, args[0]):
            self.event(name, path)

    def write(self, handle: int, data: Any) -> int:
        """Stand for ``os.write``."""
        if path := self.ours(_path(handle)):
            part = bytes(data)[: len(data) // 2]
            self.event("write", path, half=lambda: _write(handle, part))
        return _write(handle, data)

    def fsync(self, handle: int) -> None:
        """Stand for ``os.fsync``."""
        if path := self.ours(_path(handle)):
            self.event("fsync", path)
        _fsync(handle)

    def fdopen(self, handle: int, mode: str = "r", *more: Any, **how: Any) -> Any:
        """Stand for ``os.fdopen``: what is written goes through ``write``, unbuffered."""
        file = _fdopen(handle, mode, *more, **how)
        path = self.ours(_path(handle))
        if "b" not in mode or "w" not in mode or not path:
            return file
        self.drafts.add(Path(path).name)
        return _Plain(file=file, death=self)

    # ------------------------------------------------------------ the service

    def requests(self, kind: type[httpx.BaseTransport], wire: int) -> None:
        """See every request before it is sent, and after its effect before anybody is told."""
        ask = kind.handle_request

        def handle_request(inner: httpx.BaseTransport, request: httpx.Request) -> httpx.Response:
            what = f"{request.method} {request.url.path}"
            self.event("request", what)
            response = ask(inner, request)
            if response.status_code < httpx.codes.BAD_REQUEST:
                told = {"what": what, "body": request.content.decode()}
                _write(wire, orjson.dumps(told) + b"\n")
            self.event("answer", what)
            return response

        kind.handle_request = handle_request  # type: ignore[assignment, method-assign] # in this child


@dataclass(slots=True, kw_only=True)
class _Plain:
    """An open file whose every write is an event."""

    file: IO[bytes]
    death: Death

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def write(self, data: bytes) -> int:
        return self.death.write(self.file.fileno(), data)

    def flush(self) -> None:
        self.file.flush()

    def fileno(self) -> int:
        return self.file.fileno()


def _tear(path: Path) -> None:
    """Leave of a file what the engine had written halfway."""
    os.truncate(path, path.stat().st_size // 2)


def _changes(name: str, path: str) -> bool:
    """Tell whether a call does anything: what is there is not made, what is not is not removed."""
    return (name == "os.mkdir") != Path(path).exists()


def _path(handle: int) -> str:
    return str(Path(f"/proc/self/fd/{handle}").readlink())


def _child(order: dict[str, Any]) -> None:
    """Run the program once, as ordered; never returns."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    log, wire, out, err = (
        os.open(order[name], flags, 0o600) for name in ("log", "wire", "out", "err")
    )
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    how = {name: order[name] for name in ("at", "half", "error")}
    death = Death(folder=Path(order["folder"]), log=log, **how)
    os.write, os.fsync, os.fdopen = death.write, death.fsync, death.fdopen  # type: ignore[assignment]
    if not order["side_by_side"]:
        side_by_side.SHARE = 1  # type: ignore[misc] # so that events have one order
    death.requests(httpx.WSGITransport, wire)
    death.requests(httpx.HTTPTransport, wire)
    sys.addaudithook(death.audit)
    code = main(order["words"])
    death.event("end", "of the run")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _serve() -> None:
    for verb in ("apply", "plan"):
        import_module(f"reconciler.commands.{verb}")
    object.__setattr__(model.LISTS, "batch", 2)  # it is frozen; so two contacts fill a batch
    email_validator.validate_email("a@example.com", check_deliverability=False)
    phonenumbers.is_valid_number(phonenumbers.parse("+12125550100"))
    gc.collect()
    gc.freeze()
    for line in sys.stdin.buffer:
        child = os.fork()
        if not child:
            _child(orjson.loads(line))
        _, status = os.waitpid(child, 0)
        ended = {"code": os.waitstatus_to_exitcode(status)}
        _write(1, orjson.dumps(ended) + b"\n")
    os._exit(0)


if __name__ == "__main__":
    _serve()
