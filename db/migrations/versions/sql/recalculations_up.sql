SET ROLE tonnage_owner;

-- A dry run of chosen files against a set of releases, and its commit.
CREATE TABLE recalculations (
    id UUID NOT NULL DEFAULT gen_random_uuid(),
    organization_id UUID NOT NULL REFERENCES organizations (id),
    user_id UUID NOT NULL REFERENCES users (id),
    releases TEXT[] NOT NULL CHECK (cardinality(releases) > 0),
    releases_before TEXT[] NOT NULL, -- what the organization had pinned when it was asked for
    filter JSONB NOT NULL,
    projects JSONB, -- what the asking membership sees; NULL: everything
    reason TEXT,
    status TEXT NOT NULL DEFAULT 'previewing'
        CHECK (status IN ('previewing', 'previewed', 'committing', 'committed', 'failed',
                          'cancelled', 'expired')),
    totals JSONB,
    error_code TEXT,
    error_message TEXT,
    activities INTEGER,
    rows INTEGER,
    started_at TIMESTAMP WITH TIME ZONE,
    planned_at TIMESTAMP WITH TIME ZONE,
    previewed_at TIMESTAMP WITH TIME ZONE,
    commit_requested_at TIMESTAMP WITH TIME ZONE,
    commit_requested_by UUID REFERENCES users (id),
    commit_started_at TIMESTAMP WITH TIME ZONE,
    ended_at TIMESTAMP WITH TIME ZONE,
    purged_at TIMESTAMP WITH TIME ZONE, -- the rows of a preview that came to nothing are gone
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    deleted_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (organization_id, id)
);
CREATE INDEX idx_recalculations_age ON recalculations (organization_id, created_at DESC, id DESC)
    WHERE deleted_at IS NULL;
-- Two at once would each find half of the other's figures.
CREATE UNIQUE INDEX idx_recalculations_committing ON recalculations (organization_id)
    WHERE status = 'committing';
CREATE INDEX idx_recalculations_unfinished ON recalculations (status, created_at)
    WHERE status IN ('previewing', 'previewed', 'committing');

-- The files of a recalculation, fixed when it begins. A file is committed as a whole.
CREATE TABLE recalculation_files (
    organization_id UUID NOT NULL REFERENCES organizations (id),
    recalculation_id UUID NOT NULL,
    file_id UUID NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'committed', 'left_out')),
    rows_changed INTEGER,
    settled_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (organization_id, recalculation_id, file_id),
    FOREIGN KEY (organization_id, recalculation_id)
        REFERENCES recalculations (organization_id, id) ON DELETE CASCADE,
    FOREIGN KEY (organization_id, file_id) REFERENCES files (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX idx_recalculation_files_file ON recalculation_files (organization_id, file_id);

-- What becomes of each distinct activity. `kept` says why the present decision stays.
CREATE TABLE recalculation_decisions (
    organization_id UUID NOT NULL REFERENCES organizations (id),
    recalculation_id UUID NOT NULL,
    file_id UUID NOT NULL,
    decision_id UUID NOT NULL,
    number INTEGER NOT NULL,
    old_updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    held BOOLEAN NOT NULL, -- waits for a person today
    row_count INTEGER NOT NULL,
    decided_at TIMESTAMP WITH TIME ZONE,
    kept TEXT,
    kg FLOAT, -- of the activity's total by the new factor; NULL: no figure
    outcome TEXT,
    method TEXT,
    emission_factor_id UUID REFERENCES emission_factors (id),
    confidence FLOAT,
    candidates JSONB,
    reasons JSONB,
    fallbacks JSONB,
    remembered_decision_id UUID,
    question_hash TEXT, -- of the language model's answer that was followed
    PRIMARY KEY (organization_id, recalculation_id, decision_id),
    UNIQUE (organization_id, recalculation_id, number),
    FOREIGN KEY (organization_id, recalculation_id, file_id)
        REFERENCES recalculation_files (organization_id, recalculation_id, file_id) ON DELETE CASCADE
);

-- Which figures are worked on together: about 20,000 a batch, whatever the size of the files.
CREATE TABLE recalculation_slices (
    organization_id UUID NOT NULL REFERENCES organizations (id),
    recalculation_id UUID NOT NULL,
    batch INTEGER NOT NULL,
    file_id UUID NOT NULL,
    first_id UUID NOT NULL,
    last_id UUID NOT NULL,
    rows INTEGER NOT NULL,
    done_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (organization_id, recalculation_id, batch, file_id),
    FOREIGN KEY (organization_id, recalculation_id, file_id)
        REFERENCES recalculation_files (organization_id, recalculation_id, file_id) ON DELETE CASCADE
);

-- One row a figure: old, new, why. `old_updated_at` tells whether it is still the same figure.
CREATE TABLE recalculation_rows (
    organization_id UUID NOT NULL REFERENCES organizations (id),
    recalculation_id UUID NOT NULL,
    file_id UUID NOT NULL,
    emission_id UUID NOT NULL,
    decision_id UUID NOT NULL,
    old_updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    old_kg FLOAT NOT NULL,
    new_kg FLOAT NOT NULL,
    difference_kg FLOAT GENERATED ALWAYS AS (new_kg - old_kg) STORED,
    magnitude_kg FLOAT GENERATED ALWAYS AS (abs(new_kg - old_kg)) STORED,
    old_factor_id UUID,
    new_factor_id UUID,
    old_scope SMALLINT,
    new_scope SMALLINT,
    old_biogenic BOOLEAN NOT NULL,
    new_biogenic BOOLEAN NOT NULL,
    changed BOOLEAN NOT NULL,
    reason_code TEXT NOT NULL,
    -- an emission belongs to one file: the key is (organization, recalculation, emission)
    PRIMARY KEY (organization_id, recalculation_id, file_id, emission_id),
    FOREIGN KEY (organization_id, recalculation_id, file_id)
        REFERENCES recalculation_files (organization_id, recalculation_id, file_id) ON DELETE CASCADE
);
CREATE INDEX idx_recalculation_rows_magnitude ON recalculation_rows
    (organization_id, recalculation_id, magnitude_kg DESC, emission_id DESC);

SELECT protect_tenant_table(t::regclass) FROM unnest(ARRAY['recalculations', 'recalculation_files',
    'recalculation_decisions', 'recalculation_slices', 'recalculation_rows']) t;

GRANT SELECT ON recalculations, recalculation_files, recalculation_decisions, recalculation_slices,
    recalculation_rows TO tonnage_app, tonnage_worker;
GRANT INSERT ON recalculations TO tonnage_app;
GRANT UPDATE (status, commit_requested_at, commit_requested_by, ended_at, deleted_at)
    ON recalculations TO tonnage_app;
GRANT UPDATE ON recalculations TO tonnage_worker;
GRANT INSERT, UPDATE ON recalculation_files, recalculation_decisions, recalculation_slices,
    recalculation_rows TO tonnage_worker;

CREATE TRIGGER touch_updated_at BEFORE UPDATE ON recalculations
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

RESET ROLE;
