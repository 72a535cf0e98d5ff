"""``audit rotate-key``: a new pseudonym key on this machine; the former one is kept beside it."""

import click

from reconciler import rotation
from reconciler.commands import auditing, frame
from reconciler.config import KEY


@click.command("rotate-key")
@frame.format_option("text")
@frame.global_options
@click.pass_context
def command(ctx: click.Context) -> int:
    """Make a new pseudonym key, and keep the one in use beside it.

    What was written under it is known again as long as it is there: history is searched and
    releases are spent under all keys. What is remembered of lists is read and compared anew.
    """
    settings = frame.installed(ctx, auditing.root(ctx))
    kept = rotation.rotate(settings)
    frame.talk(ctx, f"The former key is {kept}: keep it, and back it up as you do the new one.")
    frame.emit(ctx, text=lambda: f"Rotated: {settings.state / KEY} is a new key.")
    return 0
