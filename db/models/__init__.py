"""Table classes: columns only. The schema itself is made by db/migrations."""

from db.models.api_keys import ApiKey
from db.models.conventions import IdempotencyKey, RateLimit
from db.models.emissions import (
    Decision,
    Emission,
    EmissionFactor,
    EmissionRevision,
    EmissionText,
    EmissionTotal,
    FactorRelease,
    RememberedDecision,
    Review,
)
from db.models.files import ColumnMapping, File, FileEvent, Report, RowIssue
from db.models.invitations import Invitation
from db.models.model_calls import ModelAnswer, ModelBreaker, ModelCall, ModelSpend
from db.models.purging import DoomedObject
from db.models.recalculations import (
    Recalculation,
    RecalculationDecision,
    RecalculationFile,
    RecalculationRow,
    RecalculationSlice,
)
from db.models.single_sign_on import SsoConnection, SsoIdentity
from db.models.tenancy import (
    AuditEvent,
    AuditHead,
    LoginThrottle,
    OneTimeToken,
    Organization,
    Project,
    RefreshToken,
    User,
    UserOrganizationRole,
    UserSession,
)
from db.models.webhooks import (
    Webhook,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEvent,
    WebhookSecret,
)

__all__ = [
    "ApiKey",
    "AuditEvent",
    "AuditHead",
    "ColumnMapping",
    "Decision",
    "DoomedObject",
    "Emission",
    "EmissionFactor",
    "EmissionRevision",
    "EmissionText",
    "EmissionTotal",
    "FactorRelease",
    "File",
    "FileEvent",
    "IdempotencyKey",
    "Invitation",
    "LoginThrottle",
    "ModelAnswer",
    "ModelBreaker",
    "ModelCall",
    "ModelSpend",
    "OneTimeToken",
    "Organization",
    "Project",
    "RateLimit",
    "Recalculation",
    "RecalculationDecision",
    "RecalculationFile",
    "RecalculationRow",
    "RecalculationSlice",
    "RefreshToken",
    "RememberedDecision",
    "Report",
    "Review",
    "RowIssue",
    "SsoConnection",
    "SsoIdentity",
    "User",
    "UserOrganizationRole",
    "UserSession",
    "Webhook",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookEvent",
    "WebhookSecret",
]
