"""A service made out of an OpenAPI description: it judges requests and makes answers up.

Every request must be one that the description allows, down to the type of each parameter and the
schema of its body. What is answered is made up out of the schema of the answer, by chance from a
seed: it is what the description allows, and nothing else is known of it. It must never import from
``reconciler``.
"""

import json
import random
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from jsonschema import Draft202012Validator
from loopback import Answer, Asked, serving

DESCRIPTION: Any = json.loads(
    (Path(__file__).parent / "dnc_groups.openapi.json").read_text(encoding="utf-8")
)
BASE: str = DESCRIPTION["servers"][0]["url"]
TOKEN = "t0ken"
_OF_TEXT = {"integer": re.compile(r"-?[0-9]+"), "boolean": re.compile("true|false")}


@dataclass(slots=True)
class Described:
    """The service. ``with Described(seed).serve() as service`` answers at ``service.url``."""

    seed: int
    wrong: list[str] = field(default_factory=list)
    """What is wrong with the requests so far."""
    asked: list[str] = field(default_factory=list)
    """The operations that were asked for."""
    fixed: dict[str, Answer] = field(default_factory=dict)
    """Answers that are not made up, by operation."""
    chance: random.Random = field(init=False)
    _port: int = 0
    _lock: Any = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)  # noqa: S311 - of tests, not of secrets

    @contextmanager
    def serve(self) -> Iterator["Described"]:
        """Answer on a free port of loopback until the block ends."""
        with serving(self.answer, clock=lambda: datetime.now(UTC)) as self._port:
            yield self

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._port}"

    def answer(self, asked: Asked) -> Answer:
        """Judge one request and answer it."""
        with self._lock:
            path = urlsplit(asked.path).path
            if path == "/auth/token":
                return Answer(status=200, body={"access_token": TOKEN, "expires_in": 3600})
            found = _operation(asked.method, path.removeprefix(BASE))
            if found is None or not path.startswith(BASE):
                self.wrong.append(f"{asked.method} {path}: not described")
                return Answer(status=404, body=b"")
            operation, values = found
            self.asked.append(operation["operationId"])
            self.wrong += [f"{self.asked[-1]}: {one}" for one in _faults(operation, values, asked)]
            known = self.fixed.get(operation["operationId"])
            return known or self._made_up(operation["responses"])

    def _made_up(self, responses: Mapping[str, Any]) -> Answer:
        good = [code for code in responses if code.startswith("2")]
        code = self.chance.choice(good)
        content = responses[code].get("content")
        if content is None:
            return Answer(status=int(code), body=b"")
        return Answer(status=int(code), body=self.made_up(content["application/json"]["schema"]))

    def made_up(self, schema: Mapping[str, Any]) -> Any:
        """Make up a value that a schema allows; what is not required is there by chance."""
        match schema:
            case {"type": "object", "properties": properties}:
                required = schema.get("required", ())
                return {
                    name: self.made_up(held)
                    for name, held in properties.items()
                    if name in required or self.chance.random() < 0.8
                }
            case {"type": "array", "items": items}:
                return [self.made_up(items) for _ in range(self.chance.choice((0, 1, 1, 2, 5)))]
            case {"type": "integer"}:
                return self.chance.choice((0, 1, 77, 4_500, 2**40, -1))
            case {"type": "boolean"}:
                return self.chance.random() < 0.7
            case {"format": "date-time"}:
                return self.chance.choice(
                    ("2031-05-06T07:08:09.1234567Z", "2020-01-01T00:00:00Z", "2031-05-06T07:08:09")
                )
        words = ("8012440005", "442071838750", "(801) 244-0005", "US", "", "✓", "18012440005")
        return self.chance.choice(words)


def _operation(method: str, path: str) -> tuple[Any, Mapping[str, str]] | None:
    """Return what is asked for and the values in its path; the most literal path wins."""
    for template in sorted(DESCRIPTION["paths"], key=lambda each: each.count("{")):
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(template))
        match = re.fullmatch(pattern, path)
        described = DESCRIPTION["paths"][template]
        if match and method.lower() in described:
            operation = described[method.lower()]
            both = [*described.get("parameters", ()), *operation.get("parameters", ())]
            values = {name: unquote(value) for name, value in match.groupdict().items()}
            return {**operation, "parameters": both}, values
    return None


def _faults(operation: Any, values: Mapping[str, str], asked: Asked) -> Iterator[str]:
    """Yield what a request does that is not described."""
    query = parse_qsl(urlsplit(asked.path).query, keep_blank_values=True)
    given = {**dict(query), **values}
    known = {each["name"]: each for each in operation["parameters"]}
    if len(query) != len({name for name, _ in query}):
        yield "a parameter twice"
    yield from (f"parameter {name} is not described" for name in given.keys() - known.keys())
    for name, each in known.items():
        if name not in given and each["required"]:
            yield f"parameter {name} is missing"
        pattern = _OF_TEXT.get(each["schema"]["type"])
        if name in given and pattern and not pattern.fullmatch(given[name]):
            yield f"parameter {name} is no {each['schema']['type']}"
    if asked.headers.get("accept") != "application/json":
        yield "Accept is not application/json"
    if asked.headers.get("authorization") != f"Bearer {TOKEN}":
        yield "no token"
    yield from _body_faults(operation, asked)


def _body_faults(operation: Any, asked: Asked) -> Iterator[str]:
    described = operation.get("requestBody")
    if described is None:
        if asked.body:
            yield "a body where none is described"
        return
    if asked.headers.get("content-type", "").partition(";")[0] != "application/json":
        yield "the body is not sent as JSON"
    schema = described["content"]["application/json"]["schema"]
    yield from (each.message for each in Draft202012Validator(schema).iter_errors(asked.json))
    if "." in re.sub(r'"[^"]*"', "", asked.body):
        yield "a number with a fraction"
