"""Spec to Desired: the contacts of every list become clean tables.

It looks at every list before it complains, so that all problems are told at once. It never talks
to the service and never decides what to do.
"""

from collections.abc import Callable, Collection
from datetime import datetime
from functools import partial
from pathlib import Path

from reconciler.contacts.compile import compile_list
from reconciler.contacts.engine import Engine
from reconciler.contacts.releases import compile_releases
from reconciler.errors import SpecError
from reconciler.model import Desired, DesiredList, ListSpec, Spec
from reconciler.side_by_side import side_by_side


def compile(  # noqa: A001, PLR0913 - the verb, read as desired.compile; its tables depend on each
    spec: Spec,
    *,
    engine: Engine,
    as_of: datetime,
    now: datetime | None = None,
    spent: Collection[str] = (),
    doubted: Collection[str] = (),
    into: Path,
    invalid_into: Callable[[str], Path],
    fresh: bool = False,
    seen: Callable[[str, int, int | None], None] = lambda _task, _done, _total: None,
) -> Desired:
    """Compile every list of a spec, in the order of names.

    Args:
        spec: as loaded.
        engine: an open engine.
        as_of: the time for which lapsed contacts and stale feeds are judged.
        now: the time by which a release is too old, where that is not ``as_of``.
        spent: keys of the releases that earlier runs carried out.
        doubted: keys of those that earlier runs may have carried out.
        into: the folder for the tables.
        invalid_into: says, by a list's name, where its invalid rows go.
        fresh: whether nothing that earlier runs compiled is used.
        seen: told of a task, how much of it is done, and of how much.

    Raises:
        SpecError: with the problems of all lists, warnings included, in the order of places.
        EngineError: out of memory or disk.
    """

    def made_of(listed: ListSpec) -> DesiredList:
        return _compiled(
            listed,
            spec,
            engine=engine,
            as_of=as_of,
            now=as_of if now is None else now,
            spent=spent,
            doubted=doubted,
            into=into,
            invalid_into=partial(invalid_into, listed.name),
            fresh=fresh,
            seen=partial(seen, f"{listed.name}: reading files, bytes"),
        )

    made = side_by_side(
        made_of, spec.lists, tenant=lambda _: "", told=partial(seen, "lists compiled")
    )
    problems = sorted(problem for listed in made for problem in listed.warnings)
    errors = sum(problem.severity == "error" for problem in problems)
    if errors:
        raise SpecError(
            f"the contacts of the specs have {errors:,} problem{'s' * (errors > 1)}",
            problems=tuple(problems),
        )
    return Desired(lists=made)


def _compiled(  # noqa: PLR0913 - likewise
    listed: ListSpec,
    spec: Spec,
    *,
    engine: Engine,
    as_of: datetime,
    now: datetime,
    spent: Collection[str],
    doubted: Collection[str],
    into: Path,
    invalid_into: Callable[[], Path],
    fresh: bool,
    seen: Callable[[int, int | None], None],
) -> DesiredList:
    """Compile one list; what is an error is still among its warnings."""
    contacts = compile_list(
        engine,
        listed,
        base=spec.root.parent,
        as_of=as_of,
        into=into,
        invalid_into=invalid_into,
        channels=spec.tenants[listed.tenant].capabilities.channels,
        fresh=fresh,
        seen=seen,
    )
    releases, done, doubtful, problems = compile_releases(
        engine,
        listed,
        as_of=now,
        release_within=spec.policy.release_within,
        spent=spent,
        doubted=doubted,
        into=into,
    )
    return DesiredList(
        spec=listed,
        tenant=spec.tenants[listed.tenant],
        table=contacts.table,
        releases=releases,
        counts=contacts.counts,
        feeds=contacts.feeds,
        spent_releases=done,
        doubtful_releases=doubtful,
        samples=contacts.samples,
        warnings=(*contacts.problems, *problems),
    )
