"""Measurements of plans: cold, in plain Python, unchanged, growing."""

import json

from .bench import Bench
from .lines import Line, spelled
from .measured import BenchError, Took, alternately, median, module, warm
from .mix import counted
from .workplace import BIG, requests

LIMIT = 1_000.0
"""The engine's limit, in megabytes."""


def plan_cold(bench: Bench) -> Line:
    """A plan whose desired side is new, against sorting and joining the same rows."""
    rows = bench.mix.rows
    ours, theirs = alternately(lambda: bench.cold(rows), lambda: bench.sorted(rows))
    bench.colds[rows] = ours
    return Line(
        work=f"plan, {counted(rows)} CSV against {counted(rows)} cached, cold desired",
        ours=ours,
        against="`LC_ALL=C sort --parallel=2 -S 1G` of both sides, normalised, and `join`",
        theirs=theirs,
        goal="≤ 1.2 times, ≤ 1.5 GB",
        reached=ours.seconds <= 1.2 * theirs.seconds and ours.peak <= 1_500,
    )


def plan_python(bench: Bench) -> Line:
    """The same in a smaller size against a loop in plain Python."""
    rows = bench.small
    ours, theirs = alternately(lambda: bench.cold(rows), lambda: _plain(bench, rows))
    return Line(
        work=f"the same, {counted(rows)}",
        ours=ours,
        against="plain Python with `phonenumbers`, `email-validator` and dicts",
        theirs=theirs,
        goal="≤ 1/15",
        reached=15 * ours.seconds <= theirs.seconds,
    )


def _plain(bench: Bench, rows: int) -> Took:
    data = bench.data(rows)
    data.make("desired.csv", "observed.txt")
    warm(data["desired.csv"], data["observed.txt"])
    ran = module("plain", data["desired.csv"], data["observed.txt"])
    seen, facts = json.loads(ran.out), data.facts
    expected = {
        "suppress": facts["missing"],
        "amend": facts["extended"] + facts["recoded"],
        "merged": facts["merged"],
        "invalid": facts["invalid"],
        "surplus": facts["missing"],
    }
    if seen != expected:
        raise BenchError(f"plain Python counts wrong: expected {expected}, saw {seen}")
    return ran.took


def plan_unchanged(bench: Bench) -> Line:
    """The plan made again with nothing changed, against the one that was cold."""
    rows = bench.mix.rows
    cold = bench.cold(rows)
    theirs = bench.colds.setdefault(rows, cold)
    bench.desk.notes()
    place = bench.primed[rows]
    runs = [place.plan(BIG)[0].took for _ in range(3)]
    asked = requests(bench.desk)
    ours = median(runs)
    once = asked.total() == len(runs)
    kinds = ", ".join(f"{count / len(runs):g} {kind}" for kind, count in asked.items())
    return Line(
        work=f"plan, {counted(rows)} against {counted(rows)}, again, nothing changed",
        ours=ours,
        against="the first row of this table",
        theirs=theirs,
        goal="≤ 1/10, one request a list",
        reached=10 * ours.seconds <= theirs.seconds and once,
        figure=f"{spelled(ours.seconds / theirs.seconds)}; requests: {kinds}",
    )


def growth(bench: Bench) -> Line:
    """Cold plans of several sizes against the smallest in proportion."""
    took = {rows: bench.colds.get(rows) or bench.cold(rows) for rows in bench.growth}
    least = min(took)
    factors = {
        rows: each.seconds / took[least].seconds * least / rows for rows, each in took.items()
    }
    largest = max(took)
    peak = max(each.peak for each in took.values())
    return Line(
        work=f"growth: {' → '.join(map(counted, took))}",
        ours=took[largest],
        against=f"{counted(least)}, in proportion",
        theirs=Took(seconds=took[least].seconds * largest / least, peak=took[least].peak),
        goal="≤ 1.15 times linear, ≤ 1.5 GB",
        reached=max(factors.values()) <= 1.15 and peak <= LIMIT + 500,
        note="; ".join(f"{counted(rows)}: {each}" for rows, each in took.items()),
    )
