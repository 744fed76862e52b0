SET ROLE tonnage_owner;

DROP INDEX idx_files_org_uploaded;
DROP TABLE rate_limits, idempotency_keys;

RESET ROLE;
