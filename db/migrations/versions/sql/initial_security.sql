-- Row-level security on every tenant table and every partition, enabled and forced.
-- nullif: after a transaction that set the tenant locally the setting is '' and not NULL.
-- (SELECT …): evaluated once a query instead of once a row.
SET ROLE tonnage_owner;

CREATE FUNCTION current_organization() RETURNS UUID
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog
    RETURN nullif(current_setting('app.organization_id', true), '')::uuid;

DO $$
DECLARE
    relation record;
BEGIN
    FOR relation IN
        SELECT c.oid::regclass AS name, c.relispartition
        FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'organization_id'
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
          AND c.relname <> 'emission_factors'
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', relation.name);
        EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', relation.name);
        EXECUTE format(
            'CREATE POLICY tenant ON %s FOR ALL TO tonnage_app, tonnage_worker '
            'USING (organization_id = (SELECT current_organization())) '
            'WITH CHECK (organization_id = (SELECT current_organization()))', relation.name);
        IF NOT relation.relispartition THEN
            EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO tonnage_platform', relation.name);
        END IF;
    END LOOP;
END
$$;

-- Factors: the shared library is everybody's to read and nobody's to write; own ones are the tenant's.
ALTER TABLE emission_factors ENABLE ROW LEVEL SECURITY;
ALTER TABLE emission_factors FORCE ROW LEVEL SECURITY;
CREATE POLICY library ON emission_factors FOR SELECT TO tonnage_app, tonnage_worker
    USING (organization_id IS NULL);
CREATE POLICY tenant ON emission_factors FOR ALL TO tonnage_app, tonnage_worker
    USING (organization_id = (SELECT current_organization()))
    WITH CHECK (organization_id = (SELECT current_organization()));

ALTER TABLE organizations ENABLE ROW LEVEL SECURITY;
ALTER TABLE organizations FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON organizations FOR ALL TO tonnage_app, tonnage_worker
    USING (id = (SELECT current_organization()))
    WITH CHECK (id = (SELECT current_organization()));

-- A tenant sees the people who are or were its members.
ALTER TABLE users ENABLE ROW LEVEL SECURITY;
ALTER TABLE users FORCE ROW LEVEL SECURITY;
CREATE POLICY members ON users FOR SELECT TO tonnage_app, tonnage_worker
    USING (EXISTS (SELECT FROM user_organization_roles m
                   WHERE m.user_id = users.id
                     AND m.organization_id = (SELECT current_organization())));
CREATE POLICY login ON users FOR ALL TO tonnage_auth USING (true) WITH CHECK (true);

GRANT SELECT ON organizations, user_organization_roles, projects, files, factor_releases,
    emission_factors, decisions, emissions, row_issues, reviews, file_events, reports, audit_events
    TO tonnage_app, tonnage_worker;
GRANT SELECT (id, email, first_name, last_name, created_at, updated_at, deleted_at)
    ON users TO tonnage_app, tonnage_worker;

GRANT UPDATE ON organizations TO tonnage_app;
GRANT INSERT, UPDATE ON user_organization_roles, projects, files, emission_factors, reviews, reports,
    file_events TO tonnage_app;
GRANT UPDATE ON emissions, decisions TO tonnage_app;
GRANT INSERT ON audit_events TO tonnage_app, tonnage_worker;

GRANT UPDATE ON files, reports TO tonnage_worker;
GRANT INSERT, UPDATE, DELETE ON decisions, emissions, row_issues, reviews, file_events TO tonnage_worker;

GRANT SELECT ON organizations, users, user_organization_roles TO tonnage_auth;
GRANT UPDATE (password_hash, updated_at, tokens_valid_after) ON users TO tonnage_auth;
GRANT SELECT, INSERT, UPDATE, DELETE ON sessions, refresh_tokens, login_throttles TO tonnage_auth;

GRANT SELECT, INSERT, UPDATE, DELETE ON organizations, users, emission_factors, factor_releases,
    sessions, refresh_tokens, login_throttles TO tonnage_platform;

-- Login comes before the organization is known: whose member is this user?
-- Row-level policies for auth show memberships and their organizations, nothing else.
CREATE POLICY login ON user_organization_roles FOR SELECT TO tonnage_auth USING (deleted_at IS NULL);
CREATE POLICY login ON organizations FOR SELECT TO tonnage_auth USING (deleted_at IS NULL);

-- Nobody rewrites history, whatever was granted by mistake.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION 'audit events are append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE ON audit_events
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- updated_at is the database's to keep.
CREATE FUNCTION touch_updated_at() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$;
DO $$
DECLARE
    relation text;
BEGIN
    FOREACH relation IN ARRAY ARRAY['organizations', 'users', 'user_organization_roles', 'projects',
        'files', 'emission_factors', 'decisions', 'emissions', 'reviews', 'reports']
    LOOP
        EXECUTE format('CREATE TRIGGER touch_updated_at BEFORE UPDATE ON %I '
                       'FOR EACH ROW EXECUTE FUNCTION touch_updated_at()', relation);
    END LOOP;
END
$$;

REVOKE EXECUTE ON FUNCTION current_organization(), refuse_change(), touch_updated_at() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION current_organization() TO tonnage_app, tonnage_worker, tonnage_auth, tonnage_platform;

RESET ROLE;
-- /readyz compares the schema's revision with the code's.
GRANT SELECT ON alembic_version TO tonnage_app, tonnage_worker, tonnage_platform;
