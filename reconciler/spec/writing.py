"""A document as the text of a spec file; whatever its texts hold, ``documents`` reads them back.

It opens no file and judges nothing.
"""

from collections.abc import Mapping
from typing import Any, Final

import yaml

from reconciler.spec.composing import FORBIDDEN

_WIDTH: Final = 1 << 20
"""Characters of a line, so that no text is folded."""


class Quoted(str):
    """A text that somebody else wrote: it stands in quotes, since it may look like anything."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Writes ``Quoted`` in double quotes, and lists further in than the key above them."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: FBT001, FBT002 - as PyYAML calls it
        """Go one level in."""
        del indentless
        return super().increase_indent(flow, False)  # noqa: FBT003 - likewise


def _quoted(dumper: _Dumper, text: Quoted) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style='"')


_Dumper.add_representer(Quoted, _quoted)


def sayable(text: str) -> bool:
    """Tell whether a spec can hold this text at all: some characters are forbidden, escaped too."""
    return not FORBIDDEN.search(text)


def written(document: Mapping[str, Any], *, schema: str = "", head: str = "") -> str:
    """Return a document as a spec file.

    Args:
        document: mappings, lists, texts, numbers and booleans; texts of others are ``Quoted``.
        schema: the schema's path as seen from the file, for editors; empty for none.
        head: a line that says what this is.
    """
    lines = [f"# yaml-language-server: $schema={schema}\n"] if schema else []
    lines += [f"# {head}\n"] if head else []
    body = yaml.dump(
        document,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=_WIDTH,
    )
    return "".join([*lines, body])
