"""Places, problems and exit codes read the way people and scripts rely on."""

import pytest

from reconciler import errors
from reconciler.errors import (
    STATE_HINT,
    EvidenceError,
    Place,
    Problem,
    ReconcilerError,
    ServiceError,
    SpecError,
    worst,
)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (Place(path="specs/a.yaml"), "specs/a.yaml"),
        (Place(path="specs/a.yaml", line=4), "specs/a.yaml:4"),
        (Place(path="specs/a.yaml", line=4, column=7), "specs/a.yaml:4:7"),
    ],
)
def test_a_place_is_as_exact_as_it_is_known(place: Place, expected: str) -> None:
    """An editor can jump to it; what is not known is not shown as nought."""
    assert expected == str(place)


def test_a_problem_tells_place_code_and_message() -> None:
    """One line, in the order that people read and tools parse."""
    problem = Problem(place=Place(path="a.yaml", line=4), code="SPEC-012", message="no such key")

    assert str(problem) == "a.yaml:4 SPEC-012 no such key"


def test_an_error_carries_what_to_do_about_it() -> None:
    """The message says what happened, the hint what next."""
    error = ReconcilerError("it broke", hint="mend it")

    assert ("it broke", "mend it") == (str(error), error.hint)


def test_evidence_that_fails_always_has_a_hint() -> None:
    """Whoever raises it may know a better one."""
    usual, better = EvidenceError("a.json cannot be read"), EvidenceError("no", hint="mend it")

    assert (STATE_HINT, "mend it") == (usual.hint, better.hint)


def test_an_error_of_the_specs_carries_all_problems() -> None:
    """Nobody has to run it again to see the next one."""
    problems = tuple(
        Problem(place=Place(path="a.yaml", line=line), code="SPEC-001", message="wrong")
        for line in (1, 2)
    )

    error = SpecError("2 problems", problems=problems, hint="see above")

    assert (problems, "see above", 7) == (error.problems, error.hint, error.exit_code)


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ((), 0),
        ((0, 2), 2),
        ((2, 3, 6, 4), 4),
        ((6, 5, 1), 1),
        ((1, 7), 7),
        ((7, 143), 143),
        ((143, 130), 130),
    ],
)
def test_of_several_exit_codes_one_wins(codes: tuple[int, ...], expected: int) -> None:
    """The order is fixed, so that a script can rely on it."""
    assert expected == worst(codes)


def test_every_error_has_an_exit_code_that_scripts_know() -> None:
    """No error ends the program with a code of its own invention."""
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, ReconcilerError)
    ]

    unknown = [kind.__name__ for kind in kinds if kind.exit_code not in errors.PRECEDENCE]

    assert unknown == []


@pytest.mark.parametrize("untouched", [True, False])
def test_a_failure_of_the_service_says_whether_it_may_have_done_anything(
    *, untouched: bool
) -> None:
    """Unless it is certain, it may have."""
    error = ServiceError("it is down", hint="later", untouched=untouched)

    assert ("it is down", "later", untouched) == (str(error), error.hint, error.untouched)
    assert not ServiceError("it is down").untouched
