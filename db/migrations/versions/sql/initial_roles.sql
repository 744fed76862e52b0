-- Roles belong to the cluster: another database, or an operator, may have made them already.
-- owner    owns every object; migrations only; nobody logs in as it
-- app      the API: row-level security applies, no DELETE
-- worker   the pipeline: row-level security applies, may bulk load through temporary tables
-- platform sweeps, factor releases and retention: bypasses row-level security; never serves a request
-- auth     login: users and sessions, no tenant data
DO $$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN
        SELECT * FROM (VALUES
            ('tonnage_owner',    'NOLOGIN NOBYPASSRLS'),
            ('tonnage_app',      'LOGIN NOBYPASSRLS'),
            ('tonnage_worker',   'LOGIN NOBYPASSRLS'),
            ('tonnage_platform', 'LOGIN BYPASSRLS'),
            ('tonnage_auth',     'LOGIN NOBYPASSRLS')
        ) AS roles (name, options)
    LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOSUPERUSER NOCREATEDB NOCREATEROLE %s',
                           wanted.name, wanted.options);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END LOOP;
    -- 15 s is far above any measured request; a worker statement loads at most 50,000 rows.
    EXECUTE format('ALTER ROLE tonnage_app IN DATABASE %I SET statement_timeout = ''15s''', current_database());
    EXECUTE format('ALTER ROLE tonnage_app IN DATABASE %I SET lock_timeout = ''3s''', current_database());
    EXECUTE format('ALTER ROLE tonnage_app IN DATABASE %I SET idle_in_transaction_session_timeout = ''30s''', current_database());
    EXECUTE format('ALTER ROLE tonnage_auth IN DATABASE %I SET statement_timeout = ''15s''', current_database());
    EXECUTE format('ALTER ROLE tonnage_auth IN DATABASE %I SET lock_timeout = ''3s''', current_database());
    EXECUTE format('ALTER ROLE tonnage_worker IN DATABASE %I SET statement_timeout = ''10min''', current_database());
    EXECUTE format('ALTER ROLE tonnage_worker IN DATABASE %I SET lock_timeout = ''10s''', current_database());
    EXECUTE format('ALTER ROLE tonnage_worker IN DATABASE %I SET idle_in_transaction_session_timeout = ''60s''', current_database());
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO tonnage_worker, tonnage_platform', current_database());
    EXECUTE format('GRANT CREATE ON DATABASE %I TO tonnage_owner', current_database());
END
$$;

CREATE EXTENSION IF NOT EXISTS vector;

-- pg_trgm makes misspelt names searchable and LIKE fast. It is optional: not every server ships it.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm') THEN
        CREATE EXTENSION IF NOT EXISTS pg_trgm;
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'pg_trgm is available but could not be created; searching works without it';
END
$$;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO tonnage_owner;
GRANT USAGE ON SCHEMA public TO tonnage_app, tonnage_worker, tonnage_platform, tonnage_auth;
