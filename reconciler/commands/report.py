"""``report``: what the evidence of a period attests; offline, and without specs."""

import secrets
import tempfile
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Final

import click

from reconciler import clocks, ledger, regular, report, signing
from reconciler.attestation import Verified
from reconciler.clocks import Limit
from reconciler.commands import auditing, frame
from reconciler.commands.evidence_options import given, narrowing_options
from reconciler.config import Installation
from reconciler.contacts.changed import MOST
from reconciler.contacts.engine import Engine
from reconciler.errors import Exit, SettingError, UsageError
from reconciler.masking import scrub
from reconciler.period import Question
from reconciler.store import Store
from reconciler.views import facts
from reconciler.views import report as view
from reconciler.views.wording import plural

_FORMATS: Final = ("text", "json", "csv", "html")
_HOLIDAYS: Final = 1 << 20
"""Bytes of a file of holidays, at most."""


@click.command("report")
@narrowing_options
@click.option(
    "--limit",
    default=str(clocks.TEN_BUSINESS_DAYS),
    show_default=True,
    metavar="10bd|P14D",
    help="How long a request may take: business days, or an ISO 8601 duration.",
)
@click.option(
    "--holidays",
    type=frame.ExistingPath(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Days that are no business days: one date a line.",
)
@click.option(
    "--key",
    multiple=True,
    type=frame.ExistingPath(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A public key: check the signatures of the ledger; repeatable.",
)
@click.option("--check", is_flag=True, help="Exit 1 for a breach, or evidence that is not whole.")
@frame.format_option(*_FORMATS)
@frame.write_option(*_FORMATS)
@frame.global_options
@click.pass_context
def command(
    ctx: click.Context,
    *,
    limit: str,
    holidays: Path | None,
    check: bool,
    key: tuple[Path, ...],
) -> int:
    """Report what the evidence of a period attests: requests and their clocks, drift, releases.

    It needs neither specs nor the service, and counts what runs left behind. A run belongs to the
    period in which it began, a request to the one in which it was met or at whose end it is open.
    Business days are Mondays to Fridays, UTC; the day of the request is not counted.
    """
    narrowed = given(ctx)
    start, end = narrowed.since, narrowed.until
    if start is None or end is None:
        absent = " and ".join(name for name, at in (("--from", start), ("--to", end)) if at is None)
        raise UsageError(f"a report is about a period: {absent} is missing")
    bound = _limit(limit, holidays)
    settings, store = auditing.opened(ctx)
    question = Question(
        start=start,
        end=end,
        made=frame.clock(),
        lists=narrowed.lists,
        limit=bound,
        verified=_verified(settings, store, key),
    )
    with (
        tempfile.TemporaryDirectory(prefix="reconciler-") as spill,
        Engine(
            key=secrets.token_bytes(32), spill=settings.spill or Path(spill), memory=settings.memory
        ) as engine,
    ):
        made = report.attest(store, question, engine=engine)
    code = Exit.FAILED if check and not made.in_order else Exit.DONE
    frame.emit(
        ctx,
        text=partial(view.text, made),
        json=partial(view.document, made, exit_code=code),
        csv=partial(facts.table, made),
        html=lambda: _html().report(made),
    )
    return code


def _limit(text: str, holidays: Path | None) -> Limit:
    """Read the limit, and the days on which nobody works.

    Raises:
        SettingError: one of them is not what it should be.
    """
    try:
        days = clocks.parse_holidays(_text(holidays)) if holidays else ()
    except ValueError as error:
        raise SettingError(f"{holidays}:{error}") from error
    try:
        return clocks.parse_limit(text, holidays=days)
    except ValueError as error:
        raise UsageError(f"--limit {scrub(text)!r}: {error}") from error


def _text(path: Path) -> str:
    try:
        return regular.read(path, limit=_HOLIDAYS).decode()
    except OSError as error:
        raise SettingError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingError(f"{path} is no text") from error


def _verified(settings: Installation, store: Store, keys: tuple[Path, ...]) -> Verified:
    """Recompute everything, and return what it came to."""
    found = auditing.verified(settings, store, checkers=tuple(map(signing.checker, keys)))
    signed = f"{plural(found.signed, 'signature')} on {plural(found.lines, 'ledger file')}."
    return Verified(
        whole=found.whole,
        findings=tuple(f"{_named(one.file)}: {one.what}" for one in found.findings[:MOST]),
        count=len(found.findings),
        artifacts=True,
        signatures=signed if found.checked else "",
    )


def _named(file: str) -> str:
    """Return the name of a file of the store; one of the ledger is no phone number."""
    return file if ledger.NUMBERED.fullmatch(file) else scrub(file)


def _html() -> ModuleType:
    from reconciler.views import html  # noqa: PLC0415 - brings Jinja: only for those who want it

    return html
