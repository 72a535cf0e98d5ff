"""Signatures: keys in two spellings, and what is no key."""

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reconciler.errors import SettingError
from reconciler.signing import checker, signer

PRIVATE = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
OTHER = generate_private_key(SECP256R1())


def pem(key: Ed25519PrivateKey) -> str:
    """Spell a private key as openssl does."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def public_pem(key: Ed25519PrivateKey) -> str:
    """Spell its public key likewise."""
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def raw_public(key: Ed25519PrivateKey) -> str:
    """Spell its public key as 32 bytes in base64."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode() + "\n"


@pytest.mark.parametrize("private", [pem(PRIVATE), base64.b64encode(b"s" * 32).decode()])
@pytest.mark.parametrize("public", [public_pem, raw_public])
def test_what_one_signs_the_other_knows(
    private: str, public: Callable[[Ed25519PrivateKey], str], tmp_path: Path
) -> None:
    """In either spelling; and no other bytes and no other signature."""
    (tmp_path / "key.pub").write_text(public(PRIVATE))

    made, known = signer(private, where="env:KEY"), checker(tmp_path / "key.pub")

    signature = made.sign(b"a line")
    assert made.fingerprint == known.fingerprint
    assert known.fits(signature, b"a line")
    assert not known.fits(signature, b"another line")
    assert not known.fits("no base64", b"a line")


@pytest.mark.parametrize("text", ["", "hush", "-----BEGIN PRIVATE KEY-----\nhush\n", "aHVzaA=="])
def test_what_is_no_key_is_told_and_not_shown(text: str, tmp_path: Path) -> None:
    """Private or public, with what was expected."""
    (tmp_path / "key").write_text(text)

    with pytest.raises(SettingError) as private:
        signer(text, where="env:KEY")
    with pytest.raises(SettingError) as public:
        checker(tmp_path / "key")

    assert "the signing key env:KEY cannot be read" == str(private.value)
    assert f"{tmp_path / 'key'} holds no public key" == str(public.value)


def test_a_key_of_another_kind_is_told(tmp_path: Path) -> None:
    """Only Ed25519 is signed with."""
    form = serialization.Encoding.PEM
    private = OTHER.private_bytes(
        form, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    shape = serialization.PublicFormat.SubjectPublicKeyInfo
    (tmp_path / "key").write_bytes(OTHER.public_key().public_bytes(form, shape))

    with pytest.raises(SettingError, match="is of another kind"):
        signer(private.decode(), where="file:key")
    with pytest.raises(SettingError, match="holds a key of another kind"):
        checker(tmp_path / "key")


def test_a_public_key_that_is_not_there_is_told(tmp_path: Path) -> None:
    """By its path."""
    with pytest.raises(SettingError, match="cannot be read: No such file"):
        checker(tmp_path / "nothing")
