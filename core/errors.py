"""The error tree. Codes are stable and appear in API answers and Temporal failures.

An expected outcome (an infected file, no match) is a value, not an exception. No error carries
customer data: messages name rows, columns, limits and remedies only.
"""

from __future__ import annotations


class TonnageError(Exception):
    """Root of everything we raise on purpose."""

    code = "internal_error"

    def __init__(self, message: str = "", *, code: str | None = None) -> None:
        super().__init__(message or self.__class__.__doc__ or self.code)
        if code is not None:
            self.code = code

    @property
    def message(self) -> str:
        return str(self)


class InvalidInput(TonnageError):
    """The input was understood and is wrong; trying again will not help."""

    code = "invalid_input"


class FileRejected(InvalidInput):
    """The file as a whole cannot be processed."""

    code = "file_rejected"


class ReportTooLarge(InvalidInput):
    """To lay the report out takes more memory or time than one report may take."""

    code = "report_too_large"


class NotFound(TonnageError):
    """There is no such thing for this organization."""

    code = "not_found"


class Conflict(TonnageError):
    """The request contradicts the present state."""

    code = "conflict"


class NoFigure(Conflict):
    """A row of a decided activity cannot be calculated: trying again gives the same."""

    code = "no_figure"


class Superseded(Conflict):
    """The file has ended, or a later run of its workflow counts: this one has nothing to say."""

    code = "superseded"


class PermissionDenied(TonnageError):
    """The membership does not allow this."""

    code = "permission_denied"


class Unauthenticated(TonnageError):
    """The caller did not prove who they are."""

    code = "unauthenticated"


class Unavailable(TonnageError):
    """A dependency is away; trying again later may help."""

    code = "unavailable"


class DamagedObject(Unavailable):
    """A stored object is not what was put: cut short, changed, or without its hash."""

    code = "object_damaged"


class RateLimited(Unavailable):
    """A provider says that there were too many requests."""

    code = "rate_limited"

    def __init__(self, message: str = "", *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ParserFailed(TonnageError):
    """The parser met something it was not written for; the cause is in the log."""

    code = "parser_failed"


class Misconfigured(TonnageError):
    """The deployment is set up wrongly; an operator must act."""

    code = "misconfigured"


class MissingTenant(TonnageError):
    """A tenant transaction was begun without an organization; no SQL was sent."""

    code = "missing_tenant"
