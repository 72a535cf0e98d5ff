import time
from pathlib import Path

import httpx
import pytest
from sandbox_calls import CONTACTS, LIST, calling, contacts, etag, post

from reconciler.errors import UsageError
from reconciler.sandbox import GRAMMAR, parse

USER = "user1@example.com"


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("reset@/a#2", [False, True, False]),
        ("reset@/a#2+", [False, True, True]),
        ("reset@/a", [True, True, True]),
    ],
)
def test_a_fault_says_which_requests_it_meets(text: str, counts: list[bool]) -> None:
    """The nth, the nth and all after it, or every one."""
    fault = parse(text)

    assert counts == [fault.due(count) for count in (1, 2, 3)]


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("/api/v2/lists/*", "/api/v2/lists/L1", True),
        ("/api/v2/lists/*", "/api/v2/lists/L1/contacts", False),
        ("/api/v2/lists/**", "/api/v2/lists/L1/contacts", True),
        ("/api/v2/lists/*/contacts", "/api/v2/lists/L1/contacts", True),
        ("/api/v2/lists/L?", "/api/v2/lists/L1", True),
        ("contacts", "/api/v2/lists/L1/contacts", True),
        ("*/contacts", "/api/v2/lists/L1/contacts", True),
        ("tacts", "/api/v2/lists/L1/contacts", False),
        ("/api.v2/lists", "/api/v2/lists", False),
    ],
)
def test_a_path_is_a_glob(pattern: str, path: str, expected: bool) -> None:
    """One star stays in a segment, two cross them, and without a slash first it is an end."""
    assert expected == parse(f"reset@{pattern}").matches("GET", path)


def test_a_method_narrows_a_fault_down() -> None:
    """Without one, every method is met."""
    one, every = parse("reset@POST /a"), parse("reset@/a")

    assert [True, False] == [one.matches(method, "/a") for method in ("POST", "GET")]
    assert [True, True] == [every.matches(method, "/a") for method in ("POST", "GET")]


def test_a_fault_is_read_with_its_argument_and_options() -> None:
    """Also where an option's value holds what separates the path."""
    fault = parse("reject:BLOCKED;ending=@example.org@POST contacts#3")

    assert ("reject", "BLOCKED", "@example.org") == (
        fault.kind,
        fault.argument,
        fault.options["ending"],
    )
    assert ("POST", "contacts", 3) == (fault.method, fault.path, fault.nth)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "expected KIND"),
        ("reset", "expected KIND"),
        ("reset@", "expected KIND"),
        ("reset@get /a", "expected KIND"),
        ("reset@/a#0", "expected KIND"),
        ("explode@/a", "expected one of bare"),
        ("reset:now@/a", "takes no argument"),
        ("status@/a", "status needs a code"),
        ("status:200@/a", "status needs a code"),
        ("slow:long@/a", "slow needs seconds"),
        ("slow:9999@/a", "slow needs seconds"),
        ("bump:everything@/a", "bump takes one of"),
        ("reject@/a", "reject needs a code"),
        ("status:503;after=2@/a", "no option after"),
        ("status:503;retry-after@/a", "an option is written"),
        ("status:503;retry-date=soon@/a", "retry-date needs seconds"),
        ("status:503;retry-after=é@/a", "printable ASCII"),
    ],
)
def test_a_fault_that_makes_no_sense_is_told_with_what_was_expected(
    text: str, expected: str
) -> None:
    """The message quotes the text, the hint shows one that is right."""
    with pytest.raises(UsageError, match=expected) as told:
        parse(text)

    assert repr(text) in str(told.value)
    assert "status:503" in told.value.hint


def test_the_examples_of_the_help_are_right() -> None:
    """Every one can be pasted."""
    examples = GRAMMAR.partition("Examples:")[2].split("\n")

    assert 3 == len([parse(line) for line in examples if line.strip()])


def test_a_status_stands_for_the_answer_to_the_nth_request(tmp_path: Path) -> None:
    """Nothing is done, the body is JSON, the date is the service's."""
    with calling(tmp_path, "status:503@POST contacts#2") as client:
        answers = [post(client, {"email": f"user{number}@example.com"}) for number in range(3)]

        left = contacts(client)

    assert [201, 503, 201] == [each.status_code for each in answers]
    assert "FAULT" == answers[1].json()["code"]
    assert "Mon, 23 Nov 2026 10:15:00 GMT" == answers[1].headers["Date"]
    assert ["user0@example.com", "user2@example.com"] == [each["email"] for each in left]


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("retry-after=2", "2"),
        ("retry-after=Mon, 23 Nov 2026 10:15:09 GMT", "Mon, 23 Nov 2026 10:15:09 GMT"),
        ("retry-date=3", "Mon, 23 Nov 2026 10:15:03 GMT"),
    ],
)
def test_a_status_may_say_when_to_come_again(tmp_path: Path, option: str, expected: str) -> None:
    """In seconds, or as a date, also one relative to the service's clock."""
    with calling(tmp_path, f"status:429;{option}@{LIST}") as client:
        answer = client.get(LIST)

    assert (429, expected) == (answer.status_code, answer.headers["Retry-After"])


def test_a_status_without_a_name_is_sent_too(tmp_path: Path) -> None:
    """Such as those of proxies."""
    with calling(tmp_path, f"status:599@{LIST}") as client:
        assert 599 == client.get(LIST).status_code


def test_a_page_of_html_is_no_answer(tmp_path: Path) -> None:
    """It comes with 200, as from a proxy."""
    with calling(tmp_path, f"html@{LIST}") as client:
        answer = client.get(LIST)

    assert (200, True) == (answer.status_code, "html" in answer.headers["Content-Type"])


def test_a_reset_does_nothing(tmp_path: Path) -> None:
    """An embedded caller meets the error itself."""
    with calling(tmp_path, "reset@POST contacts#1") as client:
        with pytest.raises(ConnectionResetError):
            post(client, {"email": USER})

        assert [] == contacts(client)


def test_a_lost_answer_is_lost_after_the_effect(tmp_path: Path) -> None:
    """The contact is there, and nobody was told."""
    with calling(tmp_path, "lost@POST contacts#1") as client:
        with pytest.raises(ConnectionResetError):
            post(client, {"email": USER})

        assert 1 == len(contacts(client))


def test_a_truncated_answer_breaks_off_in_its_middle(tmp_path: Path) -> None:
    """It announces the whole body and sends half of it."""
    with calling(tmp_path, f"truncate@{LIST}#2") as client:
        whole = client.get(LIST)
        received: list[bytes] = []

        with client.stream("GET", LIST) as answer, pytest.raises(ConnectionResetError):
            received.extend(answer.iter_bytes())

    assert whole.headers["Content-Length"] == answer.headers["Content-Length"]
    assert whole.content[: len(whole.content) // 2] == b"".join(received)


def test_a_slow_answer_is_an_answer(tmp_path: Path) -> None:
    """It only takes its time."""
    with calling(tmp_path, f"slow:0.2@{LIST}#1") as client:
        start = time.monotonic()

        answer = client.get(LIST)

    assert 200 == answer.status_code
    assert time.monotonic() - start >= 0.2


@pytest.mark.parametrize(
    ("what", "field"),
    [("", None), (":touch", None), (":contact", "contactCount"), (":name", "name")],
)
def test_a_stranger_changes_the_list_before_the_nth_request(
    tmp_path: Path, what: str, field: str | None
) -> None:
    """The version moves, and at most the one field with it."""
    with calling(tmp_path, f"bump{what}@GET {LIST}#2") as client:
        before, after = client.get(LIST), client.get(LIST)

    differing = [key for key, value in before.json().items() if after.json()[key] != value]
    assert before.headers["ETag"] != after.headers["ETag"]
    assert [field] * bool(field) == differing


def test_a_stranger_comes_before_a_guarded_change(tmp_path: Path) -> None:
    """The change meets a version that is not its own any more."""
    with calling(tmp_path, "bump:description@PATCH /api/v2/lists/*") as client:
        answer = client.patch(LIST, json={"name": "New"}, headers={"If-Match": etag(client)})

    assert 409 == answer.status_code


@pytest.mark.parametrize("path", ["/oauth/token", "/api/v2/lists/none"])
def test_a_stranger_at_no_list_does_nothing(tmp_path: Path, path: str) -> None:
    """The request goes on as ever."""
    with calling(tmp_path, f"bump@GET {path}") as client:
        assert client.get(path).status_code in (404, 405)


def test_a_valid_row_is_rejected_on_request(tmp_path: Path) -> None:
    """Only those whose identifier ends as told; the others are taken."""
    fault = "reject:BLOCKED;ending=0102@POST contacts"
    with calling(tmp_path, fault) as client:
        answer = post(client, {"phoneNumber": "+15555550101"}, {"phoneNumber": "+1 5555550102"})

        assert 1 == len(contacts(client))

    errors = answer.json()["validationErrors"]
    assert [(1, "BLOCKED")] == [(each["index"], each["code"]) for each in errors]


def test_every_row_is_rejected_where_none_is_told(tmp_path: Path) -> None:
    """Without an ending all are meant."""
    with calling(tmp_path, "reject:BLOCKED@contacts#1") as client:
        first, second = post(client, {"email": USER}), post(client, {"email": USER})

    assert [1, 0] == [len(each.json()["validationErrors"]) for each in (first, second)]


def test_faults_count_for_themselves_and_may_meet(tmp_path: Path) -> None:
    """What only disturbs happens as well as what ends the request, in whichever order told."""
    faults = ("status:500@GET contacts#2", f"bump@GET {LIST}#1", "bump:contact@GET contacts#2")
    with calling(tmp_path, *faults) as client:
        statuses = [client.get(CONTACTS).status_code for _ in range(3)]

        assert [200, 500, 200] == statuses
        assert 1 == len(contacts(client))


def test_an_answer_of_a_fault_needs_no_token(tmp_path: Path) -> None:
    """Faults stand in front of the service, where no token is looked at."""
    with calling(tmp_path, f"status:502@{LIST}") as client:
        answer = client.get(LIST, headers={"Authorization": ""})

    assert 502 == answer.status_code
    assert isinstance(answer, httpx.Response)
