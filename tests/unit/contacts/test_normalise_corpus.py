"""What SQL decides by itself is what the libraries say, on all they have and on what is near it."""

import random
from collections import Counter
from collections.abc import Iterator
from itertools import islice

import phonenumbers
import pyarrow as pa
import pytest
from phonenumbers import PhoneMetadata, PhoneNumberFormat, PhoneNumberType

from reconciler import times
from reconciler.contacts import normalise, singly
from reconciler.contacts.engine import Engine

REGIONS = (*sorted(phonenumbers.SUPPORTED_REGIONS), "", "XX", "us")
SOME = (*REGIONS[-3:], *REGIONS[:-3:9], "AR", "BR", "BY", "DE", "GB", "IN", "JP", "RU", "US")
CODES = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)
FORMATS = (
    PhoneNumberFormat.E164,
    PhoneNumberFormat.INTERNATIONAL,
    PhoneNumberFormat.NATIONAL,
    PhoneNumberFormat.RFC3966,
)
DIGITS = "0123456789"
ODD_GAPS = ("\u2013", "\u00a0", "~", "x", ",", "  - ", "+", "\t", "*", "\uff10")
LOCALS = ("a", "Ab", "a.b", "a+b", "o'Hara", "!#$%&'*+-/=?^_`{|}~", "1", "-", "a--b", "ü", "info")
DOMAINS = (
    "x.com",
    "X.Y.co",
    "a-b.Org",
    "a--b.com",
    "ab--c.de",
    "xn--bcher-kva.example",
    "bücher.de",
)
OFFSETS = ("2027-01-01T00:30:00+02:00", "2027-12-31T23:30:00-13:45")
SPOILERS = (
    *'@. -_"<>()\\,;:[]\t\n\0',
    "..",
    "--",
    "@@",
    "\u00a0",
    "\u200b",
    "İ",
    "ß",
    "\uff0e",
    "\uff20",
)


def seeded() -> random.Random:
    """Return the same numbers by chance in every run."""
    return random.Random(20_261_123)  # noqa: S311 - nothing is secret


def numbers_of(region: str) -> Iterator[tuple[str, str]]:
    """Yield an example of every type of number: in E.164, and its national digits."""
    for kind in PhoneNumberType.values():
        example = phonenumbers.example_number_for_type(region, kind)
        if example is not None:
            yield (
                phonenumbers.format_number(example, PhoneNumberFormat.E164),
                phonenumbers.national_significant_number(example),
            )


def spelled(rng: random.Random, digits: str) -> str:
    """Put something between some of the digits, mostly what is usual."""
    gaps = ["", "", "", "", " ", "-", ".", " (", ") ", "/", rng.choice(ODD_GAPS)]
    made = "".join(
        digit + rng.choices(gaps, [9, 9, 9, 9, 4, 4, 4, 1, 1, 1, 0.2])[0] for digit in digits
    )
    return (
        rng.choice(("", "", "", "(", " ", "tel:"))
        + made
        + rng.choice(("", "", "", ".0", " x12", " "))
    )


def phones_around(rng: random.Random, region: str) -> Iterator[str]:
    """Yield the region's examples in all formats, with prefixes and digits more and less."""
    metadata = PhoneMetadata.metadata_for_region(region)
    assert metadata is not None
    code, trunk = str(metadata.country_code), metadata.national_prefix or "0"
    abroad = "".join(filter(str.isdigit, metadata.international_prefix or "00"))[:4]
    leads = ["", trunk, code, f"+{code}", f"+{code}{trunk}", f"+{code} (0)", abroad + code]
    leads += [f"00{code}", code + trunk, f"+{trunk}", f"+{rng.choice(CODES)}", "0", "1", "8", "+"]
    for whole, digits in set(numbers_of(region)):
        parsed = phonenumbers.parse(whole)
        for wanted in FORMATS:
            text = phonenumbers.format_number(parsed, wanted)
            yield from (text, text[:-1], text + rng.choice(DIGITS), f"{text}.0", f"{text} ext. 5")
        for lead in leads:
            for body in (digits, digits[:-1], digits + rng.choice(DIGITS), digits[1:]):
                yield lead + body
                yield spelled(rng, lead + body)
    for _ in range(200):
        lead = rng.choice([*leads, abroad, abroad + str(rng.choice(CODES))])
        body = "".join(rng.choices(DIGITS, k=rng.randrange(19)))
        yield rng.choice((lead + body, spelled(rng, lead + body)))


def emails(rng: random.Random) -> Iterator[str]:
    """Yield addresses of a grammar, most of them then spoiled somewhere."""
    while True:
        domain = ".".join(
            rng.choices((*DOMAINS, "a" * 63, "b" * 64, "c" * 50), [9] * 7 + [1] * 3, k=1)
        )
        local = rng.choice(LOCALS) * rng.choice((1, 1, 1, 1, 30))
        text = f"{local}@{rng.choice(('', '', 'sub.', 'd.' * 100))}{domain}"
        for _ in range(rng.randrange(3)):
            at = rng.randrange(len(text) + 1)
            text = text[:at] + rng.choice(SPOILERS) + text[at + rng.randrange(2) :]
        yield (
            rng.choice(("", "", "", " ", "\t", "\u00a0"))
            + text
            + rng.choice(("", "", "", " ", "\n"))
        )


ASKED = "CREATE TEMP MACRO slow_phone_address(written, region) AS 'asked'"
"""In a session of this the library is not there, and says that it was asked."""


def answers(
    engine: Engine, call: str, texts: list[str], region: str, more: str = ""
) -> list[object]:
    """Return what one call gives for each text."""
    with engine.session() as session:
        normalise.register(session, region=region)
        if more:
            session.execute(more)
        session.register("texts", pa.table({"place": range(len(texts)), "text": texts}))
        found = session.sql(
            f"SELECT {call} FROM (SELECT *, bare_phone(text) AS bare FROM texts) ORDER BY place"  # noqa: S608 - ours
        ).fetchall()
    return [row[0] for row in found]


@pytest.mark.parametrize(
    ("regions", "least"),
    [
        pytest.param(SOME, 20_000, id="some"),
        pytest.param(REGIONS, 160_000, id="all", marks=pytest.mark.scale),
    ],
)
def test_phone_numbers_in_sql_are_what_the_library_says(
    engine: Engine, regions: tuple[str, ...], least: int
) -> None:
    """Whatever is decided without the library is decided as it would, wherever it is written."""
    rng = seeded()
    compared = 0
    wrong = []

    for region in regions:
        around = region if region in phonenumbers.SUPPORTED_REGIONS else rng.choice(SOME[3:])
        texts = list(dict.fromkeys(phones_around(rng, around)))
        compared += len(texts)
        written, bare = (
            answers(engine, f"phone_address({each})", texts, region) for each in ("text", "bare")
        )
        for text, *found in zip(texts, written, bare, strict=True):
            if found != [normalise.phone_address(text, region)] * 2:
                wrong.append((region, text, found))

    assert [] == wrong
    assert compared >= least


@pytest.mark.parametrize(
    "count", [10_000, pytest.param(60_000, id="many", marks=pytest.mark.scale)]
)
def test_emails_in_sql_are_what_the_library_says(engine: Engine, count: int) -> None:
    """Case, blanks, lengths, labels and everything that spoils an address are judged alike."""
    texts = list(islice(emails(seeded()), count))

    found = answers(engine, "email_address(text)", texts, "")

    assert found == [normalise.email_address(text) for text in texts]
    assert sum(address is not None for address in found) > count / 9


def test_e164_of_every_calling_code_needs_no_library(engine: Engine) -> None:
    """Of a code's examples a few at most are left to the library, though no region is known."""
    texts = sorted({whole for region in REGIONS[:-3] for whole, _ in numbers_of(region)})
    texts += [
        phonenumbers.format_number(example, PhoneNumberFormat.E164)
        for example in map(phonenumbers.example_number_for_non_geo_entity, CODES)
        if example is not None
    ]

    found = answers(engine, "phone_address(text)", texts, "", more=ASKED)

    asked = Counter(
        phonenumbers.parse(text).country_code
        for text, address in zip(texts, found, strict=True)
        if address == "asked"
    )
    codes = Counter(phonenumbers.parse(text).country_code for text in texts)
    assert {None, "asked", *texts} >= set(found)
    assert set(CODES) == set(codes)
    assert asked.total() < len(texts) / 50
    assert not [code for code in codes if asked[code] == codes[code]]


@pytest.mark.parametrize(
    "region", ["US", "GB", "DE", "FR", "IT", "ES", "NL", "BR", "IN", "JP", "AU"]
)
def test_ordinary_spellings_of_a_region_need_no_library(engine: Engine, region: str) -> None:
    """National and international forms, with the usual separators, are decided in SQL."""
    numbers = [phonenumbers.parse(whole) for whole, _ in sorted(set(numbers_of(region)))]
    texts = [
        phonenumbers.format_number(number, wanted) for number in numbers for wanted in FORMATS[:3]
    ]
    texts += ["n/a", "-", "12", "unknown@example.com"]

    found = answers(engine, "phone_address(text)", texts, region, more=ASKED)

    assert found.count("asked") <= len(texts) / 20
    assert [None] * 4 == found[-4:]


@pytest.mark.parametrize(
    "text",
    [
        "a.b+c@Example.co",
        " A@x.org\t",
        "nobody",
        "a@b",
        "a b@x.com",
        "a@x_y.com",
        "<a@x.com>",
        "a@.de",
    ],
)
def test_ascii_emails_need_no_library(engine: Engine, text: str) -> None:
    """Whether they are addresses or not."""
    more = "CREATE TEMP MACRO slow_email_address(written) AS 'asked'"

    (found,) = answers(engine, "email_address(text)", [text], "", more=more)

    assert normalise.email_address(text) == found


def test_times_in_sql_are_what_python_says(engine: Engine) -> None:
    """Ends, naive times and durations, as they are written and with a character changed."""
    rng = seeded()
    texts = ["", " ", "never", "P90D", " P1D", "p1d", "\u00a0P1D", "2027-01-01\n"]
    for text in (
        "2027-01-01T00:00:00Z",
        "2028-02-29",
        "2027-12-31T23:59:60Z",
        "0001-01-01",
        "P1Y",
        *OFFSETS,
    ):
        for _ in range(400):
            at = rng.randrange(len(text) + 1)
            made = text[:at] + rng.choice("0123456789-:TtZz+. Px") + text[at + rng.randrange(2) :]
            texts += [text, made]

    ends = answers(engine, "end_seconds(text)", texts, "")
    naive = answers(engine, "is_naive(text)", texts, "")
    lasting = answers(engine, "coalesce(is_duration(text), false)", texts, "")
    tidy = answers(engine, "tidy(text)", texts, "")

    assert [singly.end_seconds(text) for text in texts] == ends
    assert [times.is_naive(text) for text in texts] == naive
    assert [text.strip(normalise.BLANK).startswith("P") for text in texts] == lasting
    assert [text.strip(normalise.BLANK) or None for text in texts] == tidy
