"""``schema``: print the JSON Schema of a kind of spec, or say which kinds there are."""

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

    Put it to use in an editor: # yaml-language-server: $schema=FILE
    """
    if kind:
        text = schemas.text(kind)
        frame.emit(ctx, text=lambda: Text(text.rstrip("\n")), json=text.encode)
    else:
        kinds = machine.facts("schemas", {"kinds": schemas.KINDS})
        frame.emit(ctx, text=lambda: "\n".join(schemas.KINDS), json=lambda: kinds)
    return 0
