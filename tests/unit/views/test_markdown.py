"""What stands in a pull request and in the run folder."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from view_nouns import (
    BARE_EMAIL,
    BARE_PHONE,
    NOW,
    PHONE,
    REJECTED,
    RELEASES,
    busy,
    list_drift,
    list_plan,
    outcome,
    plan,
    receipt,
)

from builders import table
from reconciler.model import (
    Change,
    CreateList,
    Drift,
    Failure,
    Feed,
    Ground,
    Op,
    Origin,
    Policy,
    Release,
    Settings,
    UpdateList,
    WebhookResult,
)
from reconciler.views import markdown


def test_a_plan_opens_with_its_summary_line() -> None:
    """Whoever reads one line of a comment reads that; whoever reads two, what it comes to."""
    told = markdown.plan(plan(busy())).split("\n")

    assert "<!-- reconciler:plan -->" == told[0]
    assert (
        "### Plan: 2 to suppress, 1 to amend, 0 to shorten, 0 to release. "
        "List size 10,421 -> 10,423. Surplus kept: 4."
    ) == told[2]
    assert (
        "Nobody may be called or mailed again. 2 contacts will no longer be called or mailed. "
        "1 contact on a list already gets a later end or another reason."
    ) == told[4]
    assert "| us-dnc | acme | 2 | 1 | 0 | 0 | 10,421 -> 10,423 | 4 |" == told[8]


def test_the_details_of_a_plan_are_folded() -> None:
    """Settings, notes and samples of what is done; what is only kept has no row."""
    told = markdown.plan(plan(busy()))

    assert "<details><summary>us-dnc: details</summary>" in told
    assert '- name: "US" -> "US Do Not Call"' in told
    assert (
        "| + suppress | +1•••••••567 | DNC | until 2027-12-31T23:59:59Z | contacts/us.csv:12 |"
    ) in told


def test_a_plan_names_refusals_failures_and_lists_to_be_made() -> None:
    """What needs a person stands unfolded."""
    new = CreateList(settings=Settings(name="New", description=None, suppress_until=None))
    failed = Failure(key="eu", message="no such list")

    told = markdown.plan(
        plan(list_plan(actions=(new,), refusals=(RELEASES,)), failures=(failed,), preview=True)
    )

    assert "**Refused**\n\n- **us-dnc**: Refused: 120 releases" in told
    assert "**Failed**\n\n- **eu**: no such list" in told
    assert "What becomes of 1 list is not known. Nobody of the other lists may be called" in told
    assert '- create the list: name "New", description (none), suppressUntil never' in told
    assert "Preview as of 2026-11-23T10:15:00Z" in told


def test_an_empty_plan_is_short() -> None:
    """Nothing is folded where there is nothing to fold."""
    told = markdown.plan(plan(list_plan()))

    summary = "### No changes. The service matches the specs. Surplus kept: 0.\n"
    assert told.startswith(f"<!-- reconciler:plan -->\n\n{summary}")
    assert "<details>" not in told


def test_a_receipt_is_a_report() -> None:
    """Counts by list, what is not in place, what to pin and what is undelivered."""
    done = receipt(
        REJECTED,
        outcome(batch=2),
        created={"us-dnc": "9a"},
        batch_reasons={"us-dnc": "Monthly | sweep"},
        webhooks=(
            WebhookResult(
                key="us-dnc",
                url="https://crm.example.com",
                event_id="e",
                delivered=False,
                attempts=3,
                detail="503",
            ),
        ),
    )

    told = markdown.receipt(done)

    assert told.startswith("<!-- reconciler:receipt -->\n\n### Applied: 4 suppressed")
    assert "| us-dnc | 4 | 0 | 0 | 0 | 0 | 1 | 2 | Monthly \\| sweep |" in told
    assert "- `us-dnc` was made: pin `listId: 9a`" in told
    assert "- us-dnc to `https://crm.example.com`: 503" in told
    assert "| us-dnc | suppress | 1 | 3 | 2 | partly | INVALID\\_PHONE |" in told


def test_drift_is_a_table_by_direction() -> None:
    """Missing is named critical in the head."""
    change = Change(field="description", old=None, new="x")
    origins = {"missing": Origin(outside=1), "surplus": Origin(pending=1, unknown=3)}
    notes = ("the list has lapsed",)
    listed = list_drift(changes=(change,), notes=notes, differ=1, origins=origins, untold="no run")

    told = markdown.drift(Drift(as_of=NOW, lists=(listed,)))

    summary = "### Drift: 1 missing (critical), 4 surplus, 1 differ.\n"
    assert told.startswith(f"<!-- reconciler:drift -->\n\n{summary}")
    assert "| list | tenant | severity | missing (critical) | differ (warning) |" in told
    assert "| us-dnc | acme | critical | 1 | 1 | 4 | 0 | 0 |" in told
    assert "| us-dnc | missing | 0 | 1 | 0 |\n| us-dnc | surplus | 1 | 0 | 3 |" in told
    assert "cannot be told apart: no run" in told
    assert '- description: (none) -> "x"\n- the list has lapsed' in told


def test_whoever_is_let_go_stands_on_top_with_the_reason() -> None:
    """How many may be called again, on what ground, at whose wish, and where that is declared."""
    rows = table(2, op="release")
    why = Ground(
        op=Op.RELEASE,
        basis="written re-consent",
        contacts=2,
        source="specs/us-dnc.yaml",
        line=14,
        ticket="LEGAL-1234",
        requested_by="p•••@acme.example",
    )
    gap = replace(busy().gap, released=2)
    listed = replace(busy(), gap=gap, actions=(Release(rows=rows),), grounds=(why,))

    told = markdown.plan(plan(listed))

    assert "2 contacts may be called or mailed again." in told
    assert (
        "| us-dnc | 2 | may be contacted again | `written re-consent (LEGAL-1234), asked for by "
        "p•••@acme.example` | specs/us-dnc.yaml:14 |"
    ) in told
    assert told.index("who asked") < told.index("surplus kept |")


def test_a_receipt_names_the_list_that_was_cut_short_and_its_settings() -> None:
    """It is never all clear then, with or without the plan that was carried out."""
    change = Change(field="suppressUntil", old=None, new="2027-01-01T00:00:00Z")
    made = plan(list_plan(actions=(UpdateList(changes=(change,)),)))
    done = receipt(outcome("", action="UpdateList", batch=0, taken=0, detail="suppressUntil"))

    told = markdown.receipt(done, made=made)

    sentence = "The whole list us-dnc ends earlier, with its 10,421 contacts."
    assert sentence in told
    assert sentence in markdown.plan(made)
    assert "- **us-dnc**: suppressUntil: never -> 2027-01-01T00:00:00Z" in told
    assert "The own end of the list us-dnc was changed." in markdown.receipt(done)
    assert "Nobody" not in told + markdown.receipt(done) + markdown.plan(made)


def test_a_feed_that_is_too_old_is_not_folded_away() -> None:
    """Its age stands with what needs a person; the ages of the others can be looked up."""
    old = Feed(
        path="a.csv",
        files=("a.csv",),
        rows=3,
        sha256="0",
        as_of=NOW - timedelta(days=40),
        max_age="P31D",
        stale=True,
    )
    fresh = replace(old, path="b.csv", as_of=NOW, stale=False)

    told = markdown.plan(plan(replace(busy(), feeds=(old, fresh))))

    loud, _, folded = told.partition("<details>")
    assert "**Feeds too old**\n\n- **us-dnc**: a.csv: 3 rows in 1 file" in loud
    assert "40 days old, at most P31D: too old to let anybody go, unless it is accepted" in loud
    assert "b.csv" not in loud
    assert "- b.csv: 3 rows in 1 file" in folded


@pytest.mark.parametrize(("lists", "length"), [(1_500, 10), (30, 5_000), (1, 100_000)])
def test_a_page_fits_a_comment(lists: int, length: int) -> None:
    """However many lists, however long their names; what is left out is said."""
    made = plan(*(replace(busy(), key=f"{number:0{length}}") for number in range(lists)))

    told = markdown.plan(made)

    assert len(told) <= markdown.LIMIT
    assert "left out" in told
    assert told.count("<details>") == told.count("</details>")


def test_foreign_text_is_no_markup() -> None:
    """Neither Markdown nor HTML, in a name or in a title."""
    listed = replace(busy(), key="<b>x|y", tenant="[a](b)")

    told = markdown.plan(plan(listed))

    assert "<b>" not in told
    assert "| &lt;b>x\\|y | \\[a\\](b) |" in told
    assert "<summary>&lt;b&gt;x|y: details</summary>" in told


def test_no_report_holds_a_bare_address() -> None:
    """Samples are masked, and what the service wrote is scrubbed."""
    bare = tuple(replace(PHONE, address=address) for address in (BARE_PHONE, BARE_EMAIL))
    samples = {Op.SUPPRESS: bare}
    listed = replace(busy(), gap=replace(busy().gap, samples=samples))

    told = (
        markdown.plan(plan(listed))
        + markdown.drift(Drift(as_of=NOW, lists=(list_drift(samples=samples),)))
        + markdown.receipt(receipt(replace(REJECTED, detail=f"{BARE_EMAIL} {BARE_PHONE}")))
    )

    assert BARE_PHONE not in told
    assert BARE_EMAIL not in told
    assert "s•••@example.com" in told


@pytest.mark.parametrize(
    ("share", "told"), [("1", "100%"), ("0.005", "0.5%"), ("0", "0%"), ("0.2", "20%")]
)
def test_the_bounds_are_told_as_they_are_set(share: str, told: str) -> None:
    """Whoever approves reads what the plan was held to."""
    policy = Policy(max_release_share=Decimal(share), max_release_count=7)

    page = markdown.plan(replace(plan(busy()), policy=policy))

    assert f"Held to maxReleases {told} and 7 a list" in page


def test_grounds_that_are_not_listed_are_counted() -> None:
    """A table of the first of them does not say that there are no others."""
    why = Ground(op=Op.RELEASE, basis="asked", contacts=2, source="a.yaml", line=1)
    gap = replace(busy().gap, released=9)
    listed = replace(busy(), gap=gap, actions=(Release(rows=table(9)),), grounds=(why,))

    told = markdown.plan(plan(listed))

    assert "9 contacts may be called or mailed again." in told
    assert "| us-dnc | 7 | may be contacted again or sooner | on further grounds |  |" in told
