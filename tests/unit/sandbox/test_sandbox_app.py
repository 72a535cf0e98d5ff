import gzip
from pathlib import Path

import httpx
import pytest
from sandbox_calls import CREDENTIALS, LATER, LIST, Clock, calling, etag, post

from reconciler import sandbox


def test_a_token_is_given_for_any_client_and_secret(tmp_path: Path) -> None:
    """The answer holds a token, its lifetime in seconds and its type."""
    with calling(tmp_path) as client:
        answer = client.post("/oauth/token", data=CREDENTIALS)

    assert 200 == answer.status_code
    assert {"access_token", "expires_in", "token_type"} == answer.json().keys()
    assert (3600, "Bearer") == (answer.json()["expires_in"], answer.json()["token_type"])


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_secret": ""}, 401, "invalid_client"),
        ({"client_id": ""}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
)
def test_a_token_is_refused_the_way_oauth_does(
    tmp_path: Path, change: dict[str, str], status: int, error: str
) -> None:
    """An empty client, an empty secret and the secret "wrong" are invalid clients."""
    with calling(tmp_path) as client:
        answer = client.post("/oauth/token", data=CREDENTIALS | change)

    assert (status, error) == (answer.status_code, answer.json()["error"])


def test_a_token_is_asked_for_with_a_form(tmp_path: Path) -> None:
    """JSON is not what OAuth takes."""
    with calling(tmp_path) as client:
        answer = client.post("/oauth/token", json=CREDENTIALS)

    assert (415, "UNSUPPORTED_MEDIA_TYPE") == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize("sent", ["", "Bearer unknown", "Basic {token}", "{token}"])
def test_nobody_gets_in_without_a_known_token(tmp_path: Path, sent: str) -> None:
    """Neither without one, nor with a foreign one, nor with one of another scheme."""
    with calling(tmp_path) as client:
        token = client.headers["Authorization"].removeprefix("Bearer ")

        answer = client.get(LIST, headers={"Authorization": sent.format(token=token)})

    assert (401, "UNAUTHORIZED") == (answer.status_code, answer.json()["code"])
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_token_expires(tmp_path: Path) -> None:
    """It is taken until its last second, and not from then on."""
    clock = Clock()
    with calling(tmp_path, now=clock) as client:
        start = clock.moment
        clock.moment = start.replace(hour=11, minute=14, second=59)
        before = client.get(LIST).status_code
        clock.moment = start.replace(hour=11)

        after = client.get(LIST).status_code

    assert (200, 401) == (before, after)


def test_a_token_is_not_kept_in_clear(tmp_path: Path) -> None:
    """The file holds a digest of it."""
    with calling(tmp_path) as client:
        token = client.headers["Authorization"].removeprefix("Bearer ")

        kept = b"".join(path.read_bytes() for path in tmp_path.glob("sandbox.db*"))

    assert token.encode() not in kept


def test_a_list_is_shown_with_its_version(tmp_path: Path) -> None:
    """The body has six fields, the ETag is strong and quoted."""
    with calling(tmp_path) as client:
        answer = client.get(LIST)

    expected = {
        "id": "L1",
        "name": "First",
        "description": None,
        "listType": "suppression",
        "suppressUntil": None,
        "contactCount": 0,
    }
    assert expected == answer.json()
    assert answer.headers["ETag"][0] == answer.headers["ETag"][-1] == '"'


@pytest.mark.parametrize(("prefix", "status"), [("", 304), ("W/", 304), ('"other", ', 304)])
def test_an_unchanged_list_is_not_sent_again(tmp_path: Path, prefix: str, status: int) -> None:
    """If-None-Match compares weakly and takes several tags."""
    with calling(tmp_path) as client:
        seen = etag(client)

        answer = client.get(LIST, headers={"If-None-Match": prefix + seen})

    assert (status, b"", seen) == (answer.status_code, answer.content, answer.headers["ETag"])


def test_a_changed_list_is_sent_again(tmp_path: Path) -> None:
    """A version seen before a contact was written is not the list's any more."""
    with calling(tmp_path) as client:
        seen = etag(client)
        post(client, {"email": "user1@example.com"})

        answer = client.get(LIST, headers={"If-None-Match": seen})

    assert 200 == answer.status_code


def test_every_answer_says_what_time_it_is_at_the_service(tmp_path: Path) -> None:
    """Errors do so too; the time is the service's own."""
    with calling(tmp_path) as client:
        dates = {client.get(path).headers["Date"] for path in (LIST, "/api/v2/none")}

    assert {"Mon, 23 Nov 2026 10:15:00 GMT"} == dates


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/v2/lists/none", 404, "NOT_FOUND"),
        ("GET", "/api/v2/lists/none/contacts", 404, "NOT_FOUND"),
        ("GET", "/api/v2/other", 404, "NOT_FOUND"),
        ("DELETE", LIST, 405, "METHOD_NOT_ALLOWED"),
    ],
)
def test_errors_are_json_whatever_the_caller_accepts(
    tmp_path: Path, method: str, path: str, status: int, code: str
) -> None:
    """No path and no Accept leads to another format."""
    with calling(tmp_path) as client:
        answer = client.request(method, path, headers={"Accept": "text/xml"})

    assert (status, code) == (answer.status_code, answer.json()["code"])
    assert "application/json" == answer.headers["Content-Type"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b'{"a": NaN}'])
def test_a_body_that_is_no_json_object_is_a_bad_request(tmp_path: Path, body: bytes) -> None:
    """Whatever is wrong with it, nothing is read into it."""
    with calling(tmp_path) as client:
        answer = client.post(
            "/api/v2/lists", content=body, headers={"Content-Type": "application/json"}
        )

    assert (400, "BAD_JSON") == (answer.status_code, answer.json()["code"])


def test_a_body_of_another_type_is_not_read(tmp_path: Path) -> None:
    """JSON must be called so."""
    with calling(tmp_path) as client:
        answer = client.post("/api/v2/lists", content=b"{}", headers={"Content-Type": "text/csv"})

    assert 415 == answer.status_code


def test_a_body_without_bounds_is_not_read(tmp_path: Path) -> None:
    """Past 32 MiB the size alone is enough to refuse it."""
    headers = {"Content-Type": "application/json", "Content-Length": str(2**26)}
    with calling(tmp_path) as client:
        answer = client.post("/api/v2/lists", content=b"{}", headers=headers)

    assert (413, "TOO_LARGE") == (answer.status_code, answer.json()["code"])


def test_a_list_is_made_and_found_by_its_exact_name(tmp_path: Path) -> None:
    """The id is the service's; another case of the name is another name."""
    fields = {"name": "New", "description": "d", "listType": "suppression", "suppressUntil": LATER}
    with calling(tmp_path) as client:
        made = client.post("/api/v2/lists", json=fields)
        found = client.get("/api/v2/lists", params={"name": "New"}).json()
        other = client.get("/api/v2/lists", params={"name": "new"}).json()
        every = client.get("/api/v2/lists").json()["lists"]

    assert 201 == made.status_code
    assert fields.items() <= made.json().items()
    assert {"lists": [made.json()]} == found
    assert {"lists": []} == other
    assert ["First", "New"] == [each["name"] for each in every]
    assert made.headers["Location"] == f"/api/v2/lists/{made.json()['id']}"
    assert made.headers["ETag"]


def test_two_lists_may_have_one_name(tmp_path: Path) -> None:
    """Names do not identify a list."""
    fields = {"name": "First", "listType": "suppression"}
    with calling(tmp_path) as client:
        client.post("/api/v2/lists", json=fields)

        found = client.get("/api/v2/lists", params={"name": "First"}).json()["lists"]

    assert 2 == len(found)


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"name": "New"}, "INVALID_LIST_TYPE", "listType"),
        ({"name": "New", "listType": "allow"}, "INVALID_LIST_TYPE", "listType"),
        ({"listType": "suppression"}, "INVALID_TEXT", "name"),
        ({"name": " ", "listType": "suppression"}, "INVALID_TEXT", "name"),
        ({"name": "New", "listType": "suppression", "owner": "me"}, "UNKNOWN_FIELD", ""),
    ],
)
def test_a_list_that_breaks_a_rule_is_not_made(
    tmp_path: Path, fields: dict[str, str], code: str, field: str
) -> None:
    """The answer names the field, and no list is there afterwards."""
    with calling(tmp_path) as client:
        answer = client.post("/api/v2/lists", json=fields)
        left = client.get("/api/v2/lists").json()["lists"]

    error = answer.json()["validationErrors"][0]
    assert (422, code, field) == (answer.status_code, error["code"], error["field"])
    assert 1 == len(left)


def test_a_patch_changes_only_what_it_names(tmp_path: Path) -> None:
    """The answer is the list as it is then, with its new version."""
    with calling(tmp_path) as client:
        seen = etag(client)

        answer = client.patch(LIST, json={"suppressUntil": LATER}, headers={"If-Match": seen})
        after = client.get(LIST)

    assert 200 == answer.status_code
    assert ("First", LATER) == (answer.json()["name"], answer.json()["suppressUntil"])
    assert after.json() == answer.json()
    assert seen != answer.headers["ETag"] == after.headers["ETag"]


def test_null_clears_the_end_and_the_description(tmp_path: Path) -> None:
    """Null is a value, not an absent field."""
    with calling(tmp_path) as client:
        given = {"suppressUntil": LATER, "description": "d"}
        client.patch(LIST, json=given, headers={"If-Match": etag(client)})

        answer = client.patch(
            LIST,
            json={"suppressUntil": None, "description": None},
            headers={"If-Match": etag(client)},
        )

    assert (None, None) == (answer.json()["suppressUntil"], answer.json()["description"])


@pytest.mark.parametrize(
    ("match", "status", "code"),
    [
        (None, 428, "NO_IF_MATCH"),
        ('"old"', 409, "VERSION_CONFLICT"),
        ("W/{}", 409, "VERSION_CONFLICT"),
        ('"old", {}', 200, None),
        ("*", 200, None),
    ],
)
def test_a_patch_needs_the_version_it_was_made_for(
    tmp_path: Path, match: str | None, status: int, code: str | None
) -> None:
    """Without one, with an old one and with a weak one nothing is changed."""
    with calling(tmp_path) as client:
        headers = {"If-Match": match.format(etag(client))} if match else {}

        answer = client.patch(LIST, json={"name": "Renamed"}, headers=headers)
        after = client.get(LIST).json()["name"]

    assert (status, code) == (answer.status_code, answer.json().get("code"))
    assert ("Renamed" if status == 200 else "First") == after


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, "NOTHING"),
        ({"suppressUntil": "2020-01-01T00:00:00Z"}, "PAST_DATE"),
        ({"suppressUntil": "2026-11-23T10:15:00Z"}, "PAST_DATE"),
        ({"suppressUntil": "2027-01-01"}, "INVALID_DATE"),
        ({"suppressUntil": "2027-02-30T00:00:00Z"}, "INVALID_DATE"),
        ({"suppressUntil": 1}, "INVALID_DATE"),
        ({"name": None}, "INVALID_TEXT"),
        ({"name": "x" * 1001}, "TOO_LONG"),
        ({"listType": "allow"}, "UNKNOWN_FIELD"),
        ({"contactCount": 0}, "UNKNOWN_FIELD"),
    ],
)
def test_a_patch_that_breaks_a_rule_changes_nothing(
    tmp_path: Path, changes: dict[str, object], code: str
) -> None:
    """The version stays as well."""
    with calling(tmp_path) as client:
        seen = etag(client)

        answer = client.patch(LIST, json=changes, headers={"If-Match": seen})
        after = etag(client)

    assert (422, code) == (answer.status_code, answer.json()["validationErrors"][0]["code"])
    assert seen == after


def test_a_list_of_another_type_takes_no_contacts(tmp_path: Path) -> None:
    """It can be read all the same."""
    with calling(tmp_path) as client:
        sandbox.ensure_list(tmp_path / "sandbox.db", "L2", "Allowed", list_type="allow")

        answer = client.post(
            "/api/v2/lists/L2/contacts", json={"contacts": [{"email": "user1@example.com"}]}
        )
        shown = client.get("/api/v2/lists/L2")

    assert 422 == answer.status_code
    assert ("allow", 0) == (shown.json()["listType"], shown.json()["contactCount"])


@pytest.mark.parametrize("encoding", ["gzip", " GZIP "])
def test_a_compressed_body_is_unpacked(tmp_path: Path, encoding: str) -> None:
    """What is in it counts as if it had come as it is."""
    body = gzip.compress(b'{"name":"Packed","listType":"suppression"}')
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}

    with calling(tmp_path) as client:
        answer = client.post("/api/v2/lists", content=body, headers=headers)

    assert (201, "Packed") == (answer.status_code, answer.json()["name"])


@pytest.mark.parametrize(
    ("body", "encoding", "status", "code"),
    [
        (b"{}", "gzip", 400, "BAD_ENCODING"),
        (b"", "gzip", 400, "BAD_ENCODING"),
        (gzip.compress(b"{}")[:-1], "gzip", 400, "BAD_ENCODING"),
        (gzip.compress(b"{}") + b"{}", "gzip", 400, "BAD_ENCODING"),
        (gzip.compress(b" " * (2**25 + 1)), "gzip", 413, "TOO_LARGE"),
        (b"{}", "br", 415, "UNSUPPORTED_ENCODING"),
        (b"{}", "gzip, gzip", 415, "UNSUPPORTED_ENCODING"),
    ],
    ids=["not gzip", "empty", "cut off", "more behind it", "too large", "unknown", "twice"],
)
def test_a_body_that_cannot_be_unpacked_is_refused(
    tmp_path: Path, body: bytes, encoding: str, status: int, code: str
) -> None:
    """A small body may hold a large one: no more of it is unpacked than would be read."""
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}

    with calling(tmp_path) as client:
        answer = client.post("/api/v2/lists", content=body, headers=headers)

    assert (status, code) == (answer.status_code, answer.json()["code"])


def test_a_client_of_the_app_needs_no_socket(tmp_path: Path) -> None:
    """The token and the lists live on one host, so one base URL serves both."""
    app = sandbox.app(tmp_path / "sandbox.db")

    with httpx.Client(transport=httpx.WSGITransport(app), base_url="http://any") as client:
        answer = client.get("/api/v2/lists")

    assert 401 == answer.status_code
