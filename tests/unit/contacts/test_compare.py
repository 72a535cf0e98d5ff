import hashlib
import hmac
from pathlib import Path
from typing import Any

import pytest

from contact_tables import UNREADABLE, Contact, at, measure, ops, release, rows, wanted
from engines import KEY
from reconciler.contacts.engine import Engine
from reconciler.model import Gap, Op

A, B, P = "a@example.com", "b@example.com", "+15550100100"


def only(gap: Gap, op: Op, *fields: str) -> list[Any]:
    """Return these fields of each row of one op."""
    return [tuple(row[field] for field in fields) for row in rows(gap.rows, op)]


def test_equal_sides_have_no_gap(engine: Engine, tmp_path: Path) -> None:
    """Nothing is said of an address that is in order."""
    gap = measure(
        engine, tmp_path, desired=[wanted(A, at(9))], observed=[Contact(email=A, until=at(9))]
    )

    assert (gap.rows.rows, {}, gap.against) == (0, dict(gap.parts), "digest of desired.parquet")
    assert gap.endless_missing is None


def test_a_wanted_address_that_is_not_there_is_missing(engine: Engine, tmp_path: Path) -> None:
    """It is to be suppressed as a new contact; those without an end can be told apart."""
    gap = measure(engine, tmp_path, desired=[wanted(A), wanted(P, at(9)), wanted(B, at(-1))])

    assert [(P, P, at(9), 1), (A, A, None, 1)] == only(
        gap, Op.SUPPRESS, "address", "spelling", "until", "version"
    )
    assert (gap.missing, gap.parts[Op.SUPPRESS].rows) == (2, 2)
    assert gap.endless_missing
    assert (gap.endless_missing.rows, gap.endless_missing.op) == (1, "suppress:endless")


def test_a_contact_that_lapsed_there_is_missing(engine: Engine, tmp_path: Path) -> None:
    """It is written over, in its spelling and with its next version."""
    lapsed = Contact(email="A@example.com", until=at(-1), version=4)

    gap = measure(engine, tmp_path, desired=[wanted(A)], observed=[lapsed])

    assert [("A@example.com", 5)] == only(gap, Op.SUPPRESS, "spelling", "version")


def test_an_amendment_carries_the_later_end_to_every_spelling(
    engine: Engine, tmp_path: Path
) -> None:
    """Another reason alone never takes a day away."""
    held = [
        Contact(email=A, reason="BOUNCE", until=at(5)),
        Contact(email="A@example.com", reason="DNC", until=at(9), version=7),
    ]

    gap = measure(engine, tmp_path, desired=[wanted(A, at(3))], observed=held)

    assert [("A@example.com", "DNC", at(9), 8, 0), (A, "DNC", at(9), 2, 1)] == only(
        gap, Op.AMEND, "spelling", "reason", "until", "version", "wave"
    )
    assert (gap.amended, gap.extended, gap.recoded, gap.longer) == (1, 0, 1, 1)


def test_a_later_wanted_end_extends(engine: Engine, tmp_path: Path) -> None:
    """Extended and recoded at once is one amendment; without reasons the observed one stays."""
    held = [Contact(email=A, reason="BOUNCE", until=at(5))]

    both = measure(engine, tmp_path, desired=[wanted(A)], observed=held)
    kept = measure(engine, tmp_path, desired=[wanted(A)], observed=held, recode=False)

    assert (both.amended, both.extended, both.recoded) == (1, 1, 1)
    assert (kept.amended, kept.extended, kept.recoded) == (1, 1, 0)
    assert [("BOUNCE", None)] == only(kept, Op.AMEND, "reason", "until")


def test_an_earlier_wanted_end_shortens_only_what_is_owned(engine: Engine, tmp_path: Path) -> None:
    """Additive keeps the later end and says so."""
    held = [Contact(email=A, reason="BOUNCE")]

    added = measure(engine, tmp_path, desired=[wanted(A, at(5), "BOUNCE")], observed=held)
    owned = measure(engine, tmp_path, desired=[wanted(A, at(5))], observed=held, exclusive=True)

    assert ({("longer", A)}, 1) == (ops(added), added.longer)
    assert [("DNC", at(5), True, "ownership", None)] == only(
        owned, Op.SHORTEN, "reason", "until", "owned", "basis", "release_key"
    )
    assert (owned.shortened, owned.owned_releases, owned.amended) == (1, 1, 0)


def test_what_is_not_declared_is_kept_or_if_owned_released(engine: Engine, tmp_path: Path) -> None:
    """What ends within the window is on its way out, and what cannot be read is never let go."""
    held = [Contact(email=A), Contact(email=B, until=at(0.001)), Contact(phone="no")]

    added = measure(engine, tmp_path, observed=held)
    owned = measure(engine, tmp_path, observed=held, exclusive=True)

    assert ({("surplus", A), ("surplus", None)}, 2, 1) == (ops(added), added.surplus, added.opaque)
    assert {("release", A), ("surplus", None)} == ops(owned)
    assert [(True, "ownership")] == only(owned, Op.RELEASE, "owned", "basis")
    assert (owned.released, owned.owned_releases, owned.surplus) == (1, 1, 1)


def test_a_declared_release_lets_go_of_every_spelling(engine: Engine, tmp_path: Path) -> None:
    """With its basis and place, in both ownerships; of what is not there nothing is said."""
    held = [Contact(email=A), Contact(email="A@example.com", until=at(4))]

    gap = measure(engine, tmp_path, observed=held, releases=[release(A), release(B)])

    expected = ("written re-consent", "specs/us-dnc.yaml", 9, f"key of {A}", False)
    assert [expected, expected] == only(
        gap, Op.RELEASE, "basis", "source", "line", "release_key", "owned"
    )
    assert (gap.released, gap.owned_releases) == (1, 0)


def test_a_release_with_an_end_shortens_and_never_extends(engine: Engine, tmp_path: Path) -> None:
    """An end as good as now is a letting go: the service knows none sooner."""
    held = [Contact(email=A), Contact(email=B, until=at(2)), Contact(phone=P)]
    declared = [release(A, at(5)), release(B, at(5)), release(P, at(-1))]

    gap = measure(engine, tmp_path, observed=held, releases=declared, exclusive=True)

    assert {("shorten", A), ("release", P)} == ops(gap)
    assert [(at(5), f"key of {A}")] == only(gap, Op.SHORTEN, "until", "release_key")


def test_wanted_wins_over_a_release(engine: Engine, tmp_path: Path) -> None:
    """The release is a conflict, observed or not, and the suppression goes on."""
    gap = measure(
        engine,
        tmp_path,
        desired=[wanted(A), wanted(B)],
        observed=[Contact(email=B)],
        releases=[release(A), release(B)],
    )

    assert {("suppress", A), ("conflict", A), ("conflict", B)} == ops(gap)


def test_a_lapsed_wish_does_not_hold_back_a_release(engine: Engine, tmp_path: Path) -> None:
    """Who is wanted no more is not wanted."""
    desired = [wanted(A, at(-1))]

    gap = measure(
        engine, tmp_path, desired=desired, observed=[Contact(email=A)], releases=[release(A)]
    )

    assert {("release", A)} == ops(gap)


def test_amending_one_of_two_identifiers_brings_the_other_along(
    engine: Engine, tmp_path: Path
) -> None:
    """The write replaces the shared contact; the surplus half keeps its reason and end."""
    held = [Contact(email=A, phone=P, reason="BOUNCE", until=at(5)), Contact(email=B, until=at(1))]

    gap = measure(engine, tmp_path, desired=[wanted(A), wanted(B)], observed=held)

    assert [(0, 1, P, "BOUNCE", at(5)), (1, 1, A, "DNC", None), (2, None, B, "DNC", None)] == only(
        gap, Op.AMEND, "row", "pair", "address", "reason", "until"
    )
    assert (gap.amended, gap.surplus) == (2, 1)


def test_letting_go_of_one_of_two_identifiers_parts_them_first(
    engine: Engine, tmp_path: Path
) -> None:
    """Both become contacts of their own, unchanged, before one of them is released."""
    held = [Contact(email=A, phone=P, reason="BOUNCE", until=at(5), version=3)]

    gap = measure(engine, tmp_path, observed=held, releases=[release(A)])

    assert [(P, "BOUNCE", at(5), 4), (A, "BOUNCE", at(5), 4)] == only(
        gap, Op.PART, "address", "reason", "until", "version"
    )
    assert [(A, 5)] == only(gap, Op.RELEASE, "address", "version")
    assert {("part", P), ("part", A), ("release", A), ("surplus", P)} == ops(gap)


def test_an_amendment_covers_what_parting_would(engine: Engine, tmp_path: Path) -> None:
    """Where one half is amended and the other released, nothing is parted twice."""
    held = [Contact(email=A, phone=P, until=at(5))]

    gap = measure(engine, tmp_path, desired=[wanted(A)], observed=held, releases=[release(P)])

    assert {("amend", A), ("amend", P), ("release", P)} == ops(gap)


def test_the_unreadable_half_is_written_back_as_it_was(engine: Engine, tmp_path: Path) -> None:
    """It may be somebody's opt-out: a write to the other half must not lose it."""
    held = [Contact(email=A, phone="12", until=at(5))]

    gap = measure(engine, tmp_path, desired=[wanted(A)], observed=held)

    assert [(A, A, None), (None, "12", at(5))] == only(
        gap, Op.AMEND, "address", "spelling", "until"
    )
    assert (gap.amended, gap.surplus, gap.opaque) == (1, 1, 1)


def test_an_end_that_cannot_be_read_is_never_cut_short(engine: Engine, tmp_path: Path) -> None:
    """Who is wanted is written over it without an end; on its own it is opaque surplus."""
    held = [
        Contact(email="A@example.com", reason="BOUNCE", until=UNREADABLE, version=4),
        Contact(email="b@EXAMPLE.com", until=UNREADABLE),
    ]

    gap = measure(engine, tmp_path, desired=[wanted(A, at(5))], observed=held)

    assert [(A, "A@example.com", "DNC", None, 5, "BOUNCE", 4)] == only(
        gap,
        Op.SUPPRESS,
        *("address", "spelling", "reason", "until", "version"),
        *("observed_reason", "observed_version"),
    )
    assert [(None, "A@example.com"), (None, "b@EXAMPLE.com")] == only(
        gap, Op.SURPLUS, "address", "spelling"
    )
    assert (1, 2, 2) == (gap.missing, gap.surplus, gap.opaque)
    note = "its end on the service cannot be read"
    assert [note] * 3 == [one.note for op in gap.parts for one in gap.samples[op]]


def test_such_a_contact_does_not_lose_its_other_identifier(engine: Engine, tmp_path: Path) -> None:
    """Both are written side by side, without an end; the other as it was."""
    held = [
        Contact(email="A@example.com", phone=P, reason="BOUNCE", until=UNREADABLE, version=4),
        Contact(email=B, phone="12", reason="BOUNCE", until=UNREADABLE),
        Contact(email="c@example.com", phone="+15550100102", until=UNREADABLE),
    ]

    gap = measure(engine, tmp_path, desired=[wanted(A, at(5)), wanted(B)], observed=held)

    assert [
        (P, P, "BOUNCE", None, 5, False),
        (A, "A@example.com", "DNC", None, 5, True),
        (B, B, "DNC", None, 2, True),
        (None, "12", "BOUNCE", None, 2, False),
    ] == only(gap, Op.AMEND, "address", "spelling", "reason", "until", "version", "extended")
    assert [1, 1, 2, 2] == [each for (each,) in only(gap, Op.AMEND, "pair")]
    assert Op.SUPPRESS not in gap.parts
    assert (0, 2, 6) == (gap.missing, gap.amended, gap.opaque)


def test_whoever_is_held_needs_no_contact_with_an_unreadable_end(
    engine: Engine, tmp_path: Path
) -> None:
    """Nothing is written over it then, whatever becomes of the other contact."""
    odd = Contact(email="A@example.com", phone=P, until=UNREADABLE)
    held = [Contact(email=A, until=at(9)), odd]

    kept = measure(engine, tmp_path, desired=[wanted(A, at(9))], observed=held)
    let_go = measure(engine, tmp_path, observed=held, releases=[release(A), release(P)])

    assert {("surplus", None)} == ops(kept)
    assert {("release", A), ("surplus", None)} == ops(let_go)
    assert [(A,)] == only(let_go, Op.RELEASE, "spelling")


def test_a_version_at_the_end_of_its_range_does_not_stop_the_list(
    engine: Engine, tmp_path: Path
) -> None:
    """Amended, parted and released like any other."""
    held = [Contact(email=A, phone=P, until=at(5), version=2**63 - 1)]

    amended = measure(engine, tmp_path, desired=[wanted(A)], observed=held)
    let_go = measure(engine, tmp_path, observed=held, releases=[release(A)])

    assert [(A, 2**63 - 9), (P, 2**63 - 9)] == sorted(
        only(amended, Op.AMEND, "address", "version"), reverse=True
    )
    assert [(A, 2**63 - 8)] == only(let_go, Op.RELEASE, "address", "version")


def test_no_wave_holds_an_address_twice_and_couples_stay_together(
    engine: Engine, tmp_path: Path
) -> None:
    """An address in two couples and alone is in three waves."""
    held = [
        Contact(email=A, phone="+15550100101", until=at(1)),
        Contact(email="A@example.com", phone="+15550100102", until=at(1)),
        Contact(email="a@EXAMPLE.com", until=at(1)),
        Contact(email=B, phone="+15550100103", until=at(1)),
    ]

    gap = measure(engine, tmp_path, desired=[wanted(A), wanted(B)], observed=held)

    placed = only(gap, Op.AMEND, "wave", "pair", "address")
    assert [0, 1, 2] == sorted(wave for wave, _, address in placed if address == A)
    couples = [row for row in placed if row[1]]
    assert [one[:2] for one in couples[::2]] == [other[:2] for other in couples[1::2]]
    assert list(range(7)) == [row for (row,) in only(gap, Op.AMEND, "row")]


def test_samples_are_masked_few_and_say_what_is_new(engine: Engine, tmp_path: Path) -> None:
    """At most five an op, with place and end."""
    desired = [wanted(f"user{number}@example.com", at(1)) for number in range(9)]

    gap = measure(engine, tmp_path, desired=desired, observed=[Contact(phone="no")])

    shown = gap.samples[Op.SUPPRESS]
    assert ["u•••@example.com"] * 5 == [sample.address for sample in shown]
    assert ("a.csv", 2) == (shown[0].source, shown[0].line)
    assert ["•••"] == [sample.address for sample in gap.samples[Op.SURPLUS]]


def test_the_digest_of_a_part_says_who_why_and_until_when(engine: Engine, tmp_path: Path) -> None:
    """Keyed, sorted, without versions; of a release who, and as what they were seen."""
    gap = measure(
        engine,
        tmp_path,
        desired=[wanted(P, at(3)), wanted(A)],
        observed=[Contact(email=B, reason="BOUNCE", version=4)],
        releases=[release(B)],
    )

    suppressed = f"{P}|DNC|{at(3)}\n{A}|DNC|\n"
    assert keyed(suppressed) == gap.parts[Op.SUPPRESS].digest
    assert keyed(f"{B}|||BOUNCE||4\n") == gap.parts[Op.RELEASE].digest
    assert keyed(f"{P}|DNC|{at(3)}\n{A}|DNC|\n{B}|||BOUNCE||4\n") == gap.rows.digest


@pytest.mark.parametrize(
    "anew",
    [
        Contact(email=B, version=2),
        Contact(email=B, reason="BOUNCE"),
        Contact(email=B, until=at(9)),
    ],
)
def test_who_asked_for_it_anew_is_not_the_one_a_release_was_approved_for(
    engine: Engine, tmp_path: Path, anew: Contact
) -> None:
    """However their contact was touched; a suppression is of whoever it names."""
    seen = [
        measure(
            engine,
            tmp_path,
            desired=[wanted(A)],
            observed=[held],
            releases=[release(B)],
        )
        for held in (Contact(email=B), anew)
    ]

    released = {gap.parts[Op.RELEASE].digest for gap in seen}
    suppressed = {gap.parts[Op.SUPPRESS].digest for gap in seen}

    assert (2, 1) == (len(released), len(suppressed))


def keyed(text: str) -> str:
    """Return the digest that the engine of these tests gives a text."""
    return hmac.new(KEY, text.encode(), hashlib.sha256).hexdigest()
