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

RESET ROLE;
