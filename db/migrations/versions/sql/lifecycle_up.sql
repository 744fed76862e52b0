SET ROLE tonnage_owner;

ALTER TABLE files
    -- which run of the file's workflow counts: a retry adds one, and what an earlier run still
    -- says is ignored
    ADD COLUMN processing_runs INTEGER NOT NULL DEFAULT 1,
    ADD COLUMN retried_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN cancel_requested_at TIMESTAMP WITH TIME ZONE,
    -- when a deleted file goes for good, as its deletion promised
    ADD COLUMN purge_at TIMESTAMP WITH TIME ZONE,
    -- the file's flag hides all that hangs on it; its rows and objects follow in the background
    ADD COLUMN deletion_pending BOOLEAN NOT NULL DEFAULT false;
CREATE INDEX idx_files_unsettled ON files (organization_id, id)
    WHERE deletion_pending OR cancel_requested_at IS NOT NULL;
CREATE INDEX idx_files_deleted ON files (organization_id, deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX idx_files_org_completed ON files (organization_id, processing_completed_at)
    WHERE deleted_at IS NULL;

-- Deleting a parent asks each child by its foreign key; without these it reads the whole tenant.
CREATE INDEX idx_emissions_decision ON emissions (organization_id, decision_id);
CREATE INDEX idx_emissions_deleted ON emissions (organization_id, deleted_at)
    WHERE deleted_at IS NOT NULL;
CREATE INDEX idx_reviews_file ON reviews (organization_id, file_id);
CREATE INDEX idx_remembered_decisions_review ON remembered_decisions (organization_id, review_id)
    WHERE review_id IS NOT NULL;
CREATE INDEX idx_decisions_question ON decisions (organization_id, question_hash)
    WHERE question_hash IS NOT NULL;
CREATE INDEX idx_model_answers_call ON model_answers (organization_id, call_id);
CREATE INDEX idx_model_calls_age ON model_calls (organization_id, created_at);

-- A person who deletes a figure leaves the row's reason behind.
GRANT INSERT ON row_issues TO tonnage_app;

-- Objects whose rows are gone: written in the transaction that removes the rows, read until the
-- store has let go of them. A crash in between loses nothing.
CREATE TABLE doomed_objects (
    id UUID NOT NULL DEFAULT gen_random_uuid(),
    organization_id UUID NOT NULL REFERENCES organizations (id),
    key TEXT NOT NULL, -- of an object, or the beginning of keys when it ends with a slash
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (organization_id, id)
);
SELECT protect_tenant_table('doomed_objects');
GRANT SELECT ON doomed_objects TO tonnage_app, tonnage_worker;

RESET ROLE;
