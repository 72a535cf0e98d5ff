"""The JSON Schemas of specs and of what we write: where they lie, and what is wrong with a spec.

The only jsonschema import. It never reads a spec and knows no places: a fault names the keys that
lead to it. No message holds a secret or an address, whatever the document holds.
"""

import difflib
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

import orjson
from jsonschema import Draft202012Validator, FormatChecker, ValidationError, validators

from reconciler.errors import ReconcilerError, UsageError
from reconciler.masking import scrub

Keys: TypeAlias = tuple[str | int, ...]
"""The keys and indices that lead from a document to something in it."""

_FILES: Final = MappingProxyType(
    {
        "Tenant": "tenant.schema.json",
        "SuppressionList": "suppression-list.schema.json",
        "Policy": "policy.schema.json",
        "Plan": "plan.schema.json",
        "Receipt": "receipt.schema.json",
        "Drift": "drift.schema.json",
        "Report": "report.schema.json",
        "Problem": "problem.schema.json",
    }
)
KINDS: Final = ("Tenant", "SuppressionList", "Policy")
"""What a spec can declare."""
WRITTEN: Final = tuple(kind for kind in _FILES if kind not in KINDS)
"""What this program writes for others to read; it never judges these itself."""
_ITEMS: Final = MappingProxyType({"contacts": "contact", "releases": "release"})
"""What a list may declare many of, and the definition each of them is judged by."""
_Doubtful: TypeAlias = tuple[str, int, Any]
"""One of many: the key it stands under, its index, itself."""

_SHOWN: Final = 40
"""Characters of a value that a message shows, at most."""
_DIGITS: Final = 6
"""More digits than this in one value may be somebody's phone number."""
_TIME: Final = re.compile(r"(19|2\d)\d\d-\d\d?-\d\d?([Tt ][\d:.,+Zz-]{0,25})?|P[\dYMWDTHS.,]{1,12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing in a document that its schema does not allow.

    ``path`` leads to the value at fault; for a key that is not known to that key, for one that is
    missing to the mapping that lacks it. ``code`` is stable: ``unknown-key``, ``missing-key``,
    ``wrong-type``, ``not-allowed``, ``bad-form``, or the name of a rule (``x-rule`` in a schema).
    """

    path: Keys
    code: str
    message: str


def check(document: Any, kind: str, *, most: int = sys.maxsize) -> tuple[Fault, ...]:
    """Return everything in a document that the schema of its kind does not allow.

    Inline contacts and releases that are certain to be valid are not shown to the schema one by
    one: a spec may hold a hundred thousand of them.

    Args:
        document: plain data: mappings with text keys, lists, texts, numbers, booleans, ``None``.
        kind: one of ``KINDS``.
        most: faults after which nobody looks on; if there are more of them, one more is returned.

    Returns:
        Every fault once, in the order of the paths; empty for a valid document.

    Raises:
        UsageError: there is no such kind.
    """
    _known(kind, KINDS)
    rest, doubtful = _set_aside(document) if kind == "SuppressionList" else (document, ())
    faults: dict[Fault, None] = {}
    for fault in _faults(rest, doubtful, kind):
        faults[fault] = None
        if len(faults) > most:
            break
    return tuple(sorted(faults, key=_order))


def _faults(rest: Any, doubtful: Iterable[_Doubtful], kind: str) -> Iterator[Fault]:
    """Yield faults as they are found, some of them more than once."""
    for error in _validator(kind).iter_errors(rest):
        yield from _of(error)
    for key, index, item in doubtful:
        for error in _item_validator(_ITEMS[key]).iter_errors(item):
            yield from _of(error, prefix=("spec", key, index))


def text(kind: str) -> str:
    """Return the schema of a kind as it lies on disk, JSON with a final line feed.

    Args:
        kind: one of ``KINDS`` or ``WRITTEN``.

    Raises:
        UsageError: there is no such kind; the nearest one is suggested.
    """
    _known(kind, (*KINDS, *WRITTEN))
    return _text(kind)


def _known(kind: str, kinds: tuple[str, ...]) -> None:
    if kind not in kinds:
        close = nearest(kind, kinds)
        raise UsageError(
            f"there is no kind {seen(kind)}; the kinds are {', '.join(kinds)}",
            hint=f"did you mean {close}?" if close else "",
        )


def folder(package: Path) -> Path:
    """Return the folder of the schemas: in the package as installed, else beside it.

    Args:
        package: the folder of the ``reconciler`` package.

    Raises:
        ReconcilerError: it is in neither place.
    """
    for place in (package / "schemas", package.parent / "schemas"):
        if all((place / name).is_file() for name in _FILES.values()):
            return place
    raise ReconcilerError("this installation lacks its schemas", hint="install it again")


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word that is most like this one; empty where none is."""
    spelt = {_plain(one): one for one in known}
    close = difflib.get_close_matches(_plain(word[:100]), spelt, n=1, cutoff=0.6)
    return spelt[close[0]] if close else ""


def seen(value: Any) -> str:
    """Describe a value for a message: shortened, and nothing that may be an address."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping | list | tuple):
        return "a mapping" if isinstance(value, Mapping) else "a list"
    value = str(value).lower() if isinstance(value, bool) else str(value)
    if _TIME.fullmatch(value):
        return f"`{value}`"
    shown = scrub(value)
    if shown.count("@") > shown.count("•@") or sum(map(str.isdigit, shown)) > _DIGITS:
        return f"a text of {len(value)} characters"
    return named(value)


def named(name: str) -> str:
    """Quote the name of a spec or file for a message: scrubbed, shortened, on one line."""
    shown = "".join(char if char.isprintable() else " " for char in scrub(name))
    return f"`{shown}`" if len(shown) <= _SHOWN else f"`{shown[:_SHOWN]}…`"


# ---------------------------------------------------------------- contacts, many of them


def _set_aside(document: Any) -> tuple[Any, tuple[_Doubtful, ...]]:
    """Return a list's document without its items, and those that the schema has to judge."""
    spec = document.get("spec") if isinstance(document, dict) else None
    if not isinstance(spec, dict):
        return document, ()
    many = {key: spec[key] for key in _ITEMS if isinstance(spec.get(key), list)}
    doubtful = tuple(
        (key, index, item)
        for key, items in many.items()
        for index, item in enumerate(items)
        if not _certain(_ITEMS[key])(item)
    )
    return {**document, "spec": {**spec, **{key: [] for key in many}}}, doubtful


@cache
def _certain(name: str) -> Callable[[Any], bool]:
    """Make the test that only valid items pass, out of the definition they are valid by."""
    defs = _load("SuppressionList")["$defs"]
    one = defs[name]
    tests = {key: _test(defs, held) for key, held in one["properties"].items()}
    required = frozenset(one.get("required", ()))
    (rule,) = one["allOf"]
    choices = {choice["required"][0] for choice in rule.get("oneOf") or rule["anyOf"]}
    most = 1 if "oneOf" in rule else len(choices)

    def certain(item: Any) -> bool:
        if not isinstance(item, dict) or not required.issubset(item):
            return False
        for key, value in item.items():
            if not isinstance(value, str) or key not in tests or not tests[key](value):
                return False
        return 1 <= len(choices & item.keys()) <= most

    return certain


def _test(defs: Mapping[str, Any], held: Mapping[str, Any]) -> Callable[[str], object]:
    """Return what tells of a text whether it may stand where this definition does."""
    held = defs[held["$ref"].rpartition("/")[2]] if "$ref" in held else held
    if "enum" in held:
        return frozenset(held["enum"]).__contains__
    return lru_cache(4096)(re.compile(held["pattern"]).fullmatch) if "pattern" in held else bool


# ---------------------------------------------------------------- from errors to faults


def _of(error: ValidationError, *, prefix: Keys = ()) -> Iterator[Fault]:
    """Say in our words what jsonschema found."""
    schema = error.schema if isinstance(error.schema, dict) else {}
    path = (*prefix, *error.absolute_path)
    instance: Any = error.instance
    if rule := schema.get("x-rule"):
        if error.validator in {"type", "minLength"}:
            yield Fault(path=path, code="wrong-type", message=_expected(error, schema))
        else:
            at = (*path, schema["x-at"]) if "x-at" in schema else path
            yield Fault(path=at, code=rule, message=_ruled(error, schema))
    elif error.validator == "additionalProperties":
        for key in instance:
            if key not in schema["properties"]:
                yield Fault(path=(*path, key), code="unknown-key", message=_unknown(key, schema))
    elif error.validator == "required":
        for key in _words(error):
            if key not in instance:
                yield Fault(path=path, code="missing-key", message=f"`{key}` is missing")
    else:
        code = _CODES.get(str(error.validator), "bad-form")
        yield Fault(path=path, code=code, message=_expected(error, schema))


_CODES: Final = MappingProxyType(
    {"type": "wrong-type", "enum": "not-allowed", "const": "not-allowed"}
)


def _ruled(error: ValidationError, schema: Mapping[str, Any]) -> str:
    """Say which rule is broken; the value is told where it is a text and no secret."""
    if error.validator not in {"pattern", "format"} or not isinstance(error.instance, str):
        return str(schema["errorMessage"])
    return _expected(error, schema)


def _expected(error: ValidationError, schema: Mapping[str, Any]) -> str:
    """Say what was found and what was expected instead."""
    value: Any = error.instance
    found = seen(value)
    if schema.get("x-secret") and isinstance(value, str | int | float):
        found = f"a text of {len(value)} characters" if isinstance(value, str) else "a number"
    said = f"found {found}, expected {_wanted(error, schema)}"
    if error.validator == "type" and isinstance(value, int | float) and schema["type"] == "string":
        said += "; put it in quotes, so that it stays a text"
    if error.validator == "enum" and (close := nearest(str(value), _words(error))):
        said += f"; did you mean {close}?"
    return said


def _words(error: ValidationError) -> tuple[str, ...]:
    """Return the texts that a keyword lists."""
    listed: Any = error.validator_value
    return tuple(listed)


def _wanted(error: ValidationError, schema: Mapping[str, Any]) -> str:
    """Describe what a keyword of a schema asks for."""
    limit: Any = error.validator_value
    if error.validator == "type":
        return _TYPES[limit]
    if "errorMessage" in schema:
        return str(schema["errorMessage"])
    shown = ", ".join(limit) if error.validator == "enum" else limit
    return _WANTED[str(error.validator)].format(shown)


_WANTED: Final = MappingProxyType(
    {
        "const": "`{}`",
        "enum": "one of {}",
        "exclusiveMinimum": "more than {}",
        "maxLength": "at most {} characters",
        "maximum": "at most {}",
        "minLength": "a text that is not empty",
        "minimum": "at least {}",
    }
)
"""What each keyword of our schemas asks for, by its value."""

_TYPES: Final = MappingProxyType(
    {
        "array": "a list",
        "boolean": "true or false",
        "integer": "a whole number",
        "number": "a number",
        "object": "a mapping",
        "string": "a text",
    }
)


def _unknown(key: str, schema: Mapping[str, Any]) -> str:
    """Say that a key is not known, and which one may be meant."""
    known = schema["properties"]
    close = nearest(key, known)
    meant = f"did you mean `{close}`?" if close else f"known here: {', '.join(known)}"
    return f"unknown key {seen(key)}; {meant}"


def _plain(word: str) -> str:
    """Return a word without what people spell differently."""
    return re.sub(r"[\s_-]", "", word).lower()


def _order(fault: Fault) -> tuple[tuple[tuple[int, str], ...], str, str]:
    """Sort faults as a reader meets them: list items by number, keys by name."""
    steps = tuple((step, "") if isinstance(step, int) else (-1, step) for step in fault.path)
    return steps, fault.code, fault.message


# ---------------------------------------------------------------- jsonschema, set up


@cache
def _text(kind: str) -> str:
    """Read a schema."""
    return (folder(Path(__file__).parent) / _FILES[kind]).read_text(encoding="utf-8")


@cache
def _load(kind: str) -> Any:
    """Parse a schema."""
    return orjson.loads(_text(kind))


@cache
def _validator(kind: str) -> Draft202012Validator:
    """Make the validator of a kind."""
    made: Draft202012Validator = _Strict(_load(kind), format_checker=_formats())
    return made


@cache
def _item_validator(name: str) -> Draft202012Validator:
    """Make the validator of one inline contact or release."""
    defs = _load("SuppressionList")["$defs"]
    schema = {"$ref": f"#/$defs/{name}", "$defs": defs}
    made: Draft202012Validator = _Strict(schema, format_checker=_formats())
    return made


def _pattern(_: Any, pattern: str, value: Any, __: Any) -> Iterator[ValidationError]:
    """Judge a pattern: ours are anchored, and ``$`` must not let a final line feed pass."""
    if isinstance(value, str) and not re.fullmatch(pattern, value):
        yield ValidationError("the text has another form")


_extend: Final[Callable[..., Any]] = validators.extend
_Strict: Final = _extend(Draft202012Validator, {"pattern": _pattern})


@cache
def _formats() -> FormatChecker:
    """Make the checker of formats: one, the same whatever else is installed."""
    formats = FormatChecker(formats=())
    formats.checks("uri", raises=ValueError)(_is_uri)
    return formats


def _is_uri(value: object) -> bool:
    """Tell whether a URL's host and port can be told apart; other values are none of ours."""
    if not isinstance(value, str):
        return True
    parts = urlsplit(value)
    return bool(parts.hostname) and parts.port != 0
