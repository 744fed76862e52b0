"""Taking many rows at once gives what reading them one by one gives, to the last cell."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import numbers
from core.errors import FileRejected
from core.numbers import Convention
from core.parsing import evidence
from core.parsing.block import Block
from core.parsing.delimited import cut, read_rows
from core.parsing.parse import parse_file
from core.parsing.report import ParseOptions, ParseReport
from core.parsing.sniff import Dialect
from tests.core.parsing.by_rows import PlainRow, parse_plainly

ROOT = Path(__file__).resolve().parents[3]
REAL = ROOT.parent / "shared" / "data" / "activity"
HEADINGS = ("Invoice", "Activity", "Quantity", "Amount", "Unit", "Region", "Date")
USUAL = ("A-1", "Diesel", "12.50", "3", "litres", "GB", "2024-01-31")
NAMES = (
    "Diesel", "Total", "Grand total: x", "Site A Total", "Summe", "", " ", "Taxi, shared",
    'Gas "natural"', "Hotel\nstay", "Électricité", "nul\x00", "Activity", "\ufeffx", "e\u0301",
)  # fmt: skip
FIGURES = (
    "1.260", "1,260", "1.234,56", "1,234.56", "12,5", "-", "", "0", "(12.50)", "1 234,5", "-3.25",
    "€ 12.40", "12 kWh", "abc", "1.2.3", "1.5e5", "\uff11\uff12\uff0c\uff15", "12,34,567", ".5",
)  # fmt: skip
PLACES = ("GB", "DE", "US", "TX", "", "Germany", "nowhere", "FR")
DAYS = ("2024-01-31", "13/02/2024", "02/13/2024", "03/04/2024", "", "2024", "Jan 2024", "31.12.23")
ODD = {"Activity": NAMES, "Invoice": NAMES, "Quantity": FIGURES, "Amount": FIGURES,
       "Region": PLACES, "Date": DAYS}  # fmt: skip


def records(dice: random.Random, count: int, odd: float) -> list[list[str]]:
    """Return rows of which a share are odd: ragged, blank, headings, notes, strange cells."""
    found = []
    for number in range(count):
        row = [f"A-{number}", *USUAL[1:]]
        if dice.random() < odd:
            for index, heading in enumerate(HEADINGS):
                if heading in ODD and dice.random() < 0.5:
                    row[index] = dice.choice(ODD[heading])
        if dice.random() < odd / 3:
            row = dice.choice([[], list(HEADINGS), ["A note"], [""] * 7, row[:3], [*row, "", "y"]])
        if dice.random() < odd / 200:
            row[-1:] = ["x" * 40_000]
        found.append(row)
    return found


def written(rows: Sequence[Sequence[str]], dice: random.Random) -> bytes:
    """Return rows as some program would write them."""
    target = io.StringIO()
    quoting = dice.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    writer = csv.writer(target, delimiter=dice.choice(",;\t|"), quoting=quoting,
                        lineterminator=dice.choice(["\n", "\r\n", "\n", "\r"]))  # fmt: skip
    writer.writerows(rows)
    text = target.getvalue()
    return text.encode(dice.choice(["utf-8", "utf-8-sig", "utf-16"]))


def read_parts(folder: Path, report: ParseReport) -> list[PlainRow]:
    tables = [pq.ParquetFile(folder / part.name).read() for part in report.parts]
    rows: list[PlainRow] = pa.concat_tables(tables).to_pylist()
    return rows


def check_same(source: Path, folder: Path, options: ParseOptions) -> None:
    """Parse both ways and compare rows, parts, kinds, tables and refusals."""
    folder.mkdir(exist_ok=True)
    try:
        plain, tables = parse_plainly(source, options)
    except FileRejected as error:
        refused = error.code
    else:
        refused = ""
    if refused:
        with pytest.raises(FileRejected) as rejected:
            parse_file(source, folder, options)
        assert rejected.value.code == refused
        return
    report = parse_file(source, folder, options)
    assert read_parts(folder, report) == plain.rows
    assert [part.rows for part in report.parts] == plain.part_rows
    assert sum(report.rows_by_kind.values()) == report.rows_total == len(plain.rows)
    bare = {"decimals", "date_order", "us_states"}
    for table, seen, other in zip(report.tables, plain.tables, tables, strict=True):
        seen.check(table, options)
        assert table.model_dump(exclude=bare) == other.model_dump(exclude=bare)


@given(
    seed=st.integers(0, 1 << 32),
    odd=st.sampled_from([0.0, 0.002, 0.02, 0.3]),
    part=st.sampled_from([230, 1_000, 50_000]),
    region=st.sampled_from([None, "GB", "DE"]),
)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_table_is_read_as_it_would_be_row_by_row(
    tmp_path_factory: pytest.TempPathFactory, seed: int, odd: float, part: int, region: str | None
) -> None:
    dice = random.Random(seed)
    folder = tmp_path_factory.mktemp("both")
    above = dice.choice([[], [["A title"], []]])
    rows = [*above, HEADINGS, *records(dice, dice.choice([20, 700, 1_500]), odd)]
    if dice.random() < 0.3:
        rows += [[], HEADINGS[::-1], *(row[::-1] for row in records(dice, 300, odd))]
    (folder / "t.csv").write_bytes(written(rows, dice))
    options = ParseOptions(filename="t.csv", region=region, rows_per_part=part)
    check_same(folder / "t.csv", folder / "parts", options)


def csv_files() -> list[Path]:
    own = sorted((ROOT / "tests" / "data").rglob("*.csv"))
    return own + (sorted(REAL.glob("*.csv")) if REAL.is_dir() else [])


@pytest.mark.parametrize("source", csv_files(), ids=lambda path: path.name)
def test_a_real_file_is_read_as_it_would_be_row_by_row(source: Path, tmp_path: Path) -> None:
    check_same(source, tmp_path, ParseOptions(filename="t.csv", region="GB"))


@pytest.mark.skipif(not REAL.is_dir(), reason="../shared/data/activity is not here")
def test_the_real_ledgers_are_among_those_files() -> None:
    assert set(REAL.glob("*.csv")) <= set(csv_files())


PIECES = ('"', '""', ",", '","', "\n", "\r\n", '"\n', '\n"', "a", "é", " ", '"a"', "\x00", "\r")


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=14).map("".join))
@settings(max_examples=1_500, deadline=None)
def test_text_is_cut_as_the_csv_module_cuts_it_or_not_at_all(text: str) -> None:
    block = cut(text, ",", 5)
    if block is None:
        assert '"' in text or "\r" in text
        return
    reader, line, expected = csv.reader(io.StringIO(text, newline="")), 5, []
    for cells in reader:
        expected.append((line, cells))
        line = 5 + reader.line_num
    assert [(row.number, row.cells) for row in block.rows()] == expected


def test_a_record_may_begin_in_one_piece_of_a_file_and_end_in_the_next(tmp_path: Path) -> None:
    rows = [["Diesel", "1.5", "x" * 90]] * 60_000
    rows[700] = ['5" pipe', "2", "left\nright"]  # quoted by the writer, and cut as such
    target = io.StringIO()
    csv.writer(target, lineterminator="\n").writerows(rows)
    text = target.getvalue().replace('"5"" pipe"', '5" pipe')  # only the csv module knows
    (tmp_path / "t.csv").write_text(text, newline="")
    found: list[tuple[int, list[str]]] = []
    blocks = 0
    for piece in read_rows(tmp_path / "t.csv", "utf-8", Dialect(",")):
        blocks += isinstance(piece, Block)
        several = piece.rows() if isinstance(piece, Block) else [piece]
        found += [(row.number, row.cells) for row in several]
    assert blocks >= 1
    assert [cells for _, cells in found] == rows
    assert [number for number, _ in found[698:703]] == [699, 700, 701, 703, 704]
    assert found[-1][0] == 60_001


@given(st.text(alphabet="0123456789.,+- ", max_size=12))
@settings(max_examples=1_000, deadline=None)
def test_a_number_that_is_not_read_would_prove_nothing_else(text: str) -> None:
    column = pa.array([text])
    for known in (Convention.POINT, Convention.COMMA):
        if not evidence.distinct(column, evidence.AT_MOST[known]):
            assert numbers.evidence(text) in (None, known)
    if not evidence.distinct(column, evidence.NOTHING):
        assert numbers.evidence(text) is None
