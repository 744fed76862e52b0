SET ROLE tonnage_owner;

-- What was answered to a POST with an Idempotency-Key. `attempt` is the request that holds the key:
-- only it may commit an effect, and it says so here (`effect_at`) in the transaction of the effect.
CREATE TABLE idempotency_keys (
    organization_id UUID NOT NULL REFERENCES organizations (id),
    caller_id UUID NOT NULL, -- the user, or the API key
    key TEXT NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    attempt UUID NOT NULL,
    fingerprint TEXT NOT NULL, -- SHA-256 of method, path, query and body
    request_id TEXT NOT NULL, -- of the attempt, for the one who looks for it in the audit trail
    reserved_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
    effect_at TIMESTAMP WITH TIME ZONE,
    answered_at TIMESTAMP WITH TIME ZONE,
    status SMALLINT,
    headers JSONB,
    body BYTEA,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (organization_id, caller_id, key)
);
CREATE INDEX idx_idempotency_keys_age ON idempotency_keys (created_at);

SELECT protect_tenant_table('idempotency_keys');
GRANT SELECT, INSERT, UPDATE ON idempotency_keys TO tonnage_app;
GRANT SELECT ON idempotency_keys TO tonnage_worker;

-- Token buckets: when each is full again. No tenant's data: ids and a time. Unlogged: after a crash
-- of PostgreSQL everybody begins with a full bucket, and no request waits for the WAL.
CREATE UNLOGGED TABLE rate_limits (
    policy TEXT NOT NULL,
    subject UUID NOT NULL, -- an organization, a user or an API key
    full_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (policy, subject)
) WITH (fillfactor = 50); -- room for HOT updates: the key never changes
GRANT SELECT, INSERT, UPDATE ON rate_limits TO tonnage_app;
GRANT SELECT, DELETE ON rate_limits TO tonnage_platform;

-- The bytes of a day count deleted uploads too.
CREATE INDEX idx_files_org_uploaded ON files (organization_id, created_at) INCLUDE (file_size);

RESET ROLE;
