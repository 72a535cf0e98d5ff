"""The picture of the rooms holds: contracts, exports, frozen nouns, names, words of the README.

It reads source text and types; it never runs a command of the program.
"""

import ast
import dataclasses
import enum
import importlib
import re
import subprocess
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import click
import pytest

import reconciler
from reconciler import errors, model

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted((ROOT / "reconciler").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
PURE = ("errors", "model", "policy", "drift", "plan", "times", "masking")
TOP = {"LICENSE", "README.md", "pyproject.toml", "reconciler", "schemas", "specs", "tests"}
LEFT_BY_TOOLS = {"build", "dist"}

CLOCKS_AND_FILES = {
    "exists", "glob", "is_dir", "is_file", "iterdir", "mkdir", "now", "open", "read_bytes",
    "read_text", "rename", "resolve", "rglob", "stat", "today", "touch", "unlink", "utcnow",
    "write_bytes", "write_text",
}  # fmt: skip
"""What a pure module may not call, though ``datetime`` and ``Path`` are there as types."""

EMPTY_WORDS = re.compile(
    r"(Manager|Handler|Helper|Utils?|Base|Processor|Service|Manifest|Target|Delta|Provider"
    r"|Backend|Mock|Fake|Chunk|Sync)$"
)
OPEN_ENDED = {("Receipt", "metrics")}
"""Numbers in a shape of their own, made once to be written out as JSON."""
LEAVES = (str, int, float, bool, bytes, datetime, timedelta, Decimal, Path, types.NoneType)


def named(path: Path) -> str:
    """Show a path the way a person would."""
    return path.relative_to(ROOT).as_posix()


def tree(path: Path) -> ast.Module:
    """Parse a module."""
    return ast.parse(path.read_text(encoding="utf-8"))


# ---------------------------------------------------------------- rooms


def test_imports_keep_the_contracts() -> None:
    """Layers, pure modules, doors: what .importlinter says is so."""
    program = Path(sys.executable).with_name("lint-imports")

    ran = subprocess.run(  # noqa: S603 - the environment's own program
        [program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-1000:]


@pytest.mark.parametrize("name", PURE)
def test_a_pure_module_calls_no_clock_and_no_file(name: str) -> None:
    """Time and content are arguments there, though the types may be named."""
    calls = {
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for node in ast.walk(tree(ROOT / "reconciler" / f"{name}.py"))
        if isinstance(node, ast.Call)
    }

    assert not calls & CLOCKS_AND_FILES


def test_the_top_level_holds_what_it_should() -> None:
    """Beside dot-files: the package, schemas, specs, tests, three files and one lock file."""
    held = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}

    others = {name for name in held - TOP - LEFT_BY_TOOLS if not name.endswith(".egg-info")}

    assert held >= TOP
    assert {name for name in others if not name.endswith(".lock")} == set()
    assert len(others) == 1


# ---------------------------------------------------------------- modules and names


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_a_module_says_what_it_is(path: Path) -> None:
    """Each file opens with its charter."""
    first = ast.get_docstring(tree(path))

    assert first is not None
    assert first.strip()


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_no_class_has_an_empty_name(path: Path) -> None:
    """A class is named after a noun of the domain."""
    classes = [node.name for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef)]

    assert [name for name in classes if EMPTY_WORDS.search(name)] == []


@pytest.mark.parametrize("path", TESTS, ids=named)
def test_no_test_patches(path: Path) -> None:
    """A transport, a builder or the sandbox stands in; nothing of the program is replaced."""
    nodes = tuple(ast.walk(tree(path)))
    imported = {
        f"{getattr(node, 'module', '')}.{alias.name}"
        for node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    arguments = {node.arg for node in nodes if isinstance(node, ast.arg)}

    assert [name for name in imported if re.search(r"\bmock\b", name)] == []
    assert "mocker" not in arguments


@pytest.mark.parametrize(
    "path", [path for path in TESTS if path.name.startswith("test_")], ids=named
)
def test_every_test_states_the_behaviour(path: Path) -> None:
    """Each test has a docstring."""
    silent = [
        node.name
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]

    assert silent == []


# ---------------------------------------------------------------- exports


def test_the_package_exports_ten_names_at_most_and_all_are_there() -> None:
    """What a user imports is short, and each name of it exists."""
    exported: tuple[str, ...] = tuple(getattr(reconciler, "__all__", ()))

    assert len(exported) <= 10
    assert sorted(exported) == list(exported)
    assert [name for name in exported if not hasattr(reconciler, name)] == []


def test_the_nouns_and_their_export_agree() -> None:
    """Every public noun of the model is in ``__all__``, and nothing else is."""
    made = set(_assigned(tree(ROOT / "reconciler" / "model.py"))) | {"Place", "Problem"}

    assert made == set(model.__all__)
    assert sorted(model.__all__, key=_constants_first) == list(model.__all__)


def _assigned(module: ast.Module) -> Iterator[str]:
    """Yield the public names a module makes itself."""
    for node in module.body:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                found = name
            case ast.AnnAssign(target=ast.Name(id=name)):
                found = name
            case ast.Assign(targets=[ast.Name(id=name)]):
                found = name
            case _:
                continue
        if not found.startswith("_"):
            yield found


def _constants_first(name: str) -> tuple[bool, str]:
    return not name.isupper(), name


# ---------------------------------------------------------------- frozen nouns

NOUNS = [
    noun
    for module in (errors, model)
    for noun in vars(module).values()
    if dataclasses.is_dataclass(noun)
    and isinstance(noun, type)
    and noun.__module__ == module.__name__
]


@pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: noun.__name__)
def test_a_noun_is_frozen(noun: type) -> None:
    """No field can be set, none added, and each is named where a noun is made."""
    parameters = noun.__dataclass_params__  # type: ignore[attr-defined]

    assert parameters.frozen
    assert "__dict__" not in dir(noun)
    assert all(field.kw_only for field in dataclasses.fields(noun))


@pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: noun.__name__)
def test_a_noun_is_frozen_deeply(noun: type) -> None:
    """What a noun holds cannot change either: tuples, read-only mappings, values, nouns."""
    hints = typing.get_type_hints(noun)

    changeable = {
        field.name
        for field in dataclasses.fields(noun)
        if (noun.__name__, field.name) not in OPEN_ENDED
        if not _unchangeable(hints[field.name])
    }

    assert changeable == set()


def _unchangeable(hint: object) -> bool:
    """Tell whether a value of this type is frozen all the way down."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return True
    if origin in {typing.Union, types.UnionType, tuple, Mapping}:
        return all(part is ... or _unchangeable(part) for part in parts)
    if isinstance(hint, type):
        return hint in LEAVES or issubclass(hint, enum.Enum) or hint in NOUNS
    return False


# ---------------------------------------------------------------- the README tells it all


@pytest.fixture(scope="module")
def readme() -> str:
    """Return the README's text."""
    return (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def commands() -> Mapping[str, click.Command]:
    """Return the commands by name."""
    module = importlib.import_module("reconciler.commands")
    groups = [value for value in vars(module).values() if isinstance(value, click.Group)]
    assert len(groups) == 1
    return dict(groups[0].commands)


def test_the_readme_names_every_command(readme: str, commands: Mapping[str, click.Command]) -> None:
    """Nobody has to find a command by chance."""
    absent = [name for name in commands if not re.search(rf"[` ]{re.escape(name)}\b", readme)]

    assert absent == []


def test_the_readme_names_every_flag(readme: str, commands: Mapping[str, click.Command]) -> None:
    """Nor a flag."""
    absent = [
        flag for flag in sorted(_flags(commands)) if not re.search(rf"{flag}(?![\w-])", readme)
    ]

    assert absent == []


def test_the_readme_names_no_command_that_is_not_there(
    readme: str, commands: Mapping[str, click.Command]
) -> None:
    """It promises nothing that is not built."""
    promised = set(re.findall(r"\breconciler ([a-z]+)(?=[ `\n])", "\n".join(_code(readme))))

    assert promised - set(commands) == set()


def test_the_readme_explains_every_exit_code(readme: str) -> None:
    """A script's author finds each code."""
    cells = [cell for line in readme.splitlines() for cell in line.split("|")[1:-1]]
    codes = {
        int(code) for cell in cells if re.fullmatch(r"[\s\d`/]+", cell) for code in _numbers(cell)
    }

    assert set(errors.PRECEDENCE) <= codes


def test_the_readme_has_two_lines_to_start_with() -> None:
    """One shows the tool, one runs the tests; both make their environment first."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")

    lines = [line.removeprefix("$ ") for line in _code(text) if "-m venv" in line]

    start = "python3 -m venv .venv && .venv/bin/pip install --quiet"
    expected = [
        f"{start} . && .venv/bin/reconciler demo",
        f"{start} -e '.[test]' && .venv/bin/python -m pytest",
    ]
    assert expected == lines


def _flags(commands: Mapping[str, click.Command]) -> set[str]:
    below = (one.commands for one in commands.values() if isinstance(one, click.Group))
    return {flag for nested in below for flag in _flags(nested)} | {
        flag
        for command in commands.values()
        for option in command.params
        if isinstance(option, click.Option) and not option.hidden
        for flag in option.opts
        if flag.startswith("--")
    }


def _numbers(text: str) -> list[str]:
    return re.findall(r"\d+", text)


def _code(text: str) -> list[str]:
    """Return the lines of a text's fenced blocks."""
    blocks = re.findall(r"^```[^\n]*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]
