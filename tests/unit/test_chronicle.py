"""The ledger as people ask about it: which lines, which run, and how each is shown."""

import csv
import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from builders import NOW
from ledger_scenes import OUTCOME, Yard
from reconciler import account, chronicle, ledger, papers
from reconciler.artifacts import plain
from reconciler.chronicle import Wanted
from reconciler.errors import SettingError
from reconciler.holds import Scope
from reconciler.model import Overrides
from reconciler.views import accounts, cells, ledger_lines
from reconciler.views import held as holds_view

HOSTILE = "=cmd|' /C calc'!A0\x1b[2J\u202e <script> bob@example.com +12125550100"
PLAN = {
    "lists": [
        {
            "complete": True,
            "gap": {"missing": 5, "amended": 2, "shortened": 1, "released": 3},
            "actions": [
                {"kind": "UpdateList"},
                {"kind": "Suppress", "rows": {"rows": 5, "op": "suppress"}},
                {"kind": "Amend", "rows": {"rows": 4, "op": "part"}},
                {"kind": "Amend", "rows": {"rows": 2, "op": "amend"}},
                {"kind": "Shorten", "rows": {"rows": 1, "op": "shorten"}},
                {"kind": "Release", "rows": {"rows": 3, "op": "release"}},
            ],
        },
        {
            "complete": False,
            "gap": {"missing": 9, "amended": 0, "shortened": 0, "released": 0},
            "actions": [{"kind": "Suppress", "rows": {"rows": 4, "op": "suppress"}}],
        },
    ]
}


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    """Return a state directory without a run."""
    return Yard(state=tmp_path)


def numbers(yard: Yard, **wanted: Any) -> list[int]:
    """The numbers of the lines that are asked for."""
    return [line.number for line in chronicle.chosen(yard.told, Wanted(**wanted))]


def shown(yard: Yard, number: int) -> str:
    """One line as a person reads it."""
    line = next(line for line in yard.told if line.number == number)
    return ledger_lines.text(papers.counted(yard.store, [line])).plain


def of(yard: Yard, run: str) -> account.Account:
    """Everything about a run."""
    return account.account(yard.shelves, yard.told, run)


# ---------------------------------------------------------------- which lines


def test_lines_are_chosen_by_list_time_and_outcome_the_newest_first(yard: Yard) -> None:
    """All that is asked for has to fit; a limit takes the newest."""
    yard.run("us-dnc")
    yard.later(1)
    yard.run("eu-dnc", outcome="refused")
    yard.later(1)
    yard.run("us-dnc", "eu-dnc")

    day = NOW + timedelta(days=1)
    assert [3, 2, 1] == numbers(yard)
    assert [3, 1] == numbers(yard, lists=("us-dnc",))
    assert [3, 2] == numbers(yard, since=day)
    assert [2, 1] == numbers(yard, until=day)
    assert [2] == numbers(yard, outcomes=("refused",))
    assert [3] == numbers(yard, lists=("eu-dnc",), limit=1)
    assert [] == numbers(yard, lists=("us-dnc",), outcomes=("refused",))


def test_what_a_run_writes_on_its_way_is_shown_only_on_demand(yard: Yard) -> None:
    """Releases that are being sent; and the end of a run that only took a decision."""
    with yard.running("apply") as run:
        ledger.releasing(run, {"a"})
        ledger.released(run, {"a"})
        ledger.append(run, outcome="done", exit_code=0)
    yard.hold(Scope())

    assert [4, 3] == numbers(yard)
    assert [5, 4, 3, 2, 1] == numbers(yard, all=True)
    assert [2] == numbers(yard, outcomes=("released",))
    assert [5, 3] == numbers(yard, outcomes=("done",))


def test_a_list_that_no_line_speaks_of_is_an_error(yard: Yard) -> None:
    """Nobody may take it for one to which nothing was ever done."""
    yard.run("us-dnc")

    with pytest.raises(SettingError) as caught:
        numbers(yard, lists=("us-dcn",))

    assert "did you mean us-dnc?" == caught.value.hint


def test_a_run_that_only_looked_is_found_by_what_it_saw(yard: Yard) -> None:
    """Its line names no list."""
    yard.run(applied=False, more={"observed.json": {"lists": [{"key": "us-dnc"}]}})

    told = chronicle.with_lists(yard.store, yard.told)

    assert frozenset() == yard.told[0].lists
    assert {"us-dnc"} == told[0].lists


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b"{}",
        b'{"run": "x", "outcome": "held", "finished": "2026-11-23", "lists": {}, "hold": 1}',
        b'{"run": "x", "outcome": "pruned", "finished": "2026-11-23", "lists": {}, "removed": []}',
    ],
)
def test_a_line_that_cannot_be_believed_stands_as_such(yard: Yard, content: bytes) -> None:
    """The others are shown, and proving is for another command."""
    yard.run("us-dnc")
    yard.run("us-dnc")
    (yard.state / "ledger" / "00000001.json").write_bytes(content)

    assert ["unreadable", "done"] == [line.outcome for line in yard.told]
    assert [1] == numbers(yard, outcomes=("unreadable",))
    assert [2] == numbers(yard, since=NOW)
    assert "unreadable" in shown(yard, 1)


# ---------------------------------------------------------------- which run


def test_a_run_is_found_by_id_beginning_number_or_as_the_latest(yard: Yard) -> None:
    """However it is easiest to name it."""
    first = yard.run("us-dnc")
    yard.later(1)
    last = yard.run("us-dnc")

    found = [
        chronicle.find(yard.told, text) for text in (first, first[:8], "1", "#1", "latest", last)
    ]

    assert [first, first, first, first, last, last] == found


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("20", "2 runs begin with '20'"),
        ("nobody", "no run in the ledger is called 'nobody'"),
        ("", "no run in the ledger is called ''"),
        ("bob@example.com", "no run in the ledger is called 'b•••@example.com'"),
    ],
)
def test_what_names_no_run_or_several_is_an_error(yard: Yard, text: str, told: str) -> None:
    """With what to do about it."""
    yard.run("us-dnc")
    yard.run("us-dnc")

    with pytest.raises(SettingError) as caught:
        chronicle.find(yard.told, text)

    assert told == str(caught.value)
    assert caught.value.hint


def test_the_nearest_run_is_suggested(yard: Yard) -> None:
    """A slip of the finger is common in so long a name."""
    run = yard.run("us-dnc")
    slip = run[:-1] + ("0" if run[-1] != "0" else "1")

    with pytest.raises(SettingError) as caught:
        chronicle.find(yard.told, slip)

    assert f"did you mean {run}?" == caught.value.hint


# ---------------------------------------------------------------- how a line is shown


@pytest.mark.parametrize(
    ("more", "applied", "told"),
    [
        ({}, True, "2 suppressed, 1 rejected"),
        ({"plan.json": PLAN}, False, "9 to suppress, 2 to amend, 1 to shorten, 3 to release"),
        ({"drift.json": {"counts": {"missing": 1200, "surplus": 0}}}, False, "1,200 missing"),
        (
            {
                "interrupted.json": {
                    "lists": {
                        "us": {"suppress": {"taken": 4, "rejected": 0, "in_doubt": 2}},
                        "eu": {"suppress": {"taken": 1, "rejected": 0, "in_doubt": 0}},
                    }
                }
            },
            False,
            "5 taken, 2 in doubt",
        ),
        ({"drift.json": {"counts": "none"}}, False, ""),
        ({"plan.json": {"lists": [{}]}}, False, ""),
    ],
)
def test_a_line_says_how_many(
    yard: Yard, more: dict[str, object], applied: bool, told: str
) -> None:
    """Done, to be done, found or left over; nothing where nobody can tell."""
    run = yard.run("us-dnc", more=more, applied=applied)

    line = shown(yard, 1)

    assert line.startswith(f"#1  2026-11-23T10:15:00Z  {run}  apply  done")
    assert told in line


def test_decisions_about_evidence_say_what_and_why(yard: Yard) -> None:
    """How many files went, and which hold was placed for which reason."""
    yard.run("us-dnc")
    hold = yard.hold(Scope(run=yard.told[0].run))
    yard.release(hold)
    yard.later(90)
    yard.prune(None)

    assert f"held  {hold.id}  LEGAL-1" in shown(yard, 2)
    assert f"hold-released  {hold.id}  settled" in shown(yard, 4)
    assert "pruned  1 file of 1 run" in shown(yard, 6)


def test_all_three_formats_say_the_same(yard: Yard) -> None:
    """One document, and as many rows as lines."""
    yard.run("us-dnc")
    yard.run("eu-dnc", applied=False)
    told = papers.counted(yard.store, reversed(yard.told))

    text = ledger_lines.text(told).plain.splitlines()
    document = orjson.loads(ledger_lines.document(told, exit_code=1))
    rows = [*csv.DictReader(io.StringIO(ledger_lines.table(told).decode()))]

    assert ("audit-log", 1) == (document["kind"], document["exit_code"])
    assert [2, 1] == [line["number"] for line in document["lines"]]
    assert ["2", "1"] == [row["number"] for row in rows]
    assert ["#2", "#1"] == [line.split()[0] for line in text]
    assert ["eu-dnc", "us-dnc"] == [row["lists"] for row in rows]
    assert 2 == document["lines"][1]["counts"]["suppressed"]
    assert "2 suppressed, 1 rejected" == rows[1]["counts"]


def test_nothing_found_is_said() -> None:
    """Rather than nothing at all."""
    assert "No line of the ledger is like that." == ledger_lines.text(()).plain
    assert "No holds." == holds_view.text(()).plain
    assert [] == orjson.loads(ledger_lines.document(()))["lines"]
    assert ",".join(ledger_lines.COLUMNS) + "\r\n" == ledger_lines.table(()).decode()


# ---------------------------------------------------------------- everything about a run


def test_everything_about_a_run_is_shown(yard: Yard) -> None:
    """What it was allowed, what it did, which hold it is under and what it left."""
    with yard.running("apply") as run:
        run.write("receipt.json", {"outcomes": [OUTCOME, OUTCOME], "metrics": {"retries": 2}})
        (run.tables("us-dnc") / "gap.parquet").write_bytes(b"whom")
        ledger.append(
            run,
            outcome="partly",
            exit_code=6,
            lists={"us-dnc": "7f3e2c"},
            batch_reasons={"us-dnc": "monthly sweep"},
            overrides=Overrides(max_releases=2, reason="asked for by legal"),
        )
    hold = yard.hold(Scope())
    (run.folder / "crash-1.txt").write_text("so it fell")
    (run.folder / "tables/us-dnc/gap.parquet").unlink()

    found = of(yard, run.id)
    text, document = accounts.text(found).plain, orjson.loads(accounts.document(found))
    rows = [*csv.DictReader(io.StringIO(accounts.table(found).decode()))]

    for part in (
        f"Run {run.id}: apply, partly",
        "exit code   6",
        "overridden  max_releases 2, reason asked for by legal",
        "us-dnc: monthly sweep",
        "suppress    partly: 4 of 6 rows taken, 2 rejected, 2 batches",
        "Effort: 2 retries.",
        hold.id,
    ):
        assert part in text
    assert {
        "crash-1.txt": "not in the ledger",
        "receipt.json": "there",
        "run.json": "there",
        "tables/us-dnc/gap.parquet": "not here",
    } == {each["name"]: each["presence"] for each in document["artifacts"]}
    told = {"list": "us-dnc", "what": "suppress", "status": "partly", "rows": 6, "taken": 4}
    assert told.items() <= document["outcomes"][0].items()
    assert [hold.id] == [each["id"] for each in document["holds"]]
    assert ["outcome", *["artifact"] * 4] == [row["kind"] for row in rows]
    assert ("6", "4") == (rows[0]["rows"], rows[0]["taken"])


def test_an_artifact_is_pruned_or_missing(yard: Yard) -> None:
    """What the ledger says was removed is not missed."""
    run = yard.run("us-dnc")
    yard.later(90)
    yard.prune(None)
    (yard.state / "runs" / run / "report.md").unlink()

    found = {each.name: each.presence for each in of(yard, run).artifacts}

    assert ("pruned", "missing", "there") == (
        found["tables/us-dnc/gap.parquet"],
        found["report.md"],
        found["run.json"],
    )


def test_what_an_interrupted_run_left_is_shown(yard: Yard) -> None:
    """And what nobody knows of it."""
    steps = {"suppress": {"taken": 4, "rejected": 0, "in_doubt": 2}}
    remains = {"lists": {"us-dnc": steps}, "settings": {}}
    run = yard.run(
        "us-dnc", outcome="interrupted", applied=False, more={"interrupted.json": remains}
    )

    assert "us-dnc: suppress 4 taken, 2 in doubt" in accounts.text(of(yard, run)).plain


def test_a_run_that_is_not_over_is_shown_as_far_as_it_came(yard: Yard) -> None:
    """By what it wrote on its way."""
    with yard.running("apply") as run:
        ledger.releasing(run, {"a"})

    assert f"Run {run.id}: apply, releasing" in accounts.text(of(yard, run.id)).plain


def test_what_others_wrote_names_nobody_and_moves_no_cursor(yard: Yard) -> None:
    """Neither in a text, nor in a document, nor as a formula in a spreadsheet."""
    outcome = {**OUTCOME, "key": "=1+1\x1b[2J", "detail": HOSTILE}
    receipt = {
        "outcomes": [outcome],
        "refusals": [{"key": HOSTILE, "rule": HOSTILE, "message": HOSTILE}],
        "failures": [{"key": HOSTILE, "message": HOSTILE}],
        "webhooks": [{"key": HOSTILE, "url": HOSTILE, "delivered": False, "detail": HOSTILE}],
        "metrics": {"retries": HOSTILE},
    }
    specs = {"policy": {"release_within": 1209600.0, "freeze": [{"why": HOSTILE}]}}
    with yard.running(HOSTILE) as run:
        run.write("receipt.json", receipt)
        run.write("specs.json", specs)
        ledger.append(
            run,
            outcome="done",
            exit_code=0,
            batch_reasons={"us-dnc": HOSTILE},
            overrides=Overrides(ignore_freeze=True, reason=HOSTILE),
        )
    hold = yard.hold(Scope(), reason=HOSTILE)
    found, line = of(yard, run.id), papers.counted(yard.store, yard.told[:1])

    seen = [
        accounts.text(found).plain,
        accounts.document(found).decode(),
        accounts.table(found).decode(),
        ledger_lines.text(line).plain,
        ledger_lines.document(line).decode(),
        ledger_lines.table(line).decode(),
        holds_view.text((hold,)).plain,
        holds_view.document((hold,)).decode(),
    ]

    for text in seen:
        assert "bob@example.com" not in text
        assert "+12125550100" not in text
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert not [cell for cell in text.split(",") if cell.startswith("=")]
    assert "release_within 14 days" in seen[0]


def test_an_overridden_rule_is_shown_as_it_was_given(yard: Yard) -> None:
    """In the document, too, without those that were not."""
    given = Overrides(max_releases=2, allow_empty=("us-dnc",), reason="asked")
    with yard.running("apply") as run:
        ledger.append(run, outcome="done", exit_code=0, overrides=given)

    said = orjson.loads(accounts.document(of(yard, run.id)))["overrides"]

    assert {name: value for name, value in plain(given).items() if value} == said


# ---------------------------------------------------------------- cells


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("=1+1", "'=1+1"),
        (" @SUM(A1)", "' @SUM(A1)"),
        ("\uff1d1", "'\uff1d1"),
        ("-2", "'-2"),
        ("a\tb\r\nc", "a\ufffdb\ufffd\ufffdc"),
        ("plain", "plain"),
        (None, ""),
        (-2, -2),
        (True, "True"),
        (NOW, "2026-11-23T10:15:00Z"),
    ],
)
def test_a_cell_is_never_a_formula(value: object, written: object) -> None:
    """And stands on one line; a number is a number."""
    assert written == cells.cell(value)


def test_rows_are_quoted_as_the_standard_says() -> None:
    """With carriage return and line feed behind each."""
    assert b'a,b\r\n"1,5","say ""x"""\r\n' == cells.table(("a", "b"), [("1,5", 'say "x"')])
