"""The stable codes of everything that can be wrong with contacts and the files they stand in.

A code never changes its meaning and is never given to something else: scripts and people filter
by it. Those of the specs themselves are in ``spec.codes``.
"""

from types import MappingProxyType
from typing import Final

MEANINGS: Final = MappingProxyType(
    {
        "SPEC-101": "A source's file cannot be read.",
        "SPEC-102": "A source's file is of an unknown kind.",
        "SPEC-103": "A column of a source is missing, there twice, or not text.",
        "SPEC-104": "A source has no column with an identifier.",
        "SPEC-105": "A source's content is not what sha256 pins.",
        "SPEC-106": "A row is no contact at all: wrong fields, not JSON, not UTF-8.",
        "SPEC-107": "A row has neither an email nor a phone number.",
        "SPEC-108": "A row's email is no email address.",
        "SPEC-109": "A row's phone number is none that could be dialled.",
        "SPEC-110": "A row has no reason, and its list has no default one.",
        "SPEC-111": "A row's reason is not known.",
        "SPEC-112": "A row's end cannot be read.",
        "SPEC-113": "A row ends after a duration that has nothing to count from.",
        "SPEC-114": "A row's requestedAt cannot be read.",
        "SPEC-115": "An address is declared twice where that is an error.",
        "SPEC-116": "So many rows are invalid; or too many to be set aside.",
        "SPEC-117": "Warning: invalid rows were set aside.",
        "SPEC-118": "Warning: times have no offset and are taken as UTC.",
        "SPEC-119": "The list's own end has passed: it would suppress nobody.",
        "SPEC-120": "Warning: contacts would outlive their list.",
        "SPEC-121": "A release's address cannot be read.",
        "SPEC-122": "A source's maxAge leads nowhere.",
        "SPEC-123": "A release was asked for in the future.",
        "SPEC-124": "A file, a line or another part of it is larger than contacts need.",
        "SPEC-125": "A file changed while it was read.",
        "SPEC-126": "Warning: a file holds not a single contact.",
        "SPEC-127": "Contacts are declared that the tenant's dialect has no place for.",
        "SPEC-128": "Warning: such contacts were left out.",
    }
)
