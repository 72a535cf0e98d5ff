"""Settings from the environment, secrets by reference, and the key of all pseudonyms."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reconciler.config import Installation, installation, pseudonym_key, secret, tighten
from reconciler.errors import SettingError

HUSH = "hush-hush-hush-hush"


def test_without_settings_the_state_stands_beside_the_specs_root(tmp_path: Path) -> None:
    """And the engine takes a gigabyte."""
    made = installation(tmp_path / "specs")

    assert Installation(state=tmp_path / ".reconciler", memory="1GB") == made


def test_a_relative_root_is_taken_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state does not move when somebody changes the folder later."""
    monkeypatch.chdir(tmp_path)

    assert tmp_path / ".reconciler" == installation(Path("specs")).state


def test_the_flag_wins_over_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is typed is closer than what is exported."""
    monkeypatch.setenv("RECONCILER_STATE_DIR", str(tmp_path / "exported"))

    assert tmp_path / "exported" == installation(tmp_path / "specs").state
    assert tmp_path / "typed" == installation(tmp_path / "specs", state=tmp_path / "typed").state


def test_settings_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As references and as they are; what is set to nothing is not set."""
    monkeypatch.setenv("RECONCILER_STATE_DIR", "")
    monkeypatch.setenv("RECONCILER_MEMORY_LIMIT", "1.5 GiB")
    monkeypatch.setenv("RECONCILER_PSEUDONYM_KEY", "env:KEY")

    made = installation(tmp_path / "specs")

    expected = Installation(
        state=tmp_path / ".reconciler", pseudonym_key="env:KEY", memory="1.5 GiB"
    )
    assert expected == made
    monkeypatch.setenv("RECONCILER_MEMORY_LIMIT", "")
    assert "1GB" == installation(tmp_path / "specs").memory


@pytest.mark.parametrize("memory", ["much", "1", "-1GB", "1GB'; DROP", "GB", "1G"])
def test_an_odd_amount_of_memory_is_refused(memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the setting and what it may be."""
    monkeypatch.setenv("RECONCILER_MEMORY_LIMIT", memory)

    with pytest.raises(SettingError, match=r"RECONCILER_MEMORY_LIMIT .* such as 1GB"):
        installation(Path("specs"))


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_secret_is_what_its_reference_names(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the environment or a file, without the line feed that editors add."""
    monkeypatch.setenv("A_SECRET", f" {HUSH}{ending}")
    (tmp_path / "secret").write_text(f" {HUSH}{ending}", encoding="utf-8", newline="")

    assert f" {HUSH}" == secret("env:A_SECRET")
    assert f" {HUSH}" == secret(f"file:{tmp_path}/secret")


def test_a_secret_file_may_stand_below_home() -> None:
    """As people write it."""
    home = Path(os.environ["HOME"])
    (home / "hushed").write_text(HUSH, encoding="utf-8")

    assert HUSH == secret("file:~/hushed")


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("env:NOT_SET_ANYWHERE", "env:NOT_SET_ANYWHERE is not set or empty"),
        ("env:", "not set or empty"),
        ("file:/nowhere/at/all", "the secret file /nowhere/at/all cannot be read"),
        ("file:/", "cannot be read"),
        ("file:a\0b", "cannot be read"),
        ("file:~nobody-of-that-name/secret", "cannot be read"),
        (HUSH, "never literally"),
        ("ENV:HOME", "never literally"),
        ("", "never literally"),
    ],
)
def test_a_reference_that_leads_nowhere_is_told_without_the_secret(
    reference: str, expected: str
) -> None:
    """Where somebody wrote the secret itself, it is not repeated."""
    with pytest.raises(SettingError, match=expected) as caught:
        secret(reference)

    assert HUSH not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize(
    "value", ["   ", "\t", " \n", "two\nlines", "two\r\nlines", "cut\0off", "\t."]
)
def test_a_blank_secret_or_one_of_many_lines_is_refused(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is sent to nobody: a wrong file may hold the secrets of others."""
    (tmp_path / "secret").write_text(value, encoding="utf-8", newline="")
    monkeypatch.setenv("A_SECRET", value.replace("\0", "\n"))

    for reference in (f"file:{tmp_path}/secret", "env:A_SECRET"):
        with pytest.raises(SettingError, match=r"not set or empty|control character"):
            secret(reference)


def test_a_file_that_is_empty_or_no_text_holds_no_secret(tmp_path: Path) -> None:
    """A line feed alone is nothing."""
    for content in (b"\n", b"\xff\xfe"):
        (tmp_path / "secret").write_bytes(content)

        with pytest.raises(SettingError, match=r"secret file|not set or empty"):
            secret(f"file:{tmp_path}/secret")


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    """A second run has the first one's key: else nothing could be compared."""
    settings = Installation(state=tmp_path / "state")

    first, second = pseudonym_key(settings), pseudonym_key(settings)

    (file,) = settings.state.iterdir()
    assert first == second == file.read_bytes().strip()
    assert len(first) >= 32
    assert (0o600, 0o700) == (file.stat().st_mode & 0o777, settings.state.stat().st_mode & 0o777)


def test_runs_that_start_together_come_to_one_key(tmp_path: Path) -> None:
    """And none of them leaves its own behind."""
    settings = Installation(state=tmp_path / "state")

    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(pseudonym_key, [settings] * 32))

    assert 1 == len(keys)
    assert ["pseudonym.key"] == [path.name for path in settings.state.iterdir()]


def test_what_a_dead_process_left_is_no_hindrance(tmp_path: Path) -> None:
    """In a container every process has the same id."""
    state = tmp_path / "state"
    state.mkdir()
    (state / f".pseudonym.key.{os.getpid()}").write_bytes(b"half")

    assert len(pseudonym_key(Installation(state=state))) >= 32


def test_a_key_may_come_from_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then nothing is made here."""
    monkeypatch.setenv("KEY", HUSH)

    assert HUSH.encode() == pseudonym_key(Installation(state=tmp_path, pseudonym_key="env:KEY"))
    assert [] == [*tmp_path.iterdir()]


def test_a_short_key_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it comes from, and without being shown."""
    monkeypatch.setenv("KEY", "fifteen letters")
    (tmp_path / "pseudonym.key").write_bytes(b"fifteen letters\n")

    for reference in ("env:KEY", ""):
        with pytest.raises(SettingError, match="shorter than 16 bytes") as caught:
            pseudonym_key(Installation(state=tmp_path, pseudonym_key=reference))

        assert "fifteen" not in str(caught.value)


def test_a_key_that_cannot_be_made_says_where(tmp_path: Path) -> None:
    """A file stands where the state should be."""
    (tmp_path / "state").write_text("", encoding="utf-8")

    with pytest.raises(SettingError, match=r"state/pseudonym\.key cannot be made or read"):
        pseudonym_key(Installation(state=tmp_path / "state"))


def test_links_and_absent_states_are_left_alone(tmp_path: Path) -> None:
    """What a link leads to is not ours to close."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    state = tmp_path / ".reconciler"

    assert not tighten(state)
    state.mkdir(mode=0o700)
    (state / "cache").symlink_to(elsewhere)
    assert not tighten(state)
    assert 0o755 == elsewhere.stat().st_mode & 0o777


def test_a_state_that_cannot_be_closed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever works there may want to choose another."""
    state = tmp_path / ".reconciler"
    state.mkdir(mode=0o755)

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "chmod", refuse)

    assert f"others may look into {state}, and that cannot be changed from here" == tighten(state)


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), Path.mkdir])
def test_a_secret_is_read_from_a_file_and_nothing_else(
    tmp_path: Path, make: Callable[[Path], object]
) -> None:
    """A pipe without a writer would hold a run up for ever, and a device has no end."""
    path = tmp_path / "secret"
    make(path)

    with pytest.raises(SettingError, match="cannot be read: it is a"):
        secret(f"file:{path}")


def test_a_secret_is_short(tmp_path: Path) -> None:
    """Whoever names a large file meant another."""
    path = tmp_path / "secret"
    path.write_bytes(b"x" * 65_537)

    with pytest.raises(SettingError, match="larger than 65,536 bytes"):
        secret(f"file:{path}")


def test_a_state_whose_name_is_no_text_is_refused() -> None:
    """The engine could not open a file in it, and would say so less clearly."""
    with pytest.raises(SettingError, match=r"directory /x/\\xff has a name that is not UTF-8"):
        installation(Path("specs"), state=Path(os.fsdecode(b"/x/\xff")))


@pytest.mark.parametrize(
    ("given", "limit"),
    [("5GB", 5_000_000_000), ("1.5 GiB", 1_610_612_736), ("12B", 12), ("", 20_000_000_000)],
)
def test_the_bound_of_the_cache_is_a_setting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: str, limit: int
) -> None:
    """In decimal or binary units; an empty variable is none."""
    monkeypatch.setenv("RECONCILER_CACHE_LIMIT", given)

    assert limit == installation(tmp_path / "specs").cache_limit


def test_an_odd_bound_of_the_cache_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With the variable's name and the value seen."""
    monkeypatch.setenv("RECONCILER_CACHE_LIMIT", "much")

    with pytest.raises(SettingError, match="RECONCILER_CACHE_LIMIT is 'much'"):
        installation(tmp_path / "specs")


def test_where_to_spill_is_a_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A faster or larger disk than that of the state."""
    monkeypatch.setenv("RECONCILER_SPILL_DIR", str(tmp_path / "fast"))

    assert tmp_path / "fast" == installation(tmp_path / "specs").spill


def test_too_little_memory_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In less the engine cannot begin."""
    monkeypatch.setenv("RECONCILER_MEMORY_LIMIT", "15MB")

    with pytest.raises(SettingError, match="is '15MB'; expected 16MB or more"):
        installation(tmp_path / "specs")
