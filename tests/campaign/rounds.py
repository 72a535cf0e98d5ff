"""Which mishap befalls which request, how they share runs, and what came of each.

Lists do not depend on each other, so one run takes a mishap on each of them, or more to save
time; one that reaches all of a run (the token, an outage) has it to itself, and so has each of a
run where anything was lost. A mishap that never came to pass, because
another ended its list first, is tried again; only those that came to pass are counted. It decides
nothing about what is right.
"""

import shutil
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Final

from between import Asked, Mishap
from ingredients import Fault
from judgement import unfinished, untrue
from trials import Scale, Trial, copied, template

APPLY: Final = ("apply", "--auto-approve")
PLAN: Final = ("plan", "--detailed-exitcode")
_PATIENCE: Final = 6
"""How often a mishap is tried in company; then it gets a run to itself."""

Pair = tuple[Asked, Fault]


@dataclass(slots=True, kw_only=True)
class Tally:
    """What a campaign came to."""

    pairs: int = 0
    runs: int = 0
    losses: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.pairs:,} (request, fault) pairs, {len(self.losses):,} lost"


class Ground:
    """A folder with the reference, and the requests of its undisturbed run."""

    def __init__(
        self, folder: Path, scale: Scale, *, seasoned: bool = True, at_once: int = 1
    ) -> None:
        self._folder = folder
        self._numbers = count()
        self.reference = template(folder / "reference", scale, seasoned=seasoned, at_once=at_once)
        trial = self.trial()
        ran, between = trial.run(*APPLY)
        assert [] == unfinished(trial) + untrue(trial, ran, between)
        self.requests = tuple(sorted(between.seen))

    def trial(self) -> Trial:
        """Return a fresh copy of the reference."""
        return copied(self.reference, self._folder / f"trial-{next(self._numbers)}")

    def campaign(self, pairs: Iterable[Pair], *, together: int = 1) -> Tally:
        """Let every pair happen, and judge every run.

        Args:
            pairs: what befalls which request.
            together: how many a list may have in one run.
        """
        tally, waiting = Tally(), deque((pair, 0) for pair in pairs)
        while waiting:
            chosen = _company(waiting, together)
            mishaps = [mishap(*pair) for pair, _ in chosen]
            happened, problems = self.tried(mishaps)
            told = " and ".join(map(str, mishaps))
            tally.runs += 1
            if problems and len(chosen) > 1:
                waiting.extendleft((pair, _PATIENCE) for pair, _ in reversed(chosen))
                continue
            tally.losses += [f"{told}: {problem}" for problem in problems]
            tally.pairs += len(happened)
            for at, (pair, tries) in enumerate(chosen):
                if at not in happened:
                    assert len(chosen) > 1, f"{told} never came to pass"
                    waiting.append((pair, tries + 1))
        return tally

    def tried(
        self, *several: Sequence[Mishap], skew: timedelta = timedelta()
    ) -> tuple[set[int], list[str]]:
        """Run with mishaps, as often as there are sequences of them, then run again without.

        Args:
            several: what befalls each run.
            skew: the service's clock less ours, all along.

        Returns:
            Which of the first mishaps came to pass, and everything that is not as it must be.
        """
        trial = self.trial()
        trial.skew = skew
        happened: set[int] = set()
        problems: list[str] = []
        try:
            for number, mishaps in enumerate(several):
                ran, between = trial.run(*APPLY, mishaps=mishaps)
                happened = happened if number else between.happened
                problems += [f"{each} [{ran.code}]" for each in untrue(trial, ran, between)]
                trial.hours.pass_by(60)
            problems += _again(trial)
        except AssertionError as error:
            problems.append(str(error))
        finally:
            shutil.rmtree(trial.place.folder)
        return happened, problems


def _again(trial: Trial) -> list[str]:
    """Run again without mishaps, and plan once more."""
    ran, between = trial.run(*APPLY)
    problems = [f"again: {each}" for each in untrue(trial, ran, between) + unfinished(trial)]
    if ran.code:
        problems.append(f"again: it ended with {ran.code}: {ran.err[-300:]}")
    third, _ = trial.run(*PLAN)
    if third.code:
        problems.append(f"the third plan is not empty ({third.code}): {third.out[-300:]}")
    return problems


def mishap(asked: Asked, fault: Fault) -> Mishap:
    """Return a fault bound to a request."""
    return Mishap(at=asked, does=fault.does, span=fault.span, name=fault.name)


def _company(waiting: deque[tuple[Pair, int]], together: int) -> list[tuple[Pair, int]]:
    """Take the first that waits, and what can share a run with it."""
    chosen = [waiting.popleft()]
    if not _sociable(chosen[0]):
        return chosen
    places = {chosen[0][0][0]}
    for each in tuple(waiting):
        asked = each[0][0]
        full = sum(place.key == asked.key for place in places) >= together
        if _sociable(each) and not full and asked not in places:
            waiting.remove(each)
            chosen.append(each)
            places.add(asked)
    return chosen


def _sociable(waiting: tuple[Pair, int]) -> bool:
    (asked, fault), tries = waiting
    return asked.kind != "token" and fault.span != "all" and tries < _PATIENCE


def all_pairs(requests: Sequence[Asked], faults: Sequence[Fault]) -> list[Pair]:
    """Return every fault at every request that it can befall."""
    return [(asked, fault) for asked in requests for fault in faults if asked.kind in fault.kinds]


def every_kind(requests: Sequence[Asked], faults: Sequence[Fault]) -> list[Pair]:
    """Return every fault at every kind of request, spread evenly over requests and lists."""
    return _spread(requests, [(fault, (kind,)) for fault in faults for kind in fault.kinds])


def rotating(requests: Sequence[Asked], faults: Sequence[Fault]) -> list[Pair]:
    """Return every fault at one request, spread evenly, so that every request has one."""
    return _spread(requests, [(fault, fault.kinds) for fault in faults])


def _spread(
    requests: Sequence[Asked], wanted: Sequence[tuple[Fault, tuple[str, ...]]]
) -> list[Pair]:
    used, busy = Counter[Asked](), Counter[str]()
    sizes = Counter(one.key for one in requests)
    pairs = []
    for fault, kinds in sorted(wanted, key=lambda each: len(each[1])):
        fit = (one for one in requests if one.kind in kinds)
        asked = min(fit, key=lambda one: (used[one], busy[one.key] / sizes[one.key]))
        used[asked] += 1
        busy[asked.key] += 1
        pairs.append((asked, fault))
    return pairs
