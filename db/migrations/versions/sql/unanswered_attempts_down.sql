SET ROLE tonnage_owner;
ALTER TABLE webhook_attempts DROP COLUMN problem;
RESET ROLE;
