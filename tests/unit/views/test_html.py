"""What a page says, and that nothing on it can do anything."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from itertools import pairwise
from types import MappingProxyType

import pytest
from view_nouns import (
    BARE_EMAIL,
    BARE_PHONE,
    NOW,
    REJECTED,
    RELEASES,
    gap,
    list_drift,
    list_plan,
    outcome,
    plan,
    receipt,
)
from view_pages import (
    ADDRESSED_DRIFT,
    ADDRESSED_PLAN,
    DRIFT,
    HOSTILE,
    HOSTILE_DRIFT,
    HOSTILE_PLAN,
    HOSTILE_RECEIPT,
    LETTING_GO,
    PLAN,
    RECEIPT,
    STALE,
)

from reconciler.model import (
    Change,
    Drift,
    Ends,
    Failure,
    Op,
    Origin,
    Overrides,
    Plan,
    Settings,
    Shorten,
    Status,
    Suppress,
    UpdateList,
)
from reconciler.views import counting, html, human
from reconciler.views.page import pictures, words

PAGES: dict[str, Callable[[], str]] = {
    "plan": lambda: html.plan(PLAN),
    "receipt": lambda: html.receipt(RECEIPT, made=PLAN),
    "receipt-alone": lambda: html.receipt(RECEIPT),
    "drift": lambda: html.drift(DRIFT),
    "hostile-plan": lambda: html.plan(HOSTILE_PLAN),
    "hostile-receipt": lambda: html.receipt(HOSTILE_RECEIPT, made=HOSTILE_PLAN),
    "hostile-drift": lambda: html.drift(HOSTILE_DRIFT),
    "nothing": lambda: html.plan(plan(list_plan())),
    "no-list": lambda: html.plan(plan()),
}
NOBODY = "Nobody may be called or mailed again"
VOID = {"meta", "link", "br", "rect", "line"}


class Reading(HTMLParser):
    """Reads a page strictly: every element is closed, in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take an element, and wait for its end."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take an element that ends where it begins."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        """End the element that was opened last."""
        assert tag == self.open.pop()

    def handle_data(self, data: str) -> None:
        """Take text with the element it stands in."""
        self.texts.append((self.open[-1] if self.open else "", data))

    @property
    def text(self) -> str:
        """All that people read, on one line."""
        told = " ".join(data for tag, data in self.texts if tag not in {"style", "title"})
        return " ".join(told.split())

    def attributes(self) -> Iterator[tuple[str, str]]:
        """Yield every attribute of every element."""
        for _, attributes in self.elements:
            yield from attributes.items()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_well_formed(name: str) -> None:
    """Elements are closed, ids are unique and found, headings leave no level out."""
    read = Reading(PAGES[name]())

    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    named = {
        each
        for key, value in read.attributes()
        if key in {"aria-labelledby", "aria-describedby"}
        for each in value.split()
    }
    levels = [int(tag[1]) for tag, _ in read.elements if re.fullmatch("h[1-6]", tag)]
    assert len(ids) == len(set(ids))
    assert named <= set(ids)
    assert 1 == levels[0]
    assert 1 == levels.count(1)
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert ("html", {"lang": "en"}) in read.elements


@pytest.mark.parametrize("name", PAGES)
def test_tables_say_what_their_cells_are(name: str) -> None:
    """Each has a caption, and each of its headings says what it heads."""
    tags = Reading(PAGES[name]()).elements

    captions = [tag for tag, _ in tags].count("caption")
    scopes = [attributes.get("scope") for tag, attributes in tags if tag == "th"]
    assert [tag for tag, _ in tags].count("table") == captions
    assert None not in scopes


@pytest.mark.parametrize("name", PAGES)
def test_a_page_runs_nothing_and_fetches_nothing(name: str) -> None:
    """No script, no handler, no form; a link leads within the page, an image is data."""
    page = PAGES[name]()
    read = Reading(page)

    tags = {tag for tag, _ in read.elements}
    links = [value for key, value in read.attributes() if key in {"href", "src", "xlink:href"}]
    handlers = [key for key, _ in read.attributes() if key.startswith("on")]
    style = "".join(data for tag, data in read.texts if tag == "style")
    assert tags & {"script", "iframe", "object", "embed", "form", "img", "base", "a:href"} == set()
    assert {"#main", "data:,"} == set(links)
    assert [] == handlers
    assert re.search(r"url\(|@import|expression", style) is None
    assert "default-src 'none'; style-src 'unsafe-inline'" in page


def test_hostile_text_stays_text() -> None:
    """It is shown as it was written, but for what turns text round."""
    page = html.plan(HOSTILE_PLAN)
    read = Reading(page)

    assert "<script" not in page
    assert "<img" not in page
    assert "\u202e" not in page
    assert HOSTILE.replace("\u202e", "").split(" www")[0] in read.text


@pytest.mark.parametrize("address", [BARE_PHONE, BARE_EMAIL])
def test_no_page_holds_a_bare_address(address: str) -> None:
    """Samples are masked, and what others wrote is scrubbed."""
    troubled = replace(
        RECEIPT,
        outcomes=(replace(REJECTED, detail=address, rejections=()), REJECTED),
        overrides=Overrides(max_releases=3, reason=f"for {address}"),
        batch_reasons={"us-dnc": f"asked by {address}"},
    )

    told = (
        html.plan(ADDRESSED_PLAN)
        + html.receipt(troubled, made=ADDRESSED_PLAN)
        + html.drift(ADDRESSED_DRIFT)
    )

    assert address not in told
    assert "s•••@example.com" in told


def test_a_plan_opens_with_who_may_be_called_again() -> None:
    """In a sentence, then as the line that every view ends with."""
    read = Reading(html.plan(PLAN))

    (heading,) = [data for tag, data in read.texts if tag == "h1"]
    assert "3 people may be called or mailed again, 132 are newly protected." == heading
    assert human.plan_summary(PLAN).plain in read.text
    assert "2 things are refused." in read.text


def test_a_plan_says_why_somebody_may_be_called_again_and_who_declared_it() -> None:
    """Basis, ticket, who asked, file and line: nothing else has to be opened."""
    text = Reading(html.plan(PLAN)).text

    assert "3 people: 2 released, 1 protected for less time." in text
    assert (
        "2 people on us-dnc : released Because of written re-consent Ticket LEGAL-1234 "
        "Asked for by p•••@acme.example Declared in specs/us.yaml:31"
    ) in text
    assert "120 more were asked for and are held back: see what is refused." in text


def test_a_plan_says_what_is_refused_and_what_allows_it() -> None:
    """Beside the rule and its message stand the exact flags."""
    text = Reading(html.plan(PLAN)).text

    assert "uk-email : shortenings and releases held back 120 releases is 12.0% of 1,000" in text
    assert 'To allow it once --max-releases 120 --reason "…"' in text


def test_a_refusal_without_a_way_round_says_so() -> None:
    """Nobody looks for flags that do not exist."""
    listed = list_plan(refusals=(replace(RELEASES, override=""),))

    text = Reading(html.plan(plan(listed))).text

    assert "To allow it once Nothing does; the spec or the list must change." in text


def test_grounds_that_are_not_listed_are_counted() -> None:
    """A plan names the first grounds only; the others are not forgotten."""
    listed = replace(LETTING_GO, grounds=LETTING_GO.grounds[:1])

    text = Reading(html.plan(plan(listed))).text

    assert "1 more, on grounds that are not listed here. The specs name each." in text


def test_a_list_that_ends_earlier_as_a_whole_is_loud() -> None:
    """Everybody on it may be called again, though nobody is released."""
    change = Change(field="suppressUntil", old=None, new="2027-01-01T00:00:00Z")
    listed = list_plan(actions=(UpdateList(changes=(change,)),))

    text = Reading(html.plan(plan(listed))).text

    assert (
        "The whole list us-dnc ends earlier, with its 10,421 people. Nobody is newly protected."
        in text
    )
    assert (
        "The whole list us-dnc ends earlier , on 2027-01-01T00:00:00Z : all 10,421 who are on it"
    ) in text


def test_old_feeds_overrides_and_failures_are_told_before_all_else() -> None:
    """Each feed's age stands on the page, and those that are too old stand at its top."""
    failed = Failure(key="jp", message="503 for too long", hint="try again")
    made = plan(STALE, failures=(failed,), overrides=Overrides(ignore_freeze=True, reason="CHG-7"))

    text = Reading(html.plan(made)).text

    top = text.partition("Who may be called or mailed again, and why")[0]
    assert "jp: 503 for too long (try again)" in top
    assert (
        "uk-email: contacts/uk-*.csv is 44 days old, at most 31 days is allowed: nobody is released"
        in top
    )
    assert '--ignore-freeze --reason "CHG-7"' in top
    assert "44 days: too old 31 days 2026-10-10T10:15:00Z 880" in text


def test_a_feed_that_was_accepted_by_hand_says_so() -> None:
    """Its list may release, so the page does not say that nobody is released."""
    overrides = Overrides(accept_stale_feed=("uk-email",), reason="CHG-7")

    text = Reading(html.plan(plan(STALE, overrides=overrides))).text

    assert "at most 31 days is allowed: accepted by hand for this run" in text
    assert "44 days: too old, accepted by hand" in text


def test_sizes_stand_before_and_after() -> None:
    """Of each list that changes most, and of all lists together."""
    text = Reading(html.plan(PLAN)).text

    assert "us-dnc +118 before 10,421 after 10,539" in text
    assert "12,651" in text
    assert "12,521 before, over 5 lists" in text


def test_reasons_and_sources_add_up_to_what_is_done() -> None:
    """What no tally tells, or a list that was not read whole, is among the others."""
    partly = replace(
        LETTING_GO,
        complete=False,
        actions=(Suppress(rows=replace(LETTING_GO.gap.rows, rows=5)),),
    )

    text = Reading(html.plan(plan(LETTING_GO, replace(partly, key="half")))).text

    assert "suppress Newly protected 125 DNC 80 UNSUBSCRIBE 33 COMPLIANCE 7 all others 5" in text


def test_a_thousand_lists_that_match_are_one_line() -> None:
    """And one list that does not is opened."""
    lists = [list_plan(key=f"list-{number:04}") for number in range(1_000)]

    page = html.plan(plan(*lists, LETTING_GO))

    read = Reading(page)
    assert "1,000 lists match their specs: nothing to do" in read.text
    assert 1 == page.count('<details class="list"')
    assert 1 == page.count('<details class="list" open>')
    assert "the 12 that change most; 989 more are left out" in read.text
    assert len(page) < 100_000


def test_a_receipt_says_what_was_done_and_what_is_not_in_place() -> None:
    """In its own numbers, with the grounds of the plan it carried out."""
    text = Reading(html.receipt(RECEIPT, made=PLAN)).text

    assert "3 people may be called or mailed again, 131 are newly protected." in text
    assert "1 not accepted, 2 things are refused." in text
    assert human.receipt_summary(RECEIPT).plain in text
    assert "us-dnc suppress 1 not accepted INVALID_PHONE (phoneNumber): +1•••••••567" in text
    assert "Declared in specs/us.yaml:31" in text
    assert "de-phone: pin listId: 9a7c" in text


def test_what_may_not_be_in_place_is_told() -> None:
    """A batch without an answer, contacts that moved, rows that lapsed."""
    done = receipt(
        outcome(status=Status.FAILED, taken=0, detail="the connection was lost"),
        outcome(batch=2, taken=0, changed=(0,), lapsed=1),
    )

    text = Reading(html.receipt(done)).text

    assert "us-dnc suppress 2 sent, and not known to be in place the connection was lost" in text
    assert "us-dnc suppress 1 left alone somebody has changed them since the plan" in text
    assert "us-dnc suppress 1 not sent they had lapsed by then" in text


def test_a_run_with_nothing_to_do_says_so() -> None:
    """No count of nobody at the top."""
    text = Reading(html.receipt(receipt())).text

    assert "Nothing was to be done: the service matches the specs." in text


def test_drift_opens_with_who_is_not_protected() -> None:
    """Then each direction, worst first, with who made it differ."""
    read = Reading(html.drift(DRIFT))

    (heading,) = [data for tag, data in read.texts if tag == "h1"]
    assert "12 people are not protected who should be." == heading
    assert human.drift_summary(DRIFT).plain in read.text
    assert "1 list could not be worked on." in read.text
    places = [read.text.index(f"{word} {title}") for word, title in _DIRECTIONS]
    assert sorted(places) == places
    assert "11 outside (the service changed)" in read.text


_DIRECTIONS = (
    ("missing", "Not protected, though they should be (critical): 1 pending"),
    ("differ", "Protected otherwise than declared"),
    ("surplus", "Protected, though not declared: 40 of unknown origin"),
    ("longer", "Protected for longer than declared"),
)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"missing": 1}, "1 person is not protected who should be."),
        ({"missing": 0}, "Everybody is protected who should be, though not all as declared."),
        ({"missing": 0, "surplus": 0}, "Everybody is protected as declared."),
        (
            {"missing": 0, "complete": False},
            "Nobody is known to be unprotected, but it is not all clear.",
        ),
    ],
)
def test_drift_says_no_more_than_is_known(parts: dict[str, object], expected: str) -> None:
    """A list that was not read whole may lack anybody."""
    found = Drift(as_of=NOW, lists=(list_drift(**parts),))

    assert expected == words.drifted(found).first


def test_nobody_missing_is_not_all_clear_where_a_list_was_not_read() -> None:
    """The tile does not say that everybody was found."""
    found = Drift(as_of=NOW, lists=(list_drift(missing=0, complete=False),))

    text = Reading(html.drift(found)).text

    assert "Not protected (critical) 0 None in what could be read" in text
    assert "1 list could not be read whole." in text


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (plan(list_plan()), "Nothing changes: the service matches the specs."),
        (plan(list_plan(refusals=(RELEASES,))), "Nothing would be done."),
        (
            plan(replace(LETTING_GO, actions=LETTING_GO.actions[2:3])),
            f"{NOBODY}, 7 are protected for longer or for another reason.",
        ),
        (
            plan(replace(LETTING_GO, actions=(Shorten(rows=LETTING_GO.gap.rows),))),
            "1 person may be called or mailed again, nobody is newly protected.",
        ),
    ],
)
def test_the_first_sentence_of_a_plan(made: Plan, expected: str) -> None:
    """Whoever is shortened counts among those who may be called again."""
    assert expected == words.planned(made).first


_ENDING = UpdateList(changes=(Change(field="suppressUntil", old=None, new="2027-01-01T00:00:00Z"),))
_KEPT = UpdateList(changes=(Change(field="suppressUntil", old="2026-11-24T10:15:00Z", new=None),))
_ENDED = outcome("", action="UpdateList", batch=0, rows=0, taken=0, detail="suppressUntil")


def test_a_receipt_says_first_that_a_whole_list_was_cut_short() -> None:
    """Nobody is released, and yet everybody on it may be called again from then."""
    made = plan(list_plan(actions=(_ENDING,)))

    read = Reading(html.receipt(receipt(_ENDED), made=made))

    (heading,) = [data for tag, data in read.texts if tag == "h1"]
    assert "The whole list us-dnc ends earlier, with its 10,421 people." == heading
    assert "May be called or mailed again 10,421 The whole list us-dnc ends earlier" in read.text
    assert "Nobody may be called" not in read.text


@pytest.mark.parametrize("status", [Status.WITHHELD, Status.FAILED])
def test_a_list_that_was_not_cut_short_is_not_counted(status: Status) -> None:
    """A plan is no deed."""
    made = plan(list_plan(actions=(_ENDING,)))

    opening = words.applied(receipt(replace(_ENDED, status=status)), made)

    assert f"{NOBODY}, nobody is newly protected." == opening.first


def test_a_receipt_alone_does_not_call_a_moved_end_all_clear() -> None:
    """Without its plan nobody knows which way the end moved."""
    text = Reading(html.receipt(receipt(_ENDED))).text

    assert "The own end of 1 list was changed." in text
    assert NOBODY not in text


def test_whoever_leaves_a_list_that_ends_earlier_counts_once() -> None:
    """All of one list, and those who are released from another."""
    whole = replace(LETTING_GO, key="us-all", actions=(_ENDING, *LETTING_GO.actions[3:]))
    made = plan(whole, LETTING_GO)

    text = Reading(html.plan(made)).text

    assert (
        "The whole list us-all ends earlier, with its 10,421 people. "
        "6 people may be called or mailed again, 120 are newly protected, 7 are "
        "protected for longer or for another reason."
    ) in text
    assert (
        "May be called or mailed again 10,424 The whole list us-all ends earlier, with its 10,421 "
        "people. 4 released, 2 protected for less time."
    ) in text


def test_several_lists_that_end_earlier_are_summed_up() -> None:
    """Each of them stands further down."""
    made = plan(
        *(list_plan(key=key, actions=(_ENDING,), size_before=20) for key in ("us-a", "us-b"))
    )

    assert "2 whole lists end earlier, with their 40 people." == words.planned(made).first


def test_a_time_line_knows_that_a_list_is_to_end() -> None:
    """Whoever has no end of their own, or a later one, comes off with the list."""
    ends = Ends(days={"2026-11-30": 3, "2027-05-01": 4}, later=5, endless=6)
    held = gap(ends=ends)
    soon = Settings(name="US", description=None, suppress_until=NOW + timedelta(days=1))
    lists = (
        list_plan(gap=held, actions=(_ENDING,)),
        list_plan(gap=held, observed=soon),
        list_plan(gap=held, observed=soon, actions=(_KEPT,)),
    )

    told = [counting.ends(each, as_of=NOW) for each in lists]

    assert [
        Ends(days={"2026-11-30": 3, "2027-01-01": 15}),
        Ends(days={"2026-11-24": 18}),
        ends,
    ] == told


def test_a_time_line_has_a_year_of_months() -> None:
    """From this month to the same month next year; what is beyond is later."""
    days = {"2026-11-30": 3, "2027-01-01": 1, "2027-01-31": 5, "2027-11-20": 2, "2027-12-01": 7}
    ends = Ends(days=MappingProxyType(days), later=10, endless=20)

    line = pictures.time_line((ends, Ends(endless=1)), as_of=NOW)

    counts = {column.bar.label: column.bar.count for column in line.columns if column.bar.count}
    assert {"November 2026": 3, "January 2027": 6, "November 2027": 2} == counts
    assert (13, 11, 17, 21) == (len(line.columns), line.within, line.later, line.endless)
    assert max(column.height for column in line.columns) == pictures.HEIGHT


def test_bars_are_as_long_as_their_counts() -> None:
    """In percent of the longest; what is small is seen, and the rest is summed up."""
    shown = pictures.bars({"a": 200, "b": 50, "c": 1, "": 4}, others="others", total=260)

    assert [("a", 200, 100.0), ("b", 50, 25.0), ("c", 1, 0.6), ("others", 9, 4.5)] == [
        (bar.label, bar.count, bar.length) for bar in shown
    ]


@pytest.mark.parametrize(
    ("count", "expected"), [(99_999, "99,999"), (1_250_000, "1.2m"), (2_000_000_000, "2bn")]
)
def test_a_long_number_is_short_above_a_column(count: int, expected: str) -> None:
    """The figure itself stands in the table and in the description."""
    assert expected == pictures.compact(count)


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("P31D", "31 days"), ("P1M", "1 month"), ("P1DT2H", "P1DT2H"), (None, "no limit")],
)
def test_a_limit_is_spelled_for_people(limit: str | None, expected: str) -> None:
    """Where it is of one unit."""
    assert expected == words.span(limit)


def test_an_age_counts_whole_days() -> None:
    """A feed that says no date has no age, and one of tomorrow is suspicious."""
    moments = (NOW - timedelta(days=1), NOW + timedelta(days=1), None)

    assert ["1 day", "dated ahead", "not told"] == [words.age(each, NOW) for each in moments]


def test_origins_are_told_list_by_list() -> None:
    """Pending, outside, unknown: three columns, and no row where nothing differs."""
    listed = list_drift(origins={"missing": Origin(outside=1), "differ": Origin()})

    text = Reading(html.drift(Drift(as_of=NOW, lists=(listed,)))).text

    assert "Unknown missing 0 1 0" in text
    assert "differ 0 0 0" not in text


def test_samples_name_the_file_and_the_line() -> None:
    """Masked, under what becomes of them, with how many more there are."""
    text = Reading(html.plan(plan(LETTING_GO))).text

    assert "Newly protected: some of them" in text
    assert "+1•••••••567 DNC until 2027-12-31T23:59:59Z contacts/us.csv:12" in text
    assert "and 118 more" in text
    assert Op.SURPLUS not in {each.op for each in LETTING_GO.gap.tallies}
