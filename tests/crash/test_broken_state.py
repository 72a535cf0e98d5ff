"""State that cannot be read or written: a right result or a clear error, never a wrong answer."""

import errno
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from textwrap import dedent

import orjson
import pytest
from killing import APPLY, Killer, Point, campaign, copied, furnish, hearing, killer
from surviving import Whole, finished, held, losses, whole

from program import LIST, Ran, Workplace, now, workplace
from reconciler import interrupted, journal
from reconciler.contacts.engine import Engine
from worlds import running

HELD = tuple(f"+12125550{number}" for number in range(100, 106))
NEW, LATER = "+13125550120", "+13125550121"
LET_GO, REMOVED = HELD[5], HELD[0]
WANTED = frozenset((*HELD[:5], NEW, LATER))
DAMAGES = ("empty", "half", "noise", "folder", "gone")
PARTS = 4
_STEPS = 5
_RANDOM = re.compile(r"[0-9a-f]{8,}|\d{8}T\d{6}Z-[0-9a-f]{6}")
_SPILLING = """
    import os, signal, sys
    from pathlib import Path
    from reconciler.contacts.engine import Engine

    with Engine(key=b"k" * 32, spill=Path(sys.argv[1]), memory="60MB") as engine:
        with engine.session() as session:
            session.execute(
                "CREATE TEMP TABLE many AS SELECT '+1212555' || i AS phone, hash(i) AS a,"
                " hash(i + 1) AS b, sha256(i::VARCHAR) AS c FROM range(1000000) AS numbers(i)"
            )
            os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def warm() -> Iterator[Killer]:
    """Keep one warm process for all runs of this file."""
    with killer() as process:
        yield process


# ---------------------------------------------------------------- files that are not as they were


@pytest.fixture(scope="module")
def template(warm: Killer, tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """Return a state with a history: a run, one that was killed, and strangers since.

    One contact was let go and has asked not to be called since; one that is wanted was removed.
    """
    work = workplace(tmp_path_factory.mktemp("broken") / "template")
    work.folder.mkdir()
    work.embed()
    work.policy("maxReleases: {share: 100%, count: 10}")
    other = work.have(*((phone, "DNC", None) for phone in HELD))
    _declare(work, NEW)
    assert 0 == warm.run(work, *APPLY).ran.code
    _declare(work, NEW, LATER)
    points = warm.run(copied(work, work.folder.with_name("copy")), *APPLY).points
    (sent,) = (one for one in points if one.kind == "answer" and _writes(one))
    assert warm.run(work, *APPLY, at=sent.number).killed
    other.add(LIST, phone=LET_GO, reason="CUSTOMER_REQUEST")
    other.remove(LIST, REMOVED)
    return work


def _declare(work: Workplace, *new: str) -> None:
    ground = f"basis: b, ticket: T-1, requestedBy: p, requestedAt: {now():%Y-%m-%d}"
    work.write("more.csv", "phoneNumber\n" + "".join(f"{one}\n" for one in (*HELD[:5], *new)))
    work.declare(
        more="  sources: [{path: more.csv}]\n"
        f'  releases: [{{phoneNumber: "{LET_GO}", {ground}}}]\n'
    )


def _writes(point: Point) -> bool:
    return point.what.startswith("POST ") and point.what.endswith("/contacts")


def _damages(work: Workplace) -> list[tuple[Path, str]]:
    """Return every file of the state but the service's own, with each way to damage it."""
    files = (path.relative_to(work.state) for path in sorted(work.state.rglob("*")))
    return [
        (path, how)
        for path in files
        if (work.state / path).is_file() and not path.name.startswith("sandbox.db")
        for how in DAMAGES
    ]


def _some(damages: Sequence[tuple[Path, str]]) -> list[tuple[Path, str]]:
    """Return one way for every kind of file, in turn, and all for those nothing can replace."""
    kinds = {_RANDOM.sub("*", path.as_posix()): path for path, _ in damages}
    turns = [(path, DAMAGES[turn % len(DAMAGES)]) for turn, path in enumerate(kinds.values())]
    precious = {"pseudonym.key", "00000002.json"}
    return sorted({*turns, *(each for each in damages if each[0].name in precious)})


def damage(path: Path, how: str) -> None:
    """Leave of a file what no program of ours would write."""
    whole = path.read_bytes()
    path.unlink()
    match how:
        case "empty":
            path.write_bytes(b"")
        case "half":
            path.write_bytes(whole[: len(whole) // 2])
        case "noise":
            path.write_bytes(bytes(byte ^ 0x5A for byte in whole) or b"noise")
        case "folder":
            path.mkdir()


def judged(work: Workplace, ran: Ran) -> list[str]:
    """Return what is wrong with an apply: somebody lost, or an error that is not clear."""
    found = work.held()
    missing = WANTED - {phone for phone, (_, until) in found.items() if until is None}
    wrong = ["a release is repeated"] * (found[LET_GO] != ("CUSTOMER_REQUEST", None))
    if ran.code in {1, 7}:
        unclear = "error: " not in ran.err or "hint: " not in ran.err
        wrong += [f"{len(missing)} are lost"] * (not missing <= {REMOVED, LATER})
        return wrong + [f"not clear: {ran.err}"] * unclear
    refused = "Refused: " in ran.out and "restore it from a backup" in ran.out
    wrong += [f"{ran.code}: {ran.out}{ran.err}"] * (ran.code != 4 * refused)
    return wrong + [f"{len(missing)} are missing after it"] * bool(missing)


def _survived(
    warm: Killer, template: Workplace, path: Path, how: str, *, folder: Path, planned: bool = True
) -> list[str]:
    """Damage one file, plan (if that is wanted) and apply; return what is wrong."""
    work = copied(template, folder)
    damage(work.state / path, how)

    plans = [warm.run(work, "plan").ran] if planned else []
    applied = warm.run(work, *APPLY).ran

    wrong = [
        f"the plan says {one.code}: {one.out}"
        for one in plans
        if "No changes" in one.out or one.code not in {0, 1, 4, 7}
    ]
    return [f"{path} {how}: {one}" for one in wrong + judged(work, applied)]


@pytest.mark.parametrize("part", range(PARTS))
def test_a_damaged_file_never_makes_a_wrong_answer(
    warm: Killer, template: Workplace, tmp_path: Path, part: int
) -> None:
    """One of every kind: emptied, cut, altered, a folder in its place, or gone."""
    damages = _some(_damages(template))[part::PARTS]

    wrong = [
        one
        for number, (path, how) in enumerate(damages)
        for one in _survived(
            warm, template, path, how, folder=tmp_path / str(number), planned=False
        )
    ]

    assert damages
    assert [] == wrong


@pytest.mark.scale
def test_no_damaged_file_makes_a_wrong_answer(
    warm: Killer, template: Workplace, tmp_path: Path
) -> None:
    """Each file of the state, in every way."""
    damages = _damages(template)

    wrong = campaign(tmp_path, [partial(_survived, warm, template, *one) for one in damages])

    assert [] == wrong


@pytest.mark.parametrize("how", [*DAMAGES])
def test_an_embedded_service_that_is_damaged_is_no_empty_service(
    warm: Killer, template: Workplace, tmp_path: Path, how: str
) -> None:
    """There is nothing to compare with: an error, never a list without contacts."""
    work = copied(template, tmp_path / "work")
    damage(work.database, how)

    ran = [warm.run(work, *words).ran for words in (("plan",), APPLY)]

    assert {each.code for each in ran} <= {1, 7}
    assert not any("Applied: " in each.out for each in ran)


# ---------------------------------------------------------------- what dead runs leave


def test_a_journal_torn_anywhere_is_counted_up_to_there(tmp_path: Path) -> None:
    """At every byte of its last two lines: what has no answer is in doubt, and no more."""
    lines = _journal(tmp_path / "journal.jsonl")
    torn = len(b"".join(lines[:-2]))
    whole = b"".join(lines)
    for cut in range(torn, len(whole) + 1):
        folder = tmp_path / "state" / "runs" / f"20261123T101500Z-{cut:06x}"
        folder.mkdir(parents=True)
        (folder / "run.json").write_bytes(b'{"command":"apply"}')
        (folder / "journal.jsonl").write_bytes(whole[:cut])

    with running(folder=tmp_path / "state") as run:
        interrupted.settle(run)

    asked, answered = torn + len(lines[-2]), len(whole)
    for cut in range(torn, len(whole) + 1):
        told = run.state / "runs" / f"20261123T101500Z-{cut:06x}" / "interrupted.json"
        step = orjson.loads(told.read_bytes())["lists"]["us-dnc"]["suppress"]
        counts = (step["taken"], step["in_doubt"])
        expected = (4, 0) if cut < asked else (4, 3) if cut < answered else (7, 0)
        assert expected == counts, cut


def _journal(path: Path) -> list[bytes]:
    """Return the lines of a journal of two batches that were taken."""
    with journal.Journal(path) as made:
        for rows in (4, 3):
            facts = {"list": "us-dnc", "action": "Suppress", "op": "suppress", "rows": rows}
            intent = made.intent(facts)
            made.outcome(intent, {"taken": True, "errors": 0, "unnamed": 0, "version": ""})
    return path.read_bytes().splitlines(keepends=True)


def test_what_a_killed_process_spilled_is_gone_at_the_next_start(tmp_path: Path) -> None:
    """It holds addresses, and nobody would ever look there."""
    program = [sys.executable, "-c", dedent(_SPILLING), str(tmp_path)]
    ended = subprocess.run(program, capture_output=True, check=False)  # noqa: S603 - our own words
    spilled = sum(path.stat().st_size for path in tmp_path.glob("*/*"))

    with Engine(key=b"k" * 32, spill=tmp_path):
        left = [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size]

    assert -9 == ended.returncode, ended.stderr
    assert spilled > 0
    assert [] == left
    assert [] == [*tmp_path.iterdir()]


def test_nothing_else_that_stands_where_we_spill_is_touched(tmp_path: Path) -> None:
    """It may be a folder for the temporary files of everybody, or somebody's own."""
    theirs = [tmp_path / name / "thesis.txt" for name in ("precious", ".ssh", "deadbeef")]
    for path in theirs:
        path.parent.mkdir()
        path.write_text("years of work")

    with Engine(key=b"k" * 32, spill=tmp_path):
        pass

    assert sorted(theirs) == sorted(path for path in tmp_path.rglob("*") if path.is_file())


# ---------------------------------------------------------------- full and read-only disks


@pytest.fixture(scope="module")
def known(warm: Killer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    """Return a world in which everything is to be done, and what an undisturbed run makes of it."""
    folder = tmp_path_factory.mktemp("full") / "template"
    folder.mkdir()
    with hearing() as crm:
        yield whole(warm, furnish(folder, hook=crm.url), crm)


def _starved(warm: Killer, known: Whole, point: Point, *, folder: Path) -> list[str]:
    """Let every file fail from this step on, then run again; return what is wrong."""
    work = copied(known.template, folder)

    ran = warm.run(work, *APPLY, at=point.number, error=errno.ENOSPC).ran
    lost = losses(known.before, held(work))
    last = warm.run(work, *APPLY).ran

    clear = not ran.code or ("error: " in ran.err and "hint: " in ran.err) or "failed" in ran.out
    wrong = lost + finished(known, work, last) + [f"{ran.code}: {ran.err}"] * (not clear)
    wrong += [f"it ended with {ran.code}"] * (ran.code not in {0, 1, 7})
    return [f"{point}: {one}" for one in wrong]


def _steps(known: Whole) -> list[Point]:
    """Return the steps with files; a disk has no half of them."""
    return [
        each
        for each in known.points
        if each.kind in {"open", "write", "fsync", "os.link", "os.rename"} and not each.half
    ]


@pytest.mark.parametrize("part", range(PARTS))
def test_a_disk_that_fills_up_is_a_clear_error_and_no_loss(
    warm: Killer, known: Whole, tmp_path: Path, part: int
) -> None:
    """At steps all along; with space again the next run does what is left."""
    steps = _steps(known)
    points = steps[:: len(steps) // _STEPS][part::PARTS]

    wrong = [
        one
        for point in points
        for one in _starved(warm, known, point, folder=tmp_path / str(point.number))
    ]

    assert points
    assert [] == wrong


@pytest.mark.scale
def test_a_disk_may_fill_up_anywhere(warm: Killer, known: Whole, tmp_path: Path) -> None:
    """At every step with a file."""
    wrong = campaign(tmp_path, [partial(_starved, warm, known, point) for point in _steps(known)])

    assert [] == wrong


@contextmanager
def _mounted(folder: Path, *, size: str) -> Iterator[None]:
    """Have a small disk of its own at a folder, where that is allowed."""
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "none", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:  # noqa: S603 - fixed words
        pytest.skip("no disk can be mounted here: it takes root and its rights")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)  # noqa: S603, S607 - fixed words


def test_a_real_disk_that_is_full_is_told(tmp_path: Path) -> None:
    """One line and a hint; a disk with room and the same state then does all of it."""
    work, state = _apart(tmp_path)
    with work.service(), _mounted(state, size="80k"):
        full = work.run(*APPLY, "--state-dir", str(state))
        after = work.held()
        subprocess.run(["mount", "-o", "remount,size=16m", str(state)], check=True)  # noqa: S603, S607 - fixed words
        healed = work.run(*APPLY, "--state-dir", str(state))

    assert full.code in {1, 7}
    assert "hint: " in full.err
    assert set(HELD) <= set(after)
    assert 0 == healed.code
    assert {*HELD, *_many()} == set(work.held())


def test_a_read_only_disk_is_told(tmp_path: Path) -> None:
    """Nobody can write down what is done, so nothing is."""
    work, state = _apart(tmp_path)
    with work.service(), _mounted(state, size="16m"):
        first = work.run("plan", "--state-dir", str(state))
        subprocess.run(["mount", "-o", "remount,ro", str(state)], check=True)  # noqa: S603, S607 - fixed words
        told = [work.run(*words, "--state-dir", str(state)) for words in (("plan",), APPLY)]
        after = work.held()

    assert 0 == first.code
    assert [1, 1] == [each.code for each in told]
    assert all("Read-only file system" in each.err for each in told)
    assert all("hint: " in each.err for each in told)
    assert set(HELD) == set(after)


def _apart(folder: Path) -> tuple[Workplace, Path]:
    """Return a list of which a hundred are missing, and a folder for the state elsewhere."""
    work = workplace(folder)
    work.have(*((phone, "DNC", None) for phone in HELD))
    work.write("more.csv", "phoneNumber\n" + "".join(f"{phone}\n" for phone in _many()))
    work.declare(more="  sources: [{path: more.csv}]\n")
    return work, folder / "disk"


def _many() -> tuple[str, ...]:
    return tuple(f"+1312555{number:04}" for number in range(100, 200))
