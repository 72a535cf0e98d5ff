"""The measuring program's command line; ``python -m tests.bench --help`` says what there is."""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from . import moving, peers, planning, recalling
from .bench import Bench
from .lines import Line, table, versions
from .measured import BenchError, calm, say
from .mix import CODES, CSV_KINDS, LARGEST, Mix, count
from .workplace import serving

MEASUREMENTS: Final[dict[str, Callable[[Bench], Line]]] = {
    "plan-cold": planning.plan_cold,
    "plan-python": planning.plan_python,
    "plan-unchanged": planning.plan_unchanged,
    "read": moving.read,
    "apply": moving.apply,
    "growth": planning.growth,
    "octodns": peers.octodns,
    "octodns-inline": peers.octodns_inline,
    "startup": peers.startup,
    "small": peers.small,
    "history": recalling.history,
    "many": moving.many,
}
"""In the order of the table."""


def main() -> int:
    """Measure what was asked for and print the table; 1 where something was not reached."""
    given = _arguments()
    mix = Mix(
        rows=count(given.rows),
        email=given.email,
        code=given.calling_code,
        duplicates=given.duplicates,
        invalid=given.invalid,
        differing=given.differing,
        csv=given.csv,
        seed=given.seed,
    )
    if not 0 < mix.rows <= LARGEST:
        raise SystemExit(f"--rows: from 1 to {LARGEST:,}")
    calm()
    given.work.mkdir(parents=True, exist_ok=True)
    with serving() as desk:
        bench = Bench(
            work=given.work.resolve(),
            desk=desk,
            mix=mix,
            small=min(count(given.small), mix.rows),
            growth=tuple(sorted(map(count, given.growth.split(",")))),
            records=count(given.records),
            lists=count(given.lists),
        )
        lines = [_measured(name, bench) for name in given.only or MEASUREMENTS]
        bench.tidy()
    made = [line for line in lines if line]
    print(f"{time.strftime('%Y-%m-%d', time.gmtime())}. {versions(mix)}\n")  # noqa: T201
    print(table(made))  # noqa: T201 - a program
    return int(len(made) < len(lines) or not all(line.reached for line in made))


def _measured(name: str, bench: Bench) -> Line | None:
    """Measure one thing; one that fails is said and does not lose the others."""
    say(f"== {name}")
    try:
        return MEASUREMENTS[name](bench)
    except (BenchError, OSError) as error:
        say(f"{name} could not be measured: {error}")
        return None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Measure speed and size as ratios on this machine; prints a Markdown table.",
        epilog="Counts may be written 100k or 10M. A full run takes under an hour and 30 GB"
        " of disk; for a first look: --rows 100k --growth 100k,200k --records 10k --lists 50.",
    )
    add = parser.add_argument
    add("--only", action="append", choices=MEASUREMENTS, metavar="NAME", help=_names())
    add("--rows", default="10M", help="contacts a side of the large measurements (%(default)s)")
    add("--small", default="1M", help="of plan-python and apply, at most --rows (%(default)s)")
    add("--growth", default="1M,10M,30M", help="sizes of growth (%(default)s)")
    add("--records", default="100k", help="of octodns (%(default)s)")
    add("--lists", default="1000", help="lists of 1,000 contacts of many (%(default)s)")
    add("--email", type=float, default=0.3, help="share of emails; 1: all (%(default)s)")
    add("--calling-code", default="", choices=("", *CODES), help="of all phones (mixed)")
    add("--duplicates", type=float, default=0.02, help="share; 1: every one twice (%(default)s)")
    add("--invalid", type=float, default=0.01, help="share of invalid rows (%(default)s)")
    add("--differing", type=float, default=0.05, help="share; 1: every one (%(default)s)")
    add("--csv", default="mixed", choices=CSV_KINDS, help="which fields are quoted (%(default)s)")
    add("--seed", type=int, default=1, help="of the data (%(default)s)")
    work = Path(tempfile.gettempdir()) / "reconciler-bench"
    add("--work", type=Path, default=work, help="folder; data are kept in it (%(default)s)")
    return parser.parse_args()


def _names() -> str:
    return f"only this; repeatable: {', '.join(MEASUREMENTS)}"


if __name__ == "__main__":
    raise SystemExit(main())
