"""What of an address, and of a foreign text at all, may be shown; pure.

Every text that leaves the places where addresses may live goes through here. It never decides
whether something *is* an address in doubt: what looks like one is masked. Times, names of runs
and digests do not look like one. What moves a cursor, turns text round or cannot be seen is
taken out of every text that somebody else wrote, before it reaches a terminal or a page.
"""

import re
from typing import Final

_DOT = "•"
_DOTS = _DOT * 3
_WORD = re.compile(r"[^\s<>,;:]+")
_AT = "%40"
"""How an ``@`` looks inside a URL."""
_OPENING = "\"'`=([{/\\" + _DOT
"""What may stand before an email without being part of it, as far as anybody can tell."""
_TIME = (
    r"(?<![^\W_])(?:19|2\d|99)\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
    r"(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d(?::?\d\d)?)?)?(?!-?\d)"
)
_DIGITS = r"\(?\d(?:[\s().\-/\u2010-\u2015]{0,3}\d){6,}"
_NUMBER = re.compile(
    rf"(?P<time>{_TIME})"
    rf"|\+{_DIGITS}"  # with its plus it is a phone number whatever stands around it
    rf"|(?<![\w-]){_DIGITS}(?:(?![\w-])|(?=(?i:x|ext)))"
    r"|(?<![^\W_])\d{10,15}(?![^\W_])"  # too long for a date in a file's name
)
_TAIL = 3
_SHORTEST = 7
"""Digits a number must have for its end to be shown."""

INVISIBLE: Final = (
    r"\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f"
    r"\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff"
    r"\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Inside a class of characters: controls, line and paragraph ends, marks of direction, what has no
width, and halves of characters."""
_INVISIBLE: Final = re.compile(f"[{INVISIBLE}]+")
_INVISIBLE_BUT_LINES: Final = re.compile(f"(?!\n)[{INVISIBLE}]")
_NAMELESS: Final = re.compile(rf"[{INVISIBLE}\\]")


def clean(text: str) -> str:
    """Return foreign text on one line, without anything that moves a cursor or turns text round."""
    return _INVISIBLE.sub(" ", text)


def clean_lines(text: str) -> str:
    """Return a text of many lines likewise, as long as before and with its line feeds."""
    return _INVISIBLE_BUT_LINES.sub(" ", text)


def printable(name: str) -> str:
    r"""Return the name of a file so that it can be shown and no two names become one: ``\xff``.

    A byte that is no text, as file systems allow, is shown as such.
    """
    return _NAMELESS.sub(_escaped, name)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # noqa: PLR2004 - how Python spells a byte that is no text
        return f"\\x{code - 0xDC00:02x}"
    return match[0].encode("unicode_escape", "surrogatepass").decode("ascii")


def mask(address: str) -> str:
    """Return a sample a person can recognise and nobody can dial: ``+1•••••••890``.

    Args:
        address: a normalised address; an email holds an ``@``.
    """
    local, at, domain = address.rpartition("@")
    if at:
        return f"{local[:1]}{_DOTS}@{domain}"
    digits = address.lstrip("+")
    head, tail = digits[:1], digits[-_TAIL:] if len(digits) >= _SHORTEST else ""
    hidden = max(len(digits) - len(head) - len(tail), _TAIL)
    return "+" * (address != digits) + head + _DOT * hidden + tail


def scrub(text: str) -> str:
    """Mask everything in a foreign text that looks like an email or a phone number."""
    return _NUMBER.sub(_masked_number, _WORD.sub(_masked_word, text))


def _masked_word(match: re.Match[str]) -> str:
    """Mask a word that holds an email; of what was written before it nothing else is kept."""
    word = match[0].replace(_AT, "@")
    bare = word.lstrip(_OPENING)
    if "@" not in word.strip("@"):
        return match[0]
    before = word[: len(word) - len(bare)]
    if bare.startswith("@"):  # what stood before is the local part, unless it is masked already
        before = before.removesuffix(_DOTS) if before.endswith(_DOTS) else ""
    return before + mask(bare.rstrip("@"))


def _masked_number(match: re.Match[str]) -> str:
    if match["time"]:
        return match[0]
    return mask(re.sub(r"[^\d+]", "", match[0]))
