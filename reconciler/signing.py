"""Ed25519 signatures of ledger lines; the only door of cryptography.

Who has the public key can tell that a line was written by who has the private one. It keeps no
key, and no key stands in its errors.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from reconciler import regular
from reconciler.errors import SettingError
from reconciler.masking import scrub

if TYPE_CHECKING:  # it takes long to load: only for those who sign or verify
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_RAW: Final = 32
"""Bytes of a key, private or public."""
_LONGEST: Final = 1 << 16
"""Bytes of a file that holds a key, at most."""
_PEM: Final = "-----BEGIN"
_HINT: Final = (
    "an Ed25519 key as PEM, as `openssl genpkey -algorithm ed25519` makes it, "
    "or its 32 bytes in base64"
)


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key; what it is stays out of every text."""

    _key: Any = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """A name of the public key."""
        return _fingerprint(self._key.public_key())

    def sign(self, data: bytes) -> str:
        """Return the signature of some bytes, in base64."""
        return base64.b64encode(self._key.sign(data)).decode()


@dataclass(frozen=True, slots=True)
class Checker:
    """A public key."""

    _key: Any

    @property
    def fingerprint(self) -> str:
        """A name of the key."""
        return _fingerprint(self._key)

    def fits(self, signature: str, data: bytes) -> bool:
        """Tell whether a signature in base64 is this key's, of these bytes."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - loads long

        try:
            self._key.verify(base64.b64decode(signature, validate=True), data)
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True


def signer(text: str, *, where: str) -> Signer:
    """Return who signs with a private key.

    Args:
        text: PEM (PKCS8, without a password), or 32 bytes in base64.
        where: what the key was got from, for people.

    Raises:
        SettingError: it is no such key.
    """
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - loads long
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415

    try:
        key: object = (
            serialization.load_pem_private_key(text.encode(), password=None)
            if text.lstrip().startswith(_PEM)
            else ed25519.Ed25519PrivateKey.from_private_bytes(_bytes(text))
        )
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SettingError(f"the signing key {where} cannot be read", hint=_HINT) from error
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise SettingError(f"the signing key {where} is of another kind", hint=_HINT)
    return Signer(key)


def checker(path: Path) -> Checker:
    """Return who checks signatures with the public key in a file, PEM or 32 bytes in base64.

    Raises:
        SettingError: it cannot be read, or is no such key.
    """
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - loads long
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415

    shown = scrub(str(path))
    hint = "expected a public Ed25519 key, as `openssl pkey -pubout` makes it of the private one"
    try:
        text = regular.read(path, limit=_LONGEST).decode()
        key: object = (
            serialization.load_pem_public_key(text.encode())
            if text.lstrip().startswith(_PEM)
            else ed25519.Ed25519PublicKey.from_public_bytes(_bytes(text))
        )
    except OSError as error:
        raise SettingError(f"the key {shown} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SettingError(f"{shown} holds no public key", hint=hint) from error
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise SettingError(f"{shown} holds a key of another kind", hint=hint)
    return Checker(key)


def _bytes(text: str) -> bytes:
    """Return the bytes of a key in base64.

    Raises:
        ValueError: it is no base64, or of another length.
    """
    raw = base64.b64decode(text.strip(), validate=True)
    if len(raw) != _RAW:
        raise ValueError(len(raw))
    return raw


def _fingerprint(key: "Ed25519PublicKey") -> str:
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:32]
