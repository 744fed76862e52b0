"""GET /v1/files/{id}/issues as CSV or XLSX: the upload with the outcome of every row."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import openpyxl
import pytest
from sqlalchemy import Engine, update
from sqlmodel import Session
from temporalio.testing import ActivityEnvironment

from activities.objects import read_table
from activities.parse import ParseFile
from activities.validate import ValidatePart
from api import annotated
from api.shares import Turns
from core.annotated import COLUMNS
from core.contracts import FileRef, PartRef
from core.keys import raw_part_key, typed_part_key, upload_key
from core.permissions import Role
from core.validation import rows_of
from db.ids import uuid7
from db.models import File
from runtime.adapters.storage_local import LocalStorage
from runtime.parse_child import run_parse
from tests.api.conftest import problem

XLSX = annotated.XLSX
TEXT = """Fuels of the year,,
Activity,Quantity,Unit,Note
Diesel,1200,litres,=HYPERLINK("http://x")
Wood,3,kg,-5
Laptops,12,units,
Petrol,ten,litres,"a ""quoted"", text"
,,,
Total,1215,,
Taxi,4,km,gone
"""


@pytest.fixture
def read_file(
    world: Any, worker_engine: Engine, storage: LocalStorage, tmp_path: Path
) -> Callable[..., UUID]:
    """Upload a file and let the real stages read it, up to its typed rows."""

    def made(tenant: Any, data: bytes, name: str, **values: Any) -> UUID:
        file_id = uuid7()
        stored = storage.put(upload_key(tenant.id, file_id), io.BytesIO(data))
        world.file(tenant.id, tenant.email, id=file_id, filename=name,
                   object_storage_path=stored.url, region="GB", **values)  # fmt: skip
        ref = FileRef(organization_id=tenant.id, file_id=file_id)
        runner = partial(run_parse, timeout_s=60, memory_mb=1024)
        parse = ParseFile(worker_engine, storage, runner, work_dir=tmp_path / "work")
        run = ActivityEnvironment().run
        parts = run(parse.parse_file, ref).parts
        for part in range(parts):
            stage = ValidatePart(worker_engine, storage)
            run(stage.validate_part, PartRef(**ref.model_dump(), part=part))
        return file_id

    return made


def typed(storage: LocalStorage, organization_id: UUID, file_id: UUID) -> dict[str, Any]:
    table = read_table(storage, typed_part_key(organization_id, file_id, 0))
    return {row.activity_name: row for row in rows_of(table)}


@pytest.fixture
def fuels(world: Any, alpha: Any, storage: LocalStorage, read_file: Any) -> UUID:
    """A completed file: two figures, one row in review, one figure that was deleted."""
    file_id = read_file(alpha, TEXT.encode(), "Füels.csv")
    rows = typed(storage, alpha.id, file_id)
    factor = world.factor(alpha.id, name="=Diesel", source_id="own-7")
    unsure = world.decision(alpha.id, file_id, rows["Wood"].activity_key, outcome="flagged",
                            emission_factor_id=factor)  # fmt: skip
    held = world.decision(alpha.id, file_id, rows["Laptops"].activity_key)
    world.review(alpha.id, file_id, unsure, reason_code="low_confidence", reason="Unsure.")
    world.review(alpha.id, file_id, held, reason_code="no_candidate", reason="Choose a factor.")
    world.emission(alpha.id, file_id, 3, calculated_emission=3084.984, emission_factor_id=factor)
    world.emission(alpha.id, file_id, 4, calculated_emission=5.5, biogenic=True, scope=None,
                   decision_id=unsure, emission_factor_id=factor)  # fmt: skip
    gone = world.emission(alpha.id, file_id, 9, calculated_emission=9.0)
    world.client.delete(f"/v1/emissions/{gone}", headers=alpha.headers).raise_for_status()
    return file_id


def get(client: Any, tenant: Any, file_id: UUID, accept: str | None, query: str = "") -> Any:
    headers = tenant.headers | ({"Accept": accept} if accept is not None else {})
    return client.get(f"/v1/files/{file_id}/issues{query}", headers=headers)


def table(answer: Any) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    assert answer.content.startswith(b"\xef\xbb\xbf")
    reader = csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""))
    names = next(reader)
    return [dict(zip(names, row, strict=True)) for row in reader]


def test_every_row_comes_back_as_written_with_its_outcome(client, alpha, fuels) -> None:
    rows = table(get(client, alpha, fuels, "text/csv"))
    assert [(r["row"], r["outcome"], r["code"]) for r in rows] == [
        ("1", "skipped", "not_in_table"),
        ("2", "skipped", "heading"),
        ("3", "calculated", ""),
        ("4", "calculated", "low_confidence"),
        ("5", "in_review", "no_candidate"),
        ("6", "rejected", "number_invalid"),
        ("7", "rejected", "row_blank"),
        ("8", "rejected", "row_total"),
        ("9", "rejected", "figure_deleted"),
    ]
    figures = [(r["kg_co2e"], r["biogenic_kg_co2"], r["factor_name"]) for r in rows]
    assert figures[2:4] == [("3084.984", "", "'=Diesel"), ("", "5.5", "'=Diesel")]
    assert set(figures[4:]) == {("", "", "")}
    assert rows[2]["factor_source_id"] == "own-7"
    assert rows[4]["message"] == "Choose a factor."
    upload = list(csv.reader(io.StringIO(TEXT)))
    names = ["Activity", "Quantity", "Unit", "Note"]
    for row, written in zip(rows[2:], upload[2:], strict=True):
        cells = [row[name] for name in names]
        assert cells == [c if not c.startswith("=") else f"'{c}" for c in written]


def test_the_outcomes_are_those_that_the_file_counts(client, alpha, fuels) -> None:
    outcomes = Counter(r["outcome"] for r in table(get(client, alpha, fuels, "text/csv")))
    assert outcomes == {"calculated": 2, "in_review": 1, "rejected": 4, "skipped": 2}
    total = client.get(f"/v1/emissions?file_id={fuels}", headers=alpha.headers).json()["summary"]
    rows = table(get(client, alpha, fuels, "text/csv"))
    assert sum(float(r["kg_co2e"] or 0) for r in rows) == total["total_kg_co2e"]
    assert sum(float(r["biogenic_kg_co2"] or 0) for r in rows) == total["biogenic_kg_co2"]


def test_a_workbook_says_the_same(client, alpha, fuels) -> None:
    answer = get(client, alpha, fuels, XLSX)
    assert answer.headers["content-type"] == XLSX
    sheet = openpyxl.load_workbook(io.BytesIO(answer.content))["Rows"]
    header, *body = sheet.iter_rows(values_only=True)
    assert header == (*COLUMNS, "Activity", "Quantity", "Unit", "Note")
    written = table(get(client, alpha, fuels, "text/csv"))
    assert [(str(r[1]), r[3], r[4] or "") for r in body] == [
        (r["row"], r["outcome"], r["code"]) for r in written
    ]
    assert body[2][6] == 3084.984
    assert body[2][14] == '=HYPERLINK("http://x")'  # a text, no formula
    assert sheet["O4"].data_type != "f"


def test_a_download_is_saved_under_a_name_of_its_own(client, alpha, fuels) -> None:
    for accept, ending in (("text/csv", "csv"), (XLSX, "xlsx")):
        headers = get(client, alpha, fuels, accept).headers
        assert headers["content-disposition"] == (
            f'attachment; filename="F_els (annotated).{ending}"; '
            f"filename*=UTF-8''F%C3%BCels%20%28annotated%29.{ending}"
        )
        assert headers["cache-control"] == "no-store"
        assert headers["vary"] == "Accept"
        assert "default-src 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("", "application/json"),
        ("application/json", "application/json"),
        ("application/*", "application/json"),
        ("text/*", "text/csv"),
        ("TEXT/CSV; charset=utf-8", "text/csv"),
        ("text/csv;q=0.5, application/json;q=0.4", "text/csv"),
        ("text/csv;q=0.1, */*;q=0.9", "application/json"),
        ("application/json;q=0, text/csv;q=0, */*", XLSX),
        (f"text/html, {XLSX}", XLSX),
    ],
)
def test_the_media_type_is_what_accept_likes_best(client, alpha, fuels, accept, media) -> None:
    answer = get(client, alpha, fuels, accept)
    assert answer.status_code == 200
    assert answer.headers["content-type"].partition(";")[0] == media
    assert answer.headers["vary"] == "Accept"


@pytest.mark.parametrize("accept", ["application/pdf", "text/html", "text/csv;q=0", "nonsense"])
def test_any_other_media_type_is_406(client, alpha, fuels, accept) -> None:
    problem(get(client, alpha, fuels, accept), 406, "not_acceptable")


def test_filters_are_for_the_list_only(client, alpha, fuels) -> None:
    body = problem(
        get(client, alpha, fuels, "text/csv", "?severity=rejected&limit=5"), 422,
        "validation_failed",
    )  # fmt: skip
    assert {fault["pointer"] for fault in body["errors"]} == {"query/severity", "query/limit"}


def test_a_file_that_has_not_ended_has_no_outcomes_yet(client, world, alpha) -> None:
    file_id = world.file(alpha.id, alpha.email, status="calculating")
    problem(get(client, alpha, file_id, "text/csv"), 409, "file_not_ended")
    assert get(client, alpha, file_id, "application/json").status_code == 200


def test_a_file_of_which_nothing_was_read_says_so(client, world, alpha) -> None:
    file_id = world.file(alpha.id, alpha.email, status="failed", error_code="no_header")
    problem(get(client, alpha, file_id, XLSX), 409, "file_not_read")


def test_rows_of_a_failed_file_say_why_they_have_no_figure(client, alpha, read_file) -> None:
    file_id = read_file(alpha, TEXT.encode(), "fuels.csv", status="failed",
                        error_code="cancelled", error_message="On request.")  # fmt: skip
    rows = table(get(client, alpha, file_id, "text/csv"))
    assert [(r["row"], r["outcome"], r["code"]) for r in rows[2:5]] == [
        ("3", "skipped", "cancelled"), ("4", "skipped", "cancelled"), ("5", "skipped", "cancelled"),
    ]  # fmt: skip
    assert rows[2]["message"] == "On request."
    assert rows[5]["code"] == "number_invalid"


def test_the_rights_are_those_of_the_list(client, world, alpha, beta, fuels) -> None:
    viewer = world.person("vera@alpha.example", (alpha.id, Role.VIEWER))
    limited = world.person(
        "leo@alpha.example", (alpha.id, Role.USER),
        permissions={"projects": [str(world.project(alpha.id, "One"))]},
    )  # fmt: skip
    route, accept = f"/v1/files/{fuels}/issues", {"Accept": "text/csv"}
    assert client.get(route, headers=viewer | accept).status_code == 200
    for headers in (limited, beta.headers):
        problem(client.get(route, headers=headers | accept), 404, "not_found")
    problem(client.get(route, headers=accept), 401, "unauthenticated")


def test_a_store_that_lost_the_rows_is_no_half_file(client, alpha, fuels, storage) -> None:
    storage.delete(raw_part_key(alpha.id, fuels, 0))
    problem(get(client, alpha, fuels, "text/csv"), 503, "unavailable")


def test_batches_and_parts_meet_without_loss(
    client, world, alpha, read_file, storage, platform_engine, monkeypatch
) -> None:
    monkeypatch.setattr(annotated, "BATCH_ROWS", 7)
    lines = [f"Diesel {n},{n},{'litres' if n % 3 else 'furlong'}" for n in range(1, 101)]
    text = "\n".join(["Activity,Quantity,Unit", *lines])
    file_id = read_file(alpha, text.encode(), "many.csv")
    for number in range(2, 102, 2):
        if (number - 1) % 3:
            world.emission(alpha.id, file_id, number, calculated_emission=float(number))
    with Session(platform_engine) as session:
        session.execute(update(File).where(File.id == file_id).values(status="completed"))
        session.commit()
    rows = table(get(client, alpha, file_id, "text/csv"))
    assert [int(r["row"]) for r in rows] == list(range(1, 102))
    for row in rows[1:]:
        n = int(row["row"]) - 1
        wanted = "rejected" if n % 3 == 0 else "calculated" if n % 2 else "in_review"
        assert (row["outcome"], row["Activity"]) == (wanted, f"Diesel {n}")


def test_issues_of_other_sheets_are_not_mixed_up(client, world, alpha, read_file) -> None:
    book = openpyxl.Workbook()
    book.active.title = "A"
    for sheet in (book.active, book.create_sheet("B")):
        for row in (["Activity", "Quantity", "Unit"], ["Diesel", 1, "litres"]):
            sheet.append(row)
    data = io.BytesIO()
    book.save(data)
    file_id = read_file(alpha, data.getvalue(), "two.xlsx")
    world.emission(alpha.id, file_id, 2, sheet="A", calculated_emission=2.5)
    world.issue(alpha.id, file_id, 2, sheet="B", code="unit_unknown")
    rows = table(get(client, alpha, file_id, "text/csv"))
    assert [(r["sheet"], r["row"], r["outcome"], r["kg_co2e"]) for r in rows] == [
        ("A", "1", "skipped", ""), ("A", "2", "calculated", "2.5"),
        ("B", "1", "skipped", ""), ("B", "2", "rejected", ""),
    ]  # fmt: skip
    found = openpyxl.load_workbook(io.BytesIO(get(client, alpha, file_id, XLSX).content))
    assert found.sheetnames == ["A", "B"]
    assert [row[3] for row in found["B"].iter_rows(values_only=True)] == [
        "outcome", "skipped", "rejected",
    ]  # fmt: skip


def test_an_organization_is_sent_a_few_at_a_time(client, alpha, beta, fuels, read_file) -> None:
    services = client.app.state.services
    turns = Turns(1, patience_s=0.01)
    client.app.state.services = replace(services, downloads=turns)
    theirs = read_file(beta, TEXT.encode(), "fuels.csv", status="failed")
    held = AsyncExitStack()
    client.portal.call(held.enter_async_context, turns.take(alpha.id))
    for accept in ("text/csv", XLSX):
        problem(get(client, alpha, fuels, accept), 503, "busy")
        assert get(client, beta, theirs, accept).status_code == 200
    assert get(client, alpha, fuels, "application/json").status_code == 200
    client.portal.call(held.aclose)
    for accept in ("text/csv", XLSX):
        assert get(client, alpha, fuels, accept).status_code == 200
    assert not turns.queues


def test_the_document_names_both_media_types(client) -> None:
    told = client.get("/openapi.json").json()["paths"]["/v1/files/{file_id}/issues"]["get"]
    content = told["responses"]["200"]["content"]
    assert list(content) == ["application/json", "text/csv", XLSX]
    assert content["application/json"]["schema"]["$ref"].endswith("/RowIssueList")
    assert "not_acceptable" in told["responses"]["406"]["description"]
    assert {"file_not_ended", "file_not_read"} <= set(
        told["responses"]["409"]["content"]["application/problem+json"]["examples"]
    )
