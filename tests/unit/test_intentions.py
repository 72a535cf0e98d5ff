"""What a run leaves before its first write, and what others make of it if it dies."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from shutil import rmtree
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest

from builders import NOW, tenant
from reconciler import interrupted, outbox, pipeline
from reconciler.artifacts import Run
from reconciler.model import LISTS, Selection, Webhook
from reconciler.store import DirectoryStore
from worlds import KilledError, World, running

SPECS = {
    "tenant.yaml": """\
apiVersion: reconciler/v1
kind: Tenant
metadata: {name: acme}
spec: {embedded: true}
""",
    "us-dnc.yaml": """\
apiVersion: reconciler/v1
kind: SuppressionList
metadata: {name: us-dnc}
spec:
  tenant: acme
  listId: 7f3e2c
  list: {name: US Do Not Call}
  defaults: {reason: DNC, region: US}
  batchReason: Sweep
  sources: [{path: contacts.csv}]
""",
    "contacts.csv": "email,requestedAt\n"
    + "".join(f"user{number}@example.com,2026-11-0{number}\n" for number in range(1, 8)),
}
HOOK = Webhook(url="https://crm.example.com/secret-path", secret="env:HOOK")


@dataclass(kw_only=True)
class Others:
    """Locks of a run that knows who else lives, and may take over whoever does not."""

    lives: frozenset[str]
    lost: bool = False
    forgotten: list[str] = field(default_factory=list)

    @contextmanager
    def living(self) -> Iterator[frozenset[str]]:
        """Who lives."""
        yield self.lives

    def claim(self, run: str) -> bool:
        """Whoever does not live is ours."""
        return run not in self.lives

    def forget(self, run: str) -> None:
        """Remember that it is forgotten."""
        self.forgotten.append(run)

    @contextmanager
    def held(self, key: str, **how: Any) -> Iterator[None]:
        """Nobody else wants a list."""
        del key, how
        yield


@dataclass(kw_only=True)
class Scene:
    """Machines with a disk of their own, and the store that all of them have."""

    folder: Path
    world: World = field(default_factory=lambda: World(capabilities=replace(LISTS, batch=2)))
    said: list[str] = field(default_factory=list)

    @property
    def store(self) -> DirectoryStore:
        """What outlives every machine."""
        return DirectoryStore(self.folder / "store", shared=True)

    @contextmanager
    def machine(self, name: str, *, shared: bool) -> Iterator[Run]:
        """A run on this machine; it says that it lives, where others can see it."""
        with running(folder=self.folder / name) as run:
            store = self.store if shared else run.store
            if shared:
                store.create(f"open/{run.id}.json", b"{}")
            own = Others(lives=frozenset({run.id}))
            yield replace(run, tell=self.said.append, locks=own, store=store)

    def apply(self, run: Run) -> None:
        """Suppress everybody; who is killed leaves what there is."""
        chosen = Selection(root=self.folder / "specs")
        found = pipeline.prepare(chosen, reader=lambda _: self.world, as_of=NOW, run=run)
        tenants = {"acme": tenant(webhooks=(HOOK,))}
        with suppress(KilledError):
            pipeline.execute(
                found.plan(as_of=NOW), tenants=tenants, writer=lambda _: self.world, run=run
            )

    def died(self, *, writes: int, effect: bool = False, shared: bool = False) -> str:
        """Apply on machine ``a`` until it dies at a write; returns the id of its run."""
        self.world.writes_left, self.world.effect_before_end = writes, effect
        with self.machine("a", shared=shared) as run:
            self.apply(run)
        self.world.writes_left = None
        return run.id

    def settled(self, machine: str, *, shared: bool = False) -> Run:
        """Find dead runs on a machine as the next run does."""
        with self.machine(machine, shared=shared) as run:
            interrupted.settle(run)
        return run


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """Return machines and specs for one list, on which seven are missing."""
    for name, text in SPECS.items():
        (tmp_path / "specs").mkdir(exist_ok=True)
        (tmp_path / "specs" / name).write_text(text, encoding="utf-8")
    return Scene(folder=tmp_path)


def statuses(folder: Path) -> Counter[str]:
    """How many rows of a run came to what."""
    return Counter(pq.read_table(folder / "changes.parquet").column("status").to_pylist())


def ledger_lines(folder: Path, run: str) -> list[Any]:
    """What the ledger says of a run."""
    held = (orjson.loads(path.read_bytes()) for path in sorted(folder.glob("ledger/*.json")))
    return [line for line in held if line["run"] == run]


def test_rows_are_written_down_before_the_first_is_sent(scene: Scene) -> None:
    """Under pseudonyms, each with where it is declared and when it was asked for."""
    seen: list[Any] = []
    with scene.machine("a", shared=False) as run:
        path = run.folder / "intended.parquet"
        scene.world.before = lambda what: (
            seen.append(pq.read_table(path).to_pylist()) if what == "send" and not seen else None
        )
        scene.apply(run)

    (rows,) = seen
    assert {run.engine.pseudonym(f"user{number}@example.com") for number in range(1, 8)} == {
        row["pseudonym"] for row in rows
    }
    assert [*range(7)] == sorted(row["row"] for row in rows)
    assert {("us-dnc", "suppress", "DNC", None)} == {
        (row["list"], row["op"], row["reason"], row["until"]) for row in rows
    }
    assert {2, 3, 4, 5, 6, 7, 8} == {row["line"] for row in rows}
    assert all(row["source"].endswith("contacts.csv") and row["requested_at"] for row in rows)


@pytest.mark.parametrize("shared", [False, True])
def test_a_run_that_ends_leaves_only_what_it_did(scene: Scene, *, shared: bool) -> None:
    """What was intended is taken away again, in the store as well."""
    with scene.machine("a", shared=shared) as run:
        scene.apply(run)

    assert Counter(done=7) == Counter(
        each for each in statuses(run.folder).elements() if each != "found"
    )
    assert not (run.folder / "intended.parquet").exists()
    below = [name.removeprefix(f"runs/{run.id}/") for name in run.store.names(f"runs/{run.id}")]
    assert "intended.parquet" not in below
    assert [] == [name for name in below if name.startswith("journal/")]
    assert {"journal.jsonl", "changes.parquet"} < set(below)
    assert [] == outbox.intents(run.store)


def test_rows_of_a_dead_run_are_told_from_its_journal(scene: Scene) -> None:
    """Taken whole, in doubt for want of an answer, and never sent."""
    dead = scene.died(writes=2, effect=True)

    run = scene.settled("a")

    folder = run.folder.with_name(dead)
    (line,) = ledger_lines(run.state, dead)
    assert Counter(done=4, uncertain=2, withheld=1) == statuses(folder)
    assert {"changes.parquet", "intended.parquet", "journal.jsonl"} < line["artifacts"].keys()


def test_rows_of_a_dead_run_have_the_columns_of_every_other(scene: Scene) -> None:
    """Who looks for somebody reads them all as one table."""
    dead = scene.died(writes=1)
    with scene.machine("a", shared=False) as run:
        interrupted.settle(run)
        scene.apply(run)

    ended, died = (
        pq.read_schema(folder / "changes.parquet")
        for folder in (run.folder, run.folder.with_name(dead))
    )
    assert [*zip(ended.names, ended.types, strict=True)] == [
        *zip(died.names, died.types, strict=True)
    ]


def test_a_row_that_was_refused_by_name_is_known_as_such(scene: Scene) -> None:
    """The others of its batch were taken."""
    scene.world.refuse = frozenset({"user1@example.com"})
    dead = scene.died(writes=2)

    run = scene.settled("a")

    rows = pq.read_table(run.folder.with_name(dead) / "changes.parquet").to_pylist()
    refused = {row["pseudonym"] for row in rows if row["status"] == "rejected"}
    assert {run.engine.pseudonym("user1@example.com")} == refused
    assert Counter(rejected=1, done=3, uncertain=2, withheld=1) == Counter(
        row["status"] for row in rows
    )


def test_a_batch_that_was_sent_in_pieces_is_told_by_its_pieces(scene: Scene) -> None:
    """Of a batch refused without names only what was sent again counts."""
    scene.world.refuse = frozenset({"user1@example.com"})
    scene.world.complains = "all unnamed"
    dead = scene.died(writes=2)

    run = scene.settled("a")

    assert Counter(rejected=1, done=3, uncertain=2, withheld=1) == statuses(
        run.folder.with_name(dead)
    )


def test_another_machine_tells_what_became_of_a_run_whose_disk_is_gone(scene: Scene) -> None:
    """From what was mirrored; rows of which its last lines may have told are in doubt."""
    dead = scene.died(writes=2, effect=True, shared=True)
    rmtree(scene.folder / "a")

    run = scene.settled("b", shared=True)

    (line,) = ledger_lines(scene.store.folder, dead)
    kept = scene.store.folder / "runs" / dead
    assert ("interrupted", "test") == (line["outcome"], line["command"])
    assert Counter(done=4, uncertain=3) == statuses(kept)
    told = {"run.json", "specs.json", "observed.json", "journal/00000001.jsonl"}
    assert told < line["artifacts"].keys()
    assert any(
        f"run {dead} (test) was interrupted: us-dnc: 4 suppress" in one for one in scene.said
    )
    assert [dead] == run.locks.forgotten  # type: ignore[attr-defined] # of these locks


def test_the_machine_that_had_it_knows_more(scene: Scene) -> None:
    """The whole journal is there, and takes the place of what was mirrored."""
    dead = scene.died(writes=2, effect=True, shared=True)

    scene.settled("a", shared=True)

    names = scene.store.names(f"runs/{dead}")
    assert Counter(done=4, uncertain=2, withheld=1) == statuses(scene.store.folder / "runs" / dead)
    assert f"runs/{dead}/journal.jsonl" in names
    assert [] == [name for name in names if "/journal/" in name]


def test_a_run_that_died_elsewhere_before_it_left_anything_is_named(scene: Scene) -> None:
    """Its sign of life is all there is."""
    dead = "20261123T090000Z-0a0b0c"
    scene.store.create(f"open/{dead}.json", b"{}")

    scene.settled("b", shared=True)

    (line,) = ledger_lines(scene.store.folder, dead)
    assert ("interrupted", ["interrupted.json"]) == (line["outcome"], [*line["artifacts"]])


def test_a_run_that_lives_elsewhere_is_let_be(scene: Scene) -> None:
    """Also what it may owe."""
    dead = scene.died(writes=2, shared=True)

    with scene.machine("b", shared=True) as run:
        interrupted.settle(replace(run, locks=Others(lives=frozenset({run.id, dead}))))

    assert [] == ledger_lines(scene.store.folder, dead)
    assert [dead] == outbox.intents(scene.store)


# ---------------------------------------------------------------- what a dead run owes the CRM


@pytest.mark.parametrize("machine", ["a", "b"])
def test_the_event_of_a_dead_run_is_told_by_the_next(scene: Scene, machine: str) -> None:
    """Under its own id, with what is known; how many the list holds is not."""
    dead = scene.died(writes=2, effect=True, shared=True)

    scene.settled(machine, shared=True)

    (notice,) = outbox.waiting(scene.store, aside=False)
    event = orjson.loads(notice.body)
    assert (dead, "us-dnc", "Sweep") == (notice.run, event["list"], event["batch_reason"])
    assert (dead, None, 4) == (event["run_id"], event["contact_count"], event["suppressed"])
    doubt = [{"code": "IN_DOUBT", "field": "", "count": 2}] if machine == "a" else []
    assert doubt == event["errors"]
    assert [] == outbox.intents(scene.store)


def test_a_dead_run_that_had_written_nothing_owes_nothing(scene: Scene) -> None:
    """It said what it may owe, and came no further."""
    with scene.machine("a", shared=False) as run:

        def dies(what: str) -> None:
            if what == "get" and outbox.intents(run.store):
                raise KilledError

        scene.world.before = dies
        scene.apply(run)
    scene.world.before = lambda _: None
    owed = outbox.intents(run.store)

    scene.settled("a")

    assert [run.id] == owed
    assert [] == run.store.names("outbox")


def test_what_is_owed_by_a_run_of_which_nothing_is_left_is_told(scene: Scene) -> None:
    """Nobody can say that its list was not changed."""
    dead = scene.died(writes=2)
    rmtree(scene.folder / "a" / "runs" / dead)

    run = scene.settled("a")

    (notice,) = outbox.waiting(run.store, aside=False)
    assert (dead, 0) == (notice.run, orjson.loads(notice.body)["suppressed"])


def test_nothing_of_it_names_a_contact_or_a_secret(scene: Scene) -> None:
    """Neither in the store nor in the outbox."""
    scene.died(writes=2, shared=True)
    scene.settled("b", shared=True)

    held = b"".join(path.read_bytes() for path in scene.store.folder.rglob("*") if path.is_file())
    assert b"@example.com" not in held
    assert b"secret-path" not in held
    assert b"https://crm.example.com" in held
