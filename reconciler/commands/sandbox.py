"""``sandbox``: serve a small copy of the service on this machine, until a signal ends it."""

from pathlib import Path
from typing import Final

import click

from reconciler import sandbox
from reconciler.commands import frame
from reconciler.config import STATE
from reconciler.errors import Exit
from reconciler.views import machine

_EPILOG: Final = "\n\n".join(f"\b\n{part}" for part in sandbox.GRAMMAR.split("\n\n"))
"""How a fault is written, its lines kept as they are."""


@click.command("sandbox", epilog=f"A fault is written so:\n\n{_EPILOG}")
@click.option("--host", default="127.0.0.1", show_default=True, help="A loopback address.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8181,
    show_default=True,
    help="0 takes a free one.",
)
@click.option(
    "--data",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Its file; else sandbox.db in the state directory.",
)
@click.option("--fault", multiple=True, metavar="SPEC", help="What goes wrong; repeatable.")
@frame.format_option("text", "json")
@frame.global_options
@click.pass_context
def command(
    ctx: click.Context, *, host: str, port: int, data: Path | None, fault: tuple[str, ...]
) -> int:
    """Serve a small copy of the service on loopback; both dialects, any credentials.

    Its URL goes to standard output as soon as it answers. Ctrl-C ends it.
    """
    faults = tuple(map(sandbox.parse, fault))
    database = data or _default(ctx)

    def ready(url: str) -> None:
        frame.emit(ctx, text=lambda: url, json=lambda: machine.facts("sandbox", {"url": url}))
        frame.talk(ctx, f"Serving {database}. Ctrl-C ends it.")
        frame.talk(
            ctx, f"A Tenant reaches it by: baseUrl: {url}/api/v2, tokenUrl: {url}/oauth/token"
        )
        frame.talk(ctx, f"One of dialect dnc-groups by: tokenUrl: {url}/auth/token")

    database.absolute().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    sandbox.serve(database, host=host, port=port, faults=faults, ready=ready)
    return Exit.TERMINATED  # nothing but a signal ends it; of Ctrl-C the frame knows, and that wins


def _default(ctx: click.Context) -> Path:
    held = frame.settings(ctx)
    beside = held.root.absolute().parent if held.root else Path.cwd()
    return (held.state_dir or beside / STATE) / "sandbox.db"
