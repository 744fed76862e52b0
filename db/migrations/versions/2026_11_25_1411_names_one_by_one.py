"""Let a search step from one name to the next.

Revision ID: 2026_11_25_1411
Revises: 2026_11_25_1410
"""

from alembic import op

revision = "2026_11_25_1411"
down_revision: str | None = "2026_11_25_1410"
branch_labels = None
depends_on = None

INDEX = (
    "SET ROLE tonnage_owner; DROP INDEX idx_emission_texts_name; CREATE INDEX"
    " idx_emission_texts_name ON emission_texts"
    " (organization_id, lower(activity_name) text_pattern_ops{name}); RESET ROLE"
)


def upgrade() -> None:
    """Go up: the name itself ends the key."""
    op.execute(INDEX.format(name=", activity_name text_pattern_ops"))


def downgrade() -> None:
    """Go down."""
    op.execute(INDEX.format(name=""))
