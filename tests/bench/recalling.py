"""One address in the evidence of many runs, against the import of the engine that looks for it.

Run as ``-m tests.bench.recalling STATE RUNS CHANGES ADDRESS``, it writes such evidence: the
product's own ledger over files of made-up pseudonyms, among them that of the address.
"""

import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import duckdb

from reconciler import artifacts, ledger
from reconciler.artifacts import Run
from reconciler.contacts.engine import Engine
from reconciler.locks import FileLocks
from reconciler.metrics import Meter
from reconciler.store import DirectoryStore

from .bench import Bench
from .lines import Line
from .measured import PROGRAM, PYTHON, alternately, module, run, say

RUNS: Final = 1_000
ADDRESS: Final = "+12125550101"
_KEY: Final = b"0" * 64
_BEGAN: Final = datetime(2024, 1, 1, tzinfo=UTC)
_EVERY: Final = timedelta(hours=20)
_ROWS: Final = """
COPY (
    SELECT CASE WHEN number = 0 AND {run} % 250 = 3 THEN '{pseudonym}'
            ELSE sha256(({run} * {changes} + number)::VARCHAR) END AS pseudonym,
        'us-dnc' AS list, 'suppress' AS op, 'DNC' AS reason, NULL::TIMESTAMPTZ AS until,
        NULL::VARCHAR AS basis, 'specs/contacts/us.csv' AS source, number AS line,
        TIMESTAMPTZ '{at}' AS requested_at, 1::BIGINT AS batch, 'done' AS status,
        TIMESTAMPTZ '{at}' AS "at"
    FROM range({changes}) AS numbers(number) ORDER BY 1)
TO '{path}' (FORMAT parquet)
"""


def history(bench: Bench) -> Line:
    """Ask for one address in evidence of as many changes as the mix has rows."""
    folder = bench.work / "history"
    changes = max(bench.mix.rows // RUNS, 1)
    say(f"writing {RUNS:,} runs of {changes:,} changes")
    (folder / "specs").mkdir(parents=True)
    module("recalling", folder / ".reconciler", str(RUNS), str(changes), ADDRESS)
    words: list[str | Path] = [PROGRAM, "--state-dir", folder / ".reconciler", "history", ADDRESS]
    first = run(words, cwd=folder)
    if b"was suppressed on 1 of 1 list" not in first.out:
        raise SystemExit(f"the address was not found:\n{first.out.decode()}")
    took, bare = alternately(
        lambda: run(words, cwd=folder).took,
        lambda: run([PYTHON, "-c", "import duckdb"], cwd=folder).took,
        times=7,
    )
    return Line(
        work=f"`history` of one address over {RUNS:,} runs and {RUNS * changes:,} changes",
        ours=took,
        against="`python -c 'import duckdb'`",
        theirs=bare,
        goal="under 1 s",
        reached=took.seconds < 1,
        note=f"the first time, when indexes are made, it took {first.took}",
    )


def main(words: list[str]) -> None:
    """Write the evidence of many runs into a state directory."""
    state, runs, changes, address = Path(words[0]), int(words[1]), int(words[2]), words[3]
    artifacts.private(state)
    (state / "pseudonym.key").write_bytes(_KEY)
    with Engine(key=_KEY, spill=state / "spill") as engine, duckdb.connect() as rows:
        for number in range(runs):
            at = _BEGAN + number * _EVERY
            made = _run(state, engine, at)
            artifacts.start(made, root=state)
            made.write("receipt.json", {"run": made.id, "outcomes": []})
            told = {"run": number, "changes": changes, "at": at.isoformat()}
            path = made.folder / "changes.parquet"
            rows.execute(_ROWS.format(**told, pseudonym=engine.pseudonym(address), path=path))
            ledger.append(made, outcome="done", exit_code=0, lists={"us-dnc": "7f3e2c"})


def _run(state: Path, engine: Engine, at: datetime) -> Run:
    name = artifacts.new_id(at)
    return Run(
        id=name,
        command="apply",
        state=state,
        store=DirectoryStore(state),
        locks=FileLocks(folder=state / "locks", run=name),
        started=at,
        engine=engine,
        meter=Meter(),
        clock=lambda: at + timedelta(minutes=1),
        stop=threading.Event(),
        tell=lambda _: None,
        progress=lambda *_: None,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
