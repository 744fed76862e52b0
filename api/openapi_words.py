"""What the OpenAPI document says in words where the code has none: tags, names, common fields."""

from __future__ import annotations

import json
import re
from typing import Any

TAGS = [
    {"name": "auth", "description": "Logging in and out, passwords, sessions, single sign-on."},
    {
        "name": "organizations",
        "description": "Settings, members, projects, API keys and the sign-on of an organization.",
    },
    {"name": "audit", "description": "What was done, by whom and when, chained by hashes."},
    {"name": "webhooks", "description": "Endpoints that are told of events, and what they got."},
    {"name": "files", "description": "Uploads: their progress, rows and remembered mappings."},
    {"name": "emissions", "description": "Calculated figures: found, summed, explained, verified."},
    {"name": "reviews", "description": "What waits for a person, and what is remembered of it."},
    {"name": "recalculations", "description": "Figures against other releases, tried first."},
    {"name": "reports", "description": "PDF, Excel and CSV from one snapshot of the figures."},
    {"name": "emission factors", "description": "The library's releases, and one's own factors."},
    {"name": "downloads", "description": "Signed links, which are their own right of access."},
    {"name": "health", "description": "Whether a process lives and can serve; its metrics."},
]

# Names of core that are clear there and too general among all schemas of a client.
RENAMED = {"Basis": "CalorificBasis", "Status": "RecalculationStatus"}

# Of a property that says nothing itself and means the same in every schema that has it.
FIELDS = {
    "id": "Its id",
    "file_id": "The upload",
    "project_id": "The project it belongs to; null: none",
    "emission_id": "The figure",
    "review_id": "The review",
    "report_id": "The report",
    "recalculation_id": "The recalculation",
    "decision_id": "The remembered decision",
    "webhook_id": "The endpoint",
    "emission_factor_id": "The emission factor",
    "emission_factor_name": "Name of the emission factor",
    "user_id": "The person",
    "pagination": "How to get the next page",
    "created_at": "When it was made",
    "updated_at": "When it was last changed",
    "deleted_at": "When it was deleted; null: it is there",
    "expires_at": "Until when it is good",
    "last_used_at": "When it was last used; null: never",
    "revoked_at": "When it was revoked; null: it counts",
    "revoked_by": "Who revoked it",
    "created_by": "Who made it",
    "filename": "Name of the upload, cleaned of paths and invisible characters",
    "file_type": "How the name of the upload ends",
    "mime_type": "Media type under which it is kept",
    "size_bytes": "Size in bytes",
    "sha256": "SHA-256 of the bytes as uploaded, in hexadecimal",
    "duplicate_of": "The earlier upload with the same bytes; null: none that you see",
    "processing_job_id": "Id of the workflow that processes it",
    "processing_started_at": "When processing began",
    "processing_completed_at": "When processing ended",
    "reporting_year": "Year of rows that name none",
    "error_code": "Stable code of why it failed; null: it did not",
    "error_message": "Why it failed and what to do, for a person; null: it did not",
    "sheet": "Sheet of a workbook",
    "row": "Row of the sheet or file, as a spreadsheet counts",
    "activity_name": "Name of the activity, as uploaded",
    "activity_type": "Type of the activity, as uploaded",
    "activity_description": "Description of the activity, as uploaded",
    "region": "ISO 3166-1 alpha-2 code of a country, or a subregion such as US-CA",
    "scope": "Scope of the GHG Protocol: 1, 2 or 3",
    "scope3_category": "Category of scope 3 in the GHG Protocol, 1 to 15",
    "unit": "Unit, as a canonical code",
    "dimension": "What the unit measures",
    "currency": "ISO 4217 code, when the unit is money",
    "price_year": "Year of the prices, when the unit is money",
    "emission_kg_co2e": "The figure, kg CO2e",
    "kg_co2e": "kg CO2e",
    "total_kg_co2e": "Sum in kg CO2e",
    "old_kg_co2e": "Before, kg CO2e",
    "new_kg_co2e": "After, kg CO2e",
    "difference_kg_co2e": "After less before, kg CO2e",
    "value_kg_co2e_per_unit": "kg CO2e per one unit",
    "confidence": "How sure the match is, 0 to 1",
    "candidates": "Factors that were considered, the best first, with scores",
    "fallbacks": "Where another region or year was used than asked for",
    "calculation_method": "How the figure was calculated",
    "biogenic": "CO2 from biomass, which is outside of the scopes",
    "gases": "Gases the figure is made of",
    "gwp_set": "Set of global warming potentials, such as AR5",
    "source_id": "The publisher's id of the factor",
    "release": "Release that the factor is from, such as desnz-2025",
    "publisher": "Who publishes it",
    "licence": "Licence under which it may be used",
    "supersedes": "Release that this one replaces",
    "superseded_by": "Release that replaces this one",
    "factor_count": "Factors in the release",
    "retrieved_on": "Day on which the publisher's file was fetched",
    "valid_from_year": "First year it is used for; null: open",
    "valid_to_year": "Last year it is used for; null: open",
    "data_year": "Year that the data describe",
    "search_terms": "Other words for it that an activity may use",
    "by_scope": "Sums by scope",
    "reason_code": "Stable code of the reason",
    "resolved_at": "When somebody decided; null: it waits",
    "resolved_by": "Who decided",
    "resolution_reason": "Why, in the words of who decided",
    "decided_at": "When it was decided",
    "decided_by": "Who decided",
    "decided_by_name": "Name of who decided",
    "report_type": "What the report holds",
    "file_format": "What kind of file it is",
    "generation_started_at": "When writing it began",
    "generation_completed_at": "When writing it ended",
    "email": "Mail address",
    "first_name": "First name",
    "last_name": "Last name",
    "industry": "Industry of the organization",
    "role": "What the person or key may do: viewer, user, manager or admin",
    "history": "What happened to it, the oldest first",
    "request_id": "Id of the request, for support and the logs",
    "occurred_at": "When it happened",
    "percent": "How much is done, 0 to 100",
    "eta": "When it will probably end; null: unknown",
    "rows_total": "Rows found",
    "rows_parsed": "Rows read",
    "rows_valid": "Rows that can be used",
    "rows_calculated": "Rows with a figure",
    "activities_to_match": "Distinct activities to find a factor for",
    "activities_matched": "Distinct activities with a decision",
    "calculated": "Rows with a figure",
    "in_review": "Rows without a figure that wait for a person",
    "rejected": "Rows that can have no figure",
    "has_more": "Whether there is another page",
}

SENTENCE = re.compile(r"(?:[.;:](?=\s|$))")


def summary_of(description: str) -> str:
    """Return the first clause of a docstring: what an operation does, in a line."""
    return SENTENCE.split(" ".join(description.split()), maxsplit=1)[0]


def describe_fields(schemas: dict[str, Any]) -> None:
    """Say what a property is where it says nothing itself."""
    for schema in schemas.values():
        for name, field in schema.get("properties", {}).items():
            if name in FIELDS and "description" not in field:
                field["description"] = FIELDS[name]


def renamed(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with names that are clear among all others."""
    schemas = document["components"]["schemas"]
    for old, new in RENAMED.items():
        assert new not in schemas
        schemas[new] = schemas.pop(old) | {"title": new}
    text = json.dumps(document)
    for old, new in RENAMED.items():
        text = text.replace(f'"#/components/schemas/{old}"', f'"#/components/schemas/{new}"')
    found: dict[str, Any] = json.loads(text)
    return found
