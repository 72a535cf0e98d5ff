"""What people read."""

from dataclasses import replace

from view_nouns import (
    BARE_EMAIL,
    BARE_PHONE,
    END,
    NOW,
    PHONE,
    READ_BACK,
    REJECTED,
    RELEASES,
    busy,
    gap,
    list_drift,
    list_plan,
    outcome,
    plan,
    receipt,
    table,
)

from reconciler.errors import Place, Problem
from reconciler.model import (
    UNMANAGED,
    Change,
    Check,
    CreateList,
    Drift,
    Failure,
    Op,
    Origin,
    Overrides,
    Release,
    Settings,
    Shorten,
    Status,
    Suppress,
    UpdateList,
    WebhookResult,
)
from reconciler.views import human


def last(text: str) -> str:
    """Return a text's last line."""
    return text.rpartition("\n")[2]


def test_a_plan_ends_with_its_summary_lines() -> None:
    """A line for each list, then the total, as documented."""
    counts = (
        "2 to suppress, 1 to amend, 0 to shorten, 0 to release. "
        "List size 10,421 -> 10,423. Surplus kept: 4."
    )

    told = human.plan(plan(busy())).plain

    assert [f"us-dnc: {counts}", f"Plan: {counts}"] == told.split("\n")[-2:]


def test_the_total_of_a_plan_adds_up_its_lists() -> None:
    """Sizes and counts of all selected lists are summed."""
    told = human.plan(plan(busy(), replace(busy(), key="eu"))).plain

    assert (
        "Plan: 4 to suppress, 2 to amend, 0 to shorten, 0 to release. "
        "List size 20,842 -> 20,846. Surplus kept: 8."
    ) == last(told)


def test_a_plan_shows_each_list_in_full() -> None:
    """Heading, settings, marked lines with samples and sources, feeds and notes."""
    told = human.plan(plan(busy())).plain

    assert (
        "us-dnc at acme: 10,421 -> 10,423 contacts\n"
        '  ~ change     name: "US" -> "US Do Not Call"\n'
        "  + suppress   2\n"
        "      +1•••••••567  DNC  until 2027-12-31T23:59:59Z  contacts/us.csv:12\n"
        "      and 1 more\n"
        "  ~ amend      1 (1 to a later end, 0 to another reason)\n"
        "      +1•••••••567  DNC  until 2027-12-31T23:59:59Z  contacts/us.csv:12  was BOUNCE\n"
        "      and 2 more\n"
        "  ~ separate   5 from a contact they share with one to shorten or release\n"
        "    note       specs/us.yaml:30: this release is spent, delete this line\n"
        "  ? surplus    4 not declared, kept\n"
        "  ? longer     2 suppressed longer than declared, kept\n"
        "    declared   12 identifiers read: 1 merged, 2 lapsed\n"
        "    feed       contacts/us-*.csv: 1,204 rows in 2 files, as of 2026-11-20T10:15:00Z, "
        "3 days old, at most P31D"
    ) == told.partition("\n\n")[0]


def test_an_empty_plan_says_that_nothing_changes() -> None:
    """One line, with the surplus that is kept."""
    told = human.plan(plan(list_plan(gap=gap(surplus=4)))).plain

    assert "No changes. The service matches the specs. Surplus kept: 4." == told


def test_an_empty_plan_with_a_refusal_claims_no_match() -> None:
    """What was refused is shown with the exact flags that allow it once."""
    told = human.plan(plan(list_plan(refusals=(RELEASES,)))).plain.split("\n")

    assert [
        (
            "Plan: 0 to suppress, 0 to amend, 0 to shorten, 0 to release. "
            "List size 10,421 -> 10,421. Surplus kept: 0."
        ),
        (
            "Refused: 120 releases is 12.0% of 1,000, over maxReleases 1% (specs/policy.yaml:5). "
            'To allow it once: --max-releases 120 --reason "…"'
        ),
    ] == told[-2:]
    assert f"  ! refused    shortenings and releases (max-releases): {RELEASES.message}" == told[1]


def test_a_refusal_that_nothing_overrides_ends_with_its_message() -> None:
    """No flag is suggested where there is none."""
    told = human.refusal(replace(RELEASES, message="the list is gone.", override="")).plain

    assert "Refused: the list is gone." == told


def test_a_failed_list_is_shown_with_its_hint() -> None:
    """A plan that lacks a list never says that everything matches."""
    failed = Failure(key="eu", message="no such list", hint="check listId")

    told = human.plan(plan(failures=(failed,))).plain.split("\n")

    assert ["! failed eu: no such list", "  hint: check listId"] == told[:2]
    assert told[-2].startswith("Plan: 0 to suppress")
    assert "Could not be read, so not all clear: eu." == told[-1]


def test_a_list_to_be_made_shows_its_declared_settings() -> None:
    """Unmanaged settings are left out, no end is ``never``."""
    made = CreateList(settings=Settings(name="New", description=UNMANAGED, suppress_until=None))

    told = human.plan(plan(list_plan(actions=(made,), remote_id=None))).plain.split("\n")

    assert ['      name: "New"', "      suppressUntil: never"] == told[2:4]


def test_shortenings_and_releases_are_marked_and_counted() -> None:
    """A shorter list end has the symbol of a shortening."""
    sooner = Change(field="suppressUntil", old=None, new="2027-01-01T00:00:00Z")
    listed = list_plan(
        actions=(
            UpdateList(changes=(sooner,)),
            Shorten(rows=table(3, Op.SHORTEN)),
            Release(rows=table(2, Op.RELEASE)),
        ),
        gap=gap(shortened=3, released=1),
    )

    told = human.plan(plan(listed)).plain.split("\n")

    assert [
        "  > shorten    suppressUntil: never -> 2027-01-01T00:00:00Z",
        "  > shorten    3",
        "  - release    1",
    ] == told[1:4]
    assert "3 to shorten, 1 to release" in told[-1]


def test_after_an_incomplete_read_only_what_is_sent_is_counted() -> None:
    """Missing contacts with an end stay behind, and are not promised."""
    listed = list_plan(
        actions=(Suppress(rows=table(2, Op.SUPPRESS)),), gap=gap(missing=9), complete=False
    )

    told = human.plan(plan(listed)).plain

    assert last(told).startswith("Plan: 2 to suppress")


def test_a_preview_and_overrides_are_told_first() -> None:
    """Nobody takes a preview for a plan, or an override for the rule."""
    allowed = Overrides(max_releases=5, ignore_freeze=True, allow_empty=("eu",), reason="LEGAL-1")

    told = human.plan(plan(preview=True, overrides=allowed)).plain.split("\n")

    assert [
        "Preview as of 2026-11-23T10:15:00Z: to be read, never applied.",
        'Overridden: --max-releases 5 --allow-empty eu --ignore-freeze --reason "LEGAL-1"',
    ] == told[:2]


def test_a_sample_that_was_not_masked_is_masked() -> None:
    """A view is the last door: no address passes it bare."""
    bare = tuple(replace(PHONE, address=address) for address in (BARE_PHONE, BARE_EMAIL))
    listed = replace(busy(), gap=replace(busy().gap, samples={Op.SUPPRESS: bare}))

    told = human.plan(plan(listed)).plain

    assert BARE_PHONE not in told
    assert BARE_EMAIL not in told
    assert "s•••@example.com" in told


def test_foreign_text_cannot_move_the_cursor() -> None:
    """Escape sequences and line feeds in a list's name become spaces."""
    change = Change(field="name", old="\x1b[2Jold\n", new="new")

    told = human.plan(plan(list_plan(actions=(UpdateList(changes=(change,)),)))).plain

    assert '" [2Jold " -> "new"' in told


def test_a_receipt_ends_with_its_summary_lines() -> None:
    """A line for each list, then the total with the run, as documented."""
    done = receipt(
        outcome(rows=3, taken=3),
        replace(outcome(Op.AMEND), rows=1, taken=1, key="eu", batch=1),
        replace(outcome(Op.PART), taken=2, batch=2),
        READ_BACK,
    )

    told = human.receipt(done).plain.split("\n")

    assert [
        "eu: 0 suppressed, 1 amended, 0 shortened, 0 released, 0 rejected. 1 batch.",
        "us-dnc: 3 suppressed, 0 amended, 0 shortened, 0 released, 0 rejected. 2 batches.",
        (
            "Applied: 3 suppressed, 1 amended, 0 shortened, 0 released, 0 rejected. 3 batches. "
            "Run 20261123T101500Z-3f9a1c."
        ),
    ] == told[-3:]
    assert "  ~ separated  2 rows from a shared contact" in told


def test_a_run_that_had_nothing_to_do_says_so() -> None:
    """Reading back is not a change."""
    told = human.receipt(receipt(READ_BACK)).plain

    assert "No changes. The service matches the specs. Surplus kept: 4." == told


def test_rejected_rows_are_told_by_code_without_their_address() -> None:
    """What the service wrote about a row is scrubbed."""
    told = human.receipt(receipt(REJECTED)).plain

    assert (
        "us-dnc\n"
        "  ! rejected   1 row\n"
        "      1 INVALID_PHONE (phoneNumber): +1•••••••567 is no phone"
    ) == told.partition("\n\n")[0]
    assert "2 suppressed, 0 amended, 0 shortened, 0 released, 1 rejected. 1 batch." in told


def test_a_batch_that_was_not_taken_at_all_counts_as_rejected() -> None:
    """Without names, all of its rows are."""
    refused = outcome(taken=0, status=Status.REJECTED, detail="422")

    told = human.receipt(receipt(refused)).plain

    assert "  ! rejected   suppress of 2 rows: 422" in told.split("\n")
    assert "2 rejected. 1 batch." in last(told)


def test_withheld_batches_of_one_cause_are_told_once() -> None:
    """They were never sent, so they are no batches of the run."""
    withheld = outcome(
        Op.RELEASE, action="Release", taken=0, status=Status.WITHHELD, detail="version conflict"
    )

    told = human.receipt(receipt(withheld, replace(withheld, batch=2))).plain

    assert "  ! withheld   release of 4 rows: version conflict" in told.split("\n")
    assert "0 batches." in last(told)


def test_a_receipt_tells_what_is_left_to_do() -> None:
    """A list to pin, rows left alone, webhooks undelivered, effort and artifacts."""
    done = receipt(
        outcome(action="UpdateList", op="", batch=0, rows=0, taken=0),
        outcome(Op.RELEASE, taken=0, lapsed=1, changed=(0,)),
        created={"us-dnc": "9a"},
        batch_reasons={"us-dnc": "Monthly sweep"},
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
        metrics={"acme": {"retries": 2, "waits": 1, "wait_seconds": 1.5, "conflicts": 1}},
        refusals=(RELEASES,),
    )

    told = human.receipt(done, artifacts=table().path.parent).plain.split("\n")

    assert [
        "us-dnc: Monthly sweep",
        "  + created    pin listId: 9a",
        "  ~ changed    settings of the list",
        "  ! withheld   1 contact changed by somebody since the plan, left alone",
        "    lapsed     1 row since the plan, not sent",
    ] == told[:5]
    assert [
        "Webhook undelivered: us-dnc to https://crm.example.com after 3 attempts: 503",
        "Effort: 2 retries, 1 wait of 1.5 s, 1 version conflict.",
        "Artifacts: /private/tables",
    ] == told[7:10]
    assert told[-1].startswith("Refused: ")


def test_drift_ends_with_its_summary_lines() -> None:
    """A line for each list, then the total, as documented."""
    found = Drift(as_of=NOW, lists=(list_drift(),))

    told = human.drift(found).plain.split("\n")

    assert [
        "us-dnc: 1 missing (critical), 4 surplus, 0 differ.",
        "Drift: 1 missing (critical), 4 surplus, 0 differ.",
    ] == told[-2:]


def test_drift_is_shown_by_direction() -> None:
    """Missing first, then what differs, surplus, and what lasts longer."""
    change = Change(field="suppressUntil", old="2027-01-01T00:00:00Z", new=None)
    listed = list_drift(
        differ=3,
        longer=1,
        changes=(change,),
        notes=("the list has lapsed",),
        origins={"surplus": Origin(pending=1, outside=3), "longer": Origin(unknown=1)},
        untold="no run",
        lapsing=2,
    )

    told = human.drift(Drift(as_of=NOW, lists=(listed,))).plain

    assert (
        "us-dnc at acme: 10,421 contacts\n"
        "  + missing    1 (critical)\n"
        "      +1•••••••567  DNC  until 2027-12-31T23:59:59Z  contacts/us.csv:12\n"
        "  ~ change     suppressUntil: 2027-01-01T00:00:00Z -> never\n"
        "  ~ differ     2 in end or reason, 1 setting (warning)\n"
        "  ? surplus    4 not declared (info): 1 no longer declared, or with a release to come, "
        "3 outside (the service changed)\n"
        "  ? longer     1 suppressed longer than declared, kept (info): 1 of unknown origin\n"
        "    note       what is pending and what changed outside cannot be told apart: no run\n"
        "  > lapsing    2 come off by themselves within 30 days\n"
        "    note       the list has lapsed"
    ) == told.partition("\n\n")[0]


def test_no_drift_still_has_its_summary_line() -> None:
    """Scripts find the same line in every case."""
    told = human.drift(Drift(as_of=NOW, lists=())).plain

    assert "Drift: 0 missing (critical), 0 surplus, 0 differ." == told


def test_checks_stand_below_each_other() -> None:
    """A word says how each went, not colour alone."""
    made = (
        Check(subject="acme", name="token", ok=True),
        Check(subject="us-dnc", name="type", ok=False, detail="is a calling list"),
    )

    told = human.checks(made).plain

    assert (
        "ok    acme    token\nFAIL  us-dnc  type   is a calling list\n2 checks. 1 failed."
    ) == told


def test_problems_stand_in_the_order_of_their_places() -> None:
    """Path, line, column, code and message; a warning says that it is one."""
    found = (
        Problem(place=Place(path="b.yaml"), code="SPEC-002", message="second"),
        Problem(
            place=Place(path="a.yaml", line=3, column=5),
            code="SPEC-101",
            message="first",
            severity="warning",
        ),
    )

    told = human.problems(found).plain

    assert "a.yaml:3:5 SPEC-101 warning: first\nb.yaml SPEC-002 second" == told


def test_an_end_is_told_even_where_there_is_none() -> None:
    """A sample without an end is not a sample whose end is unknown."""
    endless = replace(PHONE, until=None, source="", line=0, reason=None)
    listed = replace(busy(), gap=replace(busy().gap, samples={Op.SUPPRESS: (endless,)}))

    told = human.plan(plan(listed)).plain

    assert "      +1•••••••567  without end\n" in told
    assert END.isoformat() not in told
