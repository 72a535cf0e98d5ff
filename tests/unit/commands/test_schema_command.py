"""``reconciler schema``."""

import orjson
import pytest

from reconciler import schema
from reconciler.commands import main


def test_without_a_kind_the_kinds_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """One a line, or as one document."""
    main(["schema"])
    text = capsys.readouterr().out
    main(["schema", "--format", "json"])
    document = orjson.loads(capsys.readouterr().out)

    assert [*schema.KINDS, *schema.WRITTEN] == text.splitlines() == document["kinds"]


@pytest.mark.parametrize("kind", [*schema.KINDS, *schema.WRITTEN])
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_schema_is_printed_as_it_lies_on_disk(
    kind: str, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Byte for byte, ready to be put into a file."""
    code = main(["schema", kind, "--format", form])

    assert (0, schema.text(kind)) == (code, capsys.readouterr().out)


def test_a_misspelt_kind_gets_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    """As misuse of the command line."""
    code = main(["schema", "Tennant"])

    assert 64 == code
    assert "hint: did you mean Tenant?" in capsys.readouterr().err
