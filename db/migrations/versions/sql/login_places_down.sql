SET ROLE tonnage_owner;

DROP INDEX idx_login_throttles_age;
DELETE FROM login_throttles;
ALTER TABLE login_throttles DROP COLUMN full_at;
ALTER TABLE login_throttles DROP COLUMN proved_at;

RESET ROLE;
