"""Outcomes as columns, so that the engine can set them beside the rows they speak of.

It never reads a contact; an outcome holds none.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

from reconciler.contacts.evidence import ENDLESS, REJECTIONS, STATUSES, WITHHELD
from reconciler.model import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Fates:
    """What became of one list's rows: tables of the schemas that ``evidence`` names."""

    statuses: pa.Table
    rejections: pa.Table
    withheld: pa.Table


def fates(outcomes: Iterable[Outcome], *, endless: bool = False) -> Fates:
    """Turn the outcomes of one list into columns.

    Args:
        outcomes: of one list.
        endless: whether only rows without an end were sent, as after a partial read.
    """
    told = [outcome for outcome in outcomes if outcome.op]
    return Fates(
        statuses=pa.Table.from_pylist(
            [
                {
                    "op": f"{one.op}{ENDLESS * endless}",
                    "batch": one.batch,
                    "first": one.first,
                    "last": one.last,
                    "status": str(one.status),
                    "lapse_after": int(one.lapse_after.timestamp()) if one.lapse_after else None,
                    "at": one.at,
                }
                for one in told
                if one.batch
            ],
            schema=STATUSES,
        ),
        rejections=pa.Table.from_pylist(
            [
                {
                    "op": one.op,
                    "row": rejection.row,
                    "code": rejection.code,
                    "field": rejection.field,
                    "message": rejection.message,
                }
                for one in told
                for rejection in one.rejections
            ],
            schema=REJECTIONS,
        ),
        withheld=pa.Table.from_pylist(
            [{"op": one.op, "row": row} for one in told for row in one.changed], schema=WITHHELD
        ),
    )


def columns(told: Fates) -> dict[str, pa.Table]:
    """Return the tables by the names under which ``evidence`` takes them."""
    return {
        "statuses": told.statuses,
        "rejections": told.rejections,
        "withheld": told.withheld,
    }
