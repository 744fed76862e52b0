"""Who may do what: the one table of roles and operations, and how a membership narrows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID


class Role(StrEnum):
    """A member's role; each may do what the one before may."""

    VIEWER = "viewer"
    USER = "user"
    MANAGER = "manager"
    ADMIN = "admin"


class Operation(StrEnum):
    """Something a member may or may not do; the values are the `features` of /v1/auth/me."""

    READ = "read"
    UPLOAD_FILES = "upload_files"
    DELETE_OWN = "delete_own"
    CREATE_REPORTS = "create_reports"
    RESOLVE_REVIEWS = "resolve_reviews"
    DELETE_ANY = "delete_any"
    MANAGE_PROJECTS = "manage_projects"
    MANAGE_FACTORS = "manage_factors"
    RECALCULATE = "recalculate"
    READ_MEMBERS = "read_members"
    READ_AUDIT = "read_audit"
    MANAGE_MEMBERS = "manage_members"
    MANAGE_API_KEYS = "manage_api_keys"
    MANAGE_ORGANIZATION = "manage_organization"
    MANAGE_SINGLE_SIGN_ON = "manage_single_sign_on"
    MANAGE_WEBHOOKS = "manage_webhooks"


EVERYBODY = frozenset(Role)
USERS = frozenset({Role.USER, Role.MANAGER, Role.ADMIN})
MANAGERS = frozenset({Role.MANAGER, Role.ADMIN})
ADMINS = frozenset({Role.ADMIN})

ALLOWED: Mapping[Operation, frozenset[Role]] = {
    Operation.READ: EVERYBODY,
    Operation.UPLOAD_FILES: USERS,
    Operation.DELETE_OWN: USERS,
    Operation.CREATE_REPORTS: USERS,
    Operation.RESOLVE_REVIEWS: USERS,
    Operation.DELETE_ANY: MANAGERS,
    Operation.MANAGE_PROJECTS: MANAGERS,
    Operation.MANAGE_FACTORS: MANAGERS,
    Operation.RECALCULATE: MANAGERS,
    Operation.READ_MEMBERS: MANAGERS,
    Operation.READ_AUDIT: MANAGERS,
    Operation.MANAGE_MEMBERS: ADMINS,
    Operation.MANAGE_API_KEYS: ADMINS,
    Operation.MANAGE_ORGANIZATION: ADMINS,
    Operation.MANAGE_SINGLE_SIGN_ON: ADMINS,
    Operation.MANAGE_WEBHOOKS: ADMINS,
}


# What is not of one project: a membership that is limited to projects may not do it whatever its
# role. Otherwise its holder could lift the limit, or change what others' figures are made of.
WHOLE_ORGANIZATION = frozenset(
    {
        Operation.MANAGE_PROJECTS,
        Operation.READ_AUDIT,
        Operation.MANAGE_MEMBERS,
        Operation.MANAGE_API_KEYS,
        Operation.MANAGE_WEBHOOKS,
        Operation.MANAGE_ORGANIZATION,
        Operation.MANAGE_SINGLE_SIGN_ON,
        Operation.MANAGE_FACTORS,
    }
)


@dataclass(frozen=True, slots=True)
class Reach:
    """Which projects a membership sees: all (None), or only these."""

    projects: frozenset[UUID] | None = None

    def includes(self, project_id: UUID | None) -> bool:
        """Tell whether something of this project may be seen; None is "of no project"."""
        return self.projects is None or project_id in self.projects

    def within(self, other: Reach) -> Reach:
        """Return what both see."""
        if self.projects is None or other.projects is None:
            return Reach(other.projects if self.projects is None else self.projects)
        return Reach(self.projects & other.projects)

    def permissions(self) -> dict[str, Any]:
        """Return the permissions that reach_of reads as this reach."""
        return {} if self.projects is None else {"projects": sorted(map(str, self.projects))}

    def key(self) -> tuple[str, ...] | None:
        """Return a value that is the same for the same reach, in every process."""
        return None if self.projects is None else tuple(sorted(map(str, self.projects)))


EVERYTHING = Reach()


def may(role: Role, operation: Operation, reach: Reach = EVERYTHING) -> bool:
    """Tell whether `role` includes `operation`, and `reach` does not stand in its way."""
    limited = reach.projects is not None and operation in WHOLE_ORGANIZATION
    return role in ALLOWED[operation] and not limited


def lesser(one: Role, other: Role) -> Role:
    """Return the role that may do less."""
    order = list(Role)
    return min(one, other, key=order.index)


def features(role: Role, reach: Reach = EVERYTHING) -> dict[str, bool]:
    """Return every operation with whether a membership may do it."""
    return {operation.value: may(role, operation, reach) for operation in Operation}


def reach_of(permissions: Mapping[str, Any] | None) -> Reach:
    """Read a membership's permissions. What cannot be read allows nothing."""
    if not permissions or "projects" not in permissions:
        return Reach()
    named = permissions["projects"]
    found: set[UUID] = set()
    for text in named if isinstance(named, list) else []:
        try:
            found.add(UUID(str(text)))
        except ValueError:
            continue
    return Reach(frozenset(found))
