"""A store in a bucket: S3 and what speaks like it, Google Cloud Storage, Azure. The only door to obstore.

A bucket that lets two writers take one name is refused. What never changes is fetched once and
mirrored on this machine. It knows nothing of what it keeps, and no secret stands in its errors.
"""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from obstore.exceptions import (
    BaseError,
)
from obstore.store import from_url

from reconciler.errors import SettingError

SCHEMES: Final = ("s3", "gs", "az")
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


def open_bucket(url: str, *, mirror: Path, loopback: str = "") -> "ObjectStore":
    """Open a store in a bucket, and see to it that it gives a name to one writer only.

    Args:
        url: such as ``s3://bucket/evidence``.
        mirror: a folder of this machine for copies of what never changes.
        loopback: an ``http`` endpoint on this machine, as tests use; else only ``https`` is used.

    Raises:
        SettingError: the URL is not understood, or the bucket does not keep two writers apart.
        EvidenceError: the bucket cannot be reached or used.
    """
    options = {**_PATIENCE, "allow_http": True} if loopback else {**_PATIENCE}
    settings: dict[str, Any] = {"endpoint": loopback} if loopback else {}
    try:
        made = from_url(url, client_options=options, retry_config=_RETRIES, **settings)
    except (BaseError, ValueError) as error:
        raise SettingError(
            f"RECONCILER_STORE is {_shown(url)!r}, which cannot be opened",
            hint=f"expected {', '.join(f'{scheme}://…' for scheme in SCHEMES)} or a directory",
        ) from error
    opened = ObjectStore(made, place=_shown(url), mirror=mirror)
    opened.insist()
    return opened
