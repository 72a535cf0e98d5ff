"""Rows of tables beside each other, whatever their order and however pairs are numbered."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

SHOWN = 3


def unlike(
    expected: Iterable[Mapping[str, Any]],
    found: Iterable[Mapping[str, Any]],
    columns: Sequence[str],
) -> list[str]:
    """Return some rows that only one side has, as often as that side has more of them."""
    one, other = (
        Counter(tuple(row[name] for name in columns) for row in rows) for rows in (expected, found)
    )
    sides = {"expected": one - other, "found": other - one}
    return [
        f"{side}: {dict(zip(columns, row, strict=True))}"
        for side, rows in sides.items()
        for row in islice(rows.elements(), SHOWN)
    ]


def named(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> list[dict[str, Any]]:
    """Return rows with the number of each pair replaced by what its rows say in these columns."""
    found = list(rows)
    told: dict[int, list[str]] = defaultdict(list)
    for row in found:
        if row["pair"] is not None:
            told[row["pair"]].append(repr([row[name] for name in columns if name != "pair"]))
    names = {pair: tuple(sorted(said)) for pair, said in told.items()}
    return [{**row, "pair": names.get(row["pair"])} for row in found]
