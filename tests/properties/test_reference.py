"""The contact engine against plain loops, on small worlds: row for row, and count for count."""

import csv
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

import plain_gap
import plain_reference
from builders import NOW, list_spec
from contact_files import compiled, csv_file, inline, source, table_rows
from contact_tables import DESIRED, RELEASES, WINDOW_END, channel, release, store
from plain_reference import Row
from reconciler.api.port import PAGE
from reconciler.contacts import compare, ingest
from reconciler.contacts.engine import Engine
from reconciler.model import REASONS, Defaults, ListSpec, Op, Settings
from reconciler.times import NEVER, zulu
from same_rows import named, unlike

Fields = Sequence[str]

SPELLINGS = {
    "+12125550101": (
        "+12125550101",
        "(212) 555-0101",
        " 212.555.0101\u00a0",
        "tel:+1-212-555-0101",
    ),
    "+12125550102": ("+1 212-555-0102", "12125550102.0", "+12125550102 ext. 5"),
    "+442079460123": ("+44 20 7946 0123", "+442079460123", "0044 20 7946 0123"),
    "ada@example.com": ("ada@example.com", "ADA@Example.com ", "\ufeffada@example.com"),
    "bob@xn--bcher-kva.example": ("bob@bücher.example", "BOB@BÜCHER.EXAMPLE"),
    "c+d@example.org": ("c+d@example.org", "C+D@example.org"),
}
EMAILS, PHONES = (
    tuple(
        each for address, all_of in SPELLINGS.items() for each in all_of if channel(address) == kind
    )
    for kind in ("email", "phone")
)
BAD_EMAILS, BAD_PHONES = ("nobody", "a@", "+12125550101"), ("12", "ask her", "555-0101", "a@b.com")
BLANKS = ("", " ", "\u200b")


def moments(around: datetime) -> tuple[datetime, ...]:
    """Return the seconds where a rule turns over, and the ones beside them."""
    return tuple(around + timedelta(seconds=each) for each in (-1, 0, 1))


EDGES = (*moments(NOW), *moments(WINDOW_END), NOW + timedelta(days=9), NOW + timedelta(days=99))

emails = st.sampled_from((*EMAILS, *EMAILS, *BAD_EMAILS, *BLANKS * 4))
phones = st.sampled_from((*PHONES, *PHONES, *BAD_PHONES, *BLANKS * 4))
reasons = st.sampled_from((*REASONS, "dnc", " Bounce\t", *BLANKS, "", "x"))
ends = st.sampled_from(
    (
        *("", " ", "never", " NEVER ", "P90D", "PT36H", "p1y", "P9999Y", "2027-02-30", "?"),
        *("2026-11-22", "2026-11-23", "2027-06-01T00:00:00", "2027-06-01 00:00:00.5+02:00"),
        *map(zulu, EDGES),
    )
)
times = st.sampled_from(
    ("", "", " ", "2026-01-01", "2026-03-01T00:00:00", "2026-10-20T10:00:00+02:00", "soon")
)
fields = st.tuples(emails, phones, reasons, ends, times)
faults = st.sampled_from((("lost",), ("", ""), ("ada@example.com",) * 6))
files = st.lists(st.one_of(fields, fields, fields, faults), max_size=8)


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What a list declares, before there are files."""

    inline: Sequence[Fields]
    sources: Sequence[Sequence[Sequence[Fields]]]
    """Files of rows, a source each."""
    feeds: Sequence[datetime | None]
    """From when each source is."""
    twice: bool
    """Whether the first source's files belong to the last one as well."""
    defaults: Defaults
    list_end: Any


declarations = st.builds(
    Declared,
    inline=st.lists(fields, max_size=5),
    sources=st.tuples(st.lists(files, max_size=2), st.lists(files, max_size=2)),
    feeds=st.tuples(*[st.sampled_from([None, NOW - timedelta(days=80)])] * 2),
    twice=st.booleans(),
    defaults=st.builds(
        Defaults,
        reason=st.sampled_from([None, "DNC", "dnc", " bounce", "y"]),
        region=st.sampled_from([None, "US", "GB"]),
        suppress_until=st.sampled_from([None, "2027-01-01T00:00:00", "P30D", "never", " "]),
    ),
    list_end=st.sampled_from([None, NEVER, NOW, NOW + timedelta(days=9)]),
)


def written(folder: Path, declared: Declared) -> ListSpec:
    """Write a list's files; return its declaration."""
    paths: list[list[Path]] = []
    for number, each in enumerate(declared.sources):
        paths.append([])
        for name, rows in enumerate(each):
            paths[-1].append(csv_file(folder, name=f"{number}-{name}.csv"))
            with paths[-1][-1].open("a", encoding="utf-8", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows(rows)
    if declared.twice:
        paths[-1] += paths[0]
    names = ("email", "phone", "reason", "suppress_until", "requested_at")
    return list_spec(
        defaults=declared.defaults,
        settings=Settings(name="US Do Not Call", suppress_until=declared.list_end),
        contacts=tuple(
            inline(line, **dict(zip(names, each, strict=True)))
            for line, each in enumerate(declared.inline, 1)
        ),
        sources=tuple(
            source(*files, as_of=as_of) for files, as_of in zip(paths, declared.feeds, strict=True)
        ),
    )


def invalid(path: Path) -> list[Row]:
    """Return what the file of invalid rows says of each, if there is one."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as text:
        return [
            {
                "source": row["source"],
                "line": int(row["line"]),
                "channel": row["channel"] or None,
                "code": row["code"],
            }
            for row in csv.DictReader(text)
        ]


# ---------------------------------------------------------------- what a service may hold

held_ends = st.sampled_from(
    (
        *(None, None, "", " ", "31/12/2099", "never", "2027-02-30", "2026-11-23", "2026-11-22"),
        *("2027-06-01T01:00:00+01:00", "2026-11-23T10:14:59.5Z"),
        *map(zulu, EDGES),
    )
)
versions = st.sampled_from([1, 2, 3, 2**63 - 1, 2**63 - 10, None])
HELD_WITHOUT_REASON = (None, "", zulu(EDGES[-1]), zulu(EDGES[-2]))


@st.composite
def held(draw: st.DrawFn) -> tuple[Row, ...]:
    """Draw contacts as a service spells them, some of them twice, many with two identifiers.

    No two that differ are of one spelling and version: which of them is the newer is nobody's to
    say. Where it matters who is the newest, a contact has a reason.
    """
    taken: dict[tuple[str, int], Row] = {}
    made = []
    for _ in range(draw(st.integers(0, 9))):
        contact: Row = {
            "email": draw(st.one_of(st.none(), emails)),
            "phone": draw(st.one_of(st.none(), phones)),
            "reason": draw(st.sampled_from(["DNC", "BOUNCE", None, " "])),
            "until": draw(held_ends),
            "version": draw(versions),
        }
        if contact["until"] not in HELD_WITHOUT_REASON:
            contact["reason"] = contact["reason"] or "DNC"
            contact["reason"] = contact["reason"].strip() or "BOUNCE"
        version = contact["version"] or 0
        keys = [(each, version) for each in (contact["email"], contact["phone"]) if each]
        if all(taken.setdefault(key, contact) == contact for key in keys):
            made += [contact] * draw(st.sampled_from([1, 1, 1, 2]))
    return tuple(made)


def pages(contacts: Sequence[Row], size: int) -> Iterator[pa.Table]:
    """Cut contacts into pages."""
    for first in range(0, len(contacts), size):
        yield pa.Table.from_pylist(contacts[first : first + size], schema=PAGE)


several = st.sets(st.sampled_from(sorted(SPELLINGS))).map(sorted)
moments_drawn = st.one_of(st.none(), st.sampled_from(EDGES).map(lambda end: int(end.timestamp())))


@st.composite
def wishes(draw: st.DrawFn) -> list[Row]:
    """Draw a desired table's rows."""
    return [
        {
            "address": address,
            "channel": channel(address),
            "reason": draw(st.sampled_from(["DNC", "BOUNCE"])),
            "until": draw(moments_drawn),
            "requested_at": draw(st.sampled_from([None, 5])),
            "source": "contacts/a.csv",
            "line": line,
        }
        for line, address in enumerate(draw(several), 2)
    ]


@st.composite
def given_away(draw: st.DrawFn) -> list[Row]:
    """Draw a releases table's rows."""
    return [
        {**release(address, draw(moments_drawn)), "requested_at": 7} for address in draw(several)
    ]


@settings(max_examples=25)
@given(declared=declarations)
def test_a_list_comes_to_what_plain_reading_makes_of_it(engine: Engine, declared: Declared) -> None:
    """Every row of its table, every count, and every invalid row with its code."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        spec = written(folder, declared)
        plain = plain_reference.compiled(spec, base=folder, as_of=NOW)

        found = compiled(engine, folder, spec)
        told = invalid(folder / "run" / "invalid.csv")
        rows = table_rows(found.table)

    columns = plain_reference.DESIRED
    assert [] == unlike(plain.rows, rows, columns)
    assert plain.counts == found.counts
    assert [] == unlike(plain.invalid, told, ("source", "line", "channel", "code"))
    assert len(plain.rows) == found.table.rows


@settings(max_examples=25)
@given(contacts=held(), size=st.integers(1, 5), region=st.sampled_from([None, "US", "GB"]))
def test_a_list_that_was_read_is_what_plain_reading_makes_of_it(
    engine: Engine, contacts: Sequence[Row], size: int, region: str | None
) -> None:
    """Every row of the observed table, with who is of one contact."""
    plain = plain_reference.observed(contacts, region=region)

    with tempfile.TemporaryDirectory() as made:
        table = ingest.ingest(engine, pages(contacts, size), region=region, into=Path(made))
        rows = table_rows(table)

    columns = plain_reference.OBSERVED
    assert [] == unlike(named(plain, columns), named(rows, columns), columns)
    assert len(plain) == table.rows


@settings(max_examples=15)
@given(
    wanted=wishes(),
    contacts=held(),
    releases=given_away(),
    exclusive=st.booleans(),
    recode=st.booleans(),
    fraction=st.sampled_from([0, 0, 0.5]),
)
def test_the_gap_is_what_plain_reading_makes_of_both_sides(
    engine: Engine,
    wanted: list[Row],
    contacts: Sequence[Row],
    releases: list[Row],
    exclusive: bool,
    recode: bool,
    fraction: float,
) -> None:
    """Every promised column of every row, every count, and numbers as they are promised."""
    rules: dict[str, Any] = {
        "as_of": NOW + timedelta(seconds=fraction),
        "window_end": WINDOW_END + timedelta(seconds=fraction),
        "exclusive": exclusive,
        "recode": recode,
        "release_basis": "ownership",
    }
    seen = plain_reference.observed(contacts, region="US")
    plain = plain_gap.gap(wanted, seen, releases, **rules)

    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        observed = ingest.ingest(engine, pages(contacts, 4), region="US", into=folder)
        found = compare.compare(
            engine,
            desired=store(folder / "desired.parquet", wanted, DESIRED),
            observed=observed,
            releases=store(folder / "releases.parquet", releases, RELEASES),
            **rules,
            into=folder / "gap.parquet",
        )
        rows = table_rows(found.rows)

    columns = plain_gap.GAP
    assert [] == unlike(named(plain.rows, columns), named(rows, columns), columns)
    assert plain.counts == {name: getattr(found, name) for name in plain.counts}
    assert [] == plain_gap.misnumbered(rows)
    assert plain_gap.sizes(plain.rows) == {op: part.rows for op, part in found.parts.items()}
    endless = [row for row in plain.rows if row["op"] == Op.SUPPRESS and row["until"] is None]
    assert len(endless) == (found.endless_missing.rows if found.endless_missing else 0)
