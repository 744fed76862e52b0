SET ROLE tonnage_owner;
UPDATE decisions SET outcome = 'held' WHERE outcome = 'rejected';
ALTER TABLE decisions
    DROP COLUMN remembered_decision_id,
    DROP CONSTRAINT decisions_outcome_check,
    ADD CONSTRAINT decisions_outcome_check CHECK (outcome IN ('matched', 'flagged', 'held')),
    DROP CONSTRAINT decisions_check,
    ADD CONSTRAINT decisions_check CHECK (outcome = 'held' OR emission_factor_id IS NOT NULL);
ALTER TABLE reviews DROP COLUMN emission_factor_id, DROP COLUMN applied_at;
DROP TABLE remembered_decisions, emission_revisions;
RESET ROLE;
