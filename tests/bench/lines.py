"""What was measured as lines of a Markdown table, with the versions it was measured with."""

import os
import platform
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from .measured import Took
from .mix import Mix

PACKAGES: Final = ("duckdb", "pyarrow", "httpx", "orjson", "phonenumbers", "email-validator")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One measurement and what it is held against."""

    work: str
    ours: Took
    against: str
    theirs: Took
    goal: str
    reached: bool
    figure: str = ""
    """What the goal speaks of, where that is not the ratio of the times."""
    note: str = ""

    @property
    def ratio(self) -> float:
        """Our time in theirs."""
        return self.ours.seconds / self.theirs.seconds


def table(lines: Iterable[Line]) -> str:
    """Return the lines as a Markdown table, notes below."""
    rows = [
        "| work | took | against | took | comes to | to reach | |",
        "|---|---|---|---|---|---|---|",
    ]
    notes = []
    for line in lines:
        cells = (line.work, line.ours, line.against, line.theirs)
        figure = line.figure or spelled(line.ratio)
        told = "reached" if line.reached else "**missed**"
        rows.append(f"| {' | '.join(map(str, cells))} | {figure} | {line.goal} | {told} |")
        notes += [f"- {line.work}: {line.note}"] * bool(line.note)
    return "\n".join([*rows, "", *notes])


def spelled(ratio: float) -> str:
    """Write a ratio; a small one as a fraction."""
    return f"{ratio:.2f} times" if ratio > 0.5 else f"1/{1 / ratio:.1f}"


def versions(mix: Mix) -> str:
    """Return what was measured with, on what and with which data, as one paragraph."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    sort = subprocess.run(["sort", "--version"], capture_output=True, text=True, check=True)  # noqa: S607 - GNU's
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    others = f" Phones of +{mix.code} only." if mix.code else ""
    return (
        f"Python {platform.python_version()}, {packages}, {sort.stdout.splitlines()[0]};"
        f" {os.cpu_count()} cores ({_processor()}), {memory:.0f} GB, engine's limit 1 GB,"
        f" {platform.system()} {platform.release()}.\n"
        f"Data: seed {mix.seed}, {1 - mix.email:.0%} phones and {mix.email:.0%} emails in messy"
        f" spelling, {mix.duplicates:.0%} of them twice, {mix.invalid:.0%} invalid rows beside"
        f" them, {mix.differing:.0%} differing; CSV {mix.csv}.{others}"
    )


def _processor() -> str:
    """Return the processor's name."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line)
    return next(names, platform.machine())
