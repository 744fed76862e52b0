SET ROLE tonnage_owner;
DROP FUNCTION invite_user(UUID, TEXT, TEXT, TEXT, BYTEA, TIMESTAMP WITH TIME ZONE);
DROP POLICY invitation_read ON user_organization_roles;
DROP POLICY invitation_made ON users;
DROP POLICY invitation_read ON users;
DROP TABLE one_time_tokens;
REVOKE SELECT (disabled_at) ON users FROM tonnage_app;
ALTER TABLE users DROP COLUMN has_password;
RESET ROLE;
