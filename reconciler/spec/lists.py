"""Drafts of SuppressionLists into nouns; sources are found on disk, contacts never normalised."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import orjson

from reconciler import model, times
from reconciler.masking import scrub
from reconciler.schema import Keys, seen
from reconciler.spec import sources
from reconciler.spec.codes import Code
from reconciler.spec.draft import Draft, unreadable
from reconciler.spec.nouns import share

MAX_SOURCES: Final = 1_000
"""Sources of a list, at most; each may have many files."""
_NOWHERE: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for a time that could not be read; its draft has a problem and is never used."""


def suppression_list(draft: Draft, *, repository: Path) -> model.ListSpec:
    """Make a ListSpec; one whose draft has errors is not to be used.

    Args:
        draft: of kind ``SuppressionList``.
        repository: the folder that sources must lie in.
    """
    choices: Any = {
        key: draft.text("spec", key) or plain
        for key, plain in (
            ("duplicates", "longest"),
            ("invalid", "fail"),
            ("unsupported", "fail"),
        )
    }
    defaults = _defaults(draft)
    return model.ListSpec(
        name=draft.text("metadata", "name"),
        place=draft.place(),
        tenant=draft.text("spec", "tenant"),
        list_id=draft.text("spec", "listId") or None,
        create=draft.value("spec", "create") is True,
        settings=_settings(draft),
        labels=_texts(draft, "metadata", "labels"),
        batch_reason=scrub(draft.text("spec", "batchReason")),
        defaults=defaults,
        contacts=_contacts(draft, ends=defaults.suppress_until or times.NEVER),
        sources=_sources(draft, repository=repository),
        releases=tuple(_release(draft, path) for path in draft.items("spec", "releases")),
        ownership=model.Ownership(draft.text("spec", "ownership") or "additive"),
        release_basis=scrub(draft.text("spec", "releaseBasis")),
        max_invalid=share(draft, "spec", "maxInvalid", absent="0%"),
        digest=_digest(draft),
        **choices,
    )


def _settings(draft: Draft) -> model.Settings:
    """Return the list's own fields; what is not declared is left to others."""
    end: datetime | model.Unmanaged | None = model.UNMANAGED
    if spelt := draft.text("spec", "list", "suppressUntil"):
        end = None if spelt == times.NEVER else draft.time("spec", "list", "suppressUntil")
    described = draft.value("spec", "list", "description")
    return model.Settings(
        name=draft.text("spec", "list", "name") or model.UNMANAGED,
        description=model.UNMANAGED if described is None else described,
        suppress_until=end,
        scrubbed_skills=_skills(draft, "scrubbedSkills"),
        contributing_skills=_skills(draft, "contributingSkills"),
    )


def _skills(draft: Draft, key: str) -> tuple[model.Skill, ...] | model.Unmanaged:
    """Return declared skills, each known by what is written: an id or a name."""
    written = draft.value("spec", "list", key)
    if not isinstance(written, list):
        return model.UNMANAGED
    return tuple(model.Skill(id=each, name=each) for each in written if isinstance(each, str))


def _defaults(draft: Draft) -> model.Defaults:
    return model.Defaults(
        reason=draft.text("spec", "defaults", "reason") or None,
        region=draft.text("spec", "defaults", "region") or None,
        suppress_until=draft.when("spec", "defaults", "suppressUntil"),
    )


def _texts(draft: Draft, *path: str | int) -> MappingProxyType[str, str]:
    """Freeze a mapping of texts."""
    value = draft.value(*path)
    return MappingProxyType(dict(value) if isinstance(value, dict) else {})


def _contacts(draft: Draft, *, ends: str) -> tuple[model.InlineContact, ...]:
    """Return the inline contacts; there may be a hundred thousand, so nothing here is lavish."""
    rows = draft.value("spec", "contacts")
    if not isinstance(rows, list):
        return ()
    made = []
    for index, place in enumerate(draft.document.item_places(rows)):
        row = rows[index]
        if isinstance(row, dict):
            _check_times(draft, index, row, ends=ends)
            made.append(
                model.InlineContact(
                    place=place,
                    email=row.get("email"),
                    phone=row.get("phoneNumber"),
                    reason=row.get("reason"),
                    suppress_until=row.get("suppressUntil"),
                    requested_at=row.get("requestedAt"),
                )
            )
    return tuple(made)


def _check_times(draft: Draft, index: int, row: dict[str, Any], *, ends: str) -> None:
    """Report the times of one contact that cannot be read, or that count from nowhere."""
    path = ("spec", "contacts", index)
    for key in ("suppressUntil", "requestedAt"):
        spelt = row.get(key)
        if isinstance(spelt, str) and (wrong := unreadable(spelt)) and draft.text(*path, key):
            draft.report(Code.TIME, f"found {seen(spelt)}: {wrong}", *path, key)
    if "requestedAt" in row:
        return
    end = draft.text(*path, "suppressUntil") if "suppressUntil" in row else ends
    if times.is_duration(end):
        said = "the end is a duration and counts from requestedAt, which is missing"
        draft.report(Code.DURATION_START, said, *path, "suppressUntil")


def _sources(draft: Draft, *, repository: Path) -> tuple[model.Source, ...]:
    """Return the sources, unless there are more than anybody needs."""
    paths = tuple(draft.items("spec", "sources"))
    if len(paths) > MAX_SOURCES:
        said = f"{len(paths):,} sources, expected at most {MAX_SOURCES:,}; use patterns"
        draft.report(Code.TOO_MANY, said, "spec", "sources")
        return ()
    return tuple(_source(draft, path, repository=repository) for path in paths)


def _source(draft: Draft, path: Keys, *, repository: Path) -> model.Source:
    """Return a source with the files that its pattern matches now."""
    pattern, pin = draft.text(*path, "path"), draft.text(*path, "sha256")
    base = draft.document.file.parent
    files: tuple[Path, ...] = ()
    at = "path"
    try:
        if pattern:
            files = sources.find(pattern, base=base, repository=repository)
        if files and pin:
            at = "sha256"
            sources.check_pin(files, pin)
    except sources.SourceError as error:
        draft.report(error.code, str(error), *path, at)
    draft.duration(*path, "maxAge")
    return model.Source(
        place=draft.place(*path),
        path=pattern,
        base=base,
        files=files,
        columns=_texts(draft, *path, "columns"),
        sha256=pin.lower() or None,
        as_of=draft.time(*path, "asOf"),
        max_age=draft.text(*path, "maxAge") or None,
    )


def _release(draft: Draft, path: Keys) -> model.ReleaseSpec:
    """Return a release; an end that is a duration counts from its ``requestedAt``."""
    requested = draft.time(*path, "requestedAt") or _NOWHERE
    end = draft.when(*path, "suppressUntil")
    return model.ReleaseSpec(
        place=draft.place(*path),
        email=draft.text(*path, "email") or None,
        phone=draft.text(*path, "phoneNumber") or None,
        basis=scrub(draft.text(*path, "basis")),
        ticket=draft.text(*path, "ticket"),
        requested_by=draft.text(*path, "requestedBy"),
        requested_at=requested,
        suppress_until=_end(end, requested) if end else None,
    )


def _end(spelt: str, start: datetime) -> datetime:
    """Return a time, or a duration's end."""
    if times.is_duration(spelt):
        return times.add_duration(start, spelt)
    return times.parse_time(spelt)


def _digest(draft: Draft) -> str:
    """Digest the declaration without identifiers: a plain digest of one would be guessable."""
    data = draft.document.data
    spec = draft.value("spec")
    if not isinstance(spec, dict):
        return ""
    contacts, releases = draft.value("spec", "contacts"), draft.value("spec", "releases")
    said = {
        **data,
        "spec": {
            **spec,
            "contacts": len(contacts) if isinstance(contacts, list) else 0,
            "releases": [
                {key: value for key, value in item.items() if key not in {"email", "phoneNumber"}}
                for item in (releases if isinstance(releases, list) else ())
                if isinstance(item, dict)
            ],
        },
    }
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()
