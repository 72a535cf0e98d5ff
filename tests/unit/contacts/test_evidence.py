from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contact_tables import AS_OF, WINDOW_END, Contact, at, measure, observe, release, rows, wanted
from reconciler.contacts import evidence
from reconciler.contacts.engine import Engine
from reconciler.model import Gap

A, B, C, P = "a@example.com", "b@example.com", "c@example.com", "+15550100100"


@pytest.fixture
def gap(engine: Engine, tmp_path: Path) -> Gap:
    """Return two to suppress, A and P, and two to release, B and C."""
    return measure(
        engine,
        tmp_path,
        desired=[wanted(A, at(2)), wanted(P)],
        observed=[Contact(email=B), Contact(email=C), Contact(email="C@example.com")],
        releases=[release(B), release(C)],
    )


def became(
    *statuses: dict[str, Any],
    rejections: tuple[dict[str, Any], ...] = (),
    withheld: tuple[dict[str, Any], ...] = (),
) -> dict[str, pa.Table]:
    """Return what became of the batches, as tables."""
    return {
        "statuses": pa.Table.from_pylist(list(statuses), schema=evidence.STATUSES),
        "rejections": pa.Table.from_pylist(list(rejections), schema=evidence.REJECTIONS),
        "withheld": pa.Table.from_pylist(list(withheld), schema=evidence.WITHHELD),
    }


def batch(op: str, number: int, first: int, last: int, status: str = "done") -> dict[str, Any]:
    """Return what became of one batch."""
    return {"op": op, "batch": number, "first": first, "last": last, "status": status}


REJECTED = {"op": "suppress", "row": 0, "code": "INVALID", "field": "phoneNumber", "message": "no"}


def test_rejected_rows_stand_with_what_was_said_of_them(
    engine: Engine, tmp_path: Path, gap: Gap
) -> None:
    """One row a complaint, the address in clear: the file stays on the machine."""
    said = became(rejections=(REJECTED, {**REJECTED, "code": "OTHER"}))

    table = evidence.rejected(engine, gap.rows, said["rejections"], tmp_path / "rejected.parquet")

    found = [(row["address"], row["op"], row["line"], row["code"]) for row in rows(table)]
    assert [(P, "suppress", 3, "INVALID"), (P, "suppress", 3, "OTHER")] == found
    assert table.rows == 2


def test_changes_say_what_became_of_each_row_and_name_nobody(
    engine: Engine, tmp_path: Path, gap: Gap
) -> None:
    """Rejected, withheld, never sent and done, each under its pseudonym."""
    told = became(
        batch("suppress", 1, 0, 1, "partly"),
        batch("release", 2, 0, 1),
        rejections=(REJECTED,),
        withheld=({"op": "release", "row": 1},),
    )

    path = tmp_path / "changes.parquet"
    table = evidence.changes(engine, gap.rows, key="us-dnc", into=path, **told)

    found = {
        (row["pseudonym"], row["op"], row["batch"], row["status"], row["until"])
        for row in rows(table)
    }
    end = datetime.fromtimestamp(at(2), UTC)
    assert {
        (engine.pseudonym(P), "suppress", 1, "rejected", None),
        (engine.pseudonym(A), "suppress", 1, "done", end),
        (engine.pseudonym(B), "release", 2, "done", None),
        (engine.pseudonym(C), "release", 2, "withheld", None),
        (engine.pseudonym(C), "release", None, "withheld", None),
    } == found
    assert b"example" not in path.read_bytes()


def test_a_row_that_lapsed_before_its_batch_was_cut_is_lapsed(
    engine: Engine, tmp_path: Path, gap: Gap
) -> None:
    """It was never sent, although its neighbours were."""
    told = became({**batch("suppress:endless", 1, 0, 1), "lapse_after": at(2)})

    table = evidence.changes(
        engine, gap.rows, key="us-dnc", into=tmp_path / "changes.parquet", **told
    )

    suppressed = {row["until"]: row["status"] for row in rows(table, "suppress")}
    assert {None: "done", datetime.fromtimestamp(at(2), UTC): "lapsed"} == suppressed


def test_changes_of_several_lists_become_one_file(engine: Engine, tmp_path: Path, gap: Gap) -> None:
    """In the order given; of none there is still a file with all columns."""
    parts = [
        evidence.changes(engine, gap.rows, key=key, into=tmp_path / f"{key}.parquet", **became())
        for key in ("us", "eu")
    ]

    both = evidence.collect(engine, [part.path for part in parts], tmp_path / "changes.parquet")
    none = evidence.collect(engine, [], tmp_path / "none.parquet")

    assert ["us"] * 5 + ["eu"] * 5 == [row["list"] for row in rows(both)]
    assert (10, 0) == (both.rows, none.rows)
    assert pq.read_schema(both.path).names == pq.read_schema(none.path).names


def test_a_release_is_spent_once_every_spelling_was_taken(engine: Engine, gap: Gap) -> None:
    """One that was carried out in part is not."""
    told = became(batch("release", 1, 0, 1))

    partly = evidence.release_keys(engine, gap.rows, **told)
    wholly = evidence.release_keys(engine, gap.rows, **became(batch("release", 1, 0, 2)))

    assert (f"key of {B}",) == partly
    assert (f"key of {B}", f"key of {C}") == wholly


def test_the_list_read_back_holds_what_was_written(
    engine: Engine, tmp_path: Path, gap: Gap
) -> None:
    """Who is missing or lasts too long is counted, but only of what was done."""
    told = became(batch("suppress", 1, 0, 1), batch("release", 2, 0, 0))
    good = [Contact(email=A, until=at(2)), Contact(phone=P), Contact(email=C)]
    bad = [Contact(email=A, until=at(1)), Contact(email=B), Contact(email=C)]

    as_written, otherwise = (
        evidence.verify(
            engine,
            gap=gap.rows,
            observed=observe(engine, tmp_path, held),
            as_of=AS_OF,
            window_end=WINDOW_END,
            **told,
        )
        for held in (good, bad)
    )

    assert {"missing": 0, "longer": 0} == as_written
    assert {"missing": 2, "longer": 1} == otherwise


def test_rejected_rows_are_not_missed(engine: Engine, tmp_path: Path, gap: Gap) -> None:
    """They are known not to be there."""
    told = became(batch("suppress", 1, 0, 1, "partly"), rejections=(REJECTED,))
    held = observe(engine, tmp_path, [Contact(email=A)])

    found = evidence.verify(
        engine, gap=gap.rows, observed=held, as_of=AS_OF, window_end=WINDOW_END, **told
    )

    assert {"missing": 0, "longer": 0} == found
