"""The published dialect against a scripted service."""

from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pyarrow as pa
import pytest
from scripted import World, opened

from reconciler.api import dnc_groups
from reconciler.api.dnc_groups import DncGroups
from reconciler.api.port import BATCH, RowError, Sent, Writer
from reconciler.errors import (
    InactiveError,
    NotFoundError,
    RequestRefusedError,
    ServiceError,
    VersionConflictError,
)
from reconciler.model import DNC_GROUPS, Change, Settings, Skill

GROUP = {
    "dncGroupId": 77,
    "dncGroupName": "US",
    "dncGroupDescription": "all",
    "validRecords": 2,
    "isActive": True,
    "isRemoved": False,
    "lastUpdateTime": "2026-11-23T10:15:00.1234567Z",
}
HELD = Settings(
    name="US",
    description="all",
    suppress_until=None,
    scrubbed_skills=(),
    contributing_skills=(),
)
RENAME = Change(field="name", old="US", new="USA")
BASE = "/api/v2/dnc-groups"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Open the way to a scripted service."""
    with opened(monkeypatch) as made:
        yield made


@pytest.fixture
def groups(world: World) -> DncGroups:
    """The dialect on that way."""
    return DncGroups(world.exchange)


def answered(**document: Any) -> httpx.Response:
    """Answer with a result set."""
    return httpx.Response(200, json={"resultSet": document})


def group(**fields: Any) -> httpx.Response:
    """Answer with one group."""
    return answered(dncGroups=[{**GROUP, **fields}])


def records(*numbers: object, key: str = "dncRecords", total: int = 0) -> httpx.Response:
    """Answer with a page of records."""
    return answered(totalRecords=total, **{key: [{"phoneNumber": each} for each in numbers]})


def batch(*phones: str) -> pa.Table:
    """Return rows to be written."""
    return pa.Table.from_pylist(
        [{"row": row, "phone": phone} for row, phone in enumerate(phones)], schema=BATCH
    )


def results(*errors: str, **more: Any) -> httpx.Response:
    """Answer to a batch, row by row; an empty error is a success."""
    rows = [{"success": not each, "error": each} for each in errors]
    return answered(errorCount=sum(map(bool, errors)), recordResults=rows, **more)


NO_SKILLS = [httpx.Response(204)] * 2
"""What is answered to the questions for a group's skills."""
TWO = batch("+18012440005", "+442071838750")


def test_it_is_a_writer_of_its_dialect(groups: DncGroups) -> None:
    """It does what the port promises, with the capabilities of the dialect."""
    writer: Writer = groups

    assert DNC_GROUPS == writer.capabilities


@pytest.mark.parametrize(
    "answer",
    [
        group(),
        httpx.Response(200, json=GROUP),
        answered(**GROUP),
        httpx.Response(200, json={"dncGroups": [GROUP]}),
    ],
    ids=["wrapped list", "bare", "wrapped", "list"],
)
def test_a_group_is_read_however_it_is_wrapped(
    world: World, groups: DncGroups, answer: httpx.Response
) -> None:
    """Its last change stands for a version, and it has no end of its own."""
    world.service.steps = [answer, *NO_SKILLS]

    found = groups.get("77")

    assert HELD == found.settings
    assert ("77", "suppression", 2) == (found.id, found.type, found.count)
    assert "2026-11-23T10:15:00.1234567Z" == found.version
    assert f"GET {BASE}/77" == world.service.asked[0]
    assert "application/json" == world.service.seen[0].headers["accept"]


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (group(isActive=False), InactiveError, "inactive"),
        (group(isRemoved=True), NotFoundError, "was removed"),
        (httpx.Response(204), NotFoundError, "there is none"),
        (group(dncGroupId=78), ServiceError, "another group"),
        (group(dncGroupName=None), ServiceError, "no name"),
        (answered(dncGroups="x"), ServiceError, "list of objects"),
    ],
)
def test_a_group_that_cannot_be_worked_with_is_told(
    world: World,
    groups: DncGroups,
    answer: httpx.Response,
    error: type[Exception],
    said: str,
) -> None:
    """A group that suppresses nobody is never taken for one that does."""
    world.service.steps = [answer]

    with pytest.raises(error, match=said):
        groups.get("77")


def test_a_group_is_found_by_its_exact_name(world: World, groups: DncGroups) -> None:
    """One that was removed does not count; of two of one name nobody knows which is meant."""
    others = [{**GROUP, "dncGroupName": "us"}, {**GROUP, "dncGroupId": 78, "isRemoved": True}]
    two = [GROUP, {**GROUP, "dncGroupId": 78}]
    world.service.steps = [
        answered(dncGroups=[*others, GROUP]),
        *NO_SKILLS,
        httpx.Response(204),
        answered(dncGroups=two),
    ]

    found, none = groups.find("US"), groups.find("US")

    assert found is not None
    assert ("77", None) == (found.id, none)
    with pytest.raises(NotFoundError, match="2 groups have this name"):
        groups.find("US")


@pytest.mark.parametrize("key", ["dncRecords", "dncGroupRecords"])
@pytest.mark.parametrize("end", [httpx.Response(204), records()], ids=["204", "empty"])
def test_records_are_read_by_rows_received_in_their_order(
    world: World, groups: DncGroups, key: str, end: httpx.Response
) -> None:
    """The total may be that of a page: it is never passed on."""
    pages = [records(8012440005, key=key, total=1), records("442071838750", key=key, total=1)]
    world.service.steps = [*pages, end]

    read = [*groups.pages("77")]

    path = f"GET {BASE}/77/records?orderBy=recordId&"
    assert [f"{path}skip={at}&top=10000" for at in range(3)] == world.service.asked
    assert [["+18012440005"], ["+442071838750"], []] == [
        page.contacts.column("phone").to_pylist() for page in read
    ]
    assert [(None, "")] * 3 == [(page.total, page.version) for page in read]


def test_a_service_that_ignores_skip_is_noticed(world: World, groups: DncGroups) -> None:
    """Its first page again is no second page."""
    world.service.steps = [records(8012440005, 8012440006)] * 2

    with pytest.raises(ServiceError, match="repeats its first page"):
        list(groups.pages("77"))


def test_pages_without_an_end_are_noticed(
    world: World, groups: DncGroups, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody has to stop."""
    monkeypatch.setattr(dnc_groups, "ENDLESS", 2)
    world.service.steps = [records(8012440005), records(8012440006)]

    with pytest.raises(ServiceError, match="has no end after 2 pages"):
        list(groups.pages("77"))


def test_a_number_that_is_a_float_is_not_believed(world: World, groups: DncGroups) -> None:
    """Digits may be missing."""
    world.service.steps = [records(8012440005.0)]

    with pytest.raises(ServiceError, match="no whole number"):
        list(groups.pages("77"))


def test_a_batch_is_added_and_taken_away(world: World, groups: DncGroups) -> None:
    """Numbers go out as the service keeps them."""
    world.service.steps = [results("", ""), httpx.Response(200, json={"errorCount": 0})]

    sent, removed = groups.send("77", TWO), groups.remove("77", TWO)

    assert Sent(taken=True) == sent == removed
    assert [f"POST {BASE}/77/records", f"DELETE {BASE}/77/records"] == world.service.asked
    posted, deleted = (
        [each["phoneNumber"] for each in orjson.loads(seen.content)["dncGroupRecords"]]
        for seen in world.service.seen
    )
    assert [8012440005, 442071838750] == posted
    assert ["8012440005", "442071838750"] == deleted


def test_failures_inside_a_200_are_told_row_by_row(world: World, groups: DncGroups) -> None:
    """By position, and by number where the service says which it means."""
    crossed = answered(
        errorCount=1,
        recordResults=[
            {"success": False, "error": "bad", "formattedPhone": "+44 20 7183 8750"},
            {"success": True},
        ],
    )
    hidden = answered(errorCount=2**40, recordResults=[{"success": "true"}, {"success": "true"}])
    world.service.steps = [results("", "No good: 442071838750"), crossed, hidden]

    by_place, by_number, unnamed = (groups.send("77", TWO) for _ in range(3))

    assert [1] == [each.index for each in by_place.errors]
    assert "442071838750" not in by_place.errors[0].message
    assert [1] == [each.index for each in by_number.errors]
    assert (True, 2) == (unnamed.taken, len(unnamed.unnamed))


def test_an_answer_that_does_not_say_what_became_of_each_is_not_believed(
    world: World, groups: DncGroups
) -> None:
    """Silence is no success."""
    world.service.steps = [answered(recordResults=[{"success": True}])]

    with pytest.raises(ServiceError, match="each record"):
        groups.send("77", TWO)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_batch_that_is_refused_whole_is_to_be_halved(
    world: World, groups: DncGroups, status: int
) -> None:
    """It names no row."""
    world.service.steps = [httpx.Response(status, text="Maximum of 4,500 records exceeded")]

    sent = groups.send("77", TWO)

    assert Sent(taken=False, unnamed=(str(status),)) == sent


def test_an_inactive_group_is_no_conflict(world: World, groups: DncGroups) -> None:
    """Trying again never helps."""
    world.service.steps = [httpx.Response(409)]

    with pytest.raises(InactiveError, match="is inactive"):
        groups.send("77", TWO)

    assert 1 == len(world.service.seen)


def test_a_number_the_service_would_take_for_another_is_never_sent(
    world: World, groups: DncGroups
) -> None:
    """Its row is named; the others are sent next."""
    sent = groups.send("77", batch("+18012440005", "+4712345678"))

    assert not sent.taken
    assert [(1, "NUMBER_NOT_REPRESENTABLE")] == [(one.index, one.code) for one in sent.errors]
    assert [] == world.service.seen
    assert isinstance(sent.errors[0], RowError)


def test_a_group_is_made(world: World, groups: DncGroups) -> None:
    """With what the spec manages of it; one of that name is a refusal."""
    world.service.steps = [
        httpx.Response(201, json={"dncGroups": [GROUP]}),
        *NO_SKILLS,
        httpx.Response(400, json={"error_description": "exists"}),
    ]

    made = groups.create(Settings(name="US"))

    assert "77" == made.id
    assert {"dncGroupName": "US"} == orjson.loads(world.service.seen[0].content)
    with pytest.raises(RequestRefusedError, match="is there one of this name"):
        groups.create(Settings(name="US"))


def test_a_group_is_renamed_in_the_query(world: World, groups: DncGroups) -> None:
    """Right before it one looks whether it is still as it was."""
    world.service.steps = [group(), *NO_SKILLS, httpx.Response(204), group(dncGroupName="USA")]
    world.service.steps += NO_SKILLS

    found = groups.update("77", [RENAME], version="")

    assert "USA" == found.settings.name
    assert f"PUT {BASE}/77?dncGroupName=USA" == world.service.asked[3]


def test_a_group_that_somebody_renamed_is_left_alone(world: World, groups: DncGroups) -> None:
    """Nothing is written; where it has the wanted name already, nothing has to be."""
    world.service.steps = [group(dncGroupName="other"), *NO_SKILLS]
    world.service.steps += [group(dncGroupName="USA"), *NO_SKILLS]

    with pytest.raises(VersionConflictError, match="somebody else"):
        groups.update("77", [RENAME], version="")

    assert "USA" == groups.update("77", [RENAME], version="").settings.name
    assert {"GET"} == {each.partition(" ")[0] for each in world.service.asked}


def skills(*ids: int, key: str = "scrubbedSkills", name: str = "Sales {}") -> httpx.Response:
    """Answer with skills."""
    return answered(**{key: [{"skillId": each, "skillName": name.format(each)} for each in ids]})


def test_the_skills_of_a_group_are_read_to_their_end(world: World, groups: DncGroups) -> None:
    """Page by page, whatever the service calls them; a page that tells nothing new is the last."""
    pages = [skills(12, 5), skills(7, key="other"), skills(7), httpx.Response(204)]
    world.service.steps = [group(), *pages]

    found = groups.get("77").settings

    assert found.scrubbed_skills == tuple(
        Skill(id=each, name=f"Sales {each}") for each in ("12", "5", "7")
    )
    assert () == found.contributing_skills


def test_skills_are_given_and_taken_by_the_ids_of_their_names(
    world: World, groups: DncGroups
) -> None:
    """Those that come first, so that no call slips through between."""
    change = Change(field="scrubbedSkills", old="5", new="Sales 7")
    held = [group(), skills(5), httpx.Response(204), httpx.Response(204)]
    world.service.steps = [
        *held,
        skills(5, 7),
        httpx.Response(204),
        *[httpx.Response(200)] * 2,
        *held,
    ]

    groups.update("77", [change], version="")

    assert [f"POST {BASE}/77/scrubbed-skills/7", f"DELETE {BASE}/77/scrubbed-skills/5"] == [
        each for each in world.service.asked if "GET" not in each
    ]


@pytest.mark.parametrize(
    ("known", "said"), [(skills(8), "no skills"), (skills(8, 9, name="Sales 7"), "2")]
)
def test_a_skill_that_nobody_or_two_are_called_changes_nothing(
    world: World, groups: DncGroups, known: httpx.Response, said: str
) -> None:
    """Nobody guesses which one is meant."""
    change = Change(field="scrubbedSkills", old=None, new="Sales 7")
    world.service.steps = [group(), *NO_SKILLS, known, httpx.Response(204)]

    with pytest.raises(NotFoundError, match=said):
        groups.update("77", [change], version="")

    assert {"GET"} == {each.partition(" ")[0] for each in world.service.asked}


@pytest.mark.parametrize(("status", "error"), [(409, InactiveError), (400, RequestRefusedError)])
def test_a_skill_that_is_refused_is_told(
    world: World, groups: DncGroups, status: int, error: type[Exception]
) -> None:
    """An inactive group takes none, and some skills are not to be had."""
    change = Change(field="contributingSkills", old=None, new="5")
    known = [skills(5), httpx.Response(204)]
    world.service.steps = [group(), *NO_SKILLS, *known, httpx.Response(status)]

    with pytest.raises(error, match="group 77"):
        groups.update("77", [change], version="")


def test_records_of_all_groups_count_against_the_capacity(world: World, groups: DncGroups) -> None:
    """Those that are removed do not; one that does not say makes the sum unknown."""
    gone = {**GROUP, "isRemoved": True}
    world.service.steps = [
        answered(dncGroups=[GROUP, GROUP, gone]),
        answered(dncGroups=[{**GROUP, "validRecords": None}]),
    ]

    assert 4 == groups.occupied()
    with pytest.raises(ServiceError, match="how many records"):
        groups.occupied()
