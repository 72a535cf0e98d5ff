"""What all measurements of one run share: the work folder, the service, the data, what is known.

It measures the one thing that several of them need, a plan against a filled cache.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .measured import BenchError, Took, module, run, say, together, warm
from .mix import Mix, counted
from .workplace import BIG, SECRETS, Data, Desk, Workplace, learn, workplace

KEPT = ("data", "octodns-venv")
"""What another run uses again, below the work folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """One run of the measuring program."""

    work: Path
    """Where data are kept from run to run, and everything else is made anew."""
    desk: Desk
    mix: Mix
    """Of the largest measurement; others have the same mix in another size."""
    small: int
    """Rows of what is measured in a smaller size."""
    growth: tuple[int, ...]
    records: int
    lists: int
    primed: dict[int, Workplace] = field(default_factory=dict)
    colds: dict[int, Took] = field(default_factory=dict)
    """What cold plans took that this run has measured already, by rows."""

    def data(self, rows: int) -> Data:
        """Return the data of the mix in this size."""
        mix = replace(self.mix, rows=rows)
        return Data(folder=self.work / "data" / mix.name, mix=mix)

    def tidy(self) -> None:
        """Remove all but the data and octoDNS."""
        for path in self.work.iterdir():
            if path.is_dir() and path.name not in KEPT:
                shutil.rmtree(path)

    def place(self, name: str) -> Workplace:
        """Make an empty workplace."""
        return workplace(self.work / name, self.desk)

    def cached(self, rows: int) -> Workplace:
        """Return a workplace whose cache holds the observed list, and nothing of the desired one.

        A small, real apply shows the product that the tenant moves its versions; then its own
        functions read the list over loopback and remember it.
        """
        if rows not in self.primed:
            data, place = self.data(rows), self.place(f"plan-{rows}")
            data.make("desired.csv", "pages.json", "facts.json")
            learn(place, self.desk)
            self.desk.lists({BIG: data["pages.json"]})
            place.declare(BIG, data["desired.csv"])
            say(f"filling the cache with {counted(rows)} observed contacts")
            module("library", place.folder / "specs", BIG, env=SECRETS)
            place.state.rename(place.folder / "primed")
            self.primed[rows] = place
        self.desk.lists({BIG: self.data(rows)["pages.json"]})
        return self.primed[rows]

    def cold(self, rows: int) -> Took:
        """Plan with the observed table cached and the desired one not, and hold it to the facts."""
        place = self.cached(rows)
        place.again(place.folder / "primed")
        warm(self.data(rows)["desired.csv"], *(place.state / "cache").iterdir())
        ran, counts = place.plan(BIG)
        right(json.loads(ran.out), self.data(rows).facts)
        say(f"plan of {counted(rows)}: {ran.took}; {counts['suppress']:,} to suppress")
        return ran.took

    def sorted(self, rows: int) -> Took:
        """Sort and join the normalised rows of the same data with GNU's tools."""
        data = self.data(rows)
        data.make("desired.txt", "observed.txt")
        sides = data["desired.txt"], data["observed.txt"]
        warm(*sides)
        made = [self.work / "desired.sorted", self.work / "observed.sorted"]
        parts = [
            run(
                ["sort", "--parallel=2", "-S", "1G", "-T", self.work, "-o", out, side],
                cwd=self.work,
                env={"LC_ALL": "C"},
            ).took
            for side, out in zip(sides, made, strict=True)
        ]
        joined = self.work / "joined"
        words: list[str | Path] = ["join", "-t", "\t", "-a", "1", "-a", "2", *made]
        parts.append(run(words, cwd=self.work, env={"LC_ALL": "C"}, into=joined).took)
        for path in (*made, joined):
            path.unlink()
        say(f"sort and join of {counted(rows)}: {together(*parts)}")
        return together(*parts)


def right(document: Mapping[str, Any], facts: Mapping[str, int]) -> None:
    """See to it that a plan that was timed is the right one.

    Raises:
        BenchError: it is not.
    """
    listed = document["lists"][0]
    counts, declared = listed["counts"], listed["declared"]
    seen = {
        "missing": counts["suppress"],
        "differing": counts["amend"],
        "surplus": counts["surplus"],
        "merged": declared["merged"],
        "invalid": declared["invalid"],
    }
    expected = {
        "missing": facts["missing"],
        "differing": facts["extended"] + facts["recoded"],
        "surplus": facts["missing"],
        "merged": facts["merged"],
        "invalid": facts["invalid"],
    }
    if seen != expected:
        raise BenchError(f"a wrong plan: expected {expected}, saw {seen}")
