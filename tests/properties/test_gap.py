"""The gap between two tables, and what sending it does to a list, at every step."""

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contact_tables import (
    AS_OF,
    UNREADABLE,
    WINDOW_END,
    WRITING,
    Contact,
    at,
    measure,
    observe,
    page,
    post,
    release,
    rows,
    wanted,
)
from reconciler.contacts import batches, ingest
from reconciler.contacts.engine import Engine
from reconciler.model import Gap, Op

EMAILS = ("a@example.com", "b@example.com", "c@example.com")
PHONES = ("+15550100101", "+15550100102", "+15550100103")
SPELLINGS = {spelling: email for email in EMAILS for spelling in (email, email.title())} | {
    spelling: phone for phone in PHONES for spelling in (phone, phone[2:])
}
FOREVER = float("inf")
NOW, WINDOW = int(AS_OF.timestamp()), int(WINDOW_END.timestamp())

ENDS = st.sampled_from([None, at(-1), at(0.003), at(1), at(2), at(3)])
VEILED = st.sampled_from([None, at(-1), at(1), UNREADABLE, UNREADABLE, UNREADABLE])
REASONS = st.sampled_from(["DNC", "BOUNCE"])
LETTING_GO = (Op.SHORTEN, Op.RELEASE)


@dataclass(frozen=True, kw_only=True)
class World:
    """Both sides of one list."""

    desired: tuple[dict[str, Any], ...]
    observed: tuple[Contact, ...]
    releases: tuple[dict[str, Any], ...]
    exclusive: bool
    recode: bool


def _spelled(addresses: Sequence[str]) -> list[str]:
    return [spelling for spelling, address in SPELLINGS.items() if address in addresses]


@st.composite
def observed_lists(
    draw: st.DrawFn, until: st.SearchStrategy[int | None] = ENDS
) -> tuple[Contact, ...]:
    """Draw contacts of which no two share a spelling, many with both identifiers."""
    emails = draw(st.permutations([*_spelled(EMAILS), None, None]))
    phones = draw(st.permutations([*_spelled(PHONES), None, "12"]))
    return tuple(
        Contact(
            email=email,
            phone=phone,
            reason=draw(REASONS),
            until=draw(until),
            version=draw(st.integers(1, 3)),
        )
        for email, phone in zip(emails, phones, strict=True)
        if draw(st.booleans())
    )


@st.composite
def worlds(draw: st.DrawFn, until: st.SearchStrategy[int | None] = ENDS) -> World:
    """Draw both sides of a list over six addresses."""
    several = st.sets(st.sampled_from([*EMAILS, *PHONES])).map(sorted)
    return World(
        desired=tuple(wanted(each, draw(ENDS), draw(REASONS)) for each in draw(several)),
        observed=draw(observed_lists(until)),
        releases=tuple(release(each, draw(ENDS)) for each in draw(several)),
        exclusive=draw(st.booleans()),
        recode=draw(st.booleans()),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for the tables of all worlds."""
    return tmp_path_factory.mktemp("tables")


def gap_of(engine: Engine, folder: Path, world: World, held: Sequence[Contact]) -> Gap:
    """Return the gap of a world whose list holds these contacts."""
    return measure(
        engine,
        Path(tempfile.mkdtemp(dir=folder)),
        desired=world.desired,
        observed=held,
        releases=world.releases,
        exclusive=world.exclusive,
        recode=world.recode,
    )


def sent(engine: Engine, gap: Gap, size: int) -> Iterator[tuple[Op, Any]]:
    """Yield the batches of a gap in the order of an apply."""
    for op in WRITING:
        if op in gap.parts:
            for batch in batches.batches(
                engine, gap.parts[op], size=size, lapse_after=AS_OF, release_until=WINDOW_END
            ):
                yield op, batch


def ends(held: Sequence[Contact]) -> dict[str, float]:
    """Return until when each address is suppressed; what cannot be read stands for itself."""
    found: dict[str, float] = {}
    for contact in held:
        end = FOREVER if contact.until is None or _veiled(contact) else contact.until
        for spelling in (contact.email, contact.phone):
            if spelling is not None and end > NOW:
                address = SPELLINGS.get(spelling, spelling)
                found[address] = max(end, found.get(address, 0))
    return found


def _veiled(contact: Contact) -> bool:
    return contact.until == UNREADABLE


def _spellings(batch: Any) -> list[str]:
    return [row["email"] or row["phone"] for row in batch.to_pylist()]


def _end(row: dict[str, Any]) -> float:
    return FOREVER if row["until"] is None else row["until"]


def verdicts(world: World) -> dict[Op, set[str]]:
    """Judge a world address by address, the slow and plain way."""
    made: dict[Op, set[str]] = {op: set() for op in Op}
    held = ends(world.observed)
    wishes = {row["address"]: row for row in world.desired if _end(row) > NOW}
    declared = {row["address"]: row for row in world.releases}
    for address in {*EMAILS, *PHONES}:
        given = declared.get(address)
        if wish := wishes.get(address):
            found = _of_wanted(world, wish, held.get(address)) | {Op.CONFLICT: given is not None}
        else:
            found = _of_unwanted(world, given, held.get(address, 0))
        for op, applies in found.items():
            if applies:
                made[op].add(address)
    return made


def _of_wanted(world: World, wish: dict[str, Any], end: float | None) -> dict[Op, bool]:
    if end is None:
        return {Op.SUPPRESS: True}
    shortens = _end(wish) < end
    recoded = world.recode and _reasons(world.observed, wish["address"]) != {wish["reason"]}
    return {
        Op.SHORTEN: shortens and world.exclusive,
        Op.LONGER: shortens and not world.exclusive,
        Op.AMEND: _end(wish) > end or (recoded and not (shortens and world.exclusive)),
    }


def _of_unwanted(world: World, given: dict[str, Any] | None, end: float) -> dict[Op, bool]:
    if end <= WINDOW:
        return {}
    if given is None:
        return {Op.RELEASE if world.exclusive else Op.SURPLUS: True}
    if _end(given) <= WINDOW or given["until"] is None:
        return {Op.RELEASE: True}
    return {Op.SHORTEN: given["until"] < end}


def _reasons(held: Sequence[Contact], address: str) -> set[str | None]:
    return {
        contact.reason
        for contact in held
        if (contact.until is None or contact.until > NOW)
        and address in (SPELLINGS.get(contact.email or ""), SPELLINGS.get(contact.phone or ""))
    }


@settings(max_examples=25)
@given(world=worlds())
def test_the_gap_says_of_each_address_what_plain_reading_says(
    engine: Engine, folder: Path, world: World
) -> None:
    """Rows that only come along with another identifier aside."""
    gap = gap_of(engine, folder, world, world.observed)

    found: dict[Op, set[str]] = {op: set() for op in Op}
    for row in rows(gap.rows):
        along = row["op"] == Op.AMEND and not row["extended"] and not row["recoded"]
        if row["op"] != Op.PART and not along and row["address"] is not None:
            found[Op(row["op"])].add(row["address"])
    assert verdicts(world) == found
    assert [
        len(found[op]) for op in (Op.SUPPRESS, Op.AMEND, Op.SHORTEN, Op.RELEASE, Op.LONGER)
    ] == [
        gap.missing,
        gap.amended,
        gap.shortened,
        gap.released,
        gap.longer,
    ]
    assert len(found[Op.SURPLUS]) + gap.opaque == gap.surplus


@settings(max_examples=25)
@given(world=worlds(), size=st.integers(2, 5))
def test_observed_plus_gap_equals_desired(
    engine: Engine, folder: Path, world: World, size: int
) -> None:
    """After one apply there is nothing left to send."""
    held = list(world.observed)
    for _, batch in sent(engine, gap_of(engine, folder, world, held), size):
        held = post(held, batch)

    again = gap_of(engine, folder, world, held)

    assert set() == set(again.parts) & set(WRITING)


@settings(max_examples=25)
@given(world=worlds(), size=st.integers(2, 5))
def test_nobody_loses_suppression_at_any_step_but_by_shortening_and_release(
    engine: Engine, folder: Path, world: World, size: int
) -> None:
    """After any number of batches everybody is held as long as before, unless let go."""
    held = list(world.observed)
    allowed = ends(held)
    gap = gap_of(engine, folder, world, held)

    for op, batch in sent(engine, gap, size):
        held = post(held, batch)
        if op in (Op.SHORTEN, Op.RELEASE):
            for row in batch.to_pylist():
                address = SPELLINGS[row["email"] or row["phone"]]
                allowed[address] = min(allowed[address], _end(row))
        now = ends(held)
        assert {} == {address: end for address, end in allowed.items() if now.get(address, 0) < end}


@settings(max_examples=15)  # up to three applies each
@given(world=worlds(VEILED), size=st.integers(2, 5))
def test_what_has_no_readable_end_is_neither_lost_nor_cut_short(
    engine: Engine, folder: Path, world: World, size: int
) -> None:
    """It may be for ever, and is taken so; once written over, it is in order like the rest."""
    held = list(world.observed)
    for turn in range(3):
        allowed = ends(held)
        gap = gap_of(engine, folder, world, held)
        assert turn < 2 or not set(gap.parts) & set(WRITING)
        for op, batch in sent(engine, gap, size):
            veiled = [contact for contact in held if _veiled(contact)]
            kept = {spelling for each in veiled for spelling in (each.email, each.phone)}
            assert op not in LETTING_GO or not kept & set(_spellings(batch))
            held = post(held, batch)
            if op in LETTING_GO:
                for row in batch.to_pylist():
                    address = SPELLINGS[row["email"] or row["phone"]]
                    allowed[address] = min(allowed[address], _end(row))
            now = ends(held)
            assert {} == {each: end for each, end in allowed.items() if now.get(each, 0) < end}


@settings(max_examples=25)
@given(world=worlds())
def test_only_shortening_and_release_end_earlier(
    engine: Engine, folder: Path, world: World
) -> None:
    """An amended address gets the latest end seen; what comes along keeps its own."""
    gap = gap_of(engine, folder, world, world.observed)
    held = ends(world.observed)

    for row in rows(gap.rows):
        if row["op"] in (Op.SUPPRESS, Op.AMEND, Op.PART) and row["observed_version"] is not None:
            own = row["observed_until"]
            assert _end(row) >= (FOREVER if own is None else own)
        if row["op"] == Op.AMEND and (row["extended"] or row["recoded"]):
            assert _end(row) >= held[row["address"]]


@settings(max_examples=25)
@given(world=worlds(), size=st.integers(2, 5))
def test_a_batch_holds_no_address_twice_and_couples_whole(
    engine: Engine, folder: Path, world: World, size: int
) -> None:
    """Every row is sent once, in the order of its number."""
    gap = gap_of(engine, folder, world, world.observed)

    numbers: dict[Op, list[int]] = {}
    for op, batch in sent(engine, gap, size):
        found = batch.to_pylist()
        spelled = [row["email"] or row["phone"] for row in found]
        addresses = Counter(SPELLINGS.get(spelling, spelling) for spelling in spelled)
        couples = [row["pair"] for row in found if row["pair"] is not None]
        numbers.setdefault(op, []).extend(row["row"] for row in found)

        assert len(found) <= size
        assert max(addresses.values()) == 1
        assert couples[::2] == couples[1::2]
        assert len(set(couples)) * 2 == len(couples)
    assert {op: list(range(len(sent_rows))) for op, sent_rows in numbers.items()} == numbers


@settings(max_examples=25)
@given(world=worlds(), data=st.data())
def test_the_order_in_which_a_list_is_read_changes_nothing(
    engine: Engine, folder: Path, world: World, data: st.DataObject
) -> None:
    """Neither what the observed table holds, nor any part of the gap."""
    shuffled = data.draw(st.permutations(world.observed))

    one = observe(engine, folder, world.observed)
    other = ingest.ingest(engine, (page([each]) for each in shuffled), region="US", into=folder)
    gaps = [gap_of(engine, folder, world, held) for held in (world.observed, shuffled)]

    assert (one.rows, one.digest) == (other.rows, other.digest)
    assert rows(gaps[0].rows) == rows(gaps[1].rows)
    digests = [{op: part.digest for op, part in gap.parts.items()} for gap in gaps]
    assert digests[0] == digests[1]


@settings(max_examples=25)
@given(world=worlds())
def test_what_was_parted_and_not_touched_since_is_unchanged(
    engine: Engine, folder: Path, world: World
) -> None:
    """Once the rows before them are written, shortenings and releases find what they expect."""
    held = list(world.observed)
    gap = gap_of(engine, folder, world, held)
    for op, batch in sent(engine, gap, 4):
        if op in (Op.SUPPRESS, Op.AMEND, Op.PART):
            held = post(held, batch)

    again = observe(engine, folder, held)

    for op in {Op.SHORTEN, Op.RELEASE} & set(gap.parts):
        moved = batches.changed(engine, gap.parts[op], again, separated=True, as_of=AS_OF)
        assert moved == ()


@given(world=worlds())
@settings(max_examples=20)
def test_what_readers_are_told_adds_up(engine: Engine, folder: Path, world: World) -> None:
    """By reason, by source, by ground and by end, each contact is counted once."""
    gap = gap_of(engine, folder, world, world.observed)

    told = Counter[tuple[Op, str]]()
    for tally in gap.tallies:
        told[tally.op, tally.by] += tally.contacts
    why = Counter[Op]()
    for ground in gap.grounds:
        why[ground.op] += ground.contacts
    counts = {
        Op.SUPPRESS: gap.missing,
        Op.AMEND: gap.amended,
        Op.SHORTEN: gap.shortened,
        Op.RELEASE: gap.released,
        Op.SURPLUS: gap.surplus,
        Op.LONGER: gap.longer,
    }
    assert counts == {op: told[op, "reason"] for op in counts}
    assert {op: counts[op] for op in (Op.SUPPRESS, Op.AMEND)} == {
        op: told[op, "source"] for op in (Op.SUPPRESS, Op.AMEND)
    }
    assert {op: counts[op] for op in LETTING_GO} == {op: why[op] for op in LETTING_GO}
    nameless = [each for each in world.observed if each.email is None and each.phone is None]
    until = [*ends(world.observed).values(), *(_end({"until": one.until}) for one in nameless)]
    held = [end for end in until if end > NOW]
    days = Counter(
        datetime.fromtimestamp(end, UTC).date().isoformat() for end in held if end < FOREVER
    )
    assert (dict(days), 0) == (dict(gap.ends.days), gap.ends.later)
    assert (gap.ends.endless, gap.size) == (held.count(FOREVER), len(held))
