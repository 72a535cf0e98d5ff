"""A store in a bucket: S3 and what speaks like it, Google Cloud, Azure. obstore's only door.

A bucket that lets two writers take one name is refused. What never changes is fetched once and
mirrored on this machine. It knows nothing of what it keeps, and no secret stands in its errors.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import from_url

from reconciler import disk
from reconciler.errors import EvidenceError, SettingError
from reconciler.store import ChangedError, Held, NameTakenError

SCHEMES: Final = ("s3", "gs", "az")
_ABSENT: Final = (NotFoundError, FileNotFoundError)
_NO_BUCKET: Final = "NoSuchBucket"
"""Part of what S3 says where not a name but the whole bucket is absent."""
_FIRST: Final = "store.json"
"""The first name taken in every store."""
_RETRIES: Final[Mapping[str, Any]] = {
    "max_retries": 6,
    "retry_timeout": timedelta(seconds=60),
}
_PATIENCE: Final[Mapping[str, Any]] = {"timeout": "60s", "connect_timeout": "10s"}
_HINT: Final = (
    "check RECONCILER_STORE, its credentials (those of the cloud's own tools, such as "
    "AWS_ACCESS_KEY_ID) and the network"
)


def open_bucket(url: str, *, mirror: Path, endpoint: str = "") -> "ObjectStore":
    """Open a store in a bucket, and see to it that it gives a name to one writer only.

    Args:
        url: such as ``s3://bucket/evidence``.
        mirror: a folder of this machine for copies of what never changes.
        endpoint: where the service is, if not where its scheme says; ``http`` only on this machine.

    Raises:
        SettingError: the URL is not understood, or the bucket does not keep two writers apart.
        EvidenceError: the bucket cannot be reached or used.
    """
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES or not parts.hostname or parts.query or parts.username:
        raise SettingError(
            f"RECONCILER_STORE is {_shown(url)!r}, which cannot be opened",
            hint="expected a directory, or s3://, gs:// or az:// with a bucket and a folder in it; "
            "credentials are never part of it",
        )
    options = {**_PATIENCE, "allow_http": True} if _clear(endpoint) else {**_PATIENCE}
    try:
        made = from_url(url, client_options=options, retry_config=_RETRIES)  # type: ignore[call-overload] # one of three clouds
    except (BaseError, ValueError) as error:
        raise SettingError(f"{_shown(url)} cannot be opened", hint=_HINT) from error
    opened = ObjectStore(made, place=_shown(url), mirror=mirror)
    opened.insist()
    return opened


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """A store in a bucket.

    Args:
        bucket: of obstore; names in it begin below its prefix.
        place: what people may be told of where it is.
        mirror: a folder of this machine for copies of what never changes.
    """

    bucket: Any
    place: str
    mirror: Path
    shared: bool = True

    def insist(self) -> None:
        """See to it that a name which is taken cannot be taken again.

        Raises:
            SettingError: it can: two writers would overwrite each other's evidence.
            EvidenceError: the bucket cannot be reached or used.
        """
        for _ in range(2):  # the second one meets what the first one made
            try:
                self.create(_FIRST, secrets.token_hex(16).encode())
            except NameTakenError:
                return
        raise SettingError(
            f"{self.place} lets two writers take one name, so no evidence in it would be safe",
            hint="use a service that honours If-None-Match on PUT: Amazon S3, Google Cloud "
            "Storage, Azure, MinIO, Ceph or Cloudflare R2 do",
        )

    def create(self, name: str, data: bytes) -> None:
        """Put bytes under a name that nobody had, whole.

        Raises:
            NameTakenError: somebody has it, with other bytes.
        """
        with self._translated(name, "written"):
            try:
                obstore.put(self.bucket, name, data, mode="create")
            except (AlreadyExistsError, PreconditionError) as error:
                if not self._holds(name, data):  # ours, where an answer was lost on its way
                    raise NameTakenError(f"{self.place}/{name} is there already") from error

    def keep(self, name: str, path: Path) -> None:
        """Put a file's bytes under a name that nobody else uses, a part at a time."""
        with self._translated(name, "written"):
            obstore.put(self.bucket, name, path)

    def replace(self, name: str, data: bytes, *, seen: str) -> None:
        """Put bytes under a name in place of those that were seen there.

        Raises:
            ChangedError: something else stands there by now, or nothing.
        """
        with self._translated(name, "written"):
            if not seen:
                obstore.put(self.bucket, name, data)
                return
            try:
                obstore.put(self.bucket, name, data, mode={"e_tag": seen})
            except (PreconditionError, AlreadyExistsError, *_ABSENT) as error:
                if not self._holds(name, data):
                    raise ChangedError(f"{self.place}/{name} was changed meanwhile") from error

    def read(self, name: str) -> Held | None:
        """Return what stands under a name; ``None`` where nothing does."""
        with self._translated(name, "read"):
            got = self._got(name)
            if got is None:
                return None
            data, meta = got.bytes().to_bytes(), got.meta
            mark = str(meta["e_tag"] or meta["last_modified"])
            return Held(data=data, mark=mark, modified=meta["last_modified"])

    def fetch(self, name: str) -> Path | None:
        """Return a copy on this machine of what stands under a name, asked for once."""
        path = self.mirror / name
        if path.is_file():
            return path
        with self._translated(name, "read"):
            got = self._got(name)
            if got is None:
                return None
            try:
                disk.private(path.parent)
                with disk.draft(path) as held:
                    with held.open("wb") as file:
                        for part in got:
                            file.write(part)
                    disk.adopt(held, path)
            except OSError as error:
                raise EvidenceError(f"{path} cannot be written: {error.strerror}") from error
        return path

    def digest(self, name: str) -> str | None:
        """Return the sha256 of what stands in the bucket under a name now, a part at a time."""
        with self._translated(name, "read"):
            got = self._got(name)
            if got is None:
                return None
            made = sha256()
            for part in got:
                made.update(part)
            return made.hexdigest()

    def names(self, folder: str, *, after: str = "") -> Sequence[str]:
        """Return all names below ``folder``, sorted; only those past ``after`` if it is given."""
        with self._translated(folder, "listed"):
            listed = obstore.list(self.bucket, f"{folder}/", offset=after or None)
            return sorted(one["path"] for part in listed for one in part if one["path"] > after)

    def remove(self, name: str) -> None:
        """Take a name away, and its copy here; one that nobody has is no error."""
        with self._translated(name, "removed"), suppress(*_ABSENT):
            obstore.delete(self.bucket, name)
        with suppress(OSError):
            (self.mirror / name).unlink(missing_ok=True)

    def _got(self, name: str) -> Any:
        try:
            return obstore.get(self.bucket, name)
        except _ABSENT as error:
            if _NO_BUCKET in str(error):
                raise
            return None

    def _holds(self, name: str, data: bytes) -> bool:
        held = self.read(name)
        return held is not None and held.data == data

    @contextmanager
    def _translated(self, name: str, done: str) -> Iterator[None]:
        """Turn obstore's errors into ours; their texts run over many lines and may hold keys."""
        try:
            yield
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise SettingError(
                f"{self.place} refuses us: {name} cannot be {done}", hint=_HINT
            ) from error
        except (BaseError, OSError) as error:
            if isinstance(error, _ABSENT) or _NO_BUCKET in str(error):
                raise SettingError(f"{self.place} is not there", hint=_HINT) from error
            raise EvidenceError(f"{self.place}/{name} cannot be {done}", hint=_HINT) from error


def _clear(endpoint: str) -> bool:
    """Tell whether a service is spoken to in clear text, which only this machine may be.

    Raises:
        SettingError: another machine would be.
    """
    parts = urlsplit(endpoint)
    if parts.scheme != "http":
        return False
    try:
        loopback = ip_address(parts.hostname or "").is_loopback
    except ValueError:
        loopback = parts.hostname == "localhost"
    if not loopback:
        raise SettingError(
            f"the store's endpoint {_shown(endpoint)} is not https",
            hint="http is only for a service on this machine",
        )
    return True


def _shown(url: str) -> str:
    """Name a place without what may be a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")
