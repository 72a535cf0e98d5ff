"""What of an address may be seen, in samples and in texts that others wrote."""

import hashlib
import re
import time
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.masking import mask, scrub
from reconciler.times import zulu

DOT = "•"

emails = st.emails()
phones = st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True)
surroundings = st.text(max_size=30) | st.sampled_from(
    ["2026-11-23T10:15:00", "2026-11-23 ", "a@", "x@y.z", "'", "{'email': '", "%40", "1", "-", "+"]
)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("user1@example.com", f"u{DOT * 3}@example.com"),
        ("u@example.com", f"u{DOT * 3}@example.com"),
        ("a@b@example.com", f"a{DOT * 3}@example.com"),
        ("+15551234567", f"+1{DOT * 7}567"),
        ("+1555123", f"+1{DOT * 3}123"),
        ("+155512", f"+1{DOT * 5}"),
        ("12", f"1{DOT * 3}"),
        ("", DOT * 3),
    ],
)
def test_a_sample_can_be_recognised_and_not_be_used(address: str, expected: str) -> None:
    """The first letter and the domain; the first and the last digits, where enough stay hidden."""
    assert expected == mask(address)


@given(emails | phones)
def test_a_sample_never_holds_the_address(address: str) -> None:
    """Nor does the sample of a sample, which is itself."""
    assert address not in mask(address)
    assert "@" in address or address[1:] not in mask(address)
    assert mask(address) == scrub(mask(address))


@given(surroundings, emails, surroundings)
@example("", "o'brien@example.com", "")
@example("", "ab{c@example.com", "")
@example("bounce+", "user=example.org@example.com", "")
@example("a@us'", "er@example.com", "")
@example("", "/@A.Ad", "")
def test_no_text_keeps_an_email(before: str, address: str, after: str) -> None:
    """Whatever stands around it, and whatever letters it is made of."""
    text = before + address + after

    assert address not in scrub(text)


@given(surroundings, phones, surroundings)
@example("2026-11-23T10:15:00", "+15551234567", "")
@example("x", "+15551234567", "x123")
@example("", "+15551234567", "-mobile")
def test_no_text_keeps_a_phone_number(before: str, address: str, after: str) -> None:
    """Not even without its plus."""
    text = before + address + after

    assert address[1:] not in scrub(text)


@pytest.mark.parametrize(
    "written",
    [
        "+1 (555) 123-4567",
        "(555) 123-4567",
        "555.123.4567",
        "555/123/4567",
        "555\N{NON-BREAKING HYPHEN}123\N{EN DASH}4567",
        "555-123-4567 x89",
        "5551234567x89",
        "5551234567ext89",
        "contact_15551234567",
        "contact-15551234567-mobile",
        "phone=5551234567,",
        "tel:+15551234567",
        "\N{FULLWIDTH DIGIT FIVE}551234567",
    ],
)
def test_phone_numbers_are_known_however_they_are_written(written: str) -> None:
    """At most the first digit and the last three of seven and more are left in a row."""
    assert not re.search(r"\d{4}|\d{3}\D{1,3}\d{3}", scrub(f"row {written} was refused"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<user1@example.com>", f"<u{DOT * 3}@example.com>"),
        ("'user1@example.com'", f"'u{DOT * 3}@example.com'"),
        ('{"email":"user1@example.com"}', f'{{"email":"u{DOT * 3}@example.com"}}'),
        ("mailto:user1@example.com,", f"mailto:u{DOT * 3}@example.com,"),
        ("email=user1@example.com", f"e{DOT * 3}@example.com"),
        ("/contacts?email=user1%40example.com", f"/c{DOT * 3}@example.com"),
        ('"john smith"@example.com', f'"john s{DOT * 3}@example.com'),
        ("user@[192.0.2.1]", f"u{DOT * 3}@[192.0.2.1]"),
        ("user@xn--bcher-kva.example", f"u{DOT * 3}@xn--bcher-kva.example"),
        ("büro@bücher.example", f"b{DOT * 3}@bücher.example"),
        ("user1@example.com@", f"u{DOT * 3}@example.com"),
    ],
)
def test_emails_are_known_however_they_are_quoted(text: str, expected: str) -> None:
    """The domain stays, for whoever looks for the fault."""
    assert expected == scrub(text)


@given(st.datetimes(datetime(1900, 1, 1), datetime(2999, 12, 31)))  # noqa: DTZ001 - made aware below
def test_times_are_left_alone(moment: datetime) -> None:
    """As we write them, as Python writes them, as file names carry them, alone and as ranges."""
    aware = moment.replace(tzinfo=UTC)
    day = f"{aware:%Y-%m-%d}"
    written = [
        zulu(aware),
        aware.isoformat(),
        str(aware),
        str(moment),
        day,
        f"{day}..{day}",
        f"us-dnc-{day}.csv",
        f"us-dnc-{aware:%Y%m%d}.csv.gz",
        f"expired at {day} 10:15.",
    ]

    assert written == [scrub(text) for text in written]


@given(st.binary(), st.integers(0, 2**24 - 1), st.datetimes(datetime(2026, 1, 1)))  # noqa: DTZ001 - likewise
def test_digests_and_names_of_runs_are_left_alone(
    content: bytes, number: int, moment: datetime
) -> None:
    """Evidence must stay evidence."""
    digest = hashlib.sha256(content).hexdigest()
    run = f"{moment:%Y%m%dT%H%M%SZ}-{number:06x}"
    texts = [f"plan {digest}", f"sha256:{digest}", f"Run {run}.", f"runs/{run}/plan.json"]

    assert texts == [scrub(text) for text in texts]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3 rows of 10,421 were refused",
        "specs/us-dnc.yaml:12:5 SPEC-012 x",
        "@dataclass",
        "list 7f3e2c: 412",
        "127.0.0.1:8080",
        "line 123456",
    ],
)
def test_what_is_no_address_is_left_alone(text: str) -> None:
    """Counts, places, codes and short numbers."""
    assert text == scrub(text)


@pytest.mark.parametrize(
    "text", ["a" * 200_000, "1 " * 3, "(" * 100_000, "a@" * 50_000, "1-" * 50_000]
)
def test_no_text_takes_long(text: str) -> None:
    """A service may answer with anything."""
    start = time.monotonic()

    scrub(text)

    assert time.monotonic() - start < 2
