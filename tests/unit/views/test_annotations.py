"""Problems as the commands that GitHub's runner reads from a log."""

from reconciler.errors import Place, Problem
from reconciler.views import annotations


def problem(**how: object) -> Problem:
    """Return a problem at ``specs/a.yaml:4:2``, in other words where told."""
    place = Place(path=str(how.pop("path", "specs/a.yaml")), line=4, column=2)
    return Problem(**({"place": place, "code": "SPEC-012", "message": "wrong"} | how))  # type: ignore[arg-type]


def test_a_problem_is_one_command_with_its_place() -> None:
    """File, line, column, and the code as title; a warning is one."""
    warning = problem(severity="warning", path="specs/b.yaml")

    told = annotations.problems([warning, problem()])

    expected = [
        "::error file=specs/a.yaml,line=4,col=2,title=SPEC-012::wrong",
        "::warning file=specs/b.yaml,line=4,col=2,title=SPEC-012::wrong",
    ]
    assert expected == told.splitlines()


def test_a_problem_of_a_whole_file_names_no_line() -> None:
    """Nor a column where there is none."""
    whole = problem(place=Place(path="specs"))
    row = problem(place=Place(path="specs/a.csv", line=9))

    told = annotations.problems([whole, row])

    expected = [
        "::error file=specs,title=SPEC-012::wrong",
        "::error file=specs/a.csv,line=9,title=SPEC-012::wrong",
    ]
    assert expected == told.splitlines()


def test_what_a_file_says_starts_no_command_of_its_own() -> None:
    """Line ends are gone and escapes escaped, in properties also what parts them."""
    hostile = problem(
        path="specs/a,line=1::b%0A.yaml", message="50% of\r\n::stop-commands::x\u202e:,"
    )

    told = annotations.problems([hostile])

    expected = (
        "::error file=specs/a%2Cline=1%3A%3Ab%250A.yaml,line=4,col=2,title=SPEC-012"
        "::50%25 of ::stop-commands::x :,"
    )
    assert expected == told


def test_paths_are_told_from_the_workspace() -> None:
    """Wherever in the repository, or beside it, the specs stand."""
    paths = [
        annotations.problems([problem()], below=below).partition(",")[0]
        for below in ("", ".", "conf/eu", "..")
    ]

    expected = ["specs/a.yaml", "specs/a.yaml", "conf/eu/specs/a.yaml", "../specs/a.yaml"]
    assert [f"::error file={path}" for path in expected] == paths


def test_an_end_without_a_place_is_an_error_too() -> None:
    """Its hint stands below it."""
    told = annotations.ended("there is no folder specs", hint="name it with --root")

    assert "::error title=reconciler::there is no folder specs%0Ahint: name it with --root" == told
