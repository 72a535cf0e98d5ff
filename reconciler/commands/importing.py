"""``import``: make a spec and a contact file of a list at the service; read-only there.

The file has another name than the verb, which is a Python word.
"""

from collections.abc import Iterator
from pathlib import Path

import click
from rich.text import Text

from reconciler import imported, spec
from reconciler.commands import frame, wiring
from reconciler.errors import SettingError
from reconciler.imported import Imported, Wish
from reconciler.model import Selection, Tenant
from reconciler.schema import named, nearest
from reconciler.views import machine
from reconciler.views.wording import plural


@click.command("import")
@click.option("--tenant", required=True, metavar="NAME", help="The Tenant that holds the list.")
@click.option("--list-id", required=True, metavar="ID", help="The list's id at the service.")
@click.option("--name", required=True, metavar="NAME", help="What the list is to be called.")
@click.option(
    "--region", metavar="CC", help="The country of phone numbers without a country code: US."
)
@frame.format_option("text", "json")
@frame.global_options
@click.pass_context
def command(ctx: click.Context, *, tenant: str, list_id: str, name: str, region: str | None) -> int:
    """Read a list whole, and write its spec and its contact file; planning then changes nothing.

    Who cannot be declared as the service holds them stays on the list, and is counted.
    """
    root = frame.selection(ctx, ()).root
    with (
        wiring.running(ctx, "import", root) as run,
        wiring.door(run) as door,
        wiring.recorded(run),
    ):
        found = _tenant(tenant, root)
        made = imported.bring(
            Wish(tenant=found, list_id=list_id, name=name, region=region),
            root=root,
            reader=door(found),
            run=run,
            umask=ctx.meta.get(frame.UMASK, 0o077),
        )
    frame.emit(ctx, text=lambda: text(made), json=lambda: machine.facts("import", facts(made)))
    return 0


def text(made: Imported) -> Text:
    """Say what was written, and who is not in it."""
    who = plural(made.counts.written, "contact")
    where = f" and {_shown(made.contacts)}" if made.contacts else ""
    told = Text(f"Imported {made.name}: {who}, in {_shown(made.spec)}{where}.", style="bold")
    for line in _left(made):
        told.append(f"\n  {line}", style="not bold")
    return told


def facts(made: Imported) -> dict[str, object]:
    """Return the same for programs."""
    return {
        "list": made.name,
        "list_id": made.list_id,
        "spec": str(made.spec),
        "contacts": str(made.contacts) if made.contacts else None,
        "counts": made.counts,
        "unmanaged": made.unsaid,
    }


def _left(made: Imported) -> Iterator[str]:
    """Say why somebody was left out, and stays on the list all the same."""
    counts = made.counts
    for count, why in (
        (counts.lapsed, "whose end has passed, or is about to"),
        (
            counts.opaque,
            "that cannot be read as an address and an end (maybe for want of --region)",
        ),
        (counts.reasonless, "without a reason that a spec can declare"),
        (counts.torn, "that several contacts of the list name, for different reasons"),
    ):
        if count:
            yield f"left out, and not touched: {count:,} {why}"
    for key in made.unsaid:
        yield f"left to others: the list's {key}, which holds characters that no spec can"


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _tenant(name: str, root: Path) -> Tenant:
    tenants = spec.load(Selection(root=root)).tenants
    if name not in tenants:
        close = nearest(name, tenants)
        raise SettingError(
            f"--tenant: there is no tenant {named(name)} in {root}",
            hint=f"did you mean {close}?" if close else f"there is: {', '.join(tenants) or 'none'}",
        )
    return tenants[name]
