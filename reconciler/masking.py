"""What of an address may be shown; pure.

Every text that leaves the places where addresses may live goes through here. It never decides
whether something *is* an address in doubt: what looks like one is masked.
"""

import re

_DOT = "•"
_EMAIL = re.compile(r"[^\s@<>\"',;:(){}\[\]=]+@[^\s@<>\"',;:(){}\[\]=]+")
_PHONE = re.compile(r"(?<![\w-])\+?\(?\d(?:[\s().\-/]{0,3}\d){6,}(?![\w-])")
_TAIL = 3


def mask(address: str) -> str:
    """Return a sample a person can recognise and nobody can dial: ``+1•••••••890``.

    Args:
        address: a normalised address; an email holds an ``@``.
    """
    local, at, domain = address.rpartition("@")
    if at:
        return f"{local[:1]}{_DOT * 3}@{domain}"
    digits = address.lstrip("+")
    shown = "+" * (address != digits) + digits[:1]
    return shown + _DOT * max(len(digits) - 1 - _TAIL, 3) + digits[-_TAIL:]


def scrub(text: str) -> str:
    """Mask everything in a foreign text that looks like an email or a phone number."""
    masked = _EMAIL.sub(lambda match: mask(match[0]), text)
    return _PHONE.sub(lambda match: mask(re.sub(r"[^\d+]", "", match[0])), masked)
