"""What a service of do-not-call groups does wrong: pages, groups, results, and somebody else there.

Each befalls the kinds of request whose answer it is about. It knows no outcome.
"""

from collections.abc import Callable, Iterator

import orjson
from between import Call, Reply
from ingredients import JSON, Does, Fault, Json, changed


def at_the_groups() -> Iterator[Fault]:
    """Yield all of them."""
    yield from _pages()
    yield from _groups()
    yield from _results()


def _pages() -> Iterator[Fault]:
    for name, change in (
        ("rows kept back", lambda rows: rows[:2]),
        ("a row left out", lambda rows: rows[1:]),
        ("a row twice", lambda rows: rows[:1] + rows),
        ("no row", lambda _: []),
        ("a row that is null", lambda rows: [None, *rows]),
        ("a row without anything", lambda rows: [{}, *rows]),
        ("rows that are no list", lambda _: "none"),
        ("ends that are none", lambda rows: [{**row, "expiredDate": "whenever"} for row in rows]),
        ("ends that are numbers", lambda rows: [{**row, "expiredDate": 41} for row in rows]),
        ("ends long past", lambda rows: [{**row, "expiredDate": "2020-01-01"} for row in rows]),
        ("floats", lambda rows: [{**row, "phoneNumber": 8.0124e9} for row in rows]),
        ("other numbers", lambda rows: [{**row, "phoneNumber": "8012440005"} for row in rows]),
    ):
        does = _paged(change)
        yield Fault(name=f"a page with {name}", does=does, kinds=("page",))
        yield Fault(name=f"pages with {name}", does=does, kinds=("page",), span="again")
    nothing = lambda _: Reply(204)  # noqa: E731 - one of many
    yield Fault(name="a group that looks empty", does=nothing, kinds=("page",))
    yield Fault(
        name="a group that looks empty from then on", does=nothing, kinds=("page",), span="again"
    )
    yield Fault(name="the first page again", does=_first_page, kinds=("page",))
    yield Fault(name="the first page for ever", does=_first_page, kinds=("page",), span="again")


def _paged(change: Callable[[list[Json]], object]) -> Does:
    def told(document: Json) -> Json:
        held = document.get("resultSet", {})
        rows = held.get("dncRecords", [])
        return {"resultSet": {**held, "dncRecords": change(rows)}}

    return changed(told)


def _first_page(call: Call) -> Reply:
    return call.serve(query=call.query.replace("skip=", "skip=0&was="))


def _groups() -> Iterator[Fault]:
    for name, told in (
        ("another id", {"dncGroupId": 1}),
        ("no name", {"dncGroupName": None}),
        ("another name", {"dncGroupName": "Somebody else's"}),
        ("no records", {"validRecords": 0}),
        ("too many records", {"validRecords": 10**9}),
        ("records that are a text", {"validRecords": "many"}),
        ("no last change", {"lastUpdateTime": None}),
        ("another last change", {"lastUpdateTime": "2020-01-01T00:00:00Z"}),
        ("no activity", {"isActive": False}),
        ("no existence", {"isRemoved": True}),
    ):
        does = _grouped(told)
        yield Fault(name=f"a group with {name}", does=does, kinds=("get", "find"))
        yield Fault(name=f"groups with {name}", does=does, kinds=("get", "find"), span="again")
    none = changed(lambda _: {"resultSet": {"dncGroups": []}})
    yield Fault(name="no group", does=none, kinds=("get",))


def _grouped(told: Json) -> Does:
    def change(document: Json) -> Json:
        groups = document.get("resultSet", {}).get("dncGroups", [])
        return {"resultSet": {"dncGroups": [{**each, **told} for each in groups]}}

    return changed(change)


def _results() -> Iterator[Fault]:
    refused: Json = {"success": False, "error": "no such line", "formattedPhone": ""}
    failures: tuple[tuple[str, Callable[[list[Json]], list[Json]]], ...] = (
        ("a failure by place", lambda rows: [refused, *rows[1:]]),
        ("failures everywhere", lambda rows: [refused] * len(rows)),
        ("fewer than there were", lambda rows: rows[1:]),
        ("none", lambda _: []),
        ("nothing in them", lambda rows: [{}] * len(rows)),
        ("texts for truths", lambda rows: [{**row, "success": "True"} for row in rows]),
    )
    for name, change in failures:
        yield Fault(name=f"results with {name}", does=_resulting(change), kinds=("send",))
    count = changed(lambda told: {"resultSet": {**told["resultSet"], "errorCount": 3}})
    yield Fault(name="more failures than are told", does=count, kinds=("send",))
    yield Fault(name="200 and nothing taken", does=_untaken, kinds=("send",))
    lasting = "200 and nothing taken from then on"
    yield Fault(name=lasting, does=_untaken, kinds=("send",), span="again")
    yield Fault(name="200 and half of it taken", does=_half_taken, kinds=("send",))
    yield Fault(name="an inactive group", does=lambda _: Reply(409), kinds=("send", "update"))
    too_many = b"Maximum of 4,500 records per upload exceeded"
    few = _unless_small(Reply(400, too_many))
    yield Fault(name="400 unless it is small", does=few, kinds=("send",), span="again")
    yield Fault(name="200 and nothing changed", does=lambda _: Reply(204), kinds=("update",))


def _resulting(change: Callable[[list[Json]], list[Json]]) -> Does:
    def told(document: Json) -> Json:
        held = document["resultSet"]
        return {"resultSet": {**held, "recordResults": change(held["recordResults"])}}

    return changed(told)


def _rows(call: Call) -> list[Json]:
    rows: list[Json] = orjson.loads(call.body)["dncGroupRecords"]
    return rows


def _untaken(call: Call) -> Reply:
    results = [{"success": True, "error": ""} for _ in _rows(call)]
    told = {"resultSet": {"errorCount": 0, "recordResults": results}}
    return Reply(200, orjson.dumps(told), (JSON,))


def _half_taken(call: Call) -> Reply:
    rows = _rows(call)
    call.serve(orjson.dumps({"dncGroupRecords": rows[: max(len(rows) // 2, 1)]}))
    return _untaken(call)


def _unless_small(reply: Reply) -> Does:
    return lambda call: call.serve() if len(_rows(call)) < 2 else reply
