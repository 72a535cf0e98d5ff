"""A bucket over HTTP: what is refused, and what is said of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from buckets import S3, lax, s3
from reconciler.errors import EvidenceError, ReconcilerError, SettingError
from reconciler.objects import open_bucket
from reconciler.store import ChangedError, NameTakenError


@pytest.fixture(scope="module")
def service() -> Iterator[S3]:
    """Serve S3 on loopback."""
    with s3() as served:
        yield served


def use(service: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the environment that leads there."""
    for name, value in service.environment.items():
        monkeypatch.setenv(name, value)


def test_two_machines_share_a_bucket(
    service: S3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What one wrote the other reads; a name, or a change, is one machine's."""
    use(service, monkeypatch)
    url = service.bucket("shared") + "/evidence"
    one, two = (
        open_bucket(url, mirror=tmp_path / name, endpoint=service.endpoint) for name in "ab"
    )
    big = tmp_path / "big"
    big.write_bytes(b"0123456789" * 1_000_000)

    one.create("ledger/1", b"one")
    one.keep("runs/a/big", big)
    seen = two.read("ledger/1")
    assert seen is not None
    two.replace("ledger/1", b"two", seen=seen.mark)

    with pytest.raises(NameTakenError, match="shared/evidence/ledger/1 is there already"):
        two.create("ledger/1", b"other")
    with pytest.raises(ChangedError):
        one.replace("ledger/1", b"three", seen=seen.mark)
    fetched = two.fetch("runs/a/big")
    assert fetched is not None
    assert big.read_bytes() == fetched.read_bytes()
    assert ["ledger/1"] == [*two.names("ledger")]
    one.remove("ledger/1")
    assert two.read("ledger/1") is None


def test_a_bucket_that_gives_a_name_twice_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two writers would overwrite each other's evidence."""
    with lax() as service:
        use(service, monkeypatch)

        with pytest.raises(SettingError, match="lets two writers take one name"):
            open_bucket("s3://lax/x", mirror=tmp_path, endpoint=service.endpoint)


def test_a_bucket_that_is_not_there_is_told(
    service: S3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is never taken for an empty one."""
    use(service, monkeypatch)

    with pytest.raises(SettingError, match="s3://nosuch/x is not there"):
        open_bucket("s3://nosuch/x", mirror=tmp_path, endpoint=service.endpoint)


@pytest.mark.parametrize(
    ("url", "endpoint", "said"),
    [
        ("ftp://bucket/x", "", "'ftp://bucket/x', which cannot be opened"),
        ("s3://", "", "cannot be opened"),
        ("s3://key:secret@bucket/x", "", "'s3://bucket/x', which cannot be opened"),
        ("s3://bucket/x?key=secret", "", "'s3://bucket/x', which cannot be opened"),
        ("s3://bucket/x", "http://s3.example.com", "is not https"),
        ("s3://bucket/x", "http://10.0.0.1", "is not https"),
    ],
)
def test_a_place_that_is_not_understood_or_not_safe_is_refused(
    url: str, endpoint: str, said: str, tmp_path: Path
) -> None:
    """Without repeating what may be a secret."""
    with pytest.raises(SettingError, match=said) as caught:
        open_bucket(url, mirror=tmp_path, endpoint=endpoint)

    assert "secret" not in f"{caught.value} {caught.value.hint}".replace("credentials", "")
    assert "\n" not in str(caught.value)


def test_a_service_that_is_gone_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It holds neither keys nor what a library says over many lines."""
    with s3() as served:
        use(served, monkeypatch)
        url = served.bucket("gone")
        store = open_bucket(url, mirror=tmp_path, endpoint=served.endpoint)
    (tmp_path / "ledger").write_bytes(b"")

    with pytest.raises(EvidenceError) as caught:
        store.fetch("ledger/1")

    assert isinstance(caught.value, ReconcilerError)
    assert "\n" not in str(caught.value)
    assert "s3://gone" in str(caught.value)
