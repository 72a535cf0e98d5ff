"""A list is read whole, or it is said why it may not be."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pytest

from builders import remote
from contact_tables import rows as rows_of
from reconciler.api.port import PAGE, Page
from reconciler.artifacts import Run
from reconciler.errors import (
    AuthError,
    InterruptedRunError,
    RequestRefusedError,
    ServiceError,
)
from reconciler.model import LISTS, Capabilities, RemoteList
from reconciler.reading import TRIES, Reading, read
from worlds import running

ADA, BOB, CYD = "ada@example.com", "bob@example.com", "cyd@example.com"
ALL = (ADA, BOB, CYD)
ENDLESS = 1000


def page(*emails: str, total: int | None = 3, version: str = '"1"') -> Page:
    """A page of contacts."""
    contacts = pa.Table.from_pylist([{"email": one, "version": 1} for one in emails], schema=PAGE)
    return Page(contacts=contacts, total=total, version=version)


WHOLE = (page(ADA, BOB), page(CYD), page())


@dataclass(slots=True)
class Told:
    """A service that shows the pages it is told to, once a walk; the last walk is repeated."""

    walks: list[tuple[Page | Exception, ...]]
    after: list[RemoteList | Exception] = field(default_factory=list)
    """The metadata after each walk; then as at first."""
    capabilities: Capabilities = LISTS
    walked: int = 0
    shown: int = 0
    left: int = 0
    """Walks that have ended, or were ended."""

    def pages(self, _list_id: str) -> Iterator[Page]:
        """Show the pages of this walk."""
        walk = self.walks[min(self.walked, len(self.walks) - 1)]
        self.walked += 1
        try:
            for each in walk:
                if isinstance(each, Exception):
                    raise each
                self.shown += 1
                yield each
        finally:
            self.left += 1

    def get(self, _list_id: str) -> RemoteList:
        """Show the metadata."""
        told = self.after.pop(0) if self.after else remote(count=3)
        if isinstance(told, Exception):
            raise told
        return told


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Open a run in a folder of its own."""
    with running(folder=tmp_path / "state") as opened:
        yield opened


def reading(run: Run, service: Told, *, before: RemoteList | None = None) -> Reading:
    """Read the list."""
    seen = before or remote(count=3)
    return read(run, service, seen, key="us-dnc", region=None)  # type: ignore[arg-type] # as much of a reader as is used


def test_pages_that_agree_are_the_whole_list(run: Run) -> None:
    """However the service cuts them; one walk is enough."""
    service = Told([(page(ADA), page(BOB, CYD), page())])

    found = reading(run, service)

    assert (True, "", False) == (found.complete, found.doubt, found.failed)
    assert list(ALL) == [row["address"] for row in rows_of(found.table)]
    assert 1 == service.walked


def test_an_empty_list_is_whole(run: Run) -> None:
    """If everybody says that it is empty."""
    service = Told([(page(total=0),)], after=[remote(count=0)])

    found = reading(run, service, before=remote(count=0))

    assert (True, 0) == (found.complete, found.table.rows)


@pytest.mark.parametrize(
    ("pages", "count", "doubt"),
    [
        ((page(ADA, BOB), page()), 3, "2 contacts came, 3 were announced"),
        ((page(), page(ADA)), 3, "1 contacts came, 3 were announced"),
        ((page(ADA, BOB, total=2), page(CYD, total=3), page()), 3, "3 contacts came, 2 were"),
        ((page(*ALL, total=2), page(total=2)), 2, "3 contacts came, 2 were announced"),
        ((page(*ALL, total=None), page(total=None)), 4, "3 contacts came, the list counts 4"),
        ((page(total=0),), 3, "0 contacts came, the list counts 3"),
        ((page(*ALL, total=None), page(total=None)), None, "does not say how many"),
        ((page(ADA, version='"2"'), page(BOB, CYD), page()), 3, "it changed while it was read"),
    ],
)
def test_what_does_not_agree_is_not_whole(
    run: Run, pages: tuple[Page, ...], count: int | None, doubt: str
) -> None:
    """Totals that lie, pages that are missing, counts and versions that differ."""
    service = Told([pages], after=[remote(count=count)] * TRIES)

    found = reading(run, service, before=remote(count=count))

    assert doubt in found.doubt
    assert (False, False, TRIES) == (found.complete, found.failed, service.walked)


def test_a_contact_that_comes_twice_is_a_doubt(run: Run) -> None:
    """It took the place of another, although every number agrees."""
    service = Told([(page(ADA, BOB), page(BOB), page())])

    found = reading(run, service)

    assert "1 contacts came twice, so as many others may have been left out" == found.doubt
    assert TRIES == service.walked


def test_contacts_that_share_one_of_two_identifiers_are_not_one(run: Run) -> None:
    """Only a contact that is the same in everything came twice."""
    rows = [
        {"email": ADA, "phone": phone, "version": version}
        for phone, version in (("+12125550101", 1), ("+12125550102", 1), ("+12125550101", 2))
    ]
    contacts = pa.Table.from_pylist(rows, schema=PAGE)
    service = Told([(Page(contacts=contacts, total=3, version='"1"'),)])

    found = reading(run, service)

    assert "" == found.doubt


def test_of_tries_that_all_failed_the_fullest_counts(run: Run) -> None:
    """The more is known of a list, the less is written to it blindly."""
    broken = ServiceError("it is down")
    service = Told([(broken,), (page(ADA, BOB), broken), (page(ADA), broken)])

    found = reading(run, service)

    assert (2, TRIES, False) == (found.table.rows, service.walked, found.complete)


def test_totals_alone_or_a_count_alone_will_do(run: Run) -> None:
    """A service need not say it twice, but at least once."""
    by_total = Told([WHOLE], after=[remote(count=None)])
    by_count = Told([(page(*ALL, total=None), page(total=None))])

    assert reading(run, by_total, before=remote(count=None)).complete
    assert reading(run, by_count).complete


def test_a_list_that_moved_once_is_read_again(run: Run) -> None:
    """The second walk is measured against what the list was after the first."""
    moved = remote(count=3, version='"2"')
    later = tuple(replace(each, version='"2"') for each in WHOLE)
    service = Told([WHOLE, later], after=[moved, moved])

    found = reading(run, service)

    assert (True, '"2"', 2) == (found.complete, found.remote.version, service.walked)


def test_a_list_that_always_moves_is_not_whole(run: Run) -> None:
    """After three walks it is left at that; what came last is kept."""
    service = Told([WHOLE], after=[remote(count=3, version=f'"{n}"') for n in range(2, 9)])

    found = reading(run, service)

    assert ("it changed while it was read", '"4"') == (found.doubt, found.remote.version)
    assert (TRIES, 3) == (service.walked, found.table.rows)


def test_pages_that_say_no_version_are_no_doubt(run: Run) -> None:
    """The list's own, before and after, is enough."""
    service = Told([tuple(replace(each, version="") for each in WHOLE)])

    assert reading(run, service).complete


def test_a_list_without_a_version_cannot_be_known_to_be_whole(run: Run) -> None:
    """A check that cannot be made has failed, unless the dialect has no versions."""
    bare = remote(count=3, version="")
    pages = tuple(replace(each, version="") for each in WHOLE)
    without = replace(LISTS, versioned=False)

    found = reading(run, Told([pages], after=[bare] * TRIES), before=bare)
    other = reading(run, Told([pages], after=[bare], capabilities=without), before=bare)

    assert "the service does not say its version" == found.doubt
    assert other.complete


def test_pages_without_an_end_are_not_walked_to_the_end(run: Run) -> None:
    """More rows than the list has are not the rest of the list."""
    service = Told([(page(ADA, BOB),) * ENDLESS])

    found = reading(run, service)

    assert "4 contacts came, 3 were announced" == found.doubt
    assert 2 * TRIES == service.shown


def test_a_list_that_grows_as_fast_as_it_is_read_is_not_followed(run: Run) -> None:
    """Beyond what its first page announced nothing can make the reading whole."""
    growing = (page(ADA, BOB), *(page(CYD, total=3 + n) for n in range(ENDLESS)))

    service = Told([growing])

    found = reading(run, service)

    assert (False, 3 * TRIES) == (found.complete, service.shown)


@pytest.mark.parametrize(
    "error", [ServiceError("it repeats its first page"), RequestRefusedError("no such page")]
)
def test_a_failure_midway_is_a_doubt_and_a_failure(run: Run, error: Exception) -> None:
    """What came before it is kept, and is not taken for the list."""
    service = Told([(page(ADA, BOB), error)])

    found = reading(run, service)

    assert (str(error), True, False) == (found.doubt, found.failed, found.complete)
    assert (2, TRIES) == (found.table.rows, service.walked)


def test_a_failure_that_passes_costs_one_walk(run: Run) -> None:
    """The next one may be whole, and holds nothing twice."""
    service = Told([(page(ADA, BOB), ServiceError("it is down")), WHOLE])

    found = reading(run, service)

    assert (True, False, 3, 2) == (
        found.complete,
        found.failed,
        found.table.rows,
        service.walked,
    )


@pytest.mark.parametrize(
    "error", [AuthError("the token is refused"), InterruptedRunError("interrupted")]
)
def test_what_no_other_walk_mends_ends_the_reading(run: Run, error: Exception) -> None:
    """It is not mistaken for a broken page."""
    service = Told([(page(ADA, BOB), error)])

    with pytest.raises(type(error)):
        reading(run, service)

    assert 1 == service.walked


def test_without_its_metadata_nothing_can_be_said_of_a_list(run: Run) -> None:
    """That is an error, not a list read in part."""
    service = Told([WHOLE], after=[ServiceError("it is down")])

    with pytest.raises(ServiceError):
        reading(run, service)


def test_an_engine_that_fails_ends_the_walk(run: Run) -> None:
    """Nobody goes on fetching pages that nobody will read."""
    odd = replace(WHOLE[1], contacts=pa.table({"strange": [1]}))
    service = Told([(WHOLE[0], odd, page())])

    with pytest.raises(Exception, match="email"):
        reading(run, service)

    assert (1, 1) == (service.walked, service.left)
