"""Runs of any age in a state directory, with their artifacts and their lines in the ledger.

They did nothing and asked nobody: what is written is as large as a test needs it.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from builders import NOW
from reconciler import artifacts, chronicle, holds, ledger, retention
from reconciler.artifacts import Run
from reconciler.chronicle import Line
from reconciler.holds import Hold, Scope
from reconciler.retention import Ages, Doomed, Pruning, Shelves
from reconciler.store import DirectoryStore, Store
from worlds import running

OUTCOME = {
    "key": "us-dnc",
    "action": "Suppress",
    "op": "suppress",
    "batch": 1,
    "first": 0,
    "last": 2,
    "rows": 3,
    "taken": 2,
    "status": "partly",
    "rejections": [{"row": 1, "field": "phone", "code": "BAD", "message": "no"}],
    "lapsed": 0,
    "lapse_after": None,
    "changed": [],
    "smallest": None,
    "detail": "",
    "exit_code": 6,
}
"""One batch as a receipt tells of it."""


@dataclass(slots=True, kw_only=True)
class Yard:
    """A state directory, a store that may be elsewhere, and the time."""

    state: Path
    elsewhere: Path | None = None
    time: datetime = NOW

    @property
    def store(self) -> Store:
        """Where evidence outlives a run."""
        return DirectoryStore(self.elsewhere or self.state)

    @property
    def told(self) -> tuple[Line, ...]:
        """The whole ledger."""
        return chronicle.lines(self.store)

    @property
    def shelves(self) -> Shelves:
        """Both places of artifacts."""
        return Shelves(store=self.store, state=self.state)

    def run(
        self,
        *lists: str,
        command: str = "apply",
        applied: bool = True,
        tables: bool = True,
        outcome: str = "done",
        more: Mapping[str, object] | None = None,
        over: bool = True,
    ) -> str:
        """Let a run over these lists leave what it leaves, and return its id."""
        with self.running(command) as run:
            run.write("report.md", b"so it went\n")
            for name, content in (more or {}).items():
                run.write(name, content)
            if applied:
                run.write("receipt.json", {"outcomes": [OUTCOME]})
            for key in lists if tables else ():
                (run.tables(key) / "gap.parquet").write_bytes(b"whom")
            if over:
                run.keep()
                ledger.append(
                    run, outcome=outcome, exit_code=0, lists=dict.fromkeys(lists, "7f3e2c")
                )
            return run.id

    def hold(self, scope: Scope, *, reason: str = "LEGAL-1") -> Hold:
        """Place a hold."""
        with self.running("audit hold add") as run:
            made = holds.place(run, scope, reason=reason)
            ledger.append(run, outcome="done", exit_code=0)
            return made

    def release(self, hold: Hold) -> Hold:
        """Take one back."""
        with self.running("audit hold release") as run:
            made = holds.release(run, hold.id, reason="settled")
            ledger.append(run, outcome="done", exit_code=0)
            return made

    def doomed(self, evidence: str | None, tables: str | None = "P90D") -> Pruning:
        """Return what would go by now."""
        ages = Ages(evidence=evidence, tables=tables)
        there = self.shelves.there()
        return retention.doomed(retention.whole_story(self.store), there, ages=ages, now=self.time)

    def prune(self, evidence: str | None, tables: str | None = "P90D") -> Sequence[Doomed]:
        """Remove it."""
        made = self.doomed(evidence, tables)
        with self.running("audit prune") as run:
            gone = retention.prune(run, made, ages=Ages(evidence=evidence, tables=tables))
            ledger.append(run, outcome="done", exit_code=0)
            return gone

    def there(self) -> set[str]:
        """Return the names of all artifacts, as in the store."""
        found = self.shelves.there()
        return {artifacts.kept(run, name) for run, names in found.items() for name in names}

    def later(self, days: int) -> None:
        """Let time go by."""
        self.time += timedelta(days=days)

    @contextmanager
    def running(self, command: str) -> Iterator[Run]:
        """Open a run."""
        with running(folder=self.state, clock=lambda: self.time) as run:
            yield replace(run, command=command, store=self.store)
