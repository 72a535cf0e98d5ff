"""``schema``: print the JSON Schema of a spec or of what we write, or say which kinds there are."""

import click
from rich.text import Text

from reconciler import schema as schemas
from reconciler.commands import frame
from reconciler.views import machine


@click.command("schema")
@click.argument("kind", required=False, metavar="[KIND]")
@frame.format_option("text", "json")
@frame.global_options
@click.pass_context
def command(ctx: click.Context, kind: str | None) -> int:
    """Print the JSON Schema of KIND; without one, the kinds there are.

    Put that of a spec to use in an editor: # yaml-language-server: $schema=FILE

    Plan, Receipt, Drift and Problem are no specs: this program writes them for others to read.
    """
    if kind:
        text = schemas.text(kind)
        frame.emit(ctx, text=lambda: Text(text.rstrip("\n")), json=text.encode)
    else:
        kinds = (*schemas.KINDS, *schemas.WRITTEN)
        told = machine.facts("schemas", {"kinds": kinds})
        frame.emit(ctx, text=lambda: "\n".join(kinds), json=lambda: told)
    return 0
