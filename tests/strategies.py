"""Small worlds: what a spec may declare and what a service may hold, over a few addresses."""

from datetime import timedelta
from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st

from builders import NOW, list_spec, place
from reconciler.model import (
    REASONS,
    InlineContact,
    ListSpec,
    Ownership,
    Policy,
    ReleaseSpec,
    Settings,
)
from reconciler.times import zulu
from worlds import Contact

PHONES = ("+12125550101", "+12125550102", "+12125550103", "+12125550104")
EMAILS = ("ada@example.com", "bob@example.com", "cyd@example.com")
ADDRESSES = PHONES + EMAILS
OPEN = Policy(max_release_share=Decimal(1), max_release_count=1000)
"""A policy that refuses nothing."""

worldly = settings(max_examples=settings().max_examples // 6)
"""For properties that run the whole program: a sixth of the profile's examples."""

reasons = st.sampled_from(REASONS)
ends = st.sampled_from(
    [None, *(NOW + timedelta(days=days) for days in (-30, 1, 30, 365)), NOW + timedelta(minutes=5)]
)


@st.composite
def declared(draw: st.DrawFn) -> tuple[InlineContact, ...]:
    """Contacts a spec declares, in any order, some twice."""
    rows = draw(st.lists(st.tuples(st.sampled_from(ADDRESSES), reasons, ends), max_size=8))
    return tuple(
        InlineContact(
            place=place(line=10 + number),
            email=address if "@" in address else None,
            phone=None if "@" in address else address,
            reason=reason,
            suppress_until=zulu(end) if end else "never",
        )
        for number, (address, reason, end) in enumerate(rows)
    )


@st.composite
def held(draw: st.DrawFn) -> list[Contact]:
    """Contacts a service holds; each identifier at most once, some two to a contact."""
    emails = draw(st.permutations([*EMAILS, None, None]))
    phones = draw(st.permutations([*PHONES, None]))
    made = [
        Contact(email=email, phone=phone, reason=draw(reasons), until=draw(ends))
        for email, phone in zip(emails, phones, strict=True)
        if email or phone
    ]
    return draw(st.permutations(made[: draw(st.integers(0, len(made)))]))


@st.composite
def releases(draw: st.DrawFn) -> tuple[ReleaseSpec, ...]:
    """Declared releases, some of them only shortenings."""
    chosen = draw(st.lists(st.sampled_from(ADDRESSES), unique=True, max_size=3))
    return tuple(
        ReleaseSpec(
            place=place(line=50 + number),
            email=address if "@" in address else None,
            phone=None if "@" in address else address,
            basis="written re-consent",
            ticket="LEGAL-1",
            requested_by="privacy",
            requested_at=NOW - timedelta(days=1),
            suppress_until=draw(st.sampled_from([None, None, NOW + timedelta(days=2)])),
        )
        for number, address in enumerate(chosen)
    )


@st.composite
def lists(draw: st.DrawFn) -> ListSpec:
    """A list's declaration."""
    ownership = draw(st.sampled_from(Ownership))
    return list_spec(
        list_id="7f3e2c",
        create=False,
        settings=Settings(name="US Do Not Call"),
        contacts=draw(declared()),
        releases=draw(releases()),
        ownership=ownership,
        release_basis="contract" if ownership is Ownership.EXCLUSIVE else "",
    )


policies = st.sampled_from(
    [OPEN, Policy(), Policy(max_release_share=Decimal(0)), Policy(max_suppressions=2)]
)
