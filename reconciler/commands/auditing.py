"""What commands over evidence share: where it is, with specs around it or without, and verifying.

It opens what is there, and makes nothing.
"""

from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path

import click

from reconciler import verifying
from reconciler.commands import frame, stores
from reconciler.config import Installation, known_keys
from reconciler.contacts.engine import fingerprint
from reconciler.errors import SettingError
from reconciler.leases import SIGNS, TERMS
from reconciler.locks import counted
from reconciler.signing import Checker
from reconciler.store import Store


def opened(ctx: click.Context) -> tuple[Installation, Store]:
    """Return the installation's settings and its store; with --state-dir no specs are needed.

    Raises:
        SettingError: a setting is not understood, or nothing says where the evidence is.
        EvidenceError: the store cannot be reached.
    """
    settings = frame.installed(ctx, root(ctx))
    return settings, stores.opened(settings)


def root(ctx: click.Context) -> Path:
    """Return where the specs are, or else where the state is: only the state is looked for.

    Raises:
        SettingError: nothing says where the evidence is.
    """
    held = frame.settings(ctx)
    return held.root or held.state_dir or frame.selection(ctx, ()).root


def verified(
    settings: Installation, store: Store, *, checkers: tuple[Checker, ...] = ()
) -> verifying.Verification:
    """Verify the evidence of an installation; tables of which no key is at hand are told as such.

    Raises:
        EvidenceError: the store cannot be reached.
    """
    keys: tuple[bytes, ...] = ()
    with suppress(SettingError):
        keys = known_keys(settings)
    return verifying.verify(
        store,
        settings.state,
        keys={fingerprint(key): key for key in keys},
        checkers=checkers,
        living=partial(_living, settings.state, store),
    )


def _living(state: Path, store: Store) -> frozenset[str]:
    """Return the runs that live on this machine, or by a sign of theirs that is not too old."""
    alive = set[str]()
    if (state / "locks").is_dir():
        with counted(state / "locks") as here:
            alive |= here
    for name in store.names(SIGNS) if store.shared else ():
        sign = store.read(name)
        if sign and frame.clock() - sign.modified < timedelta(seconds=TERMS.expire):
            alive.add(name.rpartition("/")[2].removesuffix(".json"))
    return frozenset(alive)
