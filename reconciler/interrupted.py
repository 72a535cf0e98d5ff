"""Runs that ended without a word: named as such, with what their journals know of them.

A run whose process is gone and that has no last line in the ledger was interrupted: killed, or
on a machine that lost its power, or that is no more. Nothing is taken up where it stopped, since
the next run looks at the service itself. It never touches a run that lives, and never changes
what a run wrote.
"""

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from reconciler import artifacts, disk, events, journal, ledger, outbox
from reconciler.artifacts import RUNS, Run, kept
from reconciler.contacts import intended
from reconciler.errors import EvidenceError, ReconcilerError
from reconciler.leases import SIGNS
from reconciler.outbox import Intent, Notice
from reconciler.remains import Remains, document, fates, remains
from reconciler.store import NameTakenError
from reconciler.times import parse_time

OUTCOME: Final = "interrupted"
_REJECTED: Final = ("REJECTED", "")
_IN_DOUBT: Final = ("IN_DOUBT", "")
"""Codes, without a field, under which an event counts contacts of which the journal alone tells."""


def settle(run: Run) -> frozenset[str]:
    """Write every interrupted run into the ledger, say so, and take away unfinished files.

    The events that such runs owe go into the outbox.

    Args:
        run: the run that has just begun; it is told of, and its state is looked through.

    Returns:
        The ids of the runs that live.

    Raises:
        EvidenceError: the state cannot be read or written.
    """
    here = {folder.name for folder in (run.state / RUNS).iterdir() if folder.is_dir()}
    signs = _signs(run)
    owing = outbox.intents(run.store)  # all before it is asked who lives: nobody new is among them
    with run.locks.living() as living:
        ended = ledger.past(run.store).ended
        for name in sorted((here | signs) - living):
            mine = name not in signs or run.locks.claim(name)
            if mine and name not in ended:
                _settle(name, run)
            if mine and name in signs:
                run.locks.forget(name)
        _post(sorted({*owing} - living), run)
        if living == {run.id}:
            for place in (run.state, run.state / "ledger", run.cache):
                _sweep(place.glob(".*"))
            _sweep((run.state / outbox.FOLDER).rglob(".*"))
        return living


def _signs(run: Run) -> set[str]:
    """Return the ids of the runs that say in the store that they live, or said so to the end."""
    if not run.store.shared:
        return set()
    names = run.store.names(SIGNS)
    return {name.removeprefix(f"{SIGNS}/").removesuffix(".json") for name in names}


def _settle(name: str, run: Run) -> None:
    """Write down one run of which the process is gone."""
    folder = _folder(name, run)
    _sweep(folder.rglob(".*"))
    if not run.store.shared and not any(folder.iterdir()):  # it had done nothing yet
        folder.rmdir()
        return
    head = document(folder / "run.json")
    dead = replace(
        run,
        id=name,
        command=str(head.get("command", "unknown")),
        started=_time(head.get("started"), run.started),
    )
    left = remains(folder)
    with suppress(NameTakenError):  # whoever wrote it was interrupted too
        dead.write(
            "interrupted.json",
            {
                "run": dead.id,
                "command": dead.command,
                "started": dead.started,
                "found": run.clock(),
                "found_by": run.id,
                "lists": left.steps,
                "settings": left.settings,
            },
        )
    _tell_of_rows(dead, left)
    dead.keep()
    run.tell(f"run {dead.id} ({dead.command}) was interrupted: {_summary(left)}")
    ledger.append(dead, outcome=OUTCOME, exit_code=None, lists=left.lists, list_ends=left.list_ends)


def _folder(name: str, run: Run) -> Path:
    """Return the folder of a run, with all in it that only the store has.

    Of a journal that is here whole the store may have pieces, which nobody needs any more.
    """
    folder = run.state / RUNS / name
    if not run.store.shared:
        return folder
    artifacts.private(folder)
    whole = (folder / journal.NAME).exists()
    for each in run.store.names(kept(name, "").rstrip("/")):
        below = each.removeprefix(kept(name, ""))
        if whole and below.startswith(f"{journal.PARTS}/"):
            run.store.remove(each)
        elif not (folder / below).exists():
            _fetched(each, folder / below, run)
    return folder


def _fetched(name: str, into: Path, run: Run) -> None:
    found = run.store.fetch(name)
    try:
        if found:
            disk.copy(found, artifacts.private(into.parent) / into.name)
    except OSError as error:
        raise EvidenceError(f"{into} cannot be written: {error.strerror}") from error


def _tell_of_rows(dead: Run, left: Remains) -> None:
    """Write what became of each row that was to be sent, as far as the journal tells."""
    rows, into = dead.folder / artifacts.INTENDED, dead.folder / artifacts.CHANGES
    if into.exists() or not rows.exists():
        return
    try:
        sent, refused = fates(dead.folder)
        intended.told(
            dead.engine, rows, fates=sent, refused=refused, partial=left.partial, into=into
        )
    except ReconcilerError as error:
        dead.tell(f"of the rows of run {dead.id} nothing can be told: {error}")


# ---------------------------------------------------------------- what they owe the CRM


def _post(names: Collection[str], run: Run) -> None:
    """Put the events into the outbox that runs owe which do not live any more."""
    for name in names:
        try:
            owed = outbox.intent(run.store, name)
            if owed:
                left = remains(_folder(name, run))
                outbox.put(tuple(_notices(owed, left, run)), run=name, store=run.store)
        except ReconcilerError as error:
            run.tell(f"the webhooks of run {name} have to wait: {error}")


def _notices(owed: Intent, left: Remains, run: Run) -> Iterator[Notice]:
    """Yield an event for each list that is, or may be, other than it was."""
    for listed in owed.lists:
        if not left.changed(listed.key):
            continue
        steps = left.steps.get(listed.key, {})
        counts = {
            _REJECTED: sum(step.rejected for step in steps.values()),
            _IN_DOUBT: sum(step.in_doubt for step in steps.values()),
        }
        yield outbox.notice(
            listed,
            event=events.event_id(owed.run, listed.key),
            body=events.body(
                key=listed.key,
                list_id=listed.list_id or left.lists.get(listed.key),
                contact_count=None,
                errors={code: count for code, count in counts.items() if count},
                now=run.clock(),
                run=owed.run,
                plan=owed.plan,
                batch_reason=listed.batch_reason,
                taken={op: step.taken for op, step in steps.items()},
            ),
            receivers=listed.receivers,
            run=replace(run, id=owed.run),
        )


# ---------------------------------------------------------------- for people


def _time(text: object, otherwise: datetime) -> datetime:
    try:
        return parse_time(str(text))
    except ValueError:
        return otherwise


def _summary(left: Remains) -> str:
    """Say what was done, in doubt included: ``us-dnc: 10,000 suppress, 500 in doubt``."""
    parts = []
    for key in sorted(left.steps.keys() | left.settings.keys()):
        done = [f"{step.taken:,} {op}" for op, step in left.steps.get(key, {}).items()]
        doubt = sum(step.in_doubt for step in left.steps.get(key, {}).values())
        done += [str(one["action"]) for one in left.settings.get(key, ()) if one["done"]]
        open_ = sum(not one["done"] for one in left.settings.get(key, ()))
        done += [f"{doubt:,} in doubt"] * bool(doubt) + ["a setting in doubt"] * bool(open_)
        parts.append(f"{key}: {', '.join(done)}")
    return "; ".join(parts) or "it had changed nothing"


def _sweep(drafts: Iterator[Path]) -> None:
    """Remove files that never became whole; they may hold addresses."""
    for draft in drafts:
        if disk.DRAFT.fullmatch(draft.name) and draft.is_file():
            with suppress(OSError):
                draft.unlink()
