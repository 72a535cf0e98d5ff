"""What goes wrong with a batch: rows refused under many names, sizes, claims that are not so.

A refusal never falls on one half of two that share a contact while the other half is taken: such
an answer leaves the other one off the list by itself, which no client can help.
"""

from collections.abc import Callable, Iterator
from typing import TypeAlias

import orjson
from between import Call, Reply
from ingredients import JSON, Does, Fault, Json, changed, status


def with_a_batch() -> Iterator[Fault]:
    """Yield all of them."""
    for name, says in (
        ("index and identifier", _by_all),
        ("index", _by_index),
        ("text index", _by_text),
        ("identifier", _by_identifier),
        ("wrong index and identifier", _off_by_one),
        ("code", _by_code),
        ("nothing", _by_nothing),
    ):
        yield Fault(
            name=f"a row not taken, named by {name}", does=_row_refused(says), kinds=("send",)
        )
        whole = f"422 for a row, named by {name}"
        yield Fault(name=whole, does=_batch_refused(says), kinds=("send",))
        yield Fault(
            name=f"{whole}, from then on", does=_batch_refused(says), kinds=("send",), span="again"
        )
    for said in ("PROCESSING", "ACCEPTED", "FAILED", "REJECTED", "PARTIAL", "", "completed"):
        does = changed(lambda told, said=said: {**told, "status": said})  # type: ignore[misc]
        yield Fault(name=f"a batch that is {said or 'nothing'}", does=does, kinds=("send",))
        does = _untaken(said)
        name = f"a batch that is {said or 'nothing'} and not taken"
        if said not in ("PARTIAL", "completed"):
            yield Fault(name=name, does=does, kinds=("send",))
    yield Fault(name="201 and nothing taken", does=_untaken("COMPLETED"), kinds=("send",))
    yield Fault(name="201 and half of it taken", does=_half_taken, kinds=("send",))
    yield Fault(name="413 unless it is small", does=_too_large, kinds=("send",), span="again")
    yield Fault(
        name="422 on size unless it is small", does=_too_many, kinds=("send",), span="again"
    )


Says: TypeAlias = Callable[[int, str], Json]


def _by_all(at: int, one: str) -> Json:
    return {"index": at, "identifier": one, "code": "CARRIER_BLOCKED", "message": f"{one} is no"}


def _by_index(at: int, one: str) -> Json:
    return {"index": at, "code": "CARRIER_BLOCKED", "message": f"{one} is no"}


def _by_text(at: int, _: str) -> Json:
    return {"index": str(at), "code": "CARRIER_BLOCKED"}


def _by_identifier(_: int, one: str) -> Json:
    return {"identifier": one, "code": "CARRIER_BLOCKED"}


def _off_by_one(at: int, one: str) -> Json:
    return {"index": at + 1, "identifier": one, "code": "CARRIER_BLOCKED"}


def _by_code(_: int, one: str) -> Json:
    return {"code": "CARRIER_BLOCKED", "message": f"{one} is no"}


def _by_nothing(_at: int, _one: str) -> Json:
    return {}


def _contacts(call: Call) -> list[Json]:
    rows: list[Json] = orjson.loads(call.body)["contacts"]
    return rows


def _sole(rows: list[Json]) -> int:
    """Return where the row to be refused stands: one whose refusal tears no pair apart."""
    names = [str(row.get("email") or row.get("phoneNumber")) for row in rows]
    return next((at for at, one in enumerate(names) if not _paired(one)), -1)


def _paired(one: str) -> bool:
    return one.startswith(("apart@", "both@", "+12015"))


def _row_refused(says: Says) -> Does:
    """Take all rows but one."""

    def refused(call: Call) -> Reply:
        rows = _contacts(call)
        at = _sole(rows)
        if at < 0:
            return _batch_refused(says)(call)
        one = str(rows[at].get("email") or rows[at].get("phoneNumber"))
        rest = rows[:at] + rows[at + 1 :]
        told: Json = {"status": "COMPLETED", "contactCount": 0}
        headers: tuple[tuple[str, str], ...] = (JSON,)
        if rest:
            reply = call.serve(orjson.dumps({"contacts": rest}))
            told, headers = orjson.loads(reply.body), reply.without("content-length")
        told["validationErrors"] = [says(at, one)]
        return Reply(201, orjson.dumps(told), headers)

    return refused


def _batch_refused(says: Says) -> Does:
    """Take nothing because of the first row."""

    def refused(call: Call) -> Reply:
        row = _contacts(call)[0]
        one = str(row.get("email") or row.get("phoneNumber"))
        body = {"code": "VALIDATION_FAILED", "validationErrors": [says(0, one)]}
        return Reply(422, orjson.dumps(body), (JSON,))

    return refused


def _untaken(said: str) -> Does:
    """Answer as if the batch had come in, with this status."""

    def untaken(call: Call) -> Reply:
        body = {"status": said, "contactCount": len(_contacts(call)), "validationErrors": []}
        return Reply(201, orjson.dumps(body), (JSON, ("ETag", '"after"')))

    return untaken


def _half_taken(call: Call) -> Reply:
    rows = _contacts(call)
    whole = [row for row in rows if _paired(str(row.get("email") or row.get("phoneNumber")))]
    rest = [row for row in rows if row not in whole]
    return call.serve(orjson.dumps({"contacts": whole + rest[: len(rest) // 2] or rows}))


def _too_large(call: Call) -> Reply:
    return call.serve() if len(_contacts(call)) <= 3 else status(413)(call)


def _too_many(call: Call) -> Reply:
    return call.serve() if len(_contacts(call)) <= 3 else status(422)(call)
