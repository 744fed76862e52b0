SET ROLE tonnage_owner;
DROP FUNCTION invited_account(BYTEA);
DROP TABLE invitations;

-- Find or make the account of a mail address for the organization of this transaction.
-- A function and no INSERT grant: account, membership and audit event become durable together,
-- and the role that serves tenants still sees no stranger and writes no password.
--   created   a new account without a password; the token is good for setting it
--   pending   no password yet and no organization but this one ever: the token is renewed
--   existing  somebody's account: no token. While it has no password, older tokens of it die:
--             else whoever invited it first could enter the second organization with it
--   deleted   the address belonged to an account that is deleted
CREATE FUNCTION invite_user(new_id UUID, wanted_email TEXT, wanted_first_name TEXT,
    wanted_last_name TEXT, new_token_sha256 BYTEA, token_expires_at TIMESTAMP WITH TIME ZONE,
    OUT user_id UUID, OUT outcome TEXT)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    here CONSTANT UUID := public.current_organization();
    found RECORD;
BEGIN
    IF here IS NULL THEN
        RAISE EXCEPTION 'an invitation needs an organization' USING ERRCODE = 'insufficient_privilege';
    END IF;
    -- two organizations that invite the same person at the same moment must see each other
    PERFORM pg_advisory_xact_lock(hashtextextended(wanted_email, 1010));
    INSERT INTO public.users AS u (id, email, password_hash, first_name, last_name)
        VALUES (new_id, wanted_email, '!', wanted_first_name, wanted_last_name)
        ON CONFLICT (email) DO NOTHING;
    SELECT u.id, u.has_password, u.deleted_at, EXISTS (
            SELECT FROM public.user_organization_roles m
            WHERE m.user_id = u.id AND m.organization_id <> here) AS elsewhere
        INTO STRICT found FROM public.users u WHERE u.email = wanted_email;
    user_id := found.id;
    outcome := CASE
        WHEN found.id = new_id THEN 'created'
        WHEN found.deleted_at IS NOT NULL THEN 'deleted'
        WHEN found.has_password OR found.elsewhere THEN 'existing'
        ELSE 'pending'
    END;
    IF outcome IN ('created', 'pending') OR (outcome = 'existing' AND NOT found.has_password) THEN
        DELETE FROM public.one_time_tokens t WHERE t.user_id = found.id;
    END IF;
    IF outcome IN ('created', 'pending') THEN
        INSERT INTO public.one_time_tokens AS t (user_id, purpose, token_sha256, expires_at)
            VALUES (found.id, 'invitation', new_token_sha256, token_expires_at);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION invite_user(UUID, TEXT, TEXT, TEXT, BYTEA, TIMESTAMP WITH TIME ZONE)
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION invite_user(UUID, TEXT, TEXT, TEXT, BYTEA, TIMESTAMP WITH TIME ZONE)
    TO tonnage_app;

RESET ROLE;
