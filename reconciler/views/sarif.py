"""Problems as one SARIF 2.1.0 document, which code hosts and editors show at their lines; pure.

It says which rules there are, what each of them is about, and where each problem stands. A message
is the one that people read: addresses are masked in it already.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

from reconciler import __version__
from reconciler.artifacts import dumps
from reconciler.contacts.codes import MEANINGS
from reconciler.errors import Problem
from reconciler.masking import clean
from reconciler.spec.codes import Code
from reconciler.views.annotations import in_workspace

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_ROOT: Final = "%SRCROOT%"
_WARNING: Final = "Warning: "
"""How the meaning of a code begins that never fails a run."""


def problems(found: Sequence[Problem], *, exit_code: int = 0, below: str = "") -> bytes:
    """Return what is wrong with specs, in the order of places.

    Args:
        found: the problems.
        exit_code: what the command ends with.
        below: the folder that their paths are relative to, as seen from the repository.
    """
    ran = {"executionSuccessful": True, "exitCode": exit_code}
    return _document(found, invocation=ran, below=below)


def ended(message: str, *, hint: str = "", exit_code: int = 1) -> bytes:
    """Return why a command ended without its own document: a run that did not succeed."""
    said = clean(message) + (f" (hint: {clean(hint)})" if hint else "")
    failed = {
        "executionSuccessful": False,
        "exitCode": exit_code,
        "toolExecutionNotifications": [{"level": "error", "message": {"text": said}}],
    }
    return _document((), invocation=failed)


def _document(
    found: Sequence[Problem], *, invocation: Mapping[str, object], below: str = ""
) -> bytes:
    rules = [_rule(code, meaning) for code, meaning in _meanings().items()]
    at = {code: number for number, code in enumerate(_meanings())}
    run = {
        "tool": {
            "driver": {"name": "reconciler", "semanticVersion": __version__, "rules": rules},
        },
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The root of the repository."}}},
        "invocations": [invocation],
        "results": [_result(each, at, below) for each in sorted(found)],
    }
    return dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _meanings() -> dict[str, str]:
    """Return every code that a problem can have, with what it is about."""
    return {code.value: code.meaning for code in Code} | dict(MEANINGS)


def _rule(code: str, meaning: str) -> dict[str, object]:
    level = "warning" if meaning.startswith(_WARNING) else "error"
    text = meaning.removeprefix(_WARNING)
    return {
        "id": code,
        "shortDescription": {"text": text[:1].upper() + text[1:]},
        "defaultConfiguration": {"level": level},
    }


def _result(found: Problem, at: Mapping[str, int], below: str) -> dict[str, object]:
    known = {"ruleIndex": at[found.code]} if found.code in at else {}
    return {
        "ruleId": found.code,
        **known,
        "level": found.severity,
        "message": {"text": clean(found.message)},
        "locations": [{"physicalLocation": _location(found, below)}],
    }


def _location(found: Problem, below: str) -> dict[str, object]:
    uri = quote(in_workspace(found.place.path, below), errors="backslashreplace")
    place: dict[str, object] = {"artifactLocation": {"uri": uri, "uriBaseId": _ROOT}}
    if not found.place.line:
        return place
    region = {"startLine": found.place.line}
    if found.place.column:
        region["startColumn"] = found.place.column
    return place | {"region": region}
