"""Which spellings of phone numbers have a certain E.164 form: patterns made from metadata.

Pure, and nothing about a country is written here. No pattern may match a spelling of which the
library says anything else: where phonenumbers' metadata leave the answer open (a prefix that is
cut off of some numbers only, a rule that rewrites), no pattern matches and the library is asked.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

from phonenumbers import (
    COUNTRY_CODE_TO_REGION_CODE,
    SUPPORTED_REGIONS,
    PhoneMetadata,
    country_code_for_region,
)

from reconciler.contacts.beginnings import DEPTH, NOTHING, beginnings, either, numbers

_GAP: Final = "[ ./()-]*"
"""What may stand between digits and means nothing."""

_LAST_GAP: Final = "[ /()-]*"
"""Before the last digit: ``5551234567.0`` comes from a column of floats."""

EXTENDED: Final = (
    r"(?i)\+?[0-9]{7,}\.0"
    r"|[ ./()+0-9-]*[0-9](?:;ext=| ?(?:extension|extn?|xtn|x)[.:]? ?)[0-9]{1,6}"
)
"""Texts from a column of floats, and those with an extension."""

WORDED: Final = (
    r"(?i)[\s\v]*(?:tel:)?[^a-z]*"
    r"(?:(?:;ext=|(?:extension|extn?|xtn|x)[.:]?\s*)[0-9]+#?)?[\s\v]*"
)
"""ASCII texts in which no letters are but those of a scheme and an extension; others are none."""

_LENGTHS: Final = range(4, 26)
"""Digits: no number is shorter, and the library may have what is longer."""

_FEW: Final = "(?:[0-9]~){0,3}"
_SOME: Final = "(?:[0-9]~)+[0-9]![0-9]~"
_NO_DIGIT: Final = r"[\x00-/:-\x7f]*"
_NO_PLUS: Final = r"[\x00-*,-\x7f]*"
_ATOM: Final = re.compile(r"\{[^}]*\}|(\\d|\[[^]]*\]|\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """E.164 is ``put``, then the digits (and ``+``) of a text but for the first ``cut`` of them."""

    pattern: str
    also: str = ""
    """Has to match as well, unless it is empty."""
    cut: int = 0
    put: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is certain of phone numbers written in one region; rules go in order, none before them.

    Patterns are of whole texts, in RE2's syntax, without quotes. *Bare* is a text without what
    stands between digits, and with ``+`` where it was dialled in another way.
    """

    canonical: str
    """Texts that are their own E.164, the likeliest of them at least."""
    national: tuple[Rule, ...]
    """For texts of the region's own numbers, with its calling code or without."""
    international: str
    """Texts with ``+``, or with what the region dials for it."""
    abroad: int
    """How many digits it dials for ``+``."""
    world: tuple[Rule, ...]
    """For bare international texts."""
    impossible: str
    """Bare international texts that are no possible number, unless there is a rule."""
    none: str
    """Other texts that are no possible number, unless there is a rule."""


@cache
def rules(region: str) -> Rules:
    """Return what is certain of phone numbers written in a region such as ``US``.

    In a region that is unknown only international forms are numbers.
    """
    world = rf"\+{_by_code(_Plan.possible)}"
    found = Rules(
        canonical=_closed(world),
        national=(),
        international=_spelled(rf"\+~{_SOME}"),
        abroad=0,
        world=(Rule(pattern=_closed(world)),),
        impossible=_closed(rf"\+{_by_code(_Plan.impossible)}"),
        none=either([_NO_DIGIT, _NO_PLUS, _spelled(_FEW)]),
    )
    return _Home(region).rules(found) if region in SUPPORTED_REGIONS else found


def _by_code(shape: "Callable[[_Plan], str]") -> str:
    """Return a pattern of every calling code followed by what ``shape`` says of its numbers."""
    codes: dict[str, list[str]] = {}
    for code, (region, *_) in sorted(COUNTRY_CODE_TO_REGION_CODE.items()):
        codes.setdefault(shape(_plan(code, region)), []).append(_dialled(str(code)))
    return either(f"{either(some)}{number}" for number, some in codes.items() if number != NOTHING)


@cache
def _plan(code: int, region: str) -> "_Plan":
    return _Plan(PhoneMetadata.metadata_for_region_or_calling_code(code, region))


class _Plan:
    """The numbers of a region, or of a calling code without one, as the metadata have them."""

    def __init__(self, metadata: Any) -> None:
        """Take what the answer depends on."""
        described = metadata.general_desc
        self.code = str(metadata.country_code)
        self.lengths = frozenset(described.possible_length)
        self.local = frozenset(described.possible_length_local_only)
        self.viable: str = described.national_number_pattern or ""
        self.prefix: str = metadata.national_prefix_for_parsing or ""
        self.rewrites = bool(metadata.national_prefix_transform_rule)
        self.abroad: str = metadata.international_prefix or ""

    def prefixes(self) -> frozenset[str]:
        """Return how what is cut off begins; to cut off nothing leaves a number as it is."""
        found = beginnings(self.prefix)
        nothing = re.match(self.prefix, "")
        leaves = nothing is not None and set(nothing.groups()) <= {None}
        return found - {""} if leaves and "" not in beginnings(self.prefix, 1) else found

    def possible(self) -> str:
        """Return a pattern of the numbers behind the calling code that are possible as they are."""
        return numbers(self.lengths, lambda _: self.prefixes())

    def impossible(self) -> str:
        """Return likewise a pattern of those that are not; of possible ones as well."""
        return either([numbers(_LENGTHS[1:], lambda _: self.prefixes()), _FEW])

    def is_too_long(self, length: int) -> bool:
        """Tell whether that is more digits than any number here has."""
        return length > max(self.lengths) and length not in self.local

    def is_enough(self, length: int) -> bool:
        """Tell whether a prefix is cut off if that many digits are left."""
        return length not in self.local and (length in self.lengths or self.is_too_long(length))

    def trunks(self) -> Iterator[str]:
        """Yield what is cut off whatever follows, as long as it begins no other prefix."""
        for head in sorted(self.prefixes()):
            found = re.match(self.prefix, f"{head}~")
            if found is None or found[0] != head or len(head) >= DEPTH:
                continue
            if not self.rewrites or (found.groups() and found.groups()[-1] is None):
                yield head

    def behind(self, trunk: str) -> Callable[[int], frozenset[str]]:
        """Return how numbers of a length begin before which not just a trunk prefix is cut off.

        It may be more, or nothing, where the number with the prefix is viable.
        """
        longer = frozenset(head for head in self.prefixes() if not trunk.startswith(head))

        def barred(length: int) -> frozenset[str]:
            whole = beginnings(self.viable, length + len(trunk))
            return self.prefixes() | _after(trunk, longer | whole)

        return barred


class _Home:
    """What is certain of the numbers that are written without a country in one region.

    They are parsed by the region's plan, and judged by the main one of its calling code.
    """

    def __init__(self, region: str) -> None:
        """Take the two plans."""
        code = country_code_for_region(region)
        self._own = _plan(code, region)
        self._main = _plan(code, COUNTRY_CODE_TO_REGION_CODE[code][0])
        self._code = str(code)
        self._abroad = beginnings(self._own.abroad) if self._own.abroad else frozenset[str]()
        self._prefixes = self._own.prefixes() | self._main.prefixes()

    def rules(self, world: Rules) -> Rules:
        """Return what is certain here, from what is certain everywhere."""
        main, code = self._main, _dialled(self._code)
        own = rf"\+~{code}{main.possible()}"
        abroad = self._own.abroad if self._own.abroad.isdigit() else ""
        lead = either([r"\+~", _dialled(abroad) if abroad else NOTHING])
        none = [_NO_DIGIT, _spelled(either([_FEW, *self._impossible()]))]
        return Rules(
            canonical=_closed(own),
            national=tuple(map(_spelled_rule, [Rule(pattern=own), *_some(self._national())])),
            international=_spelled(f"{lead}{_SOME}"),
            abroad=len(abroad),
            world=(*world.world, *map(_closed_rule, _some(self._trunks()))),
            impossible=world.impossible,
            none=either(none),
        )

    def _national(self) -> Iterator[Rule]:
        """Yield rules for national numbers, the likeliest first."""
        own, main, put = self._own, self._main, f"+{self._code}"
        code = _dialled(self._code)
        longer = self._longer(main.lengths)
        yield Rule(pattern=numbers(main.lengths, self._kept), put=put)
        for trunk in own.trunks():
            rest = numbers(own.lengths & main.lengths, self._behind(trunk))
            yield Rule(pattern=f"{_dialled(trunk)}{rest}", cut=len(trunk), put=put)
        yield Rule(pattern=f"{code}{numbers(longer, self._coded)}", put="+")
        rest = numbers(main.lengths - longer, self._coded_viable)
        yield Rule(pattern=f"{code}{rest}", also=f"{code}(?:{_spaced(own.viable)})", put="+")

    def _trunks(self) -> Iterator[Rule]:
        """Yield rules for international numbers with a trunk prefix that does not belong there."""
        put = f"+{self._code}"
        for trunk in self._main.trunks():
            rest = numbers(self._main.lengths, self._main.behind(trunk))
            cut = len(put) + len(trunk)
            yield Rule(pattern=rf"\{put}{trunk}{rest}", cut=cut, put=put)

    def _impossible(self) -> Iterator[str]:
        """Yield patterns of what is no possible number, unless there is a rule."""
        own, main = self._own, self._main
        yield numbers(_LENGTHS, self._kept)
        for trunk in own.trunks():
            left = {n: n if own.is_enough(n) else n + len(trunk) for n in _LENGTHS}
            wrong = [length for length, final in left.items() if final not in main.lengths]
            yield f"{_dialled(trunk)}{numbers(wrong, self._behind(trunk))}"
        longer = self._longer(frozenset(_LENGTHS) - main.lengths)
        yield f"{_dialled(self._code)}{numbers(longer, self._coded)}"

    def _longer(self, lengths: frozenset[int]) -> frozenset[int]:
        """Return the lengths that are too long with the calling code, so that it is cut off."""
        more = len(self._code)
        return frozenset(n for n in lengths if self._own.is_too_long(n + more))

    def _kept(self, length: int) -> frozenset[str]:
        """Bar what may not be the national number as it is: it may begin with a calling code."""
        barred = self._abroad | self._prefixes
        if self._own.is_too_long(length):
            return barred | {self._code}
        viable = beginnings(self._own.viable, length - len(self._code))
        return barred | {self._code + head for head in self._own.prefixes() | viable}

    def _behind(self, trunk: str) -> Callable[[int], frozenset[str]]:
        """Bar what may not be the national number behind a trunk that is cut off."""
        also = _after(trunk, self._abroad | {self._code}) | self._prefixes
        barred = self._own.behind(trunk)
        return lambda length: barred(length) | also

    def _coded(self, _length: int) -> frozenset[str]:
        """Bar what may not be the national number behind its calling code, which is cut off."""
        return _after(self._code, self._abroad) | self._prefixes

    def _coded_viable(self, length: int) -> frozenset[str]:
        """Bar likewise what may be viable with the calling code, which is then left."""
        whole = beginnings(self._own.viable, length + len(self._code))
        return self._coded(length) | _after(self._code, whole)


def _after(lead: str, heads: Iterable[str]) -> frozenset[str]:
    """Return how a text goes on behind ``lead`` if it begins in one of some ways."""
    return frozenset(
        head[len(lead) :] for head in heads if head.startswith(lead) or lead.startswith(head)
    )


def _dialled(digits: str) -> str:
    return "".join(f"{digit}~" for digit in digits)


def _spaced(pattern: str) -> str:
    """Let gaps stand behind the digits of one of the metadata's patterns."""
    return _ATOM.sub(lambda atom: f"(?:{atom[1]}~)" if atom[1] else atom[0], pattern)


def _spelled(pattern: str) -> str:
    """Say what may stand between the digits of a pattern, and before them."""
    return _GAP + pattern.replace("~", _GAP).replace("!", _LAST_GAP)


def _closed(pattern: str) -> str:
    """Let nothing stand between the digits of a pattern."""
    return pattern.replace("~", "").replace("!", "").replace("[0-9]", r"\d")


def _some(rules: Iterable[Rule]) -> list[Rule]:
    """Leave out the rules that match nothing."""
    return [rule for rule in rules if NOTHING not in rule.pattern]


def _spelled_rule(rule: Rule) -> Rule:
    also = _spelled(rule.also) if rule.also else ""
    return replace(rule, pattern=_spelled(rule.pattern), also=also)


def _closed_rule(rule: Rule) -> Rule:
    return replace(rule, pattern=_closed(rule.pattern))
