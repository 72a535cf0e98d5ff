"""Locks that machines share: one holder, a dead one is found out, a sleeper notices it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from builders import NOW
from reconciler.errors import EvidenceError, InterruptedRunError, LockHeldError
from reconciler.leases import Leases, Terms
from reconciler.objects import ObjectStore
from reconciler.store import Held

TERMS = Terms(renew=3600, watch=3600, look=0.01)
"""Nothing is renewed or noticed unless a test says so."""


@dataclass
class Shared:
    """A store whose clock is moved by hand; machines may be cut off from it."""

    inner: ObjectStore
    seconds: float = 0.0
    cut: set[str] = field(default_factory=set)
    written: dict[str, float] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """Where it is."""
        return "shared"

    shared: bool = True

    def create(self, name: str, data: bytes) -> None:
        """Take a name, now."""
        self.inner.create(name, data)
        self.written[name] = self.seconds

    def replace(self, name: str, data: bytes, *, seen: str) -> None:
        """Write anew, now; renewals of a run that is cut off do not arrive."""
        if name in self.cut and b"renewed" in data:
            raise EvidenceError("out of reach")
        self.inner.replace(name, data, seen=seen)
        self.written[name] = self.seconds

    def read(self, name: str) -> Held | None:
        """Return what is there, as old as it is."""
        held = self.inner.read(name)
        return held and replace(held, modified=NOW + timedelta(seconds=self.written[name]))

    def fetch(self, name: str) -> Path | None:
        """Return a copy."""
        return self.inner.fetch(name)

    def digest(self, name: str) -> str | None:
        """Return a digest."""
        return self.inner.digest(name)

    def keep(self, name: str, path: Path) -> None:
        """Keep a file."""
        self.inner.keep(name, path)

    def names(self, folder: str, *, after: str = "") -> list[str]:
        """Return all names."""
        return [*self.inner.names(folder, after=after)]

    def remove(self, name: str) -> None:
        """Take a name away."""
        self.inner.remove(name)


@dataclass
class Machines:
    """Runs on machines of their own, which all see the same time pass."""

    store: Shared
    stack: ExitStack
    stops: dict[str, threading.Event] = field(default_factory=dict)

    def begin(self, run: str, terms: Terms = TERMS) -> Leases:
        """Let a run come to life."""
        self.stops[run] = threading.Event()
        return self.stack.enter_context(
            Leases(
                self.store,
                run,
                since=NOW,
                stop=self.stops[run],
                terms=terms,
                clock=lambda: self.store.seconds,
            )
        )


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    """Share a store in memory."""
    shared = Shared(ObjectStore(MemoryStore(), "shared", tmp_path))
    with ExitStack() as stack:
        yield Machines(shared, stack)


def living(one: Leases) -> frozenset[str]:
    """Return who lives, as one run sees it."""
    with one.living() as runs:
        return runs


def take(one: Leases, *, timeout: float = 0.0) -> list[str]:
    """Take the lock of us-dnc and let it go; returns what was noted."""
    notes: list[str] = []
    with one.held("us-dnc", since=NOW, timeout=timeout, note=notes.append):
        pass
    return notes


def renewed(one: Leases) -> None:
    """Renew a sign now."""
    one._renew(1, one._clock())  # noqa: SLF001 - what its thread does every few seconds


def test_runs_that_live_see_each_other(machines: Machines) -> None:
    """For as long as they do."""
    one, two = machines.begin("one"), machines.begin("two")

    both = living(one)
    two.__exit__()

    assert {"one", "two"} == both
    assert {"one"} == living(one)


def test_a_lock_is_one_runs(machines: Machines) -> None:
    """Who holds it is told; when it is let go the next one gets it."""
    one, two = machines.begin("one"), machines.begin("two")

    with (
        one.held("us-dnc", since=NOW, timeout=0, note=print),
        pytest.raises(LockHeldError, match=r"us-dnc is locked by run one \(pid \d+ on .+, since"),
    ):
        take(two)
    with two.held("eu", since=NOW, timeout=0, note=print):
        assert [] == take(one)

    assert [] == take(two)


def test_of_many_that_want_a_lock_one_has_it(machines: Machines) -> None:
    """Twenty times, six at once."""
    runs = [machines.begin(f"run-{number}") for number in range(6)]
    inside, most = [0], [0]

    def work(one: Leases) -> None:
        with one.held("us-dnc", since=NOW, timeout=1e9, note=lambda _: None):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            inside[0] -= 1

    with ThreadPoolExecutor(6) as threads:
        for _ in range(20):
            list(threads.map(work, runs))

    assert 1 == most[0]


def test_a_dead_run_is_found_out_and_its_lock_taken_over(machines: Machines) -> None:
    """Not before its time; the store's clock counts."""
    dead, one = machines.begin("dead"), machines.begin("one")
    machines.stack.enter_context(dead.held("us-dnc", since=NOW, timeout=0, note=print))
    machines.store.seconds = 90
    renewed(one)
    with pytest.raises(LockHeldError):
        take(one)

    machines.store.seconds = 91
    renewed(one)

    assert {"one"} == living(one)
    (note,) = take(one)
    assert note.startswith("the lock of us-dnc is taken over from run dead (pid")


def test_all_locks_of_a_dead_run_are_free_once_it_is_claimed(machines: Machines) -> None:
    """Whoever has claimed it."""
    dead = machines.begin("dead")
    for key in ("us-dnc", "eu"):
        machines.stack.enter_context(dead.held(key, since=NOW, timeout=0, note=print))
    machines.store.seconds = 100
    one, two = machines.begin("one"), machines.begin("two")

    first = take(one)
    with two.held("eu", since=NOW, timeout=0, note=first.append):
        pass

    assert ["us-dnc", "eu"] == [note.split()[3] for note in first]


def test_one_of_those_who_see_a_run_dead_has_it(machines: Machines) -> None:
    """And if that one dies over it, another."""
    machines.begin("dead")
    machines.store.seconds = 100
    one, two = machines.begin("one"), machines.begin("two")

    claims = [one.claim("dead"), two.claim("dead"), one.claim("dead")]
    seen = living(two)
    machines.store.seconds = 200
    renewed(two)

    assert [True, False, False] == claims
    assert "dead" in seen
    assert two.claim("dead")
    two.forget("dead")
    assert {"two"} == living(two)
    assert not two.claim("dead")


def test_a_sleeper_knows_that_it_may_be_taken_for_dead(machines: Machines) -> None:
    """Long before it is: from then on it begins nothing more."""
    one = machines.begin("one")
    machines.store.seconds = 40
    before = one.lost

    machines.store.seconds = 41

    assert (False, True) == (before, one.lost)
    renewed(one)
    assert not one.lost


def test_a_sleeper_that_was_buried_never_comes_back(machines: Machines) -> None:
    """What it was seen to say has been written over."""
    sleeper = machines.begin("sleeper", replace(TERMS, renew=0.01, watch=0.01))
    machines.store.cut.add("open/sleeper.json")
    machines.store.seconds = 100
    one = machines.begin("one")
    assert machines.stops["sleeper"].wait(30)

    claimed = one.claim("sleeper")
    machines.store.cut.clear()
    sleeper.__exit__()

    assert claimed
    assert sleeper.lost
    assert machines.store.read("open/sleeper.json") is not None


def test_a_sign_is_renewed_as_long_as_the_run_lives(machines: Machines) -> None:
    """By a thread of its own."""
    one = machines.begin("one", replace(TERMS, renew=0.01))
    machines.store.seconds = 1000

    for _ in range(3000):
        if not one.lost:
            break
        machines.stops["one"].wait(0.01)

    assert not one.lost


def test_whoever_is_not_sure_to_live_buries_nobody(machines: Machines) -> None:
    """It cannot tell what time it is."""
    sleeper, other = machines.begin("sleeper"), machines.begin("other")
    machines.store.seconds = 100
    renewed(other)
    assert other.claim("sleeper")
    with pytest.raises(EvidenceError):
        renewed(sleeper)
    sleeper._said = None  # noqa: SLF001 - as its thread does then
    machines.store.seconds = 1000

    assert not sleeper.claim("other")


def test_a_wait_for_a_lock_ends_with_the_run(machines: Machines) -> None:
    """Ctrl-C is not kept waiting."""
    one, two = machines.begin("one"), machines.begin("two")
    machines.stops["two"].set()

    with (
        one.held("us-dnc", since=NOW, timeout=0, note=print),
        pytest.raises(InterruptedRunError),
    ):
        take(two, timeout=1e9)


def test_what_stands_in_a_lock_is_not_believed(machines: Machines) -> None:
    """A lock that names nobody is nobody's."""
    one = machines.begin("one")
    machines.store.create("locks/us-dnc.json", b"{")

    assert ["the lock of us-dnc is taken over from another run, which has ended"] == take(one)
