"""Other ways to write the same identifier or time, each legal; pure."""

from datetime import datetime


def digits_only(identifier: str) -> str:
    """Spell a phone without its plus; leave an email alone."""
    return identifier if "@" in identifier else "".join(filter(str.isdigit, identifier))


def punctuated(identifier: str) -> str:
    """Spell a North American phone as ``+1 (555) 123-4567``; an email's domain in capitals."""
    if "@" in identifier:
        local, _, domain = identifier.rpartition("@")
        return f"{local}@{domain.upper()}"
    digits = digits_only(identifier)
    return f"+{digits[:-10]} ({digits[-10:-7]}) {digits[-7:-4]}-{digits[-4:]}"


def with_a_gap(identifier: str) -> str:
    """Spell a North American phone as ``+1 5551234567``: one that is kept with its 1."""
    digits = digits_only(identifier)
    return f"+1 {digits[1:]}" if len(digits) == 11 and digits[0] == "1" else identifier


def moment(text: str) -> datetime:
    """Read a time that must carry its offset."""
    read = datetime.fromisoformat(text)
    assert read.tzinfo is not None
    return read


def by_turns(until: str | None, turn: int) -> str | None:
    """Write a time with an offset instead of Z, or with a fraction, by turns."""
    if until is None:
        return None
    return until.replace("Z", "+00:00") if turn % 2 else until.replace("Z", ".000Z")
