"""What a service does wrong, and who else is at work there: pages, lists, batches, neighbours.

Each befalls the kinds of request whose answer it is about. It knows no outcome: what has to hold
afterwards is the same for all.
"""

from collections.abc import Callable, Iterator
from typing import Final

import orjson
from between import Call, Reply
from ingredients import JSON, ON_LISTS, Does, Fault, Json, changed

_LISTED: Final = ("get", "create", "update")
"""Kinds whose answer describes a list."""
_THERE: Final = ("get", "page", "update", "send")
"""Kinds that are about a list which is there. Whoever makes one of the same name between our look
and our creation makes a second one, which no client can help: the next run refuses to choose."""


def at_the_service() -> Iterator[Fault]:
    """Yield all of them."""
    yield from _pages()
    yield from _lists()
    yield from _neighbours()


# ---------------------------------------------------------------- pages


def _pages() -> Iterator[Fault]:
    for name, change in (
        ("rows kept back", lambda told: {**told, "contacts": told["contacts"][:3]}),
        ("a row left out", lambda told: {**told, "contacts": told["contacts"][1:]}),
        ("a row twice", lambda told: {**told, "contacts": told["contacts"][:1] + told["contacts"]}),
        ("no row", lambda told: {**told, "contacts": []}),
        ("rows that are null", lambda told: {**told, "contacts": None}),
        ("a row that is null", lambda told: {**told, "contacts": [None, *told["contacts"]]}),
        ("a row without anything", lambda told: {**told, "contacts": [{}, *told["contacts"]]}),
        ("ends that are none", lambda told: _rows(told, suppressUntil="whenever")),
        ("ends that are empty", lambda told: _rows(told, suppressUntil="")),
        ("ends that are numbers", lambda told: _rows(told, suppressUntil=4102444800)),
        ("versions that are texts", lambda told: _rows(told, version="two")),
        ("emails that are objects", lambda told: _rows(told, email={"at": "example.com"})),
        ("a total too small", lambda told: {**told, "totalRecords": told["totalRecords"] - 1}),
        ("a total too large", lambda told: {**told, "totalRecords": told["totalRecords"] + 1}),
        ("a total of none", lambda told: {**told, "totalRecords": 0}),
        ("a total of null", lambda told: {**told, "totalRecords": None}),
        ("a total of its own rows", lambda told: {**told, "totalRecords": len(told["contacts"])}),
    ):
        yield Fault(name=f"a page with {name}", does=changed(change), kinds=("page",))
    kept = changed(lambda told: {**told, "contacts": told["contacts"][:3]})
    yield Fault(name="pages clamped from then on", does=kept, kinds=("page",), span="again")
    none = changed(lambda told: {**told, "contacts": [], "totalRecords": 0})
    yield Fault(name="a list that looks empty", does=none, kinds=("page",))
    yield Fault(
        name="a list that looks empty from then on", does=none, kinds=("page",), span="again"
    )
    yield Fault(name="the first page again", does=_first_page, kinds=("page",))
    yield Fault(name="the first page for ever", does=_first_page, kinds=("page",), span="again")


def _rows(told: Json, **values: object) -> Json:
    return {**told, "contacts": [{**row, **values} for row in told["contacts"]]}


def _first_page(call: Call) -> Reply:
    return call.serve(query="&".join(["skip=0", *call.query.split("&")[1:]]))


# ---------------------------------------------------------------- lists


def _lists() -> Iterator[Fault]:
    for name, told in (
        ("another id", {"id": "other"}),
        ("another type", {"listType": "calling"}),
        ("no type", {"listType": None}),
        ("no name", {"name": None}),
        ("another name", {"name": "Somebody else's"}),
        ("another description", {"description": "Somebody else's"}),
        ("an end long past", {"suppressUntil": "2020-01-01T00:00:00Z"}),
        ("an end that is none", {"suppressUntil": "whenever"}),
        ("a count of none", {"contactCount": 0}),
        ("a count of null", {"contactCount": None}),
        ("a count too large", {"contactCount": 10**9}),
        ("a count that is a text", {"contactCount": "many"}),
    ):
        does = changed(lambda old, told=told: {**old, **told})  # type: ignore[misc]
        yield Fault(name=f"a list with {name}", does=does, kinds=_LISTED)
    for name, told in (
        ("another type", {"listType": "calling"}),
        ("a count of none", {"contactCount": 0}),
        ("a count of null", {"contactCount": None}),
    ):
        does = changed(lambda old, told=told: {**old, **told})  # type: ignore[misc]
        yield Fault(name=f"a list with {name} from then on", does=does, kinds=_LISTED, span="again")
    none = changed(lambda _: {"lists": []})
    yield Fault(name="no list of the name", does=none, kinds=("find",))
    yield Fault(name="no list of the name from then on", does=none, kinds=("find",), span="again")
    two = changed(
        lambda told: {"lists": [{"id": "a", "name": "New Do Not Call"}, *told["lists"] * 2]}
    )
    yield Fault(name="a list that is not there", does=two, kinds=("find",))
    yield Fault(name="200 and nothing changed", does=_unchanged, kinds=("update",))
    yield Fault(
        name="200 and nothing changed from then on",
        does=_unchanged,
        kinds=("update",),
        span="again",
    )


def _unchanged(call: Call) -> Reply:
    """Say yes to a change and forget it."""
    held = call.between.body(call.asked.key)
    wanted = orjson.loads(call.body)
    return Reply(200, orjson.dumps({**held, **wanted}), (JSON, ("ETag", '"after"')))


# ---------------------------------------------------------------- somebody else


def _neighbours() -> Iterator[Fault]:
    for name, does in (
        ("touches the list", lambda call: call.neighbour.touch()),
        ("adds a contact", lambda call: call.neighbour.add()),
        ("renews a contact", lambda call: call.neighbour.prolong()),
        ("removes a contact", lambda call: call.neighbour.remove()),
        ("changes a declared setting", lambda call: call.neighbour.unsettle()),
        ("changes another setting", lambda call: call.neighbour.settle()),
    ):
        yield Fault(name=f"a neighbour {name} first", does=_first(does), kinds=_THERE)
        yield Fault(name=f"a neighbour {name} right after", does=_then(does), kinds=ON_LISTS)
    touching = _first(lambda call: call.neighbour.touch())
    yield Fault(name="a neighbour never rests", does=touching, kinds=_THERE, span="again")
    yield Fault(name="a neighbour makes the list first", does=touching, kinds=("find",))


def _first(does: Callable[[Call], None]) -> Does:
    def first(call: Call) -> Reply:
        does(call)
        return call.serve()

    return first


def _then(does: Callable[[Call], None]) -> Does:
    def then(call: Call) -> Reply:
        reply = call.serve()
        does(call)
        return reply

    return then
