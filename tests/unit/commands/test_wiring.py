"""Every run stands in the ledger with what the shell got; one way to a tenant, one lock a list."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import orjson
import pytest

from builders import NOW, desired, gap, observed, observed_list, tenant
from reconciler import ledger
from reconciler.artifacts import Run
from reconciler.commands import frame, main, wiring
from reconciler.commands.wiring import Upshot
from reconciler.errors import (
    EvidenceError,
    InterruptedRunError,
    LockHeldError,
    ReconcilerError,
    SpecError,
    StalePlanError,
    UsageError,
)
from reconciler.model import Op, Plan, Receipt, Selection, Spec
from reconciler.plan import plan
from reconciler.store import DirectoryStore
from strategies import OPEN

Work = Callable[[Run, Upshot], object]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run where a checkout would be, with a specs root."""
    (tmp_path / "specs").mkdir()
    monkeypatch.chdir(tmp_path)


def run(work: Work) -> int:
    """Run a command that does this inside a recorded run; returns what the shell gets."""

    @click.command("go")
    @frame.global_options
    @click.pass_context
    def go(ctx: click.Context) -> int:
        with (
            wiring.running(ctx, "go", Path("specs")) as opened,
            wiring.recorded(opened) as ending,
        ):
            work(opened, ending)
        return ending.code

    return main(["go"], group=click.Group(commands=[go]))


def lines() -> list[Any]:
    """What the ledger says, in order."""
    return [
        orjson.loads(path.read_bytes()) for path in sorted(Path(".reconciler/ledger").iterdir())
    ]


def ends(code: int) -> Work:
    """A run that goes to its end."""

    def work(_: Run, ending: Upshot) -> None:
        ending.code = code

    return work


def raises(error: BaseException) -> Work:
    """A run that does not."""

    def work(_run: Run, _ending: Upshot) -> None:
        raise error

    return work


def made(**changes: Any) -> Plan:
    """A plan with somebody to suppress."""
    seen = observed_list(gap=gap(parts={Op.SUPPRESS: 2}), **changes)
    return plan(desired(), observed(seen), policy=OPEN, as_of=NOW)


def receipt(**created: str) -> Receipt:
    """What a run came to that made lists."""
    return Receipt(
        run="r",
        plan="p",
        started=NOW,
        finished=NOW,
        outcomes=(),
        refusals=(),
        failures=(),
        webhooks=(),
        metrics={},
        created=created,
        batch_reasons={},
        surplus=0,
        exit_code=0,
    )


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (0, "done"),
        (2, "done"),
        (3, "drift"),
        (4, "refused"),
        (5, "conflict"),
        (6, "partly"),
        (1, "failed"),
        (7, "failed"),
    ],
)
def test_a_run_that_ends_is_told_in_one_word(code: int, outcome: str) -> None:
    """Beside the code that the shell gets."""
    assert code == run(ends(code))

    (line,) = lines()
    assert ("go", code, outcome) == (line["command"], line["exit_code"], line["outcome"])
    assert ["run.json"] == [*line["artifacts"]]


@pytest.mark.parametrize(
    ("error", "code", "outcome"),
    [
        (SpecError("1 problem"), 7, "failed"),
        (ReconcilerError("the service failed"), 1, "failed"),
        (LockHeldError("locked"), 5, "conflict"),
        (StalePlanError("stale"), 5, "conflict"),
        (UsageError("odd"), 64, "failed"),
        (InterruptedRunError("interrupted"), 130, "interrupted"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (click.Abort(), 130, "interrupted"),
        (click.UsageError("odd"), 64, "failed"),
        (ZeroDivisionError(), 1, "failed"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_run_that_fails_is_told_too(error: BaseException, code: int, outcome: str) -> None:
    """With the code the shell gets, whatever was raised."""
    assert code == run(raises(error))

    (line,) = lines()
    assert (code, outcome) == (line["exit_code"], line["outcome"])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_a_signal_ends_is_told_as_interrupted(number: signal.Signals, code: int) -> None:
    """Also one that finished what was in flight and came to its end."""

    def finishes(opened: Run, _: Upshot) -> None:
        os.kill(os.getpid(), number)
        assert opened.stop.wait(5)

    def gives_up(opened: Run, ending: Upshot) -> None:
        finishes(opened, ending)
        raise InterruptedRunError("interrupted")

    assert [code, code] == [run(finishes), run(gives_up)]
    assert [(code, "interrupted")] * 2 == [(line["exit_code"], line["outcome"]) for line in lines()]


def test_lists_that_were_seen_or_made_are_known_afterwards() -> None:
    """By the plan and by the receipt."""

    def work(_: Run, ending: Upshot) -> None:
        ending.plan = made()
        ending.done = receipt(eu="9a")

    run(work)

    assert {"us-dnc": "7f3e2c", "eu": "9a"} == ledger.past(
        DirectoryStore(Path(".reconciler"))
    ).known


def test_what_was_done_is_told_also_where_the_run_fails_afterwards() -> None:
    """A report that cannot be written does not make undone what was done."""

    def work(_: Run, ending: Upshot) -> None:
        ending.plan = made(remote=None, size=0)
        ending.done = receipt(**{"us-dnc": "9a"})
        raise EvidenceError("report.md cannot be written")

    assert 1 == run(work)
    assert {"us-dnc": "9a"} == ledger.past(DirectoryStore(Path(".reconciler"))).known


def test_a_run_that_changed_nothing_keeps_no_gap() -> None:
    """One that asked the service for anything does, whatever came of it."""
    folders = []

    def work(opened: Run, _: Upshot) -> None:
        folders.append(opened.folder)
        (opened.tables("us-dnc") / "gap.parquet").write_bytes(b"rows")
        (opened.tables("eu") / "gap.parquet").write_bytes(b"rows")
        (opened.tables("eu") / "invalid.csv").write_bytes(b"rows")

    def asks(opened: Run, ending: Upshot) -> None:
        work(opened, ending)
        (opened.folder / "journal.jsonl").write_bytes(b"{}\n")

    run(work)
    run(asks)

    kept = [
        {path.relative_to(folder).as_posix() for path in folder.glob("tables/*/*")}
        for folder in folders
    ]
    both = {"tables/us-dnc/gap.parquet", "tables/eu/gap.parquet", "tables/eu/invalid.csv"}
    assert [{"tables/eu/invalid.csv"}, both] == kept
    assert not (folders[0] / "tables" / "us-dnc").exists()


def test_a_ledger_that_cannot_be_written_fails_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody may take it for one that was recorded."""

    def work(opened: Run, _: Upshot) -> None:
        (opened.state / "ledger").write_bytes(b"")

    assert 1 == run(work)
    assert "ledger cannot be written" in capsys.readouterr().err


def test_the_state_is_private_and_the_key_stays() -> None:
    """Two runs have one key, and name it alike without telling it."""
    names = []

    run(lambda opened, _: names.append(wiring.fingerprint(opened)))
    run(lambda opened, _: names.append(wiring.fingerprint(opened)))

    state = Path(".reconciler")
    assert 0o700 == state.stat().st_mode & 0o777
    assert 1 == len(set(names))
    assert names[0] not in (state / "pseudonym.key").read_text(encoding="ascii")


def test_a_saved_plan_names_the_key_it_was_made_with() -> None:
    """Its digests mean nothing under another."""
    keys = []

    def work(opened: Run, _: Upshot) -> None:
        spec = Spec(root=Path("specs"), tenants={}, lists=(), policy=OPEN)
        text = wiring.document(opened, made(), spec, Selection(root=Path("specs")))
        keys.append((orjson.loads(text)["key"], wiring.fingerprint(opened)))

    run(work)

    ((named, held),) = keys
    assert named == held


def test_a_key_that_cannot_be_had_ends_it_before_anything_is_opened(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is no run to record."""
    monkeypatch.setenv("RECONCILER_PSEUDONYM_KEY", "env:NOT_SET_ANYWHERE")

    assert 7 == run(ends(0))
    assert "NOT_SET_ANYWHERE is not set" in capsys.readouterr().err
    assert not Path(".reconciler/runs").exists()


def test_a_tenant_has_one_way_a_run() -> None:
    """It is opened when it is first asked for, and closed with the run."""
    ways = []

    def work(opened: Run, _: Upshot) -> None:
        with wiring.door(opened) as door:
            assert not (opened.state / "sandbox.db").exists()
            ways.extend([door(tenant()), door(tenant()), door(tenant(name="other"))])
            ways[0].sign_in()

    assert 0 == run(work)
    first, again, other = ways
    assert first is again
    assert first is not other
    with pytest.raises(RuntimeError, match="closed"):
        first.sign_in()


def test_lists_are_locked_together_and_let_go_together() -> None:
    """Where one is held by somebody else, none is."""

    def work(opened: Run, _: Upshot) -> None:
        with wiring.locked(opened, ("us", "eu"), timeout=0):
            for keys in (("us",), ("eu",), ("asia", "us")):
                with (
                    pytest.raises(LockHeldError, match=opened.id),
                    wiring.locked(opened, keys, timeout=0),
                ):
                    pytest.fail("it was taken")
            with wiring.locked(opened, ("asia",), timeout=0):
                pass
        with wiring.locked(opened, ("us", "eu"), timeout=0):
            pass

    assert 0 == run(work)
