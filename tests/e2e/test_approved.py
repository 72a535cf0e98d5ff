"""An approved plan is carried out and nothing else; a yes is a yes and nothing else is."""

import hashlib
import os
import pty
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from program import LIST, PATIENCE, Ran, Workplace, kept, now, workplace

PHONES = tuple(f"+12125550{number}" for number in range(100, 110))
LET_GO = PHONES[9]
NEW = "+13125550120"


@pytest.fixture
def work(tmp_path: Path) -> Workplace:
    """Return a folder with a list of ten of which the spec wants four and one more, less one."""
    work = workplace(tmp_path)
    work.have(*((phone, "DNC", None) for phone in PHONES))
    work.embed()
    work.policy("maxReleases: {share: 100%, count: 10}")
    declare(work)
    return work


def declare(work: Workplace, more: str = "") -> None:
    """Want five contacts, and let one go."""
    ground = f"basis: b, ticket: T-1, requestedBy: p, requestedAt: {now():%Y-%m-%d}"
    release = f'  releases: [{{phoneNumber: "{LET_GO}", {ground}}}]\n'
    wanted = (*PHONES[:4], NEW)
    work.declare(*(f'phoneNumber: "{phone}"' for phone in wanted), more=release + more)


def exclusive(work: Workplace) -> None:
    """Want five contacts and let everybody else go."""
    more = "  ownership: exclusive\n  releaseBasis: the CRM decides\n  list: {name: US DNC}\n"
    declare(work, more)


def save(work: Workplace) -> dict[str, Any]:
    """Plan, save it, and return what the file says."""
    assert 0 == work.call("plan", "--out", "plan.json").code
    held: dict[str, Any] = orjson.loads((work.folder / "plan.json").read_bytes())
    return held


def forge(work: Workplace, held: Mapping[str, Any], **changes: Any) -> str:
    """Write a plan file that says something else and is sealed again."""
    content = {key: value for key, value in {**held, **changes}.items() if key != "digest"}
    digest = hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
    (work.folder / "forged.json").write_bytes(orjson.dumps({**content, "digest": digest}))
    return "forged.json"


# ---------------------------------------------------------------- a saved plan


def test_a_plan_is_applied_though_a_stranger_added_others(work: Workplace) -> None:
    """What is unrelated moves the list's version and not the plan's id; once done it is stale."""
    held = save(work)
    work.have().add(LIST, phone="+19175550199", reason="CUSTOMER_REQUEST")

    applied = work.run("apply", "plan.json", "--format", "json")
    again = work.call("apply", "plan.json")

    assert 0 == applied.code
    assert held["id"] == applied.document["plan_id"]
    assert {NEW, "+19175550199", *PHONES} == set(work.held())
    assert work.held()[LET_GO][1] is not None
    assert 5 == again.code
    assert "approved 1 suppress, 1 release [" in again.err
    assert "], now nothing" in again.err


def test_a_related_change_makes_a_plan_stale_unless_it_is_safer(work: Workplace) -> None:
    """The difference is told in counts; --accept-safer, a flag alone, takes more suppressions."""
    save(work)
    work.have().remove(LIST, PHONES[1])

    variable = {"RECONCILER_APPLY_ACCEPT_SAFER": "1"}
    stale = work.run("apply", "plan.json", settings=variable)
    before = work.held()
    safer = work.call("apply", "plan.json", "--accept-safer")

    assert 5 == stale.code
    assert "the plan is stale: us-dnc: approved 1 suppress, 1 release [" in stale.err
    assert "], now 2 suppress, 1 release [" in stale.err
    assert "--accept-safer" in stale.err
    assert PHONES[1] not in before
    assert 0 == safer.code
    assert "Applied: 2 suppressed, 0 amended, 0 shortened, 1 released, 0 rejected. " in safer.last


def test_a_plan_that_lets_more_go_or_other_settings_move_is_not_safer(work: Workplace) -> None:
    """Nor one of which a spec or the policy is not as approved."""
    exclusive(work)
    save(work)
    other = work.have()
    other.add(LIST, phone="+19175550199")
    more = work.call("apply", "plan.json", "--accept-safer")
    other.remove(LIST, "+19175550199")
    other.set(LIST, "name", "Somebody's name for it")
    renamed = work.call("apply", "plan.json", "--accept-safer")
    other.set(LIST, "name", "US Do Not Call")
    other.remove(LIST, PHONES[1])
    work.policy("maxReleases: {share: 100%, count: 11}")
    policy = work.call("apply", "plan.json", "--accept-safer", "--format", "json")

    assert [5, 5, 5] == [each.code for each in (more, renamed, policy)]
    assert "approved UpdateList name, 1 suppress, 6 release" in more.err
    assert "now UpdateList name, 1 suppress, 7 release" in more.err
    assert NEW not in work.held()


def test_a_file_that_cannot_be_believed_is_refused(work: Workplace) -> None:
    """Edited, expired, of another format, not a plan, made under another key."""
    held = save(work)
    text = (work.folder / "plan.json").read_text("utf-8")
    (work.folder / "edited.json").write_text(text.replace('"rows": 1', '"rows": 2', 1))
    (work.folder / "junk.json").write_text("[1]")
    key = {"RECONCILER_PSEUDONYM_KEY": "env:KEY", "KEY": "another key, long enough"}

    def apply(name: str, **settings: str) -> Ran:
        return work.call("apply", name, "--accept-safer", settings=settings)

    told = {
        "edited": apply("edited.json"),
        "expired": apply(forge(work, held, expiresAt=held["as_of"])),
        "format": apply(forge(work, held, format=99)),
        "torn": apply(forge(work, held, as_of=None)),
        "junk": apply("junk.json"),
        "key": apply("plan.json", **key),
        "absent": apply("absent.json"),
    }

    codes = {"edited": 5, "expired": 5, "format": 7, "torn": 7, "junk": 7, "key": 5, "absent": 7}
    assert codes == {name: ran.code for name, ran in told.items()}
    assert "edited.json was edited after it was made" in told["edited"].err
    assert f"forged.json expired at {held['as_of']}" in told["expired"].err
    assert "is not a plan of format 1; found 99" in told["format"].err
    assert "the plan was made under another pseudonym key" in told["key"].err
    assert NEW not in work.held()


def test_a_saved_plan_goes_with_no_selection(work: Workplace) -> None:
    """It says itself what it is for; and --accept-safer is for saved plans alone."""
    save(work)

    codes = [
        work.call("apply", *words).code
        for words in (
            ("plan.json", "--list", "us-dnc"),
            ("plan.json", "specs"),
            ("--accept-safer", "--auto-approve"),
        )
    ]

    assert [64, 64, 64] == codes


# ---------------------------------------------------------------- a yes


@pytest.mark.parametrize(
    ("answer", "code", "done"),
    [("yes\n", 0, True), ("no\n", 1, False), ("y\n", 1, False), ("", 1, False)],
)
def test_only_yes_is_a_yes(work: Workplace, answer: str, code: int, done: bool) -> None:
    """At a terminal it is asked after the plan is shown; anything else changes nothing."""
    ours, theirs = pty.openpty()
    with work.started("apply", stdin=theirs) as running:
        os.write(ours, answer.encode() or b"\x04")
        out, err = running.communicate(timeout=PATIENCE)
    for handle in (ours, theirs):
        os.close(handle)

    ran = kept(("apply",), running.returncode, out, err)
    assert code == ran.code
    assert "Plan: 1 to suppress, 0 to amend, 0 to shorten, 1 to release." in ran.out
    assert "Apply this plan? Only 'yes' is taken as a yes: " in ran.err
    assert done == (NEW in work.held())
    assert done == ("Applied: " in ran.last)
    assert done != ("Nothing was applied." in ran.err)


def test_a_no_is_one_document_too(work: Workplace) -> None:
    """Under --format json the plan is shown beside the question, and is the data after a no."""
    ours, theirs = pty.openpty()
    words = ("apply", "--format", "json")
    with work.started(*words, stdin=theirs) as running:
        os.write(ours, b"no\n")
        out, err = running.communicate(timeout=PATIENCE)
    for handle in (ours, theirs):
        os.close(handle)

    ran = kept(words, running.returncode, out, err)
    assert (1, "plan") == (ran.code, ran.document["kind"])
    assert "Plan: 1 to suppress, 0 to amend, 0 to shorten, 1 to release." in ran.err
    assert NEW not in work.held()


def test_without_a_terminal_nobody_is_asked_and_nothing_is_done(work: Workplace) -> None:
    """A yes typed into a pipe is none."""
    piped = work.run("apply", typed="yes\n")
    json = work.call("apply", "--format", "json")
    done = work.call("apply", settings={"RECONCILER_APPLY_AUTO_APPROVE": "1"})

    assert [64, 64, 0] == [each.code for each in (piped, json, done)]
    assert "hint: add --auto-approve" in piped.err
    assert NEW in work.held()


def test_suppress_only_leaves_the_rest_for_later(work: Workplace) -> None:
    """No setting is changed and nobody let go, of a saved plan too."""
    exclusive(work)
    save(work)

    first = work.call("apply", "plan.json", "--suppress-only")
    names = work.call("plan", "--format", "json").document["lists"][0]
    later = work.call("apply", "--auto-approve")

    assert (0, 0) == (first.code, later.code)
    assert "Applied: 1 suppressed, 0 amended, 0 shortened, 0 released, " in first.last
    assert ["UpdateList", "Release"] == [each["kind"] for each in names["actions"]]
    assert "Applied: 0 suppressed, 0 amended, 0 shortened, 6 released, " in later.last


def test_what_waits_is_no_match(work: Workplace) -> None:
    """Nobody to suppress and a release that waits is not a service that matches the specs."""
    work.have().add(LIST, phone=NEW, reason="DNC")
    forms = [word for form in ("markdown", "html") for word in ("--write", f"{form}=r.{form}")]

    ran = work.call("apply", "--suppress-only", "--auto-approve", *forms)

    told = [ran.out, *((work.folder / f"r.{form}").read_text() for form in ("markdown", "html"))]
    assert [0, 3] == [ran.code, len(told)]
    assert [] == [text for text in told if "matches the specs" in text]
    waits = "1 change of settings, shortening or release waits for a run without --suppress-only."
    assert waits in told[0]
    assert waits in told[1]


def test_two_results_do_not_share_a_file(work: Workplace) -> None:
    """One would take the place of the other."""
    ran = work.call("plan", "--out", "x.json", "--write", "json=./x.json")

    assert 64 == ran.code
    assert "--out and --write name one file" in ran.err


def test_an_override_is_for_what_was_approved(work: Workplace) -> None:
    """On specs that have changed since, it would let go of somebody nobody looked at."""
    exclusive(work)
    save(work)
    path = work.folder / "specs" / "us-dnc.yaml"
    path.write_text(path.read_text() + "# later\n")

    ran = work.call("apply", "plan.json", "--max-releases", "100", "--reason", "legal")

    assert 5 == ran.code
    assert "changed since: us-dnc.yaml" in ran.err
    assert NEW not in work.held()


# ---------------------------------------------------------------- on another machine


def elsewhere(work: Workplace, folder: Path) -> Workplace:
    """Return a checkout of the same commit on a machine that knows nothing of the first."""
    shutil.copytree(work.folder / "specs", folder / "specs")
    shutil.copy(work.folder / "plan.json", folder)
    shutil.copy(work.folder / "client.secret", folder)
    return Workplace(folder=folder, environment=work.environment)


def test_a_plan_made_on_one_machine_is_applied_on_another(work: Workplace, tmp_path: Path) -> None:
    """With the same key and the same specs it comes to the same, whatever was remembered."""
    work.environment |= {"RECONCILER_PSEUDONYM_KEY": "env:KEY", "KEY": "k" * 32}
    work.write("contacts/more.csv", "phone\n+13125550121\n")
    declare(work, "  sources: [{path: contacts/more.csv, columns: {phoneNumber: phone}}]\n")
    with work.service():
        held = save(work)
        other = elsewhere(work, tmp_path / "other")
        work.have().add(LIST, phone="+19175550199", reason="CUSTOMER_REQUEST")

        applied = other.call("apply", "plan.json", "--format", "json")

    assert 0 == applied.code
    assert held["id"] == applied.document["plan_id"]
    assert {NEW, "+13125550121", "+19175550199", *PHONES} == set(work.held())


def test_another_machine_takes_a_safer_plan_only_if_asked_to(
    work: Workplace, tmp_path: Path
) -> None:
    """A stranger took somebody off in between: that is one suppression more, and no release."""
    work.environment |= {"RECONCILER_PSEUDONYM_KEY": "env:KEY", "KEY": "k" * 32}
    with work.service():
        save(work)
        other = elsewhere(work, tmp_path / "other")
        work.have().remove(LIST, PHONES[1])

        stale = other.call("apply", "plan.json")
        safer = other.call("apply", "plan.json", "--accept-safer")

    assert [5, 0] == [stale.code, safer.code]
    assert "now 2 suppress, 1 release [" in stale.err
    assert "Applied: 2 suppressed, 0 amended, 0 shortened, 1 released, 0 rejected. " in safer.last


def test_another_commit_or_key_makes_a_plan_stale(work: Workplace, tmp_path: Path) -> None:
    """What was approved is what was looked at, and digests of two keys cannot be compared."""
    work.environment |= {"RECONCILER_PSEUDONYM_KEY": "env:KEY", "KEY": "k" * 32}
    with work.service():
        save(work)
        other = elsewhere(work, tmp_path / "other")
        key = {"KEY": "l" * 32}
        unlike = other.call("apply", "plan.json", "--accept-safer", settings=key)
        declare(other, "  batchReason: another commit\n")
        path = other.folder / "specs" / "us-dnc.yaml"
        path.write_text(path.read_text().replace(LET_GO, PHONES[8]))
        moved = other.call("apply", "plan.json", "--accept-safer")

    assert [5, 5] == [unlike.code, moved.code]
    assert "another pseudonym key" in unlike.err
    assert "changed since: us-dnc.yaml" in moved.err
    assert NEW not in work.held()
