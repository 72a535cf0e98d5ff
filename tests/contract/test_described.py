"""The published dialect against a service that is made out of a description of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from described import Described
from loopback import Answer
from services import CLIENT, END, GROUP_SETTINGS, REACHED, read, rows

from reconciler.api.connect import connect
from reconciler.api.port import Writer
from reconciler.errors import InactiveError, ReconcilerError
from reconciler.metrics import Meter
from reconciler.model import Change

GROUP = {
    "dncGroupId": 77,
    "dncGroupName": "Kept list",
    "dncGroupDescription": "Kept by a spec",
    "validRecords": 0,
    "isActive": True,
    "isRemoved": False,
}
FOUND = {
    "listGroups": Answer(status=200, body={"resultSet": {"dncGroups": [GROUP]}}),
    "getGroup": Answer(status=200, body={"resultSet": {"dncGroups": [GROUP]}}),
    "list-scrubbed-skills": Answer(status=204, body=b""),
    "list-contributing-skills": Answer(status=204, body=b""),
    "createGroup": Answer(status=200, body={"dncGroups": [GROUP]}),
    "listRecords": Answer(status=204, body=b""),
    "listSkills": Answer(status=204, body=b""),
}
"""What a service answers that holds one empty group."""
EVERYTHING = {
    "listGroups",
    "createGroup",
    "getGroup",
    "changeGroup",
    "listRecords",
    "addRecords",
    "expireRecords",
    "list-scrubbed-skills",
    "list-contributing-skills",
    "add-scrubbed-skills",
    "remove-scrubbed-skills",
    "listSkills",
}


@pytest.fixture(autouse=True)
def _client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the made-up credentials where the tenants look for them."""
    for name, value in CLIENT.items():
        monkeypatch.setenv(name, value)


@contextmanager
def met(seed: int, **fixed: Answer) -> Iterator[tuple[Described, Writer]]:
    """Meet a service whose answers are made up, but for some."""
    with Described(seed).serve() as service:
        service.fixed |= fixed
        tenant = replace(
            REACHED,
            dialect="dnc-groups",
            base_url=f"{service.url}/inContactAPI/services/v34.0",
            token_url=f"{service.url}/auth/token",
        )
        with connect(tenant, app=None, meter=Meter(), on_wait=lambda _: None) as writer:
            yield service, writer


def everything(writer: Writer) -> Iterator[object]:
    """Ask for everything there is to ask for; what fails with an error of ours is passed over."""
    batch = rows(("+18012440005", END), ("+442071838750", None))
    rename = Change(field="name", old="Kept list", new="Renamed & more")
    added = Change(field="scrubbedSkills", old=None, new="5")
    taken = Change(field="scrubbedSkills", old="5", new=None)
    for ask in (
        lambda: writer.find("Kept list"),
        lambda: writer.get("77"),
        writer.occupied,
        lambda: read(writer, "77"),
        lambda: writer.create(GROUP_SETTINGS),
        lambda: writer.update("77", [rename], version=""),
        lambda: writer.update("77", [added], version=""),
        lambda: writer.update("77", [taken], version=""),
        lambda: writer.send("77", batch),
        lambda: writer.remove("77", batch),
    ):
        try:
            yield ask()
        except ReconcilerError as error:
            yield error


def test_every_request_is_one_that_is_described() -> None:
    """Path, query, headers and body, of everything that the program ever asks for."""
    skill = {"scrubbedSkills": [{"skillId": 5, "skillName": "Sales"}]}
    known = {"skills": [{"skillId": 5, "skillName": "Sales"}]}
    held = FOUND | {"listSkills": Answer(status=200, body=known)}
    scrubbed = held | {"list-scrubbed-skills": Answer(status=200, body=skill)}

    asked: set[str] = set()
    for fixed in (held, scrubbed):
        with met(1, **fixed) as (service, writer):
            assert [*everything(writer)]
            assert [] == service.wrong
            asked |= {*service.asked}

    assert EVERYTHING == asked


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_answered_is_understood_or_refused(seed: int) -> None:
    """Any answer that the description allows comes to a value, or to an error that says so."""
    with met(seed) as (service, writer):
        came = [*everything(writer)]

        assert 10 == len(came)
        assert [] == service.wrong


def test_an_inactive_group_is_told_from_a_conflict() -> None:
    """Its 409 is never tried again."""
    with met(1, **FOUND, addRecords=Answer(status=409, body=b"")) as (service, writer):
        with pytest.raises(InactiveError):
            writer.send("77", rows(("+18012440005", None)))

        assert ["addRecords"] == service.asked
