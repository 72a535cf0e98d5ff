"""Locks in a store that several machines share: they end by themselves when their run is silent.

A run has one sign of life in the store and writes it anew every few seconds; a lock names its run
and counts for as long as that sign is fresh. Who is dead is judged by the store's own clock alone.
A run that could not renew its sign in time takes itself for dead and begins nothing more. A dead
run is claimed by writing over what it was last seen to say, so only one of those who see it dead
has it, and it can tell if it was only asleep.
"""

import os
import platform
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

import orjson

from reconciler.errors import (
    EvidenceError,
    InterruptedRunError,
    LockHeldError,
    ReconcilerError,
)
from reconciler.store import ChangedError, Held, NameTakenError, Store
from reconciler.times import zulu

SIGNS: Final = "open"
"""The folder of the store with one sign of life a run."""
LOCKS: Final = "locks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Seconds by which a lease is kept, lost and left to others."""

    renew: float = 15.0
    """Between two renewals."""
    trust: float = 40.0
    """After the last renewal, its holder begins nothing more."""
    expire: float = 90.0
    """After it, by the store's clock, others take over; longer than any request that was begun
    while it was trusted may take."""
    watch: float = 1.0
    """Between two looks at one's own."""
    look: float = 2.0
    """Between two looks at a lock that another holds."""


TERMS: Final = Terms()


class Leases:
    """The sign of life of one run, and its locks; a context manager.

    Args:
        store: that all machines share.
        run: the id of the run.
        since: when it began.
        stop: set when the sign is lost, so that no wait goes on.
        terms: by which leases are kept.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        store: Store,
        run: str,
        *,
        since: datetime,
        stop: threading.Event,
        terms: Terms = TERMS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._run = run
        self._since = since
        self._stop = stop
        self._terms = terms
        self._clock = clock
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._said: Held | None = None
        """The sign as we last wrote it; ``None`` once it is not ours any more."""
        self._sure = 0.0
        """When the last renewal that arrived was begun."""
        self._seen = 0.0
        """When it had certainly arrived."""

    def __enter__(self) -> Self:
        begun = self._clock()
        self._store.create(_sign(self._run), self._content(0))
        self._know(self._store.read(_sign(self._run)), begun)
        self._threads = [
            threading.Thread(target=each, name=name, daemon=True)
            for name, each in (("leases", self._keep), ("leases: watch", self._watch))
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        with suppress(ReconcilerError):
            held = self._store.read(_sign(self._run))
            if held and self._said and held.mark == self._said.mark:
                self._store.remove(_sign(self._run))

    @property
    def lost(self) -> bool:
        """Whether another run has taken over, or may by now."""
        return self._said is None or self._clock() - self._sure > self._terms.trust

    @contextmanager
    def living(self) -> Iterator[frozenset[str]]:
        """Yield the ids of the runs that live, or that somebody is just burying.

        Raises:
            EvidenceError: the store cannot be read.
        """
        runs = (name.removeprefix(f"{SIGNS}/").removesuffix(".json") for name in self._signs())
        yield frozenset(run for run in runs if run == self._run or self._lives(run))

    def claim(self, run: str) -> bool:
        """Take a dead run over; whether it is ours now, and nobody else's.

        Raises:
            EvidenceError: the store cannot be used.
        """
        held = self._store.read(_sign(run))
        if held is None or not self._expired(held):
            return False
        try:
            told = {"run": run, "claimed_by": self._run, "before": held.mark}
            self._store.replace(_sign(run), orjson.dumps(told), seen=held.mark)
        except ChangedError:
            return False
        return True

    def forget(self, run: str) -> None:
        """Take away the sign of a run that was claimed, and written down as what it was."""
        self._store.remove(_sign(run))

    @contextmanager
    def held(
        self, key: str, *, since: datetime, timeout: float, note: Callable[[str], None]
    ) -> Iterator[None]:
        """Hold the lock of one list, as ``store.Locks`` says."""
        name = f"{LOCKS}/{key}.json"
        mine = orjson.dumps(_holder(self._run, since))
        self._take(name, mine, key=key, timeout=timeout, note=note)
        try:
            yield
        finally:
            with suppress(ReconcilerError):
                held = self._store.read(name)
                if held and held.data == mine:
                    self._store.remove(name)

    def _take(
        self, name: str, mine: bytes, *, key: str, timeout: float, note: Callable[[str], None]
    ) -> None:
        until, waiting = self._clock() + timeout, False
        while True:
            held = self._store.read(name)
            with suppress(NameTakenError, ChangedError):
                if held is None:
                    return self._store.create(name, mine)
                if not self._holds(_run_of(held)):
                    note(f"the lock of {key} is taken over from {_told(held)}, which has ended")
                    return self._store.replace(name, mine, seen=held.mark)
                if self._clock() >= until:
                    raise LockHeldError(
                        f"list {key} is locked by {_told(held)}",
                        hint="wait for it, or give --lock-timeout more seconds",
                    )
                if not waiting:
                    note(f"waiting up to {timeout:g} s: list {key} is locked by {_told(held)}")
                waiting = True
                if self._stop.wait(min(self._terms.look, max(until - self._clock(), 0))):
                    raise InterruptedRunError("interrupted")

    def _holds(self, run: str) -> bool:
        """Whether a run still has its locks: it has a sign, which nobody has claimed."""
        held = self._store.read(_sign(run))
        if held is None or _claimed(held):
            return False
        return not (self._expired(held) and self.claim(run))

    def _lives(self, run: str) -> bool:
        held = self._store.read(_sign(run))
        return held is not None and not self._expired(held)

    def _expired(self, held: Held) -> bool:
        """Whether a sign was not renewed in time, by the clock of the store."""
        with self._lock:
            ours = self._said
            ago = self._clock() - self._seen
        if ours is None:
            return False  # whoever is not sure to live buries nobody
        now = ours.modified + timedelta(seconds=ago)
        return now - held.modified > timedelta(seconds=self._terms.expire)

    def _keep(self) -> None:
        """Renew the sign until the block ends, or it is lost."""
        beats = 0
        while self._said and not self._over.wait(self._terms.renew):
            beats += 1
            begun = self._clock()
            try:
                self._renew(beats, begun)
            except ChangedError:
                with self._lock:
                    self._said = None
            except ReconcilerError:
                continue  # the next may arrive in time

    def _watch(self) -> None:
        """Stop the run once the sign is lost, also while a renewal hangs."""
        while not self._over.wait(self._terms.watch):
            if self.lost:
                self._stop.set()
                return

    def _renew(self, beats: int, begun: float) -> None:
        seen = self._said
        if seen is None:
            raise ChangedError("it was lost before")
        said = self._content(beats)
        self._store.replace(_sign(self._run), said, seen=seen.mark)
        held = self._store.read(_sign(self._run))
        if held is None or held.data != said:
            raise ChangedError("somebody has claimed it")
        self._know(held, begun)

    def _know(self, held: Held | None, begun: float) -> None:
        if held is None:
            raise EvidenceError(f"the sign of run {self._run} cannot be read back")
        with self._lock:
            self._said, self._sure, self._seen = held, begun, self._clock()

    def _signs(self) -> list[str]:
        return [name for name in self._store.names(SIGNS) if name.endswith(".json")]

    def _content(self, beats: int) -> bytes:
        return orjson.dumps({**_holder(self._run, self._since), "renewed": beats})


def _sign(run: str) -> str:
    return f"{SIGNS}/{run}.json"


def _holder(run: str, since: datetime) -> dict[str, object]:
    return {"run": run, "host": platform.node(), "pid": os.getpid(), "since": zulu(since)}


def _run_of(held: Held) -> str:
    try:
        return str(orjson.loads(held.data)["run"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return ""


def _claimed(held: Held) -> bool:
    """Whether a sign is that of a dead run which somebody has taken over."""
    try:
        return "claimed_by" in orjson.loads(held.data)
    except (orjson.JSONDecodeError, TypeError):
        return False


def _told(held: Held) -> str:
    """Name a holder, for people."""
    try:
        told = orjson.loads(held.data)
        return f"run {told['run']} (pid {told['pid']} on {told['host']}, since {told['since']})"
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return "another run"
