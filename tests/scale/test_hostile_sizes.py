"""Hostile files in their true sizes: told with their place, in bounded memory and time."""

import os
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contact_bytes import HEAD, ROW
from program import Workplace, workplace

SECONDS = 60.0
MEGABYTES = 1_500.0
M = 1 << 20
G = 1 << 30
_LAUNCH = """
import json, resource, subprocess, sys
ended = subprocess.run(sys.argv[2:], stdout=open(sys.argv[1], "wb"), stderr=subprocess.STDOUT)
took = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([ended.returncode, took.ru_utime + took.ru_stime, took.ru_maxrss / 1024]))
"""
"""A small process between us and the program: a child starts with the memory of its parent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """How a run ended, and what it took."""

    code: int
    seconds: float
    """Of a processor: a busy machine must not make it fail."""
    megabytes: float
    problems: list[str]
    """Place and code of each."""


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Workplace]:
    """Yield a folder to work in; what is large goes with the test."""
    made = workplace(tmp_path)
    made.embed()
    yield made
    for path in (tmp_path / "specs").iterdir():
        if path.is_file() and path.stat().st_size > M:
            path.unlink()


def measured(work: Workplace) -> Measured:
    """Run ``validate`` as a process of its own."""
    out = work.folder / "out.json"
    program = [sys.executable, "-m", "reconciler", "validate", "--format", "json"]
    ended = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-I", "-S", "-c", _LAUNCH, str(out), *program],
        cwd=work.folder,
        env=work.environment,
        capture_output=True,
        timeout=600,
        check=True,
    )
    code, seconds, megabytes = orjson.loads(ended.stdout)
    problems = orjson.loads(out.read_bytes())["problems"]
    return Measured(
        code=code,
        seconds=seconds,
        megabytes=megabytes,
        problems=[f"{p['place']['path']}:{p['place']['line']} {p['code']}" for p in problems],
    )


def plain(*parts: tuple[bytes, int]) -> Callable[[Path], None]:
    """Make what writes parts, each so often as to be of so many bytes."""

    def write(path: Path) -> None:
        with path.open("wb") as file:
            for block in blocks(parts):
                file.write(block)

    return write


def gz(*parts: tuple[bytes, int]) -> Callable[[Path], None]:
    """Make what writes parts likewise, packed with gzip."""

    def write(path: Path) -> None:
        packing = zlib.compressobj(1, zlib.DEFLATED, 31)
        with path.open("wb") as file:
            for block in blocks(parts):
                file.write(packing.compress(block))
            file.write(packing.flush())

    return write


def zst(*parts: tuple[bytes, int]) -> Callable[[Path], None]:
    """Make what writes parts likewise, packed with zstd."""

    def write(path: Path) -> None:
        with pa.CompressedOutputStream(str(path), "zstd") as file:
            for block in blocks(parts):
                file.write(block)

    return write


def blocks(parts: tuple[tuple[bytes, int], ...]) -> Iterator[bytes]:
    """Yield parts in blocks of about a megabyte."""
    for part, size in parts:
        block = part * max(1, min(M, size) // len(part))
        for _ in range(max(1, size // len(block))):
            yield block


def hollow(path: Path) -> None:
    """Write a header and two gigabytes that stand on no disk."""
    path.write_bytes(HEAD)
    os.truncate(path, 2 * G)


def repeated(path: Path) -> None:
    """Write fifty million rows of one contact, in a few kilobytes."""
    column = pa.DictionaryArray.from_arrays(pa.array([0] * M, pa.int32()), ["a@example.com"])
    with pq.ParquetWriter(path, pa.schema({"email": column.type})) as file:
        for _ in range(47):
            file.write_table(pa.table({"email": column}))


def long_text(path: Path) -> None:
    """Write a gigabyte of text as one contact of a Parquet file."""
    pq.write_table(pa.table({"email": ["x" * G]}), path, compression="zstd")


@pytest.mark.scale
@pytest.mark.parametrize(
    ("name", "make", "problem"),
    [
        ("a.csv", hollow, "specs/a.csv:2 SPEC-124"),
        ("a.csv", plain((HEAD, 0), (b"x", 2 * G)), "specs/a.csv:2 SPEC-124"),
        ("a.csv.gz", gz((HEAD, 0), (b"x", 2 * G)), "specs/a.csv.gz:2 SPEC-124"),
        ("a.ndjson.zst", zst((b'{"email": "', 0), (b"x", 2 * G)), "specs/a.ndjson.zst:1 SPEC-124"),
        ("a.csv.gz", gz((b"\0", 10 * G)), "specs/a.csv.gz:1 SPEC-124"),
        ("a.csv.gz", gz((HEAD, 0), (ROW, 4 * G)), "specs/a.csv.gz:0 SPEC-124"),
        ("a.csv.zst", zst((HEAD, 0), (ROW, 4 * G)), "specs/a.csv.zst:0 SPEC-124"),
        ("a.csv", plain((HEAD, 0), (b"\n", G)), "specs/a.csv:2000002 SPEC-124"),
        ("a.csv", plain((b"\n", G)), "specs/a.csv:2000001 SPEC-124"),
        ("a.ndjson", plain((b"\r", G)), "specs/a.ndjson:1 SPEC-124"),
        ("a.csv", plain((HEAD, 0), (b'"x\n",', 500 * M)), "specs/a.csv:1000002 SPEC-124"),
        (
            "a.csv",
            plain((HEAD, 0), (b'"b@example.com,\n', 200 * M)),
            "specs/a.csv:1000002 SPEC-124",
        ),
        ("a.csv", plain((HEAD, 0), (b"b,\n", 500 * M)), "specs/a.csv:1000002 SPEC-124"),
        ("a.csv", plain((HEAD, 0), (b"b" * 130_000 + b",,,,\n", G)), "specs/a.csv:2 SPEC-106"),
        ("a.ndjson", plain((b"{\n", 500 * M)), "specs/a.ndjson:1000001 SPEC-124"),
        (
            "a.csv",
            plain((HEAD + b'"a@example.com,,,,\n', 0), (b"b@example.com,,,,\n", 18 * M)),
            "specs/a.csv:2 SPEC-106",
        ),
        ("a.parquet", repeated, "specs/a.parquet:0 SPEC-124"),
        ("a.parquet", long_text, "specs/a.parquet:0 SPEC-124"),
    ],
)
def test_a_contact_file_of_any_size_is_told_within_bounds(
    work: Workplace, name: str, make: Callable[[Path], None], problem: str
) -> None:
    """A minute and a gigabyte and a half, however large it is or becomes."""
    make(work.folder / "specs" / name)
    work.declare(more=f"  sources: [{{path: {name}}}]\n")

    seen = measured(work)

    print(f"{name} {seen.seconds:.1f} s, {seen.megabytes:.0f} MB: {seen.problems[:2]}")  # noqa: T201 - what was measured is the point
    assert 7 == seen.code
    assert problem in seen.problems
    assert seen.seconds < SECONDS
    assert seen.megabytes < MEGABYTES


@pytest.mark.scale
@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"[" + b"[]," * (5 * M) + b"]", "SPEC-002"),
        (b"- a\n" * (4 * M - 10), "SPEC-002"),
        (b"a: 1\n" * (3 * M), "SPEC-044"),
        (b"--- a\n" * (2 * M), "SPEC-044"),
        (b"---\n{apiVersion: reconciler/v1, kind: Tenant}\n" * 200_000, "SPEC-044"),
        (b"a: &x 1\nb: [" + b"*x, " * 4_000_000 + b"]\n", "SPEC-007"),
        (b"[" * (16 * M), "SPEC-008"),
        (b"[" * (16 * M + 1), "SPEC-002"),
    ],
)
def test_a_spec_of_any_size_is_told_within_bounds(
    work: Workplace, content: bytes, code: str
) -> None:
    """Sixteen megabytes may stand for a great deal."""
    (work.folder / "specs" / "x.yaml").write_bytes(content)

    seen = measured(work)

    print(f"{content[:20]!r} {seen.seconds:.1f} s, {seen.megabytes:.0f} MB: {seen.problems[:1]}")  # noqa: T201 - as above
    assert 7 == seen.code
    assert code in {problem.rpartition(" ")[2] for problem in seen.problems}
    assert seen.seconds < SECONDS
    assert seen.megabytes < MEGABYTES


@pytest.mark.scale
def test_a_hundred_thousand_files_are_told_within_bounds(work: Workplace) -> None:
    """A pattern stops looking at a number that nobody needs."""
    for number in range(100_000):
        (work.folder / "specs" / f"{number}.csv").write_bytes(HEAD)
    work.declare(more="  sources: [{path: '*.csv'}]\n")

    seen = measured(work)

    print(f"100,000 files {seen.seconds:.1f} s, {seen.megabytes:.0f} MB: {seen.problems}")  # noqa: T201 - as above
    assert ["specs/us-dnc.yaml:8 SPEC-044"] == seen.problems
    assert seen.seconds < SECONDS
