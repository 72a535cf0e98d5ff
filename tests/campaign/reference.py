"""The reference: three lists as declared and as the service holds them before a run.

Every kind of request comes up in it: a list to be made, a setting changed, one shortened,
contacts missing, amended, shortened, released, two that share one contact. It says from its own
numbers what is right at the end, and never asks the program. It runs nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, TypeAlias

from program import Workplace
from reconciler import sandbox
from reconciler.sandbox import data

START: Final = datetime(2026, 11, 23, 10, 15, tzinfo=UTC)
"""When the first run of a campaign starts, by everybody's clock."""
NEVER: Final = "9999"
"""An end that never comes, where ends are compared as the texts they are."""
SOON, LATE, LATER = "2027-06-30T00:00:00Z", "2028-06-30T00:00:00Z", "2029-06-30T00:00:00Z"
LIST_END: Final = "2031-01-01T00:00:00Z"
SURPLUS: Final = 3

Row: TypeAlias = tuple[str | None, str]
"""A contact's reason and end; ``NEVER`` where it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """One list: what its spec wants, and what the service holds before."""

    key: str
    name: str
    list_id: str
    """Empty where the list is yet to be made."""
    wanted: Mapping[str, Row]
    held: Mapping[str, Row]
    pairs: tuple[tuple[str, str], ...] = ()
    """Email and phone that are one contact at the service; both stand in ``held``."""
    released: frozenset[str] = frozenset()
    shortened: Mapping[str, str] = field(default_factory=dict)
    """Who is to end earlier, and when."""
    description: str | None = None
    until: str = NEVER
    """The list's own end as declared; before, no list has one."""
    pinned: bool = True
    """Whether the spec names the list by its id rather than by its name."""

    def final(self) -> dict[str, Row]:
        """Who is on the list in the end, but for those who are let go."""
        kept = {one: row for one, row in self.held.items() if one not in self.released}
        return {**kept, **{one: self._final(one) for one in (*self.wanted, *self.shortened)}}

    def _final(self, one: str) -> Row:
        held = self.held.get(one)
        if one in self.shortened:
            return held[0] if held else None, self.shortened[one]
        reason, end = self.wanted[one]
        return reason, max(end, held[1]) if held else end


def mail(key: str, number: int) -> str:
    """An email of this list."""
    return f"{key}.{number}@example.com"


def phone(offset: int, number: int) -> str:
    """A phone that no other number has."""
    return f"+1201{2_000_000 + offset + number}"


def lists(size: int) -> tuple[Declared, ...]:
    """The three lists; ``size`` contacts are wanted in all.

    The first is pinned by its id and has most of them, the second is found by its name, the
    third does not exist yet.
    """
    many, some = size * 17 // 25, size * 6 // 25
    return (
        _first(many),
        _second(some),
        Declared(
            key="new",
            name="New Do Not Call",
            list_id="",
            wanted=_wanted("new", 2_000_000, size - many - some),
            held={},
            description="Made by a run",
            pinned=False,
        ),
    )


def _wanted(key: str, offset: int, count: int) -> dict[str, Row]:
    """Contacts of both channels; one in four has an end."""
    return {
        mail(key, at) if at % 2 else phone(offset, at): ("DNC", LATE if at % 4 == 1 else NEVER)
        for at in range(count)
    }


def _held(wanted: Mapping[str, Row], count: int) -> dict[str, Row]:
    """The first of them, some with another reason, an earlier end or a later one."""
    return {
        one: (
            "BOUNCE" if at % 6 == 2 else reason,
            SOON if at % 6 == 3 else LATER if at % 6 == 5 and end != NEVER else end,
        )
        for at, (one, (reason, end)) in enumerate(wanted.items())
        if at < count
    }


def _first(count: int) -> Declared:
    wanted = _wanted("us", 0, count - 3)
    held = _held(wanted, count // 3)
    gone = [f"gone.{at}@example.com" for at in range(2)]
    short = "short@example.com"
    apart, together = (
        ("apart@example.com", phone(3_000_000, 1)),
        (
            "both@example.com",
            phone(3_000_000, 2),
        ),
    )
    surplus = {f"surplus.{at}@example.com": ("DNC", NEVER) for at in range(SURPLUS)}
    shared = dict.fromkeys((*apart, *together), ("DNC", NEVER))
    return Declared(
        key="us",
        name="US Do Not Call",
        list_id="7f3e2c",
        wanted={
            **wanted,
            apart[0]: ("DNC", NEVER),
            together[0]: ("COMPLIANCE", NEVER),
            together[1]: ("COMPLIANCE", NEVER),
        },
        held={**held, **surplus, **dict.fromkeys((*gone, short), ("DNC", NEVER)), **shared},
        pairs=(apart, together),
        released=frozenset((*gone, apart[1])),
        shortened={short: SOON},
        description="Do not call, United States",
    )


def _second(count: int) -> Declared:
    wanted = _wanted("uk", 1_000_000, count)
    gone = "gone.uk@example.com"
    return Declared(
        key="uk",
        name="UK Do Not Call",
        list_id="4b1d",
        wanted=wanted,
        held={**_held(wanted, count * 4 // 5), gone: ("UNSUBSCRIBE", NEVER)},
        released=frozenset([gone]),
        until=LIST_END,
        pinned=False,
    )


# ---------------------------------------------------------------- written down


def declare(place: Workplace, lists: tuple[Declared, ...], *, at_once: int) -> None:
    """Write tenant, policy, specs and contact files; so many requests may be in flight at once."""
    place.embed(more=f"  limits: {{parallelism: {at_once}}}\n")
    place.policy("maxReleases: {share: 100%, count: 1000000}")
    for each in lists:
        place.write(f"contacts/{each.key}.csv", "\n".join(_lines(each)) + "\n")
        identity = f"listId: {each.list_id}" if each.pinned else f"create: {not each.held}".lower()
        place.declare(name=each.key, identity=identity, more="\n".join(_more(each)) + "\n")


def _lines(each: Declared) -> Iterator[str]:
    yield "email,phoneNumber,reason,suppressUntil"
    for one, (reason, end) in each.wanted.items():
        email, number = (one, "") if "@" in one else ("", one)
        yield f"{email},{number},{reason},{'never' if end == NEVER else end}"


def _more(each: Declared) -> Iterator[str]:
    managed = {"name": each.name}
    managed |= {"description": each.description} if each.description else {}
    managed |= {"suppressUntil": each.until} if each.until != NEVER else {}
    inside = ", ".join(f'{field}: "{value}"' for field, value in managed.items())
    yield f"  list: {{{inside}}}"
    yield "  sources:"
    yield f"    - {{path: contacts/{each.key}.csv}}"
    ends = {**dict.fromkeys(sorted(each.released), ""), **each.shortened}
    yield from ["  releases:"] * bool(ends)
    for one, end in ends.items():
        who = f"email: {one}" if "@" in one else f'phoneNumber: "{one}"'
        until = f", suppressUntil: {end}" if end else ""
        yield (
            f"    - {{{who}{until}, basis: written re-consent, ticket: LEGAL-1,"
            " requestedBy: privacy, requestedAt: 2026-11-20}"
        )


def stock(place: Workplace, lists: tuple[Declared, ...]) -> None:
    """Put what the service holds before into the sandbox."""
    for each in lists:
        if each.list_id:
            sandbox.ensure_list(place.database, each.list_id, each.name)
            with data.writing(place.database) as connection:
                stored = data.get_list(connection, each.list_id)
                assert stored
                data.upsert(connection, stored, [*_contacts(each)])


def _contacts(each: Declared) -> Iterator[data.Contact]:
    paired = {one: pair for pair in each.pairs for one in pair}
    for one, (reason, end) in each.held.items():
        email, number = paired.get(one) or ((one, None) if "@" in one else (None, one))
        if one in (email, number) and not (one == number and email):
            yield data.Contact(
                email=email,
                email_key=email,
                phone=number,
                phone_key=number,
                reason=reason,
                suppress_until=None if end == NEVER else end,
            )
