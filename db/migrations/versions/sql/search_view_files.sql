-- The tenant views (search_view_up.sql) with another way to the files that count
DO $$
DECLARE
    owner CONSTANT NAME := (SELECT viewowner FROM pg_views WHERE schemaname = 'public'
                            AND viewname = 'tenant_emissions');
    apart CONSTANT BOOLEAN := owner = 'tonnage_search';
BEGIN
    IF apart THEN
        GRANT CREATE ON SCHEMA public TO tonnage_search;
    END IF;
    EXECUTE format('SET LOCAL ROLE %I', owner);
    CREATE OR REPLACE VIEW tenant_emissions WITH (security_barrier = false) AS
        SELECT organization_id, id, file_id, project_id, activity_name, activity_type, region,
            activity_on, activity_year, scope, category, biogenic, calculated_emission,
            upstream_emission, outside_of_scopes_emission, confidence_score, search_vector,
            deleted_at
        FROM emissions WHERE organization_id = (SELECT current_organization())
            AND %FILES%;
    CREATE OR REPLACE VIEW tenant_emission_texts WITH (security_barrier = false) AS
        SELECT organization_id, id, file_id, project_id, activity_type, region, scope, category,
            biogenic, confidence_score, activity_name, search_vector, figures, kg, upstream_kg,
            outside_kg
        FROM emission_texts WHERE organization_id = (SELECT current_organization())
            AND %FILES%;
    IF NOT apart THEN
        ALTER VIEW tenant_emissions SET (security_invoker = true);
        ALTER VIEW tenant_emission_texts SET (security_invoker = true);
    END IF;
    RESET ROLE;
    IF apart THEN
        REVOKE CREATE ON SCHEMA public FROM tonnage_search;
    END IF;
END
$$;
