SET ROLE tonnage_owner;

-- Keys of machines. Never an admin's: a key that leaks must not make members or keys.
CREATE TABLE api_keys (
    organization_id UUID NOT NULL REFERENCES organizations (id),
    id UUID NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('manager', 'user', 'viewer')),
    permissions JSONB NOT NULL DEFAULT '{}',
    secret_sha256 BYTEA NOT NULL,
    created_by UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    last_used_at TIMESTAMP WITH TIME ZONE,
    revoked_at TIMESTAMP WITH TIME ZONE,
    revoked_by UUID REFERENCES users (id),
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (created_by, organization_id)
        REFERENCES user_organization_roles (user_id, organization_id)
);
CREATE INDEX idx_api_keys_id ON api_keys (id);  -- a request names the key alone
CREATE INDEX idx_api_keys_creator ON api_keys (organization_id, created_by);

SELECT protect_tenant_table('api_keys');

-- Whoever serves tenants does not see the hash; login compares it before an organization is known.
GRANT SELECT (organization_id, id, name, role, permissions, created_by, created_at, expires_at,
    last_used_at, revoked_at, revoked_by) ON api_keys TO tonnage_app;
GRANT INSERT ON api_keys TO tonnage_app;
GRANT UPDATE (last_used_at, revoked_at, revoked_by) ON api_keys TO tonnage_app;
GRANT SELECT (organization_id, id, name) ON api_keys TO tonnage_worker;
CREATE POLICY login ON api_keys FOR SELECT TO tonnage_auth USING (revoked_at IS NULL);
GRANT SELECT ON api_keys TO tonnage_auth;

RESET ROLE;
