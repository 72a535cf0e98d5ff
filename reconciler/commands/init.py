"""``init``: write a folder in which planning works at once; nothing is ever overwritten.

Without a tenant of one's own it asks nothing and talks to nobody.
"""

import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import click
from rich.text import Text

from reconciler import beginning, imported, laying, schema, spec, templates
from reconciler.commands import frame, importing, wiring
from reconciler.errors import InterruptedRunError, ReconcilerError, SettingError, UsageError, worst
from reconciler.imported import Imported, Wish
from reconciler.masking import clean, printable
from reconciler.model import Check, Selection
from reconciler.ping import ping
from reconciler.spec.writing import Quoted
from reconciler.views import human, machine

_ID: Final = "env:CXONE_CLIENT_ID"
_SECRET: Final = "env:CXONE_CLIENT_SECRET"  # noqa: S105 - a reference to one
_SHARED: Final = {
    beginning.IGNORE: "the state directory keeps itself out of git",
    ".gitlab-ci.yml": "include suppression.gitlab-ci.yml in it",
}
"""What a repository may have already, for other things too, and what that means."""
_FLAGS: Final = {
    "name": "--tenant",
    "subdomain": "--subdomain",
    "baseUrl": "--base-url",
    "tokenUrl": "--token-url",
    "clientId": "--client-id",
    "clientSecret": "--client-secret",
}


@dataclass(slots=True, kw_only=True)
class Begun:
    """What was done so far."""

    folder: Path
    files: Sequence[str] = ()
    kept: Sequence[str] = ()
    """What was there already and stays as it is."""
    pipelines: bool = False
    checks: tuple[Check, ...] = ()
    imports: list[Imported] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    code: int = 0


@click.command("init")
@click.argument(
    "folder",
    metavar="[DIR]",
    default=".",
    type=click.Path(file_okay=False, path_type=Path),
)
@click.option("--ci", type=click.Choice(templates.KINDS), help="Write pipelines for it, too.")
@click.option("--tenant", metavar="NAME", help="A Tenant of your own, instead of the sandbox.")
@click.option("--subdomain", help="Its subdomain: https://SUBDOMAIN.api.cxone.com.")
@click.option("--base-url", metavar="URL", help="Where the service is, if not there.")
@click.option("--token-url", metavar="URL", help="Where tokens are issued, if not there.")
@click.option("--client-id", metavar="REF", help=f"env:NAME or file:PATH; else {_ID}.")
@click.option("--client-secret", metavar="REF", help=f"env:NAME or file:PATH; else {_SECRET}.")
@click.option("--import-list", multiple=True, metavar="ID", help="Import this list; repeatable.")
@frame.format_option("text", "json")
@frame.global_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    folder: Path,
    ci: str | None,
    tenant: str | None,
    import_list: tuple[str, ...],
    **given: Any,
) -> int:
    """Write specs, a contact file and schemas into DIR, where `reconciler plan` then works.

    With --tenant it asks for what is missing where there is a terminal, checks the way to the
    service, and imports lists. Made-up contacts are only written for the sandbox. Beside specs that
    are there already, --ci writes the pipelines alone.
    """
    if frame.settings(ctx).root:
        raise UsageError("init makes the specs root DIR/specs: leave --root out")
    if not tenant and (import_list or any(given.values())):
        raise UsageError("these details belong to a tenant of your own", hint="add --tenant NAME")
    document = _tenant(ctx, tenant, given) if tenant else None
    begun = _written(ctx, folder, document, ci)
    if frame.wanted_format(ctx) == "text":
        frame.show(ctx, _files(begun))
    if tenant:
        _meet(ctx, begun, tenant, import_list)
    frame.emit(
        ctx,
        text=lambda: _next(begun),
        json=lambda: machine.facts("init", _facts(begun), exit_code=begun.code),
    )
    return begun.code


def _written(
    ctx: click.Context, folder: Path, document: Mapping[str, Any] | None, ci: str | None
) -> Begun:
    """Write everything, or nothing; beside specs that are there already the pipelines alone.

    Raises:
        SettingError: something is there already.
        ReconcilerError: the folder cannot be written.
    """
    specs = folder / "specs"
    declared = {one for end in ("yaml", "yml") for one in specs.rglob(f"*.{end}")}
    begins = not (ci and declared and document is None)
    held = beginning.files(document) if begins else {}
    held |= _pipelines(folder, ci) if ci else {}
    kept = [name for name in _SHARED if name in held and (folder / name).exists()]
    files = [name for name in sorted(held) if name not in kept]
    laying.free(sorted({*(declared if begins else ()), *(folder / name for name in files)}))
    with laying.laid(
        [
            laying.text(folder / name, held[name], private=name == beginning.CONTACTS)
            for name in files
        ],
        umask=ctx.meta.get(frame.UMASK, 0o077),
    ):
        if begins:
            spec.load(Selection(root=specs))
    return Begun(folder=folder, files=files, kept=kept, pipelines=ci is not None)


def _pipelines(folder: Path, ci: str) -> Mapping[str, str]:
    """Return the pipelines, which code hosts look for at the root of a repository.

    Raises:
        SettingError: the folder lies within one.
    """
    above = (one for one in (folder.absolute(), *folder.absolute().parents))
    repository = next((one for one in above if (one / ".git").exists()), None)
    if repository and repository != folder.absolute():
        raise SettingError(
            f"nothing was written: --ci writes to the root of a repository, which is "
            f"{_shown(repository)}",
            hint="run init there, or leave --ci out",
        )
    return templates.workflows(ci)


# ---------------------------------------------------------------- a tenant of one's own


def _tenant(ctx: click.Context, name: str, given: Mapping[str, str | None]) -> Mapping[str, Any]:
    """Return a Tenant's document, asking for what is missing where there is somebody to ask.

    Raises:
        UsageError: the address is missing, and there is no terminal.
        SettingError: a value is none, or a secret stands in the clear.
    """
    terminal = _terminal()
    subdomain, base = given["subdomain"], given["base_url"]
    if not (subdomain or base):
        if not terminal:
            raise UsageError("where is the tenant?", hint="add --subdomain NAME or --base-url URL")
        subdomain = _asked(ctx, "Subdomain, as in https://SUBDOMAIN.api.cxone.com", name)
    found = {"clientId": given["client_id"], "clientSecret": given["client_secret"]}
    for key, usual in (("clientId", _ID), ("clientSecret", _SECRET)):
        words = f"{_FLAGS[key].removeprefix('--').replace('-', ' ')}, as env:NAME or file:PATH"
        found[key] = found[key] or (
            _asked(ctx, f"Where is the {words}", usual) if terminal else usual
        )
    said = {"subdomain": subdomain, "baseUrl": base, "tokenUrl": given["token_url"]}
    document = {
        "apiVersion": "reconciler/v1",
        "kind": "Tenant",
        "metadata": {"name": name},
        "spec": {
            **{key: Quoted(value) for key, value in said.items() if value},
            "credentials": {key: Quoted(value) for key, value in found.items()},
        },
    }
    for fault in schema.check(document, "Tenant"):
        flag = _FLAGS.get(str(fault.path[-1]), "--tenant") if fault.path else "--tenant"
        raise SettingError(f"nothing was written: {flag}: {fault.message}")
    return document


def _terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _asked(ctx: click.Context, question: str, usual: str) -> str:
    return frame.ask(ctx, f"{question} [{usual}]: ") or usual


def _meet(ctx: click.Context, begun: Begun, name: str, wanted: tuple[str, ...]) -> None:
    """Check the way to the tenant, and import lists if it is open; what was written stays."""
    root = begun.folder / "specs"
    with (
        wiring.running(ctx, "init", root) as run,
        wiring.door(run) as door,
        wiring.recorded(run) as upshot,
    ):
        loaded = spec.load(Selection(root=root))
        tenant = loaded.tenants[name]
        begun.checks = tuple(ping(loaded, reader=door))
        codes = [check.exit_code for check in begun.checks]
        if frame.wanted_format(ctx) == "text":
            frame.show(ctx, human.checks(begun.checks))
        ids = iter(wanted) if wanted else _ids(ctx)
        for list_id in ids if not any(codes) else ():
            try:
                wish = Wish(tenant=tenant, list_id=list_id)
                umask = ctx.meta.get(frame.UMASK, 0o077)
                made = imported.bring(wish, root=root, reader=door(tenant), run=run, umask=umask)
            except InterruptedRunError:
                raise
            except ReconcilerError as error:  # the next list is another story
                codes.append(error.exit_code)
                hint = f" ({error.hint})" if error.hint else ""
                begun.failures.append(f"{clean(list_id)}: {error}{hint}")
                frame.show(ctx, f"error: list {begun.failures[-1]}", err=True)
                continue
            begun.imports.append(made)
            if frame.wanted_format(ctx) == "text":
                frame.show(ctx, importing.text(made))
        begun.code = upshot.code = worst(codes)


def _ids(ctx: click.Context) -> Iterator[str]:
    """Ask which lists to import, as long as there is an answer."""
    while _terminal():
        answer = frame.ask(ctx, "Id of a list to import, or nothing to go on: ")
        if not answer:
            return
        yield answer


# ---------------------------------------------------------------- what is said


def _files(begun: Begun) -> Text:
    """Say what was written."""
    told = Text(f"Wrote {len(begun.files)} files below {_shown(begun.folder)}:", style="bold")
    for name in begun.files:
        told.append(f"\n  {name}", style="not bold")
    for name in begun.kept:
        told.append(f"\n  {name} was there and stays as it is: {_SHARED[name]}", style="not bold")
    return told


def _next(begun: Begun) -> Text:
    """Say what to do next."""
    if begun.code:
        return Text("What was written stays. Mend that, and then: reconciler ping")
    told = [Text("Next:", style="bold")]
    if begun.folder.absolute() != Path.cwd():
        told.append(Text(f"  cd {shlex.quote(_shown(begun.folder))}"))
    if begun.checks and not begun.imports:
        name = begun.checks[0].subject
        told.append(Text(f"  reconciler import --tenant {name} --list-id ID --name NAME"))
    else:
        told += [
            Text("  reconciler plan     # what would be done, and to whom; it only reads"),
            Text("  reconciler apply    # does it; asks first"),
        ]
    if begun.pipelines:
        told.append(
            Text(
                "The pipelines say at their top which secrets, keys and approvals they need. They "
                "are for a tenant of your own: the embedded sandbox begins anew in each job."
            )
        )
    return Text("\n").join(told)


def _facts(begun: Begun) -> dict[str, object]:
    return {
        "folder": str(begun.folder.absolute()),
        "files": begun.files,
        "kept": begun.kept,
        "checks": begun.checks,
        "imports": [importing.facts(made) for made in begun.imports],
        "failures": begun.failures,
    }


def _shown(folder: Path) -> str:
    return printable(str(folder))
