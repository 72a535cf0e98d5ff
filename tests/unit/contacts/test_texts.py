"""What Arrow values are as text."""

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from reconciler.contacts.texts import text

DAY = 86_400


def of(kind: Any, *values: Any) -> Any:
    """Return a column of values, times in their own units."""
    made = pa.array(values, pa.int64() if pa.types.is_timestamp(kind) else kind)
    return made.view(kind) if pa.types.is_timestamp(kind) else made


@pytest.mark.parametrize(
    ("column", "texts"),
    [
        (of(pa.large_binary(), b"a", b"\xff", b"\xed\xa0\x80", b"a\0b"), ["a", None, None, "a\0b"]),
        (of(pa.large_binary(), "é".encode(), b"", None), ["é", "", None]),
        (of(pa.int64(), -(2**63), 1555, None), ["-9223372036854775808", "1555", None]),
        (of(pa.uint64(), 2**64 - 1), ["18446744073709551615"]),
        (of(pa.float64(), 15551230000.0, -0.0, 0.1, None), ["15551230000", "0", "0.1", None]),
        (of(pa.float64(), 1e-5, 1e15 + 0.5, 1e17), ["1e-05", "1000000000000000.5", "1" + "0" * 17]),
        (of(pa.float64(), 1e18, 1e22, -1e300), ["1e+18", "1e+22", "-1e+300"]),
        (of(pa.float64(), float("nan"), float("-inf")), ["nan", "-inf"]),
        (of(pa.float32(), 0.1, 16777216.0, 1e-5), ["0.1", "16777216", "1e-05"]),
        (of(pa.decimal128(12, 2), Decimal("15.50"), Decimal("-3.00")), ["15.50", "-3"]),
        (of(pa.decimal128(9, 9), Decimal("0.000000001"), Decimal(0)), ["0.000000001", "0"]),
        (of(pa.decimal128(38, 0), Decimal(10) ** 37), ["1" + "0" * 37]),
        (of(pa.decimal128(38, 30), Decimal(7), Decimal("1e-30")), ["7", f"{Decimal('1e-30'):f}"]),
        (pa.array([20_454, -719_162, -719_163], pa.int32()).view(pa.date32()),
         ["2026-01-01", "0001-01-01", "0001-12-31 (BC)"]),
        (pa.array([2_932_897], pa.int32()).view(pa.date32()), ["10000-01-01"]),
        (of(pa.timestamp("s"), 20_454 * DAY), ["2026-01-01 00:00:00"]),
        (of(pa.timestamp("ms"), 1_500, -1, 2_000), ["1970-01-01 00:00:01.5",
         "1969-12-31 23:59:59.999", "1970-01-01 00:00:02"]),
        (of(pa.timestamp("us", "UTC"), 10_000_000, 120_000), ["1970-01-01 00:00:10+00",
         "1970-01-01 00:00:00.12+00"]),
        (of(pa.timestamp("us", "Europe/Berlin"), 0), ["1970-01-01 00:00:00+00"]),
        (of(pa.timestamp("ns"), 1, 1_000), ["1970-01-01 00:00:00.000000001",
         "1970-01-01 00:00:00.000001"]),
        (of(pa.timestamp("s"), -70_000_000_000), ["0250-10-15 (BC) 19:33:20"]),
        (of(pa.timestamp("s", "UTC"), -70_000_000_000), ["0250-10-15 (BC) 19:33:20+00"]),
        (pa.nulls(2), [None, None]),
    ],
)  # fmt: skip
def test_a_value_has_one_text(column: Any, texts: list[str | None]) -> None:
    """As the engine writes it, but that a whole number is written as one."""
    found = text(column)

    assert pa.string() == found.type
    assert texts == found.to_pylist()


@pytest.mark.parametrize("unit", ["s", "ms", "us"])
@pytest.mark.parametrize("zone", [None, "UTC"])
def test_a_time_that_no_calendar_has_is_text_too(unit: str, zone: str | None) -> None:
    """It is one invalid row later, not the end of everything."""
    (found,) = text(of(pa.timestamp(unit, zone), 2**63 - 1)).to_pylist()

    assert "out of range" in found
