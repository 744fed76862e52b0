"""How fast a file becomes typed Parquet parts, and in how much memory; floors beside it.

    .venv/bin/python tests/benchmarks/bench_parse.py [ROWS] [csv|quoted|xlsx]

Parsing runs in the limited child process, as a worker runs it; validation in this one, part by
part, storing what it finds. Seconds of CPU (user + system, children included) say what it costs
when the machine is shared. "quoted" is a CSV with every cell in quotation marks.
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

import openpyxl
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import python_calamine as calamine

from core.parsing.raw_schema import VALIDATED
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


def write_csv(path: Path, rows: int, *, quoted: bool = False) -> None:
    """Write a table of `rows` activities."""
    dice = random.Random(1)
    with path.open("w", newline="") as target:
        writer = csv.writer(target, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL)
        writer.writerow(HEADINGS)
        writer.writerows(record(number, dice) for number in range(rows))


def write_xlsx(path: Path, rows: int) -> None:
    """Write the same table as a workbook, quantities as numbers."""
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


def told(what: str, rows: int, wall: float, cpu: float) -> None:
    """Print seconds and rows a second."""
    print(
        f"{what:28} {wall:7.2f} s wall {cpu:7.2f} s CPU "
        f"{rows / wall:10,.0f} rows/s wall {rows / cpu:10,.0f} rows/s CPU"
    )


def measured(what: str, rows: int, work: Callable[[], T]) -> tuple[T, float, float]:
    """Run, print what it took, and return the result, seconds and seconds of CPU."""
    wall, cpu = time.perf_counter(), cpu_s()
    result = work()
    wall, cpu = time.perf_counter() - wall, cpu_s() - cpu
    told(what, rows, wall, cpu)
    return result, wall, cpu


def read_by_csv(path: Path) -> int:
    """Count the records with the standard library."""
    with path.open(newline="") as source:
        return sum(1 for _ in csv.reader(source))


def read_by_calamine(path: Path) -> int:
    """Count the rows of the first sheet with the library that the parser uses."""
    return len(calamine.load_workbook(str(path)).get_sheet_by_index(0).to_python())


def read_by_openpyxl(path: Path) -> int:
    """Count the rows of the first sheet with the usual library, streaming."""
    book = openpyxl.load_workbook(path, read_only=True)
    return sum(1 for _ in book.worksheets[0].iter_rows(values_only=True))


def validate(folder: Path, report: ParseReport, options: ParseOptions) -> int:
    """Type every part and write it, as the worker does."""
    context = ValidationContext.of(report, options)
    total = 0
    for part in report.parts:
        raw = pq.ParquetFile(folder / part.name).read(VALIDATED)
        typed, issues = validate_part(raw, context)
        target = folder / f"typed-{part.name}"
        pq.write_table(typed, target, compression="zstd", write_statistics=False)
        total += typed.num_rows + len(issues)
    return total


def main() -> None:
    """Print a line per floor and stage, then the peaks of memory."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    kind = sys.argv[2] if len(sys.argv) > 2 else "csv"
    with tempfile.TemporaryDirectory(prefix="tonnage-bench-") as name:
        folder = Path(name)
        source = folder / f"table.{'xlsx' if kind == 'xlsx' else 'csv'}"
        if kind == "xlsx":
            write_xlsx(source, rows)
        else:
            write_csv(source, rows, quoted=kind == "quoted")
        print(f"{rows:,} rows, {source.stat().st_size:,} bytes, load {os.getloadavg()[0]:.1f}")
        options = ParseOptions(filename=source.name, region="GB")
        parts = folder / "parts"
        parts.mkdir()
        report, wall, cpu = measured(
            "parse (limited child)", rows,
            lambda: run_parse(source, parts, options, timeout_s=1_500),
        )  # fmt: skip
        child_kb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        outcomes, *more = measured("validate", rows, lambda: validate(parts, report, options))
        told("both: into typed parts", rows, wall + more[0], cpu + more[1])
        own_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if kind == "xlsx":
            measured("peer: calamine, all rows", rows, lambda: read_by_calamine(source))
            measured("peer: openpyxl, streaming", rows, lambda: read_by_openpyxl(source))
        else:
            measured("floor: csv module alone", rows, lambda: read_by_csv(source))
            measured("peer: pyarrow.csv alone", rows, lambda: pa_csv.read_csv(source))
        print(f"{report.rows_total:,} rows in, {outcomes:,} typed or rejected")
    print(f"peak memory: child {child_kb / 1024:.0f} MB, validating {own_kb / 1024:.0f} MB")


if __name__ == "__main__":
    main()
