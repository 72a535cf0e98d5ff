"""Text that others wrote, wherever it gets out: it moves no cursor, is no markup and no formula."""

import csv
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders import NOW
from reconciler.artifacts import dumps
from reconciler.commands import frame
from reconciler.contacts import cells
from reconciler.contacts.engine import Engine
from reconciler.errors import Place, Problem
from reconciler.masking import INVISIBLE, clean, clean_lines, printable
from reconciler.model import (
    Change,
    Check,
    Counts,
    CreateList,
    Direction,
    Drift,
    Failure,
    Feed,
    Gap,
    ListDrift,
    ListPlan,
    Op,
    Outcome,
    Overrides,
    Plan,
    Policy,
    Receipt,
    Refusal,
    Rejection,
    Sample,
    Settings,
    Status,
    Suppress,
    Table,
    UpdateList,
    WebhookResult,
)
from reconciler.views import human, machine, markdown
from reconciler.views.progress import progress

SEEN = re.compile(f"(?!\n)[{INVISIBLE}]")
HOSTILE = (
    "\x1b[2J\x1b]0;owned\x07",
    "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "\u202egnp.exe",
    "a\nPlan: 0 to suppress, 0 to amend",
    "a\r\nerror: none",
    "\u2028\u2029\x85",
    "<script>alert(1)</script>",
    "|x|\n|---|",
    "`` ` ``",
    "\\`|\\|",
    "@everyone #1 www.evil.example https://evil.example",
    "![x](https://evil.example/x.png)",
    "- 1. > # heading",
    "\ud800\udcff",
    "\U000e0041",
    "\u200b\ufeff",
)
TEXTS = st.one_of(
    st.sampled_from(HOSTILE),
    st.lists(st.sampled_from(HOSTILE), min_size=2, max_size=3).map("".join),
    st.text(max_size=12),
    st.text(alphabet="<>&|`\\*_#@[]()!~$-+=.: \n\r\x1b\u202e1a", min_size=1, max_size=12),
)
FORMULAS = st.tuples(
    st.sampled_from(("=", "+", "-", "@", "\t=", "\r=", " =", "\uff1d", "\x00=")), TEXTS
)


@st.composite
def nouns(draw: st.DrawFn) -> tuple[Plan, Receipt, Drift]:
    """Make a plan, a receipt and a report in which every text is foreign."""
    t: list[str] = [draw(TEXTS) for _ in range(4)]

    def text() -> str:
        t.append(t.pop(0))
        return t[-1]

    table = Table(path=Path("/x.parquet"), rows=1, digest="d" * 64)
    sample = Sample(address=text(), reason=text(), until=None, source=text(), line=3, note=text())
    samples = {Op.SUPPRESS: (sample,), Op.SURPLUS: (sample,)}
    refusal = Refusal(
        key=text(), direction=Direction.ALL, rule="rule", message=text(), override=text()
    )
    failure = Failure(key=text(), message=text(), hint=text())
    change = Change(field="name", old=text(), new=text())
    made = Settings(name=text(), description=text(), suppress_until=None)
    gap = Gap(
        against="",
        rows=table,
        parts={},
        samples=samples,
        missing=1,
        amended=1,
        extended=1,
        recoded=1,
        shortened=1,
        surplus=1,
        opaque=1,
        longer=1,
        released=1,
        owned_releases=1,
    )
    listed = ListPlan(
        key=text(),
        tenant=text(),
        remote_id=text(),
        version=text(),
        actions=(
            CreateList(settings=made),
            UpdateList(changes=(change,)),
            Suppress(rows=replace(table, op=Op.SUPPRESS)),
        ),
        refusals=(refusal,),
        gap=gap,
        counts=Counts(read=1, naive=1),
        observed=made,
        observed_table=table,
        complete=True,
        size_before=1,
        size_after=2,
        feeds=(Feed(path=text(), files=(text(),), rows=1, sha256="", as_of=None, place=None),),
        notes=(text(),),
        batch_reason=text(),
    )
    plan = Plan(
        id="a" * 64,
        as_of=NOW,
        preview=False,
        lists=(listed,),
        failures=(failure,),
        policy=Policy(),
        overrides=Overrides(max_releases=1, allow_empty=(text(),), reason=text()),
        problems=(Problem(place=Place(path=text(), line=1), code="X-1", message=text()),),
    )
    bad = Outcome(
        key=text(),
        action=text(),
        op="",
        batch=1,
        first=0,
        last=0,
        rows=1,
        taken=0,
        status=Status.FAILED,
        detail=text(),
    )
    said = Rejection(row=0, code=text(), field=text(), message=text())
    hook = WebhookResult(
        key=text(), url=text(), event_id="e", delivered=False, attempts=1, detail=text()
    )
    receipt = Receipt(
        run="20261123T101500Z-3f9a1c",
        plan="a" * 64,
        started=NOW,
        finished=NOW,
        outcomes=(bad, replace(bad, status=Status.PARTLY, rejections=(said,), op=Op.SUPPRESS)),
        refusals=(refusal,),
        failures=(failure,),
        webhooks=(hook,),
        metrics={},
        created={text(): text()},
        batch_reasons={listed.key: text()},
        surplus=1,
        exit_code=6,
    )
    drift = Drift(
        as_of=NOW,
        lists=(
            ListDrift(
                key=text(),
                tenant=text(),
                missing=1,
                differ=2,
                surplus=1,
                longer=1,
                changes=(change,),
                size=1,
                complete=True,
                lapsed=False,
                absent=False,
                samples=samples,
                notes=(text(),),
            ),
        ),
        failures=(failure,),
        problems=plan.problems,
    )
    return plan, receipt, drift


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(made=nouns())
def test_nothing_shown_to_people_moves_a_cursor(made: tuple[Plan, Receipt, Drift]) -> None:
    """On a terminal, in a report and in a pull request; no line begins with what others wrote."""
    plan, receipt, drift = made
    checks = (Check(subject=plan.lists[0].key, name="list", ok=False, detail=receipt.run),)

    texts = (
        human.plan(plan).plain,
        human.receipt(receipt, artifacts=Path("/x")).plain,
        human.drift(drift).plain,
        human.problems(plan.problems).plain,
        human.checks(checks).plain,
        markdown.plan(plan),
        markdown.receipt(receipt),
        markdown.drift(drift),
    )

    for text in texts:
        assert not SEEN.search(text)
        assert not re.search(r"^(error: none|\|---\|)", text, re.MULTILINE)
    assert 1 == len(re.findall("^Plan: ", texts[0], re.MULTILINE))


@settings(max_examples=100)
@given(text=TEXTS)
def test_no_foreign_text_is_markup(text: str) -> None:
    """No tag, no image, no link, no call; a table has the columns of its head."""
    refusal = Refusal(key="k", direction=Direction.ALL, rule="r", message=text)
    empty = Drift(as_of=NOW, lists=(), failures=(Failure(key="k", message=text),))

    told = markdown.drift(empty)
    cells_of = markdown._table(("a", "b"), [(text, "end")])  # noqa: SLF001 - the one place of tables
    body = [line for line in told.splitlines() if line.startswith("- **k**")]

    assert refusal.message == text
    assert 1 == len(body)
    plain = without_code(body[0].removeprefix("- **k**: "))
    assert not re.search(r"<(?!!-- -->)", plain)
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_\[\]|~$]", plain)
    assert not re.search(r"@(?!<!-- -->)|://|(?i:www)\.", plain)
    assert 3 == len(re.findall(r"(?<!\\)(?:\\\\)*\|", without_code(cells_of.splitlines()[2])))


def without_code(line: str) -> str:
    """Return a line of Markdown without its code spans, in which nothing is markup."""
    return re.sub(r"(?<!\\)`[^`|\\]+`", "", line)


@given(text=TEXTS)
def test_a_json_document_can_be_read_on_a_terminal(text: str) -> None:
    """Also with names that are no text at all; a reader has the very same text again."""
    document = machine.error(text, hint=text)

    assert not SEEN.search(document.decode())
    same = text.encode(errors="backslashreplace").decode()
    assert same == orjson.loads(document)["error"]
    assert same == orjson.loads(dumps({text: [text]}))[same][0]


@given(text=TEXTS, other=TEXTS)
def test_a_neutral_text_stays_one_line_and_as_long_as_it_was(text: str, other: str) -> None:
    """Cleaning twice is cleaning once; names of files stay apart."""
    assert not re.search(f"[{INVISIBLE}]", clean(text) + printable(text))
    assert not SEEN.search(clean_lines(text))
    assert clean(text) == clean(clean(text))
    assert len(text) == len(clean_lines(text))
    assert text.count("\n") == clean_lines(text).count("\n")
    assert (text == other) == (printable(text) == printable(other))


@given(text=TEXTS)
def test_whatever_a_command_says_is_neutral(text: str) -> None:
    """The last door before a terminal lets nothing through, styled or not."""
    from rich.text import Text  # noqa: PLC0415 - only here

    told = frame._safe(text)  # noqa: SLF001 - what show and talk go through
    styled = frame._safe(Text("ok ").append(text, "red"))  # noqa: SLF001

    assert not SEEN.search(str(told))
    assert isinstance(styled, Text)
    assert not SEEN.search(styled.plain)


class Stream:
    """A stream that is no terminal."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        """Take a text."""
        self.text += text
        return len(text)

    def flush(self) -> None:
        """Do nothing."""

    def isatty(self) -> bool:
        """Say that nobody watches."""
        return False


@given(text=TEXTS)
def test_progress_and_notices_are_neutral(text: str) -> None:
    """They name lists, and what the service asked for."""
    stream: Any = Stream()
    moments = iter(range(0, 99, 9))

    with progress(stream=stream, clock=lambda: float(next(moments)), tick=None) as tell:
        tell(text, 1, 9)
        tell(text, 9, 9)
        tell.notice(text)

    assert not SEEN.search(stream.text)
    assert 3 == stream.text.count("\n")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(texts=st.lists(st.one_of(TEXTS, FORMULAS.map("".join)), min_size=1, max_size=9))
def test_no_cell_is_a_formula(engine: Engine, tmp_path: Path, texts: list[str]) -> None:
    """Whatever stands in it, and however a spreadsheet trims it; the others stay as they are."""
    path = tmp_path / "x.csv"
    texts = [text.encode(errors="replace").decode() for text in texts]
    with engine.session() as session:
        session.execute(cells.MACRO)
        session.execute(
            f"COPY (SELECT i, cell(t) AS t FROM (SELECT unnest($1) AS t, "  # noqa: S608 - our own path
            f"generate_subscripts($1, 1) AS i) ORDER BY i) TO '{path}' (FORMAT csv, HEADER)",
            [texts],
        )

    with path.open(newline="", encoding="utf-8") as file:
        found = [row["t"] for row in csv.DictReader(file)]

    assert len(texts) == len(found)
    for text, cell in zip(texts, found, strict=True):
        assert not re.match(r"[=+\-@\uff1d\uff0b\uff0d\uff20\t\r\n]", cell.lstrip())
        assert not re.search(f"[{INVISIBLE}]", cell)
        if re.fullmatch(r"[\w.:/ ]*", text, re.ASCII):
            assert text == cell


def test_a_phone_number_begins_with_an_apostrophe(engine: Engine) -> None:
    """On purpose: the file is for people, and its exact value stands in the source."""
    with engine.session() as session:
        session.execute(cells.MACRO)
        (found,) = session.execute("SELECT cell('+15551230000')").fetchall()

    assert ("'+15551230000",) == found


def test_a_question_is_neutral(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may name a list."""
    monkeypatch.setattr(sys.stdin, "readline", lambda: "yes\n")

    answer = frame.ask(click.Context(click.Command("x")), "Apply \x1b[2Jus-dnc? ")

    assert "yes" == answer
    assert "Apply  [2Jus-dnc? " == capsys.readouterr().err
