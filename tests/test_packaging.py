"""What is built and installed holds what a run needs, and nothing else."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Build the wheel, offline, and return its files by name."""
    folder = tmp_path_factory.mktemp("wheel")
    ran = subprocess.run(  # noqa: S603 - the environment's own program
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("folder", ["schemas", "specs"])
def test_the_wheel_carries_the_schemas_and_the_examples(
    wheel: dict[str, bytes], folder: str
) -> None:
    """``demo`` and ``validate`` work from a wheel as from a checkout, byte for byte."""
    expected = {
        f"reconciler/{path.relative_to(ROOT).as_posix()}": path.read_bytes()
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
    }

    carried = {
        name: content for name, content in wheel.items() if name.startswith(f"reconciler/{folder}/")
    }

    assert expected
    assert sorted(expected) == sorted(carried)
    assert expected == carried


def test_the_wheel_carries_every_module_and_its_types(wheel: dict[str, bytes]) -> None:
    """Nothing of the package is left out, templates included; type checkers may read it."""
    package = ROOT / "reconciler"
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in package.rglob("*.*")
        if path.is_file() and path.suffix != ".pyc"
    }

    assert expected <= set(wheel)
    assert "reconciler/py.typed" in wheel


def test_the_wheel_carries_the_licence_and_nothing_foreign(wheel: dict[str, bytes]) -> None:
    """Beside the package there is only its description, with the licence's full text."""
    described = [name for name in wheel if ".dist-info/" in name]
    (licence,) = [name for name in described if name.endswith("/LICENSE")]

    assert wheel[licence] == (ROOT / "LICENSE").read_bytes()
    assert [name for name in wheel if name not in described and name[:11] != "reconciler/"] == []


def test_the_wheel_installs_the_command(wheel: dict[str, bytes]) -> None:
    """The command is there under the name that every text uses."""
    (points,) = [text for name, text in wheel.items() if name.endswith("/entry_points.txt")]

    assert b"reconciler = reconciler.commands:main" in points


def test_the_lock_file_pins_every_dependency_and_names_no_host() -> None:
    """It installs the same anywhere: exact versions, hashes, no index and no path."""
    (lock,) = ROOT.glob("*.lock")
    text = lock.read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    pinned = {line.partition("==")[0] for line in text.splitlines() if "==" in line[:60]}
    wanted = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    absent = [name for name in map(_name, wanted) if name not in pinned]

    assert absent == []
    assert "://" not in text
    assert "file:" not in text


def _name(requirement: str) -> str:
    """Return the name a requirement starts with, as the lock file spells it."""
    end = next(index for index, letter in enumerate(requirement) if letter in "<>=!~[; ")
    return requirement[:end].lower().replace("_", "-")
