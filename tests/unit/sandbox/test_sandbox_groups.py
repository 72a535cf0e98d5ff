"""Do-not-call groups as the sandbox answers for them, oddities included."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sandbox_calls import LATER, NOW, Clock

from reconciler import sandbox
from reconciler.sandbox import data
from reconciler.sandbox.access import TENANT

BASE = "/inContactAPI/services/v34.0"
RECORDS = f"{BASE}/dnc-groups/77/records"
FORM = {"grant_type": "password", "username": "key", "password": "secret"}


@contextmanager
def calling(folder: Path, *faults: str, now: Clock | None = None) -> Iterator[httpx.Client]:
    """Yield a client of an embedded sandbox with the group 77, signed in before any fault."""
    database = folder / "sandbox.db"
    sandbox.ensure_list(database, "77", "First")
    made = sandbox.app(
        database, faults=[sandbox.parse(each) for each in faults], now=now or Clock(), max_page=5
    )
    accept = {"Accept": "application/json"}
    transport = httpx.WSGITransport(made)
    with httpx.Client(transport=transport, base_url="http://sandbox", headers=accept) as client:
        answer = client.post("/auth/token", data=FORM, auth=("client", "secret"))
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield client


def add(client: httpx.Client, *numbers: int, **more: str) -> Any:
    """Add records; return what became of each."""
    rows = [{"phoneNumber": number, **more} for number in numbers]
    return client.post(RECORDS, json={"dncGroupRecords": rows}).json()["resultSet"]


def end(client: httpx.Client, *numbers: object) -> Any:
    """End records; return the answer's result set."""
    rows = [{"phoneNumber": number} for number in numbers]
    answer = client.request("DELETE", RECORDS, json={"dncGroupRecords": rows})
    return answer.json()["resultSet"]


def shown(client: httpx.Client, **query: int) -> list[str]:
    """Return the numbers of a page."""
    answer = client.get(RECORDS, params=query)
    if answer.status_code == 204:
        return []
    return [each["phoneNumber"] for each in answer.json()["resultSet"]["dncRecords"]]


def valid(client: httpx.Client) -> int:
    """Return how many records the group counts."""
    answer = client.get(f"{BASE}/dnc-groups/77").json()["resultSet"]["dncGroups"][0]
    count: int = answer["validRecords"]
    return count


@pytest.mark.parametrize(
    ("form", "client", "expected"),
    [
        ({}, ("client", "wrong"), 401),
        ({}, ("", ""), 401),
        ({"grant_type": "client_credentials"}, ("client", "secret"), 400),
        ({"password": "wrong"}, ("client", "secret"), 400),
        ({}, ("client", "secret"), 200),
    ],
)
def test_a_token_needs_a_client_and_an_access_key(
    tmp_path: Path, form: dict[str, str], client: tuple[str, str], expected: int
) -> None:
    """Neither alone will do."""
    with calling(tmp_path) as caller:
        del caller.headers["Authorization"]

        answer = caller.post("/auth/token", data=FORM | form, auth=client)

    assert expected == answer.status_code


def test_the_configuration_of_the_tenant_tells_where_it_is(tmp_path: Path) -> None:
    """Of another tenant nothing is known."""
    with calling(tmp_path) as client:
        paths = [f"/.well-known/cxone-configuration?tenantId={one}" for one in (TENANT, "x")]
        found, none = (client.get(path) for path in paths)

    assert "http://sandbox" == found.json()["api_endpoint"]
    assert 404 == none.status_code


def test_json_has_to_be_asked_for_by_name(tmp_path: Path) -> None:
    """As it is mandatory at the service."""
    with calling(tmp_path) as client:
        answer = client.get(f"{BASE}/dnc-groups", headers={"Accept": "*/*"})

    assert 406 == answer.status_code


def test_numbers_are_kept_as_digits_and_an_empty_page_has_no_content(tmp_path: Path) -> None:
    """Those of North America without their 1."""
    with calling(tmp_path) as client:
        nothing = client.get(RECORDS).status_code
        add(client, 8012440005, 442071838750)

        assert 204 == nothing
        assert ["8012440005", "442071838750"] == shown(client)
        assert 2 == valid(client)


def test_a_record_that_ended_is_readable_for_a_week_and_suppresses_nobody(tmp_path: Path) -> None:
    """It is not counted, and adding it again revives it."""
    clock = Clock()
    with calling(tmp_path, now=clock) as client:
        add(client, 8012440005)
        answer = end(client, "8012440005")

        assert (0, ["8012440005"], 0) == (answer["errorCount"], shown(client), valid(client))
        clock.moment = NOW + timedelta(minutes=59)
        add(client, 8012440005)
        assert 1 == valid(client)
        end(client, "8012440005")
        assert ["8012440005"] == shown(client)
        assert 204 == client.post(f"{BASE}/dnc-groups/search?phoneNumber=8012440005").status_code


def test_each_record_of_a_request_is_judged_alone(tmp_path: Path) -> None:
    """The answer is a 200 with its failures inside, in the order of the records."""
    with calling(tmp_path) as client:
        past = add(client, 8012440005, expiredDate="2020-01-01T00:00:00Z")
        added = add(client, 8012440005, 5, expiredDate=LATER)
        ended = end(client, "8012440005", 8012440005, "2125550142")

    assert [False] == [each["success"] for each in past["recordResults"]]
    assert (1, [True, False]) == (
        added["errorCount"],
        [each["success"] for each in added["recordResults"]],
    )
    assert [True, False, False] == [each["success"] for each in ended["recordResults"]]


def test_too_many_records_are_refused_in_the_services_words(tmp_path: Path) -> None:
    """All of them."""
    rows = [{"phoneNumber": 8012440000 + number} for number in range(4_501)]
    with calling(tmp_path) as client:
        answer = client.post(RECORDS, json={"dncGroupRecords": rows})

        assert 400 == answer.status_code
        assert "Maximum of 4,500 records per upload exceeded" in answer.text
        assert 0 == valid(client)


def test_an_inactive_group_takes_nothing(tmp_path: Path) -> None:
    """Its 409 is no conflict of versions."""
    with calling(tmp_path) as client:
        sandbox.stranger(tmp_path / "sandbox.db").deactivate("77")

        answer = client.post(RECORDS, json={"dncGroupRecords": [{"phoneNumber": 8012440005}]})
        group = client.get(f"{BASE}/dnc-groups/77").json()["resultSet"]["dncGroups"][0]

    assert (409, False) == (answer.status_code, group["isActive"])


def test_a_name_is_taken_once_and_changed_in_the_query(tmp_path: Path) -> None:
    """A query that is not known changes nothing."""
    with calling(tmp_path) as client:
        second = client.post(f"{BASE}/dnc-groups", json={"dncGroupName": "First"})
        odd = client.put(f"{BASE}/dnc-groups/77", params={"name": "x"})
        client.put(f"{BASE}/dnc-groups/77", params={"dncGroupName": "Renamed", "isActive": "true"})
        group = client.get(f"{BASE}/dnc-groups/77").json()["resultSet"]["dncGroups"][0]

    assert (400, 400, "Renamed") == (second.status_code, odd.status_code, group["dncGroupName"])


def test_a_group_works_for_skills(tmp_path: Path) -> None:
    """One that is not known is not found; others come and go."""
    path = f"{BASE}/dnc-groups/77/scrubbed-skills"
    with calling(tmp_path) as client:
        unknown = client.post(f"{path}/5").status_code
        client.post(f"{path}/4711")
        held = client.get(path).json()
        client.delete(f"{path}/4711")

        assert (404, 204) == (unknown, client.get(path).status_code)
    assert [{"skillId": 4711, "skillName": "Outbound Sales"}] == held["scrubbedSkills"]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("repeat@GET records", ["8012440000", "8012440001", "8012440002"]),
        ("clamp:1@GET records", ["8012440003"]),
    ],
)
def test_pages_may_be_odd(tmp_path: Path, fault: str, expected: list[str]) -> None:
    """Where a fault says so."""
    with calling(tmp_path, fault) as client:
        add(client, *range(8012440000, 8012440006))

        assert expected == shown(client, skip=3, top=3)


def test_answers_may_be_odd(tmp_path: Path) -> None:
    """Another key, another total, no wrapping, a group that is switched off for once."""
    faults = ("othername@GET records", "pagetotal@GET records", "bare@DELETE records")
    with calling(tmp_path, *faults, "inactive@GET dnc-groups/77") as client:
        add(client, *range(8012440000, 8012440004))

        page = client.get(RECORDS, params={"top": 2}).json()["resultSet"]
        bare = client.request(
            "DELETE", RECORDS, json={"dncGroupRecords": [{"phoneNumber": "8012440000"}]}
        ).json()
        group = client.get(f"{BASE}/dnc-groups/77").json()["resultSet"]["dncGroups"][0]

    assert (2, 2) == (page["totalRecords"], len(page["dncGroupRecords"]))
    assert 0 == bare["errorCount"]
    assert group["isActive"] is False


def test_a_stranger_comes_first_and_a_record_may_be_rejected(tmp_path: Path) -> None:
    """As with lists."""
    faults = ("bump:contact@GET records", "reject:BLOCKED;ending=5@POST records")
    with calling(tmp_path, *faults) as client:
        added = add(client, 8012440005, 8012440006)

        assert 2 == len(shown(client))
    assert ["BLOCKED", ""] == [each["error"] for each in added["recordResults"]]


def test_a_file_of_an_earlier_format_goes_on_being_used(tmp_path: Path) -> None:
    """Nobody loses a sandbox to a new version."""
    path = tmp_path / "sandbox.db"
    sandbox.ensure_list(path, "77", "First")
    with closing(sqlite3.connect(path)) as connection:
        for statement in (
            "ALTER TABLE lists DROP COLUMN active",
            "ALTER TABLE lists DROP COLUMN removed",
            "DROP TABLE skills",
            "PRAGMA user_version = 1",
        ):
            connection.execute(statement)
        connection.commit()

    data.prepare(path)

    assert {"First": "77"} == sandbox.list_ids(path)
    sandbox.stranger(path).scrub("77", 4711)
