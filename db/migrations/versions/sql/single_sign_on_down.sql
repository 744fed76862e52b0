SET ROLE tonnage_owner;

DROP FUNCTION sso_account(UUID, TEXT, TEXT, TEXT);
DROP POLICY sso_read ON users;
DROP POLICY sso_made ON users;
DROP POLICY sso_read ON user_organization_roles;
-- Without the column a session would count everywhere.
DELETE FROM sessions WHERE only_organization_id IS NOT NULL;
ALTER TABLE sessions DROP COLUMN only_organization_id;
DROP TABLE sso_identities, sso_connections;

RESET ROLE;
