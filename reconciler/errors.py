"""Every exception this program raises on purpose, with its exit code.

It imports nothing of ours, and no message may hold an address or a secret: whoever raises puts
counts, places and masked samples into the text.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Final, Literal


class Exit(IntEnum):
    """What a shell is told."""

    DONE = 0
    FAILED = 1
    CHANGES = 2
    DRIFT = 3
    REFUSED = 4
    STALE = 5
    PARTLY = 6
    INVALID = 7
    MISUSED = 64
    INTERRUPTED = 130
    TERMINATED = 143


PRECEDENCE: Final = (
    Exit.INTERRUPTED,
    Exit.TERMINATED,
    Exit.MISUSED,
    Exit.INVALID,
    Exit.FAILED,
    Exit.STALE,
    Exit.REFUSED,
    Exit.PARTLY,
    Exit.DRIFT,
    Exit.CHANGES,
    Exit.DONE,
)
"""Where several exit codes apply, the first of these that does is the one returned."""

STATE_HINT = "check the space, the rights and that name in the state directory"
"""What to do about a file of ours that cannot be read or written."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Place:
    """Where something stands in a file; line and column count from 1, 0 means the whole file."""

    path: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        if not self.line:
            return self.path
        return f"{self.path}:{self.line}" + (f":{self.column}" if self.column else "")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Problem:
    """One thing wrong at one place.

    ``code`` is stable (``SPEC-012``); ``message`` says what was found, addresses masked, and
    what was expected. A warning never fails a run.
    """

    place: Place
    code: str
    message: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        return f"{self.place} {self.code} {self.message}"


class ReconcilerError(Exception):
    """An error a user can act on: one line of what happened, one of what to do about it."""

    exit_code: ClassVar[int] = Exit.FAILED
    usual_hint: ClassVar[str] = ""
    """What to do about it where whoever raises it knows nothing better."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint or self.usual_hint


class AuthError(ReconcilerError):
    """The service refused our credentials, twice."""


class ForbiddenError(ReconcilerError):
    """The service knows us and says no (403); never retried."""


class NotFoundError(ReconcilerError):
    """The service has no such list (404), or more than one of that name."""


class InactiveError(ReconcilerError):
    """The list is switched off at the service: it suppresses nobody and takes nothing."""


class ServiceError(ReconcilerError):
    """The service, or the way to it, failed for longer than the retry budget allows.

    ``untouched`` says that the request certainly had no effect: it never arrived, or was put off.
    """

    def __init__(self, message: str, *, hint: str = "", untouched: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.untouched = untouched


class RequestRefusedError(ReconcilerError):
    """The service refused the request itself (a 4xx that no retry mends)."""


class EvidenceError(ReconcilerError):
    """An artifact, journal or ledger could not be written or cannot be believed."""

    usual_hint = STATE_HINT


class EngineError(ReconcilerError):
    """The contact engine ran out of memory, disk or luck."""


class VersionConflictError(ReconcilerError):
    """A guarded write met a list that somebody else has changed (409, 412)."""

    exit_code = Exit.STALE


class StalePlanError(ReconcilerError):
    """A saved plan is expired, edited, or no longer what would be done."""

    exit_code = Exit.STALE


class LockHeldError(ReconcilerError):
    """Another run is working on this list."""

    exit_code = Exit.STALE


class SettingError(ReconcilerError):
    """A setting is invalid, or a path that was named does not exist."""

    exit_code = Exit.INVALID


class SpecError(ReconcilerError):
    """The specs have problems; all of them are in ``problems``, in the order of their places."""

    exit_code = Exit.INVALID

    def __init__(self, message: str, *, problems: tuple[Problem, ...] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.problems = problems


class UsageError(ReconcilerError):
    """The command line asks for something that makes no sense."""

    exit_code = Exit.MISUSED


class InterruptedRunError(ReconcilerError):
    """Ctrl-C or SIGTERM; the batch in flight was finished and recorded."""

    exit_code = Exit.INTERRUPTED


class TerminatedRunError(InterruptedRunError):
    """SIGTERM."""

    exit_code = Exit.TERMINATED


def worst(codes: Iterable[int]) -> int:
    """Return the exit code that wins among ``codes``; 0 where there are none."""
    return min(codes, key=PRECEDENCE.index, default=Exit.DONE)
