"""Stores of every kind behave alike, and never give one name to two writers."""

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from obstore.store import LocalStore, MemoryStore

from reconciler.errors import EvidenceError
from reconciler.objects import ObjectStore
from reconciler.store import ChangedError, DirectoryStore, Held, NameTakenError, Store

NAMES = st.sampled_from(["ledger/1.json", "ledger/2.json", "runs/a/b.json", "head.json"])
BYTES = st.binary(max_size=3)

Kind = Callable[[Path], Store]


def in_folder(folder: Path) -> Store:
    """Open a store in a folder."""
    return DirectoryStore(folder / "store")


def in_memory(folder: Path) -> Store:
    """Open a bucket in memory."""
    return ObjectStore(MemoryStore(), "memory", folder / "mirror")


KINDS = pytest.mark.parametrize("kind", [in_folder, in_memory])


class _Alike(RuleBasedStateMachine):
    """Whatever is done to a store, it holds what a dictionary would."""

    kind: Kind

    def __init__(self) -> None:
        super().__init__()
        self.room = TemporaryDirectory()
        self.folder = Path(self.room.name)
        self.store = type(self).kind(self.folder)
        self.model: dict[str, bytes] = {}
        self.stale: dict[str, list[tuple[str, bytes]]] = {}
        self.files = itertools.count()

    def teardown(self) -> None:
        """Leave nothing behind."""
        self.room.cleanup()

    @rule(name=NAMES, data=BYTES)
    def create(self, name: str, data: bytes) -> None:
        """A name is given once; whoever gives it the same bytes may have been the first."""
        try:
            self.store.create(name, data)
        except NameTakenError:
            assert name in self.model
        else:
            assert self.model.setdefault(name, data) == data

    @rule(name=NAMES, data=BYTES)
    def replace(self, name: str, data: bytes) -> None:
        """Whoever has seen what stands there may replace it."""
        held = self.store.read(name)
        if held:
            self.stale.setdefault(name, []).append((held.mark, held.data))
            self.store.replace(name, data, seen=held.mark)
            self.model[name] = data

    @rule(name=NAMES, data=BYTES)
    def replace_what_is_gone(self, name: str, data: bytes) -> None:
        """Nobody may replace what he saw once, when it is something else by now."""
        now = self.store.read(name)
        for mark, seen in self.stale.get(name, ()):
            if now and (now.mark == mark or now.data in (seen, data)):
                continue
            with pytest.raises(ChangedError):
                self.store.replace(name, data, seen=mark)

    @rule(name=NAMES, data=BYTES)
    def overwrite(self, name: str, data: bytes) -> None:
        """Where it does not matter what is there, it is replaced."""
        self.store.replace(name, data, seen="")
        self.model[name] = data

    @rule(data=BYTES)
    def keep(self, data: bytes) -> None:
        """A file of this machine is kept."""
        number = next(self.files)
        path = self.folder / f"file-{number}"
        path.write_bytes(data)
        self.store.keep(f"runs/kept/{number}", path)
        self.model[f"runs/kept/{number}"] = data
        fetched = self.store.fetch(f"runs/kept/{number}")
        assert fetched is not None
        assert data == fetched.read_bytes()

    @rule(name=NAMES)
    def remove(self, name: str) -> None:
        """What nobody has can be removed too."""
        self.store.remove(name)
        self.model.pop(name, None)

    @invariant()
    def holds_the_same(self) -> None:
        """Names in order, and the bytes under each."""
        for folder in ("ledger", "runs"):
            mine = sorted(name for name in self.model if name.startswith(f"{folder}/"))
            assert mine == [*self.store.names(folder)]
            assert mine[1:] == [*self.store.names(folder, after=mine[0] if mine else "")]
        for name, data in self.model.items():
            held = self.store.read(name)
            assert held is not None
            assert (data, True) == (held.data, bool(held.mark))
            assert held.modified.tzinfo is not None


class _InFolder(_Alike):
    kind = staticmethod(in_folder)


class _InMemory(_Alike):
    kind = staticmethod(in_memory)


test_a_folder_holds_what_it_was_given = _InFolder.TestCase
test_a_bucket_holds_what_it_was_given = _InMemory.TestCase
for each in (_InFolder, _InMemory):
    each.TestCase.settings = settings(max_examples=25, stateful_step_count=20)


@KINDS
def test_of_many_writers_one_gets_a_name(tmp_path: Path, kind: Kind) -> None:
    """Each of 20 names, by 8 writers at once."""
    store = kind(tmp_path)

    def race(name: str, writer: int) -> str | None:
        with suppress(NameTakenError):
            store.create(name, str(writer).encode())
            return str(writer)
        return None

    with ThreadPoolExecutor(8) as threads:
        for number in range(20):
            name = f"ledger/{number}"
            won = [one for one in threads.map(race, [name] * 8, range(8)) if one]

            held = store.read(name)
            assert held is not None
            assert [held.data.decode()] == won


@KINDS
def test_of_many_that_replace_one_does(tmp_path: Path, kind: Kind) -> None:
    """All have seen the same; one of them is in time."""
    store = kind(tmp_path)
    store.create("head.json", b"first")
    seen = store.read("head.json")
    assert isinstance(seen, Held)

    def race(writer: int) -> bytes | None:
        with suppress(ChangedError):
            store.replace("head.json", b"by %d" % writer, seen=seen.mark)
            return b"by %d" % writer
        return None

    with ThreadPoolExecutor(8) as threads:
        won = [one for one in threads.map(race, range(8)) if one]

    held = store.read("head.json")
    assert held is not None
    assert [held.data] == won


@KINDS
def test_what_is_not_there_is_told_apart_from_nothing(tmp_path: Path, kind: Kind) -> None:
    """An absent name has no bytes at all, which is not the same as none."""
    store = kind(tmp_path)
    store.create("runs/a/empty", b"")

    held, fetched = store.read("runs/a/empty"), store.fetch("runs/a/empty")

    assert held is not None
    assert fetched is not None
    assert b"" == held.data == fetched.read_bytes()
    assert store.read("runs/a/none") is None
    assert store.fetch("runs/a/none") is None
    assert [] == [*store.names("nowhere")]


def test_what_was_fetched_once_is_not_asked_for_again(tmp_path: Path) -> None:
    """What never changes is mirrored."""
    bucket = MemoryStore()
    store = ObjectStore(bucket, "memory", tmp_path)
    store.create("ledger/1", b"x")
    first = store.fetch("ledger/1")

    bucket.delete("ledger/1")

    assert first == store.fetch("ledger/1")
    store.remove("ledger/1")
    assert store.fetch("ledger/1") is None


def test_drafts_in_a_folder_are_nobodys_names(tmp_path: Path) -> None:
    """What a dying process left unfinished is not evidence."""
    store = DirectoryStore(tmp_path)
    store.create("ledger/1.json", b"x")
    (tmp_path / "ledger" / ".2.json.0123abcd").write_bytes(b"half")

    assert ["ledger/1.json"] == [*store.names("ledger")]


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    """By its path."""
    (tmp_path / "file").write_bytes(b"")
    store = DirectoryStore(tmp_path / "file")
    (tmp_path / "kept").write_bytes(b"x")

    uses: list[Callable[[], None]] = [
        lambda: store.create("a/b", b""),
        lambda: store.keep("a/b", tmp_path / "kept"),
        lambda: store.replace("a/b", b"", seen=""),
    ]
    for use in uses:
        with pytest.raises(EvidenceError, match="file/a cannot be written"):
            use()
    assert store.read("a/b") is None


def test_a_store_that_is_lax_is_refused_by_kind(tmp_path: Path) -> None:
    """Obstore's own folder store takes a name once; insisting is content with it."""
    store = ObjectStore(LocalStore(tmp_path / "bucket", mkdir=True), "local", tmp_path / "mirror")

    store.insist()
    store.insist()

    assert store.read("store.json") is not None
