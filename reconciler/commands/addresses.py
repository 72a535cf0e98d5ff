"""An address that comes on standard input, so that it stands in no shell's history."""

import sys
from typing import Final

import click

from reconciler.commands import frame
from reconciler.errors import UsageError

_LONGEST: Final = 4096
"""Bytes of standard input that are looked at: no address is as long."""


def typed(ctx: click.Context) -> str:
    """Return the one line that stands on standard input."""
    with frame.interruptible(ctx):
        try:
            read = sys.stdin.buffer
            given = read.readline(_LONGEST) if read.isatty() else read.read(_LONGEST)
        except (AttributeError, OSError, ValueError) as error:
            raise UsageError("standard input is closed; expected one address there") from error
    told = given.decode(errors="replace").strip()
    if len(told.splitlines()) > 1:
        raise UsageError("there is more than one line on standard input; expected one address")
    return told
