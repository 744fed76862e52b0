"""How fast a file becomes typed Parquet parts, and in how much memory; floors beside it.

    .venv/bin/python tests/benchmarks/bench_parse.py [ROWS] [csv|xlsx|FILE]

Parsing runs in the limited child process, as a worker runs it; validation in this one. Seconds of
CPU (user + system, children included) say what it costs when the machine is shared.
"""

from __future__ import annotations

import csv
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from core.parsing.report import ParseOptions, ParseReport
from core.validation import ValidationContext, validate_part
from runtime.parse_child import run_parse

T = TypeVar("T")
HEADINGS = [
    "Date",
    "Activity",
    "Site",
    "Quantity",
    "Unit",
    "Region",
    "Cost centre",
    "Supplier",
    "Invoice",
]
ACTIVITIES = (
    ("Electricity", "kWh"),
    ("Natural gas", "kWh"),
    ("Diesel", "litres"),
    ("Taxi ride", "km"),
    ("Hotel stay", "room nights"),
    ("Paper A4", "kg"),
    ("Business flight", "passenger km"),
    ("Rail travel", "passenger km"),
    ("Water supply", "m3"),
    ("Waste to landfill", "kg"),
)
REGIONS = ("GB", "DE", "FR", "US", "NL")


def record(number: int, dice: random.Random) -> list[str]:
    """Return one plausible row; every invoice number and nearly every quantity is new."""
    name, unit = dice.choice(ACTIVITIES)
    day = f"2024-{number % 12 + 1:02}-{number % 28 + 1:02}"
    return [
        day, name, f"Site {number % 200}", f"{dice.random() * 5000:.2f}", unit,
        dice.choice(REGIONS), f"CC-{number % 97}", f"Supplier {number % 911}", f"INV-{number:07}",
    ]  # fmt: skip


def write_csv(path: Path, rows: int) -> None:
    """Write a table of `rows` activities."""
    dice = random.Random(1)
    with path.open("w", newline="") as target:
        writer = csv.writer(target)
        writer.writerow(HEADINGS)
        writer.writerows(record(number, dice) for number in range(rows))


def write_xlsx(path: Path, rows: int) -> None:
    """Write the same table as a workbook, quantities as numbers."""
    import openpyxl

    dice = random.Random(1)
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Activities")
    sheet.append(HEADINGS)
    for number in range(rows):
        cells: list[object] = list(record(number, dice))
        cells[3] = float(str(cells[3]))
        sheet.append(cells)
    book.save(path)


def cpu_s() -> float:
    """Return the seconds of CPU of this process and its ended children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def measured(what: str, rows: int, work: Callable[[], T]) -> T:
    """Run, print seconds and rows a second, and return the result."""
    wall, cpu = time.perf_counter(), cpu_s()
    result = work()
    wall, cpu = time.perf_counter() - wall, cpu_s() - cpu
    print(
        f"{what:28} {wall:7.2f} s wall {cpu:7.2f} s CPU "
        f"{rows / wall:10,.0f} rows/s wall {rows / cpu:10,.0f} rows/s CPU"
    )
    return result


def read_by_csv(path: Path) -> int:
    """Count the records with the standard library."""
    with path.open(newline="") as source:
        return sum(1 for _ in csv.reader(source))


def validate(folder: Path, report: ParseReport, options: ParseOptions) -> int:
    """Type every part and write it, as the worker does."""
    context = ValidationContext.of(report, options)
    total = 0
    for part in report.parts:
        typed, issues = validate_part(pq.read_table(folder / part.name), context)
        pq.write_table(typed, folder / f"typed-{part.name}", compression="zstd")
        total += typed.num_rows + len(issues)
    return total


def main() -> None:
    """Print a line per stage and floor, then the peaks of memory."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    kind = sys.argv[2] if len(sys.argv) > 2 else "csv"
    with tempfile.TemporaryDirectory(prefix="tonnage-bench-") as name:
        folder = Path(name)
        source = folder / f"table.{kind}"
        (write_xlsx if kind == "xlsx" else write_csv)(source, rows)
        print(f"{rows:,} rows, {source.stat().st_size:,} bytes, load {os.getloadavg()[0]:.1f}")
        if kind == "csv":
            measured("floor: pyarrow.csv", rows, lambda: pa_csv.read_csv(source))
            measured("floor: csv alone", rows, lambda: read_by_csv(source))
        options = ParseOptions(filename=source.name, region="GB")
        parts = folder / "parts"
        parts.mkdir()
        report = measured(
            "parse (limited child)", rows,
            lambda: run_parse(source, parts, options, timeout_s=1_500),
        )  # fmt: skip
        child_kb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        outcomes = measured("validate", rows, lambda: validate(parts, report, options))
        print(f"{report.rows_total:,} rows in, {outcomes:,} typed or rejected")
    own_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"peak memory: child {child_kb / 1024:.0f} MB, this process {own_kb / 1024:.0f} MB")


if __name__ == "__main__":
    main()
