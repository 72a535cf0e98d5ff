"""``audit prune`` and ``audit hold`` as a user has them, alone and with a shared bucket."""

import os
import pty
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from buckets import s3
from program import PATIENCE, Ran, Workplace, kept, workplace
from reconciler import ledger
from reconciler.store import DirectoryStore

NOW = ("--older-than", "P0D", "--auto-approve")
TABLES = ("--tables-older-than", "P0D", "--auto-approve")
BLOCKED = "reject:CARRIER_BLOCKED;ending=0103@POST contacts"
KEY = {"RECONCILER_PSEUDONYM_KEY": "env:SHARED_KEY", "SHARED_KEY": "0123456789abcdef0123456789"}


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which two applies and a drift have run."""
    work = workplace(tmp_path_factory.mktemp("past"))
    work.have()
    work.declare('phoneNumber: "+12125550102"', 'phoneNumber: "+12125550103"')
    with work.service(BLOCKED):
        work.call("apply", "--auto-approve")
        work.call("apply", "--auto-approve")
        work.call("drift")
    return work.folder


@pytest.fixture
def work(past: Path, tmp_path: Path) -> Workplace:
    """Return a copy of it that a test may do anything to."""
    return workplace(shutil.copytree(past, tmp_path / "work"))


def files(work: Workplace, pattern: str = "*/**/*") -> set[str]:
    """The names of artifacts on this machine."""
    runs = work.state / "runs"
    return {p.relative_to(runs).as_posix() for p in runs.glob(pattern) if p.is_file()}


def tables(work: Workplace) -> set[str]:
    """Those with addresses."""
    return {name for name in files(work) if "/tables/" in name}


def hold(work: Workplace, *words: str) -> str:
    """Place a hold and return its name."""
    ran = work.call("audit", "hold", "add", "--reason", "LEGAL-1", "--format", "json", *words)
    assert 0 == ran.code, ran.err
    return str(ran.document["holds"][0]["id"])


def test_a_dry_run_shows_what_would_go_and_changes_nothing(work: Workplace) -> None:
    """Not even the ledger; no terminal and no secret is needed."""
    before = {path: path.read_bytes() for path in work.state.rglob("*") if path.is_file()}

    text = work.call("audit", "prune", "--older-than", "P0D", "--dry-run")
    document = work.call(
        "audit", "prune", "--older-than", "P0D", "--dry-run", "--format", "json"
    ).document

    assert before == {path: path.read_bytes() for path in work.state.rglob("*") if path.is_file()}
    assert text.last.startswith("To prune: 4 tables with addresses and ")
    assert ("pruning", False, 4) == (
        document["kind"],
        document["done"],
        document["counts"]["tables"],
    )
    assert all(each["digest"] for each in document["removed"])


def test_tables_go_first_and_everything_else_still_works(work: Workplace) -> None:
    """The chain is whole, drift knows its origins, and nobody is reported as refused any more."""
    others = files(work) - tables(work)

    ran = work.call("audit", "prune", *TABLES)
    again = work.call("audit", "prune", *TABLES)

    assert "Pruned: 4 tables with addresses and 0 other files of 2 runs." == ran.last
    assert "Nothing to prune." == again.last
    assert set() == tables(work)
    assert others <= files(work)
    assert 0 == work.call("audit", "verify").code
    assert "" == ledger.past(DirectoryStore(work.state)).doubt
    assert "Rejected: none." == work.call("rejected").last
    with work.service():
        drifted = work.call("drift", "--format", "json").document["lists"][0]
        assert 0 == work.call("apply", "--auto-approve").code
    assert drifted["missing"] == sum(drifted["origins"]["missing"].values())
    assert 0 == drifted["origins"]["missing"]["unknown"]
    assert [] == work.leaks()


def test_what_an_interrupted_pruning_left_is_accepted_and_goes_next(work: Workplace) -> None:
    """It is named in the ledger already, there or not."""
    name = min(tables(work))
    table = work.state / "runs" / name
    data = table.read_bytes()
    work.call("audit", "prune", *TABLES)
    table.parent.mkdir(parents=True)
    table.write_bytes(data)

    verified = work.call("audit", "verify")
    again = work.call("audit", "prune", *TABLES)

    assert 0 == verified.code, verified.out
    assert "Pruned: 1 table with addresses and 0 other files of 1 run." == again.last
    assert not table.exists()


def test_evidence_goes_but_for_the_run_that_last_applied_a_list(work: Workplace) -> None:
    """The log still tells of every run, and each is shown with what became of it."""
    lines = len(files(work, "../ledger/*"))

    ran = work.call("audit", "prune", *NOW, "--format", "json")
    log = work.call("audit", "log", "--format", "json").document["lines"]
    shown = work.call("audit", "show", "1", "--format", "json").document

    assert 0 == ran.code
    assert ran.document["done"]
    assert [["us-dnc"]] == [each["lists"] for each in ran.document["spared"]]
    assert {each["presence"] for each in shown["artifacts"]} == {"pruned"}
    assert ["audit prune", "drift", "apply", "apply"] == [line["command"] for line in log]
    assert "pruned" == log[0]["outcome"]
    assert lines + 2 == len(files(work, "../ledger/*"))
    assert 0 == work.call("audit", "verify").code
    assert 2 == len([*(work.state / "runs").iterdir()])


def test_what_is_held_stays_and_is_named(work: Workplace) -> None:
    """The rest is done, which exits 4; once released it goes, and the whole story is told."""
    name = hold(work, "--run", "1")
    before = files(work)

    first = work.call("audit", "prune", *NOW)
    kept_back = before & files(work)
    released = work.call("audit", "hold", "release", name, "--reason", "settled")
    second = work.call("audit", "prune", *NOW)
    told = work.call("audit", "hold", "list", "--all")

    run = work.call("audit", "show", "1", "--format", "json").document["run"]
    assert (4, 0, 0) == (first.code, released.code, second.code)
    assert f"run {run} by {name}" in first.out
    assert first.last.endswith("Held: 1 run.")
    assert {f"{run}/{file}" for file in ("receipt.json", "tables/us-dnc/gap.parquet")} <= kept_back
    assert not [file for file in files(work) if file.startswith(run)]
    assert ["held", "released"] == [line.split()[0] for line in told.out.splitlines()[1:]]
    assert "No holds." == work.call("audit", "hold", "list").last
    assert 0 == work.call("audit", "verify").code


def test_a_hold_says_what_it_keeps_and_why_without_an_address(work: Workplace) -> None:
    """Everything unless it is narrowed down."""
    hold(work)
    hold(work, "--list", "us-dnc", "--from", "2026-01-01", "--to", "2099-12-31")
    ran = work.call("audit", "hold", "add", "--reason", "asked for by bob@example.com")

    found = work.call("audit", "hold", "list", "--format", "json").document["holds"]

    assert ran.last.startswith("Held: everything. Hold hold-")
    assert [[], ["us-dnc"], []] == [each["lists"] for each in found]
    assert ("2026-01-01T00:00:00Z", "2099-12-31T23:59:59Z") == (found[1]["from"], found[1]["to"])
    assert "asked for by b•••@example.com" == found[2]["reason"]
    assert all(each["by"] and each["at"] for each in found)
    assert [] == work.leaks()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("prune",), 64, "say how old evidence must be to go"),
        (("prune", "--older-than", "P5"), 64, "an ISO 8601 duration such as P90D or P1Y"),
        (("prune", "--older-than", "P9000Y"), 64, "leaves the calendar"),
        (("prune", "--older-than", "P5Y"), 64, "there is no terminal to ask at"),
        (
            ("prune", "--older-than", "P5D", "--tables-older-than", "P6D", "--auto-approve"),
            64,
            "never stay for longer",
        ),
        (("hold", "add"), 64, "a hold needs a reason"),
        (("hold", "add", "--reason", " "), 64, "a hold needs a reason"),
        (("hold", "add", "--reason", "x", "--list", "us-dcn"), 7, "did you mean us-dnc?"),
        (("hold", "add", "--reason", "x", "--run", "nobody"), 7, "no run in the ledger"),
        (("hold", "add", "--reason", "x", "--run", "1", "--list", "us-dnc"), 64, "leave --list"),
        (("hold", "release", "hold-1", "--reason", "x"), 7, "there is no hold 'hold-1'"),
        (("hold", "release", "hold-1"), 64, "a hold needs a reason"),
        (("hold", "lst"), 64, "Did you mean 'list'?"),
        (("hold",), 64, "Take a hold back."),
    ],
)
def test_what_cannot_be_meant_is_said(
    work: Workplace, words: tuple[str, ...], code: int, told: str
) -> None:
    """In one line, and nothing goes."""
    before = files(work)

    ran = work.call("audit", *words)

    assert (code, "") == (ran.code, ran.out)
    assert told in ran.err
    assert before <= files(work)


def test_a_reason_is_never_taken_from_the_environment(work: Workplace) -> None:
    """Somebody gives it, each time."""
    ran = work.call("audit", "hold", "add", settings={"RECONCILER_AUDIT_HOLD_ADD_REASON": "x"})

    assert 64 == ran.code
    assert "RECONCILER_AUDIT_HOLD_ADD_REASON is not read" in ran.err


def test_a_ledger_that_may_not_be_whole_lets_nothing_go(work: Workplace) -> None:
    """Not in a dry run either: a hold may be missing."""
    (work.state / "ledger" / "00000002.json").unlink()
    before = files(work)

    codes = [
        work.call("audit", "prune", "--older-than", "P0D", how).code
        for how in ("--dry-run", "--auto-approve")
    ]

    assert [1, 1] == codes
    assert before <= files(work)


@pytest.mark.parametrize(("answer", "code", "form"), [("yes\n", 0, "text"), ("y\n", 1, "json")])
def test_only_yes_is_a_yes(work: Workplace, answer: str, code: int, form: str) -> None:
    """At a terminal it is asked after what would go is shown."""
    words = ("audit", "prune", "--older-than", "P0D", "--format", form)

    ran = typed(work, answer, *words)

    assert code == ran.code
    assert "To prune: 4 tables" in (ran.out if form == "text" else ran.err)
    assert "Only 'yes' is taken as a yes" in ran.err
    assert bool(code) == bool(tables(work))
    assert bool(code) == ("Nothing was removed." in ran.err)
    if form == "json":
        assert (not code) == ran.document["done"]


def typed(work: Workplace, answer: str, *words: str) -> Ran:
    """Run the program at a terminal at which somebody answers."""
    ours, theirs = pty.openpty()
    with work.started(*words, stdin=theirs) as running:
        os.write(ours, answer.encode())
        out, err = running.communicate(timeout=PATIENCE)
    for handle in (ours, theirs):
        os.close(handle)
    return kept(words, running.returncode, out, err)


# ---------------------------------------------------------------- more than one machine


@pytest.fixture
def bucket() -> Iterator[dict[str, str]]:
    """Yield the settings of machines that share a bucket."""
    with s3() as served:
        url = served.bucket("evidence") + "/suppression"
        yield {**KEY, **served.environment, "RECONCILER_STORE": url}


def test_machines_that_share_a_store_share_holds_and_prunings(
    bucket: dict[str, str], tmp_path: Path
) -> None:
    """A hold of one binds the other; tables are each machine's own; nothing is pruned twice."""
    one, two = (workplace(tmp_path / name) for name in ("one", "two"))
    for machine in (one, two):
        machine.folder.mkdir()
        machine.environment |= bucket
    one.have()
    with one.service() as url:
        two.reach(url)
        for phone, machine in enumerate((one, one, two), start=102):
            machine.declare(f'phoneNumber: "+12125550{phone}"')
            assert 0 == machine.call("apply", "--auto-approve").code
    name = hold(one, "--run", "2")
    first, second = [
        line["run"] for line in one.call("audit", "log", "--format", "json").document["lines"]
    ][:0:-1][:2]

    pruned = two.call("audit", "prune", *NOW)
    held = {one_file.split("/")[0] for one_file in tables(one)}
    here = one.call("audit", "prune", *NOW)
    one.call("audit", "hold", "release", name, "--reason", "settled")
    last = one.call("audit", "prune", *NOW)
    shown = two.call("audit", "show", second, "--format", "json").document

    assert (4, 4, 0) == (pruned.code, here.code, last.code)
    assert set() == tables(two)
    assert {first, second} == held
    assert set() == tables(one)
    assert not (one.state / "runs" / first).exists()
    assert not [*(one.state / "mirror").glob(f"*/runs/{first}/*")]
    assert {"pruned"} == {each["presence"] for each in shown["artifacts"]}
    assert 0 == one.call("audit", "verify").code
    assert 0 == two.call("audit", "verify").code
