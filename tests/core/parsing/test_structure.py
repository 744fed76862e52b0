"""Files that are not what they say, or are not safe to open."""

from __future__ import annotations

import io
import time
import zipfile
from pathlib import Path

import pytest
import xlsxwriter

from core.errors import FileRejected
from core.parsing.structure import check_structure, measure_workbook

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
SHEET = f'<worksheet xmlns="{MAIN}"><sheetData>{{}}</sheetData></worksheet>'


def good_workbook() -> bytes:
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer) as book:
        sheet = book.add_worksheet("Data")
        sheet.write_row("A1", ["Activity", "Quantity", "Unit"])
        sheet.write_row("A2", ["Diesel", 12.5, "l"])
    return buffer.getvalue()


def altered(
    *, add: dict[str, bytes] | None = None, replace: dict[str, bytes] | None = None
) -> bytes:
    """Return a good workbook with entries added or replaced."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(good_workbook())) as good,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bad,
    ):
        for entry in good.infolist():
            bad.writestr(entry.filename, (replace or {}).get(entry.filename, good.read(entry)))
        for name, content in (add or {}).items():
            bad.writestr(name, content)
    return buffer.getvalue()


def encrypted_entry() -> bytes:
    """Return a good workbook whose directory calls its first entry encrypted."""
    content = bytearray(good_workbook())
    content[content.index(b"PK\x01\x02") + 8] |= 0x1  # general purpose flags, bit 0
    return bytes(content)


def with_sheet(rows: str) -> bytes:
    return altered(replace={"xl/worksheets/sheet1.xml": SHEET.format(rows).encode()})


def verdict(tmp_path: Path, content: bytes, name: str) -> tuple[bool, str]:
    path = tmp_path / "object"  # as in object storage: the name is only declared
    path.write_bytes(content)
    found = check_structure(path, name)
    assert found.ok == (found.code == "")
    assert found.ok or found.message
    return found.ok, found.code


def test_a_workbook_and_a_table_of_text_are_what_they_say(tmp_path: Path) -> None:
    assert verdict(tmp_path, good_workbook(), "a.xlsx") == (True, "")
    assert verdict(tmp_path, b"a,b\n1,2\n", "a.csv") == (True, "")
    assert verdict(tmp_path, "é;b\n1;2\n".encode("cp1252"), "a.CSV") == (True, "")
    assert verdict(tmp_path, "a\tb\n1\t2\n".encode("utf-16"), "a.txt") == (True, "")


FAR_CELLS = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"/></row>'
NESTED = "<a>" * 200_000 + "</a>" * 200_000
BAD: list[tuple[str, str, bytes, str]] = [
    ("an empty file", "a.csv", b"", "file_empty"),
    ("a file of blanks", "a.csv", b"\xef\xbb\xbf \r\n\n", "file_empty"),
    ("a picture called csv", "a.csv", b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "not_text"),
    ("random bytes called csv", "a.csv", bytes(range(256)) * 40, "not_text"),
    ("a PDF", "a.pdf", b"%PDF-1.7\n", "type_not_supported"),
    ("an old workbook", "a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600,
     "type_not_supported"),
    ("an encrypted workbook", "a.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600,
     "encrypted"),
    ("a workbook called csv", "a.csv", good_workbook(), "type_mismatch"),
    ("a table called xlsx", "a.xlsx", b"a,b\n1,2\n", "type_mismatch"),
    ("a web page called xls", "a.xls", b"<html><table></table></html>", "type_not_supported"),
    ("a name that admits macros", "a.xlsm", good_workbook(), "macros"),
    ("macros inside", "a.xlsx", altered(add={"xl/vbaProject.bin": b"x"}), "macros"),
    ("macros in a sheet of the old kind", "a.xlsx",
     altered(add={"xl/macrosheets/sheet1.xml": b"<a/>"}), "macros"),
    ("controls", "a.xlsx", altered(add={"xl/activeX/activeX1.bin": b"x"}), "embedded_objects"),
    ("an encrypted entry", "a.xlsx", encrypted_entry(), "encrypted"),
    ("links to other files", "a.xlsx",
     altered(add={"xl/externalLinks/externalLink1.xml": b"<a/>"}), "external_links"),
    ("embedded objects", "a.xlsx", altered(add={"xl/embeddings/oleObject1.bin": b"x"}),
     "embedded_objects"),
    ("a path that climbs out", "a.xlsx", altered(add={"../../etc/passwd": b"x"}), "unsafe_zip"),
    ("an absolute path", "a.xlsx", altered(add={"/etc/passwd": b"x"}), "unsafe_zip"),
    ("a zip that is no workbook", "a.xlsx", b"PK\x05\x06" + b"\0" * 18, "type_not_supported"),
    ("a truncated workbook", "a.xlsx", good_workbook()[:-40], "workbook_damaged"),
    ("entities", "a.xlsx", altered(replace={"xl/worksheets/sheet1.xml":
     b'<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>'}), "unsafe_xml"),
    ("entities in a part beside the sheets", "a.xlsx",
     altered(add={"xl/other.xml": b"<!DOCTYPE x><x/>"}), "unsafe_xml"),
    ("broken XML", "a.xlsx", with_sheet("<row"), "workbook_damaged"),
    ("two cells at the far corners", "a.xlsx", with_sheet(FAR_CELLS), "workbook_too_large"),
    ("a row that does not exist", "a.xlsx", with_sheet('<row r="9"><c r="A9999999"/></row>'),
     "workbook_too_large"),
    ("a sheet that is kept elsewhere", "a.xlsx",
     altered(add={"xl/other.xml": SHEET.format(FAR_CELLS).encode()}), "workbook_too_large"),
    ("thousands of parts", "a.xlsx", altered(add={f"xl/{i}.txt": b"" for i in range(2_000)}),
     "zip_bomb"),
    ("elements within elements", "a.xlsx", with_sheet(NESTED), "zip_bomb"),
    ("elements within elements beside the sheets", "a.xlsx",
     altered(add={"xl/other.xml": NESTED.encode()}), "zip_bomb"),
    ("a tag of megabytes", "a.xlsx", with_sheet(f'<row x="{"ab" * 1_000_000}"/>'), "zip_bomb"),
    ("a comment of megabytes", "a.xlsx", with_sheet(f"<!--{'ab' * 1_000_000}-->"), "zip_bomb"),
    ("the same name in two cases", "a.xlsx", altered(add={"XL/workbook.xml": b"<a/>"}),
     "zip_bomb"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "code"), [pytest.param(*case[1:], id=case[0]) for case in BAD]
)
def test_a_bad_file_is_refused_with_its_reason(
    tmp_path: Path, name: str, content: bytes, code: str
) -> None:
    assert verdict(tmp_path, content, name) == (False, code)


def test_the_elements_of_all_parts_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert verdict(tmp_path, with_sheet("<x/>" * 900), "a.xlsx") == (True, "")
    monkeypatch.setattr("core.parsing.limits.XML_ELEMENTS", 1_000)
    assert verdict(tmp_path, with_sheet("<x/>" * 990), "a.xlsx") == (False, "zip_bomb")


def test_a_text_of_megabytes_is_no_token(tmp_path: Path) -> None:
    row = f'<row r="1"><c r="A1" t="inlineStr"><is><t>{"ab " * 700_000}</t></is></c></row>'
    assert verdict(tmp_path, with_sheet(row), "a.xlsx") == (True, "")


def test_the_workbook_that_kills_calamine_is_refused_in_milliseconds(tmp_path: Path) -> None:
    path = tmp_path / "corners.xlsx"
    path.write_bytes(with_sheet(FAR_CELLS))
    started = time.perf_counter()
    assert check_structure(path, path.name).code == "workbook_too_large"
    assert time.perf_counter() - started < 0.5  # a few milliseconds on a quiet machine


def test_a_zip_bomb_is_refused_after_its_first_megabytes(tmp_path: Path) -> None:
    path = tmp_path / "bomb.xlsx"
    # 60 MB of the same row: under the total limit, but packed more than a hundredfold.
    path.write_bytes(altered(add={"xl/media/a.txt": b"0" * 60_000_000}))
    assert path.stat().st_size < 100_000
    assert check_structure(path, path.name).code == "zip_bomb"


def test_a_size_that_lies_is_found_out(tmp_path: Path) -> None:
    content = bytearray(altered(add={"xl/media/a.txt": b"0" * 60_000_000}))
    size = (60_000_000).to_bytes(4, "little")
    while (at := content.find(size)) >= 0:
        content[at : at + 4] = (10).to_bytes(4, "little")
    path = tmp_path / "lie.xlsx"
    path.write_bytes(content)
    assert check_structure(path, path.name).code in ("zip_bomb", "workbook_damaged")


def test_sheets_are_measured_by_their_cells_not_by_what_they_declare(tmp_path: Path) -> None:
    path = tmp_path / "lie.xlsx"
    lie = SHEET.format('<row r="3" hidden="1"><c r="B3"/><c r="C3"/></row>').replace(
        "<sheetData>", '<dimension ref="A1:XFD1048576"/><sheetData>'
    )
    path.write_bytes(altered(replace={"xl/worksheets/sheet1.xml": lie.encode()}))
    (sheet,) = measure_workbook(path).sheets.values()
    assert (sheet.last_row, sheet.last_column, sheet.cells, sheet.hidden_rows) == (3, 3, 2, 1)


def test_measuring_raises_what_checking_tells(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(FileRejected) as caught:
        measure_workbook(path)
    assert caught.value.code == "workbook_damaged"
