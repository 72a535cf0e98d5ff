"""Two machines with disks of their own and one store: one ledger, one holder a list."""

import os
import signal
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from buckets import S3, s3
from program import LIST, Workplace, soon, workplace
from reconciler import ledger
from reconciler.objects import open_bucket
from reconciler.store import DirectoryStore, Store

KEY = {"RECONCILER_PSEUDONYM_KEY": "env:SHARED_KEY", "SHARED_KEY": "0123456789abcdef0123456789"}
OTHER = "9a1b2c"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    """Two of them, which share a service, a store and the key."""

    one: Workplace
    two: Workplace
    store: Store

    def outcomes(self) -> dict[str, str]:
        """Return how each run ended, by its id, once the ledger is seen to be whole."""
        past = ledger.past(self.store)
        assert past.doubt == ""
        held = (self.store.read(name) for name in self.store.names(ledger.FOLDER))
        lines = [orjson.loads(each.data) for each in held if each]
        return {line["run"]: line["outcome"] for line in lines if line["run"] in past.ended}

    @property
    def runs(self) -> set[str]:
        """Return the ids of all runs, by the folders on both machines."""
        return {
            path.name
            for machine in (self.one, self.two)
            for path in (machine.state / "runs").iterdir()
        }


@contextmanager
def machines(
    folder: Path, store: str, opened: Store, more: Mapping[str, str]
) -> Iterator[Machines]:
    """Give two machines one service and one store."""
    made = []
    for name in ("one", "two"):
        (folder / name).mkdir()
        made.append(workplace(folder / name))
        made[-1].environment |= {**KEY, **more, "RECONCILER_STORE": store}
    one, two = made
    one.have()
    one.have(list_id=OTHER, name="EU")
    with one.service() as url:
        two.reach(url)
        for machine in (one, two):
            machine.declare("phoneNumber: '+12125550123'")
            machine.declare("phoneNumber: '+12125550124'", name="eu", identity=f"listId: {OTHER}")
        yield Machines(one=one, two=two, store=opened)


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Machines]:
    """Share a folder that both have mounted."""
    store = tmp_path / "store"
    with machines(tmp_path, str(store), DirectoryStore(store, shared=True), {}) as made:
        yield made


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machines]:
    """Share a bucket."""
    with s3() as served:
        url = served.bucket("evidence") + "/suppression"
        with machines(
            tmp_path, url, _opened(served, url, tmp_path, monkeypatch), served.environment
        ) as made:
            yield made


def _opened(served: S3, url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    for name, value in served.environment.items():
        monkeypatch.setenv(name, value)
    return open_bucket(url, mirror=folder / "mirror", endpoint=served.endpoint)


def test_runs_of_two_machines_at_once_make_one_chain(bucket: Machines) -> None:
    """Each waits for the other's list; nothing that was written down is lost."""

    def work(machine: Workplace) -> list[int]:
        words = ("apply", "--auto-approve", "--lock-timeout", "60")
        return [machine.run(*words).code for _ in range(3)]

    with ThreadPoolExecutor(2) as threads:
        codes = [*threads.map(work, (bucket.one, bucket.two))]

    outcomes = bucket.outcomes()
    assert {0, 5} >= {code for each in codes for code in each}
    assert bucket.runs == outcomes.keys()
    assert {"+12125550123"} == {*bucket.one.held()}
    assert {"+12125550124"} == {*bucket.one.held(OTHER)}
    assert [] == [*bucket.store.names("open"), *bucket.store.names("locks")]
    kept = {name.split("/")[1] for name in bucket.store.names("runs")}
    assert bucket.runs == kept
    assert not [name for name in bucket.store.names("runs") if "/tables/" in name]


def test_a_release_one_machine_has_carried_out_is_spent_on_the_other(shared: Machines) -> None:
    """Whoever opts out again stays suppressed, although the other machine never saw the release."""
    at = datetime.now(UTC).date().isoformat()
    release = (
        "  releases:\n    - {phoneNumber: '+12125550125', basis: consent, ticket: T-1, "
        f"requestedBy: privacy, requestedAt: {at}}}\n"
    )
    shared.one.have(("+12125550125", "DNC", None))
    for machine in (shared.one, shared.two):
        machine.declare("phoneNumber: '+12125550123'", more=release)
        machine.policy("maxReleases: {share: 100%, count: 10}")

    first = shared.one.run("apply", "--auto-approve")
    shared.one.have().add(
        LIST, email=None, phone="+12125550125", reason="CUSTOMER_REQUEST", until=None
    )
    again = shared.two.run("apply", "--auto-approve")

    assert (0, 0) == (first.code, again.code)
    assert "1 released" in first.out
    assert ("CUSTOMER_REQUEST", None) == shared.one.held()["+12125550125"]


def test_a_machine_that_dies_is_buried_by_the_other_once(shared: Machines) -> None:
    """Its list is free again when its sign of life is old; what it did is written down."""
    with shared.one.started("apply", "--auto-approve") as dying:
        sign = soon(lambda: [*shared.store.names("locks")])
        dying.send_signal(signal.SIGKILL)
        dying.wait()
    held = shared.two.run("apply", "--auto-approve")
    for name in shared.store.names("open"):
        os.utime(Path(shared.store.place) / name, (0, 0))

    after = shared.two.run("apply", "--auto-approve")
    third = shared.two.run("apply", "--auto-approve")

    assert sign
    assert (5, 0, 0) == (held.code, after.code, third.code), after.err + third.err
    assert "is locked by run" in held.err
    assert "was interrupted" in after.err
    assert "was interrupted" not in third.err
    assert 1 == [*shared.outcomes().values()].count("interrupted")
    assert [] == [*shared.store.names("open"), *shared.store.names("locks")]


@pytest.mark.scale
def test_a_machine_that_dies_is_buried_in_a_bucket_too(bucket: Machines) -> None:
    """By the bucket's own clock, after a minute and a half."""
    with bucket.one.started("apply", "--auto-approve") as dying:
        soon(lambda: [*bucket.store.names("locks")])
        dying.send_signal(signal.SIGKILL)
        dying.wait()

    code = 5
    while code == 5:
        ran = bucket.two.run("apply", "--auto-approve", "--lock-timeout", "20")
        code = ran.code

    assert 0 == code
    assert 1 == [*bucket.outcomes().values()].count("interrupted")
    assert [] == [*bucket.store.names("open"), *bucket.store.names("locks")]
