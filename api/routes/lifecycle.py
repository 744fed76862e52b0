"""Deleting, cancelling and retrying uploads, and deleting figures."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from api import lifecycle
from api.deps import Member, ServicesDep, UploaderDep, requires
from api.etags import IfMatch
from api.openapi import documented
from api.schemas.lifecycle import EmissionDeleted, FileCancelled, FileDeleted, FileRetried
from core.permissions import Operation

router = APIRouter()

DeleterDep = Annotated[Member, Depends(requires(Operation.DELETE_OWN))]
_deletes = documented("precondition_failed", operation=Operation.DELETE_OWN)


@router.delete("/v1/files/{file_id}", tags=["files"], **_deletes)
async def delete_file(
    file_id: UUID, who: DeleterDep, services: ServicesDep, if_match: IfMatch = None
) -> FileDeleted:
    """Delete an upload with its figures and open reviews; stops it while it is processed.

    It is out of every list, sum and report at once. Managers delete any upload, others their own.
    """
    return await lifecycle.delete_file(services, who, file_id, if_match)


@router.post(
    "/v1/files/{file_id}/cancel",
    tags=["files"],
    status_code=202,
    **documented("file_not_running", operation=Operation.UPLOAD_FILES),
)
async def cancel_file(file_id: UUID, who: UploaderDep, services: ServicesDep) -> FileCancelled:
    """Stop processing an upload; it ends `failed` with the code `cancelled`, without figures."""
    return await lifecycle.cancel_file(services, who, file_id)


@router.post(
    "/v1/files/{file_id}/retry",
    tags=["files"],
    status_code=202,
    **documented("file_not_failed", "file_quarantined", operation=Operation.UPLOAD_FILES),
)
async def retry_file(file_id: UUID, who: UploaderDep, services: ServicesDep) -> FileRetried:
    """Process a failed or cancelled upload again, from the stage that failed.

    What earlier stages made is kept, decisions on factors included. Asked for again while the
    retry is under way, the answer is the same run.
    """
    return await lifecycle.retry_file(services, who, file_id)


@router.delete("/v1/emissions/{emission_id}", tags=["emissions"], **_deletes)
def delete_emission(
    emission_id: UUID, who: DeleterDep, services: ServicesDep, if_match: IfMatch = None
) -> EmissionDeleted:
    """Delete a figure. Its row counts as rejected, with the issue `figure_deleted`."""
    lifecycle.remove_emission(services, who, emission_id, if_match)
    return EmissionDeleted(deleted=True, emission_id=emission_id)
