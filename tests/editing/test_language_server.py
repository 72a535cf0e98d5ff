"""What an editor shows and offers in a spec, by the schema that its first line names.

A real YAML language server is asked, as an editor asks it; it may fetch nothing.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from language_server import Server, serving

from foreign import program
from reconciler.model import REASONS
from reconciler.schema import KINDS, text

pytestmark = pytest.mark.tools

ROOT: Final = Path(__file__).resolve().parents[2]
SPECS: Final = sorted((ROOT / "specs").glob("**/*.yaml"))
FILES: Final = {
    "Tenant": "tenant",
    "SuppressionList": "suppression-list",
    "Policy": "policy",
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Yield a server that looks at this repository."""
    with serving(program("yaml-language-server"), workspace=ROOT) as started:
        yield started


def schema(kind: str) -> dict[str, Any]:
    """Return a schema, parsed."""
    loaded: dict[str, Any] = json.loads(text(kind))
    return loaded


def offered(server: Server, kind: str, *lines: str) -> tuple[list[str], list[str]]:
    """Return what is wrong with the spec of a new file, and what is offered at its end."""
    path = ROOT / "specs" / f"unsaved-{server.number}.yaml"
    head = [
        f"# yaml-language-server: $schema=../schemas/{FILES[kind]}.schema.json",
        "apiVersion: reconciler/v1",
        f"kind: {kind}",
        "metadata: {name: unsaved}",
        "spec:",
    ]
    body = [*head, *lines]
    wrong = server.open(path, "\n".join(body) + "\n")
    found = server.completions(path, len(body) - 1, len(body[-1]))
    server.close(path)
    return wrong, found


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.name)
def test_nothing_is_wrong_with_an_example(server: Server, path: Path) -> None:
    """Each names its schema in the first line, and obeys it."""
    written = path.read_text(encoding="utf-8")

    found = server.open(path, written)
    server.close(path)

    assert [] == found
    assert written.startswith("# yaml-language-server: $schema=../schemas/")


@pytest.mark.parametrize("key", ["tenant", "batchReason", "defaults", "contacts", "ownership"])
def test_a_key_is_explained_where_the_mouse_rests(server: Server, key: str) -> None:
    """With the words of the schema."""
    path = ROOT / "specs" / "us-dnc.yaml"
    lines = path.read_text(encoding="utf-8").splitlines()
    line = next(at for at, written in enumerate(lines) if written.startswith(f"  {key}:"))
    described = schema("SuppressionList")["properties"]["spec"]["properties"][key]["description"]

    server.open(path, "\n".join(lines))
    shown = server.hover(path, line, 4)
    server.close(path)

    assert described in shown.replace("\\", "")


def test_each_value_of_a_choice_is_explained(server: Server) -> None:
    """Nobody has to look up what exclusive ownership does."""
    path = ROOT / "specs" / "unsaved-hover.yaml"
    first = "# yaml-language-server: $schema=../schemas/suppression-list.schema.json\n"

    server.open(path, f"{first}kind: SuppressionList\nspec:\n  ownership: exclusive\n")
    shown = server.hover(path, 3, 4).replace("\\", "")
    server.close(path)

    choice = schema("SuppressionList")["properties"]["spec"]["properties"]["ownership"]
    assert [] == [each for each in choice["enumDescriptions"] if each not in shown]


def test_a_misspelt_key_is_underlined(server: Server) -> None:
    """At once, not only by CI."""
    lines = ("  tenant: acme", "  list: {name: X}", "  ownershp: additive")

    wrong, _ = offered(server, "SuppressionList", *lines)

    assert ["Property ownershp is not allowed."] == wrong


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("  ownership: ",), {"additive", "exclusive"}),
        (("  duplicates: ",), {"longest", "error"}),
        (("  create: ",), {"true", "false"}),
        (("  defaults:", "    reason: "), {*REASONS}),
        (("  list:", "    "), {"name", "description", "suppressUntil"}),
        (("  releases:", "    - "), {"basis", "ticket", "requestedBy", "requestedAt"}),
    ],
)
def test_what_may_stand_there_is_offered(
    server: Server, lines: tuple[str, ...], expected: set[str]
) -> None:
    """Values of a choice, keys of a mapping."""
    _, found = offered(server, "SuppressionList", "  tenant: acme", *lines)

    assert expected <= {*found}


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_of_a_specification_is_offered(server: Server, kind: str) -> None:
    """Whatever the kind."""
    _, found = offered(server, kind, "  ")

    assert {*schema(kind)["properties"]["spec"]["properties"]} <= {*found}
