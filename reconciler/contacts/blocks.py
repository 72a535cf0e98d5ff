"""A contact file's bytes in blocks that end where a line ends, and its lines out of blocks.

A block is bounded in bytes and in lines, whatever the file holds. Nothing here knows what a line
says.
"""

from collections.abc import Iterator
from typing import Final, Protocol

from reconciler.contacts.lines import feeds

BLOCK: Final = 8 << 20
"""Bytes of a block, about."""
_FIRST: Final = 1 << 16
"""Bytes of the first block, at most: a header that cannot be used is seen before anything below."""
_LINES: Final = 250_000
"""Lines of a block, about: a file of next to nothing but line ends must not become large."""


class Readable(Protocol):
    """What bytes can be read from; only at the end are there fewer than were asked for."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes."""
        ...


def blocks(stream: Readable, *, ends: bytes, size: int = BLOCK) -> Iterator[bytes]:
    """Cut a stream into blocks, none of them empty.

    Each but the last ends with a line feed; or, where there is none in all of it, with another
    end of a line that has no line feed behind it. A line longer than a block is not cut.

    Args:
        stream: read to its end.
        ends: the bytes that end a line, the line feed first.
        size: bytes of a block, about.
    """
    rest = b""
    most = min(size, _FIRST)
    while data := stream.read(most):
        most = size
        block = rest + data
        found = (block.rfind(bytes([one]), 0, None if one == ends[0] else -1) + 1 for one in ends)
        end = next(filter(None, found), 0)
        rest = block[end:]
        if end:
            yield from _short(block[:end])
    if rest:
        yield from _short(rest)


def _short(block: bytes) -> Iterator[bytes]:
    """Cut a block that has too many lines."""
    count = feeds(block)
    step = len(block) * _LINES // count if count > _LINES else len(block)
    at = 0
    while at < len(block):
        end = len(block) if at + step >= len(block) else block.rfind(b"\n", at, at + step) + 1
        end = end or block.index(b"\n", at) + 1
        yield block[at:end]
        at = end


class Tape:
    r"""Blocks one after another, and their lines, from wherever one is.

    A line ends with ``\n``, ``\r\n`` or ``\r``. It is decoded so that no byte is lost.

    Args:
        found: the blocks.
    """

    def __init__(self, found: Iterator[bytes]) -> None:
        self._blocks = found
        self.block = b""
        """The one that we are in."""
        self.at = 0
        """Bytes of it that lie behind us; may be set, forwards."""
        self.turns = 0
        """How many blocks there were."""
        self._feed = -1
        """Where the next line feed is, or the end of the block."""

    def rest(self) -> bytes:
        """Return what is left of the block, or else the next one, as the block that we are in."""
        if self.at == len(self.block):
            self._turn(next(self._blocks, b""))
        elif self.at:
            self._turn(self.block[self.at :])
        return self.block

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self.at == len(self.block):
            self._turn(next(self._blocks))
        block, at = self.block, self.at
        if self._feed < at:
            feed = block.find(b"\n", at)
            self._feed = feed if feed >= 0 else len(block)
        back = block.find(b"\r", at, self._feed)
        alone = 0 <= back < self._feed - 1
        self.at = min(back + 1 if alone else self._feed + 1, len(block))
        return block[at : self.at].decode(errors="surrogateescape")

    def _turn(self, block: bytes) -> None:
        self.block, self.at, self._feed = block, 0, -1
        self.turns += 1
