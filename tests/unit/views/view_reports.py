"""Reports over a period that tell something of everything, ordinary and hostile."""

from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from view_pages import HOSTILE

from reconciler.attestation import (
    Allowed,
    Attestation,
    Breach,
    Counted,
    FeedAge,
    Interrupted,
    LetGo,
    ListReport,
    Refused,
    RunCount,
    Size,
    Spread,
    Undelivered,
    Unknown,
    Unprotected,
    Verified,
)

NOW: Final = datetime(2026, 11, 23, 10, 15, tzinfo=UTC)
RUN: Final = "20261123T101500Z-3f9a1c"
SPREAD: Final = Spread(
    met=812,
    met_late=2,
    withdrawn=3,
    withdrawn_late=1,
    open=4,
    open_late=1,
    median_days=1,
    p95_days=6,
    worst_days=14,
    median_hours=5.25,
    p95_hours=150.5,
    worst_hours=470.0,
)
BREACH: Final = Breach(
    key="us-dnc",
    pseudonym="5fedb0b87c73",
    state="met",
    requested=NOW - timedelta(days=20),
    deadline=NOW - timedelta(days=6),
    ended=NOW,
    business_days=14,
    hours=470.0,
    op="suppress",
    status="done",
    source="contacts/us-dnc.csv",
    line=1200,
    run=RUN,
)
OPEN: Final = replace(BREACH, state="open", ended=None, deadline=None, status="rejected", line=7)
REPORT: Final = Attestation(
    start=NOW - timedelta(days=22),
    end=NOW + timedelta(days=8),
    made=NOW + timedelta(days=9),
    tool="0.1.0",
    store="s3://evidence",
    chosen=(),
    limit="10bd",
    holidays=1,
    runs=(RunCount(command="apply", outcome="partly", runs=30),),
    versions={"0.1.0": 30},
    lists=(
        ListReport(
            key="us-dnc",
            runs=30,
            first=Size(contacts=10_421, at=NOW - timedelta(days=23), run=RUN, counted=True),
            last=Size(contacts=11_233, at=NOW, run=RUN, counted=False),
            surplus=4,
            counts=Counted(suppressed=815, released=3, rejected=9, without_request=2),
            clocks=SPREAD,
            found=5,
        ),
        ListReport(
            key="eu-dnc",
            runs=0,
            first=None,
            last=None,
            surplus=None,
            counts=Counted(),
            clocks=Spread(),
            found=0,
        ),
    ),
    clocks=SPREAD,
    breaches=(OPEN, BREACH, replace(BREACH, state="withdrawn")),
    feeds=(
        FeedAge(
            key="us-dnc",
            path="contacts/us-dnc.csv",
            runs=30,
            untold=0,
            worst_days=33,
            worst_run=RUN,
            beyond=2,
            stale=1,
            max_age="P31D",
        ),
        FeedAge(
            key="us-dnc",
            path="b.csv",
            runs=1,
            untold=1,
            worst_days=None,
            worst_run="",
            beyond=0,
            stale=0,
            max_age=None,
        ),
    ),
    unprotected=(
        Unprotected(
            key="us-dnc",
            seen=NOW,
            run=RUN,
            command="drift",
            contacts=2,
            most=3,
            runs=4,
            outside=1,
            closed=NOW + timedelta(hours=2),
            closed_by=RUN,
            hours=2.0,
        ),
        Unprotected(
            key="us-dnc",
            seen=NOW,
            run=RUN,
            command="plan",
            contacts=1,
            most=1,
            runs=1,
            outside=None,
            closed=None,
            closed_by="",
            hours=205.75,
        ),
    ),
    overrides=(
        Allowed(
            run=RUN,
            at=NOW,
            what=("--max-releases 5", "--ignore-freeze"),
            reason="LEGAL-9",
            actor="ann",
            approver="bob",
            commit="6eff9b9a1b2c3d4e5f",
            ci_run="https://ci.example.com/1",
        ),
    ),
    let_go=(
        LetGo(
            key="us-dnc",
            op="release",
            basis="written re-consent",
            ticket="LEGAL-1",
            contacts=2,
        ),
    ),
    refusals=(
        Refused(
            key="us-dnc",
            rule="max-releases",
            direction="release",
            runs=3,
            last=NOW,
            message="120 releases is 12.0% of 1,000",
        ),
    ),
    undelivered=(
        Undelivered(
            key="us-dnc",
            url="https://crm.example.com",
            event_id="msg_1",
            run=RUN,
            at=NOW,
            detail="503",
            waiting=True,
        ),
    ),
    interrupted=(Interrupted(run=RUN, command="apply", started=NOW, in_doubt=500),),
    verified=Verified(whole=False, findings=("ledger/00000007.json was altered",), count=3),
    unknown=(Unknown(what="without-request", count=2, text="changes without a time"),),
)
CALM: Final = replace(
    REPORT,
    lists=(),
    clocks=Spread(met=1, median_days=0, p95_days=0, worst_days=1),
    breaches=(),
    unprotected=(),
    verified=Verified(whole=True, artifacts=True, signatures="30 signatures are good"),
    unknown=(),
    feeds=(),
    overrides=(),
    let_go=(),
    refusals=(),
    undelivered=(),
)
EMPTY: Final = replace(
    CALM, runs=(), versions={}, clocks=Spread(), interrupted=(), verified=None, holidays=0
)
_KEPT: Final = frozenset({"state", "limit", "op"})


def spoilt(value: Any, name: str = "") -> Any:
    """Return a value with a hostile text in place of each that somebody else might write."""
    if isinstance(value, str):
        return value if name in _KEPT else HOSTILE
    if isinstance(value, tuple):
        return tuple(spoilt(each, name) for each in value)
    if is_dataclass(value) and not isinstance(value, type):
        told = {one.name: spoilt(getattr(value, one.name), one.name) for one in fields(value)}
        return replace(value, **told)
    return value


HOSTILE_REPORT: Final = replace(spoilt(REPORT), versions={HOSTILE: 1})
