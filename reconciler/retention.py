"""How long evidence is kept: what is old enough to go, what a hold keeps, and the removing itself.

Tables with addresses go first and sooner, the rest of a run's artifacts later, lines of the ledger
never. What is to be removed is written into the ledger before the first file goes. It never
touches a run that is not over, one that is under a hold, or the one that last applied a list, of
which only the tables go.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

from reconciler import chronicle, disk, ledger
from reconciler.artifacts import RUNS, Run, kept
from reconciler.chronicle import TABLES, Line
from reconciler.errors import EvidenceError
from reconciler.holds import Hold, in_force
from reconciler.regular import sha256
from reconciler.store import DirectoryStore, Store
from reconciler.times import add_duration

USUAL_TABLES: Final = "P90D"
"""The age at which tables with addresses go, unless another is given."""

Names = Mapping[str, frozenset[str]]
"""Names of artifacts, below the folder of their run, by run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ages:
    """From which age on what may go, as ISO 8601 durations; ``None`` keeps it."""

    evidence: str | None
    tables: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Doomed:
    """One artifact that is to be removed."""

    run: str
    name: str
    """Below the folder of its run."""
    digest: str
    """As the ledger names it; empty where no line does."""

    @property
    def kept(self) -> str:
        """Its name in the store."""
        return kept(self.run, self.name)

    @property
    def is_table(self) -> bool:
        """Whether it holds addresses."""
        return self.name.startswith(TABLES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruning:
    """What is to go, and what would but for a hold."""

    tables: tuple[Doomed, ...]
    evidence: tuple[Doomed, ...]
    left_over: tuple[Doomed, ...]
    """Named by an earlier pruning that did not come to its end."""
    held: Mapping[str, tuple[Hold, ...]]
    """The holds on runs that are old enough, by run."""
    spared: Mapping[str, tuple[str, ...]]
    """Lists of which a run that is old enough is the last that was applied, by run."""
    ended: Mapping[str, datetime]
    """When each of the runs of which something goes was over."""

    @property
    def all(self) -> tuple[Doomed, ...]:
        """Everything that goes, tables first."""
        all_of_it = (*self.tables, *self.left_over, *self.evidence)
        return tuple(sorted(all_of_it, key=lambda one: not one.is_table))


def doomed(
    told: Sequence[Line], there: Names, *, ages: Ages, now: datetime, living: Collection[str] = ()
) -> Pruning:
    """Decide what is to go.

    Args:
        told: the whole ledger.
        there: the artifacts that are there.
        ages: from which on they may go, counted from the end of their run.
        now: the time.
        living: runs that are under way, whatever the ledger says.

    Raises:
        EvidenceError: what is held is not known.
    """
    runs, last, named = _by_run(told), _last_applied(told), named_before(told)
    stays = in_force(told)
    over = [
        _over(runs[run], there[run], last=last.get(run, ()), named=named, ages=ages, now=now)
        for run in sorted(there.keys() & runs.keys() - set(living))
        if _ended(runs[run])
    ]
    held = {one.run: _holding(stays, runs[one.run]) for one in over if one.due or one.left_over}
    free = [one for one in over if held.get(one.run) == ()]
    return Pruning(
        tables=tuple(each for one in free for each in one.due if each.is_table),
        evidence=tuple(each for one in free for each in one.due if not each.is_table),
        left_over=tuple(each for one in free for each in one.left_over),
        held=MappingProxyType({run: by for run, by in held.items() if by}),
        spared=MappingProxyType({one.run: one.spared for one in over if one.spared}),
        ended=MappingProxyType({one.run: one.ended for one in free}),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Over:
    """A run that is over, and what of it is old enough to go."""

    run: str
    ended: datetime
    due: tuple[Doomed, ...]
    left_over: tuple[Doomed, ...]
    spared: tuple[str, ...]


def _over(
    of: Sequence[Line],
    names: Collection[str],
    *,
    last: tuple[str, ...],
    named: Collection[str],
    ages: Ages,
    now: datetime,
) -> _Over:
    """Judge one run by its age.

    Args:
        of: its lines.
        names: of its artifacts that are there.
        last: the lists of which it is the last that was applied.
        named: all that was to be removed before.
        ages: from which on artifacts may go.
        now: the time.
    """
    run, ended = of[0].run, _ended(of) or now
    old = _old(ended, ages.evidence, now)
    goes = {True: old or _old(ended, ages.tables, now), False: old and not last}
    mine = [Doomed(run=run, name=name, digest=_digest(of, name)) for name in sorted(names)]
    left = tuple(one for one in mine if one.kept in named)
    due = (one for one in mine if goes[one.is_table] and one not in left)
    return _Over(run=run, ended=ended, due=tuple(due), left_over=left, spared=last if old else ())


def _holding(stays: Iterable[Hold], of: Sequence[Line]) -> tuple[Hold, ...]:
    return tuple(hold for hold in stays if hold.scope.covers(of))


def _by_run(told: Iterable[Line]) -> dict[str, list[Line]]:
    runs: dict[str, list[Line]] = {}
    for line in told:
        runs.setdefault(line.run, []).append(line)
    return runs


def _ended(of: Sequence[Line]) -> datetime | None:
    """Return when a run was over; ``None`` while nobody has said so."""
    return max((line.finished for line in of if line.last and line.finished), default=None)


def _last_applied(told: Iterable[Line]) -> Mapping[str, tuple[str, ...]]:
    """Return the lists of which a run is the last that was applied, by run."""
    by_list = {key: line.run for line in told if line.applied for key in line.said["lists"]}
    lasts: dict[str, tuple[str, ...]] = {}
    for key, run in sorted(by_list.items()):
        lasts[run] = (*lasts.get(run, ()), key)
    return lasts


def named_before(told: Iterable[Line]) -> frozenset[str]:
    """Return the names in the store of all that was ever to be removed."""
    return frozenset(
        str(name)
        for line in told
        if line.outcome == "pruned"
        for name in line.said.get("removed", ())
    )


def _old(ended: datetime, age: str | None, now: datetime) -> bool:
    return age is not None and add_duration(ended, age) <= now


def _digest(of: Sequence[Line], name: str) -> str:
    return next((line.artifacts[name] for line in reversed(of) if name in line.artifacts), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelves:
    """Both places where artifacts stand: the store, and this machine's own folders of runs."""

    store: Store
    state: Path

    @property
    def _here(self) -> DirectoryStore:
        return DirectoryStore(self.state)

    def there(self) -> Names:
        """Return the artifacts that stand in either."""
        here, far = chronicle.present(self._here), chronicle.present(self.store)
        none = frozenset[str]()
        return {run: here.get(run, none) | far.get(run, none) for run in here.keys() | far.keys()}

    def of_run(self, run: str) -> frozenset[str]:
        """Return those of one run."""
        folder = f"{RUNS}/{run}"
        found = {*self._here.names(folder), *self.store.names(folder)}
        return frozenset(name.removeprefix(f"{folder}/") for name in found)

    def sha256(self, name: str) -> str:
        """Return the digest of an artifact that no line of the ledger names."""
        path = self._here.fetch(name) or self.store.fetch(name)
        try:
            return sha256(path) if path else ""
        except OSError as error:
            raise EvidenceError(f"{name} cannot be read: {error.strerror}") from error

    def remove(self, name: str) -> None:
        """Take an artifact away, wherever it stands; one with addresses never left this machine."""
        if f"/{TABLES}" not in name:
            self.store.remove(name)
        self._here.remove(name)

    def tidy(self, run: str) -> None:
        """Take away what is left of a run's folder here: drafts, and folders without a file."""
        folder = self.state / RUNS / run
        for draft in folder.rglob(".*"):
            if disk.DRAFT.fullmatch(draft.name):
                with suppress(OSError):
                    draft.unlink()
        folders = sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True)
        for empty in (*folders, folder):
            with suppress(OSError):
                empty.rmdir()


def whole_story(store: Store) -> tuple[Line, ...]:
    """Return the whole ledger, with the lists of every run where a hold asks for them."""
    told = chronicle.lines(store)
    by_list = any(hold.scope.lists for hold in in_force(told))
    return chronicle.with_lists(store, told) if by_list else told


def whole(store: Store) -> None:
    """See to it that the ledger is an unbroken chain: no hold may be missing from it.

    Raises:
        EvidenceError: it is none.
    """
    doubt = ledger.past(store).doubt
    if doubt:
        raise EvidenceError(
            f"nothing is removed while the ledger may not be whole: {doubt}",
            hint="audit verify says what is wrong; a hold may be missing",
        )


def prune(run: Run, made: Pruning, *, ages: Ages) -> tuple[Doomed, ...]:
    """Name in the ledger what is to go, then remove it, tables first.

    A hold that was placed meanwhile still counts: what is under it stays, though it is named. What
    is left of it when the run is stopped goes with the next pruning.

    Args:
        run: the run that does so.
        made: what is to go.
        ages: what was asked for; written down with it.

    Returns:
        What was removed.

    Raises:
        EvidenceError: the ledger cannot be written, or a file not be removed.
    """
    shelves = Shelves(store=run.store, state=run.state)
    new = (*made.tables, *made.evidence)
    if new:
        removed = {one.kept: one.digest or _own_digest(one, shelves, run) for one in new}
        ledger.note(
            run,
            "pruned",
            removed=removed,
            older_than=ages.evidence,
            tables_older_than=ages.tables,
        )
    told = whole_story(run.store)
    gone = tuple(_removed(tuple(_not_held(made.all, told)), shelves, run))
    for name in {one.run for one in gone}:
        shelves.tidy(name)
    return gone


def _own_digest(one: Doomed, shelves: Shelves, run: Run) -> str:
    """Return a digest as the ledger would name it: that of a table is keyed."""
    found = shelves.sha256(one.kept)
    return run.engine.pseudonym(found) if one.is_table else found


def _removed(going: Sequence[Doomed], shelves: Shelves, run: Run) -> Iterator[Doomed]:
    """Remove one after another; what is not begun when the run is stopped is left for the next."""
    told = run.counting("files removed")
    for done, one in enumerate(going, start=1):
        if run.stopping:
            return
        shelves.remove(one.kept)
        told(done, len(going))
        yield one


def _not_held(all_of_it: Iterable[Doomed], told: Sequence[Line]) -> Iterator[Doomed]:
    runs, stays = _by_run(told), in_force(told)
    yield from (one for one in all_of_it if not _holding(stays, runs[one.run]))
