"""What the program relies on of a service, at every service there is to try.

Each scenario speaks to a ``Writer`` alone, and never asks which service it has met.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import pytest
from services import (
    CLIENT,
    END,
    LISTED_SERVICES,
    SERVICES,
    SMALL_PAGE,
    Met,
    Trouble,
    addresses,
    read,
    rows,
)

from reconciler.api.port import PAGE
from reconciler.errors import (
    AuthError,
    ForbiddenError,
    NotFoundError,
    RequestRefusedError,
    ServiceError,
    VersionConflictError,
)
from reconciler.model import Change, RemoteList, Settings
from reconciler.times import parse_time

LATER = END + timedelta(days=40)
PAST = datetime(2020, 1, 1, tzinfo=UTC)

Meet: TypeAlias = Callable[[Trouble], Met]


@pytest.fixture(autouse=True)
def _client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the made-up credentials where the tenants look for them."""
    for name, value in CLIENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(params=SERVICES)
def meet(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Meet]:
    """Return a way to meet each service, with or without a trouble."""
    with ExitStack() as open_until_the_end:
        yield lambda trouble: open_until_the_end.enter_context(
            SERVICES[request.param](tmp_path, trouble)
        )


@pytest.fixture
def met(meet: Meet) -> Met:
    """Return a service without trouble."""
    return meet("none")


# ---------------------------------------------------------------- lists


def test_good_credentials_are_proven(met: Met) -> None:
    """Signing in says nothing where all is well, and what the dialect can do is known."""
    met.writer.sign_in()

    assert met.writer.capabilities == met.capabilities


def test_a_made_list_is_found_by_id_and_by_name(met: Met) -> None:
    """What was asked for is what is there, whichever way one looks."""
    made = met.writer.create(met.settings)

    got = met.writer.get(made.id)
    expected = RemoteList(
        id=made.id, settings=met.settings, type="suppression", count=0, version=got.version
    )
    assert expected == got
    assert got.version
    assert got == met.writer.find("Kept list")
    assert made.settings == met.settings


def test_a_list_that_is_not_there_is_not_made_up(met: Met) -> None:
    """No name, no list; no id, an error."""
    found = met.writer.find("Nobody's list")

    assert found is None
    with pytest.raises(NotFoundError):
        met.writer.get("no-such-list")


def test_a_name_of_odd_letters_is_found(met: Met) -> None:
    """A name goes out and comes back as it is written."""
    name = "Ärzte & Söhne: 100% + «nie» ?/#"

    made = met.writer.create(Settings(name=name, description=None, suppress_until=None))

    found = met.writer.find(name)
    assert found is not None
    assert (made.id, name) == (found.id, found.settings.name)


def test_two_lists_of_one_name_are_an_error(met: Met) -> None:
    """Which of them is meant is not for the program to guess; some services refuse a second."""
    met.writer.create(met.settings)

    if met.one_of_a_name:
        with pytest.raises(RequestRefusedError):
            met.writer.create(met.settings)
        return
    met.writer.create(met.settings)
    with pytest.raises(NotFoundError):
        met.writer.find("Kept list")


def test_a_change_touches_its_field_and_moves_the_version(met: Met) -> None:
    """Only what a change names becomes different."""
    made = met.writer.create(met.settings)
    seen = met.writer.get(made.id)
    change = Change(field="description", old="Kept by a spec", new="Kept by two")

    changed = met.writer.update(made.id, [change], version=seen.version)

    expected = replace(met.settings, description="Kept by two")
    assert expected == changed.settings
    assert seen.version != changed.version
    assert changed == met.writer.get(made.id)


@pytest.mark.parametrize("meet", LISTED_SERVICES, indirect=True)
def test_an_end_can_be_cleared(met: Met) -> None:
    """A change to no end is told from no change."""
    made = met.writer.create(met.settings)
    seen = met.writer.get(made.id)
    change = Change(field="suppressUntil", old="2031-05-06T07:08:09Z", new=None)

    met.writer.update(made.id, [change], version=seen.version)

    assert met.writer.get(made.id).settings.suppress_until is None


def test_a_change_of_a_list_that_moved_on_is_a_conflict(met: Met) -> None:
    """Somebody else's change is not written over."""
    made = met.writer.create(met.settings)
    seen = met.writer.get(made.id)
    met.touch(made.id)
    change = Change(field="name", old="Kept list", new="Another")

    with pytest.raises(VersionConflictError):
        met.writer.update(made.id, [change], version=seen.version)

    assert met.writer.get(made.id).settings.name != "Another"


# ---------------------------------------------------------------- contacts


def test_what_is_sent_is_what_is_read(met: Met) -> None:
    """Identifiers, reason, end and version come back; the end in any spelling of the same time."""
    made = met.writer.create(met.settings)
    batch = rows((met.who(1), END), ("+12025550101", None), version=3, reason="BOUNCE")

    sent = met.writer.send(made.id, batch)

    pages, contacts = read(met.writer, made.id)
    by_address = {row["email"] or row["phone"]: row for row in contacts}
    one = by_address[met.spell(met.who(1))]
    phone = by_address[met.spell("+12025550101")]
    assert sent.taken
    assert (sent.errors, sent.unnamed) == ((), ())
    assert {page.contacts.schema for page in pages} == {PAGE}
    assert met.kept("BOUNCE", 3) == (one["reason"], one["version"])
    assert parse_time(one["until"]) == END
    assert (None, None, *met.kept("BOUNCE", 3)) == tuple(
        phone[name] for name in ("email", "until", "reason", "version")
    )


def test_the_version_moves_with_a_batch_and_all_ways_to_it_agree(met: Met) -> None:
    """The answer to a batch, the list and its pages tell one version and one count."""
    made = met.writer.create(met.settings)
    before = met.writer.get(made.id)

    sent = met.writer.send(made.id, rows((met.who(1), END)))

    after = met.writer.get(made.id)
    pages, _ = read(met.writer, made.id)
    told = (1, after.version) if met.capabilities.versioned else (None, "")
    assert before.version != after.version
    assert sent.version in {"", after.version}
    assert {told} == {(page.total, page.version) for page in pages}
    assert after.count == 1


def test_an_empty_list_is_read(met: Met) -> None:
    """It has no contacts, and says so."""
    made = met.writer.create(met.settings)

    pages, contacts = read(met.writer, made.id)

    assert contacts == []
    assert {page.total for page in pages} <= {0, None}


def test_every_page_is_read_whatever_its_size(met: Met) -> None:
    """A service may give fewer rows than were asked for: none is lost, none comes twice."""
    made = met.writer.create(met.settings)
    sent = [f"+1202555{number:04}" for number in range(100, 100 + 3 * SMALL_PAGE + 4)]
    met.writer.send(made.id, rows(*((address, END) for address in sent)))

    pages, contacts = read(met.writer, made.id)

    assert sorted(map(met.spell, sent)) == addresses(contacts)
    total = len(sent) if met.capabilities.versioned else None
    assert {total} == {page.total for page in pages}


def test_a_contact_sent_again_is_changed_in_place(met: Met) -> None:
    """A batch puts in and amends alike, by the identifier as the service spells it."""
    made = met.writer.create(met.settings)
    met.writer.send(made.id, rows((met.who(1), END), ("+12025550101", END)))
    spelled = met.spell("+12025550101")

    met.writer.send(made.id, rows((spelled, LATER), version=2, reason="COMPLIANCE"))

    _, contacts = read(met.writer, made.id)
    phone = next(row for row in contacts if row["phone"] == spelled)
    assert sorted([met.spell(met.who(1)), spelled]) == addresses(contacts)
    assert met.kept("COMPLIANCE", 2) == (phone["reason"], phone["version"])
    assert parse_time(phone["until"]) == LATER


def test_sending_a_batch_twice_is_safe(met: Met) -> None:
    """The same batch again changes nobody."""
    made = met.writer.create(met.settings)
    batch = rows((met.who(1), END), ("+12025550101", None))
    met.writer.send(made.id, batch)
    _, once = read(met.writer, made.id)

    again = met.writer.send(made.id, batch)

    _, twice = read(met.writer, made.id)
    assert (again.taken, again.errors, again.unnamed) == (True, (), ())
    assert addresses(once) == addresses(twice)


def test_a_release_ends_minutes_ahead_or_now(met: Met) -> None:
    """A contact is let go and stays readable with its end, for a while."""
    made = met.writer.create(met.settings)
    met.writer.send(made.id, rows((met.who(1), None)))
    soon = (datetime.now(UTC) + timedelta(minutes=10)).replace(microsecond=0)

    sent = met.writer.remove(made.id, rows((met.who(1), soon), version=2))

    _, (contact,) = read(met.writer, made.id)
    end = parse_time(contact["until"])
    assert (sent.taken, sent.errors) == (True, ())
    assert end == soon if met.capabilities.release == "expire" else end <= datetime.now(UTC)


def test_letting_go_twice_is_safe(met: Met) -> None:
    """Whoever saw no answer asks again, and nothing else happens."""
    made = met.writer.create(met.settings)
    met.writer.send(made.id, rows((met.who(1), None), (met.who(2), None)))
    soon = (datetime.now(UTC) + timedelta(minutes=10)).replace(microsecond=0)
    batch = rows((met.who(1), soon), version=2)

    answers = [met.writer.remove(made.id, batch) for _ in range(2)]

    _, contacts = read(met.writer, made.id)
    assert [(True, (), ())] * 2 == [(each.taken, each.errors, each.unnamed) for each in answers]
    assert sorted(map(met.spell, (met.who(1), met.who(2)))) == addresses(contacts)


def test_whoever_was_let_go_can_be_suppressed_again(met: Met) -> None:
    """A contact that has ended is taken up anew, in place."""
    made = met.writer.create(met.settings)
    soon = (datetime.now(UTC) + timedelta(minutes=10)).replace(microsecond=0)
    met.writer.send(made.id, rows((met.who(1), None)))
    met.writer.remove(made.id, rows((met.who(1), soon), version=2))

    sent = met.writer.send(made.id, rows((met.who(1), None), version=3))

    _, (contact,) = read(met.writer, made.id)
    assert (True, ()) == (sent.taken, sent.errors)
    assert contact["until"] is None


@pytest.mark.parametrize("meet", LISTED_SERVICES, indirect=True)
def test_a_contact_of_two_identifiers_is_one_row(met: Met) -> None:
    """Nobody's second identifier is lost in reading."""
    made = met.writer.create(met.settings)
    met.add(made.id, "user1@example.com", "+12025550101")

    _, contacts = read(met.writer, made.id)

    expected = [(met.spell("user1@example.com"), met.spell("+12025550101"))]
    assert expected == [(row["email"], row["phone"]) for row in contacts]


def test_a_bad_row_is_told_from_the_good_ones(met: Met) -> None:
    """One row is refused; which, and what of the others, is as clear as the service makes it."""
    made = met.writer.create(met.settings)
    batch = rows((met.who(1), END), (met.who(2), PAST), ("+12025550101", END))

    sent = met.writer.send(made.id, batch)

    _, contacts = read(met.writer, made.id)
    good = sorted(map(met.spell, (met.who(1), "+12025550101")))
    match met.bad_row:
        case "named":
            assert (sent.taken, [error.index for error in sent.errors]) == (True, [1])
            assert good == addresses(contacts)
        case "unnamed":
            assert (sent.taken, sent.errors, len(sent.unnamed)) == (True, (), 1)
            assert good == addresses(contacts)
        case "whole batch refused":
            assert (sent.taken, [error.index for error in sent.errors]) == (False, [1])
            assert contacts == []
    assert met.who(2).removesuffix("example.com") not in repr(sent)


# ---------------------------------------------------------------- troubles


def test_a_dropped_token_is_replaced_once(meet: Meet) -> None:
    """A token that the service forgot is nobody's problem."""
    met = meet("the token is dropped")
    made = met.writer.create(met.settings)

    got = met.writer.get(made.id)

    assert made.id == got.id


def test_a_fresh_token_that_is_refused_names_the_scopes(meet: Meet) -> None:
    """A second 401 is final, and says what the client must be allowed."""
    met = meet("no token is welcome")
    made = met.writer.create(met.settings)

    with pytest.raises(AuthError) as refused:
        met.writer.get(made.id)

    told = f"{refused.value} {refused.value.hint}"
    assert [word for word in met.needed if word not in told] == []


def test_a_plain_no_is_final(meet: Meet) -> None:
    """A 403 is never tried again."""
    met = meet("it says no")
    made = met.writer.create(met.settings)

    with pytest.raises(ForbiddenError):
        met.writer.get(made.id)

    assert met.meter.snapshot()["retries"] == 0


@pytest.mark.parametrize("trouble", ["it is busy", "it is down for a moment"])
def test_a_passing_trouble_is_waited_out(meet: Meet, trouble: Trouble) -> None:
    """Told to come back later, by a date or not at all, one does, and it is counted."""
    met = meet(trouble)
    made = met.writer.create(met.settings)

    got = met.writer.get(made.id)

    assert made.id == got.id
    assert met.meter.snapshot()["retries"] == 1


def test_a_batch_whose_answer_is_cut_off_is_sent_again(meet: Meet) -> None:
    """Whether it was done is not known; sending it again is safe."""
    met = meet("a batch is answered with half a body")
    made = met.writer.create(met.settings)

    sent = met.writer.send(made.id, rows((met.who(1), END)))

    _, contacts = read(met.writer, made.id)
    assert (sent.taken, sent.errors) == (True, ())
    assert [met.spell(met.who(1))] == addresses(contacts)


def test_a_list_is_never_made_twice_by_itself(meet: Meet) -> None:
    """Where it is not known whether it was made, that is said, and left to a lookup by name."""
    met = meet("a new list is answered with a 502")

    with pytest.raises(ServiceError):
        met.writer.create(met.settings)

    assert met.writer.find("Kept list") is None


def test_a_list_that_changes_between_two_pages_shows_it(meet: Meet) -> None:
    """Pages, or the list before and after, tell different versions: the caller has to judge."""
    met = meet("a stranger comes between two pages")
    made = met.writer.create(met.settings)
    contacts = [(met.who(number), END) for number in range(SMALL_PAGE + 3)]
    met.writer.send(made.id, rows(*contacts))
    before = met.writer.get(made.id).version

    pages, _ = read(met.writer, made.id)

    after = met.writer.get(made.id).version
    assert before != after
    assert {page.version for page in pages} <= {before, after, ""}
