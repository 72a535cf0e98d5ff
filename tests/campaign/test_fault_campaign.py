"""Every fault at every request: nobody is lost, nothing is counted that did not happen.

By default a small world and a sixth of all faults, each at another request; with ``-m scale``
25,000 contacts in batches as large as they come, and every fault at every kind of request. Set
``FAULT_CAMPAIGN=all`` for every fault at every single request, which takes hours.
"""

import os
from collections.abc import Callable
from datetime import timedelta
from typing import TypeAlias

import pytest
from between import KINDS, WRITES, Call, Reply
from ingredients import Fault
from mishaps import every
from rounds import Ground, all_pairs, every_kind, mishap, rotating
from trials import FULL, SMALL

from reconciler import sandbox

Recorder: TypeAlias = Callable[[str, object], None]
FAULTS = every()
SHARE = 6
PARTS = 4
FULL_PARTS = 60


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """Lay out the small reference once for all tests of this process."""
    return Ground(tmp_path_factory.mktemp("small"), SMALL)


@pytest.fixture(scope="module")
def full_ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """Lay out the large reference once for all tests of this process."""
    return Ground(tmp_path_factory.mktemp("full"), FULL)


def test_the_reference_asks_for_everything_there_is(ground: Ground) -> None:
    """Every kind of request comes up, on two lists and one that is made."""
    asked = {(one.kind, one.key) for one in ground.requests}

    assert set(KINDS) == {kind for kind, _ in asked}
    assert {(kind, key) for kind in ("page", "send") for key in ("us", "uk", "new")} <= asked
    assert {("update", "us"), ("update", "uk"), ("create", "new")} <= asked


@pytest.mark.parametrize("part", range(PARTS))
def test_no_fault_at_any_request_loses_anybody(
    ground: Ground, part: int, record_property: Recorder
) -> None:
    """Run with faults, run again without: what the service holds is what was declared."""
    tally = ground.campaign(rotating(ground.requests, FAULTS)[part :: PARTS * SHARE], together=3)

    record_property("fault pairs", tally.pairs)
    record_property("fault losses", len(tally.losses))
    assert [] == tally.losses
    assert tally.pairs


@pytest.mark.scale
@pytest.mark.parametrize("part", range(FULL_PARTS))
def test_no_fault_loses_anybody_of_twenty_five_thousand(
    full_ground: Ground, part: int, record_property: Recorder
) -> None:
    """The same with pages and batches of ten thousand, at every kind of request."""
    chosen = all_pairs if os.environ.get("FAULT_CAMPAIGN") == "all" else every_kind

    tally = full_ground.campaign(chosen(full_ground.requests, FAULTS)[part::FULL_PARTS])

    record_property("fault pairs", tally.pairs)
    record_property("fault losses", len(tally.losses))
    assert [] == tally.losses
    assert tally.pairs


@pytest.mark.parametrize("kind", sorted(WRITES - {"create"}))
def test_a_loss_would_be_seen(ground: Ground, kind: str) -> None:
    """A service that drops somebody by itself does not go unnoticed."""

    def drops(call: Call) -> Reply:
        each = ground.reference.lists[0]
        kept = min(each.held.keys() & each.wanted.keys())
        sandbox.stranger(call.between.watch.database).remove(each.list_id, kept)
        return call.serve()

    asked = next(one for one in ground.requests if (one.kind, one.key) == (kind, "us"))

    happened, problems = ground.tried([mishap(asked, Fault(name="a loss", does=drops))])

    assert {0} == happened
    assert any("somebody is held until None" in problem for problem in problems)


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_service_whose_clock_is_off_loses_nobody(ground: Ground, hours: int) -> None:
    """Ends are counted by the service's clock, also those of releases whose answer is lost."""
    lost = next(each for each in FAULTS if each.name == "a reset after it was done")
    sends = [one for one in ground.requests if one.kind == "send"]
    mishaps = [mishap(one, lost) for one in sends]

    happened, problems = ground.tried(mishaps, skew=timedelta(hours=hours))

    assert [] == problems
    assert happened == {*range(len(sends))}
