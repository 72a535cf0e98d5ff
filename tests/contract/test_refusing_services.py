"""What services refuse stays known, whichever way they say so, until they take it."""

from pathlib import Path

import pytest
from stranger import Manners, Stranger

from program import SECRETS, Workplace, workplace

PHONES = tuple(f"+12125550{number}" for number in range(101, 106))
WAYS = {
    "some taken, others named": Manners(complaint="index"),
    "some taken, others not named": Manners(complaint="code"),
    "all refused, some named": Manners(bad_row="whole"),
    "all refused, none named": Manners(bad_row="whole", complaint="code"),
}


@pytest.fixture
def work(tmp_path: Path) -> Workplace:
    """Return a folder to work in."""
    return workplace(tmp_path)


@pytest.mark.parametrize("manners", WAYS.values(), ids=WAYS.keys())
def test_who_is_refused_is_known_by_name_until_taken(work: Workplace, manners: Manners) -> None:
    """And only they: the others are in place."""
    service = Stranger(manners)
    service.client = (SECRETS["CXONE_CLIENT_ID"], SECRETS["CXONE_CLIENT_SECRET"])
    list_id = service.add_list("US Do Not Call")
    service.unwelcome = {PHONES[1]: "ON_HOLD", PHONES[3]: "ON_HOLD"}
    work.declare(*(f'phoneNumber: "{phone}"' for phone in PHONES), identity=f"listId: {list_id}")
    with service.serve():
        work.reach(service.base_url.removesuffix("/api/v2"))
        first = work.call("apply", "--auto-approve")
        both = work.call("rejected")
        del service.unwelcome[PHONES[1]]
        work.call("apply", "--auto-approve")
        one = work.call("rejected", "--format", "json")
        service.unwelcome.clear()
        last = work.call("apply", "--auto-approve")

    assert (6, 0) == (first.code, last.code)
    assert "Rejected: 2 contacts are still refused (2 ON_HOLD)." == both.last
    assert all(f"+1•••••••{phone[-3:]}" in both.out for phone in (PHONES[1], PHONES[3]))
    ((code,),) = (listed["codes"] for listed in one.document["lists"])
    ((contact,),) = (code["samples"],)
    assert (f"+1•••••••{PHONES[3][-3:]}", 2) == (contact["address"], contact["times"])
    assert "Rejected: none." == work.call("rejected").last
    assert len(PHONES) == len(service.contacts(list_id))
