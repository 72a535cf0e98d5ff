"""Where evidence outlives a run, as the installation's settings name it.

It opens what is there; a folder is made when something is first put into it.
"""

import os
from hashlib import sha256
from pathlib import Path

from reconciler.config import Installation
from reconciler.store import DirectoryStore, Store


def opened(settings: Installation) -> Store:
    """Open where evidence outlives a run.

    Raises:
        SettingError: what names it is not understood, or two writers could take one name in it.
        EvidenceError: it cannot be reached or used.
    """
    if not settings.store:
        return DirectoryStore(settings.state)
    if "://" not in settings.store:
        folder = Path(settings.store).expanduser().absolute()
        return DirectoryStore(folder, shared=folder != settings.state)
    from reconciler import objects  # noqa: PLC0415 - brings obstore: for buckets alone

    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    mirror = settings.state / "mirror" / sha256(settings.store.encode()).hexdigest()[:16]
    return objects.open_bucket(settings.store, mirror=mirror, endpoint=endpoint)
