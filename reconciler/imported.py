"""A list at the service as a spec and a contact file: planning right after changes nothing.

It only reads the service, and writes either both files or none. Who cannot be declared as the
service holds them is left out and counted: they stay on their list, as surplus.
"""

import re
import shutil
import unicodedata
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from reconciler import schema, spec
from reconciler.api.port import Reader
from reconciler.artifacts import Run
from reconciler.contacts.export import Exported, export
from reconciler.errors import ReconcilerError, ServiceError, SettingError, VersionConflictError
from reconciler.laying import NewFile, free, laid, text
from reconciler.masking import clean, scrub
from reconciler.model import (
    RELEASE_AHEAD,
    RELEASE_SLACK,
    ListSpec,
    RemoteList,
    Selection,
    Settings,
    Spec,
    Tenant,
)
from reconciler.reading import Reading, read
from reconciler.spec.writing import Quoted, sayable, written
from reconciler.times import NEVER, zulu

_SUPPRESSION: Final = "suppression"
_SCHEMA: Final = "suppression-list.schema.json"
_FLAGS: Final = {"name": "--name", "region": "--region", "listId": "--list-id"}
_KEY: Final = 63
"""Characters of a list's key, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Which list is to be imported, and as what."""

    tenant: Tenant
    list_id: str
    name: str = ""
    """Its key; empty for one made of the list's own name."""
    region: str | None = None
    """Where phone numbers without a country code are from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What became of it."""

    name: str
    list_id: str
    spec: Path
    contacts: Path | None
    """``None`` where nobody is to be declared."""
    counts: Exported
    unsaid: tuple[str, ...]
    """Settings that no spec can hold, and so are left to others."""


def bring(wish: Wish, *, root: Path, reader: Reader, run: Run, umask: int) -> Imported:
    """Read a list whole and write its spec and its contact file.

    Args:
        wish: which list.
        root: the specs root, which is sound.
        reader: the tenant's service.
        run: whose engine is used.
        umask: the rights that others are not to have to the spec; the contact file is private.

    Raises:
        SettingError: the name or the list is taken, or is none; or a file is there.
        SpecError: the specs have problems.
        ReconcilerError: the list cannot be read whole, is of another type, or has ended.
    """
    root = root.absolute()
    loaded = spec.load(Selection(root=root))
    if wish.name:
        _check(wish.name, wish, loaded, root)
    remote = reader.get(wish.list_id)
    name = wish.name or key_of(remote.settings, wish.list_id)
    if not wish.name:
        _check(name, wish, loaded, root)
    _usable(remote, wish, loaded, now=run.clock())
    reading = _whole(read(run, reader, remote, key=name, region=wish.region))
    _usable(reading.remote, wish, loaded, now=run.clock())
    now = run.clock()
    with run.engine.draft() as staged:
        counts = export(
            run.engine,
            reading.table,
            region=wish.region,
            as_of=now,
            soon=now + RELEASE_AHEAD + RELEASE_SLACK + max(reader.skew, timedelta()),
            into=staged,
        )
        contacts = _contacts(root, name) if counts.written else None
        made = Imported(
            name=name,
            list_id=remote.id,
            spec=_spec(root, name),
            contacts=contacts,
            counts=counts,
            unsaid=tuple(_unsaid(reading.remote.settings)),
        )
        files = [text(made.spec, _text(made, wish, reading.remote.settings, root))]
        if contacts:
            files.append(
                NewFile(
                    path=contacts, fill=lambda held: shutil.copyfile(staged, held), private=True
                )
            )
        with laid(files, umask=umask):
            _alone(made, root)
    run.write(f"import-{name}.json", {"id": remote.id, "counts": asdict(counts)})
    return made


def key_of(settings: Settings, list_id: str) -> str:
    """Return a key for a list, made of its own name; of its id where that gives none."""
    for said in (str(settings.name), list_id, "list"):
        plain = unicodedata.normalize("NFKD", scrub(said)).encode("ascii", "ignore").decode()
        words = re.findall(r"[a-z0-9]+", plain.lower())
        if words:
            return "-".join(words)[:_KEY].strip("-")
    raise AssertionError


def _spec(root: Path, name: str) -> Path:
    return root / f"{name}.yaml"


def _contacts(root: Path, name: str) -> Path:
    return root / "contacts" / f"{name}.csv"


# ---------------------------------------------------------------- what has to be so


def _check(name: str, wish: Wish, loaded: Spec, root: Path) -> None:
    """See to it that the list can be called that."""
    for fault in schema.check(_document(name, wish), "SuppressionList"):
        flag = _FLAGS.get(str(fault.path[-1]), "") if fault.path else ""
        raise SettingError(f"{flag or 'the import'}: {fault.message}")
    for listed in loaded.lists:
        if listed.name == name:
            raise SettingError(
                f"a list {name} is declared already ({listed.place})", hint="choose another: --name"
            )
        _other(listed, wish, list_id=wish.list_id, called="")
    free((_spec(root, name), _contacts(root, name)))


def _other(listed: ListSpec, wish: Wish, *, list_id: str, called: str) -> None:
    """See to it that a spec declares another list than this."""
    by_name = not listed.list_id and called and listed.settings.name == called
    if listed.tenant == wish.tenant.name and (listed.list_id == list_id or by_name):
        raise SettingError(f"{listed.name} declares this list already ({listed.place})")


def _usable(remote: RemoteList, wish: Wish, loaded: Spec, *, now: datetime) -> None:
    """See to it that the list is one that can be declared as it is."""
    if remote.type != _SUPPRESSION:
        said = f"list {clean(remote.id)} is of type {scrub(clean(remote.type))!r}"
        raise ReconcilerError(f"{said}, expected {_SUPPRESSION!r}", hint="it is never written to")
    for listed in loaded.lists:
        _other(listed, wish, list_id=remote.id, called=str(remote.settings.name))
    end = remote.settings.suppress_until
    if isinstance(end, datetime) and end <= now:
        raise ReconcilerError(
            f"list {clean(remote.id)} ended at {zulu(end)}: it suppresses nobody, so there is "
            "nothing to declare",
            hint="give it a later end at the service, or none, and import it then",
        )


def _whole(reading: Reading) -> Reading:
    """Return a reading that is certain to be all there is."""
    if reading.failed:
        raise ServiceError(f"nothing was written, the list was not read whole: {reading.doubt}")
    if not reading.complete:
        raise VersionConflictError(
            f"nothing was written, the list may not have been read whole: {reading.doubt}",
            hint="try again when nobody else is writing to it",
        )
    return reading


def _alone(made: Imported, root: Path) -> None:
    """See to it that the specs are sound with what was written, and no other list reads it."""
    for listed in spec.load(Selection(root=root)).lists:
        for source in listed.sources if listed.name != made.name else ():
            if made.contacts and made.contacts.resolve() in {one.resolve() for one in source.files}:
                raise SettingError(
                    f"nothing was written: {listed.name} would read the contacts too, as "
                    f"{source.path} ({source.place})",
                    hint="choose another --name, or narrow that pattern",
                )


# ---------------------------------------------------------------- the spec


def _text(made: Imported, wish: Wish, settings: Settings, root: Path) -> str:
    own = dict(_settings(settings, but=made.unsaid))
    document = _document(made.name, wish, list_id=made.list_id, own=own)
    said = document["spec"]
    if made.contacts:
        said["sources"] = [{"path": made.contacts.relative_to(root).as_posix()}]
    said["ownership"] = "additive"
    there = (root.parent / "schemas" / _SCHEMA).is_file()
    head = "As it was found at the service. Who is on the list but not declared stays on it."
    return written(document, schema=f"../schemas/{_SCHEMA}" if there else "", head=head)


def _document(
    name: str, wish: Wish, *, list_id: str = "", own: dict[str, str] | None = None
) -> dict[str, Any]:
    """Return a list's document as far as it does not depend on its contacts."""
    said: dict[str, Any] = {"tenant": wish.tenant.name, "listId": Quoted(list_id or wish.list_id)}
    if own:
        said["list"] = own
    if wish.region:
        said["defaults"] = {"region": wish.region}
    return {
        "apiVersion": "reconciler/v1",
        "kind": "SuppressionList",
        "metadata": {"name": name},
        "spec": said,
    }


def _settings(settings: Settings, *, but: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield the list's own fields; that it has no end is declared too, so that one would show."""
    end = settings.suppress_until
    if settings.name and "name" not in but:
        yield "name", Quoted(settings.name)
    if settings.description and "description" not in but:
        yield "description", Quoted(settings.description)
    yield "suppressUntil", zulu(end) if isinstance(end, datetime) else NEVER


def _unsaid(settings: Settings) -> Iterator[str]:
    if not sayable(str(settings.name)):
        yield "name"
    if not sayable(settings.description or ""):
        yield "description"
