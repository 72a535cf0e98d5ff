"""``--metrics-file`` leaves a run's numbers whatever comes of it, last and whole."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from program import PATIENCE, Workplace, soon, workplace

PHONES = tuple(f"+12125550{number}" for number in range(100, 103))
CONTACTS = "/api/v2/lists/*/contacts"
SUCCESS = "last_success_timestamp_seconds"
_UNDER_WAY = 0.2
"""Seconds from the journal's line to a request that the service has."""


@pytest.fixture
def work(tmp_path: Path) -> Workplace:
    """Return a list with two contacts, of which a third is wanted too."""
    made = workplace(tmp_path)
    made.embed()
    made.have(*((phone, "DNC", None) for phone in PHONES[:2]))
    made.declare(*(f'phoneNumber: "{phone}"' for phone in PHONES))
    return made


def number(path: Path, name: str, labels: str = "") -> float | None:
    """Return one number of a file, by what stands in its labels."""
    line = rf"^reconciler_{name}{{[^\n]*{re.escape(labels)}[^\n]*}} (\S+)$"
    found = re.search(line, path.read_text("utf-8"), flags=re.MULTILINE)
    return float(found[1]) if found else None


def _asking(verb: str, path: Path) -> dict[str, str]:
    return {f"RECONCILER_{verb.upper()}_METRICS_FILE": str(path)}


def test_each_command_leaves_its_numbers(work: Workplace) -> None:
    """Of what is missing, what was done, and what is there afterwards; no address is among them."""
    files = {name: work.folder / f"{name}.prom" for name in ("plan", "apply", "drift")}

    for name, path in files.items():
        flags = ("--auto-approve",) if name == "apply" else ()
        ran = work.call(
            name, *flags, settings={f"RECONCILER_{name.upper()}_METRICS_FILE": f"{path}"}
        )
        assert 0 == ran.code, ran.err

    missing = 'direction="missing"'
    assert [1, 1, 0] == [number(path, "list_drift_contacts", missing) for path in files.values()]
    assert [2, 2, 3] == [number(path, "list_contacts_before") for path in files.values()]
    assert [3, 3, 3] == [number(path, "list_contacts_after") for path in files.values()]
    assert 1 == number(files["apply"], "list_updates", 'op="suppress"')
    assert number(files["plan"], "list_updates") is None
    assert not any(phone in path.read_text("utf-8") for path in files.values() for phone in PHONES)
    (receipt,) = (work.state / "runs").glob("*/receipt.json")
    told = orjson.loads(receipt.read_bytes())["metrics"]["lists"]["us-dnc"]
    assert (2, 3, 1) == (told["size_before"], told["size_after"], told["drift"]["missing"])


@pytest.mark.parametrize("verb", ["plan", "apply", "drift"])
def test_a_run_that_fails_leaves_its_numbers_and_the_last_success(
    work: Workplace, verb: str
) -> None:
    """Its code is there, and since when nothing has gone well."""
    path = work.folder / "m.prom"
    words = (verb, *(["--auto-approve"] if verb == "apply" else []), "--metrics-file", "m.prom")
    work.call(*words)
    before = number(path, SUCCESS)

    work.write("us-dnc.yaml", "a: [\n")
    ran = work.call(*words)

    assert before is not None
    assert (7, 7.0, before) == (ran.code, number(path, "run_exit_code"), number(path, SUCCESS))
    assert number(path, "list_contacts_before") is None


def test_what_policy_refuses_is_told(work: Workplace) -> None:
    """With the exit code, and with the rows that were done all the same: none."""
    work.policy("maxSuppressions: {count: 0}")

    ran = work.call("apply", "--auto-approve", "--metrics-file", "m.prom")

    path = work.folder / "m.prom"
    assert 4 == ran.code
    assert (4, 1, None) == (
        number(path, "run_exit_code"),
        number(path, "run_refusals"),
        number(path, SUCCESS),
    )
    assert (2, 2, 0) == (
        number(path, "list_contacts_before"),
        number(path, "list_contacts_after"),
        number(path, "list_updates", 'op="suppress"'),
    )


@pytest.mark.parametrize(
    ("verb", "slow", "sign", "updates"),
    [
        (("apply", "--auto-approve"), f"POST {CONTACTS}#1", "journal.jsonl", 1),
        (("plan",), f"GET {CONTACTS}#1", "run.json", None),
    ],
    ids=["writing", "reading"],
)
def test_a_run_that_is_interrupted_leaves_its_numbers(
    work: Workplace, verb: tuple[str, ...], slow: str, sign: str, updates: int | None
) -> None:
    """The batch in flight is among them, and the code is that of the signal."""
    with work.service(f"slow:1@{slow}"), work.started(*verb, "--metrics-file=m.prom") as running:
        soon(lambda: any(path.stat().st_size for path in work.state.glob(f"runs/*/{sign}")))
        time.sleep(_UNDER_WAY)
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=PATIENCE)

    path = work.folder / "m.prom"
    assert 143 == running.returncode == number(path, "run_exit_code")
    assert updates == number(path, "list_updates", 'op="suppress"')
    assert number(path, SUCCESS) is None


def test_numbers_that_cannot_be_written_fail_the_run_and_undo_nothing(work: Workplace) -> None:
    """Whoever watches them would take old ones for new; what was applied is in place, and told."""
    name = f"{'m' * 245}.prom"

    ran = work.call("apply", "--auto-approve", "--metrics-file", name)
    failed = work.call("apply", "--list", "other", "--auto-approve", "--metrics-file", name)

    assert 1 == ran.code
    assert "Applied: 1 suppressed" in ran.out
    assert "--metrics-file: " in ran.err
    assert "what was done is done" in ran.err
    assert set(PHONES) == set(work.held())
    (receipt,) = (work.state / "runs").glob("*/receipt.json")
    assert 0 == orjson.loads(receipt.read_bytes())["exit_code"]
    assert 7 == failed.code
    assert "what was done is done" in failed.err
    assert "other" in failed.err


@pytest.mark.parametrize(
    ("file", "code", "told"),
    [
        ("-", 64, "a file, not standard output"),
        ("specs", 7, "specs is a folder"),
        ("absent/m.prom", 7, "is in a folder that does not exist"),
        ("m" * 300, 7, "cannot be a file"),
        ("out.json", 64, "--metrics-file and another flag name one file"),
        ("specs/../p.md", 64, "--metrics-file and another flag name one file"),
    ],
)
def test_a_file_that_cannot_be_is_told_before_anything_is_done(
    work: Workplace, file: str, code: int, told: str
) -> None:
    """In one line, and no run is opened."""
    ran = work.call("plan", "--out", "out.json", "--write", "markdown=p.md", "--metrics-file", file)

    assert code == ran.code
    assert told in ran.err
    assert not (work.state / "runs").exists()


def test_the_file_is_readable_as_other_files_of_its_owner_are(work: Workplace) -> None:
    """Who collects it is somebody else; and no draft is left beside it."""
    before = os.umask(0o022)
    try:
        work.call("plan", "--metrics-file", "m.prom")
    finally:
        os.umask(before)

    assert 0o644 == (work.folder / "m.prom").stat().st_mode & 0o777
    assert ["m.prom"] == [path.name for path in work.folder.glob("*m.prom*")]


def test_without_the_flag_prometheus_is_not_even_loaded(work: Workplace) -> None:
    """It costs the start of a run nothing."""
    look = (
        "import sys; from reconciler.commands import main; main(['plan']); "
        "sys.exit('prometheus_client' in sys.modules)"
    )

    ran = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", look],
        cwd=work.folder,
        env=work.environment,
        capture_output=True,
        check=False,
    )

    assert b"us-dnc" in ran.stdout
    assert 0 == ran.returncode
