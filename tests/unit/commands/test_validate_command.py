"""``reconciler validate``."""

from pathlib import Path

import orjson
import pytest

from reconciler.commands import main

SPECS = """\
apiVersion: reconciler/v1
kind: Tenant
metadata: {name: acme}
spec: {dialect: lists, embedded: true}
---
apiVersion: reconciler/v1
kind: SuppressionList
metadata: {name: us-dnc}
spec:
  tenant: acme
  create: true
  list: {name: US Do Not Call}
  defaults: {reason: DNC, region: US}
  contacts:
    - {phoneNumber: "+1 555 010 0567", requestedAt: 2026-11-02T00:00:00Z}
    - {email: somebody@example.com}
  sources:
    - {path: us.csv}
"""
BAD_PHONE = "123"


@pytest.fixture
def specs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a specs root with one list of three contacts."""
    root = tmp_path / "specs"
    root.mkdir()
    (root / "all.yaml").write_text(SPECS, encoding="utf-8")
    (root / "us.csv").write_text("email\nother@example.com\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return root


def test_sound_specs_are_counted(specs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing is left behind."""
    code = main(["validate"])

    assert (0, "1 file, 1 list, 3 contacts. No problems.\n") == (code, capsys.readouterr().out)
    assert [specs] == [*specs.parent.iterdir()]


def test_problems_of_a_spec_stand_with_their_places(
    specs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All at once, sorted, and as one document too."""
    text = SPECS.replace("create: true", "creat: true").replace("embedded", "embeded")
    (specs / "all.yaml").write_text(text, encoding="utf-8")

    code = main(["validate", str(specs)])
    lines = capsys.readouterr().out.splitlines()
    also = main(["validate", "--format", "json"])
    document = orjson.loads(capsys.readouterr().out)

    assert 7 == code == also == document["exit_code"]
    assert lines[0].startswith("specs/all.yaml:4:")
    assert f"{len(lines) - 1} problems." == lines[-1]
    assert len(lines) - 1 == document["counts"]["problems"]
    assert any("SPEC-" in line and "create" in line for line in lines)


def test_invalid_rows_go_masked_to_the_screen_and_bare_to_a_private_file(
    specs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The only thing that validate leaves behind."""
    (specs / "us.csv").write_text("email\nnobody@@example.com\n", encoding="utf-8")

    code = main(["validate"])

    told = capsys.readouterr().out
    kept = specs.parent / ".reconciler" / "cache" / "invalid" / "us-dnc.csv"
    assert 7 == code
    assert told.endswith("1 file, 1 list. 2 problems.\n")
    assert "nobody@" not in told
    assert "nobody@@example.com" in kept.read_text(encoding="utf-8")
    assert [kept] == [path for path in (specs.parent / ".reconciler").rglob("*") if path.is_file()]


def test_a_warning_fails_nothing(specs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is shown as what it is."""
    naive = SPECS.replace("2026-11-02T00:00:00Z", "2026-11-02T00:00:00")
    naive = naive.replace("2026-11-02T00:00:00}", "2026-11-02, suppressUntil: 2099-01-01T00:00:00}")
    (specs / "all.yaml").write_text(naive, encoding="utf-8")

    code = main(["validate"])

    lines = capsys.readouterr().out.splitlines()
    assert 0 == code
    assert " warning: " in lines[0]
    assert "1 file, 1 list, 3 contacts. No problems. 1 warning." == lines[-1]


def test_where_there_are_no_specs_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, not a verdict on nothing."""
    monkeypatch.chdir(tmp_path)

    code = main(["validate"])

    told = capsys.readouterr()
    assert (7, "") == (code, told.out)
    assert told.err.startswith("error: ")


def test_a_runner_gets_commands_and_people_the_summary(
    specs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files are named from GitHub's workspace, contacts masked as everywhere."""
    (specs / "us.csv").write_text("email\nnobody@@example.com\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(specs.parent.parent))

    code = main(["validate", "--format", "github"])

    told = capsys.readouterr().out
    (total, row, summary) = told.splitlines()
    folder = specs.parent.name
    assert 7 == code
    assert row.startswith(f"::error file={folder}/specs/us.csv,line=2,title=SPEC-108::")
    assert total.startswith(f"::error file={folder}/specs/all.yaml,line=")
    assert "1 file, 1 list. 2 problems." == summary
    assert "nobody@" not in told


def test_a_code_host_gets_one_document(specs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With problems, and with none."""
    found = []
    for text in (SPECS, SPECS.replace("create: true", "creat: true")):
        (specs / "all.yaml").write_text(text, encoding="utf-8")
        code = main(["validate", "--format", "sarif"])
        (run,) = orjson.loads(capsys.readouterr().out)["runs"]
        found.append((code, run["invocations"][0]["exitCode"], len(run["results"])))

    assert [(0, 0, 0), (7, 7, 1)] == found


def test_sound_specs_leave_a_runner_the_summary_alone(
    specs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without an empty line above it."""
    code = main(["validate", str(specs), "--format", "github"])

    assert (0, "1 file, 1 list, 3 contacts. No problems.\n") == (code, capsys.readouterr().out)


@pytest.mark.parametrize("words", [("validate",), ("validate", "--root", "absent")])
def test_what_ends_before_anything_is_read_is_told_in_the_format_too(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
) -> None:
    """As an error without a place, and as a run that did not succeed."""
    monkeypatch.chdir(tmp_path)

    github = main([*words, "--format", "github"])
    command = capsys.readouterr().out
    as_sarif = main([*words, "--format=sarif"])
    (run,) = orjson.loads(capsys.readouterr().out)["runs"]

    assert 7 == github == as_sarif == run["invocations"][0]["exitCode"]
    assert command.startswith("::error title=reconciler::")
    assert 1 == len(command.splitlines())
    assert not run["invocations"][0]["executionSuccessful"]
