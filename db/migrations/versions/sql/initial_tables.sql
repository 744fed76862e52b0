-- Tables as in the user's design (../shared/mission), plus what the pipeline needs.
-- Tenant tables have the key (organization_id, id) and composite foreign keys: foreign-key checks
-- ignore row-level security, and a single-column key would let a tenant point at another's row.
SET ROLE tonnage_owner;

CREATE TABLE organizations (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    name TEXT NOT NULL,
    industry TEXT,
    country TEXT,
    subscription_tier TEXT DEFAULT 'basic',
    data_retention_days INTEGER DEFAULT 365,
    search_language REGCONFIG NOT NULL DEFAULT 'english',
    review_below FLOAT NOT NULL DEFAULT 0.6,
    hold_below FLOAT NOT NULL DEFAULT 0.3,
    factor_releases TEXT[] NOT NULL DEFAULT '{desnz-2025,epa-hub-2025,epa-supply-chain-1.3}',
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    deleted_at TIMESTAMP WITH TIME ZONE,
    CHECK (data_retention_days > 0),
    CHECK (0 <= hold_below AND hold_below <= review_below AND review_below <= 1)
);

CREATE TABLE users (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    email TEXT UNIQUE NOT NULL,
    password_hash TEXT NOT NULL,
    first_name TEXT,
    last_name TEXT,
    tokens_valid_after TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT '-infinity',
    disabled_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    deleted_at TIMESTAMP WITH TIME ZONE,
    CHECK (email = lower(email))
);
CREATE INDEX idx_users_email ON users (email);

CREATE TABLE user_organization_roles (
    id UUID NOT NULL DEFAULT gen_random_uuid(),
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    role TEXT NOT NULL DEFAULT 'user' CHECK (role IN ('admin', 'manager', 'user', 'viewer')),
    permissions JSONB DEFAULT '{}',
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    deleted_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (organization_id, id),
    UNIQUE (user_id, organization_id)
);
CREATE INDEX idx_user_org_roles_user ON user_organization_roles (user_id);
CREATE INDEX idx_user_org_roles_org_role ON user_organization_roles (organization_id, role);

CREATE TABLE projects (
    id UUID NOT NULL DEFAULT gen_random_uuid(),
    organization_id UUID NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL,
    description TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    deleted_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (organization_id, id)
);
CREATE UNIQUE INDEX idx_projects_org_name ON projects (organization_id, name) WHERE deleted_at IS NULL;

CREATE TABLE files (
    id UUID NOT NULL DEFAULT gen_random_uuid(),
    organization_id UUID NOT NULL REFERENCES organizations (id),
    user_id UUID NOT NULL REFERENCES users (id),
    project_id UUID,
    -- File metadata
    filename TEXT NOT NULL,
    object_storage_path TEXT NOT NULL,
    file_size BIGINT NOT NULL,
    mime_type TEXT,
    file_type TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    duplicate_of UUID,
    -- What the uploader said, and what was recognized
    region TEXT,
    reporting_year INTEGER,
    mapping JSONB,
    recognized JSONB,
    -- Processing
    status TEXT DEFAULT 'uploaded'
        CHECK (status IN ('uploaded', 'parsing', 'ai_matching', 'calculating', 'completed', 'failed')),
    processing_job_id TEXT NOT NULL,
    progress JSONB NOT NULL DEFAULT '{}',
    scan_state TEXT NOT NULL DEFAULT 'pending',
    error_code TEXT,
    error_message TEXT,
    rows_total INTEGER NOT NULL DEFAULT 0,
    rows_calculated INTEGER NOT NULL DEFAULT 0,
    rows_in_review INTEGER NOT NULL DEFAULT 0,
    rows_rejected INTEGER NOT NULL DEFAULT 0,
    -- Timestamps for SLA monitoring
    processing_started_at TIMESTAMP WITH TIME ZONE,
    processing_completed_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    deleted_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, project_id) REFERENCES projects (organization_id, id),
    -- rows in = rows out, at any instant, by construction
    CONSTRAINT rows_add_up CHECK (rows_total = rows_calculated + rows_in_review + rows_rejected)
);
CREATE INDEX idx_files_org_user ON files (organization_id, user_id);
CREATE INDEX idx_files_status_created ON files (status, created_at);
CREATE INDEX idx_files_org_status ON files (organization_id, status);
CREATE INDEX idx_files_org_created ON files (organization_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX idx_files_org_sha256 ON files (organization_id, sha256)
    WHERE deleted_at IS NULL AND duplicate_of IS NULL;

CREATE TABLE factor_releases (
    name TEXT PRIMARY KEY,
    publisher TEXT NOT NULL,
    title TEXT NOT NULL,
    version TEXT NOT NULL,
    source_year INTEGER NOT NULL,
    licence TEXT NOT NULL,
    url TEXT,
    retrieved_on DATE,
    sha256 TEXT NOT NULL,
    gwp_set TEXT,
    supersedes TEXT REFERENCES factor_releases (name),
    factor_count INTEGER NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW()
);

CREATE TABLE emission_factors (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    organization_id UUID REFERENCES organizations (id),
    release TEXT REFERENCES factor_releases (name),
    source_id TEXT NOT NULL,
    name TEXT NOT NULL,
    category TEXT NOT NULL,
    unit TEXT NOT NULL,
    dimension TEXT NOT NULL,
    basis TEXT,
    currency TEXT,
    price_year INTEGER,
    value_per_unit FLOAT NOT NULL,
    region TEXT,
    scope SMALLINT,
    scope3_category SMALLINT,
    biogenic BOOLEAN NOT NULL DEFAULT false,
    activity_kind TEXT NOT NULL,
    gases JSONB NOT NULL DEFAULT '[]',
    gwp_set TEXT,
    source TEXT,
    source_year INTEGER,
    data_year INTEGER,
    licence TEXT NOT NULL DEFAULT '',
    levels TEXT[] NOT NULL DEFAULT '{}',
    search_texts TEXT[] NOT NULL DEFAULT '{}',
    source_row TEXT NOT NULL DEFAULT '',
    note TEXT NOT NULL DEFAULT '',
    is_active BOOLEAN NOT NULL DEFAULT true,
    -- sentence embedding of the factor's main search text (runtime/adapters/model)
    embedding VECTOR(384),
    search_language REGCONFIG NOT NULL DEFAULT 'english',
    -- Full-text search for AI matching
    search_vector TSVECTOR GENERATED ALWAYS AS (
        to_tsvector(search_language, name || ' ' || COALESCE(category, ''))
    ) STORED,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    deleted_at TIMESTAMP WITH TIME ZONE,
    CHECK ((organization_id IS NULL) <> (release IS NULL))
);
CREATE INDEX idx_emission_factors_search ON emission_factors USING GIN (search_vector);
CREATE INDEX idx_emission_factors_category_region ON emission_factors (category, region);
CREATE INDEX idx_emission_factors_active ON emission_factors (is_active);
CREATE UNIQUE INDEX idx_emission_factors_release_source ON emission_factors (release, source_id)
    WHERE release IS NOT NULL;
CREATE INDEX idx_emission_factors_org ON emission_factors (organization_id) WHERE organization_id IS NOT NULL;

-- One row a distinct activity of a file: which factor, how sure, what else was considered.
CREATE TABLE decisions (
    id UUID NOT NULL DEFAULT gen_random_uuid(),
    organization_id UUID NOT NULL REFERENCES organizations (id),
    file_id UUID NOT NULL,
    activity_key TEXT NOT NULL,
    activity JSONB NOT NULL,
    row_count INTEGER NOT NULL,
    volume_total FLOAT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('matched', 'flagged', 'held')),
    method TEXT NOT NULL,
    emission_factor_id UUID REFERENCES emission_factors (id),
    confidence FLOAT NOT NULL CHECK (confidence >= 0 AND confidence <= 1),
    candidates JSONB NOT NULL DEFAULT '[]',
    reasons JSONB NOT NULL DEFAULT '[]',
    fallbacks JSONB NOT NULL DEFAULT '[]',
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    deleted_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, file_id) REFERENCES files (organization_id, id) ON DELETE CASCADE,
    UNIQUE (organization_id, file_id, activity_key),
    CHECK (outcome = 'held' OR emission_factor_id IS NOT NULL)
);

-- Hash-partitioned by organization: every query names the organization and meets one partition.
CREATE TABLE emissions (
    id UUID NOT NULL DEFAULT gen_random_uuid(),
    organization_id UUID NOT NULL REFERENCES organizations (id),
    file_id UUID NOT NULL,
    project_id UUID,
    decision_id UUID,
    -- Where the row stands in the upload
    sheet TEXT NOT NULL DEFAULT '',
    row_number INTEGER NOT NULL,
    column_number INTEGER NOT NULL DEFAULT 0,
    -- Emission data
    activity_name TEXT NOT NULL,
    activity_type TEXT,
    activity_description TEXT,
    unit TEXT NOT NULL,
    volume FLOAT NOT NULL,
    region TEXT,
    activity_on DATE,
    activity_year INTEGER,
    -- Calculation results
    emission_factor_id UUID REFERENCES emission_factors (id),
    calculated_emission FLOAT NOT NULL,
    confidence_score FLOAT,
    scope SMALLINT,
    scope3_category SMALLINT,
    category TEXT,
    biogenic BOOLEAN NOT NULL DEFAULT false,
    calculation_method TEXT,
    calculation JSONB,
    -- Full-text search support
    search_language REGCONFIG NOT NULL DEFAULT 'english',
    search_vector TSVECTOR GENERATED ALWAYS AS (
        to_tsvector(search_language,
            COALESCE(activity_name, '') || ' ' ||
            COALESCE(activity_description, '') || ' ' ||
            COALESCE(activity_type, ''))
    ) STORED,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    deleted_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, file_id) REFERENCES files (organization_id, id) ON DELETE CASCADE,
    FOREIGN KEY (organization_id, project_id) REFERENCES projects (organization_id, id),
    FOREIGN KEY (organization_id, decision_id) REFERENCES decisions (organization_id, id),
    -- A stage that runs twice meets its own rows
    UNIQUE (organization_id, file_id, sheet, row_number, column_number)
) PARTITION BY HASH (organization_id);
DO $$
BEGIN
    FOR part IN 0..15 LOOP
        EXECUTE format('CREATE TABLE emissions_p%s PARTITION OF emissions FOR VALUES WITH (MODULUS 16, REMAINDER %s)',
                       lpad(part::text, 2, '0'), part);
    END LOOP;
END
$$;
CREATE INDEX idx_emissions_org_file ON emissions (organization_id, file_id);
CREATE INDEX idx_emissions_type_date ON emissions (organization_id, activity_type, created_at);
CREATE INDEX idx_emissions_search ON emissions USING GIN (search_vector);
CREATE INDEX idx_emissions_name ON emissions (organization_id, activity_name);
CREATE INDEX idx_emissions_org_on ON emissions (organization_id, activity_on, id) WHERE deleted_at IS NULL;

CREATE TABLE row_issues (
    id UUID NOT NULL DEFAULT gen_random_uuid(),
    organization_id UUID NOT NULL REFERENCES organizations (id),
    file_id UUID NOT NULL,
    part INTEGER NOT NULL,
    sheet TEXT NOT NULL DEFAULT '',
    row_number INTEGER NOT NULL,
    column_name TEXT,
    code TEXT NOT NULL,
    severity TEXT NOT NULL CHECK (severity IN ('rejected', 'warning')),
    message TEXT NOT NULL,
    value_text TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, file_id) REFERENCES files (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX idx_row_issues_org_file ON row_issues (organization_id, file_id, row_number);

-- What waits for a person: one row a held or flagged activity of a file.
CREATE TABLE reviews (
    id UUID NOT NULL DEFAULT gen_random_uuid(),
    organization_id UUID NOT NULL REFERENCES organizations (id),
    file_id UUID NOT NULL,
    decision_id UUID NOT NULL,
    reason_code TEXT NOT NULL,
    reason TEXT NOT NULL,
    row_count INTEGER NOT NULL,
    kg_at_risk FLOAT,
    status TEXT NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'accepted', 'chosen', 'rejected')),
    resolved_by UUID REFERENCES users (id),
    resolved_at TIMESTAMP WITH TIME ZONE,
    resolution_reason TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    deleted_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, file_id) REFERENCES files (organization_id, id) ON DELETE CASCADE,
    FOREIGN KEY (organization_id, decision_id) REFERENCES decisions (organization_id, id) ON DELETE CASCADE,
    UNIQUE (organization_id, decision_id)
);
CREATE INDEX idx_reviews_org_open ON reviews (organization_id, kg_at_risk DESC NULLS FIRST, id DESC)
    WHERE status = 'open' AND deleted_at IS NULL;

-- Processing history, as shown to people. One row a stage, kind and attempt: safe to write twice.
CREATE TABLE file_events (
    id UUID NOT NULL DEFAULT gen_random_uuid(),
    organization_id UUID NOT NULL REFERENCES organizations (id),
    file_id UUID NOT NULL,
    stage TEXT NOT NULL,
    kind TEXT NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 1,
    message TEXT NOT NULL,
    detail JSONB NOT NULL DEFAULT '{}',
    occurred_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, file_id) REFERENCES files (organization_id, id) ON DELETE CASCADE,
    UNIQUE (organization_id, file_id, stage, kind, attempt)
);

CREATE TABLE reports (
    id UUID NOT NULL DEFAULT gen_random_uuid(),
    organization_id UUID NOT NULL REFERENCES organizations (id),
    user_id UUID NOT NULL REFERENCES users (id),
    -- Report metadata
    name TEXT NOT NULL,
    description TEXT,
    report_type TEXT DEFAULT 'emission_summary'
        CHECK (report_type IN ('emission_summary', 'detailed', 'custom')),
    -- Query that generated the report
    query_criteria JSONB NOT NULL,
    -- Object storage reference
    object_storage_path TEXT,
    file_format TEXT CHECK (file_format IN ('pdf', 'excel', 'csv')),
    file_size BIGINT,
    -- Generation status
    status TEXT DEFAULT 'generating' CHECK (status IN ('generating', 'completed', 'failed')),
    generation_started_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    generation_completed_at TIMESTAMP WITH TIME ZONE,
    error_message TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    deleted_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (organization_id, id)
);
CREATE INDEX idx_reports_org_user ON reports (organization_id, user_id);
CREATE INDEX idx_reports_status_created ON reports (organization_id, status, created_at);
CREATE INDEX idx_reports_type ON reports (organization_id, report_type);

-- Append-only: the app may add and read, nobody may change. Written in the change's own transaction.
CREATE TABLE audit_events (
    id UUID NOT NULL DEFAULT gen_random_uuid(),
    organization_id UUID NOT NULL REFERENCES organizations (id),
    sequence BIGINT GENERATED ALWAYS AS IDENTITY,
    actor_user_id UUID REFERENCES users (id),
    actor TEXT NOT NULL DEFAULT 'user',
    action TEXT NOT NULL,
    object_type TEXT NOT NULL,
    object_id UUID NOT NULL,
    before JSONB,
    after JSONB,
    request_id TEXT,
    occurred_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (organization_id, id)
);
CREATE INDEX idx_audit_events_object ON audit_events (organization_id, object_type, object_id, sequence);

-- Login state. No tenant data; only the auth role reads these.
CREATE TABLE sessions (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    revoked_at TIMESTAMP WITH TIME ZONE,
    revoked_reason TEXT
);
CREATE INDEX idx_sessions_user ON sessions (user_id) WHERE revoked_at IS NULL;

CREATE TABLE refresh_tokens (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    session_id UUID NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    token_sha256 BYTEA NOT NULL UNIQUE,
    parent_id UUID REFERENCES refresh_tokens (id) ON DELETE CASCADE,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    used_at TIMESTAMP WITH TIME ZONE
);
CREATE INDEX idx_refresh_tokens_session ON refresh_tokens (session_id);

CREATE TABLE login_throttles (
    subject TEXT PRIMARY KEY, -- sha256 of "account:<mail>" or "address:<ip>"
    failures INTEGER NOT NULL DEFAULT 0,
    last_failed_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    blocked_until TIMESTAMP WITH TIME ZONE
);

RESET ROLE;
