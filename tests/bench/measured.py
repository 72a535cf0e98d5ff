"""Processes timed from outside: wall time and peak memory of each, and medians of several.

This process must stay small: a child's peak counts from what its parent held when it was made.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
"""The checkout."""
PYTHON: Final = sys.executable
PROGRAM: Final = Path(sys.executable).with_name("reconciler")

_QUICK: Final = 60.0
"""Seconds a pair of runs may take to be run three times."""
_CALM: Final = 0.5
"""Load below which nothing else is running."""


class BenchError(Exception):
    """A measurement that means nothing, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """What a piece of work took."""

    seconds: float
    peak: float = 0.0
    """Megabytes (10**6 bytes) that its largest process held at most."""

    def __str__(self) -> str:
        seconds = f"{self.seconds:.3g} s" if self.seconds < 100 else f"{self.seconds:,.0f} s"
        return f"{seconds}, {self.peak:,.0f} MB" if self.peak else seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One process, from its start to its end."""

    took: Took
    out: bytes
    err: bytes


def run(
    words: Sequence[str | Path],
    *,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    into: Path | None = None,
) -> Ran:
    """Run a program to its end.

    Args:
        words: the command line.
        cwd: where it runs.
        env: variables on top of a clean environment.
        into: a file for its standard output, which is returned otherwise.

    Raises:
        BenchError: it failed.
    """
    with ExitStack() as files:
        err, out = files.enter_context(TemporaryFile()), files.enter_context(TemporaryFile())
        out = files.enter_context(into.open("w+b")) if into else out
        start = time.perf_counter()
        child = subprocess.Popen(  # noqa: S603 - programs of ours, and sort
            [str(word) for word in words],
            cwd=cwd,
            env=clean() | dict(env or {}),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        said, told = b"" if into else _read(out), _read(err)
    if child.returncode:
        tail = (told[-2000:] or said[-2000:]).decode(errors="replace")
        raise BenchError(f"{words[0]} … ended with {child.returncode}:\n{tail}")
    return Ran(took=Took(seconds=seconds, peak=usage.ru_maxrss * 1024 / 1e6), out=said, err=told)


def _read(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


def module(name: str, *words: str | Path, **how: Any) -> Ran:
    """Run a module beside this one, in a process of its own."""
    return run([PYTHON, "-m", f"tests.bench.{name}", *words], **how)


def clean() -> dict[str, str]:
    """Return this environment without settings of the product, in the locale of plain bytes."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RECONCILER_")}
    return kept | {"LC_ALL": "C.UTF-8"}


def together(*parts: Took) -> Took:
    """Return what pieces of work took that ran one after another."""
    return Took(seconds=sum(part.seconds for part in parts), peak=max(part.peak for part in parts))


def median(runs: Sequence[Took]) -> Took:
    """Return the median time, and the highest peak."""
    return Took(
        seconds=statistics.median(each.seconds for each in runs),
        peak=max(each.peak for each in runs),
    )


def alternately(
    first: Callable[[], Took], second: Callable[[], Took], *, times: int = 0
) -> tuple[Took, Took]:
    """Run two kinds of work by turns, so that neither has the better moment.

    Args:
        first: runs ours once.
        second: runs what it is held against once.
        times: how often; three times if one pair is quick, else once.
    """
    calm()
    ours, theirs = [first()], [second()]
    times = times or (3 if ours[0].seconds + theirs[0].seconds < _QUICK else 1)
    for _ in range(times - 1):
        ours.append(first())
        theirs.append(second())
    return median(ours), median(theirs)


def calm() -> None:
    """Warn where something else is running, which makes every number worthless."""
    load = os.getloadavg()[0]
    if load > _CALM:
        say(f"load {load:.2f} before this one (of work just done here, or of something else)")


def say(text: str) -> None:
    """Tell whoever watches."""
    print(time.strftime("%H:%M:%S", time.gmtime()), text, file=sys.stderr, flush=True)  # noqa: T201


def warm(*paths: Path) -> None:
    """Read files once, so that both sides find them in memory."""
    for path in paths:
        with path.open("rb", buffering=0) as file:
            while file.read(1 << 20):
                pass
