"""Bodies, parameters and headers that no honest client sends: 4xx, and nothing comes back."""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import uuid4

import pytest

from tests.api.conftest import problem

MARK = "zebra-7731"
DEEP = "[" * 100_000 + "]" * 100_000
BODIES: dict[str, bytes] = {
    "none": b"",
    "not JSON": f"{{{MARK}".encode(),
    "invalid UTF-8": b'{"name": "' + MARK.encode() + b'\xff"}',
    "UTF-16": f'{{"name": "{MARK}"}}'.encode("utf-16"),
    "names a field twice": f'{{"name": "{MARK}", "name": "x"}}'.encode(),
    "twice, further in": f'{{"a": [{{"name": "{MARK}", "name": "x"}}]}}'.encode(),
    "NaN": b'{"name": NaN}',
    "Infinity": b'{"name": -Infinity}',
    "deep": DEEP.encode(),
    "deep objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "digits": b'{"name": ' + b"9" * 5000 + b"}",
    "a list": f'["{MARK}"]'.encode(),
    "a text": f'"{MARK}"'.encode(),
    "null": b"null",
    "unknown": f'{{"{MARK} <b>": "{MARK}"}}'.encode(),
    "a secret as a name": b'{"' + (MARK.replace("-", "") * 10).encode() + b'": 1}',
}
VALUES: list[Any] = [
    MARK + "\0", MARK + "\ud800", [MARK], {MARK: MARK}, True, -1, 10**400, MARK * 10_000, "", None,
]  # fmt: skip
RAW_VALUES = ["1e999", "-1e999", "1e-999", "0.1e-400", '"\\ud800"', '"\\u0000"']


def operations(client: Any) -> list[tuple[str, str, dict[str, Any]]]:
    """Return every operation with a JSON body: method, url, its document."""
    document = client.get("/openapi.json").json()
    found = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {})
            if "application/json" in content:
                schema = content["application/json"]["schema"]
                name = schema.get("$ref", "").rsplit("/", 1)[-1]
                operation["body"] = document["components"]["schemas"].get(name, schema)
                found.append((method, path, operation))
    assert len(found) >= 7
    return found


def url_of(path: str, organization_id: Any) -> str:
    path = path.replace("{organization_id}", str(organization_id))
    return re.sub(r"\{\w+\}", lambda _: str(uuid4()), path)


def refused(answer: Any, operation: dict[str, Any], what: Any) -> None:
    assert 400 <= answer.status_code < 500, (what, answer.status_code, answer.text)
    assert str(answer.status_code) in operation["responses"], (what, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"
    assert MARK not in answer.text, what
    assert MARK.replace("-", "") not in answer.text, what


@pytest.mark.parametrize("kind", BODIES)
def test_no_body_breaks_an_operation_and_none_comes_back(client, alpha, kind) -> None:
    headers = alpha.headers | {"Content-Type": "application/json"}
    for method, path, operation in operations(client):
        url = url_of(path, alpha.id)
        answer = client.request(method, url, headers=headers, content=BODIES[kind])
        refused(answer, operation, (method, path))


@pytest.mark.parametrize("charset", ["utf-16", "latin-1", "utf-7", MARK, '"'])
def test_json_in_another_charset_is_415(client, alpha, charset) -> None:
    headers = alpha.headers | {"Content-Type": f"application/json; charset={charset}"}
    for method, path, operation in operations(client):
        url = url_of(path, alpha.id)
        answer = client.request(method, url, headers=headers, content=b"{}")
        refused(answer, operation, (method, path))
        assert answer.status_code == 415


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", '"utf-8"'])
def test_json_that_names_its_charset_is_taken(client, alpha, charset) -> None:
    headers = alpha.headers | {"Content-Type": f"application/json; charset={charset}"}
    url = f"/v1/organizations/{alpha.id}"
    body = '{"name": "Zoë"}'.encode()
    assert client.patch(url, headers=headers, content=body).json()["name"] == "Zoë"


def test_no_value_of_any_field_breaks_an_operation(client, alpha) -> None:
    headers = alpha.headers | {"Content-Type": "application/json"}
    seen = 0
    for method, path, operation in operations(client):
        url = url_of(path, alpha.id)
        for field in operation["body"]["properties"]:
            raw = [json.dumps(value) for value in VALUES] + RAW_VALUES
            for value in raw:
                content = f'{{"{field}": {value}}}'.encode()
                answer = client.request(method, url, headers=headers, content=content)
                assert answer.status_code < 500, (method, path, field, value[:40], answer.text)
                if answer.status_code >= 400:
                    assert MARK not in answer.text, (method, path, field, value[:40])
                seen += 1
    assert seen > 300


def test_an_unknown_field_is_named_when_its_name_is_a_plain_word(client, alpha) -> None:
    def pointer(name: str) -> str:
        url = f"/v1/organizations/{alpha.id}"
        answer = client.patch(url, headers=alpha.headers, json={name: 1})
        return str(answer.json()["errors"][0]["pointer"])

    assert pointer("nmae") == "#/nmae"
    for hidden in ("a b", "<b>", "x" * 41, "a/b", "a~b", "é", "a\n", "1a", ""):
        assert pointer(hidden) == "#"


@pytest.mark.parametrize(
    "query", ["colour=red", "limit=5&limt=6", "cursor_=x", "%ED%A0%80=1", "a%00b=1", "%FF=1"]
)
def test_unknown_parameters_are_refused_so_that_no_filter_is_lost(client, alpha, query) -> None:
    for path in ("/v1/files", "/v1/emissions", "/v1/organizations", f"/v1/files/{uuid4()}"):
        answer = client.get(f"{path}?{query}", headers=alpha.headers)
        body = answer.json()
        assert (answer.status_code, body["code"]) == (422, "validation_failed")
        assert body["errors"][-1]["code"] == "extra_forbidden"
    named = client.get("/v1/files?limt=6", headers=alpha.headers).json()["errors"]
    assert named[0]["pointer"] == "query/limt"
    assert client.get("/v1/files?limt=6").status_code == 401


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/emissions?project_id={id}&project_id={other}", "project_id"),
        ("/v1/emissions?type=fuel&scope=1&type=travel&scope=2", "type"),
        ("/v1/files?status=failed&status=failed", "status"),
        ("/v1/files?limit=1&limit=2", "limit"),
        ("/v1/emission-factors?release=own&release=x&unit=kWh&unit=l", "unit"),
    ],
)
def test_a_parameter_that_would_be_lost_is_refused(client, alpha, beta, path, name) -> None:
    answer = client.get(path.format(id=alpha.id, other=beta.id), headers=alpha.headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    [fault] = answer.json()["errors"]
    assert (fault["pointer"], fault["code"]) == (f"query/{name}", "repeated")


def test_what_may_be_repeated_is(client, alpha) -> None:
    for path in ("/v1/emissions?scope=1&scope=2", "/v1/emission-factors?release=own&release=x"):
        assert client.get(path, headers=alpha.headers).status_code == 200


def test_an_unknown_parameter_hides_no_other_fault(client, alpha) -> None:
    def places(answer: Any) -> set[str]:
        assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
        return {fault["pointer"] for fault in answer.json()["errors"]}

    query = "colour=red&scope=7&limit=0&min_confidence=2"
    listed = client.get(f"/v1/emissions?{query}", headers=alpha.headers)
    assert places(listed) == {
        "query/colour", "query/scope/0", "query/limit", "query/min_confidence",
    }  # fmt: skip
    gone = client.get("/v1/files/none?colour=red", headers=alpha.headers)
    assert places(gone) == {"query/colour", "path/file_id"}
    url = "/v1/emissions/reports?colour=red"
    posted = client.post(url, headers=alpha.headers, json={"name": "", "shape": 1})
    assert places(posted) == {"query/colour", "#/name", "#/file_format", "#/shape"}
    text = alpha.headers | {"Content-Type": "text/plain"}
    assert client.post(url, headers=text, content=b"{}").status_code == 415
    project = f"/v1/organizations/{alpha.id}/projects"
    made = client.post(f"{project}?colour=red", headers=alpha.headers, json={"name": "Fleet"})
    assert places(made) == {"query/colour"}
    assert client.get(project, headers=alpha.headers).json()["projects"] == []


@pytest.mark.parametrize(
    "path", ["/v1/files/%FF", "/v1/files/%00", "/v1/%ED%A0%80", "/v1/files/%2E"]
)
def test_paths_that_are_no_text_are_4xx(client, alpha, path) -> None:
    answer = client.get(path, headers=alpha.headers)
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "name", ["Authorization", "X-Organization-Id", "If-Match", "If-None-Match", "Idempotency-Key",
             "X-Request-Id", "Content-Type", "Accept"],
)  # fmt: skip
@pytest.mark.parametrize("value", [b"\xff\xfe", MARK.encode() * 100, b"", b'"', b"\xc3\xa9"])
def test_no_header_breaks_an_operation(client, alpha, name, value) -> None:
    url = f"/v1/organizations/{alpha.id}"
    headers = {**alpha.headers, name: value}
    for method, path in (("GET", url), ("PATCH", url), ("POST", "/v1/emission-factors")):
        answer = client.request(method, path, headers=headers, content=b'{"name": "x"}')
        assert answer.status_code < 500, answer.text
        assert MARK not in answer.text


def test_safe_headers_are_on_every_answer(client, alpha) -> None:
    for path in ("/v1/files", "/v1/nothing", "/livez", "/openapi.json", "/docs"):
        headers = client.get(path, headers=alpha.headers).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert ("content-security-policy" in headers) is (path != "/docs")
        assert "strict-transport-security" not in headers  # http here


def test_a_head_without_measure_is_refused_before_anything_looks_at_it(client, alpha) -> None:
    answer = client.get("/v1/files?q=" + "a" * 17_000, headers=alpha.headers)
    assert (answer.status_code, answer.json()["code"]) == (414, "uri_too_long")
    for headers in ({"X-Long": "a" * 17_000}, {f"X-{n}": "1" for n in range(101)}):
        answer = client.get("/v1/files", headers=alpha.headers | headers)
        assert (answer.status_code, answer.json()["code"]) == (431, "headers_too_large")
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["request_id"] == answer.headers["x-request-id"]
    many = "&".join(f"scope={n % 3 + 1}" for n in range(1500))
    assert client.get(f"/v1/emissions?{many}", headers=alpha.headers).status_code == 200


def test_a_form_of_too_many_or_too_long_parts_is_refused(client, alpha) -> None:
    file = {"file": ("a.csv", b"Activity,Amount,Unit\nDiesel,2,l\n")}
    for form in ({f"field{n}": "1" for n in range(11)}, {"region": "G" * 65_537}):
        answer = client.post("/v1/files", headers=alpha.headers, files=file, data=form)
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")
        assert "GGGG" not in answer.text


def test_a_body_of_thousands_of_faults_is_answered_with_a_hundred(client, alpha) -> None:
    body = {"name": "x", "file_format": "csv", **{f"a{n}": 1 for n in range(1900)}}
    answer = client.post("/v1/emissions/reports", headers=alpha.headers, json=body)
    assert (answer.status_code, len(answer.json()["errors"])) == (422, 100)


@pytest.mark.parametrize(
    "body",
    [
        {f"a{n}": 1 for n in range(2001)},
        {"criteria": {f"a{n}": 1 for n in range(1500)}, "more": {f"a{n}": 1 for n in range(501)}},
        {"criteria": [{"a": 1}] * 2001},
    ],
)
def test_a_body_of_thousands_of_names_is_not_looked_at(client, alpha, body) -> None:
    sent = {"name": "x", "file_format": "csv", **body}
    answer = client.post("/v1/emissions/reports", headers=alpha.headers, json=sent)
    told = problem(answer, 400, "malformed_request")["detail"]
    assert told == "The body names more than 2,000 fields."


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/emission-factors", '{"search_terms": [' + "1," * 5_000 + "1]}"),
        ("/v1/emissions/reports", "[" + "[]," * 2_600 + "[]]"),
        ("/v1/auth/login", '{"email": [' + "{}," * 2_600 + "{}]}"),
    ],
)
def test_a_body_of_thousands_of_parts_is_not_looked_at_by_anybody(client, path, body) -> None:
    answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
    told = problem(answer, 400, "malformed_request")["detail"]
    assert told == "The body has more than 5,000 parts."


@pytest.mark.parametrize(("token", "most"), [(True, 64 * 1024), (False, 16 * 1024)])
def test_json_has_the_measure_of_what_operations_take(client, alpha, token, most) -> None:
    headers = {"Content-Type": "application/json"} | (alpha.headers if token else {})
    for size, told in ((most, 422 if token else 401), (most + 1, 413)):
        body = b'{"name": "' + b"x" * (size - 12) + b'"}'
        assert len(body) == size
        for content in (body, iter([body])):  # its length declared, and not
            answer = client.post("/v1/emissions/reports", headers=headers, content=content)
            assert answer.status_code == told, answer.text
    assert answer.json()["limit_bytes"] == most


def test_the_largest_lists_that_operations_take_arrive(client, alpha) -> None:
    body = {"releases": ["none"], "file_ids": [str(uuid4()) for _ in range(1001)]}
    answer = client.post("/v1/emissions/recalculations", headers=alpha.headers, json=body)
    faults = problem(answer, 422, "validation_failed")["errors"]
    assert "too_long" in {fault["code"] for fault in faults}


def test_what_anybody_may_send_is_small(client) -> None:
    body = {"email": "a@b.example", "password": "x", **{f"a{n}": 1 for n in range(3000)}}
    answer = client.post("/v1/auth/login", json=body)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_json_that_is_none_is_told_with_its_place_and_without_its_text(client, alpha) -> None:
    answer = client.patch(
        f"/v1/organizations/{alpha.id}",
        headers=alpha.headers | {"Content-Type": "application/json"},
        content=b'{"name": "A",\n "industry" "steel"}',
    )
    body = problem(answer, 400, "malformed_request")
    assert body["detail"] == "The body is not JSON: see line 2, column 13."


@pytest.mark.parametrize("sent", [[], "text", 1, None])
def test_a_body_that_is_no_object_is_told_in_plain_words(client, alpha, sent) -> None:
    answer = client.post("/v1/emission-factors", headers=alpha.headers, json=sent)
    (fault,) = problem(answer, 422, "validation_failed")["errors"]
    assert fault["pointer"] == "#"
    assert "extract" not in fault["detail"]


def test_an_address_that_is_none_is_not_told_as_a_thing_that_is_missing(client, alpha) -> None:
    body = problem(client.get("/v1/filez", headers=alpha.headers), 404, "not_found")
    assert body["detail"] == "There is no such address; /docs lists those that there are."


def test_an_organization_that_is_unknown_or_anothers_names_the_header(client, alpha, beta) -> None:
    def told(organization: object) -> dict[str, object]:
        headers = alpha.headers | {"X-Organization-Id": str(organization)}
        body = problem(client.get("/v1/files", headers=headers), 404, "not_found")
        return {name: body[name] for name in body if name != "request_id"}

    assert told("x") == told(uuid4()) == told(beta.id)
    assert "X-Organization-Id" in str(told("x")["detail"])


def test_a_unit_of_a_factor_is_not_told_to_map_columns(client, alpha) -> None:
    sent = {
        "name": "Solar", "category": "Electricity", "value_kg_co2e_per_unit": 0.02,
        "unit": "quux", "data_year": 2025, "source": "certificate",
    }  # fmt: skip
    answer = client.post("/v1/emission-factors", headers=alpha.headers, json=sent)
    (fault,) = problem(answer, 422, "validation_failed")["errors"]
    assert (fault["pointer"], fault["code"]) == ("#/unit", "unit_unknown")
    assert "column" not in fault["detail"]
