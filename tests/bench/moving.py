"""Measurements of the wire: reading a list, writing to one, and very many lists."""

import json
import shutil
from itertools import islice
from pathlib import Path

from .bench import Bench
from .lines import Line
from .measured import BenchError, Ran, Took, alternately, module, say
from .mix import counted
from .planning import LIMIT
from .workplace import BIG, SECRETS, Workplace, learn

EACH = 1_000
"""Contacts of each of very many lists."""
NEW = "new"
ONE = '  contacts: [{phoneNumber: "+12125550100"}]\n'


def read(bench: Bench) -> Line:
    """Reading into an observed table against fetching and decoding the same pages."""
    rows = bench.mix.rows
    place = bench.place("read")
    place.declare(BIG, ONE)
    bench.desk.lists({BIG: bench.data(rows)["pages.json"]})

    def ours() -> Took:
        place.forget()
        return _inside(module("library", place.folder / "specs", BIG, env=SECRETS), rows)

    def theirs() -> Took:
        return _inside(module("bare", "read", bench.desk.contacts(BIG)), rows)

    took, bare = alternately(ours, theirs)
    return Line(
        work=f"read {counted(rows)} over loopback into a table",
        ours=took,
        against="the same pages by bare httpx and `orjson.loads`, thrown away",
        theirs=bare,
        goal="≤ 1.5 times, < 400 MB beyond the engine's limit",
        reached=took.seconds <= 1.5 * bare.seconds and took.peak < LIMIT + 400,
        note="`api.connect` and `reading.read`, called as a library in a fresh process",
    )


def _inside(ran: Ran, rows: int) -> Took:
    """Return what a process says its work took, once it did all of it."""
    told = json.loads(ran.out)
    if told["rows"] != rows:
        raise BenchError(f"expected {rows:,} contacts, saw {told['rows']:,}")
    took = Took(seconds=told["seconds"], peak=ran.took.peak)
    say(f"{took} for {rows:,} contacts")
    return took


def apply(bench: Bench) -> Line:
    """Writing new contacts against posting the same bodies, as the service sees both."""
    rows = bench.small
    place = bench.place("apply")
    bodies = bench.work / "bodies"
    place.declare(NEW, bench.data(rows)["desired.csv"])

    def ours() -> Took:
        place.forget()
        learn(place, bench.desk)
        bench.desk.lists({NEW: None, "bare": None})
        bench.desk.notes()
        ran = place.reconciler("apply", "--auto-approve", "--list", NEW)
        took = Took(seconds=_writing(bench), peak=ran.took.peak)
        say(f"apply of {counted(rows)}: {ran.took} in all, {took.seconds:.3g} s to write")
        return took

    def theirs() -> Took:
        shutil.rmtree(bodies, ignore_errors=True)
        bodies.mkdir()
        bench.desk.bodies(NEW, bodies)
        return _inside(module("bare", "post", bench.desk.contacts("bare"), bodies), rows)

    took, bare = alternately(ours, theirs)
    shutil.rmtree(bodies)
    return Line(
        work=f"apply {counted(rows)} new contacts, the read-back aside",
        ours=took,
        against="the same bodies, made beforehand, POSTed by bare httpx one after another",
        theirs=bare,
        goal="≤ 1.3 times",
        reached=took.seconds <= 1.3 * bare.seconds,
        note="from the answer to the last look at the list before the first POST until the first"
        " look at it after the last one, as the service saw it: making the batches, encoding"
        " them, the journal and what the run keeps of them included",
    )


def _writing(bench: Bench) -> float:
    """Return the seconds between the looks at the list that stand around its POSTs."""
    notes = [note for note in bench.desk.notes() if note[1] == NEW]
    posts = [(came, left) for kind, _, came, left in notes if kind == "write"]
    looks = [(came, left) for kind, _, came, left in notes if kind == "metadata"]
    first, last = min(came for came, _ in posts), max(left for _, left in posts)
    begun = max((left for _, left in looks if left <= first), default=first)
    return min((came for came, _ in looks if came >= last), default=last) - begun


def many(bench: Bench) -> Line:
    """Plan and apply of very many small lists against a tenth of them, list by list."""
    few = max(bench.lists // 10, 1)
    took = {count: _lists(bench, count) for count in (few, bench.lists)}
    each = {count: sum(part.seconds for part in parts) / count for count, parts in took.items()}
    peaks = {count: max(part.peak for part in parts) for count, parts in took.items()}
    grown = peaks[bench.lists] - peaks[few]
    return Line(
        work=f"plan and apply {bench.lists:,} lists of {EACH:,}, each list",
        ours=Took(seconds=each[bench.lists], peak=peaks[bench.lists]),
        against=f"{few:,} such lists, each list",
        theirs=Took(seconds=each[few], peak=peaks[few]),
        goal="memory does not grow",
        reached=grown < 100,
        figure=f"{each[bench.lists] / each[few]:.2f} times, {grown:+.0f} MB",
        note="; ".join(
            f"{count:,} lists: plan {parts[0]}, apply {parts[1]}" for count, parts in took.items()
        ),
    )


def _lists(bench: Bench, count: int) -> tuple[Took, Took]:
    """Plan and then apply so many lists, all empty at the service."""
    place = bench.place("many")
    names = [f"list-{number:05}" for number in range(count)]
    _dealt(bench.data(count * EACH)["desired.csv"], names, place)
    learn(place, bench.desk)
    bench.desk.lists(dict.fromkeys(names))
    planned = place.reconciler("plan")
    applied = place.reconciler("apply", "--auto-approve")
    sent = json.loads(applied.out)["counts"]["suppressed"]
    if sent != json.loads(planned.out)["counts"]["suppress"] or sent < count * EACH:
        raise BenchError(f"{sent:,} contacts were suppressed on {count:,} lists")
    say(f"{count:,} lists: plan {planned.took}, apply {applied.took}")
    return planned.took, applied.took


def _dealt(source: Path, names: list[str], place: Workplace) -> None:
    """Deal a file's rows out to a file a list, and declare the lists."""
    contacts = place.folder / "contacts"
    contacts.mkdir()
    with source.open("rb") as file:
        header = file.readline()
        rows = sum(1 for _ in file)
        file.seek(len(header))
        for at, name in enumerate(names):
            share = rows * (at + 1) // len(names) - rows * at // len(names)
            part = contacts / f"{name}.csv"
            part.write_bytes(header + b"".join(islice(file, share)))
            place.declare(name, part)
