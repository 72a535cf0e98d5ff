"""From an empty folder to a list that is kept: ``init`` and ``import`` as a user has them."""

import os
import pty
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from program import LIST, PATIENCE, Workplace, now, workplace
from reconciler import schema

WRITTEN = {
    ".gitignore",
    "schemas/policy.schema.json",
    "schemas/suppression-list.schema.json",
    "schemas/tenant.schema.json",
    "specs/contacts/do-not-call.csv",
    "specs/do-not-call.yaml",
    "specs/policy.yaml",
    "specs/tenant.yaml",
}
NOTHING = "No changes. The service matches the specs. Surplus kept: 0."


@pytest.fixture
def work(tmp_path: Path) -> Workplace:
    """Return an empty folder to work in."""
    return workplace(tmp_path)


def found(folder: Path) -> set[str]:
    """Return what is in a folder, but for the state directory."""
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path.as_posix() for path in files if path.parts[0] != ".reconciler"}


def test_a_new_folder_works_at_once(work: Workplace) -> None:
    """Init, validate, plan, apply, plan: nothing has to be edited first."""
    begun = work.run("init", "a b ü")
    inside = workplace(work.folder / "a b ü")

    assert (0, WRITTEN) == (begun.code, found(inside.folder))
    assert "Next:\n  cd 'a b ü'\n  reconciler plan" in begun.out
    assert "3 files, 1 list, 9 contacts. No problems." == inside.call("validate").last
    assert inside.call("plan").last.startswith("Plan: 9 to suppress, 0 to amend")
    assert 0 == inside.call("apply", "--auto-approve").code
    assert NOTHING == inside.call("plan").last


def test_what_is_written_explains_itself_to_an_editor(work: Workplace) -> None:
    """Each spec's first line leads to a schema that lies in the same folder."""
    work.call("init")

    for path in (work.folder / "specs").glob("*.yaml"):
        line = path.read_text(encoding="utf-8").splitlines()[0]
        there = path.parent / line.removeprefix("# yaml-language-server: $schema=")
        assert there.read_text(encoding="utf-8") in map(schema.text, schema.KINDS)


def test_pipelines_can_be_added_to_specs_that_are_there(work: Workplace) -> None:
    """Nothing else is written then, and never over a pipeline."""
    work.call("init")

    added = work.call("init", "--ci", "github", "--format", "json")
    again = work.call("init", "--ci", "github")

    assert (0, 7) == (added.code, again.code)
    assert {name for name in found(work.folder) if ".github/" in name} == {*added.document["files"]}
    assert found(work.folder) == WRITTEN | {*added.document["files"]}
    assert "suppression-main.yml" in again.err


def test_nothing_is_ever_overwritten(work: Workplace) -> None:
    """Whatever is there is named, and nothing is written; not even what is not there."""
    work.write("policy.yaml", "mine")

    once = work.call("init")

    assert 7 == once.code
    assert "nothing was written: specs/policy.yaml is there already" in once.err
    assert {"specs/policy.yaml"} == found(work.folder)


def test_a_second_init_is_refused(work: Workplace) -> None:
    """It names every file."""
    work.call("init")
    before = {path: path.stat().st_mtime_ns for path in work.folder.rglob("*")}

    again = work.call("init", "--format", "json")

    assert 7 == again.code
    assert all(name in again.document["error"] for name in WRITTEN - {".gitignore"})
    assert before == {path: path.stat().st_mtime_ns for path in work.folder.rglob("*")}


def test_a_repository_keeps_its_own_gitignore(work: Workplace) -> None:
    """The state directory keeps itself out of git."""
    (work.folder / ".git").mkdir()
    (work.folder / ".gitignore").write_text("mine\n", encoding="utf-8")

    begun = work.call("init", "--ci", "github")

    assert 0 == begun.code
    assert ".gitignore was there and stays as it is" in begun.out
    assert "mine\n" == (work.folder / ".gitignore").read_text(encoding="utf-8")
    assert 3 == len([*(work.folder / ".github" / "workflows").glob("*.yml")])


def test_pipelines_are_not_written_where_no_host_looks(work: Workplace) -> None:
    """A folder inside a repository is not its root."""
    (work.folder / ".git").mkdir()

    begun = work.call("init", "below", "--ci", "gitlab")

    assert 7 == begun.code
    assert not (work.folder / "below").exists()


def test_a_tenant_of_ones_own_is_pinged_and_its_list_imported(work: Workplace) -> None:
    """Planning right after changes nothing, and contacts are private."""
    ends = now() + timedelta(days=400)
    with work.started("sandbox", "--port", "0", "--data", str(work.database)) as service:
        assert service.stdout
        url = service.stdout.readline().decode().strip()
        other = work.have(
            ("+12125550101", "DNC", None),
            ("ada@example.com", "BOUNCE", "2035-01-01T00:00:00Z"),
            name='Do "Not" Call: #1',
            description="- a\u2028b",
            suppress_until=ends,
        )
        other.add(LIST, email="Bob@Example.com", phone="+12125550102", reason="COMPLIANCE")
        other.add(LIST, email="none@example.com", reason=None)
        details = ("--tenant", "acme", "--base-url", f"{url}/api/v2", "--token-url")

        begun = work.call("init", *details, f"{url}/oauth/token", "--import-list", LIST)
        planned = work.call("plan", "--detailed-exitcode")

    contacts = work.folder / "specs" / "contacts" / "do-not-call-1.csv"
    assert 0 == begun.code, begun.err
    assert "2 checks. All passed." in begun.out
    assert "Imported do-not-call-1: 4 contacts" in begun.out
    assert "left out, and not touched: 1 without a reason that a spec can declare" in begun.out
    assert (0, NOTHING.replace("0.", "1.")) == (planned.code, planned.last)
    assert 0o600 == stat.S_IMODE(contacts.stat().st_mode)
    assert [
        "email,phoneNumber,reason,suppressUntil",
        ",+12125550101,DNC,",
        ",+12125550102,COMPLIANCE,",
        "ada@example.com,,BOUNCE,2035-01-01T00:00:00Z",
        "bob@example.com,,COMPLIANCE,",
    ] == contacts.read_text(encoding="utf-8").splitlines()
    assert [] == work.leaks()


def test_a_way_that_is_closed_leaves_what_was_written(work: Workplace) -> None:
    """The tenant's file is what has to be mended."""
    begun = work.call(
        *("init", "--tenant", "acme", "--base-url", "http://127.0.0.1:9"),
        settings={"CXONE_CLIENT_SECRET": ""},
    )

    assert 7 == begun.code
    assert "FAIL  acme  token" in begun.out
    assert "What was written stays." in begun.out
    assert {"specs/tenant.yaml", "specs/policy.yaml"} < found(work.folder)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--tenant", "acme", "--subdomain", "a", "--client-secret", "hush"), 7, "--client-secret"),
        (("--tenant", "acme", "--subdomain", "Not One"), 7, "--subdomain"),
        (("--tenant", "a b", "--subdomain", "a"), 7, "--tenant"),
        (("--tenant", "acme", "--base-url", "http://example.com"), 7, "--base-url"),
        (("--tenant", "acme"), 64, "where is the tenant?"),
        (("--subdomain", "acme"), 64, "add --tenant NAME"),
        (("--ci", "jenkins"), 64, "--ci"),
        (("file",), 7, "file"),
        (("file/below",), 1, "nothing was written"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_bad_wish_writes_nothing(
    work: Workplace, words: tuple[str, ...], code: int, told: str
) -> None:
    """One line names the flag, and never shows what may be a secret."""
    (work.folder / "file").write_text("", encoding="utf-8")

    begun = work.call("init", *words)

    assert code == begun.code
    assert told in begun.err
    assert "hush" not in begun.err
    assert {"file"} == found(work.folder)


def test_ctrl_c_at_a_question_writes_nothing(work: Workplace) -> None:
    """Whoever thinks again at a terminal has lost nothing."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "reconciler", "init", "--tenant", "acme"],
        cwd=work.folder,
        env=work.environment,
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=_take_terminal,  # noqa: PLW1509 - the child has one thread: this is its start
    ) as running:
        os.close(theirs)
        _until(ours, b"Subdomain")
        os.write(ours, b"acme\n")
        _until(ours, b"[env:CXONE_CLIENT_ID]")
        os.write(ours, b"\x03")
        assert 130 == running.wait(PATIENCE)
    os.close(ours)
    assert set() == found(work.folder)


def test_import_says_what_is_wrong_and_writes_nothing(work: Workplace) -> None:
    """Names that are taken, lists that are declared, tenants that are not there."""
    work.embed()
    work.have(("+12125550101", "DNC", None))
    work.have(list_id="ended", name="Old", suppress_until=now() - timedelta(days=1))
    work.have(list_id="calling", name="Calls", list_type="calling")
    work.declare('phoneNumber: "+12125550101"', name="by-id")
    before = found(work.folder)

    def ended(list_id: str, *, name: str = "new", tenant: str = "acme") -> tuple[int, str]:
        ran = work.call("import", "--tenant", tenant, "--list-id", list_id, "--name", name)
        return ran.code, ran.err

    for code, told, (ran, err) in (
        (7, "there is no tenant `acmee`", ended(LIST, tenant="acmee")),
        (7, "--name: found `A b`", ended("x", name="A b")),
        (7, "a list by-id is declared already (specs/by-id.yaml:1:1)", ended("x", name="by-id")),
        (7, "by-id declares this list already (specs/by-id.yaml:1:1)", ended(LIST)),
        (1, "404", ended("nowhere")),
        (1, "is of type 'calling', expected 'suppression'", ended("calling")),
        (1, "it suppresses nobody", ended("ended")),
    ):
        assert code == ran, err
        assert told in err
    assert before == found(work.folder)


def test_no_other_list_may_read_what_is_imported(work: Workplace) -> None:
    """Its pattern would suppress the contacts on that list, too."""
    work.embed()
    work.have(("+12125550101", "DNC", None))
    work.write("contacts/other.csv", "phoneNumber,reason\n+12125550199,DNC\n")
    work.declare(
        name="other",
        identity="create: true\n  list: {name: Other}",
        more="  sources: [{path: contacts/*.csv}]\n",
    )
    before = found(work.folder)

    ran = work.call("import", "--tenant", "acme", "--list-id", LIST, "--name", "new")

    assert 7 == ran.code
    assert "other would read the contacts too, as contacts/*.csv" in ran.err
    assert before == found(work.folder)


def test_a_list_that_moves_while_it_is_read_is_not_imported(work: Workplace) -> None:
    """Half a list in git would look like all of it."""
    work.have(("+12125550101", "DNC", None))
    with work.service("bump:contact@GET contacts"):
        ran = work.call("import", "--tenant", "acme", "--list-id", LIST, "--name", "new")

    assert 5 == ran.code
    assert "nothing was written" in ran.err
    assert not (work.folder / "specs" / "new.yaml").exists()


def _until(terminal: int, words: bytes) -> None:
    told = b""
    while words not in told:
        told += os.read(terminal, 1024)


def _take_terminal() -> None:
    import fcntl  # noqa: PLC0415 - in the child alone
    import termios  # noqa: PLC0415 - likewise

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
