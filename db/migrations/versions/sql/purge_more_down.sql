SET ROLE tonnage_owner;

DROP INDEX idx_files_project, idx_webhook_events_age, idx_webhook_deliveries_ended,
    idx_refresh_tokens_parent;

RESET ROLE;
