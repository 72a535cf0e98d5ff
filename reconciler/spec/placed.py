"""What a file holds and what is wrong with it, with the line and column of everything.

It reads nothing: ``documents`` and ``composing`` do, and keep here what they found.
"""

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from reconciler.errors import Place, Problem
from reconciler.schema import Keys
from reconciler.spec.codes import Code

MAX_PROBLEMS: Final = 1_000
"""Problems of a file, or of a document, that are told: nobody reads more at once."""
_COLUMNS: Final = 2**32
"""More than any line has: line and column go into one number."""


class Marks:
    """Where the parts of one document stand, in eight bytes a mark: there may be two million.

    A list's items have a mark each, a mapping's pairs two: of the key and of the value. Those of
    one mapping or list stand together, in its order.
    """

    def __init__(self) -> None:
        self._packed = array("Q")
        self._first: dict[int, int] = {}

    def keep(self, node: Any, marks: list[Any]) -> None:
        """Keep the marks of a mapping or list that has been read, which must stay alive."""
        self._first[id(node)] = len(self._packed)
        self._packed.extend([mark.line * _COLUMNS + mark.column for mark in marks])

    def spot(self, node: Any, rank: int) -> tuple[int, int]:
        """Return line and column, from 1, of a node's mark of this rank."""
        return spot(self._packed[self._first[id(node)] + rank])

    def spots(self, node: Any) -> Iterator[tuple[int, int]]:
        """Yield the spots of a list's items."""
        first = self._first[id(node)]
        return map(spot, self._packed[first : first + len(node)])


def spot(packed: int) -> tuple[int, int]:
    """Return line and column, from 1, of a mark."""
    line, column = divmod(packed, _COLUMNS)
    return line + 1, column + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One YAML document: plain data, and where each part of it stands."""

    file: Path
    shown: str
    """The file's path as problems show it."""
    data: Any
    """Mappings with text keys, lists, texts, numbers, booleans, ``None``; do not change it."""
    start: tuple[int, int]
    marks: Marks
    _ranks: dict[int, Mapping[str, int]] = field(default_factory=dict, repr=False, compare=False)
    """By the identity of a mapping that was asked about: which key is the how manieth."""

    def place(self, path: Keys = ()) -> Place:
        """Return where the value at a path stands, or as much of the path as there is.

        What spans lines, a mapping or a list below a key, stands where its key does.
        """
        node, (line, column) = self.data, self.start
        for step in path:
            try:
                inner = node[step]
            except (KeyError, IndexError, TypeError):
                break
            rank = self._rank(node, step)
            rank += isinstance(node, dict) and isinstance(inner, str | int | float)
            line, column = self.marks.spot(node, rank)
            node = inner
        return Place(path=self.shown, line=line, column=column)

    def key_place(self, path: Keys) -> Place:
        """Return where the key at the end of a path stands."""
        node = self.data
        for step in path[:-1]:
            node = node[step]
        line, column = self.marks.spot(node, self._rank(node, path[-1]))
        return Place(path=self.shown, line=line, column=column)

    def item_places(self, items: list[Any]) -> Iterator[Place]:
        """Yield where each item of a list of this document stands."""
        for line, column in self.marks.spots(items):
            yield Place(path=self.shown, line=line, column=column)

    def _rank(self, node: Any, step: str | int) -> int:
        """Return which of a node's marks is the first of an item or key."""
        if isinstance(step, int):
            return step
        if id(node) not in self._ranks:
            self._ranks[id(node)] = {key: 2 * rank for rank, key in enumerate(node)}
        return self._ranks[id(node)][step]


def more(shown: str) -> Problem:
    """Say that a file has more problems than are told."""
    message = f"over {MAX_PROBLEMS:,} problems; the others are not told"
    return Problem(place=Place(path=shown), code=Code.TOO_MANY, message=message)
