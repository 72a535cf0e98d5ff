"""``explain`` as a user has it: one address over all lists, and what was typed stays unsaid."""

import io
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from program import LIST, Workplace, now, workplace

ADA, BOB, CAT, DAN = (f"+1212555{number}" for number in ("0101", "0102", "0103", "0104"))
EVE = "eve@example.com"
FULL_WIDTH = {ord("0") + digit: 0xFF10 + digit for digit in range(10)}
BLOCKED = "reject:CARRIER_BLOCKED;ending=0101@POST contacts"


@pytest.fixture
def work(tmp_path: Path) -> Workplace:
    """Return a folder with a list at an embedded service, and another list beside it."""
    work = workplace(tmp_path)
    work.have()
    work.embed()
    work.have(list_id="other", name="Other")
    work.declare(f'phoneNumber: "{DAN}"', name="other", identity="listId: other")
    return work


def release(identifier: str, **changes: str) -> str:
    """A declared release, as a spec holds it."""
    kind = "email" if "@" in identifier else "phoneNumber"
    said = {
        kind: f'"{identifier}"',
        "basis": "asked by ask@example.com",
        "ticket": "LEGAL-1",
        "requestedBy": "privacy",
        "requestedAt": f"{now() - timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}",
    } | changes
    return "{" + ", ".join(f"{name}: {value}" for name, value in said.items()) + "}"


def releases(*held: str) -> str:
    """Declare these."""
    return "  releases:\n" + "".join(f"    - {each}\n" for each in held)


def explained(work: Workplace, address: str, *words: str) -> dict[str, Any]:
    """Return what is told of a list, by its name."""
    ran = work.call("explain", address, *words, "--format", "json")
    assert not work.leaks()
    return {listed["key"]: listed for listed in ran.document["lists"]}


def ops(told: dict[str, Any]) -> list[tuple[str, bool, list[str]]]:
    """Return what would become of it: the op, whether it is done, the rules against it."""
    return [
        (step["op"], step["done"], [refusal["rule"] for refusal in step["withheld"]])
        for step in told["steps"]
    ]


def test_every_line_that_declares_it_is_named_and_which_one_counts(work: Workplace) -> None:
    """Inline, in files, merged away and set aside; whatever its spelling."""
    work.write(
        "c.csv",
        "phoneNumber,reason,suppressUntil\n"
        f"(212) 555-0101,COMPLIANCE,2031-01-01\n{ADA},DNC,\n{ADA},NO_REASON,\n{BOB},,\n",
    )
    more = "  sources: [{path: c.csv}]\n  invalid: quarantine\n  maxInvalid: 50%\n"
    work.declare(f'phoneNumber: "{ADA}", reason: BOUNCE', more=more)

    told = explained(work, "212.555.0101")
    text = work.call("explain", ADA)

    (listed,) = told.values()
    lines = [(one["source"], one["line"], one["note"]) for one in listed["declarations"]]
    assert [
        ("specs/c.csv", 3, "counts, of 3 declarations"),
        ("specs/us-dnc.yaml", 9, "merged into specs/c.csv:3, which has the stronger reason"),
        ("specs/c.csv", 2, "merged into specs/c.csv:3, which suppresses longer"),
        ("specs/c.csv", 4, "set aside as invalid (SPEC-111)"),
    ] == lines
    assert [("suppress", True, [])] == ops(listed)
    assert "us-dnc at acme: +1•••••••101 is wanted but not suppressed" in text.out
    assert "Not on the other list: other" in text.out
    assert "Explained: wanted on 1 of 2 lists, suppressed on 0 now." == text.last
    assert 0 == text.code


def test_what_the_service_holds_is_told_as_it_stands_there(work: Workplace) -> None:
    """Reason and end, lapsed or not, shared with whom; kept where nobody declares it."""
    other = work.have((BOB, "BOUNCE", "2020-01-01"), (DAN, "DNC", "2035-01-01"))
    other.add(LIST, email="Eve@Example.com", phone=CAT, reason="CUSTOMER_REQUEST")
    work.declare(f'phoneNumber: "{ADA}"')

    shared, gone, both = (explained(work, one) for one in (EVE, BOB, DAN))

    (held,) = shared["us-dnc"]["held"]
    assert ("E•••@Example.com", False, "+1•••••••103") == (
        held["spelling"],
        held["as_normalised"],
        held["mate"],
    )
    assert [("surplus", False, [])] == ops(shared["us-dnc"])
    assert not gone["us-dnc"]["suppressed"]
    assert [] == ops(gone["us-dnc"])
    assert (["other", "us-dnc"], [False, True]) == (
        [*both],
        [listed["suppressed"] for listed in both.values()],
    )


def test_a_release_is_told_with_its_ground_and_whether_it_does_anything(work: Workplace) -> None:
    """Open, withheld by policy, spent by time, or of somebody who is still wanted."""
    work.have((ADA, "DNC", None), (BOB, "DNC", None), (CAT, "DNC", None))
    old = release(BOB, requestedAt="2020-01-01")
    work.declare(f'phoneNumber: "{CAT}"', more=releases(release(ADA), old, release(CAT)))
    open_ = explained(work, ADA)["us-dnc"]
    work.policy("maxReleases: {count: 0}")

    withheld, spent, wanted = (explained(work, one)["us-dnc"] for one in (ADA, BOB, CAT))

    (declared,) = open_["releases"]
    assert ("open", "asked by a•••@example.com", "LEGAL-1") == (
        declared["state"],
        declared["basis"],
        declared["ticket"],
    )
    assert [("release", True, [])] == ops(open_)
    assert [("release", False, ["max-releases"])] == ops(withheld)
    assert ("spent", [("surplus", False, [])]) == (spent["releases"][0]["state"], ops(spent))
    assert [("conflict", False, ["wanted"])] == ops(wanted)
    assert "so the release does nothing" in work.call("explain", CAT).out


def test_a_list_that_was_not_read_whole_is_no_answer(work: Workplace) -> None:
    """Who is not seen on it may still be there; the exit code says so too."""
    work.declare(f'phoneNumber: "{ADA}"', f'phoneNumber: "{BOB}", suppressUntil: 2035-01-01')
    with work.service("bump:contact@GET contacts"):
        endless, ends, absent = (work.call("explain", one) for one in (ADA, BOB, CAT))
    with work.service("status:403@GET contacts"):
        unread = work.call("explain", CAT)

    assert [1, 1, 1, 1] == [ran.code for ran in (endless, ends, absent, unread)]
    assert "a plan would do this" in endless.out
    assert "(incomplete-read)" in ends.out
    assert "not wanted; whether it is suppressed is not known" in absent.out
    assert absent.last.endswith("Not certain for 2 lists.")
    assert unread.last.endswith("Not certain for 2 lists.")


def test_lists_to_be_created_past_their_end_and_refused_contacts_are_told(work: Workplace) -> None:
    """What holds for a list holds for everybody on it."""
    past = work.have(list_id="past", name="Past")
    past.set("past", "suppressUntil", now() - timedelta(days=1))
    end = 'list: {name: New, suppressUntil: "2034-01-01"}'
    work.declare(f'phoneNumber: "{ADA}"', name="new", identity=f"create: true\n  {end}")
    work.declare(f'phoneNumber: "{ADA}"', name="past", identity="listId: past")
    work.declare(f'phoneNumber: "{ADA}"')
    with work.service(BLOCKED):
        applied = work.call("apply", "--auto-approve", "--list", "us-dnc")
        told = explained(work, ADA)
        text = work.call("explain", ADA).out

    assert 6 == applied.code
    assert ["new", "past", "us-dnc"] == [*told]
    assert told["new"]["absent"]
    assert "2034-01-01T23:59:59Z" == told["new"]["ends"]
    assert "its own end has passed" == told["past"]["idle"]
    assert "CARRIER_BLOCKED" == told["us-dnc"]["refused"]["code"]
    assert "the service refused it 1 time, last" in text


def test_a_list_that_would_end_earlier_is_told_with_everybody_on_it(work: Workplace) -> None:
    """Nothing has to become of the address itself; what others do to the list counts too."""
    work.have((ADA, "DNC", None))
    work.policy("maxReleases: {share: 100%, count: 100}")
    end = 'list: {name: US Do Not Call, suppressUntil: "2034-01-01"}'
    work.declare(f'phoneNumber: "{ADA}"', identity=f"listId: {LIST}\n  {end}")

    ran = work.call("explain", ADA)

    assert "> shorten    suppressUntil: never -> 2034-01-01T23:59:59Z" in ran.out
    assert "without end" in ran.out
    assert "until 2034-01-01T23:59:59Z; the list itself ends 2034-01-01T23:59:59Z" in ran.out


def test_a_national_number_is_read_in_the_region_of_each_list(work: Workplace) -> None:
    """Where a list has none it is not looked for, which is said."""
    text = work.write("gb.yaml", "").with_name("other.yaml").read_text("utf-8")
    for name, region in (("gb", "region: GB"), ("none", "suppressUntil: never")):
        made = text.replace("name: other", f"name: {name}").replace("region: US", region, 1)
        made = made.replace("region: us", "team: x").replace("region: US", region)
        made = made.replace("listId: other", f"create: true\n  list: {{name: {name}}}")
        work.write(f"{name}.yaml", made.replace(DAN, "+442079460104"))

    told = explained(work, "020 7946 0104")
    ran = work.call("explain", "020 7946 0104", "--label", "team=x")

    assert ["gb"] == [*told]
    assert "No phone number in the region of 1 list, so not looked for: none" in ran.out


@pytest.mark.parametrize(
    ("typed", "code", "told"),
    [
        (f"  {ADA}\t\r\n\n", 0, "Explained: wanted on 0 of 1 list, suppressed on 0 now."),
        (f"{ADA}\n{BOB}\n", 64, "more than one line"),
        ("", 64, "ADDRESS is empty"),
        ("x" * 9000, 64, "neither an email address nor a phone number"),
        ("\0\x1b[2J", 64, "neither"),
    ],
)
def test_standard_input_holds_one_address(
    work: Workplace, monkeypatch: pytest.MonkeyPatch, typed: str, code: int, told: str
) -> None:
    """So that it stands in no shell's history."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed.encode())))

    ran = work.call("explain", "-", "specs/other.yaml")

    assert code == ran.code
    assert told in ran.out + ran.err
    assert [] == work.leaks()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("",), 64),
        (("555 0187",), 64),
        ((f"{ADA[:6]}\t{ADA[6:]}",), 64),
        (("q" * 500 + "@example.com",), 64),
        (("+1", "415", "555", "0187"), 7),
        ((ADA, "415", "5550187"), 7),
        ((ADA.translate(FULL_WIDTH),), 0),
        (("tel:+1-212-555-0101",), 0),
        ((), 64),
    ],
)
def test_odd_addresses_end_in_a_line_that_does_not_repeat_them(
    work: Workplace, words: tuple[str, ...], code: int
) -> None:
    """Neither whole nor in parts."""
    work.declare()

    ran = work.call("explain", *words)

    assert code == ran.code, ran
    assert not [word for word in words if len(word) > 2 and word in ran.out + ran.err]
    assert "Explained: " in ran.out or ran.err.startswith("error: ")


def test_a_closed_standard_input_is_misuse(work: Workplace) -> None:
    """Nobody can have typed anything."""
    ran = work.run("explain", "-", preexec_fn=lambda: os.close(0))

    assert (64, "") == (ran.code, ran.out)
    assert "standard input is closed" in ran.err


def test_the_address_is_recorded_nowhere(work: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not its spelling, not its digits, in no table either that does not hold it anyway."""
    work.declare(f'phoneNumber: "{ADA}"')
    asked = ("+1 (929) 555-0188", "Nobody.Here@Example.net")

    told = [work.call("explain", one) for one in asked]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(asked[0].encode())))
    told.append(work.call("explain", "-", "--debug"))

    files = {path: path.read_bytes().lower() for path in work.state.rglob("*") if path.is_file()}
    tables = [str(pq.read_table(path)).encode() for path in files if path.suffix == ".parquet"]
    needles = (b"5550188", b"555-0188", b"nobody.here")
    said = "".join(ran.out + ran.err for ran in told).lower().encode()
    assert [] == [one for one in needles if one in said]
    assert [] == [path for path, held in files.items() if any(one in held for one in needles)]
    assert [] == [held for held in tables if any(one in held for one in needles)]
    assert 3 == len(list((work.state / "runs").iterdir()))
