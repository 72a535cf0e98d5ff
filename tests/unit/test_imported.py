import pytest

from reconciler.imported import key_of
from reconciler.model import Settings
from reconciler.spec.writing import Quoted, sayable, written


@pytest.mark.parametrize(
    ("name", "list_id", "expected"),
    [
        ("US Do Not Call", "7f3e2c", "us-do-not-call"),
        ("  -- Ärzte & Söhne (2026) ", "x", "arzte-sohne-2026"),
        ("日本", "7F3E-2c", "7f3e-2c"),
        ("", "***", "list"),
        ("a" * 62 + " b", "x", "a" * 62),
        ("Calls to ann@example.com", "x", "calls-to-a-example-com"),
    ],
)
def test_a_list_is_called_after_its_own_name(name: str, list_id: str, expected: str) -> None:
    """As far as a key can hold it, and without an address; else after its id."""
    assert expected == key_of(Settings(name=name, description=None), list_id)


def test_a_spec_is_written_as_people_write_one() -> None:
    """The editor's line first; texts of others in quotes, on one line, and nothing folded."""
    document = {
        "kind": "SuppressionList",
        "metadata": {"name": "1.5"},
        "spec": {
            "list": {"name": Quoted("no: \u2028 'é'\n" + "x" * 200)},
            "sources": [{"path": "a"}],
        },
    }

    text = written(document, schema="../schemas/x.json", head="What it is.")

    assert [
        "# yaml-language-server: $schema=../schemas/x.json",
        "# What it is.",
        "kind: SuppressionList",
        "metadata:",
        "  name: '1.5'",
        "spec:",
        "  list:",
        "    name: \"no: \\L 'é'\\n" + "x" * 200 + '"',
        "  sources:",
        "    - path: a",
    ] == text.splitlines()


@pytest.mark.parametrize("text", ["\x00", "\x1b", "\ud800", "\ufffe", "\x7f"])
def test_some_characters_cannot_be_said(text: str) -> None:
    """A setting that holds one is left to others."""
    assert not sayable(f"a{text}b")
