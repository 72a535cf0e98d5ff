"""A specs root into one ``Spec``: all that it declares, and the lists a command works on."""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import NoReturn

from reconciler import model
from reconciler.errors import Place, Problem, SettingError, SpecError
from reconciler.schema import named, nearest
from reconciler.spec import files, lists, nouns, together
from reconciler.spec.codes import Code
from reconciler.spec.draft import Draft


def load(selection: model.Selection) -> model.Spec:
    """Read everything below the specs root, and select lists.

    All files are judged, whatever is selected: a Tenant, the Policy or the other half of a
    duplicate may stand in any of them.

    Args:
        selection: the root, and what narrows the lists down: paths (files or folders, relative
            to the working directory), names, labels. All three must agree on a list.

    Returns:
        The Tenants, the Policy and the selected lists, valid and sorted by name, with warnings.

    Raises:
        SettingError: the root or a path does not exist, or the selection holds no list.
        SpecError: there are no specs, or they have problems; all of them, sorted by place.
    """
    root = Path(os.path.abspath(selection.root))  # noqa: PTH100 - links stay, `..` goes
    if not root.is_dir():
        raise SettingError(f"the specs root {selection.root} is not a folder that exists")
    paths = tuple(_existing(path, root=root) for path in selection.paths)
    read = files.read(root) or _nothing(root)
    drafts = [draft for file in read for draft in file.drafts]
    made = _made(drafts, root=root)
    problems = {problem for file in read for problem in file.problems}
    problems |= {problem for draft in drafts for problem in draft.problems}
    problems |= set(together.clashes(drafts))
    if not any(file.problems for file in read):
        problems |= set(together.dangling(drafts))
        problems |= set(together.without_place(drafts, made.tenants))
    found = tuple(sorted(problems))
    if any(problem.severity == "error" for problem in found):
        raise _invalid(found)
    spec = replace(
        made,
        warnings=found,
        digests=MappingProxyType({file.below: file.digest for file in read}),
    )
    return replace(spec, lists=_selected(spec.lists, drafts, selection, paths=paths))


def specs_root(start: Path) -> Path:
    """Return the nearest folder ``specs``, upwards from a file or folder.

    Args:
        start: the folder itself may be called ``specs`` or hold one, and so may each above it.

    Raises:
        SettingError: there is none, or ``start`` does not exist.
    """
    if not start.exists():
        raise SettingError(f"the path {start} does not exist")
    absolute = Path(os.path.abspath(start))  # noqa: PTH100 - links stay, `..` goes
    for folder in (absolute, *absolute.parents):
        for candidate in (folder, folder / "specs"):
            if candidate.name == "specs" and candidate.is_dir():
                return candidate
    raise SettingError(
        f"there is no folder specs in {start} or above it",
        hint="name the folder with --root; `reconciler init` makes one",
    )


def _made(drafts: Iterable[Draft], *, root: Path) -> model.Spec:
    """Make the nouns; the result counts only if no draft ends up with an error."""
    tenants: list[model.Tenant] = []
    policies: list[model.Policy] = []
    declared: list[model.ListSpec] = []
    for draft in drafts:
        if draft.hopeless:
            continue
        if draft.kind == "Tenant":
            tenants.append(nouns.tenant(draft))
        elif draft.kind == "Policy":
            policies.append(nouns.policy(draft))
        else:
            repository = files.repository(draft.document.file, root=root)
            declared.append(lists.suppression_list(draft, repository=repository))
    return model.Spec(
        root=root,
        tenants=MappingProxyType({one.name: one for one in sorted(tenants, key=lambda t: t.name)}),
        lists=tuple(sorted(declared, key=lambda one: one.name)),
        policy=policies[0] if policies else model.Policy(),
    )


def _invalid(problems: tuple[Problem, ...]) -> SpecError:
    """Sum up problems."""
    errors = [problem for problem in problems if problem.severity == "error"]
    files = len({problem.place.path for problem in errors})
    counted = f"{len(errors)} problem{'s' * (len(errors) != 1)}"
    return SpecError(f"{counted} in {files} spec file{'s' * (files != 1)}", problems=problems)


def _nothing(root: Path) -> NoReturn:
    """Say that there are no specs."""
    message = f"nothing is declared: no {' or '.join(files.SUFFIXES)} file in this folder"
    problem = Problem(place=Place(path=root.name), code=Code.NOTHING_DECLARED, message=message)
    raise _invalid((problem,))


# ---------------------------------------------------------------- the selection


def _existing(path: Path, *, root: Path) -> Path:
    """Return a selected path, resolved."""
    real = path.resolve()
    if not real.exists():
        raise SettingError(f"the path {path} does not exist")
    below, above = real.is_relative_to(root.resolve()), root.resolve().is_relative_to(real)
    if not (below or above):
        raise SettingError(
            f"the path {path} is not below the specs root {root}",
            hint="name another root with --root",
        )
    return real


def _selected(
    declared: tuple[model.ListSpec, ...],
    drafts: Iterable[Draft],
    selection: model.Selection,
    *,
    paths: tuple[Path, ...],
) -> tuple[model.ListSpec, ...]:
    """Return the lists that paths, names and labels agree on."""
    declaring = {
        draft.text("metadata", "name"): draft.document.file.resolve()
        for draft in drafts
        if draft.kind == "SuppressionList"
    }
    for given, path in zip(selection.paths, paths, strict=True):
        if not any(file.is_relative_to(path) for file in declaring.values()):
            raise SettingError(f"the path {given} holds no SuppressionList")
    for name in selection.lists:
        if name not in declaring:
            close = nearest(name, declaring)
            hint = f"did you mean {close}?" if close else ""
            raise SettingError(f"there is no list {named(name)}", hint=hint)
    chosen = tuple(
        one
        for one in declared
        if (not paths or any(declaring[one.name].is_relative_to(path) for path in paths))
        and (not selection.lists or one.name in selection.lists)
        and all(one.labels.get(key) == value for key, value in selection.labels)
    )
    if not chosen and (paths or selection.lists or selection.labels):
        raise SettingError("no list matches all of the paths, names and labels given")
    return chosen
