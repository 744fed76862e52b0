SET ROLE tonnage_owner;

-- 0, or the 1-based column of the figure where one row holds several: each is counted by itself.
ALTER TABLE row_issues ADD COLUMN column_number INTEGER NOT NULL DEFAULT 0;

-- How an organization told us to read tables with certain headings. A mapping is confirmed by an
-- upload that it was given with and that completed.
CREATE TABLE column_mappings (
    id UUID NOT NULL DEFAULT gen_random_uuid(),
    organization_id UUID NOT NULL REFERENCES organizations (id),
    signature TEXT NOT NULL, -- of the headings in their order, see core.parsing.remembered
    headings JSONB NOT NULL,
    mapping JSONB NOT NULL,
    file_id UUID, -- NULL once the upload is purged
    filename TEXT NOT NULL,
    confirmed_by UUID NOT NULL REFERENCES users (id),
    confirmed_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    replaced_at TIMESTAMP WITH TIME ZONE, -- a newer mapping of the same headings counts
    revoked_at TIMESTAMP WITH TIME ZONE,
    revoked_by UUID REFERENCES users (id),
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, file_id) REFERENCES files (organization_id, id)
        ON DELETE SET NULL (file_id)
);
CREATE UNIQUE INDEX idx_column_mappings_signature ON column_mappings (organization_id, signature)
    WHERE revoked_at IS NULL AND replaced_at IS NULL;
CREATE INDEX idx_column_mappings_age ON column_mappings (organization_id, confirmed_at DESC, id DESC);
CREATE INDEX idx_column_mappings_file ON column_mappings (organization_id, file_id)
    WHERE file_id IS NOT NULL;
SELECT protect_tenant_table('column_mappings');
GRANT SELECT ON column_mappings TO tonnage_app, tonnage_worker;
GRANT INSERT ON column_mappings TO tonnage_worker;
GRANT UPDATE (replaced_at) ON column_mappings TO tonnage_worker;
GRANT UPDATE (revoked_at, revoked_by) ON column_mappings TO tonnage_app;

-- Which of them an upload was read by.
ALTER TABLE files ADD COLUMN column_mapping_ids UUID[] NOT NULL DEFAULT '{}';
CREATE INDEX idx_files_column_mappings ON files USING GIN (column_mapping_ids)
    WHERE column_mapping_ids <> '{}';

RESET ROLE;
