"""A report over a period as text, JSON, CSV and a page: the same figures, nothing hostile."""

import csv
import io
import re
from dataclasses import replace
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator
from view_pages import HOSTILE
from view_reports import BREACH, CALM, EMPTY, HOSTILE_REPORT, NOW, OPEN, REPORT, SPREAD

from reconciler import schema
from reconciler.attestation import Attestation, Spread, Verified
from reconciler.masking import INVISIBLE
from reconciler.times import zulu
from reconciler.views import facts, html, report

EVERY = {"report": REPORT, "calm": CALM, "empty": EMPTY, "hostile": HOSTILE_REPORT}
SUMMARY = (
    "Report: 4 breaches of 10bd (2 met, 1 withdrawn, 1 open), 810 met in time. "
    "Evidence NOT whole: 3 findings."
)


def rows(made: Attestation) -> list[dict[str, str]]:
    """The table of a report, read as a spreadsheet reads it."""
    return list(csv.DictReader(io.StringIO(facts.table(made))))


def figures(made: Attestation, section: str) -> dict[tuple[str, str], str]:
    """The figures of one section, by list and name."""
    found = (row for row in rows(made) if row["section"] == section)
    return {(row["list"], row["figure"]): row["value"] for row in found}


# ---------------------------------------------------------------- text


def test_the_summary_line_comes_last() -> None:
    """A promise to scripts."""
    told = report.text(REPORT).plain.splitlines()

    assert SUMMARY == told[-1]


@pytest.mark.parametrize(
    ("made", "line"),
    [
        (
            CALM,
            (
                "Report: 0 breaches of 10bd (0 met, 0 withdrawn, 0 open), 1 met in time. "
                "Evidence whole."
            ),
        ),
        (
            replace(CALM, verified=Verified(whole=True)),
            (
                "Report: 0 breaches of 10bd (0 met, 0 withdrawn, 0 open), 1 met in time. "
                "Ledger whole, artifacts not verified."
            ),
        ),
        (
            EMPTY,
            (
                "Report: 0 breaches of 10bd (0 met, 0 withdrawn, 0 open), 0 met in time. "
                "Evidence not verified."
            ),
        ),
        (
            replace(CALM, clocks=Spread(met=1, met_late=1), limit="P14D"),
            "Report: 1 breach of P14D (1 met, 0 withdrawn, 0 open), 0 met in time. Evidence whole.",
        ),
    ],
)
def test_the_summary_says_whether_all_is_in_order(made: Attestation, line: str) -> None:
    """In counts, and whether the evidence is what was written."""
    assert line == report.summary(made).plain


def test_a_terminal_shows_lists_breaches_and_what_cannot_be_told() -> None:
    """Each on a line of its own."""
    told = report.text(REPORT).plain

    for line in (
        "  runs       30 apply partly",
        "us-dnc: 10,421 -> 11,233 contacts",
        "eu-dnc: unknown -> unknown contacts",
        "815 suppressed, 0 amended, 0 shortened, 3 released, 9 rejected",
        "812 met (business days: median 1, 95 % within 6, worst 14), 4 open, 3 withdrawn",
        (
            "5fedb0b87c73  us-dnc  contacts/us-dnc.csv:1200  asked 2026-11-03T10:15:00Z, "
            "met 2026-11-23T10:15:00Z, 14 business days"
        ),
        "contacts/us-dnc.csv:7  asked 2026-11-03T10:15:00Z, still open (rejected)",
        "contacts still missing on 1 list",
        "1 source older than 31 days when used",
        "1 event not taken yet",
        "ledger/00000007.json was altered",
        "2 changes without a time",
    ):
        assert line in told


def test_a_terminal_shows_twenty_breaches_and_counts_the_others() -> None:
    """All of them, those included that are not listed at all."""
    made = replace(REPORT, breaches=(BREACH,) * 25, clocks=replace(SPREAD, met_late=40))

    told = report.text(made).plain

    assert 20 == told.count("5fedb0b87c73")
    assert "and 22 more" in told


# ---------------------------------------------------------------- json


@pytest.mark.parametrize("name", EVERY)
def test_a_document_is_as_its_schema_says(name: str) -> None:
    """Whatever there was to tell."""
    held = orjson.loads(report.document(EVERY[name], exit_code=1))

    faults = Draft202012Validator(orjson.loads(schema.text("Report"))).iter_errors(held)

    assert [] == [f"{one.json_path}: {one.message[:100]}" for one in faults]
    assert ("report", 1) == (held["kind"], held["exit_code"])


def test_a_document_counts_every_breach() -> None:
    """However many of them are listed; and says whether all is in order."""
    held = orjson.loads(report.document(replace(REPORT, breaches=(OPEN,))))

    assert (4, 1, False) == (held["breach_count"], len(held["breaches"]), held["in_order"])
    assert orjson.loads(report.document(CALM))["in_order"]


# ---------------------------------------------------------------- csv


def test_the_table_tells_every_fact_in_the_same_columns() -> None:
    """So that whoever filters the first column has a table of its own."""
    told = rows(REPORT)

    assert [facts.COLUMNS] == list({tuple(row) for row in told})
    assert {
        *("report", "versions", "verification", "runs", "lists", "clocks", "breaches", "sources"),
        *("drift", "overrides", "let go", "refusals", "webhooks", "interrupted", "cannot tell"),
    } == {row["section"] for row in told}


def test_the_table_has_the_figures_of_the_report() -> None:
    """Sizes, counts and clocks by list, and the clocks of all of them."""
    lists, clocks = figures(REPORT, "lists"), figures(REPORT, "clocks")

    assert ("10421", "11233") == (
        lists["us-dnc", "size at the beginning"],
        lists["us-dnc", "size at the end"],
    )
    assert ("815", "3", "9", "4", "") == (
        lists["us-dnc", "suppressed"],
        lists["us-dnc", "released"],
        lists["us-dnc", "rejected"],
        lists["us-dnc", "surplus kept"],
        lists["eu-dnc", "surplus kept"],
    )
    assert ("812", "14", "470.0") == (
        clocks["", "met"],
        clocks["us-dnc", "worst days"],
        clocks["", "worst hours"],
    )


def test_a_breach_is_a_row_of_the_table() -> None:
    """With pseudonym, place and times."""
    told = [row for row in rows(REPORT) if row["section"] == "breaches"]

    assert {
        "section": "breaches",
        "list": "us-dnc",
        "subject": "5fedb0b87c73",
        "figure": "business days",
        "value": "14",
        "from": "2026-11-03T10:15:00Z",
        "to": zulu(NOW),
        "run": BREACH.run,
        "place": "contacts/us-dnc.csv:1200",
        "text": "suppress, met, done",
    } == told[1]
    assert "" == told[0]["to"]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(text: str) -> None:
    """Nor does a line feed in one begin a row."""
    (given,) = (replace(REPORT.overrides[0], what=(text,)),)
    made = replace(REPORT, overrides=(given,), store=f"a\n{text}")

    told = rows(made)

    assert len(rows(REPORT)) == len(told)
    assert all(not re.match(r"[=+\-@\t\r]", cell) for row in told for cell in row.values())


# ---------------------------------------------------------------- a page


def test_a_page_says_first_how_many_took_too_long() -> None:
    """In a sentence, with what stands against the report itself."""
    made = html.report(REPORT)

    assert "<h1>4 of 819 requests took longer than 10 business days.</h1>" in made
    assert "The evidence is not whole: 3 findings." in made
    assert "and 2 more: audit verify names them all" in made
    assert "Contacts were still missing at the end of the period" in made


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (CALM, "<h1>No request took longer than 10 business days.</h1>"),
        (EMPTY, "<h1>No request fell into this period.</h1>"),
        (EMPTY, "The evidence was not verified."),
        (replace(CALM, limit="P14D"), "<h1>No request took longer than 14 days.</h1>"),
        (CALM, "30 signatures are good"),
        (EMPTY, "None began in this period."),
        (EMPTY, "without holidays"),
        (REPORT, "but for 1 holiday"),
        (REPORT, "1 more are counted, and not named here."),
    ],
)
def test_a_page_says_what_there_is_and_what_there_is_not(made: Attestation, said: str) -> None:
    """A section without rows says so."""
    assert said in html.report(made)


def test_a_long_table_is_folded_and_leaves_nothing_out() -> None:
    """A thousand breaches stand on the page."""
    many = tuple(replace(BREACH, pseudonym=f"{number:012x}") for number in range(1_000))

    made = html.report(replace(REPORT, breaches=many, clocks=replace(SPREAD, met_late=1_200)))

    assert "and 975 more" in made
    assert all(one.pseudonym in made for one in many)
    assert "202 more are counted, and not named here." in made


def test_a_finding_of_verification_is_told_wherever_one_looks() -> None:
    """No view passes over it."""
    made = replace(CALM, verified=Verified(whole=False, findings=("head.json is gone",), count=1))

    for told in (report.text(made).plain, facts.table(made), html.report(made)):
        assert "head.json is gone" in told


# ---------------------------------------------------------------- hostile text


@pytest.mark.parametrize("name", ["text", "csv", "html"])
def test_nothing_that_others_wrote_is_seen_or_run(name: str) -> None:
    """No control character, no mark of direction, and no markup."""
    views: dict[str, Any] = {
        "text": lambda: report.text(HOSTILE_REPORT).plain,
        "csv": lambda: facts.table(HOSTILE_REPORT),
        "html": lambda: html.report(HOSTILE_REPORT),
    }

    told = views[name]()

    assert not re.search(f"(?!\n)[{INVISIBLE}]", told)
    if name == "html":
        assert "<script>" not in told
        assert "&lt;script&gt;" in told
    assert "<script>" in HOSTILE
