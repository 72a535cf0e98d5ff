"""Who made a list differ: told from its gap and what was applied as plain Python would tell it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from builders import desired, desired_list, observed, observed_list
from contact_tables import AS_OF, DESIRED, Contact, at, measure, release, rows, store, wanted
from reconciler.contacts import moved
from reconciler.contacts.engine import Engine
from reconciler.drift import Trace, report
from reconciler.model import SEVERITIES, Gap, Op, Origin, Way

ADDRESSES = ("a@example.com", "b@example.com", "c@example.com", "+15550100101", "+15550100102")
CHANGES = pa.schema([(name, pa.string()) for name in ("pseudonym", "list", "op", "status")])
ENDS = st.sampled_from([None, at(-1), at(1), at(2)])
REASONS = st.sampled_from(["DNC", "BOUNCE"])
STATUSES = st.sampled_from(["done", "lapsed", "rejected", "withheld", "failed"])
COUNTED = (Op.SUPPRESS, Op.AMEND, Op.SHORTEN, Op.RELEASE, Op.SURPLUS, Op.LONGER)
WRITTEN = st.tuples(st.sampled_from(COUNTED), st.sampled_from(ADDRESSES))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Yield an open engine."""
    with Engine(key=b"key", spill=tmp_path_factory.mktemp("spill")) as opened:
        yield opened


@st.composite
def declarations(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw what a spec declares, one row an address at most."""
    named = draw(st.lists(st.sampled_from(ADDRESSES), unique=True))
    return [wanted(address, draw(ENDS), draw(REASONS)) for address in named]


@st.composite
def contacts(draw: st.DrawFn) -> list[Contact]:
    """Draw what a list holds; one may not be readable."""
    named = draw(st.lists(st.sampled_from((*ADDRESSES, "12")), unique=True))
    return [
        Contact(
            email=address if "@" in address else None,
            phone=None if "@" in address else address,
            reason=draw(REASONS),
            until=draw(ENDS),
        )
        for address in named
    ]


def told(gap: Gap) -> set[tuple[str, str]]:
    """Return op and address of all that a gap counts."""
    return {
        (row["op"], row["address"])
        for row in rows(gap.rows)
        if row["address"] and row["op"] in COUNTED
        if row["op"] != Op.AMEND or row["extended"] or row["recoded"]
    }


def contents(declared: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, int | None]]:
    """Return reason and end by address."""
    return {row["address"]: (row["reason"], row["until"]) for row in declared}


@example(
    now=[],
    before=None,
    held=[Contact(email=ADDRESSES[0]), Contact(email=ADDRESSES[1])],
    let_go=[ADDRESSES[0]],
    became={},
    exclusive=True,
    idle=False,
)
@settings(max_examples=12)
@given(
    now=declarations(),
    before=st.none() | declarations(),
    held=contacts(),
    let_go=st.lists(st.sampled_from(ADDRESSES), unique=True, max_size=2),
    became=st.dictionaries(
        st.tuples(st.sampled_from(COUNTED), st.sampled_from(ADDRESSES)), STATUSES
    ),
    exclusive=st.booleans(),
    idle=st.booleans(),
)
def test_every_contact_that_differs_has_one_origin(
    tmp_path_factory: pytest.TempPathFactory,
    engine: Engine,
    *,
    now: list[dict[str, Any]],
    before: list[dict[str, Any]] | None,
    held: list[Contact],
    let_go: list[str],
    became: dict[tuple[Op, str], str],
    exclusive: bool,
    idle: bool,
) -> None:
    """Pending is who was declared otherwise, left undone, or is to be let go; all add up."""
    folder = tmp_path_factory.mktemp("world")
    gap = measure(
        engine,
        folder,
        desired=now,
        observed=held,
        releases=[release(address) for address in let_go],
        exclusive=exclusive,
    )
    differing = told(gap)
    living = {row["address"] for row in now if row["until"] is None or row["until"] > at(0)}
    if idle:
        differing = {each for each in differing if each[0] != Op.SUPPRESS}
        differing |= {(Op.SUPPRESS, address) for address in living}

    found = moved.pending(
        engine,
        gap.rows,
        key="us-dnc",
        desired=store(folder / "now.parquet", now, DESIRED),
        before=None if before is None else _stored(folder, before),
        changes=_changes(engine, folder, became),
        idle=AS_OF if idle else None,
    )

    then, here = contents(now if before is None else before), contents(now)
    undone = {each for each, status in became.items() if status not in ("done", "lapsed")}
    going = {(row["op"], row["address"]) for row in rows(gap.rows) if row["release_key"]}
    expected = Counter(
        Op(op)
        for op, address in differing
        if then.get(address) != here.get(address)
        or (op, address) in undone
        or (op, address) in going
    )
    assert expected == Counter(found)
    _add_up(gap, found, wanted_now=len(living), idle=idle)


def _add_up(gap: Gap, pending: Mapping[Op, int], *, wanted_now: int, idle: bool) -> None:
    """See to it that a report leaves nobody out and counts nobody twice."""
    ways: Mapping[Way, Sequence[Op]] = {
        "missing": (Op.SUPPRESS,),
        "differ": (Op.AMEND, Op.SHORTEN),
        "surplus": (Op.SURPLUS, Op.RELEASE),
        "longer": (Op.LONGER,),
    }
    trace = Trace(pending={way: sum(pending.get(op, 0) for op in ways[way]) for way in ways})
    (listed,) = report(
        desired(desired_list(rows=wanted_now)),
        observed(observed_list(gap=gap, lapsed=idle)),
        as_of=AS_OF,
        traces={"us-dnc": trace},
    ).lists
    for way in SEVERITIES:
        origin: Origin = listed.origins[way]
        assert getattr(listed, way) == origin.pending + origin.outside + origin.unknown
        assert min(origin.pending, origin.outside, origin.unknown) >= 0


def _stored(folder: Path, declared: Sequence[Mapping[str, Any]]) -> Path:
    return store(folder / "before.parquet", declared, DESIRED).path


def _changes(engine: Engine, folder: Path, became: Mapping[tuple[Op, str], str]) -> Path:
    told = [
        {"pseudonym": engine.pseudonym(address), "list": "us-dnc", "op": op, "status": status}
        for (op, address), status in became.items()
    ]
    told += [{**each, "list": "another", "status": "rejected"} for each in told]
    path = folder / "changes.parquet"
    pq.write_table(pa.Table.from_pylist(told, schema=CHANGES), path)
    return path
