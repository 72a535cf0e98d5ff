"""A change to the list of those who must not be called, from its proposal to the night after."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from program import LIST
from reconciler.templates import workflows
from sites import BLOCKS, HELD, NEW, RELEASES, SPEC, Site, leaks, served
from workflows import shell

PULL_REQUEST, MAIN, DRIFT = (
    workflows("github")[f".github/workflows/suppression-{name}.yml"]
    for name in ("pull-request", "main", "drift")
)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Serve a list of five, declared with nobody on it yet."""
    with served(tmp_path) as made:
        yield made


def strictly(site: Site) -> "tuple[int, str]":
    """Apply the plan that waits for its approval by hand, to the letter."""
    place = site.host.checkout("main")
    shutil.copy(site.host.folder / f"artifacts-{site.host.runs}/suppression-plan/plan.json", place)
    environment = {
        **site.host.environment(place),
        **site.host.secrets,
        "RECONCILER_PSEUDONYM_KEY": "env:SUPPRESSION_PSEUDONYM_KEY",
    }
    ended = shell("reconciler apply plan.json 2>&1", cwd=place, environment=environment)
    return ended.returncode, ended.stdout


def test_what_was_approved_happens_and_nothing_else(site: Site) -> None:
    """Proposal, comment, approval, a stranger's change, the receipt, and a quiet night."""
    site.propose(BLOCKS)
    begun = site.host.github(MAIN, event="workflow_dispatch", first_run=True)
    site.propose(RELEASES, branch="edit")

    proposed = site.host.github(PULL_REQUEST, event="pull_request", branch="edit", number=7)
    untouched = {*site.work.held()}
    by_hand = []

    def approve() -> bool:
        site.work.have().remove(LIST, HELD[2])
        by_hand.append(strictly(site))
        return True

    site.propose(RELEASES)
    merged = site.host.github(MAIN, event="push", approve=approve)
    quiet = site.host.github(DRIFT, event="schedule")
    calm = site.host.held["issues"]
    site.work.have().remove(LIST, HELD[3])
    site.host.github(DRIFT, event="schedule")

    assert {"suppress": "success", "approve": "skipped", "release": "skipped"} == begun.results
    (comment,) = site.host.comments(7)
    place = f"{SPEC}:{len((site.bare + RELEASES).splitlines())}"
    assert "\n\n1 contact may be called or mailed again.\n\n" in comment
    assert f"re-consent (LEGAL-1), asked for by privacy team | {place} |" in comment
    assert comment == proposed.artifact("suppression-plan", "plan.md")
    assert {*HELD, NEW} == untouched
    ((code, said),) = by_hand
    assert 5 == code
    assert "the plan is stale: us-dnc: approved 1 release [" in said
    assert "], now 1 suppress, 1 release [" in said
    assert {"suppress": "success", "approve": "success", "release": "success"} == merged.results
    receipt = merged.artifact("suppression-release-receipt", "receipt.md")
    assert "1 suppressed, 0 amended, 0 shortened, 1 released, 0 rejected" in receipt
    assert f"re-consent (LEGAL-1), asked for by privacy team | {place} |" in receipt
    assert {"drift": "success"} == quiet.results
    assert [] == calm
    (issue,) = site.host.held["issues"]
    assert "Drift: 1 missing (critical), 0 surplus, 0 differ." in issue["body"]
    assert "outside" in issue["body"]
    assert [] == leaks(site)
    told = comment + issue["body"] + receipt + said
    assert [] == [one for one in (*HELD, NEW) if one.removeprefix("+1") in told]
