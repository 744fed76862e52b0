-- Row-level security is a barrier: a condition that is not leakproof is tried only on rows that
-- have passed it, so it never reaches an index. Full text and beginnings of names are such
-- conditions. The tenant views are the way round: they belong to a role that row-level security
-- lets pass, and name the tenant themselves, as an ordinary condition. They are safe because
-- tenants cannot send SQL: what a condition could leak, only our own statements could make it leak.
--
-- The files are joined in here for a reason: joined from outside, under their row-level security,
-- they would make a barrier of the common organization_id again.
--
-- tonnage_search: nobody logs in as it; it may read what searching needs and write nothing.
-- Who migrates must be able to create it (CREATEROLE, or superuser), or find it created and be a
-- member of it. Else the views are the invoker's: as safe, and as slow, as the tables themselves.
DO $$
DECLARE
    apart BOOLEAN := true;
BEGIN
    BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tonnage_search') THEN
            CREATE ROLE tonnage_search NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
        END IF;
        IF NOT pg_has_role(current_user, 'tonnage_search', 'MEMBER') THEN
            EXECUTE format('GRANT tonnage_search TO %I', current_user);
        END IF;
    EXCEPTION
        WHEN duplicate_object OR unique_violation THEN NULL;
        WHEN insufficient_privilege THEN
            apart := EXISTS (SELECT FROM pg_roles WHERE rolname = 'tonnage_search'
                             AND pg_has_role(current_user, oid, 'MEMBER'));
    END;
    IF apart THEN
        GRANT USAGE, CREATE ON SCHEMA public TO tonnage_search;
        SET LOCAL ROLE tonnage_owner;
        GRANT SELECT (organization_id, id, file_id, project_id, activity_name, activity_type, region,
            activity_on, activity_year, scope, category, biogenic, calculated_emission,
            upstream_emission, outside_of_scopes_emission, confidence_score, search_vector,
            deleted_at) ON emissions TO tonnage_search;
        GRANT SELECT ON emission_texts TO tonnage_search;
        GRANT SELECT (organization_id, id, status, deleted_at) ON files TO tonnage_search;
        GRANT EXECUTE ON FUNCTION current_organization() TO tonnage_search;
        CREATE POLICY search ON emissions FOR SELECT TO tonnage_search USING (true);
        CREATE POLICY search ON emission_texts FOR SELECT TO tonnage_search USING (true);
        CREATE POLICY search ON files FOR SELECT TO tonnage_search USING (true);
        SET LOCAL ROLE tonnage_search;
    ELSE
        RAISE WARNING 'the role tonnage_search could not be made: searching works, slowly';
        SET LOCAL ROLE tonnage_owner;
    END IF;
    CREATE VIEW tenant_emissions WITH (security_barrier = false) AS
        SELECT organization_id, id, file_id, project_id, activity_name, activity_type, region,
            activity_on, activity_year, scope, category, biogenic, calculated_emission,
            upstream_emission, outside_of_scopes_emission, confidence_score, search_vector,
            deleted_at
        FROM emissions WHERE organization_id = (SELECT current_organization())
            AND file_id IN (SELECT f.id FROM files f WHERE f.status = 'completed'
                AND f.deleted_at IS NULL AND f.organization_id = (SELECT current_organization()));
    CREATE VIEW tenant_emission_texts WITH (security_barrier = false) AS
        SELECT organization_id, id, file_id, project_id, activity_type, region, scope, category,
            biogenic, confidence_score, activity_name, search_vector, figures, kg, upstream_kg,
            outside_kg
        FROM emission_texts WHERE organization_id = (SELECT current_organization())
            AND file_id IN (SELECT f.id FROM files f WHERE f.status = 'completed'
                AND f.deleted_at IS NULL AND f.organization_id = (SELECT current_organization()));
    IF NOT apart THEN
        ALTER VIEW tenant_emissions SET (security_invoker = true);
        ALTER VIEW tenant_emission_texts SET (security_invoker = true);
    END IF;
    GRANT SELECT ON tenant_emissions, tenant_emission_texts TO tonnage_app, tonnage_worker;
    RESET ROLE;
    IF apart THEN
        REVOKE CREATE ON SCHEMA public FROM tonnage_search;
    END IF;
END
$$;
