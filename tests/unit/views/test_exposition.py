"""A run's numbers by list, direction and code, and as Prometheus reads them; nobody is named."""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from view_nouns import (
    BARE_EMAIL,
    NOW,
    REJECTED,
    busy,
    gap,
    list_drift,
    list_plan,
    outcome,
    plan,
)

from foreign import program
from reconciler import measures
from reconciler.measures import Done, RunMeasures
from reconciler.metrics import Meter
from reconciler.model import Change, Drift, Op, Rejection, Status, WebhookResult
from reconciler.views.exposition import METRICS, MOST_CODES, exposition, succeeded

README = Path(__file__).parents[3] / "README.md"
NAMES = st.text(max_size=20)
SETTINGS = outcome("", action="UpdateList", batch=0, rows=0, taken=0)


def run_measures(**parts: Any) -> RunMeasures:
    """A run that took two seconds and did nothing."""
    meter = Meter()
    held: dict[str, Any] = {
        "command": "apply",
        "exit_code": 0,
        "started": NOW,
        "finished": NOW + timedelta(seconds=2),
        "succeeded": None,
        "counts": meter.counts(),
        "calls": meter.calls(),
        **parts,
    }
    return RunMeasures(**held)


def everything() -> RunMeasures:
    """A run with a sample of each metric."""
    meter = Meter()
    meter.observe("read page", 0.2)
    meter.observe("read page", 70.0)
    lists = measures.of_plan(
        plan(busy()), (REJECTED, outcome(Op.AMEND), SETTINGS), now=NOW, applying=True
    )
    return run_measures(
        succeeded=NOW.timestamp(),
        counts=meter.counts(),
        calls=meter.calls(),
        lists=lists,
        failed_lists=1,
        refusals=2,
        webhooks_undelivered=3,
    )


def samples(told: RunMeasures, name: str) -> Mapping[tuple[tuple[str, str], ...], float]:
    """Return what the library itself reads of one metric: numbers by labels, command aside."""
    families = text_string_to_metric_families(exposition(told).decode())
    return {
        tuple(sorted((key, value) for key, value in one.labels.items() if key != "command")): (
            one.value
        )
        for family in families
        for one in family.samples
        if one.name == f"reconciler_{name}"
    }


# ---------------------------------------------------------------- what is counted


def test_a_list_that_was_applied_is_told_by_what_was_done() -> None:
    """Rows by op, codes, and the size it comes to: what the plan hoped for does not count."""
    (told,) = measures.of_plan(
        plan(busy()),
        (REJECTED, outcome(Op.RELEASE, taken=1), SETTINGS, outcome(key="other")),
        now=NOW,
        applying=True,
    ).values()

    expected = Done(
        updates={"suppress": 2, "amend": 0, "part": 0, "shorten": 0, "release": 1},
        settings_updated=1,
        rejected_codes={"INVALID_PHONE": 1},
    )
    assert expected == told.done
    assert (10_421, 10_422) == (told.size_before, told.size_after)


@pytest.mark.parametrize(("applying", "after"), [(False, 10_423), (True, None)])
def test_a_list_of_which_nobody_knows_what_was_done_is_told_by_its_plan(
    applying: bool, after: int | None
) -> None:
    """What is only planned is what will be; of an apply that fell over it is not known."""
    (told,) = measures.of_plan(plan(busy()), None, now=NOW, applying=applying).values()

    assert (None, after) == (told.done, told.size_after)
    assert {"missing": 2, "differ": 1, "surplus": 4, "longer": 2} == told.drift
    assert 1 == told.drift_settings


def test_contacts_to_be_released_or_shortened_are_drift_too() -> None:
    """In the directions in which a drift report counts them."""
    listed = list_plan(gap=gap(amended=1, shortened=2, surplus=3, released=4))

    (told,) = measures.of_plan(plan(listed), (), now=NOW, applying=True).values()

    assert {"missing": 0, "differ": 3, "surplus": 7, "longer": 0} == told.drift


def test_a_report_tells_contacts_and_settings_apart() -> None:
    """Though it adds them up to one number of what differs."""
    change = Change(field="name", old="US", new="US Do Not Call")
    found = Drift(as_of=NOW, lists=(list_drift(differ=3, changes=(change,), complete=False),))

    (told,) = measures.of_drift(found, now=NOW).values()

    assert {"missing": 1, "differ": 2, "surplus": 4, "longer": 0} == told.drift
    assert (1, False, 10_421, 10_421) == (
        told.drift_settings,
        told.complete,
        told.size_before,
        told.size_after,
    )


def test_a_feed_is_as_old_as_it_says() -> None:
    """Of two by one name the older one counts; of the future none is; one without a time is not."""
    (feed,) = busy().feeds
    feeds = (
        replace(feed, as_of=NOW - timedelta(days=1)),
        feed,
        replace(feed, path="b.csv", as_of=NOW + timedelta(days=1)),
        replace(feed, path="c.csv", as_of=None),
        replace(feed, path=f"{BARE_EMAIL}.csv"),
    )

    (told,) = measures.of_drift(
        Drift(as_of=NOW, lists=(list_drift(feeds=feeds),)), now=NOW
    ).values()

    ages = dict(told.feed_age_seconds)
    assert (259_200.0, 0.0) == (ages.pop("contacts/us-*.csv"), ages.pop("b.csv"))
    assert ["s•••@example.com.csv"] == [*ages]


def test_a_receipt_holds_the_same_numbers() -> None:
    """Each list's, and the events that reached nobody."""
    hook = WebhookResult(key="us-dnc", url="u", event_id="e", delivered=False, attempts=3)
    outcomes = (REJECTED, SETTINGS)

    told = measures.of_receipt(
        plan(busy()),
        outcomes,
        (hook, replace(hook, delivered=True)),
        cost={"retries": 4},
        now=NOW,
    )

    expected = {
        "retries": 4,
        "updates": 2,
        "settings_updated": 1,
        "rejected_rows": 1,
        "rejected_codes": {"INVALID_PHONE": 1},
        "validation_error_rate": 1 / 3,
        "webhooks_undelivered": 1,
        "lists": measures.of_plan(plan(busy()), outcomes, now=NOW, applying=True),
    }
    assert expected == told


# ---------------------------------------------------------------- how it is written


def test_every_metric_is_written_and_is_in_the_readme() -> None:
    """None is there that nobody can look up."""
    text = exposition(everything()).decode()

    written = re.findall(r"^# TYPE reconciler_(\w+) ", text, flags=re.MULTILINE)
    promised = re.findall(r"`reconciler_(\w+)`", README.read_text(encoding="utf-8"))
    assert [*METRICS] == written
    assert {*METRICS} == {*promised}


def test_each_sample_names_its_command() -> None:
    """Three commands may have their files in one folder."""
    lines = exposition(everything()).decode().splitlines()

    told = [line for line in lines if not line.startswith("#")]
    assert len(told) > len(METRICS)
    assert [] == [line for line in told if 'command="apply"' not in line]


def test_the_numbers_are_those_of_the_run() -> None:
    """Of all of it, and of each list."""
    told = everything()

    us = (("list", "us-dnc"), ("tenant", "acme"))
    expected: Mapping[str, Mapping[tuple[tuple[str, str], ...], float]] = {
        "run_exit_code": {(): 0},
        "run_started_timestamp_seconds": {(): NOW.timestamp()},
        "run_finished_timestamp_seconds": {(): NOW.timestamp() + 2},
        "last_success_timestamp_seconds": {(): NOW.timestamp()},
        "run_failed_lists": {(): 1},
        "run_refusals": {(): 2},
        "run_webhooks_undelivered": {(): 3},
        "run_rejected_rows": {(("code", "INVALID_PHONE"),): 1},
        "list_complete": {us: 1},
        "list_contacts_before": {us: 10_421},
        "list_contacts_after": {us: 10_423},
        "list_settings_updated": {us: 1},
        "list_drift_contacts": {
            (("direction", way), *us): count
            for way, count in (("missing", 2), ("differ", 1), ("surplus", 4), ("longer", 2))
        },
        "feed_age_seconds": {(("list", "us-dnc"), ("source", "contacts/us-*.csv")): 259_200},
    }
    assert expected == {name: samples(told, name) for name in expected}


def test_times_of_calls_are_a_histogram() -> None:
    """Each bucket holds the ones below it, and the last one all."""
    told = everything()

    buckets = {
        dict(labels)["le"]: often
        for labels, often in samples(told, "call_duration_seconds_bucket").items()
    }
    call = (("call", "read page"),)
    assert (0, 1, 1, 2) == tuple(buckets[bound] for bound in ("0.1", "0.25", "60", "+Inf"))
    assert {call: 2} == samples(told, "call_duration_seconds_count")
    assert {call: 70.2} == samples(told, "call_duration_seconds_sum")


def test_what_is_not_known_has_no_sample() -> None:
    """A run that ended before it had a plan says nothing of any list, and never nought."""
    text = exposition(run_measures(exit_code=7)).decode()

    assert "reconciler_run_exit_code" in text
    assert "reconciler_last_success" not in text
    assert "reconciler_list_" not in text
    assert "reconciler_feed_" not in text


def test_rare_codes_are_counted_together() -> None:
    """The service makes them up, and monitoring bears only so many."""
    often = [Rejection(row=row, code="OFTEN") for row in range(2)]
    rare = [Rejection(row=row, code=f"RARE_{row:03}") for row in range(2, 100)]
    refused = outcome(status=Status.REJECTED, taken=0, rejections=(*often, *rare))
    lists = measures.of_plan(plan(list_plan()), (refused,), now=NOW, applying=True)

    told = samples(run_measures(lists=lists), "run_rejected_rows")

    assert MOST_CODES + 1 == len(told)
    assert (2, 49, 100) == (
        told[("code", "OFTEN"),],
        told[("code", "other"),],
        sum(told.values()),
    )


@given(NAMES, NAMES, NAMES)
def test_no_name_breaks_out_of_its_label(key: str, tenant: str, source: str) -> None:
    """Quotes, line feeds and backslashes are escaped: the same names are read back."""
    (feed,) = busy().feeds
    listed = list_drift(key=key, tenant=tenant, feeds=(replace(feed, path=source),))
    lists = measures.of_drift(Drift(as_of=NOW, lists=(listed,)), now=NOW)
    (shown,) = lists[key].feed_age_seconds

    lines = exposition(run_measures(lists=lists)).decode().split("\n")

    def spelt(value: str) -> str:
        return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")

    expected = f'{{command="apply",list="{spelt(key)}",source="{spelt(shown)}"}} 259200.0'
    assert f"reconciler_feed_age_seconds{expected}" in lines
    assert [] == [line for line in lines if line and not re.match("# |reconciler_", line)]


def test_a_failure_is_no_success_of_before() -> None:
    """What the file of the run before says stays, and a foreign one says nothing."""
    before = exposition(run_measures(succeeded=1_795_494_795.0)).decode()

    assert 1_795_494_795.0 == succeeded(before, command="apply")
    assert succeeded(before, command="plan") is None
    assert succeeded("\0" * 100 + "reconciler_last_success", command="apply") is None
    assert succeeded(before.replace("e+09", "e+oops"), command="apply") is None


@pytest.mark.tools
@pytest.mark.parametrize("told", [everything(), run_measures()], ids=["everything", "nothing"])
def test_promtool_has_nothing_against_it(told: RunMeasures) -> None:
    """Neither against the format nor against a name."""
    (feed,) = busy().feeds
    listed = list_drift(key='a"b\\c\nd', feeds=(replace(feed, path="é\t{}"),))
    hostile = measures.of_drift(Drift(as_of=NOW, lists=(listed,)), now=NOW)

    ran = subprocess.run(  # noqa: S603 - the program of the machine
        [program("promtool"), "check", "metrics"],
        input=exposition(replace(told, lists={**told.lists, **hostile})),
        capture_output=True,
        check=False,
    )

    assert (0, b"", b"") == (ran.returncode, ran.stdout, ran.stderr)
