DROP VIEW tenant_emission_texts, tenant_emissions;

SET ROLE tonnage_owner;

DROP TRIGGER sum_added ON emissions;
DROP TRIGGER sum_changed ON emissions;
DROP TRIGGER sum_removed ON emissions;
DROP FUNCTION sum_added_figures(), sum_changed_figures(), sum_removed_figures();
DROP TABLE emission_totals, emission_texts;
DROP INDEX idx_emissions_org_emission, idx_emissions_org_title, idx_emissions_org_type,
    idx_emissions_org_category, idx_emissions_org_region, idx_emissions_org_project;
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'tonnage_search') THEN
        DROP POLICY IF EXISTS search ON emissions;
        DROP POLICY IF EXISTS search ON files;
        REVOKE SELECT (organization_id, id, status, deleted_at) ON files FROM tonnage_search;
        REVOKE SELECT (organization_id, id, file_id, project_id, activity_name, activity_type,
            region, activity_on, activity_year, scope, category, biogenic, calculated_emission,
            upstream_emission, outside_of_scopes_emission, confidence_score, search_vector,
            deleted_at) ON emissions FROM tonnage_search;
        REVOKE EXECUTE ON FUNCTION current_organization() FROM tonnage_search;
    END IF;
END
$$;

RESET ROLE;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'tonnage_search') THEN
        REVOKE USAGE ON SCHEMA public FROM tonnage_search;
    END IF;
END
$$;
