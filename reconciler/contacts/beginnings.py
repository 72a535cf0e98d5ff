"""How the digits that a pattern matches may begin, and patterns of numbers that begin otherwise.

Pure. It may say too much and never too little: what is not said to be a beginning is none.

In the patterns made here ``~`` stands for what may follow a digit, ``!`` for it before the last.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from itertools import groupby
from typing import Final

DEPTH: Final = 3
"""How many digits are looked at."""

NOTHING: Final = r"[^\s\S]"
"""Matches no text."""

_DIGITS: Final = "0123456789"
_DIGIT: Final = "[0-9]~"
_END: Final = "[0-9]![0-9]~"
_SHORT: Final = DEPTH + 2
"""Digits; a shorter number has less than ``DEPTH`` before its last two."""

_ATOM: Final = re.compile(r"\(\?:|\\d|\[[0-9-]+\]|\{\d+(?:,\d+)?\}|[0-9()|?$]")

_EMPTY: Final[Mapping[str, int]] = {"": 1}
_UNKNOWN: Final[Mapping[str, int]] = {"": -1}


def beginnings(pattern: str, length: int | None = None) -> frozenset[str]:
    """Return the first digits of all that a pattern of digits matches.

    Args:
        pattern: as phonenumbers' metadata are written: digits and classes of digits, groups,
            alternatives, bounded repetition. One that goes beyond that begins with anything.
        length: of so many digits only.

    Returns:
        Up to ``DEPTH`` digits of each; fewer are the whole of it, none is also anything.
    """
    found = _read(pattern)
    return frozenset(head for head, bits in found.items() if length is None or bits >> length & 1)


@cache
def _read(pattern: str) -> Mapping[str, int]:
    """Map beginnings to their lengths: bit n is set where n digits may begin like this."""
    atoms = _ATOM.findall(pattern)
    try:
        return _alternatives(atoms[::-1]) if "".join(atoms) == pattern else _UNKNOWN
    except (ValueError, IndexError):
        return _UNKNOWN


def _alternatives(rest: list[str]) -> Mapping[str, int]:
    """Read up to the end of a group; the next one is the last of ``rest``."""
    found: Mapping[str, int] = {}
    read = _EMPTY
    while rest and rest[-1] != ")":
        atom = rest.pop()
        if atom == "|":
            found, read = _merged(found, read), _EMPTY
        elif atom != "$":  # an end there narrows it, no more
            read = _repeated(read, _meaning(atom, rest), *_bounds(rest))
    return _merged(found, read)


def _meaning(atom: str, rest: list[str]) -> Mapping[str, int]:
    if atom.startswith("("):
        inner = _alternatives(rest)
        rest.pop()
        return inner
    if atom[0] in "{?":
        raise ValueError("a repetition of nothing, or not a greedy one")
    return {digit: 1 << 1 for digit in _DIGITS if re.fullmatch(atom, digit)}


def _bounds(rest: list[str]) -> tuple[int, int]:
    if not rest or rest[-1][0] not in "{?":
        return 1, 1
    least, _, most = rest.pop().strip("{}").replace("?", "0,1").partition(",")
    return int(least), int(most or least)


def _repeated(
    before: Mapping[str, int], one: Mapping[str, int], least: int, most: int
) -> Mapping[str, int]:
    found: Mapping[str, int] = {}
    for times in range(most + 1):
        if times >= least:
            found = _merged(found, before)
        if times < most:
            before = _joined(before, one)
    return found


def _merged(left: Mapping[str, int], right: Mapping[str, int]) -> Mapping[str, int]:
    return {head: left.get(head, 0) | right.get(head, 0) for head in {**left, **right}}


def _joined(left: Mapping[str, int], right: Mapping[str, int]) -> Mapping[str, int]:
    found: dict[str, int] = {}
    unread = {"": 0}
    for bits in right.values():
        unread[""] |= bits
    for head, bits in left.items():
        for more, longer in (right if len(head) < DEPTH else unread).items():
            made = (head + more)[:DEPTH]
            found[made] = found.get(made, 0) | _sums(bits, longer)
    return found


@cache
def _sums(left: int, right: int) -> int:
    """Return the bits of all sums of a set bit's place on the left and one on the right."""
    found = 0
    for place in range(right.bit_length()):
        found |= (left << place) * (right >> place & 1)
    return found


def numbers(lengths: Iterable[int], barred: Callable[[int], Iterable[str]]) -> str:
    """Return a pattern of the numbers of some lengths but for those that begin in barred ways.

    Args:
        lengths: in digits, four or more.
        barred: what a number of a length must not begin with, at most ``DEPTH`` digits each. One
            that is too short to see all of them in it is left out as well.
    """
    heads = {length: _elsewhere(barred(length), min(length, _SHORT) - 2) for length in lengths}
    runs = groupby(
        enumerate(sorted(heads)),
        lambda numbered: (numbered[1] - numbered[0], heads[numbered[1]], numbered[1] < _SHORT),
    )
    return either(
        f"{head}{_middle([length for _, length in run])}{_END}"
        for (_, head, _), run in runs
        if head != NOTHING
    )


def _middle(lengths: list[int]) -> str:
    """Return a pattern of the digits between the first and the last two, for a run of lengths."""
    least, most = (max(0, length - _SHORT) for length in (lengths[0], lengths[-1]))
    return f"(?:{_DIGIT}){{{least},{most}}}"


def _elsewhere(barred: Iterable[str], depth: int) -> str:
    """Return a pattern of ``depth`` digits that begin with nothing barred."""
    return _avoiding(frozenset(head[:depth] for head in barred), depth)


@cache
def _avoiding(barred: frozenset[str], depth: int) -> str:
    if "" in barred:
        return NOTHING
    if not barred:
        return _DIGIT * depth
    digits: dict[str, str] = {}
    for digit in _DIGITS:
        tails = frozenset(head[1:] for head in barred if head[0] == digit)
        then = _avoiding(tails, depth - 1)
        digits[then] = digits.get(then, "") + digit
    digits.pop(NOTHING, None)
    return either(f"[{some}]~{then}" for then, some in digits.items())


def either(patterns: Iterable[str]) -> str:
    """Return a pattern of what any of some patterns matches."""
    some = [pattern for pattern in patterns if pattern != NOTHING]
    return f"(?:{'|'.join(some)})" if some else NOTHING
