"""The GitLab pipeline, job by job, against the service on a socket."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from program import SECRETS
from reconciler.templates import workflows
from sites import BLOCKS, HELD, KEY, NEW, RELEASES, Site, served
from workflows import commit

PIPELINE = workflows("gitlab")["suppression.gitlab-ci.yml"]
TOKEN = {"SUPPRESSION_TOKEN": "a token"}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Serve a list of five, declared with nobody on it yet."""
    with served(tmp_path) as made:
        made.host.secrets = SECRETS | KEY | TOKEN
        yield made


def test_a_merge_request_has_one_note_that_is_edited_in_place(site: Site) -> None:
    """It tells the plan of the newest commit, beside what others write."""
    for _ in range(100):
        site.host.comment(7, "<!-- reconciler:plan -->\nnot ours", by="stranger")
    site.host.comment(7, "<!-- reconciler:plan -->\nof the commit before")
    site.propose(BLOCKS, branch="edit")

    ran = site.host.gitlab(PIPELINE, "suppression plan", branch="edit", number=7)

    (*theirs, ours) = site.host.comments(7)
    assert ("success", "0") == (ran.result, ran.outputs["code"]), ran.log
    assert ["<!-- reconciler:plan -->\nnot ours"] * 100 == theirs
    assert ours.endswith(f"\nOf commit {site.host.head('edit')}.\n")
    assert ours.startswith("<!-- reconciler:plan -->\n")
    assert "1 to suppress" in ours
    assert {*HELD} == {*site.work.held()}


@pytest.mark.scale
def test_specs_are_validated_and_a_first_note_is_written(site: Site) -> None:
    """What is wrong fails the first job; a plan that cannot be made is told as that."""
    site.propose("  contacts: [{phone: 1}]\n", branch="edit")

    valid = site.host.gitlab(PIPELINE, "suppression validate")
    wrong = site.host.gitlab(PIPELINE, "suppression validate", branch="edit")
    plan = site.host.gitlab(PIPELINE, "suppression plan", branch="edit", number=7)

    assert ["success", "failure", "failure"] == [each.result for each in (valid, wrong, plan)]
    (note,) = site.host.comments(7)
    assert "ended with exit code 7" in note


@pytest.mark.scale
def test_suppressions_wait_for_nobody_and_releases_for_a_click(site: Site) -> None:
    """The second job applies the first one's plan, of the newest commit alone."""
    site.propose(RELEASES)

    lost = site.host.gitlab(PIPELINE, "suppression suppress")
    refused = site.host.gitlab(PIPELINE, "suppression release")
    suppressed = site.host.gitlab(
        PIPELINE, "suppression suppress", source="web", given={"SUPPRESSION_FIRST_RUN": "true"}
    )
    between = {*site.work.held()}
    released = site.host.gitlab(PIPELINE, "suppression release")
    commit(site.host.origin, {"README.md": "later\n"}, "Later")
    again = site.host.gitlab(PIPELINE, "suppression suppress")

    assert ["success"] * 3 == [each.result for each in (lost, released, again)]
    assert ("success", "failure") == (suppressed.result, refused.result)
    assert {*HELD, NEW} == between
    assert "1 released" in released.log
    assert "No ledger of an earlier run was found" in lost.log
    assert "without it nobody is let go" in refused.log
    assert "No ledger of an earlier run was found" not in again.log
    assert "No changes" in again.log


@pytest.mark.scale
def test_drift_is_told_in_one_issue_that_is_closed_when_it_is_gone(site: Site) -> None:
    """Opened, edited in place, closed."""
    site.propose(BLOCKS)
    looks = [site.host.gitlab(PIPELINE, "suppression drift", source="schedule") for _ in range(2)]
    (opened,) = site.host.held["issues"]
    site.work.have((NEW, "DNC", None))
    looks.append(site.host.gitlab(PIPELINE, "suppression drift", source="schedule"))
    (closed,) = site.host.held["issues"]

    assert ["success"] * 3 == [each.result for each in looks]
    assert (True, ["suppression-drift"]) == (opened["open"], opened["labels"])
    assert "1 missing" in opened["body"]
    assert not closed["open"]
