"""The parser's child process: it may die, nobody else does."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import psutil
import pytest
import xlsxwriter

from core.errors import FileRejected, ParserFailed, Unavailable
from core.parsing.report import ParseOptions
from runtime import child, parse_child
from runtime.parse_child import run_parse

TABLE = "Activity,Quantity,Unit\nDiesel,12.5,l\n"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def run(tmp_path: Path, content: bytes, name: str, **limits: object) -> int:
    source, out = tmp_path / "object", tmp_path / "parts"
    source.write_bytes(content)
    out.mkdir(exist_ok=True)
    chosen = {"timeout_s": 60.0} | limits
    report = run_parse(source, out, ParseOptions(filename=name), **chosen)  # type: ignore[arg-type]
    assert (out / report.parts[0].name).exists()
    return report.rows_total


def workbook(rows: int) -> bytes:
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["Activity", "Quantity", "Unit"])
        for row in range(1, rows + 1):
            sheet.write_row(row, 0, [f"Diesel {row}", row, "l"])
    return buffer.getvalue()


def corners() -> bytes:
    """Return a workbook with cells in A1 and XFD1048576 only, for which calamine wants 550 GB."""
    buffer = io.BytesIO()
    cells = (
        '<row r="1"><c r="A1"><v>1</v></c></row>'
        '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    )
    sheet = f'<worksheet xmlns="{MAIN}"><sheetData>{cells}</sheetData></worksheet>'
    with zipfile.ZipFile(io.BytesIO(workbook(1))) as good, zipfile.ZipFile(buffer, "w") as bad:
        for entry in good.infolist():
            is_sheet = entry.filename == "xl/worksheets/sheet1.xml"
            bad.writestr(entry.filename, sheet if is_sheet else good.read(entry))
    return buffer.getvalue()


def test_the_child_reads_a_table_and_a_workbook_within_its_memory(tmp_path: Path) -> None:
    assert run(tmp_path, TABLE.encode(), "a.csv") == 1
    assert run(tmp_path, workbook(2_000), "a.xlsx") == 2_000


def test_a_refusal_in_the_child_is_the_same_refusal_outside(tmp_path: Path) -> None:
    for content, name, code in (
        (b"", "a.csv", "file_empty"),
        (b"a,b\nx,y\n", "a.csv", "no_header"),
        (corners(), "a.xlsx", "workbook_too_large"),
    ):
        with pytest.raises(FileRejected) as caught:
            run(tmp_path, content, name)
        assert caught.value.code == code
        assert caught.value.message


@pytest.fixture
def no_checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start children whose structure check lets everything pass, as if it had a gap."""
    gap = tmp_path / "gap"
    gap.mkdir()
    (gap / "sitecustomize.py").write_text(
        "import core.parsing.structure as s\n"
        "ok = s.StructureVerdict(True, 'xlsx')\n"
        "s.check_structure = lambda path, name: ok\n"
    )
    path = os.pathsep.join((str(gap), str(Path(parse_child.__file__).resolve().parents[1])))
    monkeypatch.setitem(parse_child._CHILD_ENVIRONMENT, "PYTHONPATH", path)


@pytest.mark.usefixtures("no_checks")
def test_a_workbook_that_aborts_the_child_is_a_refusal_and_the_parent_lives(
    tmp_path: Path,
) -> None:
    with pytest.raises(FileRejected) as caught:
        run(tmp_path, corners(), "a.xlsx")
    assert caught.value.code == "file_resource_limit"
    assert run(tmp_path, workbook(3), "a.xlsx") == 3  # others go on


def test_a_file_that_needs_too_much_memory_is_a_refusal(tmp_path: Path) -> None:
    with pytest.raises(FileRejected) as caught:
        run(tmp_path, (TABLE + "Diesel,12.5,l\n" * 200_000).encode(), "a.csv", memory_mb=120)
    assert caught.value.code == "file_resource_limit"


@pytest.fixture
def endless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start children that never answer."""
    folder = tmp_path / "endless"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text("import signal\nwhile True:\n    signal.pause()\n")
    monkeypatch.setitem(parse_child._CHILD_ENVIRONMENT, "PYTHONPATH", str(folder))
    monkeypatch.setattr(child, "TICK_S", 0.05)


@pytest.mark.usefixtures("endless")
def test_a_child_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    with pytest.raises(FileRejected) as caught:
        run(tmp_path, TABLE.encode(), "a.csv", timeout_s=0.3)
    assert caught.value.code == "file_resource_limit"


@pytest.mark.usefixtures("endless")
def is_parser(process: psutil.Process) -> bool:
    try:
        return "runtime.parse_child" in process.cmdline()
    except psutil.Error:
        return False


def test_the_parent_ticks_and_a_cancellation_kills_the_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An interpreter takes longer than three of these to start.
    monkeypatch.setattr(child, "TICK_S", 0.02)
    ticks: list[int] = []

    class Cancelled(Exception):
        pass

    def tick() -> None:
        ticks.append(1)
        if len(ticks) == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        run(tmp_path, TABLE.encode(), "a.csv", on_tick=tick)
    assert len(ticks) == 3
    # Other children may be servers of other tests.
    left = [process for process in psutil.Process().children() if is_parser(process)]
    assert left == []


def test_a_defect_of_the_parser_is_not_blamed_on_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "defect"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import core.parsing.structure as s\n"
        "def broken(path, name):\n    raise KeyError('a customer wrote this')\n"
        "s.check_structure = broken\n"
    )
    path = os.pathsep.join((str(folder), str(Path(parse_child.__file__).resolve().parents[1])))
    monkeypatch.setitem(parse_child._CHILD_ENVIRONMENT, "PYTHONPATH", path)
    with pytest.raises(ParserFailed) as caught:
        run(tmp_path, TABLE.encode(), "a.csv")
    assert "KeyError" in caught.value.message
    assert "customer" not in caught.value.message


def test_the_child_sees_nothing_of_our_environment() -> None:
    # No path, no credentials: what is there is written in parse_child.py.
    assert not {"PATH", "HOME"} & set(parse_child._CHILD_ENVIRONMENT)


def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Start children whose structure check is this."""
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        f"import sys\nimport core.parsing.structure as s\ndef broken(path, name):\n    {code}\n"
        "s.check_structure = broken\n"
    )
    path = os.pathsep.join((str(folder), str(Path(parse_child.__file__).resolve().parents[1])))
    monkeypatch.setitem(parse_child._CHILD_ENVIRONMENT, "PYTHONPATH", path)


@pytest.mark.parametrize(
    "code",
    [
        "raise RecursionError",
        "raise MemoryError",
        "while True: sys.stdout.write('x' * (1 << 20))",  # more than any report
        "while True: sys.stderr.write('x' * (1 << 20))",
    ],
)
def test_a_child_that_goes_too_deep_or_says_too_much_is_the_files_doing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    broken(tmp_path, monkeypatch, code)
    with pytest.raises(FileRejected) as caught:
        run(tmp_path, TABLE.encode(), "a.csv")
    assert caught.value.code == "file_resource_limit"


def test_a_child_that_is_told_to_end_with_its_worker_says_nothing_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A service manager tells every process of a service.
    broken(tmp_path, monkeypatch, "import os, signal; os.kill(os.getpid(), signal.SIGTERM)")
    with pytest.raises(Unavailable):
        run(tmp_path, TABLE.encode(), "a.csv")


def test_a_request_larger_than_a_pipe_and_an_answer_come_through(tmp_path: Path) -> None:
    source, out = tmp_path / "object", tmp_path / "parts"
    source.write_bytes(TABLE.encode())
    out.mkdir(exist_ok=True)
    mapping = {f"column {n:06} {'x' * 300}": "ignore" for n in range(2_000)}
    with pytest.raises(FileRejected) as caught:
        run_parse(source, out, ParseOptions(filename="a.csv", mapping=mapping), timeout_s=60)
    assert caught.value.code == "mapping_unknown_column"
