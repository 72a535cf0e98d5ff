"""The flags that commands over evidence share: lists, a period, ages and outcomes.

Parsing only. A flag whose name is a Python word, such as ``--from``, is kept in the context, so
that its environment variable keeps its name; ``given`` returns what was kept.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any, Final, TypeVar

import click

from reconciler.commands import frame
from reconciler.errors import UsageError
from reconciler.masking import scrub
from reconciler.schema import nearest
from reconciler.times import add_duration, parse_time, zulu

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])

_NARROWED: Final = "reconciler.narrowed"
_BARE_DATE: Final = len("2026-11-23")


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowed:
    """What the shared flags say."""

    lists: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    all: bool = False


class Moment(click.ParamType[datetime]):
    """A time; a bare date is the beginning of that day where a period begins, else its end."""

    name = "time"

    def __init__(self, *, begins: bool) -> None:
        self._begins = begins

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return an aware UTC time."""
        if isinstance(value, datetime):
            return value
        text = str(value).strip()
        try:
            made = parse_time(text)
        except ValueError as error:
            self.fail(f"{scrub(text)!r}: {error}", param, ctx)
        bare = self._begins and len(text) == _BARE_DATE
        return datetime.combine(made.date(), time(), UTC) if bare else made


class Age(click.ParamType[str]):
    """An ISO 8601 duration, kept as it was written: months and years move by the calendar."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Return the duration."""
        text = str(value).strip()
        try:
            add_duration(frame.clock(), text)
        except ValueError as error:
            self.fail(f"{scrub(text)!r}: {error}", param, ctx)
        return text


class Word(click.ParamType[str]):
    """One of a closed set of words; the nearest is suggested for any other."""

    name = "word"

    def __init__(self, words: tuple[str, ...]) -> None:
        self._words = words

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Return the word."""
        text = str(value)
        if text not in self._words:
            close = nearest(text, self._words)
            meant = f" Did you mean {close!r}?" if close else ""
            self.fail(f"{scrub(text)!r} is none of {', '.join(self._words)}.{meant}", param, ctx)
        return text


def narrowing_options(command: _Decorated) -> _Decorated:
    """Add ``--list``, ``--from`` and ``--to``; ``given`` returns what they say."""
    for add in reversed(_NARROWING):
        command = add(command)
    return command


def given(ctx: click.Context) -> Narrowed:
    """Return what the shared flags say.

    Raises:
        UsageError: the period ends before it begins.
    """
    held = ctx.meta.get(_NARROWED, {})
    made = Narrowed(
        lists=tuple(held.get("list", ())),
        since=held.get("from"),
        until=held.get("to"),
        all=held.get("all", False),
    )
    if made.since and made.until and made.until < made.since:
        raise UsageError(f"--to {zulu(made.until)} is before --from {zulu(made.since)}")
    return made


def because(text: str) -> str:
    """Return a reason without addresses.

    Raises:
        UsageError: it says nothing.
    """
    made = scrub(text).strip()
    if not made:
        raise UsageError(
            "a hold needs a reason, which is recorded",
            hint='add --reason "why, and who asked for it"',
        )
    return made


reason_option: Final = click.option(
    "--reason",
    default="",
    metavar="TEXT",
    allow_from_autoenv=False,
    help="Why, and who asked for it; recorded.",
)


def all_option(told: str) -> Callable[[_Decorated], _Decorated]:
    """Add ``--all``, of which ``told`` says what it is; ``given`` returns it."""
    return click.option("--all", is_flag=True, expose_value=False, callback=_keep, help=told)


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    ctx.meta.setdefault(_NARROWED, {})[param.name] = value


_NARROWING: Final = (
    click.option(
        "--list",
        multiple=True,
        metavar="NAME",
        expose_value=False,
        callback=_keep,
        help="Only runs about the list of this name; repeatable.",
    ),
    click.option(
        "--from",
        type=Moment(begins=True),
        metavar="TIME",
        expose_value=False,
        callback=_keep,
        help="Not before this time; of a bare date its beginning, UTC.",
    ),
    click.option(
        "--to",
        type=Moment(begins=False),
        metavar="TIME",
        expose_value=False,
        callback=_keep,
        help="Not after this time; of a bare date its end, UTC.",
    ),
)
