"""``audit verify``: whether the evidence is what was written; offline and read-only."""

from datetime import timedelta
from functools import partial
from pathlib import Path

import click

from reconciler import verifying
from reconciler.commands import auditing, frame
from reconciler.config import Installation, known_keys
from reconciler.contacts.engine import fingerprint
from reconciler.errors import Exit
from reconciler.leases import SIGNS, TERMS
from reconciler.locks import counted
from reconciler.signing import Checker, checker
from reconciler.store import Store
from reconciler.views import auditing as view


@click.command("verify")
@click.option(
    "--key",
    "names",
    multiple=True,
    metavar="FILE",
    type=frame.ExistingPath(dir_okay=False, path_type=Path),
    help="Check signatures with this public key, PEM or base64; repeatable.",
)
@frame.format_option("text", "json")
@frame.global_options
@click.pass_context
def command(ctx: click.Context, *, names: tuple[Path, ...]) -> int:
    """Recompute every digest of the ledger and of every run's artifacts; offline.

    What was altered, is missing, was added or moved is named, one line each, and ends in exit
    code 1. Tables with addresses are looked at where they are on this machine.
    """
    checkers = tuple(checker(path) for path in names)
    settings, store = auditing.opened(ctx)
    found = verified(settings, store, checkers=checkers)
    code = Exit.DONE if found.whole else Exit.FAILED
    frame.emit(
        ctx,
        text=partial(view.text, found),
        json=partial(view.document, found, exit_code=code),
    )
    return code


def verified(
    settings: Installation, store: Store, *, checkers: tuple[Checker, ...] = ()
) -> verifying.Verification:
    """Verify the evidence of an installation.

    Raises:
        SettingError: a pseudonym key cannot be read.
        EvidenceError: the store cannot be reached.
    """
    return verifying.verify(
        store,
        settings.state,
        keys={fingerprint(key): key for key in known_keys(settings)},
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
