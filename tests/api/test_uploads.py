"""POST /v1/files."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
import logging
import threading
import zipfile
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from api import middleware
from api.errors import ApiError
from api.middleware import BodyLimit
from api.upload_form import clean_filename
from core.permissions import Role

CSV = b"Activity,Quantity,Unit\nDiesel,1200,litres\n"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100)


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return dict(answer.json())


def upload(client, who, content: bytes = CSV, name: str = "travel.csv", query="", **fields):
    return client.post(
        f"/v1/files{query}", headers=who.headers, files={"file": (name, content)}, data=fields
    )


def workbook() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return out.getvalue()


def packed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)  # the name of a test must not depend on the time


def stored_files(storage, who) -> list[str]:
    return [listed.key for listed in storage.list(f"{who.id}/")]


def test_an_upload_is_stored_audited_and_started(
    client, alpha, storage, pipeline, admin_engine
) -> None:
    answer = upload(client, alpha, region="Germany", reporting_year="2024", upstream="true")
    body = answer.json()
    assert answer.status_code == 202, answer.text
    file_id = UUID(body["file_id"])
    assert file_id.version == 7
    assert answer.headers["location"] == f"/v1/files/{file_id}"
    assert body["status"] == "uploaded"
    assert body["processing_job_id"] == f"file/{file_id}"
    assert body["duplicate_of"] is None
    with storage.open(f"{alpha.id}/files/{file_id}") as source:
        assert source.read() == CSV
    assert [(ref.organization_id, ref.file_id) for ref in pipeline.started] == [(alpha.id, file_id)]
    with admin_engine.connect() as connection:
        row = connection.execute(text("SELECT * FROM files")).one()
        event = connection.execute(text("SELECT * FROM audit_events")).one()
    assert row.sha256 == hashlib.sha256(CSV).hexdigest()
    assert (row.file_size, row.file_type, row.region) == (len(CSV), "csv", "DE")
    assert (row.reporting_year, row.status, row.upstream) == (2024, "uploaded", True)
    assert (event.action, event.object_id) == ("file.uploaded", file_id)
    assert event.request_id == answer.headers["x-request-id"]
    assert event.actor_user_id == row.user_id


def test_an_upload_is_taken_while_temporal_is_away(client, alpha, pipeline, caplog) -> None:
    pipeline.away = True
    with caplog.at_level(logging.WARNING, "tonnage.api"):
        answer = upload(client, alpha)
    assert answer.status_code == 202
    assert "the sweep will" in caplog.text
    assert CSV.decode()[:8] not in caplog.text


def test_a_workbook_is_taken(client, alpha) -> None:
    assert upload(client, alpha, workbook(), "Book 1.XLSX").status_code == 202


@pytest.mark.parametrize(
    ("name", "content", "media_type"),
    [
        ("a.json", b'[{"Activity": "Diesel"}]', "application/json"),
        ("a.json", b'{"Activity": "Diesel"}', "application/json"),
        ("a.jsonl", b'{"Activity": "Diesel"}', "application/jsonl"),
        ("a.csv.gz", packed(CSV), "application/gzip"),
        ("A.JSON.GZ", packed(b'[{"a": 1}]'), "application/gzip"),
        ("a.xls", OLE, "application/vnd.ms-excel"),
        ("a.parquet", b"PAR1" + bytes(50), "application/vnd.apache.parquet"),
        # Cut after 64 kB within a letter, and 0x81 is nothing in Windows-1252
        ("a.csv", b"a,b\n" + "xŁ".encode() * 30_000, "text/csv"),
    ],
)
def test_every_format_is_taken_and_named(
    client, alpha, admin_engine, name, content, media_type
) -> None:
    assert upload(client, alpha, content, name).status_code == 202
    with admin_engine.connect() as connection:
        row = connection.execute(text("SELECT file_type, mime_type FROM files")).one()
    assert row == (name.lower().partition(".")[2], media_type)
    listed = client.get("/v1/files", params={"file_type": row.file_type}, headers=alpha.headers)
    assert len(listed.json()["files"]) == 1


def test_a_workbook_with_macros_is_refused_with_its_reason(client, alpha) -> None:
    body = problem(upload(client, alpha, workbook(), "a.xlsm"), 415, "type_not_allowed")
    assert "macros" in body["detail"]


@pytest.mark.parametrize(
    "name", ["a.pdf", "a.gz", "a.xlsx.gz", "a.xlsm", "a", "a.csv.exe", ".csv/../x", "csv"]
)
def test_other_types_are_415(client, alpha, name, storage) -> None:
    body = problem(upload(client, alpha, name=name), 415, "type_not_allowed")
    assert {"csv", "csv.gz", "json", "jsonl", "ods", "parquet", "tsv", "txt", "xls", "xlsx"} <= set(
        body["allowed"]
    )
    assert not {"xlsm", "gz", "xlsx.gz", "parquet.gz"} & set(body["allowed"])
    assert stored_files(storage, alpha) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", workbook()),
        ("a.csv", b"%PDF-1.7 something"),
        ("a.csv", bytes(range(256)) * 40),
        ("a.tsv", b"\x89PNG\r\n\x1a\n" + bytes(100)),
        ("a.xlsx", CSV),
        ("a.xlsx", OLE),
        ("a.xls", workbook()),
        ("a.json", CSV),
        ("a.csv", b'[{"Activity": "Diesel"}]'),
        ("a.csv.gz", CSV),
        ("a.csv", packed(CSV)),
        ("a.csv.gz", b"\x1f\x8b broken"),
        ("a.csv.gz", packed(packed(CSV))),
        ("a.parquet", CSV),
    ],
)
def test_content_that_belies_its_name_is_415(client, alpha, name, content) -> None:
    body = problem(upload(client, alpha, content, name), 415, "content_mismatch")
    assert body["detail"].startswith(f"The file is named {name[1:]}, but its content ")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", b"\xff\xd8\xff\xe0 a photograph", "is a JPEG picture."),
        ("a.xls", workbook(), "is a ZIP archive, as an XLSX or ODS workbook is."),
        ("a.xlsx", CSV, "is plain text, as CSV is."),
        ("a.csv.gz", CSV, "is not packed with gzip."),
        ("a.csv", b"%PDF-1.7 something", "is of the type pdf."),
    ],
)
def test_a_mismatch_says_what_was_found(client, alpha, name, content, told) -> None:
    body = problem(upload(client, alpha, content, name), 415, "content_mismatch")
    assert body["detail"].endswith(told)


@pytest.mark.parametrize(
    ("mapping", "told"),
    [
        ({"Menge": "volume", "Litres": "quantity"}, "entry 2 must map to one of: "),
        ({"A": "volume", "unit": "kWh", "B": "volume"}, "entries 1 and 3 name the same field"),
        ({"": "volume"}, "entry 1 must name the column"),
    ],
)
def test_a_wrong_mapping_says_which_entry(client, alpha, mapping, told) -> None:
    answer = upload(client, alpha, mapping=json.dumps(mapping))
    (fault,) = problem(answer, 422, "validation_failed")["errors"]
    assert fault["pointer"] == "#/mapping"
    assert fault["detail"].startswith(told)


def test_a_field_that_would_be_lost_is_refused(client, alpha) -> None:
    answer = upload(client, alpha, region=["GB", "DE"])
    (fault,) = problem(answer, 422, "validation_failed")["errors"]
    assert (fault["pointer"], fault["code"]) == ("#/region", "repeated")


@pytest.mark.parametrize(
    "region", ["a" + " " * 64_000 + "b", "GB," * 2_000 + "GB", "a" + "\u0301\u0323" * 10_000]
)
def test_a_region_longer_than_any_name_is_not_looked_at(client, alpha, storage, region) -> None:
    answer = upload(client, alpha, region=region)
    [fault] = problem(answer, 422, "validation_failed")["errors"]
    assert (fault["pointer"], fault["code"]) == ("#/region", "string_too_long")
    assert stored_files(storage, alpha) == []


@pytest.mark.parametrize("region", ["GB," * 33 + "G", "a" + "\u0301\u0323" * 49 + "b"])
def test_a_region_of_nonsense_is_refused_as_one_fault(client, alpha, region) -> None:
    answer = upload(client, alpha, region=region)
    [fault] = problem(answer, 422, "validation_failed")["errors"]
    assert (fault["pointer"], fault["code"]) == ("#/region", "region_unknown")


def test_a_filename_of_marks_without_end_is_cut() -> None:
    found = clean_filename("a" + "\u0301\u0323" * 16_000 + "b.csv")
    assert found.startswith("ạ")
    assert found.endswith("b.csv")
    assert len(found) < 40


def test_a_mapping_that_names_a_column_twice_is_refused(client, alpha) -> None:
    answer = upload(client, alpha, mapping='{"Menge": "volume", "Wert": "amount", "Menge": "unit"}')
    (fault,) = problem(answer, 422, "validation_failed")["errors"]
    assert (fault["pointer"], fault["code"]) == ("#/mapping", "column_repeated")


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b" \r\n\r\n"])
def test_nothing_is_422_file_empty(client, alpha, content) -> None:
    problem(upload(client, alpha, content), 422, "file_empty")


def test_one_byte_too_many_is_413(client, alpha, storage) -> None:
    assert upload(client, alpha, CSV.ljust(400_000, b"x")).status_code == 202
    body = problem(upload(client, alpha, CSV.ljust(400_001, b"y")), 413, "file_too_large")
    assert body["limit_bytes"] == 400_000
    assert len(stored_files(storage, alpha)) == 1


def test_a_body_without_length_is_cut_off_at_the_limit(client, alpha) -> None:
    sent = 0

    def endless():
        nonlocal sent
        head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
        yield head
        for _ in range(1000):
            sent += 65536
            yield b"a" * 65536

    headers = alpha.headers | {"Content-Type": "multipart/form-data; boundary=b"}
    problem(client.post("/v1/files", content=endless(), headers=headers), 413, "file_too_large")


@pytest.mark.parametrize("limit", ["BODY_PAUSE_S", "UPLOAD_LASTS_S"])
def test_a_body_that_stops_coming_is_given_up(monkeypatch, limit) -> None:
    monkeypatch.setattr(middleware, limit, 0.01)
    pieces = [{"type": "http.request", "body": b"half", "more_body": True}]

    async def receive() -> Any:
        return pieces.pop() if pieces else await asyncio.Event().wait()

    async def read_all(_: Any, receive: Any, __: Any) -> None:
        while (await receive()).get("more_body"):
            pass

    scope = {"type": "http", "method": "POST", "path": "/v1/files", "headers": []}
    with pytest.raises(ApiError) as given_up:
        asyncio.run(BodyLimit(read_all, 1_000)(scope, receive, receive))
    assert (given_up.value.code, given_up.value.status_code) == ("request_timeout", 408)


def test_after_the_body_waiting_for_the_caller_to_go_has_no_end(monkeypatch) -> None:
    monkeypatch.setattr(middleware, "BODY_PAUSE_S", 0)
    messages = [
        {"type": "http.disconnect"},
        {"type": "http.request", "body": b"", "more_body": False},
    ]
    seen = []

    async def receive() -> Any:
        if len(messages) == 1:
            await asyncio.sleep(0)  # lets a timeout of nothing strike, if there were one
        return messages.pop()

    async def until_gone(_: Any, receive: Any, __: Any) -> None:
        seen.extend([await receive(), await receive()])

    scope = {"type": "http", "method": "GET", "path": "/v1/files", "headers": []}
    asyncio.run(BodyLimit(until_gone, 1_000)(scope, receive, receive))
    assert seen[-1] == {"type": "http.disconnect"}


def test_who_may_not_upload_is_refused_before_the_body_is_read(client, world, alpha) -> None:
    viewer = world.person("vi@alpha.example", (alpha.id, Role.VIEWER))
    answer = client.post("/v1/files", headers=viewer, files={"file": ("a.csv", CSV)})
    problem(answer, 403, "permission_denied")
    problem(client.post("/v1/files", files={"file": ("a.csv", CSV)}), 401, "unauthenticated")


def test_the_same_bytes_again_are_409_with_the_first_file(client, alpha, storage) -> None:
    first = upload(client, alpha).json()["file_id"]
    body = problem(upload(client, alpha, name="renamed.csv"), 409, "duplicate_file")
    assert body["file_id"] == first
    again = upload(client, alpha, query="?allow_duplicate=true")
    assert again.status_code == 202
    assert again.json()["duplicate_of"] == first
    assert len(stored_files(storage, alpha)) == 2


def test_the_same_bytes_in_two_organizations_do_not_meet(client, alpha, beta) -> None:
    assert upload(client, alpha).status_code == 202
    assert upload(client, beta).status_code == 202


def test_after_the_first_is_deleted_its_bytes_may_come_again(client, alpha, admin_engine) -> None:
    upload(client, alpha)
    with admin_engine.begin() as connection:
        connection.execute(text("UPDATE files SET deleted_at = now()"))
    assert upload(client, alpha).status_code == 202


def test_of_concurrent_uploads_of_the_same_bytes_one_is_taken(
    client, alpha, storage, monkeypatch
) -> None:
    # both have looked for a duplicate and found none before either inserts
    both_looked = threading.Barrier(2, timeout=20)
    put = storage.put

    def put_after_both(*args: Any, **options: Any) -> Any:
        both_looked.wait()
        return put(*args, **options)

    monkeypatch.setattr(storage, "put", put_after_both)
    answers: list[Any] = []
    threads = [
        threading.Thread(target=lambda: answers.append(upload(client, alpha))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [202, 409]
    taken = next(a for a in answers if a.status_code == 202).json()["file_id"]
    refused = next(a for a in answers if a.status_code == 409)
    assert problem(refused, 409, "duplicate_file")["file_id"] == taken
    assert stored_files(storage, alpha) == [f"{alpha.id}/files/{taken}"]


def test_every_wrong_field_is_named(client, alpha) -> None:
    answer = upload(
        client, alpha, project_id="x", region="Atlantis", reporting_year="20", mapping="{",
        upstream="yes",
    )  # fmt: skip
    body = problem(answer, 422, "validation_failed")
    assert {error["pointer"] for error in body["errors"]} == {
        "#/project_id",
        "#/region",
        "#/reporting_year",
        "#/mapping",
        "#/upstream",
    }
    assert "Atlantis" not in answer.text


@pytest.mark.parametrize(
    "mapping",
    [
        "[]",
        "NaN",
        '{"A": "colour"}',
        '{"A": 1}',
        '{"A": "unit", "B": "unit"}',
        '{"": "unit"}',
        '{"\\ud800": "unit"}',
        '{"\\u0000": "unit"}',
        "[" * 50_000,
        '{"decimal_separator": ";"}',
        '{"date_order": "ymd"}',
        '{"unit": ""}',
        '{"unit": 5}',
        '{"currency": ["GBP"]}',
        '{"currency": "\\u0000"}',
        '{"unit": "' + "kg" * 26 + '"}',
    ],
)
def test_a_mapping_that_makes_no_sense_is_422(client, alpha, mapping) -> None:
    problem(upload(client, alpha, mapping=mapping), 422, "validation_failed")


@pytest.mark.parametrize(
    "mapping",
    [
        {"Menge": "volume", "Einheit": "unit"},
        {"Menge": "volume", "Notiz": "ignore", "Konto": "ignore"},
        {
            "Menge": "volume", "decimal_separator": ",", "date_order": "dmy", "unit": "kWh",
            "currency": "EUR",
        },
        {"decimal_separator": ".", "date_order": "mdy"},
    ],
)  # fmt: skip
def test_a_mapping_is_kept(client, alpha, mapping) -> None:
    file_id = upload(client, alpha, mapping=json.dumps(mapping)).json()["file_id"]
    detail = client.get(f"/v1/files/{file_id}", headers=alpha.headers).json()
    assert detail["mapping"] == mapping


def test_a_project_must_be_the_organizations(client, world, alpha, beta) -> None:
    own, foreign = world.project(alpha.id, "Fleet"), world.project(beta.id, "Theirs")
    assert upload(client, alpha, project_id=str(own)).status_code == 202
    bodies = [
        problem(upload(client, alpha, b"a,b\n", project_id=str(p)), 422, "validation_failed")
        for p in (foreign, uuid4())
    ]
    assert bodies[0]["errors"] == bodies[1]["errors"]


def test_a_member_of_one_project_uploads_only_there(client, world, alpha) -> None:
    own, other = world.project(alpha.id, "Fleet"), world.project(alpha.id, "Offices")
    headers = world.person(
        "u@alpha.example", (alpha.id, Role.USER), permissions={"projects": [str(own)]}
    )
    limited = type(alpha)(alpha.id, "u@alpha.example", headers)
    problem(upload(client, limited), 403, "permission_denied")
    problem(upload(client, limited, project_id=str(other)), 422, "validation_failed")
    assert upload(client, limited, project_id=str(own)).status_code == 202
    # a duplicate they may not see is not named
    upload(client, alpha, b"x,y\n1,2\n", project_id=str(other))
    body = problem(
        upload(client, limited, b"x,y\n1,2\n", project_id=str(own)), 409, "duplicate_file"
    )
    assert "file_id" not in body
    # nor by the upload that is taken all the same
    same = upload(
        client, limited, b"x,y\n1,2\n", query="?allow_duplicate=true", project_id=str(own)
    ).json()
    assert same["duplicate_of"] is None
    shown = client.get(f"/v1/files/{same['file_id']}", headers=limited.headers).json()
    assert shown["duplicate_of"] is None


def test_a_form_that_is_none_is_the_callers_fault(client, alpha) -> None:
    post = client.post
    headers = alpha.headers
    problem(post("/v1/files", headers=headers, json={}), 415, "unsupported_media_type")
    problem(
        post("/v1/files", headers=headers, files={"other": ("a.csv", CSV)}),
        422,
        "validation_failed",
    )
    two = [("file", ("a.csv", CSV)), ("file", ("b.csv", CSV))]
    problem(post("/v1/files", headers=headers, files=two), 400, "malformed_request")
    broken = headers | {"Content-Type": "multipart/form-data; boundary=b"}
    problem(post("/v1/files", headers=broken, content=b"nonsense"), 400, "malformed_request")
    none = headers | {"Content-Type": "multipart/form-data"}
    problem(post("/v1/files", headers=none, content=b"nonsense"), 400, "malformed_request")


def test_a_storage_that_is_away_is_503_and_leaves_no_row(
    client, alpha, storage, monkeypatch, admin_engine
) -> None:
    from core.errors import Unavailable

    def away(*_: Any, **__: Any) -> Any:
        raise Unavailable

    monkeypatch.setattr(storage, "put", away)
    answer = upload(client, alpha)
    problem(answer, 503, "unavailable")
    assert answer.headers["retry-after"]
    with admin_engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM files")) == 0


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd.csv", "passwd.csv"),
        (r"C:\Users\me\Fahrten.xlsx", "Fahrten.xlsx"),
        ("cafe\u0301.csv", "café.csv"),
        ("invoice\u202evsc.csv", "invoicevsc.csv"),
        ("a\x00b\nc\x7f.csv", "abc.csv"),
        ("a\u2028b\u2029c.csv", "abc.csv"),
        ("x" * 300 + ".csv", "x" * 247 + ".csv"),
        ("  .hidden.csv. ", "hidden.csv"),
        ("\udcff.csv", "csv"),
    ],
)
def test_a_filename_is_cleaned(given: str, kept: str) -> None:
    assert clean_filename(given) == kept
