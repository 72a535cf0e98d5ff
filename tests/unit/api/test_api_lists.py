import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pyarrow as pa
import pytest
from scripted import World, opened

from reconciler.api import lists
from reconciler.api.port import BATCH, Sent, Writer
from reconciler.errors import (
    InterruptedRunError,
    NotFoundError,
    RequestRefusedError,
    ServiceError,
    VersionConflictError,
)
from reconciler.model import LISTS, Change, Settings

LIST = {
    "id": "7f",
    "name": "US Do Not Call",
    "description": None,
    "listType": "suppression",
    "suppressUntil": "2027-01-01T00:00:00Z",
    "contactCount": 2,
}
END = datetime(2027, 1, 1, tzinfo=UTC)
RENAME = Change(field="name", old="US Do Not Call", new="US DNC")
EMAIL, PHONE = "jane.doe@example.com", "+15555550123"
ROWS = pa.Table.from_pylist(
    [
        {"row": 0, "email": EMAIL, "reason": "DNC", "until": 1830297599, "version": 1},
        {"row": 1, "phone": PHONE, "reason": "DNC", "version": 2},
    ],
    schema=BATCH,
)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Open the way to a scripted service."""
    with opened(monkeypatch) as made:
        yield made


def listed(http: int = 200, etag: str = '"v1"', **fields: Any) -> httpx.Response:
    """Return a list's metadata."""
    return httpx.Response(http, json={**LIST, **fields}, headers={"etag": etag})


def page(*contacts: object, total: object = 2, etag: str = '"v1"') -> httpx.Response:
    """Return a page of contacts."""
    body = {"contacts": contacts, "totalRecords": total}
    return httpx.Response(200, json=body, headers={"ETag": etag})


def sent(world: World) -> object:
    """Return the body of the last request."""
    return orjson.loads(world.service.seen[-1].content)


def test_it_is_a_writer_of_its_dialect(world: World) -> None:
    """It does what the port promises, with the capabilities of the dialect."""
    writer: Writer = world.lists

    assert writer.capabilities == LISTS


# ---------------------------------------------------------------- metadata


def test_a_list_is_read_with_its_version(world: World) -> None:
    """Every setting has a value, and the ETag is as it came."""
    world.service.steps = [listed(etag='W/"odd"')]

    found = world.lists.get("7f")

    settings = Settings(name="US Do Not Call", description=None, suppress_until=END)
    assert ("7f", settings, "suppression", 2, 'W/"odd"') == (
        found.id,
        found.settings,
        found.type,
        found.count,
        found.version,
    )


def test_an_id_is_quoted_in_the_path(world: World) -> None:
    """Whatever stands in a spec stays one segment."""
    world.service.steps = [listed(id="a/b ?c")]

    world.lists.get("a/b ?c")

    assert ["GET /api/v2/lists/a%2Fb%20%3Fc"] == world.service.asked


def test_a_list_without_an_etag_or_count_says_so(world: World) -> None:
    """An absent version is empty, an absent count is not nought."""
    world.service.steps = [httpx.Response(200, json={"id": 7, "name": "A", "contactCount": "2"})]

    found = world.lists.get("7")

    assert ("7", "", None, "") == (found.id, found.version, found.count, found.type)


@pytest.mark.parametrize(
    "fields",
    [
        {"id": "other"},
        {"id": None},
        {"name": None},
        {"suppressUntil": "soon"},
        {"suppressUntil": 1830297599},
        {"suppressUntil": ""},
    ],
    ids=repr,
)
def test_an_answer_that_is_no_such_list_is_an_error(world: World, fields: dict[str, Any]) -> None:
    """Another list's metadata, or an end that cannot be read, is never taken."""
    world.service.steps = [listed(**fields)]

    with pytest.raises(ServiceError, match="not what the API promises"):
        world.lists.get("7f")


def test_a_list_is_found_by_exactly_its_name(world: World) -> None:
    """What the service finds besides is no match; the one found is read for its version."""
    others = [{"id": "1", "name": "us do not call"}, {"id": "2", "name": "US Do Not Call 2"}]
    world.service.steps = [httpx.Response(200, json={"lists": [*others, LIST, LIST]}), listed()]

    found = world.lists.find("US Do Not Call")

    assert found is not None
    assert found.version == '"v1"'
    expected = ["GET /api/v2/lists?name=US%20Do%20Not%20Call", "GET /api/v2/lists/7f"]
    assert expected == [each.replace("+", "%20") for each in world.service.asked]


def test_no_list_of_a_name_is_none(world: World) -> None:
    """It is no error not to exist."""
    world.service.steps = [httpx.Response(200, json={"lists": []})]

    assert world.lists.find("US Do Not Call") is None


def test_two_lists_of_a_name_are_an_error(world: World) -> None:
    """Which one is meant, only a spec can say."""
    found = httpx.Response(200, json={"lists": [LIST, {**LIST, "id": "8"}]})
    world.service.steps = [found]

    with pytest.raises(NotFoundError, match="2 lists"):
        world.lists.find("US Do Not Call")


@pytest.mark.parametrize("found", [None, {}, ["7f"], [{"name": "US Do Not Call"}]])
def test_a_search_answered_with_something_else_is_an_error(world: World, found: object) -> None:
    """Not finding is only believed where it is said as promised."""
    world.service.steps = [httpx.Response(200, json={"lists": found})]

    with pytest.raises(ServiceError, match="not what the API promises"):
        world.lists.find("US Do Not Call")


def test_only_changed_fields_are_sent_guarded_by_the_version(world: World) -> None:
    """A cleared end is a null, since an absent key would leave it."""
    world.service.steps = [listed(etag='"v2"', name="US DNC", suppressUntil=None)]
    cleared = Change(field="suppressUntil", old="2027-01-01T00:00:00Z", new=None)

    changed = world.lists.update("7f", [RENAME, cleared], version='W/"v1"')

    assert sent(world) == {"name": "US DNC", "suppressUntil": None}
    request = world.service.seen[-1]
    assert ("PATCH", 'W/"v1"') == (request.method, request.headers["if-match"])
    assert (None, '"v2"') == (changed.settings.suppress_until, changed.version)


@pytest.mark.parametrize("status", [409, 412])
def test_an_old_version_is_a_conflict(world: World, status: int) -> None:
    """It is sent once, and what to do then is the caller's to decide."""
    world.service.steps = [httpx.Response(status)]

    with pytest.raises(VersionConflictError, match=f"list 7f: .*{status}"):
        world.lists.update("7f", [RENAME], version='"v1"')

    assert 1 == len(world.service.seen)
    assert 1 == world.counts()["conflicts"]


@pytest.mark.parametrize(
    "lost",
    [httpx.ReadError("reset"), httpx.Response(502), httpx.Response(200, text='{"id":')],
    ids=repr,
)
def test_a_change_whose_answer_was_lost_is_no_conflict(
    world: World, lost: httpx.Response | Exception
) -> None:
    """The repeated request meets its own effect."""
    end = Change(field="suppressUntil", old=None, new="2027-01-01T00:00:00Z")
    about = Change(field="description", old=None, new="x")
    done = listed(etag='"v2"', name="US DNC", description="x")
    world.service.steps = [lost, httpx.Response(409), done]

    changed = world.lists.update("7f", [RENAME, end, about], version='"v1"')

    assert changed.version == '"v2"'
    assert 0 == world.counts()["conflicts"]


def test_a_lost_answer_and_a_strangers_change_is_a_conflict(world: World) -> None:
    """The list does not hold what we asked for."""
    world.service.steps = [httpx.Response(503), httpx.Response(409), listed(name="Mine now")]

    with pytest.raises(VersionConflictError):
        world.lists.update("7f", [RENAME], version='"v1"')


def test_a_change_that_cannot_be_guarded_is_not_sent(world: World) -> None:
    """Without a version nobody knows what is overwritten."""
    with pytest.raises(ServiceError, match="no ETag"):
        world.lists.update("7f", [RENAME], version="")

    assert [] == world.service.seen


def test_refused_settings_are_an_error_with_the_code(world: World) -> None:
    """Which setting, the service's code may tell."""
    answer = httpx.Response(422, json={"code": "PAST_DATE", "message": EMAIL})
    world.service.steps = [answer]

    with pytest.raises(RequestRefusedError, match="422 PAST_DATE") as caught:
        world.lists.update("7f", [RENAME], version='"v1"')

    assert EMAIL not in str(caught.value)


# ---------------------------------------------------------------- creation


def test_a_list_is_made_with_what_is_declared(world: World) -> None:
    """Unmanaged fields and an absent end are left out."""
    world.service.steps = [listed(201), listed(200)]

    made = world.lists.create(Settings(name="US Do Not Call", suppress_until=END))
    world.lists.create(Settings(name="US Do Not Call", description=None, suppress_until=None))

    bodies = [orjson.loads(each.content) for each in world.service.seen]
    assert made.id == "7f"
    assert [
        {
            "name": "US Do Not Call",
            "suppressUntil": "2027-01-01T00:00:00Z",
            "listType": "suppression",
        },
        {"name": "US Do Not Call", "listType": "suppression"},
    ] == bodies


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.Response(500),
        httpx.Response(502),
        httpx.Response(503),
        httpx.Response(504),
        httpx.ReadTimeout("slow"),
        httpx.ReadError("reset"),
        httpx.RemoteProtocolError("cut off"),
        httpx.Response(201, text='{"id":'),
    ],
    ids=repr,
)
def test_creation_is_never_repeated_where_it_may_have_happened(
    world: World, trouble: httpx.Response | Exception
) -> None:
    """The error says that it is not known, and one request was sent."""
    world.service.steps = [trouble]

    with pytest.raises(ServiceError, match="not known whether it was done"):
        world.lists.create(Settings(name="New"))

    assert 1 == len(world.service.seen)


@pytest.mark.parametrize(
    "harmless",
    [
        httpx.Response(429, headers={"retry-after": "3"}),
        httpx.ConnectError("refused"),
        httpx.ConnectTimeout("slow"),
        httpx.Response(401),
    ],
    ids=repr,
)
def test_creation_is_repeated_where_it_certainly_did_not_happen(
    world: World, harmless: httpx.Response | Exception
) -> None:
    """Put off, not reached or not admitted: nothing was made."""
    world.service.steps = [harmless, listed(201)]

    made = world.lists.create(Settings(name="New"))

    assert made.id == "7f"


@pytest.mark.parametrize(
    ("status", "words"), [(409, "one of this name already"), (422, "does not take its settings")]
)
def test_a_refused_creation_says_why(world: World, status: int, words: str) -> None:
    """A name that is taken is told from settings that are wrong."""
    world.service.steps = [httpx.Response(status, json={"code": "NO"})]

    with pytest.raises(RequestRefusedError, match=words):
        world.lists.create(Settings(name="New"))


def test_a_made_list_without_an_id_is_an_error(world: World) -> None:
    """It is there, but cannot be spoken of."""
    world.service.steps = [httpx.Response(201, json={"name": "New"})]

    with pytest.raises(ServiceError, match="no id"):
        world.lists.create(Settings(name="New"))


# ---------------------------------------------------------------- reading


def test_pages_advance_by_rows_received_until_one_is_empty(world: World) -> None:
    """Neither the asked size nor the total decides; a clamped page is as good as any."""
    pages = [
        page({"email": "a@example.com"}, {"email": "b@example.com"}, {"email": "c@example.com"}),
        page({"phoneNumber": PHONE}, total="many", etag='"v2"'),
        page(total=None),
    ]
    world.service.steps = list(pages)

    read = list(world.lists.pages("7f"))

    assert [
        "GET /api/v2/lists/7f/contacts?skip=0&top=10000",
        "GET /api/v2/lists/7f/contacts?skip=3&top=10000",
        "GET /api/v2/lists/7f/contacts?skip=4&top=10000",
    ] == world.service.asked
    assert [(3, 2, '"v1"'), (1, None, '"v2"'), (0, None, '"v1"')] == [
        (each.contacts.num_rows, each.total, each.version) for each in read
    ]


def test_an_empty_list_is_one_empty_page(world: World) -> None:
    """The page says what the total is, and that there is nothing."""
    world.service.steps = [page(total=0)]

    assert [0] == [each.contacts.num_rows for each in world.lists.pages("7f")]


def test_a_service_that_ignores_skip_is_found_out(world: World) -> None:
    """The first page again is no progress, also where its first contact has no name."""
    first = ({"reason": "DNC"}, {"email": EMAIL}, {"phoneNumber": PHONE})
    world.service.steps = [page(*first), page(*first)]
    pages = world.lists.pages("7f")

    next(pages)

    with pytest.raises(ServiceError, match="repeats its first page") as caught:
        next(pages)
    assert EMAIL not in str(caught.value)


def test_reading_ends_even_if_pages_do_not(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an absurd number of pages it is an error."""
    monkeypatch.setattr(lists, "ENDLESS", 3)
    world.service.steps = [page({"email": f"u{n}@example.com"}) for n in range(5)]

    with pytest.raises(ServiceError, match="no end after 3 pages"):
        list(world.lists.pages("7f"))


@pytest.mark.parametrize(
    "contacts",
    [None, {}, "none", [EMAIL], [None], [{"email": {"x": EMAIL}}], [{"version": EMAIL}]],
    ids=repr,
)
def test_a_page_that_is_none_is_an_error(world: World, contacts: object) -> None:
    """An unread page is never an empty one, and the message shows no contact."""
    world.service.steps = [httpx.Response(200, json={"contacts": contacts})]

    with pytest.raises(ServiceError, match="not what the API promises") as caught:
        list(world.lists.pages("7f"))

    assert EMAIL not in str(caught.value)


# ---------------------------------------------------------------- writing


def taken(http: int = 201, **fields: object) -> httpx.Response:
    """Return the answer to a batch."""
    body = {"status": "COMPLETED", "contactCount": 2, **fields}
    return httpx.Response(http, json=body, headers={"etag": '"v2"'})


@pytest.mark.parametrize("status", [200, 201])
def test_a_batch_is_sent_and_taken(world: World, status: int) -> None:
    """The body holds the contacts, and the answer the list's new version."""
    world.service.steps = [taken(status)]

    answer = world.lists.send("7f", ROWS)

    assert answer == Sent(taken=True, version='"v2"')
    email = {"email": EMAIL, "suppressUntil": "2027-12-31T23:59:59Z"}
    phone = {"phoneNumber": PHONE, "reason": "DNC", "version": 2}
    assert sent(world) == {"contacts": [{**email, "reason": "DNC", "version": 1}, phone]}
    assert 2 == world.counts()["rows_sent"]


def test_rows_that_were_not_taken_are_named(world: World) -> None:
    """The others are in place."""
    errors = [{"index": 1, "code": "BAD", "message": PHONE}, {"code": "WHO"}]
    world.service.steps = [taken(validationErrors=errors)]

    answer = world.lists.send("7f", ROWS)

    assert (True, [1], ("WHO",)) == (
        answer.taken,
        [each.index for each in answer.errors],
        answer.unnamed,
    )
    assert PHONE not in repr(answer)
    assert 2 == world.counts()["validation_errors"]


def test_a_422_takes_nothing(world: World) -> None:
    """It may name rows, or give a code, or nothing at all."""
    body = {"code": "VALIDATION_FAILED", "errors": [{"identifier": EMAIL, "code": "BAD"}]}
    world.service.steps = [
        httpx.Response(422, json=body),
        httpx.Response(422, text=f"<html>{EMAIL}"),
    ]

    named, plain = (world.lists.send("7f", ROWS) for _ in range(2))

    assert (False, [0], "VALIDATION_FAILED") == (
        named.taken,
        [each.index for each in named.errors],
        named.detail,
    )
    assert plain == Sent(taken=False)


def test_a_413_is_too_large(world: World) -> None:
    """Nothing was taken, and halves may be."""
    world.service.steps = [httpx.Response(413, text="<html>")]

    assert Sent(taken=False, detail="too large") == world.lists.send("7f", ROWS)


@pytest.mark.parametrize("status", ["PARTIAL", "completed_with_errors"])
def test_partly_done_without_a_named_row_is_a_complaint(world: World, status: str) -> None:
    """Somebody was not taken; with named rows it is known who."""
    errors = [{"index": 0, "code": "BAD"}]
    world.service.steps = [taken(status=status), taken(status=status, validationErrors=errors)]

    unknown, known = (world.lists.send("7f", ROWS) for _ in range(2))

    assert (True, (status.upper(),)) == (unknown.taken, unknown.unnamed)
    assert (True, 1, ()) == (known.taken, len(known.errors), known.unnamed)


def test_a_201_that_failed_took_nothing(world: World) -> None:
    """The status code is not the whole truth."""
    world.service.steps = [taken(status="FAILED")]

    answer = world.lists.send("7f", ROWS)

    assert (False, "status FAILED") == (answer.taken, answer.detail)


@pytest.mark.parametrize("status", ["IN_PROGRESS", "jane.doe@example.com", 7, {}])
def test_a_201_of_unknown_outcome_is_an_error(world: World, status: object) -> None:
    """Work still going on is not in place."""
    world.service.steps = [taken(status=status)]

    with pytest.raises(ServiceError, match="not what the API promises") as caught:
        world.lists.send("7f", ROWS)

    assert EMAIL not in str(caught.value)


def test_a_201_without_a_status_counts_by_its_count(world: World) -> None:
    """A count is an answer to the batch; an empty object is none."""
    world.service.steps = [
        httpx.Response(201, json={"contactCount": 2}),
        httpx.Response(201, json={}),
    ]

    assert world.lists.send("7f", ROWS).taken
    with pytest.raises(ServiceError):
        world.lists.send("7f", ROWS)


@pytest.mark.parametrize(
    "lost",
    [httpx.ReadError("reset"), httpx.Response(504), httpx.Response(201, text='{"status":"CO')],
    ids=repr,
)
def test_a_batch_whose_answer_was_lost_is_sent_again(
    world: World, lost: httpx.Response | Exception
) -> None:
    """It is an upsert."""
    world.service.steps = [lost, taken()]

    assert world.lists.send("7f", ROWS).taken
    first, second = (each.content for each in world.service.seen)
    assert first == second


def test_a_409_on_a_batch_is_refused_and_not_repeated(world: World) -> None:
    """Nothing says that it helps."""
    world.service.steps = [httpx.Response(409, json={"code": "X"})]

    with pytest.raises(RequestRefusedError, match="send batch, list 7f: answered 409 X"):
        world.lists.send("7f", ROWS)


def test_a_wish_to_stop_ends_the_reading_ahead(world: World) -> None:
    """What has come is given out, nothing more is asked for, and no thread is left."""

    def stop(_request: httpx.Request) -> httpx.Response:
        world.stop.set()
        return page({"email": PHONE}, total=100)

    world.service.steps = [page({"email": EMAIL}, total=100), *[stop] * 99]

    with pytest.raises(InterruptedRunError):
        list(world.lists.pages("7f"))

    assert len(world.service.seen) <= 1 + 4
    assert [] == [each for each in threading.enumerate() if each.name.startswith("page")]


def test_a_page_fetched_ahead_is_tried_again_like_any_other(world: World) -> None:
    """Trouble on the way costs a wait, and neither the order nor a contact."""
    troubled = {0}

    def answer(request: httpx.Request) -> httpx.Response:
        skip = int(request.url.params["skip"])
        if skip not in troubled:
            troubled.add(skip)
            return httpx.Response(503)
        rows = range(skip, min(skip + 2, 5))
        return page(*({"email": f"{at}@example.com"} for at in rows), total=5)

    world.service.steps = [answer] * 7

    found = [one for each in world.lists.pages("7f") for one in each.contacts["email"].to_pylist()]

    assert [f"{at}@example.com" for at in range(5)] == found
    assert [] == world.service.steps


def test_nothing_personal_is_logged_or_printed(
    world: World, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither what was sent nor what came back, at any level."""
    caplog.set_level("DEBUG")
    refused = httpx.Response(400, json={"message": f"{EMAIL} {PHONE}"})
    pages = [page({"email": EMAIL}, total=1), page()]
    world.service.steps = [*pages, refused, httpx.Response(503), taken()]

    list(world.lists.pages("7f"))
    with pytest.raises(RequestRefusedError) as caught:
        world.lists.send("7f", ROWS)
    world.lists.send("7f", ROWS)

    shown = caplog.text + "".join(capsys.readouterr()) + repr(caught.value) + "".join(world.waits)
    assert EMAIL not in shown
    assert PHONE not in shown
