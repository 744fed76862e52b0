SET ROLE tonnage_owner;

-- The figure that a row had before a review or a recalculation replaced it: nothing that was once
-- reported is lost. One row a replaced figure; the same cause replaces a figure once.
CREATE TABLE emission_revisions (
    id UUID NOT NULL DEFAULT gen_random_uuid(),
    organization_id UUID NOT NULL REFERENCES organizations (id),
    emission_id UUID NOT NULL,
    cause TEXT NOT NULL CHECK (cause IN ('review', 'recalculation')),
    cause_id UUID NOT NULL,
    replaced_by UUID REFERENCES users (id),
    replaced_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
    reason TEXT NOT NULL DEFAULT '',
    -- as it stood in emissions
    emission_factor_id UUID REFERENCES emission_factors (id),
    calculated_emission FLOAT NOT NULL,
    confidence_score FLOAT,
    scope SMALLINT,
    scope3_category SMALLINT,
    category TEXT,
    biogenic BOOLEAN NOT NULL DEFAULT false,
    calculation_method TEXT,
    calculation JSONB,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, emission_id) REFERENCES emissions (organization_id, id) ON DELETE CASCADE,
    UNIQUE (organization_id, emission_id, cause, cause_id)
);
SELECT protect_tenant_table('emission_revisions');
GRANT SELECT ON emission_revisions TO tonnage_app, tonnage_worker;
GRANT INSERT ON emission_revisions TO tonnage_worker;

-- What an organization decided once and means for every later upload: a factor, or that none fits
-- (emission_factor_id is null). The year is not part of the key: next year's upload must match.
CREATE TABLE remembered_decisions (
    id UUID NOT NULL DEFAULT gen_random_uuid(),
    organization_id UUID NOT NULL REFERENCES organizations (id),
    memory_key TEXT NOT NULL,
    activity JSONB NOT NULL,
    emission_factor_id UUID REFERENCES emission_factors (id),
    reason TEXT,
    review_id UUID,
    decided_by UUID NOT NULL REFERENCES users (id),
    decided_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    replaced_at TIMESTAMP WITH TIME ZONE, -- a newer decision on the same activity counts
    revoked_at TIMESTAMP WITH TIME ZONE,
    revoked_by UUID REFERENCES users (id),
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, review_id) REFERENCES reviews (organization_id, id) ON DELETE SET NULL (review_id)
);
CREATE UNIQUE INDEX idx_remembered_decisions_key ON remembered_decisions (organization_id, memory_key)
    WHERE revoked_at IS NULL AND replaced_at IS NULL;
CREATE INDEX idx_remembered_decisions_age ON remembered_decisions (organization_id, decided_at DESC, id DESC);
SELECT protect_tenant_table('remembered_decisions');
GRANT SELECT ON remembered_decisions TO tonnage_app, tonnage_worker;
GRANT INSERT ON remembered_decisions TO tonnage_app;
GRANT UPDATE (replaced_at, revoked_at, revoked_by) ON remembered_decisions TO tonnage_app;

-- The resolution is committed first and applied by a workflow: applied_at says that it is done.
ALTER TABLE reviews
    ADD COLUMN emission_factor_id UUID REFERENCES emission_factors (id),
    ADD COLUMN applied_at TIMESTAMP WITH TIME ZONE;
CREATE INDEX idx_reviews_unapplied ON reviews (resolved_at)
    WHERE status <> 'open' AND applied_at IS NULL AND deleted_at IS NULL;
-- A person may decide that no factor fits.
ALTER TABLE decisions
    DROP CONSTRAINT decisions_outcome_check,
    ADD CONSTRAINT decisions_outcome_check CHECK (outcome IN ('matched', 'flagged', 'held', 'rejected')),
    DROP CONSTRAINT decisions_check,
    ADD CONSTRAINT decisions_check CHECK (outcome IN ('held', 'rejected') OR emission_factor_id IS NOT NULL);
-- The decision that memory made, if it was one: shown with who and when.
ALTER TABLE decisions ADD COLUMN remembered_decision_id UUID,
    ADD FOREIGN KEY (organization_id, remembered_decision_id)
        REFERENCES remembered_decisions (organization_id, id);
CREATE INDEX idx_decisions_remembered ON decisions (organization_id, remembered_decision_id)
    WHERE remembered_decision_id IS NOT NULL;

RESET ROLE;
