import time
from pathlib import Path

import pytest
from sandbox_calls import CONTACTS, LATER, LIST, Clock, calling, contacts, etag, post

USER = "user1@example.com"
PHONE = "+15555550101"


def test_a_contact_is_stored_as_sent_without_its_nulls(tmp_path: Path) -> None:
    """What was left out is left out of the page as well."""
    sent = {"email": USER, "reason": "DNC", "suppressUntil": LATER, "version": 7}
    with calling(tmp_path) as client:
        answer = post(client, sent, {"phoneNumber": PHONE, "reason": None})

        found = contacts(client)

    assert (201, "COMPLETED", 2) == (
        answer.status_code,
        answer.json()["status"],
        answer.json()["contactCount"],
    )
    assert [] == answer.json()["validationErrors"]
    assert [sent, {"phoneNumber": PHONE, "version": 1}] == found


def test_a_write_of_contacts_moves_the_version_and_tells_it(tmp_path: Path) -> None:
    """The list, the page and the answer to the write agree on it."""
    with calling(tmp_path) as client:
        before = etag(client)

        written = post(client, {"email": USER}).headers["ETag"]
        page = client.get(CONTACTS).headers["ETag"]

        assert before != written == page == etag(client)


def test_a_contact_is_matched_by_its_identifier_however_spelled(tmp_path: Path) -> None:
    """Case and blanks of an email, marks of a phone do not make another contact."""
    with calling(tmp_path) as client:
        post(client, {"email": USER}, {"phoneNumber": PHONE})

        post(client, {"email": " USER1@Example.com "}, {"phoneNumber": "+1 (555) 555-0101"})
        found = contacts(client)

    assert [
        {"email": "USER1@Example.com", "version": 2},
        {"phoneNumber": "+1 (555) 555-0101", "version": 2},
    ] == found


def test_a_phone_without_its_plus_is_another_phone(tmp_path: Path) -> None:
    """The service assumes no region."""
    with calling(tmp_path) as client:
        post(client, {"phoneNumber": PHONE}, {"phoneNumber": "5555550101"})

        assert 2 == len(contacts(client))


def test_a_body_replaces_all_of_the_contact_it_matches(tmp_path: Path) -> None:
    """Naming one identifier of a contact with two drops the other."""
    with calling(tmp_path) as client:
        post(client, {"email": USER, "phoneNumber": PHONE, "reason": "DNC"})

        answer = post(client, {"email": USER, "reason": "BOUNCE"})
        found = contacts(client)

    assert [{"email": USER, "reason": "BOUNCE", "version": 2}] == found
    assert 1 == answer.json()["contactCount"]


def test_a_body_with_two_identifiers_replaces_every_contact_it_matches(tmp_path: Path) -> None:
    """Two contacts become one, in the place of the first, one version after the newest."""
    with calling(tmp_path) as client:
        post(client, {"email": USER}, {"email": "user2@example.com"})
        post(client, {"phoneNumber": PHONE, "version": 5})

        answer = post(client, {"email": USER, "phoneNumber": PHONE})
        found = contacts(client)

    assert [
        {"email": USER, "phoneNumber": PHONE, "version": 6},
        {"email": "user2@example.com", "version": 1},
    ] == found
    assert 2 == answer.json()["contactCount"]


def test_two_bodies_may_part_one_contact(tmp_path: Path) -> None:
    """The first replaces it, the second finds nothing left to replace."""
    with calling(tmp_path) as client:
        post(client, {"email": USER, "phoneNumber": PHONE, "version": 4})

        post(client, {"phoneNumber": PHONE}, {"email": USER})
        found = contacts(client)

    assert [{"phoneNumber": PHONE, "version": 5}, {"email": USER, "version": 1}] == found


def test_a_version_is_stored_as_sent(tmp_path: Path) -> None:
    """Also one that is not the next."""
    with calling(tmp_path) as client:
        post(client, {"email": USER})

        post(client, {"email": USER, "version": 40})

        assert [{"email": USER, "version": 40}] == contacts(client)


@pytest.mark.parametrize(
    ("row", "code", "field"),
    [
        ({"reason": "DNC"}, "NO_IDENTIFIER", ""),
        ({"email": None, "phoneNumber": None}, "NO_IDENTIFIER", ""),
        ({"email": "nobody"}, "INVALID_EMAIL", "email"),
        ({"email": ""}, "INVALID_EMAIL", "email"),
        ({"email": 1}, "INVALID_EMAIL", "email"),
        ({"phoneNumber": "12"}, "INVALID_PHONE", "phoneNumber"),
        ({"phoneNumber": "555-CALL-NOW"}, "INVALID_PHONE", "phoneNumber"),
        ({"phoneNumber": 15555550101}, "INVALID_PHONE", "phoneNumber"),
        ({"email": USER, "reason": "SPAM"}, "INVALID_REASON", "reason"),
        ({"email": USER, "reason": "dnc"}, "INVALID_REASON", "reason"),
        ({"email": USER, "reason": ["DNC"]}, "INVALID_REASON", "reason"),
        ({"email": USER, "suppressUntil": "2026-11-23T10:15:00Z"}, "PAST_DATE", "suppressUntil"),
        ({"email": USER, "suppressUntil": "2027-12-31"}, "INVALID_DATE", "suppressUntil"),
        ({"email": USER, "suppressUntil": "2027-12-31T00:00:00"}, "INVALID_DATE", "suppressUntil"),
        ({"email": USER, "suppressUntil": "2027-13-01T00:00:00Z"}, "INVALID_DATE", "suppressUntil"),
        ({"email": USER, "version": "1"}, "INVALID_VERSION", "version"),
        ({"email": USER, "version": True}, "INVALID_VERSION", "version"),
        ({"email": USER, "version": 0}, "INVALID_VERSION", "version"),
        ({"email": USER, "version": 2**70}, "INVALID_VERSION", "version"),
        ({"email": USER, "note": "x"}, "UNKNOWN_FIELD", ""),
        (USER, "INVALID", ""),
    ],
)
def test_a_bad_row_is_named_and_costs_no_other(
    tmp_path: Path, row: object, code: str, field: str
) -> None:
    """The complaint stands inside a 201 and its message repeats no identifier."""
    with calling(tmp_path) as client:
        answer = post(client, {"email": "user2@example.com"}, row, {"phoneNumber": PHONE})

        found = contacts(client)

    errors = answer.json()["validationErrors"]
    assert (201, 1) == (answer.status_code, len(errors))
    assert (1, code, field) == (errors[0]["index"], errors[0]["code"], errors[0]["field"])
    assert USER not in errors[0]["message"]
    assert ["user2@example.com", None] == [each.get("email") for each in found]


def test_a_complaint_carries_the_identifier_as_sent(tmp_path: Path) -> None:
    """So that a caller can find the row by it."""
    with calling(tmp_path) as client:
        answer = post(client, {"phoneNumber": "+1 555 555 0101", "reason": "SPAM"})

    assert "+1 555 555 0101" == answer.json()["validationErrors"][0]["identifier"]


def test_a_batch_of_bad_rows_leaves_the_version(tmp_path: Path) -> None:
    """Nothing was written, so nothing has changed."""
    with calling(tmp_path) as client:
        before = etag(client)

        answer = post(client, {"email": "nobody"})

        assert 201 == answer.status_code
        assert before == answer.headers["ETag"] == etag(client)


def test_an_identifier_twice_in_a_batch_refuses_all_of_it(tmp_path: Path) -> None:
    """The rows that repeat one are named, in whichever spelling, and nothing is taken."""
    with calling(tmp_path) as client:
        answer = post(
            client,
            {"email": USER},
            {"phoneNumber": PHONE},
            {"email": USER.upper()},
            {"email": "user2@example.com", "phoneNumber": "+1 555-555-0101"},
        )

        left = contacts(client)

    errors = answer.json()["validationErrors"]
    assert (422, "REJECTED") == (answer.status_code, answer.json()["status"])
    assert [(2, "email", "DUPLICATE"), (3, "phoneNumber", "DUPLICATE")] == [
        (each["index"], each["field"], each["code"]) for each in errors
    ]
    assert [] == left


@pytest.mark.parametrize("body", [{}, {"contacts": []}, {"contacts": {}}, {"contacts": None}])
def test_a_body_without_contacts_is_refused(tmp_path: Path, body: object) -> None:
    """It names the field that is missing."""
    with calling(tmp_path) as client:
        answer = client.post(CONTACTS, json=body)

    assert (422, "NO_CONTACTS") == (
        answer.status_code,
        answer.json()["validationErrors"][0]["code"],
    )


def test_more_than_ten_thousand_are_too_many(tmp_path: Path) -> None:
    """Exactly as many are taken."""
    rows = [{"email": f"user{number}@example.com"} for number in range(10_001)]
    with calling(tmp_path) as client:
        over = post(client, *rows)
        exact = post(client, *rows[1:])

    assert (413, "TOO_MANY") == (over.status_code, over.json()["code"])
    assert (201, 10_000) == (exact.status_code, exact.json()["contactCount"])


def test_pages_follow_each_other_in_a_stable_order(tmp_path: Path) -> None:
    """A contact that was replaced keeps its place; past the end a page is empty."""
    rows = [{"email": f"user{number}@example.com"} for number in range(5)]
    with calling(tmp_path) as client:
        post(client, *rows)
        post(client, rows[3] | {"reason": "DNC"}, rows[1])

        pages = [contacts(client, skip=skip, top=2) for skip in (0, 2, 4, 6)]

    emails = [[contact["email"] for contact in page] for page in pages]
    names = [row["email"] for row in rows]
    assert [names[:2], names[2:4], names[4:], []] == emails


def test_a_page_is_clamped_and_the_total_is_of_the_whole_list(tmp_path: Path) -> None:
    """Asking for more than a page holds is no error."""
    with calling(tmp_path, max_page=2) as client:
        post(client, *({"email": f"user{number}@example.com"} for number in range(5)))

        asked = client.get(CONTACTS, params={"top": 50_000}).json()
        silent = client.get(CONTACTS).json()

    assert (2, 5) == (len(asked["contacts"]), asked["totalRecords"])
    assert asked == silent


@pytest.mark.parametrize("query", ["skip=-1", "top=0", "top=x", "skip=1e3", f"skip={2**80}"])
def test_a_page_that_makes_no_sense_is_a_bad_request(tmp_path: Path, query: str) -> None:
    """Neither a negative start nor an empty page."""
    with calling(tmp_path) as client:
        answer = client.get(f"{CONTACTS}?{query}")

    assert 400 == answer.status_code
    assert {"code", "message"} == answer.json().keys()


def test_a_contact_stays_readable_after_its_end(tmp_path: Path) -> None:
    """It does not suppress any more, and is still on the list."""
    clock = Clock()
    with calling(tmp_path, now=clock) as client:
        post(client, {"email": USER, "suppressUntil": "2026-11-23T10:20:00Z"})
        clock.moment = clock.moment.replace(minute=30)

        assert 1 == len(contacts(client))
        assert 1 == client.get(LIST).json()["contactCount"]


def test_a_full_batch_and_a_full_page_take_no_time(tmp_path: Path) -> None:
    """Well under a second each; the bound is loose, for slow machines."""
    rows = [
        {"phoneNumber": f"+1555{number:07d}", "reason": "DNC", "suppressUntil": LATER}
        for number in range(10_000)
    ]
    with calling(tmp_path) as client:
        post(client, *rows)
        start = time.monotonic()

        post(client, *rows)
        page = contacts(client)
        took = time.monotonic() - start

    assert 10_000 == len(page)
    assert took < 5
