"""What the data of a measurement are: how many, of which kinds, how messy, how far apart.

It names data and generates none.
"""

import json
from dataclasses import asdict, dataclass
from typing import Final, Self

CSV_KINDS: Final = ("mixed", "plain", "quoted")
CODES: Final = ("1", "44", "49", "33", "61", "91")
"""The calling codes that are generated."""
LARGEST: Final = 50_000_000
"""Contacts a side: up to twice as many phone numbers have to be different in every country."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """A pair of sides with ``rows`` contacts each; shares are from 0 to 1, of those contacts.

    The file with the desired ones has ``rows * (1 + duplicates + invalid)`` rows, for neither a
    row that repeats a contact nor an invalid one is another contact.
    """

    rows: int
    email: float = 0.3
    """Of contacts that are emails; the others are phones."""
    code: str = ""
    """The one calling code of all phones; empty for all of ``CODES``."""
    duplicates: float = 0.02
    """Of contacts that are in the file twice; 1 for every one."""
    invalid: float = 0.01
    """Of rows that are no contacts, beside the others."""
    differing: float = 0.05
    """Of contacts that differ: 4 in 10 are missing (and somebody else is surplus), 3 are wanted
    for longer, 3 for another reason."""
    csv: str = "mixed"
    """``mixed``: one row in twenty is quoted; ``plain``: none; ``quoted``: all fields."""
    seed: int = 1

    @property
    def name(self) -> str:
        """A name for a folder, different for different data."""
        shares = (self.email, self.duplicates, self.invalid, self.differing)
        parts = (f"{share:g}" for share in shares)
        return "-".join((str(self.rows), *parts, self.code or "all", self.csv, str(self.seed)))

    def dumps(self) -> str:
        """Return it as JSON, for another process."""
        return json.dumps(asdict(self))

    @classmethod
    def loads(cls, text: str) -> Self:
        """Return what ``dumps`` wrote."""
        return cls(**json.loads(text))


def count(text: str) -> int:
    """Return what a person means by ``100k`` or ``10M``.

    Raises:
        ValueError: it is no count.
    """
    factor = {"k": 1_000, "m": 1_000_000}.get(text[-1:].lower(), 1)
    return int(text.rstrip("kKmM")) * factor


def counted(rows: int) -> str:
    """Write a count the way a person would."""
    for factor, unit in ((1_000_000, " M"), (1_000, " k")):
        if rows >= factor and rows % factor == 0:
            return f"{rows // factor}{unit}"
    return f"{rows:,}"
