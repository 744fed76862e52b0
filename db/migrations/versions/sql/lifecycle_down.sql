SET ROLE tonnage_owner;
DROP TABLE doomed_objects;
REVOKE INSERT ON row_issues FROM tonnage_app;
DROP INDEX idx_model_calls_age, idx_model_answers_call, idx_decisions_question,
    idx_remembered_decisions_review, idx_reviews_file, idx_emissions_deleted,
    idx_emissions_decision, idx_files_org_completed, idx_files_deleted, idx_files_unsettled;
ALTER TABLE files DROP COLUMN processing_runs, DROP COLUMN retried_at,
    DROP COLUMN cancel_requested_at, DROP COLUMN purge_at, DROP COLUMN deletion_pending;
RESET ROLE;
