"""The words, symbols and safe spellings that views share; pure.

Every foreign text passes ``clean`` and every sample ``masked``: no control character reaches a
terminal from here, and no address that is not masked.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Final

from reconciler.masking import clean, mask, scrub
from reconciler.model import (
    UNMANAGED,
    Change,
    Direction,
    Feed,
    Op,
    Outcome,
    Overrides,
    Refusal,
    RejectedContact,
    Sample,
    Settings,
)
from reconciler.times import zulu

MATCHES: Final = "No changes. The service matches the specs. Surplus kept: {surplus:,}."

SYMBOLS: Final[Mapping[Op, tuple[str, str, str]]] = MappingProxyType(
    {
        Op.SUPPRESS: ("+", "suppress", "green"),
        Op.AMEND: ("~", "amend", "yellow"),
        Op.PART: ("~", "separate", "yellow"),
        Op.SHORTEN: (">", "shorten", "magenta"),
        Op.RELEASE: ("-", "release", "bold red"),
        Op.SURPLUS: ("?", "surplus", "cyan"),
        Op.LONGER: ("?", "longer", "cyan"),
        Op.CONFLICT: ("!", "conflict", "red"),
    }
)
"""Symbol, word and style of each op; the word always stands beside the symbol."""

WITHHELD: Final[Mapping[Direction, str]] = MappingProxyType(
    {
        Direction.SUPPRESS: "suppressions",
        Direction.RELEASE: "shortenings and releases",
        Direction.SETTINGS: "settings, shortenings and releases",
        Direction.ALL: "the whole list",
        Direction.ROWS: "these contacts only",
    }
)
"""What each direction of a refusal holds back, in words."""


def masked(sample: Sample) -> Sample:
    """Return the sample, its address masked if whoever made it forgot to."""
    return sample if "•" in sample.address else replace(sample, address=mask(sample.address))


def scrubbed(outcome: Outcome) -> Outcome:
    """Return the outcome with everything the service wrote freed of addresses."""
    rejections = tuple(
        replace(rejection, message=scrub(rejection.message)) for rejection in outcome.rejections
    )
    return replace(outcome, detail=scrub(outcome.detail), rejections=rejections)


def unnamed(one: RejectedContact) -> RejectedContact:
    """Return a refused contact with what the service wrote freed of addresses, and masked."""
    address = one.address if "•" in one.address else mask(one.address)
    return replace(one, address=address, message=scrub(one.message))


def plural(count: int, one: str, many: str = "") -> str:
    """Return ``1 file``, ``2 files``, ``1,234 files``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def end(until: datetime | None) -> str:
    """Say until when."""
    return "without end" if until is None else f"until {zulu(until)}"


def setting(change: Change, value: str | None) -> str:
    """Spell the old or the new value of a setting."""
    if change.field == "suppressUntil":
        return value or "never"
    return "(none)" if value is None else f'"{clean(scrub(value))}"'


def declared(settings: Settings) -> tuple[Change, ...]:
    """Return the settings of a list to be made, as changes from nothing."""
    until = settings.suppress_until
    values = {
        "name": settings.name,
        "description": settings.description,
        "suppressUntil": zulu(until) if isinstance(until, datetime) else until,
    }
    return tuple(
        Change(field=field, old=None, new=values[field])
        for field in ("name", "description", "suppressUntil")
        if values[field] is not UNMANAGED
    )


def refusal(refused: Refusal) -> str:
    """Return the summary line of a refusal, with the exact flags that allow it once."""
    line = f"Refused: {clean(refused.message).rstrip('.')}"
    if not refused.override:
        return f"{line}."
    reason = "" if "--reason" in refused.override else ' --reason "…"'
    return f"{line}. To allow it once: {clean(refused.override)}{reason}"


def feed(read: Feed, *, as_of: datetime | None) -> str:
    """Return one line on a source: rows, files, and how old it is."""
    line = f"{clean(read.path)}: {plural(read.rows, 'row')} in {plural(len(read.files), 'file')}"
    if read.as_of:
        line += f", as of {zulu(read.as_of)}"
    if read.as_of and as_of and as_of >= read.as_of:
        line += f", {plural((as_of - read.as_of).days, 'day')} old"
    if read.max_age:
        line += f", at most {read.max_age}"
    return f"{line}: too old, nobody is released" if read.stale else line


def overrides(given: Overrides) -> str:
    """Spell overrides as the flags they were given with."""
    flags = [
        *([f"--max-releases {given.max_releases}"] if given.max_releases is not None else []),
        *(
            [f"--max-suppressions {given.max_suppressions}"]
            if given.max_suppressions is not None
            else []
        ),
        *(f"--allow-empty {key}" for key in given.allow_empty),
        *(["--ignore-freeze"] if given.ignore_freeze else []),
        *(f"--accept-stale-feed {key}" for key in given.accept_stale_feed),
    ]
    return clean(" ".join([*flags, f'--reason "{given.reason}"']))


def effort(metrics: Mapping[str, object]) -> str:
    """Say how hard a run had to try: retries, waits and version conflicts; empty where none."""
    retries, waits, conflicts = (_number(metrics, key) for key in ("retries", "waits", "conflicts"))
    told = [
        plural(int(retries), "retry", "retries") if retries else "",
        f"{plural(int(waits), 'wait')} of {_number(metrics, 'wait_seconds'):.1f} s"
        if waits
        else "",
        plural(int(conflicts), "version conflict") if conflicts else "",
    ]
    told = [part for part in told if part]
    return f"Effort: {', '.join(told)}." if told else ""


def _number(metrics: Mapping[str, object], key: str) -> float:
    """Return a measured number, added up where metrics stand by tenant."""
    found = metrics.get(key)
    if isinstance(found, int | float):
        return found
    return sum(_number(held, key) for held in metrics.values() if isinstance(held, Mapping))
