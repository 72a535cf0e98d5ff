"""What the commands of ``audit`` share: where the evidence is, with specs around it or without.

It opens what is there, and makes nothing.
"""

from pathlib import Path

import click

from reconciler.commands import frame, stores
from reconciler.config import Installation
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
