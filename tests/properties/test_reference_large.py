"""The contact engine against plain loops, on large lists: row for row, and count for count."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import plain_gap
import plain_reference
from builders import NOW, list_spec
from contact_files import compiled, inline, source, table_rows
from contact_tables import DESIRED, RELEASES, WINDOW_END, channel, release, store
from plain_reference import Row
from reconciler.api.port import PAGE
from reconciler.contacts import compare, ingest
from reconciler.contacts.engine import Engine
from reconciler.model import REASONS, Defaults, ListSpec, Settings, Table
from reconciler.times import zulu
from same_rows import named, unlike

HEADER = ("Phone", "email", "reason", "suppressUntil", "requestedAt", "said")
SAID = ("", "", "", "", "no", 'she said "no", twice', "no\nand\r\nno", ' "" ')
PHONES_SPELLED = (
    *("+1{0}{1}{2}", "+1{0}{1}{2}", "({0}) {1}-{2}", "{0}-{1}-{2}", "{0}.{1}.{2}", "{0}{1}{2}"),
    *("1 {0} {1} {2}", "tel:+1-{0}-{1}-{2}", " +1 ({0}) {1}-{2}\u00a0", "1{0}{1}{2}.0"),
    *("+1 {0} {1} {2} ext. 7", "\u200b{0}/{1}/{2}"),
)
EMAILS_SPELLED = (
    *("user{0}@example{1}.com", "user{0}@example{1}.com", "User{0}@Example{1}.COM"),
    *(" user{0}@EXAMPLE{1}.com\t", "\ufeffuser{0}@example{1}.com"),
)
FOREIGN_SPELLED = ("ü{0}@bücher{1}.example", "Ü{0}@BÜCHER{1}.example", "ü{0}@bücher{1}.Example ")
INVALID = (
    ("12", "", "", "", "", ""),
    ("", "nobody at all", "", "", "", ""),
    ("", "", "DNC", "", "", ""),
    ("+12125550101", "", "because", "", "", ""),
    ("+12125550102", "", "", "2027-02-30", "", ""),
    ("+12125550103", "", "", "", "lately", ""),
    ("+12125550104", "too", "few"),
)
ENDS = (
    *("", "", "", "never", "2027-12-31", "2028-01-01T00:00:00", "P2Y", "P90D", "2026-01-31"),
    *("2029-05-01T12:00:00+02:00", zulu(NOW), zulu(NOW + timedelta(seconds=1))),
)
ASKED = ("", "", "2026-10-01", "2026-09-01T08:00:00", "2026-08-01T08:00:00Z")
LIST_END = datetime(2027, 12, 31, 23, 59, 59, tzinfo=UTC)
"""The end of a day that is also the end of some contacts."""
LONG = NOW + timedelta(days=900)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Yield an open engine for all lists."""
    with Engine(key=b"key", spill=tmp_path_factory.mktemp("spill")) as opened:
        yield opened


def spelled(dice: Random, person: int) -> tuple[str, str]:
    """Return one of the spellings of a person's phone number or email: seven in ten have a phone.

    A person has one identity, whatever the spelling: the phone is in the first place.
    """
    if person % 10 < 7:
        digits = f"{2_002_000_000 + person * 11_987 % 7_900_000_000:010}"
        parts = (digits[:3], digits[3:6], digits[6:])
        return dice.choice(PHONES_SPELLED).format(*parts), ""
    forms = FOREIGN_SPELLED if person % 50 == 9 else EMAILS_SPELLED
    return "", dice.choice(forms).format(person, person % 40)


def messy(dice: Random, size: int) -> Iterator[Sequence[str]]:
    """Yield the rows of a list: two in a hundred are there before, one in a hundred is invalid."""
    for person in range(size):
        chance = dice.random()
        if chance < 0.01:
            yield dice.choice(INVALID)
            continue
        phone, email = spelled(dice, dice.randrange(person) if chance < 0.03 and person else person)
        if chance > 0.95 and phone:
            email = f"partner{person}@example.net"
        reason = dice.choice(("", "", "", *REASONS, "bounce"))
        yield (phone, email, reason, dice.choice(ENDS), dice.choice(ASKED), dice.choice(SAID))


def declared(folder: Path, size: int) -> ListSpec:
    """Write a list's sources, one of two files; return its declaration."""
    dice = Random(size)  # noqa: S311 - the same list every time
    rows = list(messy(dice, size))
    parts = {"a.csv": rows[: size // 3], "b.csv": rows[size // 3 : -5], "c.csv": rows[:500]}
    for name, part in parts.items():
        with (folder / name).open("w", encoding="utf-8", newline="") as text:
            plain = csv.writer(text)
            quoted = csv.writer(text, quoting=csv.QUOTE_ALL)
            (quoted if name == "c.csv" else plain).writerows([HEADER, *part])
    one, *others = (folder / name for name in parts)
    columns = {"phoneNumber": "phone"}
    return list_spec(
        defaults=Defaults(reason="DNC", region="US"),
        settings=Settings(name="US Do Not Call", suppress_until=LIST_END),
        contacts=tuple(
            inline(line, phone=phone, email=email, suppress_until="2031-01-01T00:00:00")
            for line, (phone, email, *_) in enumerate(rows[-5:], 5)
        ),
        sources=(
            source(one, columns=columns, as_of=NOW - timedelta(days=30)),
            source(*others, columns=columns, as_of=NOW - timedelta(days=300)),
        ),
    )


def listed(dice: Random, desired: Sequence[Row]) -> list[Row]:
    """Return about as many contacts as are wanted, of which one in twenty is in some other way."""
    made: list[Row] = []
    waiting: Row | None = None
    for row in dice.sample(desired, len(desired)):
        kept = _contact(row["address"], row["reason"], row["until"], version=dice.randint(1, 5))
        if dice.random() < 0.05:
            made += _differing(dice, kept)
        elif dice.random() > 0.03:
            made.append(kept)
        elif waiting is None or bool(waiting["email"]) == bool(kept["email"]):
            made += [waiting] if waiting else []
            waiting = kept
        else:
            phone, email = kept["phone"] or waiting["phone"], kept["email"] or waiting["email"]
            made.append({**kept, "phone": phone, "email": email})
            waiting = None
    made += [waiting] if waiting else []
    for number in range(len(desired) // 100):
        made.append(_contact(f"+1300{number:07}", "DNC", dice.choice([None, LONG.timestamp()])))
        made.append({**_contact(f"ext {number}", None, None), "version": None})
    return made


def _differing(dice: Random, kept: Row) -> list[Row]:
    before, after = zulu(NOW - timedelta(days=3)), zulu(LONG)
    phone, email = kept["phone"], kept["email"]
    other = {"phone": phone and f"{phone[:2]} {phone[2:]}", "email": email and email.upper()}
    partner = {"phone": f"+1301{dice.randrange(10**7):07}"} if email else {"email": f"{phone}@b.de"}
    ways: list[list[Row]] = [
        [],
        [{**kept, "reason": "COMPLIANCE"}, {**kept, **other, "version": 9}],
        [{**kept, "until": before}],
        [{**kept, "until": before}, {**kept, **other, "until": before, "version": 9}],
        [{**kept, "until": after}],
        [{**kept, "until": after}, {**kept, **other, "until": before, "version": None}],
        [{**kept, "until": None}],
        [{**kept, "until": "31/12/2099"}],
        [{**kept, **partner, "until": "31/12/2099"}],
        [{**kept, **partner, "until": after}],
        [{**kept, **partner, "until": after}, {**kept, **other, "version": 9}],
        [{**kept, **partner}, {**kept, **partner, **other, "reason": "BOUNCE"}],
    ]
    return dice.choice(ways)


def _contact(address: str, reason: str | None, until: float | None, version: int = 1) -> Row:
    """A contact as a service spells it."""
    return {
        "phone": None if "@" in address else address,
        "email": address if "@" in address else None,
        "reason": reason,
        "until": until and zulu(datetime.fromtimestamp(until, UTC)),
        "version": version,
    }


def let_go(dice: Random, desired: Sequence[Row], seen: Sequence[Row]) -> list[Row]:
    """Return releases of some who are wanted, and of some who are only there."""
    there = sorted({row["address"] for row in seen if row["address"]})
    chosen = {row["address"] for row in desired[:: len(desired) // 20]} | set(there[::97])
    ends = [None, int((NOW + timedelta(days=30)).timestamp()), int(NOW.timestamp())]
    return [{**release(each, dice.choice(ends)), "requested_at": 7} for each in sorted(chosen)]


def pages(contacts: Sequence[Mapping[str, Any]], size: int = 10_000) -> Iterator[pa.Table]:
    """Cut contacts into pages."""
    for first in range(0, len(contacts), size):
        yield pa.Table.from_pylist(list(contacts[first : first + size]), schema=PAGE)


@dataclass(frozen=True, kw_only=True)
class Sides:
    """Both sides of a list and its releases, at rest and as plain rows."""

    folder: Path
    desired: Table
    observed: Table
    wanted: Sequence[Row]
    seen: Sequence[Row]
    releases: Sequence[Row]


def gap_faults(engine: Engine, sides: Sides, *, exclusive: bool, recode: bool = True) -> list[str]:
    """Say how the gap of two sides differs from what plain reading makes of them."""
    rules: dict[str, Any] = {
        "as_of": NOW,
        "window_end": WINDOW_END,
        "exclusive": exclusive,
        "recode": recode,
        "release_basis": "ownership",
    }
    plain = plain_gap.gap(sides.wanted, sides.seen, sides.releases, **rules)
    found = compare.compare(
        engine,
        desired=sides.desired,
        observed=sides.observed,
        releases=store(sides.folder / "releases.parquet", sides.releases, RELEASES),
        **rules,
        into=sides.folder / "gap.parquet",
    )
    rows, columns = table_rows(found.rows), plain_gap.GAP
    faults = unlike(named(plain.rows, columns), named(rows, columns), columns)
    counts = {name: getattr(found, name) for name in plain.counts}
    faults += [f"{counts}, expected {plain.counts}"] if counts != plain.counts else []
    return faults + plain_gap.misnumbered(rows)


@pytest.mark.parametrize("size", [20_000, pytest.param(200_000, marks=pytest.mark.scale)])
def test_a_large_messy_list_is_what_plain_reading_makes_of_it(
    engine: Engine, tmp_path: Path, size: int
) -> None:
    """From its files and its pages to its gap, additive and exclusive."""
    spec = declared(tmp_path, size)
    plain = plain_reference.compiled(spec, base=tmp_path, as_of=NOW)
    dice = Random(size + 1)  # noqa: S311 - likewise
    contacts = listed(dice, plain.rows)
    seen = plain_reference.observed(contacts, region="US")

    made = compiled(engine, tmp_path, spec)
    observed = ingest.ingest(engine, pages(contacts), region="US", into=tmp_path)
    read = table_rows(observed)
    sides = Sides(
        folder=tmp_path,
        desired=made.table,
        observed=observed,
        wanted=plain.rows,
        seen=seen,
        releases=let_go(dice, plain.rows, seen),
    )

    columns = plain_reference.OBSERVED
    assert [] == unlike(plain.rows, table_rows(made.table), plain_reference.DESIRED)
    assert plain.counts == made.counts
    assert [] == unlike(named(seen, columns), named(read, columns), columns)
    assert [] == gap_faults(engine, sides, exclusive=False)
    assert [] == gap_faults(engine, sides, exclusive=True)


# ---------------------------------------------------------------- many small worlds in one list


@dataclass(kw_only=True)
class Town:
    """Both sides of a list that falls into many small worlds, which share nobody."""

    wanted: list[Row] = field(default_factory=list)
    contacts: list[Row] = field(default_factory=list)
    releases: list[Row] = field(default_factory=list)

    def settle(self, dice: Random, number: int) -> None:
        """Add a world of two phones and two emails, each in two spellings, in any relation."""
        phones = [f"+1212{number * 2 + each:07}" for each in range(2)]
        emails = [f"{each}{number}@example.com" for each in "ab"]
        ends = [None, *(int((NOW + each).timestamp()) for each in TURNS)]
        for line, address in enumerate(phones + emails, 2):
            if dice.random() < 0.6:
                wish = {"reason": dice.choice(REASONS[:2]), "until": dice.choice(ends)}
                wish |= {"address": address, "channel": channel(address), "source": "a.csv"}
                self.wanted.append({**wish, "line": line, "requested_at": None})
            if dice.random() < 0.3:
                given = release(address, dice.choice(ends))
                self.releases.append({**given, "requested_at": 7})
        versions = dice.sample(range(1, 9), 6)
        for version in versions[: dice.randint(0, 6)]:
            phone, email = dice.choice(phones), dice.choice(emails)
            until = dice.choice(ends)
            contact = {
                "phone": dice.choice((None, phone, phone, f" {phone[2:]}", "12")),
                "email": dice.choice((None, email, email, email.upper(), "?")),
                "reason": dice.choice(REASONS[:2]),
                "until": until and zulu(datetime.fromtimestamp(until, UTC)),
                "version": version,
            }
            if dice.random() < 0.2:
                contact["until"] = "31/12/2099"
            self.contacts += [contact] * dice.choice((1, 1, 1, 1, 2))


TURNS = (
    *(timedelta(seconds=each) for each in (-1, 0, 1)),
    *(WINDOW_END - NOW + timedelta(seconds=each) for each in (-1, 0, 1)),
    *(timedelta(days=each) for each in (-9, 9, 9, 99, 99)),
)


@settings(max_examples=3, phases=(Phase.generate,))  # a smaller seed makes no smaller world
@given(seed=st.integers(0), exclusive=st.booleans(), recode=st.booleans())
def test_the_gap_of_many_small_worlds_is_what_plain_reading_makes_of_it(
    engine: Engine,
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    exclusive: bool,
    recode: bool,
) -> None:
    """Pairs, spellings, lapsed, unreadable and released contacts in every relation."""
    dice = Random(seed)  # noqa: S311 - what comes out has to come again
    town = Town()
    for number in range(400):
        town.settle(dice, number)
    dice.shuffle(town.contacts)
    seen = plain_reference.observed(town.contacts, region="US")

    folder = tmp_path_factory.mktemp("town")
    sides = Sides(
        folder=folder,
        desired=store(folder / "desired.parquet", town.wanted, DESIRED),
        observed=ingest.ingest(engine, pages(town.contacts, 300), region="US", into=folder),
        wanted=town.wanted,
        seen=seen,
        releases=town.releases,
    )

    assert [] == gap_faults(engine, sides, exclusive=exclusive, recode=recode)
