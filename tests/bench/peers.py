"""Measurements against octoDNS, and of what must stay small: start-up, the examples."""

import json
import shutil
import subprocess
from pathlib import Path

from .bench import Bench, right
from .lines import Line
from .measured import PROGRAM, PYTHON, ROOT, BenchError, Took, alternately, clean, run, say
from .mix import counted
from .workplace import BIG, Workplace

OCTODNS = "octodns==1.22.*"
_ZONE = "bench.example."
_CONFIG = """\
providers:
  ours: {class: octodns.provider.yaml.YamlProvider, directory: ./ours, enforce_order: false}
  theirs: {class: octodns.provider.yaml.YamlProvider, directory: ./theirs, enforce_order: false}
zones:
  bench.example.: {sources: [ours], targets: [theirs]}
"""


def octodns(bench: Bench) -> Line:
    """A plan without any cache, its list read over loopback, against octoDNS's own plan."""
    place, records = _unread(bench), bench.records
    place.declare(BIG, bench.data(records)["desired.csv"])
    return _against_octodns(bench, place, f"plan {counted(records)} contacts, CSV, nothing cached")


def octodns_inline(bench: Bench) -> Line:
    """The same with all contacts inline in the spec's YAML."""
    place, records = _unread(bench), bench.records
    place.declare(BIG, _inline(bench.data(records)["desired.txt"]))
    return _against_octodns(bench, place, f"the same, {counted(records)} inline in YAML")


def _unread(bench: Bench) -> Workplace:
    bench.desk.lists({BIG: bench.data(bench.records)["pages.json"]})
    return bench.place("octodns-ours")


def _inline(normalised: Path) -> str:
    """Write contacts as a person would, one a line."""
    lines = ["  contacts:\n"]
    for line in normalised.read_text(encoding="utf-8").splitlines():
        address, reason, _ = line.split("\t")
        key = "email" if "@" in address else "phoneNumber"
        lines.append(f'    - {{{key}: "{address}", reason: {reason}}}\n')
    return "".join(lines)


def _against_octodns(bench: Bench, place: Workplace, work: str) -> Line:
    program, zone = _installed(bench.work / "octodns-venv"), bench.work / "octodns"
    _zone(zone, bench.records)

    def ours() -> Took:
        place.forget()
        ran, counts = place.plan(BIG)
        if "inline" not in work:
            right(json.loads(ran.out), bench.data(bench.records).facts)
        say(f"{work}: {ran.took}; {counts['suppress']:,} to suppress")
        return ran.took

    def theirs() -> Took:
        ran = run([program, "--config-file", zone / "config.yaml"], cwd=zone)
        told = (ran.err + ran.out).decode()
        if "Create" not in told or "Update" not in told:
            raise BenchError(f"octoDNS planned nothing:\n{told[-500:]}")
        say(f"octoDNS: {ran.took}")
        return ran.took

    took, other = alternately(ours, theirs)
    return Line(
        work=work,
        ours=took,
        against=f"octoDNS 1.22 planning {counted(bench.records)} records, YAML to YAML",
        theirs=other,
        goal="≤ 1/20, peak ≤ 1/2",
        reached=20 * took.seconds <= other.seconds and 2 * took.peak <= other.peak,
    )


def _installed(folder: Path) -> Path:
    """Return ``octodns-sync``, installed into an environment of its own."""
    program = folder / "bin" / "octodns-sync"
    if not program.exists():
        say(f"installing {OCTODNS}")
        pip = folder / "bin" / "pip"
        for words in ([PYTHON, "-m", "venv", str(folder)], [str(pip), "install", "-q", OCTODNS]):
            subprocess.run(words, check=True, env=clean())  # noqa: S603 - Python and its pip
    return program


def _zone(folder: Path, records: int) -> None:
    """Write a zone twice: 2 % missing from the one, 2 % from the other, 3 % different."""
    shutil.rmtree(folder, ignore_errors=True)
    for side in ("ours", "theirs"):
        (folder / side).mkdir(parents=True)
        with (folder / side / f"{_ZONE}yaml").open("w", encoding="utf-8") as file:
            file.write("---\n")
            for number in range(records + records // 50):
                if number % 51 == (0 if side == "ours" else 1):
                    continue
                last = 2 if side == "ours" and number % 33 == 2 else 1
                value = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{last}"
                file.write(f"r{number:07}:\n  ttl: 300\n  type: A\n  value: {value}\n")
    (folder / "config.yaml").write_text(_CONFIG, encoding="utf-8")


def startup(bench: Bench) -> Line:
    """``--version`` against an interpreter that does nothing."""
    took, bare = alternately(
        lambda: run([PROGRAM, "--version"], cwd=bench.work).took,
        lambda: run([PYTHON, "-c", "pass"], cwd=bench.work).took,
        times=11,
    )
    more = took.seconds - bare.seconds
    return Line(
        work="`reconciler --version`",
        ours=took,
        against="`python -c pass`",
        theirs=bare,
        goal="≤ + 0.15 s",
        reached=more <= 0.15,
        figure=f"{more:+.3f} s",
    )


def small(bench: Bench) -> Line:
    """``plan`` of the example specs on the embedded sandbox against its two largest imports."""
    folder = bench.work / "small"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "specs", folder / "specs")
    place = Workplace(folder=folder)
    took, bare = alternately(
        lambda: place.reconciler("plan").took,
        lambda: run([PYTHON, "-c", "import duckdb, httpx"], cwd=folder).took,
        times=5,
    )
    return Line(
        work="`plan` of the example specs on the embedded sandbox",
        ours=took,
        against="`python -c 'import duckdb, httpx'`",
        theirs=bare,
        goal="≤ 5 times",
        reached=took.seconds <= 5 * bare.seconds,
    )
