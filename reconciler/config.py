"""The environment as installation settings, and references to secrets resolved.

The only reader of the environment besides the command line. A secret is returned to its caller
and never kept, shown or logged.
"""

import os
import re
import secrets
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reconciler import disk, regular
from reconciler.errors import SettingError
from reconciler.masking import printable

STATE: Final = ".reconciler"
_SECRET: Final = 1 << 16
"""Bytes of a file that holds a secret, at most."""
KEY: Final = "pseudonym.key"
FORMER: Final = "former-keys"
"""The folder of keys that were in use before, each named by its fingerprint."""
_FORMER_KEYS: Final = "RECONCILER_FORMER_PSEUDONYM_KEYS"
_OURS: Final = (
    *("runs", "ledger", "head.json", ".changing.lock", "outbox", "open", "locks"),
    *("cache", "history", "mirror", "spill", KEY, FORMER, "sandbox.db"),
)
"""What stands in a state directory."""
_OTHERS: Final = 0o077
"""The rights of everybody but the owner."""
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([KMGT])(i?))?B", re.IGNORECASE)
_LEAST_MEMORY: Final = 16_000_000
"""Bytes; in less the engine cannot work at all."""
_POWERS: Final = " KMGT"
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """Where this installation keeps its state and how much memory the engine may take."""

    state: Path
    store: str = ""
    """A folder or a bucket's URL for what outlives a run; empty for the state directory."""
    pseudonym_key: str = ""
    """A reference (``env:``, ``file:``); empty for the key below the state directory."""
    signing_key: str = ""
    """A reference to the key that signs the ledger; empty where none does."""
    former_keys: tuple[str, ...] = ()
    """References to keys that were in use before; those below the state directory aside."""
    memory: str = "1GB"
    """What the contact engine may use before it spills."""
    spill: Path | None = None
    """Where it spills to; ``None`` for a folder below the state directory."""
    cache_limit: int = 20_000_000_000
    """Bytes that remembered tables may take."""


def installation(root: Path, *, state: Path | None = None) -> Installation:
    """Return the settings for a specs root; ``state`` wins over the environment.

    Raises:
        SettingError: a setting has a value that is not understood.
    """
    given = state or os.environ.get("RECONCILER_STATE_DIR")
    memory, spill = (
        os.environ.get("RECONCILER_MEMORY_LIMIT"),
        os.environ.get("RECONCILER_SPILL_DIR"),
    )
    folder = Path(given).absolute() if given else root.absolute().parent / STATE
    try:
        str(folder).encode()
    except UnicodeEncodeError as error:
        raise SettingError(
            f"the state directory {printable(str(folder))} has a name that is not UTF-8",
            hint="choose another: --state-dir DIR",
        ) from error
    return Installation(
        state=folder,
        store=os.environ.get("RECONCILER_STORE", ""),
        pseudonym_key=os.environ.get("RECONCILER_PSEUDONYM_KEY", ""),
        signing_key=os.environ.get("RECONCILER_SIGNING_KEY", ""),
        former_keys=tuple(
            filter(None, map(str.strip, os.environ.get(_FORMER_KEYS, "").split(",")))
        ),
        memory=_enough(memory) if memory else "1GB",
        spill=Path(spill).absolute() if spill else None,
        cache_limit=_bytes(
            "RECONCILER_CACHE_LIMIT", os.environ.get("RECONCILER_CACHE_LIMIT") or "20GB"
        ),
    )


def _enough(memory: str) -> str:
    """Return how much memory the engine may use, as it was given.

    Raises:
        SettingError: it is no size, or too small to begin with.
    """
    if _bytes("RECONCILER_MEMORY_LIMIT", memory) < _LEAST_MEMORY:
        least = _LEAST_MEMORY // 1_000_000
        raise SettingError(f"RECONCILER_MEMORY_LIMIT is {memory!r}; expected {least}MB or more")
    return memory


def _bytes(name: str, given: str) -> int:
    """Return a size as bytes.

    Raises:
        SettingError: it is none.
    """
    read = _SIZE.fullmatch(given)
    if not read:
        raise SettingError(f"{name} is {given!r}; expected a size such as 1GB")
    number, letter, binary = read.groups()
    power = _POWERS.index((letter or " ").upper())
    return int(float(number) * (1024 if binary else 1000) ** power)


def tighten(state: Path) -> str:
    """Take from others what they may do with a state directory that is there already.

    A folder that only happens to be named as one, such as ``/tmp``, keeps its own rights: what is
    ours in it is closed. Links, and what belongs to somebody else, are left alone.

    Returns:
        What there is to say about it; empty where all was well.
    """
    named = [state] if state.name == STATE else []
    wide = [path for path in (*named, *(state / name for name in _OURS)) if _is_wide(path)]
    for path in wide:
        with suppress(OSError):
            path.chmod(stat.S_IMODE(path.lstat().st_mode) & ~_OTHERS)
    left = [path for path in wide if _is_wide(path)]
    if left:
        return f"others may look into {left[0]}, and that cannot be changed from here"
    if wide:
        return f"others could look into {wide[0]} until now; it is closed to them"
    return f"others may see which files are in {state}; chmod 700 closes it" * _is_wide(state)


def _is_wide(path: Path) -> bool:
    """Tell whether others have rights to a file or folder that is ours."""
    try:
        state = path.lstat()
    except OSError:
        return False
    return not stat.S_ISLNK(state.st_mode) and bool(state.st_mode & _OTHERS)


def secret(reference: str) -> str:
    """Return what ``env:NAME`` or ``file:PATH`` refers to, without the final line feed.

    Raises:
        SettingError: the reference is neither, or what it names is absent, blank or more than one
            line of text.
    """
    value = long_secret(reference)
    if _CONTROLS.search(value):
        raise SettingError(
            f"the secret {reference} holds a line break or another control character",
            hint="a secret is one line of text; is this the right file or variable?",
        )
    return value


def long_secret(reference: str) -> str:
    """Return likewise what may have many lines, as a key in PEM has.

    Raises:
        SettingError: the reference is neither, or what it names is absent or blank.
    """
    kind, _, name = reference.partition(":")
    if kind == "env":
        value = os.environ.get(name, "")
    elif kind == "file":
        try:
            value = regular.read(Path(name).expanduser(), limit=_SECRET).decode()
        except (OSError, ValueError, RuntimeError) as error:  # also not UTF-8, or no such ~user
            why = f": {error.strerror}" if isinstance(error, OSError) else ""
            raise SettingError(f"the secret file {name} cannot be read{why}") from error
    else:
        raise SettingError("a secret must be given as env:NAME or file:PATH, never literally")
    value = value.rstrip("\r\n")
    if not value.strip():
        raise SettingError(
            f"the secret {reference} is not set or empty",
            hint=f"export {name}=…" if kind == "env" else "",
        )
    return value


def pseudonym_key(settings: Installation) -> bytes:
    """Return the key of all pseudonyms and digests; made on first use, readable by us alone.

    It is made only where the evidence is on this machine and there is none yet: under another key
    nobody would know which releases are spent.

    Raises:
        SettingError: the key cannot be read or made, is shorter than 16 bytes, or was lost.
    """
    if settings.pseudonym_key:
        return _long_enough(secret(settings.pseudonym_key).encode(), settings.pseudonym_key)
    path = settings.state / KEY
    if settings.store:
        raise SettingError(
            "evidence in a store of its own needs a pseudonym key that all machines share",
            hint="export RECONCILER_PSEUDONYM_KEY=env:NAME or file:PATH",
        )
    try:
        disk.private(settings.state)
        if not path.exists():
            _see_that_it_is_new(settings.state, path)
            with suppress(FileExistsError):  # another process was first: its key is the one
                disk.create(path, fresh_key())
        return _long_enough(regular.read(path, limit=_SECRET).strip(), str(path))
    except OSError as error:
        raise SettingError(
            f"the pseudonym key {path} cannot be made or read: {error.strerror}",
            hint="check the space and the rights of the state directory",
        ) from error


def former_keys(settings: Installation) -> tuple[bytes, ...]:
    """Return the keys that were in use before: those that are referred to, and those kept here.

    Raises:
        SettingError: one cannot be read, or is shorter than 16 bytes.
    """
    given = [
        _long_enough(secret(reference).encode(), reference) for reference in settings.former_keys
    ]
    folder = settings.state / FORMER
    try:
        paths = sorted(folder.glob("*.key"))
        here = [
            _long_enough(regular.read(path, limit=_SECRET).strip(), str(path)) for path in paths
        ]
    except OSError as error:
        raise SettingError(f"{folder} cannot be read: {error.strerror}") from error
    return (*given, *here)


def known_keys(settings: Installation) -> tuple[bytes, ...]:
    """Return all keys that are there, the current one first; none is made.

    Raises:
        SettingError: one cannot be read, or is shorter than 16 bytes.
    """
    made = settings.pseudonym_key or (settings.state / "pseudonym.key").is_file()
    return (*((pseudonym_key(settings),) if made else ()), *former_keys(settings))


def fresh_key() -> bytes:
    """Return the content of a new key file."""
    return secrets.token_hex(32).encode() + b"\n"


def _see_that_it_is_new(state: Path, path: Path) -> None:
    """See to it that no evidence was written under a key that is not there any more.

    Raises:
        SettingError: some was.
    """
    if any((state / "ledger").glob("*.json")):
        raise SettingError(
            f"the pseudonym key {path} is gone, and evidence was written under it",
            hint="restore it from a backup: no other one knows which releases are spent",
        )


def _long_enough(key: bytes, where: str) -> bytes:
    if len(key) < 16:  # noqa: PLR2004 - bytes, the least an HMAC key should have
        raise SettingError(
            f"the pseudonym key {where} is shorter than 16 bytes",
            hint="restore it from a backup: no other one knows which releases are spent",
        )
    return key
