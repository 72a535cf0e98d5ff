"""What documents declare together: names taken twice, references that lead nowhere, misfits.

It looks at drafts, not at nouns, so that a document with faults still counts by its name.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from reconciler import model, schema, times
from reconciler.errors import Problem
from reconciler.schema import named, nearest
from reconciler.spec.codes import Code
from reconciler.spec.draft import Draft


def clashes(drafts: Iterable[Draft]) -> Iterator[Problem]:
    """Yield what is declared twice, at the second of the two."""
    drafts = tuple(drafts)
    policies = [draft for draft in drafts if draft.kind == "Policy"]
    for draft in policies[1:]:
        message = f"a second Policy, the first is at {policies[0].place()}; there is only one"
        yield Problem(place=draft.place(), code=Code.TWO_POLICIES, message=message)
    named = [draft for draft in drafts if draft.kind != "Policy"]
    yield from _twice(named, Code.DUPLICATE_NAME, ("metadata", "name"), lambda one: (one.kind,))
    declared = [draft for draft in drafts if draft.kind == "SuppressionList"]
    yield from _twice(declared, Code.DUPLICATE_LIST_ID, ("spec", "listId"), _tenant)
    for draft, first in _pairs(declared, ("spec", "list", "name"), _tenant):
        if not (draft.text("spec", "listId") and first.text("spec", "listId")):
            yield _clash(draft, first, Code.DUPLICATE_LIST_NAME, ("spec", "list", "name"))


def _tenant(draft: Draft) -> tuple[str, ...]:
    return (draft.text("spec", "tenant"),)


def _twice(
    drafts: Iterable[Draft],
    code: Code,
    path: tuple[str, ...],
    within: Callable[[Draft], tuple[str, ...]],
) -> Iterator[Problem]:
    """Yield a problem for each draft whose text at a path another one has before it."""
    for draft, first in _pairs(drafts, path, within):
        yield _clash(draft, first, code, path)


def _pairs(
    drafts: Iterable[Draft], path: tuple[str, ...], within: Callable[[Draft], tuple[str, ...]]
) -> Iterator[tuple[Draft, Draft]]:
    """Yield each draft with the first one that has the same text at a path."""
    first: dict[tuple[str, ...], Draft] = {}
    for draft in drafts:
        spelt = draft.text(*path)
        if spelt and first.setdefault((*within(draft), spelt), draft) is not draft:
            yield draft, first[(*within(draft), spelt)]


def _clash(draft: Draft, first: Draft, code: Code, path: tuple[str, ...]) -> Problem:
    """Say that a text is taken, and where."""
    message = f"{named(draft.text(*path))} is declared already, at {first.place(*path)}"
    return Problem(place=draft.place(*path), code=code, message=message)


def dangling(drafts: Iterable[Draft]) -> Iterator[Problem]:
    """Yield references to names that nothing has.

    Only drafts of all there is may be asked: what a broken file declares is not known.
    """
    drafts = tuple(drafts)
    known: dict[str, set[str]] = {kind: set() for kind in schema.KINDS}
    for draft in drafts:
        known[draft.kind].add(draft.name)
    for draft in drafts:
        if draft.kind == "SuppressionList" and (name := draft.text("spec", "tenant")):
            if name not in known["Tenant"]:
                yield _unknown(draft, name, known["Tenant"])
        elif draft.kind == "Policy":
            yield from _unknown_lists(draft, known["SuppressionList"])


def _unknown(draft: Draft, name: str, known: Iterable[str]) -> Problem:
    close = nearest(name, known)
    meant = f"did you mean {close}?" if close else f"known: {', '.join(sorted(known)) or 'none'}"
    message = f"there is no Tenant {named(name)}; {meant}"
    return Problem(place=draft.place("spec", "tenant"), code=Code.UNKNOWN_TENANT, message=message)


def _unknown_lists(draft: Draft, known: Iterable[str]) -> Iterator[Problem]:
    names = draft.value("spec", "allowEmpty")
    for index, name in enumerate(names if isinstance(names, list) else ()):
        if isinstance(name, str) and name not in known:
            message = f"no spec declares the list {named(name)}"
            place = draft.place("spec", "allowEmpty", index)
            yield Problem(place=place, code=Code.UNKNOWN_LIST, message=message, severity="warning")


def without_place(
    drafts: Iterable[Draft], tenants: Mapping[str, model.Tenant]
) -> Iterator[Problem]:
    """Yield what lists declare although the dialect of their tenant has no place for it.

    Of a tenant that has errors nobody knows which dialect it speaks.
    """
    drafts = tuple(drafts)
    doubtful = {draft.name for draft in drafts if draft.kind == "Tenant" and draft.faulty}
    for draft in drafts:
        name = draft.text("spec", "tenant")
        tenant = None if name in doubtful else tenants.get(name)
        if draft.kind == "SuppressionList" and tenant:
            yield from _settings_without_place(draft, tenant)
            yield from _releases_without_place(draft, tenant)


def _settings_without_place(draft: Draft, tenant: model.Tenant) -> Iterator[Problem]:
    can = tenant.capabilities
    declared = {
        "suppressUntil": can.ends or draft.text("spec", "list", "suppressUntil") == times.NEVER,
        **dict.fromkeys(model.SKILLS, can.skills),
    }
    for key, fits in declared.items():
        if not fits and draft.value("spec", "list", key) is not None:
            yield _misfit(draft, tenant, f"`{key}` of a list", "spec", "list", key)


def _releases_without_place(draft: Draft, tenant: model.Tenant) -> Iterator[Problem]:
    fields = {"email": "email", "phone": "phoneNumber"}
    for path in draft.items("spec", "releases"):
        for channel, key in fields.items():
            if draft.text(*path, key) and channel not in tenant.capabilities.channels:
                yield _misfit(draft, tenant, f"a release by `{key}`", *path, key)


def _misfit(draft: Draft, tenant: model.Tenant, what: str, *path: str | int) -> Problem:
    skip = "releases" in path and draft.text("spec", "unsupported") == "skip"
    return Problem(
        place=draft.place(*path),
        code=Code.NO_PLACE,
        message=f"the tenant {named(tenant.name)} speaks {tenant.dialect}, which has no place for "
        f"{what}" + "; it does nothing" * skip,
        severity="warning" if skip else "error",
    )
