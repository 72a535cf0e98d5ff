"""Signals, locks and full disks: what was begun is finished and recorded, and nothing is lost."""

import os
import pty
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from program import LIST, PATIENCE, Workplace, kept, now, soon, workplace
from reconciler import journal, locks

PHONES = tuple(f"+12125550{number}" for number in range(100, 110))
NEW = "+13125550120"
CONTACTS = "/api/v2/lists/*/contacts"
_UNDER_WAY = 0.2
"""Seconds from the journal's line to a request that the service has."""
HOLDER = "20261123T101500Z-3f9a1c"


@pytest.fixture
def work(tmp_path: Path) -> Workplace:
    """Return a list with one to suppress, then one to amend, then one to let go."""
    work = workplace(tmp_path)
    work.have(*((phone, "DNC", None) for phone in PHONES))
    work.embed()
    work.policy("maxReleases: {share: 100%, count: 10}")
    ground = f"basis: b, ticket: T-1, requestedBy: p, requestedAt: {now():%Y-%m-%d}"
    work.declare(
        *(f'phoneNumber: "{phone}"' for phone in (*PHONES[1:9], NEW)),
        f'phoneNumber: "{PHONES[0]}", reason: BOUNCE',
        more=f'  releases: [{{phoneNumber: "{PHONES[9]}", {ground}}}]\n',
    )
    return work


# ---------------------------------------------------------------- signals


@pytest.mark.parametrize(
    ("sent", "code", "words"),
    [(signal.SIGINT, 130, ()), (signal.SIGTERM, 143, ("--format", "json"))],
)
def test_the_batch_in_flight_is_finished_and_recorded(
    work: Workplace, sent: signal.Signals, code: int, words: tuple[str, ...]
) -> None:
    """Nothing is begun after it; the next run does the rest."""
    words = ("apply", "--auto-approve", *words)
    with work.service(f"slow:2@POST {CONTACTS}#1"):
        with work.started(*words) as running:
            soon(lambda: _sent(work))
            time.sleep(_UNDER_WAY)
            running.send_signal(sent)
            out, err = running.communicate(timeout=PATIENCE)
        ran = kept(words, running.returncode, out, err)
        lines = [line["event"] for line in work.journal()]
        held = work.held()
        receipt = work.artifact("receipt.json")
        again = work.call("apply", "--auto-approve")

    assert code == ran.code == receipt["exit_code"] == _ledger(work)[0]["exit_code"]
    assert "interrupted" == _ledger(work)[0]["outcome"]
    assert ["intent", "outcome"] == lines
    assert NEW in held
    assert "DNC" == held[PHONES[0]][0]
    assert "Finishing what is in flight. Once more to stop at once." in ran.err
    did = "0 suppressed, 1 amended, 0 shortened, 1 released, 0 rejected. 2 batches."
    assert 0 == again.code
    assert f"Applied: {did} Run {work.newest.name}." == again.last


def test_the_second_signal_stops_at_once(work: Workplace) -> None:
    """Without waiting for the answer; the next run finds out what became of it."""
    with work.service(f"slow:2@POST {CONTACTS}#1"):
        with work.started("apply", "--auto-approve") as running:
            soon(lambda: _sent(work))
            running.send_signal(signal.SIGINT)
            assert running.stderr
            soon(lambda: b"Finishing" in running.stderr.read1())  # type: ignore[union-attr]
            running.send_signal(signal.SIGINT)
            out, err = running.communicate(timeout=PATIENCE)
        ran = kept(("apply",), running.returncode, out, err)
        again = work.call("apply", "--auto-approve")

    assert 130 == ran.code
    assert "hint: what is in place stays; run it again for the rest" in ran.err
    assert 0 == again.code
    assert NEW in work.held()


def test_a_plan_is_interrupted_between_two_requests(work: Workplace) -> None:
    """In one line, in one document, and in the ledger."""
    words = ("plan", "--format", "json")
    with work.service("slow:1.5@GET /api/v2/lists/*"):
        with work.started(*words) as running:
            soon(
                lambda: [*work.state.glob("runs/*/specs.json"), *work.state.glob("cache/desired-*")]
            )
            time.sleep(_UNDER_WAY)
            running.send_signal(signal.SIGTERM)
            out, err = running.communicate(timeout=PATIENCE)
        ran = kept(words, running.returncode, out, err)

    assert 143 == ran.code == _ledger(work)[0]["exit_code"]
    assert "error: interrupted before the next request to the service" in ran.err.splitlines()


def test_ctrl_c_at_the_question_ends_it_at_once(work: Workplace) -> None:
    """There is nothing in flight that would have to be finished."""
    ours, theirs = pty.openpty()
    with work.started("apply", stdin=theirs) as running:
        assert running.stderr
        soon(lambda: b"taken as a yes" in running.stderr.read1())  # type: ignore[union-attr]
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=PATIENCE)
    for handle in (ours, theirs):
        os.close(handle)

    ran = kept(("apply",), running.returncode, out, err)
    assert 130 == ran.code
    assert ["error", "hint"] == [line.partition(":")[0] for line in ran.err.splitlines()]
    assert NEW not in work.held()


def test_a_killed_apply_is_healed_by_the_next(work: Workplace) -> None:
    """Its lock is taken over and its torn run stands in nobody's way."""
    with work.service(f"slow:2@POST {CONTACTS}#1"):
        with work.started("apply", "--auto-approve") as running:
            soon(lambda: _sent(work))
            running.kill()
            running.wait(PATIENCE)
        again = work.call("apply", "--auto-approve")

    assert 0 == again.code
    assert "the lock of us-dnc is taken over from run " in again.err
    assert {NEW, *PHONES} == set(work.held())
    assert [] == work.leaks()


def _sent(work: Workplace) -> bool:
    """Whether a request is on its way, as far as the journal tells."""
    files = [*work.state.glob("runs/*/journal.jsonl")]
    return bool(files) and any(True for _ in journal.replay(files[0]))


def _ledger(work: Workplace) -> list[dict[str, object]]:
    return [orjson.loads(path.read_bytes()) for path in sorted((work.state / "ledger").iterdir())]


# ---------------------------------------------------------------- locks


def test_two_runs_do_not_write_one_list_at_once(work: Workplace) -> None:
    """The second ends with 5 and names the first, or waits for it; others are not in the way."""
    work.have(list_id="other", name="Other")
    work.declare(f'phoneNumber: "{NEW}"', name="other", identity="listId: other")
    folder = work.state / "locks"
    with locks.held(folder, "us-dnc", run=HOLDER, since=now(), timeout=0, note=lambda _line: None):
        second = work.run("apply", "--auto-approve", "--format", "json")
        waited = work.call("apply", "--auto-approve", "--lock-timeout", "0.1")
        other = work.call("apply", "--auto-approve", "--list", "other")
        planned = work.call("plan")
    after = work.call("apply", "--auto-approve")

    assert [5, 5, 0, 0, 0] == [each.code for each in (second, waited, other, planned, after)]
    assert f"list us-dnc is locked by run {HOLDER} (pid " in second.document["error"]
    assert "hint: wait for it, or give --lock-timeout more seconds" in second.err
    assert NEW in work.held()


# ---------------------------------------------------------------- disks


@pytest.mark.parametrize("size", [0, 1_500, 5_000])
def test_a_full_disk_is_one_line_and_a_hint(work: Workplace, size: int) -> None:
    """Wherever it strikes first; what is sent is written down, and the next run heals."""
    work.write("more.csv", "phoneNumber\n" + "".join(f"+1312555{n:04}\n" for n in range(100, 190)))
    more = "  sources: [{path: more.csv}]\n"
    work.declare(*(f'phoneNumber: "{phone}"' for phone in PHONES), more=more)
    with work.service():
        ran = work.run(
            *("apply", "--auto-approve", "--format", "json"),
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
        )
        after = work.held()
        written = [*work.state.glob("runs/*/journal.jsonl")]
        healed = work.call("apply", "--auto-approve")

    told = ran.document
    assert ran.code in {1, 7}
    assert all(each["hint"] for each in told.get("failures", [told]))
    assert len(after) == len(PHONES) or any(len([*journal.replay(path)]) == 2 for path in written)
    assert 0 == healed.code
    assert 100 == len(work.held())


def test_a_state_directory_that_cannot_be_made_is_told(work: Workplace) -> None:
    """With the flag that names another."""
    (work.folder / "file").write_text("")

    told = [
        work.call(*words, "--state-dir", "file/state")
        for words in (("plan",), ("apply", "--auto-approve"), ("drift",), ("ping",))
    ]

    assert [1] * 4 == [each.code for each in told]
    assert all("--state-dir DIR" in each.err.splitlines()[-1] for each in told)


def test_output_that_cannot_be_written_is_told(work: Workplace) -> None:
    """A full disk behind standard output, and a reader who has left; a device is not replaced."""
    nowhere = work.call("plan", "--out", "absent/plan.json")
    device = work.call("plan", "--out", "/dev/null")
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "reconciler", "plan"],
            cwd=work.folder,
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )

    ran = kept(("plan",), ended.returncode, b"", ended.stderr)
    assert 1 == ran.code
    assert "error: standard output cannot be written: No space left on device" in ran.err
    assert "hint: " in ran.err
    assert (7, 0) == (nowhere.code, device.code)
    assert Path("/dev/null").is_char_device()
    assert LIST not in nowhere.out
