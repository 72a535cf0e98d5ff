"""The environment as installation settings, and references to secrets resolved.

The only reader of the environment besides the command line. A secret is returned to its caller
and never kept, shown or logged.
"""

import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reconciler.errors import SettingError

STATE: Final = ".reconciler"
_MEMORY: Final = re.compile(r"\d+(\.\d+)?\s*([KMGT]i?)?B", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """Where this installation keeps its state and how much memory the engine may take."""

    state: Path
    pseudonym_key: str = ""
    """A reference (``env:``, ``file:``); empty for the key below the state directory."""
    memory: str = "1GB"


def installation(root: Path, *, state: Path | None = None) -> Installation:
    """Return the settings for a specs root; ``state`` wins over the environment.

    Raises:
        SettingError: a setting has a value that is not understood.
    """
    given = state or os.environ.get("RECONCILER_STATE_DIR")
    memory = os.environ.get("RECONCILER_MEMORY_LIMIT") or "1GB"
    if not _MEMORY.fullmatch(memory):
        raise SettingError(f"RECONCILER_MEMORY_LIMIT is {memory!r}; expected a size such as 1GB")
    return Installation(
        state=Path(given).absolute() if given else root.absolute().parent / STATE,
        pseudonym_key=os.environ.get("RECONCILER_PSEUDONYM_KEY", ""),
        memory=memory,
    )


def secret(reference: str) -> str:
    """Return what ``env:NAME`` or ``file:PATH`` refers to, without the final line feed.

    Raises:
        SettingError: the reference is neither, or what it names is absent or empty.
    """
    kind, _, name = reference.partition(":")
    if kind == "env":
        value = os.environ.get(name, "")
    elif kind == "file":
        try:
            value = Path(name).expanduser().read_text(encoding="utf-8")
        except (OSError, ValueError, RuntimeError) as error:  # also not UTF-8, or no such ~user
            raise SettingError(f"the secret file {name} cannot be read") from error
    else:
        raise SettingError("a secret must be given as env:NAME or file:PATH, never literally")
    value = value.rstrip("\r\n")
    if not value:
        raise SettingError(
            f"the secret {reference} is not set or empty",
            hint=f"export {name}=…" if kind == "env" else "",
        )
    return value


def pseudonym_key(settings: Installation) -> bytes:
    """Return the key of all pseudonyms and digests; made on first use, readable by us alone.

    Raises:
        SettingError: the key cannot be read or made, or is shorter than 16 bytes.
    """
    if settings.pseudonym_key:
        return _long_enough(secret(settings.pseudonym_key).encode(), settings.pseudonym_key)
    path = settings.state / "pseudonym.key"
    try:
        settings.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _offer(path, secrets.token_hex(32).encode())
        return _long_enough(path.read_bytes().strip(), str(path))
    except OSError as error:
        raise SettingError(
            f"the pseudonym key {path} cannot be made or read: {error.strerror}",
            hint="check the space and the rights of the state directory",
        ) from error


def _offer(path: Path, key: bytes) -> None:
    """Put a key in place whole, unless another process was first: then its key is the one."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(key + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _long_enough(key: bytes, where: str) -> bytes:
    if len(key) < 16:  # noqa: PLR2004 - bytes, the least an HMAC key should have
        raise SettingError(f"the pseudonym key {where} is shorter than 16 bytes")
    return key
