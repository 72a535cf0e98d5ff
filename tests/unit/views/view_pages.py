"""Nouns with something to look at, for the tests of pages; every address in them is made up."""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from view_nouns import (
    BARE_EMAIL,
    BARE_PHONE,
    END,
    NOW,
    PHONE,
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
    Amend,
    Change,
    CreateList,
    Drift,
    Ends,
    Failure,
    Feed,
    Ground,
    Op,
    Origin,
    Overrides,
    Release,
    Sample,
    Settings,
    Shorten,
    Suppress,
    Tally,
    UpdateList,
)

HOSTILE: Final = (
    "<script>document.title='owned';alert(1)</script>\"'><img src=x onerror=alert(2)>"
    "</style></title></svg>javascript:alert(3) {{ 7*7 }} &lt;b&gt; \u202eevil " + "w" * 500
)
EMAIL: Final = Sample(
    address="u•••@example.com",
    reason="UNSUBSCRIBE",
    until=None,
    source="contacts/us-optouts.csv",
    line=204,
)
_ENDS: Final = Ends(
    days={(NOW.date() + timedelta(days=n)).isoformat(): n * 37 % 291 for n in range(3, 365, 9)},
    later=3_120,
    endless=6_021,
)


def _tallies(op: Op, **kinds: dict[str, int]) -> tuple[Tally, ...]:
    return tuple(
        Tally(op=op, by="source" if kind == "source" else "reason", value=value, contacts=count)
        for kind, counts in kinds.items()
        for value, count in counts.items()
    )


LETTING_GO: Final = list_plan(
    actions=(
        UpdateList(changes=(Change(field="name", old="US", new="US Do Not Call"),)),
        Suppress(rows=table(120, Op.SUPPRESS)),
        Amend(rows=table(7, Op.AMEND)),
        Shorten(rows=table(1, Op.SHORTEN)),
        Release(rows=table(2, Op.RELEASE)),
    ),
    gap=gap(
        missing=120,
        amended=7,
        extended=5,
        recoded=2,
        shortened=1,
        released=2,
        surplus=4,
        longer=2,
        ends=_ENDS,
        tallies=(
            *_tallies(
                Op.SUPPRESS,
                reason={"DNC": 80, "UNSUBSCRIBE": 33, "COMPLIANCE": 7},
                source={"contacts/us-dnc-2026-11.csv": 111, "contacts/us-agents.csv": 9},
            ),
            *_tallies(Op.AMEND, reason={"DNC": 7}, source={"contacts/us-agents.csv": 7}),
            *_tallies(Op.SHORTEN, reason={"DNC": 1}, source={"specs/us.yaml": 1}),
            *_tallies(Op.RELEASE, reason={"DNC": 2}, source={"specs/us.yaml": 2}),
        ),
        samples={
            Op.SUPPRESS: (PHONE, EMAIL),
            Op.AMEND: (replace(PHONE, note="was BOUNCE"),),
            Op.RELEASE: (replace(PHONE, source="specs/us.yaml", line=31),),
        },
    ),
    grounds=(
        Ground(
            op=Op.RELEASE,
            basis="written re-consent",
            contacts=2,
            source="specs/us.yaml",
            line=31,
            ticket="LEGAL-1234",
            requested_by="p•••@acme.example",
        ),
        Ground(
            op=Op.SHORTEN,
            basis="court order of limited time",
            contacts=1,
            source="specs/us.yaml",
            line=36,
            ticket="LEGAL-1240",
            requested_by="p•••@acme.example",
        ),
    ),
    size_after=10_539,
    batch_reason="Monthly compliance sweep",
    feeds=busy().feeds,
    notes=busy().notes,
)
STALE: Final = list_plan(
    key="uk-email",
    tenant="acme-eu",
    size_before=1_000,
    size_after=1_000,
    refusals=(
        replace(RELEASES, key="uk-email"),
        replace(
            RELEASES,
            key="uk-email",
            rule="stale-feed",
            message="contacts/uk-*.csv is 44 days old, over maxAge P31D (specs/uk.yaml:9)",
            override="--accept-stale-feed uk-email",
        ),
    ),
    gap=gap(released=120, ends=Ends(endless=1_000)),
    feeds=(
        Feed(
            path="contacts/uk-*.csv",
            files=("contacts/uk-1.csv",),
            rows=880,
            sha256="0" * 64,
            as_of=NOW - timedelta(days=44),
            stale=True,
            max_age="P31D",
        ),
    ),
)
_NEW: Final = list_plan(
    key="de-phone",
    actions=(
        CreateList(settings=Settings(name="DE", description=None, suppress_until=END)),
        Suppress(rows=table(12, Op.SUPPRESS)),
    ),
    gap=gap(
        missing=12,
        tallies=_tallies(Op.SUPPRESS, reason={"DNC": 12}, source={"contacts/de.ndjson": 12}),
        samples={Op.SUPPRESS: (PHONE,)},
    ),
    size_before=0,
    size_after=12,
    remote_id=None,
)
_WARNING: Final = Problem(
    place=Place(path="specs/us.yaml", line=12),
    code="SPEC-031",
    message="a time without an offset is taken as UTC",
    severity="warning",
)
PLAN: Final = plan(
    LETTING_GO,
    STALE,
    _NEW,
    list_plan(key="fr-phone", size_before=300, size_after=300),
    list_plan(key="it-phone", size_before=800, size_after=800),
    overrides=Overrides(max_suppressions=200, reason="first load, CHG-77"),
    problems=(_WARNING,),
)
RECEIPT: Final = receipt(
    replace(REJECTED, rows=120, taken=119),
    outcome(Op.RELEASE, action="Release"),
    outcome(Op.SHORTEN, action="Shorten", rows=1, taken=1),
    outcome(key="de-phone", rows=12, taken=12),
    created={"de-phone": "9a7c"},
    batch_reasons={"us-dnc": "Monthly compliance sweep"},
    refusals=STALE.refusals,
    exit_code=6,
)
DRIFT: Final = Drift(
    as_of=NOW,
    lists=(
        list_drift(
            missing=12,
            differ=3,
            surplus=40,
            changes=(Change(field="description", old=None, new="x"),),
            notes=busy().notes,
            ends=_ENDS,
            lapsing=14,
            origins={"missing": Origin(outside=11, pending=1), "surplus": Origin(unknown=40)},
            untold="no run is remembered",
            feeds=busy().feeds,
            samples={Op.SUPPRESS: (PHONE, EMAIL), Op.SURPLUS: (EMAIL,)},
        ),
        list_drift(key="uk-email", missing=0, surplus=7, feeds=STALE.feeds, samples={}),
        list_drift(key="fr-phone", missing=0, surplus=0, samples={}),
    ),
    failures=(Failure(key="jp-phone", message="503 for too long", hint="try again later"),),
)

_HOSTILE_SAMPLE: Final = replace(PHONE, reason=HOSTILE, source=HOSTILE, note=HOSTILE)
_HOSTILE_PROBLEM: Final = replace(_WARNING, place=Place(path=HOSTILE, line=1), message=HOSTILE)
_HOSTILE_FAILURE: Final = Failure(key=HOSTILE, message=HOSTILE, hint=HOSTILE)
HOSTILE_PLAN: Final = plan(
    replace(
        LETTING_GO,
        key=HOSTILE,
        tenant=HOSTILE,
        actions=(
            UpdateList(
                changes=(
                    Change(field="name", old=HOSTILE, new=HOSTILE),
                    Change(field="suppressUntil", old=None, new="2027-01-01T00:00:00Z"),
                )
            ),
            *LETTING_GO.actions[1:],
        ),
        notes=(HOSTILE,),
        batch_reason=HOSTILE,
        refusals=(replace(RELEASES, key=HOSTILE, rule=HOSTILE, message=HOSTILE, override=HOSTILE),),
        grounds=(
            replace(
                LETTING_GO.grounds[0],
                basis=HOSTILE,
                ticket=HOSTILE,
                source=HOSTILE,
                requested_by=HOSTILE,
            ),
        ),
        feeds=(replace(STALE.feeds[0], path=HOSTILE, max_age=HOSTILE),),
        gap=replace(
            LETTING_GO.gap,
            samples={Op.SUPPRESS: (_HOSTILE_SAMPLE,)},
            tallies=_tallies(Op.SUPPRESS, reason={HOSTILE: 120}, source={HOSTILE: 120}),
        ),
    ),
    list_plan(key=HOSTILE + "2"),
    failures=(_HOSTILE_FAILURE,),
    problems=(_HOSTILE_PROBLEM,),
    overrides=Overrides(max_releases=3, allow_empty=(HOSTILE,), reason=HOSTILE),
)
HOSTILE_RECEIPT: Final = replace(
    RECEIPT,
    outcomes=(
        replace(
            REJECTED,
            key=HOSTILE,
            rejections=(replace(REJECTED.rejections[0], code=HOSTILE, message=HOSTILE),),
        ),
    ),
    created={HOSTILE: HOSTILE},
    batch_reasons={HOSTILE: HOSTILE},
    refusals=HOSTILE_PLAN.refusals,
    failures=(_HOSTILE_FAILURE,),
)
HOSTILE_DRIFT: Final = Drift(
    as_of=NOW,
    lists=(
        replace(
            DRIFT.lists[0],
            key=HOSTILE,
            tenant=HOSTILE,
            notes=(HOSTILE,),
            untold=HOSTILE,
            changes=(Change(field="name", old=HOSTILE, new=HOSTILE),),
            feeds=HOSTILE_PLAN.lists[0].feeds,
            samples={Op.SUPPRESS: (_HOSTILE_SAMPLE,)},
        ),
    ),
    failures=(_HOSTILE_FAILURE,),
    problems=(_HOSTILE_PROBLEM,),
)

_BARE: Final = {
    Op.SUPPRESS: tuple(replace(PHONE, address=address) for address in (BARE_PHONE, BARE_EMAIL))
}
ADDRESSED_PLAN: Final = plan(
    replace(
        LETTING_GO,
        gap=replace(LETTING_GO.gap, samples=_BARE),
        batch_reason=f"asked by {BARE_EMAIL} {BARE_PHONE}",
        grounds=(
            replace(
                LETTING_GO.grounds[0],
                basis=f"a call with {BARE_PHONE}",
                ticket=BARE_PHONE,
                requested_by=BARE_EMAIL,
            ),
        ),
    ),
    overrides=Overrides(max_releases=3, reason=f"for {BARE_PHONE} and {BARE_EMAIL}"),
)
ADDRESSED_DRIFT: Final = Drift(as_of=NOW, lists=(list_drift(samples=_BARE),))
