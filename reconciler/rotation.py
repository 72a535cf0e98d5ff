"""A new pseudonym key for this machine, while what was written under the former stays known.

The former key is on disk under a name of its own before the new one takes its place: whenever this
ends, no key is lost. It changes no evidence.
"""

from contextlib import suppress
from pathlib import Path

from reconciler import disk, locks
from reconciler.artifacts import private
from reconciler.config import FORMER, KEY, Installation, fresh_key, pseudonym_key
from reconciler.contacts.engine import fingerprint
from reconciler.errors import EvidenceError, LockHeldError, SettingError


def rotate(settings: Installation) -> Path:
    """Make a new key, and return where the former one is kept.

    Raises:
        SettingError: the key is not this machine's to make, or cannot be read.
        LockHeldError: a run is at work with the key.
        EvidenceError: a file cannot be written; the key in use is still the former one.
    """
    if settings.pseudonym_key or settings.store:
        raise SettingError(
            "the pseudonym key is given by RECONCILER_PSEUDONYM_KEY, so it is not made here",
            hint="give the new key there, and the former one, as env:NAME or file:PATH, in "
            "RECONCILER_FORMER_PSEUDONYM_KEYS",
        )
    key = pseudonym_key(settings)
    path = settings.state / KEY
    former = private(settings.state / FORMER) / f"{fingerprint(key)}.key"
    with locks.counted(settings.state / "locks") as living:
        if living:
            raise LockHeldError(f"run {min(living)} is at work", hint="rotate when it has ended")
        try:
            with suppress(FileExistsError):  # an earlier rotation came so far
                disk.create(former, path.read_bytes())
            disk.replace(path, fresh_key())
        except OSError as error:
            raise EvidenceError(f"{path} cannot be replaced: {error.strerror}") from error
    return former
