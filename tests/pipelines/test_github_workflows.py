"""The GitHub workflows, step by step, against the service on a socket."""

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from program import LIST, SECRETS
from reconciler.templates import workflows
from sites import BLOCKS, HELD, KEY, NEW, OPEN, RELEASES, SPEC, Site, leaks, served
from workflows import commit

PULL_REQUEST, MAIN, DRIFT = (
    workflows("github")[f".github/workflows/suppression-{name}.yml"]
    for name in ("pull-request", "main", "drift")
)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Serve a list of five, declared with nobody on it yet."""
    with served(tmp_path) as made:
        yield made


def test_a_pull_request_has_one_comment_that_is_edited_in_place(site: Site) -> None:
    """It tells the plan of the newest commit; whoever else writes such a comment is left alone."""
    site.host.comment(7, "<!-- reconciler:plan -->\nnot ours", by="stranger")
    site.host.comment(7, "<!-- reconciler:plan -->\nof the commit before")
    site.propose(BLOCKS, branch="edit")

    ran = site.host.github(PULL_REQUEST, event="pull_request", branch="edit", number=7)

    (theirs, ours) = site.host.comments(7)
    assert {"validate": "success", "plan": "success"} == ran.results
    assert "<!-- reconciler:plan -->\nnot ours" == theirs
    assert "1 to suppress" in ours
    assert ours == ran.artifact("suppression-plan", "plan.md")
    assert orjson.loads(ran.artifact("suppression-plan", "plan.json"))["suppressesOnly"]
    assert "<html" in ran.artifact("suppression-plan", "plan.html")
    assert {*HELD} == {*site.work.held()}


def test_what_is_wrong_stands_at_its_line_and_nothing_is_planned(site: Site) -> None:
    """A fork's pull request is validated too; it gets no secrets, so it is never planned."""
    invalid = site.propose("  contacts: [{phone: 1}]\n", branch="edit")

    wrong = site.host.github(PULL_REQUEST, event="pull_request", branch="edit", number=7)
    site.propose(BLOCKS, branch="edit")
    fork = site.host.github(PULL_REQUEST, event="pull_request", branch="edit", number=8, fork=True)

    assert {"validate": "failure", "plan": "failure"} == wrong.results
    assert f"::error file={SPEC},line=" in wrong.log
    assert {"validate": "success", "plan": "skipped"} == fork.results
    (comment,) = site.host.comments(7) + site.host.comments(8)
    assert "There is no plan: the specs are not valid" in comment
    assert comment.endswith(f"\nOf commit {invalid}.\n")
    assert "Plan" not in wrong.jobs["plan"].steps


@pytest.mark.scale
def test_a_plan_that_policy_refuses_or_that_fails_is_commented_too(site: Site) -> None:
    """A refusal is seen and blocks nothing; what could not be planned never leaves an old plan."""
    site.propose(RELEASES, branch="edit")
    commit(site.host.origin, {"specs/policy.yaml": OPEN.replace("2", "0")}, "None", branch="edit")

    refused = site.host.github(PULL_REQUEST, event="pull_request", branch="edit", number=7)
    told = site.host.comments(7)
    site.host.secrets = KEY
    shut_out = site.host.github(PULL_REQUEST, event="pull_request", branch="edit", number=7)
    told += site.host.comments(7)
    site.host.secrets = SECRETS
    failed = site.host.github(PULL_REQUEST, event="pull_request", branch="edit", number=7)

    assert "success" == refused.jobs["plan"].result
    assert "::warning title=reconciler::Policy refuses" in refused.log
    assert "over maxReleases" in told[0]
    assert ["failure"] * 2 == [each.jobs["plan"].result for each in (shut_out, failed)]
    assert "is not set or empty" in told[1]
    (now,) = site.host.comments(7)
    assert now.startswith("<!-- reconciler:plan -->\n\nThere is no plan: ")
    assert "exit code 7" in now


@pytest.mark.scale
def test_after_a_merge_suppressions_wait_for_nobody_and_releases_for_an_approval(
    site: Site,
) -> None:
    """What is approved is applied; what a stranger adds meanwhile does not hold it up."""
    seen = []

    def approve() -> bool:
        held = {*site.work.held()}
        seen.append(held)
        site.work.have(("+12125550150", "DNC", None))
        return True

    site.propose(RELEASES)
    ran = site.host.github(MAIN, event="workflow_dispatch", first_run=True, approve=approve)

    assert {"suppress": "success", "approve": "success", "release": "success"} == ran.results
    assert [{*HELD, NEW}] == seen
    assert "1 to release" in ran.jobs["suppress"].summary
    assert "1 released" in ran.artifact("suppression-release-receipt", "receipt.md")
    assert "1 suppressed" in ran.artifact("suppression-receipt", "receipt.md")
    assert [] == leaks(site)


@pytest.mark.scale
def test_without_an_approval_or_with_a_newer_commit_nobody_is_let_go(site: Site) -> None:
    """The plan of the newest commit is the one to be approved; its suppressions are in place."""
    site.propose(RELEASES)

    def overtaken() -> bool:
        commit(site.host.origin, {"README.md": "later\n"}, "Later")
        return True

    waiting = site.host.github(
        MAIN, event="workflow_dispatch", first_run=True, approve=lambda: False
    )
    stale = site.host.github(MAIN, event="push", approve=overtaken)

    assert {"suppress": "success", "approve": "waiting", "release": "skipped"} == waiting.results
    assert {"suppress": "success", "approve": "failure", "release": "skipped"} == stale.results
    assert "has moved on" in stale.log
    assert "No ledger of an earlier run was found" not in stale.log
    assert {*HELD, NEW} == {*site.work.held()}


@pytest.mark.scale
def test_a_release_is_spent_once_across_machines(site: Site) -> None:
    """The ledger goes from run to run: whoever opts out again stays blocked."""
    site.propose(RELEASES)
    first = site.host.github(MAIN, event="workflow_dispatch", first_run=True)
    site.work.have((HELD[0], "CUSTOMER_REQUEST", None))
    again = site.host.github(MAIN, event="workflow_dispatch")

    assert "success" == first.jobs["release"].result
    assert {"suppress": "success", "approve": "skipped", "release": "skipped"} == again.results
    assert "CUSTOMER_REQUEST" == site.work.held()[HELD[0]][0]
    assert site.work.held()[HELD[0]][1] is None


@pytest.mark.scale
def test_with_a_store_of_its_own_no_ledger_goes_through_the_cache(site: Site) -> None:
    """No run has to be declared the first; what is spent is known on every machine."""
    site.host.secrets = {**site.host.secrets, "SUPPRESSION_STORE": str(site.host.folder / "store")}
    site.propose(RELEASES)

    first = site.host.github(MAIN, event="push")
    site.work.have((HELD[0], "CUSTOMER_REQUEST", None))
    again = site.host.github(MAIN, event="push")

    assert "success" == first.jobs["release"].result
    assert {"suppress": "success", "approve": "skipped", "release": "skipped"} == again.results
    assert "CUSTOMER_REQUEST" == site.work.held()[HELD[0]][0]
    assert not (site.host.folder / "cache").exists()
    assert (site.host.folder / "store" / "head.json").exists()


@pytest.mark.scale
def test_drift_is_told_in_one_issue_that_is_closed_when_it_is_gone(site: Site) -> None:
    """The job fails only where it could not look."""
    site.host.issue("of the night before", label="suppression-drift")
    site.propose(BLOCKS)

    drifted = site.host.github(DRIFT, event="schedule")
    (edited,) = site.host.held["issues"]
    site.work.have((NEW, "DNC", None))
    healed = site.host.github(DRIFT, event="schedule")
    (closed,) = site.host.held["issues"]

    assert {"drift": "success"} == drifted.results == healed.results
    assert "1 missing" in edited["body"]
    assert edited["body"] == drifted.artifact("suppression-drift", "drift.md")
    assert (True, False) == (edited["open"], closed["open"])


@pytest.mark.scale
def test_drift_that_could_not_be_looked_for_fails(site: Site) -> None:
    """And leaves the issue open, which says now what could not be read."""
    site.propose(BLOCKS)
    site.host.github(DRIFT, event="schedule")
    (before,) = site.host.held["issues"]
    commit(site.host.origin, {"specs/us-dnc.yaml": site.bare.replace(LIST, "gone")}, "Wrong")

    ran = site.host.github(DRIFT, event="schedule")

    assert "failure" == ran.jobs["drift"].result
    assert (True, ["suppression-drift"]) == (before["open"], before["labels"])
    (after,) = site.host.held["issues"]
    assert (True, ran.artifact("suppression-drift", "drift.md")) == (after["open"], after["body"])


@pytest.mark.scale
def test_without_a_ledger_people_are_suppressed_and_nobody_is_let_go(site: Site) -> None:
    """Nothing begins a ledger but a person who says so; every night says again that it is lost."""
    site.propose(RELEASES)

    lost = [site.host.github(MAIN, event=event) for event in ("push", "schedule")]
    begun = site.host.github(MAIN, event="workflow_dispatch", first_run=True)

    assert [{"suppress": "success", "approve": "skipped", "release": "skipped"}] * 2 == [
        each.results for each in lost
    ]
    assert all("::error title=reconciler::No ledger" in each.log for each in lost)
    assert all(each.artifacts.joinpath("suppression-evidence").is_dir() for each in lost)
    assert "success" == begun.jobs["release"].result
    assert {*HELD[1:], NEW} == {one for one, (_, end) in site.work.held().items() if end is None}


@pytest.mark.scale
@pytest.mark.parametrize("rules", [(), ("wait_timer",)])
def test_without_reviewers_no_release_is_offered(site: Site, rules: tuple[str, ...]) -> None:
    """Suppressions are in place all the same; from another branch nothing is done."""
    site.host.unreviewed(*rules)
    site.propose(RELEASES)
    site.propose(RELEASES + "# later\n", branch="edit")

    ran = site.host.github(MAIN, event="workflow_dispatch", first_run=True)
    other = site.host.github(MAIN, event="workflow_dispatch", branch="edit", first_run=True)

    assert {"suppress": "failure", "approve": "skipped", "release": "skipped"} == ran.results
    assert "has no required reviewers" in ran.jobs["suppress"].summary
    assert {"skipped"} == {*other.results.values()}
    assert {*HELD, NEW} == {*site.work.held()}
