"""The whole API behind PgBouncer in transaction mode, with one connection a role for everybody."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from fastapi.testclient import TestClient
from pgbouncer import in_front_of

from api.app import create_app
from runtime.settings import DatabaseRole


def test_requests_of_two_tenants_through_one_connection_never_mix(
    api_settings, storage, pipeline, world, alpha, beta
) -> None:
    tenants = (alpha, beta)
    own = {t.id: str(world.file(t.id, t.email, sha256=t.id.hex)) for t in tenants}

    def ask(number: int) -> None:
        tenant = tenants[number % 2]
        listed = client.get("/v1/files", headers=tenant.headers)
        assert listed.status_code == 200, listed.text
        assert [file["id"] for file in listed.json()["files"]] == [own[tenant.id]]
        other = own[tenants[1 - number % 2].id]
        assert client.get(f"/v1/files/{other}", headers=tenant.headers).status_code == 404

    with in_front_of(api_settings.database_url_for(DatabaseRole.APP)) as url:
        behind = api_settings.model_copy(
            update={
                "app_database_url": url.format(user="tonnage_app"),
                "auth_database_url": url.format(user="tonnage_auth"),
            }
        )
        with TestClient(create_app(behind, storage=storage, pipeline=pipeline)) as client:
            assert client.get("/readyz").json()["status"] == "ready"
            with ThreadPoolExecutor(4) as threads:
                list(threads.map(ask, range(100)))
