"""Lists: limits, signed cursors, the link to the next page."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Query, Request, Response

from api.errors import ApiError, Fault
from core.derivation import derive_key
from db.queries.paging import Page, PageRequest, Position, Sort, from_text, to_text

MAX_CURSOR_LENGTH = 2048


@dataclass(frozen=True, slots=True)
class Binding:
    """What a cursor belongs to: it opens nothing else."""

    list_name: str
    owner: UUID  # the organization, or the user for lists across organizations
    filters: object  # frozen dataclasses, alone or in a tuple

    def digest(self, sort: Sort) -> str:
        """Return a fingerprint of list, owner, filter and sort."""
        # a filter's repr names every field with its value
        parts = [self.list_name, str(self.owner), repr(self.filters), sort.name, sort.descending]
        text = json.dumps(parts)
        return hashlib.sha256(text.encode()).hexdigest()


class Cursors:
    """Signs positions so that a client can hand them back, and only hand them back."""

    def __init__(self, secrets_newest_first: Sequence[bytes]) -> None:
        self._keys = [derive_key(secret, "cursor") for secret in secrets_newest_first]

    def _macs(self, payload: bytes, binding: Binding, sort: Sort) -> list[bytes]:
        """Return the signature by each key; the first is the one to sign with."""
        message = payload + b"\0" + binding.digest(sort).encode()
        return [hmac.digest(key, message, "sha256")[:16] for key in self._keys]

    def write(self, position: Position, sort: Sort, binding: Binding) -> str:
        """Return the opaque cursor of a position."""
        payload = json.dumps([to_text(sort.kind, position.value), str(position.id)]).encode()
        signed = self._macs(payload, binding, sort)[0] + payload
        return base64.urlsafe_b64encode(signed).rstrip(b"=").decode()

    def read(self, cursor: str, sort: Sort, binding: Binding) -> Position:
        """Return the position of a cursor. Raises cursor_invalid."""
        try:
            signed = base64.b64decode(
                cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True
            )
            mac, payload = signed[:16], signed[16:]
            if any(hmac.compare_digest(mac, m) for m in self._macs(payload, binding, sort)):
                value, row_id = json.loads(payload)
                return Position(from_text(sort.kind, value), UUID(row_id))
        except ValueError:
            pass
        raise ApiError(
            "cursor_invalid",
            faults=[Fault("query/cursor", "cursor_invalid", "start without a cursor")],
        )


Limit = Annotated[int, Query(ge=1, le=200, description="Rows of a page")]
Cursor = Annotated[
    str | None,
    Query(max_length=MAX_CURSOR_LENGTH, description="`next_cursor` of the page before"),
]
Include = Annotated[
    Literal["total"] | None, Query(description="`total` adds the exact number of rows")
]


@dataclass(frozen=True, slots=True)
class Paging:
    """The paging parameters that every list takes."""

    limit: int
    cursor: str | None
    wants_total: bool

    def request(self, cursors: Cursors, sort: Sort, binding: Binding) -> PageRequest:
        """Return what the query module wants to know."""
        after = None if self.cursor is None else cursors.read(self.cursor, sort, binding)
        return PageRequest(sort, self.limit, after)


def paging(limit: Limit = 50, cursor: Cursor = None, include: Include = None) -> Paging:
    """Read the paging parameters of a list."""
    return Paging(limit, cursor, include == "total")


def choose_sort(sorts: Mapping[str, Sort], wanted: str) -> Sort:
    """Return the sort that a parameter names; a leading minus turns it round."""
    sort = sorts[wanted.removeprefix("-")]
    return replace(sort, descending=wanted.startswith("-"))


def next_cursor(
    page: Page[Any],
    cursors: Cursors,
    asked: PageRequest,
    binding: Binding,
    request: Request,
    response: Response,
) -> str | None:
    """Return the cursor of the next page, and link to it in the header."""
    if page.next is None:
        return None
    cursor = cursors.write(page.next, asked.sort, binding)
    query = [(k, v) for k, v in request.query_params.multi_items() if k != "cursor"]
    link = f"{request.scope['path']}?{urlencode([*query, ('cursor', cursor)])}"
    response.headers["Link"] = f'<{link}>; rel="next"'
    return cursor
