"""What the wire alone costs: bare httpx with the same pages or the same bodies, and nothing else.

Run as ``-m tests.bench.bare read URL`` or ``… post URL FOLDER``; prints seconds and rows as JSON.
"""

import sys
import time
from pathlib import Path

import httpx
import orjson

_PAGE = 10_000


def read(url: str) -> tuple[float, int]:
    """Fetch every page of a list and decode it, one after another; all is thrown away."""
    with httpx.Client(timeout=600, trust_env=False) as client:
        start, rows, skip = time.perf_counter(), 1, 0
        while rows:
            answer = client.get(url, params={"skip": skip, "top": _PAGE})
            rows = len(orjson.loads(answer.content)["contacts"])
            skip += rows
        return time.perf_counter() - start, skip


def post(url: str, folder: Path) -> tuple[float, int]:
    """Post bodies that were made beforehand, one after another."""
    bodies = [path.read_bytes() for path in sorted(folder.glob("*.json"))]
    headers = {"Content-Type": "application/json"}
    with httpx.Client(timeout=600, trust_env=False) as client:
        start = time.perf_counter()
        for body in bodies:
            client.post(url, content=body, headers=headers).raise_for_status()
        return time.perf_counter() - start, sum(body.count(b"},{") + 1 for body in bodies)


def main(words: list[str]) -> None:
    """Do the one or the other."""
    seconds, rows = read(words[1]) if words[0] == "read" else post(words[1], Path(words[2]))
    sys.stdout.buffer.write(orjson.dumps({"seconds": seconds, "rows": rows}))


if __name__ == "__main__":
    main(sys.argv[1:])
