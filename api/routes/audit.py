"""/v1/organizations/{id}/audit: what was done in an organization, by whom, and its chain."""

from __future__ import annotations

import datetime as dt
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from api.deps import Member, PagingDep, ServicesDep, requires_here
from api.openapi import documented
from api.pagination import Binding, next_cursor
from api.reviews import require_whole_organization
from api.routes.files import in_utc
from api.schemas.audit import AuditActor, AuditEventItem, AuditList, AuditObject
from api.schemas.common import Text, pagination
from core.permissions import Operation
from db.engine import tenant_session
from db.queries import audit as queries

router = APIRouter(prefix="/v1/organizations/{organization_id}/audit", tags=["audit"])

AuditorHere = Annotated[Member, Depends(requires_here(Operation.READ_AUDIT))]


def audit_filter(
    object_type: Annotated[Text | None, Query(description="E.g. `file`, `report`")] = None,
    object_id: Annotated[UUID | None, Query(description="Of this one object")] = None,
    user_id: Annotated[UUID | None, Query(description="Whose acts")] = None,
    action: Annotated[Text | None, Query(description="E.g. `file.uploaded`")] = None,
    occurred_from: Annotated[dt.datetime | None, Query(description="Included")] = None,
    occurred_to: Annotated[dt.datetime | None, Query(description="Excluded")] = None,
) -> queries.AuditFilter:
    """Read the filter of the list."""
    return queries.AuditFilter(
        object_type, object_id, user_id, action, in_utc(occurred_from), in_utc(occurred_to)
    )


@router.get("", **documented("cursor_invalid", operation=Operation.READ_AUDIT))
def list_audit_events(
    who: AuditorHere,
    services: ServicesDep,
    wanted: Annotated[queries.AuditFilter, Depends(audit_filter)],
    paging: PagingDep,
    request: Request,
    response: Response,
) -> AuditList:
    """List what was done, newest first. Not for members limited to projects: it shows them all."""
    require_whole_organization(who)
    binding = Binding("audit", who.organization_id, wanted)
    asked = paging.request(services.cursors, queries.BY_SEQUENCE, binding)
    with tenant_session(services.app_engine, who.organization_id) as session:
        scope = (session, who.organization_id, wanted)
        page = queries.list_events(*scope, asked)
        total = queries.count_events(*scope) if paging.wants_total else None
    cursor = next_cursor(page, services.cursors, asked, binding, request, response)
    events = [audit_item(row) for row in page.rows]
    return AuditList(events=events, pagination=pagination(paging.limit, cursor, total))


def audit_item(row: queries.AuditRow) -> AuditEventItem:
    """Return an event as the list shows it."""
    event = row.event
    return AuditEventItem.model_validate(
        {
            **{name: getattr(event, name, None) for name in AuditEventItem.model_fields},
            "actor": AuditActor(kind=event.actor, user_id=event.actor_user_id, name=row.name),
            "object": AuditObject(type=event.object_type, id=event.object_id),
            "previous_hash": bytes(event.previous_hash or b"").hex(),
            "hash": bytes(event.hash or b"").hex(),
        }
    )
