"""Merging: order never matters, nobody disappears, nobody is suppressed for less."""

import csv
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from contact_files import HEADER, compiled, inline, source, table_rows
from reconciler.contacts import normalise
from reconciler.contacts.compile import Compiled
from reconciler.contacts.engine import Engine
from reconciler.model import REASONS

Fields = tuple[str, str, str, str, str]

EMAILS = st.sampled_from(["", "a@example.com", "A@Example.com ", "b@example.com", "nobody"])
PHONES = st.sampled_from(["", "+15551234567", "(555) 123-4567", "555 123 9999", "12"])
REASON = st.sampled_from(["", "x", "dnc", *REASONS])
ENDS = st.sampled_from(
    ["", "never", "2026-01-01", "2027-01-01", "2027-06-01T00:00:00Z", "P90D", "?"]
)
TIMES = st.sampled_from(["", "2026-01-01", "2026-03-01T00:00:00", "?"])
ROWS = st.lists(st.tuples(EMAILS, PHONES, REASON, ENDS, TIMES), max_size=12)
FILES = st.lists(ROWS, max_size=3)


def compile_files(engine: Engine, folder: Path, files: Sequence[Sequence[Fields]]) -> Compiled:
    """Compile a list with one source of these files; the first file is inline in the spec."""
    paths = []
    for number, rows in enumerate(files[1:]):
        text = io.StringIO(HEADER)
        text.seek(0, io.SEEK_END)
        csv.writer(text).writerows(rows)
        paths.append(folder / f"{number}.csv")
        paths[-1].write_text(text.getvalue())
    contacts = tuple(
        inline(
            line,
            email=email,
            phone=phone,
            reason=reason,
            suppress_until=until,
            requested_at=requested_at,
        )
        for line, (email, phone, reason, until, requested_at) in enumerate((files or [[]])[0], 1)
    )
    return compiled(engine, folder, contacts=contacts, sources=(source(*paths),))


@settings(max_examples=settings().max_examples // 2)  # each compiles several lists
@given(files=FILES, data=st.data())
def test_the_order_of_files_and_rows_never_matters(
    engine: Engine, files: list[list[Fields]], data: st.DataObject
) -> None:
    """The digest is that of the same contacts in any other order."""
    shuffled = [data.draw(st.permutations(rows)) for rows in data.draw(st.permutations(files))]

    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        first = compile_files(engine, Path(one), files)
        second = compile_files(engine, Path(two), shuffled)

    assert first.table.digest == second.table.digest


@settings(max_examples=settings().max_examples // 2)  # each compiles several lists
@given(files=FILES)
def test_every_identifier_is_accounted_for(engine: Engine, files: list[list[Fields]]) -> None:
    """It is a row, or gave way to one, or is invalid."""
    with tempfile.TemporaryDirectory() as folder:
        made = compile_files(engine, Path(folder), files)

    blank = [row for rows in files[1:] for row in rows if not any(row)]
    identifiers = sum(
        max(sum(bool(field) for field in row[:2]), 1) for rows in files for row in rows
    )
    assert identifiers - len(blank) == made.counts.read
    assert made.counts.read == made.table.rows + made.counts.merged + made.counts.invalid


@settings(max_examples=20)  # each compiles one list a row
@given(rows=ROWS)
def test_the_winner_suppresses_at_least_as_long_as_every_merged_row(
    engine: Engine, rows: list[Fields]
) -> None:
    """Each row alone wishes for an end that the table's row of its address does not undercut."""
    with tempfile.TemporaryDirectory() as folder:
        winners = {
            row["address"]: row["until"]
            for row in table_rows(compile_files(engine, Path(folder), [rows]).table)
        }
        wished = [
            row
            for alone in rows
            for row in table_rows(compile_files(engine, Path(folder), [[alone]]).table)
        ]

    forever = float("inf")
    assert {row["address"] for row in wished} == set(winners)
    assert all((winners[row["address"]] or forever) >= (row["until"] or forever) for row in wished)


@given(
    email=st.one_of(st.emails(), st.text(max_size=20)),
    phone=st.text("+0123456789 ()-.", max_size=20),
)
def test_normalising_an_address_is_that_address(email: str, phone: str) -> None:
    """Whatever it was made of."""
    addresses = normalise.email_address(email), normalise.phone_address(phone, "US")

    again = (
        addresses[0] and normalise.email_address(addresses[0]),
        addresses[1] and normalise.phone_address(addresses[1], ""),
    )

    assert addresses == again
