"""What goes over the wire in the ``lists`` dialect, as the stranger remembers it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from loopback import Answer
from services import CLIENT, END, SETTINGS, addresses, meeting, read, rows, sandbox_on_a_socket
from stranger import Manners

from reconciler.errors import AuthError, RequestRefusedError, ServiceError
from reconciler.model import Change

PAST = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the made-up credentials where the tenants look for them."""
    for name, value in CLIENT.items():
        monkeypatch.setenv(name, value)


def test_wrong_credentials_are_refused_without_repeating_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The error holds neither the id nor the secret."""
    monkeypatch.setenv("TRIED_SECRET", "made-up-and-wrong")

    with meeting(Manners()) as (_, writer, _), pytest.raises(AuthError) as refused:
        writer.sign_in()

    told = f"{refused.value!r} {refused.value.hint}"
    assert "made-up-and-wrong" not in told


def test_a_token_that_hardly_lives_is_good_enough() -> None:
    """A life shorter than the margin of renewal means a token a request, not none at all."""
    with meeting(Manners(token_life=5)) as (service, writer, _):
        list_id = service.add_list("Kept list")

        for _ in range(3):
            writer.get(list_id)

        asked = [one.path for one in service.asked if one.method == "GET"]
        assert len(asked) == 3


def test_a_long_lived_token_is_kept() -> None:
    """One token serves many requests."""
    with meeting(Manners(token_life=3600)) as (service, writer, _):
        list_id = service.add_list("Kept list")

        for _ in range(3):
            writer.get(list_id)

        asked = [one.path for one in service.asked if one.path == "/oauth/token"]
        assert len(asked) == 1


def test_a_change_sends_its_field_and_the_version_as_received() -> None:
    """An ETag is opaque: whatever its letters, it goes back as it came."""
    with meeting(Manners()) as (service, writer, _):
        list_id = service.add_list("Kept list")
        for number in range(7):
            seen = writer.get(list_id)
            change = Change(field="description", old=None, new=f"Turn {number}")

            writer.update(list_id, [change], version=seen.version)

            asked = service.asked[-1]
            assert {"description": f"Turn {number}"} == asked.json
            assert seen.version == asked.headers["if-match"]


def test_a_batch_names_one_identifier_a_contact_and_no_nulls() -> None:
    """The body holds what there is, and the end in UTC with a Z."""
    with meeting(Manners()) as (service, writer, _):
        list_id = service.add_list("Kept list")

        writer.send(list_id, rows(("user1@example.com", END), ("+12025550101", None)))

        expected = [
            {
                "email": "user1@example.com",
                "reason": "DNC",
                "suppressUntil": "2031-05-06T07:08:09Z",
                "version": 1,
            },
            {"phoneNumber": "+12025550101", "reason": "DNC", "version": 1},
        ]
        assert {"contacts": expected} == service.asked[-1].json


def test_a_new_list_is_a_suppression_list() -> None:
    """No other type is ever made."""
    with meeting(Manners()) as (service, writer, _):
        writer.create(SETTINGS)

        expected = {
            "name": "Kept list",
            "description": "Kept by a spec",
            "listType": "suppression",
            "suppressUntil": "2031-05-06T07:08:09Z",
        }
        assert expected == service.asked[-1].json


def test_an_unknown_answer_to_a_new_list_is_not_sent_again() -> None:
    """Exactly one request to make a list goes out."""
    with meeting(Manners()) as (service, writer, _):
        service.before("POST", "/api/v2/lists", 1, lambda: Answer(status=504, body=b""))

        with pytest.raises(ServiceError):
            writer.create(SETTINGS)

        made = [one for one in service.asked if (one.method, one.path) == ("POST", "/api/v2/lists")]
        assert len(made) == 1


def test_a_busy_service_may_put_off_a_new_list() -> None:
    """A 429 says that nothing was done: that one is sent again."""
    with meeting(Manners()) as (service, writer, _):
        service.before("POST", "/api/v2/lists", 1, service.busy)

        made = writer.create(SETTINGS)

        assert made.id == "L-1.x"


def test_a_batch_that_is_too_large_is_not_taken() -> None:
    """A 413 is an answer about the batch, not the end of the list: smaller ones go through."""
    with meeting(Manners(largest=2)) as (service, writer, _):
        list_id = service.add_list("Kept list")
        three = [(f"user{number}@example.com", END) for number in range(3)]

        sent = writer.send(list_id, rows(*three))

        assert (sent.taken, sent.errors, sent.unnamed) == (False, (), ())
        assert service.contacts(list_id) == ()
        assert writer.send(list_id, rows(*three[:2])).taken


def test_a_refusal_without_names_takes_nothing() -> None:
    """A 422 that names no row says that nothing was taken, and no more."""
    with meeting(Manners(bad_row="whole", complaint="code")) as (service, writer, _):
        list_id = service.add_list("Kept list")

        sent = writer.send(list_id, rows(("user1@example.com", END), ("+12025550101", PAST)))

        assert (sent.taken, sent.errors) == (False, ())
        assert service.contacts(list_id) == ()


def test_a_row_is_found_by_its_identifier_in_another_spelling() -> None:
    """A complaint may name the row the way the service spells it."""
    with meeting(Manners(complaint="identifier")) as (service, writer, _):
        list_id = service.add_list("Kept list")
        service.unwelcome["+12025550102"] = "NOT_A_LINE"

        sent = writer.send(list_id, rows(*((f"+1202555010{number}", END) for number in range(4))))

        assert [(error.index, error.code) for error in sent.errors] == [(2, "NOT_A_LINE")]
        assert "2025550102" not in repr(sent)


def test_a_page_is_asked_for_at_the_end_of_what_was_received() -> None:
    """Rows received move the walk on, not rows asked for; no page is larger than allowed.

    What is fetched ahead may arrive in any order.
    """
    with meeting(Manners(page=4)) as (service, writer, _):
        list_id = service.add_list("Kept list")
        for number in range(10):
            service.put(list_id, email=f"user{number}@example.com")

        read(writer, list_id)

        queries = [one.path.partition("?")[2] for one in service.asked if "contacts" in one.path]
        skips = [int(query.partition("skip=")[2].partition("&")[0]) for query in queries]
        tops = {int(query.partition("top=")[2].partition("&")[0]) for query in queries}
        assert skips[0] == 0
        assert sorted(skips) == [0, 4, 8, 10]
        assert max(tops) <= 10_000


def test_an_occasionally_busy_service_is_read_whole() -> None:
    """Put off time and again, nothing is lost and nothing comes twice."""
    with meeting(Manners(page=3, busy_every=5, token_life=3600)) as (service, writer, meter):
        list_id = service.add_list("Kept list")
        for number in range(10):
            service.put(list_id, email=f"user{number}@example.com")

        _, contacts = read(writer, list_id)

        assert [f"user{number}@example.com" for number in range(10)] == addresses(contacts)
        assert meter.snapshot()["waits"]


def test_the_difference_of_clocks_is_noticed() -> None:
    """A release must not be dated in the service's past."""
    with meeting(Manners(ahead=timedelta(seconds=90))) as (service, writer, _):
        assert writer.skew == timedelta()

        writer.get(service.add_list("Kept list"))

        assert 85 <= writer.skew.total_seconds() <= 95


def test_a_list_of_another_type_is_shown_as_what_it_is() -> None:
    """Its type is told; never writing it is the caller's promise, refusing it the service's."""
    with meeting(Manners()) as (service, writer, _):
        list_id = service.add_list("Callers", kind="calling")

        assert writer.get(list_id).type == "calling"


def test_a_request_the_service_does_not_understand_is_not_repeated() -> None:
    """A 400 is final."""
    with meeting(Manners()) as (service, writer, meter):
        list_id = service.add_list("Kept list")
        service.before("GET", "/api/v2/lists/*", 1, lambda: Answer(status=400, body=b""))

        with pytest.raises(RequestRefusedError):
            writer.get(list_id)

        assert meter.snapshot()["retries"] == 0


def test_compressed_batches_arrive_as_they_are(tmp_path: Path) -> None:
    """Where the tenant says that its service takes them."""
    batch = rows(*((f"user{number}@example.com", END) for number in range(60)))

    with sandbox_on_a_socket(tmp_path, "none", compress=True) as met:
        made = met.writer.create(SETTINGS)
        met.writer.send(made.id, batch)
        _, held = read(met.writer, made.id)

    assert sorted(batch.column("email").to_pylist()) == addresses(held)
