"""Let a search try the files that count as a list, and a preview's rows be found by their reason.

Revision ID: 2026_11_25_1412
Revises: 2026_11_25_1422
"""

from pathlib import Path

from alembic import op

revision = "2026_11_25_1412"
down_revision: str | None = "2026_11_25_1422"
branch_labels = None
depends_on = None

VIEWS = (Path(__file__).parent / "sql" / "search_view_files.sql").read_text()
COUNTING = (
    "(SELECT f.id FROM files f WHERE f.status = 'completed' AND f.deleted_at IS NULL"
    " AND f.organization_id = (SELECT current_organization()))"
)
# The planner guesses how many files there are, and looked the words up once for each of them. A
# list is read once and tried on what the words find; IS TRUE keeps it from becoming a look-up.
LIST = f"(file_id = ANY (ARRAY{COUNTING})) IS TRUE"
JOIN = f"file_id IN {COUNTING}"


def upgrade() -> None:
    """Go up; a few rows of a reason among a million were found last."""
    op.execute(VIEWS.replace("%FILES%", LIST))
    op.execute(
        "SET ROLE tonnage_owner; CREATE INDEX idx_recalculation_rows_reason ON recalculation_rows"
        " (organization_id, recalculation_id, reason_code, magnitude_kg DESC, emission_id DESC);"
        " RESET ROLE"
    )


def downgrade() -> None:
    """Go down."""
    op.execute("SET ROLE tonnage_owner; DROP INDEX idx_recalculation_rows_reason; RESET ROLE")
    op.execute(VIEWS.replace("%FILES%", JOIN))
