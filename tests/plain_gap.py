"""What has to become of each address of a list, the slow and plain way: dicts, loops and the rules.

It settles the rows of a gap and says which promises about their numbers are broken. It never
imports duckdb or pyarrow, and never asks the engine.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from plain_reference import Row, ends_at, only, seconds

GAP: Final = (
    *("op", "pair", "address", "channel", "spelling", "reason", "until", "version"),
    *("observed_reason", "observed_until", "observed_version", "source", "line", "requested_at"),
    *("basis", "extended", "recoded", "owned", "release_key", "unread"),
)
"""The columns of a gap's file that are promised; of ``row`` and ``wave`` only properties are."""

_WRITES: Final = ("amend", "part", "shorten", "release")
"""What may be said of one address in several rows that are sent."""
_COUPLED: Final = ("amend", "part")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """What a gap's file holds, without the numbers of rows and waves, and its counts by name."""

    rows: list[Row]
    counts: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sides:
    """Both sides of a list at one moment, by address, and what applies to it."""

    wanted: dict[str, Row]
    declared: dict[str, Row]
    held: dict[str, list[Row]]
    """Contacts that suppress now and can be read."""
    past: dict[str, list[Row]]
    """Contacts that have lapsed."""
    veiled: dict[str, list[Row]]
    """Contacts whose end cannot be read: for all that is known they never end."""
    pairs: dict[int, list[Row]]
    """Contacts with two identifiers that have not lapsed."""
    opaque: list[Row]
    window_end: int
    exclusive: bool
    recode: bool
    release_basis: str


@dataclass(slots=True, kw_only=True)
class _Verdict:
    """What is to become of one address."""

    suppress: bool = False
    amend: bool = False
    extended: bool = False
    recoded: bool = False
    shorten: bool = False
    longer: bool = False
    release: bool = False
    surplus: bool = False
    conflict: bool = False
    given: int | None = None
    """The end that a release shortens to; none where it lets go."""


def gap(
    desired: Iterable[Row],
    seen: Iterable[Row],
    releases: Iterable[Row],
    *,
    as_of: datetime,
    window_end: datetime,
    exclusive: bool,
    recode: bool,
    release_basis: str,
) -> Gap:
    """Settle, address by address, what has to become of it."""
    now = seconds(as_of)
    sides = _Sides(
        wanted={row["address"]: row for row in desired if ends_at(row) > now},
        declared={row["address"]: row for row in releases},
        held=defaultdict(list),
        past=defaultdict(list),
        veiled=defaultdict(list),
        pairs=defaultdict(list),
        opaque=[],
        window_end=seconds(window_end),
        exclusive=exclusive,
        recode=recode,
        release_basis=release_basis,
    )
    for row in seen:
        _arrange(sides, row, lives=ends_at(row) > now)
    verdicts = {each: _verdict(sides, each) for each in sorted({*sides.wanted, *sides.held})}
    rows = list(_rows(sides, verdicts))
    return Gap(rows=rows, counts=_counts(rows))


def _arrange(sides: _Sides, row: Row, *, lives: bool) -> None:
    if row["pair"] is not None and lives:
        sides.pairs[row["pair"]].append(row)
    if row["shadow"] is not None:
        sides.veiled[row["shadow"]].append(row)
    if row["opaque"] and lives:
        sides.opaque.append(row)
    elif not row["opaque"]:
        (sides.held if lives else sides.past)[row["address"]].append(row)


def _verdict(sides: _Sides, address: str) -> _Verdict:
    wish = sides.wanted.get(address)
    rows = sides.held.get(address, [])
    given = sides.declared.get(address)
    end = max(map(ends_at, rows), default=-math.inf)
    if wish is None:
        return _of_unwanted(sides, given, end)
    made = _Verdict(conflict=given is not None, suppress=not rows)
    if rows:
        made.extended = ends_at(wish) > end
        made.recoded = sides.recode and {row["reason"] for row in rows} != {wish["reason"]}
        made.shorten = ends_at(wish) < end and sides.exclusive
        made.longer = ends_at(wish) < end and not sides.exclusive
        made.amend = (made.extended or made.recoded) and not made.shorten
    return made


def _of_unwanted(sides: _Sides, given: Row | None, end: float) -> _Verdict:
    if end <= sides.window_end:  # on its way out
        return _Verdict()
    if given is None:
        return _Verdict(release=sides.exclusive, surplus=not sides.exclusive)
    if given["until"] is None or given["until"] <= sides.window_end:
        return _Verdict(release=True)
    return _Verdict(shorten=given["until"] < end, given=given["until"])


def _rows(sides: _Sides, verdicts: Mapping[str, _Verdict]) -> Iterator[Row]:
    for address, verdict in verdicts.items():
        if verdict.suppress and not _shared(sides, address):
            yield _suppressed(sides, address)
        if verdict.conflict:
            yield _conflict(sides, address)
        for row in sides.held.get(address, []):
            yield from _of_contact(sides, verdict, row)
    for pair in sides.pairs.values():
        yield from _beside(sides, verdicts, pair)
    for row in sides.opaque:
        yield {**_kept("surplus", row), "address": None, "unread": row["shadow"] is not None}


def _shared(sides: _Sides, address: str) -> bool:
    return any(row["pair"] is not None for row in sides.veiled.get(address, []))


def _suppressed(sides: _Sides, address: str) -> Row:
    """Suppress an address, in the place of its contact that does not, if there is one."""
    wish = sides.wanted[address]
    veiled, past = sides.veiled.get(address, []), sides.past.get(address, [])
    versions = [
        max((row["version"] for row in rows if row["version"] is not None), default=None)
        for rows in (veiled, past)
    ]
    made = _blank("suppress", wish, address=address, spelling=address)
    if before := veiled or past:
        newest = max(before, key=lambda row: (row["version"] or 0, row["spelling"]))
        made["spelling"] = newest["spelling"]
        made["observed_reason"] = newest["reason"]
        made["observed_until"] = newest["until"]
        made["observed_version"] = versions[0] if veiled else versions[1]
    made["version"] = next((each for each in versions if each is not None), 0) + 1
    made["reason"], made["until"] = wish["reason"], None if veiled else wish["until"]
    made["unread"] = bool(veiled)
    return made


def _conflict(sides: _Sides, address: str) -> Row:
    given, wish = sides.declared[address], sides.wanted[address]
    made = _blank("conflict", given, address=address, spelling=address)
    made |= {"reason": wish["reason"], "until": wish["until"], "version": 1}
    return made | {"basis": given["basis"], "release_key": given["release_key"]}


def _of_contact(sides: _Sides, verdict: _Verdict, row: Row) -> Iterator[Row]:
    """Yield what is said of one contact of an address for its own sake."""
    address = row["address"]
    wish, given = sides.wanted.get(address), sides.declared.get(address)
    ground: Row = {"basis": sides.release_basis, "owned": True}
    if given and not wish:
        ground = {"basis": given["basis"], "release_key": given["release_key"]}
    of = wish or given
    reason = wish["reason"] if wish and sides.recode else row["reason"]
    after_parting = 1 if row["pair"] is not None else 0
    if verdict.amend and wish:
        end = max(ends_at(wish), *map(ends_at, sides.held[address]))
        made = _kept("amend", row, of) | {"reason": reason, "until": _until(end)}
        yield made | {"extended": verdict.extended, "recoded": verdict.recoded}
    if verdict.shorten:
        made = _kept("shorten", row, of) | ground
        made |= {"reason": reason, "until": wish["until"] if wish else verdict.given}
        made["version"] += after_parting
        yield made | {"recoded": verdict.recoded}
    if verdict.release:
        made = _kept("release", row, of) | ground | {"until": None}
        made["version"] += after_parting
        yield made
    if verdict.surplus:
        yield _kept("surplus", row)
    if verdict.longer:
        yield _kept("longer", row, wish)


def _beside(sides: _Sides, verdicts: Mapping[str, _Verdict], pair: Sequence[Row]) -> Iterator[Row]:
    """Yield the rows that come along, since a write to one identifier drops the other.

    A pair whose end cannot be read is written over as soon as one of the two is to be suppressed.
    """
    told = [verdicts.get(row["shadow"] or row["address"], _Verdict()) for row in pair]
    if any(row["shadow"] for row in pair):
        claimed = any(row["shadow"] and it.suppress for row, it in zip(pair, told, strict=True))
        for row, it in zip(pair, told, strict=True) if claimed else ():
            whose = row["shadow"] is not None
            made = _along(sides, "amend", row, row["shadow"])
            yield made | {"unread": whose, "extended": whose and it.suppress}
        return
    if any(it.amend or it.shorten or it.release for it in told):
        op = "amend" if any(it.amend for it in told) else "part"
        for row, it in zip(pair, told, strict=True):
            if not it.amend:
                yield _along(sides, op, row, row["address"])


def _along(sides: _Sides, op: str, row: Row, address: str | None) -> Row:
    """Write a contact as it is, but never for less than is wanted."""
    wish = sides.wanted.get(address or "")
    made = _kept(op, row, wish) | {"address": address}
    if wish:
        made["until"] = _until(max(ends_at(row), ends_at(wish)))
    if wish and sides.recode and op == "amend":
        made["reason"] = wish["reason"]
    return made


def _blank(op: str, of: Row | None, **changes: Any) -> Row:
    """Return a row that says nothing yet but where it comes from."""
    made: Row = dict.fromkeys(GAP)
    made |= dict.fromkeys(("extended", "recoded", "owned", "unread"), False)
    for name in ("source", "line", "requested_at"):
        made[name] = of[name] if of else None
    made |= {"op": op, **changes}
    if made["address"]:
        made["channel"] = "email" if "@" in made["address"] else "phone"
    return made


def _kept(op: str, row: Row, of: Row | None = None) -> Row:
    """Return the row of a contact that stays as it is, one version on."""
    same = ("pair", "address", "channel", "spelling", "reason", "until")
    made = _blank(op, of) | only(row, same) | {"version": (row["version"] or 0) + 1}
    return made | {f"observed_{name}": row[name] for name in ("reason", "until", "version")}


def _counts(rows: Sequence[Row]) -> dict[str, int]:
    def addresses(*ops: str, also: Callable[[Row], bool] = lambda _: True) -> int:
        return len(
            {(row["op"], row["address"]) for row in rows if row["op"] in ops and also(row)}
            - {(op, None) for op in ops}
        )

    opaque = sum(row["op"] == "surplus" and row["address"] is None for row in rows)
    return {
        "missing": addresses("suppress"),
        "amended": addresses("amend", also=lambda row: row["extended"] or row["recoded"]),
        "extended": addresses("amend", also=lambda row: row["extended"]),
        "recoded": addresses("amend", also=lambda row: row["recoded"]),
        "shortened": addresses("shorten"),
        "surplus": addresses("surplus") + opaque,
        "opaque": opaque,
        "longer": addresses("longer"),
        "released": addresses("release"),
        "owned_releases": addresses("release", "shorten", also=lambda row: row["owned"]),
    }


def sizes(rows: Sequence[Row]) -> dict[str, int]:
    """Return how many rows there are of each ``op``."""
    return dict(Counter(row["op"] for row in rows))


# ---------------------------------------------------------------- how its rows are numbered


def misnumbered(rows: Sequence[Row]) -> list[str]:
    """Say which promises about ``row`` and ``wave`` the rows of a gap break, each once."""
    by_op: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row["row"]):
        by_op[row["op"]].append(row)
    return [f"{op}: {fault}" for op, found in by_op.items() for fault in _misnumbered(op, found)]


def _misnumbered(op: str, rows: Sequence[Row]) -> Iterator[str]:
    waves = [row["wave"] for row in rows]
    who = [row["address"] or row["spelling"] for row in rows]
    if [row["row"] for row in rows] != list(range(len(rows))):
        yield "rows are not numbered from 0 on"
    if waves != sorted(waves):
        yield "waves are out of order"
    if op not in _WRITES:
        if any(waves):
            yield "there is more than one wave"
        return
    if len({*zip(waves, who, strict=True)}) != len(rows):
        yield "an address is twice in one wave"
    yield from _parted(op, rows)
    often: dict[Any, int] = defaultdict(int)
    partners: dict[Any, list[str]] = defaultdict(list)
    for row, each in zip(rows, who, strict=True):
        often[each] += 1
        partners[_couple(op, row) or ("alone", row["row"])].append(each)
    for row in rows:
        with_it = partners[_couple(op, row) or ("alone", row["row"])]
        if row["wave"] and all(often[each] == 1 for each in with_it):
            yield "who is there only once is not in the first wave"
            return


def _parted(op: str, rows: Sequence[Row]) -> Iterator[str]:
    """Couples come first in their wave, the two side by side."""
    places: dict[int, list[tuple[int, int]]] = defaultdict(list)
    alone_since: set[int] = set()
    late = False
    for row in rows:
        couple = _couple(op, row)
        if couple is None:
            alone_since.add(row["wave"])
        else:
            late = late or row["wave"] in alone_since
            places[couple].append((row["wave"], row["row"]))
    if late:
        yield "a couple comes after somebody alone"
    for found in places.values():
        (wave, first), *rest = found
        if rest != [(wave, first + 1)]:
            yield "a couple is parted"
            return


def _couple(op: str, row: Row) -> int | None:
    found: int | None = row["pair"] if op in _COUPLED else None
    return found


def _until(end: float) -> int | None:
    return None if end == math.inf else int(end)
