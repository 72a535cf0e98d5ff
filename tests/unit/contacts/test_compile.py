"""A list's contacts become one clean table, and every row is accounted for."""

import csv
import hashlib
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from builders import LATER, NOW, PAST, list_spec
from contact_files import compiled, csv_file, inline, source, table_rows
from reconciler.contacts.compile import Compiled, outliving
from reconciler.contacts.engine import Engine
from reconciler.errors import EngineError, Place
from reconciler.model import Counts, Defaults, InlineContact, Settings
from reconciler.times import zulu

MIDNIGHT = int(datetime(2027, 1, 1, tzinfo=UTC).timestamp())
DAY = 86_400


def codes(made: Compiled) -> list[str]:
    """Return the codes of all problems, warnings too."""
    return [problem.code for problem in made.problems]


def test_a_contact_with_both_identifiers_is_two_rows(engine: Engine, tmp_path: Path) -> None:
    """Each with the contact's reason, end, request and place, normalised and sorted."""
    both = inline(
        email=" User1@Example.com",
        phone="(555) 123-4567",
        reason="unsubscribe ",
        suppress_until="2027-01-01T00:00:00Z",
        requested_at="1970-01-01T00:00:09Z",
    )

    made = compiled(engine, tmp_path, contacts=(both,))

    facts = {
        "reason": "UNSUBSCRIBE",
        "until": MIDNIGHT,
        "requested_at": 9,
        "source": "specs/us-dnc.yaml",
        "line": 9,
    }
    assert [
        {"address": "+15551234567", "channel": "phone"} | facts,
        {"address": "user1@example.com", "channel": "email"} | facts,
    ] == table_rows(made.table)
    assert Counts(read=2) == made.counts
    assert made.table.rows == 2
    assert not made.problems


def test_what_a_row_leaves_open_is_the_default(engine: Engine, tmp_path: Path) -> None:
    """Blank is open; ``never`` is an end that a default does not replace."""
    path = csv_file(tmp_path, "a@example.com,, ,,", "b@example.com,,BOUNCE,NEVER,")
    defaults = Defaults(reason="dnc", suppress_until="2027-01-01T00:00:00Z")

    made = compiled(engine, tmp_path, defaults=defaults, sources=(source(path),))

    assert [("DNC", MIDNIGHT), ("BOUNCE", None)] == [
        (row["reason"], row["until"]) for row in table_rows(made.table)
    ]


@pytest.mark.parametrize(
    ("until", "requested", "as_of", "end"),
    [
        ("2027-01-01", "", None, MIDNIGHT + DAY - 1),
        ("2027-01-01T00:00:00.2Z", "", None, MIDNIGHT + 1),
        ("P1D", "2027-01-01T00:00:00Z", PAST, MIDNIGHT + DAY),
        ("P365D", "", PAST, MIDNIGHT),
        ("never", "", None, None),
    ],
)
def test_an_end_is_seconds(
    engine: Engine, tmp_path: Path, until: str, requested: str, *, as_of: datetime, end: int
) -> None:
    """A duration counts from the row's request, else from its source's as-of."""
    path = csv_file(tmp_path, f"a@example.com,,,{until},{requested}")

    made = compiled(engine, tmp_path, sources=(source(path, as_of=as_of),))

    assert [end] == [row["until"] for row in table_rows(made.table)]


def test_the_longest_suppression_wins_then_the_strongest_reason(
    engine: Engine, tmp_path: Path
) -> None:
    """No end beats any; then reason, earliest request, file and line settle it."""
    path = csv_file(
        tmp_path,
        "a@example.com,,COMPLIANCE,2027-01-01,",
        "A@example.com,,BOUNCE,,",
        "b@example.com,,BOUNCE,2027-01-01,",
        "b@example.com,,DNC,2027-01-01,",
        "c@example.com,,DNC,,2026-02-01",
        "c@example.com,,DNC,,2026-01-01",
        "c@example.com,,DNC,,",
        "d@example.com,,,,",
        "d@example.com,,,,",
    )

    made = compiled(engine, tmp_path, sources=(source(path),))

    assert [("a", 3), ("b", 5), ("c", 7), ("d", 9)] == [
        (row["address"][0], row["line"]) for row in table_rows(made.table)
    ]
    assert Counts(read=9, merged=5) == made.counts
    first = made.samples["merged"][0]
    assert ("a•••@example.com", "a.csv", 2, "gave way to a.csv:3") == (
        first.address,
        first.source,
        first.line,
        first.note,
    )


def test_duplicates_may_be_errors(engine: Engine, tmp_path: Path) -> None:
    """With both places, the address masked."""
    path = csv_file(tmp_path, "user1@example.com,,,,")
    twice = inline(email="user1@example.com", suppress_until="2027-01-01")

    made = compiled(
        engine, tmp_path, contacts=(twice,), sources=(source(path),), duplicates="error"
    )

    (problem,) = made.problems
    assert (
        "specs/us-dnc.yaml:9:7 SPEC-115 u•••@example.com is declared twice: it gave way to a.csv:2"
        == str(problem)
    )


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (",,,,", None),
        (" ,,DNC,,", "SPEC-107"),
        ("nobody,,,,", "SPEC-108"),
        (",123-4567,,,", "SPEC-109"),
        ("user1@example.com,,OPT_OUT,,", "SPEC-111"),
        ("user1@example.com,,,tomorrow,", "SPEC-112"),
        ("user1@example.com,,,P,2026-01-01", "SPEC-112"),
        ("user1@example.com,,,P90D,", "SPEC-113"),
        ("user1@example.com,,,,yesterday", "SPEC-114"),
        ("user1@example.com", "SPEC-106"),
    ],
)
def test_an_invalid_row_is_a_problem_at_its_place(
    engine: Engine, tmp_path: Path, row: str, code: str | None
) -> None:
    """It is counted and told once, with the total; a blank row is nobody."""
    path = csv_file(tmp_path, "good@example.com,,,,", row)

    made = compiled(engine, tmp_path, sources=(source(path),))

    expected = [] if code is None else ["SPEC-116", code]
    assert expected == codes(made)
    assert (1, len(expected) // 2) == (made.table.rows, made.counts.invalid)
    assert all(problem.place.line == 3 for problem in made.problems[1:])
    assert all("user1" not in str(problem) for problem in made.problems)


def test_a_row_without_any_reason_is_invalid(engine: Engine, tmp_path: Path) -> None:
    """Nobody guesses why somebody must not be called."""
    made = compiled(engine, tmp_path, list_spec(), contacts=(inline(email="a@example.com"),))

    assert ["SPEC-116", "SPEC-110"] == codes(made)
    assert "specs/us-dnc.yaml:9:7" == str(made.problems[1].place)


def test_a_good_identifier_stays_beside_a_bad_one(engine: Engine, tmp_path: Path) -> None:
    """Each identifier counts for itself."""
    half = inline(email="a@example.com", phone="12")

    made = compiled(engine, tmp_path, contacts=(half,))

    assert Counts(read=2, invalid=1) == made.counts
    assert 1 == made.table.rows


def test_all_invalid_rows_are_in_a_file_of_their_own(engine: Engine, tmp_path: Path) -> None:
    """A person is shown fifty; the file has all, as they came, for its owner only."""
    path = csv_file(tmp_path, *(f"nobody{number},,,," for number in range(60)))

    made = compiled(engine, tmp_path, sources=(source(path),))

    kept = tmp_path / "run" / "invalid.csv"
    with kept.open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [f"nobody{number}" for number in range(60)] == [row["written"] for row in found]
    assert 0o600 == stat.S_IMODE(kept.stat().st_mode)
    assert 51 == len(made.problems)
    assert 50 == len(made.samples["invalid"])
    assert "60 of 60 identifiers are invalid (100.00%)" in made.problems[0].message


@pytest.mark.parametrize(
    ("share", "code", "severity"),
    [("0.5", "SPEC-117", "warning"), ("0.49", "SPEC-116", "error")],
)
def test_quarantine_sets_a_share_of_rows_aside(
    engine: Engine, tmp_path: Path, share: str, code: str, severity: str
) -> None:
    """They count and are kept; beyond the share the spec fails as without it."""
    path = csv_file(tmp_path, "a@example.com,,,,", "nobody,,,,")

    made = compiled(
        engine,
        tmp_path,
        sources=(source(path),),
        invalid="quarantine",
        max_invalid=Decimal(share),
    )

    assert (code, severity) == (made.problems[0].code, made.problems[0].severity)
    assert Counts(read=2, invalid=1) == made.counts
    assert (tmp_path / "run" / "invalid.csv").exists()


def test_lapsed_contacts_are_counted_and_kept(engine: Engine, tmp_path: Path) -> None:
    """The table does not depend on the hour; an end that is now has passed."""
    path = csv_file(
        tmp_path,
        "a@example.com,,,2026-11-23T10:15:00Z,",
        "b@example.com,,,2026-11-23T10:15:01Z,",
    )

    made = compiled(engine, tmp_path, sources=(source(path),))

    assert Counts(read=2, lapsed=1) == made.counts
    assert 2 == made.table.rows


def test_times_without_an_offset_are_one_warning(engine: Engine, tmp_path: Path) -> None:
    """However many there are."""
    path = csv_file(
        tmp_path,
        "a@example.com,,,2027-01-01T00:00:00,2026-01-01 00:00",
        "b@example.com,,,2027-01-01,2026-01-01T00:00Z",
    )

    made = compiled(engine, tmp_path, sources=(source(path),))

    assert 2 == made.counts.naive
    assert [("SPEC-118", "warning")] == [(each.code, each.severity) for each in made.problems]


def test_contacts_past_their_lists_end_are_one_warning(engine: Engine, tmp_path: Path) -> None:
    """With the count; a list without a declared end has none."""
    contacts = (
        inline(email="a@example.com"),
        inline(email="b@example.com", suppress_until="2028-01-01"),
        inline(email="c@example.com", suppress_until="2027-01-01"),
    )

    made = compiled(engine, tmp_path, contacts=contacts, settings=Settings(suppress_until=LATER))

    assert 2 == made.counts.past_list_end
    assert ["SPEC-120"] == codes(made)
    assert "2 contacts" in made.problems[0].message


@pytest.mark.parametrize("end", [NOW, PAST])
def test_a_list_that_has_ended_is_an_error(engine: Engine, tmp_path: Path, end: datetime) -> None:
    """It would suppress nobody."""
    made = compiled(engine, tmp_path, settings=Settings(suppress_until=end))

    assert [("SPEC-119", "error")] == [(each.code, each.severity) for each in made.problems]


def test_a_feed_says_what_was_read(engine: Engine, tmp_path: Path) -> None:
    """Its files, rows and digest of bytes; two sources may name one file."""
    files = [csv_file(tmp_path, "a@example.com,,,,", name=name) for name in ("b.csv", "a.csv")]
    content = b"".join(path.read_bytes() for path in files)

    made = compiled(engine, tmp_path, sources=(source(*files), source(files[0])))

    first, second = made.feeds
    assert (("a.csv", "b.csv"), 2) == (first.files, first.rows)
    assert engine.pseudonym(hashlib.sha256(content).hexdigest()) == first.sha256
    assert (("b.csv",), 1) == (second.files, second.rows)
    assert Counts(read=3, merged=2) == made.counts


@pytest.mark.parametrize(
    ("as_of", "stale"), [(NOW - timedelta(days=31), False), (NOW - timedelta(days=32), True)]
)
def test_a_feed_is_stale_past_its_age(
    engine: Engine, tmp_path: Path, *, as_of: datetime, stale: bool
) -> None:
    """At the run's as-of; that is a fact here and no problem."""
    path = csv_file(tmp_path, "a@example.com,,,,")

    made = compiled(engine, tmp_path, sources=(source(path, as_of=as_of, max_age="P31D"),))

    assert [stale] == [feed.stale for feed in made.feeds]
    assert not made.problems


def test_a_file_without_a_row_is_told(engine: Engine, tmp_path: Path) -> None:
    """Even if other files of its source have some; one that cannot be read is a problem."""
    paths = [csv_file(tmp_path, *rows, name=f"{len(rows)}.csv") for rows in ((), ("a@x.com,,,,",))]

    made = compiled(engine, tmp_path, sources=(source(*paths), source(tmp_path / "gone.csv")))

    assert [("0.csv",), ()] == [feed.empty_files for feed in made.feeds]


def test_contacts_that_outlive_an_end_are_counted(engine: Engine, tmp_path: Path) -> None:
    """Without an end is for ever; who has lapsed is not wanted any more."""
    ends = ("never", zulu(LATER), zulu(LATER + timedelta(seconds=1)), zulu(NOW))
    contacts = tuple(
        inline(email=f"{number}@x.com", suppress_until=end) for number, end in enumerate(ends)
    )
    table = compiled(engine, tmp_path, contacts=contacts).table

    counted = [
        outliving(engine, table, end=end, as_of=NOW)
        for end in (LATER, LATER + timedelta(seconds=1), NOW - timedelta(seconds=1))
    ]

    assert [2, 1, 3] == counted


def test_what_is_wrong_with_a_source_as_a_whole_is_told(engine: Engine, tmp_path: Path) -> None:
    """A pin that does not fit, an age that leads nowhere, a file that cannot be read."""
    path = csv_file(tmp_path, "a@example.com,,,,")
    good = hashlib.sha256(path.read_bytes()).hexdigest()
    sources = (
        source(path, sha256=good.upper()),
        source(path, sha256="0" * 64),
        source(path, as_of=NOW, max_age="P9999Y"),
        source(tmp_path / "gone.csv", sha256=good),
    )

    made = compiled(engine, tmp_path, sources=sources)

    assert ["SPEC-105", "SPEC-122", "SPEC-101"] == codes(made)


def test_a_table_stands_once_for_its_owner_only(engine: Engine, tmp_path: Path) -> None:
    """One declaration has one file; equal contacts from elsewhere have only the digest of it.

    A file that was damaged is not believed for the sake of its name.
    """
    first = compiled(engine, tmp_path, contacts=(inline(email="a@example.com"),))
    first.table.path.write_bytes(b"damaged")

    again = compiled(engine, tmp_path, contacts=(inline(email="a@example.com"),))
    moved = compiled(engine, tmp_path, contacts=(inline(10, email="a@example.com"),))

    assert first.table == again.table
    assert [9] == [row["line"] for row in table_rows(again.table)]
    assert first.table.digest == moved.table.digest
    assert [10] == [row["line"] for row in table_rows(moved.table)]
    assert 0o600 == stat.S_IMODE(first.table.path.stat().st_mode)
    assert 0o700 == stat.S_IMODE(first.table.path.parent.stat().st_mode)


def test_the_digest_is_of_who_why_and_until_when(engine: Engine, tmp_path: Path) -> None:
    """And of nothing else: not of places and order; and another key makes it another one."""
    one, other = inline(email="b@example.com"), inline(email="a@example.com")
    ended = replace(other, suppress_until="2027-01-01")
    recoded = replace(other, reason="BOUNCE")
    moved = replace(other, place=Place(path="elsewhere.yaml", line=3))

    def digest(*contacts: InlineContact, of: Engine = engine) -> str:
        return compiled(of, tmp_path, contacts=contacts).table.digest

    assert digest(one, other) == digest(moved, one)
    assert 4 == len({digest(one, other), digest(one, ended), digest(one, recoded), digest(one)})
    with Engine(key=b"another key", spill=tmp_path / "spill") as stranger:
        assert digest(one, other) != digest(one, other, of=stranger)


def test_a_list_without_contacts_is_an_empty_table(engine: Engine, tmp_path: Path) -> None:
    """Whether that may be is for the policy to say."""
    made = compiled(engine, tmp_path)

    assert (0, Counts(), ()) == (made.table.rows, made.counts, made.problems)
    assert [] == table_rows(made.table)


@pytest.mark.parametrize("folder", ["run", "cache"])
def test_a_folder_that_cannot_be_made_is_an_engine_error(
    engine: Engine, tmp_path: Path, folder: str
) -> None:
    """For the table as for the invalid rows."""
    (tmp_path / folder).write_text("in the way")

    with pytest.raises(EngineError, match=f"cannot make the folder .*{folder}"):
        compiled(engine, tmp_path, contacts=(inline(email="nobody"),))


def test_an_invalid_file_that_cannot_be_written_is_an_engine_error(
    engine: Engine, tmp_path: Path
) -> None:
    """And no draft with addresses stays behind."""
    (tmp_path / "run" / "invalid.csv").mkdir(parents=True)

    with pytest.raises(EngineError, match="cannot write"):
        compiled(engine, tmp_path, contacts=(inline(email="nobody"),))

    assert ["invalid.csv"] == [path.name for path in (tmp_path / "run").iterdir()]


def test_contacts_without_a_place_at_the_service_are_problems(
    engine: Engine, tmp_path: Path
) -> None:
    """All are counted, the first are shown where they stand, and none is named."""
    path = csv_file(tmp_path, "a@example.com,,DNC,,", ",+12125550142,DNC,,")

    made = compiled(engine, tmp_path, sources=(source(path),), channels=("phone",))

    assert ["SPEC-127", "SPEC-127"] == codes(made)
    whole, first = made.problems
    assert whole.message.startswith("1 contact has no place")
    assert 2 == first.place.line
    assert "example.com" not in repr(made.problems)


def test_contacts_without_a_place_may_be_left_out(engine: Engine, tmp_path: Path) -> None:
    """They are in no table, and counted, also when nobody compiles them again."""
    path = csv_file(tmp_path, "a@example.com,,DNC,,", "b@example.com,,DNC,,", ",+12125550142,DNC,,")

    twice = [
        compiled(engine, tmp_path, sources=(source(path),), channels=("phone",), unsupported="skip")
        for _ in range(2)
    ]

    for made in twice:
        assert ["phone"] == [row["channel"] for row in table_rows(made.table)]
        assert (3, 2) == (made.counts.read, made.counts.unsupported)
        assert ["SPEC-128"] == codes(made)
