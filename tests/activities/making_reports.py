"""Makes reports through their activity, and reads what came out as its readers do."""

from __future__ import annotations

import io
import re
from decimal import Decimal
from typing import Any

import openpyxl
import pypdfium2

from activities.report import GenerateReports
from core.contracts import ReportRef
from core.keys import report_key
from core.permissions import Reach
from core.reporting import GroupBy, ReportFormat, ReportLayout, ReportType
from db.engine import tenant_session
from db.queries import reports
from db.queries.emissions import EmissionFilter
from tests.activities.test_report import NOW
from tests.factories import Uploader


def ask(uploader: Uploader, kind: ReportFormat, **values: Any) -> ReportRef:
    from db.ids import uuid7

    criteria = reports.Criteria(
        {},
        values.pop("wanted", EmissionFilter()),
        Reach(),
        values.pop("by", (GroupBy.SCOPE, GroupBy.CATEGORY)),
        values.pop("details", True),
        0,
        NOW,
        values.pop("layout", ReportLayout.STANDARD),
    )
    given = {"name": "Year 2024", "description": None} | values
    ref = ReportRef(organization_id=uploader.organization_id, report_id=uuid7())
    with tenant_session(uploader.engine, uploader.organization_id) as session:
        new = reports.NewReport(
            id=ref.report_id, user_id=uploader.user_id, report_type=ReportType.CUSTOM,
            file_format=kind, criteria=criteria, **given,
        )  # fmt: skip
        reports.add_report(session, uploader.organization_id, new)
        session.commit()
    return ref


def stored(uploader: Uploader, key: str) -> bytes:
    with uploader.storage.open(key) as stream:
        return stream.read()


def made(
    uploader: Uploader, generate: GenerateReports, run: Any, kind: Any, **values: Any
) -> bytes:
    ref = ask(uploader, kind, **values)
    assert run(generate.generate_report, ref).status == "completed"
    return stored(uploader, report_key(ref.organization_id, ref.report_id, kind))


def pages(data: bytes) -> list[str]:
    document = pypdfium2.PdfDocument(data)
    return [page.get_textpage().get_text_bounded() for page in document]


def squeezed(found: list[str]) -> str:
    """Return the text without white space: a PDF breaks lines where it likes."""
    return re.sub(r"\s+", "", "".join(found))


def met(value: Any, condition: str) -> bool:
    """Tell whether SUMIFS takes a cell: without case; "=" is what holds nothing."""
    if condition == "=":
        return value is None
    return str("" if value is None else value).lower() == condition.lower()


class Workbook:
    """A workbook as a spreadsheet program shows it: formulas are worked out from the cells."""

    def __init__(self, data: bytes) -> None:
        self.book = openpyxl.load_workbook(io.BytesIO(data))
        self.values = openpyxl.load_workbook(io.BytesIO(data), data_only=True)

    def formulas(self) -> list[tuple[str, str, str]]:
        return [
            (sheet.title, cell.coordinate, cell.value)
            for sheet in self.book
            for row in sheet.iter_rows()
            for cell in row
            if cell.data_type == "f"
        ]

    def worked_out(self, sheet: str, formula: str) -> Decimal:
        if found := re.fullmatch(r"=SUM\((\w+):(\w+)\)", formula):
            return sum(
                (self.number(sheet, c.coordinate) for row in self.book[sheet][
                    f"{found[1]}:{found[2]}"] for c in row), Decimal()
            )  # fmt: skip
        total = Decimal()
        for part in formula.split("SUMIFS(")[1:]:
            name, sums = re.match(r"'([^']+)'!([^,]+)", part).groups()  # type: ignore[union-attr]
            wanted = re.findall(r"'[^']+'!([^,]+),\"([^\"]*)\"", part)
            amounts = [amount for (amount,) in self.book[name][sums.replace("$", "")]]
            for keys, key in wanted:
                labels = [label for (label,) in self.book[name][keys.replace("$", "")]]
                amounts = [a if a is not None and met(label.value, key) else None
                           for a, label in zip(amounts, labels, strict=True)]  # fmt: skip
            total += sum((Decimal(repr(a.value or 0)) for a in amounts if a), Decimal())
        return total

    def number(self, sheet: str, place: str) -> Decimal:
        value = self.book[sheet][place].value
        if isinstance(value, str) and value.startswith("="):
            return self.worked_out(sheet, value)
        return Decimal(repr(value or 0))
