"""The documents that a run left, as far as the ledger names them and they can be read.

It reads and never writes; what is not there, or is not what a run writes, is empty.
"""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from reconciler.artifacts import kept
from reconciler.chronicle import NOTHING, Line, document, with_origin
from reconciler.model import Outcome, Rejection, Status
from reconciler.store import Store
from reconciler.times import parse_time

_COUNTED: Final = ("receipt", "interrupted", "drift", "plan")
"""Documents that say how many; the first that a run has tells most."""
_AT_ONCE: Final = 8
"""Runs whose documents are read at a time: a bucket takes its time for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Papers:
    """The documents of one run; each is empty where it is not, or cannot be read."""

    head: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    """``run.json``."""
    receipt: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    drift: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    plan: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    interrupted: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    specs: Mapping[str, Any] = field(default_factory=lambda: NOTHING)

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """What became of each batch, as far as the receipt can be read."""
        try:
            return tuple(map(_outcome, self.receipt.get("outcomes", ())))
        except (AttributeError, KeyError, TypeError, ValueError):
            return ()


def papers(store: Store, line: Line) -> Papers:
    """Read the documents that a line names."""
    plan = () if line.applied else ("plan",)
    names = ("receipt", "drift", "interrupted", "specs", *plan)
    told = {name: _named(store, line, f"{name}.json") for name in names}
    return Papers(head=_named(store, line, "run.json"), **told)


def counted(store: Store, told: Iterable[Line]) -> list[tuple[Line, Papers | None]]:
    """Return lines with their origin and the one document that says how many, if any does."""
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return [*threads.map(lambda line: (with_origin(store, line), _counts(store, line)), told)]


def _counts(store: Store, line: Line) -> Papers | None:
    for name in _COUNTED:
        if f"{name}.json" in line.artifacts:
            return Papers(**{name: _named(store, line, f"{name}.json")})
    return Papers() if line.last else None


def _named(store: Store, line: Line, name: str) -> Mapping[str, Any]:
    return document(store, kept(line.run, name)) if name in line.artifacts else NOTHING


def _outcome(said: Mapping[str, Any]) -> Outcome:
    lapse_after = said["lapse_after"]
    read = {
        "status": Status(said["status"]),
        "rejections": tuple(Rejection(**each) for each in said["rejections"]),
        "changed": tuple(said["changed"]),
        "lapse_after": parse_time(lapse_after) if lapse_after else None,
    }
    return Outcome(**{**said, **read})
