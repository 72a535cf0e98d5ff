"""The stable codes of everything that can be wrong with a spec.

A code never changes its meaning and is never given to something else: scripts and people filter
by it.
"""

from enum import StrEnum
from types import MappingProxyType
from typing import Final, Self


class Code(StrEnum):
    """What is wrong, in the order in which a spec is read."""

    meaning: str
    """What the code stands for, in one sentence; one that never fails a run opens with Warning."""

    def __new__(cls, code: str, meaning: str) -> Self:
        """Make a code that knows what it stands for."""
        made = str.__new__(cls, code)
        made._value_ = code
        made.meaning = meaning
        return made

    UNREADABLE = (
        "SPEC-001",
        "The file cannot be read: no permission, a broken link, not a regular file.",
    )
    TOO_LARGE = (
        "SPEC-002",
        "The file has over 16 MiB, or two million values; many contacts belong into a source.",
    )
    NOT_TEXT = "SPEC-003", "The file is not UTF-8, or holds a control character."
    SYNTAX = "SPEC-004", "The file is not YAML."
    DUPLICATE_KEY = "SPEC-005", "A mapping has a key twice."
    UNSUPPORTED_YAML = (
        "SPEC-006",
        "Merge keys, tags outside the core schema, keys that are not texts.",
    )
    ALIASES = (
        "SPEC-007",
        "Aliases expand past a bound, or an alias stands inside what it refers to.",
    )
    TOO_DEEP = "SPEC-008", "Mappings and lists are nested too deeply."
    NOTHING_DECLARED = "SPEC-009", "A file, or the whole specs root, declares nothing."
    API_VERSION = (
        "SPEC-010",
        "The document is not a mapping with an `apiVersion` this version understands.",
    )
    KIND = "SPEC-011", "The document's `kind` is missing or not known."
    UNKNOWN_KEY = "SPEC-012", "A key is not known where it stands."
    MISSING_KEY = "SPEC-013", "A key that is needed is missing."
    WRONG_TYPE = (
        "SPEC-014",
        "A value has the wrong type, such as a number that ought to be in quotes.",
    )
    NOT_ALLOWED = "SPEC-015", "A value is not one of those that are allowed."
    BAD_FORM = "SPEC-016", "A value has the wrong form, length or size."
    LITERAL_SECRET = (
        "SPEC-017",
        "A secret is written out; only references may stand in a spec. Never shown.",
    )
    TIME = "SPEC-018", "A date, time or duration cannot be read or does not exist."
    NAIVE_TIME = "SPEC-019", "Warning: a time has no offset and is taken as UTC."
    PERCENTAGE = "SPEC-020", "A share is not a percentage from 0% to 100%."
    DUPLICATE_NAME = "SPEC-021", "Two specs of one kind have one name."
    DUPLICATE_LIST_ID = "SPEC-022", "Two specs declare one list of a tenant by its id."
    DUPLICATE_LIST_NAME = "SPEC-023", "Two specs declare one list of a tenant by its name."
    TWO_POLICIES = "SPEC-024", "There is more than one Policy."
    UNKNOWN_TENANT = "SPEC-025", "No Tenant has the name that a list refers to."
    LIST_IDENTITY = "SPEC-026", "A list has neither a `listId` nor a `list.name`."
    CREATE_BY_ID = "SPEC-027", "A list has a `listId` and shall be created."
    EXCLUSIVE_BASIS = "SPEC-028", "Ownership is exclusive without a `releaseBasis`."
    QUARANTINE_SHARE = (
        "SPEC-029",
        "`maxInvalid` without `invalid: quarantine`, or the other way round.",
    )
    CONTACT_IDENTIFIER = "SPEC-030", "A contact has neither an email nor a phone number."
    RELEASE_IDENTIFIER = "SPEC-031", "A release has neither an email nor a phone number, or both."
    DURATION_START = (
        "SPEC-032",
        "A contact ends after a duration that has no `requestedAt` to count from.",
    )
    FEED_AGE = "SPEC-033", "A source has a `maxAge` without an `asOf`."
    SOURCE_MISSING = (
        "SPEC-034",
        "A source's pattern matches no file or something that is none, or is no pattern.",
    )
    SOURCE_OUTSIDE = "SPEC-035", "A source, or a linked spec file, lies outside the repository."
    SOURCE_FORMAT = "SPEC-036", "A source's file is of an unsupported format."
    SOURCE_PIN = (
        "SPEC-037",
        "A source's content is not the pinned one, or the pin does not stand for one file.",
    )
    TENANT_ADDRESS = (
        "SPEC-038",
        "A tenant that is not embedded has neither a subdomain nor a `baseUrl`.",
    )
    TENANT_CREDENTIALS = "SPEC-039", "A tenant that is not embedded has no credentials."
    URL = (
        "SPEC-040",
        "A URL is not https (http for loopback), or holds a user name, query or fragment.",
    )
    UNUSED = "SPEC-041", "Warning: a tenant of this kind does not use this key."
    FREEZE = "SPEC-042", "A freeze ends before it begins."
    UNKNOWN_LIST = "SPEC-043", "Warning: the Policy names a list that no spec declares."
    TOO_MANY = (
        "SPEC-044",
        "More of something than is read: problems, sources of a list, files of a source.",
    )
    SOURCE_NAME = (
        "SPEC-045",
        "A source's file has an address for a name, which would be told wherever it is named.",
    )
    NO_PLACE = (
        "SPEC-046",
        "A list declares what its tenant's dialect has no place for; a warning if it is skipped.",
    )
    ACCESS_KEY = "SPEC-047", "A tenant of dialect dnc-groups has no access key."


OF_FAULT: Final = MappingProxyType(
    {
        "unknown-key": Code.UNKNOWN_KEY,
        "missing-key": Code.MISSING_KEY,
        "wrong-type": Code.WRONG_TYPE,
        "not-allowed": Code.NOT_ALLOWED,
        "bad-form": Code.BAD_FORM,
        "literal-secret": Code.LITERAL_SECRET,
        "time": Code.TIME,
        "percentage": Code.PERCENTAGE,
        "list-identity": Code.LIST_IDENTITY,
        "create-by-id": Code.CREATE_BY_ID,
        "exclusive-basis": Code.EXCLUSIVE_BASIS,
        "quarantine-share": Code.QUARANTINE_SHARE,
        "contact-identifier": Code.CONTACT_IDENTIFIER,
        "release-identifier": Code.RELEASE_IDENTIFIER,
        "feed-age": Code.FEED_AGE,
        "tenant-address": Code.TENANT_ADDRESS,
        "tenant-credentials": Code.TENANT_CREDENTIALS,
        "tenant-access-key": Code.ACCESS_KEY,
        "url": Code.URL,
    }
)
"""Our code for each code of a fault that a schema finds."""
