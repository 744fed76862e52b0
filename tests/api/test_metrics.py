"""/metrics: what it counts, what it never names, and who may read it."""

from __future__ import annotations

from fastapi.testclient import TestClient
from pydantic import SecretStr

from api.app import create_app
from tests.api.conftest import problem


def test_requests_are_counted_by_template_and_nothing_names_a_tenant(client, alpha, world) -> None:
    file_id = world.file(alpha.id, alpha.email)
    client.get(f"/v1/files/{file_id}", headers=alpha.headers)
    client.get("/v1/../<script>", headers=alpha.headers)
    client.request("BREW", "/v1/files", headers=alpha.headers)
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    text = answer.text
    labels = (
        'tonnage_http_requests_total{method="GET",route="/v1/files/{file_id}",status="200"} 1.0'
    )
    assert labels in text
    assert 'method="unknown"' in text
    for private in (str(file_id), str(alpha.id), alpha.email, "script", "BREW"):
        assert private not in text
    assert 'tonnage_database_connections{role="app"}' in text


def test_what_is_refused_for_its_head_is_counted_too(client) -> None:
    assert client.get("/v1/files", params={"q": "x" * 20_000}).status_code == 414
    assert client.get("/v1/files", headers={"X-Long": "x" * 20_000}).status_code == 431
    text = client.get("/metrics").text
    for status in (414, 431):
        labels = f'{{method="GET",route="unknown",status="{status}"}} 1.0'
        assert f"tonnage_http_requests_total{labels}" in text


def test_scrapes_and_health_checks_are_not_counted(client) -> None:
    client.get("/livez")
    client.get("/metrics")
    assert "livez" not in client.get("/metrics").text


def test_with_a_token_set_only_its_bearer_reads(api_settings, storage, clean_database) -> None:
    guarded = api_settings.model_copy(update={"metrics_token": SecretStr("scrape-me")})
    with TestClient(create_app(guarded, storage=storage)) as client:
        problem(client.get("/metrics"), 401, "unauthenticated")
        wrong = {"Authorization": "Bearer scrape-you"}
        problem(client.get("/metrics", headers=wrong), 401, "unauthenticated")
        right = {"Authorization": "Bearer scrape-me"}
        assert client.get("/metrics", headers=right).status_code == 200
