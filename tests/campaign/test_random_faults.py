"""Faults in any combination, in one run or several: the run after them finishes the work."""

import pytest
from between import Asked, Mishap
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from mishaps import every
from rounds import Ground, mishap
from trials import SMALL

FAULTS = every()
TOGETHER = 4
RUNS = 2
IN_FLIGHT = 4
AGAIN = Asked("token", "", 2)
"""A token that is asked for only after another has been refused."""


@pytest.fixture(scope="module")
def grounds(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Ground]:
    """Lay out the reference for an installation that knows its service, and for a new one.

    Several requests of a list are in flight at once, so which of them meets a fault is chance.
    """
    return {
        seasoned: Ground(
            tmp_path_factory.mktemp("random"), SMALL, seasoned=seasoned, at_once=IN_FLIGHT
        )
        for seasoned in (True, False)
    }


def disturbed(ground: Ground, draw: st.DataObject) -> list[Mishap]:
    """Draw what befalls one run."""
    asked = draw.draw(
        st.lists(
            st.sampled_from((*ground.requests, AGAIN)), min_size=1, max_size=TOGETHER, unique=True
        )
    )
    return [
        mishap(one, draw.draw(st.sampled_from([each for each in FAULTS if one.kind in each.kinds])))
        for one in asked
    ]


def tried(grounds: dict[bool, Ground], data: st.DataObject) -> list[str]:
    """Draw runs and what befalls them, and return everything that is not as it must be."""
    ground = grounds[data.draw(st.booleans(), label="seasoned")]
    runs = [disturbed(ground, data) for _ in range(data.draw(st.integers(1, RUNS), label="runs"))]
    for mishaps in runs:
        note(" and ".join(map(str, mishaps)))
    return ground.tried(*runs)[1]


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_faults_in_any_combination_lose_nobody(
    grounds: dict[bool, Ground], data: st.DataObject
) -> None:
    """Whatever befell the runs before, the next one ends where an undisturbed one does."""
    assert [] == tried(grounds, data)


@pytest.mark.scale
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_many_more_combinations_lose_nobody(
    grounds: dict[bool, Ground], data: st.DataObject
) -> None:
    """The same, for as long as one cares to wait."""
    assert [] == tried(grounds, data)
