SET ROLE tonnage_owner;
ALTER TABLE webhook_attempts
    ADD COLUMN problem TEXT,
    ADD CONSTRAINT an_answer_is_no_problem CHECK (problem IS NULL OR status_code IS NULL);
RESET ROLE;
