"""What people type becomes an address or seconds, or nothing."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.contacts import normalise
from reconciler.contacts.engine import Engine


def ask(engine: Engine, call: str, *values: object, region: str | None = None) -> object:
    """Return what one call of a function gives."""
    with engine.session() as session:
        normalise.register(session, region=region)
        found = session.execute(f"SELECT {call}", values).fetchone()
    return found and found[0]


@pytest.mark.parametrize(
    ("written", "address"),
    [
        (" User1@EXAMPLE.com\u00a0", "user1@example.com"),
        ("first.last+tag@mail.example.co", "first.last+tag@mail.example.co"),
        ("o'hara@example.com", "o'hara@example.com"),
        ("user@Bücher.example", "user@xn--bcher-kva.example"),
        ("user@xn--bcher-kva.example", "user@xn--bcher-kva.example"),
        ("user@corp.internal", "user@corp.internal"),
        ("user@host.local", "user@host.local"),
        ("Ü@example.com", "ü@example.com"),
        ("user@a-b.example.com", "user@a-b.example.com"),
        ("nobody", None),
        ("user@example", None),
        ("a..b@example.com", None),
        ("User <user@example.com>", None),
        ("user@example.com, other@example.com", None),
        ("user\0@example.com", None),
        ("user@-example.com", None),
        (f"{'a' * 250}@example.com", None),
        ("", None),
        (None, None),
    ],
)
def test_an_email_is_lower_case_with_an_ascii_domain(
    engine: Engine, written: str | None, address: str | None
) -> None:
    """Special-use domains are somebody's to block too; two addresses are none."""
    assert address == ask(engine, "email_address($1)", written)


@pytest.mark.parametrize(
    ("written", "region", "address"),
    [
        ("+1 555 123 4567", None, "+15551234567"),
        ("+1 (555) 123-4567", None, "+15551234567"),
        ("(555) 123-4567", "US", "+15551234567"),
        ("555.123.4567", "US", "+15551234567"),
        ("5551234567", "US", "+15551234567"),
        ("15551234567", "US", "+15551234567"),
        ("555 123 4567 ext. 89", "US", "+15551234567"),
        ("tel:+1-555-123-4567", None, "+15551234567"),
        ("15551234567.0", "US", "+15551234567"),
        ("020 7946 0958", "GB", "+442079460958"),
        ("+44 (0)20 7946 0958", None, "+442079460958"),
        ("555 123 4567 x89", "US", "+15551234567"),
        ("5551234567EXTN 89", "US", "+15551234567"),
        ("TEL:+1-555-123-4567;ext=89", None, "+15551234567"),
        ("01115551234567", "US", "+15551234567"),
        ("ab5551234567", "US", None),
        ("call 5551234567", "US", None),
        ("5551234567 home", "US", None),
        ("555 123 4567 x", "US", None),
        ("call 5551234567 x89", "US", None),
        ("1-800-FLOWERS", "US", None),
        ("5551234567", None, None),
        ("123-4567", "US", None),
        ("+1555123456", None, None),
        ("5551234567;5551234568", "US", None),
        ("+15551234567\n+15551234568", "US", None),
        ("1.5551234E+10", "US", None),
        ("user@example.com", "US", None),
        ("5551234567", "XX", None),
        ("", "US", None),
        (None, "US", None),
    ],
)
def test_a_phone_number_is_e164_or_nothing(
    engine: Engine, written: str | None, region: str | None, address: str | None
) -> None:
    """Possible is enough; what only works locally, or may be two numbers, is none."""
    assert address == ask(engine, "phone_address($1)", written, region=region)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("1970-01-01T00:00:01Z", 1),
        ("1970-01-01T00:00:00.001Z", 1),
        ("1970-01-01T01:00:00+01:00", 0),
        (" 1970-01-01 ", 86_399),
        ("1970-01-01T00:01:00", 60),
        ("9999-12-31T23:59:59Z", 253_402_300_799),
        ("9999-12-31T23:59:59.5Z", None),
        ("2027-02-30T00:00:00Z", None),
        ("2027-01-01T24:00:00Z", None),
        ("never", None),
        ("31/12/2027", None),
        ("", None),
        (None, None),
    ],
)
def test_a_time_is_whole_seconds_rounded_up(
    engine: Engine, written: str | None, seconds: int | None
) -> None:
    """One rule with the rest of the program, in SQL where that is certain."""
    assert seconds == ask(engine, "end_seconds($1)", written)


@pytest.mark.parametrize(
    ("start", "written", "end"),
    [
        (0, "P90D", 90 * 86_400),
        (0, "P1Y", 365 * 86_400),
        (1, "PT0.5S", 2),
        (0, "P99999Y", None),
        (0, "90 days", None),
        (10**17, "P1D", None),
        (None, "P1D", None),
        (0, None, None),
    ],
)
def test_a_duration_counts_from_its_start(
    engine: Engine, start: int | None, written: str | None, end: int | None
) -> None:
    """What leaves the calendar has no end."""
    assert end == ask(engine, "duration_end($1, $2)", start, written)


@pytest.mark.parametrize(
    ("written", "naive"),
    [
        ("2027-01-01T00:00", True),
        ("2027-01-01 00:00:00.5", True),
        ("2027-01-01T00:00Z", False),
        ("2027-01-01T00:00+02:00", False),
        ("2027-01-01", False),
        ("never", False),
        (None, False),
    ],
)
def test_a_time_without_an_offset_is_naive(
    engine: Engine, written: str | None, *, naive: bool
) -> None:
    """A bare date is not."""
    assert naive is ask(engine, "is_naive($1)", written)


def test_threads_register_and_ask_at_once(engine: Engine) -> None:
    """Functions outlive the session that brought them, and nobody is in anybody's way."""
    found: list[object] = []

    def work() -> None:
        found.extend(ask(engine, "email_address($1)", f"{number}!@X.com") for number in range(5))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [f"{number}!@x.com" for number in range(5) for _ in threads] == sorted(map(str, found))


WRITTEN = st.text(st.sampled_from("aZ09@.-+_ ()'ßİ\u0130\u00e9e\u0301ü;,x"), max_size=24)
PHONES = st.from_regex(
    r"(\+1[ .-]?)?\(?[2-9][0-9]{2}\)?[ .-]?[0-9]{3}[ .-]?[0-9]{4}", fullmatch=True
)
EMAILS = st.from_regex(
    r"[A-Za-z0-9_+.-]{1,9}@([A-Za-z0-9-]{1,5}\.){1,3}[A-Za-z]{2,4}", fullmatch=True
)


@given(written=st.one_of(WRITTEN, EMAILS, st.emails()))
def test_an_email_in_sql_is_what_the_library_says(engine: Engine, written: str) -> None:
    """The short way and the long way agree, and an address is its own address."""
    address = normalise.email_address(written)

    assert address == ask(engine, "email_address($1)", written)
    assert address is None or address == normalise.email_address(address)


@given(written=st.one_of(WRITTEN, PHONES), region=st.sampled_from(["US", "GB", "DE", None]))
def test_a_phone_number_in_sql_is_what_the_library_says(
    engine: Engine, written: str, region: str | None
) -> None:
    """The short way and the long way agree, and an address is its own address anywhere."""
    address = normalise.phone_address(written, region or "")

    assert address == ask(engine, "phone_address($1)", written, region=region)
    assert address is None or address == normalise.phone_address(address, "")
