"""The product's own reading of a list, called as a library and timed from inside.

Run as ``-m tests.bench.library SPECS KEY``: it reads the list of that name through
``api.connect`` and ``reading.read``, as ``plan`` does, and remembers the table in the state
directory as a plan would, so that it also fills the cache for what is measured afterwards.
"""

import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import orjson

from reconciler import artifacts, spec
from reconciler.api.connect import connect
from reconciler.artifacts import Run
from reconciler.cache import Shelf
from reconciler.config import installation, pseudonym_key
from reconciler.contacts.engine import Engine
from reconciler.locks import FileLocks
from reconciler.metrics import Meter
from reconciler.model import ListSpec, Selection, Tenant
from reconciler.reading import read
from reconciler.store import DirectoryStore


def main(words: list[str]) -> None:
    """Read one list of a specs root; print the seconds and the rows as JSON."""
    root = Path(words[0]).resolve()
    loaded = spec.load(Selection(root=root, lists=(words[1],)))
    (listed,) = loaded.lists
    settings = installation(root)
    key = pseudonym_key(settings)
    with Engine(key=key, spill=settings.state / "spill", memory=settings.memory) as engine:
        seconds, rows = _timed(listed, loaded.tenants[listed.tenant], _run(settings.state, engine))
    sys.stdout.buffer.write(orjson.dumps({"seconds": seconds, "rows": rows}))


def _run(state: Path, engine: Engine) -> Run:
    now = _now()
    return Run(
        id=artifacts.new_id(now),
        command="bench",
        state=state,
        store=DirectoryStore(state),
        locks=FileLocks(folder=state / "locks", run="test"),
        started=now,
        engine=engine,
        meter=Meter(),
        clock=_now,
        stop=threading.Event(),
        tell=_unheard,
        progress=_unseen,
    )


def _timed(listed: ListSpec, tenant: Tenant, run: Run) -> tuple[float, int]:
    with connect(tenant, meter=run.meter, stop=run.stop, on_wait=run.tell) as service:
        remote = service.get(str(listed.list_id))
        start = time.perf_counter()
        region = listed.defaults.region
        reading = read(run, service, remote, key=listed.name, region=region)
        seconds = time.perf_counter() - start
    if reading.doubt:
        raise SystemExit(f"the list was not read whole: {reading.doubt}")
    shelf = Shelf(
        folder=run.cache,
        tenant=tenant.name,
        service=tenant.base_url,
        list_id=remote.id,
        region=region,
    )
    shelf.remember(reading.remote, reading.table, now=_now())
    return seconds, reading.table.rows


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _unheard(_line: str) -> None:
    """Nobody listens."""


def _unseen(_task: str, _done: int, _of: int | None) -> None:
    """Nobody watches."""


if __name__ == "__main__":
    main(sys.argv[1:])
