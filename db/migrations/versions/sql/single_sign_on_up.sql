SET ROLE tonnage_owner;

-- An organization's OpenID Connect provider. The client secret is sealed (runtime/vault.py); it goes
-- when the connection is deleted, the row stays for the audit trail.
CREATE TABLE sso_connections (
    id UUID NOT NULL DEFAULT gen_random_uuid(),
    organization_id UUID NOT NULL REFERENCES organizations (id),
    issuer TEXT NOT NULL,
    client_id TEXT NOT NULL,
    client_secret BYTEA,
    allowed_domains TEXT[] NOT NULL CHECK (cardinality(allowed_domains) > 0),
    default_role TEXT NOT NULL DEFAULT 'user' CHECK (default_role IN ('viewer', 'user', 'manager')),
    enabled BOOLEAN NOT NULL DEFAULT true,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    deleted_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (organization_id, id),
    CHECK (client_secret IS NOT NULL OR deleted_at IS NOT NULL)
);
CREATE UNIQUE INDEX idx_sso_connections_one ON sso_connections (organization_id)
    WHERE deleted_at IS NULL;
CREATE TRIGGER touch_updated_at BEFORE UPDATE ON sso_connections
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

-- Whom a provider calls what. The subject counts and not the mail address, which may change hands;
-- and only together with its issuer, which a connection may change.
CREATE TABLE sso_identities (
    id UUID NOT NULL DEFAULT gen_random_uuid(),
    organization_id UUID NOT NULL REFERENCES organizations (id),
    connection_id UUID NOT NULL,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, connection_id) REFERENCES sso_connections (organization_id, id),
    UNIQUE (organization_id, connection_id, issuer, subject),
    UNIQUE (organization_id, connection_id, issuer, user_id)
);
CREATE INDEX idx_sso_identities_user ON sso_identities (user_id);

SELECT protect_tenant_table('sso_connections');
SELECT protect_tenant_table('sso_identities');
GRANT SELECT, INSERT, UPDATE ON sso_connections TO tonnage_app;
GRANT SELECT, INSERT ON sso_identities TO tonnage_app;
GRANT SELECT (disabled_at) ON users TO tonnage_app;

-- What an organization's provider vouched for counts in that organization alone. NULL: a password.
ALTER TABLE sessions
    ADD COLUMN only_organization_id UUID REFERENCES organizations (id) ON DELETE CASCADE;
CREATE INDEX idx_sessions_organization ON sessions (only_organization_id)
    WHERE only_organization_id IS NOT NULL AND revoked_at IS NULL;

-- sso_account runs as the owner, whom row-level security is forced upon as well: it sees what it
-- must compare and can make nothing but accounts that no password opens.
CREATE POLICY sso_read ON users FOR SELECT TO tonnage_owner USING (true);
CREATE POLICY sso_made ON users FOR INSERT TO tonnage_owner WITH CHECK (password_hash = '!');
CREATE POLICY sso_read ON user_organization_roles FOR SELECT TO tonnage_owner
    USING (organization_id = (SELECT current_organization()));
CREATE POLICY sso_read ON sso_connections FOR SELECT TO tonnage_owner
    USING (organization_id = (SELECT current_organization()));

-- Find or make the account of a mail address that this organization's provider vouched for.
--   created   a new account, without a password, and no membership yet
--   member    somebody's account who is a member here
--   removed   who was a member here
--   stranger  somebody's account who never was one, whatever the provider says
--   closed    a disabled or deleted account
CREATE FUNCTION sso_account(new_id UUID, wanted_email TEXT, wanted_first_name TEXT,
    wanted_last_name TEXT, OUT user_id UUID, OUT outcome TEXT)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    here CONSTANT UUID := public.current_organization();
    found RECORD;
BEGIN
    IF NOT EXISTS (
        SELECT FROM public.sso_connections c
        WHERE c.organization_id = here AND c.enabled AND c.deleted_at IS NULL
          AND split_part(wanted_email, '@', 2) = ANY (c.allowed_domains)) THEN
        RAISE EXCEPTION 'no connection vouches for this domain'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    -- two first logins at the same moment must see each other
    PERFORM pg_advisory_xact_lock(hashtextextended(wanted_email, 1010));
    INSERT INTO public.users AS u (id, email, password_hash, first_name, last_name)
        VALUES (new_id, wanted_email, '!', wanted_first_name, wanted_last_name)
        ON CONFLICT (email) DO NOTHING;
    SELECT u.id, u.disabled_at, u.deleted_at, m.id AS membership, m.deleted_at AS removed_at
        INTO STRICT found
        FROM public.users u
        LEFT JOIN public.user_organization_roles m
            ON m.user_id = u.id AND m.organization_id = here
        WHERE u.email = wanted_email;
    user_id := found.id;
    outcome := CASE
        WHEN found.id = new_id THEN 'created'
        WHEN found.disabled_at IS NOT NULL OR found.deleted_at IS NOT NULL THEN 'closed'
        WHEN found.removed_at IS NOT NULL THEN 'removed'
        WHEN found.membership IS NOT NULL THEN 'member'
        ELSE 'stranger'
    END;
END
$$;
REVOKE ALL ON FUNCTION sso_account(UUID, TEXT, TEXT, TEXT) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sso_account(UUID, TEXT, TEXT, TEXT) TO tonnage_app;

RESET ROLE;
