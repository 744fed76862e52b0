SET ROLE tonnage_owner;

-- Deleting a token asks for its children.
CREATE INDEX idx_refresh_tokens_parent ON refresh_tokens (parent_id) WHERE parent_id IS NOT NULL;
-- What a purge looks for; without these each batch reads all of an organization's log.
CREATE INDEX idx_webhook_deliveries_ended ON webhook_deliveries (organization_id, ended_at)
    WHERE ended_at IS NOT NULL;
CREATE INDEX idx_webhook_events_age ON webhook_events (organization_id, created_at);
CREATE INDEX idx_files_project ON files (organization_id, project_id)
    WHERE project_id IS NOT NULL;

RESET ROLE;
