SET ROLE tonnage_owner;

-- Somebody who was asked into an organization and has not accepted yet. No membership until then:
-- nothing that reads memberships can mistake one for the other. Whether the address has an account
-- is nobody's business before that. The row goes when it is accepted or withdrawn.
CREATE TABLE invitations (
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    id UUID NOT NULL,
    email TEXT NOT NULL CHECK (email = lower(email)),
    first_name TEXT,
    last_name TEXT,
    role TEXT NOT NULL CHECK (role IN ('admin', 'manager', 'user', 'viewer')),
    permissions JSONB NOT NULL DEFAULT '{}',
    token_sha256 BYTEA NOT NULL,
    invited_by UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, email)
);
CREATE INDEX idx_invitations_token ON invitations (token_sha256);  -- a request names it alone
CREATE INDEX idx_invitations_inviter ON invitations (invited_by);
CREATE TRIGGER touch_updated_at BEFORE UPDATE ON invitations
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

SELECT protect_tenant_table('invitations');

-- As with API keys, whoever serves tenants does not see the hash.
GRANT SELECT (organization_id, id, email, first_name, last_name, role, permissions, invited_by,
    created_at, updated_at, expires_at) ON invitations TO tonnage_app;
GRANT INSERT, DELETE ON invitations TO tonnage_app;
GRANT UPDATE (first_name, last_name, role, permissions, token_sha256, invited_by, expires_at)
    ON invitations TO tonnage_app;
GRANT SELECT (organization_id, id) ON invitations TO tonnage_worker;
CREATE POLICY login ON invitations FOR SELECT TO tonnage_auth USING (expires_at > now());
GRANT SELECT ON invitations TO tonnage_auth;

-- invited_account runs as the owner, whom row-level security is forced upon as well. Of the policies
-- for invite_user, which goes, it needs those that read all and that make accounts without password.
CREATE POLICY invitation_read ON invitations FOR SELECT TO tonnage_owner
    USING (expires_at > now());
DROP FUNCTION invite_user(UUID, TEXT, TEXT, TEXT, BYTEA, TIMESTAMP WITH TIME ZONE);

-- Find or make the account that a token of an invitation may set the first password of; NULL when
-- it may not: the account has a password, is out of use, or belongs or belonged to another
-- organization, which its inviter could enter with a password of their choice. The address
-- stays locked until the caller commits: no organization's provider makes the account its own meanwhile.
CREATE FUNCTION invited_account(wanted_sha256 BYTEA) RETURNS UUID
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    invitation RECORD;
    account UUID;
BEGIN
    SELECT i.organization_id, i.id, i.email, i.first_name, i.last_name INTO invitation
        FROM public.invitations i
        WHERE i.token_sha256 = wanted_sha256 AND i.expires_at > now();
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    -- as sso_account does: one after the other for each address
    PERFORM pg_advisory_xact_lock(hashtextextended(invitation.email, 1010));
    INSERT INTO public.users AS u (id, email, password_hash, first_name, last_name)
        VALUES (invitation.id, invitation.email, '!', invitation.first_name, invitation.last_name)
        ON CONFLICT (email) DO NOTHING;
    SELECT u.id INTO account FROM public.users u
        WHERE u.email = invitation.email AND NOT u.has_password
          AND u.disabled_at IS NULL AND u.deleted_at IS NULL
          AND NOT EXISTS (
              SELECT FROM public.user_organization_roles m
              WHERE m.user_id = u.id AND m.organization_id <> invitation.organization_id);
    RETURN account;
END
$$;
REVOKE ALL ON FUNCTION invited_account(BYTEA) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION invited_account(BYTEA) TO tonnage_auth;

RESET ROLE;
