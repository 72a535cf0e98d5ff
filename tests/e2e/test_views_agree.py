"""The views of one run tell the same numbers, and none of them an address."""

from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import orjson
import pytest

from program import LIST, Workplace, now, workplace
from reconciler.times import zulu

HELD = tuple(f"+12125550{number}" for number in range(100, 130))
MAIL = "somebody@example.com"
FORMATS = ("text", "json", "markdown", "html")


class _Words(HTMLParser):
    """What a page says to somebody who sees no markup."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.quiet = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Leave the style out."""
        del attrs
        self.quiet += tag == "style"

    def handle_endtag(self, tag: str) -> None:
        """Listen again."""
        self.quiet -= tag == "style"

    def handle_data(self, data: str) -> None:
        """Take a piece of text."""
        if not self.quiet:
            self.parts.append(data)


@pytest.fixture
def work(tmp_path: Path) -> Workplace:
    """Return two lists that differ in every way a plan can tell."""
    work = workplace(tmp_path)
    work.have(*((phone, "DNC", None) for phone in HELD), (MAIL, "BOUNCE", "2027-03-01"))
    work.have(*((phone, "DNC", None) for phone in HELD[:20]), list_id="eu", name="EU")
    work.embed()
    work.policy("maxReleases: {share: 20%, count: 2}")
    ground = f"basis: written re-consent, ticket: LEGAL-7, requestedAt: {now():%Y-%m-%d}"
    releases = "".join(
        f'    - {{phoneNumber: "{phone}", requestedBy: privacy@acme.example, {ground}}}\n'
        for phone in HELD[28:]
    )
    wanted = [f'phoneNumber: "{phone}"' for phone in (*HELD[:20], "+13125550120", "+13125550121")]
    amended = f"email: {MAIL}, reason: BOUNCE"
    feed = "contacts/old.csv"
    work.write(feed, "phoneNumber\n+13125550122\n")
    work.declare(*wanted, amended, more=f"  releases:\n{releases}")
    work.declare(
        *wanted[:10],
        name="eu",
        identity="listId: eu",
        more=f"  sources: [{{path: {feed}, asOf: 2026-01-01, maxAge: P31D}}]\n"
        "  ownership: exclusive\n  releaseBasis: the CRM decides\n",
    )
    return work


def written(work: Workplace, verb: str, *words: str, code: int) -> dict[str, str]:
    """Run a command once and return its views by format."""
    asked = [word for form in FORMATS for word in ("--write", f"{form}={verb}.{form}")]
    ran = work.call(verb, *words, *asked)
    assert code == ran.code, ran.out + ran.err
    views = {form: (work.folder / f"{verb}.{form}").read_text("utf-8") for form in FORMATS}
    assert ran.out.endswith(views["text"])
    words_of = _Words()
    words_of.feed(views["html"])
    views["html"] = " ".join(" ".join(words_of.parts).split())
    return views


def bare(views: dict[str, str]) -> list[str]:
    """Return the addresses that a view holds as they are."""
    addresses = (*HELD, MAIL, "+13125550120", "privacy@acme.example")
    told = "".join(views.values())
    return [each for each in addresses if each in told or each.removeprefix("+1") in told]


def test_the_views_of_a_plan_agree(work: Workplace) -> None:
    """Counts of the whole and of each list, sizes, who is let go and why."""
    views = written(work, "plan", code=4)

    document: Any = orjson.loads(views["json"])
    counts = document["counts"]
    summary = (
        f"Plan: {counts['suppress']} to suppress, {counts['amend']} to amend, "
        f"{counts['shorten']} to shorten, {counts['release']} to release. "
        f"List size {counts['before']} -> {counts['after']}. Surplus kept: {counts['surplus']}."
    )
    assert summary.startswith("Plan: 3 to suppress, 1 to amend, 0 to shorten, 2 to release.")
    for form in ("text", "markdown", "html"):
        assert summary in views[form], form
    for listed in document["lists"]:
        own = listed["counts"]
        row = (own["suppress"], own["amend"], own["shorten"], own["release"])
        cells = " | ".join(map(str, row))
        sizes = f"{own['before']} -> {own['after']}"
        assert (
            f"| {listed['key']} | acme | {cells} | {sizes} | {own['surplus']} |"
            in (views["markdown"])
        )
        assert f"{listed['key']}: {row[0]} to suppress, {row[1]} to amend, " in views["text"]
        assert f"{own['before']} → {own['after']}" in views["html"]
    for form in ("text", "markdown", "html"):
        assert "written re-consent" in views[form], form
        assert "LEGAL-7" in views[form], form
        assert "p•••@acme.example" in views[form], form
        assert "--accept-stale-feed eu" in views[form], form
        assert "contacts/old.csv" in views[form], form
    assert [] == bare(views)


def test_the_views_of_a_receipt_agree(work: Workplace) -> None:
    """What was done, and what was refused."""
    views = written(work, "apply", "--auto-approve", code=4)

    counts = orjson.loads(views["json"])["counts"]
    summary = (
        f"Applied: {counts['suppressed']} suppressed, {counts['amended']} amended, "
        f"{counts['shortened']} shortened, {counts['released']} released, "
        f"{counts['rejected']} rejected. {counts['batches']} batches."
    )
    assert summary.startswith("Applied: 3 suppressed, 1 amended, 0 shortened, 2 released, 0 ")
    for form in ("text", "markdown", "html"):
        assert summary in views[form], form
        assert "--accept-stale-feed eu" in views[form], form
    assert "LEGAL-7" in views["html"]
    assert "LEGAL-7" in views["markdown"]
    assert [] == bare(views)


def test_the_views_of_a_report_agree(work: Workplace) -> None:
    """Each direction by itself, of the whole and of each list."""
    work.have().remove(LIST, HELD[0])

    views = written(work, "drift", code=4)

    document = orjson.loads(views["json"])
    counts = document["counts"]
    summary = (
        f"Drift: {counts['missing']} missing (critical), {counts['surplus']} surplus, "
        f"{counts['differ']} differ."
    )
    assert summary.startswith("Drift: 4 missing (critical), ")
    for form in ("text", "markdown", "html"):
        assert summary in views[form], form
    for listed in document["lists"]:
        cells = " | ".join(str(listed[way]) for way in ("missing", "differ", "surplus", "longer"))
        assert f"| {listed['key']} | acme | critical | {cells} |" in views["markdown"]
        told = f"{listed['missing']} missing (critical), {listed['surplus']} surplus"
        assert f"{listed['key']}: {told}, {listed['differ']} differ." in views["text"]
    assert [] == bare(views)


def test_no_view_calls_it_all_clear_when_a_whole_list_is_cut_short(tmp_path: Path) -> None:
    """The plan, the receipt and the next report know that everybody comes off with it."""
    work = workplace(tmp_path)
    work.have(*((phone, "DNC", None) for phone in HELD))
    work.embed()
    work.policy("maxReleases: {share: 100%, count: 30}")
    end = now() + timedelta(days=1)
    own = f'listId: {LIST}\n  list: {{suppressUntil: "{zulu(end)}"}}'
    work.declare(*(f'phoneNumber: "{phone}"' for phone in HELD), identity=own)

    planned = written(work, "plan", code=0)
    done = written(work, "apply", "--auto-approve", code=0)
    found = written(work, "drift", code=0)

    for views in (planned, done):
        assert "The whole list us-dnc ends earlier, with its 30 contacts." in views["markdown"]
        assert "The whole list us-dnc ends earlier, with its 30 people." in views["html"]
        assert "May be called or mailed again 30 The whole list" in views["html"]
        assert "Nobody may be" not in views["markdown"] + views["html"]
    assert f"suppressUntil: never -> {zulu(end)}" in done["markdown"]
    ends = {"days": {end.date().isoformat(): 30}, "later": 0, "endless": 0}
    assert ends == orjson.loads(planned["json"])["lists"][0]["ends"]
    (listed,) = orjson.loads(found["json"])["lists"]
    assert (ends, 30) == (listed["ends"], listed["lapsing"])
    for views in (planned, found):
        assert "30 in the coming year, 0 later, 0 never." in views["html"]
