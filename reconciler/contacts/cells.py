r"""Texts as cells of CSV files that people open in spreadsheets and terminals; every such file.

A cell that a spreadsheet would take for a formula begins with an apostrophe, as OWASP advises: it
is shown and not run. That a phone number then reads ``'+1…`` is meant: what a spreadsheet makes of
a plus is its own affair, and the exact value stands at the file and line beside it. What cannot be
seen, line ends among it, becomes U+FFFD. Files for machines, Parquet and JSON, are exact and never
go through here.
"""

import re
from typing import Final

from reconciler.masking import INVISIBLE

_UNSEEN: Final = re.sub(r"\\[uU]([0-9a-f]+)", r"\\x{\1}", INVISIBLE.replace(r"\ud800-\udfff", ""))
"""The class of characters as DuckDB's RE2 spells it; it knows no halves of characters."""

MACRO: Final = (
    "CREATE OR REPLACE TEMP MACRO cell(written) AS regexp_replace("
    f"regexp_replace(written, '[{_UNSEEN}]', '\ufffd', 'g'), "
    r"'^(\s*[=+\-@\x{ff1d}\x{ff0b}\x{ff0d}\x{ff20}])', '''\1')"
)
"""SQL that makes ``cell(VARCHAR) -> VARCHAR`` for a session."""
