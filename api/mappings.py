"""Remembered mappings: shown and revoked."""

from __future__ import annotations

from uuid import UUID

from api.deps import Member
from api.errors import ApiError
from api.reviews import require_whole_organization
from api.schemas.mappings import MappingItem
from api.services import Services
from db.engine import tenant_session
from db.queries import audit
from db.queries import mappings as queries


def mapping_item(row: queries.MappingRow) -> MappingItem:
    """Return a remembered mapping as lists show it."""
    return MappingItem.model_validate(
        {
            **{field: getattr(row.mapping, field, None) for field in MappingItem.model_fields},
            "confirmed_by_name": row.confirmed_by_name,
            "used": row.used,
            "last_used_at": row.last_used_at,
        }
    )


def revoke(services: Services, who: Member, mapping_id: UUID) -> None:
    """Let a remembered mapping count no more; what was read by it stays. Raises 403, 404."""
    require_whole_organization(who)
    organization_id = who.organization_id
    with tenant_session(services.app_engine, organization_id) as session:
        if not queries.revoke(session, organization_id, mapping_id, who.principal.user_id):
            raise ApiError("not_found")
        audit.record(
            session, organization_id, who.actor, action="mapping.revoked",
            object_type="column_mapping", object_id=mapping_id,
        )  # fmt: skip
        session.commit()
