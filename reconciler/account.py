"""Everything that is known of one run: its lines in the ledger, its documents, its artifacts.

It says of each artifact whether it is there, was pruned, or is missing; whether it is unaltered is
for verifying to say. It reads and never writes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from reconciler import chronicle, holds, papers
from reconciler.artifacts import kept
from reconciler.chronicle import TABLES, Line
from reconciler.holds import Hold
from reconciler.papers import Papers
from reconciler.retention import Shelves, named_before

Presence: TypeAlias = Literal["there", "pruned", "not here", "missing", "not in the ledger"]
"""``not here`` is said of a table with addresses, which only the machine of its run has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One file that a run left."""

    name: str
    """Below the folder of its run."""
    digest: str
    presence: Presence


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One run."""

    run: str
    line: Line
    """Its last line; where it has none yet, the newest of those on its way."""
    lines: tuple[Line, ...]
    """All of them, in their order."""
    papers: Papers
    artifacts: tuple[Artifact, ...]
    holds: tuple[Hold, ...]
    """Those in force that it is under."""


def account(shelves: Shelves, told: Sequence[Line], run: str) -> Account:
    """Gather what is known of a run.

    Args:
        shelves: where artifacts stand.
        told: the whole ledger.
        run: the id of one that it tells of.
    """
    of = chronicle.with_lists(shelves.store, chronicle.of_run(told, run))
    last = chronicle.with_origin(
        shelves.store, next((line for line in reversed(of) if line.last), of[-1])
    )
    return Account(
        run=run,
        line=last,
        lines=of,
        papers=papers.papers(shelves.store, last),
        artifacts=_artifacts(shelves, told, last),
        holds=tuple(hold for hold in holds.in_force(told) if hold.scope.covers(of)),
    )


def _artifacts(shelves: Shelves, told: Sequence[Line], line: Line) -> tuple[Artifact, ...]:
    there, gone = shelves.of_run(line.run), named_before(told)

    def presence(name: str) -> Presence:
        if name in there:
            return "there" if name in line.artifacts else "not in the ledger"
        if kept(line.run, name) in gone:
            return "pruned"
        return "not here" if name.startswith(TABLES) else "missing"

    return tuple(
        Artifact(name=name, digest=line.artifacts.get(name, ""), presence=presence(name))
        for name in sorted(there | line.artifacts.keys())
    )
